//! The lines of one failed attempt become one failure (log-grammar §7, G51–G53, G55).
//!
//! The authoritative line is concluded at once with what came before it. Other lines wait 2 s of
//! event time for it; then they are a failure of their own where they report one for a known pod,
//! else they vanish. The kubelet's companions always stand before their line; the runtime's journal
//! may come late, so its lines also join a failure that has just been told.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    attempt::{Attempt, ids_agree, names_pod, says_the_same},
    identities::{Identities, agrees, fill},
};
use crate::{
    limits,
    observation::{Observation, WriterComponent},
    source::Micros,
};

/// The lines of one attempt lie within about this (log-grammar §7).
const WINDOW: Micros = 2_000_000;

/// A line that waits for its authoritative line.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Waiting {
    due: Micros,
    line: Observation,
}

/// A failure that was told, for lines that come late.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Told {
    due: Micros,
    attempt: Attempt,
}

/// What became of the lines that are not authoritative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Companions {
    /// Joined the failure of another line.
    pub joined: u64,
    /// Became a failure of their own.
    pub told: u64,
    /// Nothing in them without their authoritative line.
    pub vanished: u64,
    /// Concluded before their time to keep the bound.
    pub hurried: u64,
}

/// What is held: keys are a running number, so the first is the oldest and due first.
#[derive(Debug, Default)]
pub(super) struct Collapse {
    waiting: BTreeMap<u64, Waiting>,
    told: BTreeMap<u64, Told>,
    pub(super) last: u64,
    changed: BTreeSet<u64>,
    pub(super) companions: Companions,
}

impl Collapse {
    /// An authoritative line: its failures, at once.
    pub(super) fn conclude(
        &mut self,
        now: Micros,
        line: &Observation,
        identities: &Identities,
    ) -> Vec<Attempt> {
        let companions = self.take_companions(line);
        self.companions.joined += companions.len() as u64;
        let attempts = Attempt::all(line, &companions, identities);
        for attempt in &attempts {
            self.last += 1;
            let told = Told { due: now.saturating_add(WINDOW), attempt: attempt.clone() };
            self.told.insert(self.last, told);
            self.changed.insert(self.last);
        }
        while self.told.len() > limits::RECENT {
            self.forget_oldest_told();
        }
        attempts
    }

    /// A line that belongs to another: it waits, unless it comes late. Returns what had to be
    /// concluded to keep the bound.
    pub(super) fn hold(
        &mut self,
        now: Micros,
        line: Observation,
        identities: &Identities,
    ) -> Vec<Attempt> {
        if self.comes_late(&line) {
            self.companions.joined += 1;
            return Vec::new();
        }
        self.last += 1;
        self.waiting.insert(self.last, Waiting { due: now.saturating_add(WINDOW), line });
        self.changed.insert(self.last);
        if self.waiting.len() > limits::PENDING {
            self.companions.hurried += 1;
            return self.give_up_oldest(identities);
        }
        Vec::new()
    }

    /// When the oldest line or memory is due.
    pub(super) fn next_due(&self) -> Option<Micros> {
        let waiting = self.waiting.first_key_value().map(|(_, waiting)| waiting.due);
        let told = self.told.first_key_value().map(|(_, told)| told.due);
        waiting.into_iter().chain(told).min()
    }

    /// Concludes the one thing that is due first, at or before `now`.
    pub(super) fn fire(&mut self, now: Micros, identities: &Identities) -> Vec<Attempt> {
        let told = self.told.first_key_value().map(|(_, told)| told.due);
        match self.waiting.first_key_value().map(|(_, waiting)| waiting.due) {
            Some(due) if due <= now && told.is_none_or(|told| due <= told) => {
                self.give_up_oldest(identities)
            }
            _ => {
                if told.is_some_and(|due| due <= now) {
                    self.forget_oldest_told();
                }
                Vec::new()
            }
        }
    }

    /// Removes and returns the waiting lines of the attempt that `line` tells of. Ids that one of
    /// them brings may tie another, so it looks until nothing more comes.
    fn take_companions(&mut self, line: &Observation) -> Vec<Observation> {
        let mut whole = line.clone();
        let mut taken = BTreeMap::new();
        for _ in 0..3 {
            let found: Vec<u64> = self
                .waiting
                .iter()
                .filter(|(_, waiting)| belongs(&waiting.line, &whole))
                .map(|(&number, _)| number)
                .collect();
            if found.is_empty() {
                break;
            }
            for number in found {
                let Some(waiting) = self.waiting.remove(&number) else { continue };
                self.changed.insert(number);
                let brought = &waiting.line.details;
                if names_pod(&waiting.line.pod) {
                    fill(&mut whole.details.sandbox_id, brought.sandbox_id.as_ref());
                    fill(&mut whole.details.container_id, brought.container_id.as_ref());
                }
                taken.insert(number, waiting.line);
            }
        }
        taken.into_values().collect()
    }

