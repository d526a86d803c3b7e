//! What a line says happened, as far as a diagnosis can use it: one word for what the kubelet, the
//! runtimes, the kernel and systemd each say in their own way. What goes with it (exit code,
//! reason, ids) stands in the observation's other fields.

use podwhy_parser::What;

/// Something that happened on the node, to a pod or to the kubelet's view of either.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Happening {
    /// Pods were assigned to this node, or came back with a kubelet's start (`pods`).
    PodsAdded,
    /// Pods' specifications changed (`pods`).
    PodsUpdated,
    /// Pods are to end (`pods`).
    PodsDeleted,
    /// Pods are gone from the API (`pods`).
    PodsRemoved,
    /// A pod ran in full for the first time. V0.
    PodRan,
    /// A pod needs a new sandbox: it starts, or lost the one it had.
    SandboxNeeded,
    /// A sandbox was made, network and all.
    SandboxCreated,
    /// A sandbox ended by itself.
    SandboxExited,
    /// A sandbox was stopped.
    SandboxStopped,
    /// A sandbox was removed.
    SandboxRemoved,
    /// A sandbox's network was taken down.
    NetworkTornDown,
    /// A pull began.
    PullBegan,
    /// An image is there.
    ImagePulled,
    /// A container was created.
    ContainerCreated,
    /// A container was started.
    ContainerStarted,
    /// A container ended (`exit_code` where the line has it).
    ContainerExited,
    /// A dead container was removed.
    ContainerRemoved,
    /// The runtime was asked to stop a container, or sends it a signal.
    ContainerStopping,
    /// The runtime kills a container: its grace period is over.
    ContainerKilling,
    /// Why the kubelet restarts a container (`detail`: `Container x failed liveness probe, …`).
    RestartTold,
    /// The kubelet stops a container (`detail`, grace period).
    KillTold,
    /// A restart waits for its back-off.
    BackOff,
    /// PLEG saw something start: a container or a sandbox, by id.
    PlegStarted,
    /// PLEG saw something end: a container or a sandbox, by id.
    PlegDied,
    /// A volume is mounted.
    VolumeMounted,
    /// A volume is unmounted.
    VolumeUnmounted,
    /// What an orphaned pod left is gone.
    OrphanCleaned,
    /// A probe said no (`reason`: its type).
    ProbeFailed,
    /// A probe could not be made.
    ProbeErrored,
    /// A liveness or startup probe made a container unhealthy: it will be killed.
    ProbeUnhealthy,
    /// A container became ready or started (`reason`: which probe).
    ProbePassed,
    /// A probe's result changed (`reason`: which; `detail`: to what).
    ProbeChanged,
    /// The runtime saw an out-of-memory kill in a container or sandbox.
    TaskOom,
    /// The kernel killed for a cgroup's limit (`unit`: the cgroup whose limit it was).
    KernelOomMemcg,
    /// The kernel killed because the node ran out.
    KernelOomGlobal,
    /// The kernel names its victim.
    KernelKilled,
    /// The kernel kills a whole cgroup (`memory.oom.group`).
    KernelOomGroup,
    /// A process crashed by a bad memory access.
    KernelSegfault,
    /// The kubelet saw the node run out of memory.
    SystemOom,
    /// A task hangs in the kernel.
    KernelTaskBlocked,
    /// The connection tracking table is full.
    KernelConntrackFull,
    /// A network device cannot be unregistered.
    KernelNetdeviceBusy,
    /// A filesystem has errors, or was made read-only or shut down.
    KernelFilesystem,
    /// A cgroup's limit of processes was hit.
    KernelForkRejected,
    /// The pod network is not ready.
    NetworkNotReady,
    /// The runtime is not ready.
    RuntimeNotReady,
    /// The runtime does not answer, or not as it should.
    RuntimeUnavailable,
    /// The runtime's CNI configuration could not be loaded.
    CniLoadFailed,
    /// The kubelet syncs no pod, and why (`error`).
    SyncPaused,
    /// PLEG could not look at the pods.
    PlegFailed,
    /// The node is short of something, pods must go (`reason`: the resource).
    EvictionPressure,
    /// Pressure went away.
    EvictionRelieved,
    /// A pod that must go does not, or none is left to go.
    EvictionFailed,
    /// The filesystem of images is above its threshold, or images cannot be collected.
    ImageDiskHigh,
    /// A condition of the node changed (`reason`: which).
    NodeConditionChanged,
    /// The node became not ready (`detail`).
    NodeNotReady,
    /// The kubelet does not reach the API, or is refused (`error`).
    ApiFailed,
    /// The node shuts down.
    NodeShutdown,
    /// A pod that is gone left volumes behind.
    OrphanedPod,
    /// A static pod's manifest cannot be read.
    StaticPodUnreadable,
    /// The kubelet starts: back-offs and probes begin afresh.
    KubeletStarted,
    /// The kubelet ends: panic or fatal error (`error`).
    KubeletEnded,
    /// The container runtime starts.
    RuntimeStarted,
    /// The container runtime stops.
    RuntimeStopping,
    /// systemd: a unit starts or was started (`about_unit`).
    UnitStarted,
    /// systemd: a unit stops or was stopped (`about_unit`).
    UnitStopped,
    /// systemd: a unit's main process ended, or it failed (`about_unit`).
    UnitFailed,
    /// The machine started.
    NodeRebooted,
    /// journald threw lines of a unit away (`about_unit`).
    LinesSuppressed,
    /// A line about the node that has no word of its own: its text is matched against the causes.
    NodeLine,
    /// A Kubernetes Event in the kubelet's log (`reason`, `detail`).
    EventTold,
    /// A pod that is to go has containers of which the runtime does not say that they ended.
    ContainersHang,
}

