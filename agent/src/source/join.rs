//! Physical lines → logical messages, per stream: klog blocks, printf lines with raw newlines,
//! pieces of lines that journald cut (G8–G10, G24–G26, G53).
//!
//! A complete line passes through as it is borrowed: nothing is copied, nothing allocated. What is
//! held back is bounded and part of the durable state, so a position may be committed at any time.

use podwhy_parser::{
    Ends, Kind, Message, closes_block, continues_block, parse_from, starts_message, unwrap_k0s,
};

use super::{Line, Micros};
use crate::diagnosis::StateChange;
use crate::limits::{
    JOIN_BYTES, JOIN_LINES, JOIN_SPARE_BYTES, JOIN_STREAMS, JOIN_TOTAL_BYTES, LINE_BYTES,
};

mod pending;
#[cfg(test)]
mod tests;

use pending::{Key, Mode, Pending};

/// One message: its first line, with the text of all of them.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'a> {
    /// The first physical line; `text` holds all lines, joined by `\n`.
    pub line: Line<'a>,
    /// What the parser makes of it.
    pub message: Message<'a>,
    /// Physical lines in it.
    pub lines: u32,
}

/// What became of the lines so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of more than one physical line.
    pub joined: u64,
    /// Messages given before their end was seen.
    pub truncated: u64,
    /// Lines that are no message and belong to none.
    pub unknown: u64,
}

/// Joins the lines of one source. Times are the lines' own, so each source has its own.
#[derive(Debug, Default)]
pub struct Join {
    /// In the order in which they began.
    pending: Vec<Pending>,
    /// Bytes in `pending`.
    bytes: usize,
    /// How many have begun ever.
    begun: u64,
    /// Stored entries that are over.
    deleted: Vec<Key>,
    spare: Vec<String>,
    counters: Counters,
}

