//! klog text: the header, and whether the message behind it is structured.
//!
//! Owns §3.2 to §3.7; what a message means is the kubelet's.

pub(crate) mod pairs;
pub(crate) mod wrapped;

use crate::message::{Component, Ends, Format, Frame, Message, Severity, Stamp};
use crate::stamp::template::{Template, short_number};
use crate::{Text, klog_json, kubelet, quoted};

/// What a header says.
#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    severity: Severity,
    severity_text: &'a str,
    stamp: Stamp,
    pid: u32,
    file: &'a str,
    line: u32,
    /// Where the message begins.
    message: &'a str,
}

/// A klog line that begins with its header. `text` is the whole message, maybe wrapped (k0s).
#[inline]
pub(crate) fn parse<'a>(text: Text<'a>, component: Component) -> Option<Message<'a>> {
    let header = header(text.raw())?;
    let rest = text.with_raw(header.message);
    let frame = |format| Frame {
        component,
        format,
        severity: Some(header.severity),
        severity_text: Some(header.severity_text),
        stamp: Some(header.stamp),
        prefix_stamp: None,
        host: None,
        pid: Some(header.pid),
        file: Some(header.file),
        line: Some(header.line),
    };
    let Some(Structured { text, tail, ends, truncated }) = structured(rest) else {
        return Some(kubelet::printf(frame(Format::KlogPrintf), rest));
    };
    let what = kubelet::structured(header.severity, text, tail);
    let frame = frame(Format::KlogStructured);
    Some(Message { frame, what, ends, text, tail, truncated })
}

/// A line of the kubelet's unit, as it stands in a journal's `MESSAGE`.
///
/// ```text
/// line := klog | klog JSON | k0s wrapper | "kubelet " klog (MicroShift) | panic
/// ```
#[inline]
pub(crate) fn of_kubelet(line: &str) -> Option<Message<'_>> {
    match line.as_bytes().first()? {
        b'I' | b'W' | b'E' | b'F' => parse(Text::plain(line), Component::Kubelet),
        _ => unusual(line),
    }
}

fn unusual(line: &str) -> Option<Message<'_>> {
    match line.as_bytes().first()? {
        b'{' => klog_json::parse(line),
        b't' => wrapped::k0s(line),
        b'k' => parse(Text::plain(line.strip_prefix("kubelet ")?), Component::Kubelet),
        b'p' | b'f' => wrapped::panic(line),
        _ => None,
    }
}

/// The line begins with a klog header.
pub(crate) fn has_header(line: &str) -> bool {
    header(line).is_some()
}

/// ```text
/// header := [IWEF] mmdd " " hh:mm:ss.uuuuuu " "+ pid " " file ":" line "] "
/// ```
///
/// Fixed places first: nearly every line that is no klog fails on its first byte.
#[inline(always)]
fn header(line: &str) -> Option<Header<'_>> {
    let severity = match line.as_bytes().first()? {
        b'I' => Severity::Info,
        b'W' => Severity::Warning,
        b'E' => Severity::Error,
        b'F' => Severity::Fatal,
        _ => return None,
    };
    let (fixed, rest) = line.as_bytes().split_first_chunk::<FIXED>()?;
    let stamp = fixed_stamp(fixed)?;
    let mut rest = rest;
    while let [b' ', behind @ ..] = rest {
        rest = behind;
    }
    let (pid, rest) = leading_number(rest)?;
    let [b' ', path @ ..] = rest else { return None };
    let mut name = path;
    // The file's name begins behind the last slash, and ends at the colon.
    let (length, at) = loop {
        let length = name.iter().position(|byte| ends_name(*byte))?;
        match name.split_at_checked(length)?.1 {
            [b':', at @ ..] => break (length, at),
            [b'/', behind @ ..] => name = behind,
            _ => return None,
        }
    };
    let (at, rest) = leading_number(at)?;
    // A message that is empty may have lost its blank.
    let message = match rest {
        [b']', b' ', message @ ..] => message,
        [b']'] => &[],
        _ => return None,
    };
    let message = line.get(line.len() - message.len()..)?;
    let start = line.len() - name.len();
    let file = line.get(start..start + length)?;
    let severity_text = line.get(..1)?;
    (!file.is_empty()).then_some(Header {
        severity,
        severity_text,
        stamp,
        pid,
        file,
        line: at,
        message,
    })
}

