//! Lines about pods, sandboxes, containers, images and volumes, taken into the world.

use super::{
    Moment, MomentKind, Told, World, full_name,
    pod::{FailureSeen, Instance, KernelOom, Kill, PodState, ProbeState, SandboxState, Signal},
    quote,
};
use crate::{
    diagnosis::attempt::container_of,
    fact::{self, Want},
    incident::Evidence,
    limits,
    observation::{Happening, Kind, Observation, Pod, WriterComponent},
    source::Micros,
};

impl World {
    pub(super) fn pod_line(&mut self, seen: &Observation, moments: &mut Vec<Moment>) {
        self.failures_of(seen, moments);
        let Some(happening) = seen.happening else { return };
        match happening {
            Happening::PodsAdded
            | Happening::PodsUpdated
            | Happening::PodsDeleted
            | Happening::PodsRemoved => self.listed(happening, seen, moments),
            Happening::PullBegan | Happening::ImagePulled => self.image(happening, seen, moments),
            Happening::KernelOomMemcg | Happening::KernelOomGlobal | Happening::KernelOomGroup => {
                self.kernel_oom(happening, seen, moments);
            }
            _ => self.one_pod(happening, seen, moments),
        }
    }

    /// What the failures of a line say of the pod as a whole, and of sandboxes.
    fn failures_of(&mut self, seen: &Observation, moments: &mut Vec<Moment>) {
        for failure in &seen.failures {
            let reason = failure.reason.as_deref().unwrap_or_default();
            let message = quote::one_line(&failure.message);
            let evidence = Evidence { text: message.clone(), ..quote::line(seen) };
            let Some((key, state)) = self.entry(&seen.pod, seen.at) else { continue };
            state.failed(FailureSeen {
                at: seen.at,
                first: seen.at,
                count: 1,
                step: failure.step.clone(),
                reason: failure.reason.clone(),
                container: container_of(failure),
                message,
                evidence: evidence.clone(),
            });
            if seen.kind == Kind::Related {
                continue;
            }
            let what = match failure.step.as_str() {
                "Eviction" if reason == "Evicted" => {
                    state.evicted = Some(evidence.clone());
                    Some(MomentKind::Evicted)
                }
                "Admission" => {
                    state.refused = Some(evidence.clone());
                    Some(MomentKind::Refused { reason: failure.reason.clone() })
                }
                _ if reason == "Preempting" => {
                    state.preempted = Some(evidence.clone());
                    Some(MomentKind::Preempted)
                }
                "CreatePodSandbox" => {
                    self.node.tried_sandbox(seen.at, &key.0, false);
                    self.node_changed = true;
                    None
                }
                "StartContainer" => {
                    let name = failure.target.as_deref().unwrap_or_default();
                    if let Some(seconds) = seen.details.backoff_seconds
                        && let Some(container) = state.container_mut(name)
                    {
                        container.back_off = Some((seconds, seen.at));
                    }
                    None
                }
                _ => None,
            };
            if let Some(what) = what {
                moments.push(self.happened(seen.at, &key, None, what, &evidence));
            }
        }
    }

    /// `SyncLoop ADD` and its kin: lists of names, mostly without uids.
    fn listed(&mut self, happening: Happening, seen: &Observation, moments: &mut Vec<Moment>) {
        let named = if seen.pods.is_empty() { std::slice::from_ref(&seen.pod) } else { &seen.pods };
        for pod in named {
            if happening == Happening::PodsAdded {
                self.forget_if_over(pod);
            }
            let evidence = quote::line(seen);
            let at = seen.at;
            let Some((key, state)) = self.entry(pod, at) else { continue };
            let what = match happening {
                Happening::PodsAdded if state.added.is_none() => {
                    state.added = Some(at);
                    MomentKind::PodAdded
                }
                Happening::PodsDeleted if state.deleting.is_none() => {
                    state.deleting = Some(evidence.clone());
                    MomentKind::PodDeleting
                }
                Happening::PodsRemoved if state.gone.is_none() => {
                    state.gone = Some(at);
                    MomentKind::PodGone
                }
                _ => continue,
            };
            moments.push(self.happened(at, &key, None, what, &evidence));
        }
    }

    /// A pod of this name comes although the one that had it ends: it is another one.
    fn forget_if_over(&mut self, pod: &Pod) {
        let Some(name) = full_name(pod) else { return };
        let is_over = self
            .names
            .get(&name)
            .and_then(|key| self.pods.get(key))
            .is_some_and(|known| known.deleting.is_some() || known.gone.is_some());
        if is_over && pod.uid.is_none() {
            // A pod that had no uid yet stays under its name and would swallow the new one.
            self.pods.remove(&name);
            self.changed.insert(name.clone());
            self.forget_name(&name);
        }
    }

