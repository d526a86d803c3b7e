//! Who ended a container (M3): each SIGKILL and SIGTERM is laid at somebody's door only where a
//! line, a counter or a status shows it; else nobody's.

use super::{
    case::Seat,
    world::{Instance, PodState, pod::KernelOom, quote},
};
use crate::{
    fact::Role,
    incident::{Evidence, Killer, Who},
    source::Micros,
};

/// Who did it, what shows it, and what does not fit together (R75).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attribution {
    pub(super) killer: Option<Killer>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) contradictions: Vec<String>,
}

/// A hook's failure is told after the kill that it caused.
const HOOK_TOLD: Micros = 5_000_000;
/// The node's shutdown kills within its grace period.
const SHUTDOWN: Micros = 600_000_000;
const SECOND: Micros = 1_000_000;
/// From the end of the grace until the end of the container is told: the runtime and PLEG.
const GRACE_TOLD: Micros = 3 * SECOND;

/// Who ended the instance of a case.
pub(super) fn attribute(seat: &Seat<'_>) -> Attribution {
    let Some(instance) = seat.instance else { return Attribution::default() };
    let mut found = Attribution::default();
    contradict(instance, &mut found);
    let code = instance.exit_code;
    // A probe's kill is known before its victim is dead.
    let is_killed =
        matches!(code, Some(137 | 143)) || (code.is_none() && !instance.kills.is_empty());
    if !is_killed {
        return found;
    }
    let told = by_memory(seat, instance)
        .or_else(|| by_probe(instance))
        .or_else(|| by_hook(seat, instance))
        .or_else(|| by_pod(seat, instance))
        .or_else(|| by_counters(instance));
    let (who, text, evidence) = told.unwrap_or_else(|| unknown(instance));
    found.killer = Some(Killer { who, text });
    found.evidence.extend(evidence);
    found
}

type Told = (Who, String, Vec<Evidence>);

/// The kernel names the cgroup whose limit was hit.
fn by_memory(seat: &Seat<'_>, instance: &Instance) -> Option<Told> {
    let oom = instance.kernel_oom.as_ref().filter(|_| instance.exit_code == Some(137))?;
    let victim = oom.victim.as_deref().unwrap_or("a process");
    let (who, text) = match limit_of(seat, instance, oom) {
        Limit::Node => {
            (Who::NodeOom, format!("the node itself ran out of memory; the kernel chose {victim}"))
        }
        Limit::Budget => (
            Who::NodeOom,
            format!("all pods together hit the node's budget; the kernel chose {victim}"),
        ),
        Limit::Pod => (
            Who::PodLimit,
            format!("the pod as a whole hit its memory limit; the kernel chose {victim}"),
        ),
        Limit::Container => (
            Who::ContainerLimit,
            format!("the kernel killed {victim} at the container's memory limit"),
        ),
        // The usual pod has one container; what the cause says of it is no more than likely.
        Limit::PodOrContainer => (
            Who::ContainerLimit,
            format!(
                "the kernel killed {victim} at the memory limit of the pod's cgroup; where the pod \
                 has no other container, that is the container's own"
            ),
        ),
    };
    Some((who, text, vec![oom.evidence.clone()]))
}

/// Whose limit the kernel names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Container,
    Pod,
    /// The pod's, and whether it has one container is not known.
    PodOrContainer,
    /// All pods of the node together.
    Budget,
    Node,
}

pub(super) fn limit_of(seat: &Seat<'_>, instance: &Instance, oom: &KernelOom) -> Limit {
    let Some(path) = oom.limit.as_deref() else { return Limit::Node };
    if instance.id.as_deref().is_some_and(|id| path.contains(id)) {
        return Limit::Container;
    }
    let uid = seat.pod.and_then(|pod| pod.pod.uid.as_deref()).unwrap_or_default();
    let is_pods = !uid.is_empty() && (path.contains(uid) || path.contains(&uid.replace('-', "_")));
    if !is_pods {
        return Limit::Budget;
    }
    // The kubelet gives the pod's cgroup the sum of its containers' limits: with one container the
    // two are equal, and the pod's is hit first, because the sandbox counts in it.
    match has_one_limit(seat) {
        Some(true) => Limit::Container,
        Some(false) => Limit::Pod,
        None => Limit::PodOrContainer,
    }
}

/// Without a specification, lines may be about one of several containers.
fn has_one_limit(seat: &Seat<'_>) -> Option<bool> {
    match seat.spec {
        Some(spec) => {
            let lasting = spec
                .containers
                .iter()
                .filter(|it| !matches!(it.role, Role::Init | Role::Ephemeral));
            Some(spec.memory_limit_bytes.is_none() && lasting.count() <= 1)
        }
        None => seat.pod.filter(|pod| pod.containers.len() > 1).map(|_| false),
    }
}

