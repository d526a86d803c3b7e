//! The productions, flat: one variant per line that log-grammar.md lists, and its kind.
//! Owns no text: which words make a production stands in the file that recognises it.

use super::Kind;

/// One production of log-grammar.md; see [`What::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    // --- §5: the sync itself
    /// `Error syncing pod`, all wordings.
    ErrorSyncingPod,
    /// A sync that was cancelled, normal at deletion (G29).
    SyncCancelled,
    // --- §3.11: `HandleError`
    /// `… start failed in pod …`: the twin of a StartContainer item (§6.7).
    StartFailed,
    /// A sync error by itself: the twin of a kill or a mixed aggregate.
    SyncErrorRepeated,
    /// `failed to remove pod init container …`: no other line says it.
    InitContainerRemoveFailed,
    /// `Unhandled Error` with any other error.
    UnhandledError,
    // --- §8.1: sandbox, container, image
    /// The runtime created no sandbox.
    SandboxCreateFailed,
    /// No sandbox configuration could be made.
    SandboxConfigFailed,
    /// The runtime does not tell a sandbox's state.
    SandboxStatusFailed,
    /// A sandbox does not stop.
    StopSandboxFailed,
    /// A pod does not end: err is the aggregate.
    KillPodFailed,
    /// A container does not end.
    KillContainerFailed,
    /// A postStart hook failed.
    PostStartHookFailed,
    /// A preStop hook failed or took too long.
    PreStopHookFailed,
    /// What a lifecycle hook said when it failed.
    LifecycleHookFailed,
    /// An image was not pulled.
    PullFailed,
    /// An image volume's image is not there.
    ImageVolumeFailed,
    /// DRA; no `Error syncing pod` follows.
    DynamicResourcesFailed,
    /// A subPath could not be prepared.
    SubPathFailed,
    /// A volume that a container mounts is not there.
    MountUnsatisfied,
    /// The pod's own directories could not be made.
    PodDirectoriesFailed,
    /// A pull secret is not there; the sync goes on.
    PullSecretMissing,
    /// Why the kubelet restarts a container (failed liveness probe, changed spec).
    ContainerRestartMessage,
    /// The kubelet stops a container.
    KillingContainer,
    /// A restart waits for its back-off.
    BackOffRestarting,
    /// A container did not start (V3).
    ContainerStartFailed,
    /// A dead container is removed.
    RemoveContainer,
    /// A container that was to be deleted is gone already: harmless.
    DeleteContainerError,
    /// A pod starts, or lost its sandbox.
    NewSandboxNeeded,
    /// Noise of exec probes.
    ExecOutputShort,
    // --- §8.2: the CRI client; no pod in any of them
    /// CRI RunPodSandbox failed.
    CriRunPodSandboxFailed,
    /// CRI StopPodSandbox failed.
    CriStopPodSandboxFailed,
    /// CRI RemovePodSandbox failed.
    CriRemovePodSandboxFailed,
    /// CRI PodSandboxStatus failed.
    CriPodSandboxStatusFailed,
    /// CRI CreateContainer failed.
    CriCreateContainerFailed,
    /// CRI StartContainer failed.
    CriStartContainerFailed,
    /// CRI StopContainer failed.
    CriStopContainerFailed,
    /// CRI RemoveContainer failed.
    CriRemoveContainerFailed,
    /// CRI ContainerStatus failed; NotFound is normal for a dead container.
    CriContainerStatusFailed,
    /// CRI ExecSync failed: an exec probe or hook.
    CriExecSyncFailed,
    /// CRI PullImage failed.
    CriPullImageFailed,
    /// CRI ImageStatus failed.
    CriImageStatusFailed,
    /// CRI RemoveImage failed.
    CriRemoveImageFailed,
    /// CRI Status or Version failed: the runtime does not answer.
    CriStatusFailed,
    /// A CRI list call failed: the runtime does not answer.
    CriListFailed,
    /// CRI ImageFsInfo failed.
    CriImageFsInfoFailed,
    // --- §8.3: volumes
    /// `Operation for "…" failed`, for a pod.
    VolumeOperationFailed,
    /// `Operation for "…" failed`, for a device that no pod is named for.
    DeviceOperationFailed,
    /// `operationExecutor.… failed …`
    ReconcilerOperationFailed,
    /// `MountVolume.… failed for volume …` by itself.
    VolumeOperationRepeated,
    /// `operationExecutor.… started for volume …`
    VolumeOperationStarted,
    /// A volume was attached, mounted or mapped.
    MountSucceeded,
    /// A volume was unmounted or detached.
    UnmountSucceeded,
    /// `Unable to attach or mount volumes …; skipping pod`
    UnableToMountVolumes,
    /// A volume of a pod makes no sense yet (no claim, not bound).
    VolumeProcessingFailed,
    /// `Couldn't get configMap ns/name: …`
    VolumeObjectMissing,
    /// `Error preparing data for projected volume …`
    ProjectedVolumeFailed,
    /// `Error creating atomic writer: …`
    AtomicWriterFailed,
    /// `kubernetes.io/csi: …`
    CsiFailed,
    /// `Setting volume ownership for <path> …`: every file is given to the pod's group.
    VolumeOwnershipSlow,
    /// The kubelet's helper for registry credentials failed.
    CredentialProviderFailed,
    /// `Nameserver limits exceeded`, `Search Line limits exceeded`: harmless
    DnsLimits,
    // --- §8.4: probes
    /// A probe said no.
    ProbeFailed,
    /// A probe could not be made.
    ProbeErrored,
    // --- §8.5: sync loop and PLEG
    /// Pods came.
    SyncLoopAdd,
    /// Pods changed.
    SyncLoopUpdate,
    /// Pods' states changed.
    SyncLoopReconcile,
    /// Pods are to end.
    SyncLoopDelete,
    /// Pods are gone from the API.
    SyncLoopRemove,
    /// A PLEG event of any other type.
    PlegEvent,
    /// PLEG saw a container or sandbox start.
    PlegStarted,
    /// PLEG saw a container or sandbox end.
    PlegDied,
    /// PLEG saw a container or sandbox go.
    PlegRemoved,
    /// A container ended, with its exit code.
    ContainerFinished,
    /// A probe's result changed.
    SyncLoopProbe,
    /// A container became ready or started.
    ProbeReady,
    /// A liveness or startup probe made a container unhealthy.
    ProbeUnhealthy,
    /// A container that the kubelet no longer knows.
    ContainerNotFound,
    /// Nothing is synced on this node, and why.
    SkippingPodSync,
    /// The runtime's network is not ready.
    NetworkNotReady,
    /// The runtime is not ready.
    RuntimeNotReady,
    /// The runtime's state could not be read.
    RuntimeSanityFailed,
    /// The node did not become ready after a start.
    NodeNotReadyInTime,
    /// PLEG could not look at the pods.
    PlegFailed,
    /// A slow loop.
    HousekeepingSlow,
    // --- §8.6: admission and preemption
    /// A pod was not admitted (1.31+).
    PodAdmissionDenied,
    /// A pod was not admitted: the predicate's own line.
    PodNotAdmitted,
    /// Which predicate did not admit a pod (V2).
    PredicateFailed,
    /// A pod must go for a critical one.
    PreemptingPod,
    /// A pod went for a critical one.
    PodPreempted,
    /// A pod that must go does not.
    PreemptionFailed,
    /// CPU, memory or devices could not be given.
    AllocateFailed,
    // --- §8.7: eviction
    /// The node is short of something.
    EvictionReclaiming,
    /// Pods must go.
    EvictionMustEvict,
    /// Which pods would go, in order.
    EvictionRanked,
    /// A pod was evicted.
    PodEvicted,
    /// Why a pod is evicted (V3).
    EvictingPod,
    /// A pod that must go does not.
    EvictionFailed,
    /// No pod is left to evict.
    EvictionNoPods,
    /// Evicted pods are being cleaned up.
    EvictionCleaning,
    /// Pressure went without evicting pods.
    EvictionRelieved,
    /// The eviction manager cannot see the node.
    EvictionUnable,
    // --- §8.8
    /// The node itself ran out of memory.
    SystemOom,
    // --- §8.9: node and housekeeping
    /// Images could not be collected.
    ImageGcFailed,
    /// The image file system is above its threshold.
    DiskUsageHigh,
    /// Dead containers could not be collected.
    ContainerGcFailed,
    /// The node became not ready.
    NodeNotReady,
    /// A condition of the node changed.
    NodeConditionRecorded,
    /// The node's status did not reach the API.
    NodeStatusFailed,
    /// The node's lease did not reach the API.
    LeaseFailed,
    /// The kubelet could not make its Node known to the API.
    NodeRegisterFailed,
    /// The kubelet's own client certificate is over.
    ClientCertificateExpired,
    /// The kubelet's object of CSI drivers could not be made.
    CsiNodeFailed,
    /// What happened to containers is dropped before the kubelet took it in.
    PlegEventsDropped,
    /// A pod that is gone left volumes behind.
    OrphanedPod,
    /// What an orphaned pod left is gone.
    OrphanCleaned,
    /// A system cgroup, not a container of a pod.
    SystemCgroupFailed,
    /// A pod's cgroup does not go.
    CgroupCleanupFailed,
    /// A cgroup could not be made or changed.
    CgroupFailed,
    /// A pod's status could not be read from or written to the API.
    PodStatusFailed,
    /// A mirror pod could not be made or deleted.
    MirrorPodFailed,
    /// A static pod's manifest changed.
    MirrorPodReplaced,
    /// A static pod's manifest cannot be read.
    StaticPodUnreadable,
    /// The node shuts down.
    ShutdownManager,
    /// A service account's token could not be had.
    TokenFailed,
    /// User namespaces could not be cleaned up.
    UserNamespaceFailed,
    /// Seen at every admission of 1.21 to 1.30: UID and name.
    TopologyAdmit,
    /// A Kubernetes Event, whole in one line (V3).
    KubernetesEvent,
    /// A pod that is to go has containers of which the runtime does not say that they ended (V4).
    ContainersNotExited,
    /// The same of the Node itself.
    NodeEvent,
    /// The kubelet starts: back-offs and probes begin afresh.
    KubeletStarting,
    /// `panic: …`, `fatal error: …`, or one that was caught.
    KubeletPanic,
    /// Any line of severity F, or `command failed`: the kubelet ends.
    KubeletFatal,
    // --- §8.10: progress
    /// A pod runs for the first time.
    PodStarted,
    // From here to `Unknown`: runtime.rs answers for them. Kubelet lines stand above.
    // --- containerd (§11.2, §11.3). Called, Returned and Failed are one CRI call's three lines.
    /// `RunPodSandbox for <metadata>`
    ContainerdRunPodSandboxCalled,
    /// `RunPodSandbox for <metadata> returns sandbox id "<sid>"`
    ContainerdRunPodSandboxReturned,
    /// `RunPodSandbox for <metadata> failed, error`
    ContainerdRunPodSandboxFailed,
    /// `CreateContainer within sandbox "<sid>" for container <metadata>`
    ContainerdCreateContainerCalled,
    /// `CreateContainer within sandbox "<sid>" for <metadata> returns container id "<cid>"`
    ContainerdCreateContainerReturned,
    /// `CreateContainer within sandbox "<sid>" for <metadata> failed`
    ContainerdCreateContainerFailed,
    /// `StartContainer for "<cid>"`
    ContainerdStartContainerCalled,
    /// `StartContainer for "<cid>" returns successfully`
    ContainerdStartContainerReturned,
    /// `StartContainer for "<cid>" failed`
    ContainerdStartContainerFailed,
    /// `StopContainer for "<cid>" with timeout N (s)`
    ContainerdStopContainerCalled,
    /// `StopContainer for "<cid>" returns successfully`
    ContainerdStopContainerReturned,
    /// `StopContainer for "<cid>" failed`
    ContainerdStopContainerFailed,
    /// `RemoveContainer for "<cid>"`
    ContainerdRemoveContainerCalled,
    /// `RemoveContainer for "<cid>" returns successfully`
    ContainerdRemoveContainerReturned,
    /// `RemoveContainer for "<cid>" failed`
    ContainerdRemoveContainerFailed,
    /// `StopPodSandbox for "<sid>"`
    ContainerdStopPodSandboxCalled,
    /// `StopPodSandbox for "<sid>" returns successfully`
    ContainerdStopPodSandboxReturned,
    /// `StopPodSandbox for "<sid>" failed`
    ContainerdStopPodSandboxFailed,
    /// `RemovePodSandbox for "<sid>"`
    ContainerdRemovePodSandboxCalled,
    /// `RemovePodSandbox "<sid>" returns successfully`
    ContainerdRemovePodSandboxReturned,
    /// `RemovePodSandbox for "<sid>" failed`
    ContainerdRemovePodSandboxFailed,
    /// `PullImage "<image>"`
    ContainerdPullImageCalled,
    /// `PullImage "<image>" returns image reference "<ref>"`
    ContainerdPullImageReturned,
    /// `PullImage "<image>" failed`
    ContainerdPullImageFailed,
    /// `Pulled image "<image>" with image id …` (1.7+)
    ContainerdPulledImage,
    /// `cancel pulling image <image> because of no progress in …`
    ContainerdPullCancelled,
    /// `PodSandboxStatus for "<sid>" failed`
    ContainerdPodSandboxStatusFailed,
    /// `ContainerStatus for "<cid>" failed`; NotFound of a dead container is no failure (§10)
    ContainerdContainerStatusFailed,
    /// `ExecSync for "<cid>" failed`; NotFound of a dead container is no failure (§10)
    ContainerdExecSyncFailed,
    /// `Status failed`, `Version failed`
    ContainerdStatusFailed,
    /// `ListContainers with filter … failed` and the other lists
    ContainerdListFailed,
    /// `Stop container "<cid>" with signal …`
    ContainerdStopSignal,
    /// `Kill container "<cid>"`
    ContainerdKillContainer,
    /// `Container to stop "<cid>" must be in running or unknown state, current state "…"`
    ContainerdStopNotRunning,
    /// `Forcibly stopping sandbox "<sid>"`
    ContainerdForciblyStopping,
    /// `TearDown network for sandbox "<sid>" successfully`
    ContainerdNetworkTornDown,
    /// `Failed to destroy network for sandbox "<sid>"` behind a failed `RunPodSandbox`
    ContainerdDestroyNetworkFailed,
    /// `encountered an error cleaning up failed sandbox "<sid>", marking sandbox state as …`
    ContainerdSandboxCleanupFailed,
    /// `TaskOOM event …`: some process of the container was killed
    ContainerdTaskOom,
    /// `received exit event …`, `TaskExit event …` (1.x), `received container exit event …` (2.x)
    ContainerdExitEvent,
    /// An exit event of another process in the container: a probe's or a hook's
    ContainerdExecExitEvent,
    /// `received sandbox container exit event …` (2.x)
    ContainerdSandboxExitEvent,
    /// `failed to handle container TaskExit event …`
    ContainerdExitEventFailed,
    /// `shim disconnected`: at every normal exit
    ContainerdShimDisconnected,
    /// `cleaning up after shim disconnected`: at every normal exit
    ContainerdShimCleanup,
    /// `cleaning up dead shim`: at every normal exit
    ContainerdDeadShim,
    /// `cleanup warnings time=…`: the shim's own line in containerd's
    ContainerdShimWarnings,
    /// `failed to shutdown shim task and the shim might be leaked`, `failed to delete dead shim`
    ContainerdShimLeaked,
    /// `Failed to delete exec process …`: noise
    ContainerdDeleteExecFailed,
    /// `Failed to load cni configuration`, `failed to load cni during init, …`, `failed to reload
    /// cni configuration after receiving fs change event …`
    ContainerdCniLoadFailed,
    /// `Failed to run CRI service`, `failed to load plugin io.containerd.grpc.v1.cri`
    ContainerdCriServiceFailed,
    /// `starting containerd`
    ContainerdStarting,
    /// `containerd successfully booted in …`
    ContainerdBooted,
    /// `Stop CRI service`
    ContainerdStopping,
    // --- CRI-O (§12)
    /// `Running pod sandbox: <ns>/<pod>/POD`
    CrioRunningSandbox,
    /// `Ran pod sandbox <sid> with infra container: <ns>/<pod>/POD`
    CrioRanSandbox,
    /// `Stopping pod sandbox: <sid>`
    CrioStoppingSandbox,
    /// `Stopped pod sandbox: <sid>`, `Stopped pod sandbox (already stopped): <sid>`
    CrioStoppedSandbox,
    /// `Removing pod sandbox: <sid>`
    CrioRemovingSandbox,
    /// `Removed pod sandbox: <sid>`
    CrioRemovedSandbox,
    /// `Creating container: <ns>/<pod>/<ctr>`
    CrioCreatingContainer,
    /// `Created container <cid>: <ns>/<pod>/<ctr>`
    CrioCreatedContainer,
    /// `Starting container: <cid>`
    CrioStartingContainer,
    /// `Started container` with `PID= containerID= description= sandboxID=`
    CrioStartedContainer,
    /// `Stopping container: <cid> (timeout: 30s)`
    CrioStoppingContainer,
    /// `Stopped container <cid>: <ns>/<pod>/<ctr>`
    CrioStoppedContainer,
    /// `Removing container: <cid>`
    CrioRemovingContainer,
    /// `Removed container <cid>: <ns>/<pod>/<ctr>`
    CrioRemovedContainer,
    /// `Pulling image: <image>`
    CrioPullingImage,
    /// `Pulled image: <ref>`
    CrioPulledImage,
    /// `error reserving pod name k8s_… for id <sid>: name is reserved`
    CrioPodNameReserved,
    /// `error reserving ctr name k8s_… for id <cid>: name is reserved`
    CrioContainerNameReserved,
    /// `Creation of sandbox k8s_… not yet finished. Currently at stage …`
    CrioSandboxNotYetFinished,
    /// `Creation of container k8s_… not yet finished. Currently at stage …`
    CrioContainerNotYetFinished,
    /// `Container creation error: …`
    CrioContainerCreationError,
    /// `Starting CRI-O, version: …`
    CrioStarting,
    // --- docker, pod logs (§13)
    /// A line of `/var/log/pods` in CRI form
    PodLogLine,
    /// A line of a docker `-json.log`
    DockerLogLine,
    // --- kernel (§14)
    /// `<comm> invoked oom-killer: …`: who asked for memory, not the victim
    KernelOomInvoked,
    /// `oom-kill:constraint=…,oom_memcg=…`: a cgroup's limit was hit
    KernelOomMemcg,
    /// `oom-kill:constraint=…,global_oom,…`: the node ran out
    KernelOomGlobal,
    /// `Memory cgroup out of memory: Killed process N (<comm>) …`, old: `Kill process …`
    KernelKilledMemcg,
    /// `Out of memory: Killed process N (<comm>) …`, old: `Kill process …`
    KernelKilledGlobal,
    /// `Killed process N (<comm>) total-vm:…` behind one of the old wordings
    KernelKilled,
    /// `Task in <path> killed as a result of limit of <path>` (old)
    KernelTaskOverLimit,
    /// `Tasks in <path> are going to be killed due to memory.oom.group set`
    KernelOomGroup,
    /// `oom_reaper: reaped process N (<comm>), now anon-rss:…`
    KernelOomReaped,
    /// `<comm>[N]: segfault at …`
    KernelSegfault,
    /// `task <comm>:N blocked for more than N seconds`
    KernelTaskBlocked,
    /// `nf_conntrack: table full, dropping packet`
    KernelConntrackFull,
    /// `unregister_netdevice: waiting for <dev> to become free`
    KernelNetdeviceBusy,
    /// `EXT4-fs error …`
    KernelFilesystemError,
    /// `… Remounting filesystem read-only`
    KernelRemountedReadOnly,
    /// `Buffer I/O error on dev …`
    KernelIoError,
    /// `XFS (<dev>): … Shutting down filesystem`
    KernelFilesystemShutdown,
    /// `cgroup: fork rejected by pids controller in <path>`
    KernelForkRejected,
    // --- journald and systemd (§4.1)
    /// `Suppressed N messages from <unit>`
    JournaldSuppressed,
    /// `Missed N kernel messages`, `/dev/kmsg buffer overrun, some messages lost.`
    JournaldMissedKernel,
    /// `Starting <unit or description>...`
    SystemdStarting,
    /// `Started <unit or description>.`
    SystemdStarted,
    /// `Stopping <unit or description>...`
    SystemdStopping,
    /// `Stopped <unit or description>.`
    SystemdStopped,
    /// `<unit>: Main process exited, code=…, status=…`
    SystemdMainExited,
    /// `<unit>: Failed with result '…'.`, `Unit <unit> entered failed state.`, `Failed to start …`
    SystemdFailed,
    /// `<unit>: Scheduled restart job, restart counter is at N.`
    SystemdRestarting,
    /// `<unit>: A process of this unit has been killed by the OOM killer.`
    SystemdUnitOom,

    /// Nothing that we know.
    Unknown,
}

impl What {
    /// What a line of this production is to us.
    #[must_use]
    pub const fn kind(self) -> Kind {
        if self.is_of_runtime() { self.kind_of_runtime() } else { self.kind_of_kubelet() }
    }
}
