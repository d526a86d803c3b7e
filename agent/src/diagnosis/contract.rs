//! What goes into the engine and what comes out of it. Owns the types alone: what follows from them
//! is the engine's.

use std::{collections::BTreeMap, time::Duration};

use super::{Companions, Recovery};
use crate::{
    fact,
    incident::Incident,
    node,
    observation::{Observation, Pod},
    record::Record,
    redact,
    source::Loss,
};

/// What the engine is told. Timers due at or before an input's time fire first.
#[derive(Debug)]
pub enum Input {
    /// A line told us something.
    Observed(Box<Observation>),
    /// A line of a source that is behind the others: it has its own time, and moves that of nobody.
    Late(Box<Observation>),
    /// The node looks like this.
    Node(node::View),
    /// A fact beside the lines, or the answer to a want.
    Fact(Box<fact::Dated>),
    /// Something is missing.
    Lost(Loss),
    /// A check of the node was made, at start or on request.
    Checked(Check),
    /// Time has come this far, and everything up to it has been handed in.
    Tick,
    /// The input is over: everything pending is concluded.
    End,
    /// The same where somebody asks what the input shows, as of a paste: what only waits for time
    /// to open is told as possible, and what is harmless is told as that.
    Asked,
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
    /// What the engine wants to know, now.
    pub wants: Vec<fact::Want>,
    /// Each incident as it is after each change of its state: what `explain` shows.
    pub incidents: Vec<Incident>,
    /// Failed attempts by step and reason, repeats included: for metrics.
    pub attempts: Vec<(String, Option<String>)>,
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
    /// How long things must stay well, and how failures open incidents.
    pub recovery: Recovery,
}

/// On which nodes the pods are, where an input may be of several. Empty: all are on one node.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    /// The input is not of one node alone.
    pub is_of_several: bool,
    /// By namespace and name.
    pub pods: BTreeMap<(String, String), String>,
}

impl Whereabouts {
    /// The node of a pod, where there are several.
    pub(super) fn node_of(&self, pod: &Pod) -> Option<&str> {
        if !self.is_of_several {
            return None;
        }
        let name = pod.name.clone()?;
        let namespace = pod.namespace.clone().unwrap_or_default();
        let bare = (String::new(), name.clone());
        let known = self.pods.get(&(namespace, name)).or_else(|| self.pods.get(&bare));
        known.map(String::as_str)
    }
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

/// What the engine counted since it was made, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Failed attempts, repeats included.
    pub failures: u64,
    /// Failed attempts that only a summary's count tells.
    pub repeats: u64,
    /// Lines beside the authoritative one.
    pub companions: Companions,
    /// What was redacted, by rule.
    pub redacted: redact::Counts,
    /// Names and uids that have not the form of one, and were left out.
    pub invalid_identities: u64,
    /// Ids forgotten to keep the bound.
    pub evicted_identities: u64,
    /// Series of repeats concluded early to keep the bound.
    pub evicted_series: u64,
}
