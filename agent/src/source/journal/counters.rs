//! What the journal source counts. Owns: plain atomics, read by the metrics. Does not: register.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use podwhy_parser::Origin;

use super::frame;
use crate::source::Micros;

/// Counted since the start of the agent.
#[derive(Debug, Default)]
pub struct Counters {
    by_origin: [AtomicU64; 8],
    /// Bytes of messages that were handed on.
    pub bytes: AtomicU64,
    /// Lines whose bytes were not UTF-8.
    pub not_utf8: AtomicU64,
    /// Lines that journald or a bound of ours cut.
    pub cut: AtomicU64,
    /// Entries that claimed to be ours and were not believed.
    pub untrusted: AtomicU64,
    /// Entries of ours without a message.
    pub without_message: AtomicU64,
    /// Entries of ours whose message could not be decoded.
    pub unreadable: AtomicU64,
    /// Entries at which the reader died time and again.
    pub skipped: AtomicU64,
    /// Calls of libsystemd that failed for a while.
    pub transient: AtomicU64,
    /// Times that lines may be missing: vacuumed positions and holes.
    pub gaps: AtomicU64,
    /// Times that the reader ended and was started anew.
    pub restarts: AtomicU64,
    /// Times that the reader said nothing for too long and was ended.
    pub hangs: AtomicU64,
    /// Journal time of the last entry that was read, 0 before the first.
    pub last_at: AtomicI64,
    /// Until when everything that existed was handed on, 0 before that.
    pub caught_up_at: AtomicI64,
    /// Process id of the reader, 0 while there is none.
    pub reader_pid: AtomicU32,
}

impl Counters {
    /// Lines handed on of one origin.
    #[must_use]
    pub fn lines(&self, origin: Origin) -> u64 {
        let place = usize::from(frame::origin_index(origin));
        self.by_origin.get(place).map_or(0, |count| count.load(Relaxed))
    }

    /// Journal time of the last entry that was read.
    #[must_use]
    pub fn last_realtime(&self) -> Option<Micros> {
        Some(self.last_at.load(Relaxed)).filter(|&at| at != 0)
    }

    pub(super) fn line(&self, entry: &frame::Entry<'_>) {
        let place = usize::from(frame::origin_index(entry.origin));
        if let Some(count) = self.by_origin.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.bytes.fetch_add(u64::try_from(entry.message.len()).unwrap_or(0), Relaxed);
        self.cut.fetch_add(u64::from(entry.cut), Relaxed);
    }

    pub(super) fn not_utf8(&self) {
        self.not_utf8.fetch_add(1, Relaxed);
    }

    pub(super) fn batch(&self, trailer: &frame::Trailer) {
        self.untrusted.fetch_add(u64::from(trailer.untrusted), Relaxed);
        self.without_message.fetch_add(u64::from(trailer.without_message), Relaxed);
        self.transient.fetch_add(u64::from(trailer.transient), Relaxed);
        self.last_at.store(trailer.at, Relaxed);
        let unreadable = trailer.unreadable.as_ref().map_or(0, |unreadable| unreadable.count);
        self.unreadable.fetch_add(u64::from(unreadable), Relaxed);
    }
}
