//! A cause's rule, read: its steps, and its alternatives as parts of text and signals. Owns the
//! closed list of steps. Finds nothing: see `matcher`.

use super::{Cause, signal::Signal};

/// The words of the kubelet, and those for lines that name no step.
pub const STEPS: &[&str] = &[
    "CreatePodSandbox",
    "ConfigPodSandbox",
    "StartContainer",
    "InitContainer",
    "KillContainer",
    "KillPodSandbox",
    "RemoveContainer",
    "ResizePodInPlace",
    "SetupNetwork",
    "TeardownNetwork",
    "EnsureSecretExists",
    "SyncPod",
    "WaitForNetwork",
    "WaitForVolumes",
    "MountVolume",
    "AttachVolume",
    "UnmountVolume",
    "EnsurePodCgroups",
    "MakePodDataDirs",
    "GetPullSecret",
    "PrepareDynamicResources",
    "TerminatePod",
    "Admission",
    "Eviction",
    "NodeShutdown",
    "Probe",
    "Running",
    "SyncLoop",
    "Housekeeping",
    "ImageGC",
    "Kubelet",
    "KubeletAPI",
    "Runtime",
    "Node",
    "Telemetry",
    "OffNode",
];

/// Steps in which the same fault shows itself: what is said of one serves for the others too.
const RELATED: &[&[&str]] = &[
    &["WaitForVolumes", "MountVolume", "AttachVolume", "EnsureSecretExists"],
    &["CreatePodSandbox", "KillPodSandbox", "ConfigPodSandbox", "SetupNetwork", "WaitForNetwork"],
    &["KillContainer", "KillPodSandbox", "TerminatePod", "UnmountVolume", "TeardownNetwork"],
    &["StartContainer", "InitContainer", "Running", "KillContainer", "Probe"],
    &["GetPullSecret", "StartContainer", "EnsureSecretExists"],
    &["Admission", "Eviction", "NodeShutdown", "OffNode"],
    &[
        "SyncLoop",
        "Housekeeping",
        "ImageGC",
        "Kubelet",
        "KubeletAPI",
        "Runtime",
        "Node",
        "Telemetry",
        "Eviction",
        "NodeShutdown",
    ],
];

/// A cause's rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    steps: Vec<Step>,
    pub(super) alternatives: Vec<Alternative>,
    pub(super) raised_by: Vec<Signal>,
    pub(super) lowered_by: Vec<Signal>,
}

#[derive(Clone, Debug)]
struct Step {
    /// `None` = any.
    name: Option<String>,
    reasons: Vec<String>,
}

/// What must hold together.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    /// As the file has it.
    pub(super) source: String,
    pub(super) texts: Vec<String>,
    pub(super) signals: Vec<Signal>,
}

/// How well a cause fits the step of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Step and reason are named, or any will do.
    Exact,
    /// The step or one in which the same fault shows.
    Related,
    /// Another one.
    Other,
}

impl Rule {
    /// Reads a cause's rule. The error says what is wrong with it and what to do.
    pub(super) fn read(cause: &Cause) -> Result<Self, String> {
        if cause.matches.is_empty() || cause.steps.is_empty() {
            let what = if cause.steps.is_empty() { "steps" } else { "match" };
            return Err(format!("`{what}` is empty: give at least one"));
        }
        Ok(Self {
            steps: cause.steps.iter().map(|text| Step::read(text)).collect::<Result<_, _>>()?,
            alternatives: cause
                .matches
                .iter()
                .map(|text| Alternative::read(text))
                .collect::<Result<_, _>>()?,
            raised_by: signals("raised_by", &cause.raised_by)?,
            lowered_by: signals("lowered_by", &cause.lowered_by)?,
        })
    }

    pub(super) fn fit(&self, step: &str, reason: Option<&str>) -> Fit {
        self.steps.iter().map(|own| own.fit(step, reason)).min().unwrap_or(Fit::Other)
    }
}

impl Step {
    fn read(text: &str) -> Result<Self, String> {
        let (name, reasons) = text.split_once('/').unwrap_or((text, ""));
        if name != "*" && !STEPS.contains(&name) {
            return Err(format!(
                "unknown step `{name}`{}",
                super::check::suggestion(name, STEPS.iter().copied())
            ));
        }
        let reasons: Vec<String> =
            reasons.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Ok(Self { name: (name != "*").then(|| name.to_owned()), reasons })
    }

    fn fit(&self, step: &str, reason: Option<&str>) -> Fit {
        let Some(name) = self.name.as_deref() else { return Fit::Exact };
        if name == step {
            let is_named = self.reasons.is_empty()
                || reason.is_none_or(|reason| self.reasons.iter().any(|own| own == reason));
            return if is_named { Fit::Exact } else { Fit::Related };
        }
        // Nothing is known of the step: no cause fits it better than another.
        let is_open = step.is_empty() || step == "SyncPod";
        let is_related = RELATED.iter().any(|steps| steps.contains(&name) && steps.contains(&step));
        if is_open || is_related { Fit::Related } else { Fit::Other }
    }
}

impl Alternative {
    fn read(text: &str) -> Result<Self, String> {
        let mut found = Self { source: text.to_owned(), texts: Vec::new(), signals: Vec::new() };
        for part in text.split(" && ") {
            if part.starts_with('@') {
                found.signals.push(signal("match", part)?);
            } else if part.trim().is_empty() {
                return Err(format!("`{text}`: a part of `match` is empty"));
            } else {
                found.texts.push(part.to_owned());
            }
        }
        if found.texts.is_empty() && found.signals.iter().all(Signal::is_place) {
            return Err(format!("`{text}`: say which text stands in the last words"));
        }
        Ok(found)
    }

    /// Looks at what the container said, and at nothing else.
    pub(super) fn is_of_last_words(&self) -> bool {
        self.signals.iter().any(Signal::is_place)
    }
}

fn signals(field: &str, texts: &[String]) -> Result<Vec<Signal>, String> {
    texts.iter().map(|text| signal(field, text)).collect()
}

fn signal(field: &str, text: &str) -> Result<Signal, String> {
    Signal::parse(text).ok_or_else(|| {
        let words = Signal::words();
        let nearest = super::check::suggestion(text, words.iter().map(String::as_str));
        format!("{field}: unknown signal `{text}`{nearest}")
    })
}
