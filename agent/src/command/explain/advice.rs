//! What a manifest will make fail or hurt, before it does: said as advice, never as a failure.
//! Judges a pod's specification alone, with what was observed of it where the input has that.

use std::collections::{BTreeMap, BTreeSet};

use crate::fact::{Container, Pod, Role};
use crate::limits::EXPLAIN_ADVICE;
use crate::source::paste::{Image, Manifest, Quota};

mod image;
mod probe;
mod refused;
mod shared;
mod volume;

#[cfg(test)]
mod tests;

/// One piece of advice, as its JSON object has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Advice {
    /// Always `advice`.
    pub kind: &'static str,
    /// Which rule: a closed list.
    pub id: &'static str,
    /// `Deployment/web`
    pub about: String,
    /// Namespace, where the manifest says it.
    pub namespace: Option<String>,
    /// Container
    pub container: Option<String>,
    /// What will happen, in one or two sentences.
    pub text: String,
    /// What to do about it.
    #[serde(rename = "do")]
    pub what: String,
    /// The exact command to look, where there is one; changes nothing.
    pub command: Option<String>,
    /// 1-based line of the input.
    pub line: Option<u64>,
}

/// What was seen of containers: the most memory that each used, by pod and container name.
pub type Peaks = BTreeMap<(String, String), u64>;

/// What the input shows beside the manifests.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The most memory that each container was seen to use.
    pub peaks: Peaks,
    /// What images say of themselves.
    pub images: Vec<Image>,
    /// The bounds of namespaces.
    pub quotas: Vec<Quota>,
}

/// One thing to say about a container, or about the pod.
#[derive(Clone, Debug, Default)]
struct Said {
    id: &'static str,
    container: Option<String>,
    text: String,
    what: String,
    command: Option<String>,
}

fn said(id: &'static str, of: Option<&Container>, text: String, what: &str) -> Said {
    let container = of.map(|container| container.name.clone());
    Said { id, container, text, what: what.to_owned(), command: None }
}

/// Reads the manifests; each fault of a workload is told once, however many pods it has.
pub(super) fn of<'m>(manifests: impl Iterator<Item = &'m Manifest>, seen: &Seen) -> Vec<Advice> {
    let (mut told, mut all) = (BTreeSet::new(), Vec::new());
    for manifest in manifests {
        let pod = &manifest.pod;
        let whose = pod.owner.as_ref().map_or_else(|| pod.name.clone(), |owner| owner.name.clone());
        for said in judged(manifest, seen) {
            let is_new = told.insert((
                pod.namespace.clone(),
                whose.clone(),
                said.container.clone(),
                said.id,
            ));
            if !is_new || all.len() >= EXPLAIN_ADVICE {
                continue;
            }
            let line = line_of(manifest, said.container.as_deref());
            all.push(Advice {
                kind: "advice",
                id: said.id,
                about: manifest.name.clone(),
                namespace: Some(pod.namespace.clone()).filter(|namespace| !namespace.is_empty()),
                container: said.container,
                text: said.text,
                what: said.what,
                command: said.command,
                line,
            });
        }
    }
    all
}

/// Where the container's name stands.
fn line_of(manifest: &Manifest, container: Option<&str>) -> Option<u64> {
    let line = manifest.line;
    let Some(name) = container else { return (line > 0).then_some(line) };
    let is_name = |text: &str| {
        let text = text.trim().trim_start_matches("- ").trim_end_matches(',');
        let (key, value) = text.split_once(':').unwrap_or_default();
        key.trim_matches('"') == "name" && value.trim().trim_matches(['"', '\'']) == name
    };
    let lines = (line..).zip(manifest.text.lines());
    lines
        .into_iter()
        .find(|(_, text)| is_name(text))
        .map(|(line, _)| line)
        .or(Some(line))
        .filter(|line| *line > 0)
}

fn judged(manifest: &Manifest, seen: &Seen) -> Vec<Said> {
    let pod = &manifest.pod;
    let mut all = Vec::new();
    refused::judge(manifest, &mut all);
    roles(pod, &mut all);
    probe::judge(pod, &mut all);
    volume::judge(pod, &mut all);
    image::judge(manifest, &seen.images, &mut all);
    shared::judge(pod, &seen.quotas, &mut all);
    users(pod, &seen.images, &mut all);
    memory(pod, &seen.peaks, &mut all);
    all
}

/// Names of containers that serve another.
const SERVANTS: [&str; 12] = [
    "sidecar",
    "proxy",
    "envoy",
    "fluent",
    "shipper",
    "exporter",
    "collector",
    "promtail",
    "filebeat",
    "logger",
    "vector",
    "agent",
];

