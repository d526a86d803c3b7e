//! Lines of text from anywhere: `journalctl` in its text forms, syslog files, raw klog and logrus,
//! CRI logs, pastes. Owns telling the transport prefix from the line, line by line, and the best
//! time that either tells. Judges nothing else: what is not a log line is handed on as it is.

use std::io::{self, BufRead};

use podwhy_parser::cri_log::{self, Stream};
use podwhy_parser::{Origin, Stamp};

use super::input::{Physical, Piece};
use super::{Line, Micros, origin, stream_id};
use crate::limits::LINE_BYTES;

mod calendar;
mod prefix;
#[cfg(test)]
mod tests;

use calendar::Calendar;
use prefix::Prefix;

/// Reads one line after the other.
#[derive(Debug)]
pub(crate) struct Text<R> {
    lines: Physical<R>,
    reading: Reading,
}

impl<R: BufRead> Text<R> {
    /// `written` is when the input was last written to, as far as anybody knows.
    pub(crate) const fn new(lines: Physical<R>, written: Micros) -> Self {
        Self { lines, reading: Reading::before(written) }
    }

    pub(crate) const fn lines(&self) -> u64 {
        self.lines.number()
    }

    /// Reads the next line. `false` at the end of the input.
    pub(crate) fn next(&mut self, sink: &mut dyn FnMut(Line<'_>)) -> io::Result<bool> {
        let Some(piece) = self.lines.next(LINE_BYTES)? else { return Ok(false) };
        self.reading.take(piece, sink);
        Ok(true)
    }
}

/// What the lines so far tell about the next one.
#[derive(Debug)]
pub(crate) struct Reading {
    calendar: Calendar,
    boot: u64,
    text: String,
    /// The machine of the first line of a kubelet or a runtime that says it.
    host: String,
    /// Whether the last line of standard output, and of standard error, goes on in its next (G66).
    goes_on: [bool; 2],
}

impl Reading {
    /// Of an input that was last written to at `written`.
    pub(crate) const fn before(written: Micros) -> Self {
        Self {
            calendar: Calendar::before(written),
            boot: 0,
            text: String::new(),
            host: String::new(),
            goes_on: [false; 2],
        }
    }

    /// The machine that the newest line is of.
    pub(crate) fn host(&self) -> Option<&str> {
        Some(self.host.as_str()).filter(|host| !host.is_empty())
    }

    /// Takes a physical line, and hands on the line of a log that it is.
    pub(crate) fn take(&mut self, piece: Piece<'_>, sink: &mut dyn FnMut(Line<'_>)) {
        let bytes = if piece.number == 1 {
            piece.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(piece.bytes)
        } else {
            piece.bytes
        };
        let whole = readable(bytes.strip_suffix(b"\r").unwrap_or(bytes), &mut self.text);
        if let Some(header) = Header::of(whole) {
            match header {
                Header::Boot(id) => self.boot = stream_id(&[id.as_bytes()]),
                Header::Date(stamp) => self.calendar.settle(stamp),
            }
            return;
        }
        let prefix = Prefix::of(whole);
        let text = prefix.as_ref().map_or(whole, |prefix| prefix.rest);
        let origin = prefix.as_ref().and_then(|prefix| origin::of_identifier(prefix.identifier));
        if let (Some(_), Some(prefix)) = (origin, &prefix)
            && self.host != prefix.host
        {
            self.host.clear();
            self.host.push_str(prefix.host);
        }
        let pod = if prefix.is_none() { pod_log(whole) } else { None };
        let text = match &pod {
            // The first piece keeps its frame; the joiner puts the others' content behind it.
            Some(pod) if std::mem::replace(of(&mut self.goes_on, pod.stream), pod.is_partial) => {
                pod.content
            }
            _ => text,
        };
        let stamp = match prefix.as_ref().map(|prefix| prefix.stamp) {
            // Only the line itself may say when that was.
            Some(Stamp::SinceBootMicros(_)) => own_stamp(text),
            Some(stamp) => Some(stamp),
            None => own_stamp(whole),
        };
        let (at, dated) = self.calendar.resolve(stamp);
        sink(Line {
            text,
            origin: origin.unwrap_or(Origin::Any),
            unit: "",
            stream: match (&prefix, &pod) {
                (Some(prefix), _) => prefix.stream(),
                (None, Some(pod)) => stream_id(&[b"pod", &[pod.stream as u8]]),
                (None, None) => raw_stream(whole),
            },
            pid: prefix.and_then(|prefix| prefix.pid),
            at,
            dated,
            boot: self.boot,
            cut: piece.cut || pod.is_some_and(|pod| pod.is_partial),
            number: piece.number,
        });
    }
}

