//! The pure engine: inputs with their event time in, records out. No IO, no clock, no randomness,
//! no task; the same inputs give the same records, whatever the batching and from any restart.
//!
//! `clock` orders inputs and timers, `collapse` makes one failure of many lines, `repeats` counts
//! the same failure, `identities` remembers which id belongs to whom, `state` is what survives.

use std::time::Duration;

use podwhy_parser::Message;

use crate::{
    node,
    observation::{Observation, time::Times},
    record::Record,
    source::{Line, Loss, Micros},
};

/// What the engine is told. Timers due at or before an input's time fire first.
#[derive(Debug)]
pub enum Input {
    /// A line told us something.
    Observed(Box<Observation>),
    /// The node looks like this.
    Node(node::View),
    /// Something is missing.
    Lost(Loss),
    /// A check of the node was made, at start or on request.
    Checked(Check),
    /// Time has come this far, and everything up to it has been handed in.
    Tick,
    /// The input is over: everything pending is concluded.
    End,
}

/// One check of the node, as `podwhy.node_check` tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// From a closed list; ends in the unit of `value`, if it has one.
    pub name: String,
    /// How it went.
    pub status: CheckStatus,
    /// What was measured.
    pub value: Option<f64>,
    /// What it was held against.
    pub threshold: Option<f64>,
    /// One clause for humans.
    pub text: String,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Works with less.
    Degraded,
    /// Does not work.
    Failed,
    /// Could not be told.
    Unknown,
}

/// One entry of the engine's durable state; `None` deletes it. Keys are opaque, stable over releases
/// of one schema version.
pub type StateChange = (Vec<u8>, Option<Vec<u8>>);

/// What `apply` concluded.
#[derive(Debug, Default)]
pub struct Output {
    /// Records in order.
    pub records: Vec<Record>,
}

/// What the engine must know beforehand.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's name: part of every id.
    pub node: String,
    /// What happens to a failure that comes again.
    pub repeats: Repeats,
    /// How long repeats are counted before their number is told.
    pub repeats_window: Duration,
}

/// What happens to a failure that comes again (design 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// First at once, then a count per window.
    #[default]
    Summary,
    /// Each one is a record.
    Every,
}

/// The engine.
#[derive(Debug)]
pub struct Diagnosis {
    settings: Settings,
    times: Times,
    view: node::View,
}

impl Diagnosis {
    /// An engine that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, times: Times::default(), view: node::View::default() }
    }

    /// Makes an observation of a message, if it matters, with the clocks that the engine knows.
    pub fn observe(&mut self, message: &Message<'_>, line: &Line<'_>) -> Option<Observation> {
        Observation::from_message(message, line, &mut self.times)
    }

    /// Takes one input at its time and appends what follows from it.
    pub fn apply(&mut self, at: Micros, input: Input, out: &mut Output) {
        let _ = (at, &self.settings, out);
        if let Input::Node(view) = input {
            self.view = view;
        }
    }

    /// When the next timer is due: a `Tick` then or later fires it.
    #[must_use]
    pub fn next_due(&self) -> Option<Micros> {
        None
    }

    /// Hands on every entry of the durable state that changed since the last call, in key order.
    pub fn changes(&mut self, sink: &mut dyn FnMut(StateChange)) {
        let _ = sink;
    }

    /// Takes back what [`Diagnosis::changes`] handed on, before the first input. Returns how many
    /// entries could not be read and were left out.
    pub fn restore(&mut self, entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> usize {
        entries.into_iter().count()
    }
}
