//! The closed list of signals: conditions of a cause that are no text. Owns their words, which are
//! those of the files in `agent/causes`. Collects none of them: whoever asks answers them.

use std::fmt;

use crate::incident::Who;

/// A condition that is compared as a value, never as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// `@exit=N`: the ended instance's exit code. From the pod's status, PLEG or the runtime.
    Exit(i32),
    /// `@exit!=N`: any other exit code. As [`Signal::Exit`].
    ExitNot(i32),
    /// `@exit=other`: a code that no cause names. As [`Signal::Exit`].
    ExitOther,
    /// `@reason=…`: the ended instance's reason, of [`REASONS`]. From the pod's status or the
    /// runtime.
    Reason(String),
    /// `@kill=…`: who sent the signal. The engine's killer.
    Kill(Who),
    /// A condition that is true or not.
    Is(Condition),
}

/// What a runtime or the kubelet gives as the reason of an ended instance.
pub const REASONS: &[&str] = &[
    "Completed",
    "Error",
    "OOMKilled",
    "StartError",
    "ContainerCannotRun",
    "Unknown",
    "ContainerStatusUnknown",
];

/// Exit codes that causes name; any other one that is not zero is `@exit=other`.
pub const NAMED_EXITS: &[i32] =
    &[0, 1, 2, 126, 127, 128, 132, 134, 135, 136, 137, 139, 143, 159, 255];

/// Who a `@kill=` may name.
const KILLERS: &[(&str, Who)] = &[
    ("container_limit", Who::ContainerLimit),
    ("pod_limit", Who::PodLimit),
    ("node_oom", Who::NodeOom),
    ("liveness", Who::Liveness),
    ("startup", Who::Startup),
    ("grace", Who::GracePeriod),
    ("eviction", Who::Eviction),
    ("preemption", Who::Preemption),
    ("shutdown", Who::Shutdown),
    ("hook", Who::Hook),
    ("deletion", Who::Deletion),
    ("unknown", Who::Unknown),
];

