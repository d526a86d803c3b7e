//! Brings entries to where they stand now: opens, climbs, ends, tells, sets timers, and follows to
//! whoever changes with them. Owns the order of these steps; each rule has its own room.

use std::collections::BTreeMap;

use super::{
    Ground, Incidents, OVERFLOW, asked,
    telling::{fixed_by, tell},
};
use crate::{
    catalogue,
    diagnosis::{
        Output, controls,
        incident::{Entry, Member},
        judging,
        key::Family,
        recovery::{Ladder, TOP},
        root::fault,
        silence,
    },
    incident::State,
    limits,
    observation::time,
    source::Micros,
};

impl Incidents {
    /// Brings one entry to where it stands now, and then whoever changes with it.
    pub(in crate::diagnosis) fn settle(
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
        self.say_fold(number);
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
        if entry.opened.is_none() && !entry.opens(is_shadowed, now, (ground, &mut dues)) {
            self.remove(number);
            return;
        }
        if entry.opened.is_some() {
            if !entry.lives(now, heard, (ground, &mut dues)) {
                self.remove(number);
                return;
            }
            tell(entry, now, ground, out);
            if entry.is_live() && entry.state != State::Stale {
                dues.push(entry.announced.saturating_add(time::micros(settings.announce_every)));
                dues.extend(entry.reminder_at(settings));
            }
            self.expect(number, now);
        }
        self.set_due(number, dues.into_iter().filter(|due| *due > now).min());
    }

    pub(super) fn set_due(&mut self, number: u64, due: Option<Micros>) {
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
    /// healed is shown. Who asks is shown what is doubtful, too.
    pub(in crate::diagnosis) fn finish(
        &mut self,
        (now, is_asked): (Micros, bool),
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let mut doubts = BTreeMap::new();
        if is_asked {
            doubts = self.ask(now, ground, out);
        }
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
            {
                let settings = &ground.settings.recovery;
                entry.climb(now, ground.world, settings);
                let doubt = doubts.remove(&number);
                let is_open = !entry.is_healed() && !entry.is_starting();
                let opens = is_open
                    && if is_asked {
                        asked::opens(entry, now, settings, doubt)
                    } else {
                        let is_early = matches!(entry.family, Family::Ready | Family::Inside);
                        can_open(entry) && !is_early && entry.is_told_enough()
                    };
                if opens {
                    entry.opened = Some(now);
                }
            }
            self.settle(number, now, ground, out);
        }
        if is_asked {
            self.drop_what_others_tell(ground, out);
        }
        out.incidents.extend(self.present(ground.world));
    }

    /// It only follows from something else that the same pod waits for, which is told.
    fn is_shadowed(&self, number: u64) -> bool {
        let Some(entry) = self.entries.get(&number) else { return false };
        if entry.judgement.rank != catalogue::Role::Symptom {
            return false;
        }
        let is_told = |other: &u64| {
            self.entries.get(other).is_some_and(|it| {
                *other != number
                    && it.is_live()
                    && it.judgement.rank == catalogue::Role::Cause
                    && it.node_key.is_some() == entry.node_key.is_some()
            })
        };
        entry.members.iter().any(|member| match self.by_pod.get(&member.key) {
            Some(numbers) => numbers.iter().any(is_told),
            None => member.key.is_empty() && self.of_node.iter().any(is_told),
        })
    }
}

