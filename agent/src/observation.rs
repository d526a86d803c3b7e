//! The owned form of what a line told us: the only place that copies, and only for lines that
//! matter. Everything in it is bounded, redacted and free of control characters.

mod from_message;
pub mod happening;
pub(crate) mod matters;
pub(crate) mod pod_line;
pub mod text;
pub mod time;

pub use happening::Happening;

use crate::{redact, source::Micros};

/// What one message told us.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Observation {
    /// What it is to the engine.
    pub kind: Kind,
    /// When it happened, by the line's own clock with year and zone resolved, UTC; else `received`.
    pub at: Micros,
    /// The line's own time as it is written, with its year: goes into ids (design 5.4).
    pub written: String,
    /// `at` is an instant; else year or zone were guessed, and it serves for order only.
    pub dated: bool,
    /// When the source received it: the journal's time. Drives the engine's timers.
    pub received: Micros,
    /// Who wrote it, and where in the code.
    pub writer: Writer,
    /// How the line is framed: `structured`, `legacy`, `json`, `containerd`, `crio`, ….
    pub form: Form,
    /// The pod, as far as the line names it.
    pub pod: Pod,
    /// The pod's uid as the line itself names it: goes into ids, which never depend on what other
    /// lines told.
    pub named_uid: Option<String>,
    /// The container's name.
    pub container: Option<String>,
    /// Ids and numbers that other lines of the same attempt may lack.
    pub details: Details,
    /// The failed steps that the line reports or repeats, in order.
    pub failures: Vec<Failure>,
    /// The innermost error text, for joining lines of one attempt.
    pub error: Option<String>,
    /// Lines lost (kind `Loss`), similar errors, or the seconds of grace of an order to stop.
    pub count: Option<u64>,
    /// The unit that a loss is about.
    pub about_unit: Option<String>,
    /// What happened, in one word for all writers.
    pub happening: Option<Happening>,
    /// The message itself, without its frame: for matching where there is no failure.
    pub text: Option<String>,
    /// A word of the line: admission reason, probe type, eviction resource, kind of kill.
    pub reason: Option<String>,
    /// The line's further message (restart message, probe output).
    pub detail: Option<String>,
    /// Pods of a line that lists some.
    pub pods: Vec<Pod>,
    /// Sandbox or container attempt, restart count.
    pub attempt: Option<u32>,
    /// Signal, by kernel number.
    pub signal: Option<i32>,
    /// The line or one of its values was cut.
    pub truncated: bool,
    /// What was redacted, by rule.
    pub redacted: redact::Counts,
}

/// What a message is to the engine.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Kind {
    /// Authoritative: one or more failed steps of a pod.
    SyncFailure,
    /// Belongs to a sync failure that another line reports.
    #[default]
    Related,
    /// No failure by itself: tells which ids belong together, that something progressed or ended.
    Event,
    /// The node as a whole.
    Node,
    /// Lines were lost.
    Loss,
}

/// Who wrote a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Writer {
    /// Closed list: `kubelet`, `containerd`, `crio`, `docker`, `kernel`, `journald`, `systemd`,
    /// `pod_log`, `other`.
    pub component: WriterComponent,
    /// The journal unit.
    pub unit: Option<String>,
    /// The line's own level.
    pub severity: Option<Level>,
    /// The level's own word, verbatim.
    pub severity_text: Option<String>,
    /// Base name of the source file.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
    /// Process id.
    pub pid: Option<u32>,
    /// 1-based number of the physical line in its input; 0 for the journal.
    pub number: u64,
}

/// The level that a line states; each of klog and logrus falls on the lowest of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Level {
    Info,
    Warn,
    Error,
    Fatal,
}

/// The closed list behind `podwhy.source.component`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum WriterComponent {
    Kubelet,
    Containerd,
    Crio,
    Docker,
    Kernel,
    Journald,
    Systemd,
    PodLog,
    #[default]
    Other,
}

impl WriterComponent {
    /// The word that leaves.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Docker => "docker",
            Self::Kernel => "kernel",
            Self::Journald => "journald",
            Self::Systemd => "systemd",
            Self::PodLog => "pod_log",
            Self::Other => "other",
        }
    }
}

/// The closed list behind `podwhy.sync.form` (design 5.2).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Form {
    #[default]
    Structured,
    Legacy,
    Json,
    Containerd,
    Crio,
    /// A Kubernetes Event.
    Event,
    /// What `kubectl describe` or a pod's status reports.
    Describe,
}

impl Form {
    /// The word that leaves.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Structured => "structured",
            Self::Legacy => "legacy",
            Self::Json => "json",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Event => "event",
            Self::Describe => "describe",
        }
    }
}

/// A pod. Unknown is `None`, never guessed.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Pod {
    /// Namespace
    pub namespace: Option<String>,
    /// Name
    pub name: Option<String>,
    /// UUID, or the 32-hex hash of a static pod
    pub uid: Option<String>,
}

/// Ids and numbers of an attempt.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Details {
    /// Container id without its scheme.
    pub container_id: Option<String>,
    /// Sandbox id.
    pub sandbox_id: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Volume name.
    pub volume: Option<String>,
    /// Exit code or status.
    pub exit_code: Option<i32>,
    /// Seconds until the next attempt, as the line names them.
    pub backoff_seconds: Option<f64>,
    /// Id of the CRI request: joins CRI-O's lines of one call.
    pub request: Option<String>,
}

/// One failed attempt of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// The kubelet's word, or the name of log-grammar §6.2.
    pub step: String,
    /// What the step was for.
    pub target: Option<String>,
    /// The kubelet's own word.
    pub reason: Option<String>,
    /// The text of the failure, unescaped and redacted.
    pub message: String,
    /// Place in the aggregate, from 0.
    pub index: u16,
    /// Length of the aggregate.
    pub of: u16,
    /// The line ended inside this item.
    pub truncated: bool,
}
