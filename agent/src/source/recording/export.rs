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
    InputEnds,
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

    /// Reads to the end of the next entry. `false` at the end of the input.
    pub(crate) fn next(&mut self, sink: &mut dyn FnMut(Line<'_>)) -> io::Result<bool> {
        self.entry.clear();
        loop {
            let goes_on = match self.step()? {
                Step::Field => continue,
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

    fn step(&mut self) -> io::Result<Step> {
        let Some(line) = self.lines.next(LINE_BYTES + NAME_BYTES)? else {
            return Ok(Step::InputEnds);
        };
        if line.bytes.is_empty() {
            return Ok(Step::EntryEnds);
        }
        let split = memchr::memchr(b'=', line.bytes).and_then(|at| line.bytes.split_at_checked(at));
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
            None if is_name(line.bytes) => Ok(Step::Binary(Field::of(line.bytes))),
            _ => {
                self.skipped.undecodable += 1;
                Ok(Step::Field)
            }
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
    let name = first_line.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.len() < first_line.len()
        && (name.starts_with(b"__") || Field::of(name) != Field::Other)
        && is_name(name)
}
