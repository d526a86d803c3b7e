//! What the core counts for metrics. Owns: closed lists of words as keys, so that no text of a log
//! becomes a label. Does not: render.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use podwhy_parser::{Component, Severity};

use super::history::Day;
use crate::{
    catalogue,
    diagnosis::{SPIKE_LINES, UNCLASSIFIED},
    incident,
    incident::{Incident, State, Who},
    limits,
    observation::{Happening, Observation},
    record::{EventName, Record, Value, names},
    source::{LossKind, Micros},
};

/// What is not in a closed list.
pub const OTHER: &str = "other";

/// Upper bounds of an incident's duration, in seconds: a retry, a rollout, a shift.
pub const DURATIONS: [f64; 6] = [60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// Who writes lines, as metrics call them.
pub const SOURCES: [&str; 8] =
    ["kubelet", "containerd", "crio", "docker", "kernel", "systemd", "pod_log", OTHER];
/// Severities of lines, as metrics call them.
pub const SEVERITIES: [&str; 5] = ["info", "warning", "error", "fatal", "unknown"];

/// Counted since the agent began.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Messages by [`SOURCES`] and [`SEVERITIES`].
    pub lines: [[u64; SEVERITIES.len()]; SOURCES.len()],
    /// Time of the newest of each source; 0 before the first.
    pub last_line: [Micros; SOURCES.len()],
    /// Failed attempts by step and reason.
    pub failures: BTreeMap<(&'static str, &'static str), u64>,
    /// What went well, by step.
    pub successes: BTreeMap<&'static str, u64>,
    /// Containers that were created again.
    pub restarts: u64,
    /// Incidents that were opened, by class and scope.
    pub opened: BTreeMap<(&'static str, &'static str), u64>,
    /// Incidents that ended, by class, scope and how.
    pub ended: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// How long those of a scope lasted: how many within each of [`DURATIONS`] and beyond, and the
    /// seconds in all.
    pub durations: BTreeMap<&'static str, ([u64; DURATIONS.len() + 1], f64)>,
    /// Kills by killer.
    pub kills: BTreeMap<&'static str, u64>,
    /// The last 24 hours, which outlive the agent.
    pub day: Day,
    /// Losses by source and kind, and how many lines are known to be missing.
    pub losses: BTreeMap<(&'static str, &'static str), (u64, u64)>,
    /// Those that are not over, and what of them was counted.
    known: HashMap<String, Counted>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    kill: bool,
}

/// Steps and reasons that a cause of ours names: the kubelet's closed vocabulary.
static WORDS: LazyLock<BTreeMap<&'static str, BTreeSet<&'static str>>> = LazyLock::new(|| {
    let mut words: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, cause) in catalogue::builtin().causes() {
        for text in &cause.steps {
            let (step, reasons) = text.split_once('/').unwrap_or((text, ""));
            let reasons = reasons.split(',').filter(|reason| !reason.is_empty());
            words.entry(step).or_default().extend(reasons);
        }
    }
    words.remove("*");
    // Of Events: a line of the kubelet has no reason at these steps.
    let of_events = [
        ("MountVolume", "FailedMount"),
        ("WaitForVolumes", "FailedMount"),
        ("AttachVolume", "FailedAttachVolume"),
    ];
    for (step, reason) in of_events {
        words.entry(step).or_default().insert(reason);
    }
    words
});

/// The words of a failure, where they are of the closed vocabulary.
fn words_of(step: &str, reason: Option<&str>) -> (&'static str, &'static str) {
    let Some((step, reasons)) = WORDS.get_key_value(step) else { return (OTHER, OTHER) };
    let Some(reason) = reason.filter(|reason| !reason.is_empty()) else { return (step, "") };
    let known = reasons.get(reason);
    // A reason may stand beside any step that has it.
    let elsewhere = || WORDS.values().find_map(|reasons| reasons.get(reason));
    (step, known.or_else(elsewhere).copied().unwrap_or(OTHER))
}

