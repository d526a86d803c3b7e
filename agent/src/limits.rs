//! Every bound of the agent, each with its reason. Nothing elsewhere is unbounded.

mod delivery;
mod engine;
mod follow;
mod http;
mod memory;
mod page;

pub use self::{delivery::*, engine::*, follow::*, http::*, memory::*, page::*};

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

/// Pods that one line lists: a kubelet's start names all of a node.
pub const LISTED_PODS: usize = 512;

/// Items of one aggregate. A pod has few containers; a line with more is hostile.
pub const FAILURES: usize = 64;

// Outbox.

/// Encoded records on disk: at 700 bytes each some 90,000, days of failures of a bad node, and
/// small enough that the check of every open stays well below a second.
pub const OUTBOX_BYTES: u64 = 64 * 1024 * 1024;

/// Records on disk, so that many tiny ones cannot make the trees the larger part.
pub const OUTBOX_RECORDS: u64 = 200_000;

/// Encoded spans on disk, beside the records: at 2 KiB each some 4,000 incidents. A bound of their
/// own, so that a trace store that is away costs no record, and a log store that is away no span.
pub const OUTBOX_SPAN_BYTES: u64 = 8 * 1024 * 1024;

/// What waits is looked through in parts of this size.
pub const OUTBOX_LOOK_BYTES: usize = 256 * 1024;

/// Encoded spans in memory while the state folder does not work.
pub const OUTBOX_SPAN_MEMORY_BYTES: u64 = 512 * 1024;

/// Encoded records in memory while the state folder does not work: the share of the memory limit
/// that a node in trouble can spare.
pub const OUTBOX_MEMORY_BYTES: u64 = 4 * 1024 * 1024;

/// redb's cache. Its default is 1 GiB; 4 MiB costs nothing measurable at our rates.
pub const OUTBOX_CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Kept aside for a full disk: deleting needs space too (copy on write); 64 KiB was enough to
/// delete 5,000 records.
pub const OUTBOX_RESERVE_BYTES: usize = 256 * 1024;

/// A drained file larger than this is compacted: below it nobody misses the space.
pub const OUTBOX_COMPACT_ABOVE: u64 = 4 * 1024 * 1024;

/// Acknowledged records that wait for the next commit before the file forgets them: what a kill
/// may send a second time.
pub const OUTBOX_ACKNOWLEDGED: usize = 1024;

/// Damaged state files that are kept for a look, each at most as large as the outbox.
pub const OUTBOX_DAMAGED_KEPT: usize = 2;

/// How long the first line waits for the first look at the node, which takes a few milliseconds where
/// no file system hangs.
pub const FIRST_VIEW: std::time::Duration = std::time::Duration::from_secs(2);

/// How often the outbox looks whether its file is still in its place.
pub const OUTBOX_LOOK: std::time::Duration = std::time::Duration::from_secs(5);

/// Wait before the first attempt to use a failed state folder again …
pub const OUTBOX_HEAL_FIRST: std::time::Duration = std::time::Duration::from_secs(1);

/// … doubled up to this: each attempt reads the whole file.
pub const OUTBOX_HEAL_LAST: std::time::Duration = std::time::Duration::from_secs(60);

// Records and their delivery are in `limits/delivery.rs`.

/// How often `agent --once` asks whether the journal can be read at all.
pub const SOURCE_LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// The longest line of `journalctl -o json`: an entry whose message is a list of bytes takes about
/// four characters a byte, beside twenty short fields.
pub const JSON_ENTRY_BYTES: usize = 5 * LINE_BYTES;

/// What a binary field of the journal export format may claim to hold: journald's own bound.
pub const EXPORT_FIELD_BYTES: u64 = 768 * 1024 * 1024;

/// Bytes looked at to tell what an input is: a journal entry's fields end long before.
pub const SNIFF_BYTES: usize = 64 * 1024;

// Joining physical lines.

/// One joined message: as much as one line may have.
pub const JOIN_BYTES: usize = LINE_BYTES;

/// Physical lines of one message: dumps of pods with long scripts have some hundreds.
pub const JOIN_LINES: u32 = 4096;

/// All messages that are being joined: they are part of every commit.
pub const JOIN_TOTAL_BYTES: usize = 2 * LINE_BYTES;

/// Messages that are being joined at a time, one for each writing process of a unit; a node has
/// about four that write such messages at all.
pub const JOIN_STREAMS: usize = 64;

/// Silence of a stream after which a message is over: a writer's lines come in one write, and
/// journald takes them in together (G9).
pub const JOIN_IDLE: std::time::Duration = std::time::Duration::from_secs(1);

/// From a message's first line to its last, for a stream that never falls silent.
pub const JOIN_SPAN: std::time::Duration = std::time::Duration::from_secs(10);

/// What a reused buffer may keep: longer messages are too rare to hold their memory.
pub const JOIN_SPARE_BYTES: usize = 64 * 1024;

/// Messages that `parse` keeps back for an earlier one that is not complete, so that its output is
/// in the order of its input: a second of a busy node.
pub const PARSE_WAITING: usize = 1024;

