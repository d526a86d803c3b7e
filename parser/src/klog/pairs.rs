//! The `key=value` pairs of a structured klog line, one by one.
//!
//! Owns where a value ends, in every rendering (§3.6, §3.7); gives no key a meaning.

use memchr::memmem;

use crate::klog_json::FRAME_KEYS;
use crate::text::{Base, decode::without_indent};
use crate::{Text, json, quoted};

/// The value of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A quoted string, or a string of a JSON line.
    Quoted(Text<'a>),
    /// A block: several physical lines.
    Block(Text<'a>),
    /// Everything else as it stands: numbers, words, lists, structs, JSON inside a text line.
    Raw(Text<'a>),
}

impl<'a> Value<'a> {
    /// What it says, whatever its shape.
    #[must_use]
    pub const fn text(self) -> Text<'a> {
        match self {
            Self::Quoted(text) | Self::Block(text) | Self::Raw(text) => text,
        }
    }
}

/// Iterates pairs in the order of the line. A key can come twice: the last one counts (G18).
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: Rest<'a>,
    is_cut: bool,
}

#[derive(Clone, Debug)]
enum Rest<'a> {
    Text(Text<'a>),
    Json(json::Members<'a>),
}

impl<'a> Pairs<'a> {
    /// Pairs of a text line; `tail` is what follows the message.
    pub(crate) const fn of_text(tail: Text<'a>) -> Self {
        Self { rest: Rest::Text(tail), is_cut: false }
    }

    /// Members of a JSON line.
    pub(crate) fn of_json(object: &'a str) -> Self {
        match json::Members::of(object) {
            Some(members) => Self { rest: Rest::Json(members), is_cut: false },
            None => Self::of_text(Text::plain("")),
        }
    }

    /// The last value was not closed, or something stood where a pair should. Known at the end.
    pub(crate) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// ```text
    /// pair  := " " key "=" value
    /// key   := [^\s="]+
    /// value := Q | "<" NL block NL " >" | raw
    /// ```
    fn next_of_text(&mut self, text: Text<'a>) -> Option<(&'a str, Value<'a>, Text<'a>)> {
        let raw = text.raw().trim_start_matches([' ', '\n', '\r']);
        if raw.is_empty() {
            return None;
        }
        let end = key_length(raw);
        let (key, behind) = raw.split_at_checked(end)?;
        let Some(behind) = behind.strip_prefix('=').filter(|_| !key.is_empty()) else {
            self.is_cut = true;
            return None;
        };
        let (value, rest) = self.value(text.with_raw(behind));
        Some((key, value, text.with_raw(rest)))
    }

    fn value(&mut self, text: Text<'a>) -> (Value<'a>, &'a str) {
        if let Some(quoted) = quoted::read(text) {
            self.is_cut |= !quoted.is_closed;
            return (Value::Quoted(quoted.inside), quoted.rest);
        }
        if let Some(lines) = text.raw().strip_prefix('<')
            && (lines.is_empty() || lines.starts_with('\n'))
        {
            return self.block(lines);
        }
        let raw = text.raw();
        let (length, is_open) = raw_length(text);
        self.is_cut |= raw.is_empty() || is_open;
        let (value, rest) = raw.split_at_checked(length).unwrap_or((raw, ""));
        (Value::Raw(text.with_raw(value)), rest)
    }

    /// A block ends at the line that starts with blank and `>` (G24); further pairs may follow it.
    fn block(&mut self, lines: &'a str) -> (Value<'a>, &'a str) {
        let (inside, rest) = match memmem::find(lines.as_bytes(), b"\n >") {
            Some(end) => {
                (lines.get(..end).unwrap_or_default(), lines.get(end + 3..).unwrap_or_default())
            }
            None => {
                self.is_cut = true;
                (lines, "")
            }
        };
        let inside = without_indent(inside.strip_prefix('\n').unwrap_or(inside));
        (Value::Block(Text::new(inside, Base::Block, 0)), rest)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.rest {
            Rest::Text(text) => {
                let text = *text;
                let found = self.next_of_text(text);
                let rest = found.map_or(text.with_raw(""), |(_, _, rest)| rest);
                self.rest = Rest::Text(rest);
                found.map(|(key, value, _)| (key, value))
            }
            Rest::Json(members) => {
                let (key, value) = members
                    .find(|(key, _)| !FRAME_KEYS.contains(key))
                    .or_else(|| cut_member(members))?;
                let value = match value {
                    json::Value::String(text) => Value::Quoted(text),
                    json::Value::Raw(raw) => Value::Raw(Text::plain(raw)),
                };
                Some((key, value))
            }
        }
    }
}

/// The last member of an object that was cut inside of its string.
///
/// ```text
/// cut := [","] '"' key '":"' text
/// ```
fn cut_member<'a>(members: &mut json::Members<'a>) -> Option<(&'a str, json::Value<'a>)> {
    let rest = members.rest();
    let rest = rest.strip_prefix(',').unwrap_or(rest).strip_prefix('"')?;
    let (key, inside) = rest.split_once("\":\"")?;
    *members = json::Members::ended();
    let is_cut = quoted::close(inside, 0).is_none() && !key.contains('"');
    is_cut.then(|| (key, json::Value::String(Text::new(inside, Base::Json, 0))))
}

