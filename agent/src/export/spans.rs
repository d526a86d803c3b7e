//! Spans of incidents, made of the records that tell them: which attempts one had, and the span
//! once it has ended. Pure: records in, ids and spans out; what is open survives as durable state.
//! An incident that fails again after its end begins a new span, in the same trace.

use std::collections::{BTreeMap, BTreeSet};

use super::encode::span;
use crate::{
    diagnosis::{StateChange, identity},
    limits,
    record::{EventName, Record, Value, names},
    source::Micros,
};

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The id of the incident.
    pub trace: [u8; 16],
    /// Of its span.
    pub span: [u8; 8],
}

/// What follows from a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// The span that the record belongs to.
    pub context: Option<Context>,
    /// The span that ends with it: its end, and its bytes.
    pub ended: Option<(Micros, Vec<u8>)>,
}

/// One failed attempt, or several that one record counts.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Attempt {
    pub(super) time: Micros,
    pub(super) uid: [u8; 16],
    pub(super) step: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) repeats: i64,
}

/// One incident.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Head {
    /// How many spans of it have ended.
    turn: u64,
    /// When the present one began; `None` after its end.
    start: Option<Micros>,
    /// Attempts of the present one, kept or not.
    attempts: u64,
    /// The newest time that was heard of it.
    heard: Micros,
    /// The present one has opened: it has an end that will be told.
    is_told: bool,
}

type Id = [u8; 16];
/// Attempts are kept in places: the first few, and behind them a ring of the last ones.
type Place = u8;

/// The spans that are open.
#[derive(Debug, Default)]
pub struct Spans {
    heads: BTreeMap<Id, Head>,
    attempts: BTreeMap<(Id, Place), Attempt>,
    changed: BTreeSet<(Id, Option<Place>)>,
    /// Those that have not opened, and maybe never will: what failed once and healed has no end that
    /// is told.
    untold: BTreeSet<Id>,
}

/// First byte of each value: raised when its form changes. What another release wrote is left out
/// and told, never misread.
const VERSION: u8 = 2;

const FIRST: u64 = limits::SPAN_ATTEMPTS_FIRST as u64;
const LAST: u64 = limits::SPAN_ATTEMPTS_LAST as u64;

impl Spans {
    /// Takes a record, in the order in which they are told.
    pub fn take(&mut self, record: &Record) -> Taken {
        let id = record.attribute(names::INCIDENT_ID).and_then(Value::as_text).and_then(unhex);
        let Some(id) = id else { return Taken::default() };
        match record.event {
            EventName::SyncFailure => self.failed(id, record),
            EventName::Incident => self.told(id, record),
            _ => Taken::default(),
        }
    }

    fn failed(&mut self, id: Id, record: &Record) -> Taken {
        let context = Some(self.begin(id, record.time, record.time));
        let Some(head) = self.heads.get_mut(&id) else { return Taken::default() };
        let number = head.attempts;
        head.attempts += 1;
        let place = if number < FIRST { number } else { FIRST + (number - FIRST) % LAST };
        let key = (id, Place::try_from(place).unwrap_or(Place::MAX));
        if self.attempts.len() >= limits::SPAN_ATTEMPTS && !self.attempts.contains_key(&key) {
            self.forget_untold(id);
        }
        if self.attempts.len() < limits::SPAN_ATTEMPTS || self.attempts.contains_key(&key) {
            self.attempts.insert(key, Attempt::of(record));
            self.changed.insert((id, Some(key.1)));
        }
        Taken { context, ended: None }
    }

    fn told(&mut self, id: Id, record: &Record) -> Taken {
        let state = record.attribute(names::INCIDENT_STATE).and_then(Value::as_text);
        let is_end = matches!(state, Some("resolved" | "superseded" | "stale"));
        let is_over = self.heads.get(&id).is_some_and(|head| head.start.is_none());
        if is_end && is_over {
            // A word about what has ended already: its pod is gone, too.
            let turn = self.heads.get(&id).map_or(0, |head| head.turn.saturating_sub(1));
            return Taken { context: Some(context(id, turn)), ended: None };
        }
        let first_seen = time_of(record, names::INCIDENT_FIRST_SEEN).unwrap_or(record.time);
        // What failed before its last end is told: what is heard of again began anew since.
        let is_again = self.heads.get(&id).is_some_and(|head| head.turn > 0);
        let start = if is_again { record.time } else { first_seen };
        let context = self.begin(id, start, record.time);
        self.untold.remove(&id);
        if let Some(head) = self.heads.get_mut(&id) {
            head.is_told = true;
        }
        if !is_end {
            return Taken { context: Some(context), ended: None };
        }
        let ended = self.end(id, context, record);
        Taken { context: Some(context), ended }
    }

    /// Finds the open span of the incident or begins one, no later than `start`.
    fn begin(&mut self, id: Id, start: Micros, heard: Micros) -> Context {
        self.make_room(id);
        let head = self.heads.entry(id).or_default();
        head.start = Some(head.start.map_or(start, |known| known.min(start)));
        head.heard = head.heard.max(heard);
        if !head.is_told {
            self.untold.insert(id);
        }
        self.changed.insert((id, None));
        context(id, head.turn)
    }

