//! The state file: redb tables, one transaction a commit, totals kept with them.
//! The only code that knows redb's tables.

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt, path::PathBuf};

use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};

use super::{
    Dropped, Entry, Limits, Stored,
    commit::Each,
    totals::{TOTALS, Totals},
    trouble::{Trouble, guarded},
};
use crate::{
    diagnosis::StateChange,
    limits,
    record::{Signal, Worth},
    source::{Micros, Position},
};

/// The form of the tables below. Rises with every change of them.
pub(super) const SCHEMA: u64 = 1;
/// The oldest form that this release still reads: that of the release before.
const OLDEST_READ: u64 = 1;
/// The oldest form whose releases can read what this one writes: kept in the file, so that a release
/// that is rolled back to knows whether it may go on with it.
const READABLE_BY: u64 = 1;

type Records = TableDefinition<'static, u64, (i64, &'static [u8])>;

/// One table per worth, so that the oldest of the lowest worth is the first of a table.
const REPEATS: Records = TableDefinition::new("records.repeat");
const FAILURES: Records = TableDefinition::new("records.failure");
const INCIDENTS: Records = TableDefinition::new("records.incident");
/// Of another signal, so with bounds and totals of their own.
const SPANS: Records = TableDefinition::new("spans");
const TABLES: [Records; 4] = [REPEATS, FAILURES, INCIDENTS, SPANS];
const POSITIONS: TableDefinition<'static, &str, (i64, &[u8])> = TableDefinition::new("positions");
const STATE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("state");

/// One transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Write {
    pub(super) records: Vec<(u64, Entry)>,
    pub(super) positions: Vec<Position>,
    pub(super) state: Vec<StateChange>,
    pub(super) removed: Vec<u64>,
    pub(super) reported: Each<u64>,
    /// Dropped elsewhere, to be remembered here.
    pub(super) dropped: Each<Option<Dropped>>,
    pub(super) next: u64,
    /// Whatever state and positions the file has belong to another run.
    pub(super) replaces_state: bool,
}

impl Write {
    /// Which keys the file may have after a failure.
    pub(super) fn note_additions(&self, known: &mut HashSet<Vec<u8>>) {
        let added = self.state.iter().filter(|(_, value)| value.is_some());
        known.extend(added.map(|(key, _)| key.clone()));
    }

    /// Which keys the file has after it.
    pub(super) fn note_keys(&self, known: &mut HashSet<Vec<u8>>) {
        for (key, value) in &self.state {
            match value {
                Some(_) if known.contains(key) => {}
                Some(_) => {
                    known.insert(key.clone());
                }
                None => {
                    known.remove(key);
                }
            }
        }
    }
}

/// A key of the engine's state and its value.
type State = (Vec<u8>, Vec<u8>);

/// An open state file.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
    path: PathBuf,
    identity: (u64, u64),
    totals: Totals,
}

/// The number of a record: its place in the order, and its table in the lowest bits.
pub(super) fn seq(place: u64, worth: Worth) -> u64 {
    (place << 2) | worth as u64
}

/// The same for a span.
pub(super) fn span_seq(place: u64) -> u64 {
    (place << 2) | SPAN
}

/// Beside the three kinds of worth.
const SPAN: u64 = 3;

/// Whose number it is.
pub(super) fn signal_of(seq: u64) -> Signal {
    if seq & 3 == SPAN { Signal::Traces } else { Signal::Logs }
}

/// How many of the numbers are this signal's.
pub(super) fn count<'s>(signal: Signal, seqs: impl IntoIterator<Item = &'s u64>) -> u64 {
    let count = seqs.into_iter().filter(|seq| signal_of(**seq) == signal).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn table_of(seq: u64) -> Records {
    match seq & 3 {
        0 => REPEATS,
        1 => FAILURES,
        2 => INCIDENTS,
        _ => SPANS,
    }
}

fn tables_of(signal: Signal) -> &'static [Records] {
    match signal {
        Signal::Logs => &[REPEATS, FAILURES, INCIDENTS],
        Signal::Traces => &[SPANS],
    }
}

