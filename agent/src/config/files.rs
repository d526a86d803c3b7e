//! The sections of what is followed beside the journal: logs that are files, and the logs of pods.

use serde::{Deserialize, Serialize};

/// What a section finds wrong with itself: the field's path, and what to do.
type Validity = Result<(), (&'static str, String)>;

/// Logs of kubelet and runtimes that are files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// Off: none is opened.
    pub enabled: bool,
    /// `path=kind`; the kind says whose lines they are.
    pub paths: Vec<String>,
}

/// RKE2's kubelet and containerd, k3s' containerd, k3s itself where OpenRC starts it, Talos' kubelet, and
/// syslog where there is no journal (log-grammar 4.3).
const PATHS: [&str; 8] = [
    "/var/lib/rancher/rke2/agent/logs/kubelet.log=kubelet",
    "/var/lib/rancher/rke2/agent/containerd/containerd.log=containerd",
    "/var/lib/rancher/k3s/agent/containerd/containerd.log=containerd",
    "/var/log/k3s.log=kubelet",
    "/var/log/k3s-agent.log=kubelet",
    "/var/log/kubelet.log=kubelet",
    "/var/log/syslog=syslog",
    "/var/log/messages=syslog",
];

impl Default for Files {
    fn default() -> Self {
        Self { enabled: true, paths: PATHS.map(str::to_owned).to_vec() }
    }
}

impl Files {
    pub(super) fn validate(&self) -> Validity {
        let is_kind =
            |kind: &str| matches!(kind, "kubelet" | "containerd" | "crio" | "docker" | "syslog");
        for path in &self.paths {
            let is_right = path
                .rsplit_once('=')
                .is_some_and(|(path, kind)| path.starts_with('/') && is_kind(kind));
            if !is_right {
                let why = format!(
                    "`{path}`: write an absolute path, then =kubelet, =containerd, =crio, =docker \
                     or =syslog"
                );
                return Err(("files.paths", why));
            }
        }
        Ok(())
    }
}

/// The folder of container logs, followed as it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PodLogs {
    /// Off: it is looked at only when a container has died.
    pub enabled: bool,
    /// `namespace/name` of pods whose logs are read as they grow.
    pub follow: Vec<String>,
    /// `key=value` of labels of such pods.
    pub follow_labels: Vec<String>,
}

/// Agents of pod networks, of storage drivers, and kube-proxy, as their DaemonSets are named.
const FOLLOWED: [&str; 17] = [
    "kube-system/kube-proxy-*",
    "*/antrea-agent-*",
    "*/aws-node-*",
    "*/azure-cni-*",
    "*/azure-cns-*",
    "*/calico-node-*",
    "*/canal-*",
    "*/cilium-*",
    "*/csi-*",
    "*/*-csi-*",
    "*/*flannel*",
    "*/kindnet-*",
    "*/kube-router-*",
    "*/*multus-*",
    "*/ovnkube-node-*",
    "*/weave-net-*",
    "*/*-cni-*",
];

impl Default for PodLogs {
    fn default() -> Self {
        Self {
            enabled: true,
            follow: FOLLOWED.map(str::to_owned).to_vec(),
            follow_labels: Vec::new(),
        }
    }
}

impl PodLogs {
    pub(super) fn validate(&self) -> Validity {
        if let Some(wrong) = self.follow.iter().find(|it| it.matches('/').count() != 1) {
            let why = format!("`{wrong}`: write namespace/name; * stands for any text");
            return Err(("pod_logs.follow", why));
        }
        if let Some(wrong) = self.follow_labels.iter().find(|it| !it.contains('=')) {
            return Err(("pod_logs.follow_labels", format!("`{wrong}`: write key=value")));
        }
        Ok(())
    }
}
