//! What the engine remembers, knows of pods and tells of causes.

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

/// Of a normalised message: more would be the application's own words.
pub const NORM_BYTES: usize = 200;

/// Incidents and failures that may become one (design 7); what comes beyond is one incident of the
/// node that counts.
pub const INCIDENTS: usize = 1024;

/// Faults of the node beyond these: few are known by name, and what the kernel says of one comes in
/// few words.
pub const INCIDENTS_OF_NODE: usize = 64;

/// Failures beyond the bound of incidents that are told apart by pod, container and step: as many
/// again, twice, at about 300 bytes. What comes beyond is only counted.
pub const FOLDED: usize = 2048;

/// A fault of the node is told apart in the fold by this much of its words.
pub const FOLDED_NAME_BYTES: usize = 120;

/// What is folded is said anew after a second (in microseconds) at the earliest: to count
/// [`FOLDED`] seats takes a millisecond, and a storm brings thousands of failures in that second.
pub const FOLD_SAID_EVERY: i64 = 1_000_000;

/// Pods of one incident that are told apart; the rest is counted. A node has 110 by default, and
/// some are made for 500.
pub const INCIDENT_PODS: usize = 512;

/// Pods that one record or one view of an incident names.
pub const INCIDENT_PODS_SHOWN: usize = 50;

/// Pieces of evidence, links, controls and losses that one incident tells.
pub const INCIDENT_LIST: usize = 16;

/// Times without sight that are remembered: journald tells of each interval in which it suppresses
/// lines, and a storm lasts some minutes.
pub const BLIND_GAPS: usize = 64;

/// One list of an incident's record as JSON: eleven of them must fit a record.
pub const INCIDENT_LIST_BYTES: usize = 4 * 1024;

/// One text in such a list: a quoted line is readable up to about this.
pub const INCIDENT_TEXT_BYTES: usize = 512;

/// Steps whose failures are counted for spikes: the kubelet has some twenty. What comes beyond is one
/// of them.
pub const SPIKE_SERIES: usize = 24;

/// Pods of one step that are told apart for a spike: a full node of 110. That more fail is a spike, too.
pub const SPIKE_PODS: usize = 128;

/// A pod's namespace and name there: real ones have fewer bytes.
pub const SPIKE_NAME_BYTES: usize = 128;

/// Pods, reasons and causes that the record of a spike names.
pub const SPIKE_SHOWN: usize = 10;

// What the engine knows of pods.

/// Pods: a full node of 110, and what was there before them, so that a pod that is gone can still
/// be asked about.
pub const WORLD_PODS: usize = 512;

/// Containers of one pod: real ones have a dozen at most.
pub const WORLD_CONTAINERS: usize = 32;

/// Instances of one container: the running one, the one that failed, and some to compare with.
pub const WORLD_INSTANCES: usize = 6;

/// Lines about instances of which nothing has told yet whose they are: some for each of a node's
/// worst minute.
pub const WORLD_UNOWNED: usize = 64;

/// How long such a line waits, in microseconds: a quarter of an hour, three times the longest pause
/// in a crash loop, whose next turn names its container.
pub const WORLD_UNOWNED_FOR: i64 = 900_000_000;

/// Sandboxes of one pod, each with what became of it.
pub const WORLD_SANDBOXES: usize = 4;

/// Volumes of one pod that are followed.
pub const WORLD_VOLUMES: usize = 64;

/// Kubernetes Events of one pod: the newest of each reason say it all.
pub const WORLD_EVENTS: usize = 16;

/// Failures of one pod that are told apart by step, reason and container.
pub const WORLD_FAILURES: usize = 16;

/// Orders to stop, or signals, of one instance.
pub const WORLD_KILLS: usize = 8;

/// A quoted line or a fact in words.
pub const WORLD_TEXT_BYTES: usize = 1024;

/// Lines about the node without a word of their own.
pub const WORLD_TROUBLES: usize = 16;

/// Results of sandboxes: a full node that starts all its pods twice.
pub const WORLD_SANDBOX_TRIES: usize = 256;

/// Pulls that run at once: the kubelet pulls one after the other, or some side by side.
pub const WORLD_PULLS: usize = 64;

/// How far back results of sandboxes count (R96), in microseconds: ten minutes.
pub const WORLD_WINDOW: i64 = 600_000_000;

// Causes.

/// A file of causes: ours with all examples are some 100 KiB each; more than this is no file that
/// somebody wrote.
pub const CAUSES_FILE_BYTES: usize = 4 * 1024 * 1024;

/// A cause's headline: one line of a terminal.
pub const TITLE_CHARS: usize = 80;

/// Alternatives of one cause: ours have at most a dozen; each costs a comparison per failure.
pub const ALTERNATIVES: usize = 64;
// How a cause is told.

/// Texts of other lines of one attempt.
pub const COMPANION_TEXTS: usize = 4;

/// Pieces of evidence of one judgement, most telling first.
pub const EVIDENCE: usize = 12;

/// Other causes that are shown.
pub const SHOWN_ALTERNATIVES: usize = 3;

/// A headline: one line of a terminal.
pub const TITLE_BYTES: usize = 160;
