//! Errors without a `failed to "…"` clause and the step that each belongs to (§5.4, §6.2).
//!
//! Owns the table; matches at the start of the text, never inside it.

use super::SyncFailure;
use crate::{Text, find};

/// ```text
/// other := one of the beginnings below, then any text
/// ```
///
/// `mounted volumes=` is tried at the start only, so `unmounted volumes=` is never it (G38).
const BEGINNINGS: [(&str, &str, Option<&str>); 21] = [
    ("network is not ready: ", "WaitForNetwork", Some("NetworkNotReady")),
    ("unmounted volumes=", "WaitForVolumes", Some("FailedMount")),
    ("Unable to attach or mount volumes", "WaitForVolumes", Some("FailedMount")),
    ("mounted volumes=", "TerminatePod", None),
    ("failed to ensure that the pod: ", "EnsurePodCgroups", Some("FailedCreatePodContainer")),
    ("error killing pod: ", "TerminatePod", Some("FailedKillPod")),
    ("error killing terminating pod: ", "TerminatePod", Some("FailedKillPod")),
    ("detected running containers after a successful KillPod", "TerminatePod", None),
    ("failed to delete cgroup for pod", "TerminatePod", None),
    ("unprepare dynamic resources: ", "TerminatePod", None),
    ("NodeUnprepareResources failed", "TerminatePod", None),
    ("pod cannot be run: ", "Admission", None),
    ("Node has reached its volume attachment limit", "AttachVolume", Some("FailedAttachVolume")),
    ("failed to remove pod init container ", "RemoveContainer", None),
    (
        "failed to prepare dynamic resources",
        "PrepareDynamicResources",
        Some("FailedPrepareDynamicResources"),
    ),
    ("mkdir ", "MakePodDataDirs", None),
    ("chmod ", "MakePodDataDirs", None),
    ("chown ", "MakePodDataDirs", None),
    ("lchown ", "MakePodDataDirs", None),
    ("stat ", "MakePodDataDirs", None),
    ("open ", "MakePodDataDirs", None),
];

/// `message` is the item; `whole` is the error text around it, prefix included.
pub(crate) fn failure<'a>(message: Text<'a>, whole: Text<'a>) -> SyncFailure<'a> {
    let (step, reason) = step(message.raw())
        .or_else(|| step(whole.raw()).filter(|(step, _)| *step == "TerminatePod"))
        .unwrap_or(("SyncPod", None));
    SyncFailure::alone(step, reason, message)
}

fn step(raw: &str) -> Option<(&'static str, Option<&'static str>)> {
    BEGINNINGS.iter().find_map(|(beginning, step, reason)| {
        let rest = raw.strip_prefix(beginning)?;
        if *step == "MakePodDataDirs" && !is_of_pod_directory(rest) {
            return None;
        }
        Some((*step, *reason))
    })
}

/// `<kubelet root>/pods/<uid>…: <errno>`: the path comes first and holds no blank.
fn is_of_pod_directory(rest: &str) -> bool {
    let path = find::split(rest, ": ").map_or(rest, |(path, _)| path);
    path.starts_with('/') && path.contains("/pods/")
}
