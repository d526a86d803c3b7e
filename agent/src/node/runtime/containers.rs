//! The containers of one pod as the runtime has them: `ListContainers` by the kubelet's labels, then
//! `ContainerStatus` of each. Environment and commands are not asked for (`verbose` stays off).

use std::collections::BTreeMap;

use tonic::{client::Grpc, transport::Channel};

use super::{Failure, call, message, word};
use crate::{
    fact::{Container, Containers, Mount, PodRef, State, Volume, VolumeKind},
    limits,
    source::Micros,
};

const RUNNING: i32 = 1;
const EXITED: i32 = 2;

/// Within what is left of the timeout, which the caller holds.
pub(super) async fn ask(
    channel: Channel,
    pod: &PodRef,
    timeout: std::time::Duration,
) -> Result<Containers, Failure> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(limits::RUNTIME_ANSWER_BYTES);
    let label = |name: &str, value: &Option<String>| {
        Some((format!("io.kubernetes.pod.{name}"), value.clone()?))
    };
    let labels: BTreeMap<String, String> = match &pod.uid {
        Some(_) => label("uid", &pod.uid).into_iter().collect(),
        None => [label("namespace", &pod.namespace), label("name", &pod.name)]
            .into_iter()
            .flatten()
            .collect(),
    };
    if labels.is_empty() {
        return Err(Failure::Other("the pod has no name".to_owned()));
    }
    let filter = Some(message::ContainerFilter { labels });
    let request = message::ListContainersRequest { filter };
    let path = "/runtime.v1.RuntimeService/ListContainers";
    let listed: message::ListContainersResponse =
        call(&mut grpc, path, request, timeout, None).await?;
    // Of each name the newest two: the one that is, and the one that was.
    let mut by_name: BTreeMap<String, Vec<(u32, String)>> = BTreeMap::new();
    for one in listed.containers.into_iter().take(limits::RUNTIME_LIST) {
        let Some(metadata) = one.metadata else { continue };
        by_name.entry(metadata.name).or_default().push((metadata.attempt, one.id));
    }
    let mut told = Containers { pod: pod.clone(), ..Containers::default() };
    for (name, mut instances) in by_name {
        instances.sort_unstable();
        let mut container = Container { name: word(&name), ..Container::default() };
        for (attempt, id) in instances.into_iter().rev().take(2) {
            let path = "/runtime.v1.RuntimeService/ContainerStatus";
            let request = message::ContainerStatusRequest { id };
            let answer: Result<message::ContainerStatusResponse, Failure> =
                call(&mut grpc, path, request, timeout, None).await;
            // Removed in the meantime: the others are worth having.
            let Ok(Some(status)) = answer.map(|answer| answer.status) else { continue };
            take(&mut container, &status, attempt, (pod.uid.as_deref(), &mut told.volumes));
        }
        if container.container_id.is_some() {
            told.containers.push(container);
        }
    }
    match told.containers.is_empty() {
        true => Err(Failure::Other("the runtime has no container of this pod".to_owned())),
        false => Ok(told),
    }
}

/// Newest first.
fn take(
    container: &mut Container,
    status: &message::ContainerStatus,
    attempt: u32,
    (uid, volumes): (Option<&str>, &mut Vec<Volume>),
) {
    let at = |nanos: i64| Some(nanos / 1000).filter(|at: &Micros| *at > 0);
    let text = |text: &str| Some(word(text)).filter(|text| !text.is_empty());
    let state = match status.state {
        RUNNING => State::Running { since: at(status.started_at) },
        EXITED => State::Terminated {
            exit_code: status.exit_code,
            signal: None,
            reason: text(&status.reason),
            message: text(&status.message),
            started: at(status.started_at),
            finished: at(status.finished_at),
            container_id: Some(status.id.clone()),
        },
        _ => State::Waiting { reason: text(&status.reason), message: text(&status.message) },
    };
    if container.container_id.is_some() {
        container.last_state = Some(state);
        return;
    }
    container.container_id = Some(status.id.clone());
    container.restarts = Some(attempt);
    container.image = status.image.as_ref().and_then(|image| text(&image.image));
    container.state = Some(state);
    for mount in status.mounts.iter().take(limits::RUNTIME_LIST) {
        let Some((name, kind)) = volume_of(uid, &mount.host_path) else { continue };
        container.mounts.push(Mount {
            volume: name.clone(),
            path: word(&mount.container_path),
            sub_path: None,
            read_only: mount.read_only,
        });
        if !volumes.iter().any(|volume| volume.name == name) {
            volumes.push(Volume { name, kind, ..Volume::default() });
        }
    }
}

