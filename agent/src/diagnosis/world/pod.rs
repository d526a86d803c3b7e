//! What is known of one pod: its containers and their instances, its sandboxes and mounts. Data and
//! small questions; who fills it in is `lines` and `facts`.

mod absorb;

use std::collections::BTreeMap;

use crate::{
    diagnosis::case::sends_away,
    fact::{Cgroup, LastWords},
    incident::Evidence,
    limits, observation,
    source::Micros,
};

/// One pod.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct PodState {
    /// Its names, as far as known.
    pub(in crate::diagnosis) pod: observation::Pod,
    /// Assigned to this node.
    pub(in crate::diagnosis) added: Option<Micros>,
    /// To end since.
    pub(in crate::diagnosis) deleting: Option<Evidence>,
    /// Gone since.
    pub(in crate::diagnosis) gone: Option<Micros>,
    /// Ran in full for the first time.
    pub(in crate::diagnosis) ran: Option<Micros>,
    /// Its phase was `Succeeded`.
    pub(in crate::diagnosis) succeeded: bool,
    /// Ready by its condition.
    pub(in crate::diagnosis) ready: Option<bool>,
    /// The probe that last made it unhealthy, and the line.
    pub(in crate::diagnosis) unhealthy: Option<(String, Evidence)>,
    /// Evicted, and what says so.
    pub(in crate::diagnosis) evicted: Option<Evidence>,
    /// Made room for another, and what says so.
    pub(in crate::diagnosis) preempted: Option<Evidence>,
    /// Refused by the kubelet, and not taken since.
    pub(in crate::diagnosis) refused: Option<Evidence>,
    /// By name.
    pub(in crate::diagnosis) containers: BTreeMap<String, ContainerState>,
    /// Oldest first.
    pub(in crate::diagnosis) sandboxes: Vec<SandboxState>,
    /// By volume name.
    pub(in crate::diagnosis) mounts: BTreeMap<String, MountState>,
    /// The newest failure of each step, reason and container, newest last.
    pub(in crate::diagnosis) failures: Vec<FailureSeen>,
    /// What Kubernetes Events said of it, newest last.
    pub(in crate::diagnosis) events: Vec<EventTold>,
    /// The runtime does not say of its containers that they ended, although it is to go.
    pub(in crate::diagnosis) hangs: Option<Evidence>,
    /// Newest line or fact about it.
    pub(in crate::diagnosis) seen: Micros,
    pub(in crate::diagnosis) touched: u64,
}

/// One container of a pod.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct ContainerState {
    /// Oldest first.
    pub(in crate::diagnosis) instances: Vec<Instance>,
    /// Image of the newest pull or status.
    pub(in crate::diagnosis) image: Option<String>,
    /// Newest back-off: seconds as told, and when.
    pub(in crate::diagnosis) back_off: Option<(f64, Micros)>,
    /// Passed its startup probe.
    pub(in crate::diagnosis) started: Option<bool>,
    /// Passes its readiness.
    pub(in crate::diagnosis) ready: Option<bool>,
    /// Newest failure by kind of probe: what it said, and how often in a row.
    pub(in crate::diagnosis) probes: BTreeMap<String, ProbeState>,
    /// First created, over all instances: the order of creation tells roles (R47).
    pub(in crate::diagnosis) first_created: Option<Micros>,
    /// Ends with another code than 0 or by a signal, since it was known.
    pub(in crate::diagnosis) crashes: u32,
    /// The longest that an instance ran before it crashed.
    pub(in crate::diagnosis) longest_life: Option<Micros>,
}

/// A failing probe.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct ProbeState {
    pub(in crate::diagnosis) first: Micros,
    pub(in crate::diagnosis) count: u32,
    pub(in crate::diagnosis) evidence: Evidence,
}

