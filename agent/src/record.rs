//! What leaves: one table of attribute names for OTLP, terminal, page and JSON.

pub mod attributes;
mod json;
pub mod names;

pub use json::to_json;

use crate::source::Micros;

/// The closed list of event names (design 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum EventName {
    /// One failed attempt of one step.
    SyncFailure,
    /// One cause, from its first failure to its proven end.
    Incident,
    /// Lines or records that are missing.
    Loss,
    /// A jump of the error rate.
    Spike,
    /// What the node looks like; one at start proves delivery.
    NodeCheck,
}

/// Severity as OTLP has it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Severity {
    /// 9
    Info,
    /// 13
    Warn,
    /// 17
    Error,
    /// 21
    Fatal,
}

/// An attribute's value. Unknown is absent, so there is no null.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Value {
    /// Text, already redacted and bounded.
    Text(String),
    /// Integer.
    Int(i64),
    /// Double.
    Double(f64),
    /// Boolean.
    Bool(bool),
    /// string[]
    Texts(Vec<String>),
}

/// Two kinds of things leave, each to a destination of its own and neither waiting for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Records.
    #[default]
    Logs,
    /// Spans of incidents.
    Traces,
}

impl Signal {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Logs, Self::Traces];

    /// The word of OTLP's paths: `v1/logs`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Traces => "traces",
        }
    }
}

/// What a full outbox lets go first: the lowest.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Worth {
    /// A sync failure that was already told.
    Repeat,
    /// The first telling of a sync failure; node checks.
    Failure,
    /// Incidents, spikes and losses go last.
    Incident,
}

/// One record, before its encoding.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Which of the closed list.
    pub event: EventName,
    /// `log.record.uid`, deterministic (design 5.4).
    pub uid: [u8; 16],
    /// When it happened, by the origin's clock.
    pub time: Micros,
    /// See otlp.md 2.3.
    pub severity: Severity,
    /// One human sentence, redacted.
    pub body: String,
    /// Names are the constants of this module; unique keys, at most 128.
    pub attributes: Vec<(std::borrow::Cow<'static, str>, Value)>,
    /// How long a full outbox keeps it.
    pub worth: Worth,
}

impl EventName {
    /// The name that leaves.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyncFailure => "podwhy.sync_failure",
            Self::Incident => "podwhy.incident",
            Self::Loss => "podwhy.loss",
            Self::Spike => "podwhy.spike",
            Self::NodeCheck => "podwhy.node_check",
        }
    }
}

impl Record {
    /// `log.record.uid` as it leaves: 32 hex digits.
    #[must_use]
    pub fn uid_text(&self) -> String {
        use std::fmt::Write as _;
        self.uid.iter().fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}
