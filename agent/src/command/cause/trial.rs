//! Runs an example of a cause through `explain`, whole, and says what won and why. Owns no rule:
//! the same engine that answers people answers here.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    catalogue::{self, Catalogue, Cause, Example, File, LoadError},
    command::explain::{self, Explained, NamedInput, Options},
    fact::{Dated, Fact, Instance, LastWords, PodRef},
    incident::Incident,
    source::Micros,
};

/// How one example went.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// The cause whose example it is.
    pub cause: String,
    /// From 1.
    pub number: usize,
    /// It must not give that cause.
    pub is_counter: bool,
    /// It went as it should.
    pub is_right: bool,
    /// What the counter-example is instead, where its file says so.
    pub instead: Option<String>,
    /// What won, incident by incident: the cause's id and its confidence.
    pub won: Vec<Won>,
}

/// What one incident comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Won {
    /// Id of the cause.
    pub id: String,
    /// `certain`, `likely`, `possible`
    pub confidence: crate::incident::Confidence,
    /// The evidence that told it.
    pub evidence: Option<String>,
    /// What else it could have been, best first.
    pub alternatives: Vec<String>,
}

impl Trial {
    /// In one clause.
    #[must_use]
    pub fn told(&self) -> String {
        let won: Vec<&str> = self.won.iter().map(|won| won.id.as_str()).collect();
        let won = if won.is_empty() { "nothing".to_owned() } else { won.join(", ") };
        let others: Vec<&str> =
            self.won.iter().flat_map(|won| won.alternatives.iter().map(String::as_str)).collect();
        let others = if others.is_empty() {
            String::new()
        } else {
            format!(" (then {})", others.join(", "))
        };
        match (&self.instead, self.is_counter) {
            (Some(instead), _) => format!("should be {instead}, is {won}{others}"),
            (None, true) => format!("should be something else, is {won}{others}"),
            (None, false) => format!("is {won}{others}"),
        }
    }
}

/// Tries all examples of users' files, each against all other causes.
///
/// # Errors
/// What is wrong with the first file that is wrong.
pub fn of_files(files: &[File]) -> Result<Vec<(String, Trial)>, LoadError> {
    let all = Catalogue::with_users(files)?;
    let mut trials = Vec::new();
    for file in files {
        for cause in catalogue::parse(&file.name, &file.text)?.causes {
            let right = (1..).zip(&cause.examples).map(|(n, example)| (n, example, false));
            let wrong = (1..).zip(&cause.counter_examples).map(|(n, example)| (n, example, true));
            for (number, example, is_counter) in right.chain(wrong) {
                let mut trial = run(&cause, example, is_counter, &all);
                trial.number = number;
                trials.push((file.name.clone(), trial));
            }
        }
    }
    Ok(trials)
}

/// Runs one example.
#[must_use]
pub fn run(cause: &Cause, example: &Example, is_counter: bool, all: &Arc<Catalogue>) -> Trial {
    let explained = explained(example, all);
    let won: Vec<Won> = explained.incidents.iter().map(won).collect();
    let gives = |id: &str| won.iter().any(|won| won.id == id);
    // A wrapper never wins; its examples show that something else, or nothing known, does.
    let is_wrapper = cause.role == catalogue::Role::Wrapper;
    let is_right = if is_counter {
        !gives(&cause.id) && example.is.as_deref().is_none_or(gives)
    } else if is_wrapper {
        !gives(&cause.id)
    } else {
        gives(&cause.id)
    };
    Trial {
        cause: cause.id.clone(),
        number: 0,
        is_counter,
        is_right,
        instead: example.is.clone().filter(|_| is_counter),
        won,
    }
}

fn won(incident: &Incident) -> Won {
    Won {
        id: incident.cause.id.clone(),
        confidence: incident.cause.confidence,
        evidence: incident.evidence.first().map(|evidence| evidence.text.clone()),
        alternatives: incident.alternatives.iter().map(|cause| cause.id.clone()).collect(),
    }
}

/// The answer to an example. Last words need an instance: a first look tells whose they are.
fn explained(example: &Example, all: &Arc<Catalogue>) -> Explained {
    let options = || Options { catalogue: Some(Arc::clone(all)), ..Options::default() };
    let first = explain::explain(inputs(example, None), &options());
    let words = example.last_words.as_deref().and_then(|words| last_words(words, &first.incidents));
    match words {
        Some(words) => explain::explain(inputs(example, Some(&words)), &options()),
        None => first,
    }
}

fn inputs(example: &Example, words: Option<&str>) -> Vec<NamedInput> {
    let parts =
        [Some(example.lines.as_str()), example.pod.as_deref(), example.facts.as_deref(), words];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|it| !it.trim().is_empty()).collect();
    // Lines that say no year are of the year that something else in the example says.
    let written = parts.iter().filter_map(|text| newest(text)).max();
    let written = written.map(|at| at.saturating_add(DAY));
    parts
        .into_iter()
        .map(|text| NamedInput { written, ..NamedInput::text("example", text) })
        .collect()
}

/// Zones are less than this apart.
const DAY: Micros = 86_400_000_000;

/// The newest instant that a text names in full.
fn newest(text: &str) -> Option<Micros> {
    let words = text.split([' ', '\n', '"', '\'', '=', ',']).filter(|word| word.contains('T'));
    let instants = words.filter_map(|word| word.parse::<jiff::Timestamp>().ok());
    instants.map(jiff::Timestamp::as_microsecond).max()
}

/// The last words as a line of a bundle: of the first container that failed.
fn last_words(words: &str, incidents: &[Incident]) -> Option<String> {
    let (incident, pod) = incidents.iter().find_map(|incident| {
        let pod = incident.pods.iter().find(|pod| pod.container.is_some())?;
        Some((incident, pod))
    })?;
    let lines: Vec<String> = words.lines().map(str::to_owned).collect();
    let total_lines = u64::try_from(lines.len()).ok();
    let pod_ref =
        PodRef { namespace: pod.namespace.clone(), name: pod.name.clone(), uid: pod.uid.clone() };
    let container = pod.container.clone().unwrap_or_default();
    let instance = Instance { pod: pod_ref, container, ..Instance::default() };
    let words = LastWords { instance, lines, total_lines, ..LastWords::default() };
    // They are read once the instance has ended, so behind the line that says so.
    let at = incident.last_seen.map_or(0, |at| at.saturating_add(1));
    serde_json::to_string(&Dated { at, fact: Fact::LastWords(Box::new(words)) }).ok()
}

#[cfg(test)]
mod tests;
