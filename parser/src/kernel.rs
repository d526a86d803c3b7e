//! Kernel lines: OOM kills above all, and what else ends processes or file systems (§14).
//!
//! Owns their words and facts. Every line stands alone: whose kill it was is joined by pid later.

use memchr::memmem;

use crate::object::{self, Cgroup};
use crate::{Component, Ends, Facts, Format, Frame, Message, Text, What, stamp};

mod oom;
#[cfg(test)]
mod tests;

/// Reads a line that the kernel wrote; one that we do not know is none.
///
/// ```text
/// line := kernel stamp? production
/// ```
pub(crate) fn parse(line: &str) -> Option<Message<'_>> {
    let (text, stamp) = match stamp::kernel(line) {
        Ok((rest, stamp)) => (rest, Some(stamp)),
        Err(_) => (line, None),
    };
    let what = what(text)?;
    let frame = Frame {
        component: Component::Kernel,
        format: Format::Bare,
        severity: None,
        severity_text: None,
        stamp,
        prefix_stamp: None,
        host: None,
        pid: None,
        file: None,
        line: None,
    };
    let text = Text::plain(text);
    let tail = text.with_raw("");
    Some(Message { frame, what, ends: Ends::Here, text, tail, truncated: false })
}

const BEGINNINGS: [(&str, What); 9] = [
    ("oom_reaper: reaped process ", What::KernelOomReaped),
    ("unregister_netdevice: waiting for ", What::KernelNetdeviceBusy),
    ("nf_conntrack: table full", What::KernelConntrackFull),
    ("nf_conntrack: nf_conntrack: table full", What::KernelConntrackFull),
    ("ip_conntrack: table full", What::KernelConntrackFull),
    ("EXT4-fs error", What::KernelFilesystemError),
    ("EXT3-fs error", What::KernelFilesystemError),
    ("Buffer I/O error on ", What::KernelIoError),
    ("cgroup: fork rejected by pids controller in ", What::KernelForkRejected),
];

/// A process's name has at most 15 bytes, and so do its ids: what names one first says what
/// happened soon after.
const MAX_NAMED_BYTES: usize = 64;

/// One pass over the beginnings; a line is searched only behind a beginning that promises a find.
fn what(text: &str) -> Option<What> {
    if let Some(what) = oom::what(text) {
        return Some(what);
    }
    if let Some((_, what)) = BEGINNINGS.iter().find(|(begin, _)| text.starts_with(begin)) {
        return Some(*what);
    }
    if text.starts_with("INFO: task ") || text.starts_with("task ") {
        return text.contains(" blocked for more than ").then_some(What::KernelTaskBlocked);
    }
    let named = text.as_bytes().get(..MAX_NAMED_BYTES).unwrap_or(text.as_bytes());
    if memmem::find(named, b" invoked oom-killer: ").is_some() {
        return Some(What::KernelOomInvoked);
    }
    if memmem::find(named, b"]: segfault at ").is_some() {
        return Some(What::KernelSegfault);
    }
    of_filesystem(text)
}

/// ```text
/// (name "-fs" | "XFS") " (" device "): " …
/// ```
fn of_filesystem(text: &str) -> Option<What> {
    let (name, rest) = text.split_once(" (")?;
    if !(name.ends_with("-fs") || name == "XFS") {
        return None;
    }
    if rest.contains("emounting filesystem read-only") {
        return Some(What::KernelRemountedReadOnly);
    }
    rest.contains("hutting down filesystem").then_some(What::KernelFilesystemShutdown)
}

/// Everything that a kernel line says.
pub(crate) fn facts<'a>(message: &Message<'a>) -> Facts<'a> {
    let mut facts = Facts::default();
    // A line that was cut keeps what was read before the cut.
    let _complete = match message.what {
        What::KernelSegfault => segfault(message.text, &mut facts),
        What::KernelTaskBlocked => blocked(message.text, &mut facts),
        What::KernelForkRejected => fork_rejected(message.text, &mut facts),
        What::KernelNetdeviceBusy => netdevice(message.text, &mut facts),
        what => oom::facts(what, message.text, &mut facts),
    };
    facts
}

/// ```text
/// comm "[" pid "]: segfault at " …
/// ```
fn segfault<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    const SIGSEGV: i32 = 11;
    let (process, _) = text.cut("]: segfault at ")?;
    let (comm, pid) = process.cut_last("[")?;
    facts.victim_pid = pid.unsigned().and_then(|it| it.try_into().ok());
    facts.detail = object::filled(Some(comm));
    facts.signal = Some(SIGSEGV);
    Some(())
}

/// ```text
/// "INFO: "? "task " comm ":" pid " blocked for more than " …
/// ```
fn blocked<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (process, _) = text.cut_last(" blocked for more than ")?;
    let (comm, pid) = process.cut("task ")?.1.cut_last(":")?;
    facts.victim_pid = pid.unsigned().and_then(|it| it.try_into().ok());
    facts.detail = object::filled(Some(comm));
    Some(())
}

/// ```text
/// "cgroup: fork rejected by pids controller in " path
/// ```
fn fork_rejected<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let path = text.behind("cgroup: fork rejected by pids controller in ")?;
    facts.unit = object::filled(Some(path));
    belongs_to(path, facts);
    Some(())
}

/// ```text
/// "unregister_netdevice: waiting for " device " to become free. Usage count = " digits
/// ```
fn netdevice<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (device, rest) = text.behind("unregister_netdevice: waiting for ")?.cut(" ")?;
    facts.detail = object::filled(Some(device));
    facts.count = rest.cut("Usage count = ")?.1.take(|it| it.is_ascii_digit()).0.unsigned();
    Some(())
}

/// The pod and container of a cgroup.
fn belongs_to<'a>(path: Text<'a>, facts: &mut Facts<'a>) {
    let Cgroup { uid, container_id } = object::cgroup(path.raw());
    facts.pod.uid = uid;
    facts.container_id = container_id;
}
