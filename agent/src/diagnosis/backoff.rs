//! When the kubelet tries again, and which of its rules makes it (M8, diagnosis.md 4.5). Told from
//! the line's own back-off where it has one, else computed; an unknown kubelet version is said.

use super::case::Seat;
use crate::source::Micros;

const SECOND: Micros = 1_000_000;
/// Container and image back-off begin here and double …
const FIRST: Micros = 10 * SECOND;
/// … up to here.
const LONGEST: Micros = 300 * SECOND;
/// A pod's sync after an error: 10 s, and up to half as long again.
const RESYNC: Micros = 10 * SECOND;
/// The volume manager's wait and its pause.
const VOLUME_WAIT: Micros = 123 * SECOND;

/// Time and rule; `None` where the kubelet does not try again, or nothing tells when.
pub(super) fn next_retry(seat: &Seat<'_>) -> Option<(Micros, String)> {
    let case = seat.case;
    let reason = case.reason.as_deref().unwrap_or_default();
    match (case.step.as_str(), reason) {
        ("Admission" | "Eviction" | "NodeShutdown" | "OffNode", _) => None,
        ("StartContainer", "CrashLoopBackOff") => crash_loop(seat),
        ("StartContainer", "ImagePullBackOff") => image(seat),
        ("StartContainer", "RunContainerError" | "PostStartHookError") | ("", _) => after_end(seat),
        ("WaitForNetwork", _) if case.key.is_some() => {
            let why =
                "while the pod network is not ready, the kubelet tries again every 1 to 1.5 s";
            Some((case.at + SECOND, why.to_owned()))
        }
        ("MountVolume" | "AttachVolume" | "UnmountVolume", _) => volume(seat),
        ("WaitForVolumes", _) => {
            let why = "the kubelet waits up to 2m3s for volumes, then again after 10 to 15 s";
            Some((case.at + RESYNC + VOLUME_WAIT, why.to_owned()))
        }
        (
            "StartContainer"
            | "CreatePodSandbox"
            | "KillContainer"
            | "KillPodSandbox"
            | "SyncPod"
            | "EnsurePodCgroups"
            | "MakePodDataDirs"
            | "ConfigPodSandbox"
            | "TerminatePod"
            | "PrepareDynamicResources"
            | "GetPullSecret",
            _,
        ) => {
            let why = "after an error the kubelet syncs the pod again within 10 to 15 s";
            Some((case.at + RESYNC, why.to_owned()))
        }
        _ => None,
    }
}

/// The wait counts from the end of the instance, whatever the time of the line.
fn crash_loop(seat: &Seat<'_>) -> Option<(Micros, String)> {
    if runs_again(seat) {
        return None;
    }
    let ended = seat.instance.and_then(|it| it.ended);
    let told = seat.case.details.backoff_seconds.map(micros).or_else(|| told_since(seat, ended?));
    let (wait, is_told) = match told {
        Some(wait) => (wait, true),
        None => (doubled(crashes(seat)?), false),
    };
    let from = ended.or_else(|| Some(seat.state?.back_off?.1)).unwrap_or(seat.case.at);
    let at = from.saturating_add(wait);
    let how = if is_told { "told by the kubelet" } else { "computed: 10 s, doubled at each crash" };
    let since = if ended.is_some() { "since its end" } else { "since the kubelet first said so" };
    let why = format!(
        "back-off of {} s {since}, {how}; at most 300 s, forgotten after 10 minutes of running; {}",
        wait / SECOND,
        looks(seat)
    );
    Some((at, why))
}

/// The kubelet looks whether the back-off is over only when it syncs the pod.
fn looks(seat: &Seat<'_>) -> String {
    match minor(seat) {
        Some(minor) if minor >= 35 => {
            "the kubelet (1.35 or later) comes back when it is over, or after 60 to 90 s; its \
             crashLoopBackOff.maxContainerRestartPeriod may make 300 s less"
                .to_owned()
        }
        Some(minor) if minor >= 34 => {
            "the kubelet (1.34 or later) comes back when it is over, or after 60 to 90 s".to_owned()
        }
        Some(_) => "the kubelet looks every 10 to 15 s whether it is over".to_owned(),
        None => "how exactly it is kept depends on the kubelet's version, which is not known here"
            .to_owned(),
    }
}

