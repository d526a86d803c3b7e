//! The sections of the parts that have no other home for them, with their defaults.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Recovery, units};
use crate::limits;

/// What a section finds wrong with itself: the field's path, and what to do.
pub(super) type Validity = Result<(), (&'static str, String)>;

/// The agent's own folder: the only place that it writes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Where positions, open incidents and undelivered records are kept.
    pub folder: PathBuf,
    /// Undelivered records beyond this size go: repeats first, incidents last, each one counted.
    #[serde(with = "units::size")]
    pub size_max: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { folder: "/var/lib/podwhy".into(), size_max: 64 << 20 }
    }
}

impl State {
    pub(super) fn validate(&self) -> Validity {
        if !self.folder.is_absolute() {
            return Err(("state.folder", "must be an absolute path".into()));
        }
        if self.size_max < 4 << 20 {
            return Err(("state.size_max", "must be at least 4MiB".into()));
        }
        Ok(())
    }
}

/// The journal as a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Off: the journal is not opened.
    pub enabled: bool,
    /// Holds `var/log/journal` and `run/log/journal`; both are read where they exist.
    pub root: PathBuf,
    /// One folder of journal files instead of those two.
    pub folder: Option<PathBuf>,
    /// Namespaces (`LogNamespace=` of a unit) that are followed beside them, by name; `*` is all.
    pub namespaces: Vec<String>,
    /// Further folders of journal files that are followed beside them.
    pub more_folders: Vec<PathBuf>,
    /// Units that are believed when root runs them: `name`, or `name=component` for one that is not
    /// known.
    pub units: Vec<String>,
    /// libsystemd by name or by path.
    pub library: PathBuf,
    /// Where to begin when there is no position yet.
    pub first_read: FirstRead,
    /// How fast to read what piled up.
    pub catchup: Catchup,
}

/// Where to begin when there is no position yet: this boot, and no further back than this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FirstRead {
    /// No older than this.
    #[serde(with = "units::duration")]
    pub max_age: Duration,
    /// No more than this; 0 sets no bound.
    pub max_entries: u64,
}

impl Default for FirstRead {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(2 * 3600), max_entries: 200_000 }
    }
}

/// How fast to read what piled up before the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Catchup {
    /// Share of one core, 0.01–1; 1 is full speed.
    pub cpu: f64,
}

impl Default for Catchup {
    fn default() -> Self {
        Self { cpu: 0.2 }
    }
}

/// The kubelet and the runtimes under every name that a distribution gives them (log-grammar 4.3).
const UNITS: [&str; 18] = [
    "kubelet.service",
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "k0sworker.service",
    "k0scontroller.service",
    "snap.microk8s.daemon-kubelite.service",
    "snap.microk8s.daemon-kubelet.service",
    "snap.kubelet.daemon.service",
    "snap.k8s.kubelet.service",
    "microshift.service",
    "containerd.service",
    "snap.microk8s.daemon-containerd.service",
    "snap.k8s.containerd.service",
    "crio.service",
    "docker.service",
    "cri-docker.service",
];

impl Default for Journal {
    fn default() -> Self {
        Self {
            enabled: true,
            root: "/".into(),
            folder: None,
            namespaces: vec!["*".to_owned()],
            more_folders: Vec::new(),
            units: UNITS.map(str::to_owned).to_vec(),
            library: "libsystemd.so.0".into(),
            first_read: FirstRead::default(),
            catchup: Catchup::default(),
        }
    }
}

impl Journal {
    pub(super) fn validate(&self) -> Validity {
        if self.enabled && self.units.is_empty() {
            return Err((
                "journal.units",
                "is empty: name a unit, or set journal.enabled to false".into(),
            ));
        }
        if !self.root.is_absolute() {
            return Err(("journal.root", "must be an absolute path".into()));
        }
        if let Some(wrong) = self.more_folders.iter().find(|it| !it.is_absolute()) {
            let why = format!("`{}` must be an absolute path", wrong.display());
            return Err(("journal.more_folders", why));
        }
        if self.more_folders.len() > limits::OTHER_JOURNALS {
            let why = format!("at most {} may be named", limits::OTHER_JOURNALS);
            return Err(("journal.more_folders", why));
        }
        let is_component =
            |name: &str| matches!(name, "kubelet" | "containerd" | "crio" | "docker");
        for unit in &self.units {
            if unit.split_once('=').is_some_and(|(_, component)| !is_component(component)) {
                let why = format!("`{unit}`: write kubelet, containerd, crio or docker behind =");
                return Err(("journal.units", why));
            }
        }
        if !(0.01..=1.0).contains(&self.catchup.cpu) {
            return Err(("journal.catchup.cpu", "must be between 0.01 and 1".into()));
        }
        Ok(())
    }
}

/// How failures are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Diagnosis {
    /// What becomes of a failure that was told before.
    pub repeats: Repeats,
    /// One summary of repeats for each.
    #[serde(with = "units::duration")]
    pub window: Duration,
    /// Files with causes of the user's own.
    pub causes: Vec<PathBuf>,
    /// How incidents open, and what proves that they are over.
    pub recovery: Recovery,
}

/// What becomes of a failure that was told before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// The first at once, then one record with a count for each window.
    #[default]
    Summary,
    /// One record for each.
    Every,
}

impl Default for Diagnosis {
    fn default() -> Self {
        Self {
            repeats: Repeats::Summary,
            window: Duration::from_secs(600),
            recovery: Recovery::default(),
            causes: Vec::new(),
        }
    }
}

impl Diagnosis {
    pub(super) fn validate(&self) -> Validity {
        if self.window < Duration::from_secs(1) {
            return Err(("diagnosis.window", "must be at least 1s".into()));
        }
        if self.recovery.flap_turns == 0 {
            return Err(("diagnosis.recovery.flap_turns", "must be at least 1".into()));
        }
        if self.recovery.announce_every < Duration::from_secs(1) {
            return Err(("diagnosis.recovery.announce_every", "must be at least 1s".into()));
        }
        if self.recovery.remind_second < self.recovery.remind_first {
            let why = "must not be shorter than remind_first";
            return Err(("diagnosis.recovery.remind_second", why.into()));
        }
        if self.recovery.remind_every < Duration::from_secs(1) {
            return Err(("diagnosis.recovery.remind_every", "must be at least 1s".into()));
        }
        Ok(())
    }
}
