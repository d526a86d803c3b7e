//! What waits in memory while the state folder does not work, bounded; written back as one
//! transaction once it does.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    Dropped, Entry, Stored,
    disk::{self, Write},
};
use crate::source::Position;

/// What the file does not have yet.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    records: BTreeMap<u64, Entry>,
    bytes: u64,
    /// Records below may be in the file too: the commit that failed may have got through.
    boundary: u64,
    positions: BTreeMap<String, Position>,
    /// `None` deletes a key that the file has.
    state: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Delivered or refused since; numbers of records in the file, so as bounded as it is.
    removed: BTreeSet<u64>,
    dropped: Option<Dropped>,
    reported: u64,
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
        max_bytes: u64,
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
        self.reported += write.reported;
        for (seq, entry) in write.records {
            self.bytes += size(&entry);
            self.records.insert(seq, entry);
        }
        let mut dropped = None;
        while self.bytes > max_bytes {
            let Some(entry) = self.least() else { break };
            self.bytes -= size(&entry);
            dropped = Dropped::join(dropped, Some(Dropped::one(entry.time)));
        }
        self.dropped = Dropped::join(self.dropped, dropped);
        dropped
    }

    /// Takes out the oldest record of the lowest worth.
    fn least(&mut self) -> Option<Entry> {
        let (seq, _) = self.records.iter().min_by_key(|(seq, entry)| (entry.worth, **seq))?;
        let seq = *seq;
        if seq < self.boundary {
            self.removed.insert(seq);
        }
        self.records.remove(&seq)
    }

    pub(super) fn remove(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            if let Some(entry) = self.records.remove(&seq) {
                self.bytes -= size(&entry);
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
    pub(super) fn fetch(&self, after: u64, each: &mut dyn FnMut(Stored) -> bool) {
        for (seq, entry) in self.records.range(after.saturating_add(1)..) {
            let stored = Stored { seq: *seq, time: entry.time, bytes: entry.bytes.clone() };
            if !each(stored) {
                return;
            }
        }
    }

    pub(super) fn unreported(&self, on_disk: Option<Dropped>) -> Option<Dropped> {
        let all = Dropped::join(on_disk, self.dropped)?;
        let records = all.records.saturating_sub(self.reported);
        (records > 0).then_some(Dropped { records, ..all })
    }

    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.records.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn removals(&self) -> u64 {
        u64::try_from(self.removed.len()).unwrap_or(u64::MAX)
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
