//! A line of docker's `-json.log`, which `/var/log/pods` links to under dockershim and cri-dockerd.
//!
//! Owns its three fields; what the kubelet says about docker is the kubelet's grammar.

use crate::cri_log::Stream;
use crate::json::Members;
use crate::{Message, Stamp, Text, What, cri_log, stamp};

/// A line without its line feed; a longer one of the application comes in pieces of 16 KiB.
///
/// ```
/// let line = r#"{"log":"half a li","stream":"stdout","time":"2031-03-17T10:12:00.1Z"}"#;
/// assert!(podwhy_parser::docker::Line::parse(line).unwrap().is_partial);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When docker read it.
    pub stamp: Stamp,
    /// Where the process wrote it.
    pub stream: Stream,
    /// Only the last piece of a line ends in a line feed (G69).
    pub is_partial: bool,
    /// Without that line feed; still JSON-escaped.
    pub content: Text<'a>,
}

impl<'a> Line<'a> {
    /// ```text
    /// line := "{" "log": string "," "stream": string ("," "attrs": object)? "," "time": rfc3339 "}"
    /// ```
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (mut log, mut stream, mut time) = (None, None, None);
        for (key, value) in Members::of(line)? {
            match key {
                "log" => log = value.string(),
                "stream" => stream = value.string(),
                "time" => time = value.string(),
                // Whoever has other members is another writer.
                "attrs" => {}
                _ => return None,
            }
        }
        let (rest, civil) = stamp::civil(time?.raw()).ok()?;
        if !rest.is_empty() || !civil.has_zone {
            return None;
        }
        let stream = Stream::named(stream?.raw())?;
        let log = log?;
        let whole = log.raw().strip_suffix("\\n").filter(|before| !ends_in_escape(before));
        let is_partial = whole.is_none();
        let content = log.with_raw(whole.unwrap_or(log.raw()));
        Some(Self { stamp: civil.stamp, stream, is_partial, content })
    }

    /// The line as a message: a frame and its content.
    pub(crate) fn message(self) -> Message<'a> {
        cri_log::message(self.stamp, self.content, What::DockerLogLine)
    }
}

/// An odd run of backslashes escapes what follows it.
fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(log: &str) -> (std::string::String, bool) {
        let line =
            std::format!(r#"{{"log":"{log}","stream":"stderr","time":"2031-03-17T10:12:00Z"}}"#);
        let line = Line::parse(&line).unwrap();
        (line.content.raw().into(), line.is_partial)
    }

    #[test]
    fn g69_a_missing_line_feed_means_partial() {
        assert_eq!(content(r"all of it\n"), ("all of it".into(), false));
        assert_eq!(content("half of"), ("half of".into(), true));
        assert_eq!(content(r"a backslash and an \\n"), (r"a backslash and an \\n".into(), true));
        assert_eq!(content(r"\\\n"), (r"\\".into(), false));
        assert_eq!(content(""), ("".into(), true));
    }

    #[test]
    fn other_json_is_no_docker_line() {
        for line in [
            "{}",
            r#"{"log":"a\n","stream":"stdout"}"#,
            r#"{"log":"a\n","stream":"stdlog","time":"2031-03-17T10:12:00Z"}"#,
            r#"{"log":"a\n","stream":"stdout","time":"yesterday"}"#,
            r#"{"log":"a\n","stream":"stdout","time":"2031-03-17T10:12:00Z","level":"info"}"#,
        ] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
    }
}
