//! The facts of a kubelet line: from its pairs, its text and the failures in it.
//!
//! Owns what each key means (§8, §9).

use super::{eviction, handle_error, is_printf, legacy, probe, sync_loop, volume};
use crate::message::{Format, Message, What};
use crate::object::Pods;
use crate::{Facts, Failures, PodRef, Text, kubelet, object, stamp};

/// The last value of `key` (G18).
pub(super) fn value<'a>(message: &Message<'a>, key: &str) -> Option<Text<'a>> {
    kubelet::pairs(message).filter(|(name, _)| *name == key).last().map(|(_, value)| value.text())
}

/// The last key of the line: a cut is a cut of its value.
pub(super) fn last_key<'a>(message: &Message<'a>) -> Option<&'a str> {
    kubelet::pairs(message).last().map(|(name, _)| name)
}

pub(super) fn of<'a>(message: &Message<'a>) -> Facts<'a> {
    let mut facts = of_line(message);
    read_failures(message, &mut facts);
    facts
}

/// Without what the failures add: those are made from these.
pub(super) fn of_line<'a>(message: &Message<'a>) -> Facts<'a> {
    let mut facts = Facts::default();
    let mut pairs = kubelet::pairs(message);
    while let Some((key, value)) = pairs.next() {
        // Half a name is another name: of a value that was cut only words are kept.
        let is_cut = message.truncated && pairs.clone().next().is_none();
        if !is_cut || matches!(key, "err" | "error" | "message" | "output") {
            read_pair(&mut facts, key, value.text());
        }
    }
    if is_printf(message.frame.format) || message.frame.format == Format::KlogJson {
        read_text(message, &mut facts);
    }
    match message.what {
        What::VolumeOperationFailed
        | What::DeviceOperationFailed
        | What::ReconcilerOperationFailed
        | What::VolumeOperationRepeated
        | What::VolumeOperationStarted
        | What::MountSucceeded
        | What::UnmountSucceeded => {
            let _ = volume::read(message.text, &mut facts);
        }
        What::StartFailed => read_twin(message, &mut facts),
        What::InitContainerRemoveFailed => {
            if let Some(text) = super::failures::twin_text(message) {
                let _ = handle_error::init_container(text, &mut facts);
            }
        }
        What::OrphanedPod => orphan(&mut facts),
        // Its `object` is the Node.
        What::NodeEvent => facts.pod = PodRef::default(),
        // Its `containerName` is a system cgroup (§8.9).
        What::SystemCgroupFailed => facts.unit = facts.unit.or(facts.container.take()),
        _ => {}
    }
    facts
}

/// What the failures of the line add: the first one that knows.
fn read_failures<'a>(message: &Message<'a>, facts: &mut Facts<'a>) {
    let carries_sync_error = matches!(
        message.what,
        What::ErrorSyncingPod | What::SyncErrorRepeated | What::KillPodFailed
    );
    if carries_sync_error {
        // The pairs of a text line were walked through already.
        let is_text = message.frame.format == Format::KlogStructured && !message.truncated;
        let failures = match facts.error {
            Some(error) if is_text && message.what == What::ErrorSyncingPod => Failures::of(error),
            _ => super::failures::of(message),
        };
        for failure in failures.take(MOST_FAILURES_LOOKED_AT) {
            adopt(facts, failure.facts());
        }
    } else if let Some(error) = facts.error
        && !matches!(message.what, What::Unknown | What::UnhandledError)
    {
        let failure = crate::SyncFailure::alone("", None, error);
        adopt(facts, failure.facts());
    }
}

/// An aggregate has one item per container and a few; facts of the line come from the first ones.
const MOST_FAILURES_LOOKED_AT: usize = 8;

fn read_twin<'a>(message: &Message<'a>, facts: &mut Facts<'a>) {
    // The value holds the spec: it must not stay (G54).
    facts.error = None;
    if let Some(twin) = super::failures::twin_text(message).and_then(handle_error::StartFailed::of)
    {
        twin.fill(facts);
    }
}

/// `orphaned pod "<uid>" found, but …`, by itself or in `err`.
fn orphan(facts: &mut Facts<'_>) {
    if let Some(error) = facts.error {
        let mut cursor = crate::cursor::Cursor::of(error);
        if cursor.eat("orphaned pod ") || cursor.eat("Orphaned pod ") {
            let uid = cursor.quoted().filter(|uid| object::is_uid(uid.raw()));
            facts.pod.uid = facts.pod.uid.or(uid);
        }
        if facts.count.is_none() && cursor.skip_past("There were a total of ").is_some() {
            facts.count = cursor.run(|character| character.is_ascii_digit()).raw().parse().ok();
        }
    }
}

