//! The catalogue of causes: data in `agent/causes/*.yaml`, one file per class, and the users' own
//! files of the same form. `load` reads and checks them, `matcher` finds what a text can come from.
//! Pure: the condition of a signal is answered by whoever asks.

mod changing;
pub mod check;
pub mod faq;
mod load;
mod matcher;
mod rule;
pub mod signal;

pub use load::{Causes, File, LoadError, builtin, faults, in_place_of_ours, parse};
pub use matcher::{Query, QueryText, TextFrom, Verdict};
pub use rule::STEPS;
pub use signal::{Condition, Signal, Signals};

/// The closed list of classes (diagnosis.md 2.6).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are the field's own")]
pub enum Class {
    Image,
    Config,
    Volume,
    Sandbox,
    Runtime,
    Exit,
    Probe,
    Sidecar,
    Terminate,
    Admission,
    Eviction,
    Node,
    Wrapper,
}

impl Class {
    /// As files and records name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Config => "config",
            Self::Volume => "volume",
            Self::Sandbox => "sandbox",
            Self::Runtime => "runtime",
            Self::Exit => "exit",
            Self::Probe => "probe",
            Self::Sidecar => "sidecar",
            Self::Terminate => "terminate",
            Self::Admission => "admission",
            Self::Eviction => "eviction",
            Self::Node => "node",
            Self::Wrapper => "wrapper",
        }
    }
}

/// What a cause is in the order of causes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What it comes from.
    #[default]
    Cause,
    /// Follows from something else: wins only where nothing else is known.
    Symptom,
    /// Explained when asked, never notified.
    Benign,
    /// Hides a cause; never wins.
    Wrapper,
}

/// One block of a file: a cause and how it is told.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// `snake_case`, unique, stable.
    pub id: String,
    /// Headline, at most 80 characters. May name `{image}`, `{secret}`, …
    pub title: String,
    /// What it means, in one to three sentences, for `podwhy cause`.
    pub about: String,
    /// Its place in the order of causes.
    #[serde(default)]
    pub role: Role,
    /// `Step` or `Step/Reason,Reason`; `*` = any.
    pub steps: Vec<String>,
    /// Alternatives; inside one, all parts joined by ` && ` must hold. A part with `@` is a signal.
    #[serde(rename = "match")]
    pub matches: Vec<String>,
    /// Starting value, 0–1.
    pub confidence: f32,
    /// How often it must be told before an incident opens: more than once where one telling is
    /// normal on a healthy node.
    #[serde(default = "once")]
    pub tellings: u32,
    /// Signals that make it certain when one agrees.
    #[serde(default)]
    pub raised_by: Vec<String>,
    /// Signals that contradict it.
    #[serde(default)]
    pub lowered_by: Vec<String>,
    /// What to do, most useful first.
    pub next: Vec<NextStep>,
    /// How it will be proven fixed, in words.
    pub clears: String,
    /// What it is confused with: cause id to what tells them apart.
    #[serde(default)]
    pub confused_with: std::collections::BTreeMap<String, String>,
    /// Where the rule comes from: source file or public issue.
    #[serde(default)]
    pub reference: Option<String>,
    /// The user's runbook.
    #[serde(default)]
    pub runbook: Option<String>,
    /// A user's cause: the id of the cause that it takes the place of.
    #[serde(default)]
    pub replaces: Option<String>,
    /// Whole inputs that it must explain; at least one in a file.
    #[serde(default)]
    pub examples: Vec<Example>,
    /// Whole inputs, near misses, that it must not.
    #[serde(default)]
    pub counter_examples: Vec<Example>,
}

const fn once() -> u32 {
    1
}

/// A step to take.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextStep {
    /// What to do.
    #[serde(rename = "do")]
    pub what: String,
    /// Changes nothing; placeholders of diagnosis.md 2.1.
    #[serde(default)]
    pub command: Option<String>,
    /// What doing it may cost.
    #[serde(default)]
    pub risk: Option<String>,
}

/// An input of `explain`, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Example {
    /// What is special about it.
    pub about: Option<String>,
    /// Lines as they stand in a journal (message only, or any form that `explain` reads).
    pub lines: String,
    /// What the dead container wrote last, as bare text.
    pub last_words: Option<String>,
    /// A pod as `kubectl get pod -o yaml` prints it.
    pub pod: Option<String>,
    /// Facts as a bundle has them: one JSON object a line.
    pub facts: Option<String>,
    /// For a counter-example: the cause that it is instead.
    pub is: Option<String>,
}

/// All causes, ready to be asked.
#[derive(Debug, Default)]
pub struct Catalogue {
    entries: Vec<Entry>,
    needles: matcher::Needles,
}

#[derive(Clone, Debug)]
struct Entry {
    class: Class,
    /// Without its examples.
    cause: Cause,
    rule: rule::Rule,
    /// Of a user's file.
    is_users: bool,
}

impl Catalogue {
    /// The cause of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<(Class, &Cause)> {
        self.causes().find(|(_, cause)| cause.id == id)
    }

    /// All causes, class by class; the users' last.
    pub fn causes(&self) -> impl Iterator<Item = (Class, &Cause)> {
        self.entries.iter().map(|entry| (entry.class, &entry.cause))
    }
}

#[cfg(test)]
mod tests;
