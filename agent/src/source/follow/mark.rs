//! How a file is known again: where it lies, how it begins, and what stands before the place up to
//! which it was read. Part of the durable state. Opens nothing.

use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

use crate::source::stream_id;

/// Bytes of a file's beginning that go into its mark.
pub(super) const HEAD: usize = 256;

/// Bytes before a place that go into a mark: some lines' worth of stamps.
pub(super) const TAIL: usize = 128;

/// Device and inode. An inode is given away again as soon as its file is gone.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Id {
    dev: u64,
    ino: u64,
}

impl Id {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        Self { dev: metadata.dev(), ino: metadata.ino() }
    }
}

/// A file, and how far it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(super) id: Id,
    /// Bytes that are handed on, of what the file holds unpacked.
    pub(super) offset: u64,
    /// Of its first bytes: how many, and their hash.
    pub(super) head: (u16, u64),
    /// Of the bytes before `offset`: how many, and their hash.
    pub(super) tail: (u16, u64),
    /// `offset` lies within a line that was too long: the rest of it is passed over.
    pub(super) is_skipping: bool,
    /// There was no more to read when this was noted.
    pub(super) is_at_end: bool,
}

impl Mark {
    /// Where the bytes of the tail begin.
    pub(super) fn tail_from(&self) -> u64 {
        self.offset.saturating_sub(u64::from(self.tail.0))
    }

    /// Whether these bytes are how the file began.
    pub(super) fn is_head(&self, bytes: &[u8]) -> bool {
        let (length, hash) = self.head;
        bytes.get(..usize::from(length)).is_some_and(|head| digest(head).1 == hash)
    }

    /// Whether these are the bytes before the offset.
    pub(super) fn is_tail(&self, bytes: &[u8]) -> bool {
        digest(bytes) == self.tail
    }
}

/// Length and hash of a few bytes.
pub(super) fn digest(bytes: &[u8]) -> (u16, u64) {
    (u16::try_from(bytes.len()).unwrap_or(u16::MAX), stream_id(&[bytes]))
}

/// Where a log stands: the files of it that are open, oldest first, and the last of those that were
/// read to their end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(super) open: Vec<Mark>,
    pub(super) done: Vec<Mark>,
    /// When the newest was last written to, in nanoseconds.
    pub(super) modified: i64,
}