/// The length of the key that `raw` begins with.
fn key_length(raw: &str) -> usize {
    raw.bytes().position(ends_key).unwrap_or(raw.len())
}

const fn ends_key(byte: u8) -> bool {
    byte <= b'=' && matches!(byte, b'=' | b'"' | b' ' | b'\t' | b'\n' | b'\r')
}

/// Text that follows a value: ` key=…`.
#[inline]
pub(crate) fn begins_pair(raw: &str) -> bool {
    let [b' ', key @ ..] = raw.as_bytes() else { return false };
    let end = key.iter().position(|byte| ends_key(*byte));
    end.is_some_and(|end| end > 0 && key.get(end) == Some(&b'='))
}

/// Where an unquoted value ends: before the next ` key=` outside of brackets; where no pair
/// follows, at the first blank outside of brackets (G21). Tells too whether a bracket is left open.
fn raw_length(text: Text<'_>) -> (usize, bool) {
    let raw = text.raw();
    let bytes = raw.as_bytes();
    let level = text.level();
    let mut open = 0_usize;
    let mut first_blank = None;
    let mut quotes_close = true;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            b'\n' if open == 0 => return (first_blank.unwrap_or(at), false),
            b' ' if open == 0 => {
                if raw.get(at..).is_some_and(begins_pair) {
                    return (at, false);
                }
                first_blank = first_blank.or(Some(at));
            }
            b'"' | b'\\' if open > 0 && quotes_close => {
                let opened = raw.get(at..).and_then(|rest| quoted::open(rest, level));
                if let Some(content) = opened {
                    match quoted::close(content, level) {
                        Some((_, behind)) => at = raw.len() - content.len() + behind - 1,
                        None => quotes_close = false,
                    }
                }
                // A run of backslashes that opens nothing is looked at once.
                else if *byte == b'\\' {
                    at += bytes
                        .get(at + 1..)
                        .map_or(0, |rest| rest.iter().take_while(|byte| **byte == b'\\').count());
                }
            }
            _ => {}
        }
        at += 1;
    }
    if open > 0 { (bytes.len(), true) } else { (first_blank.unwrap_or(bytes.len()), false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(tail: &str) -> Vec<(&str, String)> {
        Pairs::of_text(Text::plain(tail))
            .map(|(key, value)| (key, value.text().to_string()))
            .collect()
    }

    #[test]
    fn g21_raw_values_end_by_brackets_not_by_blanks() {
        assert_eq!(
            pairs(r#" pods=[a/b c/d] e={A:x=1 B:"] y=2"} m=map[k:v w:z] id=a-b n=<nil> t="x y""#),
            [
                ("pods", "[a/b c/d]".into()),
                ("e", r#"{A:x=1 B:"] y=2"}"#.into()),
                ("m", "map[k:v w:z]".into()),
                ("id", "a-b".into()),
                ("n", "<nil>".into()),
                ("t", "x y".into())
            ]
        );
    }

    #[test]
    fn g24_a_block_ends_at_its_own_end_and_pairs_follow() {
        assert_eq!(
            pairs(" err=<\n\ta \"b\"\n\t >\n\t\n >  id=\"x\" k:=2"),
            [("err", "a \"b\"\n >\n".into()), ("id", "x".into()), ("k:", "2".into())]
        );
    }
}
