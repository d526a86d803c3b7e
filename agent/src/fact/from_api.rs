//! From the API's objects to facts: what is kept of a pod and a node, and nothing else. Values of
//! environment variables, annotations and managed fields stay behind. Every text is cut, freed of
//! control characters and redacted.

mod quantity;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::{apis::meta::v1 as meta, util::intstr::IntOrString};
use sha2::{Digest as _, Sha256};

use super::node::{Event, NodeObject};
use super::pod::{Condition, Container, Mount, Owner, Pod, Probe, Role, State, Volume, VolumeKind};
use super::{PodRef, Quote};
use crate::{limits, observation::text, redact, source::Micros};

/// The annotation under which a mirror pod carries the uid that the kubelet logs.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

/// The annotation by which a pod says what of its last words may leave the node.
const LAST_WORDS: &str = "podwhy.io/last-words";

/// Labels that say which version of its owner a pod is of.
const HASH_LABELS: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

/// What is kept of a pod; of its labels those in `labels`.
#[must_use]
pub fn pod(pod: &api::Pod, labels: &[String]) -> Pod {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let hash = metadata.annotations.as_ref().and_then(|all| all.get(CONFIG_HASH));
    let api_uid = metadata.uid.as_deref().map(word);
    let security = spec.and_then(|spec| spec.security_context.as_ref());
    Pod {
        namespace: metadata.namespace.as_deref().map(word).unwrap_or_default(),
        name: metadata.name.as_deref().map(word).unwrap_or_default(),
        uid: hash.map(|hash| word(hash)).or_else(|| api_uid.clone()),
        api_uid: api_uid.filter(|_| hash.is_some()),
        resource_version: metadata.resource_version.as_deref().map(word),
        created: metadata.creation_timestamp.as_ref().map(micros),
        deleting: metadata.deletion_timestamp.as_ref().map(micros),
        node: spec.and_then(|spec| spec.node_name.as_deref()).map(word),
        owner: owner(metadata),
        labels: kept_labels(metadata, labels),
        last_words: metadata.annotations.as_ref().and_then(last_words),
        host_network: spec.and_then(|spec| spec.host_network).unwrap_or_default(),
        restart_policy: spec.and_then(|spec| spec.restart_policy.as_deref()).map(word),
        service_account: spec.and_then(|spec| spec.service_account_name.as_deref()).map(word),
        automount_token: spec.and_then(|spec| spec.automount_service_account_token),
        priority_class: spec.and_then(|spec| spec.priority_class_name.as_deref()).map(word),
        fs_group: security.and_then(|security| security.fs_group),
        run_as_user: security.and_then(|security| security.run_as_user),
        memory_limit_bytes: spec
            .and_then(|spec| quantity::bytes(spec.resources.as_ref()?.limits.as_ref()?, "memory")),
        grace_seconds: spec.and_then(|spec| spec.termination_grace_period_seconds),
        spec_hash: spec.map(spec_hash),
        phase: status.and_then(|status| status.phase.as_deref()).map(word),
        reason: status.and_then(|status| status.reason.as_deref()).map(word),
        message: status.and_then(|status| status.message.as_deref()).map(prose),
        conditions: conditions(status),
        containers: containers(pod),
        volumes: spec
            .and_then(|spec| spec.volumes.as_deref())
            .unwrap_or_default()
            .iter()
            .take(limits::POD_ITEMS)
            .map(volume)
            .collect(),
    }
}

/// What a pod asks for; a word that is not known is taken for the most careful one.
fn last_words(annotations: &BTreeMap<String, String>) -> Option<Quote> {
    Some(match annotations.get(LAST_WORDS)?.trim() {
        "tail" => Quote::Tail,
        "line" => Quote::Line,
        _ => Quote::None,
    })
}

/// What is kept of a node; of its labels those in `labels`.
#[must_use]
pub fn node(node: &api::Node, labels: &[String]) -> NodeObject {
    let metadata = &node.metadata;
    let status = node.status.as_ref();
    let info = status.and_then(|status| status.node_info.as_ref());
    let told = |text: &String| Some(word(text)).filter(|text| !text.is_empty());
    NodeObject {
        name: metadata.name.as_deref().map(word).unwrap_or_default(),
        uid: metadata.uid.as_deref().map(word),
        conditions: status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default()
            .iter()
            .take(limits::POD_ITEMS)
            .map(|condition| Condition {
                kind: word(&condition.type_),
                status: word(&condition.status),
                reason: condition.reason.as_deref().map(word),
                message: condition.message.as_deref().map(prose),
                since: condition.last_transition_time.as_ref().map(micros),
            })
            .collect(),
        unschedulable: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default(),
        deleting: metadata.deletion_timestamp.as_ref().map(micros),
        kubelet_version: info.and_then(|info| told(&info.kubelet_version)),
        runtime: info.and_then(|info| told(&info.container_runtime_version)),
        kernel: info.and_then(|info| told(&info.kernel_version)),
        os_image: info.and_then(|info| told(&info.os_image)),
        boot_id: info.and_then(|info| told(&info.boot_id)),
        labels: kept_labels(metadata, labels),
        pods_max: status.and_then(|status| status.capacity.as_ref()?.get("pods")?.0.parse().ok()),
    }
}

