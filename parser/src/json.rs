//! The members of one flat-read JSON object, borrowed.
//!
//! Owns where a member's value begins and ends; nested values are skipped whole, nothing is decoded.

use crate::Text;
use crate::text::Base;

/// What stands behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A string: its inside.
    String(Text<'a>),
    /// A number, a word, an object or a list, as it stands.
    Raw(&'a str),
}

impl<'a> Value<'a> {
    /// The text of a string.
    pub(crate) const fn string(self) -> Option<Text<'a>> {
        match self {
            Self::String(text) => Some(text),
            Self::Raw(_) => None,
        }
    }
}

/// Iterates the members of an object, in order. Stops at the first thing that is not JSON.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    rest: &'a str,
}

impl<'a> Members<'a> {
    /// `object` begins with `{`.
    pub(crate) fn of(object: &'a str) -> Option<Self> {
        Some(Self { rest: object.strip_prefix('{')? })
    }

    /// Nothing is left to read.
    pub(crate) const fn ended() -> Self {
        Self { rest: "" }
    }

    /// What is not read yet: empty or blank behind the object's end.
    pub(crate) const fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    /// ```text
    /// member := string ":" value
    /// ```
    fn next(&mut self) -> Option<Self::Item> {
        let rest = blank(self.rest);
        if let Some(behind) = rest.strip_prefix('}') {
            self.rest = behind;
            return None;
        }
        let rest = blank(rest.strip_prefix(',').unwrap_or(rest));
        let (key, rest) = string(rest)?;
        let rest = blank(blank(rest).strip_prefix(':')?);
        let (value, rest) = if rest.starts_with('"') {
            let (inside, rest) = string(rest)?;
            (Value::String(Text::new(inside, Base::Json, 0)), rest)
        } else {
            let (raw, rest) = skip(rest)?;
            (Value::Raw(raw), rest)
        };
        self.rest = rest;
        Some((key, value))
    }
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

/// The inside of a string, still escaped, and what follows its closing quote.
fn string(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let bytes = inside.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some((inside.get(..at)?, inside.get(at + 1..)?));
        }
        from = at + 2;
    }
}

/// A value that is no string: by brackets to its end, else up to the next `,` or `}`.
fn skip(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut open = 0_u32;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => {
                let (inside, _) = string(text.get(at..)?)?;
                at += inside.len() + 1;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' | b',' if open == 0 => return text.split_at_checked(at),
            b'}' | b']' => {
                open -= 1;
                if open == 0 {
                    return text.split_at_checked(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(object: &str) -> Vec<(&str, Option<&str>, Option<&str>)> {
        Members::of(object)
            .unwrap()
            .map(|(key, value)| match value {
                Value::String(text) => (key, Some(text.raw()), None),
                Value::Raw(raw) => (key, None, Some(raw)),
            })
            .collect()
    }

    #[test]
    fn members_are_cut_at_their_own_ends_and_nested_values_are_whole() {
        assert_eq!(
            members(r#"{"a":"x\"}, \\","b":{"c":["}",1]} , "d":-1.5,"e":true,"f":[]}"#),
            [
                ("a", Some(r#"x\"}, \\"#), None),
                ("b", None, Some(r#"{"c":["}",1]}"#)),
                ("d", None, Some("-1.5")),
                ("e", None, Some("true")),
                ("f", None, Some("[]")),
            ]
        );
    }

    #[test]
    fn what_is_cut_gives_the_members_before_the_cut() {
        assert_eq!(members(r#"{"a":"x","b":"y"#), [("a", Some("x"), None)]);
        assert_eq!(members(r#"{"a":"x","b":[1,"#), [("a", Some("x"), None)]);
        assert_eq!(members("{"), []);
    }
}