/// The kernel's line names the pod's cgroup, and whose limit that is, is not known.
pub(super) fn is_of_pod_or_container(seat: &Seat<'_>) -> bool {
    let oom = seat.instance.and_then(|it| Some((it, it.kernel_oom.as_ref()?)));
    oom.is_some_and(|(it, oom)| limit_of(seat, it, oom) == Limit::PodOrContainer)
}

fn by_probe(instance: &Instance) -> Option<Told> {
    let kill = instance.kills.iter().find(|kill| {
        let why = kill.why.as_deref().unwrap_or_default();
        why.contains("failed liveness probe") || why.contains("failed startup probe")
    })?;
    let why = kill.why.clone().unwrap_or_default();
    let is_startup = why.contains("failed startup probe");
    let (who, probe) =
        if is_startup { (Who::Startup, "startup") } else { (Who::Liveness, "liveness") };
    let mut text = format!("the kubelet killed it because its {probe} probe failed");
    let mut evidence = vec![kill.evidence.clone()];
    if let Some(signal) = instance.signals.iter().find(|signal| signal.is_kill) {
        text.push_str("; it did not end within its grace period");
        evidence.push(signal.evidence.clone());
    }
    Some((who, text, evidence))
}

fn by_hook(seat: &Seat<'_>, instance: &Instance) -> Option<Told> {
    let failure = seat.pod?.failures.iter().rev().find(|failure| {
        let since = instance.created.or(instance.started).unwrap_or(failure.at);
        let until = instance.ended.unwrap_or(failure.at).saturating_add(HOOK_TOLD);
        failure.reason.as_deref() == Some("PostStartHookError")
            && failure.container.as_deref() == seat.container
            && (since..=until).contains(&failure.at)
    })?;
    let text = "the kubelet killed it because its postStart hook failed".to_owned();
    Some((Who::Hook, text, vec![failure.evidence.clone()]))
}

/// Its pod had to go, or its node.
fn by_pod(seat: &Seat<'_>, instance: &Instance) -> Option<Told> {
    let pod = seat.pod?;
    let ended = instance.ended.unwrap_or(seat.case.at);
    let before =
        |evidence: &&Evidence| evidence.at.is_none_or(|at| at <= ended.saturating_add(HOOK_TOLD));
    let expired = instance.signals.iter().find(|signal| signal.is_kill);
    if let Some(evidence) = pod.evicted.as_ref() {
        let text = "its pod was evicted".to_owned();
        return Some((Who::Eviction, text, vec![evidence.clone()]));
    }
    if let Some(evidence) = pod.preempted.as_ref().filter(before) {
        let text = "its pod made room for a critical pod".to_owned();
        return Some((Who::Preemption, text, vec![evidence.clone()]));
    }
    if let Some(evidence) = past_deadline(pod).filter(before) {
        let text = "its time was over: activeDeadlineSeconds of its pod or Job".to_owned();
        return Some((Who::Deletion, text, vec![evidence.clone()]));
    }
    let shutdown = seat
        .world
        .node
        .shutdown
        .as_ref()
        .filter(before)
        .filter(|evidence| evidence.at.is_some_and(|at| ended.saturating_sub(at) <= SHUTDOWN));
    if let Some(evidence) = shutdown {
        let text = "the node shuts down".to_owned();
        return Some((Who::Shutdown, text, vec![evidence.clone()]));
    }
    if let Some(evidence) = pod.deleting.as_ref().filter(before) {
        let mut shown = vec![evidence.clone()];
        return Some(match expired.filter(|_| instance.exit_code == Some(137)) {
            Some(signal) => {
                shown.push(signal.evidence.clone());
                let text = "its pod was deleted and it did not end within its grace period";
                (Who::GracePeriod, text.to_owned(), shown)
            }
            None => (Who::Deletion, "its pod was deleted".to_owned(), shown),
        });
    }
    let lost = instance.sandbox_id.as_deref().is_some_and(|id| {
        pod.sandboxes.iter().any(|sandbox| sandbox.id == id && sandbox.died.is_some())
    });
    if lost {
        let text = "the kubelet stopped it because its sandbox had ended".to_owned();
        let evidence = instance.kills.first().map(|kill| kill.evidence.clone());
        return Some((Who::Unknown, text, evidence.into_iter().collect()));
    }
    if let Some(signal) = expired {
        let ordered = instance.kills.iter().find_map(|kill| kill.why.as_deref());
        let text = match ordered {
            Some(why) => format!("it did not end within its grace period; the kubelet: {why}"),
            None => "it was asked to stop and did not end within its grace period".to_owned(),
        };
        return Some((Who::GracePeriod, text, vec![signal.evidence.clone()]));
    }
    by_grace(instance)
}