/// One instance of a container.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Instance {
    pub(in crate::diagnosis) id: Option<String>,
    pub(in crate::diagnosis) attempt: Option<u32>,
    pub(in crate::diagnosis) sandbox_id: Option<String>,
    pub(in crate::diagnosis) created: Option<Micros>,
    pub(in crate::diagnosis) started: Option<Micros>,
    pub(in crate::diagnosis) ended: Option<Micros>,
    pub(in crate::diagnosis) exit_code: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, …, where a fact told it.
    pub(in crate::diagnosis) reason: Option<String>,
    /// The termination message, or why it could not be started.
    pub(in crate::diagnosis) message: Option<String>,
    /// What showed its end.
    pub(in crate::diagnosis) end: Option<Evidence>,
    /// The runtime's out-of-memory event.
    pub(in crate::diagnosis) task_oom: Option<Evidence>,
    /// The kernel's.
    pub(in crate::diagnosis) kernel_oom: Option<KernelOom>,
    /// Why the kubelet stops it, in order.
    pub(in crate::diagnosis) kills: Vec<Kill>,
    /// What the runtime was asked to send, in order.
    pub(in crate::diagnosis) signals: Vec<Signal>,
    pub(in crate::diagnosis) last_words: Option<LastWords>,
    /// Newest before its end.
    pub(in crate::diagnosis) cgroup_before: Option<Cgroup>,
    /// Newest after its end.
    pub(in crate::diagnosis) cgroup_after: Option<Cgroup>,
    /// Its end was told as a moment.
    pub(in crate::diagnosis) end_told: bool,
    /// PLEG saw it end, without the code.
    pub(in crate::diagnosis) died: Option<Evidence>,
}

/// The kernel's account of an out-of-memory kill.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct KernelOom {
    pub(in crate::diagnosis) at: Micros,
    /// The cgroup whose limit was hit; `None` = the node's memory.
    pub(in crate::diagnosis) limit: Option<String>,
    /// The victim's process name.
    pub(in crate::diagnosis) victim: Option<String>,
    pub(in crate::diagnosis) evidence: Evidence,
}

/// The kubelet stops a container.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Kill {
    pub(in crate::diagnosis) at: Micros,
    /// `Container app failed liveness probe, will be restarted`; `None` where no reason stands.
    pub(in crate::diagnosis) why: Option<String>,
    /// What the container may take to end by itself, where the order says it.
    pub(in crate::diagnosis) grace_seconds: Option<u64>,
    pub(in crate::diagnosis) evidence: Evidence,
}

/// The runtime sends a signal.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Signal {
    pub(in crate::diagnosis) at: Micros,
    /// The grace period is over: SIGKILL.
    pub(in crate::diagnosis) is_kill: bool,
    pub(in crate::diagnosis) evidence: Evidence,
}

/// One sandbox of a pod.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct SandboxState {
    pub(in crate::diagnosis) id: String,
    pub(in crate::diagnosis) created: Option<Micros>,
    pub(in crate::diagnosis) died: Option<Micros>,
    pub(in crate::diagnosis) stopped: Option<Micros>,
    pub(in crate::diagnosis) removed: Option<Micros>,
    pub(in crate::diagnosis) oom: Option<Micros>,
}

/// One volume of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct MountState {
    pub(in crate::diagnosis) mounted: Option<Micros>,
    pub(in crate::diagnosis) unmounted: Option<Micros>,
}

/// A failure that a line told, by the kubelet's words.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct FailureSeen {
    pub(in crate::diagnosis) at: Micros,
    /// The first one that was told with no success of the step since.
    pub(in crate::diagnosis) first: Micros,
    pub(in crate::diagnosis) count: u32,
    pub(in crate::diagnosis) step: String,
    pub(in crate::diagnosis) reason: Option<String>,
    pub(in crate::diagnosis) container: Option<String>,
    pub(in crate::diagnosis) message: String,
    pub(in crate::diagnosis) evidence: Evidence,
}

/// A Kubernetes Event about the pod.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct EventTold {
    pub(in crate::diagnosis) at: Micros,
    pub(in crate::diagnosis) container: Option<String>,
    pub(in crate::diagnosis) reason: String,
    pub(in crate::diagnosis) message: String,
    pub(in crate::diagnosis) evidence: Evidence,
}

