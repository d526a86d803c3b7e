//! One failure with everything that was said about it: what a cause is looked for in. Gathers the
//! texts, innermost first, and the instance that is meant. Owns no rule of causes.

pub(super) mod names;

use super::{
    attempt::{Attempt, innermost},
    world::{
        ContainerState, Instance, Moment, MomentKind, PodKey, PodState, World, pod::FailureSeen,
        quote,
    },
};
use crate::{
    catalogue::TextFrom,
    fact::{self, Role},
    incident::Evidence,
    observation::{Details, Pod},
    source::Micros,
};

/// Lines and Events this long before a failure can still belong to it: the longest back-off, twice.
const RECENT: Micros = 600_000_000;
/// The reason at which the kubelet ends a pod that ran, among those at which it refuses one.
pub(super) const PREEMPTING: &str = "Preempting";

/// An evicted pod's containers end within its grace period.
const EVICTION: Micros = 120_000_000;
/// Clocks of two writers differ by less.
const SLACK: Micros = 2_000_000;

/// One failure.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    pub(super) at: Micros,
    /// `None`: of the node.
    pub(super) key: Option<PodKey>,
    pub(super) pod: Pod,
    /// The node, where the input is of several.
    pub(super) host: Option<String>,
    pub(super) container: Option<String>,
    /// The kubelet's word, or ours; empty where no step failed.
    pub(super) step: String,
    pub(super) reason: Option<String>,
    /// The failure's own words, unquoted.
    pub(super) message: String,
    /// What other lines of the same attempt said.
    pub(super) others: Vec<String>,
    pub(super) details: Details,
    /// The line or fact that tells it.
    pub(super) evidence: Evidence,
    /// Container id of the instance that is meant, where the failure names it.
    pub(super) instance: Option<String>,
    pub(super) around: Around,
}

/// What only the engine knows: how other pods fare, and what it missed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// The same cause hits pods of at least two owners.
    pub(super) same_on_other_owner: Option<bool>,
    /// Another pod passed the same step while this one went on failing.
    pub(super) passed_elsewhere: Option<bool>,
    /// The evidence is older than the last success of that step for that pod.
    pub(super) is_older: Option<bool>,
    /// Lines are known to be missing.
    pub(super) is_incomplete: Option<bool>,
}

/// A text, where it stood, and what shows it.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) from: TextFrom,
    pub(super) evidence: Evidence,
}

impl Case {
    /// The end of a container of a pod that was evicted, or ended to make room, is due to that.
    pub(super) fn evicted(&self, world: &World) -> Option<Self> {
        let pod = world.pod(self.key.as_ref()?)?;
        let evidence = pod.sent_away()?;
        let is_evicted = pod.evicted.is_some();
        let (step, reason) =
            if is_evicted { ("Eviction", "Evicted") } else { ("Admission", PREEMPTING) };
        self.step.is_empty().then(|| Self {
            step: step.to_owned(),
            reason: Some(reason.to_owned()),
            message: evidence.text.clone(),
            evidence: evidence.clone(),
            ..self.clone()
        })
    }

    /// A failed attempt.
    pub(super) fn of_attempt(world: &World, attempt: &Attempt) -> Self {
        let failure = &attempt.failure;
        let text = match &failure.reason {
            Some(reason) if !failure.message.is_empty() => format!("{reason}: {}", failure.message),
            Some(reason) => reason.clone(),
            None => failure.message.clone(),
        };
        Self {
            at: attempt.at,
            key: world.key_of(&attempt.pod),
            pod: attempt.pod.clone(),
            host: None,
            container: attempt.container.clone(),
            step: failure.step.clone(),
            reason: failure.reason.clone(),
            message: failure.message.clone(),
            others: attempt.others.clone(),
            details: attempt.details.clone(),
            evidence: Evidence {
                source: attempt.writer.component.label().to_owned(),
                text: quote::one_line(&text),
                line: (attempt.writer.number > 0).then_some(attempt.writer.number),
                file: None,
                at: Some(attempt.at),
            },
            instance: attempt.details.container_id.clone(),
            around: Around::default(),
        }
    }

