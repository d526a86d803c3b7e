//! The pure engine: inputs with their event time in, records out. No IO, no clock, no randomness,
//! no task; the same inputs give the same records, whatever the batching and from any restart.

use crate::{node, observation::Observation, record::Record, source::Loss};

/// What the engine is told. Timers due at or before an input's time fire first.
#[derive(Debug)]
pub enum Input {
    /// A line told us something.
    Observed(Box<Observation>),
    /// The node looks like this.
    Node(node::View),
    /// Something is missing.
    Lost(Loss),
    /// Time has come this far, and everything up to it has been handed in.
    Tick,
    /// The input is over: everything pending is concluded.
    End,
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