/// Which volume a path of the node stands for: the kubelet's folders tell by their names; any other
/// is a hostPath, and stands for itself.
fn volume_of(uid: Option<&str>, host_path: &str) -> Option<(String, VolumeKind)> {
    let Some(below) = in_folder_of_pod(uid, host_path) else {
        return Some((word(host_path), VolumeKind::HostPath));
    };
    let mut parts = below.split('/');
    let (folder, plugin, name) = (parts.next()?, parts.next()?, parts.next());
    match folder {
        "volumes" => {
            let kind = match plugin.rsplit('~').next().unwrap_or(plugin) {
                "empty-dir" => VolumeKind::EmptyDir,
                "configmap" => VolumeKind::ConfigMap,
                "secret" => VolumeKind::Secret,
                "projected" => VolumeKind::Projected,
                "downward-api" => VolumeKind::DownwardApi,
                "csi" => VolumeKind::Csi,
                _ => VolumeKind::Other,
            };
            Some((word(name?), kind))
        }
        // Which part of it, the path does not tell.
        "volume-subpaths" => Some((word(plugin), VolumeKind::Other)),
        // The kubelet's own: the hosts file, the termination log.
        _ => None,
    }
}

/// What stands below the kubelet's folder of the pod. Wherever the kubelet keeps it, it is called by
/// the uid: other folders may be called `pods`, too.
fn in_folder_of_pod<'p>(uid: Option<&str>, host_path: &'p str) -> Option<&'p str> {
    let mut rest = host_path;
    while let Some((_, below)) = rest.split_once("/pods/") {
        let (name, inside) = below.split_once('/').unwrap_or((below, ""));
        if uid.map_or_else(|| is_uid(name), |uid| uid == name) {
            return Some(inside);
        }
        rest = rest.split_once("/pods").map_or("", |(_, rest)| rest);
    }
    None
}

/// A UUID, or the hash of a static pod.
fn is_uid(name: &str) -> bool {
    let is_dashed = name.len() == 36 && name.bytes().filter(|byte| *byte == b'-').count() == 4;
    (is_dashed || name.len() == 32)
        && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_kubelet_tell_the_volume() {
        let uid = Some("0b7c");
        let of = |path: &str| volume_of(uid, &format!("/var/lib/kubelet/pods/0b7c/{path}"));
        for (path, expected) in [
            ("volumes/kubernetes.io~empty-dir/config", Some(("config", VolumeKind::EmptyDir))),
            ("volumes/kubernetes.io~configmap/settings", Some(("settings", VolumeKind::ConfigMap))),
            ("volumes/kubernetes.io~csi/pvc-1/mount", Some(("pvc-1", VolumeKind::Csi))),
            ("volume-subpaths/config/app/0", Some(("config", VolumeKind::Other))),
            ("etc-hosts", None),
            ("containers/app/1f50f354", None),
        ] {
            let expected = expected.map(|(name, kind)| (name.to_owned(), kind));
            assert_eq!(of(path), expected, "{path}");
        }
    }

    #[test]
    fn a_folder_of_the_host_is_no_volume_of_the_kubelet_whatever_it_is_called() {
        let (known, full) = (Some("0b7c"), "0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11");
        let kubelets = |uid| format!("/data/pods/kubelet/pods/{uid}/volumes/kubernetes.io~nfs/x");
        for (uid, path, is_host) in [
            (known, "/var/log".to_owned(), true),
            (known, "/var/log/pods/shop_web-0_0b7c/app".to_owned(), true),
            (known, "/srv/pods/a/volumes/kubernetes.io~secret/x".to_owned(), true),
            (None, "/srv/pods/a/volumes/kubernetes.io~secret/x".to_owned(), true),
            (known, "/var/lib/kubelet/pods".to_owned(), true),
            (known, kubelets("0b7c"), false),
            (None, kubelets(full), false),
            (None, kubelets("0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"), false),
        ] {
            let expected = match is_host {
                true => (path.clone(), VolumeKind::HostPath),
                false => ("x".to_owned(), VolumeKind::Other),
            };
            assert_eq!(volume_of(uid, &path), Some(expected), "{path}");
        }
    }
}
