//! The engine as a whole: lines in, records out.

mod collapse;
mod incidents;
mod life;
mod of_node;
mod others;
mod overflow;
mod probes;
mod recordings;
mod records;
mod repeats;
mod root;
mod runtime;
mod silence;
mod spikes;
mod steady;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use podwhy_parser::{Origin, parse_from};

use super::*;
use crate::{
    record::{EventName, Record, Value, names},
    source::{input, join::Join},
};

const UID_A: &str = "0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11";
const UID_B: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";
const SANDBOX_A: &str = "aa3b7a91e5d24f68b1a0937ce46d52f8917b3e0ac5d84f2619e7b05d3c8a64f1";
const SANDBOX_B: &str = "bb3b7a91e5d24f68b1a0937ce46d52f8917b3e0ac5d84f2619e7b05d3c8a64f1";
const CONTAINER_A: &str = "cce6d1f57c934ab2e0d8415b6f29c7a3d5104e8b97f26c3a1b0d84e572f96ac3";

/// 2026-11-22T22:00:00Z, where the lines of these tests begin.
const START: Micros = 1_795_384_800_000_000;

/// The engine of a node, with what it concluded so far.
struct Engine {
    diagnosis: Diagnosis,
    out: Output,
    /// Records of incidents, apart from the others.
    of_incidents: Vec<Record>,
    last: Micros,
}

impl Engine {
    fn new(repeats: Repeats) -> Self {
        Self {
            diagnosis: Diagnosis::new(settings(repeats)),
            out: Output::default(),
            of_incidents: Vec::new(),
            last: START,
        }
    }

    /// A line as the journal has it.
    fn line(&mut self, line: &Line<'_>) {
        let message = parse_from(line.origin, line.text)
            .unwrap_or_else(|| panic!("not understood: {}", line.text));
        self.message(&message, line);
    }

    fn message(&mut self, message: &Message<'_>, line: &Line<'_>) {
        if let Some(seen) = self.diagnosis.observe(message, line) {
            self.apply(line.at, Input::Observed(Box::new(seen)));
        }
    }

    /// A kubelet line, `millis` after the start; the journal has it 100 µs later.
    fn kubelet(&mut self, millis: i64, letter: char, rest: &str) {
        let at = START + millis * 1000;
        let text = format!("{letter}{}    2148 {rest}", klog_time(at));
        self.line(&line(Origin::Kubelet, "kubelet.service", &text, at + 100));
    }

    fn containerd(&mut self, millis: i64, level: &str, rest: &str) {
        let at = START + millis * 1000;
        let time = time::utc(at).replace('Z', "000Z");
        let text = format!("time=\"{time}\" level={level} {rest}");
        self.line(&line(Origin::Containerd, "containerd.service", &text, at + 100));
    }

    fn tick(&mut self, millis: i64) {
        self.apply(START + millis * 1000, Input::Tick);
    }

    fn apply(&mut self, at: Micros, input: Input) {
        if matches!(input, Input::Observed(_) | Input::Tick) {
            self.last = at;
        }
        self.diagnosis.apply(at, input, &mut self.out);
        let is_of_incident = |record: &mut Record| record.event == EventName::Incident;
        self.of_incidents.extend(self.out.records.extract_if(.., is_of_incident));
    }

    /// The records that tell of no incident.
    fn end(self) -> Vec<Record> {
        self.end_with_incidents().0
    }

    /// The same, and those that do.
    fn end_with_incidents(mut self) -> (Vec<Record>, Vec<Record>) {
        let at = self.last;
        self.apply(at, Input::End);
        (self.out.records, self.of_incidents)
    }
}

fn settings(repeats: Repeats) -> Settings {
    Settings {
        node: "node-1".to_owned(),
        repeats,
        repeats_window: Duration::from_secs(600),
        recovery: Recovery::default(),
    }
}

fn line<'a>(origin: Origin, unit: &'a str, text: &'a str, at: Micros) -> Line<'a> {
    Line {
        text,
        origin,
        unit,
        stream: 1,
        pid: Some(2148),
        at,
        dated: true,
        boot: 7,
        cut: false,
        number: 0,
    }
}

/// `mmdd hh:mm:ss.uuuuuu` in UTC.
fn klog_time(at: Micros) -> String {
    let text = time::utc(at);
    let part = |range| text.get(range).unwrap();
    format!("{}{} {}", part(5..7), part(8..10), part(11..26))
}

/// `"Error syncing pod, skipping"` with an error that is not yet quoted.
fn error_syncing(error: &str, name: &str, uid: &str) -> String {
    format!(
        "pod_workers.go:1324] \"Error syncing pod, skipping\" err={error:?} pod=\"shop/{name}\" podUID=\"{uid}\""
    )
}

fn crash_loop(back_off: &str, name: &str, uid: &str) -> String {
    let message =
        format!("back-off {back_off} restarting failed container=app pod={name}_shop({uid})");
    let error =
        format!("failed to \"StartContainer\" for \"app\" with CrashLoopBackOff: {message:?}");
    error_syncing(&error, name, uid)
}

fn text<'a>(record: &'a Record, name: &str) -> &'a str {
    record.attribute(name).and_then(Value::as_text).unwrap_or_default()
}

fn count(record: &Record) -> i64 {
    match record.attribute(names::SYNC_REPEATS) {
        Some(Value::Int(count)) => *count,
        _ => 1,
    }
}

pub(super) fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings")
}

pub(super) fn scenarios() -> Vec<String> {
    let index = std::fs::read_to_string(recordings().join("index.tsv")).unwrap();
    index.lines().skip(1).filter_map(|row| Some(row.split('\t').next()?.to_owned())).collect()
}

fn journal(scenario: &str) -> PathBuf {
    let folder = recordings().join(scenario);
    ["journal.export", "journal.export.gz"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{scenario} has no journal"))
}

/// Each message of a recording, joined, in its order.
pub(super) fn replay(scenario: &str, mut sink: impl FnMut(&Message<'_>, &Line<'_>)) {
    let mut input = input::Input::open(&journal(scenario)).unwrap();
    let mut join = Join::new();
    while input
        .next(&mut |line| join.push(line, &mut |joined| sink(&joined.message, &joined.line)))
        .unwrap()
    {}
    join.end(&mut |joined| sink(&joined.message, &joined.line));
}

/// Ends this engine's life: what it kept goes to a new one through its durable form.
fn restart(engine: &mut Engine, kept: &mut BTreeMap<Vec<u8>, Vec<u8>>, repeats: Repeats) {
    engine.diagnosis.changes(&mut |(key, value)| match value {
        Some(value) => {
            kept.insert(key, value);
        }
        None => {
            kept.remove(&key);
        }
    });
    let mut again = Diagnosis::new(settings(repeats));
    assert_eq!(again.restore(kept.clone()), [[0_u8; 0]; 0], "all that was kept can be read");
    again.view = engine.diagnosis.view.clone();
    engine.diagnosis = again;
}
