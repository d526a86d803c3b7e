//! All incidents and the failures that may become one: finds the one that a failure belongs to,
//! tells each change once, keeps the bound, survives restarts. Owns no rule of a single incident
//! (`incident`), of causes (`cause`) or of proof (`recovery`).

mod failing;
mod healing;
mod telling;
mod twins;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::telling::{fixed_by, tell};
use super::{
    Output, Settings,
    build::Surroundings,
    coverage::Blind,
    incident::{Entry, Trigger},
    judging,
    key::{self, Family},
    recovery::{Ladder, TOP},
    root::fault,
    silence::{self, Silence},
    world::{PodKey, World},
};
use crate::{
    catalogue::{self, Catalogue},
    incident::{Incident, State},
    limits,
    observation::time,
    source::{Loss, Micros},
};

/// What incidents are judged and told with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    pub(super) world: &'a World,
    pub(super) catalogue: &'a Arc<Catalogue>,
    pub(super) settings: &'a Settings,
    pub(super) around: Surroundings<'a>,
}

/// The set.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    pub(super) entries: BTreeMap<u64, Entry>,
    pub(super) by_pod: BTreeMap<String, BTreeSet<u64>>,
    by_workload: BTreeMap<String, BTreeSet<u64>>,
    dues: BTreeSet<(Micros, u64)>,
    pub(super) changed: BTreeSet<u64>,
    /// To be settled, since something about them changed with another.
    pub(super) pending: BTreeSet<u64>,
    /// What could not be seen.
    pub(super) blind: Blind,
    pub(super) blind_changed: bool,
    /// Who should have come further.
    pub(super) silence: Silence,
    /// Number of the newest entry.
    pub(super) last: u64,
    /// Engine time of the kubelet's newest word.
    pub(super) kubelet_heard: Micros,
    /// Failures without a place of their own: counted in one incident of the node.
    pub(super) folded: u64,
}