    /// What happened, where it is a failure by itself or can become one.
    pub(super) fn of_moment(world: &World, moment: &Moment) -> Option<Self> {
        let text = moment.evidence.text.as_str();
        let unhealthy = || Some("Unhealthy".to_owned());
        let mut instance = None;
        let (step, reason) = match &moment.what {
            MomentKind::ContainerEnded { id, .. } => {
                instance.clone_from(id);
                ("", None)
            }
            MomentKind::Unhealthy { .. } | MomentKind::ProbeFailed { .. } => ("Probe", unhealthy()),
            MomentKind::Evicted => ("Eviction", Some("Evicted".to_owned())),
            MomentKind::Refused { reason } => ("Admission", reason.clone()),
            MomentKind::Preempted => ("Admission", Some(PREEMPTING.to_owned())),
            MomentKind::OomKill => ("Running", None),
            MomentKind::SandboxEnded => ("CreatePodSandbox", None),
            MomentKind::NetworkReady(false) => {
                ("WaitForNetwork", Some("NetworkNotReady".to_owned()))
            }
            MomentKind::RuntimeReady(false)
            | MomentKind::RuntimeStopped
            | MomentKind::RuntimeStarted => ("Runtime", None),
            MomentKind::Paused(true) | MomentKind::PlegHealthy(false) => ("SyncLoop", None),
            MomentKind::ApiReachable(false) => ("KubeletAPI", None),
            MomentKind::Pressure { on: true, .. } => ("Eviction", None),
            MomentKind::KubeletStopped | MomentKind::KubeletFailed => ("Kubelet", None),
            MomentKind::NodeShutdown => ("NodeShutdown", None),
            MomentKind::NodeReady(false) | MomentKind::Booted => ("Node", None),
            MomentKind::NodeSaid => (step_of_node(text), None),
            // What runs and does not end holds up what starts after it.
            MomentKind::NoProgress if moment.container.is_some() => ("StartContainer", None),
            _ => return None,
        };
        let pod = moment.pod.as_ref().and_then(|key| world.pod(key));
        Some(Self {
            at: moment.at,
            key: moment.pod.clone(),
            pod: pod.map(|pod| pod.pod.clone()).unwrap_or_default(),
            host: moment.host.clone(),
            container: moment.container.clone(),
            step: step.to_owned(),
            reason,
            message: text.to_owned(),
            evidence: moment.evidence.clone(),
            instance,
            ..Self::default()
        })
    }
}

/// The step whose causes speak of such lines.
fn step_of_node(text: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["cni config", "cni plugin", "CNI"]) {
        "WaitForNetwork"
    } else if has(&["mage garbage", "mage filesystem", "disk capacity"]) {
        "ImageGC"
    } else if has(&["orphaned pod", "Orphaned pod", "cgroup"]) {
        "Housekeeping"
    } else if has(&["manifest", "Housekeeping took", "static pod", "config path"]) {
        "Kubelet"
    } else if has(&["Eviction manager", "eviction manager"]) {
        "Eviction"
    } else if has(&["CSINode", "Event channel", "imits exceeded"]) {
        "Kubelet"
    } else if has(&["Suppressed "]) {
        "Telemetry"
    } else {
        "Node"
    }
}

/// A case with what the world knows of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat<'a> {
    pub(super) world: &'a World,
    pub(super) case: &'a Case,
    pub(super) pod: Option<&'a PodState>,
    pub(super) spec: Option<&'a fact::Pod>,
    /// The container that is meant: the blocking one where the failure's own only waits (R48).
    pub(super) container: Option<&'a str>,
    pub(super) state: Option<&'a ContainerState>,
    /// The instance that ended, or that runs where none did.
    pub(super) instance: Option<&'a Instance>,
    /// What really failed, where the case only says that something waits.
    pub(super) beneath: Option<&'a FailureSeen>,
}

