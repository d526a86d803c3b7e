//! From what was concluded to records: the attributes of otlp.md 2.3–2.6, one sentence, bounds.

use std::fmt::Write as _;

use super::{
    Check, CheckStatus, Counters,
    attempt::Attempt,
    identity,
    repeats::{Novelty, Summary},
};
use crate::{
    limits,
    node::{self, CniReason, DiskRole},
    observation::{Level, text::plain, time::utc},
    record::{EventName, Record, Severity, Worth, attributes::Attributes, names},
    source::{Loss, LossKind, Micros},
};

/// What the node looks like, and the kubelet's own word on its network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) node: &'a str,
    pub(super) view: &'a node::View,
    /// When the kubelet last said that the network is not ready.
    pub(super) network_down_at: Option<Micros>,
}

/// The kubelet repeats that its network is not ready every five seconds; an older word is no word.
const NETWORK_WORD: Micros = 15_000_000;

/// Reasons that are also those of a container's status (otlp.md 2.1).
const STATUS_REASONS: [&str; 4] =
    ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"];

/// The closed table of `error.type` (log-grammar §6.3, §6.4); all else is `_OTHER`.
const ERROR_TYPES: &[&str] = &[
    "AppArmor",
    "ConfigPodSandboxError",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "CreatePodSandboxError",
    "DeadlineExceeded",
    "ErrImageNeverPull",
    "ErrImagePull",
    "Evicted",
    "FailedAttachVolume",
    "FailedCreatePodContainer",
    "FailedKillPod",
    "FailedMapVolume",
    "FailedMount",
    "FailedPrepareDynamicResources",
    "FailedToRetrieveImagePullSecret",
    "FreeDiskSpaceFailed",
    "ImageGCFailed",
    "ImageInspectError",
    "ImagePullBackOff",
    "ImageVolumeMountFailed",
    "InitContainerRestartPolicyForbidden",
    "InvalidDiskCapacity",
    "InvalidImageName",
    "InvalidNodeInfo",
    "KillContainerError",
    "KillPodSandboxError",
    "NetworkNotReady",
    "NodeAffinity",
    "NodeName",
    "NodePorts",
    "NodeShutdown",
    "NodeUnschedulable",
    "OutOfcpu",
    "OutOfephemeral-storage",
    "OutOfmemory",
    "OutOfpods",
    "PodFeatureUnsupported",
    "PodLevelResourcesNotSupported",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "PostStartHookError",
    "PreCreateHookError",
    "PreStartHookError",
    "Preempting",
    "RROUnsupported",
    "RegistryUnavailable",
    "RemoveContainerError",
    "ResizePodInPlaceError",
    "RunContainerError",
    "SMTAlignmentError",
    "SetupNetworkError",
    "Shutdown",
    "SignatureValidationFailed",
    "SupplementalGroupsPolicyNotSupported",
    "SysctlForbidden",
    "TaintToleration",
    "TeardownNetworkError",
    "Terminated",
    "TopologyAffinityError",
    "UnexpectedAdmissionError",
    "UnexpectedPredicateFailureType",
    "Unhealthy",
    "UnknownReason",
    "VolumeAttachmentLimitExceeded",
];

/// A failed attempt, or the newest of those that a summary counts.
pub(super) fn sync_failure(
    attempt: &Attempt,
    uid: [u8; 16],
    novelty: Novelty,
    around: Surroundings<'_>,
    counters: &mut Counters,
) -> Record {
    let mut attributes = Attributes::default();
    failure_attributes(attempt, &mut attributes);
    pod_attributes(attempt, &mut attributes, counters);
    writer_attributes(attempt, &mut attributes);
    node_attributes(around, attempt.received, &mut attributes);
    let is_cut = attempt.truncated || attributes.cut;
    attributes.bool(names::SYNC_TRUNCATED, is_cut.then_some(true));
    Record {
        event: EventName::SyncFailure,
        uid,
        time: attempt.at,
        severity: match attempt.writer.severity {
            Some(Level::Info) => Severity::Info,
            Some(Level::Warn) => Severity::Warn,
            Some(Level::Error) | None => Severity::Error,
            Some(Level::Fatal) => Severity::Fatal,
        },
        body: sentence(attempt, None),
        attributes: attributes.finish(),
        worth: match novelty {
            Novelty::First => Worth::Failure,
            Novelty::Again => Worth::Repeat,
        },
    }
}