    fn image(&mut self, happening: Happening, seen: &Observation, moments: &mut Vec<Moment>) {
        let image = seen.details.image.clone();
        let key = self.entry(&seen.pod, seen.at).map(|(key, _)| key).unwrap_or_default();
        let what = if happening == Happening::ImagePulled {
            MomentKind::ImagePulled { image }
        } else {
            MomentKind::PullBegan { image }
        };
        let container = seen.container.clone();
        moments.push(self.happened(seen.at, &key, container, what, &quote::line(seen)));
    }

    fn kernel_oom(&mut self, happening: Happening, seen: &Observation, moments: &mut Vec<Moment>) {
        let evidence = quote::line(seen);
        let is_node = happening == Happening::KernelOomGlobal;
        if is_node {
            self.node.node_oom = Some(evidence.clone());
            self.node_changed = true;
        }
        let Some(id) = seen.details.container_id.clone() else { return };
        let Some((key, state)) = self.entry(&seen.pod, seen.at) else { return };
        let name = seen.container.clone().or_else(|| state.owner_of(&id).map(str::to_owned));
        let Some(name) = name else { return };
        let Some(instance) = state.container_mut(&name).and_then(|it| it.instance_mut(Some(&id)))
        else {
            return;
        };
        let is_new = instance.kernel_oom.is_none();
        instance.kernel_oom = Some(KernelOom {
            at: seen.at,
            limit: if is_node { None } else { seen.about_unit.clone() },
            victim: seen.detail.clone(),
            evidence: evidence.clone(),
        });
        if is_new {
            let what = MomentKind::OomKill;
            moments.push(self.happened(seen.at, &key, Some(name), what, &evidence));
        }
    }

    /// Lines about one pod.
    fn one_pod(&mut self, happening: Happening, seen: &Observation, moments: &mut Vec<Moment>) {
        if is_of_node(happening) {
            return;
        }
        let evidence = quote::line(seen);
        let at = seen.at;
        let mut wants = Vec::new();
        let mut sandbox = false;
        let mut told = Vec::new();
        let Some((key, state)) = self.entry(&seen.pod, at) else { return };
        match happening {
            Happening::PodRan => {
                state.ran = state.ran.or(Some(at));
                told.push((None, MomentKind::PodRan));
            }
            Happening::SandboxNeeded => told.push((None, MomentKind::SandboxNeeded)),
            Happening::SandboxCreated
            | Happening::SandboxExited
            | Happening::SandboxStopped
            | Happening::SandboxRemoved
            | Happening::NetworkTornDown => {
                sandbox = happening == Happening::SandboxCreated;
                told.extend(sandbox_line(happening, seen, state).map(|what| (None, what)));
            }
            Happening::VolumeMounted | Happening::VolumeUnmounted => {
                told.extend(volume_line(happening, seen, state).map(|what| (None, what)));
            }
            Happening::OrphanCleaned => {
                state.gone = state.gone.or(Some(at));
                told.push((None, MomentKind::Cleaned));
            }
            Happening::ProbeChanged | Happening::ProbePassed | Happening::ProbeUnhealthy
                if seen.container.is_none() =>
            {
                told.extend(probe_changed(seen, state, &evidence));
            }
            _ => container_line(happening, seen, state, &evidence, &mut told, &mut wants),
        }
        if sandbox {
            self.node.tried_sandbox(at, &key.0, true);
            self.node_changed = true;
            self.prove_runtime(at, &evidence, moments);
        }
        if told.iter().any(|(_, what)| matches!(what, MomentKind::ContainerStarted { .. })) {
            self.prove_runtime(at, &evidence, moments);
        }
        self.wants.extend(wants);
        for (container, what) in told {
            moments.push(self.happened(at, &key, container, what, &evidence));
        }
    }
}

/// Taken by `node_lines`.
fn is_of_node(happening: Happening) -> bool {
    use Happening as H;
    matches!(
        happening,
        H::SystemOom
            | H::KernelKilled
            | H::KernelSegfault
            | H::KernelTaskBlocked
            | H::KernelConntrackFull
            | H::KernelNetdeviceBusy
            | H::KernelFilesystem
            | H::KernelForkRejected
            | H::NetworkNotReady
            | H::RuntimeNotReady
            | H::RuntimeUnavailable
            | H::CniLoadFailed
            | H::SyncPaused
            | H::PlegFailed
            | H::EvictionPressure
            | H::EvictionRelieved
            | H::EvictionFailed
            | H::ImageDiskHigh
            | H::NodeConditionChanged
            | H::NodeNotReady
            | H::ApiFailed
            | H::NodeShutdown
            | H::OrphanedPod
            | H::StaticPodUnreadable
            | H::KubeletStarted
            | H::KubeletEnded
            | H::RuntimeStarted
            | H::RuntimeStopping
            | H::UnitStarted
            | H::UnitStopped
            | H::UnitFailed
            | H::NodeLine
    )
}

