//! A pasted pod: its specification and status, as far as they are there, and what its status
//! reports of failures. Reads no value of an environment variable.

use serde_json::Value;

use super::value::{
    at, bytes, flag, list, long, millicores, number, prose, small, text, time, words,
};
use super::{event, object};
use crate::fact::{Container, Mount, Owner, Pod, PodRef, Probe, Role, State, Volume, VolumeKind};
use crate::observation::{Failure, Observation};
use crate::source::Micros;

/// Members of one list that are looked at: no pod has more containers, mounts or conditions.
pub(super) const MOST: usize = 512;

/// The pod of an object or of a template.
pub(super) fn of(value: &Value) -> Pod {
    let spec = |key: &str| text(value, &["spec", key]);
    let api_uid = text(value, &["metadata", "uid"]);
    // The kubelet logs the hash of a static pod's file, not the uid of its mirror (log-grammar §9).
    let hash = text(value, &["metadata", "annotations", "kubernetes.io/config.hash"]);
    let mut pod = Pod {
        namespace: text(value, &["metadata", "namespace"]).unwrap_or_default(),
        name: text(value, &["metadata", "name"]).unwrap_or_default(),
        uid: hash.clone().or_else(|| api_uid.clone()),
        api_uid: hash.and(api_uid),
        resource_version: text(value, &["metadata", "resourceVersion"]),
        created: time(value, &["metadata", "creationTimestamp"]),
        deleting: time(value, &["metadata", "deletionTimestamp"]),
        node: spec("nodeName"),
        owner: owner(value),
        host_network: flag(value, &["spec", "hostNetwork"]).unwrap_or_default(),
        restart_policy: spec("restartPolicy"),
        service_account: spec("serviceAccountName"),
        automount_token: flag(value, &["spec", "automountServiceAccountToken"]),
        priority_class: spec("priorityClassName"),
        fs_group: number(value, &["spec", "securityContext", "fsGroup"]),
        run_as_user: number(value, &["spec", "securityContext", "runAsUser"]),
        memory_limit_bytes: bytes(value, &["spec", "resources", "limits", "memory"]),
        grace_seconds: number(value, &["spec", "terminationGracePeriodSeconds"]),
        phase: text(value, &["status", "phase"]),
        reason: text(value, &["status", "reason"]),
        message: long(value, &["status", "message"]),
        conditions: object::conditions(value),
        volumes: list(value, &["spec", "volumes"]).take(MOST).map(volume).collect(),
        ..Pod::default()
    };
    for label in ["pod-template-hash", "controller-revision-hash"] {
        if let Some(hash) = text(value, &["metadata", "labels", label]) {
            pod.labels.insert(label.to_owned(), hash);
        }
    }
    for (list_name, status) in [
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ] {
        for spec in list(value, &["spec", list_name]).take(MOST) {
            let name = spec.get("name");
            let status = list(value, &["status", status]).find(|status| status.get("name") == name);
            pod.containers.push(container(list_name, spec, status));
        }
    }
    pod
}

fn owner(value: &Value) -> Option<Owner> {
    let owners = || list(value, &["metadata", "ownerReferences"]);
    let controls = |owner: &&Value| flag(owner, &["controller"]) == Some(true);
    let owner = owners().find(controls).or_else(|| owners().next())?;
    Some(Owner {
        kind: text(owner, &["kind"]).unwrap_or_default(),
        name: text(owner, &["name"]).unwrap_or_default(),
        uid: text(owner, &["uid"]),
    })
}