/// A number of equal failures: the newest one's words, and how many.
pub(super) fn summary(
    summary: &Summary,
    around: Surroundings<'_>,
    counters: &mut Counters,
) -> Record {
    let uid = identity::summary(summary.first_uid, &utc(summary.start));
    let mut record = sync_failure(&summary.last, uid, Novelty::Again, around, counters);
    let mut extra = Attributes::default();
    extra.int(names::SYNC_REPEATS, Some(summary.count));
    extra.text(names::SYNC_FIRST_SEEN, Some(&utc(summary.first_seen)));
    extra.text(names::SYNC_LAST_SEEN, Some(&utc(summary.last.at)));
    record.attributes.extend(extra.finish());
    record.body = sentence(&summary.last, Some(summary));
    record
}

fn failure_attributes(attempt: &Attempt, out: &mut Attributes) {
    let failure = &attempt.failure;
    let reason = failure.reason.as_deref();
    out.text(names::SYNC_STEP, Some(&failure.step));
    out.text(names::SYNC_REASON, reason);
    out.text(names::ERROR_TYPE, Some(error_type(reason)));
    out.text(names::SYNC_TARGET, failure.target.as_deref());
    out.text(names::SYNC_FORM, Some(attempt.form.label()));
    out.int(names::SYNC_INDEX, Some(failure.index));
    out.int(names::SYNC_OF, Some(failure.of.max(1)));
    if let Some(status) = reason.filter(|reason| STATUS_REASONS.contains(reason)) {
        out.text(names::K8S_CONTAINER_STATUS_STATE, Some("waiting"));
        out.text(names::K8S_CONTAINER_STATUS_REASON, Some(status));
    }
    let details = &attempt.details;
    out.int(names::SYNC_EXIT_CODE, details.exit_code);
    out.double(names::SYNC_BACKOFF_SECONDS, details.backoff_seconds);
    out.text(names::SYNC_SANDBOX_ID, details.sandbox_id.as_deref());
    out.text(names::CONTAINER_ID, details.container_id.as_deref());
    out.text(names::CONTAINER_IMAGE_NAME, details.image.as_deref());
    out.text(names::K8S_VOLUME_NAME, details.volume.as_deref());
    out.text(names::SYNC_MESSAGE, Some(&failure.message));
}

/// Text of others becomes identity only where it has identity's form (O25).
fn pod_attributes(attempt: &Attempt, out: &mut Attributes, counters: &mut Counters) {
    let mut put = |name, value: Option<&str>, is_valid: fn(&str) -> bool| {
        if value.is_some_and(|value| !is_valid(value)) {
            counters.invalid_identities += 1;
            return;
        }
        out.text(name, value);
    };
    put(names::K8S_NAMESPACE_NAME, attempt.pod.namespace.as_deref(), is_label);
    put(names::K8S_POD_NAME, attempt.pod.name.as_deref(), is_subdomain);
    put(names::K8S_POD_UID, attempt.pod.uid.as_deref(), is_uid);
    put(names::K8S_CONTAINER_NAME, attempt.container.as_deref(), is_label);
}

fn writer_attributes(attempt: &Attempt, out: &mut Attributes) {
    let writer = &attempt.writer;
    out.text(names::SOURCE_COMPONENT, Some(writer.component.label()));
    out.text(names::SOURCE_UNIT, writer.unit.as_deref());
    out.text(names::SOURCE_SEVERITY, writer.severity_text.as_deref());
    if attempt.received > 0 {
        out.text(names::SOURCE_JOURNAL_TIME, Some(&utc(attempt.received)));
    }
    out.text(names::CODE_FILE_PATH, writer.file.as_deref());
    out.int(names::CODE_LINE_NUMBER, writer.line);
    out.int(names::PROCESS_PID, writer.pid);
}

