//! What all bounds together come to: the memory limit of the chart. Holds no bound of its own but
//! those of the container.

use super::{
    BATCH_BUFFERS, BATCH_REQUEST_BYTES, EVIDENCE_STACK_BYTES, FRAME_BYTES, HISTORY_INCIDENTS,
    HISTORY_TURNS, IDENTITIES, INCIDENTS, JOIN_TOTAL_BYTES, NODE_CHECK_STACK_BYTES, OTHER_JOURNALS,
    OUTBOX_CACHE_BYTES, OUTBOX_MEMORY_BYTES, OUTBOX_SPAN_MEMORY_BYTES, PENDING, RECENT, SERIES,
    SPIKE_PODS, SPIKE_SERIES, VALUE_BYTES, WORLD_PODS,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[expect(clippy::cast_possible_truncation, reason = "a few MiB")]
/// What the agent may hold beside what it needs with nothing to do.
pub const MEMORY_HELD_BYTES: usize = {
    // Journals and files each join their own lines.
    let sources = BATCH_BUFFERS * FRAME_BYTES + (2 + OTHER_JOURNALS) * JOIN_TOTAL_BYTES;
    // Readers of further journals: a process each, with one batch on the way and one being read.
    let others = OTHER_JOURNALS * (4 * MIB + 2 * FRAME_BYTES);
    let outbox = OUTBOX_CACHE_BYTES + (OUTBOX_MEMORY_BYTES + OUTBOX_SPAN_MEMORY_BYTES) as usize;
    // Encoded, compressed, and the records that it is made of.
    let export = 3 * BATCH_REQUEST_BYTES;
    let failures = (PENDING + RECENT) * VALUE_BYTES;
    let counted = SERIES * 2 * KIB + IDENTITIES * KIB / 2 + SPIKE_SERIES * SPIKE_PODS * KIB / 4;
    // 12 MiB for 1,024 incidents; a pod is what a few lines told of it.
    let known = INCIDENTS * 12 * KIB + WORLD_PODS * 16 * KIB;
    // What who looks is shown: a copy of the incidents, held for a second, and some text.
    let page = INCIDENTS * 12 * KIB + 2 * MIB + HISTORY_INCIDENTS * HISTORY_TURNS * 32;
    let stacks = 2 * EVIDENCE_STACK_BYTES + NODE_CHECK_STACK_BYTES;
    sources + others + outbox + export + failures + counted + known + page + stacks
};

/// Agent and reader with nothing to do: 17 MiB are measured (benches/README.md).
pub const MEMORY_IDLE_BYTES: usize = 24 * MIB;

/// `podwhy why` or a probe beside the agent, in the same container.
pub const MEMORY_VISITOR_BYTES: usize = 24 * MIB;

/// The memory limit in the chart: all of the above and some room for files in the page cache, which a
/// container has to pay for, too.
pub const MEMORY_LIMIT_BYTES: usize = 160 * MIB;

const _: () = assert!(
    MEMORY_HELD_BYTES + MEMORY_IDLE_BYTES + MEMORY_VISITOR_BYTES <= MEMORY_LIMIT_BYTES,
    "more than the container gets"
);