/// What a record counts for.
pub(super) fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Settings of every open: a small cache, and every page's checksum looked at, because redb may
/// panic on a page that was altered behind its back.
pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(limits::OUTBOX_CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

impl Disk {
    /// Takes over an open database and makes the tables.
    pub(super) fn new(
        database: Database,
        path: PathBuf,
        identity: (u64, u64),
    ) -> Result<Self, Trouble> {
        let totals = guarded(|| prepare(&database))?;
        Ok(Self { database, path, identity, totals })
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn file_bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// Whether the open file is still the one under its name.
    pub(super) fn is_in_place(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity)
    }

    pub(super) fn compact(&mut self) -> Result<(), Trouble> {
        guarded(|| Ok(self.database.compact().map(|_| ())?))
    }

    pub(super) fn position(&self, source: &str) -> Result<Option<Position>, Trouble> {
        guarded(|| {
            let read = self.database.begin_read()?;
            let table = read.open_table(POSITIONS)?;
            Ok(table.get(source)?.map(|found| {
                let (at, value) = found.value();
                Position { source: source.to_owned(), value: value.to_vec(), at }
            }))
        })
    }

    pub(super) fn state(&self) -> Result<Vec<State>, Trouble> {
        guarded(|| {
            let read = self.database.begin_read()?;
            let table = read.open_table(STATE)?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                all.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(all)
        })
    }

    pub(super) fn keys(&self) -> Result<HashSet<Vec<u8>>, Trouble> {
        guarded(|| {
            let read = self.database.begin_read()?;
            let table = read.open_table(STATE)?;
            let mut all = HashSet::new();
            for row in table.iter()? {
                all.insert(row?.0.value().to_vec());
            }
            Ok(all)
        })
    }

    /// Calls `each` for the records after `after`, oldest first, until it says stop.
    pub(super) fn fetch(
        &self,
        signal: Signal,
        after: u64,
        each: &mut dyn FnMut(Stored) -> bool,
    ) -> Result<(), Trouble> {
        guarded(|| {
            let read = self.database.begin_read()?;
            let mut ranges = Vec::with_capacity(TABLES.len());
            for definition in tables_of(signal) {
                let table = read.open_table(*definition)?;
                ranges.push(table.range(after.saturating_add(1)..)?.peekable());
            }
            loop {
                let mut oldest: Option<(u64, usize)> = None;
                for (index, range) in ranges.iter_mut().enumerate() {
                    let seq = match range.peek() {
                        Some(Ok((seq, _))) => seq.value(),
                        // An error comes first, so that it is seen.
                        Some(Err(_)) => 0,
                        None => continue,
                    };
                    if oldest.is_none_or(|(least, _)| seq < least) {
                        oldest = Some((seq, index));
                    }
                }
                let row = oldest.and_then(|(_, index)| ranges.get_mut(index)?.next());
                let Some(row) = row else { return Ok(()) };
                let (seq, value) = row?;
                let (time, bytes) = value.value();
                if !each(Stored { seq: seq.value(), time, bytes: bytes.to_vec() }) {
                    return Ok(());
                }
            }
        })
    }

    /// Makes all of it durable, and lets the least worthy go where the bounds are met.
    pub(super) fn write(
        &mut self,
        write: &Write,
        limits: Limits,
    ) -> Result<Option<Dropped>, Trouble> {
        let mut totals = self.totals;
        let dropped = guarded(|| {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            if write.replaces_state {
                transaction.delete_table(STATE)?;
                transaction.delete_table(POSITIONS)?;
            }
            put_state(&transaction, write)?;
            let dropped = put_records(&transaction, write, &mut totals, limits)?;
            totals.next = totals.next.max(write.next);
            for signal in Signal::ALL {
                let new = Dropped::join(*write.dropped.of(signal), *dropped.of(signal));
                let share = totals.each.of_mut(signal);
                let all = Dropped::join(share.dropped, new);
                share.dropped = Dropped::untold(all, *write.reported.of(signal));
            }
            totals.put(&transaction)?;
            transaction.commit()?;
            Ok(Dropped::join(dropped.logs, dropped.traces))
        })?;
        self.totals = totals;
        Ok(dropped)
    }

    /// Everything that another handle can still read, over what this file has.
    pub(super) fn take_over(&mut self, old: &Self) -> Result<(), Trouble> {
        let mut write = Write {
            state: old.state()?.into_iter().map(|(key, value)| (key, Some(value))).collect(),
            positions: old.positions()?,
            next: old.totals.next,
            dropped: Each {
                logs: old.totals.each.logs.dropped,
                traces: old.totals.each.traces.dropped,
            },
            replaces_state: true,
            ..Write::default()
        };
        for signal in Signal::ALL {
            old.fetch(signal, 0, &mut |stored| {
                let worth = match stored.seq & 3 {
                    0 => Worth::Repeat,
                    1 => Worth::Failure,
                    _ => Worth::Incident,
                };
                let entry = Entry { time: stored.time, worth, bytes: stored.bytes };
                write.records.push((stored.seq, entry));
                true
            })?;
        }
        let all = Limits { bytes: u64::MAX, records: u64::MAX, ..Limits::default() };
        let all = Limits { span_bytes: u64::MAX, ..all };
        self.write(&write, all).map(|_| ())
    }

    pub(super) fn positions(&self) -> Result<Vec<Position>, Trouble> {
        guarded(|| {
            let read = self.database.begin_read()?;
            let table = read.open_table(POSITIONS)?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (source, found) = row?;
                let (at, value) = found.value();
                all.push(Position { source: source.value().to_owned(), value: value.to_vec(), at });
            }
            Ok(all)
        })
    }
}

