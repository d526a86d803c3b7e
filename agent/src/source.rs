//! Where lines come from. A source hands on borrowed [`Line`]s and its position after them; it
//! judges nothing.

pub mod file;
pub(crate) mod follow;
pub mod input;
pub mod join;
pub mod journal;
mod origin;
pub mod paste;
pub mod pod_logs;
pub mod recording;
pub mod text;

use podwhy_parser::Origin;

use crate::fact;

/// Microseconds since the epoch, UTC.
pub type Micros = i64;

/// One physical line, borrowed from its source's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The line without its newline.
    pub text: &'a str,
    /// Who wrote it, as far as the source vouches for it (trust by class).
    pub origin: Origin,
    /// The journal unit, else empty.
    pub unit: &'a str,
    /// Lines of one stream continue each other (G8): hash of `_STREAM_ID`, else of unit and pid.
    pub stream: u64,
    /// Process that wrote it (`_PID`).
    pub pid: Option<u32>,
    /// When the source received it (journal time); for plain text the best that the line or its
    /// prefix tells, else the time of the line before. Never goes into an id.
    pub at: Micros,
    /// `at` is an instant: year and zone were told. Else they were guessed, and nothing may be
    /// stated in UTC from it.
    pub dated: bool,
    /// Identifies the boot: zone offsets are kept per boot. 0 where unknown.
    pub boot: u64,
    /// The source itself cut the line (`_LINE_BREAK=line-max`, a bound of ours).
    pub cut: bool,
    /// 1-based number of the physical line in its file or stream; 0 for the journal.
    pub number: u64,
}

/// The id of a stream from what identifies it: FNV-1a, the same in every release, since pending
/// messages are kept across restarts under it.
#[must_use]
pub fn stream_id(parts: &[&[u8]]) -> u64 {
    let mut id = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.iter().chain(&[0xff])) {
        id = (id ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    id
}

/// How far a source was read, opaque to all but the source: a journal cursor, or file identity and
/// offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which source: a stable name such as `journal` or `file:/var/log/syslog`.
    pub source: String,
    /// The source's own encoding.
    pub value: Vec<u8>,
    /// Time of the last line before it, for the lag metric and for starting by time when the
    /// position itself is lost.
    pub at: Micros,
}

/// A run of lines of one source, in its order.
pub trait Lines: Send + std::fmt::Debug {
    /// Hands on each line. Entries that are not believed are counted, not handed on.
    fn each(&mut self, sink: &mut dyn FnMut(Line<'_>));

    /// When the first of them was written, where their order among other sources' lines matters.
    fn first_at(&self) -> Option<Micros> {
        None
    }

    /// No source has anything older than this to hand on, where that is known.
    fn nothing_before(&self) -> Option<Micros> {
        None
    }
}

/// What a source found missing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Loss {
    /// Closed list of otlp.md 2.6.
    pub kind: LossKind,
    /// Component whose lines are missing (`kubelet`, `containerd`, …) or `journal`.
    pub component: String,
    /// Unit, where it is known.
    pub unit: Option<String>,
    /// How many, where it can be counted.
    pub lines: Option<u64>,
    /// Evidence may be missing between these.
    pub from: Option<Micros>,
    /// The end of the gap.
    pub to: Option<Micros>,
    /// For `refused` and `outbox_full`: the destination's configured name.
    pub destination: Option<String>,
    /// One clause for humans: what happened.
    pub why: String,
}

/// Why lines or records are missing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum LossKind {
    /// A rate limit: journald's, or ours on what the log of one pod tells.
    Suppressed,
    /// The journal no longer holds what the position names.
    Vacuumed,
    /// A file was rotated away before it was read.
    Rotated,
    /// Unreadable: damaged file, decode failure, an entry that killed the reader three times.
    Corrupt,
    /// Entries without the trusted fields.
    Untrusted,
    /// A backend refused a record for good.
    Refused,
    /// The outbox was full, or what waited in it has no destination any more.
    OutboxFull,
}

impl LossKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Suppressed,
        Self::Vacuumed,
        Self::Rotated,
        Self::Corrupt,
        Self::Untrusted,
        Self::Refused,
        Self::OutboxFull,
    ];

    /// As records and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Vacuumed => "vacuumed",
            Self::Rotated => "rotated",
            Self::Corrupt => "corrupt",
            Self::Untrusted => "untrusted",
            Self::Refused => "refused",
            Self::OutboxFull => "outbox_full",
        }
    }
}

/// What goes to the core thread.
#[derive(Debug)]
pub enum Feed {
    /// Lines, and the position after them.
    Batch {
        /// The lines.
        lines: Box<dyn Lines>,
        /// Where the source stands after them.
        position: Option<Position>,
    },
    /// Everything that existed at this time has been handed on.
    CaughtUp(Micros),
    /// A fact that was recorded among the lines.
    Fact(Box<fact::Dated>),
    /// Something is missing. `position`, where given, is committed with the loss record.
    Lost(Loss, Option<Position>),
}

/// No lines: a position alone.
#[derive(Debug)]
pub struct Nothing;

impl Lines for Nothing {
    fn each(&mut self, _: &mut dyn FnMut(Line<'_>)) {}
}

/// Where a source hands on its feeds: a bounded channel. Full means that the source stops reading.
pub trait Outlet: Send + std::fmt::Debug + 'static {
    /// Hands on without waiting.
    ///
    /// # Errors
    /// Gives the feed back where there is no room for it now.
    fn offer(&self, feed: Feed) -> Result<(), Refusal>;

    /// The source works, and has nothing to hand on yet.
    fn is_alive(&self) {}
}

/// Why a feed was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// No room now: here it is again.
    Full(Box<Feed>),
    /// Nobody listens any more.
    Closed,
}

impl Outlet for tokio::sync::mpsc::Sender<Feed> {
    fn offer(&self, feed: Feed) -> Result<(), Refusal> {
        use tokio::sync::mpsc::error::TrySendError;
        self.try_send(feed).map_err(|error| match error {
            TrySendError::Full(feed) => Refusal::Full(Box::new(feed)),
            TrySendError::Closed(_) => Refusal::Closed,
        })
    }
}

impl Outlet for std::sync::mpsc::SyncSender<Feed> {
    fn offer(&self, feed: Feed) -> Result<(), Refusal> {
        use std::sync::mpsc::TrySendError;
        self.try_send(feed).map_err(|error| match error {
            TrySendError::Full(feed) => Refusal::Full(Box::new(feed)),
            TrySendError::Disconnected(_) => Refusal::Closed,
        })
    }
}
