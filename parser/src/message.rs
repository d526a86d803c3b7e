//! What one line says: its frame, its kind, and the facts that stand in it.

use crate::klog::pairs::Pairs;
use crate::object::Pods;
use crate::{Failures, Text, kubelet, runtime};

mod what;

pub use what::What;

/// What the caller knows of who wrote the line. Decides which forms are tried: text of one writer
/// never forges another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// A paste: every form, with transport prefixes.
    #[default]
    Any,
    /// The kubelet's unit (klog text or JSON, k0s wrapper, MicroShift prefix).
    Kubelet,
    /// containerd's unit (logrus text or JSON).
    Containerd,
    /// CRI-O's unit.
    Crio,
    /// docker or cri-dockerd.
    Docker,
    /// The kernel (`_TRANSPORT=kernel`).
    Kernel,
    /// journald itself (`Suppressed N messages from …`).
    Journald,
    /// systemd, pid 1, about a unit.
    Systemd,
}

/// Who wrote the line, as far as its form tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the programs' own")]
pub enum Component {
    Kubelet,
    Containerd,
    Crio,
    Docker,
    Kernel,
    Journald,
    Systemd,
    /// A line of `/var/log/pods`.
    PodLog,
    /// klog or logrus of a program that the form does not tell.
    Other,
}

/// How the line is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// klog text, message structured (`"msg" key="value"`).
    KlogStructured,
    /// klog text, message printf.
    KlogPrintf,
    /// klog JSON.
    KlogJson,
    /// logrus text or JSON (containerd, CRI-O, k0s's own lines).
    Logrus,
    /// A CRI log line of `/var/log/pods`.
    Cri,
    /// No frame of its own: kernel, journald, systemd.
    Bare,
    /// Kubelet code in another agent: other header, same grammar.
    Embedded,
}

/// The level that the line itself states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the levels")]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
}

/// A point in time as the line writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// klog text: no year, no zone.
    Klog {
        /// 1–12
        month: u8,
        /// 1–31
        day: u8,
        /// 0–23
        hour: u8,
        /// 0–59
        minute: u8,
        /// 0–60
        second: u8,
        /// 0–999,999
        micros: u32,
    },
    /// A full date. `offset_seconds` is `None` where the writer gives no zone (k0s).
    Civil {
        /// Full year
        year: i16,
        /// 1–12
        month: u8,
        /// 1–31
        day: u8,
        /// 0–23
        hour: u8,
        /// 0–59
        minute: u8,
        /// 0–60
        second: u8,
        /// 0–999,999,999
        nanos: u32,
        /// East of UTC
        offset_seconds: Option<i32>,
    },
    /// Microseconds since the epoch (klog JSON).
    EpochMicros(i64),
    /// Seconds since boot, in microseconds (kernel ring buffer text).
    SinceBootMicros(u64),
}

/// The outside of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Who wrote it, as far as the form and the origin tell.
    pub component: Component,
    /// How it is framed.
    pub format: Format,
    /// The line's own level, if it has one.
    pub severity: Option<Severity>,
    /// The level's own word: `E`, `warning`, …
    pub severity_text: Option<&'a str>,
    /// The line's own time.
    pub stamp: Option<Stamp>,
    /// The time of a transport prefix (syslog, journalctl short), where one stands in front.
    pub prefix_stamp: Option<Stamp>,
    /// Host name of a transport prefix.
    pub host: Option<&'a str>,
    /// Process id of the header, else of the prefix.
    pub pid: Option<u32>,
    /// Base name of the source file.
    pub file: Option<&'a str>,
    /// Line in it.
    pub line: Option<u32>,
}

/// What a line is to us; the closed list behind `kind` of `podwhy parse --all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reports one or more failed steps of a pod, authoritatively.
    SyncFailure,
    /// Belongs to a sync failure that another line reports (CRI client, runtime, HandleError twin).
    Related,
    /// About the node as a whole.
    Node,
    /// Proves progress: sandbox created, container started, image pulled, mounted, torn down.
    Progress,
    /// A container or process ended or was killed, or is about to be.
    Kill,
    /// A probe failed.
    Probe,
    /// Lines were lost before anyone could read them.
    Loss,
    /// A readable frame and nothing more.
    Line,
}

/// Whether a physical line is a whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Complete as it stands.
    Here,
    /// Ends in `key=<`: the block's lines follow, up to one that starts with ` >`.
    InBlock,
    /// printf: lines without a header may still belong to it.
    MayContinue,
}