impl Happening {
    /// What a production means; `None` for lines that tell a diagnosis nothing by themselves.
    #[must_use]
    pub fn of(what: What) -> Option<Self> {
        Self::of_pod(what).or_else(|| Self::of_container(what)).or_else(|| Self::of_node(what))
    }

    /// What an Event of the Node itself means, by its reason.
    #[must_use]
    pub fn of_node_event(reason: &str) -> Option<Self> {
        Some(match reason {
            "SystemOOM" => Self::SystemOom,
            "EvictionThresholdMet" => Self::EvictionPressure,
            "ImageGCFailed" | "FreeDiskSpaceFailed" | "InvalidDiskCapacity" => Self::ImageDiskHigh,
            "Rebooted" => Self::NodeRebooted,
            "KubeletSetupFailed" | "ContainerGCFailed" | "NodeNotReady" => Self::NodeLine,
            _ => return None,
        })
    }

    fn of_pod(what: What) -> Option<Self> {
        Some(match what {
            What::SyncLoopAdd => Self::PodsAdded,
            What::SyncLoopUpdate => Self::PodsUpdated,
            What::SyncLoopDelete => Self::PodsDeleted,
            What::SyncLoopRemove => Self::PodsRemoved,
            What::PodStarted => Self::PodRan,
            What::NewSandboxNeeded => Self::SandboxNeeded,
            What::ContainerdRunPodSandboxReturned | What::CrioRanSandbox => Self::SandboxCreated,
            What::ContainerdSandboxExitEvent => Self::SandboxExited,
            What::ContainerdStopPodSandboxReturned | What::CrioStoppedSandbox => {
                Self::SandboxStopped
            }
            What::ContainerdRemovePodSandboxReturned | What::CrioRemovedSandbox => {
                Self::SandboxRemoved
            }
            What::ContainerdNetworkTornDown => Self::NetworkTornDown,
            What::ContainerdPullImageCalled | What::CrioPullingImage => Self::PullBegan,
            What::ContainerdPullImageReturned
            | What::ContainerdPulledImage
            | What::CrioPulledImage => Self::ImagePulled,
            What::PlegStarted => Self::PlegStarted,
            What::PlegDied => Self::PlegDied,
            What::MountSucceeded => Self::VolumeMounted,
            What::UnmountSucceeded => Self::VolumeUnmounted,
            What::OrphanCleaned => Self::OrphanCleaned,
            What::OrphanedPod => Self::OrphanedPod,
            What::KubernetesEvent => Self::EventTold,
            What::ContainersNotExited => Self::ContainersHang,
            _ => return None,
        })
    }

