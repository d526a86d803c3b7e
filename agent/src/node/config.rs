//! What of the node is looked at, where, and how often. The defaults know the distributions.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::config::units;

/// What of the node is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Between two looks.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// A check that takes longer is stuck: what it knew grows old, the rest goes on.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Filesystems.
    pub disk: DiskConfig,
    /// The pod network.
    pub cni: CniConfig,
}

/// For each role the folders that may answer for it: the first that exists does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskConfig {
    /// Off: nothing is measured.
    pub enabled: bool,
    /// The kubelet's root; in a pod its `/etc/hosts` is used where none of these is mounted.
    pub kubelet: Vec<PathBuf>,
    /// Images and container layers; in a pod its own root is used where none of these is mounted.
    pub runtime: Vec<PathBuf>,
    /// Sockets and running containers, mostly in memory.
    pub runtime_state: Vec<PathBuf>,
    /// Logs.
    pub log: Vec<PathBuf>,
    /// The node's root; in a pod only where it is mounted.
    pub root: Vec<PathBuf>,
}

/// Where the pod network is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CniConfig {
    /// Off: nothing is looked at.
    pub enabled: bool,
    /// Whose rule decides which configuration counts.
    pub runtime: Runtime,
    /// CRI-O's `cni_default_network`, where it is set.
    pub default_network: Option<String>,
    /// Folders with configurations: the first that exists counts.
    pub config_folders: Vec<PathBuf>,
    /// Folders with plugins: all of them count.
    pub plugin_folders: Vec<PathBuf>,
    /// host-local's leases, where its configuration does not say `dataDir`.
    pub lease_folder: PathBuf,
}

/// Whose rule decides which CNI configuration counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// CRI-O's where its folder or its own configuration is there, else containerd's.
    #[default]
    Auto,
    /// The first file by name counts, and an invalid one is an error.
    Containerd,
    /// The first valid file by name counts, or the one of the default network.
    Crio,
}

fn paths(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            disk: DiskConfig::default(),
            cni: CniConfig::default(),
        }
    }
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            kubelet: paths(&[
                "/var/lib/k0s/kubelet",
                "/var/snap/microk8s/common/var/lib/kubelet",
                "/var/lib/kubelet",
            ]),
            runtime: paths(&[
                "/var/lib/rancher/k3s/agent/containerd",
                "/var/lib/rancher/rke2/agent/containerd",
                "/var/lib/k0s/containerd",
                "/var/snap/microk8s/common/var/lib/containerd",
                "/var/lib/containers/storage",
                "/var/lib/containerd",
                "/var/lib/docker",
            ]),
            runtime_state: paths(&[
                "/run/k3s/containerd",
                "/run/k0s/containerd",
                "/var/snap/microk8s/common/run/containerd",
                "/run/crio",
                "/run/containerd",
                "/run/docker",
            ]),
            log: paths(&["/var/log"]),
            root: paths(&["/"]),
        }
    }
}

impl Default for CniConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            runtime: Runtime::Auto,
            default_network: None,
            config_folders: paths(&[
                "/var/lib/rancher/k3s/agent/etc/cni/net.d",
                "/var/snap/microk8s/current/args/cni-network",
                "/etc/kubernetes/cni/net.d",
                "/etc/cni/net.d",
            ]),
            plugin_folders: paths(&[
                "/opt/cni/bin",
                "/var/lib/rancher/k3s/data/cni",
                "/var/lib/rancher/k3s/data/current/bin",
                "/var/snap/microk8s/current/opt/cni/bin",
                "/var/lib/cni/bin",
                "/usr/libexec/cni",
                "/usr/lib/cni",
            ]),
            lease_folder: "/var/lib/cni/networks".into(),
        }
    }
}

impl Config {
    /// What types cannot say: the field, and what to do.
    ///
    /// # Errors
    /// The first fault.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.interval < Duration::from_secs(1) {
            return Err(("node.interval", "must be at least 1s".into()));
        }
        if self.timeout.is_zero() {
            return Err(("node.timeout", "must be more than nothing".into()));
        }
        if self.cni.enabled && self.cni.config_folders.is_empty() {
            let why = "is empty: name a folder, or set node.cni.enabled to false";
            return Err(("node.cni.config_folders", why.into()));
        }
        Ok(())
    }
}
