//! Go-quoted strings at any depth, found in the raw text by counting backslashes.
//!
//! Owns where a string begins and ends; decoding is `text`'s.

use crate::Text;

/// A string that was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a> {
    /// Its inside.
    pub(crate) inside: Text<'a>,
    /// What follows the closing quote; empty if there is none.
    pub(crate) rest: &'a str,
    /// The closing quote was there.
    pub(crate) is_closed: bool,
}

/// Reads a quoted string at the start of `text`.
pub(crate) fn read<'a>(text: Text<'a>) -> Option<Quoted<'a>> {
    let content = open(text.raw(), text.level())?;
    Some(match close(content, text.level()) {
        Some((end, behind)) => Quoted {
            inside: text.quoted_inside(content.get(..end)?),
            rest: content.get(behind..)?,
            is_closed: true,
        },
        None => Quoted { inside: text.quoted_inside(content), rest: "", is_closed: false },
    })
}

/// The delimiter of `level` is `2^level − 1` backslashes and a quote (§5.3).
#[inline]
pub(crate) fn open(raw: &str, level: u32) -> Option<&str> {
    if level == 0 {
        return raw.strip_prefix('"');
    }
    let escapes = (1_usize << level.min(31)) - 1;
    let (before, rest) = raw.split_at_checked(escapes)?;
    let rest = rest.strip_prefix('"')?;
    before.bytes().all(|byte| byte == b'\\').then_some(rest)
}

/// The closing delimiter of `level` behind an opened string: where the inside ends, and where the
/// rest begins.
///
/// A quote behind a run of backslashes closes when `run + 1` is a multiple of `2^level` and
/// `(run + 1) / 2^level − 1` is even; odd is a quote of the inside: `run + 1` ends in just `level`
/// zeros. Each run is counted once.
pub(crate) fn close(content: &str, level: u32) -> Option<(usize, usize)> {
    let unit = 1_usize << level.min(31);
    let bytes = content.as_bytes();
    let mut from = 0;
    memchr::memchr_iter(b'"', bytes).find_map(|at| {
        let run = bytes.get(from..at)?.iter().rev().take_while(|byte| **byte == b'\\').count();
        from = at + 1;
        ((run + 1).trailing_zeros() == level).then_some((from - unit, from))
    })
}

/// A quoted string inside a text, by its delimiters.
#[derive(Clone, Copy)]
pub(crate) struct StringAt<'a> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) inside: Text<'a>,
    pub(crate) is_closed: bool,
}

/// The next string of `around`'s own level at or behind `from`. Each byte is looked at once as long
/// as the caller goes on from `end`.
pub(crate) fn next_in(around: Text<'_>, from: usize) -> Option<StringAt<'_>> {
    let raw = around.raw();
    let bytes = raw.as_bytes();
    let delimiter = 1_usize << around.level();
    let mut from = from;
    loop {
        let searched = bytes.get(from..)?;
        let at = memchr::memchr(b'"', searched)?;
        let run = searched.get(..at)?.iter().rev().take_while(|byte| **byte == b'\\').count();
        if run + 1 == delimiter {
            let start = from + at - run;
            let string = read(around.with_raw(raw.get(start..)?))?;
            let end = raw.len() - string.rest.len();
            let (inside, is_closed) = (string.inside, string.is_closed);
            return Some(StringAt { start, end, inside, is_closed });
        }
        from += at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Base;

    fn inside(raw: &str, depth: u8) -> Option<(String, &str)> {
        let quoted = read(Text::new(raw, Base::Plain, depth))?;
        quoted.is_closed.then(|| (quoted.inside.to_string(), quoted.rest))
    }

    #[test]
    fn g35_a_string_ends_at_a_delimiter_of_its_own_level() {
        assert_eq!(inside(r#""a \" b\\" c"#, 0), Some(("a \" b\\".into(), " c")));
        assert_eq!(inside(r#"\"a \\\" b\\\\\" c"#, 1), Some(("a \" b\\".into(), " c")));
        assert_eq!(inside(r#"\\\"a\\\\\\\"b\\\" c"#, 2), Some(("a\"b".into(), " c")));
        assert_eq!(inside(r#"\"a""#, 1), None);
        assert_eq!(inside("\"\"", 0), Some((String::new(), "")));
    }

    #[test]
    fn g35_quoting_again_and_again_is_read_back() {
        let word = "x\"\\\n";
        let mut raw = word.to_owned();
        for depth in 1..=12_u8 {
            raw = format!("{raw:?}");
            let escaped = raw.trim_matches('"');
            let _ = escaped;
            let quoted = read(Text::plain(&raw)).unwrap();
            assert!(quoted.is_closed && quoted.rest.is_empty(), "depth {depth}");
            let deep = Text::new(quoted.inside.raw(), Base::Plain, 1);
            assert_eq!(format!("{:?}", deep.to_string()), raw);
        }
    }
}