impl Figures {
    /// Goes on with the incidents of an earlier run: they were counted then.
    pub fn resume<'i>(&mut self, incidents: impl IntoIterator<Item = &'i Incident>) {
        for incident in incidents.into_iter().filter(|incident| !is_over(incident.state)) {
            self.known.insert(incident.id.clone(), Counted { kill: incident.killed_by.is_some() });
        }
    }

    /// A line that was understood as one of a kubelet, a runtime or another.
    pub fn line(&mut self, component: Component, severity: Option<Severity>, at: Micros) {
        let source = match component {
            Component::Kubelet => 0,
            Component::Containerd => 1,
            Component::Crio => 2,
            Component::Docker => 3,
            Component::Kernel => 4,
            Component::Systemd => 5,
            Component::PodLog => 6,
            Component::Journald | Component::Other => 7,
        };
        let level = match severity {
            Some(Severity::Trace | Severity::Debug | Severity::Info) => 0,
            Some(Severity::Warning) => 1,
            Some(Severity::Error) => 2,
            Some(Severity::Fatal) => 3,
            None => 4,
        };
        if let Some(count) = self.lines.get_mut(source).and_then(|levels| levels.get_mut(level)) {
            *count += 1;
        }
        if let Some(last) = self.last_line.get_mut(source) {
            *last = at.max(*last);
        }
    }

    /// What a line says happened.
    pub fn observed(&mut self, seen: &Observation) {
        let step = match seen.happening {
            Some(Happening::SandboxCreated) => "CreatePodSandbox",
            Some(Happening::ImagePulled) => "PullImage",
            Some(Happening::VolumeMounted) => "MountVolume",
            Some(Happening::ContainerCreated) => {
                self.restarts += u64::from(seen.attempt.is_some_and(|attempt| attempt > 0));
                return;
            }
            Some(Happening::ContainerStarted) => "StartContainer",
            _ => return,
        };
        *self.successes.entry(step).or_default() += 1;
        self.day.worked(seen.at);
    }

    /// A failed attempt.
    pub fn failed(&mut self, step: &str, reason: Option<&str>) {
        *self.failures.entry(words_of(step, reason)).or_default() += 1;
    }

    /// An incident as it is after a change.
    pub fn incident(&mut self, incident: &Incident) {
        let class = class_word(&incident.cause.class);
        let scope = incident.scope.name();
        let is_new = !self.known.contains_key(&incident.id);
        if is_new {
            *self.opened.entry((class, scope)).or_default() += 1;
            incident.first_seen.into_iter().for_each(|at| self.day.opened(at));
        }
        if is_over(incident.state) {
            self.known.remove(&incident.id);
            let outcome = incident.state.name();
            *self.ended.entry((class, scope, outcome)).or_default() += 1;
            incident.resolved_at.into_iter().for_each(|at| self.day.resolved(at));
            self.lasted(scope, incident);
            return;
        }
        // The engine holds no more than this, so that nothing is forgotten that is still open.
        if is_new && self.known.len() >= 2 * limits::INCIDENTS {
            return;
        }
        let counted = self.known.entry(incident.id.clone()).or_default();
        if let Some(killer) = incident.killed_by.as_ref().filter(|_| !counted.kill) {
            counted.kill = true;
            *self.kills.entry(killer_word(killer.who)).or_default() += 1;
        }
    }

    fn lasted(&mut self, scope: &'static str, incident: &Incident) {
        let (Some(first), Some(last)) =
            (incident.first_seen, incident.resolved_at.or(incident.last_seen))
        else {
            return;
        };
        let seconds = std::time::Duration::from_micros(last.saturating_sub(first).unsigned_abs());
        let seconds = seconds.as_secs_f64();
        let place = DURATIONS.iter().position(|bound| seconds <= *bound).unwrap_or(DURATIONS.len());
        let (counts, sum) = self.durations.entry(scope).or_default();
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
        *sum += seconds;
    }

    /// A record that leaves: of losses, nobody else knows all.
    pub fn record(&mut self, record: &Record) {
        if record.event != EventName::Loss {
            return;
        }
        let attribute =
            |name: &str| record.attributes.iter().find(|(key, _)| key == name).map(|(_, it)| it);
        let word = |name: &str, list: &[&'static str]| match attribute(name) {
            Some(Value::Text(text)) => list.iter().find(|word| *word == text).copied(),
            _ => None,
        };
        let source = word(names::SOURCE_COMPONENT, &LOSS_SOURCES).unwrap_or(OTHER);
        let why = word(names::LOSS_KIND, &LossKind::ALL.map(LossKind::name)).unwrap_or(OTHER);
        let lines = match attribute(names::LOSS_LINES) {
            Some(Value::Int(lines)) => u64::try_from(*lines).unwrap_or(0),
            _ => 0,
        };
        let (times, missing) = self.losses.entry((source, why)).or_default();
        *times += 1;
        *missing = missing.saturating_add(lines);
    }
}