/// A pod that ran has to go for others: the node lacks something, or a critical pod needs its place.
pub(super) fn sends_away(step: &str, reason: Option<&str>) -> bool {
    step == "Eviction" || (step == "Admission" && reason == Some(PREEMPTING))
}

fn is_sent_away(case: &Case) -> bool {
    sends_away(&case.step, case.reason.as_deref())
}

/// Reasons that only say "waits".
pub(super) fn is_waiting(reason: Option<&str>) -> bool {
    matches!(reason, Some("CrashLoopBackOff" | "ImagePullBackOff"))
}

impl<'a> Seat<'a> {
    pub(super) fn new(world: &'a World, case: &'a Case) -> Self {
        let pod = case.key.as_ref().and_then(|key| world.pod(key));
        let spec = case.key.as_ref().and_then(|key| world.spec(key));
        let container = case.container.as_deref().or_else(|| match case.step.as_str() {
            _ if is_sent_away(case) => only_container(pod),
            "Admission" | "NodeShutdown" => None,
            _ => blocking(spec),
        });
        let state = pod.zip(container).and_then(|(pod, name)| pod.container(name));
        let mut seat =
            Self { world, case, pod, spec, container, state, instance: None, beneath: None };
        seat.instance = seat.meant_instance();
        seat.beneath = seat.meant_failure();
        seat
    }