/// A sandbox's id stands in its own field, or where a container's would.
fn sandbox_line(
    happening: Happening,
    seen: &Observation,
    state: &mut PodState,
) -> Option<MomentKind> {
    let id = seen.details.sandbox_id.clone().or_else(|| seen.details.container_id.clone());
    let at = seen.at;
    let ending = state.is_ending();
    let Some(id) = id else {
        return (happening == Happening::SandboxCreated).then_some(MomentKind::SandboxCreated);
    };
    let sandbox = state.sandbox_mut(&id)?;
    Some(match happening {
        Happening::SandboxCreated => {
            sandbox.created = Some(at);
            MomentKind::SandboxCreated
        }
        Happening::SandboxExited => return sandbox_died(sandbox, at, ending),
        Happening::SandboxStopped => {
            if sandbox.stopped.replace(at).is_some() {
                return None;
            }
            MomentKind::SandboxStopped
        }
        Happening::SandboxRemoved => {
            sandbox.removed = Some(at);
            MomentKind::SandboxRemoved
        }
        // Told again with the sandbox's stop.
        _ => return None,
    })
}

/// A sandbox ended. One that was stopped before, or whose pod ends, did not end by itself.
fn sandbox_died(sandbox: &mut SandboxState, at: Micros, ending: bool) -> Option<MomentKind> {
    if sandbox.died.is_some() || sandbox.stopped.is_some() {
        return None;
    }
    sandbox.died = Some(at);
    (!ending).then_some(MomentKind::SandboxEnded)
}

fn volume_line(
    happening: Happening,
    seen: &Observation,
    state: &mut PodState,
) -> Option<MomentKind> {
    let volume = seen.details.volume.clone()?;
    let is_full = state.mounts.len() >= limits::WORLD_VOLUMES;
    if is_full && !state.mounts.contains_key(&volume) {
        return None;
    }
    let mount = state.mounts.entry(volume.clone()).or_default();
    Some(if happening == Happening::VolumeMounted {
        mount.mounted = Some(seen.at);
        MomentKind::Mounted { volume: Some(volume) }
    } else {
        mount.unmounted = Some(seen.at);
        MomentKind::Unmounted { volume: Some(volume) }
    })
}

/// `SyncLoop (probe)`: of the pod as a whole, the line names no container.
fn probe_changed(
    seen: &Observation,
    state: &mut PodState,
    evidence: &Evidence,
) -> Option<(Option<String>, MomentKind)> {
    let result = seen.detail.as_deref().unwrap_or_default();
    let what = match (seen.reason.as_deref()?, result) {
        (_, "unhealthy") => {
            let probe = seen.reason.clone()?;
            state.unhealthy = Some((probe, Evidence { at: Some(seen.at), ..evidence.clone() }));
            return None;
        }
        ("readiness", "ready") => {
            state.ready = Some(true);
            MomentKind::Ready(true)
        }
        // The first look at every container says so, too: only what was ready can lose it.
        ("readiness", _) => {
            let was_ready = state.ready.replace(false) == Some(true);
            return was_ready.then_some((None, MomentKind::Ready(false)));
        }
        ("startup", "started") => MomentKind::Started(true),
        _ => return None,
    };
    Some((seen.container.clone(), what))
}

/// Lines about one container, or about a sandbox that stands where a container would.
fn container_line(
    happening: Happening,
    seen: &Observation,
    state: &mut PodState,
    evidence: &Evidence,
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
            // Who gets a successor has ended, whether or not anything told how.
            if let Some(id) = container
                .newest()
                .filter(|it| it.id.as_deref() != id)
                .and_then(|it| it.id.clone().filter(|_| it.died.is_some() && !it.end_told))
            {
                end(container, &name, &id, (at, evidence), (&pod, ending), told, wants);
            }
            container.first_created.get_or_insert(at);
            if let Some(instance) = container.instance_mut(id) {
                instance.created = Some(at);
                instance.attempt = seen.attempt.or(instance.attempt);
                instance.sandbox_id.clone_from(&seen.details.sandbox_id);
            }
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
    container: &mut super::ContainerState,
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
            let is_new = instance.task_oom.is_none() && instance.kernel_oom.is_none();
            instance.task_oom.get_or_insert(evidence);
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
    container: &mut super::ContainerState,
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
        instance.kills.push(Kill { at, why: why.clone(), evidence: evidence.clone() });
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
    container: &mut super::ContainerState,
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
