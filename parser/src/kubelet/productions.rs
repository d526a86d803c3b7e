//! What each kubelet production is to us, and which step its failure belongs to.
//!
//! Owns two tables: kinds (§7, §8, G55, G58) and the steps and reasons of §6.

use crate::message::{Kind, What};

impl What {
    /// Kinds of the kubelet's productions.
    pub(crate) const fn kind_of_kubelet(self) -> Kind {
        match self {
            Self::ErrorSyncingPod
            | Self::InitContainerRemoveFailed
            | Self::DynamicResourcesFailed
            | Self::PullSecretMissing
            | Self::VolumeOperationFailed
            | Self::ReconcilerOperationFailed
            | Self::PodAdmissionDenied
            | Self::PodNotAdmitted
            | Self::PodPreempted
            | Self::PodEvicted => Kind::SyncFailure,
            Self::RemoveContainer
            | Self::MountSucceeded
            | Self::UnmountSucceeded
            | Self::PlegStarted
            | Self::ProbeReady
            | Self::OrphanCleaned
            | Self::PodStarted => Kind::Progress,
            Self::ContainerRestartMessage
            | Self::KillingContainer
            | Self::PlegDied
            | Self::ContainerFinished
            | Self::SystemOom => Kind::Kill,
            Self::ProbeFailed | Self::ProbeErrored | Self::ProbeUnhealthy => Kind::Probe,
            _ if self.is_related() => Kind::Related,
            _ if self.is_of_node() => Kind::Node,
            _ => Kind::Line,
        }
    }

    /// Belongs to a failure that another line reports (§7, G51, G52).
    const fn is_related(self) -> bool {
        matches!(
            self,
            Self::StartFailed
                | Self::SyncErrorRepeated
                | Self::SandboxCreateFailed
                | Self::SandboxConfigFailed
                | Self::SandboxStatusFailed
                | Self::StopSandboxFailed
                | Self::KillPodFailed
                | Self::KillContainerFailed
                | Self::PostStartHookFailed
                | Self::PreStopHookFailed
                | Self::LifecycleHookFailed
                | Self::PullFailed
                | Self::ImageVolumeFailed
                | Self::SubPathFailed
                | Self::MountUnsatisfied
                | Self::PodDirectoriesFailed
                | Self::BackOffRestarting
                | Self::ContainerStartFailed
                | Self::CriRunPodSandboxFailed
                | Self::CriStopPodSandboxFailed
                | Self::CriRemovePodSandboxFailed
                | Self::CriPodSandboxStatusFailed
                | Self::CriCreateContainerFailed
                | Self::CriStartContainerFailed
                | Self::CriStopContainerFailed
                | Self::CriRemoveContainerFailed
                | Self::CriContainerStatusFailed
                | Self::CriExecSyncFailed
                | Self::CriPullImageFailed
                | Self::CriImageStatusFailed
                | Self::VolumeOperationRepeated
                | Self::UnableToMountVolumes
                | Self::VolumeProcessingFailed
                | Self::VolumeObjectMissing
                | Self::ProjectedVolumeFailed
                | Self::AtomicWriterFailed
                | Self::CsiFailed
                | Self::VolumeOwnershipSlow
                | Self::PredicateFailed
                | Self::PreemptingPod
                | Self::PreemptionFailed
                | Self::AllocateFailed
                | Self::EvictingPod
                | Self::TokenFailed
                | Self::KubernetesEvent
        )
    }

    /// Has no pod, or none that fails (G58).
    const fn is_of_node(self) -> bool {
        matches!(
            self,
            Self::CriRemoveImageFailed
                | Self::CriStatusFailed
                | Self::CriListFailed
                | Self::CriImageFsInfoFailed
                | Self::DeviceOperationFailed
                | Self::SkippingPodSync
                | Self::NetworkNotReady
                | Self::RuntimeNotReady
                | Self::RuntimeSanityFailed
                | Self::NodeNotReadyInTime
                | Self::PlegFailed
                | Self::HousekeepingSlow
                | Self::EvictionReclaiming
                | Self::EvictionMustEvict
                | Self::EvictionRanked
                | Self::EvictionFailed
                | Self::EvictionNoPods
                | Self::EvictionCleaning
                | Self::EvictionRelieved
                | Self::EvictionUnable
                | Self::ImageGcFailed
                | Self::DiskUsageHigh
                | Self::ContainerGcFailed
                | Self::NodeNotReady
                | Self::NodeConditionRecorded
                | Self::NodeStatusFailed
                | Self::LeaseFailed
                | Self::NodeEvent
                | Self::NodeRegisterFailed
                | Self::ClientCertificateExpired
                | Self::CsiNodeFailed
                | Self::PlegEventsDropped
                | Self::OrphanedPod
                | Self::SystemCgroupFailed
                | Self::CgroupCleanupFailed
                | Self::CgroupFailed
                | Self::PodStatusFailed
                | Self::MirrorPodFailed
                | Self::CredentialProviderFailed
                | Self::DnsLimits
                | Self::StaticPodUnreadable
                | Self::ShutdownManager
                | Self::UserNamespaceFailed
                | Self::KubeletStarting
                | Self::KubeletPanic
                | Self::KubeletFatal
        )
    }