/// Declares the conditions with their words, so that neither can be forgotten.
macro_rules! conditions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal),+ $(,)?) => {
        /// A signal without a value of its own. Each says who knows it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Condition {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Condition {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word after the `@`.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

conditions! {
    /// The container runs now. Pod status, PLEG.
    Running = "running",
    /// The container is started again and again. Restart count, repeated exits.
    Restarting = "restarting",
    /// The pod's main container runs. Pod status.
    MainRunning = "main=running",
    /// `started` of the container is false. Pod status.
    NotStarted = "started=false",
    /// An init container that runs to its end. Pod specification.
    Init = "init",
    /// An init container with `restartPolicy: Always`. Pod specification.
    NativeSidecar = "native_sidecar",
    /// A native or classic sidecar. Pod specification.
    RoleSidecar = "container.role=sidecar",
    /// The container has no startupProbe. Pod specification.
    NoStartupProbe = "no_startup_probe",
    /// The init container has no restartPolicy of its own. Pod specification.
    NoRestartPolicy = "no_restart_policy",
    /// Its name or image is one that serves other containers: proxy, agent, sidecar … Pod
    /// specification; a hint, no role.
    NamedLikeSidecar = "named_like_sidecar",
    /// A native sidecar of the pod has no startupProbe, so nothing waits until it can serve. Pod
    /// specification.
    NativeSidecarUngated = "native_sidecar_ungated",
    /// The pod's restartPolicy is Never. Pod specification.
    RestartPolicyNever = "restartPolicy=Never",
    /// The pod's phase is Succeeded. Pod status.
    PhaseSucceeded = "pod.phase=Succeeded",
    /// The pod's phase is Failed. Pod status.
    PhaseFailed = "pod.phase=Failed",
    /// The pod has a sandbox: the runtime created one for it. Lines, condition
    /// `PodReadyToStartContainers`.
    PodHasSandbox = "pod.sandbox=ready",
    /// The pod uses the node's network. Pod specification.
    HostNetwork = "host_network",
    /// The alternative's text stands in the container's own last words. The matcher itself.
    LogLast = "log.last",
    /// The same, and they hold nothing else. The matcher itself.
    LogOnly = "log.only",
    /// The container's counter of OOM kills rose during this instance. Cgroup fact.
    OomKill = "cgroup.memory.events.oom_kill>0",
    /// The container's counter of OOM kills is known and did not move. Cgroup fact.
    OomKillZero = "cgroup.memory.events.oom_kill=0",
    /// The pod's counter of OOM kills rose. Cgroup fact.
    PodOomKill = "cgroup.pod.memory.events.oom_kill>0",
    /// The container's own limit was not hit. Cgroup fact.
    ContainerOomZero = "cgroup.container.memory.events.oom=0",
    /// Forks were refused by the limit of processes. Cgroup fact.
    PidsRefused = "cgroup.pids.events.max>0",
    /// The kernel names an ancestor's limit. Kernel line.
    OomMemcgIsNotTask = "oom_memcg!=task_memcg",
    /// No free inodes on the filesystem of the path that the message names. View of the node.
    InodesFreeZero = "fs.inodes_free=0",
    /// No free bytes on a filesystem that the step needs. View of the node.
    DiskBytesFreeZero = "disk.bytes_free=0",
    /// Bytes and inodes are free on every filesystem that the step needs. View of the node.
    DiskFreePlenty = "disk.free=plenty",
    /// A filesystem that the kubelet or the runtime writes to is read-only. View of the node.
    DiskReadOnly = "disk.read_only",
    /// The Node has the condition DiskPressure. Node object.
    NodeDiskPressure = "node.disk_pressure",
    /// The Node has the condition MemoryPressure. Node object.
    NodeMemoryPressure = "node.memory_pressure",
    /// The Node has the condition PIDPressure. Node object.
    NodePidPressure = "node.pid_pressure",
    /// Tasks stall on memory above the threshold. Cgroup fact (PSI).
    MemoryPressureHigh = "psi.memory.full_avg10=high",
    /// Shared memory and tmpfs hold most of the limit. Cgroup fact.
    TmpfsUsageHigh = "probe.tmpfs_usage=high",
    /// No configuration of the pod network. View of the node.
    CniConfigMissing = "cni.config=missing",
    /// The configuration of the pod network cannot be read. View of the node.
    CniConfigInvalid = "cni.config=invalid",
    /// The configuration names a plugin that is not there. View of the node.
    CniPluginMissing = "cni.plugin=missing",
    /// No free address is left. View of the node.
    CniLeasesFreeZero = "cni.leases_free=0",
    /// The runtime's NetworkReady is false. Runtime status, kubelet line.
    NetworkNotReady = "network.ready=false",
    /// The runtime's NetworkReady is true. Runtime status.
    NetworkReady = "network.ready=true",
    /// The runtime does not answer or is not ready. Runtime status.
    RuntimeNotReady = "runtime.ready=false",
    /// The runtime answers and is ready. Runtime status.
    RuntimeReady = "runtime.ready=true",
    /// No fresh sandbox in the window. Lines.
    SandboxSuccessZero = "sandbox.success=0",
    /// At least two distinct pods failed to get a sandbox in the window. Lines.
    SandboxFailingPodsTwo = "sandbox.failing_pods>=2",
    /// The Node is Ready. Node object.
    NodeReady = "node.ready=true",
    /// The path lies on a volume that another container mounts too. Pod specification.
    SharedVolume = "shared_volume",
    /// The file exists in such a volume under another path. Listing.
    SiblingVolumeHasFile = "sibling_volume_has_file",
    /// The path lies on no volume of this container, and what is mounted for it and its siblings
    /// suggests where it is instead. Pod specification.
    VolumeMountedElsewhere = "volume_mounted_elsewhere",
    /// It appeared after this container's end. Listing.
    SiblingCreatesPathLater = "sibling_creates_path_later",
    /// No shared volume holds the file. Listing.
    FileAbsentEverywhere = "file_absent_everywhere",
    /// The same cause hits pods of at least two owners. The engine. Also adds 0.1 to any cause.
    SameCauseOnOtherOwner = "same_cause_on_other_owner",
    /// Another pod passed the same step after the failure. The engine. Also takes 0.2 from any.
    StepPassedElsewhere = "step_passed_elsewhere",
    /// The evidence is older than the last success of that step for that pod. The engine. Takes
    /// 0.3 from any cause.
    EvidenceIsOlder = "evidence_is_older",
    /// Lines are known to be missing. The engine. No cause is more than possible then.
    TelemetryIncomplete = "telemetry_incomplete",
}

impl Signal {
    /// Reads a part that begins with `@`.
    #[must_use]
    pub fn parse(part: &str) -> Option<Self> {
        let word = part.strip_prefix('@')?;
        if word == "exit=other" {
            return Some(Self::ExitOther);
        }
        if let Some(code) = word.strip_prefix("exit=") {
            return code.parse().ok().map(Self::Exit);
        }
        if let Some(code) = word.strip_prefix("exit!=") {
            return code.parse().ok().map(Self::ExitNot);
        }
        if let Some(reason) = word.strip_prefix("reason=") {
            return REASONS.contains(&reason).then(|| Self::Reason(reason.to_owned()));
        }
        if let Some(who) = word.strip_prefix("kill=") {
            return KILLERS.iter().find(|(name, _)| *name == who).map(|(_, who)| Self::Kill(*who));
        }
        Condition::ALL.iter().find(|condition| condition.word() == word).copied().map(Self::Is)
    }

    /// Every word, for whoever wrote one that does not exist.
    #[must_use]
    pub fn words() -> Vec<String> {
        let valued = ["@exit=N", "@exit!=N", "@exit=other"].map(str::to_owned);
        let reasons = REASONS.iter().map(|reason| format!("@reason={reason}"));
        let killers = KILLERS.iter().map(|(who, _)| format!("@kill={who}"));
        let conditions = Condition::ALL.iter().map(|condition| format!("@{}", condition.word()));
        valued.into_iter().chain(reasons).chain(killers).chain(conditions).collect()
    }

    /// Whether it only says how an instance ended: a program says more about itself than this does.
    /// Not so for 137 and 143, which others send.
    pub(super) fn is_bare_exit(&self) -> bool {
        match self {
            Self::Exit(code) => !matches!(code, 137 | 143),
            Self::ExitOther | Self::Is(Condition::Restarting) => true,
            Self::Reason(reason) => reason != "OOMKilled",
            _ => false,
        }
    }

    /// Whether it tells of a kill from outside, which counts more than what the victim said.
    pub(super) fn is_kill(&self) -> bool {
        match self {
            Self::Exit(code) => matches!(code, 137 | 143),
            Self::Reason(reason) => reason == "OOMKilled",
            Self::Kill(_) => true,
            Self::Is(condition) => matches!(
                condition,
                Condition::OomKill | Condition::PodOomKill | Condition::OomMemcgIsNotTask
            ),
            _ => false,
        }
    }

    /// Whether it says where the text stood, which the matcher sees for itself.
    pub(super) fn is_place(&self) -> bool {
        matches!(self, Self::Is(Condition::LogLast | Condition::LogOnly))
    }

    /// Whether it is only suggested: what nobody has seen makes nothing certain.
    pub(super) fn is_guess(&self) -> bool {
        matches!(self, Self::Is(Condition::VolumeMountedElsewhere))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(formatter, "@exit={code}"),
            Self::ExitNot(code) => write!(formatter, "@exit!={code}"),
            Self::ExitOther => formatter.write_str("@exit=other"),
            Self::Reason(reason) => write!(formatter, "@reason={reason}"),
            Self::Kill(who) => {
                let name = KILLERS.iter().find(|(_, known)| known == who).map(|(name, _)| *name);
                write!(formatter, "@kill={}", name.unwrap_or("unknown"))
            }
            Self::Is(condition) => write!(formatter, "@{}", condition.word()),
        }
    }
}

/// Answers whether a signal holds.
pub trait Signals {
    /// `None`: not known here.
    fn holds(&self, signal: &Signal) -> Option<bool>;
}

/// Nothing is known beside the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unknown;

impl Signals for Unknown {
    fn holds(&self, _: &Signal) -> Option<bool> {
        None
    }
}

impl<F: Fn(&Signal) -> Option<bool>> Signals for F {
    fn holds(&self, signal: &Signal) -> Option<bool> {
        self(signal)
    }
}
