//! The door to everything that is not the kubelet: runtimes, kernel, journald, systemd, pod logs.
//!
//! Owns who is tried for which origin, and which of their files answers for a production.

use crate::{Facts, Failures, Kind, Message, Origin, What};

/// Tries the forms that `origin` can write; kubelet forms are not among them.
pub(crate) fn parse_from(origin: Origin, line: &str) -> Option<Message<'_>> {
    let _ = (origin, line);
    None
}

impl What {
    /// The production belongs to a file behind this door.
    pub(crate) const fn is_of_runtime(self) -> bool {
        self as u16 >= Self::ContainerdRunPodSandboxCalled as u16
            && (self as u16) < Self::Unknown as u16
    }

    /// Kinds of the productions behind this door.
    pub(crate) const fn kind_of_runtime(self) -> Kind {
        Kind::Line
    }
}

/// The facts of a line of ours.
pub(crate) fn facts<'a>(_message: &Message<'a>) -> Facts<'a> {
    Facts::default()
}

/// The failure that a line of ours repeats.
pub(crate) fn failures<'a>(_message: &Message<'a>) -> Failures<'a> {
    Failures::none()
}
