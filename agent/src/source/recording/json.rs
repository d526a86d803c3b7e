//! `journalctl -o json`: one object a line. A value is a string, a list of bytes, null where it was
//! too large to print, or a list of these where a field repeats (G12).

use std::fmt;
use std::io::{self, BufRead};

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Skipped;
use super::entry::{Entry, Field};
use crate::limits::{JSON_ENTRY_BYTES, LINE_BYTES};
use crate::source::Line;
use crate::source::input::Physical;

/// Reads one entry after the other.
#[derive(Debug)]
pub(crate) struct Json<R> {
    lines: Physical<R>,
    entries: Objects,
}

impl<R: BufRead> Json<R> {
    pub(crate) fn new(lines: Physical<R>) -> Self {
        Self { lines, entries: Objects::default() }
    }

    pub(crate) const fn lines(&self) -> u64 {
        self.lines.number()
    }

    pub(crate) const fn skipped(&self) -> Skipped {
        self.entries.skipped
    }

    /// Reads the next line. `false` at the end of the input.
    pub(crate) fn next(&mut self, sink: &mut dyn FnMut(Line<'_>)) -> io::Result<bool> {
        let Some(line) = self.lines.next(JSON_ENTRY_BYTES)? else { return Ok(false) };
        let object = line.bytes.trim_ascii();
        if object.is_empty() {
            return Ok(true);
        }
        self.entries.take(object, line.number, sink)?;
        Ok(true)
    }
}

/// Entries that are handed in one by one.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    entry: Entry,
    bytes: Vec<u8>,
    skipped: Skipped,
}

impl Objects {
    pub(crate) const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The machine that the entries are of.
    pub(crate) fn host(&self) -> Option<&str> {
        self.entry.host()
    }

    /// Takes one object, and hands on the line that it is.
    pub(crate) fn take(
        &mut self,
        object: &[u8],
        number: u64,
        sink: &mut dyn FnMut(Line<'_>),
    ) -> io::Result<()> {
        self.entry.clear();
        let mut json = serde_json::Deserializer::from_slice(object);
        let object = Object { entry: &mut self.entry, bytes: &mut self.bytes, number };
        if object.deserialize(&mut json).is_ok() {
            self.entry.hand_on(&mut self.skipped, sink)?;
        } else {
            self.skipped.undecodable += 1;
        }
        Ok(())
    }
}

/// The first line of a JSON journal. A key inside a string has its quotes escaped, so that these
/// bytes can only be a key.
pub(crate) fn is_json_entry(first_line: &[u8]) -> bool {
    let is_key_of = |key: &str| {
        memmem::find(first_line, key.as_bytes()).is_some_and(|at| {
            let before = at.checked_sub(1).and_then(|before| first_line.get(before));
            matches!(before, Some(b'{' | b',' | b' '))
        })
    };
    first_line.starts_with(b"{")
        && [r#""__REALTIME_TIMESTAMP""#, r#""__CURSOR""#, r#""_SYSTEMD_UNIT""#, r#""MESSAGE""#]
            .into_iter()
            .any(is_key_of)
}

/// Fills an entry from an object.
struct Object<'e> {
    entry: &'e mut Entry,
    bytes: &'e mut Vec<u8>,
    number: u64,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a journal entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(field) = members.next_key_seed(Key)? {
            if field == Field::Other {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            self.bytes.clear();
            if members.next_value_seed(Value { bytes: self.bytes })? == Told::Whole {
                self.entry.set(field, self.bytes, self.number);
            }
        }
        Ok(())
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Field, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Field;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        Ok(Field::of(name.as_bytes()))
    }
}

/// Collects a value's bytes.
struct Value<'b> {
    bytes: &'b mut Vec<u8>,
}

/// What a value was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// One element of a list of bytes.
    Byte,
    Whole,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Told;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Told, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Told;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string, a list of bytes or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Told, E> {
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(Told::Whole)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Told, E> {
        let Ok(byte) = u8::try_from(number) else { return Ok(Told::Nothing) };
        // One more than the bound tells the entry that it was cut.
        if self.bytes.len() <= LINE_BYTES {
            self.bytes.push(byte);
        }
        Ok(Told::Byte)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Told, E> {
        Ok(Told::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Told, E> {
        Ok(Told::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Told, E> {
        Ok(Told::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Told, E> {
        Ok(Told::Nothing)
    }

    /// Bytes, or the values of a repeated field, of which the first is kept.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Told, A::Error> {
        let mut told = Told::Nothing;
        let mut before = self.bytes.len();
        while let Some(item) = items.next_element_seed(Value { bytes: self.bytes })? {
            if item == Told::Whole && told == Told::Whole {
                self.bytes.truncate(before);
            }
            if item != Told::Nothing {
                told = item;
            }
            before = self.bytes.len();
        }
        Ok(if told == Told::Nothing { told } else { Told::Whole })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Told, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Told::Nothing)
    }
}
