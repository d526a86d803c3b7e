//! A pod as its specification and status have it, reduced to what a diagnosis can use. Never a
//! value of an environment variable, never the content of anything.

use std::collections::BTreeMap;

use crate::source::Micros;

/// A version of a pod. Unknown is `None`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Namespace
    pub namespace: String,
    /// Name
    pub name: String,
    /// The uid that the kubelet logs: for a mirror pod the hash of its file
    /// (`kubernetes.io/config.hash`).
    pub uid: Option<String>,
    /// The API's uid, where it differs.
    pub api_uid: Option<String>,
    /// `metadata.resourceVersion`
    pub resource_version: Option<String>,
    /// `metadata.creationTimestamp`
    pub created: Option<Micros>,
    /// `metadata.deletionTimestamp`
    pub deleting: Option<Micros>,
    /// `spec.nodeName`
    pub node: Option<String>,
    /// The controller that owns it.
    pub owner: Option<Owner>,
    /// Labels that the configuration names, and `pod-template-hash`,
    /// `controller-revision-hash`.
    pub labels: BTreeMap<String, String>,
    /// Annotation `podwhy.io/last-words`: what of its containers' last words may leave the node.
    pub last_words: Option<super::Quote>,
    /// Shares the node's network: needs no CNI.
    pub host_network: bool,
    /// `Always`, `OnFailure`, `Never`
    pub restart_policy: Option<String>,
    /// Service account
    pub service_account: Option<String>,
    /// `automountServiceAccountToken`
    pub automount_token: Option<bool>,
    /// `spec.priorityClassName`
    pub priority_class: Option<String>,
    /// Pod-level `securityContext.fsGroup`
    pub fs_group: Option<i64>,
    /// Pod-level `securityContext.runAsUser`
    pub run_as_user: Option<i64>,
    /// Pod-level memory limit (`spec.resources`).
    pub memory_limit_bytes: Option<u64>,
    /// `terminationGracePeriodSeconds`
    pub grace_seconds: Option<i64>,
    /// Hash of the specification, for "what changed".
    pub spec_hash: Option<String>,
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`; absent in a manifest.
    pub phase: Option<String>,
    /// `status.reason`: `Evicted`, `NodeAffinity`, …
    pub reason: Option<String>,
    /// `status.message`
    pub message: Option<String>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// All containers: init in their order, then main, then ephemeral.
    pub containers: Vec<Container>,
    /// Volumes.
    pub volumes: Vec<Volume>,
}

/// Who made the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Owner {
    /// `ReplicaSet`, `DaemonSet`, `Job`, …
    pub kind: String,
    /// Name
    pub name: String,
    /// Uid
    pub uid: Option<String>,
}

/// A condition of a pod or a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Condition {
    /// `Ready`, `PodReadyToStartContainers`, …
    pub kind: String,
    /// `True`, `False`, `Unknown`
    pub status: String,
    /// Reason
    pub reason: Option<String>,
    /// Message
    pub message: Option<String>,
    /// `lastTransitionTime`
    pub since: Option<Micros>,
}

/// What a container is for (R47).
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
pub enum Role {
    /// Runs to its end before the next.
    Init,
    /// An init container with `restartPolicy: Always`.
    NativeSidecar,
    /// One of several main containers that serves another. Told only where the pod says so.
    Sidecar,
    /// The application.
    #[default]
    Main,
    /// Added for debugging.
    Ephemeral,
}

/// One container: its specification and, where there is one, its status.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Container {
    /// Name
    pub name: String,
    /// Role
    pub role: Role,
    /// Image as the specification names it.
    pub image: Option<String>,
    /// Image id (digest) of the status.
    pub image_id: Option<String>,
    /// `command`
    pub command: Vec<String>,
    /// `args`
    pub args: Vec<String>,
    /// `workingDir`
    pub working_dir: Option<String>,
    /// Names of environment variables.
    pub env: Vec<String>,
    /// `container.restartPolicy`
    pub restart_policy: Option<String>,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Requests, where set.
    pub memory_request_bytes: Option<u64>,
    /// Limit of memory
    pub memory_limit_bytes: Option<u64>,
    /// Limit of CPU in thousandths of a core
    pub cpu_limit_millicores: Option<u64>,
    /// Request of CPU in thousandths of a core
    pub cpu_request_millicores: Option<u64>,
    /// Probes.
    pub liveness: Option<Probe>,
    /// Readiness probe
    pub readiness: Option<Probe>,
    /// Startup probe
    pub startup: Option<Probe>,
    /// Has a postStart hook.
    pub post_start: bool,
    /// Has a preStop hook.
    pub pre_stop: bool,
    /// `runAsUser`
    pub run_as_user: Option<i64>,
    /// `runAsNonRoot`
    pub run_as_non_root: Option<bool>,
    /// `readOnlyRootFilesystem`
    pub read_only_root: Option<bool>,
    /// Host ports
    pub host_ports: Vec<u16>,
    /// Container id without its scheme.
    pub container_id: Option<String>,
    /// State now.
    pub state: Option<State>,
    /// State of the instance before.
    pub last_state: Option<State>,
    /// Passes its readiness.
    pub ready: Option<bool>,
    /// Passed its startup probe, or needs none and runs.
    pub started: Option<bool>,
    /// Restarts
    pub restarts: Option<u32>,
}

/// A state of a container.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not yet, or not again.
    Waiting {
        /// `ContainerCreating`, `CrashLoopBackOff`, …
        reason: Option<String>,
        /// Message
        message: Option<String>,
    },
    /// Runs.
    Running {
        /// Since
        since: Option<Micros>,
    },
    /// Ended.
    Terminated {
        /// Exit code
        exit_code: i32,
        /// Signal
        signal: Option<i32>,
        /// `Completed`, `Error`, `OOMKilled`, `StartError`, …
        reason: Option<String>,
        /// Termination message
        message: Option<String>,
        /// Start
        started: Option<Micros>,
        /// End
        finished: Option<Micros>,
        /// Container id without its scheme
        container_id: Option<String>,
    },
}

/// Where a container sees a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Volume name
    pub volume: String,
    /// `mountPath`
    pub path: String,
    /// `subPath` or `subPathExpr`
    pub sub_path: Option<String>,
    /// Read-only
    pub read_only: bool,
}

/// A volume of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Name
    pub name: String,
    /// What is behind it.
    pub kind: VolumeKind,
    /// Name of the ConfigMap, Secret or claim; path of a hostPath; driver of CSI.
    pub source: Option<String>,
    /// `optional`
    pub optional: bool,
    /// `Memory` for a tmpfs emptyDir.
    pub medium: Option<String>,
    /// Size limit of an emptyDir
    pub size_limit_bytes: Option<u64>,
    /// Paths that a ConfigMap, Secret or projection puts into it, where the pod lists them.
    pub items: Vec<String>,
}

/// What is behind a volume.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum VolumeKind {
    /// emptyDir
    EmptyDir,
    /// configMap
    ConfigMap,
    /// secret
    Secret,
    /// persistentVolumeClaim
    Claim,
    /// hostPath
    HostPath,
    /// projected
    Projected,
    /// downwardAPI
    DownwardApi,
    /// csi
    Csi,
    /// image
    Image,
    /// Anything else.
    #[default]
    Other,
}

/// A probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Probe {
    /// `http`, `tcp`, `grpc`, `exec`
    pub action: String,
    /// Port number or name.
    pub port: Option<String>,
    /// Path of an HTTP probe.
    pub path: Option<String>,
    /// `initialDelaySeconds`
    pub initial_delay_seconds: u32,
    /// `periodSeconds`, 10 by default
    pub period_seconds: u32,
    /// `timeoutSeconds`, 1 by default
    pub timeout_seconds: u32,
    /// `failureThreshold`, 3 by default
    pub failure_threshold: u32,
}

impl Pod {
    /// The container of that name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// Status of a condition.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}
