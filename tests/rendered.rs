//! Every template of the kubelet, rendered by real klog with hostile values, read back.
//! `tests/klog/generate` makes the lines and says what is true of them; the parser must agree.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use podwhy_parser::{Format, Message, Origin, Severity, parse_from};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    row: u32,
    kind: String,
    bytes: String,
    severity: String,
    stamp: String,
    pid: u32,
    caller: Caller,
    message: String,
    /// A printf text that happens to look like a structured one.
    #[serde(default)]
    ambiguous: bool,
    #[serde(default)]
    pairs: Vec<Pair>,
    pod: Option<Pod>,
    reason: Option<String>,
    #[serde(default)]
    failures: Vec<Failure>,
    volume: Option<String>,
    backoff: Option<f64>,
}

#[derive(Deserialize)]
struct Caller {
    file: String,
    line: u32,
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    value: String,
    how: String,
}

#[derive(Deserialize)]
struct Pod {
    namespace: String,
    name: String,
    uid: String,
}

#[derive(Deserialize)]
struct Failure {
    step: String,
    target: Option<String>,
    reason: Option<String>,
    message: String,
}

#[test]
fn klog_1_0_lines_of_kubernetes_1_15_to_1_18_are_read_back() {
    read_back("1.0.0");
}

#[test]
fn klog_2_4_lines_of_kubernetes_1_19_and_1_20_are_read_back() {
    read_back("2.4.0");
}

#[test]
fn klog_2_30_lines_of_kubernetes_1_21_to_1_23_are_read_back() {
    read_back("2.30.0");
}

#[test]
fn klog_2_90_lines_of_kubernetes_1_24_to_1_27_are_read_back() {
    read_back("2.90.1");
}

#[test]
fn klog_2_130_lines_of_kubernetes_1_28_to_1_35_are_read_back() {
    read_back("2.130.1");
}

#[test]
fn klog_2_140_lines_of_kubernetes_1_36_are_read_back() {
    read_back("2.140.0");
}

#[test]
fn every_template_of_the_table_is_rendered() {
    let folder = klog_folder();
    let table = std::fs::read_to_string(folder.join("messages.tsv")).expect("readable table");
    let mut rendered = std::collections::BTreeSet::new();
    for version in ["1.0.0", "2.4.0", "2.30.0", "2.90.1", "2.130.1", "2.140.0"] {
        rendered.extend(cases(version).map(|case| case.row));
    }
    for (number, line) in (1..).zip(table.lines()).skip(1) {
        let template = line.split('\t').nth(3).expect("eight columns");
        // The one row whose message is no literal.
        assert!(template.is_empty() || rendered.contains(&number), "row {number}: {line}");
    }
}

fn klog_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/klog")
}

fn cases(version: &str) -> impl Iterator<Item = Case> {
    let path = klog_folder().join(format!("rendered/{version}.jsonl.gz"));
    let lines = BufReader::new(GzDecoder::new(File::open(path).expect("rendered lines"))).lines();
    lines.map(|line| serde_json::from_str(&line.expect("a line")).expect("a case"))
}

fn read_back(version: &str) {
    let (mut count, mut wrong, mut shown) = (0, 0, String::new());
    for case in cases(version) {
        count += 1;
        let said = disagreements(&case);
        if !said.is_empty() {
            wrong += 1;
            if wrong <= 12 {
                let start: String = case.bytes.chars().take(1500).collect();
                let _ = writeln!(shown, "row {} {}: {start}{said}", case.row, case.kind);
            }
        }
    }
    assert!(count > 1000, "only {count} lines");
    assert_eq!(wrong, 0, "of {count} lines of klog {version}:\n{shown}");
}

/// What the parser says otherwise than klog's caller.
fn disagreements(case: &Case) -> String {
    let mut said = String::new();
    let input = case.bytes.strip_suffix('\n').unwrap_or(&case.bytes);
    let Some(message) = parse_from(Origin::Kubelet, input) else { return "  no message\n".into() };
    header(case, &message, &mut said);
    if case.ambiguous {
        return said;
    }
    text(case, &message, &mut said);
    let structured = case.kind == "structured";
    let format = if structured { Format::KlogStructured } else { Format::KlogPrintf };
    differ("format", &format!("{format:?}"), &format!("{:?}", message.frame.format), &mut said);
    if structured {
        pairs(case, &message, &mut said);
        differ("truncated", "false", &message.truncated.to_string(), &mut said);
    }
    facts(case, &message, &mut said);
    failures(case, &message, &mut said);
    said
}

