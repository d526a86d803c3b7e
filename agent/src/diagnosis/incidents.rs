//! All incidents and the failures that may become one: finds the one that a failure belongs to,
//! tells each change once, keeps the bound, survives restarts. Owns no rule of a single incident
//! (`incident`), of causes (`cause`) or of proof (`recovery`).

mod asked;
mod failing;
mod healing;
mod inside;
mod overflow;
mod settling;
mod telling;
mod twins;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(super) use self::{
    overflow::{Counts, Fold, Folded, OVERFLOW},
    settling::can_open,
};
use super::{
    Output, Settings,
    build::Surroundings,
    case::Around,
    controls,
    coverage::Blind,
    incident::{Entry, Trigger},
    judging, key,
    recovery::Ladder,
    root::fault,
    silence::Silence,
    world::{PodKey, World},
};
use crate::{
    catalogue::Catalogue,
    incident::{Incident, State},
    limits,
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
    pub(super) by_id: BTreeMap<[u8; 16], u64>,
    /// Those of the node, and evictions, which what happens to the node is about too.
    pub(super) of_node: BTreeSet<u64>,
    /// By cause, where it can be one of the node.
    by_cause: BTreeMap<String, BTreeSet<u64>>,
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
    /// Failures without a place of their own: told by one incident of the node.
    pub(super) fold: Fold,
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

    /// Adds an entry. Beyond the bound, what ended first goes; if none has ended, it comes back. A
    /// fault of the node still finds a place: it tells more than what it hits.
    pub(super) fn add(&mut self, entry: Entry) -> Result<u64, Box<Entry>> {
        let reserve = if entry.node_key.is_some() { limits::INCIDENTS_OF_NODE } else { 0 };
        if self.entries.len() >= limits::INCIDENTS + reserve {
            let ended = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.ended.is_some() || entry.state == State::Stale)
                .min_by_key(|(_, entry)| entry.ended.unwrap_or(entry.failed))
                .map(|(&number, _)| number);
            let Some(ended) = ended else { return Err(Box::new(entry)) };
            self.remove(ended);
        }
        Ok(self.insert(entry))
    }

    fn insert(&mut self, entry: Entry) -> u64 {
        self.last += 1;
        let number = self.last;
        self.entries.insert(number, entry);
        self.index(number);
        number
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
        self.by_id.insert(entry.id, number);
        if entry.is_of_node() {
            self.of_node.insert(number);
        }
        if let Some(cause) = entry.shared_cause() {
            self.by_cause.entry(cause.to_owned()).or_default().insert(number);
        }
        self.changed.insert(number);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Entry> {
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
        // Another one may have taken its id over: the same fault, told again within a microsecond.
        if self.by_id.get(&entry.id) == Some(&number) {
            self.by_id.remove(&entry.id);
        }
        self.of_node.remove(&number);
        self.forget_cause(number, entry.shared_cause());
        if entry.node_key.as_deref() == Some(OVERFLOW) {
            self.forget_fold();
        }
        self.changed.insert(number);
        Some(entry)
    }

    fn forget_cause(&mut self, number: u64, cause: Option<&str>) {
        let Some(cause) = cause else { return };
        let Some(numbers) = self.by_cause.get_mut(cause) else { return };
        numbers.remove(&number);
        if numbers.is_empty() {
            self.by_cause.remove(cause);
        }
    }

    /// When the next of them is due.
    pub(super) fn next_due(&self) -> Option<Micros> {
        let dues = self.dues.first().map(|(due, _)| *due);
        dues.into_iter().chain(self.silence.next_due()).chain(self.fold.next_due()).min()
    }

    /// Fires what is due first, at or before `now`.
    pub(super) fn fire(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let first = self.dues.first().map_or(Micros::MAX, |(due, _)| *due);
        let silent = self.silence.next_due().unwrap_or(Micros::MAX);
        if self.fold.next_due().is_some_and(|due| due <= now && due < first.min(silent)) {
            self.fire_fold(now);
            return;
        }
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

    /// Judges the entry anew, and those whose cause others have now, too. What changed is told by
    /// `settle`.
    pub(super) fn judge(&mut self, number: u64, ground: Ground<'_>) {
        self.judge_one(number, ground);
        let Some(others) = self.others_with_its_cause(number) else { return };
        for other in others {
            let is_news = self.entries.get(&other).is_some_and(|entry| !entry.with_others);
            if !is_news {
                continue;
            }
            if let Some(entry) = self.entries.get_mut(&other) {
                entry.with_others = true;
            }
            self.judge_one(other, ground);
            self.pending.insert(other);
        }
    }

    fn judge_one(&mut self, number: u64, ground: Ground<'_>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let before = entry.shared_cause().map(str::to_owned);
        let around = Around {
            same_on_other_owner: (entry.with_others || fault::is_promoted(entry)).then_some(true),
            passed_elsewhere: controls::passed_elsewhere(entry, ground.world),
            is_older: controls::passed_since(entry, ground.world),
            ..Around::default()
        };
        judging::judge(entry, around, ground);
        let judged = &entry.judgement;
        let ladder = Ladder::of(
            entry.family,
            &judged.cause.class,
            &judged.cause.id,
            entry.reason.as_deref(),
        );
        entry.ladder = match ladder {
            Ladder::NodeOther if fault::is_promoted(entry) => Ladder::NodeMembers,
            _ => settling::ladder_of(entry.node_key.as_deref()).unwrap_or(ladder),
        };
        let message = entry.trigger.message();
        entry.fingerprint = key::fingerprint(judged, entry.family, message);
        let after = entry.shared_cause().map(str::to_owned);
        if before != after {
            entry.with_others = false;
            self.forget_cause(number, before.as_deref());
            if let Some(cause) = after {
                self.by_cause.entry(cause).or_default().insert(number);
            }
        }
        self.changed.insert(number);
    }

    /// Those that fail for the cause of this one, itself included, where they are of two owners at
    /// least.
    fn others_with_its_cause(&self, number: u64) -> Option<Vec<u64>> {
        // Who knows of others told them, too.
        let entry = self.entries.get(&number).filter(|entry| !entry.with_others)?;
        let numbers = self.by_cause.get(entry.shared_cause()?)?;
        let failing = |number: &&u64| {
            self.entries.get(*number).is_some_and(|entry| {
                entry.is_live() && entry.rung == 0 && entry.state != State::Stale
            })
        };
        let owner = entry.owner()?;
        let is_other = |number: &u64| {
            let other = self.entries.get(number).and_then(Entry::owner);
            other.is_some_and(|other| !is_same_owner(owner, other))
        };
        let has_others = numbers.iter().filter(failing).any(is_other);
        has_others.then(|| numbers.iter().filter(failing).copied().collect())
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

/// One of them may lack its namespace.
fn is_same_owner(one: &str, other: &str) -> bool {
    match (one.split_once('/'), other.split_once('/')) {
        (Some((_, one)), None) => one == other,
        (None, Some((_, other))) => one == other,
        _ => one == other,
    }
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