impl Incidents {
    /// The present ones as they leave.
    pub(super) fn present<'a>(
        &'a self,
        world: &'a World,
    ) -> impl Iterator<Item = Incident> + use<'a> {
        self.entries
            .values()
            .filter(|entry| entry.opened.is_some())
            .map(move |entry| entry.view(world))
    }

    /// The newest entry of the pod that `fits`.
    fn find(&self, key: &PodKey, fits: impl Fn(&Entry) -> bool) -> Option<u64> {
        let numbers = self.by_pod.get(&key.0)?;
        numbers.iter().rev().copied().find(|number| {
            self.entries.get(number).is_some_and(|entry| entry.can_fail() && fits(entry))
        })
    }

    /// Adds an entry. Beyond the bound, what ended first goes; if none has ended, `None`.
    pub(super) fn add(&mut self, entry: Entry) -> Option<u64> {
        if self.entries.len() >= limits::INCIDENTS {
            let ended = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.ended.is_some() || entry.state == State::Stale)
                .min_by_key(|(_, entry)| entry.ended.unwrap_or(entry.failed))
                .map(|(&number, _)| number);
            let Some(ended) = ended else {
                self.folded += 1;
                return None;
            };
            self.remove(ended);
        }
        self.last += 1;
        let number = self.last;
        self.entries.insert(number, entry);
        self.index(number);
        Some(number)
    }

    fn index(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        for member in entry.members.iter().filter(|member| !member.key.is_empty()) {
            self.by_pod.entry(member.key.clone()).or_default().insert(number);
        }
        if let Some(workload) = &entry.workload {
            self.by_workload.entry(workload.clone()).or_default().insert(number);
        }
        if let Some(due) = entry.due {
            self.dues.insert((due, number));
        }
        self.changed.insert(number);
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        for member in &entry.members {
            if let Some(numbers) = self.by_pod.get_mut(&member.key) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_pod.remove(&member.key);
                }
            }
        }
        if let Some(workload) = &entry.workload
            && let Some(numbers) = self.by_workload.get_mut(workload)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_workload.remove(workload);
            }
        }
        if let Some(due) = entry.due {
            self.dues.remove(&(due, number));
        }
        self.changed.insert(number);
        Some(entry)
    }

    /// When the next of them is due.
    pub(super) fn next_due(&self) -> Option<Micros> {
        let dues = self.dues.first().map(|(due, _)| *due);
        dues.into_iter().chain(self.silence.next_due()).min()
    }

    /// Fires what is due first, at or before `now`.
    pub(super) fn fire(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let first = self.dues.first().map_or(Micros::MAX, |(due, _)| *due);
        if self.silence.next_due().is_some_and(|due| due <= now && due < first) {
            self.fire_silence(now, ground, out);
            return;
        }
        let Some(&(due, number)) = self.dues.first().filter(|(due, _)| *due <= now) else { return };
        self.dues.remove(&(due, number));
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.due = None;
        }
        self.settle(number, due, ground, out);
    }

    /// What could not be read: nothing is proven by what may be missing.
    pub(super) fn lost(&mut self, loss: &Loss) {
        let Some(text) = self.blind.lost(loss) else { return };
        self.blind_changed = true;
        for (number, entry) in &mut self.entries {
            let overlaps = loss.to.is_none_or(|to| to >= entry.first_seen);
            if overlaps && entry.is_live() && entry.loss.len() < limits::INCIDENT_LIST {
                entry.loss.push(text.clone());
                self.changed.insert(*number);
                self.pending.insert(*number);
            }
        }
    }

    /// Judges the entry anew. What changed is told by `settle`.
    pub(super) fn judge(&mut self, number: u64, ground: Ground<'_>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        judging::judge(entry, ground);
        let judged = &entry.judgement;
        let ladder = Ladder::of(
            entry.family,
            &judged.cause.class,
            &judged.cause.id,
            entry.reason.as_deref(),
        );
        entry.ladder = match ladder {
            Ladder::NodeOther if fault::is_promoted(entry) => Ladder::NodeMembers,
            _ if entry.node_key.as_deref() == Some(silence::KUBELET) => Ladder::NodeRuntime,
            ladder => ladder,
        };
        let message = entry.trigger.message();
        entry.fingerprint = key::fingerprint(judged, entry.family, message);
        self.changed.insert(number);
    }

    /// Judges what is known of a pod anew: a fact about it came.
    pub(super) fn review(
        &mut self,
        now: Micros,
        key: &PodKey,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let numbers: Vec<u64> = self.by_pod.get(&key.0).into_iter().flatten().copied().collect();
        for number in numbers {
            let Some(entry) = self.entries.get(&number) else { continue };
            if entry.is_live() {
                // Once a rung is proven, what is seen is of the time after the failure.
                if entry.rung == 0 && !entry.is_ending() {
                    self.judge(number, ground);
                }
                self.settle(number, now, ground, out);
            }
        }
    }

    /// Judges all that is open anew: the node looks otherwise.
    pub(super) fn review_all(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let failing = |entry: &Entry| entry.is_live() && entry.rung == 0 && !entry.is_ending();
        let failing = self.entries.iter().filter(|(_, entry)| failing(entry));
        let numbers: Vec<u64> = failing.map(|(&number, _)| number).collect();
        for number in numbers {
            self.judge(number, ground);
            self.settle(number, now, ground, out);
        }
    }

    /// Brings one entry to where it stands now, and then whoever changes with it.
    pub(super) fn settle(
        &mut self,
        number: u64,
        now: Micros,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let mut next = Some(number);
        // Each change leads up to a root or down to its members: twice round is more than enough.
        for _ in 0..limits::INCIDENTS * 2 {
            let Some(number) = next else { return };
            self.pending.remove(&number);
            let before = self.entries.get(&number).and_then(|entry| entry.parent);
            self.settle_one(number, now, ground, out);
            let after = self.entries.get(&number).and_then(|entry| entry.parent);
            for parent in before.into_iter().chain(after.filter(|_| after != before)) {
                self.follow(parent, now);
            }
            next = self.pending.pop_first();
        }
        self.pending.clear();
    }

    /// Brings one entry to where it stands now, tells what changed, and sets its next timer.
    fn settle_one(&mut self, number: u64, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let Some(number) = self.merge(number, now, ground, out) else { return };
        self.arrange(number, now, ground);
        let is_shadowed = self.is_shadowed(number);
        let waits = self.waits_for_members(number);
        let heard = self.kubelet_heard;
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let settings = &ground.settings.recovery;
        let climb_due = entry.climb(now, ground.world, settings);
        if waits && entry.rung >= TOP {
            entry.rung = TOP - 1;
            entry.proof.truncate(usize::from(TOP - 1));
        }
        entry.coverage = entry.covered(&self.blind, now);
        let mut dues: Vec<Micros> = climb_due.into_iter().collect();
        if entry.opened.is_none() {
            let is_gone = entry.members.iter().all(|member| member.gone || member.key.is_empty());
            let has_pods = entry.node_key.is_none();
            if entry.is_healed() || (is_gone && has_pods) {
                self.remove(number);
                return;
            }
            if is_shadowed || !can_open(entry) {
                // It waits for a better judgement, and is forgotten with the silent ones.
                dues.push(now.saturating_add(time::micros(settings.stale_after)));
                if now.saturating_sub(entry.failed) >= time::micros(settings.stale_after) {
                    self.remove(number);
                    return;
                }
            } else {
                let opens = entry.opens_at(settings, ground.world);
                if opens <= now {
                    entry.opened = Some(now);
                } else if opens < Micros::MAX {
                    dues.push(opens);
                }
            }
        }
        if entry.opened.is_some() {
            let was_resolved = entry.state == State::Resolved;
            entry.advance(now, settings, heard);
            if entry.state == State::Resolved && !was_resolved {
                entry.fixed_by = fixed_by(entry, ground);
            }
            let is_heard_of = entry.is_live() && entry.state != State::Stale;
            if is_heard_of {
                // One that flaps in silence waits for the end of its window, not for the next moment.
                dues.push(entry.silent_at(settings, heard));
            }
            let flap_end = entry.failed.saturating_add(time::micros(settings.flap_window));
            if entry.state == State::Flapping && flap_end > now {
                dues.push(flap_end);
            }
            if let Some(ended) = entry.ended {
                let forget = ended.saturating_add(time::micros(settings.flap_window));
                if forget <= now {
                    self.remove(number);
                    return;
                }
                dues.push(forget);
            }
            tell(entry, now, ground, out);
            if is_heard_of {
                dues.push(entry.announced.saturating_add(time::micros(settings.announce_every)));
            }
            self.expect(number, now);
        }
        self.set_due(number, dues.into_iter().filter(|due| *due > now).min());
    }

    fn set_due(&mut self, number: u64, due: Option<Micros>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        if let Some(before) = entry.due {
            self.dues.remove(&(before, number));
        }
        entry.due = due;
        if let Some(due) = due {
            self.dues.insert((due, number));
        }
        self.changed.insert(number);
    }

    /// As if time went on until everything that is known was told: what failed and was not proven
    /// healed is shown.
    pub(super) fn finish(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let numbers: Vec<u64> = self.entries.keys().copied().collect();
        for number in numbers {
            let is_failing = self
                .entries
                .get(&number)
                .is_some_and(|entry| entry.is_live() && entry.rung == 0 && !entry.is_ending());
            if is_failing {
                self.judge(number, ground);
            }
            if let Some(entry) = self.entries.get_mut(&number)
                && entry.opened.is_none()
                && can_open(entry)
            {
                let settings = &ground.settings.recovery;
                entry.climb(now, ground.world, settings);
                let is_slow_start = entry.family == Family::Ready;
                if !entry.is_healed() && !is_slow_start {
                    entry.opened = Some(now);
                }
            }
            self.settle(number, now, ground, out);
        }
        out.incidents.extend(self.present(ground.world));
    }

    pub(super) fn changes(&mut self, sink: &mut dyn FnMut(u64, Option<&Entry>)) {
        for number in std::mem::take(&mut self.changed) {
            sink(number, self.entries.get(&number));
        }
    }

    pub(super) fn restore(&mut self, number: u64, entry: Entry) {
        self.last = self.last.max(number);
        self.entries.insert(number, entry);
        self.index(number);
        self.changed.remove(&number);
    }
}

