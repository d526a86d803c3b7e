//! Lines about pods, sandboxes, containers, images and volumes, taken into the world.

use super::{
    Moment, MomentKind, World,
    containers::container_line,
    full_name,
    pod::{EventTold, FailureSeen, KernelOom, PodState, SandboxState},
    quote,
};
use crate::{
    diagnosis::{attempt::container_of, case::PREEMPTING},
    incident::Evidence,
    limits,
    observation::{Happening, Kind, Observation, Pod},
    source::Micros,
};

impl World {
    pub(super) fn pod_line(&mut self, seen: &Observation, moments: &mut Vec<Moment>) {
        self.own(seen, moments);
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
            if let Some(image) = seen.details.image.as_ref().filter(|_| reason.contains("Image")) {
                self.node.pull(image, None);
                self.node_changed = true;
            }
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
                "Admission" if reason == PREEMPTING => {
                    state.preempted = Some(evidence.clone());
                    Some(MomentKind::Preempted)
                }
                "Admission" => {
                    state.refused = Some(evidence.clone());
                    Some(MomentKind::Refused { reason: failure.reason.clone() })
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
        if let Some(image) = &image {
            self.node.pull(image, (happening == Happening::PullBegan).then_some(seen.at));
            self.node_changed = true;
        }
        let what = if happening == Happening::ImagePulled {
            MomentKind::ImagePulled { image }
        } else {
            MomentKind::PullBegan { image }
        };
        let container = seen.container.clone();
        moments.push(self.happened(seen.at, &key, container, what, &quote::line(seen)));
    }

    pub(super) fn kernel_oom(
        &mut self,
        happening: Happening,
        seen: &Observation,
        moments: &mut Vec<Moment>,
    ) {
        let evidence = quote::line(seen);
        let is_node = happening == Happening::KernelOomGlobal;
        // One that was kept is older than what was told since.
        if is_node && self.node.node_oom.as_ref().is_none_or(|told| told.at <= evidence.at) {
            self.node.node_oom = Some(evidence.clone());
            self.node_changed = true;
        }
        self.hold_unowned(happening, seen);
        let Some(id) = seen.details.container_id.clone() else { return };
        let Some((key, state)) = self.entry(&seen.pod, seen.at) else { return };
        let name = seen.container.clone().or_else(|| state.owner_of(&id).map(str::to_owned));
        // The kernel knows the instance, not its name: a later line of the kubelet does.
        let Some(name) = name else { return };
        let Some(instance) = state.container_mut(&name).and_then(|it| it.instance_mut(Some(&id)))
        else {
            return;
        };
        let is_new = instance.is_another_oom(seen.at);
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
    pub(super) fn one_pod(
        &mut self,
        happening: Happening,
        seen: &Observation,
        moments: &mut Vec<Moment>,
    ) {
        if is_of_node(happening) {
            return;
        }
        let evidence = quote::line(seen);
        let at = seen.at;
        let mut wants = Vec::new();
        let mut sandbox = false;
        if matches!(
            happening,
            Happening::ContainerExited | Happening::PlegDied | Happening::PlegStarted
        ) {
            self.node_changed |= !std::mem::replace(&mut self.node.sees_ends, true);
        }
        let sees_ends = self.node.sees_ends;
        let mut told = Vec::new();
        self.hold_unowned(happening, seen);
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
            Happening::EventTold => told.extend(event_line(seen, state).map(|what| (None, what))),
            Happening::ContainersHang => state.hangs = Some(evidence.clone()),
            Happening::OrphanCleaned => {
                state.gone = state.gone.or(Some(at));
                told.push((None, MomentKind::Cleaned));
            }
            Happening::ProbeChanged | Happening::ProbePassed | Happening::ProbeUnhealthy
                if seen.container.is_none() =>
            {
                told.extend(probe_changed(seen, state, &evidence));
            }
            _ => {
                let shown = (&evidence, sees_ends);
                container_line(happening, seen, state, shown, &mut told, &mut wants);
            }
        }
        let has_started =
            told.iter().any(|(_, what)| matches!(what, MomentKind::ContainerStarted { .. }));
        if sandbox || has_started {
            state.was_taken(at);
        }
        if sandbox {
            self.node.tried_sandbox(at, &key.0, true);
            self.node_changed = true;
            self.prove_runtime(at, &evidence, moments);
        }
        if has_started {
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
            | H::NodeRebooted
            | H::LinesSuppressed
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
pub(super) fn sandbox_died(
    sandbox: &mut SandboxState,
    at: Micros,
    ending: bool,
) -> Option<MomentKind> {
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

/// An Event that the kubelet writes down, too. What it reports stands in lines of its own mostly.
fn event_line(seen: &Observation, state: &mut PodState) -> Option<MomentKind> {
    let reason = seen.reason.clone()?;
    let is_of_sandbox = reason == "SandboxChanged";
    state.event(EventTold {
        at: seen.at,
        container: seen.container.clone(),
        reason,
        message: quote::one_line(seen.detail.as_deref().unwrap_or_default()),
        evidence: quote::line(seen),
    });
    // Only what had a sandbox can lose it.
    (is_of_sandbox && !state.is_ending()).then_some(MomentKind::SandboxEnded)
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