/// What is kept of a Kubernetes Event.
#[must_use]
pub fn event(event: &api::Event) -> Event {
    let object = &event.involved_object;
    let kind = object.kind.as_deref().map(word).unwrap_or_default();
    let name = object.name.as_deref().map(word).unwrap_or_default();
    let is_pod = kind == "Pod";
    let series = event.series.as_ref();
    let count = series.and_then(|series| series.count).or(event.count).unwrap_or(1);
    let at = event.event_time.as_ref().map(|time| time.0.as_microsecond());
    let source = event.source.as_ref();
    Event {
        pod: PodRef {
            namespace: object.namespace.as_deref().map(word).filter(|_| is_pod),
            name: Some(name.clone()).filter(|_| is_pod),
            uid: object.uid.as_deref().map(word).filter(|_| is_pod),
        },
        container: object.field_path.as_deref().and_then(container_of_path).map(word),
        object_kind: kind,
        object_name: name,
        kind: event.type_.as_deref().map(word).unwrap_or_default(),
        reason: event.reason.as_deref().map(word).unwrap_or_default(),
        message: event.message.as_deref().map(prose).unwrap_or_default(),
        count: u32::try_from(count).unwrap_or(1).max(1),
        first: event.first_timestamp.as_ref().map(micros).or(at),
        last: series
            .and_then(|series| series.last_observed_time.as_ref())
            .map(|time| time.0.as_microsecond())
            .or_else(|| event.last_timestamp.as_ref().map(micros))
            .or(at),
        component: source
            .and_then(|source| source.component.as_deref())
            .or(event.reporting_component.as_deref())
            .map(word)
            .filter(|component| !component.is_empty()),
        host: source.and_then(|source| source.host.as_deref()).map(word),
        line: 0,
    }
}

/// path := kind "{" name "}" : `spec.containers{app}`
fn container_of_path(path: &str) -> Option<&str> {
    let (kind, rest) = path.split_once('{')?;
    let is_container = kind.ends_with("ontainers");
    rest.strip_suffix('}').filter(|_| is_container)
}

fn owner(metadata: &meta::ObjectMeta) -> Option<Owner> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners
        .iter()
        .find(|owner| owner.controller == Some(true))
        .or_else(|| owners.first())
        // A mirror pod's owner is its node, which made nothing.
        .filter(|owner| owner.kind != "Node")?;
    Some(Owner { kind: word(&owner.kind), name: word(&owner.name), uid: Some(word(&owner.uid)) })
}

fn kept_labels(metadata: &meta::ObjectMeta, wanted: &[String]) -> BTreeMap<String, String> {
    let all = metadata.labels.iter().flatten();
    all.filter(|(key, _)| HASH_LABELS.contains(&key.as_str()) || wanted.contains(key))
        .map(|(key, value)| (word(key), word(value)))
        .collect()
}

fn conditions(status: Option<&api::PodStatus>) -> Vec<Condition> {
    status
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default()
        .iter()
        .take(limits::POD_ITEMS)
        .map(|condition| Condition {
            kind: word(&condition.type_),
            status: word(&condition.status),
            reason: condition.reason.as_deref().map(word),
            message: condition.message.as_deref().map(prose),
            since: condition.last_transition_time.as_ref().map(micros),
        })
        .collect()
}

fn containers(pod: &api::Pod) -> Vec<Container> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let status = pod.status.as_ref();
    let statuses: Vec<&api::ContainerStatus> = [
        status.and_then(|status| status.init_container_statuses.as_deref()),
        status.and_then(|status| status.container_statuses.as_deref()),
        status.and_then(|status| status.ephemeral_container_statuses.as_deref()),
    ]
    .into_iter()
    .flatten()
    .flatten()
    .collect();
    let init = spec.init_containers.as_deref().unwrap_or_default().iter().map(|container| {
        let is_native = container.restart_policy.as_deref() == Some("Always");
        (container.clone(), if is_native { Role::NativeSidecar } else { Role::Init })
    });
    let main = spec.containers.iter().map(|container| (container.clone(), Role::Main));
    let ephemeral = spec.ephemeral_containers.as_deref().unwrap_or_default();
    let ephemeral = ephemeral.iter().map(|one| (of_ephemeral(one), Role::Ephemeral));
    init.chain(main)
        .chain(ephemeral)
        .take(limits::POD_ITEMS)
        .map(|(container, role)| {
            let status = statuses.iter().find(|status| status.name == container.name);
            one_container(&container, role, status.copied())
        })
        .collect()
}

