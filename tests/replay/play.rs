//! The engine alone over a recording: lines and facts in the order of their times, wants answered
//! from what was recorded.

use std::collections::BTreeMap;

use podwhy::app::replay::recorded::{Pieces, Recorded};
use podwhy::diagnosis::{Diagnosis, Input, Output, Repeats, Settings};
use podwhy::fact::{Dated, Fact};
use podwhy::incident::Incident;
use podwhy::record::Record;
use podwhy::source::join::{Join, Joined};
use podwhy::source::{Line, Lines, Micros};

/// How the same recording is played.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// A tick after every line: time comes in the smallest of batches.
    pub(crate) ticks: bool,
    /// The engine ends and is restored after every so many lines.
    pub(crate) restart_every: Option<u64>,
}

/// What the engine told.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) incidents: Vec<(Micros, Incident)>,
    pub(crate) records: Vec<Record>,
    /// Those that are there at the end, as they are then.
    pub(crate) present: Vec<(Micros, Incident)>,
}

impl Timeline {
    pub(crate) fn json_lines(&self) -> String {
        let mut text = String::new();
        for (at, incident) in self.incidents.iter().chain(&self.present) {
            let at = jiff::Timestamp::from_microsecond(*at).unwrap().to_string();
            let line = serde_json::json!({ "at": at, "incident": incident });
            text.push_str(&line.to_string());
            text.push('\n');
        }
        text
    }
}

fn settings() -> Settings {
    Settings {
        node: "node-1".to_owned(),
        repeats: Repeats::Summary,
        repeats_window: std::time::Duration::from_secs(300),
        recovery: podwhy::diagnosis::Recovery::default(),
    }
}

struct Player<'r> {
    recorded: &'r Recorded,
    way: Way,
    join: Join,
    engine: Diagnosis,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What is true now of what is told again after a restart: the newest version of each pod.
    present: BTreeMap<String, Dated>,
    facts: usize,
    lines: u64,
    timeline: Timeline,
}

pub(crate) fn play(pieces: Pieces, way: Way) -> Timeline {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded = pieces.ready(folder.path()).unwrap();
    let mut lines = std::mem::take(&mut recorded.lines);
    let mut player = Player {
        recorded: &recorded,
        way,
        join: Join::new(),
        engine: Diagnosis::new(settings()),
        state: BTreeMap::new(),
        present: BTreeMap::new(),
        facts: 0,
        lines: 0,
        timeline: Timeline::default(),
    };
    let mut last = 0;
    lines.each(&mut |line| {
        last = last.max(line.at);
        player.line(line);
    });
    player.facts_until(last.saturating_add(5_000_000));
    let end = last.saturating_add(5_000_000);
    player.apply(end, Input::Tick);
    // What changed since it was last told: counts, the newest step.
    let present: Vec<_> = player.engine.incidents().map(|view| (end, view)).collect();
    player.timeline.present = present;
    player.timeline
}

impl Player<'_> {
    fn line(&mut self, line: Line<'_>) {
        self.facts_until(line.at);
        let Self { join, engine, .. } = self;
        let mut told = Vec::new();
        join.push(line, &mut |joined: Joined<'_>| {
            if let Some(seen) = engine.observe(&joined.message, &joined.line) {
                let mut output = Output::default();
                engine.apply(joined.line.at, Input::Observed(Box::new(seen)), &mut output);
                told.push((joined.line.at, output));
            }
        });
        for (at, output) in told {
            self.take(at, output);
        }
        if self.way.ticks {
            self.apply(line.at, Input::Tick);
        }
        self.lines += 1;
        if self.way.restart_every.is_some_and(|every| self.lines.is_multiple_of(every)) {
            self.restart();
        }
    }

    fn facts_until(&mut self, now: Micros) {
        while let Some(fact) = self.recorded.facts.get(self.facts).filter(|fact| fact.at <= now) {
            self.facts += 1;
            let key = match &fact.fact {
                Fact::Pod(pod) => format!("{}/{}", pod.namespace, pod.name),
                Fact::NodeObject(_) => "node".to_owned(),
                _ => continue,
            };
            self.present.insert(key, fact.clone());
            self.apply(fact.at, Input::Fact(Box::new(fact.clone())));
        }
    }

    fn apply(&mut self, at: Micros, input: Input) {
        let mut output = Output::default();
        self.engine.apply(at, input, &mut output);
        self.take(at, output);
    }

    fn take(&mut self, at: Micros, output: Output) {
        self.timeline.records.extend(output.records);
        self.timeline.incidents.extend(output.incidents.into_iter().map(|view| (at, view)));
        for want in output.wants {
            let answer = self.recorded.answers.answer(want, at);
            self.apply(at, Input::Fact(Box::new(answer)));
        }
    }

    /// As after `kill -9` behind a transaction: all that is left is what was handed on.
    fn restart(&mut self) {
        let state = &mut self.state;
        self.engine.changes(&mut |(key, value)| match value {
            Some(value) => drop(state.insert(key, value)),
            None => drop(state.remove(&key)),
        });
        self.engine = Diagnosis::new(settings());
        let lost = self.engine.restore(self.state.clone());
        assert!(lost.is_empty(), "all of the state can be read back");
        for fact in self.present.values().cloned().collect::<Vec<_>>() {
            let at = fact.at;
            let mut output = Output::default();
            self.engine.apply(at, Input::Fact(Box::new(fact)), &mut output);
            assert!(output.records.is_empty(), "what is known is no news: {:?}", output.records);
        }
    }
}
