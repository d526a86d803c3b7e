//! What must hold for the parser on any input; shared by property tests and fuzz targets.
//! Owns the claims; inputs come from outside.

use core::fmt::{self, Write};

use podwhy_parser::{Message, Origin, SyncFailure, Text, parse_from};

/// Every origin there is.
pub(crate) const ORIGINS: [Origin; 8] = [
    Origin::Any,
    Origin::Kubelet,
    Origin::Containerd,
    Origin::Crio,
    Origin::Docker,
    Origin::Kernel,
    Origin::Journald,
    Origin::Systemd,
];

/// The words that are ours and not the line's: steps and reasons of log-grammar §6.2, and words of
/// closed sets that the parser's own tables hold.
const OWN_WORDS: &[&str] = &[
    "containerd.service",
    "crio.service",
    "docker.service",
    "kubelet.service",
    "Liveness",
    "Readiness",
    "Startup",
    "SyncPod",
    "WaitForNetwork",
    "WaitForVolumes",
    "MountVolume",
    "AttachVolume",
    "UnmountVolume",
    "EnsurePodCgroups",
    "MakePodDataDirs",
    "GetPullSecret",
    "PrepareDynamicResources",
    "TerminatePod",
    "Admission",
    "Eviction",
    "NodeShutdown",
    "Probe",
    "Running",
    "SyncLoop",
    "Housekeeping",
    "ImageGC",
    "Kubelet",
    "KubeletAPI",
    "Runtime",
    "Node",
    "Telemetry",
    "OffNode",
    "StartContainer",
    "KillContainer",
    "RemoveContainer",
    "CreatePodSandbox",
    "KillPodSandbox",
    "ConfigPodSandbox",
    "CreatePodSandboxError",
    "KillPodSandboxError",
    "ConfigPodSandboxError",
    "KillContainerError",
    "CreateContainerError",
    "RunContainerError",
    "ErrImagePull",
    "ImageInspectError",
    "PostStartHookError",
    "CrashLoopBackOff",
    "UnexpectedAdmissionError",
    "ImageGCFailed",
    "NetworkNotReady",
    "FailedMount",
    "FailedMapVolume",
    "FailedAttachVolume",
    "FailedCreatePodContainer",
    "FailedToRetrieveImagePullSecret",
    "FailedPrepareDynamicResources",
    "FailedKillPod",
    "Preempting",
    "Evicted",
    "Terminated",
    "Unhealthy",
    "CreateContainerConfigError",
];

/// Bytes as the journal may hold them.
pub(crate) fn any_bytes(origin: Origin, bytes: &[u8]) {
    any_text(origin, &String::from_utf8_lossy(bytes));
}

/// One message, walked to the end.
pub(crate) fn any_text(origin: Origin, input: &str) {
    let Some(message) = parse_from(origin, input) else { return };
    every_text_lies_inside(&message, input);
    pairs_are_well_formed(&message, input);
    failures_are_counted(&message, input);
}

fn every_text_lies_inside(message: &Message<'_>, input: &str) {
    text_lies_inside(message.text, input);
    let frame = message.frame;
    for word in [frame.severity_text, frame.host, frame.file].into_iter().flatten() {
        assert!(lies_inside(word, input), "{word:?} of the frame lies outside {input:?}");
    }
    let facts = message.facts();
    let texts = [
        facts.pod.namespace,
        facts.pod.name,
        facts.pod.uid,
        facts.container,
        facts.container_id,
        facts.sandbox_id,
        facts.image,
        facts.volume,
        facts.reason,
        facts.error,
        facts.detail,
        facts.unit,
        facts.request,
    ];
    for text in texts.into_iter().flatten() {
        text_lies_inside(text, input);
    }
    // Unknown is `None`: a text that says nothing would be a guess.
    for name in [facts.pod.namespace, facts.pod.name, facts.pod.uid].into_iter().flatten() {
        assert!(!name.raw().is_empty(), "an empty name in {input:?}");
    }
}

fn pairs_are_well_formed(message: &Message<'_>, input: &str) {
    let mut count = 0;
    let mut length = 0;
    for (key, value) in message.pairs() {
        count += 1;
        length += value.text().raw().len();
        assert!(lies_inside(key, input), "key {key:?} lies outside {input:?}");
        text_lies_inside(value.text(), input);
    }
    assert!(count <= input.len(), "more pairs than bytes in {input:?}");
    assert!(length <= input.len(), "values overlap in {input:?}");
}

fn failures_are_counted(message: &Message<'_>, input: &str) {
    let mut count: u16 = 0;
    let mut length = 0;
    let mut of = None;
    for failure in message.failures() {
        assert_eq!(failure.index, count, "indices count from 0 in {input:?}");
        assert_eq!(*of.get_or_insert(failure.of), failure.of, "one length for all in {input:?}");
        count += 1;
        length += failure.message.raw().len();
        failure_lies_inside(&failure, input);
    }
    assert_eq!(of.unwrap_or(0), count, "as many items as announced in {input:?}");
    assert!(length <= input.len(), "messages overlap in {input:?}");
}

fn failure_lies_inside(failure: &SyncFailure<'_>, input: &str) {
    text_lies_inside(failure.step, input);
    text_lies_inside(failure.message, input);
    for text in [failure.target, failure.reason].into_iter().flatten() {
        text_lies_inside(text, input);
    }
}

fn text_lies_inside(text: Text<'_>, input: &str) {
    let raw = text.raw();
    assert!(lies_inside(raw, input) || OWN_WORDS.contains(&raw), "{raw:?} lies outside {input:?}");
    decodes(text);
}

/// Decoding ends, and each byte of the input gives at most one replacement character.
fn decodes(text: Text<'_>) {
    let mut counter = Counter(0);
    write!(counter, "{text}").expect("the counter takes everything");
    assert!(counter.0 <= 3 * text.raw().len(), "{text:?} grows when decoded");
}

struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0 += piece.len();
        Ok(())
    }
}

/// Borrowed from the input, by address; nothing is borrowed where there is nothing.
fn lies_inside(slice: &str, input: &str) -> bool {
    let (start, from) = (slice.as_ptr().addr(), input.as_ptr().addr());
    slice.is_empty() || (start >= from && start + slice.len() <= from + input.len())
}
