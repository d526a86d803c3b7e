//! How printf lines begin, what stands in the quoted slot behind it, and before the error.
//!
//! Owns the list; grouped by first letter, so that a line is compared with a few only.

use crate::message::What;

/// What a beginning's own slot names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Nothing,
    Pod,
    Uid,
    Container,
    Sandbox,
    Image,
}

/// One printf wording.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) begin: &'static str,
    pub(super) what: What,
    pub(super) slot: Slot,
    /// What stands before the error; empty if the line has none.
    pub(super) separator: &'static str,
}

const fn row(begin: &'static str, what: What, slot: Slot, separator: &'static str) -> Beginning {
    Beginning { begin, what, slot, separator }
}

/// Many lines begin with a pod in quotes; this one is known by what follows.
const NOT_EXITED: Beginning = row("Pod ", What::ContainersNotExited, Slot::Pod, "");
const NON_EXITED: &str = "\" still has one or more containers in the non-exited state";

/// The wording that a message begins with.
pub(super) fn of(raw: &str) -> Option<&'static Beginning> {
    if raw.starts_with("Pod \"") && raw.contains(NON_EXITED) {
        return Some(&NOT_EXITED);
    }
    let rows: &'static [Beginning] = match raw.as_bytes().first()? {
        b'C' => C,
        b'E' => E,
        b'F' => F,
        b'G' | b'H' | b'I' | b'K' | b'M' | b'N' => G_TO_N,
        b'O' | b'P' | b'o' | b'p' => O_AND_P,
        b'R' | b'L' => R_AND_L,
        b'S' => S,
        b'T' | b'U' | b'D' | b'A' => T_TO_U,
        b'[' | b'b' | b'B' | b'c' | b'f' | b'k' | b's' => SMALL,
        _ => return None,
    };
    rows.iter().find(|row| raw.starts_with(row.begin))
}

use Slot::{Container, Image, Nothing, Pod, Sandbox, Uid};

const FAILED: &str = " failed: ";
const CRI: &str = " from runtime service failed: ";

const C: &[Beginning] = &[
    row("CreatePodSandbox for pod ", What::SandboxCreateFailed, Pod, FAILED),
    row("Create pod log directory for pod ", What::SandboxCreateFailed, Pod, FAILED),
    row("CreateContainer in sandbox ", What::CriCreateContainerFailed, Sandbox, CRI),
    row("ContainerStatus ", What::CriContainerStatusFailed, Container, CRI),
    row("Container runtime network not ready: ", What::NetworkNotReady, Nothing, ": "),
    row("Container runtime not ready: ", What::RuntimeNotReady, Nothing, ": "),
    row("Container runtime sanity check failed: ", What::RuntimeSanityFailed, Nothing, ": "),
    row("Container runtime status is nil", What::RuntimeSanityFailed, Nothing, ""),
    row("Container garbage collection failed: ", What::ContainerGcFailed, Nothing, ": "),
    row("Can't process manifest file ", What::StaticPodUnreadable, Nothing, ": "),
    row("Cleaned up orphaned pod volumes dir", What::OrphanCleaned, Nothing, ""),
];

const E: &[Beginning] = &[
    row("Error updating node status, will retry: ", What::NodeStatusFailed, Nothing, ": "),
    row("Event(v1.ObjectReference{Kind:\"Node\",", What::NodeEvent, Nothing, ""),
    row("Event(v1.ObjectReference{", What::KubernetesEvent, Nothing, ""),
    row("ExecSync ", What::CriExecSyncFailed, Container, CRI),
    row("Error processing volume ", What::VolumeProcessingFailed, Nothing, ": "),
];

