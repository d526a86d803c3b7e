//! What the API refuses in a manifest, before any node sees a pod of it.

use std::collections::BTreeSet;

use super::{Said, said};
use crate::fact::{Pod, Probe};
use crate::source::paste::Manifest;

pub(super) fn judge(manifest: &Manifest, all: &mut Vec<Said>) {
    // What is a pod already was taken.
    if !manifest.name.starts_with("Pod/") {
        restart_policy(&manifest.pod, all);
        selector(manifest, all);
    }
    names(&manifest.pod, all);
    images(&manifest.pod, all);
    ports(manifest, all);
}

/// The kubelet cannot read such a reference (InvalidImageName).
fn images(pod: &Pod, all: &mut Vec<Said>) {
    for container in &pod.containers {
        let image = container.image.as_deref().unwrap_or_default();
        let (name, _) = image.split_once('@').unwrap_or((image, ""));
        // A host may have capitals and a port, and is known by them; what stands behind it may not.
        let (host, path) = name.split_once('/').unwrap_or(("", name));
        let is_host = host == "localhost"
            || host.contains(|c: char| matches!(c, '.' | ':') || c.is_ascii_uppercase());
        let path = if is_host { path } else { name };
        let (repository, tag) = path.split_once(':').unwrap_or((path, ""));
        let why = if repository.contains(|c: char| c.is_ascii_uppercase()) {
            "its path has capitals"
        } else if tag.contains(':') {
            "it has two tags"
        } else {
            continue;
        };
        let text =
            format!("image {image} is no valid name, as {why}: InvalidImageName, no pull is tried");
        let what = "write the path in lower case, with one tag or a digest";
        all.push(said("image_name_invalid", Some(container), text, what));
    }
}

/// Its pods must be started again and again.
pub(super) fn only_always(pod: &Pod) -> bool {
    pod.owner.as_ref().is_some_and(|owner| {
        matches!(
            owner.kind.as_str(),
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "ReplicationController"
        )
    })
}

fn restart_policy(pod: &Pod, all: &mut Vec<Said>) {
    let kind = pod.owner.as_ref().map(|owner| owner.kind.as_str()).unwrap_or_default();
    let policy = pod.restart_policy.as_deref();
    let id = "restart_policy_refused";
    match (kind, policy) {
        (_, Some(other)) if only_always(pod) && other != "Always" => {
            let text =
                format!("restartPolicy: {other} in a {kind}: the API takes only Always there");
            let what = "leave restartPolicy out, or make it a Job where the work has an end";
            all.push(said(id, None, text, what));
        }
        ("Job" | "CronJob", None | Some("Always")) => {
            let text = if policy.is_some() {
                format!("restartPolicy: Always in a {kind}: the API refuses it")
            } else {
                format!("no restartPolicy in a {kind}: the API refuses it, as it means Always")
            };
            let what = "set restartPolicy: Never, or OnFailure to start the same pod again";
            all.push(said(id, None, text, what));
        }
        _ => {}
    }
}

fn selector(manifest: &Manifest, all: &mut Vec<Said>) {
    let Some(label) = &manifest.unmatched else { return };
    let text = format!(
        "the selector asks for the label {label}, and the template does not have it: the API refuses \
         the object"
    );
    let what = "give the template's metadata.labels all labels of spec.selector.matchLabels";
    all.push(said("selector_without_label", None, text, what));
}

fn names(pod: &Pod, all: &mut Vec<Said>) {
    let mut seen = BTreeSet::new();
    for container in &pod.containers {
        if !container.name.is_empty() && !seen.insert(container.name.as_str()) {
            let text =
                format!("two containers are called {}: the API refuses the pod", container.name);
            all.push(said("container_name_twice", Some(container), text, "rename one of them"));
        }
    }
}

/// A probe may name a port, if its container has one of that name.
fn ports(manifest: &Manifest, all: &mut Vec<Said>) {
    for container in &manifest.pod.containers {
        let known = manifest.ports.get(&container.name).map(Vec::as_slice).unwrap_or_default();
        let probes = [&container.liveness, &container.readiness, &container.startup];
        let is_unknown = |probe: &&Probe| {
            probe.port.as_ref().is_some_and(|port| {
                port.parse::<u16>().is_err() && !known.iter().any(|name| name == port)
            })
        };
        let unknown = probes.into_iter().flatten().find(is_unknown);
        if let Some(port) = unknown.and_then(|probe| probe.port.as_ref()) {
            let text = format!(
                "a probe asks port {port}, and no port of the container has that name: the probe \
                 fails each time"
            );
            let what = "give a port of the container that name, or write its number into the probe";
            all.push(said("probe_port_unknown", Some(container), text, what));
        }
    }
}
