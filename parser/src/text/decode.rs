//! Takes escapes off, level by level, while the characters are read.
//!
//! Owns Go's and JSON's escape rules and a block's indents; finds no quotes.

use core::fmt;

use crate::text::{Base, MAX_DEPTH, Text};

/// The decoded characters of a [`Text`].
///
/// Each level reads the one outside of it, so nothing is stored but one character per level that
/// was read too far (behind a broken escape).
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    rest: &'a str,
    base: Base,
    depth: u8,
    held: [Option<char>; MAX_DEPTH as usize + 1],
    holds: bool,
}

impl<'a> Chars<'a> {
    pub(crate) fn of(text: Text<'a>) -> Self {
        Self {
            rest: text.raw(),
            base: text.base(),
            depth: text.depth(),
            held: [None; MAX_DEPTH as usize + 1],
            holds: false,
        }
    }

    /// Writes what is left; runs without escapes go out whole.
    pub(crate) fn write_to(mut self, out: &mut dyn fmt::Write) -> fmt::Result {
        loop {
            if !self.holds {
                let run = self.clean_run();
                out.write_str(run)?;
                if self.short_escape(out)? {
                    continue;
                }
            }
            match self.next() {
                Some(character) => out.write_char(character)?,
                None => return Ok(()),
            }
        }
    }

    /// Decodes backslashes before a quote or a control letter through all levels at once: each level
    /// halves the run, and one of an odd run belongs to the letter. `false` takes nothing.
    fn short_escape(&mut self, out: &mut dyn fmt::Write) -> Result<bool, fmt::Error> {
        let bytes = self.rest.as_bytes();
        let mut run = bytes.iter().take_while(|byte| **byte == b'\\').count();
        let Some(last) = bytes.get(run).filter(|_| run > 0) else { return Ok(false) };
        let mut character = match last {
            b'"' | b'n' | b't' | b'r' => char::from(*last),
            _ => return Ok(false),
        };
        let Some(behind) = self.rest.get(run + 1..) else { return Ok(false) };
        for _ in 0..self.depth + u8::from(self.base == Base::Json) {
            if run % 2 == 1 {
                character = match character {
                    '"' => '"',
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    _ => return Ok(false),
                };
            }
            run /= 2;
        }
        self.rest = behind;
        for _ in 0..run {
            out.write_char('\\')?;
        }
        out.write_char(character)?;
        Ok(true)
    }

    /// Takes the characters up to the next one that has a meaning at any level.
    fn clean_run(&mut self) -> &'a str {
        let bytes = self.rest.as_bytes();
        let stop = match self.base {
            Base::Block => memchr::memchr2(b'\\', b'\n', bytes),
            Base::Cgroup => memchr::memchr2(b'\\', b'_', bytes),
            Base::Plain | Base::Json => memchr::memchr(b'\\', bytes),
        };
        let (run, rest) =
            self.rest.split_at_checked(stop.unwrap_or(bytes.len())).unwrap_or((self.rest, ""));
        self.rest = rest;
        run
    }

    /// The next character at `level`; 0 is the input behind its base.
    fn pull(&mut self, level: u8) -> Option<char> {
        if self.holds
            && let Some(character) = self.held.get_mut(usize::from(level)).and_then(Option::take)
        {
            self.holds = self.held.iter().any(Option::is_some);
            return Some(character);
        }
        let Some(outer) = level.checked_sub(1) else {
            return self.source();
        };
        match self.pull(outer)? {
            '\\' => Some(self.escape(level, outer)),
            character => Some(character),
        }
    }

    /// What stands behind a backslash in Go source (strconv.Unquote). What is no escape stays.
    fn escape(&mut self, level: u8, outer: u8) -> char {
        match self.pull(outer) {
            None => '\\',
            Some('a') => '\x07',
            Some('b') => '\x08',
            Some('f') => '\x0c',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\x0b',
            Some(same @ ('\\' | '"' | '\'')) => same,
            Some('x') => match self.hex(outer, 2) {
                // A byte that was no UTF-8.
                Some(byte) if byte < 0x80 => char::from_u32(byte).unwrap_or('\u{fffd}'),
                _ => '\u{fffd}',
            },
            Some('u') => self.code_point(outer, 4),
            Some('U') => self.code_point(outer, 8),
            Some(other) => {
                self.hold(level, other);
                '\\'
            }
        }
    }

    fn code_point(&mut self, outer: u8, digits: u8) -> char {
        self.hex(outer, digits).and_then(char::from_u32).unwrap_or('\u{fffd}')
    }

    fn hex(&mut self, outer: u8, digits: u8) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..digits {
            let character = self.pull(outer)?;
            let Some(digit) = character.to_digit(16) else {
                self.hold(outer, character);
                return None;
            };
            value = value << 4 | digit;
        }
        Some(value)
    }

    fn hold(&mut self, level: u8, character: char) {
        if let Some(slot) = self.held.get_mut(usize::from(level)) {
            *slot = Some(character);
            self.holds = true;
        }
    }

    fn source(&mut self) -> Option<char> {
        let character = self.advance()?;
        match (self.base, character) {
            (Base::Block, '\n') => {
                self.rest = without_indent(self.rest);
                Some('\n')
            }
            (Base::Json, '\\') => Some(self.json_escape()),
            (Base::Cgroup, '_') => Some('-'),
            _ => Some(character),
        }
    }

    fn advance(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let character = chars.next()?;
        self.rest = chars.as_str();
        Some(character)
    }

    fn json_escape(&mut self) -> char {
        match self.rest.as_bytes().first() {
            Some(b'u') => {
                self.advance();
                self.json_unicode()
            }
            None => '\\',
            Some(byte) => {
                let character = match byte {
                    b'b' => '\x08',
                    b'f' => '\x0c',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    b'"' => '"',
                    b'/' => '/',
                    b'\\' => '\\',
                    // No escape: the backslash stays, and so does what follows.
                    _ => return '\\',
                };
                self.advance();
                character
            }
        }
    }

    /// `XXXX`, or the two halves of a surrogate pair.
    fn json_unicode(&mut self) -> char {
        let Some(first) = self.four_digits() else { return '\u{fffd}' };
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).unwrap_or('\u{fffd}');
        }
        let behind_first = self.rest;
        if let Some(rest) = self.rest.strip_prefix("\\u") {
            self.rest = rest;
            if let Some(second @ 0xdc00..0xe000) = self.four_digits() {
                let point = 0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00));
                return char::from_u32(point).unwrap_or('\u{fffd}');
            }
            self.rest = behind_first;
        }
        '\u{fffd}'
    }

    fn four_digits(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).ok()
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        // What starts no escape is the same at every level.
        if !self.holds && matches!(self.base, Base::Plain | Base::Block | Base::Json) {
            let mut chars = self.rest.chars();
            match chars.next()? {
                '\\' => {}
                '\n' if self.base == Base::Block => {}
                character => {
                    self.rest = chars.as_str();
                    return Some(character);
                }
            }
        }
        self.pull(self.depth)
    }
}