/// One message. Cheap to make: everything else is found when asked for.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The outside.
    pub frame: Frame<'a>,
    /// Which production it is.
    pub what: What,
    /// Whether further physical lines can belong to it.
    pub ends: Ends,
    /// The text behind the frame: for a structured line its quoted message, else the whole rest.
    pub text: Text<'a>,
    /// What carries the line's pairs: the rest behind `text` (klog, logrus), the whole object (JSON).
    pub(crate) tail: Text<'a>,
    /// The line was cut (pager, journald line limit, end of input inside a quote).
    pub truncated: bool,
}

impl<'a> Message<'a> {
    /// What it is to us.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.what.kind()
    }

    /// The `key=value` pairs of a klog line, structured or JSON, as they stand; none for any other.
    ///
    /// ```
    /// let line = r#"I0317 10:12:01.555871    2148 generic.go:338] "Generic (PLEG): container finished" podID="7c1e" exitCode=137"#;
    /// let message = podwhy_parser::parse(line).unwrap();
    /// let (key, value) = message.pairs().last().unwrap();
    /// assert_eq!((key, value.text().raw()), ("exitCode", "137"));
    /// ```
    #[must_use]
    pub fn pairs(&self) -> Pairs<'a> {
        kubelet::pairs(self)
    }

    /// The pods of a line that lists some (`pods=`, `SyncLoop (ADD, …)`, evictions).
    ///
    /// ```
    /// let line = r#"I0317 10:20:40.118203    2148 eviction_manager.go:417] "Eviction manager: pods ranked for eviction" pods=["shop/web-0","billing/ledger-0"]"#;
    /// let message = podwhy_parser::parse(line).unwrap();
    /// assert_eq!(message.pods().count(), 2);
    /// assert_eq!(message.pods().next().unwrap().namespace.unwrap(), "shop");
    /// ```
    #[must_use]
    pub fn pods(&self) -> Pods<'a> {
        kubelet::pods(self)
    }

    /// A pager ends a line that it cut with `>` (G11): that is no part of the line.
    pub(crate) fn without_pager_mark(self) -> Self {
        if !self.truncated {
            return self;
        }
        let cut = |text: Text<'a>| match text.raw().strip_suffix('>') {
            Some(raw) => text.with_raw(raw),
            None => text,
        };
        Self { text: cut(self.text), tail: cut(self.tail), ..self }
    }

    /// Everything that the line says about pods, containers, ids and times.
    #[must_use]
    pub fn facts(&self) -> Facts<'a> {
        if runtime::answers_for(self) {
            return runtime::facts(self);
        }
        kubelet::facts(self)
    }

    /// The sync failures of this message, in order. Empty unless it is a `SyncFailure` or a
    /// `Related` line that repeats one.
    #[must_use]
    pub fn failures(&self) -> Failures<'a> {
        if runtime::answers_for(self) {
            return runtime::failures(self);
        }
        kubelet::failures(self)
    }
}

/// A pod as a line names it. Unknown is `None`, never guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodRef<'a> {
    /// Namespace
    pub namespace: Option<Text<'a>>,
    /// Name
    pub name: Option<Text<'a>>,
    /// UID, or the 32-hex hash of a static pod
    pub uid: Option<Text<'a>>,
}

/// Everything that a line can say, flat. Absent is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts<'a> {
    /// The pod, from whichever form carries it.
    pub pod: PodRef<'a>,
    /// Container name.
    pub container: Option<Text<'a>>,
    /// Container id without its scheme.
    pub container_id: Option<Text<'a>>,
    /// Sandbox id.
    pub sandbox_id: Option<Text<'a>>,
    /// Image reference.
    pub image: Option<Text<'a>>,
    /// Volume name.
    pub volume: Option<Text<'a>>,
    /// Exit code or status.
    pub exit_code: Option<i32>,
    /// Signal, by kernel number.
    pub signal: Option<i32>,
    /// The back-off or `durationBeforeRetry` that the line names.
    pub backoff_seconds: Option<f64>,
    /// Sandbox or container attempt, restart count.
    pub attempt: Option<u32>,
    /// Process id of a victim or container process.
    pub victim_pid: Option<u32>,
    /// A word of the line: admission reason, probe type, eviction resource, oom constraint.
    pub reason: Option<Text<'a>>,
    /// The error text: value of `err`/`error`, or what stands for it.
    pub error: Option<Text<'a>>,
    /// The line's further message (admission, container message, probe output).
    pub detail: Option<Text<'a>>,
    /// A count: suppressed messages, similar errors.
    pub count: Option<u64>,
    /// A systemd unit or cgroup that the line is about.
    pub unit: Option<Text<'a>>,
    /// The id of the CRI request; joins CRI-O's lines of one call.
    pub request: Option<Text<'a>>,
}
