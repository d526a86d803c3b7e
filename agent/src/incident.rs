//! An incident as it leaves the engine: one cause for one pod, workload or node, from its first
//! failure to its proven end. Its JSON form is the contract of design 5.3; it is kept as postcard,
//! so no field may be left out of the form. Owns no rule.

use crate::{fact::Role, source::Micros};

/// One incident, as of one change.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Incident {
    /// 32 hex digits: SHA-256 over node, key and first failure (design 7).
    pub id: String,
    /// How far it reaches.
    pub scope: Scope,
    /// Where it stands.
    pub state: State,
    /// The kubelet's latest word for the step; `None` where no step failed.
    pub step: Option<String>,
    /// The kubelet's latest word for the reason.
    pub reason: Option<String>,
    /// What it comes from.
    pub cause: Cause,
    /// What else it could be, best first.
    pub alternatives: Vec<Cause>,
    /// Whom it hits. Bounded; `pod_count` is exact.
    pub pods: Vec<Pod>,
    /// How many pods it hits.
    pub pod_count: u64,
    /// Owner of the pods of a workload incident: `ReplicaSet/web`.
    pub workload: Option<String>,
    /// First failure.
    #[serde(with = "stamp")]
    pub first_seen: Option<Micros>,
    /// Newest failure.
    #[serde(with = "stamp")]
    pub last_seen: Option<Micros>,
    /// Failed attempts.
    pub attempts: u64,
    /// When the kubelet tries again.
    #[serde(with = "stamp")]
    pub next_retry: Option<Micros>,
    /// Which rule of the kubelet makes it (M8).
    pub next_retry_why: Option<String>,
    /// Facts with their sources, most telling first.
    pub evidence: Vec<Evidence>,
    /// Pods that should be hit if the cause were true, and are not.
    pub controls: Vec<String>,
    /// What to do.
    pub next: Vec<Next>,
    /// How it will be proven fixed.
    pub clears_when: String,
    /// What changed just before it began.
    pub changed: Vec<String>,
    /// Equal on every node for the same fault (M11).
    pub fingerprint: String,
    /// Share of the incident's time that was seen, 0–1.
    pub coverage: Option<f64>,
    /// Exit code of the instance that ended.
    pub exit_code: Option<i32>,
    /// Who killed it (M3).
    pub killed_by: Option<Killer>,
    /// What contradicts what (R75).
    pub contradictions: Vec<String>,
    /// The incident that this one is a member of.
    pub parent: Option<String>,
    /// Incidents that are members of this one.
    pub members: Vec<String>,
    /// Links, root first.
    pub chain: Vec<String>,
    /// Rung of the ladder, from 1; 0 = none proven.
    pub rung: u8,
    /// What proved each rung.
    pub proof: Vec<String>,
    /// When it was proven fixed.
    #[serde(with = "stamp")]
    pub resolved_at: Option<Micros>,
    /// What differs between the last failing and the first good attempt.
    pub fixed_by: Vec<String>,
    /// What may be missing.
    pub loss: Vec<String>,
    /// How often it turned from recovered to failing and back.
    pub turns: u32,
    /// Harmless by itself: told because somebody asked. Nothing of it is unsolved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub harmless: bool,
    /// Another incident tells of it: this one is shown to nobody.
    #[serde(skip)]
    pub told_elsewhere: bool,
    /// Why it is in this state, where that needs a word (superseded by whom, stale since when).
    pub note: Option<String>,
}

/// How far an incident reaches.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One pod.
    #[default]
    Pod,
    /// Pods of one owner.
    Workload,
    /// The node.
    Node,
}

impl Scope {
    /// As records and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Workload => "workload",
            Self::Node => "node",
        }
    }
}

/// Where an incident stands.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Fails.
    #[default]
    Open,
    /// A rung was proven.
    Recovering,
    /// The ladder is complete.
    Resolved,
    /// Recovers and fails again and again.
    Flapping,
    /// Its pod ended or moved.
    Superseded,
    /// Not known any more.
    Stale,
}

impl State {
    /// As records and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Recovering => "recovering",
            Self::Resolved => "resolved",
            Self::Flapping => "flapping",
            Self::Superseded => "superseded",
            Self::Stale => "stale",
        }
    }
}

/// A cause as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Cause {
    /// Of the catalogue, or `unclassified`.
    pub id: String,
    /// Closed list; `unclassified` for the unknown.
    pub class: String,
    /// A headline, names filled in.
    pub title: String,
    /// How sure.
    pub confidence: Confidence,
    /// Why it is only an alternative, or what would tell it apart.
    #[serde(default)]
    pub separator: Option<String>,
    /// The user's runbook.
    #[serde(default)]
    pub runbook: Option<String>,
}

/// How sure a cause is (diagnosis.md 2.2).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Shared text, or only the application's word.
    #[default]
    Possible,
    /// Unique text, or signals alone.
    Likely,
    /// Unique text and an independent signal that agrees.
    Certain,
}

/// A pod that is hit.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Namespace
    pub namespace: Option<String>,
    /// Name
    pub name: Option<String>,
    /// The kubelet's uid
    pub uid: Option<String>,
    /// Container
    pub container: Option<String>,
    /// Its role, where known.
    pub role: Option<Role>,
}

/// A fact with its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// `kubelet`, `containerd`, `kernel`, `last_words`, `disk`, `cni`, `cgroup`, `pod`, …
    pub source: String,
    /// The quoted line or the fact in words, redacted.
    pub text: String,
    /// 1-based line of the input; `None` for what was no line.
    pub line: Option<u64>,
    /// The input's name, where there are several.
    pub file: Option<String>,
    /// When.
    #[serde(with = "stamp")]
    pub at: Option<Micros>,
}

/// A step to take.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Next {
    /// What to do.
    #[serde(rename = "do")]
    pub what: String,
    /// The exact command to look; changes nothing.
    pub command: Option<String>,
    /// What it may cost.
    pub risk: Option<String>,
}

/// A value in a command that somebody will paste into a shell: one plain word, or what stands for
/// it.
#[must_use]
pub fn argument<'v>(value: &'v str, otherwise: &'v str) -> &'v str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,%~[]".contains(c);
    if !value.starts_with('-') && value.chars().all(is_plain) { value } else { otherwise }
}

/// Who sent the signal (M3).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Killer {
    /// Closed list.
    pub who: Who,
    /// One sentence: what shows it.
    pub text: String,
}

/// The closed list of killers.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The container's own memory limit.
    ContainerLimit,
    /// The pod's memory limit.
    PodLimit,
    /// The node ran out of memory.
    NodeOom,
    /// The liveness probe.
    Liveness,
    /// The startup probe.
    Startup,
    /// It did not end within its grace period.
    GracePeriod,
    /// Evicted.
    Eviction,
    /// Made room for a critical pod.
    Preemption,
    /// The node shuts down.
    Shutdown,
    /// A failed hook.
    Hook,
    /// Its pod was deleted.
    Deletion,
    /// Nothing shows who.
    #[default]
    Unknown,
}

/// RFC 3339 in UTC, or null.
mod stamp {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::source::Micros;

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        at: &Option<Micros>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return at.serialize(serializer);
        }
        at.and_then(|at| jiff::Timestamp::from_microsecond(at).ok())
            .map(|at| at.to_string())
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Micros>, D::Error> {
        if !deserializer.is_human_readable() {
            return Option::<Micros>::deserialize(deserializer);
        }
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| {
            text.parse::<jiff::Timestamp>()
                .map(|at| at.as_microsecond())
                .map_err(serde::de::Error::custom)
        })
        .transpose()
    }
}
