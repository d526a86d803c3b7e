//! The journal export format.
//!
//! ```text
//! entry := (field "\n")* "\n"
//! field := name "=" value-without-newline | name "\n" length:u64-le value
//! ```

use std::io::{self, BufRead};

use super::Skipped;
use super::entry::{Entry, Field};
use crate::limits::{EXPORT_FIELD_BYTES, LINE_BYTES};
use crate::source::Line;
use crate::source::input::Physical;

/// Reads one entry after the other.
#[derive(Debug)]
pub(crate) struct Export<R> {
    lines: Physical<R>,
    entry: Entry,
    binary: Vec<u8>,
    skipped: Skipped,
}

/// What one step of reading came upon.
enum Step {
    Field,
    EntryEnds,
    Binary(Field),
    /// No part of an entry: its number, and whether it is only a beginning.
    Other(u64, bool),
    InputEnds,
}

/// A line that is no part of an export.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) line: Vec<u8>,
    pub(crate) number: u64,
    pub(crate) cut: bool,
}

/// What stands next in a text in which an export is only a part.
#[derive(Debug)]
pub(crate) enum Next {
    Entry,
    Other(Other),
    Ends,
}

impl<R: BufRead> Export<R> {
    pub(crate) fn new(lines: Physical<R>) -> Self {
        let (entry, binary, skipped) = (Entry::default(), Vec::new(), Skipped::default());
        Self { lines, entry, binary, skipped }
    }

    pub(crate) const fn lines(&self) -> u64 {
        self.lines.number()
    }

    pub(crate) const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The machine that the entries are of.
    pub(crate) fn host(&self) -> Option<&str> {
        self.entry.host()
    }

    /// Reads to the end of the next entry. `false` at the end of the input.
    pub(crate) fn next(&mut self, sink: &mut dyn FnMut(Line<'_>)) -> io::Result<bool> {
        self.entry.clear();
        loop {
            let goes_on = match self.step()? {
                Step::Field => continue,
                Step::Other(..) => {
                    self.skipped.undecodable += 1;
                    continue;
                }
                Step::Binary(field) => {
                    if self.binary_field(field)? {
                        continue;
                    }
                    false
                }
                Step::EntryEnds if self.entry.is_empty() => continue,
                Step::EntryEnds => true,
                Step::InputEnds => false,
            };
            // An entry that the end of the input cut is still told as far as it goes.
            if !self.entry.is_empty() {
                self.entry.hand_on(&mut self.skipped, sink)?;
            }
            return Ok(goes_on);
        }
    }

    /// The same where the export may end before the input does.
    pub(crate) fn next_among_others(&mut self, sink: &mut dyn FnMut(Line<'_>)) -> io::Result<Next> {
        self.entry.clear();
        loop {
            let next = match self.step()? {
                Step::Field => continue,
                Step::Binary(field) => {
                    if self.binary_field(field)? {
                        continue;
                    }
                    Next::Ends
                }
                Step::EntryEnds if self.entry.is_empty() => continue,
                Step::EntryEnds => Next::Entry,
                Step::Other(number, cut) => {
                    let line = self.lines.line().to_vec();
                    Next::Other(Other { line, number, cut })
                }
                Step::InputEnds => Next::Ends,
            };
            if !self.entry.is_empty() {
                self.entry.hand_on(&mut self.skipped, sink)?;
            }
            return Ok(next);
        }
    }

    /// What is left of the input.
    pub(crate) fn into_lines(self) -> Physical<R> {
        self.lines
    }

    fn step(&mut self) -> io::Result<Step> {
        let Some(line) = self.lines.next(LINE_BYTES + NAME_BYTES)? else {
            return Ok(Step::InputEnds);
        };
        // A copy that came through Windows.
        let bytes = line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes);
        if bytes.is_empty() {
            return Ok(Step::EntryEnds);
        }
        let split = memchr::memchr(b'=', bytes).and_then(|at| bytes.split_at_checked(at));
        match split {
            Some((name, value)) if is_name(name) => {
                let field = Field::of(name);
                let value = value.get(1..).unwrap_or_default();
                self.entry.set(field, value, line.number);
                if field == Field::Message && line.cut {
                    self.entry.mark_cut();
                }
                Ok(Step::Field)
            }
            // No entry begins with a field that nobody knows: that is a word of another text.
            None if is_name(line.bytes)
                && (!self.entry.is_empty() || Field::of(line.bytes) != Field::Other) =>
            {
                Ok(Step::Binary(Field::of(line.bytes)))
            }
            _ => Ok(Step::Other(line.number, line.cut)),
        }
    }

    /// Reads length, value and the newline behind it. `false` where the input ends inside.
    fn binary_field(&mut self, field: Field) -> io::Result<bool> {
        let number = self.lines.number();
        self.binary.clear();
        if !self.lines.take(8, 8, &mut self.binary)? {
            return Ok(false);
        }
        let length = self.binary.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if length > EXPORT_FIELD_BYTES {
            // No journal holds it: the file is damaged, and reading goes on at the next newline.
            self.skipped.undecodable += 1;
            return Ok(true);
        }
        self.binary.clear();
        let is_whole = self.lines.take(length, LINE_BYTES, &mut self.binary)?;
        self.entry.set(field, &self.binary, number);
        if field == Field::Message && (!is_whole || length > LINE_BYTES as u64) {
            self.entry.mark_cut();
        }
        self.binary.clear();
        Ok(is_whole && self.lines.take(1, 1, &mut self.binary)?)
    }
}

/// journald's own bound for a field's name.
const NAME_BYTES: usize = 64;

fn is_name(name: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    (1..=NAME_BYTES).contains(&name.len()) && name.iter().all(is_letter)
}

/// The first line of an export: `journalctl` begins each entry with its addresses. A field's name
/// alone would not do, since a paste may begin with the shell's `NAME=value`.
pub(crate) fn is_export(first_line: &[u8]) -> bool {
    let head = first_line.get(..=NAME_BYTES).unwrap_or(first_line);
    let Some(name) = memchr::memchr(b'=', head).and_then(|end| head.get(..end)) else {
        return false;
    };
    (name.starts_with(b"__") || Field::of(name) != Field::Other) && is_name(name)
}
