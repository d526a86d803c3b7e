//! The core: join, parser, diagnosis and outbox on one thread, one transaction at a time. Everything
//! that was concluded, how far each source was read and what is still open become durable together.

mod scrape;
mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::scrape::count_attempts;
#[cfg(feature = "test-faults")]
use super::diary;
use super::{
    door::{About, Knowledge, stamp},
    lanes::{Lanes, Owner},
    shelf,
    shelf::Shelf,
};
use crate::{
    admin::{figures::Figures, history::Past},
    catalogue::Catalogue,
    diagnosis::{Check, Diagnosis, Input, Output, Settings, StateChange},
    export::{Pending, Request, encode, spans::Spans},
    fact::{Dated, Fact, Want},
    limits,
    node::View,
    outbox::{self, Change, Commit, Entry, Outbox},
    record::{Signal, Worth},
    source::{Feed, Line, Lines, Loss, Micros, Position, join::Joined},
    wall_clock,
};

/// Whose an entry of the durable state is: the first byte of its key; `lanes` has two more.
const DIAGNOSIS_STATE: u8 = b'd';
const SPANS_STATE: u8 = b's';
const DAY_STATE: u8 = b'q';

/// The core of the agent, of `demo` and of the tests: whatever is fed, in order, through the same
/// engine into the same transaction.
#[derive(Debug)]
pub struct Core {
    lanes: Lanes,
    diagnosis: Diagnosis,
    outbox: Outbox,
    bounds: encode::Bounds,
    output: Output,
    /// The newest position of each source, not yet committed.
    positions: BTreeMap<String, Position>,
    /// Leaves the outbox with the next transaction: refused for good, told in a loss record.
    removed: Vec<u64>,
    /// Event time so far: inputs without a time of their own happen "now" in this sense.
    at: Micros,
    /// The newest facts, for who asks.
    shelf: Shelf,
    node: String,
    /// The first time that this run read: what it says of before comes from the durable state.
    read_from: Option<Micros>,
    /// Positions and bookkeeping alone are written at most this often.
    quiet_commit_at: Instant,
    /// Entries of the state that cannot be read: they leave with the loss record that tells it.
    refused: Vec<Vec<u8>>,
    committed: Arc<Notify>,
    /// Where they are wanted: the spans of open incidents, and the notice that some have ended.
    spans: Option<(Spans, Arc<Notify>)>,
    /// What an earlier run remembered for spans; goes when this one makes none.
    old_spans: Vec<Vec<u8>>,
    /// Whom a loss of our own making concerns.
    names: Names,
    counts: Counts,
    figures: Figures,
    /// What happened to incidents and checks, for the page.
    past: Past,
    #[cfg(feature = "test-faults")]
    diary: diary::Diary,
}

/// What the destinations are called where something is lost on the way to them.
#[derive(Clone, Debug)]
pub struct Names {
    /// Of the records.
    pub logs: String,
    /// Of the spans.
    pub traces: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { logs: "otlp".to_owned(), traces: "otlp_traces".to_owned() }
    }
}

/// What went through the core, for logs, metrics and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages whose frame was read, failures or not.
    pub messages: u64,
    /// Messages that told us something.
    pub observations: u64,
    /// Records that were made durable.
    pub records: u64,
    /// Entries of the engine's state that could not be read back.
    pub unreadable_state: u64,
}

impl Core {
    /// Continues where the outbox ended.
    #[must_use]
    pub fn new(outbox: Outbox, settings: Settings, committed: Arc<Notify>) -> Self {
        let state = outbox.state();
        let (lanes, mut refused) = Lanes::restore(&outbox, &state);
        let node = settings.node.clone();
        let mut diagnosis = Diagnosis::new(settings);
        let entries = entries_of(DIAGNOSIS_STATE, &state);
        let left_out =
            diagnosis.restore(entries.map(|(key, value)| (key.to_vec(), value.to_vec())));
        refused.extend(left_out.into_iter().map(|key| owned_by(DIAGNOSIS_STATE, key)));
        let counts = Counts {
            unreadable_state: u64::try_from(refused.len()).unwrap_or(u64::MAX),
            ..Counts::default()
        };
        let mut core = Self {
            lanes,
            diagnosis,
            outbox,
            bounds: encode::Bounds::default(),
            output: Output::default(),
            positions: BTreeMap::new(),
            removed: Vec::new(),
            at: 0,
            shelf: Shelf::default(),
            node,
            read_from: None,
            quiet_commit_at: Instant::now(),
            refused,
            committed,
            spans: None,
            old_spans: entries_of(SPANS_STATE, &state).map(|(key, _)| key.to_vec()).collect(),
            names: Names::default(),
            counts,
            figures: Figures::default(),
            past: Past::default(),
            #[cfg(feature = "test-faults")]
            diary: diary::Diary::open(),
        };
        core.tell_refused(state.len());
        let open: Vec<_> = core.diagnosis.incidents().collect();
        core.figures.resume(&open);
        core.figures.day.restore(entries_of(DAY_STATE, &state));
        core
    }

