//! What leaves: batches of encoded records to a destination, acknowledged one batch at a time.
//! Owns the way from the outbox's port to an answer that counts. Concludes nothing and stores
//! nothing: what is not acknowledged is fetched again.

pub mod config;
mod credentials;
pub mod encode;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod retry;
pub mod spans;
pub mod stats;
pub mod terminal;
pub mod transport;

mod delivery;

use std::sync::Arc;

use prost::bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

pub use config::{Config, ConfigError, Destinations};
pub use delivery::Exporter;
pub use stats::Stats;

use crate::{record::Signal, source::Micros};

/// Who asks: the product, and what it speaks.
const USER_AGENT: &str = concat!(
    "podwhy/",
    env!("CARGO_PKG_VERSION"),
    " OTel-OTLP-Exporter-Rust/",
    env!("CARGO_PKG_VERSION")
);

/// A record that waits for its acknowledgement, as the outbox numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number; rises with age.
    pub seq: u64,
    /// The record's own time.
    pub time: Micros,
    /// The encoded `LogRecord` or `Span`, sent as it is.
    pub bytes: Bytes,
}

/// What an exporter asks of the core.
#[derive(Debug)]
pub enum Request {
    /// Records after `after`, oldest first; at least one, when there is one.
    Fetch {
        /// Of which kind.
        signal: Signal,
        /// 0 for the oldest.
        after: u64,
        /// At most so many records …
        max_records: usize,
        /// … of so many bytes in all.
        max_bytes: usize,
        /// Where they go.
        reply: oneshot::Sender<Vec<Pending>>,
    },
    /// The destination has these.
    Delivered(Vec<u64>),
    /// These will never be delivered: they are to be removed in one transaction with a loss record.
    Refused(Refused),
}

/// Records that a destination refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The configured name of who refused them.
    pub destination: String,
    /// Their numbers. With a partial success all of the batch leave the outbox.
    pub seqs: Vec<u64>,
    /// How many of them are lost; unknown where the destination does not tell (Loki's 400).
    pub lost: Option<u64>,
    /// Time of the oldest record concerned.
    pub from: Micros,
    /// Time of the newest.
    pub to: Micros,
    /// False when all of them are loss records themselves: a loss record about these would be
    /// refused just the same, and so on.
    pub tells: bool,
    /// One clause: what was answered. Holds no text of the server, which may hold credentials.
    pub why: String,
}

impl Refused {
    /// The loss that the core makes a record of.
    pub fn loss(&self) -> crate::source::Loss {
        crate::source::Loss {
            kind: crate::source::LossKind::Refused,
            component: "podwhy".to_owned(),
            unit: None,
            lines: self.lost,
            from: Some(self.from),
            to: Some(self.to),
            destination: Some(self.destination.clone()),
            why: self.why.clone(),
        }
    }
}

/// The exporter's end of the channel to the core.
#[derive(Clone, Debug)]
pub struct Port {
    signal: Signal,
    requests: mpsc::Sender<Request>,
    committed: Arc<Notify>,
}

/// The core has ended.
#[derive(Debug)]
pub struct Closed;

impl Port {
    /// A port over a bounded channel. The core calls `notify_one` on `committed` after each commit
    /// with records; a notice that nobody waits for is kept.
    pub fn new(requests: mpsc::Sender<Request>, committed: Arc<Notify>) -> Self {
        Self::of(Signal::Logs, requests, committed)
    }

    /// The same for either signal: each has a notice of its own.
    pub fn of(signal: Signal, requests: mpsc::Sender<Request>, committed: Arc<Notify>) -> Self {
        Self { signal, requests, committed }
    }

    async fn fetch(
        &self,
        after: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Pending>, Closed> {
        let (reply, answer) = oneshot::channel();
        let signal = self.signal;
        self.send(Request::Fetch { signal, after, max_records, max_bytes, reply }).await?;
        answer.await.map_err(|_| Closed)
    }

    async fn send(&self, request: Request) -> Result<(), Closed> {
        self.requests.send(request).await.map_err(|_| Closed)
    }

    async fn committed(&self) {
        self.committed.notified().await;
    }
}

/// How long an exporter goes on: `None` while the agent runs; the time by which it must be drained
/// once the agent ends.
pub type Shutdown = watch::Receiver<Option<Instant>>;

#[cfg(test)]
mod tests;