const F: &[Beginning] = &[
    row("Failed to create sandbox for pod ", What::SandboxCreateFailed, Pod, ": "),
    row("Failed to stop sandbox ", What::StopSandboxFailed, Sandbox, ": "),
    row("Failed to remove sandbox ", What::CriRemovePodSandboxFailed, Sandbox, ": "),
    row("Failed to get pod sandbox status: ", What::SandboxStatusFailed, Nothing, ": "),
    row("Failed to admit pod ", What::PodNotAdmitted, Pod, " - "),
    row("Failed to remove orphaned pod ", What::OrphanedPod, Uid, "err: "),
    row("Failed creating a mirror pod for ", What::MirrorPodFailed, Pod, ": "),
    row("Failed creating a mirror pod ", What::MirrorPodFailed, Pod, ": "),
    row("Failed deleting a mirror pod ", What::MirrorPodFailed, Pod, ": "),
    row("Failed deleting mirror pod ", What::MirrorPodFailed, Pod, ": "),
    row("Failed to get status for pod ", What::PodStatusFailed, Pod, ": "),
    row("Failed to update status for pod ", What::PodStatusFailed, Pod, ": "),
    row("Failed to allocate device plugin resource for pod ", What::AllocateFailed, Uid, ": "),
    row("Failed to ensure state of ", What::SystemCgroupFailed, Nothing, ": "),
    row(
        "Failed getting credential from external registry credential provider: ",
        What::CredentialProviderFailed,
        Nothing,
        ": ",
    ),
    row("Failed to initialize CSINode: ", What::CsiNodeFailed, Nothing, ": "),
    row("Failed to execute PostStartHook", What::PostStartHookFailed, Nothing, ": "),
];

const G_TO_N: &[Beginning] = &[
    row("GenericPLEG: Unable to retrieve pods: ", What::PlegFailed, Nothing, ": "),
    row("GeneratePodSandboxConfig for pod ", What::SandboxConfigFailed, Pod, FAILED),
    row("Get ImageStatus from image service failed: ", What::CriImageStatusFailed, Nothing, ": "),
    row("Image garbage collection failed", What::ImageGcFailed, Nothing, ": "),
    row("ImageStatus ", What::CriImageStatusFailed, Image, " from image service failed: "),
    row("ImageFsInfo from image service failed: ", What::CriImageFsInfoFailed, Nothing, ": "),
    row("Kill container ", What::KillContainerFailed, Container, FAILED),
    row("Killing container ", What::KillingContainer, Container, ""),
    row("Killing unwanted container ", What::KillingContainer, Nothing, ""),
    row("Manifest path ", What::StaticPodUnreadable, Nothing, ": "),
    row("Multiple sandboxes are ready for Pod ", What::NewSandboxNeeded, Pod, ""),
    row("No sandbox for pod ", What::NewSandboxNeeded, Pod, ""),
    row("No ready sandbox for pod ", What::NewSandboxNeeded, Pod, ""),
];

const O_AND_P: &[Beginning] = &[
    row("Observed a panic: ", What::KubeletPanic, Nothing, ": "),
    row("orphaned pod ", What::OrphanedPod, Uid, ""),
    row("Orphaned pod ", What::OrphanedPod, Uid, ""),
    row("Part of the existing bootstrap client ", What::ClientCertificateExpired, Nothing, ""),
    row("part of the existing bootstrap client ", What::ClientCertificateExpired, Nothing, ""),
    row("PodSandboxStatus of sandbox ", What::SandboxStatusFailed, Sandbox, " error: "),
    row("PodSandboxStatus ", What::CriPodSandboxStatusFailed, Sandbox, CRI),
    row("PullImage ", What::CriPullImageFailed, Image, " from image service failed: "),
    row("Pull image ", What::PullFailed, Image, FAILED),
    row("Predicate failed on Pod: ", What::PredicateFailed, Pod, "for reason: "),
    row("PreStop hook for container ", What::PreStopHookFailed, Nothing, FAILED),
    row("preemption: attempting to evict pods ", What::PreemptingPod, Nothing, ""),
];