/// The part of an ephemeral container that it shares with the others.
fn of_ephemeral(ephemeral: &api::EphemeralContainer) -> api::Container {
    api::Container {
        name: ephemeral.name.clone(),
        image: ephemeral.image.clone(),
        command: ephemeral.command.clone(),
        args: ephemeral.args.clone(),
        volume_mounts: ephemeral.volume_mounts.clone(),
        ..api::Container::default()
    }
}

fn one_container(
    container: &api::Container,
    role: Role,
    status: Option<&api::ContainerStatus>,
) -> Container {
    let resources = container.resources.as_ref();
    let limits_of = resources.and_then(|resources| resources.limits.as_ref());
    let requests = resources.and_then(|resources| resources.requests.as_ref());
    let security = container.security_context.as_ref();
    let hooks = container.lifecycle.as_ref();
    let ports = container.ports.as_deref().unwrap_or_default();
    let words = |list: Option<&Vec<String>>| -> Vec<String> {
        let words = list.into_iter().flatten().take(limits::POD_ITEMS);
        // A secret may be a word of its own behind its flag.
        redact::list(words.map(|text| prose(text)).collect())
    };
    let env = container.env.as_deref().unwrap_or_default();
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    Container {
        name: word(&container.name),
        role,
        image: container.image.as_deref().map(word),
        image_id: status.map(|status| word(&status.image_id)).filter(|id| !id.is_empty()),
        command: words(container.command.as_ref()),
        args: words(container.args.as_ref()),
        working_dir: container.working_dir.as_deref().map(word),
        env: env.iter().take(limits::POD_ITEMS).map(|one| word(&one.name)).collect(),
        restart_policy: container.restart_policy.as_deref().map(word),
        mounts: mounts.iter().take(limits::POD_ITEMS).map(mount).collect(),
        memory_request_bytes: requests.and_then(|all| quantity::bytes(all, "memory")),
        memory_limit_bytes: limits_of.and_then(|all| quantity::bytes(all, "memory")),
        cpu_limit_millicores: limits_of.and_then(|all| quantity::millis(all, "cpu")),
        cpu_request_millicores: requests.and_then(|all| quantity::millis(all, "cpu")),
        liveness: container.liveness_probe.as_ref().map(probe),
        readiness: container.readiness_probe.as_ref().map(probe),
        startup: container.startup_probe.as_ref().map(probe),
        post_start: hooks.is_some_and(|hooks| hooks.post_start.is_some()),
        pre_stop: hooks.is_some_and(|hooks| hooks.pre_stop.is_some()),
        run_as_user: security.and_then(|security| security.run_as_user),
        run_as_non_root: security.and_then(|security| security.run_as_non_root),
        read_only_root: security.and_then(|security| security.read_only_root_filesystem),
        host_ports: ports
            .iter()
            .filter_map(|port| u16::try_from(port.host_port?).ok())
            .take(limits::POD_ITEMS)
            .collect(),
        container_id: status.and_then(|status| status.container_id.as_deref()).map(plain_id),
        state: status.and_then(|status| status.state.as_ref()).and_then(state),
        last_state: status.and_then(|status| status.last_state.as_ref()).and_then(state),
        ready: status.map(|status| status.ready),
        started: status.and_then(|status| status.started),
        restarts: status.and_then(|status| u32::try_from(status.restart_count).ok()),
    }
}

fn mount(mount: &api::VolumeMount) -> Mount {
    Mount {
        volume: word(&mount.name),
        path: word(&mount.mount_path),
        sub_path: mount.sub_path.as_deref().or(mount.sub_path_expr.as_deref()).map(word),
        read_only: mount.read_only.unwrap_or_default(),
    }
}

fn state(state: &api::ContainerState) -> Option<State> {
    if let Some(ended) = &state.terminated {
        return Some(State::Terminated {
            exit_code: ended.exit_code,
            signal: ended.signal,
            reason: ended.reason.as_deref().map(word),
            message: ended.message.as_deref().map(prose),
            started: ended.started_at.as_ref().map(micros),
            finished: ended.finished_at.as_ref().map(micros),
            container_id: ended.container_id.as_deref().map(plain_id),
        });
    }
    if let Some(running) = &state.running {
        return Some(State::Running { since: running.started_at.as_ref().map(micros) });
    }
    state.waiting.as_ref().map(|waiting| State::Waiting {
        reason: waiting.reason.as_deref().map(word),
        message: waiting.message.as_deref().map(prose),
    })
}