impl Incidents {
    /// It only follows from something else that the same pod waits for, which is told.
    fn is_shadowed(&self, number: u64) -> bool {
        let Some(entry) = self.entries.get(&number) else { return false };
        entry.judgement.rank == catalogue::Role::Symptom
            && self.entries.iter().any(|(other, it)| {
                *other != number
                    && it.is_live()
                    && it.judgement.rank == catalogue::Role::Cause
                    && it
                        .members
                        .iter()
                        .any(|member| entry.members.iter().any(|my| my.key == member.key))
            })
    }
}

/// It may be told at all: not a wrapper, not a symptom of something that is told anyway, not what is
/// explained only when asked.
pub(super) fn can_open(entry: &Entry) -> bool {
    let is_told = entry.node_key.as_deref().is_none_or(|key| key == silence::KUBELET)
        || fault::is_promoted(entry);
    entry.judgement.rank != catalogue::Role::Benign
        && (is_told || entry.judgement.cause.id != judging::UNCLASSIFIED)
}

impl Trigger {
    /// The text that is judged.
    pub(super) fn message(&self) -> &str {
        let attempt = self.attempt.as_ref().map(|attempt| attempt.failure.message.as_str());
        attempt
            .or_else(|| self.moment.as_ref().map(|moment| moment.evidence.text.as_str()))
            .unwrap_or_default()
    }
}
