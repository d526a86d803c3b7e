//! What waits in memory while the state folder does not work, bounded; written back as one
//! transaction once it does.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    Dropped, Entry, Limits, Stored,
    commit::Each,
    disk::{self, Write, signal_of},
};
use crate::{limits, record::Signal, source::Position};

/// What the file does not have yet.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    records: BTreeMap<u64, Entry>,
    bytes: Each<u64>,
    /// Records below may be in the file too: the commit that failed may have got through.
    boundary: u64,
    positions: BTreeMap<String, Position>,
    /// `None` deletes a key that the file has.
    state: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Delivered or refused since; numbers of records in the file, so as bounded as it is.
    removed: BTreeSet<u64>,
    dropped: Each<Option<Dropped>>,
    reported: Each<u64>,
}

impl Overlay {
    pub(super) fn above(boundary: u64) -> Self {
        Self { boundary, ..Self::default() }
    }

    /// Takes in what could not be written and says what had to go to make room.
    pub(super) fn absorb(
        &mut self,
        write: Write,
        known: &HashSet<Vec<u8>>,
        limits: Limits,
    ) -> Option<Dropped> {
        self.remove(write.removed);
        for position in write.positions {
            self.positions.insert(position.source.clone(), position);
        }
        for (key, value) in write.state {
            if value.is_some() || known.contains(&key) {
                self.state.insert(key, value);
            } else {
                self.state.remove(&key);
            }
        }
        for (seq, entry) in write.records {
            *self.bytes.of_mut(signal_of(seq)) += size(&entry);
            self.records.insert(seq, entry);
        }
        let mut all = None;
        for (signal, bound) in [
            (Signal::Logs, limits.memory_bytes),
            (Signal::Traces, limits.memory_bytes.min(limits::OUTBOX_SPAN_MEMORY_BYTES)),
        ] {
            *self.reported.of_mut(signal) += write.reported.of(signal);
            let mut dropped = None;
            while *self.bytes.of(signal) > bound {
                let Some(entry) = self.least(signal) else { break };
                *self.bytes.of_mut(signal) -= size(&entry);
                dropped = Dropped::join(dropped, Some(Dropped::one(entry.time)));
            }
            *self.dropped.of_mut(signal) = Dropped::join(*self.dropped.of(signal), dropped);
            all = Dropped::join(all, dropped);
        }
        all
    }

    /// How far sources were read that the file does not know of.
    pub(super) fn positions(&self) -> impl Iterator<Item = Position> {
        self.positions.values().cloned()
    }

    /// Takes out the oldest record of the lowest worth.
    fn least(&mut self, signal: Signal) -> Option<Entry> {
        let of_signal = self.records.iter().filter(|(seq, _)| signal_of(**seq) == signal);
        let (seq, _) = of_signal.min_by_key(|(seq, entry)| (entry.worth, **seq))?;
        let seq = *seq;
        if seq < self.boundary {
            self.removed.insert(seq);
        }
        self.records.remove(&seq)
    }

    pub(super) fn remove(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            if let Some(entry) = self.records.remove(&seq) {
                *self.bytes.of_mut(signal_of(seq)) -= size(&entry);
            }
            if seq < self.boundary {
                self.removed.insert(seq);
            }
        }
    }

    /// Whether the file's record of this number no longer counts.
    pub(super) fn hides(&self, seq: u64) -> bool {
        self.removed.contains(&seq) || self.records.contains_key(&seq)
    }

    pub(super) fn position(&self, source: &str) -> Option<Position> {
        self.positions.get(source).cloned()
    }

    /// Calls `each` for the records after `after` until it says stop.
    pub(super) fn fetch(&self, signal: Signal, after: u64, each: &mut dyn FnMut(Stored) -> bool) {
        let all = self.records.range(after.saturating_add(1)..);
        for (seq, entry) in all.filter(|(seq, _)| signal_of(**seq) == signal) {
            let stored = Stored { seq: *seq, time: entry.time, bytes: entry.bytes.clone() };
            if !each(stored) {
                return;
            }
        }
    }

    pub(super) fn unreported(&self, signal: Signal, on_disk: Option<Dropped>) -> Option<Dropped> {
        let all = Dropped::join(on_disk, *self.dropped.of(signal));
        Dropped::untold(all, *self.reported.of(signal))
    }

    pub(super) fn len(&self, signal: Signal) -> u64 {
        disk::count(signal, self.records.keys())
    }

    pub(super) fn bytes(&self, signal: Signal) -> u64 {
        *self.bytes.of(signal)
    }

    pub(super) fn removals(&self, signal: Signal) -> u64 {
        disk::count(signal, &self.removed)
    }

    /// Everything that the file lacks, as one write. Copied, because the write may fail again.
    pub(super) fn to_write(&self, next: u64) -> Write {
        Write {
            records: self.records.iter().map(|(seq, entry)| (*seq, entry.clone())).collect(),
            positions: self.positions.values().cloned().collect(),
            state: self.state.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            removed: self.removed.iter().copied().collect(),
            reported: self.reported,
            dropped: self.dropped,
            next,
            replaces_state: false,
        }
    }
}

fn size(entry: &Entry) -> u64 {
    disk::size(&entry.bytes)
}
