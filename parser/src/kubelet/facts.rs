//! The facts of a kubelet line: from its pairs, its text and the failures in it.
//!
//! Owns what each key means; §8 and §9.

use crate::message::{Format, Message, What};
use crate::{Facts, PodRef, Text, kubelet, object, sync_error};

/// The last value of `key` (G18).
pub(super) fn value<'a>(message: &Message<'a>, key: &str) -> Option<Text<'a>> {
    kubelet::pairs(message).filter(|(name, _)| *name == key).last().map(|(_, value)| value.text())
}

/// `key` is the last of the line: a cut is a cut of its value.
pub(super) fn is_last(message: &Message<'_>, key: &str) -> bool {
    kubelet::pairs(message).last().is_some_and(|(name, _)| name == key)
}

pub(super) fn of<'a>(message: &Message<'a>) -> Facts<'a> {
    let mut facts = Facts::default();
    for (key, value) in kubelet::pairs(message) {
        read_pair(&mut facts, key, value.text());
    }
    if message.what == What::ErrorSyncingPod {
        read_error_syncing_pod(message, &mut facts);
    }
    facts
}

fn read_error_syncing_pod<'a>(message: &Message<'a>, facts: &mut Facts<'a>) {
    if !matches!(message.frame.format, Format::KlogStructured | Format::KlogJson)
        && let Some(line) = super::legacy::error_syncing_pod(message.text)
    {
        facts.pod = line.pod;
        facts.error = Some(line.error.trim_end());
    }
    let mut failures = kubelet::failures(message);
    let Some(first) = failures.next() else { return };
    adopt(facts, first.facts());
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

/// What a key means wherever it stands. Empty values say nothing, except in `err`.
fn read_pair<'a>(facts: &mut Facts<'a>, key: &str, value: Text<'a>) {
    let some = Some(value).filter(|value| !value.is_empty());
    match key {
        "pod" => {
            let uid = facts.pod.uid;
            facts.pod = object::pod_value(value);
            facts.pod.uid = facts.pod.uid.or(uid);
        }
        "podUID" | "pod-uid" | "podID" => facts.pod.uid = some.or(facts.pod.uid),
        "podNamespace" => facts.pod.namespace = some,
        "podName" => facts.pod.name = some,
        "containerName" => facts.container = some,
        "containerID" => facts.container_id = object::container_id(value),
        "podSandboxID" | "sandboxID" => facts.sandbox_id = object::container_id(value),
        "image" => facts.image = some,
        "volumeName" | "volumeMountName" => facts.volume = some,
        "exitCode" => facts.exit_code = value.raw().parse().ok(),
        "reason" | "resourceName" | "probeType" => facts.reason = some,
        "err" | "error" => facts.error = Some(value),
        "message" | "output" | "containerMessage" => facts.detail = some,
        "numErrs" => facts.count = value.raw().parse().ok(),
        "cgroupName" => facts.unit = some,
        _ => {}
    }
    if facts.backoff_seconds.is_none() && key == "durationBeforeRetry" {
        facts.backoff_seconds = sync_error::duration_seconds(value.raw());
    }
}
