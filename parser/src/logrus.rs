//! The outside of a logrus line, text or JSON: containerd, CRI-O, docker, the k0s wrapper (§11.1).
//!
//! Owns pairs, level and time; what the message says belongs to the writer's file.

use crate::json::{Members, Value};
use crate::stamp::{self, Civil};
use crate::{Component, Ends, Format, Frame, Message, Severity, Text, What};

/// One line, its message and its pairs still quoted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) time: Option<Civil>,
    pub(crate) severity: Severity,
    pub(crate) level: &'a str,
    pub(crate) message: Text<'a>,
    /// For [`pairs`]: the rest behind the message, or everything where the order is another.
    pub(crate) tail: Text<'a>,
    pub(crate) truncated: bool,
}

impl<'a> Line<'a> {
    /// Reads a line that is logrus from its first byte on; needs a level and a message.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('{') {
            return Self::json(line);
        }
        Self::usual(line).or_else(|| Self::text(Text::plain(line)))
    }

    /// The order that every logrus writer has, read without looking for keys.
    ///
    /// ```text
    /// line := "time=" Go string " level=" word " msg=" (Go string | raw) (" " pair)*
    /// ```
    #[inline]
    fn usual(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("time=\"")?;
        let (time, rest) = rest.split_at_checked(memchr::memchr(b'"', rest.as_bytes())?)?;
        let rest = rest.strip_prefix("\" level=")?;
        let (level, rest) = rest.split_at_checked(memchr::memchr(b' ', rest.as_bytes())?)?;
        let rest = Text::plain(rest.strip_prefix(" msg=")?);
        let (message, tail, is_closed) = match rest.quoted() {
            Some(quoted) => (quoted.inside, quoted.rest, quoted.is_closed),
            None => {
                let (message, tail) = rest.take(|byte| byte != b' ' && byte != b'\n');
                (message, tail, true)
            }
        };
        // Only a quoted value of the tail can be cut in a way that shows.
        let has_quotes = memchr::memchr(b'"', tail.raw().as_bytes()).is_some();
        let pairs = TextPairs { rest: tail, is_cut: !is_closed };
        let truncated = !is_closed || (has_quotes && pairs.into_is_cut());
        let (time, severity) = (civil(Text::plain(time)), severity(level)?);
        Some(Self { time, severity, level, message, tail, truncated })
    }

    /// Reads the text form, which may itself stand inside quotes (CRI-O).
    ///
    /// ```text
    /// line  := pair (" " pair)*            time, level and msg come first, but any order is read
    /// pair  := key "=" (raw | Go string)
    /// ```
    pub(crate) fn text(text: Text<'a>) -> Option<Self> {
        let (mut time, mut level, mut message) = (None, None, None);
        let mut pairs = TextPairs { rest: text, is_cut: false };
        let mut count = 0;
        for (key, value) in pairs.by_ref() {
            match key {
                "time" if time.is_none() => time = Some(value),
                "level" if level.is_none() => level = Some(value.raw()),
                "msg" if message.is_none() => message = Some(value),
                _ => {}
            }
            count += 1;
            if count == 3 && time.is_some() && level.is_some() && message.is_some() {
                break;
            }
        }
        let (level, message) = (level?, message?);
        let is_usual = count == 3 && time.is_some();
        let tail = if is_usual { pairs.rest } else { text };
        let truncated = pairs.is_cut || pairs.into_is_cut();
        let severity = severity(level)?;
        Some(Self { time: time.and_then(civil), severity, level, message, tail, truncated })
    }

    /// Reads the JSON form.
    ///
    /// ```text
    /// line := "{" … "level": … "msg": … "time": … "}"
    /// ```
    fn json(line: &'a str) -> Option<Self> {
        let (mut time, mut level, mut message) = (None, None, None);
        for (key, value) in Members::of(line)? {
            match key {
                "time" => time = value.string(),
                "level" => level = value.string().map(|it| it.raw()),
                "msg" => message = value.string(),
                _ => {}
            }
        }
        let (level, message) = (level?, message?);
        let severity = severity(level)?;
        let (time, tail) = (time.and_then(civil), Text::plain(line));
        Some(Self {
            time,
            severity,
            level,
            message,
            tail,
            truncated: !line.trim_end().ends_with('}'),
        })
    }

    /// A message with this outside.
    pub(crate) fn message(self, component: Component, what: What) -> Message<'a> {
        let frame = Frame {
            component,
            format: Format::Logrus,
            severity: Some(self.severity),
            severity_text: Some(self.level),
            stamp: self.time.map(|time| time.stamp),
            prefix_stamp: None,
            host: None,
            pid: None,
            file: None,
            line: None,
        };
        let Self { message: text, tail, truncated, .. } = self;
        Message { frame, what, ends: Ends::Here, text, tail, truncated }
    }
}