// What people paste.

/// One pasted object or list: all pods of a node take about a megabyte, those of a cluster do not
/// belong into one question.
pub const DOCUMENT_BYTES: usize = 32 * 1024 * 1024;

/// Pieces that a terminal's window may break one line into: a long error at 80 columns.
pub const WRAPPED_LINES: u32 = 256;

/// What `explain` holds back to put several inputs into the order of time: more than a node writes
/// within the minutes by which sources lag, a few MiB.
pub const EXPLAIN_WINDOW: usize = 16_384;

/// Logs unpacked from an archive: those of a node are a few hundred MiB at most.
pub const POD_LOGS_BYTES: u64 = 512 * 1024 * 1024;

/// Files unpacked from an archive: a full node's pods with all rotations.
pub const POD_LOGS_FILES: u64 = 65_536;

/// Of one log its end: several times what is looked at for last words.
pub const POD_LOGS_LOG_BYTES: usize = 1024 * 1024;

/// Incidents that `explain` shows: many times what the engine keeps open at a time.
pub const EXPLAIN_INCIDENTS: usize = 8192;

/// Pieces of advice about manifests: more than anybody reads.
pub const EXPLAIN_ADVICE: usize = 512;

/// Pasted specifications that are read for advice: all workloads of a namespace or two.
pub const EXPLAIN_MANIFESTS: usize = 256;

// What the node looks like.

/// A CNI configuration: what containerd takes.
pub const CNI_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// Entries of the CNI folder that are looked at: a node has a handful.
pub const CNI_FILES: usize = 1024;

/// Leases that are counted: a /16, the largest subnet that anybody gives to one node.
pub const CNI_LEASES: usize = 65_536;

/// Stack of a thread that looks at the node: it calls a few system calls and parses small files.
pub const NODE_CHECK_STACK_BYTES: usize = 256 * 1024;

// Evidence.

/// Lines of last words that are kept: a trace's head or a program's usage text.
pub const LAST_WORDS_LINES: usize = 20;

/// Bytes of last words that are kept: half of what one text of a record may have.
pub const LAST_WORDS_BYTES: usize = 4 * 1024;

/// One line of last words: what of a JSON line tells its message.
pub const LAST_WORDS_LINE_BYTES: usize = 1024;

/// Bytes of a log that are looked at from its end: a Go program's goroutines or a long Java trace
/// stand between the line that matters and the end.
pub const LAST_WORDS_READ_BYTES: usize = 64 * 1024;

/// Bytes of a file's head that are looked at for the time of its first line.
pub const LAST_WORDS_HEAD_BYTES: u64 = 32 * 1024;

/// What is unpacked of one rotated log: several times the kubelet's 10 MiB, and no bomb.
pub const LAST_WORDS_INFLATED_BYTES: u64 = 64 * 1024 * 1024;

/// Entries of one cgroup folder that are looked at: a full node's pods in one class, several times.
pub const CGROUP_ENTRIES: usize = 2048;

/// Volumes of one pod that are listed: a message names one path, few volumes can hold it.
pub const LISTED_VOLUMES: usize = 16;

/// Files of a volume that are listed: configuration has few; data volumes are cut.
pub const LISTED_FILES: usize = 256;

/// Folders below each other that are listed.
pub const LISTED_DEPTH: usize = 4;

/// An answer of the runtime: conditions and a version, without the details that it could add.
pub const RUNTIME_ANSWER_BYTES: usize = 256 * 1024;

/// Conditions, containers of a pod, mounts of a container that the runtime tells of: none has more.
pub const RUNTIME_LIST: usize = 64;

/// How often the runtime is asked how it is: as often as the disks are looked at.
pub const RUNTIME_EVERY: std::time::Duration = std::time::Duration::from_secs(10);

/// How long the runtime may take to answer; above `EVIDENCE_STUCK` it would be given up before.
pub const RUNTIME_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(4);

/// Failures in a row after which the API's client is made anew, with the certificates of then.
pub const API_FAILURES: u32 = 4;

/// After the first failure of a watch; doubled with each further one.
pub const API_RETRY: std::time::Duration = std::time::Duration::from_secs(1);
/// At most: thousands of agents ask a server that has just come back.
pub const API_RETRY_MOST: std::time::Duration = std::time::Duration::from_secs(30);

/// Questions that wait for one thread: every container of a full node that dies at once, twice.
pub const EVIDENCE_QUEUE: usize = 256;

/// A question that takes longer is stuck: what is asked takes milliseconds.
pub const EVIDENCE_STUCK: std::time::Duration = std::time::Duration::from_secs(5);

/// Stack of a thread that answers questions: it reads files into the heap and matches texts.
pub const EVIDENCE_STACK_BYTES: usize = 512 * 1024;

/// Facts waiting for the core: a node's pods at a list; full means that their collectors wait.
pub const FACTS: usize = 128;

/// How long the end of a run waits for answers that are under way.
pub const EVIDENCE_END: std::time::Duration = std::time::Duration::from_secs(2);