/// Parts that tell of losses.
pub const LOSS_SOURCES: [&str; 9] =
    ["journal", "kubelet", "containerd", "crio", "docker", "kernel", "file", "pod_log", "podwhy"];

/// A step as metrics call it, or whose error lines.
#[must_use]
pub fn spike_word(name: &str) -> &'static str {
    let lines = SPIKE_LINES.into_iter().find(|lines| *lines == name);
    lines.unwrap_or_else(|| words_of(name, None).0)
}

/// Over, or not known any more.
pub const fn is_over(state: State) -> bool {
    matches!(state, State::Resolved | State::Superseded | State::Stale)
}

/// Classes that are known; users' own causes have the same ones.
pub fn class_word(class: &str) -> &'static str {
    const CLASSES: [&str; 14] = [
        "image",
        "config",
        "volume",
        "sandbox",
        "runtime",
        "exit",
        "probe",
        "sidecar",
        "terminate",
        "admission",
        "eviction",
        "node",
        "wrapper",
        UNCLASSIFIED,
    ];
    CLASSES.into_iter().find(|known| *known == class).unwrap_or(OTHER)
}

const fn killer_word(who: Who) -> &'static str {
    match who {
        Who::ContainerLimit => "container_limit",
        Who::PodLimit => "pod_limit",
        Who::NodeOom => "node_oom",
        Who::Liveness => "liveness",
        Who::Startup => "startup",
        Who::GracePeriod => "grace_period",
        Who::Eviction => "eviction",
        Who::Preemption => "preemption",
        Who::Shutdown => "shutdown",
        Who::Hook => "hook",
        Who::Deletion => "deletion",
        Who::Unknown => "unknown",
    }
}

/// One incident that is not over, as far as metrics tell of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Present {
    /// The cause's class.
    pub class: &'static str,
    /// The cause's id: of ours, or `other`.
    pub cause: &'static str,
    /// Pod, workload or node.
    pub scope: &'static str,
    /// Where it fails.
    pub step: &'static str,
    /// How many pods it hits.
    pub pods: u64,
    /// It belongs to another one, whose pods hold its own.
    pub is_member: bool,
}

impl Present {
    /// Of an incident that is not over.
    #[must_use]
    pub fn of(incident: &Incident) -> Option<Self> {
        if is_over(incident.state) || incident.harmless {
            return None;
        }
        let known = catalogue::builtin().get(&incident.cause.id).map(|(_, cause)| &cause.id);
        Some(Self {
            class: class_word(&incident.cause.class),
            cause: known.map_or(cause_word(&incident.cause), String::as_str),
            scope: incident.scope.name(),
            step: words_of(incident.step.as_deref().unwrap_or_default(), None).0,
            pods: incident.pod_count,
            is_member: incident.parent.is_some(),
        })
    }
}

fn cause_word(cause: &incident::Cause) -> &'static str {
    if cause.id == UNCLASSIFIED { UNCLASSIFIED } else { OTHER }
}

#[cfg(test)]
mod tests;
