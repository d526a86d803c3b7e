//! Probes against the time that a start takes (R50–R52, R86).

use super::{Said, said};
use crate::fact::{Container, Pod, Probe, Role, State};

/// A start that takes less than this needs no patience.
const QUICK_SECONDS: u64 = 30;

/// From the start to the kill, if it never passes (R51).
fn kill_seconds(probe: &Probe) -> u64 {
    let failures = u64::from(probe.failure_threshold.max(1));
    u64::from(probe.initial_delay_seconds) + u64::from(probe.period_seconds.max(1)) * failures
}

pub(super) fn judge(pod: &Pod, all: &mut Vec<Said>) {
    for container in &pod.containers {
        liveness(container, all);
        startup(pod, container, all);
        if let (Some(liveness), Some(readiness)) = (&container.liveness, &container.readiness)
            && container.startup.is_none()
            && liveness == readiness
        {
            let text =
                "liveness and readiness ask the same with the same patience: under load it is \
                        killed where it should only get no traffic"
                    .to_owned();
            let what = "let liveness be slower: a higher failureThreshold, or a cheaper question";
            all.push(said("liveness_as_readiness", Some(container), text, what));
        }
    }
}

fn liveness(container: &Container, all: &mut Vec<Said>) {
    let Some(probe) = container.liveness.as_ref().filter(|_| container.startup.is_none()) else {
        return;
    };
    let kill = kill_seconds(probe);
    if let Some(lived) = lived_seconds(container)
        // The first question may come at once, and the last answer a whole period sooner.
        && (kill - u64::from(probe.period_seconds.max(1))..=kill + 45).contains(&lived)
    {
        let text = format!(
            "its last instance lived {lived} s, and the liveness probe kills after {kill} s without \
             an answer: it seems to be killed before it has started"
        );
        let what = "add a startupProbe with the same question and enough failureThreshold; liveness \
                    waits until it has passed";
        all.push(said("killed_before_start", Some(container), text, what));
    } else if probe.initial_delay_seconds == 0 && kill < QUICK_SECONDS {
        let text = format!(
            "the liveness probe begins at once and kills after {kill} s: a start that takes longer \
             never gets to its end"
        );
        let what = "add a startupProbe (failureThreshold × periodSeconds = the slowest start), rather \
                    than a long initialDelaySeconds";
        all.push(said("liveness_without_delay", Some(container), text, what));
    } else if kill < QUICK_SECONDS {
        let text = format!("the liveness probe kills a start that takes longer than {kill} s");
        let what = "add a startupProbe for the slowest start that you know of";
        all.push(said("liveness_impatient", Some(container), text, what));
    }
}

/// What is held up by a startup probe (R50).
fn startup(pod: &Pod, container: &Container, all: &mut Vec<Said>) {
    let Some(probe) = &container.startup else {
        if container.role == Role::NativeSidecar && container.readiness.is_some() {
            let text = format!(
                "what comes after native sidecar {} does not wait for its readiness probe, only for \
                 a startup probe, and it has none",
                container.name
            );
            let what = "add a startupProbe if the containers after it need it at their start";
            all.push(said("sidecar_without_startup_probe", Some(container), text, what));
        }
        return;
    };
    let kill = kill_seconds(probe);
    if container.role == Role::NativeSidecar {
        let waiting = pod
            .containers
            .iter()
            .skip_while(|other| other.name != container.name)
            .skip(1)
            .filter(|other| other.role != Role::Ephemeral)
            .map(|other| other.name.as_str())
            .collect::<Vec<_>>();
        if waiting.is_empty() {
            return;
        }
        let text = format!(
            "nothing after native sidecar {} starts before its startup probe has passed: {} wait, \
             and if it fails for {kill} s the sidecar is killed and the wait begins again",
            container.name,
            waiting.join(", ")
        );
        let what = "make sure that the probe needs nothing which only starts later";
        all.push(said("startup_gate", Some(container), text, what));
    } else if kill < QUICK_SECONDS / 2 {
        let text =
            format!("the startup probe allows {kill} s for a start, then the container is killed");
        let what =
            "raise failureThreshold until failureThreshold × periodSeconds covers a slow start";
        all.push(said("startup_impatient", Some(container), text, what));
    }
}

/// How long the instance before lived.
fn lived_seconds(container: &Container) -> Option<u64> {
    let State::Terminated { exit_code, started, finished, .. } = container.last_state.as_ref()?
    else {
        return None;
    };
    let micros = finished.as_ref()?.checked_sub(*started.as_ref()?)?;
    // Only what was told to end, or was killed.
    matches!(exit_code, 137 | 143).then(|| u64::try_from(micros / 1_000_000).ok()).flatten()
}
