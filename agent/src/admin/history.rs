//! What the page tells of the past: a day in quarters of an hour, the turns of each incident, the
//! node's checks. Owns their bounds. The day is part of the durable state; the rest begins anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    diagnosis::{Check, CheckStatus, StateChange},
    incident::{Incident, State},
    limits,
    node::{DiskRole, View},
    source::Micros,
};

/// Length of one part of the day.
pub const QUARTER: Micros = 15 * 60 * 1_000_000;

/// The last 24 hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    quarters: BTreeMap<Micros, Quarter>,
    /// Whose counts are newer than what is durable.
    changed: BTreeSet<Micros>,
    /// No longer told, and still durable.
    gone: BTreeSet<Micros>,
}

/// A quarter of an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quarter {
    /// Failed attempts.
    pub failed: u32,
    /// Attempts that went well.
    pub worked: u32,
    /// Incidents that began.
    pub opened: u32,
    /// Incidents that were proven fixed.
    pub resolved: u32,
    /// What the looks at the node saw at worst, in thousandths that were free, by filesystem.
    pub free: Vec<(DiskRole, Free)>,
    /// Looks that found the pod network ready, and not ready.
    pub network: (u32, u32),
}

/// The least that was free of a filesystem, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Free {
    /// Of its bytes.
    pub bytes: u16,
    /// Of its inodes, where their number is fixed.
    pub inodes: Option<u16>,
}

/// Free of all in thousandths.
#[must_use]
pub fn thousandths(free: u64, total: u64) -> Option<u16> {
    let share = u128::from(free) * 1000 / u128::from(Some(total).filter(|total| *total > 0)?);
    Some(u16::try_from(share).unwrap_or(1000).min(1000))
}

impl Day {
    /// A failed attempt.
    pub fn failed(&mut self, at: Micros) {
        self.at(at, |quarter| quarter.failed = quarter.failed.saturating_add(1));
    }

    /// An attempt that went well.
    pub fn worked(&mut self, at: Micros) {
        self.at(at, |quarter| quarter.worked = quarter.worked.saturating_add(1));
    }

    /// An incident began.
    pub fn opened(&mut self, at: Micros) {
        self.at(at, |quarter| quarter.opened = quarter.opened.saturating_add(1));
    }

    /// An incident was proven fixed.
    pub fn resolved(&mut self, at: Micros) {
        self.at(at, |quarter| quarter.resolved = quarter.resolved.saturating_add(1));
    }

    /// A look at the node.
    pub fn looked(&mut self, at: Micros, view: &View) {
        let begin = begin_of(at);
        let is_new = !self.quarters.contains_key(&begin);
        let is_marked = self.changed.contains(&begin);
        self.at(at, |quarter| {
            for disk in &view.disks {
                let Some(bytes) = thousandths(disk.free_bytes, disk.total_bytes) else { continue };
                let inodes = disk.inodes_free.zip(disk.inodes_total);
                let inodes = inodes.and_then(|(free, total)| thousandths(free, total));
                let seen = Free { bytes, inodes };
                match quarter.free.iter_mut().find(|(role, _)| *role == disk.role) {
                    Some((_, free)) => {
                        free.bytes = free.bytes.min(bytes);
                        free.inodes = free.inodes.into_iter().chain(inodes).min();
                    }
                    None => quarter.free.push((disk.role, seen)),
                }
            }
            if let Some(cni) = &view.cni {
                let (ready, not_ready) = &mut quarter.network;
                let count = if cni.ready { ready } else { not_ready };
                *count = count.saturating_add(1);
            }
        });
        // A look alone is no reason to write: what the last ones saw is written with the next.
        if is_new {
            let before = self.quarters.range(..begin).next_back().map(|(before, _)| *before);
            self.changed.extend(before);
        } else if !is_marked {
            self.changed.remove(&begin);
        }
    }

    fn at(&mut self, at: Micros, change: impl FnOnce(&mut Quarter)) {
        let begin = begin_of(at);
        change(self.quarters.entry(begin).or_default());
        self.changed.insert(begin);
        if self.quarters.len() > limits::HISTORY_QUARTERS
            && let Some((oldest, _)) = self.quarters.pop_first()
        {
            self.changed.remove(&oldest);
            self.gone.insert(oldest);
        }
    }

    /// Those that began within a day before `now`, oldest first.
    pub fn until(&self, now: Micros) -> impl Iterator<Item = (Micros, &Quarter)> {
        let begin = first(now);
        self.quarters.range(begin..=now.max(begin)).map(|(at, quarter)| (*at, quarter))
    }

