//! What fails: finds the incident that a failed attempt, a death, a probe or a word about the node
//! belongs to, or begins one.

use super::{Ground, Incidents};
use crate::{
    diagnosis::{
        Output,
        attempt::Attempt,
        identity,
        incident::{Entry, Trigger},
        key::{self, Family},
        recovery::Ladder,
        silence::KUBELET,
        world::{
            PodKey,
            moment::{Moment, MomentKind},
        },
    },
    observation::{self, time},
    source::Micros,
};

/// What failed, in one form for lines and moments.
#[derive(Debug)]
struct Failure<'a> {
    now: Micros,
    at: Micros,
    key: PodKey,
    pod: observation::Pod,
    container: Option<&'a str>,
    family: Family,
    node_key: Option<String>,
    host: Option<&'a str>,
    step: Option<&'a str>,
    reason: Option<&'a str>,
    message: &'a str,
    trigger: Trigger,
}

/// Steps whose error only says that volumes are awaited: they join whichever volume is known.
const VOLUME_SYMPTOMS: [&str; 1] = ["WaitForVolumes"];

/// The step that takes away what is left of an instance.
const REMOVAL: &str = "RemoveContainer";

/// Instances that ended this soon after a start of runtime or machine ended with it.
const RESTART: Micros = 120_000_000;

