//! Lines about one container and its instances, taken into the world: created, started, probed,
//! stopped, ended. Each end is told once.

use super::{
    ContainerState, Instance, MomentKind, Told,
    lines::sandbox_died,
    pod::{Kill, PodState, ProbeState, Signal},
};
use crate::{
    fact::{self, Want},
    incident::Evidence,
    limits,
    observation::{Happening, Observation, Pod, WriterComponent},
    source::Micros,
};

/// Lines about one container, or about a sandbox that stands where a container would.
pub(super) fn container_line(
    happening: Happening,
    seen: &Observation,
    state: &mut PodState,
    (evidence, sees_ends): (&Evidence, bool),
    told: &mut Told,
    wants: &mut Vec<Want>,
) {
    let id = seen.details.container_id.as_deref();
    let is_sandbox = id.is_some_and(|id| state.sandboxes.iter().any(|sandbox| sandbox.id == id));
    if is_sandbox {
        of_sandbox(happening, seen, state, told);
        return;
    }
    let name = seen.container.clone().or_else(|| state.owner_of(id?).map(str::to_owned));
    let Some(name) = name else { return };
    let pod = state.pod.clone();
    let unhealthy = state.unhealthy.clone();
    // What ends with its sandbox, or with its pod, does not fail.
    let ending = state.is_ending() || state.lost_sandbox_of(&name, id);
    let Some(container) = state.container_mut(&name) else { return };
    let at = seen.at;
    match happening {
        Happening::ContainerCreated => {
            // Who gets a successor has ended, whether or not anything told how. Where ends are told,
            // the word with the code may be a moment late.
            if let Some(before) = predecessor(container, id, sees_ends) {
                end(container, &name, &before, (at, evidence), (&pod, ending), told, wants);
            }
            created(container, seen);
            let id = seen.details.container_id.clone();
            told.push((Some(name), MomentKind::ContainerCreated { id }));
        }
        Happening::ContainerStarted | Happening::PlegStarted => {
            container.first_created.get_or_insert(at);
            let Some(instance) = container.instance_mut(id) else { return };
            if instance.ended.is_some() {
                return;
            }
            let id = instance.id.clone();
            if instance.started.is_none() {
                instance.started = Some(at);
                told.push((Some(name), MomentKind::ContainerStarted { id }));
            } else if happening == Happening::PlegStarted {
                told.push((Some(name), MomentKind::ContainerSeenRunning { id }));
            }
        }
        Happening::ContainerExited => {
            let Some(instance) = container.instance_mut(id) else { return };
            instance.exit_code = instance.exit_code.or(seen.details.exit_code);
            let Some(id) = instance.id.clone() else { return };
            end(container, &name, &id, (at, evidence), (&pod, ending), told, wants);
        }
        Happening::PlegDied => {
            if let Some(instance) = container.instance_mut(id) {
                instance.died.get_or_insert_with(|| evidence.clone());
            }
        }
        // The kubelet's own word comes with PLEG's, and sometimes before the line with the code.
        Happening::ContainerRemoved if seen.writer.component != WriterComponent::Kubelet => {
            let Some(id) = id else { return };
            let is_open = container
                .instances
                .iter()
                .any(|it| it.id.as_deref() == Some(id) && it.died.is_some() && !it.end_told);
            if is_open {
                end(container, &name, id, (at, evidence), (&pod, ending), told, wants);
            }
        }
        Happening::RestartTold | Happening::KillTold => {
            let probe = unhealthy.filter(|_| !ending);
            kill_told(happening, seen, container, (name, evidence), probe, told);
        }
        _ => of_instance(happening, seen, container, (name, evidence), told),
    }
}

/// The instance before this one, where its end was not told and will not be.
fn predecessor(container: &ContainerState, id: Option<&str>, sees_ends: bool) -> Option<String> {
    let newest = container.newest().filter(|it| it.id.as_deref() != id)?;
    let is_open = !newest.end_told && newest.ended.is_none();
    newest.id.clone().filter(|_| is_open && (newest.died.is_some() || !sees_ends))
}

fn created(container: &mut ContainerState, seen: &Observation) {
    container.first_created.get_or_insert(seen.at);
    if let Some(instance) = container.instance_mut(seen.details.container_id.as_deref()) {
        instance.created = Some(seen.at);
        instance.attempt = seen.attempt.or(instance.attempt);
        instance.sandbox_id.clone_from(&seen.details.sandbox_id);
    }
}

/// A sandbox by its id, in lines that speak of containers.
fn of_sandbox(happening: Happening, seen: &Observation, state: &mut PodState, told: &mut Told) {
    let ending = state.is_ending();
    let Some(id) = seen.details.container_id.as_deref() else { return };
    let Some(sandbox) = state.sandbox_mut(id) else { return };
    match happening {
        Happening::PlegDied | Happening::ContainerExited => {
            told.extend(sandbox_died(sandbox, seen.at, ending).map(|what| (None, what)));
        }
        Happening::TaskOom => sandbox.oom = Some(seen.at),
        _ => {}
    }
}

