//! What transports put in front of a line in text copies (§4.2).
//!
//! Owns stamps, hosts, identifiers and pids of syslog and journalctl; the line behind them is
//! somebody else's.

use crate::stamp;
use crate::{Origin, Stamp};

/// What stood in front.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prefix<'a> {
    pub(crate) stamp: Option<Stamp>,
    pub(crate) host: Option<&'a str>,
    /// `SYSLOG_IDENTIFIER`, or the unit.
    pub(crate) program: Option<&'a str>,
    pub(crate) pid: Option<u32>,
}

/// Words that some transports put between the prefix and the line.
const LEVELS: [&str; 10] =
    ["debug", "info", "notice", "warning", "warn", "err", "error", "crit", "alert", "emerg"];

/// ```text
/// prefix := stamp " " [host " "] program ["[" pid "]"] ": " [level " "]
///         | stamp " " host " " program " " pid " - - " " "*
///         | unit ".service: " | stamp " "
/// stamp  := syslog | civil | "[" seconds "] "
/// ```
pub(crate) fn strip(line: &str) -> Option<(Prefix<'_>, &str)> {
    let Some((stamp, rest)) = leading_stamp(line) else {
        let (unit, rest) = line.split_once(": ")?;
        let is_unit = unit.ends_with(".service") && !unit.contains(' ');
        let program = Some(unit.strip_suffix(".service").unwrap_or(unit));
        return is_unit.then_some((Prefix { program, ..Prefix::default() }, rest));
    };
    let prefix = Prefix { stamp: Some(stamp), ..Prefix::default() };
    let (first, behind) = rest.split_once(' ')?;
    if let Some((program, pid)) = program(first) {
        return Some((Prefix { program, pid, ..prefix }, level(behind)));
    }
    let (second, behind) = behind.split_once(' ').unwrap_or((behind, ""));
    if let Some((program, pid)) = program(second) {
        return Some((Prefix { host: Some(first), program, pid, ..prefix }, level(behind)));
    }
    if let Some((pid, behind)) = behind.split_once(" - - ") {
        let pid = pid.parse().ok();
        let prefix = Prefix { host: Some(first), program: Some(second), pid, ..prefix };
        return pid.is_some().then_some((prefix, behind.trim_start_matches(' ')));
    }
    Some((prefix, rest))
}

fn leading_stamp(line: &str) -> Option<(Stamp, &str)> {
    if let Ok((rest, civil)) = stamp::civil(line) {
        return Some((civil.stamp, rest.strip_prefix(' ')?));
    }
    if let Ok((rest, stamp)) = stamp::kernel(line) {
        return Some((stamp, rest));
    }
    let (rest, stamp) = stamp::syslog(line).ok()?;
    Some((stamp, rest.strip_prefix(' ')?))
}

/// ```text
/// program := name [ "[" pid "]" ] ":"
/// ```
fn program(word: &str) -> Option<(Option<&str>, Option<u32>)> {
    let name = word.strip_suffix(':')?;
    let (name, pid) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((name, pid)) => (name, Some(pid.parse().ok()?)),
        None => (name, None),
    };
    (!name.is_empty() && !name.contains(['"', '='])).then_some((Some(name), pid))
}

fn level(rest: &str) -> &str {
    match rest.split_once(' ') {
        Some((word, behind)) if LEVELS.contains(&word) => behind,
        _ => rest,
    }
}

impl Prefix<'_> {
    /// Who wrote the line, by the name that the transport gives.
    pub(crate) fn origin(&self) -> Origin {
        let Some(program) = self.program else { return Origin::Any };
        let name = program.strip_suffix(".service").unwrap_or(program);
        match name {
            "kernel" => Origin::Kernel,
            "systemd-journald" | "systemd-journal" => Origin::Journald,
            "systemd" => Origin::Systemd,
            "containerd" | "microk8s.daemon-containerd" => Origin::Containerd,
            "crio" => Origin::Crio,
            "dockerd" | "docker" | "cri-dockerd" => Origin::Docker,
            _ => Origin::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g2_each_prefix_is_taken_off() {
        for line in [
            "Mar 17 08:42:15 worker-07 kubelet[2148]: X",
            "Mar 17 08:42:15 worker-07 kubelet: X",
            "3月 17 08:42:15 worker-07 kubelet[2148]: X",
            "2031-03-17T08:42:15Z kubelet[2148]: X",
            "Mar 17 08:42:15.306401 worker-07 kubenswrapper[2148]: X",
            "2031-03-17T08:42:15.306730+00:00 worker-07 kubelet 2148 - -  X",
            "2031-03-17T08:42:15.306 worker-07 kubelet[2148]: info X",
            "kubelet.service: X",
            "[ 5124.770215] worker-07 kubelet[2148]: X",
        ] {
            let (_, rest) = strip(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(rest, "X", "{line}");
        }
        assert!(strip("just some text: X").is_none());
    }
}
