//! Durable state: records, positions and open state, committed in one transaction.
//! Owns the state file, its bound, and the way on when the folder fails: a bounded outbox in
//! memory with positions frozen, which heals by itself. Knows nothing of OTLP or of diagnosis.

mod commit;
mod disk;
mod folder;
mod memory;
mod shadow;
#[cfg(test)]
mod tests;
mod totals;
mod trouble;

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    limits,
    record::{Signal, Worth},
    source::Position,
    wall_clock,
};
use commit::Each;
pub use commit::{Change, Commit, Committed, Dropped, Entry, Start, Stats, Stored, loss};
use disk::{Disk, Write};
use folder::Opener;
use memory::Overlay;
use trouble::Trouble;

/// How much the outbox may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of encoded records on disk.
    pub bytes: u64,
    /// Records on disk; spans, too.
    pub records: u64,
    /// Bytes of encoded spans on disk.
    pub span_bytes: u64,
    /// Bytes of encoded records in memory, while the folder does not work.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: limits::OUTBOX_BYTES,
            records: limits::OUTBOX_RECORDS,
            span_bytes: limits::OUTBOX_SPAN_BYTES,
            memory_bytes: limits::OUTBOX_MEMORY_BYTES,
        }
    }
}

/// Another process has the state file.
#[derive(Debug, thiserror::Error)]
#[error(
    "another process has the outbox {path} open: wait for it to end, or give this agent a state folder of its own"
)]
pub struct InUse {
    path: PathBuf,
}

/// An outbox and how it began.
#[derive(Debug)]
pub struct Opened {
    /// The outbox.
    pub outbox: Outbox,
    /// How it began.
    pub start: Start,
}

/// The outbox. One thread owns it.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    limits: Limits,
    opener: Opener,
    /// Absent while the file cannot be opened; in trouble, only read.
    disk: Option<Disk>,
    /// Keys of the state on disk: a deletion in trouble is remembered only for these.
    known: HashSet<Vec<u8>>,
    /// Whether `disk` (or the file that was lost) holds the state that the engine was restored from.
    rooted: bool,
    /// Set while nothing can be written; holds what waits for the folder.
    degraded: Option<Degraded>,
    /// Acknowledged, not yet deleted.
    acknowledged: BTreeSet<u64>,
    next: u64,
    looked: Instant,
}

#[derive(Debug)]
struct Degraded {
    why: String,
    overlay: Overlay,
    retry_at: Instant,
    wait: Duration,
}

impl Outbox {
    /// Opens the state file in `folder`, repairs or sets it aside; without a working folder the
    /// outbox begins in memory.
    pub fn open(folder: &Path, limits: Limits) -> Result<Opened, InUse> {
        Self::open_with(folder, limits, Opener::default())
    }

    fn open_with(folder: &Path, limits: Limits, opener: Opener) -> Result<Opened, InUse> {
        let now = Instant::now();
        let mut outbox = Self {
            folder: folder.to_owned(),
            limits,
            opener,
            disk: None,
            known: HashSet::new(),
            rooted: false,
            degraded: None,
            acknowledged: BTreeSet::new(),
            next: 1,
            looked: now,
        };
        let start = match outbox.attach() {
            Ok(start) => start,
            Err(Trouble::InUse) => return Err(InUse { path: folder::file(folder) }),
            Err(trouble) => {
                let why = outbox.advice(&trouble);
                outbox.attach_shadow();
                // Above every number that a file found later can hold.
                outbox.next = u64::try_from(wall_clock::now()).unwrap_or(1).max(outbox.next);
                outbox.degrade(why.clone(), now);
                Start::Memory { why }
            }
        };
        Ok(Opened { outbox, start })
    }

    /// How far a source was read.
    pub fn position(&self, source: &str) -> Option<Position> {
        self.degraded
            .as_ref()
            .and_then(|degraded| degraded.overlay.position(source))
            .or_else(|| self.disk.as_ref().and_then(|disk| disk.position(source).ok().flatten()))
    }

    /// How far every source was read.
    pub fn positions(&self) -> Vec<Position> {
        let overlay = self.degraded.as_ref().map(|degraded| &degraded.overlay);
        let newer: Vec<Position> = overlay.into_iter().flat_map(Overlay::positions).collect();
        let is_old = |position: &Position| newer.iter().all(|it| it.source != position.source);
        let mut all = self.durable_positions();
        all.retain(is_old);
        all.extend(newer);
        all
    }

