//! The productions, flat: one variant per line that log-grammar.md lists, and its kind.
//! Owns no text: which words make a production stands in the file that recognises it.

use super::Kind;

/// One production of log-grammar.md; see [`What::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// `Error syncing pod`, all wordings.
    ErrorSyncingPod,

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
    /// `failed to shutdown shim task and the shim might be leaked`
    ContainerdShimLeaked,
    /// `Failed to delete exec process …`: noise
    ContainerdDeleteExecFailed,
    /// `Failed to load cni configuration`, `failed to load cni during init, …`, `failed to reload
    /// cni configuration after receiving fs change event …`
    ContainerdCniLoadFailed,
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
