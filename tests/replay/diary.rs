//! What was watched on a real node, told to the engine again in exactly its order, kills and
//! restarts included: nothing is looked up, every answer is the one that came then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use podwhy::app::diary::{self, Entry};
use podwhy::diagnosis::{Diagnosis, Input, Output, Repeats, Settings, StateChange};
use podwhy::source::Micros;
use podwhy::source::join::{Join, Joined};

use crate::play::Timeline;

/// The settings of `tests/live/config.yaml`.
fn settings() -> Settings {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/live/config.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let config = podwhy::config::parse("config.yaml", &text).unwrap();
    Settings {
        node: "node-1".to_owned(),
        repeats: Repeats::Summary,
        repeats_window: config.diagnosis.window,
        recovery: config.diagnosis.recovery,
    }
}

/// What outlives the agent.
type Kept = BTreeMap<Vec<u8>, Vec<u8>>;

fn keep(kept: &mut Kept, (key, value): StateChange) {
    match value {
        Some(value) => drop(kept.insert(key, value)),
        None => drop(kept.remove(&key)),
    }
}

#[derive(Debug)]
struct Player {
    join: Join,
    engine: Diagnosis,
    joining: Kept,
    knowing: Kept,
    at: Micros,
    timeline: Timeline,
    /// Told, and not durable when the agent was killed: told again by the next one.
    uncommitted: Timeline,
}

pub(crate) fn play(file: &Path) -> Timeline {
    let opened = File::open(file).unwrap();
    let is_packed = file.extension().is_some_and(|ending| ending == "gz");
    let text: Box<dyn BufRead> = if is_packed {
        Box::new(BufReader::new(GzDecoder::new(opened)))
    } else {
        Box::new(BufReader::new(opened))
    };
    let mut player = Player {
        join: Join::new(),
        engine: Diagnosis::new(settings()),
        joining: Kept::new(),
        knowing: Kept::new(),
        at: 0,
        timeline: Timeline::default(),
        uncommitted: Timeline::default(),
    };
    for entry in diary::read(text).unwrap() {
        player.turn(entry);
    }
    player.commit();
    player.timeline.present = player.engine.incidents().map(|it| (player.at, it)).collect();
    player.timeline
}

impl Player {
    fn turn(&mut self, entry: Entry) {
        match entry {
            Entry::Start => self.restart(),
            Entry::Line(written) => {
                let line = written.line();
                self.at = line.at;
                let Self { join, engine, uncommitted, .. } = self;
                join.push(line, &mut |joined| understand(engine, uncommitted, &joined));
            }
            Entry::Tick(at) => {
                self.at = at;
                let Self { join, engine, uncommitted, .. } = self;
                join.advance(at, &mut |joined| understand(engine, uncommitted, &joined));
                self.apply(at, Input::Tick);
            }
            Entry::Fact(dated) => self.apply(dated.at, Input::Fact(dated)),
            Entry::View(at, view) => self.apply(at, Input::Node(*view)),
            Entry::Lost(at, loss) => self.apply(at, Input::Lost(loss)),
            Entry::Commit => self.commit(),
        }
    }

    fn apply(&mut self, at: Micros, input: Input) {
        let mut output = Output::default();
        self.engine.apply(at, input, &mut output);
        take(&mut self.uncommitted, at, output);
    }

    fn commit(&mut self) {
        let Self { join, engine, joining, knowing, timeline, uncommitted, .. } = self;
        join.changes().into_iter().for_each(|change| keep(joining, change));
        engine.changes(&mut |change| keep(knowing, change));
        timeline.records.append(&mut uncommitted.records);
        timeline.incidents.append(&mut uncommitted.incidents);
    }

    fn restart(&mut self) {
        self.uncommitted = Timeline::default();
        let joining = self.joining.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        self.join = Join::restore(joining).0;
        self.engine = Diagnosis::new(settings());
        let lost = self.engine.restore(self.knowing.clone());
        assert!(lost.is_empty(), "all of the state can be read back");
    }
}

fn understand(engine: &mut Diagnosis, told: &mut Timeline, joined: &Joined<'_>) {
    if let Some(seen) = engine.observe(&joined.message, &joined.line) {
        let mut output = Output::default();
        engine.apply(joined.line.at, Input::Observed(Box::new(seen)), &mut output);
        take(told, joined.line.at, output);
    }
}

fn take(told: &mut Timeline, at: Micros, output: Output) {
    told.records.extend(output.records);
    told.incidents.extend(output.incidents.into_iter().map(|view| (at, view)));
}
