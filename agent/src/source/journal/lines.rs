//! A batch of the reader child as borrowed lines. Owns: the batch's buffer, which goes back to the
//! pool. Does not: copy a line, unless its bytes are not UTF-8.

use std::sync::{Arc, Mutex, PoisonError};

use super::counters::Counters;
use super::frame;
use crate::limits;
use crate::source::{Line, Lines, Micros};

/// Buffers that wait for their next batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
}

impl Pool {
    /// Keeps so many at most.
    pub(super) fn new(most: usize) -> Self {
        Self { buffers: Arc::default(), most }
    }

    /// A used buffer, else an empty one.
    pub(super) fn take(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < self.most && buffer.capacity() <= 2 * limits::BATCH_BYTES {
            buffers.push(buffer);
        }
    }
}

/// Lines of one batch.
pub(super) struct Batch {
    pub(super) payload: Vec<u8>,
    pub(super) entries_bytes: usize,
    pub(super) units: Arc<[super::Unit]>,
    pub(super) counters: Arc<Counters>,
    pub(super) pool: Pool,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("entries_bytes", &self.entries_bytes).finish()
    }
}

impl Lines for Batch {
    fn each(&mut self, sink: &mut dyn FnMut(Line<'_>)) {
        let mut entries = self.payload.get(..self.entries_bytes).unwrap_or_default();
        while let Some(entry) = frame::next_entry(&mut entries) {
            let unit = self.units.get(usize::from(entry.unit));
            let mut line = Line {
                text: "",
                origin: entry.origin,
                unit: unit.map_or("", |unit| unit.name.as_str()),
                stream: entry.stream,
                pid: (entry.pid != 0).then_some(entry.pid),
                at: entry.at,
                dated: true,
                boot: entry.boot,
                cut: entry.cut,
                number: 0,
            };
            self.counters.line(&entry);
            match std::str::from_utf8(entry.message) {
                Ok(text) => {
                    line.text = text;
                    sink(line);
                }
                // Any bytes are a line (G12); what is not text shows as U+FFFD.
                Err(_) => {
                    self.counters.not_utf8();
                    let text = String::from_utf8_lossy(entry.message);
                    line.text = &text;
                    sink(line);
                }
            }
        }
    }

    fn first_at(&self) -> Option<Micros> {
        let mut entries = self.payload.get(..self.entries_bytes)?;
        frame::next_entry(&mut entries).map(|entry| entry.at)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.payload));
    }
}