    /// What of the state another release or a fault left unreadable is a loss, told once.
    fn tell_refused(&mut self, all: usize) {
        if self.refused.is_empty() {
            return;
        }
        let refused = self.refused.len();
        tracing::error!(refused, all, "entries of the state cannot be read: left out");
        self.lost(outbox::loss(format!(
            "{refused} of {all} entries of the agent's state cannot be read by this release: what \
             they told of open incidents and counts is gone"
        )));
    }

    /// Something is missing that no source tells of.
    pub fn lost(&mut self, loss: Loss) {
        self.note(Input::Lost(loss));
    }

    /// Names the destinations, and bounds what leaves.
    pub fn set_destinations(&mut self, names: Names, bounds: encode::Bounds) {
        self.names = names;
        self.bounds = bounds;
    }

    /// Judges by these causes instead of ours alone.
    pub fn set_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.diagnosis.set_catalogue(catalogue);
    }

    /// The outbox, to ask for positions and figures.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What went through so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes what a source hands on. Nothing is durable before [`Core::commit`].
    pub fn feed(&mut self, feed: Feed) {
        match feed {
            Feed::Batch { mut lines, position } => {
                self.lines(&mut *lines, Owner::of(position.as_ref()));
                self.moved(position);
            }
            Feed::CaughtUp(at) => self.tick(at),
            Feed::Fact(dated) => self.fact(*dated),
            Feed::Lost(loss, position) => {
                self.note(Input::Lost(loss));
                self.moved(position);
            }
        }
    }

    /// Time has come this far, and every line up to it has been fed.
    pub fn tick(&mut self, at: Micros) {
        #[cfg(feature = "test-faults")]
        self.diary.write(&diary::Entry::Tick(at));
        self.at = at;
        self.read_from.get_or_insert(at);
        let Self { lanes, diagnosis, output, counts, figures, .. } = self;
        lanes.advance(at, &mut |joined, is_late| {
            understand((diagnosis, output), (counts, figures), &joined, is_late);
        });
        self.apply(Input::Tick);
    }

    /// The input is over: everything pending is concluded.
    pub fn end(&mut self) {
        let Self { lanes, diagnosis, output, counts, figures, .. } = self;
        lanes.end(&mut |joined, is_late| {
            understand((diagnosis, output), (counts, figures), &joined, is_late)
        });
        self.apply(Input::End);
    }

    /// The node looks like this from now on.
    pub fn node(&mut self, view: View) {
        let now = wall_clock::now();
        self.figures.day.looked(now, &view);
        self.shelf.keep(&shelf::dated(now, Fact::View(Box::new(view.clone()))));
        self.note(Input::Node(view));
    }

    /// A fact beside the lines, at the time at which it was true.
    pub fn fact(&mut self, dated: Dated) {
        self.shelf.keep(&dated);
        #[cfg(feature = "test-faults")]
        self.diary.write(&diary::Entry::Fact(Box::new(dated.clone())));
        self.diagnosis.apply(dated.at, Input::Fact(Box::new(dated)), &mut self.output);
    }

    /// What is known now, for who asks.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        let mut agent = About::of(&self.node, self.at);
        agent.read_from = self.read_from.and_then(stamp);
        let incidents = self.diagnosis.incidents().collect();
        Knowledge { agent, incidents, facts: self.shelf.facts() }
    }

    /// The time of the newest line.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.at
    }

    /// What the engine wants to know since the last call.
    pub fn wants(&mut self) -> Vec<Want> {
        std::mem::take(&mut self.output.wants)
    }

    /// A check of the node becomes a record.
    pub fn check(&mut self, check: Check) {
        self.past.checked(&check, wall_clock::now());
        self.note(Input::Checked(check));
    }

    fn lines(&mut self, lines: &mut dyn Lines, owner: Owner) {
        let Self { lanes, diagnosis, output, counts, figures, at, read_from, .. } = self;
        #[cfg(feature = "test-faults")]
        let diary = &mut self.diary;
        if let Some(until) = lines.nothing_before() {
            // What other sources' last lines wait for does not come any more.
            lanes.advance(until, &mut |joined, is_late| {
                understand((diagnosis, output), (counts, figures), &joined, is_late);
            });
        }
        lines.each(&mut |line: Line<'_>| {
            #[cfg(feature = "test-faults")]
            diary.line(&line);
            read_from.get_or_insert(line.at);
            let is_late = lanes.push(owner, line, &mut |joined, is_late| {
                understand((diagnosis, output), (counts, figures), &joined, is_late);
            });
            if !is_late {
                *at = line.at;
            }
        });
    }

    fn moved(&mut self, position: Option<Position>) {
        if let Some(position) = position {
            self.positions.insert(position.source.clone(), position);
        }
    }

    fn apply(&mut self, input: Input) {
        self.diagnosis.apply(self.at, input, &mut self.output);
    }

    /// What comes from beside the lines happens by the wall clock, and moves no timer.
    fn note(&mut self, input: Input) {
        let at = wall_clock::now();
        #[cfg(feature = "test-faults")]
        self.diary.note(at, &input);
        self.diagnosis.apply(at, input, &mut self.output);
    }
}