/// How a physical line begins, for who puts broken ones together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With a transport's prefix, or a line of its own.
    Whole,
    /// With a prefix and a header that does not end.
    Broken,
    /// As the rest of another would.
    None,
}

/// Judges the beginning of a line.
pub(crate) fn beginning(line: &str) -> Beginning {
    let prefix = Prefix::of(line);
    let rest = prefix.as_ref().map_or(line, |prefix| prefix.rest);
    let mut bytes = rest.bytes();
    let is_klog = matches!(bytes.next(), Some(b'I' | b'W' | b'E' | b'F'))
        && bytes.by_ref().take(4).filter(u8::is_ascii_digit).count() == 4
        && bytes.next().is_none_or(|byte| byte == b' ');
    match (is_klog, prefix) {
        (true, _) if !rest.contains("] ") => Beginning::Broken,
        (true, _) | (false, Some(_)) => Beginning::Whole,
        (false, None) => Beginning::None,
    }
}

const fn of(both: &mut [bool; 2], stream: Stream) -> &mut bool {
    let [out, error] = both;
    match stream {
        Stream::Stdout => out,
        Stream::Stderr => error,
    }
}

/// A line of `/var/log/pods`.
fn pod_log(line: &str) -> Option<cri_log::Line<'_>> {
    // Nearly no line begins with a year.
    line.starts_with(|c: char| c.is_ascii_digit()).then(|| cri_log::Line::parse(line)).flatten()
}

/// Lines about the input itself.
enum Header<'a> {
    Boot(&'a str),
    Date(Stamp),
}

impl<'a> Header<'a> {
    /// ```text
    /// header := "-- Boot " id " --"
    ///         | "-- " ("Logs begin" | "Journal begins") " at " weekday " " civil …
    ///         | "Log file created at: " yyyy "/" mm "/" dd " " hh:mm:ss
    /// ```
    fn of(line: &'a str) -> Option<Self> {
        if let Some(created) = line.strip_prefix("Log file created at: ") {
            let date = created.get(..19)?.replace('/', "-");
            return Stamp::read_civil(&date).map(|(stamp, _)| Self::Date(stamp));
        }
        let said = line.strip_prefix("-- ")?;
        if let Some(id) = said.strip_prefix("Boot ") {
            return Some(Self::Boot(id.split(' ').next().unwrap_or(id)));
        }
        let begin =
            said.strip_prefix("Logs begin at ").or(said.strip_prefix("Journal begins at "))?;
        let (_weekday, date) = begin.split_once(' ')?;
        Stamp::read_civil(date).map(|(stamp, _)| Self::Date(stamp))
    }
}

/// The time that a line without a prefix begins with.
fn own_stamp(line: &str) -> Option<Stamp> {
    match line.as_bytes().first()? {
        b'I' | b'W' | b'E' | b'F' => Some(Stamp::read_klog(line.get(1..)?)?.0),
        b't' => Some(Stamp::read_civil(line.strip_prefix("time=\"")?)?.0),
        b'0'..=b'9' => Some(Stamp::read_civil(line)?.0),
        b'{' => podwhy_parser::parse(line)?.frame.stamp,
        _ => None,
    }
}

/// Raw lines of kubelet and runtime may be mixed in one paste; logrus lines never continue a klog
/// message.
fn raw_stream(line: &str) -> u64 {
    let writer: &[u8] = if line.starts_with("time=\"") { b"logrus" } else { b"klog" };
    stream_id(&[b"raw", writer])
}

/// Any bytes as text; what is not UTF-8 becomes U+FFFD. At most `LINE_BYTES`.
pub(crate) fn readable<'a>(bytes: &'a [u8], buffer: &'a mut String) -> &'a str {
    if let Ok(text) = str::from_utf8(bytes) {
        return text;
    }
    buffer.clear();
    for chunk in bytes.utf8_chunks() {
        buffer.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            buffer.push(char::REPLACEMENT_CHARACTER);
        }
    }
    buffer.truncate(buffer.floor_char_boundary(LINE_BYTES));
    buffer
}