/// What is done to an instance, or what a probe says of it.
fn of_instance(
    happening: Happening,
    seen: &Observation,
    container: &mut ContainerState,
    (name, evidence): (String, &Evidence),
    told: &mut Told,
) {
    let at = seen.at;
    let evidence = evidence.clone();
    match happening {
        Happening::ProbeFailed | Happening::ProbeErrored => {
            let probe = seen.reason.as_deref().unwrap_or_default().to_lowercase();
            let state = container
                .probes
                .entry(probe.clone())
                .or_insert_with(|| ProbeState { first: at, ..ProbeState::default() });
            state.count = state.count.saturating_add(1);
            state.evidence = evidence;
            told.push((Some(name), MomentKind::ProbeFailed { probe }));
        }
        Happening::ProbePassed => {
            let probe = seen.reason.as_deref().unwrap_or_default().to_lowercase();
            container.probes.remove(&probe);
            let what = if probe == "startup" {
                container.started = Some(true);
                MomentKind::Started(true)
            } else {
                container.ready = Some(true);
                MomentKind::Ready(true)
            };
            told.push((Some(name), what));
        }
        Happening::BackOff => {
            container.back_off =
                seen.details.backoff_seconds.map(|seconds| (seconds, at)).or(container.back_off);
        }
        Happening::ContainerStopping | Happening::ContainerKilling => {
            if let Some(instance) = container.instance_mut(seen.details.container_id.as_deref())
                && instance.signals.len() < limits::WORLD_KILLS
            {
                let is_kill = happening == Happening::ContainerKilling;
                instance.signals.push(Signal { at, is_kill, evidence });
            }
        }
        Happening::TaskOom => {
            let Some(instance) = container.instance_mut(seen.details.container_id.as_deref())
            else {
                return;
            };
            let is_new = instance.is_another_oom(at);
            if is_new || instance.task_oom.is_none() {
                instance.task_oom = Some(evidence);
            }
            if is_new {
                told.push((Some(name), MomentKind::OomKill));
            }
        }
        _ => {}
    }
}

/// The kubelet stops a container. Of native sidecars it does not say why (V2): then it is the probe
/// that has just made the pod unhealthy and whose last answer of this container was no.
fn kill_told(
    happening: Happening,
    seen: &Observation,
    container: &mut ContainerState,
    (name, evidence): (String, &Evidence),
    unhealthy_pod: Option<(String, Evidence)>,
    told: &mut Told,
) {
    let at = seen.at;
    let is_near =
        |other: Option<Micros>| other.is_some_and(|other| at.abs_diff(other) <= PROBE_TO_KILL);
    let last_no = |probe: &str| container.probes.get(probe).and_then(|it| it.evidence.at);
    let failing = ["startup", "liveness"].into_iter().find(|probe| {
        is_near(last_no(probe))
            && unhealthy_pod.as_ref().is_none_or(|(known, at)| known == probe || !is_near(at.at))
    });
    let id = seen.details.container_id.as_deref();
    let Some(instance) = container.instance_mut(id) else { return };
    let is_explained = instance.kills.iter().any(|kill| kill.why.is_some());
    let why = match happening {
        Happening::RestartTold => seen.detail.clone(),
        _ if is_explained => None,
        _ => failing.map(|probe| format!("Container {name} failed {probe} probe")),
    };
    let probe = why.as_deref().and_then(unhealthy);
    if instance.kills.len() < limits::WORLD_KILLS {
        let evidence = evidence.clone();
        instance.kills.push(Kill { at, why: why.clone(), grace_seconds: seen.count, evidence });
    }
    if let Some(probe) = probe {
        told.push((Some(name.clone()), MomentKind::Unhealthy { probe: probe.to_owned() }));
    }
    told.push((Some(name), MomentKind::KillTold { why: why.unwrap_or_default() }));
}

/// From a probe's last no to the order to stop.
const PROBE_TO_KILL: u64 = 1_000_000;

/// `Container app failed liveness probe, will be restarted`: which probe.
pub(in crate::diagnosis) fn unhealthy(why: &str) -> Option<&'static str> {
    ["liveness", "startup"]
        .into_iter()
        .find(|probe| why.split_once(" failed ").is_some_and(|(_, rest)| rest.starts_with(probe)))
}

/// An instance ended: told once, with a look at its last words and its cgroups.
pub(super) fn end(
    container: &mut ContainerState,
    name: &str,
    id: &str,
    (at, evidence): (Micros, &Evidence),
    (pod, ending): (&Pod, bool),
    told: &mut Told,
    wants: &mut Vec<Want>,
) {
    let Some(instance) = container.instance_mut(Some(id)) else { return };
    if std::mem::replace(&mut instance.end_told, true) {
        return;
    }
    instance.ended.get_or_insert(at);
    instance.end.get_or_insert_with(|| evidence.clone());
    let (ran, exit_code) = (instance.ran(), instance.exit_code);
    let reason = instance.reason.clone();
    let named = named(pod, name, instance);
    if exit_code != Some(0) && !ending {
        container.crashes = container.crashes.saturating_add(1);
        container.longest_life = container.longest_life.max(ran);
    }
    // The end of the instance before is often told after the next one began.
    if container.newest().is_some_and(|newest| newest.id.as_deref() == Some(id)) {
        container.probes.clear();
        container.started = None;
        container.ready = None;
    }
    // First: where to look for what the words may miss.
    wants.push(Want::Containers(named.pod.clone()));
    wants.push(Want::LastWords(named.clone()));
    wants.push(Want::Cgroup(named));
    let id = Some(id.to_owned());
    let what = MomentKind::ContainerEnded { id, exit_code, reason, expected: ending };
    told.push((Some(name.to_owned()), what));
}

/// An instance as wants name it.
pub(super) fn named(pod: &Pod, container: &str, instance: &Instance) -> fact::Instance {
    fact::Instance {
        pod: fact::PodRef {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
        },
        container: container.to_owned(),
        container_id: instance.id.clone(),
        attempt: instance.attempt,
        ended: instance.ended,
    }
}

/// The pod that a fact names.
pub(super) fn pod_of(named: &fact::PodRef) -> Pod {
    Pod { namespace: named.namespace.clone(), name: named.name.clone(), uid: named.uid.clone() }
}
