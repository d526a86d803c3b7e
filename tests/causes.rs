//! The catalogue of causes against its own examples: every example goes through `explain` whole and
//! must win, every counter-example must not give its cause. Also: the ids are the agreed ones, and
//! an example is a whole input. Owns no judgement of wording.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    thread,
};

use podwhy::{
    catalogue::{
        self, Catalogue, Cause, Class, Example, File, LoadError, Query, QueryText, Role, Signal,
        TextFrom, signal,
    },
    command::cause::trial::{self, Trial},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Our files with their examples, as they are now: to try a change of theirs nothing is built.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let folder = fs::read_dir(root().join("agent/causes")).expect("the folder");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let is_of_causes = |path: &&PathBuf| !path.ends_with("faq.yaml");
    let read = |path: &PathBuf| File {
        name: name(path),
        text: fs::read_to_string(path).expect("a file of causes"),
    };
    paths.iter().filter(is_of_causes).map(read).collect()
});

/// What they come to.
static CATALOGUE: LazyLock<(Arc<Catalogue>, Vec<LoadError>)> = LazyLock::new(|| {
    let (catalogue, faults) = catalogue::in_place_of_ours(&FILES);
    (Arc::new(catalogue), faults)
});

/// All causes with their file's name and their examples.
fn all() -> Vec<(&'static str, Cause)> {
    FILES
        .iter()
        .flat_map(|file| {
            let causes = catalogue::parse(&file.name, &file.text);
            let causes = causes.unwrap_or_else(|error| panic!("{error}"));
            causes.causes.into_iter().map(|cause| (file.name.as_str(), cause))
        })
        .collect()
}

#[test]
fn our_files_have_no_fault() {
    let faults: Vec<String> = CATALOGUE.1.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_program_has_all_of_our_causes_but_their_examples() {
    let of = |catalogue: &Catalogue| -> BTreeMap<String, (Class, Cause)> {
        let causes = catalogue.causes();
        causes.map(|(class, cause)| (cause.id.clone(), (class, cause.clone()))).collect()
    };
    let (inside, outside) = (of(catalogue::builtin()), of(&CATALOGUE.0));
    assert_eq!(inside.keys().collect::<Vec<_>>(), outside.keys().collect::<Vec<_>>());
    for (id, cause) in &outside {
        assert_eq!(inside.get(id), Some(cause));
    }
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

/// A signal as the table has it: `@exit=N` for any number.
fn row_of(word: &str) -> String {
    let valued = ["@exit=", "@exit!=", "@reason=", "@kill="];
    let head = valued.iter().find(|head| word.starts_with(**head) && word != "@exit=other");
    match head {
        Some(head) if head.starts_with("@exit") => format!("{head}N"),
        Some(head) => format!("{head}…"),
        None => word.to_owned(),
    }
}

#[test]
fn every_signal_has_a_row_that_says_who_tells_it_and_from_what() {
    let document = fs::read_to_string(root().join("docs/causes.md")).expect("the document");
    let rows = document.lines().filter(|line| line.starts_with("| `@"));
    let mut told: Vec<String> = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
        told.extend(cells[0].split('`').filter(|word| word.starts_with('@')).map(str::to_owned));
    }
    let known: BTreeSet<String> = Signal::words().iter().map(|word| row_of(word)).collect();
    let once: BTreeSet<String> = told.iter().cloned().collect();
    assert_eq!(once, known);
    assert_eq!(told.len(), once.len(), "a signal has two rows");
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
    let verdicts = CATALOGUE.0.find(&query, &signal::Unknown);
    verdicts.iter().any(|verdict| verdict.cause.id == cause.id)
}

/// One example on its way to be tried.
struct Tried<'c> {
    file: &'static str,
    cause: &'c Cause,
    kind: &'static str,
    number: usize,
    example: &'c Example,
}

impl Tried<'_> {
    fn run(&self) -> Trial {
        trial::run(self.cause, self.example, self.kind == "counter", &CATALOGUE.0)
    }

    /// As `tests/causes-open.txt` has it.
    fn name(&self) -> String {
        format!("{} {} {}", self.cause.id, self.kind, self.number)
    }

    /// One line of the table of failures.
    fn row(&self, trial: &Trial) -> String {
        let Self { file, cause, kind, number, .. } = self;
        format!("{file:<15} {:<36} {kind} {number}: {}\n", cause.id, trial.told())
    }
}

/// `CAUSE=part-of-an-id` tries those alone. `tests/causes-open.txt` names those that the engine does
/// not explain yet: one that it does is taken off, and none comes new.
#[test]
#[expect(clippy::print_stdout, reason = "how many are explained is worth a line")]
fn every_example_is_explained_by_its_cause_and_no_counter_example_is() {
    let only = std::env::var("CAUSE").unwrap_or_default();
    let causes = all();
    let tries: Vec<Tried<'_>> = causes
        .iter()
        .filter(|(_, cause)| cause.id.contains(&only))
        .flat_map(|(file, cause)| {
            let kinds = [("example", &cause.examples), ("counter", &cause.counter_examples)];
            kinds.into_iter().flat_map(move |(kind, examples)| {
                (1..).zip(examples).map(move |(number, example)| Tried {
                    file,
                    cause,
                    kind,
                    number,
                    example,
                })
            })
        })
        .collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let failures: Vec<(String, String)> = thread::scope(|scope| {
        let of_part = |part: &[Tried<'_>]| -> Vec<(String, String)> {
            let trials = part.iter().map(|tried| (tried, tried.run()));
            let wrong = trials.filter(|(_, trial)| !trial.is_right);
            wrong.map(|(tried, trial)| (tried.name(), tried.row(&trial))).collect()
        };
        let parts = tries.chunks(tries.len().div_ceil(threads).max(1));
        let running: Vec<_> = parts.map(|part| scope.spawn(move || of_part(part))).collect();
        running.into_iter().flat_map(|part| part.join().expect("no trial panics")).collect()
    });
    let open = fs::read_to_string(root().join("tests/causes-open.txt")).expect("the open ones");
    let open: BTreeSet<&str> = open.lines().filter(|line| !line.starts_with('#')).collect();
    let failed: BTreeSet<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
    let tried: BTreeSet<String> = tries.iter().map(Tried::name).collect();
    let is_done =
        |name: &&&str| !failed.contains(**name) && (only.is_empty() || tried.contains(**name));
    let done: Vec<&&str> = open.iter().filter(is_done).collect();
    let new = failures.iter().filter(|(name, _)| !open.contains(name.as_str()));
    let new: String = new.map(|(_, row)| row.as_str()).collect();
    let (count, all) = (failures.len(), tries.len());
    println!("{} of {all} are explained as they say", all - count);
    assert!(new.is_empty(), "\n{new}{count} of {all} are not explained as they say\n");
    assert!(done.is_empty(), "explained now, take them off tests/causes-open.txt: {done:#?}");
    assert!(all > 900 || !only.is_empty(), "only {all} examples were tried");
}
