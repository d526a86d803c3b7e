//! What goes into the outbox and comes out of it. Owns no storage.

use std::path::PathBuf;

use crate::{
    diagnosis::StateChange,
    record::{Signal, Worth},
    source::{Loss, LossKind, Micros, Position},
};

/// A record as it leaves: encoded once, resent identical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The record's own time, for the order in a batch and for the reports of what was dropped.
    pub time: Micros,
    /// How long a full outbox keeps it.
    pub worth: Worth,
    /// An encoded OTLP `LogRecord`.
    pub bytes: Vec<u8>,
}

/// A record waiting for its acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number: rises with age, never used twice in one state file.
    pub seq: u64,
    /// As in [`Entry`].
    pub time: Micros,
    /// As in [`Entry`].
    pub bytes: Vec<u8>,
}

/// Everything that one step of the core concluded. It is durable as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// New records, oldest first.
    pub records: Vec<Entry>,
    /// New spans, oldest first. They wait for a destination of their own, within bounds of their own.
    pub spans: Vec<Entry>,
    /// How far the sources were read.
    pub positions: Vec<Position>,
    /// What changed in the engine's state.
    pub state_changes: Vec<StateChange>,
    /// Records that a backend refused for good; their loss record is among `records`.
    pub removed: Vec<u64>,
    /// How many dropped records the loss record among `records` reports; see
    /// [`super::Outbox::unreported`].
    pub reported: u64,
    /// The same of dropped spans.
    pub reported_spans: u64,
}

/// What a full outbox let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// How many.
    pub records: u64,
    /// Time of the oldest of them.
    pub from: Micros,
    /// Time of the newest.
    pub to: Micros,
}

/// A loss of our own state, of which no number is known.
#[must_use]
pub fn loss(why: String) -> Loss {
    Loss {
        kind: LossKind::Corrupt,
        component: "podwhy".to_owned(),
        unit: None,
        lines: None,
        from: None,
        to: None,
        destination: None,
        why,
    }
}

impl Start {
    /// What a start lost that could not take over what the last run left.
    #[must_use]
    pub fn loss(&self) -> Option<Loss> {
        let Self::Salvaged { moved_to, why } = self else { return None };
        let name = moved_to.file_name().unwrap_or_default().to_string_lossy();
        Some(loss(format!(
            "the state of the last run could not be read ({why}) and was set aside as {name}: \
             records that were not delivered and open incidents are gone, the journal is read \
             again by time"
        )))
    }
}

impl Dropped {
    pub(super) fn join(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(Self {
                records: a.records + b.records,
                from: a.from.min(b.from),
                to: a.to.max(b.to),
            }),
            (a, b) => a.or(b),
        }
    }

    /// What is left of it after so many were told.
    pub(super) fn untold(of: Option<Self>, reported: u64) -> Option<Self> {
        let of = of?;
        let records = of.records.saturating_sub(reported);
        (records > 0).then_some(Self { records, ..of })
    }

    pub(super) fn one(time: Micros) -> Self {
        Self { records: 1, from: time, to: time }
    }

    /// The loss that the core makes a record of.
    pub fn loss(&self, destination: &str) -> Loss {
        Loss {
            kind: LossKind::OutboxFull,
            component: "podwhy".to_owned(),
            unit: None,
            lines: Some(self.records),
            from: Some(self.from),
            to: Some(self.to),
            destination: Some(destination.to_owned()),
            why: "the backend was away longer than the outbox could hold".to_owned(),
        }
    }
}

/// A figure of each signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Each<T> {
    pub(super) logs: T,
    pub(super) traces: T,
}

impl<T> Each<T> {
    pub(super) fn of(&self, signal: Signal) -> &T {
        match signal {
            Signal::Logs => &self.logs,
            Signal::Traces => &self.traces,
        }
    }

    pub(super) fn of_mut(&mut self, signal: Signal) -> &mut T {
        match signal {
            Signal::Logs => &mut self.logs,
            Signal::Traces => &mut self.traces,
        }
    }
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// What had to be let go to make room.
    pub dropped: Option<Dropped>,
    /// The folder stopped working just now.
    pub change: Option<Change>,
}

/// The outbox changed its footing; worth a log line, a metric and a node check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The state folder does not work: records are kept in memory, positions are frozen.
    Degraded {
        /// What happened and what to do.
        why: String,
    },
    /// The state folder works again and holds everything.
    Healed {
        /// Where a damaged file was put.
        moved_to: Option<PathBuf>,
    },
}

/// How the outbox began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// There was no state file.
    Fresh,
    /// Goes on where the last run ended.
    Resumed,
    /// The file was damaged: it was set aside, and everything begins anew.
    Salvaged {
        /// Its new name.
        moved_to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
    /// The folder does not work: nothing is durable until it does.
    Memory {
        /// What happened and what to do.
        why: String,
    },
}

/// Figures for metrics and the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records waiting.
    pub records: u64,
    /// Their encoded bytes.
    pub bytes: u64,
    /// Spans waiting.
    pub spans: u64,
    /// Their encoded bytes.
    pub span_bytes: u64,
    /// Time of the oldest record waiting.
    pub oldest: Option<Micros>,
    /// Size of the state file.
    pub file_bytes: u64,
    /// Why nothing is durable at the moment.
    pub trouble: Option<String>,
}
