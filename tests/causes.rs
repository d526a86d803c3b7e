//! The catalogue of causes against its own examples: every example goes through `explain` whole and
//! must win, every counter-example must not give its cause. Also: the ids are the agreed ones, and
//! an example is a whole input. Owns no judgement of wording.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use podwhy::{
    catalogue::{self, Cause, Example, Query, QueryText, Role, TextFrom, signal},
    command::cause::trial::{self, Trial},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All causes with their file's name and their examples.
fn all() -> Vec<(&'static str, Cause)> {
    catalogue::files()
        .into_iter()
        .flat_map(|(name, causes)| {
            let causes = causes.unwrap_or_else(|error| panic!("{error}"));
            causes.causes.into_iter().map(move |cause| (name, cause))
        })
        .collect()
}

#[test]
fn our_files_have_no_fault() {
    let faults: Vec<String> = catalogue::faults().iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_ids_are_the_agreed_ones_each_once() {
    let agreed = fs::read_to_string(root().join("tests/causes-ids.txt")).expect("the ids");
    let agreed: BTreeSet<&str> = agreed.lines().collect();
    let causes = all();
    let have: BTreeSet<&str> = causes.iter().map(|(_, cause)| cause.id.as_str()).collect();
    let missing: Vec<&&str> = agreed.difference(&have).collect();
    let new: Vec<&&str> = have.difference(&agreed).collect();
    assert!(
        missing.is_empty() && new.is_empty(),
        "an id is for ever: alerts and runbooks name it\n  missing: {missing:?}\n  new: {new:?} (add them to tests/causes-ids.txt)"
    );
    assert_eq!(causes.len(), have.len(), "an id is there twice");
}

#[test]
fn every_cause_names_real_causes_and_says_what_to_do() {
    let causes = all();
    let ids: BTreeSet<&str> = causes.iter().map(|(_, cause)| cause.id.as_str()).collect();
    let mut found = Vec::new();
    for (file, cause) in &causes {
        let others = cause.confused_with.keys().map(String::as_str);
        let instead = cause.counter_examples.iter().filter_map(|example| example.is.as_deref());
        let unknown = others.chain(instead).filter(|id| !ids.contains(id));
        found.extend(unknown.map(|id| format!("{file} {}: `{id}` is no cause", cause.id)));
        if cause.counter_examples.is_empty() {
            found.push(format!("{file} {}: no counter-example", cause.id));
        }
        let changes =
            ["kubectl delete", "systemctl restart", "reboot\"", "rm -rf", "kubectl apply"];
        for step in &cause.next {
            let command = step.command.as_deref().unwrap_or_default();
            found.extend(changes.iter().filter(|word| command.contains(**word)).map(|word| {
                format!("{file} {}: `{word}` changes something; commands only look", cause.id)
            }));
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// A header of one of the forms that `explain` reads, or a table, or an object.
fn is_whole(line: &str) -> bool {
    let klog = line.len() > 20
        && line.starts_with(['I', 'W', 'E', 'F'])
        && line.chars().skip(1).take(4).all(|c| c.is_ascii_digit());
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    klog || line.starts_with("time=\"")
        || line.starts_with('{')
        || line.starts_with("LAST SEEN")
        || line.starts_with("Events:")
        || line.starts_with("apiVersion:")
        || line.starts_with("Name:")
        || months.iter().any(|month| line.starts_with(month))
        || (line.starts_with("20") && line.contains('T') && line.contains(' '))
}

#[test]
fn every_example_is_a_whole_input() {
    let mut found = Vec::new();
    for (file, cause) in all() {
        let kinds = [("example", &cause.examples), ("counter-example", &cause.counter_examples)];
        for (kind, examples) in kinds {
            for (number, example) in (1..).zip(examples) {
                let is_whole = example.lines.lines().any(is_whole)
                    || (example.lines.trim().is_empty() && example.pod.is_some());
                if !is_whole {
                    found
                        .push(format!("{file} {} {kind} {number}: no line has a header", cause.id));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Whether the text of a rule stands in one line of the example, or in the last words: what the
/// parser and the engine make of it is tried below.
#[test]
fn every_example_has_a_text_that_its_rule_asks_for() {
    let mut found = Vec::new();
    for (file, cause) in all() {
        let has_text =
            cause.matches.iter().any(|rule| rule.split(" && ").any(|p| !p.starts_with('@')));
        let has_signals_only =
            cause.matches.iter().any(|rule| rule.split(" && ").all(|part| part.starts_with('@')));
        if !has_text || cause.role == Role::Wrapper {
            continue;
        }
        let without = |example: &Example| !meets(&cause, example) && !has_signals_only;
        let numbers = (1..).zip(&cause.examples).filter(|(_, example)| without(example));
        found.extend(numbers.map(|(number, _): (usize, _)| {
            format!("{file:<15} {:<36} example {number}: none of its texts is there", cause.id)
        }));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Any step will do: the rule's text is looked for, nothing else.
fn meets(cause: &Cause, example: &Example) -> bool {
    let facts = example.facts.as_deref().unwrap_or_default();
    let lines = format!("{}\n{facts}", example.lines);
    let lines: String = lines.chars().filter(|c| *c != '\\').collect();
    let status = example.pod.as_deref().unwrap_or_default();
    let words = example.last_words.as_deref().unwrap_or_default();
    let companion = |text| QueryText { text, from: TextFrom::Companion };
    let mut texts: Vec<QueryText<'_>> =
        lines.lines().chain(status.lines()).map(companion).collect();
    // A value over several lines is one message.
    texts.push(QueryText { text: &lines, from: TextFrom::Outer });
    texts.push(QueryText { text: words, from: TextFrom::LastWords });
    let query = Query { step: "", reason: None, texts: &texts };
    let verdicts = catalogue::builtin().find(&query, &signal::Unknown);
    verdicts.iter().any(|verdict| verdict.cause.id == cause.id)
}

/// One line of the table of failures.
fn row(file: &str, cause: &Cause, number: usize, kind: &str, trial: &Trial) -> String {
    format!("{file:<15} {:<36} {kind} {number}: {}\n", cause.id, trial.told())
}

#[test]
fn every_example_is_explained_by_its_cause_and_no_counter_example_is() {
    let (mut failures, mut tried, mut told) = (String::new(), 0_usize, 0_usize);
    let only = std::env::var("CAUSE").unwrap_or_default();
    for (file, cause) in all() {
        if !cause.id.contains(&only) {
            continue;
        }
        let try_all = |examples: &[Example], is_counter: bool| -> Vec<Trial> {
            examples
                .iter()
                .map(|example| trial::run(&cause, example, is_counter, catalogue::builtin()))
                .collect()
        };
        for (number, trial) in (1..).zip(try_all(&cause.examples, false)) {
            tried += 1;
            told += trial.won.len();
            if !trial.is_right {
                let _ = write!(failures, "{}", row(file, &cause, number, "example", &trial));
            }
        }
        for (number, trial) in (1..).zip(try_all(&cause.counter_examples, true)) {
            tried += 1;
            told += trial.won.len();
            if !trial.is_right {
                let _ = write!(failures, "{}", row(file, &cause, number, "counter", &trial));
            }
        }
    }
    if told == 0 {
        eprintln!("SKIPPED every_example_is_explained: explain tells no incident yet");
        return;
    }
    let failed = failures.lines().count();
    assert!(failures.is_empty(), "\n{failures}{failed} of {tried} are not explained as they say\n");
    assert!(tried > 600 || !only.is_empty(), "only {tried} examples were tried");
}
