//! klog text: the header, and whether the message behind it is structured.
//!
//! Owns §3.2 to §3.7; what a message means is the kubelet's.

pub(crate) mod pairs;
pub(crate) mod wrapped;

use crate::message::{Component, Ends, Format, Frame, Message, Severity, Stamp, What};
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
    let frame = Frame {
        component,
        format: Format::KlogPrintf,
        severity: Some(header.severity),
        severity_text: Some(header.severity_text),
        stamp: Some(header.stamp),
        prefix_stamp: None,
        host: None,
        pid: Some(header.pid),
        file: Some(header.file),
        line: Some(header.line),
    };
    let rest = text.with_raw(header.message);
    Some(structured(frame, rest).unwrap_or_else(|| kubelet::printf(frame, rest)))
}

/// A line of the kubelet's unit, as it stands in a journal's `MESSAGE`.
///
/// ```text
/// line := klog | klog JSON | k0s wrapper | "kubelet " klog (MicroShift) | panic
/// ```
#[inline]
pub(crate) fn of_kubelet(line: &str) -> Option<Message<'_>> {
    parse(Text::plain(line), Component::Kubelet).or_else(|| unusual(line))
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
#[inline]
fn header(line: &str) -> Option<Header<'_>> {
    let fixed = line.as_bytes().first_chunk::<22>()?;
    let [letter, month @ .., b' '] = fixed else { return None };
    let [m1, m2, d1, d2, b' ', h1, h2, b':', n1, n2, b':', s1, s2, b'.', fraction @ ..] = month
    else {
        return None;
    };
    let severity = match letter {
        b'I' => Severity::Info,
        b'W' => Severity::Warning,
        b'E' => Severity::Error,
        b'F' => Severity::Fatal,
        _ => return None,
    };
    let stamp = Stamp::Klog {
        month: two(*m1, *m2)?,
        day: two(*d1, *d2)?,
        hour: two(*h1, *h2).filter(|hour| *hour < 24)?,
        minute: two(*n1, *n2).filter(|minute| *minute < 60)?,
        second: two(*s1, *s2).filter(|second| *second < 60)?,
        micros: number(fraction)?,
    };
    if !is_day(two(*m1, *m2)?, two(*d1, *d2)?) {
        return None;
    }
    let (pid, rest) = leading_number(line.get(22..)?.trim_start_matches(' '))?;
    let rest = rest.strip_prefix(' ')?;
    let colon = rest.bytes().position(|byte| matches!(byte, b':' | b' ' | b']'))?;
    let (path, rest) = rest.split_at_checked(colon)?;
    let (at, rest) = leading_number(rest.strip_prefix(':')?)?;
    let message = rest.strip_prefix(']')?;
    let message = match message.strip_prefix(' ') {
        Some(message) => message,
        // An empty message whose last blank was cut off.
        None if message.is_empty() => message,
        None => return None,
    };
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    (!file.is_empty()).then_some(Header {
        severity,
        severity_text: line.get(..1)?,
        stamp,
        pid,
        file,
        line: at,
        message,
    })
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// Digits, not too many for their type.
fn leading_number(raw: &str) -> Option<(u32, &str)> {
    let mut value = 0_u32;
    let mut length = 0;
    for byte in raw.bytes().take_while(u8::is_ascii_digit) {
        value = value.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?;
        length += 1;
    }
    if length == 0 { None } else { Some((value, raw.get(length..)?)) }
}

/// Any year may be a leap year (G5): the header has none.
const fn is_day(month: u8, day: u8) -> bool {
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 29,
        _ => return false,
    };
    day >= 1 && day <= last
}

/// ```text
/// structured := Q (" " pair)*
/// ```
///
/// A printf message may begin with a quote too: only one that is followed by the end or by ` key=`
/// is a structured one (G15).
#[inline]
fn structured<'a>(frame: Frame<'a>, rest: Text<'a>) -> Option<Message<'a>> {
    let content = quoted::open(rest.raw(), rest.level())?;
    let frame = Frame { format: Format::KlogStructured, ..frame };
    let Some((end, behind)) = quoted::close(content, rest.level()) else {
        let text = rest.quoted_inside(content);
        let tail = rest.with_raw("");
        return Some(Message { truncated: true, ..plain(frame, text, tail) });
    };
    let text = rest.quoted_inside(content.get(..end)?);
    let tail = rest.with_raw(content.get(behind..)?);
    let raw = tail.raw();
    if !pairs::begins_pair(raw) && !raw.trim_end().is_empty() {
        return None;
    }
    let mut message = plain(frame, text, tail);
    message.what = kubelet::structured(&message.frame, text, tail);
    match ending(tail) {
        Ending::Whole => {}
        Ending::Open => message.ends = Ends::InBlock,
        Ending::Unsure => {
            let mut pairs = pairs::Pairs::of_text(tail);
            while pairs.next().is_some() {}
            message.truncated = pairs.is_cut();
        }
    }
    Some(message)
}

const fn plain<'a>(frame: Frame<'a>, text: Text<'a>, tail: Text<'a>) -> Message<'a> {
    Message { frame, what: What::Unknown, ends: Ends::Here, text, tail, truncated: false }
}

/// How a tail ends, as far as its last bytes tell.
enum Ending {
    Whole,
    /// `key=<`: a block begins.
    Open,
    /// Only a walk over the pairs tells whether it was cut.
    Unsure,
}

/// Nearly every line ends with a closing quote or a bare word, which the last two bytes show.
#[inline]
fn ending(tail: Text<'_>) -> Ending {
    match tail.raw().as_bytes() {
        [] => Ending::Whole,
        [.., b'=', b'<'] => Ending::Open,
        // A quote behind another byte than these closes.
        [.., before, b'"'] if tail.level() == 0 && !opens_or_escapes(*before) => Ending::Whole,
        _ => Ending::Unsure,
    }
}

/// What stands before an opening quote, in a pair or in a JSON value, or makes a quote a letter.
const fn opens_or_escapes(before: u8) -> bool {
    matches!(before, b'=' | b'\\' | b'{' | b'[' | b',' | b':')
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