    /// How far every source was read for good.
    pub fn durable_positions(&self) -> Vec<Position> {
        self.disk.as_ref().and_then(|disk| disk.positions().ok()).unwrap_or_default()
    }

    /// The engine's durable state, to restore it from. Read it before the first commit.
    pub fn state(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.disk.as_ref().and_then(|disk| disk.state().ok()).unwrap_or_default()
    }

    /// Makes everything in `commit` durable in one transaction; degrades to memory when the folder
    /// fails.
    pub fn commit(&mut self, commit: Commit) -> Committed {
        let removed: Vec<u64> =
            commit.removed.iter().copied().chain(self.acknowledged.iter().copied()).collect();
        let mut numbered: Vec<(u64, Entry)> =
            commit.records.into_iter().map(|entry| (self.number(entry.worth), entry)).collect();
        for span in commit.spans {
            numbered.push((disk::span_seq(self.place()), span));
        }
        let write = Write {
            records: numbered,
            positions: commit.positions,
            state: commit.state_changes,
            removed,
            reported: Each { logs: commit.reported, traces: commit.reported_spans },
            next: self.next,
            ..Write::default()
        };
        let Some(degraded) = &mut self.degraded else { return self.write(write) };
        self.acknowledged.clear();
        let dropped = degraded.overlay.absorb(write, &self.known, self.limits);
        Committed { dropped, change: None }
    }

    /// Records after `after`, oldest first, at least one when there is one.
    pub fn fetch(&self, after: u64, max_records: usize, max_bytes: usize) -> Vec<Stored> {
        self.fetch_of(Signal::Logs, after, max_records, max_bytes)
    }

    /// The same of either signal.
    pub fn fetch_of(
        &self,
        signal: Signal,
        after: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Vec<Stored> {
        let overlay = self.degraded.as_ref().map(|degraded| &degraded.overlay);
        let gone = |seq: u64| {
            self.acknowledged.contains(&seq) || overlay.is_some_and(|overlay| overlay.hides(seq))
        };
        let mut room = Room { records: max_records, bytes: max_bytes, found: Vec::new() };
        if let Some(disk) = &self.disk {
            // In trouble the file may be unreadable too: what it holds waits for the folder.
            let _unreadable =
                disk.fetch(signal, after, &mut |stored| gone(stored.seq) || room.take(stored));
        }
        if let Some(overlay) = overlay {
            overlay.fetch(signal, after, &mut |stored| {
                self.acknowledged.contains(&stored.seq) || room.take(stored)
            });
        }
        room.found
    }

    /// The backend has these. They are not fetched again; the file forgets them with the next
    /// commit or `maintain`, because a transaction of its own for each answer costs a sync.
    pub fn acknowledge(&mut self, seqs: impl IntoIterator<Item = u64>) {
        self.acknowledged.extend(seqs);
        if self.acknowledged.len() >= limits::OUTBOX_ACKNOWLEDGED {
            self.commit(Commit::default());
        }
    }

    /// What waits of a signal: the numbers, and what their going would be. Nothing is let go by it.
    pub fn all_of(&self, signal: Signal) -> Option<(Vec<u64>, Dropped)> {
        let (mut seqs, mut all) = (Vec::new(), None);
        let mut after = 0;
        loop {
            let part = self.fetch_of(signal, after, usize::MAX, limits::OUTBOX_LOOK_BYTES);
            let Some(last) = part.last() else { break };
            after = last.seq;
            for stored in part {
                seqs.push(stored.seq);
                all = Dropped::join(all, Some(Dropped::one(stored.time)));
            }
        }
        Some((seqs, all?))
    }

    /// Records that were let go and that no loss record has told yet; survives a restart.
    pub fn unreported(&self, signal: Signal) -> Option<Dropped> {
        let on_disk = self.disk.as_ref().and_then(|disk| disk.totals().each.of(signal).dropped);
        match &self.degraded {
            None => on_disk,
            Some(degraded) => degraded.overlay.unreported(signal, on_disk),
        }
    }

    /// Figures for metrics and the page.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        (stats.records, stats.bytes) = self.waiting(Signal::Logs);
        (stats.spans, stats.span_bytes) = self.waiting(Signal::Traces);
        stats.file_bytes = self.disk.as_ref().map_or(0, Disk::file_bytes);
        stats.trouble = self.degraded.as_ref().map(|degraded| degraded.why.clone());
        stats.oldest = self.fetch(0, 1, 1).first().map(|stored| stored.time);
        stats
    }