fn container(kind: &str, spec: &Value, status: Option<&Value>) -> Container {
    let restart_policy = text(spec, &["restartPolicy"]);
    let role = match kind {
        "initContainers" if restart_policy.as_deref() == Some("Always") => Role::NativeSidecar,
        "initContainers" => Role::Init,
        "ephemeralContainers" => Role::Ephemeral,
        _ => Role::Main,
    };
    let resource = |which: &str, what: &str| bytes(spec, &["resources", which, what]);
    let mut made = Container {
        name: text(spec, &["name"]).unwrap_or_default(),
        role,
        image: text(spec, &["image"]),
        command: words(spec, &["command"], MOST),
        args: words(spec, &["args"], MOST),
        working_dir: text(spec, &["workingDir"]),
        env: list(spec, &["env"]).take(MOST).filter_map(|env| text(env, &["name"])).collect(),
        restart_policy,
        mounts: list(spec, &["volumeMounts"]).take(MOST).map(mount).collect(),
        memory_request_bytes: resource("requests", "memory"),
        memory_limit_bytes: resource("limits", "memory"),
        cpu_limit_millicores: millicores(spec, &["resources", "limits", "cpu"]),
        cpu_request_millicores: millicores(spec, &["resources", "requests", "cpu"]),
        liveness: at(spec, &["livenessProbe"]).map(probe),
        readiness: at(spec, &["readinessProbe"]).map(probe),
        startup: at(spec, &["startupProbe"]).map(probe),
        post_start: at(spec, &["lifecycle", "postStart"]).is_some(),
        pre_stop: at(spec, &["lifecycle", "preStop"]).is_some(),
        run_as_user: number(spec, &["securityContext", "runAsUser"]),
        run_as_non_root: flag(spec, &["securityContext", "runAsNonRoot"]),
        read_only_root: flag(spec, &["securityContext", "readOnlyRootFilesystem"]),
        host_ports: list(spec, &["ports"])
            .take(MOST)
            .filter_map(|port| u16::try_from(number(port, &["hostPort"])?).ok())
            .collect(),
        ..Container::default()
    };
    if let Some(status) = status {
        made.image_id = text(status, &["imageID"]);
        made.container_id = text(status, &["containerID"]).map(|id| without_scheme(&id));
        made.state = at(status, &["state"]).and_then(state);
        made.last_state = at(status, &["lastState"]).and_then(state);
        made.ready = flag(status, &["ready"]);
        made.started = flag(status, &["started"]);
        made.restarts = small(status, &["restartCount"]);
    }
    made
}

/// `containerd://0123…`
fn without_scheme(id: &str) -> String {
    id.split_once("://").map_or(id, |(_, id)| id).to_owned()
}

fn state(value: &Value) -> Option<State> {
    if let Some(waiting) = at(value, &["waiting"]) {
        let (reason, message) = (text(waiting, &["reason"]), long(waiting, &["message"]));
        return Some(State::Waiting { reason, message });
    }
    if let Some(running) = at(value, &["running"]) {
        return Some(State::Running { since: time(running, &["startedAt"]) });
    }
    let ended = at(value, &["terminated"])?;
    Some(State::Terminated {
        exit_code: number(ended, &["exitCode"]).and_then(|code| i32::try_from(code).ok())?,
        signal: number(ended, &["signal"]).and_then(|signal| i32::try_from(signal).ok()),
        reason: text(ended, &["reason"]),
        message: long(ended, &["message"]),
        started: time(ended, &["startedAt"]),
        finished: time(ended, &["finishedAt"]),
        container_id: text(ended, &["containerID"]).map(|id| without_scheme(&id)),
    })
}

fn mount(value: &Value) -> Mount {
    Mount {
        volume: text(value, &["name"]).unwrap_or_default(),
        path: text(value, &["mountPath"]).unwrap_or_default(),
        sub_path: text(value, &["subPath"]).or_else(|| text(value, &["subPathExpr"])),
        read_only: flag(value, &["readOnly"]).unwrap_or_default(),
    }
}