    /// The specification of the container that is meant.
    pub(super) fn container_spec(&self) -> Option<&'a fact::Container> {
        self.spec?.container(self.container?)
    }

    pub(super) fn role(&self) -> Option<Role> {
        Some(self.container_spec()?.role)
    }

    /// The step and reason that causes are looked up by.
    pub(super) fn step(&self) -> (&'a str, Option<&'a str>) {
        if let Some(beneath) = self.beneath {
            return (&beneath.step, beneath.reason.as_deref());
        }
        let never_ran = self.instance.is_some_and(Instance::never_ran);
        match self.case.step.as_str() {
            // What never ran failed to start, whatever the kubelet waits for now.
            "" if never_ran => ("StartContainer", Some("RunContainerError")),
            "StartContainer" if never_ran && is_waiting(self.case.reason.as_deref()) => {
                ("StartContainer", Some("RunContainerError"))
            }
            // An instance that ended fails the same way whether or not the kubelet waits yet.
            "" => ("StartContainer", Some("CrashLoopBackOff")),
            step => (step, self.case.reason.as_deref()),
        }
    }

    fn meant_instance(&self) -> Option<&'a Instance> {
        let state = self.state?;
        let named = self.case.instance.as_deref();
        let by_id = state.instances.iter().find(|it| it.id.is_some() && it.id.as_deref() == named);
        match self.case.step.as_str() {
            "Probe" | "Running" => by_id.or_else(|| state.newest()),
            "StartContainer" | "" => by_id.or_else(|| state.last_ended()),
            "KillContainer" => by_id,
            // Its end comes a moment after the word that its pod must go.
            _ if is_sent_away(self.case) => by_id.or_else(|| state.last_ended()).filter(|it| {
                it.ended.is_some_and(|at| at.saturating_add(EVICTION) >= self.case.at)
            }),
            _ => None,
        }
    }

    /// `CrashLoopBackOff` and the volume wait hide what failed before them.
    fn meant_failure(&self) -> Option<&'a FailureSeen> {
        let case = self.case;
        let oldest = case.at.saturating_sub(RECENT);
        let newest = case.at.saturating_add(SLACK);
        let failures = self.pod?.failures.iter().rev();
        let mut failures = failures.filter(|it| (oldest..=newest).contains(&it.at));
        if case.step == "WaitForVolumes" {
            let volume = case.details.volume.as_deref();
            return failures.find(|it| {
                matches!(it.step.as_str(), "MountVolume" | "AttachVolume")
                    && volume.is_none_or(|volume| it.message.contains(volume))
            });
        }
        if is_sent_away(case) {
            // The kubelet says why just before it says that it is done: at verbosity 3 of an eviction.
            return failures.find(|it| {
                it.step == case.step && it.reason == case.reason && it.message != case.message
            });
        }
        let of_container = |it: &&FailureSeen| {
            it.step == "StartContainer" && it.container.as_deref() == self.container
        };
        let reason = case.reason.as_deref();
        if reason == Some("ImagePullBackOff") {
            return failures.filter(of_container).find(|it| {
                it.reason.as_deref().is_some_and(|reason| {
                    reason.contains("Image") && reason != "ImagePullBackOff"
                        || reason.starts_with("Registry")
                        || reason.starts_with("Signature")
                })
            });
        }
        if reason == Some("CrashLoopBackOff") || case.step.is_empty() {
            let began = self.instance.and_then(|it| it.created.or(it.started));
            return failures.filter(of_container).find(|it| {
                let is_of_it = began.is_none_or(|began| it.at.saturating_add(SLACK) >= began);
                let starts = ["RunContainerError", "CreateContainerError", "PostStartHookError"];
                is_of_it && it.reason.as_deref().is_some_and(|reason| starts.contains(&reason))
            });
        }
        None
    }

    /// Everything that was said, innermost first.
    pub(super) fn texts(&self) -> Vec<Said> {
        let case = self.case;
        let mut texts = Vec::new();
        let mut say = |text: &str, from: TextFrom, evidence: &Evidence| {
            if !text.trim().is_empty() && !texts.iter().any(|it: &Said| it.text == text) {
                texts.push(Said { text: text.to_owned(), from, evidence: evidence.clone() });
            }
        };
        if let Some(beneath) = self.beneath {
            say(deepest(&beneath.message), TextFrom::Innermost, &beneath.evidence);
            say(&with_reason(beneath), TextFrom::Outer, &beneath.evidence);
        }
        if !case.message.is_empty() || case.reason.is_some() {
            say(deepest(&case.message), TextFrom::Innermost, &case.evidence);
            let reason = case.reason.as_deref().unwrap_or_default();
            let whole = if case.message.contains(reason) {
                case.message.clone()
            } else {
                format!("{reason}: {}", case.message)
            };
            say(&whole, TextFrom::Outer, &case.evidence);
        }
        for other in &case.others {
            say(other, TextFrom::Companion, &case.evidence);
        }
        if let Some(instance) = self.instance {
            said_of(instance, &mut say);
        }
        if let Some(pod) = self.pod {
            let is_of_it = |container: &Option<String>| {
                container.is_none()
                    || self.container.is_none()
                    || container.as_deref() == self.container
            };
            for event in pod.events.iter().rev().filter(|it| is_of_it(&it.container)) {
                if event.at.abs_diff(case.at) <= RECENT.unsigned_abs() {
                    let text = format!("{}: {}", event.reason, event.message);
                    say(&text, TextFrom::Event, &event.evidence);
                }
            }
        }
        self.said_of_status(&mut say);
        let of_end = ["KillContainer", "KillPodSandbox", "TerminatePod"];
        let hangs = self.pod.and_then(|pod| pod.hangs.as_ref());
        if let Some(evidence) = hangs.filter(|_| of_end.contains(&case.step.as_str())) {
            say(&evidence.text, TextFrom::Companion, evidence);
        }
        self.said_of_node(&mut say);
        texts
    }

    /// Why the pod as a whole failed explains the end of its containers.
    fn said_of_status(&self, say: &mut dyn FnMut(&str, TextFrom, &Evidence)) {
        let failed = |spec: &&fact::Pod| spec.phase.as_deref() == Some("Failed");
        let Some(spec) = self.spec.filter(failed) else { return };
        if let Some(message) = &spec.message
            && self.case.step.is_empty()
        {
            let text = format!("{}: {message}", spec.reason.as_deref().unwrap_or_default());
            say(&text, TextFrom::Companion, &quote::told("pod", &text, self.case.at));
        }
    }

    /// What the node said that explains why a pod gets no sandbox, or must go.
    fn said_of_node(&self, say: &mut dyn FnMut(&str, TextFrom, &Evidence)) {
        let node = &self.world.node;
        let case = self.case;
        let recent = |evidence: &&Evidence| {
            evidence.at.is_some_and(|at| at.abs_diff(case.at) <= RECENT.unsigned_abs())
        };
        if matches!(case.step.as_str(), "WaitForNetwork" | "CreatePodSandbox") {
            for evidence in node.cni_load_failed.iter().filter(recent) {
                say(&evidence.text, TextFrom::Companion, evidence);
            }
        }
        if case.step == "Eviction" {
            for evidence in node.reclaiming.iter().filter(recent) {
                say(&evidence.text, TextFrom::Companion, evidence);
            }
        }
    }
}

