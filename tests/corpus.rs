//! Lines and what the parser must say about them, as files: `tests/corpus/<writer>/<case>`.
//! `.txt` is one message, `.lines` one message per line; the expectation lies beside it as JSON.
//! `UPDATE_EXPECT=1` writes expectations anew; read the diff before you commit it.

#[path = "cases.rs"]
mod cases;
#[path = "describe.rs"]
mod describe;
#[path = "recorded.rs"]
mod recorded;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use podwhy_parser::{Origin, parse_from};
use serde_json::Value;

#[test]
fn every_corpus_line_says_what_its_expectation_says() {
    let bless = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = String::new();
    for (path, case) in cases::cases() {
        let found: Vec<Value> = case
            .messages
            .iter()
            .map(|text| describe::message(parse_from(case.origin, text).as_ref()))
            .collect();
        let expected_path = expected_path(&path);
        if bless {
            std::fs::write(&expected_path, rendered(&path, &found)).expect("writable");
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        compare(&path, &expected, &found, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_line_of_a_known_writer_reads_the_same_in_a_paste() {
    let mut wrong = String::new();
    for (path, case) in cases::cases() {
        // What these writers print has no frame that a paste could recognise.
        if matches!(case.origin, Origin::Any | Origin::Docker) {
            continue;
        }
        for text in &case.messages {
            let known = describe::message(parse_from(case.origin, text).as_ref());
            let pasted = describe::message(parse_from(Origin::Any, text).as_ref());
            // A paste may be cut by a pager, and what only the unit tells is unknown there.
            if known.is_null() || pasted.is_null() || text.ends_with('>') {
                continue;
            }
            if known != pasted {
                let _ = writeln!(wrong, "{}\n{}", path.display(), difference(&known, &pasted));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_expectation_is_left_without_its_case() {
    let inputs: BTreeSet<_> = cases::cases().iter().map(|(path, _)| expected_path(path)).collect();
    for folder in std::fs::read_dir(cases::corpus_root()).expect("tests/corpus exists") {
        let folder = folder.expect("readable").path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder).expect("readable") {
            let path = file.expect("readable").path();
            let is_expectation = path.extension().is_some_and(|e| e == "json" || e == "jsonl");
            assert!(!is_expectation || inputs.contains(&path), "{}: no case", path.display());
        }
    }
}

/// Points of log-grammar.md that the parser decides. The others are the agent's: joining (G8, G9,
/// G67, G68), the journal's fields (G7, G12), years and order of times (G5), what is worth an
/// incident (G55 in part, G56).
const POINTS: [&[u32]; 6] = [
    &[1, 2, 3, 4, 6, 10, 11, 13, 14],
    &[15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28],
    &[29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44],
    &[45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 57, 58],
    &[59, 60, 61, 62, 63, 64, 65, 66, 69, 70, 71],
    &[72, 73],
];

#[test]
fn every_point_of_the_grammar_that_the_parser_decides_has_a_case_or_test_of_its_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = String::new();
    for (path, _) in cases::cases() {
        let _ = writeln!(names, "{}", path.file_name().expect("a name").display());
    }
    for folder in [root.join("src"), root.join("../tests")] {
        test_names(&folder, &mut names);
    }
    let named = |point: &u32| {
        names.lines().any(|name| name.split(['_', '.']).any(|word| word == format!("g{point:02}")))
    };
    let missing: Vec<_> = POINTS.concat().into_iter().filter(|point| !named(point)).collect();
    assert!(missing.is_empty(), "neither case nor test is named after G{missing:?}");
}

/// The names of all functions in a folder of Rust files, one a line.
fn test_names(folder: &Path, names: &mut String) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            test_names(&path, names);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            for rest in text.split("\nfn ").chain(text.split(" fn ")).skip(1) {
                let _ = writeln!(names, "{}", rest.split('(').next().unwrap_or_default());
            }
        }
    }
}

/// Pretty JSON for one message, one line each for many.
fn expected_path(case: &Path) -> std::path::PathBuf {
    case.with_extension(if is_lines(case) { "jsonl" } else { "json" })
}

fn is_lines(case: &Path) -> bool {
    case.extension().is_some_and(|e| e == "lines")
}

fn rendered(case: &Path, found: &[Value]) -> String {
    let mut text = String::new();
    for value in found {
        let line = if is_lines(case) {
            serde_json::to_string(value)
        } else {
            serde_json::to_string_pretty(value)
        };
        let _ = writeln!(text, "{}", line.expect("JSON"));
    }
    text
}

fn compare(case: &Path, expected: &str, found: &[Value], wrong: &mut String) {
    let expected: Vec<Value> = serde_json::Deserializer::from_str(expected)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    if expected.len() != found.len() {
        let _ = writeln!(
            wrong,
            "{}: {} messages, {} expectations",
            case.display(),
            found.len(),
            expected.len()
        );
    }
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        if expected != found {
            let _ = writeln!(
                wrong,
                "{} message {}\n{}",
                case.display(),
                index + 1,
                difference(expected, found)
            );
        }
    }
}

/// The members in which two descriptions differ, one a line.
fn difference(expected: &Value, found: &Value) -> String {
    let mut text = String::new();
    collect_difference("", expected, found, &mut text);
    text
}

fn collect_difference(at: &str, expected: &Value, found: &Value, text: &mut String) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
            for key in keys {
                let (left, right) = (expected.get(key), found.get(key));
                let (left, right) = (left.unwrap_or(&Value::Null), right.unwrap_or(&Value::Null));
                collect_difference(&format!("{at}/{key}"), left, right, text);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (left, right)) in expected.iter().zip(found).enumerate() {
                collect_difference(&format!("{at}/{index}"), left, right, text);
            }
        }
        _ if expected == found => {}
        _ => {
            let _ = writeln!(text, "  {at}: expected {expected}, found {found}");
        }
    }
}
