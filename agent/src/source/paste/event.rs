//! Kubernetes Events, however they were printed: what failed, in the kubelet's own words for steps
//! and reasons, where the Event is the only witness. Owns that table.

use podwhy_parser::{Failures, Text};

use super::value::{prose, word};
use super::{Part, Sink};
use crate::fact::{Dated, Event, Fact, PodRef};
use crate::observation::{
    Failure, Form, Happening, Kind, Level, Observation, Pod, Writer, WriterComponent,
};
use crate::source::Micros;

/// `spec.containers{app}`
pub(super) fn container_of(field_path: &str) -> Option<String> {
    let (kind, rest) = field_path.split_once('{')?;
    let name = rest.strip_suffix('}')?;
    (kind.ends_with("ontainers") && !name.is_empty()).then(|| word(name))
}

/// Hands on the Event, and what it reports.
pub(super) fn hand_on(event: Event, sink: Sink<'_>) {
    let times = match (event.first, event.last) {
        (Some(first), Some(last)) if event.count > 1 && first < last => {
            vec![Some(first), Some(last)]
        }
        (first, last) => vec![last.or(first)],
    };
    for at in times {
        for seen in of(&event, at) {
            sink(Part::Reported(Box::new(seen)));
        }
    }
    let at = event.last.or(event.first).unwrap_or_default();
    sink(Part::Fact(Box::new(Dated { at, fact: Fact::Event(Box::new(event)) })));
}

/// What an Event reports at a time.
pub(super) fn of(event: &Event, at: Option<Micros>) -> Vec<Observation> {
    let container = event.container.clone().or_else(|| container_in(&event.message));
    let failures = failures(&event.reason, &event.message);
    if !failures.is_empty() {
        return failures
            .into_iter()
            .map(|failure| {
                let container = container
                    .clone()
                    .or_else(|| {
                        (failure.step == "StartContainer").then(|| failure.target.clone())?
                    })
                    .filter(|_| failure.step != "CreatePodSandbox");
                let mut seen = reported(failure, &event.pod, container.as_deref(), at, event.line);
                seen.form = Form::Event;
                seen
            })
            .collect();
    }
    happening(event, at, container).into_iter().collect()
}

/// What is no failed step.
fn happening(event: &Event, at: Option<Micros>, container: Option<String>) -> Option<Observation> {
    let message = event.message.as_str();
    let probe = ["Liveness", "Readiness", "Startup"].into_iter().find(|it| message.starts_with(it));
    let (happening, reason, detail) = match event.reason.as_str() {
        "Unhealthy" => {
            let output = message.split_once("failed: ").map_or(message, |(_, output)| output);
            (Happening::ProbeFailed, probe.map(str::to_owned), output)
        }
        "Killing" if message.contains("will be restarted") => {
            (Happening::RestartTold, None, message)
        }
        "HostPortConflict" => (Happening::NodeLine, Some(event.reason.clone()), message),
        reason => {
            let happening = Happening::of_node_event(reason)?;
            let reason = match happening {
                Happening::EvictionPressure => message.rsplit(' ').next().map(word),
                Happening::SystemOom => None,
                _ => Some(reason.to_owned()),
            };
            (happening, reason, message)
        }
    };
    let is_node = event.pod == PodRef::default();
    Some(Observation {
        kind: if is_node { Kind::Node } else { Kind::Event },
        happening: Some(happening),
        container,
        reason,
        detail: Some(prose(detail)).filter(|detail| !detail.is_empty()),
        text: Some(prose(message)),
        form: Form::Event,
        ..frame(&event.pod, at, event.line)
    })
}

/// The container that a message names.
fn container_in(message: &str) -> Option<String> {
    let name =
        ["failed container=", "restarting failed container ", "Container ", "for container "]
            .into_iter()
            .find_map(|lead| message.split_once(lead).map(|(_, rest)| rest))?;
    let name = name.split([' ', ',', '(']).next()?.trim_matches(['"', ':']);
    let is_name = !name.is_empty()
        && name != "image"
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    is_name.then(|| name.to_owned())
}

/// The failed steps of an Event.
pub(super) fn failures(reason: &str, message: &str) -> Vec<Failure> {
    if message.contains("failed to \"") {
        return clauses(message);
    }
    let one = |step: &str, reason: Option<&str>| vec![failure(step, reason, message)];
    match reason {
        "Failed" => of_error(message).into_iter().collect(),
        "BackOff" if message.contains("pulling image") => {
            one("StartContainer", Some("ImagePullBackOff"))
        }
        "BackOff" => one("StartContainer", Some("CrashLoopBackOff")),
        "ErrImageNeverPull" => one("StartContainer", Some("ErrImageNeverPull")),
        "InspectFailed" if message.contains("parse image name") => {
            one("StartContainer", Some("InvalidImageName"))
        }
        "InspectFailed" => one("StartContainer", Some("ImageInspectError")),
        "FailedCreatePodSandBox" => one("CreatePodSandbox", Some("CreatePodSandboxError")),
        "FailedPodSandBoxStatus" => one("CreatePodSandbox", None),
        "FailedMount" if message.contains("ttach or mount volumes") => {
            one("WaitForVolumes", Some("FailedMount"))
        }
        "FailedMount" | "FailedMapVolume" => one("MountVolume", Some(reason)),
        "FailedAttachVolume" => one("AttachVolume", Some(reason)),
        "FailedUnMount" | "FailedDetachVolume" => one("UnmountVolume", None),
        "FailedPostStartHook" => one("StartContainer", Some("PostStartHookError")),
        "FailedKillPod" => one("TerminatePod", Some(reason)),
        "FailedCreatePodContainer" => one("EnsurePodCgroups", Some(reason)),
        "FailedToRetrieveImagePullSecret" => one("GetPullSecret", Some(reason)),
        "FailedPrepareDynamicResources" => one("PrepareDynamicResources", Some(reason)),
        "NetworkNotReady" => one("WaitForNetwork", Some(reason)),
        "FailedSync" if message.trim() != "Error syncing pod" => one("SyncPod", None),
        "Evicted" => one("Eviction", Some(reason)),
        "Terminated" => one("NodeShutdown", Some(reason)),
        "FailedScheduling" | "FailedCreate" => one("OffNode", Some(reason)),
        "UnexpectedAdmissionError"
        | "TopologyAffinityError"
        | "NodeAffinity"
        | "NodePorts"
        | "Preempting"
        | "SysctlForbidden"
        | "AppArmor"
        | "NodeShutdown"
        | "VolumeAttachmentLimitExceeded" => one("Admission", Some(reason)),
        _ if reason.starts_with("OutOf") => one("Admission", Some(reason)),
        _ => Vec::new(),
    }
}