/// What was said of an instance: orders, the kernel, its last words.
fn said_of(instance: &Instance, say: &mut dyn FnMut(&str, TextFrom, &Evidence)) {
    for kill in &instance.kills {
        if let Some(why) = &kill.why {
            say(why, TextFrom::Companion, &kill.evidence);
        }
    }
    if let Some(oom) = &instance.task_oom {
        say(&oom.text, TextFrom::Companion, oom);
    }
    if let Some(oom) = &instance.kernel_oom {
        say(&oom.evidence.text, TextFrom::Kernel, &oom.evidence);
    }
    let at = instance.ended.unwrap_or_default();
    if let Some(message) = &instance.message {
        let from = if instance.never_ran() { TextFrom::Companion } else { TextFrom::LastWords };
        say(message, from, &quote::told("pod", message, at));
    }
    if let Some(words) = &instance.last_words {
        let text = last_said(words).join("\n");
        say(&text, TextFrom::LastWords, &quote::told("last_words", telling(words), at));
    }
}

/// The line of the last words that says most.
pub(super) fn telling(words: &fact::LastWords) -> &str {
    let marked = words.matters.and_then(|index| words.lines.get(index));
    let last = || words.lines.iter().rev().find(|line| !line.trim().is_empty());
    marked.or_else(last).map_or("", String::as_str)
}

/// From the line that says most, with the trace that it ends, on: what an application got over
/// before is not why it died.
fn last_said(words: &fact::LastWords) -> &[String] {
    let all = words.lines.as_slice();
    let Some(marked) = words.matters.filter(|index| *index < all.len()) else { return all };
    let is_indented = |index: usize| {
        all.get(index).is_some_and(|line| line.starts_with([' ', '\t']) || line.trim().is_empty())
    };
    let mut begin = marked;
    while begin > 0 && (is_indented(begin) || is_indented(begin - 1)) {
        begin -= 1;
    }
    all.get(begin..).unwrap_or(all)
}

/// The part behind the last `desc = `: what the runtime itself said.
pub(super) fn deepest(message: &str) -> &str {
    let text = message.rsplit_once(" desc = ").map_or(message, |(_, behind)| behind);
    innermost(text).trim().trim_matches('"')
}

fn with_reason(failure: &FailureSeen) -> String {
    match &failure.reason {
        Some(reason) if !failure.message.contains(reason.as_str()) => {
            format!("{reason}: {}", failure.message)
        }
        _ => failure.message.clone(),
    }
}

/// The one container of a pod that has no other.
fn only_container(pod: Option<&PodState>) -> Option<&str> {
    let mut names = pod?.containers.keys();
    let first = names.next()?;
    names.next().is_none().then_some(first.as_str())
}

/// The first init container that did not complete, in the order of the specification: all others
/// wait for it (R48). A native sidecar blocks until it is started (R50).
pub(super) fn blocking(spec: Option<&fact::Pod>) -> Option<&str> {
    let spec = spec?;
    let is_done = |container: &fact::Container| match container.role {
        Role::Init => matches!(container.state, Some(fact::State::Terminated { exit_code: 0, .. })),
        Role::NativeSidecar => container.started == Some(true),
        _ => true,
    };
    let has_begun =
        |container: &fact::Container| container.state.is_some() || container.last_state.is_some();
    spec.containers
        .iter()
        .find(|container| has_begun(container) && !is_done(container))
        .map(|container| container.name.as_str())
}
