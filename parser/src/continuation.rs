//! What a joiner of physical lines needs to know of a line without a frame (G8–G10, G24–G26).
//!
//! Owns the shapes; joining, its bounds and its clock are the caller's.

use crate::{Origin, klog, parse_from};

/// The line has a frame of its own: it continues nothing, unless a block is open around it.
///
/// ```
/// use podwhy_parser::{Origin, starts_message};
///
/// assert!(starts_message(Origin::Kubelet, "E0317 08:42:15.306118    2148 a.go:1] x"));
/// assert!(!starts_message(Origin::Kubelet, "Output: mount.nfs: access denied"));
/// ```
#[must_use]
pub fn starts_message(origin: Origin, line: &str) -> bool {
    (origin == Origin::Kubelet && klog::has_header(line))
        || breaks_message(line)
        || parse_from(origin, line).is_some()
}

/// A line of a crash dump or of a klog file's banner: it is no message, and it continues none
/// (G10).
#[must_use]
pub fn breaks_message(line: &str) -> bool {
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

/// A line of an open block: it has the block's indent, in any of its three spellings (G25), or is
/// empty because an editor stripped it. Says nothing where no block is open (G26).
#[must_use]
pub fn continues_block(line: &str) -> bool {
    line.is_empty()
        || line.starts_with('\t')
        || line.starts_with("        ")
        || line.starts_with("#011")
}

/// The end of an open block: blank and `>`; more pairs may follow (G24).
#[must_use]
pub fn closes_block(line: &str) -> bool {
    line.strip_prefix(" >").is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