/// Makes what is missing and reads the totals.
fn prepare(database: &Database) -> Result<Totals, Trouble> {
    let transaction = database.begin_write()?;
    let totals = {
        let mut table = transaction.open_table(TOTALS)?;
        let found = table.get("schema")?.map(|found| found.value());
        let readable_by = table.get("readable_by")?.map(|found| found.value()).or(found);
        match (found, readable_by) {
            (Some(found @ ..OLDEST_READ), _) => {
                return Err(Trouble::Foreign { found, ours: SCHEMA });
            }
            (Some(found), Some(by)) if found > SCHEMA && by > SCHEMA => {
                return Err(Trouble::Foreign { found, ours: SCHEMA });
            }
            // A later form stays what it is: what only it knows is left alone.
            (Some(found), _) if found > SCHEMA => {}
            _ => {
                table.insert("schema", SCHEMA)?;
                table.insert("readable_by", READABLE_BY)?;
            }
        }
        Totals::read(&table)?
    };
    // Only now: those of a form that is not ours may be anything.
    for definition in TABLES {
        transaction.open_table(definition)?;
    }
    transaction.open_table(POSITIONS)?;
    transaction.open_table(STATE)?;
    transaction.commit()?;
    Ok(totals)
}

fn put_state(transaction: &WriteTransaction, write: &Write) -> Result<(), Trouble> {
    let mut table = transaction.open_table(POSITIONS)?;
    for position in &write.positions {
        // Of a source that is gone for good nothing is left.
        if position.value.is_empty() {
            table.remove(position.source.as_str())?;
        } else {
            table.insert(position.source.as_str(), (position.at, position.value.as_slice()))?;
        }
    }
    let mut table = transaction.open_table(STATE)?;
    for (key, value) in &write.state {
        match value {
            Some(value) => {
                table.insert(key.as_slice(), value.as_slice())?;
            }
            None => {
                table.remove(key.as_slice())?;
            }
        }
    }
    Ok(())
}

fn put_records(
    transaction: &WriteTransaction,
    write: &Write,
    totals: &mut Totals,
    limits: Limits,
) -> Result<Each<Option<Dropped>>, Trouble> {
    let mut dropped = Each::default();
    let mut tables = Vec::with_capacity(TABLES.len());
    for definition in TABLES {
        tables.push((definition, transaction.open_table(definition)?));
    }
    for seq in &write.removed {
        if let Some(table) = named(&mut tables, *seq)
            && let Some(old) = table.remove(seq)?
        {
            totals.forget(signal_of(*seq), old.value().1);
        }
    }
    for (seq, entry) in &write.records {
        let Some(table) = named(&mut tables, *seq) else { continue };
        if let Some(old) = table.insert(seq, (entry.time, entry.bytes.as_slice()))? {
            totals.forget(signal_of(*seq), old.value().1);
        }
        let signal = signal_of(*seq);
        let share = totals.each.of_mut(signal);
        share.records += 1;
        share.bytes += size(&entry.bytes);
        // At once: what a large commit brings beyond the bound shall not make the file grow.
        make_room(&mut tables, signal, totals, limits, &mut dropped)?;
    }
    // The bounds themselves may be lower than at the last commit.
    for signal in Signal::ALL {
        make_room(&mut tables, signal, totals, limits, &mut dropped)?;
    }
    Ok(dropped)
}

/// Lets the least worthy go, the oldest of them first, until the bounds are kept.
fn make_room(
    tables: &mut [Named<'_>],
    signal: Signal,
    totals: &mut Totals,
    limits: Limits,
    dropped: &mut Each<Option<Dropped>>,
) -> Result<(), Trouble> {
    for definition in tables_of(signal) {
        while totals.each.of(signal).is_above(limits, signal) {
            let Some(table) = of_definition(tables, definition) else { break };
            let Some((_, value)) = table.pop_first()? else { break };
            let (time, bytes): (Micros, &[u8]) = value.value();
            totals.forget(signal, bytes);
            let dropped = dropped.of_mut(signal);
            *dropped = Dropped::join(*dropped, Some(Dropped::one(time)));
        }
    }
    Ok(())
}

type Named<'t> = (Records, Table<'t, u64, (i64, &'static [u8])>);

fn named<'a, 't>(
    tables: &'a mut [Named<'t>],
    seq: u64,
) -> Option<&'a mut Table<'t, u64, (i64, &'static [u8])>> {
    of_definition(tables, &table_of(seq))
}

fn of_definition<'a, 't>(
    tables: &'a mut [Named<'t>],
    wanted: &Records,
) -> Option<&'a mut Table<'t, u64, (i64, &'static [u8])>> {
    let name = redb::TableHandle::name(wanted);
    let mut tables = tables.iter_mut();
    tables.find(|(it, _)| redb::TableHandle::name(it) == name).map(|(_, table)| table)
}
