//! What a cause must be before it is believed: bounded, complete, and with names that exist. Says
//! what is wrong and what to do. Runs no example: tests and `podwhy cause test` do.

use super::{Cause, Example, NextStep, changing};
use crate::limits;

/// What a headline and a command may name.
pub const PLACEHOLDERS: &[&str] = &[
    "ns",
    "pod",
    "container",
    "init_container",
    "node",
    "uid",
    "pvc",
    "pv",
    "secret",
    "configmap",
    "image",
    "registry",
    "server",
    "path",
    "driver",
    "plugin",
    "port",
    "sa",
    "container_id",
    "apiserver",
    "csi_ns",
    "csi_pod",
];

/// No step, and no command, is said in less.
const STEP_CHARS: usize = 6;
/// Less of a text is no sign of anything.
const TEXT_CHARS: usize = 3;

/// Everything that is wrong with a cause beside its rule and its examples. Empty: nothing.
pub(super) fn faults(cause: &Cause) -> Vec<String> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if cause.id.is_empty() || !cause.id.chars().all(is_word) {
        found.push("`id`: write it in lower-case letters, digits and _".to_owned());
    }
    let length = cause.title.chars().count();
    if length == 0 || length > limits::TITLE_CHARS {
        let max = limits::TITLE_CHARS;
        found.push(format!("`title` has {length} characters: write 1 to {max}"));
    }
    if !(0.0..=1.0).contains(&cause.confidence) {
        found.push("`confidence`: write a number from 0 to 1".to_owned());
    }
    if cause.tellings == 0 {
        found.push("`tellings`: write how often it must be told, at least 1".to_owned());
    }
    for (field, text) in [("about", &cause.about), ("clears", &cause.clears)] {
        if text.trim().is_empty() {
            found.push(format!("`{field}` is empty: say it in a sentence"));
        }
    }
    if cause.next.is_empty() || cause.next.iter().any(|step| step.what.trim().is_empty()) {
        found.push("`next`: say at least one thing to do".to_owned());
    }
    // A list in the place of a mapping becomes its letters: no step is said in fewer words.
    let is_short = |step: &&NextStep| {
        let words = step.what.trim();
        let command = step.command.as_ref().is_some_and(|it| it.trim().len() < STEP_CHARS);
        (!words.is_empty() && words.chars().count() < STEP_CHARS) || command
    };
    for step in cause.next.iter().filter(is_short) {
        found.push(format!(
            "`next`: `{}` is no sentence: say what to do in at least {STEP_CHARS} characters, and \
             give whole commands",
            step.what.trim()
        ));
    }
    for rule in &cause.matches {
        let texts = || rule.split(" && ").filter(|part| !part.starts_with('@'));
        let chars: usize = texts().map(|text| text.trim().chars().count()).sum();
        if texts().next().is_some() && chars < TEXT_CHARS {
            found.push(format!(
                "`match`: `{rule}` stands in too many texts: give at least {TEXT_CHARS} characters"
            ));
        }
    }
    for change in cause.next.iter().filter_map(|step| changing::change(step.command.as_deref()?)) {
        found.push(format!(
            "`command`: `{change}` changes something: a command only looks, say the rest in `do`"
        ));
    }
    if cause.matches.len() > limits::ALTERNATIVES {
        found.push(format!("`match` has more than {} alternatives", limits::ALTERNATIVES));
    }
    let texts = cause.next.iter().flat_map(|step| [Some(&step.what), step.command.as_ref()]);
    for text in texts.flatten().chain([&cause.title, &cause.clears]) {
        for name in placeholders(text).filter(|name| !PLACEHOLDERS.contains(name)) {
            let nearest = suggestion(name, PLACEHOLDERS.iter().copied());
            found.push(format!("unknown placeholder `{{{name}}}`{nearest}"));
        }
    }
    found
}

/// Everything that is wrong with its examples.
pub(super) fn examples(cause: &Cause) -> Vec<String> {
    if cause.examples.is_empty() {
        return vec!["no example: give at least one whole input that it must explain".to_owned()];
    }
    let numbered = (1usize..).zip(&cause.examples);
    numbered
        .filter_map(|(n, example)| Some(format!("example {n}: {}", example_fault(cause, example)?)))
        .collect()
}

/// A needle alone proves nothing.
fn example_fault(cause: &Cause, example: &Example) -> Option<String> {
    let lines = example.lines.trim();
    if lines.is_empty() && example.facts.is_none() && example.pod.is_none() {
        return Some("is empty: give `lines`, or `facts` and `pod`".to_owned());
    }
    let is_needle = |rule: &String| {
        rule.split(" && ").any(|part| !part.starts_with('@') && lines.eq_ignore_ascii_case(part))
    };
    cause
        .matches
        .iter()
        .any(is_needle)
        .then(|| "holds only a needle: give the whole line with its header".to_owned())
}

/// Names in braces. Braces of other languages are none: `{.spec…}`, `{range …}`, `%{http_code}`,
/// `${name}`.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let (name, _) = rest.strip_prefix('{')?.split_once('}')?;
        let is_ours = !before.ends_with(['%', '$']) && !name.is_empty() && name != "end";
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        (is_ours && name.chars().all(is_name)).then_some(name)
    })
}

/// `, did you mean …?` where one is near, else what there is.
pub(super) fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(unknown, known.iter().copied()) {
        Some(name) => format!(", did you mean `{name}`?"),
        None => format!(", known are: {}", known.join(", ")),
    }
}

/// The most similar name, unless more than a third of the letters differ.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (distance(unknown, name), name))
        .min_by_key(|(distance, name)| (*distance, name.len()))
        .filter(|(distance, name)| distance * 3 <= name.chars().count().max(3))
        .map(|(_, name)| name)
}

/// How many letters to change, add or drop (Levenshtein, one row).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, pair) in b.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