    /// What is to become durable. What is older than a day goes, and so does what claims to come from
    /// the future: a clock that was set back leaves it behind.
    pub fn changes(&mut self, now: Micros, keep: &mut dyn FnMut(StateChange)) {
        let (begin, end) = (first(now), now.saturating_add(QUARTER));
        let is_told = |at: &Micros| (begin..=end).contains(at);
        for at in self.quarters.keys().filter(|at| !is_told(at)) {
            self.gone.insert(*at);
        }
        self.quarters.retain(|at, _| is_told(at));
        for at in std::mem::take(&mut self.changed) {
            let value = self.quarters.get(&at).and_then(|it| postcard::to_stdvec(it).ok());
            if value.is_some() {
                keep((at.to_be_bytes().to_vec(), value));
            }
        }
        for at in std::mem::take(&mut self.gone) {
            keep((at.to_be_bytes().to_vec(), None));
        }
    }

    /// Goes on with an earlier run's. What cannot be read, as of another release, is let go.
    pub fn restore<'s>(&mut self, entries: impl Iterator<Item = (&'s [u8], &'s [u8])>) {
        for (key, value) in entries {
            let Ok(at) = <[u8; 8]>::try_from(key).map(Micros::from_be_bytes) else { continue };
            match postcard::from_bytes(value) {
                Ok(quarter) => drop(self.quarters.insert(at, quarter)),
                Err(_) => drop(self.gone.insert(at)),
            }
        }
    }
}

const fn begin_of(at: Micros) -> Micros {
    at.div_euclid(QUARTER) * QUARTER
}

/// Where the day that ends now begins.
fn first(now: Micros) -> Micros {
    let quarters = Micros::try_from(limits::HISTORY_QUARTERS).unwrap_or(97) - 1;
    now.div_euclid(QUARTER).saturating_sub(quarters) * QUARTER
}

/// An incident changed its state or climbed a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Turn {
    /// When, by the lines.
    pub at: Micros,
    /// To what.
    pub state: State,
    /// How many rungs were proven.
    pub rung: u8,
    /// Failed attempts by then.
    pub attempts: u64,
}

/// A check that turned out otherwise than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// When.
    pub at: Micros,
    /// What came of it.
    pub check: Check,
}

/// What happened to incidents and checks since the agent began.
#[derive(Clone, Debug, Default)]
pub struct Past {
    turns: BTreeMap<String, VecDeque<Turn>>,
    checks: VecDeque<Checked>,
}

impl Past {
    /// An incident as it is after a change.
    pub fn incident(&mut self, incident: &Incident, at: Micros) {
        let turn =
            Turn { at, state: incident.state, rung: incident.rung, attempts: incident.attempts };
        let is_known = self.turns.contains_key(&incident.id);
        if !is_known && self.turns.len() >= limits::HISTORY_INCIDENTS {
            self.forget_one();
        }
        let turns = self.turns.entry(incident.id.clone()).or_default();
        let is_same = |last: &Turn| (last.state, last.rung) == (turn.state, turn.rung);
        if turns.back().is_some_and(is_same) {
            return;
        }
        turns.push_back(turn);
        // The first one tells how it began.
        if turns.len() > limits::HISTORY_TURNS {
            turns.remove(1);
        }
    }

    /// The one that was quiet for longest.
    fn forget_one(&mut self) {
        let newest = |turns: &VecDeque<Turn>| turns.back().map_or(0, |turn| turn.at);
        let quietest = self.turns.iter().min_by_key(|(_, turns)| newest(turns));
        if let Some(id) = quietest.map(|(id, _)| id.clone()) {
            self.turns.remove(&id);
        }
    }

    /// What a check came to: kept where it is news.
    pub fn checked(&mut self, check: &Check, at: Micros) {
        let last = self.checks.iter().rev().find(|it| it.check.name == check.name);
        let is_news = last.is_none_or(|last| {
            (last.check.status, &last.check.text) != (check.status, &check.text)
        });
        if is_news {
            self.checks.push_back(Checked { at, check: check.clone() });
        }
        if self.checks.len() > limits::HISTORY_CHECKS {
            self.checks.pop_front();
        }
    }

    /// Of one incident, oldest first.
    pub fn turns(&self, id: &str) -> impl Iterator<Item = &Turn> {
        self.turns.get(id).into_iter().flatten()
    }

    /// Newest first.
    pub fn checks(&self) -> impl Iterator<Item = &Checked> {
        self.checks.iter().rev()
    }
}

/// As records say it.
#[must_use]
pub const fn status_word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Ok => "ok",
        CheckStatus::Degraded => "degraded",
        CheckStatus::Failed => "failed",
        CheckStatus::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests;