impl Incidents {
    /// A failed attempt. Returns the id of its incident, or of what may become one.
    pub(in crate::diagnosis) fn attempt(
        &mut self,
        now: Micros,
        attempt: &Attempt,
        ground: Ground<'_>,
        out: &mut Output,
    ) -> Option<[u8; 16]> {
        let key = ground.world.key_of(&attempt.pod).or_else(|| key_of(&attempt.pod))?;
        self.name_again(&key, ground);
        let failure = &attempt.failure;
        let reason = failure.reason.as_deref();
        let family = Family::of(&failure.step, reason);
        let is_ending =
            ground.world.pod(&key).is_some_and(|pod| pod.deleting.is_some() || pod.gone.is_some());
        let is_of_end = matches!(family, Family::Terminate | Family::Eviction | Family::Admission);
        if is_ending && !is_of_end {
            let known = self.find(&key, |entry| entry.family == family);
            return known.and_then(|number| self.entries.get(&number)).map(|entry| entry.id);
        }
        let container = attempt.container.as_deref().filter(|_| family.is_of_container());
        if let Some(id) = self.left_behind_by(&key, container, &failure.step) {
            return Some(id);
        }
        if family == Family::Run {
            self.main_failed(now, &key, container, ground, out);
        }
        let number = self.place(&key, container, family, attempt);
        let failed = Failure {
            now,
            at: attempt.at,
            key,
            pod: attempt.pod.clone(),
            container,
            family,
            node_key: None,
            host: None,
            step: Some(&failure.step),
            reason,
            message: &failure.message,
            trigger: Trigger { attempt: Some(attempt.clone()), moment: None },
        };
        let Some(number) = self.fail(number, failed, ground) else { return self.overflow_id() };
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.lines += 1;
            if entry.volume.is_none() {
                entry.volume.clone_from(&attempt.details.volume);
            }
            if attempt.details.image.is_some() {
                entry.image.clone_from(&attempt.details.image);
            }
        }
        self.judge(number, ground);
        let id = self.entries.get(&number).map(|entry| entry.id);
        self.settle(number, now, ground, out);
        // It may have become part of another.
        self.entries.get(&number).map(|entry| entry.id).or(id)
    }

    /// What failed before, where only an instance of it that ended long since cannot be removed: that
    /// is no failure of the one that runs.
    fn left_behind_by(
        &self,
        key: &PodKey,
        container: Option<&str>,
        step: &str,
    ) -> Option<[u8; 16]> {
        if step != REMOVAL {
            return None;
        }
        let number = self.find(key, |entry| {
            entry.family.is_of_container()
                && entry.step.as_deref() != Some(REMOVAL)
                && entry.members.iter().any(|member| member.is(key, container))
        })?;
        self.entries.get(&number).map(|entry| entry.id)
    }

    /// Where a failed attempt belongs among what is known of its pod.
    fn place(
        &self,
        key: &PodKey,
        container: Option<&str>,
        family: Family,
        attempt: &Attempt,
    ) -> Option<u64> {
        let is_mine = |entry: &Entry| {
            entry.members.iter().any(|member| member.is(key, container)) && entry.node_key.is_none()
        };
        let reason = attempt.failure.reason.as_deref();
        if key::is_waiting(reason) {
            // The kubelet waits after whatever failed last.
            let known = self.find(key, |entry| entry.family == family && is_mine(entry));
            return known.or_else(|| {
                self.find(key, |entry| {
                    entry.family.is_of_container() && entry.is_live() && is_mine(entry)
                })
            });
        }
        let volume = attempt.details.volume.as_deref();
        let is_symptom = VOLUME_SYMPTOMS.contains(&attempt.failure.step.as_str());
        let found = self.find(key, |entry| {
            let is_volume = family != Family::Volume
                || is_symptom
                || entry.volume.is_none()
                || entry.volume.as_deref() == volume;
            entry.family == family && is_mine(entry) && is_volume
        });
        // A sandbox that cannot be made is taken down again, which fails for the same reason.
        found.or_else(|| {
            (family == Family::Terminate).then(|| {
                self.find(key, |entry| entry.family == Family::Sandbox && entry.is_live())
            })?
        })
    }

    /// Counts a failure, in the entry of that number or in a new one.
    fn fail(
        &mut self,
        number: Option<u64>,
        failure: Failure<'_>,
        ground: Ground<'_>,
    ) -> Option<u64> {
        let Some(number) = number else { return self.begin(failure, ground) };
        let entry = self.entries.get_mut(&number)?;
        let recovery = &ground.settings.recovery;
        let (key, pod) = (&failure.key, &failure.pod);
        entry.fail((failure.now, failure.at), (key, pod), failure.container, recovery);
        // What was taken down because it could not be made is judged by the making; what follows in
        // the same error, by what came first: a sandbox does not stop while its container lives.
        if failure.family == entry.family && !follows_from(entry, &failure) {
            entry.trigger.attempt = failure.trigger.attempt.or(entry.trigger.attempt.take());
            entry.trigger.moment = failure.trigger.moment.or(entry.trigger.moment.take());
            if let Some(step) = failure.step {
                entry.step = Some(step.to_owned());
                entry.reason = failure.reason.map(str::to_owned);
            }
        }
        self.index(number);
        Some(number)
    }

    fn begin(&mut self, failure: Failure<'_>, ground: Ground<'_>) -> Option<u64> {
        let pod = &failure.pod;
        let text = key_text(&failure);
        let id = identity::incident(&ground.settings.node, &text, &time::utc(failure.at));
        let is_of_pod = failure.node_key.is_none();
        let ladder = Ladder::of(failure.family, "", "", failure.reason);
        let mut entry = Entry {
            id,
            family: failure.family,
            workload: key::workload(pod, ground.world).filter(|_| is_of_pod),
            workload_shown: key::workload_shown(pod, ground.world).filter(|_| is_of_pod),
            node_key: failure.node_key.clone(),
            host: failure.host.map(str::to_owned),
            step: failure.step.map(str::to_owned),
            reason: failure.reason.map(str::to_owned),
            first_seen: failure.at,
            last_seen: failure.at,
            began: failure.now,
            failed: failure.now,
            loss: self.blind.texts(failure.at),
            announced: failure.now,
            ..Entry::new(ladder, failure.trigger)
        };
        let recovery = &ground.settings.recovery;
        let when = (failure.now, failure.at);
        entry.fail(when, (&failure.key, &failure.pod), failure.container, recovery);
        match self.add(entry) {
            Ok(number) => {
                self.unfold(failure.now, number);
                Some(number)
            }
            Err(entry) => {
                self.fold(failure.now, *entry, ground);
                None
            }
        }
    }

    /// An instance ended. Returns true where that is a failure.
    pub(super) fn death(
        &mut self,
        now: Micros,
        (key, moment): (&PodKey, &Moment),
        ground: Ground<'_>,
        out: &mut Output,
    ) -> bool {
        let container = moment.container.as_deref();
        let known = self.find(key, |entry| {
            entry.family == Family::Run
                && entry.members.iter().any(|member| member.is(key, container))
        });
        let life = life(key, moment, ground);
        let is_repeat = known
            .and_then(|number| self.entries.get(&number))
            .is_some_and(|entry| entry.is_live() && repeats_with_zero(moment, entry));
        if !(is_failure(&moment.what) || is_repeat) || ended_with_the_node(moment, ground) {
            return false;
        }
        let Some(known) = known else {
            let failed = self.of_moment(now, (key, moment), Family::Run, ground);
            let Some(number) = self.fail(None, failed, ground) else { return true };
            self.died(number, key, container, life);
            self.judge(number, ground);
            self.settle(number, now, ground, out);
            return true;
        };
        let failed = self.of_moment(now, (key, moment), Family::Run, ground);
        let _ = self.fail(Some(known), failed, ground);
        self.died(known, key, container, life);
        self.judge(known, ground);
        self.settle(known, now, ground, out);
        true
    }

    fn died(&mut self, number: u64, key: &PodKey, container: Option<&str>, life: Option<Micros>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.deaths += 1;
        if let Some(member) = entry.member(key, container) {
            member.longest_life = member.longest_life.into_iter().chain(life).max();
        }
    }

    /// A probe, a lost sandbox, an eviction that only a fact tells: a failure without a line of its
    /// own.
    pub(super) fn word(
        &mut self,
        now: Micros,
        (key, moment): (&PodKey, &Moment),
        family: Family,
        [step, reason]: [&'static str; 2],
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let container = moment.container.as_deref().filter(|_| family.is_of_container());
        let is_ending = ground.world.pod(key).is_some_and(|pod| pod.deleting.is_some());
        if is_ending {
            return;
        }
        let known = self.find(key, |entry| {
            entry.family == family
                && entry.node_key.is_none()
                && entry.members.iter().any(|member| member.is(key, container))
        });
        let mut failed = self.of_moment(now, (key, moment), family, ground);
        failed.step = Some(step).filter(|step| !step.is_empty());
        failed.reason = Some(reason).filter(|reason| !reason.is_empty());
        let Some(number) = self.fail(known, failed, ground) else { return };
        self.judge(number, ground);
        self.settle(number, now, ground, out);
    }

    /// A word about the node as a whole.
    pub(super) fn node_word(
        &mut self,
        now: Micros,
        moment: &Moment,
        node_key: &str,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let is_it = |number: &&u64| {
            self.entries
                .get(*number)
                .is_some_and(|it| it.is_about(node_key, moment.host.as_deref()) && it.can_fail())
        };
        let known = self.of_node.iter().rev().find(is_it).copied();
        let is_of_one = moment.host.is_none();
        let known = known.or_else(|| is_of_one.then(|| self.taken_over(node_key))?);
        let empty = PodKey(String::new());
        let mut failed = self.of_moment(now, (&empty, moment), Family::Node, ground);
        failed.node_key = Some(node_key.to_owned());
        failed.container = None;
        let Some(number) = self.fail(known, failed, ground) else { return };
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.lines += 1;
        }
        self.judge(number, ground);
        self.settle(number, now, ground, out);
    }

    fn of_moment<'a>(
        &self,
        now: Micros,
        (key, moment): (&PodKey, &'a Moment),
        family: Family,
        ground: Ground<'_>,
    ) -> Failure<'a> {
        let pod = ground.world.pod(key).map(|known| known.pod.clone()).unwrap_or_default();
        Failure {
            now,
            at: moment.at,
            key: key.clone(),
            pod,
            container: moment.container.as_deref().filter(|_| family.is_of_container()),
            family,
            node_key: None,
            host: moment.host.as_deref(),
            step: None,
            reason: None,
            message: &moment.evidence.text,
            trigger: Trigger { attempt: None, moment: Some(moment.clone()) },
        }
    }
}

