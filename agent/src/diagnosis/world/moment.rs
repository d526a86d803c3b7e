//! What happened to a pod or the node at one time, whoever said it: the only input of recovery and
//! of incidents that no sync failure tells. `world` makes them, `incidents` reads them.

use super::PodKey;
use crate::{incident::Evidence, source::Micros};

/// Something that happened, once, whichever line or fact told it first.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Moment {
    /// When it happened.
    pub(in crate::diagnosis) at: Micros,
    /// To which pod; `None` = to the node.
    pub(in crate::diagnosis) pod: Option<PodKey>,
    /// To which node, where the input is of several.
    pub(in crate::diagnosis) host: Option<String>,
    /// To which of its containers.
    pub(in crate::diagnosis) container: Option<String>,
    /// What.
    pub(in crate::diagnosis) what: MomentKind,
    /// The line or fact that shows it.
    pub(in crate::diagnosis) evidence: Evidence,
    /// How far it lies ahead of the newest line: facts come by the wall clock, and what they show
    /// proves nothing of the time before.
    #[serde(skip)]
    pub(in crate::diagnosis) ahead: Micros,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::diagnosis) enum MomentKind {
    /// The pod was assigned to this node.
    #[default]
    PodAdded,
    /// Its specification changed.
    PodChanged,
    /// It is to end: what ends from now on is no failure.
    PodDeleting,
    /// It is gone from the API or the node, or its object was replaced.
    PodGone,
    /// It was evicted, and the node keeps nothing of it. Its object stays in the API.
    EvictedAndCleared,
    /// It ran in full for the first time, or has been `Succeeded`.
    PodRan,
    /// It must go because the node is short of something.
    Evicted,
    /// The kubelet refused it.
    Refused { reason: Option<String> },
    /// It has to make room for another.
    Preempted,
    /// It needs a sandbox: it starts, or lost the one it had.
    SandboxNeeded,
    /// A sandbox was made, network and all.
    SandboxCreated,
    /// A sandbox ended by itself, or was found dead.
    SandboxEnded,
    /// A sandbox was stopped.
    SandboxStopped,
    /// A sandbox was removed.
    SandboxRemoved,
    /// A pull began.
    PullBegan { image: Option<String> },
    /// An image is there.
    ImagePulled { image: Option<String> },
    /// A volume is mounted.
    Mounted { volume: Option<String> },
    /// A volume is unmounted.
    Unmounted { volume: Option<String> },
    /// What an orphan left is gone.
    Cleaned,
    /// A container was created.
    ContainerCreated { id: Option<String> },
    /// A container was started.
    ContainerStarted { id: Option<String> },
    /// PLEG or the API saw the instance run after it was started.
    ContainerSeenRunning { id: Option<String> },
    /// An instance ended.
    ContainerEnded {
        id: Option<String>,
        exit_code: Option<i32>,
        /// `Completed`, `Error`, `OOMKilled`, `StartError`, …
        reason: Option<String>,
        /// Somebody was told to stop it (deletion, eviction, shutdown, preemption) before.
        expected: bool,
    },
    /// The kubelet stops a container, and why (`liveness`, `startup`, …; free text).
    KillTold { why: String },
    /// A probe made it unhealthy: `liveness`, `startup`.
    Unhealthy { probe: String },
    /// A probe failed once: `liveness`, `readiness`, `startup`.
    ProbeFailed { probe: String },
    /// An out-of-memory kill inside it.
    OomKill,
    /// The container passes its readiness (or the pod does, without container).
    Ready(bool),
    /// The container passed its startup probe.
    Started(bool),

    // The node as a whole.
    /// The machine started.
    Booted,
    /// The kubelet starts.
    KubeletStarted,
    /// The kubelet ends.
    KubeletStopped,
    /// The runtime starts.
    RuntimeStarted,
    /// The runtime stops.
    RuntimeStopped,
    /// The pod network.
    NetworkReady(bool),
    /// The runtime, by its own or the kubelet's word.
    RuntimeReady(bool),
    /// The node is Ready, by the kubelet's word.
    NodeReady(bool),
    /// The node shuts down.
    NodeShutdown,
    /// The kubelet syncs no pod.
    Paused(bool),
    /// PLEG looks at the pods in time.
    PlegHealthy(bool),
    /// The node is short of `resource`.
    Pressure { resource: String, on: bool },
    /// The kubelet reaches the API.
    ApiReachable(bool),
    /// A disk has room again or not; by role (`kubelet`, `runtime`, …).
    DiskFull { role: String, on: bool },
    /// The kernel or the node said something that only its text tells.
    NodeSaid,
    /// Nothing happened for too long: to the pod, or to the one of its containers that others wait
    /// for.
    NoProgress,
    /// The kubelet ended by itself, and not well.
    KubeletFailed,
}