/// Most bytes of a name are small letters: one comparison.
const fn ends_name(byte: u8) -> bool {
    byte <= b']' && matches!(byte, b':' | b'/' | b' ' | b']')
}

/// Bytes of severity, date and time, with the blank behind them.
const FIXED: usize = 22;

/// Date and time behind the severity.
#[inline]
fn fixed_stamp(fixed: &[u8; FIXED]) -> Option<Stamp> {
    let (date, rest) = fixed.split_first_chunk::<8>()?;
    let [_, month, _, day, _, _, hour, _] = DATE.pairs(*date)?;
    let [_, minute, _, _, second, ..] = CLOCK.pairs(*rest.first_chunk::<8>()?)?;
    let [_, high, _, middle, _, low, ..] = FRACTION.pairs(*fixed.last_chunk::<8>()?)?;
    let micros = u32::from(high) * 10_000 + u32::from(middle) * 100 + u32::from(low);
    (is_day(month, day) && hour < 24 && minute < 60 && second < 60).then_some(Stamp::Klog {
        month,
        day,
        hour,
        minute,
        second,
        micros,
    })
}

const DATE: Template = Template::of(*b"_0000 00");
const CLOCK: Template = Template::of(*b":00:00.0");
const FRACTION: Template = Template::of(*b".000000 ");

/// Digits, not too many for their type, and what follows them.
#[inline]
fn leading_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    if let Some((value, length)) = bytes.first_chunk().and_then(|first| short_number(*first)) {
        return Some((value, bytes.get(length..)?));
    }
    let (mut value, mut rest) = (0_u32, bytes);
    while let [byte, behind @ ..] = rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // Nine digits always fit.
        value = match value < 100_000_000 {
            true => value * 10 + u32::from(digit),
            false => value.checked_mul(10)?.checked_add(u32::from(digit))?,
        };
        rest = behind;
    }
    (rest.len() < bytes.len()).then_some((value, rest))
}

/// Any year may be a leap year (G5): the header has none.
const fn is_day(month: u8, day: u8) -> bool {
    let last = match month {
        2 => 29,
        // Odd until July, even from August on.
        1..=12 => 30 + (month + month / 8) % 2,
        _ => return false,
    };
    day >= 1 && day <= last
}

/// A structured message and what follows it.
struct Structured<'a> {
    text: Text<'a>,
    tail: Text<'a>,
    ends: Ends,
    truncated: bool,
}

