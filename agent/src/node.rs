//! What the node looks like now. Checked in the background, each check with a time limit; read by
//! the core as facts.

pub mod cgroup;
mod checker;
mod cni;
mod config;
mod disk;
pub mod kind;
pub mod last_words;
pub mod listing;
mod mounts;
pub mod pods;
pub mod runtime;

pub use checker::{Answer, Checker, State, States, Subject, look_once};
pub use config::{CniConfig, Config, DiskConfig, Runtime};

use crate::source::Micros;

/// A view of the node, as of `at`. Unknown is `None`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct View {
    /// When the newest part of it was read. As a fact it stands beside the fact's own `at`.
    #[serde(rename = "read_at", default)]
    pub at: Micros,
    /// One per role that has an answer (`kubelet`, `runtime`, `runtime_state`, `log`, `root`).
    pub disks: Vec<Disk>,
    /// The pod network, if anything is known.
    pub cni: Option<Cni>,
    /// Looks that do not come back: a role or `cni`. What they told before stays, and grows old.
    #[serde(default)]
    pub stuck: Vec<String>,
}

/// A filesystem behind a role.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Disk {
    /// Closed list: `kubelet`, `runtime`, `runtime_state`, `log`, `root`.
    pub role: DiskRole,
    /// When it was read.
    pub at: Micros,
    /// Bytes free to an unprivileged writer.
    pub free_bytes: u64,
    /// Size.
    pub total_bytes: u64,
    /// Inodes free; `None` where the filesystem has no fixed number (btrfs).
    pub inodes_free: Option<u64>,
    /// Inodes in all.
    pub inodes_total: Option<u64>,
    /// Superblock read-only; `None` where it cannot be told.
    pub read_only: Option<bool>,
}

/// What a filesystem is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DiskRole {
    /// kubelet root
    Kubelet,
    /// container runtime root
    Runtime,
    /// container runtime state
    RuntimeState,
    /// `/var/log`
    Log,
    /// `/`
    Root,
}

impl DiskRole {
    /// As attributes, settings and people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Runtime => "runtime",
            Self::RuntimeState => "runtime_state",
            Self::Log => "log",
            Self::Root => "root",
        }
    }
}

/// The pod network as the files on the node tell it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Cni {
    /// When it was read.
    pub at: Micros,
    /// A configuration is there, parses, and its plugins are present and executable.
    pub ready: bool,
    /// Closed list, when not ready.
    pub reason: Option<CniReason>,
    /// What exactly: file, plugin; for humans.
    pub detail: Option<String>,
    /// host-local leases used, where that IPAM is used.
    pub leases_used: Option<u64>,
    /// … and free.
    pub leases_free: Option<u64>,
}

/// Why the pod network is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CniReason {
    /// The configuration folder is missing.
    ConfigFolderMissing,
    /// No configuration in it.
    ConfigMissing,
    /// The configuration that the runtime would choose does not parse.
    ConfigInvalid,
    /// A plugin's file is missing.
    PluginMissing,
    /// A plugin's file is not executable.
    PluginNotExecutable,
    /// host-local has no address left.
    AddressesExhausted,
    /// The kubelet's last word was `NetworkReady=false`.
    KubeletSaysNotReady,
}

impl CniReason {
    /// As attributes and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigFolderMissing => "config_folder_missing",
            Self::ConfigMissing => "config_missing",
            Self::ConfigInvalid => "config_invalid",
            Self::PluginMissing => "plugin_missing",
            Self::PluginNotExecutable => "plugin_not_executable",
            Self::AddressesExhausted => "addresses_exhausted",
            Self::KubeletSaysNotReady => "kubelet_says_not_ready",
        }
    }
}