/// The whole text, but of a container's dump only what follows it: the spec is never shown (G54).
fn text(case: &Case, message: &Message<'_>, said: &mut String) {
    let text = message.text.to_string();
    if case.message.contains("container &Container{") {
        differ("dump", &false, &text.contains("&Container{"), said);
        differ(
            "tail",
            &true,
            &(!text.is_empty() && case.message.trim_end().ends_with(&text)),
            said,
        );
    } else {
        differ("message", &case.message, &text, said);
    }
}

fn header(case: &Case, message: &Message<'_>, said: &mut String) {
    let frame = message.frame;
    let severity = match case.severity.as_str() {
        "I" => Severity::Info,
        "W" => Severity::Warning,
        "E" => Severity::Error,
        _ => Severity::Fatal,
    };
    differ("severity", &Some(severity), &frame.severity, said);
    let stamp = match frame.stamp {
        Some(podwhy_parser::Stamp::Klog { month, day, hour, minute, second, micros }) => {
            format!("{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")
        }
        other => format!("{other:?}"),
    };
    differ("stamp", &case.stamp, &stamp, said);
    differ("pid", &Some(case.pid), &frame.pid, said);
    differ("file", &Some(case.caller.file.as_str()), &frame.file, said);
    differ("line", &Some(case.caller.line), &frame.line, said);
}

fn pairs(case: &Case, message: &Message<'_>, said: &mut String) {
    let found: Vec<_> = message.pairs().collect();
    differ("pairs", &case.pairs.len(), &found.len(), said);
    for (pair, (key, value)) in case.pairs.iter().zip(found) {
        differ("key", &pair.key.as_str(), &key, said);
        let text = value.text();
        let value = if pair.how == "raw" { text.raw().to_owned() } else { text.to_string() };
        // A trailing newline of a block cannot be told from none.
        let value = if pair.how == "block" { value.trim_end_matches('\n') } else { &value };
        let truth =
            if pair.how == "block" { pair.value.trim_end_matches('\n') } else { &pair.value };
        differ(&pair.key, truth, value, said);
    }
}

/// Identity may be absent, never another's.
fn facts(case: &Case, message: &Message<'_>, said: &mut String) {
    let facts = message.facts();
    let must = !case.failures.is_empty() || case.reason.is_some();
    if let Some(pod) = &case.pod {
        let found = [facts.pod.namespace, facts.pod.name, facts.pod.uid];
        for (truth, found) in [&pod.namespace, &pod.name, &pod.uid].into_iter().zip(found) {
            if !truth.is_empty() && (must || found.is_some()) {
                let found = found.map(|it| it.to_string()).unwrap_or_default();
                differ("pod", truth, &found, said);
            }
        }
    }
    if let Some(reason) = &case.reason {
        let found = facts.reason.map(|it| it.to_string()).unwrap_or_default();
        differ("reason", reason, &found, said);
    }
    if let Some(volume) = &case.volume {
        let found = facts.volume.map(|it| it.to_string()).unwrap_or_default();
        differ("volume", volume, &found, said);
    }
    if case.backoff.is_some() {
        differ("back-off", &case.backoff, &facts.backoff_seconds, said);
    }
}

fn failures(case: &Case, message: &Message<'_>, said: &mut String) {
    if case.failures.is_empty() {
        return;
    }
    let found: Vec<_> = message.failures().collect();
    differ("failures", &case.failures.len(), &found.len(), said);
    for (truth, found) in case.failures.iter().zip(found) {
        differ("step", &truth.step, &found.step.to_string(), said);
        differ("target", &truth.target, &found.target.map(|it| it.to_string()), said);
        differ("reason", &truth.reason, &found.reason.map(|it| it.to_string()), said);
        // Where the message is the tail of a block, its last newline is lost with the block's.
        let (message, truth) = (found.message.to_string(), truth.message.trim_end_matches('\n'));
        let message = message.trim_end_matches('\n');
        // A volume operation is told whole: which operation failed, for which volume, and why.
        // The blanks that end a printf line are not kept.
        let whole = format!(" : {truth}");
        if case.volume.is_none() || !message.trim_end().ends_with(whole.trim_end()) {
            differ("message", truth, message, said);
        }
        differ("of", &case.failures.len(), &usize::from(found.of), said);
    }
}

fn differ<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    truth: &T,
    found: &T,
    said: &mut String,
) {
    if truth != found {
        let (truth, found) = (format!("{truth:?}"), format!("{found:?}"));
        let short = |text: &str| text.chars().take(600).collect::<String>();
        let _ = writeln!(said, "  {what}: true {}, found {}", short(&truth), short(&found));
    }
}