const R_AND_L: &[Beginning] = &[
    row("RunPodSandbox from runtime service failed: ", What::CriRunPodSandboxFailed, Nothing, ": "),
    row("RunPodSandbox failed: ", What::CriRunPodSandboxFailed, Nothing, ": "),
    row("RemovePodSandbox ", What::CriRemovePodSandboxFailed, Sandbox, CRI),
    row("RemoveContainer ", What::CriRemoveContainerFailed, Container, CRI),
    row("RemoveImage ", What::CriRemoveImageFailed, Image, " from image service failed: "),
    row("ListPodSandbox ", What::CriListFailed, Nothing, CRI),
    row("ListContainers ", What::CriListFailed, Nothing, CRI),
    row("ListImages ", What::CriListFailed, Nothing, " from image service failed: "),
];

const S: &[Beginning] = &[
    row("StopPodSandbox ", What::CriStopPodSandboxFailed, Sandbox, CRI),
    row("StartContainer ", What::CriStartContainerFailed, Container, CRI),
    row("StopContainer ", What::CriStopContainerFailed, Container, CRI),
    row("Status from runtime service failed: ", What::CriStatusFailed, Nothing, ": "),
    row("Sandbox for pod ", What::NewSandboxNeeded, Pod, ""),
    row("Starting kubelet main sync loop.", What::KubeletStarting, Nothing, ""),
    row("Successfully registered node ", What::KubeletStarting, Nothing, ""),
    row("Static Pod is managed but errored", What::StaticPodUnreadable, Nothing, ""),
    row("Shutdown manager ", What::ShutdownManager, Nothing, ""),
];

const T_TO_U: &[Beginning] = &[
    row("Unable to attach or mount volumes for pod ", What::UnableToMountVolumes, Pod, ": "),
    row("Unable to mount volumes for pod ", What::UnableToMountVolumes, Pod, ": "),
    row("Unable to make pod data directories for pod ", What::PodDirectoriesFailed, Pod, ": "),
    row("Unable to retrieve pull secret ", What::PullSecretMissing, Nothing, ""),
    row("Unable to update node status: ", What::NodeStatusFailed, Nothing, ": "),
    row("Unable to process watch event: ", What::StaticPodUnreadable, Nothing, ": "),
    row("Unable to read config path ", What::StaticPodUnreadable, Nothing, ": "),
    row("Unable to register node ", What::NodeRegisterFailed, Nothing, ": "),
    row("The currently active client certificate ", What::ClientCertificateExpired, Nothing, ""),
    row("Topology Admit Handler", What::TopologyAdmit, Nothing, ""),
    row("Deleted mirror pod ", What::MirrorPodReplaced, Pod, ""),
    row("Attempting to sync node with API server", What::KubeletStarting, Nothing, ""),
];

const SMALL: &[Beginning] = &[
    row("[imageGCManager]: Disk usage on image filesystem", What::DiskUsageHigh, Nothing, ""),
    row("[cpumanager] Allocate error: ", What::AllocateFailed, Nothing, ": "),
    row("[cpumanager] unable to allocate ", What::AllocateFailed, Nothing, "error: "),
    row("[topologymanager] Topology Admit Handler", What::TopologyAdmit, Nothing, ""),
    row("back-off ", What::BackOffRestarting, Nothing, ""),
    row("Back-off ", What::BackOffRestarting, Nothing, ""),
    row("createPodSandbox for pod ", What::SandboxCreateFailed, Pod, FAILED),
    row("failed to ensure node lease exists", What::LeaseFailed, Nothing, "error: "),
    row("failed to ensure lease exists", What::LeaseFailed, Nothing, "error: "),
    row("failed to update node lease, error: ", What::LeaseFailed, Nothing, ": "),
    row("failed to update lease", What::LeaseFailed, Nothing, "error: "),
    row("killPodWithSyncResult failed: ", What::KillPodFailed, Nothing, ": "),
    row("skipping pod synchronization - ", What::SkippingPodSync, Nothing, " - "),
];