/// printf texts, each by its own production.
fn read_text<'a>(message: &Message<'a>, facts: &mut Facts<'a>) {
    let text = message.text;
    match message.what {
        What::ErrorSyncingPod => {
            if let Some(line) = legacy::error_syncing_pod(text) {
                facts.pod = line.pod;
                facts.error = Some(line.error.trim_newlines());
            }
        }
        What::ProbeFailed | What::ProbeErrored => {
            let _ = probe::read(text, facts);
        }
        What::PullSecretMissing => {
            let _ = legacy::pull_secret(text, facts);
        }
        What::KubernetesEvent | What::NodeEvent => {
            let _ = legacy::kubernetes_event(text, facts);
        }
        What::PodNotAdmitted => {
            let _ = legacy::not_admitted(text, facts);
        }
        What::BackOffRestarting => facts.error = Some(text.trim_newlines()),
        What::SyncErrorRepeated => facts.error = Some(message.tail.trim_newlines()),
        What::PlegEvent
        | What::PlegStarted
        | What::PlegDied
        | What::PlegRemoved
        | What::SyncLoopAdd
        | What::SyncLoopDelete
        | What::SyncLoopRemove
        | What::SyncLoopUpdate => {
            let _ = sync_loop::read_legacy(text, facts);
        }
        _ => {
            if eviction::read(text, facts).is_none() && volume::read(text, facts).is_none() {
                legacy::read(text, facts);
            }
        }
    }
    if message.what == What::UnableToMountVolumes
        && let Some(error) = facts.error
    {
        let raw = error.raw();
        facts.error = Some(error.with_raw(raw.strip_suffix("; skipping pod").unwrap_or(raw)));
    }
    if message.what == What::OrphanedPod && facts.error.is_none() {
        facts.error = Some(text.trim_newlines());
    }
}

/// Takes what `more` knows and `facts` does not. The line's own keys come first.
pub(super) fn adopt<'a>(facts: &mut Facts<'a>, more: Facts<'a>) {
    facts.pod = PodRef {
        namespace: facts.pod.namespace.or(more.pod.namespace),
        name: facts.pod.name.or(more.pod.name),
        uid: facts.pod.uid.or(more.pod.uid),
    };
    facts.container = facts.container.or(more.container);
    facts.container_id = facts.container_id.or(more.container_id);
    facts.sandbox_id = facts.sandbox_id.or(more.sandbox_id);
    facts.image = facts.image.or(more.image);
    facts.volume = facts.volume.or(more.volume);
    facts.exit_code = facts.exit_code.or(more.exit_code);
    facts.backoff_seconds = facts.backoff_seconds.or(more.backoff_seconds);
    facts.error = facts.error.or(more.error);
}

/// What `SyncLoop (probe)` tells of a container.
const PROBE_RESULTS: [&str; 4] = ["ready", "not ready", "started", "unhealthy"];

/// What a key means wherever it stands. Empty values say nothing; the last of a key counts (G18).
fn read_pair<'a>(facts: &mut Facts<'a>, key: &str, value: Text<'a>) {
    let some = Some(value).filter(|value| !value.is_empty());
    match key {
        "pod" => {
            let pod = object::pod_value(value);
            facts.pod = PodRef { uid: pod.uid.or(facts.pod.uid), ..pod };
        }
        "podUID" | "pod-uid" | "podID" => facts.pod.uid = some.or(facts.pod.uid),
        "podNamespace" => facts.pod.namespace = some,
        "podName" => facts.pod.name = some,
        "object" if facts.pod == PodRef::default() => facts.pod = object::pod_value(value),
        "containerName" => facts.container = some,
        "fieldPath" => facts.container = legacy::container_of_path(value),
        "containerID" | "containerStatusID" => facts.container_id = object::container_id(value),
        "podSandboxID" | "sandboxID" => facts.sandbox_id = object::container_id(value),
        "image" => facts.image = some,
        "volumeName" | "volumeMountName" => facts.volume = some,
        "exitCode" => facts.exit_code = value.raw().parse().ok(),
        "reason" | "resourceName" | "probeType" | "probe" => facts.reason = some,
        "status" if PROBE_RESULTS.contains(&value.raw()) => facts.detail = some,
        "err" | "error" => facts.error = some,
        "networkReady" | "runtimeReady" | "nodeCondition" | "insufficientResources" => {
            facts.error = facts.error.or(some);
        }
        "message" | "output" | "containerMessage" | "kubeletVersion" => facts.detail = some,
        "pods" => {
            // Several pods name none for sure.
            let mut pods = Pods::of(value);
            if let (Some(pod), None) = (pods.next(), pods.next()) {
                facts.pod = pod;
            }
        }
        "event" => read_event(facts, value),
        "numErrs" => facts.count = value.raw().parse().ok(),
        "cgroupName" => {
            facts.unit = some;
            facts.pod.uid = facts.pod.uid.or_else(|| object::uid_of_cgroup(value));
        }
        "cacheKey" => read_token(facts, value),
        "condition" => {
            let part = |name| object::field(value, name).filter(|it: &Text<'_>| !it.is_empty());
            facts.reason = part("reason").or_else(|| part("Reason"));
            facts.detail = part("message").or_else(|| part("Message"));
        }
        "durationBeforeRetry" => facts.backoff_seconds = stamp::seconds(value.raw()),
        _ => {}
    }
}

/// `"sa"/"ns"/…/v1.BoundObjectReference{Kind:"Pod", …, Name:"…", UID:"…"}`.
fn read_token<'a>(facts: &mut Facts<'a>, key: Text<'a>) {
    let part = |name| object::field(key, name).filter(|it: &Text<'_>| !it.is_empty());
    if part("Kind").is_some_and(|kind| kind == "Pod") {
        let mut names = crate::cursor::Cursor::of(key);
        let _ = names.quoted();
        let namespace = names.take("/").and_then(|()| names.quoted());
        facts.pod = PodRef { namespace, name: part("Name"), uid: part("UID") };
    }
}

/// A PLEG event is a dump; the event of a node's condition is a word.
fn read_event<'a>(facts: &mut Facts<'a>, event: Text<'a>) {
    if event.raw().starts_with(['{', '&']) {
        sync_loop::read_event(event, facts);
    } else {
        facts.reason = Some(event).filter(|event| !event.is_empty());
    }
}