/// The value of a pair behind the message.
pub(crate) fn pair<'a>(tail: Text<'a>, key: &str) -> Option<Text<'a>> {
    if tail.raw().starts_with('{') {
        return Members::of(tail.raw())?.find(|(name, _)| *name == key).map(
            |(_, value)| match value {
                Value::String(text) => text,
                Value::Raw(raw) => Text::plain(raw),
            },
        );
    }
    TextPairs { rest: tail, is_cut: false }.find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Iterates `key=value`; ends at the first thing that is none.
struct TextPairs<'a> {
    rest: Text<'a>,
    /// The line ended inside a quoted value.
    is_cut: bool,
}

impl TextPairs<'_> {
    /// Reads what is left, only to learn whether it is whole.
    fn into_is_cut(mut self) -> bool {
        self.by_ref().for_each(drop);
        self.is_cut
    }
}

impl<'a> Iterator for TextPairs<'a> {
    type Item = (&'a str, Text<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (_, rest) = self.rest.take(|byte| byte == b' ');
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let (key, rest) = rest.take(is_key);
        let rest = rest.behind("=").filter(|_| !key.raw().is_empty())?;
        let value = if let Some(quoted) = rest.quoted() {
            self.is_cut |= !quoted.is_closed;
            self.rest = quoted.rest;
            quoted.inside
        } else {
            let (value, rest) = rest.take(|byte| byte != b' ' && byte != b'\n');
            self.rest = rest;
            value
        };
        Some((key.raw(), value))
    }
}

fn civil(text: Text<'_>) -> Option<Civil> {
    stamp::civil(text.raw()).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, civil)| civil)
}

fn severity(level: &str) -> Option<Severity> {
    Some(match level {
        "trace" => Severity::Trace,
        "debug" => Severity::Debug,
        "info" => Severity::Info,
        "warning" | "warn" => Severity::Warning,
        "error" => Severity::Error,
        "fatal" | "panic" => Severity::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Line<'_> {
        Line::parse(line).unwrap()
    }

    #[test]
    fn g59_values_are_raw_or_quoted_and_keys_stand_in_any_order() {
        let line =
            read(r#"time="2031-03-17T09:15:02Z" level=info msg=foo id=a/b.c@1 error="x \"y\"""#);
        assert_eq!((line.message.raw(), line.level), ("foo", "info"));
        assert_eq!(pair(line.tail, "id").unwrap().raw(), "a/b.c@1");
        assert_eq!(pair(line.tail, "error").unwrap().raw(), r#"x \"y\""#);
        assert_eq!(pair(line.tail, "none"), None);
        let line = read(r#"error=bad level=warning msg="a b" time="2031-03-17T09:15:02Z""#);
        assert_eq!(line.severity, Severity::Warning);
        assert_eq!(line.message.raw(), "a b");
        assert_eq!(pair(line.tail, "error").unwrap().raw(), "bad");
        assert!(line.time.is_some());
    }

    #[test]
    fn g59_the_short_way_reads_what_the_long_way_reads() {
        let whole =
            r#"time="2031-03-17T09:15:02Z" level=info msg="a \"b\" c" error="d \"e\"" id=f"#;
        let raw = r#"time="2031-03-17T09:15:02Z" level=warning msg=foo id=f"#;
        let mut read = 0;
        for line in [whole, raw] {
            for end in 0..=line.len() {
                let line = line.split_at(end).0;
                let Some(short) = Line::usual(line) else { continue };
                let long = Line::text(Text::plain(line)).unwrap();
                let parts = |it: Line<'_>| format!("{it:?}");
                assert_eq!(parts(short), parts(long));
                read += 1;
            }
        }
        assert!(read > 30, "{read} cuts were read");
    }

    #[test]
    fn g59_json_lines_say_the_same() {
        let line = read(
            r#"{"error":"x \"y\"","level":"error","msg":"a b","n":3,"time":"2031-03-17T09:15:02Z"}"#,
        );
        assert_eq!((line.message.raw(), line.severity), ("a b", Severity::Error));
        assert_eq!(pair(line.tail, "error").unwrap().raw(), r#"x \"y\""#);
        assert_eq!(pair(line.tail, "n").unwrap().raw(), "3");
        assert!(line.time.is_some());
    }

    #[test]
    fn a_cut_line_gives_what_was_seen_and_says_so() {
        let line = read(r#"time="2031-03-17T09:15:02Z" level=info msg="half of"#);
        assert_eq!((line.message.raw(), line.truncated), ("half of", true));
        let line = read(r#"time="2031-03-17T09:15:02Z" level=info msg="all" error="half"#);
        assert_eq!((line.message.raw(), line.truncated), ("all", true));
        assert!(!read(r#"time="2031-03-17T09:15:02Z" level=info msg="all" error="all""#).truncated);
    }

    #[test]
    fn text_that_merely_holds_an_equals_sign_is_no_line() {
        for line in
            ["", "a=b", "level=info", "msg=x", "level=loud msg=x", "{}", "x level=info msg=y"]
        {
            assert!(Line::parse(line).is_none(), "{line}");
        }
    }
}
