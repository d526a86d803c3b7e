//! What makes two failures the same incident (diagnosis.md 4.4): family of the step, workload of
//! the pod, and the fingerprint that is equal on every node for the same fault (M11).

pub(super) mod norm;

use super::{identity, judgement::Judgement, world::World};
use crate::observation::Pod;

/// Failures of one pod and container that follow from one another: within a family another reason
/// is another word for the same incident, and another cause is a better one.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub(super) enum Family {
    /// Its image.
    Image,
    /// What its configuration names.
    Config,
    /// Creating, starting, running, probing it.
    Run,
    /// One volume of the pod.
    Volume,
    /// Sandbox, network, cgroups and folders of the pod.
    #[default]
    Sandbox,
    /// Ending it.
    Terminate,
    /// The kubelet refused it.
    Admission,
    /// It had to go.
    Eviction,
    /// It runs and does not become ready.
    Ready,
    /// It makes no progress and nothing says why.
    Silent,
    /// The node as a whole.
    Node,
    /// A process of it was killed for memory, and it runs on.
    Inside,
}

/// Reasons that only say that the kubelet waits: they open nothing beside what they wait for.
const WAITING: [&str; 2] = ["CrashLoopBackOff", "ImagePullBackOff"];

/// Reasons of `StartContainer` before any container exists, because of its image.
const OF_IMAGE: [&str; 8] = [
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "ImageVolumeMountFailed",
    "InvalidImageName",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

impl Family {
    /// The family of a failed step.
    pub(super) fn of(step: &str, reason: Option<&str>) -> Self {
        match step {
            "StartContainer" | "InitContainer" | "EnsureSecretExists" => match reason {
                Some(reason) if OF_IMAGE.contains(&reason) => Self::Image,
                Some("CreateContainerConfigError") => Self::Config,
                _ => Self::Run,
            },
            "GetPullSecret" => Self::Image,
            "Probe" | "RemoveContainer" | "ResizePodInPlace" => Self::Run,
            "KillContainer" | "KillPodSandbox" | "TerminatePod" | "UnmountVolume"
            | "TeardownNetwork" | "UnmapVolume" | "UnmountDevice" | "DetachVolume"
            | "TearDownVolume" => Self::Terminate,
            "Admission" => Self::Admission,
            "Eviction" => Self::Eviction,
            step if step.contains("Volume") || step.contains("Mount") => Self::Volume,
            "Runtime" | "SyncLoop" | "Node" => Self::Node,
            _ => Self::Sandbox,
        }
    }

    /// It is about one container of the pod.
    pub(super) const fn is_of_container(self) -> bool {
        matches!(self, Self::Image | Self::Config | Self::Run | Self::Ready | Self::Inside)
    }

    /// The word that goes into keys.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Config => "config",
            Self::Run => "run",
            Self::Volume => "volume",
            Self::Sandbox => "sandbox",
            Self::Terminate => "terminate",
            Self::Admission => "admission",
            Self::Eviction => "eviction",
            Self::Ready => "ready",
            Self::Silent => "silent",
            Self::Node => "node",
            Self::Inside => "inside",
        }
    }
}

/// The kubelet only waits.
pub(super) fn is_waiting(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| WAITING.contains(&reason))
}

/// Whose pods are replicas of one another: `namespace/name` of the owner without the hash of its
/// template. `None` for a pod that stands alone.
pub(super) fn workload(pod: &Pod, world: &World) -> Option<String> {
    let key = world.key_of(pod);
    let spec = key.as_ref().and_then(|key| world.spec(key));
    let namespace = pod.namespace.as_deref()?;
    if let Some(spec) = spec {
        let owner = spec.owner.as_ref().filter(|owner| owner.kind != "Node")?;
        let name = match owner.kind.as_str() {
            "ReplicaSet" => norm::without_hash(&owner.name).unwrap_or(&owner.name),
            _ => &owner.name,
        };
        return Some(format!("{namespace}/{name}"));
    }
    Some(format!("{namespace}/{}", norm::workload_of(pod.name.as_deref()?)?))
}

/// The owner as it is told: `ReplicaSet/web`, or the bare name where only the pod's name is known.
pub(super) fn workload_shown(pod: &Pod, world: &World) -> Option<String> {
    let spec = world.key_of(pod).and_then(|key| world.spec(&key));
    match spec.map(|spec| &spec.owner) {
        Some(owner) => owner.as_ref().map(|owner| format!("{}/{}", owner.kind, owner.name)),
        None => norm::workload_of(pod.name.as_deref()?).map(str::to_owned),
    }
}

/// The fault as such, without node, pod and time.
pub(super) fn fingerprint(judgement: &Judgement, family: Family, message: &str) -> [u8; 16] {
    let is_known =
        judgement.cause.id != super::cause::UNCLASSIFIED && !judgement.cause.id.is_empty();
    // Application text differs with every replica; what is known of the exit does not.
    let is_of_application = matches!(
        judgement.cause.class.as_str(),
        "exit" | "sidecar" | "probe" | "eviction" | "wrapper"
    );
    let text = (!(is_known && is_of_application)).then(|| norm::norm(message));
    identity::fingerprint(
        &judgement.cause.id,
        family.word(),
        text.as_deref(),
        judgement.exit_code.filter(|_| text.is_none()),
    )
}

#[cfg(test)]
mod tests;