    /// The runtime's line about a failure that the kubelet has just told.
    fn comes_late(&self, line: &Observation) -> bool {
        line.writer.component != WriterComponent::Kubelet
            && self.told.values().any(|told| {
                let attempt = &told.attempt;
                attempt.writer.component != line.writer.component
                    && attempt.at.abs_diff(line.at) <= WINDOW.unsigned_abs()
                    && agrees(&attempt.pod, &line.pod)
                    && ids_agree(&attempt.details, &line.details)
                    && says_the_same(&attempt.failure.message, line)
            })
    }

    /// The oldest waiting line hands what it knows to a later line of its attempt, or is concluded.
    fn give_up_oldest(&mut self, identities: &Identities) -> Vec<Attempt> {
        let Some((number, Waiting { line, .. })) = self.waiting.pop_first() else {
            return Vec::new();
        };
        self.changed.insert(number);
        let heir = self
            .waiting
            .iter()
            .find(|(_, waiting)| belongs(&line, &waiting.line) || belongs(&waiting.line, &line))
            .map(|(&number, _)| number);
        if let Some(heir) = heir
            && let Some(waiting) = self.waiting.get_mut(&heir)
        {
            inherit(&mut waiting.line, line);
            self.changed.insert(heir);
            self.companions.joined += 1;
            return Vec::new();
        }
        if line.failures.is_empty() || !names_pod(&line.pod) {
            self.companions.vanished += 1;
            return Vec::new();
        }
        self.companions.told += 1;
        Attempt::all(&line, &[], identities)
    }

    fn forget_oldest_told(&mut self) {
        if let Some((number, _)) = self.told.pop_first() {
            self.changed.insert(number);
        }
    }

    /// Hands on what changed; `None` means gone.
    pub(super) fn changes(&mut self, sink: &mut dyn FnMut(u64, Option<Held<'_>>)) {
        for number in std::mem::take(&mut self.changed) {
            let held = (self.waiting.get(&number).map(Held::Waiting))
                .or_else(|| self.told.get(&number).map(Held::Told));
            sink(number, held);
        }
    }

    pub(super) fn restore_waiting(&mut self, number: u64, waiting: Waiting) {
        self.last = self.last.max(number);
        self.waiting.insert(number, waiting);
    }

    pub(super) fn restore_told(&mut self, number: u64, told: Told) {
        self.last = self.last.max(number);
        self.told.insert(number, told);
    }
}

/// One thing that is held.
#[derive(Debug)]
pub(super) enum Held<'a> {
    Waiting(&'a Waiting),
    Told(&'a Told),
}

/// `line` is of the attempt that `whole` tells of: near in time, and tied by pod, by id, or, where
/// it names neither, by the same words.
fn belongs(line: &Observation, whole: &Observation) -> bool {
    let is_near = line.at.abs_diff(whole.at) <= WINDOW.unsigned_abs();
    if !is_near || !agrees(&line.pod, &whole.pod) || !steps_fit(line, whole) {
        return false;
    }
    if shares_name(line, whole) {
        return true;
    }
    let (mine, theirs) = (&line.details, &whole.details);
    let shares_id = [
        (&mine.container_id, &theirs.container_id),
        (&mine.sandbox_id, &theirs.sandbox_id),
        (&mine.request, &theirs.request),
    ]
    .into_iter()
    .any(|(mine, theirs)| mine.is_some() && mine == theirs);
    shares_id
        || (ids_agree(mine, theirs)
            && (whole.failures.iter().any(|failure| says_the_same(&failure.message, line))
                || whole.error.as_ref().is_some_and(|error| says_the_same(error, line))))
}

/// A pod can fail at two steps within the window: a line that reports a step of its own belongs to
/// that step.
fn steps_fit(line: &Observation, whole: &Observation) -> bool {
    line.failures.is_empty()
        || whole.failures.is_empty()
        || line.failures.iter().any(|mine| {
            whole
                .failures
                .iter()
                .any(|theirs| mine.step == theirs.step || says_the_same(&theirs.message, line))
        })
}

/// Both name the same pod.
fn shares_name(one: &Observation, other: &Observation) -> bool {
    let (one, other) = (&one.pod, &other.pod);
    (one.uid.is_some() && one.uid == other.uid)
        || (one.name.is_some() && one.name == other.name && one.namespace == other.namespace)
}

fn inherit(heir: &mut Observation, from: Observation) {
    if agrees(&heir.pod, &from.pod) {
        fill(&mut heir.pod.uid, from.pod.uid.as_ref());
        fill(&mut heir.pod.namespace, from.pod.namespace.as_ref());
        fill(&mut heir.pod.name, from.pod.name.as_ref());
    }
    fill(&mut heir.container, from.container.as_ref());
    fill(&mut heir.error, from.error.as_ref());
    let (mine, theirs) = (&mut heir.details, from.details);
    fill(&mut mine.container_id, theirs.container_id.as_ref());
    fill(&mut mine.sandbox_id, theirs.sandbox_id.as_ref());
    fill(&mut mine.image, theirs.image.as_ref());
    fill(&mut mine.volume, theirs.volume.as_ref());
    fill(&mut mine.exit_code, theirs.exit_code.as_ref());
    if heir.failures.is_empty() {
        heir.failures = from.failures;
    }
}