type Sink<'s> = &'s mut dyn FnMut(Joined<'_>);

impl Join {
    /// Nothing is pending.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line. Messages that it completes are handed on first.
    pub fn push(&mut self, line: Line<'_>, sink: Sink<'_>) {
        if self.pending.is_empty() {
            return self.begin(line, sink);
        }
        self.advance(line.at, sink);
        let key = Key::of(&line);
        match self.pending.iter().position(|pending| pending.key == key) {
            Some(at) => self.go_on(at, line, sink),
            None => self.begin(line, sink),
        }
    }

    /// Time has come this far in this source: what has waited long enough is handed on.
    pub fn advance(&mut self, now: Micros, sink: Sink<'_>) {
        while let Some(at) = self.first_due().filter(|at| self.due(*at) <= Some(now)) {
            let truncated = self.pending.get(at).is_some_and(|pending| !pending.may_end());
            self.finish(at, truncated, sink);
        }
    }

    /// The input is over: everything held back is handed on.
    pub fn end(&mut self, sink: Sink<'_>) {
        while let Some(first) = self.pending.first() {
            let truncated = !first.may_end();
            self.finish(0, truncated, sink);
        }
    }

    /// When `advance` has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Micros> {
        self.due(self.first_due()?)
    }

    /// Number of the first physical line that is held back.
    #[must_use]
    pub fn oldest_number(&self) -> Option<u64> {
        self.pending.iter().map(|pending| pending.number).min()
    }

    /// What became of the lines so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What changed in the durable state since the last call.
    pub fn changes(&mut self) -> Vec<StateChange> {
        let mut changes: Vec<_> =
            self.deleted.drain(..).map(|key| (key.bytes().to_vec(), None)).collect();
        for pending in self.pending.iter_mut().filter(|pending| pending.is_changed) {
            pending.is_changed = false;
            pending.is_stored = true;
            changes.push((pending.key.bytes().to_vec(), Some(pending.encode())));
        }
        changes
    }

    /// A joiner that goes on where `changes` were taken, and the keys of what cannot be read and is
    /// left out: each would have been one message.
    #[must_use]
    pub fn restore<'s>(
        state: impl IntoIterator<Item = (&'s [u8], &'s [u8])>,
    ) -> (Self, Vec<Vec<u8>>) {
        let (mut pending, mut lost) = (Vec::new(), Vec::new());
        for (key, value) in state {
            match Pending::decode(key, value) {
                Some(read) => pending.push(read),
                None => lost.push(key.to_vec()),
            }
        }
        pending.sort_by_key(|pending| pending.order);
        let bytes = pending.iter().map(|pending| pending.text.len()).sum();
        let begun = pending.last().map_or(0, |last| last.order + 1);
        (Self { pending, bytes, begun, ..Self::default() }, lost)
    }

    /// A line of a stream in which nothing is pending.
    fn begin(&mut self, line: Line<'_>, sink: Sink<'_>) {
        if goes_on_in_next_piece(&line) {
            return self.hold(line, Mode::FirstLine, sink);
        }
        let Some(mut message) = parse_from(line.origin, line.text) else {
            self.counters.unknown += 1;
            return;
        };
        match message.ends {
            Ends::InBlock if !line.cut => self.hold(line, Mode::Block, sink),
            // What only has a frame is not worth waiting for.
            Ends::MayContinue if !line.cut && message.kind() != Kind::Line => {
                self.hold(line, Mode::Open, sink)
            }
            _ => {
                message.truncated |= line.cut;
                self.counters.truncated += u64::from(message.truncated);
                sink(Joined { line, message, lines: 1 });
            }
        }
    }

    /// A line of a stream in which a message is pending.
    fn go_on(&mut self, at: usize, whole: Line<'_>, sink: Sink<'_>) {
        let Some(pending) = self.pending.get(at) else { return };
        let mut inside = String::new();
        let mut line = whole;
        if pending.is_wrapped {
            // k0s wraps other components' lines too: those neither end nor join a message.
            let Some(text) = unwrap_k0s(whole.text) else { return self.begin(whole, sink) };
            // A string takes everything.
            let _ = text.write_to(&mut inside);
            line.text = &inside;
        }
        if pending.is_cut {
            return self.append(at, line, Part::Piece, sink);
        }
        let belongs = match pending.mode {
            Mode::Block => closes_block(line.text) || continues_block(line.text),
            Mode::Open => !starts_message(line.origin, line.text),
            Mode::FirstLine | Mode::Refused => false,
        };
        if belongs {
            self.append(at, line, Part::Line, sink);
        } else {
            let truncated = pending.mode != Mode::Open;
            self.finish(at, truncated, sink);
            self.begin(whole, sink);
        }
    }

    fn hold(&mut self, line: Line<'_>, mode: Mode, sink: Sink<'_>) {
        let mut text = self.spare.pop().unwrap_or_default();
        // Pieces of a wrapped line have to be put together before they can be unwrapped.
        let wrapped = if line.cut { None } else { unwrap_k0s(line.text) };
        match wrapped {
            _ if mode == Mode::Refused => {}
            Some(inside) => {
                let _ = inside.write_to(&mut text);
            }
            None => text.push_str(line.text),
        }
        let pending = Pending::begin(&line, mode, text, wrapped.is_some(), self.begun);
        self.begun += 1;
        self.bytes += pending.text.len();
        self.pending.push(pending);
        while self.pending.len() > JOIN_STREAMS || self.bytes > JOIN_TOTAL_BYTES {
            self.finish(0, true, sink);
        }
    }

    fn append(&mut self, at: usize, line: Line<'_>, part: Part, sink: Sink<'_>) {
        let Some(pending) = self.pending.get_mut(at) else { return };
        let is_over_bound = pending.text.len() + line.text.len() + 1 > JOIN_BYTES
            || pending.lines >= JOIN_LINES
            || self.bytes + line.text.len() + 1 > JOIN_TOTAL_BYTES;
        if is_over_bound && pending.mode != Mode::Refused {
            self.finish(at, true, sink);
            if goes_on_in_next_piece(&line) {
                // The rest of a cut line is nobody's: it must not be read as a line of its own.
                self.hold(line, Mode::Refused, sink);
            }
            return;
        }
        self.bytes += pending.append(&line, part);
        pending.is_cut = goes_on_in_next_piece(&line);
        if pending.is_cut {
            return;
        }
        match pending.mode {
            Mode::Refused => self.finish(at, true, sink),
            Mode::FirstLine => self.decide(at, sink),
            Mode::Block if pending.is_closed() => self.finish(at, false, sink),
            Mode::Block | Mode::Open => {}
        }
    }

    /// The first line is whole at last.
    fn decide(&mut self, at: usize, sink: Sink<'_>) {
        let Some(pending) = self.pending.get_mut(at) else { return };
        match parse_from(pending.origin(), &pending.text).map(|message| message.ends) {
            Some(Ends::InBlock) => pending.mode = Mode::Block,
            Some(Ends::MayContinue) => pending.mode = Mode::Open,
            Some(Ends::Here) | None => self.finish(at, false, sink),
        }
    }

    /// Hands on a message, as far as it goes.
    fn finish(&mut self, at: usize, truncated: bool, sink: Sink<'_>) {
        if at >= self.pending.len() {
            return;
        }
        let pending = self.pending.remove(at);
        self.bytes -= pending.text.len();
        if pending.is_stored {
            self.deleted.push(pending.key);
        }
        let message = match pending.mode {
            Mode::Refused => None,
            _ => parse_from(pending.origin(), &pending.text),
        };
        match message {
            Some(mut message) => {
                message.truncated |= truncated;
                self.counters.truncated += u64::from(message.truncated);
                self.counters.joined += u64::from(pending.lines > 1);
                sink(Joined { line: pending.line(), message, lines: pending.lines });
            }
            None => self.counters.unknown += u64::from(pending.lines),
        }
        let mut text = pending.text;
        if text.capacity() <= JOIN_SPARE_BYTES && self.spare.len() < JOIN_STREAMS {
            text.clear();
            self.spare.push(text);
        }
    }

    /// Of several that are due, the one that was due first.
    fn first_due(&self) -> Option<usize> {
        let due = |(_, pending): &(usize, &Pending)| (pending.due(), pending.order);
        self.pending.iter().enumerate().min_by_key(due).map(|(at, _)| at)
    }

    fn due(&self, at: usize) -> Option<Micros> {
        self.pending.get(at).map(Pending::due)
    }
}

/// What is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Line,
    /// The rest of a line that was cut.
    Piece,
}

/// The source cut the line and hands on the rest next. A line that was cut at our own bound has no
/// rest: a replacement character may have ended it up to three bytes early.
const fn goes_on_in_next_piece(line: &Line<'_>) -> bool {
    line.cut && line.text.len() + 3 < LINE_BYTES
}
