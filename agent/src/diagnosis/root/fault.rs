//! Which causes are faults of a whole node, in which layer they lie, which of them explains which,
//! and how a pod feels them (diagnosis.md 2.7). Data and small questions; owns no incident.

use crate::diagnosis::{incident::Entry, incident::hex, judging::UNCLASSIFIED, key::Family};

/// Layers of a node, lowest first: of several faults at once the lowest is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::diagnosis) enum Layer {
    /// Clock, hardware, a dead or read-only disk.
    Machine,
    /// Bytes, inodes, process ids, memory.
    Resources,
    /// Hung tasks, full tables, leaks.
    Kernel,
    /// The container runtime.
    Runtime,
    /// PLEG and the sync loop.
    Sync,
    /// The kubelet's way to the API.
    Api,
    /// The pod network.
    Network,
    /// Addresses of pods.
    Addresses,
    /// A storage driver.
    Storage,
    /// A registry.
    Registry,
}

/// A fault of the node: what pods must share to be one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::diagnosis) struct Fault {
    pub(in crate::diagnosis) key: String,
    pub(in crate::diagnosis) layer: Layer,
}

/// Causes that are one fault under several names.
const NAMED: &[(&str, Layer, &[&str])] = &[
    ("clock", Layer::Machine, &["node_clock_skew"]),
    ("readonly", Layer::Machine, &["node_fs_readonly", "containerd_data_disk_missing"]),
    ("inodes", Layer::Resources, &["node_inode_exhausted", "evict_inodes"]),
    (
        "disk",
        Layer::Resources,
        &["node_disk_pressure", "evict_ephemeral_storage", "image_extract_disk_full"],
    ),
    (
        "memory",
        Layer::Resources,
        &["node_memory_pressure", "node_system_oom", "evict_memory", "node_cannot_fork_memory"],
    ),
    ("pids", Layer::Resources, &["node_pid_pressure", "evict_pids"]),
    (
        "runtime",
        Layer::Runtime,
        &["node_runtime_down", "node_runtime_not_ready", "cri_service_unavailable"],
    ),
    ("pleg", Layer::Sync, &["node_pleg_unhealthy"]),
    (
        "api",
        Layer::Api,
        &[
            "node_api_unreachable",
            "node_api_x509",
            "node_kubelet_cert_expired",
            "node_kubelet_unauthorized",
        ],
    ),
    (
        "network",
        Layer::Network,
        &[
            "cni_config_invalid",
            "cni_config_reload_failed",
            "cni_not_initialized",
            "cni_status_unavailable",
            "node_network_not_ready",
        ],
    ),
];

/// Causes that each are a fault of their own.
const SINGLE: &[(Layer, &[&str])] = &[
    (
        Layer::Kernel,
        &[
            "cgroup_no_space",
            "inotify_instances_exhausted",
            "node_conntrack_full",
            "node_task_hung",
            "node_unregister_netdevice",
            "systemd_dbus_stuck",
        ],
    ),
    (Layer::Runtime, &["oci_binary_missing", "cgroup_driver_mismatch"]),
    (Layer::Network, &["netns_create_failed", "node_ready_but_wedged", "pause_image_unavailable"]),
    (Layer::Addresses, &["cni_aws_no_ip", "cni_cilium_ip_exhausted"]),
];

/// Causes that are one fault for each registry.
const OF_REGISTRY: [&str; 7] = [
    "image_http_registry",
    "image_rate_limited",
    "image_registry_5xx",
    "image_registry_refused",
    "image_registry_timeout",
    "image_tls_clock_or_expired",
    "image_tls_unknown_ca",
];

/// Causes that are one fault for each storage driver.
const OF_DRIVER: [&str; 2] = ["volume_csi_driver_missing", "volume_csi_socket_down"];

/// How pods feel a layer in words of their own.
const FELT: &[(Layer, &[&str])] = &[
    (
        Layer::Resources,
        &[
            "admit_pressure",
            "evict_critical_refused",
            "evict_ephemeral_storage",
            "evict_inodes",
            "evict_memory",
            "pod_data_dir_failed",
            "pod_log_dir_failed",
            "runtime_disk_full",
            "sandbox_files_failed",
        ],
    ),
    (
        Layer::Runtime,
        &[
            "container_name_reserved",
            "create_timeout",
            "image_inspect_error",
            "kill_container_failed",
            "sandbox_create_timeout",
            "sandbox_name_reserved",
            "stop_sandbox_timeout",
        ],
    ),
    (
        Layer::Network,
        &[
            "kill_sandbox_cni_uninitialized",
            "kill_sandbox_network",
            "sandbox_create_timeout",
            "sandbox_name_reserved",
            "sandbox_recreated_loop",
            "stop_sandbox_timeout",
        ],
    ),
];

/// All of them, lowest first.
const LAYERS: [Layer; 10] = [
    Layer::Machine,
    Layer::Resources,
    Layer::Kernel,
    Layer::Runtime,
    Layer::Sync,
    Layer::Api,
    Layer::Network,
    Layer::Addresses,
    Layer::Storage,
    Layer::Registry,
];

