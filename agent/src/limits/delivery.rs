//! Bounds of what leaves: batches, answers, waits, spans. Each with its reason, as in `limits`.

use super::INCIDENTS;

/// A batch before compression: no default receiver refuses it (gRPC servers take 4 MiB).
pub const BATCH_REQUEST_BYTES: usize = 1024 * 1024;

/// Records of a batch: what a refused batch may cost in requests while it is bisected.
pub const BATCH_RECORDS: usize = 1024;

/// What is read of a response, also after decompression (OTLP recommends it).
pub const RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// What is shown of a server's text, at debug only: it can hold credentials.
pub const SERVER_TEXT_BYTES: usize = 256;

/// A record this far behind the newest of its batch goes into an earlier batch: Loki takes what is
/// within an hour of a stream's newest entry, and its refusal of the rest should not blur the count.
pub const BATCH_SPAN: std::time::Duration = std::time::Duration::from_secs(3600);

/// Waits after a wake-up for what is committed in the same moment: one request instead of many.
pub const BATCH_LINGER: std::time::Duration = std::time::Duration::from_millis(3);

/// What piled up is sent at this many bytes a second, before compression: a full outbox within a
/// minute or so, far below what Loki takes of one stream (3 MB/s), so that a log store that is back
/// is not taken down again by all nodes at once.
pub const DRAIN_RATE_BYTES: u64 = 1024 * 1024;

/// Keep-alive pings of HTTP/2: a connection whose other end is gone is found within two of these,
/// not at the next time-out of a request.
pub const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(20);

/// First wait after a failed request …
pub const RETRY_FIRST: std::time::Duration = std::time::Duration::from_secs(5);

/// … grown by half each time up to this; both as the Collector has them.
pub const RETRY_LAST: std::time::Duration = std::time::Duration::from_secs(30);

/// No answer makes us come back sooner: `Retry-After: 0` must not become a busy loop.
pub const RETRY_SHORTEST: std::time::Duration = std::time::Duration::from_millis(250);

/// The longest `Retry-After` that is obeyed; beyond it the server's clock or ours is wrong.
pub const RETRY_AFTER_LONGEST: std::time::Duration = std::time::Duration::from_secs(3600);

/// How often a paused destination is probed with the oldest batch.
pub const PAUSE_PROBE: std::time::Duration = std::time::Duration::from_secs(60);

/// Equal final answers to the same batch, after which they are taken to concern its content.
pub const PAUSE_EQUAL_ANSWERS: u32 = 10;

/// Records refused one after the other with nothing taken in between, after which the fault is
/// taken to be the destination's: a wrong URL that answers 400 must not cost every record.
pub const REFUSED_IN_A_ROW: u32 = 3;

/// How often files with certificates and headers are looked at for a change.
pub const CREDENTIALS_LOOK: std::time::Duration = std::time::Duration::from_secs(5);

// Spans.

/// Incidents whose spans are remembered, ended ones included, so that a return is told apart: those
/// that the engine keeps, twice.
pub const SPAN_INCIDENTS: usize = 2 * INCIDENTS;

/// Attempts of one span that are told: how it began …
pub const SPAN_ATTEMPTS_FIRST: u8 = 32;

/// … and how it ended; those in between are counted.
pub const SPAN_ATTEMPTS_LAST: u8 = 32;

/// Attempts of all spans that are remembered: at some 300 bytes each 2.5 MiB.
pub const SPAN_ATTEMPTS: usize = 8192;

/// One text of a remembered attempt: its beginning; the record has all of it.
pub const SPAN_TEXT_BYTES: usize = 200;

/// One text in a span: Tempo cuts silently behind this.
pub const SPAN_VALUE_BYTES: usize = 2048;