    /// The step of §6.2 and, where the kubelet has a word for it, the reason, of a kubelet line that
    /// is a failure by itself or repeats one (§7). `None` where only the error text tells, or there
    /// is no failure.
    ///
    /// ```
    /// use podwhy_parser::What;
    ///
    /// assert_eq!(What::PodEvicted.step(), Some(("Eviction", Some("Evicted"))));
    /// assert_eq!(What::ErrorSyncingPod.step(), None);
    /// ```
    #[must_use]
    pub const fn step(self) -> Option<(&'static str, Option<&'static str>)> {
        Some(match self {
            Self::StartFailed | Self::ContainerStartFailed => ("StartContainer", None),
            Self::InitContainerRemoveFailed => ("RemoveContainer", None),
            Self::SandboxCreateFailed | Self::CriRunPodSandboxFailed => {
                ("CreatePodSandbox", Some("CreatePodSandboxError"))
            }
            Self::SandboxConfigFailed => ("ConfigPodSandbox", Some("ConfigPodSandboxError")),
            Self::StopSandboxFailed | Self::CriStopPodSandboxFailed => {
                ("KillPodSandbox", Some("KillPodSandboxError"))
            }
            Self::KillContainerFailed | Self::CriStopContainerFailed => {
                ("KillContainer", Some("KillContainerError"))
            }
            Self::PostStartHookFailed => ("StartContainer", Some("PostStartHookError")),
            // The kubelet goes on without it, so no `Error syncing pod` tells of it.
            Self::PreStopHookFailed => ("KillContainer", None),
            Self::PullFailed | Self::CriPullImageFailed => ("StartContainer", Some("ErrImagePull")),
            Self::DynamicResourcesFailed => {
                ("PrepareDynamicResources", Some("FailedPrepareDynamicResources"))
            }
            Self::SubPathFailed => ("StartContainer", Some("CreateContainerConfigError")),
            Self::PodDirectoriesFailed => ("MakePodDataDirs", None),
            Self::PullSecretMissing => ("GetPullSecret", Some("FailedToRetrieveImagePullSecret")),
            Self::BackOffRestarting => ("StartContainer", Some("CrashLoopBackOff")),
            Self::CriCreateContainerFailed => ("StartContainer", Some("CreateContainerError")),
            Self::CriStartContainerFailed => ("StartContainer", Some("RunContainerError")),
            Self::CriImageStatusFailed => ("StartContainer", Some("ImageInspectError")),
            Self::VolumeOperationFailed
            | Self::ReconcilerOperationFailed
            | Self::VolumeOperationRepeated
            | Self::VolumeObjectMissing
            | Self::ProjectedVolumeFailed
            | Self::AtomicWriterFailed
            | Self::CsiFailed
            | Self::VolumeOwnershipSlow
            | Self::TokenFailed => ("MountVolume", Some("FailedMount")),
            Self::UnableToMountVolumes | Self::VolumeProcessingFailed => {
                ("WaitForVolumes", Some("FailedMount"))
            }
            Self::ProbeFailed | Self::ProbeErrored | Self::ProbeUnhealthy => {
                ("Probe", Some("Unhealthy"))
            }
            Self::PodAdmissionDenied | Self::PodNotAdmitted | Self::PredicateFailed => {
                ("Admission", None)
            }
            Self::PreemptingPod | Self::PodPreempted | Self::PreemptionFailed => {
                ("Admission", Some("Preempting"))
            }
            Self::AllocateFailed => ("Admission", Some("UnexpectedAdmissionError")),
            Self::PodEvicted | Self::EvictingPod => ("Eviction", Some("Evicted")),
            _ => return self.step_of_node(),
        })
    }

    /// The same for what concerns the node.
    const fn step_of_node(self) -> Option<(&'static str, Option<&'static str>)> {
        Some(match self {
            Self::CriRemoveImageFailed | Self::CriImageFsInfoFailed | Self::DiskUsageHigh => {
                ("ImageGC", None)
            }
            Self::CriStatusFailed | Self::CriListFailed => ("Runtime", None),
            Self::DeviceOperationFailed => ("UnmountVolume", None),
            Self::SkippingPodSync
            | Self::RuntimeNotReady
            | Self::RuntimeSanityFailed
            | Self::PlegFailed => ("SyncLoop", None),
            Self::NetworkNotReady => ("WaitForNetwork", Some("NetworkNotReady")),
            Self::NodeNotReadyInTime
            | Self::NodeNotReady
            | Self::NodeConditionRecorded
            | Self::NodeStatusFailed
            | Self::LeaseFailed
            | Self::NodeRegisterFailed
            | Self::ClientCertificateExpired
            | Self::PodStatusFailed => ("KubeletAPI", None),
            Self::HousekeepingSlow
            | Self::CsiNodeFailed
            | Self::PlegEventsDropped
            | Self::SystemCgroupFailed
            | Self::CgroupFailed
            | Self::MirrorPodFailed
            | Self::CredentialProviderFailed
            | Self::DnsLimits
            | Self::StaticPodUnreadable
            | Self::KubeletStarting
            | Self::KubeletPanic
            | Self::KubeletFatal => ("Kubelet", None),
            Self::EvictionReclaiming
            | Self::EvictionMustEvict
            | Self::EvictionRanked
            | Self::EvictionFailed
            | Self::EvictionNoPods
            | Self::EvictionCleaning
            | Self::EvictionRelieved
            | Self::EvictionUnable => ("Eviction", None),
            Self::ImageGcFailed => ("ImageGC", Some("ImageGCFailed")),
            Self::ContainerGcFailed
            | Self::OrphanedPod
            | Self::CgroupCleanupFailed
            | Self::UserNamespaceFailed => ("Housekeeping", None),
            Self::ShutdownManager => ("NodeShutdown", Some("Terminated")),
            _ => return None,
        })
    }
}
