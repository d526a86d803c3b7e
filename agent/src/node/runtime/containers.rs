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
            take(&mut container, &status, attempt, &mut told.volumes);
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
    volumes: &mut Vec<Volume>,
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
        let Some((name, kind)) = volume_of(&mount.host_path) else { continue };
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
fn volume_of(host_path: &str) -> Option<(String, VolumeKind)> {
    let Some((_, below)) = host_path.split_once("/pods/") else {
        return Some((word(host_path), VolumeKind::HostPath));
    };
    let mut parts = below.split('/').skip(1);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_kubelet_tell_the_volume() {
        let of = |path: &str| volume_of(&format!("/var/lib/kubelet/pods/0b7c/{path}"));
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
        let host = Some(("/var/log".to_owned(), VolumeKind::HostPath));
        assert_eq!(volume_of("/var/log"), host);
    }
}