impl Entry {
    /// Whether it is worth an incident by now. False: it healed before it was told, and is forgotten.
    fn opens(
        &mut self,
        is_shadowed: bool,
        now: Micros,
        (ground, dues): (Ground<'_>, &mut Vec<Micros>),
    ) -> bool {
        let settings = &ground.settings.recovery;
        let is_gone = self.members.iter().all(|member| member.gone || member.key.is_empty());
        let has_pods = self.node_key.is_none();
        let is_over = self.is_healed() || (is_gone && has_pods) || went_with_eviction(self, ground);
        // What counts only when it is told again is remembered until then, healed or not.
        let counts_until = self.counts_until();
        if counts_until.map_or(is_over, |until| until <= now) {
            return false;
        }
        dues.extend(counts_until);
        if is_over {
            // Not before it is told again.
            return true;
        }
        if is_shadowed || !can_open(self) {
            // It waits for a better judgement, and is forgotten with the silent ones.
            dues.push(now.saturating_add(time::micros(settings.stale_after)));
            return now.saturating_sub(self.failed) < time::micros(settings.stale_after);
        }
        let opens = self.opens_at(settings, ground.world);
        if opens <= now {
            self.opened = Some(now);
        } else if opens < Micros::MAX {
            dues.push(opens);
        }
        true
    }

    /// Its state by now, and when that is due to change. False: it ended long ago, and is forgotten.
    fn lives(
        &mut self,
        now: Micros,
        heard: Micros,
        (ground, dues): (Ground<'_>, &mut Vec<Micros>),
    ) -> bool {
        let settings = &ground.settings.recovery;
        let was_resolved = self.state == State::Resolved;
        self.advance(now, settings, heard);
        if self.state == State::Resolved && !was_resolved {
            self.fixed_by = fixed_by(self, ground);
        }
        let is_gone = self.members.iter().all(|member| member.gone);
        if self.state == State::Superseded && is_gone && self.successor.is_none() {
            self.successor = controls::successor(self, ground.world);
            if let Some(name) = &self.successor {
                let note = self.note.take().map(|note| format!("{note}; ")).unwrap_or_default();
                self.note = Some(format!("{note}pod {name} of the same owner took its place"));
            }
        }
        if self.is_live() && self.state != State::Stale {
            // One that flaps in silence waits for the end of its window, not for the next moment.
            dues.push(self.silent_at(settings, heard));
        }
        let flap_end = self.failed.saturating_add(time::micros(settings.flap_window));
        if self.state == State::Flapping && flap_end > now {
            dues.push(flap_end);
        }
        let Some(ended) = self.ended else { return true };
        let forget = ended.saturating_add(time::micros(settings.flap_window));
        dues.push(forget);
        forget > now
    }
}

/// Words about the node that are told although nobody knows why it is so.
const TOLD_WITHOUT_CAUSE: [&str; 3] = [silence::KUBELET, OVERFLOW, "paused"];

/// It may be told at all: not a wrapper, not a symptom of something that is told anyway, not what is
/// explained only when asked.
pub(in crate::diagnosis) fn can_open(entry: &Entry) -> bool {
    let is_told = entry.node_key.as_deref().is_none_or(|key| TOLD_WITHOUT_CAUSE.contains(&key))
        || fault::is_promoted(entry);
    entry.judgement.rank != catalogue::Role::Benign
        && (is_told || entry.judgement.cause.id != judging::UNCLASSIFIED)
}

/// What a pod's containers and sandbox are told to end of, a moment before the word that it was
/// evicted or had to make room: that is told, and this is how it went.
fn went_with_eviction(entry: &Entry, ground: Ground<'_>) -> bool {
    let of_end = matches!(entry.family, Family::Run | Family::Sandbox | Family::Ready);
    let is_evicted = |member: &Member| {
        let pod = ground.world.pod(&member.pod_key());
        let at = pod.and_then(|pod| pod.sent_away()?.at);
        at.is_some_and(|at| member.last_seen >= at.saturating_sub(EVICTION))
    };
    of_end
        && entry.trigger.attempt.is_none()
        && !entry.members.is_empty()
        && entry.members.iter().all(is_evicted)
}

/// A pod that is evicted ends within its grace period.
const EVICTION: Micros = 120_000_000;

/// The ladder of what is found by its key, not by its cause.
pub(super) fn ladder_of(node_key: Option<&str>) -> Option<Ladder> {
    match node_key? {
        silence::KUBELET | "paused" => Some(Ladder::NodeRuntime),
        OVERFLOW => Some(Ladder::NodeMembers),
        _ => None,
    }
}