    /// How many of a signal wait, and their bytes.
    fn waiting(&self, signal: Signal) -> (u64, u64) {
        let (mut records, mut bytes) = (0, 0);
        if let Some(disk) = &self.disk {
            let share = *disk.totals().each.of(signal);
            (records, bytes) = (share.records, share.bytes);
        }
        if let Some(degraded) = &self.degraded {
            records += degraded.overlay.len(signal);
            bytes += degraded.overlay.bytes(signal);
            records = records.saturating_sub(degraded.overlay.removals(signal));
        }
        (records.saturating_sub(disk::count(signal, &self.acknowledged)), bytes)
    }

    /// Is called every second or so: forgets what was acknowledged, notices a folder that was
    /// taken away, tries to heal, and gives space back once drained.
    pub fn maintain(&mut self, now: Instant) -> Option<Change> {
        if let Some(degraded) = &self.degraded {
            if now < degraded.retry_at {
                return None;
            }
            return self.heal(now);
        }
        if !self.acknowledged.is_empty() {
            let change = self.commit(Commit::default()).change;
            if change.is_some() {
                return change;
            }
        }
        if now.duration_since(self.looked) < limits::OUTBOX_LOOK {
            return None;
        }
        self.looked = now;
        if self.disk.as_ref().is_some_and(|disk| !disk.is_in_place()) {
            let why = format!(
                "the state file {} was taken away; records are kept in memory until the folder works",
                folder::file(&self.folder).display()
            );
            return Some(self.degrade(why, now));
        }
        folder::reserve(&self.folder);
        self.compact(now)
    }

    fn number(&mut self, worth: Worth) -> u64 {
        disk::seq(self.place(), worth)
    }

    fn place(&mut self) -> u64 {
        let place = self.next;
        self.next += 1;
        place
    }

    fn write(&mut self, write: Write) -> Committed {
        let now = Instant::now();
        let mut outcome = match &mut self.disk {
            Some(disk) => disk.write(&write, self.limits),
            None => Err(Trouble::Unavailable("the state file is not open".to_owned())),
        };
        if matches!(outcome, Err(Trouble::Full)) && folder::release_reserve(&self.folder) {
            // The handle is dead after a failed write (redb's `PreviousIo`); the file is not.
            self.disk = None;
            outcome = self.attach().and_then(|_| match &mut self.disk {
                Some(disk) => disk.write(&write, self.limits),
                None => Err(Trouble::Full),
            });
            self.attach_shadow();
        }
        match outcome {
            Ok(dropped) => {
                write.note_keys(&mut self.known);
                self.acknowledged.clear();
                Committed { dropped, change: None }
            }
            Err(trouble) => {
                let why = self.advice(&trouble);
                let change = self.degrade(why, now);
                self.acknowledged.clear();
                // A commit that failed may be in the file all the same.
                write.note_additions(&mut self.known);
                let limits = self.limits;
                let dropped = self
                    .degraded
                    .as_mut()
                    .and_then(|degraded| degraded.overlay.absorb(write, &self.known, limits));
                Committed { dropped, change: Some(change) }
            }
        }
    }

    /// Opens the file and takes over what it holds.
    fn attach(&mut self) -> Result<Start, Trouble> {
        let (disk, start) = folder::open(&self.folder, &self.opener)?;
        self.known = disk.keys()?;
        self.next = self.next.max(disk.totals().next);
        self.disk = Some(disk);
        self.rooted = true;
        Ok(start)
    }

    /// Where the file cannot be opened for writing, what it holds can perhaps still be read. The
    /// lock is the writer's: nobody else writes it, because then opening it says so.
    fn attach_shadow(&mut self) {
        if self.disk.is_some() {
            return;
        }
        let Ok(disk) = folder::open_shadow(&self.folder, &self.opener) else { return };
        let Ok(keys) = disk.keys() else { return };
        self.known = keys;
        self.next = self.next.max(disk.totals().next);
        self.disk = Some(disk);
        self.rooted = true;
    }