/// Disks of kubelet and runtime and the pod network, with the age of the oldest of them. A negative
/// age says that they were read that long after the failure, as when a backlog is read.
fn node_attributes(around: Surroundings<'_>, at: Micros, out: &mut Attributes) {
    let mut oldest: Option<Micros> = None;
    let disks = around.view.disks.iter();
    for disk in disks.filter(|disk| matches!(disk.role, DiskRole::Kubelet | DiskRole::Runtime)) {
        disk_attributes(disk, out);
        oldest = Some(oldest.map_or(disk.at, |oldest| oldest.min(disk.at)));
    }
    let said = around.network_down_at.filter(|said| at.saturating_sub(*said) <= NETWORK_WORD);
    let (is_ready, reason, known_at) = match (&around.view.cni, said) {
        // The files tell why; the kubelet tells that.
        (Some(cni), said) if !cni.ready || said.is_none() => {
            (Some(cni.ready), cni.reason, Some(cni.at))
        }
        (_, Some(said)) => (Some(false), Some(CniReason::KubeletSaysNotReady), Some(said)),
        _ => (None, None, None),
    };
    out.bool(names::NODE_CNI_READY, is_ready);
    out.text(names::NODE_CNI_REASON, reason.filter(|_| is_ready == Some(false)).map(cni_reason));
    let oldest = oldest.into_iter().chain(known_at).min();
    out.double(names::NODE_AGE_SECONDS, oldest.map(|oldest| seconds(at.saturating_sub(oldest))));
}

fn disk_attributes(disk: &node::Disk, out: &mut Attributes) {
    let role = disk_role(disk.role);
    let name = |what: &str| format!("podwhy.node.disk.{role}.{what}");
    out.int(name("free_bytes"), Some(disk.free_bytes));
    out.double(name("free_ratio"), ratio(disk.free_bytes, disk.total_bytes));
    if let (Some(free), Some(total)) = (disk.inodes_free, disk.inodes_total) {
        out.double(name("inodes_free_ratio"), ratio(free, total));
    }
    out.bool(name("read_only"), disk.read_only);
}

/// What is missing, as a record.
pub(super) fn loss(node: &str, at: Micros, loss: &Loss) -> Record {
    let kind = loss_kind(loss.kind);
    let (from, to) = (loss.from.map(utc), loss.to.map(utc));
    let uid = identity::loss(
        node,
        kind,
        [Some(&loss.component), loss.unit.as_deref(), loss.destination.as_deref()],
        [from.as_deref(), to.as_deref()],
        loss.lines,
    );
    let mut attributes = Attributes::default();
    attributes.text(names::LOSS_KIND, Some(kind));
    attributes.int(names::LOSS_LINES, loss.lines);
    attributes.text(names::LOSS_FROM, from.as_deref());
    attributes.text(names::LOSS_TO, to.as_deref());
    attributes.text(names::LOSS_DESTINATION, loss.destination.as_deref());
    attributes.text(names::SOURCE_COMPONENT, Some(&loss.component));
    attributes.text(names::SOURCE_UNIT, loss.unit.as_deref());
    let ours = matches!(loss.kind, LossKind::Refused | LossKind::OutboxFull);
    let what = if ours { "records" } else { "lines" };
    let mut body = match loss.lines {
        Some(count) => format!("{count} {what} of {} are missing", loss.component),
        None => format!("An unknown number of {what} of {} is missing", loss.component),
    };
    if let (Some(from), Some(to)) = (&from, &to) {
        let _ = write!(body, " between {from} and {to}");
    }
    let _ = write!(body, ": {}", loss.why);
    Record {
        event: EventName::Loss,
        uid,
        time: loss.to.or(loss.from).unwrap_or(at),
        severity: if loss.kind == LossKind::Refused { Severity::Error } else { Severity::Warn },
        body: one_line(&body),
        attributes: attributes.finish(),
        worth: Worth::Incident,
    }
}

/// One check of the node, with everything that is known of its disks and network.
pub(super) fn node_check(around: Surroundings<'_>, at: Micros, check: &Check) -> Record {
    let (status, severity) = match check.status {
        CheckStatus::Ok => ("ok", Severity::Info),
        CheckStatus::Degraded => ("degraded", Severity::Warn),
        CheckStatus::Unknown => ("unknown", Severity::Warn),
        CheckStatus::Failed => ("failed", Severity::Error),
    };
    let mut attributes = Attributes::default();
    attributes.text(names::CHECK_NAME, Some(&check.name));
    attributes.text(names::CHECK_STATUS, Some(status));
    attributes.double(names::CHECK_VALUE, check.value);
    attributes.double(names::CHECK_THRESHOLD, check.threshold);
    for disk in &around.view.disks {
        disk_attributes(disk, &mut attributes);
    }
    if let Some(cni) = &around.view.cni {
        attributes.bool(names::NODE_CNI_READY, Some(cni.ready));
        let reason = cni.reason.filter(|_| !cni.ready).map(cni_reason);
        attributes.text(names::NODE_CNI_REASON, reason);
        attributes.int(names::NODE_CNI_LEASES_FREE, cni.leases_free);
    }
    Record {
        event: EventName::NodeCheck,
        uid: identity::node_check(around.node, &check.name, &utc(at)),
        time: at,
        severity,
        body: one_line(&format!("{}: {status}: {}", check.name, check.text)),
        attributes: attributes.finish(),
        worth: Worth::Failure,
    }
}