/// Everything between two transactions.
impl Core {
    /// Answers the exporter.
    pub fn request(&mut self, request: Request) {
        match request {
            Request::Fetch { signal, after, max_records, max_bytes, reply } => {
                let found = self.outbox.fetch_of(signal, after, max_records, max_bytes);
                let pending = found.into_iter().map(|stored| Pending {
                    seq: stored.seq,
                    time: stored.time,
                    bytes: stored.bytes.into(),
                });
                // An exporter that no longer waits asks again.
                let _ = reply.send(pending.collect());
            }
            Request::Delivered(seqs) => self.outbox.acknowledge(seqs),
            Request::Refused(refused) => {
                self.note(Input::Lost(refused.loss()));
                self.removed.extend(refused.seqs);
            }
        }
    }

    /// Makes durable, in one transaction, what was concluded since the last one. Without anything
    /// concluded the positions alone are written, and only every few seconds: a transaction for
    /// every quiet batch would write 68 times what it says.
    pub fn commit(&mut self, now: Instant, pace: Pace) -> Option<Change> {
        count_attempts(&mut self.output, &mut self.figures, self.at);
        let is_quiet = self.output.records.is_empty() && self.removed.is_empty();
        if is_quiet && pace == Pace::WhenDue && now < self.quiet_commit_at {
            return None;
        }
        let reported = Signal::ALL.map(|signal| self.report_dropped(signal));
        let commit = self.gather(reported);
        self.quiet_commit_at = now + limits::QUIET_COMMIT_EVERY;
        if commit.records.is_empty()
            && commit.positions.is_empty()
            && commit.state_changes.is_empty()
            && commit.removed.is_empty()
        {
            return None;
        }
        let (records, spans) = (commit.records.len(), commit.spans.len());
        let change = self.outbox.commit(commit).change;
        #[cfg(feature = "test-faults")]
        self.diary.write(&diary::Entry::Commit);
        if records > 0 {
            self.counts.records += u64::try_from(records).unwrap_or(u64::MAX);
            self.committed.notify_one();
        }
        if let Some((_, committed)) = self.spans.as_ref().filter(|_| spans > 0) {
            committed.notify_one();
        }
        change
    }

    /// Records that the next commit takes.
    pub fn waiting(&self) -> usize {
        self.output.records.len()
    }

    /// Tells what the full outbox let go of a signal; returns how many that are.
    fn report_dropped(&mut self, signal: Signal) -> u64 {
        let Some(dropped) = self.outbox.unreported(signal) else { return 0 };
        let name = match signal {
            Signal::Logs => &self.names.logs,
            Signal::Traces => &self.names.traces,
        };
        let loss = dropped.loss(name);
        self.note(Input::Lost(loss));
        dropped.records
    }

