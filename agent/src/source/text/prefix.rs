//! What transports put in front of a line (log-grammar §4.2).
//!
//! ```text
//! prefix := priority? stamp " " (host " ")? (identifier ("[" pid "]")? ": " level?
//!                                           | identifier " " pid " - -" " "{1,2})
//! stamp  := syslog | yyyy-mm-ddThh:mm:ss… | weekday " " yyyy-mm-dd hh:mm:ss " " zone
//!         | seconds "." micros | "[" " "* seconds "." micros (" <" … ">")? "]"
//! ```

use podwhy_parser::Stamp;

use crate::source::{origin, stream_id};

/// One prefix and the line behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prefix<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) host: &'a str,
    pub(crate) identifier: &'a str,
    pub(crate) pid: Option<u32>,
    pub(crate) rest: &'a str,
}

impl<'a> Prefix<'a> {
    pub(crate) fn of(line: &'a str) -> Option<Self> {
        let (stamp, behind) = stamp(behind_priority(line))?;
        let (host, tag, rest) = match word(behind)? {
            (first, rest) if first.ends_with(':') => ("", first, rest),
            (host, behind) => {
                let (tag, rest) = word(behind)?;
                (host, tag, rest)
            }
        };
        let Some(tag) = tag.strip_suffix(':') else {
            let (pid, rest) = fields_of_rfc5424(rest)?;
            return Some(Self { stamp, host, identifier: name(tag)?, pid, rest });
        };
        let (identifier, pid) = match tag.strip_suffix(']').and_then(|tag| tag.rsplit_once('[')) {
            Some((identifier, pid)) => (identifier, Some(pid.parse().ok()?)),
            None => (tag, None),
        };
        let rest = behind_level(with_the_blank_of_a_closing_mark(line, rest));
        // The kernel's own ring has the same clock and no names.
        let is_ring =
            matches!(stamp, Stamp::SinceBootMicros(_)) && (host.is_empty() || pid.is_none());
        if is_ring && origin::of_identifier(identifier).is_none() {
            return None;
        }
        Some(Self { stamp, host, identifier: name(identifier)?, pid, rest })
    }

    pub(crate) fn stream(&self) -> u64 {
        let pid = self.pid.map_or([0; 4], u32::to_le_bytes);
        stream_id(&[self.host.as_bytes(), self.identifier.as_bytes(), &pid])
    }
}

/// Syslog's number of facility and severity, and the version of RFC 5424.
fn behind_priority(line: &str) -> &str {
    let behind = || {
        let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
        let is_priority = (1..=3).contains(&number.len()) && number.parse::<u8>().is_ok();
        is_priority.then(|| rest.strip_prefix("1 ").unwrap_or(rest))
    };
    behind().unwrap_or(line)
}

fn stamp(line: &str) -> Option<(Stamp, &str)> {
    // A blank between date and time is no transport's, but `short-full` has it behind a weekday.
    let is_iso = line.as_bytes().get(10) == Some(&b'T');
    let (stamp, rest) = if is_iso {
        Stamp::read_civil(line)?
    } else if let Some(stamp) = Stamp::read_syslog(line) {
        stamp
    } else if let Some(stamp) = seconds(line) {
        stamp
    } else {
        full(line)?
    };
    Some((stamp, rest.strip_prefix(' ')?))
}

/// `1795387941.823257`, or `[ 4321.823257]` and `[ 4321.823257 <    0.000012 >]` since the boot.
fn seconds(line: &str) -> Option<(Stamp, &str)> {
    let (figures, rest, is_since_boot) = match line.strip_prefix('[') {
        Some(inside) => {
            let (clock, rest) = inside.split_once(']')?;
            (clock.trim_start().split(" <").next()?.trim_end(), rest, true)
        }
        None => {
            let end = line.find(' ').filter(|end| (12..=24).contains(end))?;
            let (figures, rest) = line.split_at_checked(end)?;
            (figures, rest, false)
        }
    };
    let (seconds, micros) = figures.split_once('.')?;
    let is_micros = micros.len() == 6 && micros.bytes().all(|byte| byte.is_ascii_digit());
    let micros: i64 = micros.parse().ok().filter(|_| is_micros)?;
    let at = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?;
    let stamp = if is_since_boot {
        Stamp::SinceBootMicros(u64::try_from(at).ok()?)
    } else {
        Stamp::EpochMicros(at)
    };
    Some((stamp, rest))
}

/// `Sun 2026-11-22 22:52:21 UTC`: only UTC says which zone it is.
fn full(line: &str) -> Option<(Stamp, &str)> {
    let (weekday, date) = line.split_once(' ')?;
    let is_weekday = (2..=12).contains(&weekday.len()) && weekday.chars().all(char::is_alphabetic);
    let (stamp, rest) = Stamp::read_civil(date).filter(|_| is_weekday)?;
    let (zone, _) = word(rest.strip_prefix(' ')?)?;
    let Stamp::Civil { year, month, day, hour, minute, second, nanos, .. } = stamp else {
        return None;
    };
    let offset_seconds = (zone == "UTC").then_some(0);
    let rest = rest.strip_prefix(' ')?.strip_prefix(zone)?;
    Some((Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds }, rest))
}

/// Up to the next blank, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    // No host and no identifier is longer; a megabyte without a blank is not looked at twice.
    (1..=256).contains(&word.len()).then_some((word, rest))
}

/// An identifier has no quote and no separator of a log line's own fields: `file.go:12]` has.
fn name(identifier: &str) -> Option<&str> {
    let is_name = !identifier.is_empty()
        && !identifier.contains(['"', '=', ':', '/', '[', ']', '(', ')', '{', '}']);
    is_name.then_some(identifier)
}

/// Process id, message id and structured data, the latter two empty; rsyslog's template leaves one
/// blank more before the message.
fn fields_of_rfc5424(rest: &str) -> Option<(Option<u32>, &str)> {
    let (pid, rest) = word(rest)?;
    let pid = if pid == "-" { None } else { Some(pid.parse().ok()?) };
    let rest = rest.strip_prefix("- -")?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    Some((pid, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// syslog's templates put a blank before a message only where it has none, so that ` >` loses its
/// own: the separating blank is taken for it.
fn with_the_blank_of_a_closing_mark<'a>(line: &'a str, rest: &'a str) -> &'a str {
    let is_mark = rest == ">" || rest.starts_with("> ");
    let with_blank = line.len().checked_sub(rest.len() + 1).and_then(|at| line.get(at..));
    with_blank.filter(|_| is_mark).unwrap_or(rest)
}

/// Some shippers write the level between the tag and the header.
fn behind_level(rest: &str) -> &str {
    let is_level = |word: &str| {
        matches!(word, "debug" | "info" | "notice" | "warning" | "warn" | "err" | "error" | "crit")
    };
    match rest.split_once(' ') {
        Some((level, behind)) if is_level(level) && behind.starts_with(['I', 'W', 'E', 'F']) => {
            match behind.get(1..).and_then(Stamp::read_klog) {
                Some(_) => behind,
                None => rest,
            }
        }
        _ => rest,
    }
}