/// R47–R50, R87: which container waits for which.
fn roles(pod: &Pod, all: &mut Vec<Said>) {
    for container in pod.containers.iter().filter(|container| container.role == Role::Init) {
        let is_servant = SERVANTS.iter().any(|word| container.name.contains(word));
        let has_probe = container.readiness.is_some() || container.liveness.is_some();
        let words = || container.command.iter().chain(&container.args);
        let runs_on = words().any(|word| {
            ["tail -f", "tail -F", "sleep infinity", "while true", "while :"]
                .iter()
                .any(|forever| word.contains(forever))
        });
        if is_servant || has_probe || runs_on {
            let text = format!(
                "init container {} looks as if it were to run beside the others, but an init \
                 container has to end before the next one starts: the pod would wait for it for ever",
                container.name
            );
            let what = "set restartPolicy: Always on that init container (a native sidecar, \
                        Kubernetes 1.29 and newer), or move it to containers";
            all.push(said("init_container_never_ends", Some(container), text, what));
        }
    }
    let servants = pod.containers.iter().filter(|it| it.role == Role::NativeSidecar).count();
    let mains = pod.containers.iter().filter(|it| it.role == Role::Main).count();
    let is_never = pod.restart_policy.as_deref() == Some("Never") && !refused::only_always(pod);
    if is_never && (mains > 1 || servants > 0) {
        let text = "restartPolicy: Never holds for all containers: a sidecar that crashes stays \
                    down while the others go on, and a sidecar that never ends keeps the pod from \
                    completing; native sidecars are restarted all the same"
            .to_owned();
        let what = "use restartPolicy: OnFailure, and a native sidecar (an init container with \
                    restartPolicy: Always), which ends with the pod";
        all.push(said("never_restarted_with_sidecars", None, text, what));
    }
}

/// Who runs it, and what it may write.
fn users(pod: &Pod, images: &[Image], all: &mut Vec<Said>) {
    for container in &pod.containers {
        let user = container.run_as_user.or(pod.run_as_user);
        // What the image says of its user decides, where that is known.
        let own = image::config_of(container, images).map(|image| image.user.as_str());
        let is_numbered = own.is_some_and(|user| {
            user.split(':').next().is_some_and(|id| id.parse::<u32>().is_ok_and(|id| id > 0))
        });
        let is_root = own.is_some_and(image::is_root);
        if container.run_as_non_root == Some(true) && user.is_none() && !is_numbered && !is_root {
            let text =
                "runAsNonRoot without runAsUser: the kubelet refuses the container where the \
                        image's user is root or a name instead of a number"
                    .to_owned();
            all.push(said(
                "non_root_without_user",
                Some(container),
                text,
                "set runAsUser to the numeric id that the image is made for",
            ));
        }
        if container.run_as_non_root == Some(true) && user == Some(0) {
            let text =
                "runAsNonRoot and runAsUser: 0 contradict each other: the container is never \
                        created"
                    .to_owned();
            all.push(said("non_root_as_root", Some(container), text, "set another runAsUser"));
        }
        let has_tmp =
            container.mounts.iter().any(|mount| mount.path.trim_end_matches('/') == "/tmp");
        if container.read_only_root == Some(true) && !has_tmp {
            let text = "the root filesystem is read-only and nothing is mounted at /tmp: whatever \
                        writes a temporary file or a pid file fails with `Read-only file system`"
                .to_owned();
            all.push(said(
                "read_only_root_without_tmp",
                Some(container),
                text,
                "mount an emptyDir at /tmp and wherever else it writes",
            ));
        }
    }
}

/// R58, R78: limits against what was seen.
fn memory(pod: &Pod, peaks: &Peaks, all: &mut Vec<Said>) {
    for container in pod.containers.iter().filter(|container| container.role != Role::Ephemeral) {
        let peak = peaks.get(&(pod.name.clone(), container.name.clone())).copied();
        let limit = container.memory_limit_bytes.or(pod.memory_limit_bytes);
        match (limit, peak) {
            (Some(limit), Some(peak)) if peak.saturating_mul(5) > limit.saturating_mul(4) => {
                let text = format!(
                    "its memory limit is {}, and it was seen to use {}",
                    mebibytes(limit),
                    mebibytes(peak)
                );
                let what = format!(
                    "set the request to what it usually uses and the limit to about twice that, here \
                     {}",
                    mebibytes(peak.saturating_mul(2))
                );
                all.push(said("memory_limit_near_peak", Some(container), text, &what));
            }
            (None, _) if container.role != Role::Init => {
                let seen = peak.map(|peak| format!("; it was seen to use {}", mebibytes(peak)));
                let text = format!(
                    "no memory limit: a leak takes the node's memory, and its neighbours are killed \
                     with it{}",
                    seen.unwrap_or_default()
                );
                let what = "set resources.requests.memory to what it usually uses and \
                            resources.limits.memory to about twice that";
                all.push(said("no_memory_limit", Some(container), text, what));
            }
            _ => {}
        }
        let request = container.memory_request_bytes;
        if let (Some(request), Some(limit)) = (request, container.memory_limit_bytes)
            && request > limit
        {
            let text =
                "the memory request is larger than the limit: the API refuses the pod".to_owned();
            all.push(said("request_over_limit", Some(container), text, "raise the limit"));
        }
        if let (Some(request), Some(limit)) =
            (container.cpu_request_millicores, container.cpu_limit_millicores)
            && request > limit
        {
            let text =
                "the CPU request is larger than the limit: the API refuses the pod".to_owned();
            all.push(said("cpu_request_over_limit", Some(container), text, "raise the limit"));
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes.div_ceil(1024 * 1024))
}