/// A later item of the error whose first item is judged: of an end, they fail one after the other.
fn follows_from(entry: &Entry, failure: &Failure<'_>) -> bool {
    let (Some(known), Some(newer)) = (&entry.trigger.attempt, &failure.trigger.attempt) else {
        return false;
    };
    entry.family == Family::Terminate
        && newer.failure.index > known.failure.index
        && (newer.at, newer.failure.of) == (known.at, known.failure.of)
}

/// Ended by itself, and not well. 143 after nobody's word is still somebody's SIGTERM, and told.
fn is_failure(what: &MomentKind) -> bool {
    let MomentKind::ContainerEnded { exit_code, reason, expected, .. } = what else { return false };
    let is_bad = exit_code.is_some_and(|code| code != 0) || reason.as_deref() == Some("OOMKilled");
    is_bad && !expected
}

/// 0 again, where 0 is what the incident is about.
fn repeats_with_zero(moment: &Moment, entry: &Entry) -> bool {
    let is_zero = matches!(
        moment.what,
        MomentKind::ContainerEnded { exit_code: Some(0), expected: false, .. }
    );
    is_zero && entry.ladder == Ladder::CrashLoop && entry.judgement.exit_code == Some(0)
}

/// How long the instance that ended ran.
fn life(key: &PodKey, moment: &Moment, ground: Ground<'_>) -> Option<Micros> {
    let MomentKind::ContainerEnded { id, .. } = &moment.what else { return None };
    let container = ground.world.pod(key)?.container(moment.container.as_deref()?)?;
    container.instances.iter().rev().find(|instance| instance.id == *id)?.ran()
}

