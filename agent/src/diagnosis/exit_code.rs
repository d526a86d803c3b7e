//! What exit codes and reasons mean, as data (diagnosis.md 2.3): what is known, what to ask first,
//! and what must not be concluded.

/// What a code means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// In one clause.
    pub(super) means: String,
    /// What to ask first.
    pub(super) ask: &'static str,
    /// What it does not prove.
    pub(super) not: Option<&'static str>,
}

/// Signals by number, as the kernel of amd64 and arm64 counts them.
const SIGNALS: &[(i32, &str)] = &[
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL, an instruction that this processor does not know"),
    (5, "SIGTRAP"),
    (6, "SIGABRT, the program gave up by itself"),
    (7, "SIGBUS, memory that is not there"),
    (8, "SIGFPE, an arithmetic fault"),
    (9, "SIGKILL"),
    (11, "SIGSEGV, a bad memory access"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (31, "SIGSYS, a system call that is forbidden"),
];

/// One row: code, reason (`None` = any), meaning, first question, what not to conclude.
type Row = (i32, Option<&'static str>, &'static str, &'static str, Option<&'static str>);

/// The first row that fits counts: reasons before codes alone.
const ROWS: &[Row] = &[
    (
        0,
        Some("OOMKilled"),
        "the main process ended well, and a child was killed for memory on the way",
        "what ended the main process?",
        Some("that memory ended the container"),
    ),
    (
        143,
        Some("OOMKilled"),
        "the main process obeyed SIGTERM, and a child was killed for memory before",
        "why did the kubelet stop it?",
        Some("that memory ended the container"),
    ),
    (
        137,
        Some("OOMKilled"),
        "killed, and the runtime saw an out-of-memory kill in its cgroup",
        "which limit was hit: the container's, the pod's or the node's?",
        Some("that the process that died is the one that took the memory"),
    ),
    (
        128,
        Some("StartError"),
        "the process never ran: the runtime could not start it",
        "what does the runtime's message name: program, folder, user, mount?",
        Some("that there is a log of the application"),
    ),
    (
        128,
        Some("ContainerCannotRun"),
        "the process never ran: the runtime could not start it",
        "what does the runtime's message name: program, folder, user, mount?",
        Some("that there is a log of the application"),
    ),
    (
        255,
        Some("Unknown"),
        "the runtime lost sight of it: runtime or node were restarted, or its shim died",
        "did containerd or the node restart then?",
        Some("that the application ended with -1"),
    ),
    (
        255,
        Some("Error"),
        "the application ended with -1, or its first program could not be executed",
        "does its log hold one line that begins with exec?",
        None,
    ),
    (
        137,
        Some("ContainerStatusUnknown"),
        "the pod ended and the runtime has no record of this container",
        "what ended the pod?",
        Some("that it was killed for memory"),
    ),
    (
        -1,
        None,
        "the pod ended and the runtime has no record of this container",
        "what ended the pod?",
        None,
    ),
    (
        0,
        None,
        "the process ended well",
        "should it run to an end, as a Job, or stay in the foreground?",
        Some("that the application is healthy"),
    ),
    (
        1,
        None,
        "the application chose to stop",
        "what are its last lines?",
        Some("anything about the node"),
    ),
    (
        2,
        None,
        "wrong usage of a program or of a shell built-in, or a panic of a Go program",
        "do its arguments fit, or does its log hold a goroutine trace?",
        Some("that it is about usage"),
    ),
    (101, None, "a Rust program panicked", "where does its log say that it panicked?", None),
    (
        126,
        None,
        "a shell found the program and could not execute it",
        "is it executable, a folder, or on a mount without exec?",
        Some("that the entrypoint is wrong: that would be 128"),
    ),
    (
        127,
        None,
        "a shell did not find the program, or the loader did not find a library",
        "which name is in its log?",
        Some("that the entrypoint is missing: a shell ran"),
    ),
    (
        128,
        None,
        "the runtime could not start it, or a program ended with 128",
        "is there a message of the runtime?",
        None,
    ),
    (
        137,
        None,
        "killed by SIGKILL",
        "who sent it: the kernel for memory, a probe, the end of its grace period, a person?",
        Some("that it ran out of memory"),
    ),
    (143, None, "it obeyed SIGTERM", "why did the kubelet stop it?", Some("that it failed at all")),
];

/// What this end means. The reason is the runtime's, where it is known.
pub(super) fn meaning(code: i32, reason: Option<&str>) -> Option<Meaning> {
    let fits = |row: &&Row| row.0 == code && (row.1.is_none() || row.1 == reason);
    let row =
        ROWS.iter().filter(|row| row.1.is_some()).chain(ROWS.iter().filter(|row| row.1.is_none()));
    if let Some((_, _, means, ask, not)) = row.into_iter().find(fits) {
        return Some(Meaning { means: (*means).to_owned(), ask, not: *not });
    }
    let number = signal(code)?;
    let name = SIGNALS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
    let means = match name {
        Some(name) => format!("killed by {name}"),
        None => format!("killed by signal {number}"),
    };
    Some(Meaning { means, ask: "who sent the signal, or which fault raised it?", not: None })
}

/// The signal in a code of 129 to 192.
pub(super) fn signal(code: i32) -> Option<i32> {
    let number = code.checked_sub(128)?;
    (1..=64).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r35_each_code_and_reason_has_its_meaning_and_its_trap() {
        for (code, reason, means, not) in [
            (0, Some("Completed"), "ended well", Some("healthy")),
            (0, Some("OOMKilled"), "child", Some("memory ended")),
            (1, Some("Error"), "chose to stop", Some("node")),
            (2, None, "usage", Some("usage")),
            (101, None, "Rust", None),
            (126, None, "could not execute", Some("128")),
            (127, None, "did not find", Some("a shell ran")),
            (128, Some("StartError"), "never ran", Some("log")),
            (132, None, "SIGILL", None),
            (134, None, "SIGABRT", None),
            (135, None, "SIGBUS", None),
            (136, None, "SIGFPE", None),
            (137, Some("OOMKilled"), "out-of-memory", Some("took the memory")),
            (137, Some("Error"), "SIGKILL", Some("memory")),
            (139, None, "SIGSEGV", None),
            (143, Some("Error"), "obeyed SIGTERM", Some("failed at all")),
            (143, Some("OOMKilled"), "child", Some("memory ended")),
            (159, None, "SIGSYS", None),
            (255, Some("Unknown"), "lost sight", Some("-1")),
            (255, Some("Error"), "-1, or its first program", None),
            (-1, Some("ContainerStatusUnknown"), "no record", None),
            (170, None, "signal 42", None),
        ] {
            let told = meaning(code, reason).unwrap();
            assert!(told.means.contains(means), "{code} {reason:?}: {}", told.means);
            assert_eq!(told.not.is_some(), not.is_some(), "{code} {reason:?}");
            assert!(not.is_none_or(|not| told.not.unwrap().contains(not)), "{code}: {told:?}");
        }
        assert_eq!(meaning(3, Some("Error")), None, "3 is the application's own");
        assert_eq!(meaning(300, None), None);
    }
}
