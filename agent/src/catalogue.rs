//! The catalogue of causes: data in `agent/causes/*.yaml`, one file per class, and the users' own
//! files of the same form. Loads and checks them, and finds what a text can come from. Pure: the
//! condition of a signal is answered by whoever asks.

use std::sync::{Arc, LazyLock};

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
    /// Whole inputs that it must explain.
    pub examples: Vec<Example>,
    /// Whole inputs, near misses, that it must not.
    pub counter_examples: Vec<Example>,
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
#[derive(Debug)]
pub struct Catalogue {
    causes: Vec<(Class, Cause)>,
}

/// Our own causes.
#[must_use]
pub fn builtin() -> &'static Arc<Catalogue> {
    static BUILTIN: LazyLock<Arc<Catalogue>> =
        LazyLock::new(|| Arc::new(Catalogue { causes: Vec::new() }));
    &BUILTIN
}

impl Catalogue {
    /// The cause of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<(Class, &Cause)> {
        self.causes.iter().find(|(_, cause)| cause.id == id).map(|(class, cause)| (*class, cause))
    }
}
