//! What each production behind the door is to us.
//! Owns nothing else; the words of a production stand in its writer's file.

use crate::{Kind, What};

impl What {
    /// The production belongs to a file behind this door.
    pub(crate) const fn is_of_runtime(self) -> bool {
        self as u16 >= Self::ContainerdRunPodSandboxCalled as u16
            && (self as u16) < Self::Unknown as u16
    }

    /// Kinds of the productions behind this door; a call that merely began is a plain line.
    pub(crate) const fn kind_of_runtime(self) -> Kind {
        if (self as u16) < Self::CrioRunningSandbox as u16 {
            self.kind_of_containerd()
        } else {
            self.kind_of_others()
        }
    }

    const fn kind_of_containerd(self) -> Kind {
        match self {
            Self::ContainerdRunPodSandboxFailed
            | Self::ContainerdCreateContainerFailed
            | Self::ContainerdStartContainerFailed
            | Self::ContainerdStopContainerFailed
            | Self::ContainerdRemoveContainerFailed
            | Self::ContainerdStopPodSandboxFailed
            | Self::ContainerdRemovePodSandboxFailed
            | Self::ContainerdPullImageFailed
            | Self::ContainerdPullCancelled
            | Self::ContainerdPodSandboxStatusFailed
            | Self::ContainerdContainerStatusFailed
            | Self::ContainerdExecSyncFailed
            | Self::ContainerdDestroyNetworkFailed
            | Self::ContainerdSandboxCleanupFailed => Kind::Related,
            Self::ContainerdRunPodSandboxReturned
            | Self::ContainerdCreateContainerReturned
            | Self::ContainerdStartContainerReturned
            | Self::ContainerdStopContainerReturned
            | Self::ContainerdRemoveContainerReturned
            | Self::ContainerdStopPodSandboxReturned
            | Self::ContainerdRemovePodSandboxReturned
            | Self::ContainerdPullImageReturned
            | Self::ContainerdPulledImage
            | Self::ContainerdNetworkTornDown => Kind::Progress,
            Self::ContainerdStopContainerCalled
            | Self::ContainerdStopSignal
            | Self::ContainerdKillContainer
            | Self::ContainerdTaskOom
            | Self::ContainerdExitEvent
            | Self::ContainerdSandboxExitEvent
            | Self::ContainerdExitEventFailed => Kind::Kill,
            Self::ContainerdStatusFailed
            | Self::ContainerdListFailed
            | Self::ContainerdCniLoadFailed
            | Self::ContainerdCriServiceFailed
            | Self::ContainerdStarting
            | Self::ContainerdBooted
            | Self::ContainerdStopping => Kind::Node,
            // Shim lines stand at every normal exit (G63).
            _ => Kind::Line,
        }
    }

    const fn kind_of_others(self) -> Kind {
        match self {
            Self::CrioPodNameReserved
            | Self::CrioContainerNameReserved
            | Self::CrioSandboxNotYetFinished
            | Self::CrioContainerNotYetFinished
            | Self::CrioContainerCreationError => Kind::Related,
            Self::CrioRanSandbox
            | Self::CrioStoppedSandbox
            | Self::CrioRemovedSandbox
            | Self::CrioCreatedContainer
            | Self::CrioStartedContainer
            | Self::CrioStoppedContainer
            | Self::CrioRemovedContainer
            | Self::CrioPulledImage => Kind::Progress,
            Self::CrioStoppingContainer
            | Self::KernelOomInvoked
            | Self::KernelOomMemcg
            | Self::KernelOomGlobal
            | Self::KernelKilledMemcg
            | Self::KernelKilledGlobal
            | Self::KernelKilled
            | Self::KernelTaskOverLimit
            | Self::KernelOomGroup
            | Self::KernelOomReaped
            | Self::KernelSegfault => Kind::Kill,
            Self::CrioStarting
            | Self::KernelTaskBlocked
            | Self::KernelConntrackFull
            | Self::KernelNetdeviceBusy
            | Self::KernelFilesystemError
            | Self::KernelRemountedReadOnly
            | Self::KernelIoError
            | Self::KernelFilesystemShutdown
            | Self::KernelForkRejected
            | Self::SystemdStarting
            | Self::SystemdStarted
            | Self::SystemdStopping
            | Self::SystemdStopped
            | Self::SystemdMainExited
            | Self::SystemdFailed
            | Self::SystemdRestarting
            | Self::SystemdUnitOom => Kind::Node,
            Self::JournaldSuppressed | Self::JournaldMissedKernel => Kind::Loss,
            _ => Kind::Line,
        }
    }
}