    /// A file that was set aside takes records with it that were not delivered.
    fn note_change(&mut self, change: Option<&Change>) {
        if let Some(Change::Healed { moved_to: Some(path) }) = change {
            self.lost(outbox::loss(format!(
                "the state file was damaged while it was in use and set aside as {}: what it held \
                 and was not delivered is not sent",
                path.display()
            )));
        }
    }

    fn gather(&mut self, [reported, reported_spans]: [u64; 2]) -> Commit {
        let observed = wall_clock::now();
        let Self { output, bounds, lanes, diagnosis, spans, figures, past, at, .. } = self;
        let (mut records, mut ended) = (Vec::with_capacity(output.records.len()), Vec::new());
        for record in output.records.drain(..) {
            figures.record(&record);
            let taken = spans.as_mut().map(|(spans, _)| spans.take(&record)).unwrap_or_default();
            let bytes = encode::record_of(&record, observed, bounds, taken.context);
            records.push(Entry { time: record.time, worth: record.worth, bytes });
            let span = taken.ended;
            ended.extend(span.map(|(time, bytes)| Entry { time, worth: Worth::Incident, bytes }));
        }
        // Their changes are among the records; who asks is told how they stand.
        for incident in output.incidents.drain(..) {
            figures.incident(&incident);
            past.incident(&incident, *at);
        }
        let mut state_changes: Vec<StateChange> = lanes.changes().collect();
        let mut keep = |owner: u8, (key, value): StateChange| {
            state_changes.push((owned_by(owner, key), value));
        };
        diagnosis.changes(&mut |change| keep(DIAGNOSIS_STATE, change));
        figures.day.changes(observed, &mut |change| keep(DAY_STATE, change));
        if let Some((spans, _)) = spans {
            spans.changes(&mut |change| keep(SPANS_STATE, change));
        }
        self.old_spans.drain(..).for_each(|key| keep(SPANS_STATE, (key, None)));
        // Not what was written again meanwhile, under the same key.
        let refused = std::mem::take(&mut self.refused).into_iter();
        let gone: Vec<_> =
            refused.filter(|key| state_changes.iter().all(|(other, _)| other != key)).collect();
        state_changes.extend(gone.into_iter().map(|key| (key, None)));
        Commit {
            records,
            spans: ended,
            positions: std::mem::take(&mut self.positions).into_values().collect(),
            state_changes,
            removed: std::mem::take(&mut self.removed),
            reported,
            reported_spans,
        }
    }

    /// The outbox's own housekeeping; to be called every second or so.
    pub fn maintain(&mut self, now: Instant) -> Option<Change> {
        let change = self.outbox.maintain(now);
        self.note_change(change.as_ref());
        change
    }
}

/// How soon a transaction is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once where something was concluded, else every few seconds.
    WhenDue,
    /// At once: the agent ends.
    Now,
}

/// From a message to what follows from it.
fn understand(
    (diagnosis, output): (&mut Diagnosis, &mut Output),
    (counts, figures): (&mut Counts, &mut Figures),
    joined: &Joined<'_>,
    is_late: bool,
) {
    counts.messages += 1;
    let frame = &joined.message.frame;
    figures.line(frame.component, frame.severity, joined.line.at);
    if let Some(observation) = diagnosis.observe(&joined.message, &joined.line) {
        counts.observations += 1;
        figures.observed(&observation);
        let seen = Box::new(observation);
        let input = if is_late { Input::Late(seen) } else { Input::Observed(seen) };
        diagnosis.apply(joined.line.at, input, output);
        count_attempts(output, figures, joined.line.at);
    }
}

/// The entries of one owner, with the keys that it gave them.
pub(super) fn entries_of(
    owner: u8,
    state: &[(Vec<u8>, Vec<u8>)],
) -> impl Iterator<Item = (&[u8], &[u8])> {
    state.iter().filter_map(move |(key, value)| {
        let (first, key) = key.split_first()?;
        (*first == owner).then_some((key, value.as_slice()))
    })
}

pub(super) fn owned_by(owner: u8, key: Vec<u8>) -> Vec<u8> {
    std::iter::once(owner).chain(key).collect()
}
