//! journald's own lines about lost ones (G13), and systemd's about a unit (§4.1).
//!
//! Owns their words. A paste shows systemd's lines without their writer, so there only those count
//! that name a unit.

use crate::{Component, Ends, Facts, Format, Frame, Message, Text, What, object};

#[cfg(test)]
mod tests;

/// A line that journald wrote itself.
///
/// ```text
/// line := "Suppressed " digits " messages from " unit
///       | "Missed " digits " kernel messages" | "/dev/kmsg buffer overrun, some messages lost."
/// ```
pub(crate) fn parse(line: &str) -> Option<Message<'_>> {
    let what = if line.starts_with("Suppressed ") {
        suppressed(Text::plain(line))?;
        What::JournaldSuppressed
    } else if line.starts_with("/dev/kmsg buffer overrun") {
        What::JournaldMissedKernel
    } else {
        missed(Text::plain(line))?;
        What::JournaldMissedKernel
    };
    Some(bare(Component::Journald, what, line))
}

fn suppressed(text: Text<'_>) -> Option<(u64, Text<'_>)> {
    let (count, rest) = text.behind("Suppressed ")?.take(|byte| byte.is_ascii_digit());
    Some((count.unsigned()?, rest.behind(" messages from ")?))
}

fn missed(text: Text<'_>) -> Option<u64> {
    let (count, rest) = text.behind("Missed ")?.take(|byte| byte.is_ascii_digit());
    rest.raw().starts_with(" kernel messages").then_some(count.unsigned()?)
}

/// A line that systemd, pid 1, wrote about a unit.
pub(crate) fn parse_systemd(line: &str) -> Option<Message<'_>> {
    Some(bare(Component::Systemd, systemd(line)?, line))
}

/// A line of systemd that names its unit, so that a paste can be sure of it.
pub(crate) fn parse_systemd_unit(line: &str) -> Option<Message<'_>> {
    parse_systemd(line).filter(|message| message.facts().unit.is_some())
}

const BEGINNINGS: [(&str, What); 6] = [
    ("Starting ", What::SystemdStarting),
    ("Started ", What::SystemdStarted),
    ("Stopping ", What::SystemdStopping),
    ("Stopped ", What::SystemdStopped),
    ("Failed to start ", What::SystemdFailed),
    ("Unit ", What::SystemdFailed),
];

/// What follows `<unit>: `, or in old versions `<unit> `.
const BEHIND_UNIT: [(&str, What); 9] = [
    ("Main process exited, ", What::SystemdMainExited),
    ("main process exited, ", What::SystemdMainExited),
    ("Failed with result ", What::SystemdFailed),
    ("Unit entered failed state", What::SystemdFailed),
    ("Scheduled restart job", What::SystemdRestarting),
    ("Service hold-off time over, scheduling restart", What::SystemdRestarting),
    ("holdoff time over, scheduling restart", What::SystemdRestarting),
    ("A process of this unit has been killed by the OOM killer", What::SystemdUnitOom),
    ("Failed to start", What::SystemdFailed),
];

/// How the units of kubelet and runtimes describe themselves: older versions of systemd write this
/// in the place of the unit's name.
const DESCRIPTIONS: [(&str, &str); 4] = [
    ("containerd container runtime", "containerd.service"),
    ("Container Runtime Interface for OCI", "crio.service"),
    ("Docker Application Container Engine", "docker.service"),
    ("kubelet: The Kubernetes Node Agent", "kubelet.service"),
];

/// ```text
/// line := unit ":"? " " words … | verb " " (unit " - ")? description ("." | "...")
///       | "Unit " unit " entered failed state."
/// ```
fn systemd(line: &str) -> Option<What> {
    if let Some((begin, what)) = BEGINNINGS.iter().find(|(begin, _)| line.starts_with(begin)) {
        let is_failed = *begin != "Unit " || line.contains(" entered failed state");
        return is_failed.then_some(*what);
    }
    let (_, rest) = unit_first(line)?;
    BEHIND_UNIT.iter().find(|(words, _)| rest.starts_with(words)).map(|(_, what)| *what)
}

fn unit_first(line: &str) -> Option<(&str, &str)> {
    let (unit, rest) = line.split_once(' ')?;
    let unit = unit.strip_suffix(':').unwrap_or(unit);
    is_unit(unit).then_some((unit, rest))
}

/// Of the kinds that a kubelet or a runtime can be.
fn is_unit(word: &str) -> bool {
    [".service", ".socket"].iter().any(|suffix| word.len() > suffix.len() && word.ends_with(suffix))
}

/// Everything that a line of journald or systemd says.
pub(crate) fn facts<'a>(message: &Message<'a>) -> Facts<'a> {
    let text = message.text;
    let mut facts = Facts::default();
    match message.what {
        What::JournaldSuppressed => {
            if let Some((count, unit)) = suppressed(text) {
                facts.count = Some(count);
                facts.unit = object::filled(Some(unit.behind("unit ").unwrap_or(unit)));
            }
        }
        What::JournaldMissedKernel => facts.count = missed(text),
        _ => {
            facts.unit = unit(text);
            let _complete = status(text, &mut facts);
        }
    }
    facts
}

fn unit(text: Text<'_>) -> Option<Text<'_>> {
    if let Some((unit, _)) = unit_first(text.raw()) {
        return Some(text.with_raw(unit));
    }
    let rest = BEGINNINGS.iter().find_map(|(begin, _)| text.behind(begin))?;
    if let Some((_, unit)) = DESCRIPTIONS.iter().find(|(words, _)| rest.raw().starts_with(words)) {
        return Some(Text::plain(unit));
    }
    let (word, _) = rest.take(|byte| byte != b' ');
    let word =
        ["...", "."].iter().find_map(|end| word.raw().strip_suffix(end)).unwrap_or(word.raw());
    is_unit(word).then(|| text.with_raw(word))
}

/// ```text
/// "code=" ("exited" | "killed" | "dumped") ", status=" number "/" word
/// "Failed with result '" word "'"
/// "restart counter is at " number
/// ```
fn status<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    if let Some((_, result)) = text.cut("Failed with result '") {
        facts.reason = Some(result.cut("'")?.0);
        return Some(());
    }
    if let Some((_, count)) = text.cut("restart counter is at ") {
        facts.count = count.take(|byte| byte.is_ascii_digit()).0.unsigned();
        return Some(());
    }
    let (code, rest) = text.cut("process exited, code=")?.1.cut(", status=")?;
    let (number, word) = rest.cut("/")?;
    let number = number.unsigned().and_then(|number| i32::try_from(number).ok());
    if code.raw() == "exited" {
        facts.exit_code = number;
    } else {
        facts.signal = number;
    }
    facts.reason = object::filled(Some(word));
    Some(())
}

fn bare(component: Component, what: What, line: &str) -> Message<'_> {
    let frame = Frame {
        component,
        format: Format::Bare,
        severity: None,
        severity_text: None,
        stamp: None,
        prefix_stamp: None,
        host: None,
        pid: None,
        file: None,
        line: None,
    };
    let text = Text::plain(line);
    Message { frame, what, ends: Ends::Here, text, tail: text.with_raw(""), truncated: false }
}