/// The kubelet's word about the pod, or the Job controller's.
fn past_deadline(pod: &PodState) -> Option<&Evidence> {
    const PAST: &str = "DeadlineExceeded";
    let of_job = || pod.events.iter().find(|event| event.reason == PAST);
    let of_pod = pod.refused.as_ref().filter(|evidence| evidence.text.contains(PAST));
    of_pod.or_else(|| of_job().map(|event| &event.evidence))
}

/// It died just when the grace of the kubelet's order was over.
fn by_grace(instance: &Instance) -> Option<Told> {
    let ended = instance.ended.filter(|_| instance.exit_code == Some(137))?;
    let (kill, grace) = instance.kills.iter().find_map(|kill| {
        let grace = kill.grace_seconds.filter(|grace| *grace > 0)?;
        let over = kill.at.saturating_add(Micros::try_from(grace).ok()?.saturating_mul(SECOND));
        (over.saturating_sub(SECOND)..=over.saturating_add(GRACE_TOLD))
            .contains(&ended)
            .then_some((kill, grace))
    })?;
    let why = kill.why.as_deref().map(|why| format!("; the kubelet: {why}")).unwrap_or_default();
    let text = format!("it did not end within the {grace} s of grace that it was given{why}");
    Some((Who::GracePeriod, text, vec![kill.evidence.clone()]))
}

/// Without the kernel's line: the runtime's event, the counters, the status.
fn by_counters(instance: &Instance) -> Option<Told> {
    if instance.exit_code != Some(137) {
        return None;
    }
    let after = instance.cgroup_after.as_ref().or(instance.cgroup_before.as_ref());
    let own_limit_held = after.is_some_and(|it| it.container.oom == Some(0));
    if own_limit_held && instance.pod_oom_kills().is_some_and(|kills| kills > 0) {
        let text = "the pod's counter of memory kills rose, the container's own limit was not hit";
        let at = instance.ended.unwrap_or_default();
        return Some((Who::PodLimit, text.to_owned(), vec![quote::told("cgroup", text, at)]));
    }
    if let Some(event) = &instance.task_oom {
        let text = "the runtime saw an out-of-memory kill in the container".to_owned();
        return Some((Who::ContainerLimit, text, vec![event.clone()]));
    }
    let at = instance.ended.unwrap_or_default();
    if let Some(kills) = instance.oom_kills().filter(|kills| *kills > 0) {
        let text = format!("the container's cgroup counts {kills} memory kills");
        return Some((Who::ContainerLimit, text.clone(), vec![quote::told("cgroup", &text, at)]));
    }
    if instance.reason.as_deref() == Some("OOMKilled") {
        let text = "the container's status says OOMKilled";
        return Some((Who::ContainerLimit, text.to_owned(), vec![quote::told("pod", text, at)]));
    }
    None
}

fn unknown(instance: &Instance) -> Told {
    let signal = if instance.exit_code == Some(143) { "SIGTERM" } else { "SIGKILL" };
    let ordered = instance.kills.iter().find_map(|kill| kill.why.clone());
    if let Some(why) = ordered {
        let evidence = instance.kills.iter().map(|kill| kill.evidence.clone()).collect();
        return (Who::Unknown, format!("the kubelet stopped it: {why}"), evidence);
    }
    if !instance.kills.is_empty() || !instance.signals.is_empty() {
        let evidence = instance.signals.first().map(|signal| signal.evidence.clone());
        let text = format!("the kubelet sent {signal}; no line says why");
        return (Who::Unknown, text, evidence.into_iter().collect());
    }
    let text = format!(
        "nothing shows who sent {signal}: no memory kill, no probe, no order of the kubelet"
    );
    (Who::Unknown, text, Vec::new())
}

/// What does not fit together is told, not chosen from (R75).
fn contradict(instance: &Instance, found: &mut Attribution) {
    let says_oom = instance.reason.as_deref() == Some("OOMKilled");
    match instance.exit_code {
        Some(code) if code != 137 && instance.saw_oom() => found.contradictions.push(format!(
            "a process of the container was killed for memory, but the main process ended with \
             {code}: a child died, and memory is not what ended the container"
        )),
        Some(137) if says_oom && instance.oom_kills() == Some(0) => {
            found.contradictions.push(
                "the status says OOMKilled, but the container's cgroup counts no memory kill"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let ordered = instance.kills.iter().any(|kill| kill.why.is_some());
    if instance.exit_code == Some(137) && ordered && instance.kernel_oom.is_some() {
        found.contradictions.push(
            "the kubelet gave the order to stop it and the kernel killed a process of it for memory"
                .to_owned(),
        );
    }
}

#[cfg(test)]
mod tests;