/// What the node keys of faults begin with that pods made known, not a word about the node.
const PROMOTED: &str = "fault/";

impl Fault {
    /// The node key of its incident.
    pub(super) fn node_key(&self) -> String {
        format!("{PROMOTED}{}/{}", self.layer as u8, self.key)
    }
}

/// Pods made it known, and nothing else tells of it.
pub(in crate::diagnosis) fn is_promoted(entry: &Entry) -> bool {
    entry.node_key.as_deref().is_some_and(|key| key.starts_with(PROMOTED))
}

/// The fault that an incident is about; `None` for what is of one pod or workload.
pub(in crate::diagnosis) fn of(entry: &Entry) -> Option<Fault> {
    let promoted = entry.node_key.as_deref().and_then(|key| key.strip_prefix(PROMOTED));
    if let Some((layer, key)) = promoted.and_then(|key| key.split_once('/')) {
        let layer = layer.parse().ok().and_then(|layer: usize| LAYERS.get(layer))?;
        return Some(Fault { key: key.to_owned(), layer: *layer });
    }
    let judged = &entry.judgement;
    let id = judged.cause.id.as_str();
    let fault = |key: &str, layer| Some(Fault { key: key.to_owned(), layer });
    if let Some((key, layer, _)) = NAMED.iter().find(|(.., ids)| ids.contains(&id)) {
        return fault(key, *layer);
    }
    if let Some((layer, _)) = SINGLE.iter().find(|(_, ids)| ids.contains(&id)) {
        return fault(id, *layer);
    }
    let object = judged.object.as_deref().unwrap_or_default();
    match id {
        // Names are resolved by the node, whichever registry they are of.
        "image_registry_dns" => fault(id, Layer::Registry),
        _ if OF_REGISTRY.contains(&id) => fault(&format!("{id}/{object}"), Layer::Registry),
        _ if OF_DRIVER.contains(&id) => fault(&format!("{id}/{object}"), Layer::Storage),
        _ if id.starts_with("ipam_") => fault(id, Layer::Addresses),
        _ if id.starts_with("cni_") => fault(id, Layer::Network),
        // What nobody knows is a fault of the node where several pods have the very same.
        UNCLASSIFIED if entry.family == Family::Sandbox => {
            fault(&format!("sandbox/{}", hex(entry.fingerprint)), Layer::Network)
        }
        _ => of_node_key(entry.node_key.as_deref()?),
    }
}

/// What a word about the node is about, where its cause says nothing.
pub(super) fn of_node_key(node_key: &str) -> Option<Fault> {
    let (word, rest) = node_key.split_once('/').unwrap_or((node_key, ""));
    let (key, layer) = match (word, rest) {
        ("network", _) => ("network", Layer::Network),
        ("runtime", _) => ("runtime", Layer::Runtime),
        ("pleg", _) => ("pleg", Layer::Sync),
        ("paused", _) => ("paused", Layer::Sync),
        ("kubelet", _) => ("kubelet", Layer::Sync),
        ("api", _) => ("api", Layer::Api),
        ("pressure", "memory") => ("memory", Layer::Resources),
        ("pressure", "pids") => ("pids", Layer::Resources),
        ("pressure", "inodes") => ("inodes", Layer::Resources),
        ("pressure" | "disk", _) => ("disk", Layer::Resources),
        _ => return None,
    };
    Some(Fault { key: key.to_owned(), layer })
}

/// A pod's failure is how it feels this fault of the node.
pub(super) fn is_felt(fault: &Fault, pod: &Entry) -> bool {
    let id = pod.judgement.cause.id.as_str();
    if FELT.iter().any(|(layer, ids)| *layer == fault.layer && ids.contains(&id)) {
        return true;
    }
    match fault.layer {
        Layer::Sync => pod.family == Family::Silent,
        Layer::Network => id == UNCLASSIFIED && pod.step.as_deref() == Some("WaitForNetwork"),
        Layer::Runtime => {
            let is_of_runtime = matches!(pod.family, Family::Sandbox | Family::Terminate);
            id == UNCLASSIFIED && is_of_runtime
        }
        _ => false,
    }
}

/// A fault of layer `one` can be why there is a fault of layer `other`.
pub(super) const fn explains(one: Layer, other: Layer) -> bool {
    use Layer as L;
    match one {
        L::Machine => !matches!(other, L::Machine),
        L::Resources => matches!(other, L::Runtime | L::Sync | L::Network | L::Storage),
        L::Kernel => !matches!(other, L::Machine | L::Resources | L::Kernel | L::Addresses),
        L::Runtime => matches!(other, L::Sync | L::Network | L::Addresses | L::Storage),
        L::Api => matches!(other, L::Network | L::Storage),
        L::Network => matches!(other, L::Addresses),
        L::Sync | L::Addresses | L::Storage | L::Registry => false,
    }
}
