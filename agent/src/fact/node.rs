//! The Node object and Kubernetes Events, reduced to what a diagnosis can use.

use std::collections::BTreeMap;

use super::{PodRef, pod::Condition};
use crate::source::Micros;

/// The Node object.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct NodeObject {
    /// Name
    pub name: String,
    /// Uid
    pub uid: Option<String>,
    /// Conditions: `Ready`, `DiskPressure`, …
    pub conditions: Vec<Condition>,
    /// `spec.unschedulable`
    pub unschedulable: bool,
    /// Being deleted.
    pub deleting: Option<Micros>,
    /// `v1.34.4`
    pub kubelet_version: Option<String>,
    /// `containerd://1.6.20`
    pub runtime: Option<String>,
    /// Kernel release
    pub kernel: Option<String>,
    /// OS image
    pub os_image: Option<String>,
    /// Boot id
    pub boot_id: Option<String>,
    /// Labels that the configuration names.
    pub labels: BTreeMap<String, String>,
    /// Pod capacity.
    pub pods_max: Option<u32>,
}

/// A Kubernetes Event.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Event {
    /// `Pod`, `Node`, `ReplicaSet`, …
    pub object_kind: String,
    /// Name of the object
    pub object_name: String,
    /// Namespace and, for a pod, its names.
    pub pod: PodRef,
    /// Container, from the field path.
    pub container: Option<String>,
    /// `Normal` or `Warning`
    pub kind: String,
    /// Reason: `BackOff`, `FailedMount`, …
    pub reason: String,
    /// Message, redacted.
    pub message: String,
    /// How often, by the Event's own count.
    pub count: u32,
    /// First seen
    pub first: Option<Micros>,
    /// Last seen
    pub last: Option<Micros>,
    /// `kubelet`, `default-scheduler`, …
    pub component: Option<String>,
    /// Node
    pub host: Option<String>,
    /// 1-based line in its input; 0 from the API.
    pub line: u64,
}