    fn end(&mut self, id: Id, context: Context, record: &Record) -> Option<(Micros, Vec<u8>)> {
        let attempts = self.clear(id);
        let parent = record.attribute(names::INCIDENT_PARENT).and_then(Value::as_text);
        let parent = parent.and_then(unhex).map(|parent| {
            let turn = self.heads.get(&parent).map_or(0, |head| match head.start {
                Some(_) => head.turn,
                None => head.turn.saturating_sub(1),
            });
            self::context(parent, turn)
        });
        let head = self.heads.get_mut(&id)?;
        let kept = u64::try_from(attempts.len()).unwrap_or(u64::MAX);
        let start = head.start.take()?;
        let end = record.time.max(start);
        let dropped = head.attempts.saturating_sub(kept);
        head.turn += 1;
        head.attempts = 0;
        head.is_told = false;
        let whole = span::Whole { context, parent, start, end, attempts: &attempts, dropped };
        Some((end, span::encode(record, &whole)))
    }

    /// Takes an incident's attempts out, oldest first.
    fn clear(&mut self, id: Id) -> Vec<Attempt> {
        let keys: Vec<(Id, Place)> =
            self.attempts.range((id, 0)..=(id, Place::MAX)).map(|(key, _)| *key).collect();
        let mut attempts = Vec::with_capacity(keys.len());
        for key in keys {
            attempts.extend(self.attempts.remove(&key));
            self.changed.insert((id, Some(key.1)));
        }
        attempts.sort_by_key(|attempt| attempt.time);
        attempts
    }

    /// Forgets what was heard of longest ago. An open incident is told each hour; what healed before
    /// it was one has no end that is told, and must not outlast those that have.
    fn make_room(&mut self, id: Id) {
        if self.heads.len() < limits::SPAN_INCIDENTS || self.heads.contains_key(&id) {
            return;
        }
        let oldest = self.heads.iter().min_by_key(|(_, head)| head.heard);
        if let Some(oldest) = oldest.map(|(id, _)| *id) {
            self.clear(oldest);
            self.heads.remove(&oldest);
            self.untold.remove(&oldest);
            self.changed.insert((oldest, None));
        }
    }

    /// The room for attempts is used up: of what has not opened, the one that was heard of longest
    /// ago makes some. If it opens after all, its span begins where its record says and has fewer
    /// attempts.
    fn forget_untold(&mut self, but: Id) {
        let heard = |id: &&Id| self.heads.get(*id).map(|head| head.heard);
        let oldest = self.untold.iter().filter(|id| **id != but).min_by_key(heard);
        let Some(oldest) = oldest.copied() else { return };
        self.untold.remove(&oldest);
        self.clear(oldest);
        self.changed.insert((oldest, None));
        match self.heads.get_mut(&oldest) {
            // Its number tells its next span from the ones that have ended.
            Some(head) if head.turn > 0 => (head.start, head.attempts) = (None, 0),
            _ => drop(self.heads.remove(&oldest)),
        }
    }

    /// What changed since the last call, to be made durable with the records.
    pub fn changes(&mut self, sink: &mut dyn FnMut(StateChange)) {
        for (id, place) in std::mem::take(&mut self.changed) {
            let key: Vec<u8> = id.iter().copied().chain(place).collect();
            let value = match place {
                None => self.heads.get(&id).and_then(encode),
                Some(place) => self.attempts.get(&(id, place)).and_then(encode),
            };
            sink((key, value));
        }
    }

    /// Goes on with what was durable. Returns the keys of the entries that could not be read.
    pub fn restore<'s>(
        &mut self,
        entries: impl Iterator<Item = (&'s [u8], &'s [u8])>,
    ) -> Vec<Vec<u8>> {
        let mut left_out = Vec::new();
        for (key, value) in entries {
            let is_read = match key.split_first_chunk::<16>() {
                Some((id, [])) => decode(value).map(|head: Head| {
                    if head.start.is_some() && !head.is_told {
                        self.untold.insert(*id);
                    }
                    self.heads.insert(*id, head);
                }),
                Some((id, [place])) => decode(value).map(|attempt| {
                    self.attempts.insert((*id, *place), attempt);
                }),
                _ => None,
            };
            if is_read.is_none() {
                left_out.push(key.to_vec());
            }
        }
        left_out
    }
}

fn encode<T: serde::Serialize>(value: &T) -> Option<Vec<u8>> {
    postcard::to_extend(value, vec![VERSION]).ok()
}

fn decode<T: serde::de::DeserializeOwned>(value: &[u8]) -> Option<T> {
    let (version, value) = value.split_first()?;
    let (read, rest) = postcard::take_from_bytes(value).ok()?;
    // A form that ends earlier is another one.
    (*version == VERSION && rest.is_empty()).then_some(read)
}

impl Attempt {
    fn of(record: &Record) -> Self {
        let text = |name: &str, bytes: usize| {
            let text = record.attribute(name).and_then(Value::as_text).unwrap_or_default();
            limits::cut(text, bytes).0.to_owned()
        };
        Self {
            time: record.time,
            uid: record.uid,
            step: text(names::SYNC_STEP, limits::SPAN_TEXT_BYTES),
            reason: text(names::SYNC_REASON, limits::SPAN_TEXT_BYTES),
            message: text(names::SYNC_MESSAGE, limits::SPAN_TEXT_BYTES),
            repeats: match record.attribute(names::SYNC_REPEATS) {
                Some(Value::Int(repeats)) => *repeats,
                _ => 1,
            },
        }
    }
}

fn context(id: Id, turn: u64) -> Context {
    Context { trace: id, span: identity::span(id, turn) }
}

fn time_of(record: &Record, name: &str) -> Option<Micros> {
    let text = record.attribute(name).and_then(Value::as_text)?;
    Some(text.parse::<jiff::Timestamp>().ok()?.as_microsecond())
}

fn unhex(text: &str) -> Option<Id> {
    let id = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok())??;
    // All zeros is no id.
    (id != 0).then(|| id.to_be_bytes())
}

#[cfg(test)]
mod tests;