    fn of_container(what: What) -> Option<Self> {
        Some(match what {
            What::ContainerdCreateContainerReturned | What::CrioCreatedContainer => {
                Self::ContainerCreated
            }
            What::ContainerdStartContainerReturned | What::CrioStartedContainer => {
                Self::ContainerStarted
            }
            What::ContainerFinished | What::ContainerdExitEvent | What::CrioStoppedContainer => {
                Self::ContainerExited
            }
            What::RemoveContainer
            | What::ContainerdRemoveContainerReturned
            | What::CrioRemovedContainer => Self::ContainerRemoved,
            What::ContainerdStopContainerCalled
            | What::ContainerdStopSignal
            | What::CrioStoppingContainer => Self::ContainerStopping,
            What::ContainerdKillContainer => Self::ContainerKilling,
            What::ContainerRestartMessage => Self::RestartTold,
            What::KillingContainer => Self::KillTold,
            What::BackOffRestarting => Self::BackOff,
            What::ProbeFailed => Self::ProbeFailed,
            What::ProbeErrored => Self::ProbeErrored,
            What::ProbeUnhealthy => Self::ProbeUnhealthy,
            What::ProbeReady => Self::ProbePassed,
            What::SyncLoopProbe => Self::ProbeChanged,
            What::ContainerdTaskOom => Self::TaskOom,
            What::KernelOomMemcg | What::KernelTaskOverLimit => Self::KernelOomMemcg,
            What::KernelOomGlobal => Self::KernelOomGlobal,
            What::KernelKilled | What::KernelKilledMemcg | What::KernelKilledGlobal => {
                Self::KernelKilled
            }
            What::KernelOomGroup => Self::KernelOomGroup,
            What::KernelSegfault => Self::KernelSegfault,
            _ => return None,
        })
    }

    fn of_node(what: What) -> Option<Self> {
        Some(match what {
            What::SystemOom => Self::SystemOom,
            What::KernelTaskBlocked => Self::KernelTaskBlocked,
            What::KernelConntrackFull => Self::KernelConntrackFull,
            What::KernelNetdeviceBusy => Self::KernelNetdeviceBusy,
            What::KernelFilesystemError
            | What::KernelRemountedReadOnly
            | What::KernelIoError
            | What::KernelFilesystemShutdown => Self::KernelFilesystem,
            What::KernelForkRejected => Self::KernelForkRejected,
            What::NetworkNotReady => Self::NetworkNotReady,
            What::RuntimeNotReady => Self::RuntimeNotReady,
            What::RuntimeSanityFailed
            | What::CriStatusFailed
            | What::CriListFailed
            | What::CriImageFsInfoFailed
            | What::ContainerdStatusFailed
            | What::ContainerdListFailed => Self::RuntimeUnavailable,
            What::ContainerdCniLoadFailed => Self::CniLoadFailed,
            What::SkippingPodSync => Self::SyncPaused,
            What::PlegFailed => Self::PlegFailed,
            What::EvictionReclaiming | What::EvictionMustEvict => Self::EvictionPressure,
            What::EvictionRelieved => Self::EvictionRelieved,
            What::EvictionFailed | What::EvictionNoPods | What::EvictionUnable => {
                Self::EvictionFailed
            }
            What::ImageGcFailed | What::DiskUsageHigh => Self::ImageDiskHigh,
            What::NodeConditionRecorded => Self::NodeConditionChanged,
            What::NodeNotReady | What::NodeNotReadyInTime => Self::NodeNotReady,
            What::NodeStatusFailed
            | What::LeaseFailed
            | What::NodeRegisterFailed
            | What::ClientCertificateExpired => Self::ApiFailed,
            What::ShutdownManager => Self::NodeShutdown,
            What::StaticPodUnreadable => Self::StaticPodUnreadable,
            What::KubeletStarting => Self::KubeletStarted,
            What::KubeletPanic | What::KubeletFatal => Self::KubeletEnded,
            What::ContainerdStarting | What::ContainerdBooted | What::CrioStarting => {
                Self::RuntimeStarted
            }
            What::ContainerdStopping => Self::RuntimeStopping,
            What::JournaldSuppressed => Self::LinesSuppressed,
            What::SystemdStarting | What::SystemdStarted => Self::UnitStarted,
            What::SystemdStopping | What::SystemdStopped => Self::UnitStopped,
            What::SystemdMainExited
            | What::SystemdFailed
            | What::SystemdRestarting
            | What::SystemdUnitOom => Self::UnitFailed,
            What::UnhandledError
            | What::HousekeepingSlow
            | What::ContainerGcFailed
            | What::SystemCgroupFailed
            | What::CgroupCleanupFailed
            | What::CgroupFailed
            | What::PodStatusFailed
            | What::MirrorPodFailed
            | What::CredentialProviderFailed
            | What::DnsLimits
            | What::CsiNodeFailed
            | What::PlegEventsDropped
            | What::ContainerdCriServiceFailed
            | What::ContainerdShimLeaked
            | What::TokenFailed
            | What::UserNamespaceFailed
            | What::DeviceOperationFailed => Self::NodeLine,
            _ => return None,
        })
    }
}