/// id := scheme "://" id
fn plain_id(id: &str) -> String {
    word(id.split_once("://").map_or(id, |(_, id)| id))
}

fn probe(probe: &api::Probe) -> Probe {
    let seconds = |given: Option<i32>, default: u32| {
        given.and_then(|given| u32::try_from(given).ok()).unwrap_or(default)
    };
    let port = |port: &IntOrString| match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => word(name),
    };
    let (action, port, path) = match (&probe.http_get, &probe.tcp_socket, &probe.grpc) {
        (Some(http), _, _) => ("http", Some(port(&http.port)), http.path.as_deref().map(word)),
        (_, Some(tcp), _) => ("tcp", Some(port(&tcp.port)), None),
        (_, _, Some(grpc)) => ("grpc", Some(grpc.port.to_string()), None),
        _ => ("exec", None, None),
    };
    // The API's own defaults, which a manifest leaves out.
    Probe {
        action: action.to_owned(),
        port,
        path,
        initial_delay_seconds: seconds(probe.initial_delay_seconds, 0),
        period_seconds: seconds(probe.period_seconds, 10),
        timeout_seconds: seconds(probe.timeout_seconds, 1),
        failure_threshold: seconds(probe.failure_threshold, 3),
    }
}

fn volume(volume: &api::Volume) -> Volume {
    let mut kept = Volume { name: word(&volume.name), ..Volume::default() };
    let items = |items: &Option<Vec<api::KeyToPath>>| -> Vec<String> {
        items.iter().flatten().take(limits::POD_ITEMS).map(|item| word(&item.path)).collect()
    };
    if let Some(empty) = &volume.empty_dir {
        kept.kind = VolumeKind::EmptyDir;
        kept.medium = empty.medium.as_deref().map(word).filter(|medium| !medium.is_empty());
        kept.size_limit_bytes = empty.size_limit.as_ref().and_then(|size| quantity::read(&size.0));
    } else if let Some(map) = &volume.config_map {
        kept.kind = VolumeKind::ConfigMap;
        kept.source = Some(word(&map.name));
        kept.optional = map.optional.unwrap_or_default();
        kept.items = items(&map.items);
    } else if let Some(secret) = &volume.secret {
        kept.kind = VolumeKind::Secret;
        kept.source = secret.secret_name.as_deref().map(word);
        kept.optional = secret.optional.unwrap_or_default();
        kept.items = items(&secret.items);
    } else if let Some(claim) = &volume.persistent_volume_claim {
        kept.kind = VolumeKind::Claim;
        kept.source = Some(word(&claim.claim_name));
    } else if let Some(host) = &volume.host_path {
        kept.kind = VolumeKind::HostPath;
        kept.source = Some(word(&host.path));
    } else if volume.projected.is_some() {
        kept.kind = VolumeKind::Projected;
    } else if volume.downward_api.is_some() {
        kept.kind = VolumeKind::DownwardApi;
    } else if let Some(csi) = &volume.csi {
        kept.kind = VolumeKind::Csi;
        kept.source = Some(word(&csi.driver));
    } else if let Some(image) = &volume.image {
        kept.kind = VolumeKind::Image;
        kept.source = image.reference.as_deref().map(word);
    }
    kept
}

/// Equal for pods that would run the same: without what the scheduler and admission add to each.
fn spec_hash(spec: &api::PodSpec) -> String {
    let mut spec = spec.clone();
    spec.node_name = None;
    spec.ephemeral_containers = None;
    // Each pod has a token volume of its own name.
    let is_token = |name: &str| name.starts_with("kube-api-access-");
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| !is_token(&volume.name));
    }
    let init = spec.init_containers.iter_mut().flatten();
    for container in spec.containers.iter_mut().chain(init) {
        if let Some(mounts) = &mut container.volume_mounts {
            mounts.retain(|mount| !is_token(&mount.name));
        }
    }
    let written = serde_json::to_vec(&spec).unwrap_or_default();
    let hash = Sha256::digest(&written);
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn micros(time: &meta::Time) -> Micros {
    time.0.as_microsecond()
}

fn word(text: &str) -> String {
    bounded(text, limits::WORD_BYTES)
}

fn prose(text: &str) -> String {
    bounded(text, limits::VALUE_BYTES)
}

fn bounded(given: &str, bound: usize) -> String {
    // Redaction needs more than is kept: a secret across the bound must not lose its shape.
    let (head, _) = limits::cut(given, bound.saturating_mul(2));
    let scrubbed = redact::scrub(&text::plain(head), &mut redact::Counts::default()).into_owned();
    limits::cut(&scrubbed, bound).0.to_owned()
}

#[cfg(test)]
mod tests;