/// An instance ended and the kubelet has not yet said that it waits: the first restart is immediate.
fn after_end(seat: &Seat<'_>) -> Option<(Micros, String)> {
    let ended = seat.instance.and_then(|it| it.ended)?;
    if runs_again(seat) {
        return None;
    }
    if let Some(wait) = told_since(seat, ended) {
        let why = format!(
            "back-off of {} s since its end, told by the kubelet; {}",
            wait / SECOND,
            looks(seat)
        );
        return Some((ended.saturating_add(wait), why));
    }
    let policy = seat.spec.and_then(|spec| spec.restart_policy.as_deref());
    let code = seat.instance.and_then(|it| it.exit_code);
    let is_native = seat.role() == Some(crate::fact::Role::NativeSidecar);
    let phase = seat.spec.and_then(|spec| spec.phase.as_deref());
    let is_final = match policy {
        _ if matches!(phase, Some("Succeeded" | "Failed")) => true,
        Some("Never") => !is_native,
        Some("OnFailure") => code == Some(0) && !is_native,
        _ => false,
    };
    if is_final {
        return None;
    }
    match crashes(seat)? {
        0 | 1 => Some((ended, "the first restart is immediate".to_owned())),
        crashes => {
            let wait = doubled(crashes);
            let why = format!(
                "back-off of {} s since its end, computed: 10 s, doubled at each crash; {}",
                wait / SECOND,
                looks(seat)
            );
            Some((ended.saturating_add(wait), why))
        }
    }
}

/// A later instance than the one that is meant runs: nothing waits.
fn runs_again(seat: &Seat<'_>) -> bool {
    seat.state.is_some_and(super::world::ContainerState::is_running)
}

/// The back-off that the kubelet told of this end.
fn told_since(seat: &Seat<'_>, ended: Micros) -> Option<Micros> {
    let newest = seat.state?.newest().and_then(|it| it.ended)?;
    let (seconds, at) = seat.state?.back_off.filter(|(_, at)| *at >= newest && newest == ended)?;
    // Words of long ago speak of an end that was not seen.
    (at.saturating_sub(ended) <= micros(seconds).saturating_add(LONGEST)).then(|| micros(seconds))
}

/// Per pod and image, apart from the container's own back-off.
fn image(seat: &Seat<'_>) -> Option<(Micros, String)> {
    let pull = seat.beneath?;
    let wait = doubled(pull.count.saturating_add(1));
    let why = format!(
        "image back-off of {} s since the last failed pull, computed from {} failed pulls; it \
         begins at 10 s, doubles up to 300 s, and is kept for pod and image apart from restarts; {}",
        wait / SECOND,
        pull.count,
        looks(seat)
    );
    Some((pull.at.saturating_add(wait), why))
}

fn volume(seat: &Seat<'_>) -> Option<(Micros, String)> {
    let told = seat.case.details.backoff_seconds.map(micros)?;
    let why = format!(
        "the kubelet retries this volume after {} s: 0.5 s at first, doubled up to 2m2s",
        told / SECOND
    );
    Some((seat.case.at.saturating_add(told), why))
}

/// How often the container ended: by its attempt number, or as far as was seen.
fn crashes(seat: &Seat<'_>) -> Option<u32> {
    let by_attempt = seat.instance.and_then(|it| it.attempt).map(|attempt| attempt + 1);
    by_attempt.or_else(|| Some(seat.state?.crashes)).filter(|crashes| *crashes > 0)
}

/// After the second end 10 s, after the third 20 s, …
fn doubled(ends: u32) -> Micros {
    let steps = ends.saturating_sub(2).min(5);
    FIRST.saturating_mul(1 << steps).min(LONGEST)
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a back-off are few")]
fn micros(seconds: f64) -> Micros {
    (seconds * 1_000_000.0) as Micros
}

/// `34` of `v1.34.4`.
pub(super) fn minor(seat: &Seat<'_>) -> Option<u32> {
    let version = seat.world.node.kubelet_version.as_deref()?;
    version.trim_start_matches('v').split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
