//! `podwhy parse` as a command: every `tests/parse/*.in` gives its `.jsonl`, and whole recordings
//! give the same failures in each of their forms. `UPDATE_EXPECT=1` writes the expectations anew.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "all of this is a test: what is not there fails it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");

fn podwhy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podwhy"));
    command.arg("parse").current_dir(TESTS);
    command
}

fn run(arguments: &[&str]) -> Output {
    podwhy().args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    let text = str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn recordings() -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(format!("{TESTS}/recordings"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 24, "recordings are missing");
    folders
}

fn export_of(folder: &Path) -> String {
    let plain = folder.join("journal.export");
    let file = if plain.exists() { plain } else { folder.join("journal.export.gz") };
    file.display().to_string()
}

#[test]
fn every_example_gives_its_lines() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut inputs: Vec<_> = fs::read_dir(format!("{TESTS}/parse"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "in"))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 6, "examples are missing");
    for input in inputs {
        let name = format!("parse/{}", input.file_name().unwrap().to_str().unwrap());
        let output = run(&["--all", &name]);
        let has_failure = objects(&output).iter().any(|line| line["kind"] == "sync_failure");
        assert_eq!(output.status.code(), Some(if has_failure { 0 } else { 3 }), "{name}");
        let expected = input.with_extension("jsonl");
        if update {
            fs::write(&expected, &output.stdout).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        let got = str::from_utf8(&output.stdout).unwrap();
        for (got, expected) in got.lines().zip(expected.lines()) {
            assert_eq!(got, expected, "{name}");
        }
        assert_eq!(got.lines().count(), expected.lines().count(), "{name}");
    }
}

#[test]
fn the_fields_of_a_sync_failure_stand_in_the_order_of_the_contract() {
    let output = run(&["parse/short_iso.in"]);
    let line = str::from_utf8(&output.stdout).unwrap().lines().next().unwrap();
    let fields = "kind line time severity source form step reason target index of pod container \
        message truncated exit_code backoff_seconds image sandbox_id container_id file";
    let mut from = 0;
    for field in fields.split_whitespace() {
        let at = line[from..].find(&format!("\"{field}\":"));
        from += at.unwrap_or_else(|| panic!("{field} is missing or out of its place"));
    }
    let object: Value = serde_json::from_str(line).unwrap();
    assert_eq!(object.as_object().unwrap().len(), fields.split_whitespace().count());
    assert_eq!(object["source"].as_object().unwrap().len(), 3);
}

#[test]
fn each_recording_has_as_many_error_syncing_pod_lines_as_its_index_says() {
    let index = fs::read_to_string(format!("{TESTS}/recordings/index.tsv")).unwrap();
    let mut rows = index.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let heads = rows.next().unwrap();
    let column = |name| heads.iter().position(|head| *head == name).unwrap();
    let (scenario, count) = (column("scenario"), column("error_syncing"));
    let expected: BTreeMap<_, u64> =
        rows.map(|row| (row[scenario].to_owned(), row[count].parse().unwrap())).collect();
    let mut total = 0;
    for folder in recordings() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let mut lines: Vec<_> = objects(&run(&[&export_of(&folder)]))
            .iter()
            .filter(|object| object["source"]["file"] == "pod_workers.go")
            .map(|object| object["line"].as_u64().unwrap())
            .collect();
        lines.dedup();
        assert_eq!(lines.len() as u64, expected[&name], "{name}");
        total += lines.len();
    }
    assert_eq!(total, 265);
}

#[test]
fn every_form_of_a_recording_gives_the_same_messages() {
    for name in ["post-start-fails", "two-at-once"] {
        let told = |file: &str| {
            let output = run(&["--all", &format!("recordings/{name}/{file}")]);
            let mut objects = objects(&output);
            assert!(objects.len() > 100, "{name}/{file}: {}", objects.len());
            for object in &mut objects {
                let object = object.as_object_mut().unwrap();
                // What only this form knows, or has of its own.
                for field in ["line", "file", "time", "local_time"] {
                    object.remove(field);
                }
            }
            objects
        };
        let export = told("journal.export");
        for file in ["journal.json.gz", "journal.txt"] {
            let other = told(file);
            for (at, (other, export)) in other.iter().zip(&export).enumerate() {
                assert_eq!(other, export, "{name}/{file}, message {at}");
            }
            assert_eq!(other.len(), export.len(), "{name}/{file}");
        }
    }
}

#[test]
fn times_are_utc_where_the_envelope_dates_them_and_local_where_not() {
    let export = objects(&run(&["recordings/post-start-fails/journal.export"]));
    let text = objects(&run(&["recordings/post-start-fails/journal.txt"]));
    assert_eq!(export.len(), text.len());
    for (export, text) in export.iter().zip(&text) {
        assert!(export.get("local_time").is_none() && text["time"].is_null());
        let utc = export["time"].as_str().unwrap();
        assert_eq!(utc, format!("2026-{}Z", text["local_time"].as_str().unwrap()));
    }
}

#[test]
fn exit_codes_and_words_tell_what_happened() {
    let says = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();

    let nothing = run(&["recordings/README.md"]);
    assert_eq!(nothing.status.code(), Some(3));
    assert!(nothing.stdout.is_empty() && says(&nothing).contains("nothing recognised"));

    let healthy = run(&["recordings/healthy/journal.export"]);
    assert_eq!(healthy.status.code(), Some(3));
    assert!(says(&healthy).contains("no sync failure"));

    let missing = run(&["no-such-file", "parse/klog_json.in"]);
    assert_eq!((missing.status.code(), objects(&missing).len()), (Some(1), 1));
    assert!(says(&missing).contains("no-such-file"));

    assert_eq!(run(&["recordings"]).status.code(), Some(1), "a folder is no input");
    assert_eq!(run(&["--no-such-flag"]).status.code(), Some(2));
    assert_eq!(run(&[]).status.code(), Some(3), "an empty standard input holds no failure");
}

#[test]
fn standard_input_is_read_without_a_file_or_for_a_dash() {
    let bytes = fs::read(format!("{TESTS}/parse/klog_json.in")).unwrap();
    for arguments in [&[][..], &["-"]] {
        let mut child =
            podwhy().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let objects = objects(&output);
        assert_eq!((objects.len(), &objects[0]["file"]), (1, &Value::Null));
    }
}

#[test]
fn a_failure_is_printed_while_its_pipe_is_still_open() {
    let mut child = podwhy().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&fs::read(format!("{TESTS}/parse/klog_json.in")).unwrap()).unwrap();
    let mut first = [0; 22];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, br#"{"kind":"sync_failure""#);
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let failures: Vec<_> =
        std::iter::repeat_n("recordings/thirty-at-once/journal.export.gz", 8).collect();
    let mut child = podwhy()
        .args(failures)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn o25_what_would_steer_a_terminal_is_escaped_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubelet.log");
    let said = "pull \u{9b}31m \u{202e} \u{7f} user=shown password=hidden";
    let line = format!(
        "E1122 10:00:00.123456    1234 pod_workers.go:1324] \"Error syncing pod, skipping\" \
         err=\"failed to \\\"StartContainer\\\" for \\\"app\\\" with ErrImagePull: \\\"{said}\\\"\" \
         pod=\"shop/web-0\" podUID=\"0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11\"\n"
    );
    fs::write(&file, line).unwrap();
    let output = run(&[file.to_str().unwrap()]);
    let printed = str::from_utf8(&output.stdout).unwrap();
    assert!(!printed.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{printed:?}");
    let said = said.replace("hidden", "REDACTED");
    assert_eq!(objects(&output)[0]["message"], said.as_str());
}
