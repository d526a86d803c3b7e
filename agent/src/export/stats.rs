//! Figures of one destination, read by metrics and the page at any time.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::source::Micros;

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchResult {
    /// All of it was taken.
    Delivered,
    /// Some of it was taken.
    Partial,
    /// It is tried again.
    Retried,
    /// It was refused and split, or its records parked.
    Refused,
    /// The destination is paused.
    Paused,
}

impl BatchResult {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 5] =
        [Self::Delivered, Self::Partial, Self::Retried, Self::Refused, Self::Paused];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Retried => "retried",
            Self::Refused => "refused",
            Self::Paused => "paused",
        }
    }
}

/// Plain counters; the exporter writes them, anybody reads them.
#[derive(Debug, Default)]
pub struct Stats {
    batches: [AtomicU64; 5],
    delivered: AtomicU64,
    refused: AtomicU64,
    sent_bytes: AtomicU64,
    last_success: AtomicI64,
    paused: Mutex<Option<String>>,
    trouble: Mutex<Option<String>>,
}

impl Stats {
    /// Batches that ended so.
    pub fn batches(&self, result: BatchResult) -> u64 {
        self.batches.get(result as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Records that the destination has.
    pub fn delivered_records(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Records that it refused for good.
    pub fn refused_records(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Bytes of request bodies, compressed, resends included.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    /// When a batch was last taken.
    pub fn last_success(&self) -> Option<Micros> {
        match self.last_success.load(Ordering::Relaxed) {
            0 => None,
            at => Some(at),
        }
    }

    /// Why nothing gets through to the destination, which is tried again.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why the destination is paused, if it is.
    pub fn paused(&self) -> Option<String> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn batch(&self, result: BatchResult) {
        if let Some(counter) = self.batches.get(result as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn delivered(&self, records: u64, at: Micros) {
        self.delivered.fetch_add(records, Ordering::Relaxed);
        self.last_success.store(at, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, records: u64) {
        self.refused.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn set_paused(&self, why: Option<String>) {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
