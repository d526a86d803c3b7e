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