/// A line of a block without its indent: one TAB, the 8 blanks that text views make of it, or
/// rsyslog's `#011` (G25).
pub(crate) fn without_indent(line: &str) -> &str {
    line.strip_prefix('\t')
        .or_else(|| line.strip_prefix("        "))
        .or_else(|| line.strip_prefix("#011"))
        .unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(raw: &str, depth: u8) -> String {
        Text::new(raw, Base::Plain, depth).to_string()
    }

    fn json(raw: &str) -> String {
        Text::new(raw, Base::Json, 0).to_string()
    }

    #[test]
    fn g16_go_escapes_are_decoded_and_utf8_is_kept() {
        assert_eq!(go(r#"é\n\t\"\\\x00\u2028\U0001f600\a"#, 1), "é\n\t\"\\\0\u{2028}😀\x07");
        assert_eq!(go(r"\xff\x41", 1), "\u{fffd}A");
        assert_eq!(go(r"\q\", 1), r"\q\");
        assert_eq!(go(r"\x4\u12", 1), "\u{fffd}\u{fffd}");
        assert_eq!(go(r"\x4g!", 1), "\u{fffd}g!");
    }

    #[test]
    fn g35_each_level_is_taken_off_once() {
        assert_eq!(go(r#"a \\\\\\\"b\\\\\\\" \\\\n"#, 3), "a \"b\" \n");
        assert_eq!(go(r"\\n", 1), r"\n");
        assert_eq!(go(r"\\n", 2), "\n");
    }

    #[test]
    fn g23_json_escapes_and_surrogates_are_decoded() {
        assert_eq!(json(r#"\u003c\u003e\u0026 \ud83d\ude00 \/ \"x\" "#), "<>& 😀 / \"x\" ");
        assert_eq!(json(r"\ud83dx\ud83d\u0041"), "\u{fffd}x\u{fffd}A");
        assert_eq!(json(r"\u12"), "\u{fffd}12");
    }

    #[test]
    fn g25_a_block_loses_one_indent_per_line() {
        let raw = "one\n\ttwo\n\t\n\t\tthree\n        four\n#011five";
        let text = Text::new(raw, Base::Block, 0);
        assert_eq!(text.to_string(), "one\ntwo\n\n\tthree\nfour\nfive");
        assert_eq!(text.chars().collect::<String>(), text.to_string());
    }

    #[test]
    fn g72_ten_thousand_backslashes_take_linear_time() {
        let raw = "\\".repeat(1 << 16);
        assert_eq!(Text::new(&raw, Base::Plain, 12).chars().count(), 16);
    }
}
