//! How much waits in the state file, kept with every transaction, for each signal.
//! Owns the names in the table of totals; what they count is `disk`'s.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::{Dropped, Limits, commit::Each, disk, trouble::Trouble};
use crate::record::Signal;

/// One row a figure.
pub(super) const TOTALS: TableDefinition<'static, &str, u64> = TableDefinition::new("totals");

/// What `totals` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) each: Each<Share>,
    /// The next free number.
    pub(super) next: u64,
}

/// What one signal has waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Let go and not yet told.
    pub(super) dropped: Option<Dropped>,
}

/// Under which names a signal's share is kept.
struct Names {
    records: &'static str,
    bytes: &'static str,
    dropped: &'static str,
    dropped_from: &'static str,
    dropped_to: &'static str,
}

/// Files of before there were spans have the first five.
const fn names_of(signal: Signal) -> &'static Names {
    match signal {
        Signal::Logs => &Names {
            records: "records",
            bytes: "bytes",
            dropped: "dropped",
            dropped_from: "dropped_from",
            dropped_to: "dropped_to",
        },
        Signal::Traces => &Names {
            records: "spans",
            bytes: "span_bytes",
            dropped: "spans_dropped",
            dropped_from: "spans_dropped_from",
            dropped_to: "spans_dropped_to",
        },
    }
}

impl Totals {
    /// Reads them.
    pub(super) fn read(table: &impl ReadableTable<&'static str, u64>) -> Result<Self, Trouble> {
        let number = |key: &str| -> Result<u64, Trouble> {
            Ok(table.get(key)?.map_or(0, |found| found.value()))
        };
        let share = |names: &Names| -> Result<Share, Trouble> {
            let dropped = Dropped {
                records: number(names.dropped)?,
                from: number(names.dropped_from)?.cast_signed(),
                to: number(names.dropped_to)?.cast_signed(),
            };
            Ok(Share {
                records: number(names.records)?,
                bytes: number(names.bytes)?,
                dropped: Dropped::untold(Some(dropped), 0),
            })
        };
        let each =
            Each { logs: share(names_of(Signal::Logs))?, traces: share(names_of(Signal::Traces))? };
        Ok(Self { each, next: number("next")?.max(1) })
    }

    /// Writes them down.
    pub(super) fn put(&self, transaction: &WriteTransaction) -> Result<(), Trouble> {
        let mut table = transaction.open_table(TOTALS)?;
        table.insert("next", self.next)?;
        for signal in Signal::ALL {
            let (names, share) = (names_of(signal), self.each.of(signal));
            let dropped = share.dropped.unwrap_or(Dropped { records: 0, from: 0, to: 0 });
            for (key, value) in [
                (names.records, share.records),
                (names.bytes, share.bytes),
                (names.dropped, dropped.records),
                (names.dropped_from, dropped.from.cast_unsigned()),
                (names.dropped_to, dropped.to.cast_unsigned()),
            ] {
                table.insert(key, value)?;
            }
        }
        Ok(())
    }

    /// Of both signals.
    pub(super) fn records(&self) -> u64 {
        self.each.logs.records + self.each.traces.records
    }

    /// Of both signals.
    pub(super) fn bytes(&self) -> u64 {
        self.each.logs.bytes + self.each.traces.bytes
    }

    /// One less.
    pub(super) fn forget(&mut self, signal: Signal, bytes: &[u8]) {
        let share = self.each.of_mut(signal);
        share.records = share.records.saturating_sub(1);
        share.bytes = share.bytes.saturating_sub(disk::size(bytes));
    }
}

impl Share {
    /// Something has to go.
    pub(super) fn is_above(&self, limits: Limits, signal: Signal) -> bool {
        let bytes = match signal {
            Signal::Logs => limits.bytes,
            Signal::Traces => limits.span_bytes,
        };
        self.bytes > bytes || self.records > limits.records
    }
}