/// Runtime and kernel tell of one out-of-memory kill, and of all whom it hits, within this.
const SAME_OOM: u64 = 5_000_000;
/// The lines of one attempt lie within this.
const SAME_ATTEMPT: u64 = 2_000_000;

impl PodState {
    /// It is to end, whatever the reason.
    pub(in crate::diagnosis) fn is_ending(&self) -> bool {
        self.deleting.is_some()
            || self.gone.is_some()
            || self.sent_away().is_some()
            || self.refused.is_some()
    }

    /// It ran and has to go: evicted, or to make room for another. What says so.
    pub(in crate::diagnosis) fn sent_away(&self) -> Option<&Evidence> {
        self.evicted.as_ref().or(self.preempted.as_ref())
    }

    /// Something of it was made after it was refused: the kubelet took it after all. A static pod
    /// keeps its uid, and is tried again.
    pub(super) fn was_taken(&mut self, at: Micros) {
        self.refused = self.refused.take().filter(|told| told.at.is_some_and(|told| told >= at));
    }

    pub(in crate::diagnosis) fn container(&self, name: &str) -> Option<&ContainerState> {
        self.containers.get(name)
    }

    /// The container that has this instance.
    pub(in crate::diagnosis) fn owner_of(&self, id: &str) -> Option<&str> {
        let owns = |state: &ContainerState| {
            state.instances.iter().any(|instance| instance.id.as_deref() == Some(id))
        };
        self.containers.iter().find(|(_, state)| owns(state)).map(|(name, _)| name.as_str())
    }

    /// The sandbox of this instance ended, or was stopped, under it.
    pub(super) fn lost_sandbox_of(&self, container: &str, id: Option<&str>) -> bool {
        let is_it = |instance: &&Instance| instance.id.as_deref() == id;
        let instances = self.containers.get(container).map(|it| it.instances.iter());
        let sandbox_id = instances.and_then(|mut it| it.find(is_it)?.sandbox_id.as_deref());
        self.sandboxes
            .iter()
            .filter(|sandbox| sandbox_id == Some(sandbox.id.as_str()))
            .any(|sandbox| sandbox.died.is_some() || sandbox.stopped.is_some())
    }

    /// The sandbox that was made last.
    pub(in crate::diagnosis) fn sandbox(&self) -> Option<&SandboxState> {
        self.sandboxes.last()
    }

    /// A Kubernetes Event: the newest of each reason and container says it all.
    pub(super) fn event(&mut self, event: EventTold) {
        self.events.retain(|it| it.reason != event.reason || it.container != event.container);
        self.events.push(event);
        if self.events.len() > limits::WORLD_EVENTS {
            self.events.remove(0);
        }
    }

    /// A failure of this step, reason and container: the newest words stay.
    pub(super) fn failed(&mut self, mut seen: FailureSeen) {
        let is_same = |it: &FailureSeen| {
            it.step == seen.step && it.reason == seen.reason && it.container == seen.container
        };
        if let Some(index) = self.failures.iter().position(is_same) {
            let before = self.failures.remove(index);
            seen.first = before.first;
            // A pod is sent away once: that it is done says less than why.
            if sends_away(&seen.step, seen.reason.as_deref()) {
                (seen.message, seen.evidence) = (before.message, before.evidence);
            }
            // The lines of one attempt are one failure.
            let is_again = seen.at.abs_diff(before.at) > SAME_ATTEMPT;
            seen.count = before.count.saturating_add(u32::from(is_again));
        }
        self.failures.push(seen);
        if self.failures.len() > limits::WORLD_FAILURES {
            self.failures.remove(0);
        }
    }

    pub(super) fn container_mut(&mut self, name: &str) -> Option<&mut ContainerState> {
        let is_full = self.containers.len() >= limits::WORLD_CONTAINERS;
        if is_full && !self.containers.contains_key(name) {
            return None;
        }
        Some(self.containers.entry(name.to_owned()).or_default())
    }

