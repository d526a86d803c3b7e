//! Pods that are parts of the node: whose failure is why others have no network or no volumes.

use super::fault::Layer;
use crate::{
    diagnosis::world::{PodKey, World},
    fact::{self, VolumeKind},
    observation,
};

/// Folders that only an agent of the pod network writes to.
const NETWORK_FOLDERS: [&str; 4] =
    ["/etc/cni/net.d", "/opt/cni/bin", "/var/lib/rancher/k3s/agent/etc/cni", "/var/lib/cni"];

/// Where storage drivers put their sockets.
const STORAGE_FOLDERS: [&str; 2] =
    ["/var/lib/kubelet/plugins", "/var/lib/kubelet/plugins_registry"];

/// Words in the names of such agents, where no specification is known.
const NETWORK_NAMES: [&str; 14] = [
    "antrea-agent",
    "aws-node",
    "azure-cni",
    "azure-cns",
    "calico-node",
    "canal",
    "cilium",
    "cni",
    "flannel",
    "kindnet",
    "kube-router",
    "multus",
    "ovnkube-node",
    "weave-net",
];

/// Pods carry this layer at all.
pub(super) const fn can_carry(layer: Layer) -> bool {
    matches!(layer, Layer::Network | Layer::Addresses | Layer::Storage)
}

/// The pod carries this layer.
pub(super) fn carries(world: &World, key: &PodKey, layer: Layer) -> bool {
    let folders: &[&str] = match layer {
        Layer::Network | Layer::Addresses => &NETWORK_FOLDERS,
        Layer::Storage => &STORAGE_FOLDERS,
        _ => return false,
    };
    if let Some(spec) = world.spec(key) {
        return spec.volumes.iter().any(|volume| {
            volume.kind == VolumeKind::HostPath
                && volume.source.as_deref().is_some_and(|path| {
                    let path = path.trim_end_matches('/');
                    folders.iter().any(|folder| path == *folder || is_below(path, folder))
                })
                && is_written(spec, &volume.name)
        });
    }
    let Some(pod) = world.pod(key) else { return false };
    is_named(pod.pod.name.as_deref().unwrap_or_default(), layer)
}

/// The same of a pod that may not be known otherwise.
pub(in crate::diagnosis) fn is_agent(world: &World, pod: &fact::PodRef, layer: Layer) -> bool {
    let named = observation::Pod {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
    };
    match world.key_of(&named) {
        Some(key) => carries(world, &key, layer),
        None => is_named(pod.name.as_deref().unwrap_or_default(), layer),
    }
}

/// By the words in its name.
fn is_named(name: &str, layer: Layer) -> bool {
    let words: &[&str] = match layer {
        Layer::Storage => &["csi"],
        _ => &NETWORK_NAMES,
    };
    words.iter().any(|word| {
        name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            || name.contains(&format!("-{word}-"))
    })
}

/// Whoever only reads there looks at the network, and does not make it.
fn is_written(spec: &fact::Pod, volume: &str) -> bool {
    let mounts = spec.containers.iter().flat_map(|container| container.mounts.iter());
    mounts.into_iter().any(|mount| mount.volume == volume && !mount.read_only)
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