/// `Error: …`, `Failed to pull image "x": …`: which step it was, by what the text says.
pub(super) fn of_error(message: &str) -> Option<Failure> {
    if let Some(rest) = message.strip_prefix("Failed to pull image ") {
        let error = rest.split_once("\": ").map_or(rest, |(_, error)| error);
        return Some(failure("StartContainer", Some("ErrImagePull"), error));
    }
    let error = message.strip_prefix("Error: ").unwrap_or(message).trim();
    let is_word = !error.is_empty() && error.chars().all(|c| c.is_ascii_alphanumeric());
    if is_word {
        return of_waiting(error, "");
    }
    let has = |needles: &[&str]| needles.iter().any(|needle| error.contains(needle));
    let reason = if has(&["parse image name", "invalid reference format"]) {
        "InvalidImageName"
    } else if has(&["pull policy of Never"]) {
        "ErrImageNeverPull"
    } else if has(&[
        "failed to pull",
        "toomanyrequests: ",
        "pull access denied",
        "failed to resolve reference",
    ]) {
        "ErrImagePull"
    } else if has(&[
        "configmap \"",
        "secret \"",
        "couldn't find key",
        "runAsNonRoot",
        "runAsUser breaks",
        "subPath",
        "cannot find volume",
        "services have not yet been read",
        "host IP unknown",
    ]) {
        "CreateContainerConfigError"
    } else if has(&[
        "failed to create containerd task",
        "failed to create task",
        "failed to start container",
        "OCI runtime",
        "container_linux.go",
        "runc create failed",
        "exec format error",
        "exec user process caused",
    ]) {
        "RunContainerError"
    } else if has(&[
        "failed to generate container",
        "failed to generate security options",
        "failed to reserve container name",
        "failed to create containerd container",
        "failed to mkdir",
        "Error response from daemon",
        "context deadline exceeded",
        "no command specified",
        "container create failed",
    ]) {
        "CreateContainerError"
    } else {
        return None;
    };
    Some(failure("StartContainer", Some(reason), error))
}

/// What a container waits for, as a failure: `None` where it only waits for its turn.
pub(super) fn of_waiting(reason: &str, message: &str) -> Option<Failure> {
    let is_turn = matches!(reason, "ContainerCreating" | "PodInitializing" | "");
    let is_word = reason.chars().all(|c| c.is_ascii_alphanumeric());
    if is_turn || !is_word {
        return None;
    }
    Some(failure("StartContainer", Some(reason), message))
}

fn failure(step: &str, reason: Option<&str>, message: &str) -> Failure {
    Failure {
        step: step.to_owned(),
        target: None,
        reason: reason.map(word),
        message: prose(message),
        index: 0,
        of: 1,
        truncated: false,
    }
}

/// The clauses of an error text, as the kubelet's lines have them.
pub(super) fn clauses(error: &str) -> Vec<Failure> {
    let begin = error.find("[failed to \"").or_else(|| error.find("failed to \"")).unwrap_or(0);
    let text = error.get(begin..).unwrap_or(error);
    Failures::of(Text::plain(text))
        .take(crate::limits::FAILURES)
        .map(|failure| Failure {
            step: word(&failure.step.to_string()),
            target: failure.target.map(|target| word(&target.to_string())),
            reason: failure.reason.map(|reason| word(&reason.to_string())),
            message: prose(&failure.message.to_string()),
            index: failure.index,
            of: failure.of,
            truncated: failure.truncated,
        })
        .collect()
}

/// A failure that no log line reports.
pub(super) fn reported(
    failure: Failure,
    pod: &PodRef,
    container: Option<&str>,
    at: Option<Micros>,
    number: u64,
) -> Observation {
    let target = failure.target.clone().or_else(|| container.map(str::to_owned));
    Observation {
        kind: Kind::SyncFailure,
        container: container.map(str::to_owned),
        error: Some(failure.message.clone()).filter(|error| !error.is_empty()),
        failures: vec![Failure { target, ..failure }],
        form: Form::Describe,
        ..frame(pod, at, number)
    }
}

/// What all of them share: the kubelet told it to the API.
fn frame(pod: &PodRef, at: Option<Micros>, number: u64) -> Observation {
    let time = at.unwrap_or_default();
    Observation {
        at: time,
        written: jiff::Timestamp::from_microsecond(time).unwrap_or_default().to_string(),
        dated: at.is_some(),
        received: time,
        writer: Writer {
            component: WriterComponent::Kubelet,
            severity: Some(Level::Error),
            number,
            ..Writer::default()
        },
        pod: Pod { namespace: pod.namespace.clone(), name: pod.name.clone(), uid: pod.uid.clone() },
        named_uid: pod.uid.clone(),
        ..Observation::default()
    }
}