/// `StartContainer failed for container app of pod shop/web-0: CrashLoopBackOff: back-off …`
fn sentence(attempt: &Attempt, summary: Option<&Summary>) -> String {
    let failure = &attempt.failure;
    let mut body = format!("{} failed", failure.step);
    if let Some(summary) = summary {
        let times = if summary.count == 1 { "once" } else { "times" };
        let count = if summary.count == 1 { String::new() } else { format!("{} ", summary.count) };
        let _ = write!(body, " {count}{times} more");
    }
    let pod = match (&attempt.pod.namespace, &attempt.pod.name, &attempt.pod.uid) {
        (Some(namespace), Some(name), _) => Some(format!("pod {namespace}/{name}")),
        (None, Some(name), _) => Some(format!("pod {name}")),
        (_, None, Some(uid)) => Some(format!("pod {uid}")),
        _ => None,
    };
    let parts = [attempt.container.as_ref().map(|name| format!("container {name}")), pod];
    let subject: Vec<String> = parts.into_iter().flatten().collect();
    if !subject.is_empty() {
        let _ = write!(body, " for {}", subject.join(" of "));
    }
    for part in failure.reason.iter().chain([&failure.message]).filter(|part| !part.is_empty()) {
        let _ = write!(body, ": {part}");
    }
    one_line(&body)
}

/// Bounded, on one line, without control characters.
fn one_line(text: &str) -> String {
    let text = plain(text).replace(['\n', '\t'], " ");
    limits::cut(text.trim_end(), limits::BODY_BYTES).0.to_owned()
}

fn error_type(reason: Option<&str>) -> &'static str {
    reason
        .and_then(|reason| ERROR_TYPES.iter().find(|known| **known == reason))
        .map_or("_OTHER", |known| known)
}

/// A UUID in lower case, or the 32 hex digits of a static pod (G46).
fn is_uid(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let lengths = text.split('-').map(str::len);
    text.split('-').all(is_hex) && (lengths.eq([8, 4, 4, 4, 12]) || text.len() == 32)
}

/// DNS-1123 label.
fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| is_inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(is_inner)
        && text.bytes().next_back().is_some_and(is_inner)
}

/// DNS-1123 subdomain.
fn is_subdomain(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 253
        && text.split('.').all(|part| {
            part.bytes().all(|byte| is_inner(byte) || byte == b'-')
                && part.bytes().next().is_some_and(is_inner)
                && part.bytes().next_back().is_some_and(is_inner)
        })
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).clamp(0.0, 1.0))
}

#[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 microseconds")]
fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

const fn disk_role(role: DiskRole) -> &'static str {
    match role {
        DiskRole::Kubelet => "kubelet",
        DiskRole::Runtime => "runtime",
        DiskRole::RuntimeState => "runtime_state",
        DiskRole::Log => "log",
        DiskRole::Root => "root",
    }
}

const fn cni_reason(reason: CniReason) -> &'static str {
    match reason {
        CniReason::ConfigFolderMissing => "config_folder_missing",
        CniReason::ConfigMissing => "config_missing",
        CniReason::ConfigInvalid => "config_invalid",
        CniReason::PluginMissing => "plugin_missing",
        CniReason::PluginNotExecutable => "plugin_not_executable",
        CniReason::AddressesExhausted => "addresses_exhausted",
        CniReason::KubeletSaysNotReady => "kubelet_says_not_ready",
    }
}

const fn loss_kind(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Suppressed => "suppressed",
        LossKind::Vacuumed => "vacuumed",
        LossKind::Rotated => "rotated",
        LossKind::Corrupt => "corrupt",
        LossKind::Untrusted => "untrusted",
        LossKind::Refused => "refused",
        LossKind::OutboxFull => "outbox_full",
    }
}

#[cfg(test)]
mod tests;