/// 255 and unknown ends while runtime or machine start again: the instance went with them, which is
/// told as theirs.
fn ended_with_the_node(moment: &Moment, ground: Ground<'_>) -> bool {
    let MomentKind::ContainerEnded { exit_code, reason, .. } = &moment.what else { return false };
    let is_unknown = matches!(exit_code, Some(255 | -1) | None)
        && reason
            .as_deref()
            .is_none_or(|reason| matches!(reason, "Unknown" | "ContainerStatusUnknown"));
    let node = &ground.world.node;
    let starts = [&node.runtime_started, &node.booted];
    let near = starts
        .into_iter()
        .flatten()
        .filter_map(|start| start.at)
        .any(|at| moment.at.abs_diff(at) <= RESTART.unsigned_abs());
    is_unknown && near
}

/// `podUID + container + step + reason + norm(message)`, or what names a fault of the node.
fn key_text(failure: &Failure<'_>) -> String {
    match (&failure.node_key, failure.host) {
        (Some(node_key), Some(host)) => return format!("node|{host}|{node_key}"),
        (Some(node_key), None) => return format!("node|{node_key}"),
        (None, _) => {}
    }
    let norm = key::norm::norm(failure.message);
    [
        failure.key.0.as_str(),
        failure.container.unwrap_or_default(),
        failure.step.unwrap_or(failure.family.word()),
        failure.reason.unwrap_or_default(),
        &norm,
    ]
    .join("|")
}

/// Before anything else was said of a pod.
fn key_of(pod: &observation::Pod) -> Option<PodKey> {
    let name = || Some(format!("{}/{}", pod.namespace.as_deref()?, pod.name.as_deref()?));
    pod.uid.clone().or_else(name).map(PodKey)
}

/// What of the node the moment is about; `None` for what opens nothing.
pub(super) fn node_key(what: &MomentKind) -> Option<String> {
    Some(match what {
        MomentKind::NetworkReady(false) => "network".to_owned(),
        MomentKind::RuntimeReady(false) => "runtime".to_owned(),
        MomentKind::Paused(true) => "paused".to_owned(),
        MomentKind::PlegHealthy(false) => "pleg".to_owned(),
        MomentKind::DiskFull { role, on: true } => format!("disk/{role}"),
        MomentKind::Pressure { resource, on: true } => format!("pressure/{resource}"),
        MomentKind::ApiReachable(false) => "api".to_owned(),
        MomentKind::NodeReady(false) => "ready".to_owned(),
        MomentKind::KubeletFailed => KUBELET.to_owned(),
        MomentKind::Booted => "boot".to_owned(),
        _ => return None,
    })
}
