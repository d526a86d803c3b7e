//! The sections of what is collected beside the lines: evidence on the node, and the API server.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::units;

/// What a section finds wrong with itself: the field's path, and what to do.
type Validity = Result<(), (&'static str, String)>;

/// Facts beside the log lines, collected at the moment of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evidence {
    /// What of a dead container's own log may leave this node.
    pub last_words: LastWords,
    /// Namespaces whose containers' logs are never read.
    pub denied_namespaces: Vec<String>,
    /// The kubelet's folder of container logs.
    pub pod_logs: PathBuf,
    /// Folders that a log there may be a link to.
    pub log_links: Vec<PathBuf>,
    /// What the cgroups of a failed container and its pod counted.
    pub cgroups: bool,
    /// Where cgroups are mounted.
    pub cgroup_root: PathBuf,
    /// Names of the files in the volumes of a pod that misses a file.
    pub volume_names: bool,
    /// The kubelet's folder of pods.
    pub kubelet_pods: PathBuf,
    /// The runtime's socket for read-only status calls; nothing: not opened.
    pub runtime_socket: Option<PathBuf>,
}

/// What of a dead container's own log may leave this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastWords {
    /// It is not read.
    None,
    /// The one line that says why.
    #[default]
    Line,
    /// The last lines.
    Tail,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            last_words: LastWords::Line,
            denied_namespaces: Vec::new(),
            pod_logs: "/var/log/pods".into(),
            log_links: vec!["/var/lib/docker/containers".into()],
            cgroups: true,
            cgroup_root: "/sys/fs/cgroup".into(),
            volume_names: false,
            kubelet_pods: "/var/lib/kubelet/pods".into(),
            runtime_socket: None,
        }
    }
}

impl Evidence {
    pub(super) fn validate(&self) -> Validity {
        for (field, path) in [
            ("evidence.pod_logs", &self.pod_logs),
            ("evidence.cgroup_root", &self.cgroup_root),
            ("evidence.kubelet_pods", &self.kubelet_pods),
        ] {
            if !path.is_absolute() {
                return Err((field, "must be an absolute path".into()));
            }
        }
        if let Some(path) = self.log_links.iter().find(|path| !path.is_absolute()) {
            let why = format!("`{}` must be an absolute path", path.display());
            return Err(("evidence.log_links", why));
        }
        if self.runtime_socket.as_ref().is_some_and(|path| !path.is_absolute()) {
            let why = "must be an absolute path, without unix://";
            return Err(("evidence.runtime_socket", why.into()));
        }
        Ok(())
    }
}

/// Pods of this node and the Node itself, by a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kubernetes {
    /// Off: the API server is never spoken to.
    pub enabled: bool,
    /// A kubeconfig; nothing: the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// Labels of pods that are kept.
    pub pod_labels: Vec<String>,
    /// Labels of the node that are kept.
    pub node_labels: Vec<String>,
    /// The first list waits a random part of this.
    #[serde(with = "units::duration")]
    pub start_jitter: Duration,
}

impl Default for Kubernetes {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            enabled: true,
            kubeconfig: None,
            pod_labels: words(&["app.kubernetes.io/name", "app.kubernetes.io/version"]),
            node_labels: words(&[
                "topology.kubernetes.io/zone",
                "node.kubernetes.io/instance-type",
                "kubernetes.io/arch",
            ]),
            start_jitter: Duration::from_secs(5),
        }
    }
}

impl Kubernetes {
    pub(super) fn validate(&self) -> Validity {
        if self.kubeconfig.as_ref().is_some_and(|path| !path.is_absolute()) {
            return Err(("kubernetes.kubeconfig", "must be an absolute path".into()));
        }
        Ok(())
    }
}