/// ```text
/// structured := Q (" " pair)*
/// ```
///
/// A printf message may begin with a quote too: only one that is followed by the end or by ` key=`
/// is a structured one (G15).
#[inline]
fn structured(rest: Text<'_>) -> Option<Structured<'_>> {
    let content = quoted::open(rest.raw(), rest.level())?;
    let Some((end, behind)) = quoted::close(content, rest.level()) else {
        let (text, tail) = (rest.quoted_inside(content), rest.with_raw(""));
        return Some(Structured { text, tail, ends: Ends::Here, truncated: true });
    };
    let text = rest.quoted_inside(content.get(..end)?);
    let tail = rest.with_raw(content.get(behind..)?);
    let raw = tail.raw();
    if !pairs::begins_pair(raw) && !raw.trim_end().is_empty() {
        return None;
    }
    let (ends, truncated) = match ending(tail) {
        Ending::Whole => (Ends::Here, false),
        Ending::Open => (Ends::InBlock, false),
        Ending::Unsure => (Ends::Here, is_cut(tail)),
    };
    Some(Structured { text, tail, ends, truncated })
}

#[cold]
fn is_cut(tail: Text<'_>) -> bool {
    let mut pairs = pairs::Pairs::of_text(tail);
    while pairs.next().is_some() {}
    pairs.is_cut()
}

/// How a tail ends, as far as a glance tells.
enum Ending {
    Whole,
    /// `key=<`: a block begins.
    Open,
    /// Only a walk over the pairs tells whether it was cut.
    Unsure,
}

/// Nearly every line ends with a closing quote, or with one before a bracket or a bare pair.
#[inline]
fn ending(tail: Text<'_>) -> Ending {
    let bytes = tail.raw().as_bytes();
    match bytes {
        [] => Ending::Whole,
        [.., b'=', b'<'] => Ending::Open,
        _ if tail.level() > 0 => Ending::Unsure,
        [.., b'"' | b'='] => if_so(closes(bytes)),
        [head @ .., b']' | b'}'] => if_so(closes(head) || quotes_pair(bytes)),
        [.., last] if last.is_ascii_alphanumeric() => match memchr::memrchr(b' ', bytes) {
            Some(blank) => {
                let (head, word) = bytes.split_at_checked(blank).unwrap_or((bytes, &[]));
                let is_pair = word.contains(&b'=') && !word.contains(&b'"');
                if_so(is_pair && (head.is_empty() || closes(head) || quotes_pair(bytes)))
            }
            None => Ending::Unsure,
        },
        _ => Ending::Unsure,
    }
}

const fn if_so(is_whole: bool) -> Ending {
    if is_whole { Ending::Whole } else { Ending::Unsure }
}

/// The last byte is a quote that closes: what stands before an opening one, in a pair or in a JSON
/// value, or makes a quote a letter, does not stand before it.
const fn closes(bytes: &[u8]) -> bool {
    matches!(bytes, [.., before, b'"']
        if !matches!(before, b'=' | b'\\' | b'{' | b'[' | b',' | b':'))
}

/// No quote is left open, and no block is in it, whose quotes mean nothing.
fn quotes_pair(bytes: &[u8]) -> bool {
    if memchr::memchr2(b'\\', b'\n', bytes).is_none() {
        return bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 0;
    }
    let mut is_open = false;
    for at in memchr::memchr2_iter(b'"', b'\n', bytes) {
        match bytes.get(..=at) {
            Some([.., b'\n']) => return false,
            Some([head @ .., _]) if is_open => {
                let run = head.iter().rev().take_while(|byte| **byte == b'\\').count();
                is_open = run % 2 == 1;
            }
            _ => is_open = true,
        }
    }
    !is_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g3_what_is_impossible_is_no_header() {
        let line = |line: &str| header(line).is_some();
        assert!(line("E0317 08:42:15.306118    2148 pod_workers.go:1017] x"));
        assert!(line("I0229 00:00:00.000000 1 a:1]"));
        for wrong in [
            "D0317 08:42:15.306118    2148 a.go:1] x",
            "E1317 08:42:15.306118    2148 a.go:1] x",
            "E0230 08:42:15.306118    2148 a.go:1] x",
            "E0317 24:42:15.306118    2148 a.go:1] x",
            "E0317 08:60:15.306118    2148 a.go:1] x",
            "E0317 08:42:60.306118    2148 a.go:1] x",
            "E0317 08:42:15.30611     2148 a.go:1] x",
            "E0317 08:42:15.306118 99999999999 a.go:1] x",
            "E0317 08:42:15.306118    2148 a.go] x",
            "E0317 08:42:15.306118    2148 a.go:1]x",
            "E0317 08:42:15.306118    2148 ",
        ] {
            assert!(!line(wrong), "{wrong}");
        }
    }

    #[test]
    fn g4_widths_and_file_names_vary() {
        let header = header("W1231 23:59:59.999999 12345678 dir/some-file_2.go:7] x").unwrap();
        assert_eq!((header.pid, header.file, header.line), (12_345_678, "some-file_2.go", 7));
        let unknown = super::header("I0101 00:00:00.000001      1 ???:1] x").unwrap();
        assert_eq!(unknown.file, "???");
    }
}