    pub(super) fn sandbox_mut(&mut self, id: &str) -> Option<&mut SandboxState> {
        if !self.sandboxes.iter().any(|sandbox| sandbox.id == id) {
            self.sandboxes.push(SandboxState { id: id.to_owned(), ..SandboxState::default() });
            if self.sandboxes.len() > limits::WORLD_SANDBOXES {
                self.sandboxes.remove(0);
            }
        }
        self.sandboxes.iter_mut().find(|sandbox| sandbox.id == id)
    }
}

impl ContainerState {
    /// The newest instance.
    pub(in crate::diagnosis) fn newest(&self) -> Option<&Instance> {
        self.instances.last()
    }

    /// The newest instance that ended.
    pub(in crate::diagnosis) fn last_ended(&self) -> Option<&Instance> {
        self.instances.iter().rev().find(|instance| instance.ended.is_some())
    }

    /// It runs, as far as is known.
    pub(in crate::diagnosis) fn is_running(&self) -> bool {
        self.newest().is_some_and(|newest| newest.started.is_some() && newest.ended.is_none())
    }

    /// The instance of this id, made if it is new. Without an id, the newest one.
    pub(super) fn instance_mut(&mut self, id: Option<&str>) -> Option<&mut Instance> {
        let Some(id) = id else { return self.instances.last_mut() };
        if !self.instances.iter().any(|instance| instance.id.as_deref() == Some(id)) {
            self.instances.push(Instance { id: Some(id.to_owned()), ..Instance::default() });
            self.keep_the_bound();
        }
        self.instances.iter_mut().find(|instance| instance.id.as_deref() == Some(id))
    }

    /// The words of the dead are kept for the two newest only: they are the largest part.
    fn keep_the_bound(&mut self) {
        if self.instances.len() > limits::WORLD_INSTANCES {
            self.instances.remove(0);
        }
        let old = self.instances.len().saturating_sub(3);
        for instance in self.instances.iter_mut().take(old) {
            instance.last_words = None;
            instance.cgroup_before = None;
            instance.cgroup_after = None;
        }
    }
}

impl Instance {
    /// How long it ran.
    pub(in crate::diagnosis) fn ran(&self) -> Option<Micros> {
        Some(self.ended?.saturating_sub(self.started?).max(0))
    }

    /// The runtime could not start it.
    pub(in crate::diagnosis) fn never_ran(&self) -> bool {
        matches!(self.reason.as_deref(), Some("StartError" | "ContainerCannotRun"))
    }

    /// An out-of-memory kill of that time was not told of yet.
    pub(super) fn is_another_oom(&self, at: Micros) -> bool {
        let task = self.task_oom.as_ref().and_then(|told| told.at);
        let told = task.into_iter().chain(self.kernel_oom.as_ref().map(|told| told.at));
        told.max().is_none_or(|told| told.abs_diff(at) > SAME_OOM)
    }

    /// Somebody saw an out-of-memory kill in it.
    pub(in crate::diagnosis) fn saw_oom(&self) -> bool {
        self.task_oom.is_some()
            || self.kernel_oom.is_some()
            || self.reason.as_deref() == Some("OOMKilled")
            || self.oom_kills().is_some_and(|kills| kills > 0)
    }

    /// By how much the container's `oom_kill` counter rose during this instance. A cgroup is made
    /// with its container: without an earlier count it began at 0.
    pub(in crate::diagnosis) fn oom_kills(&self) -> Option<u64> {
        let after = self.cgroup_after.as_ref().or(self.cgroup_before.as_ref())?;
        after.container.oom_kill
    }

    /// By how much the pod's `oom_kill` counter rose between the looks before and after the end.
    pub(in crate::diagnosis) fn pod_oom_kills(&self) -> Option<u64> {
        let (before, after) = (self.cgroup_before.as_ref()?, self.cgroup_after.as_ref()?);
        Some(after.pod.oom_kill?.saturating_sub(before.pod.oom_kill?))
    }
}