fn volume(value: &Value) -> Volume {
    let (kind, key, name): (VolumeKind, &str, &str) = [
        (VolumeKind::ConfigMap, "configMap", "name"),
        (VolumeKind::Secret, "secret", "secretName"),
        (VolumeKind::Claim, "persistentVolumeClaim", "claimName"),
        (VolumeKind::HostPath, "hostPath", "path"),
        (VolumeKind::Projected, "projected", ""),
        (VolumeKind::DownwardApi, "downwardAPI", ""),
        (VolumeKind::Csi, "csi", "driver"),
        (VolumeKind::Image, "image", "reference"),
        (VolumeKind::EmptyDir, "emptyDir", ""),
    ]
    .into_iter()
    .find(|(_, key, _)| value.get(key).is_some())
    .unwrap_or((VolumeKind::Other, "", ""));
    let inside = value.get(key).unwrap_or(&Value::Null);
    let mut items: Vec<String> = paths(inside);
    for source in list(inside, &["sources"]).take(MOST) {
        for key in ["configMap", "secret", "downwardAPI"] {
            items.extend(source.get(key).map(paths).unwrap_or_default());
        }
        items.extend(text(source, &["serviceAccountToken", "path"]));
    }
    Volume {
        name: text(value, &["name"]).unwrap_or_default(),
        kind,
        source: text(inside, &[name]),
        optional: flag(inside, &["optional"]).unwrap_or_default(),
        medium: text(inside, &["medium"]),
        size_limit_bytes: bytes(inside, &["sizeLimit"]),
        items,
    }
}

fn paths(source: &Value) -> Vec<String> {
    list(source, &["items"]).take(MOST).filter_map(|item| text(item, &["path"])).collect()
}

fn probe(value: &Value) -> Probe {
    let action = [("httpGet", "http"), ("tcpSocket", "tcp"), ("grpc", "grpc"), ("exec", "exec")]
        .into_iter()
        .find(|(key, _)| value.get(key).is_some());
    let key = action.map_or("", |(key, _)| key);
    Probe {
        action: action.map_or_else(String::new, |(_, word)| word.to_owned()),
        port: text(value, &[key, "port"]),
        path: text(value, &[key, "path"]).map(|path| prose(&path)),
        initial_delay_seconds: small(value, &["initialDelaySeconds"]).unwrap_or(0),
        period_seconds: small(value, &["periodSeconds"]).unwrap_or(10),
        timeout_seconds: small(value, &["timeoutSeconds"]).unwrap_or(1),
        failure_threshold: small(value, &["failureThreshold"]).unwrap_or(3),
    }
}

/// What the status reports of failed steps: each container that waits for more than its turn.
pub(super) fn reports(pod: &Pod, at: Option<Micros>, number: u64) -> Vec<Observation> {
    let named = PodRef {
        namespace: Some(pod.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: Some(pod.name.clone()).filter(|name| !name.is_empty()),
        uid: pod.uid.clone(),
    };
    let of_pod = of_status(pod).map(|failure| event::reported(failure, &named, None, at, number));
    let of_containers = pod.containers.iter().filter_map(|container| {
        let Some(State::Waiting { reason, message }) = &container.state else { return None };
        let reason = reason.as_deref()?;
        let failure = event::of_waiting(reason, message.as_deref().unwrap_or_default())?;
        let name = Some(container.name.as_str());
        Some(event::reported(failure, &named, name, at, number))
    });
    of_pod.into_iter().chain(of_containers).collect()
}

/// What the status says of the pod as a whole: that it has no node, or that its node took it down
/// while its containers ended well.
fn of_status(pod: &Pod) -> Option<Failure> {
    let scheduled = pod.condition("PodScheduled").filter(|_| pod.node.is_none());
    if let Some(no) = scheduled.filter(|it| it.reason.as_deref() == Some("Unschedulable")) {
        let message = no.message.as_deref().unwrap_or_default();
        return event::failures("FailedScheduling", message).into_iter().next();
    }
    let message = pod.message.as_deref().filter(|it| it.contains("node shutdown"))?;
    let crashed = |container: &Container| matches!(&container.state, Some(State::Terminated { exit_code, .. }) if *exit_code != 0);
    let is_whole = pod.phase.as_deref() == Some("Failed") && !pod.containers.iter().any(crashed);
    is_whole.then(|| event::failures("Terminated", message).into_iter().next()).flatten()
}
