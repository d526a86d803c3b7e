//! One line of `/var/log/pods` (§13.1).
//!
//! Owns its four fields. Joining partial pieces per stream is the reader's work (G66).

use crate::{Component, Ends, Format, Frame, Message, Stamp, Text, What, stamp};

/// A line without its line feed.
///
/// ```
/// use podwhy_parser::cri_log::{Line, Stream};
///
/// let line = Line::parse("2031-03-17T10:12:00.100000001Z stderr P out of ").unwrap();
/// assert_eq!((line.stream, line.is_partial, line.content), (Stream::Stderr, true, "out of "));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When the runtime read it.
    pub stamp: Stamp,
    /// Where the process wrote it.
    pub stream: Stream,
    /// More of the same line follows on the same stream.
    pub is_partial: bool,
    /// May be empty, may begin and end with blanks, may hold a CR.
    pub content: &'a str,
}

/// A process's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the streams' own")]
pub enum Stream {
    Stdout,
    Stderr,
}

impl<'a> Line<'a> {
    /// ```text
    /// line := rfc3339 " " ("stdout" | "stderr") " " ("P" | "F") (":" tag)* " " content
    /// ```
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (rest, civil) = stamp::civil(line).ok()?;
        if civil.separator != 'T' || !civil.has_zone {
            return None;
        }
        let rest = rest.strip_prefix(' ')?;
        let (stream, rest) = Stream::of(rest)?;
        // A viewer may have cut the blank before empty content.
        let (tags, content) = rest.strip_prefix(' ')?.split_once(' ').unwrap_or_else(|| {
            let tags = rest.trim_start_matches(' ');
            (tags, tags.split_at_checked(tags.len()).unwrap_or_default().1)
        });
        let first = tags.split_once(':').map_or(tags, |(first, _)| first);
        let is_partial = match first {
            "P" => true,
            "F" => false,
            _ => return None,
        };
        Some(Self { stamp: civil.stamp, stream, is_partial, content })
    }

    /// The line as a message: a frame and its content, which is data and never read further (G2).
    pub(crate) fn message(self) -> Message<'a> {
        message(self.stamp, Text::plain(self.content), What::PodLogLine)
    }
}

impl Stream {
    fn of(text: &str) -> Option<(Self, &str)> {
        let stdout = text.strip_prefix("stdout").map(|rest| (Self::Stdout, rest));
        stdout.or_else(|| text.strip_prefix("stderr").map(|rest| (Self::Stderr, rest)))
    }

    /// `stdout` or `stderr`.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::of(word).filter(|(_, rest)| rest.is_empty()).map(|(stream, _)| stream)
    }
}

/// What lines of pod logs have in common, whoever wrote them.
pub(crate) fn message(stamp: Stamp, text: Text<'_>, what: What) -> Message<'_> {
    let frame = Frame {
        component: Component::PodLog,
        format: Format::Cri,
        severity: None,
        severity_text: None,
        stamp: Some(stamp),
        prefix_stamp: None,
        host: None,
        pid: None,
        file: None,
        line: None,
    };
    Message { frame, what, ends: Ends::Here, text, tail: Text::plain(""), truncated: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g66_content_may_be_empty_or_hold_blanks_at_its_ends() {
        for (line, content) in [
            ("2031-03-17T10:12:00.1Z stdout F ", ""),
            ("2031-03-17T10:12:00.1Z stdout F", ""),
            ("2031-03-17T10:12:00+02:00 stdout F  a b ", " a b "),
            ("2031-03-17T10:12:00.1Z stdout F:x:y z\r", "z\r"),
        ] {
            let line = Line::parse(line).unwrap();
            assert_eq!((line.content, line.is_partial), (content, false));
        }
    }

    #[test]
    fn what_merely_resembles_a_pod_log_line_is_none() {
        for line in [
            "",
            "2031-03-17T10:12:00.1Z",
            "2031-03-17T10:12:00.1Z stdout",
            "2031-03-17T10:12:00.1Z stdout X a",
            "2031-03-17T10:12:00.1Z stdlog F a",
            "2031-03-17T10:12:00.1 stdout F a",
            "2031-03-17 10:12:00.1Z stdout F a",
        ] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
    }
}