/// Pods that ask for less to be told about them: more than a node may run.
pub const PODS_THAT_ASK: usize = 2048;

/// The longest prefix of at most `bound` bytes that ends on a character boundary.
#[must_use]
pub fn cut(text: &str, bound: usize) -> (&str, bool) {
    if text.len() <= bound {
        return (text, false);
    }
    let end = (0..=bound).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    (text.get(..end).unwrap_or_default(), true)
}

/// Entries in one journal batch: bounds what is read twice after the reader died.
pub const BATCH_ENTRIES: u32 = 4096;

/// The largest frame that the journal reader may send: a full batch plus one longest line and its
/// frame. More is a broken reader.
pub const FRAME_BYTES: usize = BATCH_BYTES + LINE_BYTES + 64 * 1024;

/// Batch buffers that are kept for reuse: one per waiting feed, one being filled, one being read.
pub const BATCH_BUFFERS: usize = FEED_QUEUE + 2;

/// Entries of one moment that are remembered so that copies are known: journald stamps what it reads
/// at once from a stream with one time, 48 KiB at most, which is some 300 lines of a kubelet.
pub const MOMENT_ENTRIES: usize = 1024;

/// Entries that a reader takes one at a time, each announced, after its predecessor died: all that
/// can have been in flight then, which is the batch under way and the one behind it.
pub const SINGLE_STEPS: u32 = 2 * BATCH_ENTRIES;

/// Waits in a second for entries that may lack a field for a moment, 20 ms each: forged lines cost
/// the others a fifth of the time at most.
pub const DOUBTFUL_WAITS: u32 = 10;

/// How often a reader may die at one and the same entry before the entry is skipped.
pub const DEATHS_PER_ENTRY: u32 = 3;

/// Losses of one kind that follow each other within this time are told as one.
pub const LOSS_WINDOW: std::time::Duration = std::time::Duration::from_secs(10);

/// Positions alone are written at most this often: a transaction of one record writes 68 times its
/// size, and a position that is a little old only costs reading a little again.
pub const QUIET_COMMIT_EVERY: std::time::Duration = std::time::Duration::from_secs(3);

/// How often the outbox keeps house and timers are looked at when nothing else happens.
pub const MAINTAIN_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// Feeds that one transaction joins at most: enough to share a sync between what arrives together,
/// few enough that a storm does not hold back its first record.
pub const FEEDS_PER_COMMIT: usize = 16;

/// Records from which on a transaction takes no further feed: they are in memory until it ends.
pub const COMMIT_RECORDS: usize = 512;

/// Requests of the exporter waiting for the core: it sends one at a time, a second place costs nothing.
pub const EXPORT_REQUESTS: usize = 4;

/// Views of the node waiting for the core: only the newest matters.
pub const VIEWS: usize = 2;

/// From SIGTERM to the end: less than the 30 s after which Kubernetes kills.
pub const DRAIN: std::time::Duration = std::time::Duration::from_secs(10);

/// `agent --once` waits so long for its delivery: nobody kills it after 30 s, but a backend that is
/// away must not hold a script for ever.
pub const DRAIN_ONCE: std::time::Duration = std::time::Duration::from_secs(300);

/// A piece of a recording, unpacked: those that we ship are a few MiB; a gzip bomb is not one.
pub const RECORDING_BYTES: u64 = 256 << 20;

/// Containers, volumes, mounts or names of one pod: real pods have a dozen of each.
pub const POD_ITEMS: usize = 128;

/// Connections at the door for `why` and `bundle`: a person or two and a script.
pub const DOOR_CONNECTIONS: usize = 4;

/// How long a question and its answer may take.
pub const DOOR_ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

/// A question is one short line.
pub const DOOR_QUESTION_BYTES: u64 = 4096;

/// An answer: the incidents that the engine holds at most, with their facts.
pub const DOOR_ANSWER_BYTES: u64 = 64 << 20;

/// Pods whose newest version is kept for who asks: what the largest nodes run.
pub const SHELF_PODS: usize = 512;

/// Last words, counts and listings that are kept for who asks: a few for each pod that fails.
pub const SHELF_MOMENTS: usize = 128;

/// How often `why --watch` asks: what changes, changes within seconds.
pub const WATCH_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// Two questions to the API server while somebody waits.
pub const API_ASK: std::time::Duration = std::time::Duration::from_secs(10);

/// Pieces of time around incidents that a bundle reads the journal for: an incident has two.
pub const BUNDLE_WINDOWS: usize = 32;

/// Journal entries of a bundle: twenty minutes of the busiest node, before compression.
pub const BUNDLE_JOURNAL_BYTES: usize = 32 << 20;

/// Somebody waits for the bundle.
pub const BUNDLE_READ: std::time::Duration = std::time::Duration::from_secs(60);

/// One file of a bundle that is read: more is none of ours.
pub const BUNDLE_MEMBER_BYTES: usize = 64 << 20;

/// os-release(5) has a few lines.
pub const OS_RELEASE_BYTES: u64 = 16 << 10;