    fn degrade(&mut self, why: String, now: Instant) -> Change {
        let wait = limits::OUTBOX_HEAL_FIRST;
        let overlay = Overlay::above(disk::seq(self.next, Worth::Repeat));
        self.degraded = Some(Degraded { why: why.clone(), overlay, retry_at: now + wait, wait });
        Change::Degraded { why }
    }

    fn heal(&mut self, now: Instant) -> Option<Change> {
        let mut degraded = self.degraded.take()?;
        degraded.overlay.remove(std::mem::take(&mut self.acknowledged));
        match self.write_back(&degraded.overlay) {
            Ok(moved_to) => Some(Change::Healed { moved_to }),
            Err(trouble) => {
                degraded.why = self.advice(&trouble);
                degraded.wait = (degraded.wait * 2).min(limits::OUTBOX_HEAL_LAST);
                degraded.retry_at = now + degraded.wait;
                self.degraded = Some(degraded);
                None
            }
        }
    }

    /// Brings the file up to what memory holds: the same file again, or a new one that takes over
    /// what the old handle can still read.
    fn write_back(&mut self, overlay: &Overlay) -> Result<Option<PathBuf>, Trouble> {
        let rooted = self.rooted;
        let old = match self.disk.take() {
            Some(disk) if disk.is_in_place() => None,
            other => other,
        };
        let opened = self.attach();
        let outcome = opened.and_then(|start| {
            let Some(disk) = &mut self.disk else { return Err(Trouble::InUse) };
            if let Some(old) = &old {
                disk.take_over(old)?;
                self.known = disk.keys()?;
            }
            let mut write = overlay.to_write(self.next);
            // A file that turned up later holds another run's state: ours replaces it as a whole.
            write.replaces_state = !rooted;
            disk.write(&write, self.limits)?;
            if write.replaces_state {
                self.known.clear();
            }
            write.note_keys(&mut self.known);
            Ok(match start {
                Start::Salvaged { moved_to, .. } => Some(moved_to),
                _ => None,
            })
        });
        if outcome.is_err() {
            self.rooted = rooted;
            match old {
                Some(old) => self.disk = Some(old),
                // Not at once after a start without it: its state is another run's by now.
                None if rooted => self.attach_shadow(),
                None => {}
            }
        }
        outcome
    }

    /// A file is a high-water mark: once drained it is given back to the file system.
    fn compact(&mut self, now: Instant) -> Option<Change> {
        let disk = self.disk.as_mut()?;
        if disk.totals().records() > 0 || disk.file_bytes() <= limits::OUTBOX_COMPACT_ABOVE {
            return None;
        }
        match disk.compact() {
            Ok(()) => None,
            Err(trouble) => {
                let why = self.advice(&trouble);
                Some(self.degrade(why, now))
            }
        }
    }

    fn advice(&self, trouble: &Trouble) -> String {
        let folder = self.folder.display();
        match trouble {
            Trouble::Full => format!(
                "no space left in the state folder {folder}: free some; records are kept in memory until then"
            ),
            Trouble::InUse => format!("another process has the outbox in {folder} open"),
            Trouble::Damaged(what) => format!("the outbox in {folder} is damaged: {what}"),
            Trouble::Foreign { found, ours } => {
                format!("the outbox in {folder} has form {found}, this release reads form {ours}")
            }
            Trouble::Unavailable(what) => format!(
                "the state folder {folder} does not work: {what}; records are kept in memory until it does"
            ),
        }
    }
}

struct Room {
    records: usize,
    bytes: usize,
    found: Vec<Stored>,
}

impl Room {
    /// Whether to go on.
    fn take(&mut self, stored: Stored) -> bool {
        let size = stored.bytes.len();
        if self.records == 0 || (size > self.bytes && !self.found.is_empty()) {
            // Nothing behind it may overtake it.
            self.records = 0;
            return false;
        }
        self.records -= 1;
        self.bytes = self.bytes.saturating_sub(size);
        self.found.push(stored);
        self.records > 0
    }
}
