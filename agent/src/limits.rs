//! Every bound of the agent, each with its reason. Nothing elsewhere is unbounded.

/// Feeds waiting for the core thread. Few, because each journal batch may hold `BATCH_BYTES`:
/// full means that the readers stop reading.
pub const FEED_QUEUE: usize = 8;

/// Bytes of entries in one batch from the journal reader: large enough to pay for a cursor and a
/// commit, small enough that two of them are nothing.
pub const BATCH_BYTES: usize = 256 * 1024;

/// The longest line that is looked at. The kubelet truncates nothing and a line can exceed 1 MiB
/// (G11); what lies behind this bound is cut and the line marked truncated.
pub const LINE_BYTES: usize = 1024 * 1024;

// What one line may become.

/// A name, an id, a word: Kubernetes names end at 253, image references seldom pass 512 bytes.
pub const WORD_BYTES: usize = 1024;

/// One text in a record (otlp.md 2.6).
pub const VALUE_BYTES: usize = 8 * 1024;

/// A record's sentence: readable on a page, far below Loki's 256 KiB.
pub const BODY_BYTES: usize = 2 * 1024;

/// All attributes of one record together: Loki takes 64 KiB (otlp.md 2.6).
pub const ATTRIBUTES_BYTES: usize = 48 * 1024;

/// Attributes of one record: the default limit of SDKs and of Loki.
pub const ATTRIBUTES: usize = 128;

/// Items of one aggregate. A pod has few containers; a line with more is hostile.
pub const FAILURES: usize = 64;

// What the engine remembers.

/// Clocks whose zone is kept: a handful of units over the boots still in the journal.
pub const CLOCKS: usize = 64;

/// Lines of an attempt whose authoritative line has not come: 2 s of a node where everything fails
/// at once write about a thousand.
pub const PENDING: usize = 512;

/// Authoritative lines of the last 2 s, so that late companions join them.
pub const RECENT: usize = 512;

/// Ids of sandboxes and containers, and the pods that they belong to: 110 pods a node with a dozen
/// dead instances each, at about 300 bytes.
pub const IDENTITIES: usize = 4096;

/// Failures that are being counted: every container of a full node with several messages each.
pub const SERIES: usize = 1024;
