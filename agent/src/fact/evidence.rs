//! Evidence about one moment: what a dead container said, what cgroups counted, which files there
//! are, how the runtime is.

use super::{Container, Instance, Pod, PodRef, Volume};
use crate::source::Micros;

/// The end of an instance's own log. Bounded (20 lines, 4 KiB), redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct LastWords {
    /// Whose.
    pub instance: Instance,
    /// The lines, oldest first, `P` parts joined.
    pub lines: Vec<String>,
    /// Index of the line that matters most, where one stands out.
    pub matters: Option<usize>,
    /// How many lines the log holds, where it was short enough to be counted.
    pub total_lines: Option<u64>,
    /// Time of the newest line.
    pub last_at: Option<Micros>,
    /// The file it was read from.
    pub path: Option<String>,
    /// How much of it may leave the node. All of it may be matched.
    pub quote: Quote,
}

/// How much of last words may leave the node (design 7).
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
pub enum Quote {
    /// Nothing: then it is not even read.
    None,
    /// The one line that matters, else the last.
    Line,
    /// All that is kept.
    #[default]
    Tail,
}

impl LastWords {
    /// The lines that may be quoted in anything that leaves the node.
    #[must_use]
    pub fn quotable(&self) -> &[String] {
        match self.quote {
            Quote::None => &[],
            Quote::Line => {
                let at = self.matters.or_else(|| self.lines.len().checked_sub(1));
                at.and_then(|at| self.lines.get(at..=at)).unwrap_or_default()
            }
            Quote::Tail => &self.lines,
        }
    }
}

/// What the folder of a pod's logs shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct LogFolder {
    /// Whose: by the folder's name, uid, namespace and name.
    pub pod: PodRef,
    /// Container name.
    pub container: Option<String>,
    /// What is new.
    pub change: LogFolderChange,
}

/// What is new in a folder of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFolderChange {
    /// An attempt has a log: its start was tried, which proves no more. Above 0, the one before has
    /// ended.
    Began {
        /// The number of `N.log`.
        attempt: u32,
    },
    /// The kubelet removed it: the API has no such pod any more, and its sandboxes are gone; or it
    /// was evicted.
    #[default]
    Gone,
}

/// A line of trouble in the log of one of the node's own agents (network, storage). Bounded,
/// redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Said {
    /// Whose.
    pub instance: Instance,
    /// The line.
    pub text: String,
}

/// What cgroups counted. v1 or v2; unknown is `None`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Cgroup {
    /// Whose.
    pub instance: Instance,
    /// 1 or 2
    pub version: u8,
    /// Of the container.
    pub container: CgroupLevel,
    /// Of the pod.
    pub pod: CgroupLevel,
}

/// One cgroup.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CgroupLevel {
    /// `memory.max`; `None` = no limit or unknown.
    pub memory_max_bytes: Option<u64>,
    /// `memory.current`
    pub memory_current_bytes: Option<u64>,
    /// `memory.peak`
    pub memory_peak_bytes: Option<u64>,
    /// `memory.events` `oom`; v1 `failcnt` is not the same and is left out
    pub oom: Option<u64>,
    /// `memory.events` `oom_kill`. Version 2 counts what happened below as well, version 1 only what
    /// happened here: nothing of a container that is gone.
    pub oom_kill: Option<u64>,
    /// `memory.events.local` `oom`: how often this cgroup's own limit was met. Version 2 only.
    pub oom_own: Option<u64>,
    /// tmpfs and shared memory (`memory.stat` `shmem`)
    pub shmem_bytes: Option<u64>,
    /// `pids.max`
    pub pids_max: Option<u64>,
    /// `pids.current`
    pub pids_current: Option<u64>,
    /// `pids.events` `max`: refused forks
    pub pids_refused: Option<u64>,
    /// `cpu.stat` `nr_throttled`
    pub throttled_periods: Option<u64>,
    /// `cpu.stat` `nr_periods`
    pub periods: Option<u64>,
    /// PSI `memory.pressure` `full avg10`, percent
    pub memory_full_avg10_percent: Option<f64>,
    /// PSI `io.pressure` `full avg10`, percent
    pub io_full_avg10_percent: Option<f64>,
    /// PSI `cpu.pressure` `some avg10`, percent
    pub cpu_some_avg10_percent: Option<f64>,
}

/// File names in the volumes of a pod. Names only, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Listing {
    /// Whose.
    pub pod: PodRef,
    /// Volume name to what lies in it.
    pub volumes: Vec<VolumeListing>,
}

/// One volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct VolumeListing {
    /// Volume name
    pub volume: String,
    /// Relative paths.
    pub files: Vec<FileEntry>,
    /// There is more.
    pub truncated: bool,
}

/// A file in a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct FileEntry {
    /// Relative to the volume's root.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits
    pub mode: u32,
    /// Owner
    pub uid: u32,
    /// Group
    pub gid: u32,
    /// When its content last changed.
    pub modified: Option<Micros>,
}

/// What a directory entry is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else.
    Other,
}

/// What the runtime answered to read-only status calls.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RuntimeStatus {
    /// `containerd 1.7.27`
    pub version: Option<String>,
    /// How long `Version` took; `None`: it did not answer.
    pub latency_seconds: Option<f64>,
    /// Condition `RuntimeReady`
    pub runtime_ready: Option<bool>,
    /// Condition `NetworkReady`
    pub network_ready: Option<bool>,
    /// Reason and message of what is not ready.
    pub why: Option<String>,
}

/// The containers of a pod as the runtime has them: each name once, with its newest instance and the
/// one before. It knows neither roles nor probes.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Containers {
    /// Whose.
    pub pod: PodRef,
    /// Names, ids, states and mounts.
    pub containers: Vec<Container>,
    /// The volumes that those mounts come from, as far as their paths tell.
    pub volumes: Vec<Volume>,
}

impl Containers {
    /// What is mounted where, in the form of a specification that says nothing else.
    #[must_use]
    pub fn mounted(&self) -> Pod {
        Pod {
            uid: self.pod.uid.clone(),
            containers: self.containers.clone(),
            volumes: self.volumes.clone(),
            ..Pod::default()
        }
    }
}
