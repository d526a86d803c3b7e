//! The shapes of lines that have no header.

/// A line of a block's value: one indent, as the kubelet, a terminal or syslog writes it (G25).
/// Editors strip the TAB of an empty line.
pub(super) fn continues_block(line: &str) -> bool {
    line.is_empty()
        || line.starts_with('\t')
        || line.starts_with("        ")
        || line.starts_with("#011")
}

/// The end of a block: ` >`, then pairs or nothing (G24).
pub(super) fn closes_block(line: &str) -> bool {
    line.strip_prefix(" >").is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The last pair opens a block.
pub(super) fn opens_block(line: &str) -> bool {
    line.ends_with("=<")
}

/// What a Go program writes when it dies, and the head of a klog file: never part of a message
/// (G10).
pub(super) fn is_of_a_crash(line: &str) -> bool {
    const BEGINNINGS: [&str; 8] = [
        "panic: ",
        "fatal error: ",
        "goroutine ",
        "[signal ",
        "Log file created at: ",
        "Running on machine: ",
        "Binary: Built with ",
        "Log line format: ",
    ];
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}
