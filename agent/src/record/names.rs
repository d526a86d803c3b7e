//! The one table of attribute names (otlp.md 2.4–2.6) and of their places in the JSON of terminal,
//! page and `parse`. Names of the semantic conventions come from their crate.

pub use opentelemetry_semantic_conventions::attribute::{
    CODE_FILE_PATH, CODE_LINE_NUMBER, CONTAINER_ID, CONTAINER_IMAGE_NAME, ERROR_TYPE,
    K8S_CONTAINER_NAME, K8S_CONTAINER_STATUS_REASON, K8S_CONTAINER_STATUS_STATE,
    K8S_NAMESPACE_NAME, K8S_POD_NAME, K8S_POD_UID, K8S_VOLUME_NAME, LOG_FILE_PATH, LOG_IOSTREAM,
    LOG_RECORD_ORIGINAL, LOG_RECORD_UID, PROCESS_PID,
};

/// `kubelet`, `containerd`, … (closed)
pub const SOURCE_COMPONENT: &str = "podwhy.source.component";
/// The journal unit.
pub const SOURCE_UNIT: &str = "podwhy.source.unit";
/// The source's own level, verbatim.
pub const SOURCE_SEVERITY: &str = "podwhy.source.severity";
/// When the journal received the line, where the line has a time of its own.
pub const SOURCE_JOURNAL_TIME: &str = "podwhy.source.journal_time";

/// The kubelet's word for the step, unknown ones verbatim.
pub const SYNC_STEP: &str = "podwhy.sync.step";
/// The kubelet's word for the reason.
pub const SYNC_REASON: &str = "podwhy.sync.reason";
/// What the step was for, as written.
pub const SYNC_TARGET: &str = "podwhy.sync.target";
/// Innermost message, unescaped and redacted.
pub const SYNC_MESSAGE: &str = "podwhy.sync.message";
/// Closed list of design 5.2.
pub const SYNC_FORM: &str = "podwhy.sync.form";
/// Place in an aggregate, from 0.
pub const SYNC_INDEX: &str = "podwhy.sync.index";
/// Length of the aggregate.
pub const SYNC_OF: &str = "podwhy.sync.of";
/// Exit code, where the line or its neighbours tell it.
pub const SYNC_EXIT_CODE: &str = "podwhy.sync.exit_code";
/// The back-off that the line names.
pub const SYNC_BACKOFF_SECONDS: &str = "podwhy.sync.backoff_seconds";
/// Sandbox id.
pub const SYNC_SANDBOX_ID: &str = "podwhy.sync.sandbox_id";
/// How many equal failures this record stands for; absent = 1.
pub const SYNC_REPEATS: &str = "podwhy.sync.repeats";
/// The first of the failures that a summary stands for.
pub const SYNC_FIRST_SEEN: &str = "podwhy.sync.first_seen";
/// The last of them.
pub const SYNC_LAST_SEEN: &str = "podwhy.sync.last_seen";
/// The line or a value was cut.
pub const SYNC_TRUNCATED: &str = "podwhy.sync.truncated";

/// Pod network ready.
pub const NODE_CNI_READY: &str = "podwhy.node.cni.ready";
/// Closed list, only when not ready.
pub const NODE_CNI_REASON: &str = "podwhy.node.cni.reason";
/// Free addresses of host-local.
pub const NODE_CNI_LEASES_FREE: &str = "podwhy.node.cni.leases_free";
/// Age of the node's facts when the failure happened.
pub const NODE_AGE_SECONDS: &str = "podwhy.node.age_seconds";

/// Which incident; also on the failures that belong to it.
pub const INCIDENT_ID: &str = "podwhy.incident.id";
/// `pod`, `workload`, `node`
pub const INCIDENT_SCOPE: &str = "podwhy.incident.scope";
/// Closed list of design 5.3.
pub const INCIDENT_STATE: &str = "podwhy.incident.state";
/// Worth waking somebody: opened, another cause, resolved, flapping, ended.
pub const INCIDENT_NOTIFY: &str = "podwhy.incident.notify";
/// RFC 3339, UTC
pub const INCIDENT_FIRST_SEEN: &str = "podwhy.incident.first_seen";
/// RFC 3339, UTC
pub const INCIDENT_LAST_SEEN: &str = "podwhy.incident.last_seen";
/// RFC 3339, UTC: when the kubelet tries again.
pub const INCIDENT_NEXT_RETRY: &str = "podwhy.incident.next_retry";
/// RFC 3339, UTC: without another word until then, take it as unknown.
pub const INCIDENT_EXPIRES: &str = "podwhy.incident.expires";
/// RFC 3339, UTC: when it was proven fixed.
pub const INCIDENT_RESOLVED_AT: &str = "podwhy.incident.resolved_at";
/// Failed attempts.
pub const INCIDENT_ATTEMPTS: &str = "podwhy.incident.attempts";
/// How many pods it hits.
pub const INCIDENT_POD_COUNT: &str = "podwhy.incident.pod_count";
/// Rung of the recovery ladder, 0 to 3.
pub const INCIDENT_RUNG: &str = "podwhy.incident.rung";
/// How often it failed again after a proven rung.
pub const INCIDENT_TURNS: &str = "podwhy.incident.turns";
/// Owner of the pods.
pub const INCIDENT_WORKLOAD: &str = "podwhy.incident.workload";
/// How it will be proven fixed.
pub const INCIDENT_CLEARS_WHEN: &str = "podwhy.incident.clears_when";
/// Equal on every node for the same fault.
pub const INCIDENT_FINGERPRINT: &str = "podwhy.incident.fingerprint";
/// Share of its time that was seen, 0–1.
pub const INCIDENT_COVERAGE: &str = "podwhy.incident.coverage";
/// The incident that this one is a member of.
pub const INCIDENT_PARENT: &str = "podwhy.incident.parent";
/// Why it is in this state, where that needs a word.
pub const INCIDENT_NOTE: &str = "podwhy.incident.note";
/// Closed list: who sent the signal.
pub const INCIDENT_KILLED_BY: &str = "podwhy.incident.killed_by";
/// Compact JSON text, as the lists below.
pub const INCIDENT_PODS: &str = "podwhy.incident.pods";
/// Facts with their sources.
pub const INCIDENT_EVIDENCE: &str = "podwhy.incident.evidence";
/// Pods that should be hit and are not.
pub const INCIDENT_CONTROLS: &str = "podwhy.incident.controls";
/// What to do.
pub const INCIDENT_NEXT: &str = "podwhy.incident.next";
/// What may be missing.
pub const INCIDENT_LOSS: &str = "podwhy.incident.loss";
/// What changed just before.
pub const INCIDENT_CHANGED: &str = "podwhy.incident.changed";
/// What proved each rung.
pub const INCIDENT_PROOF: &str = "podwhy.incident.proof";
/// What differs between the last failing and the first good attempt.
pub const INCIDENT_FIXED_BY: &str = "podwhy.incident.fixed_by";
/// Links, root first.
pub const INCIDENT_CHAIN: &str = "podwhy.incident.chain";
/// Incidents that are members of this one.
pub const INCIDENT_MEMBERS: &str = "podwhy.incident.members";
/// What contradicts what.
pub const INCIDENT_CONTRADICTIONS: &str = "podwhy.incident.contradictions";

/// Of the catalogue, or `unclassified`.
pub const CAUSE_ID: &str = "podwhy.cause.id";
/// Closed list.
pub const CAUSE_CLASS: &str = "podwhy.cause.class";
/// A headline.
pub const CAUSE_TITLE: &str = "podwhy.cause.title";
/// `certain`, `likely`, `possible`
pub const CAUSE_CONFIDENCE: &str = "podwhy.cause.confidence";
/// Compact JSON text.
pub const CAUSE_ALTERNATIVES: &str = "podwhy.cause.alternatives";

/// `v1.34.4`
pub const NODE_KUBELET_VERSION: &str = "podwhy.node.kubelet_version";
/// `containerd://1.6.20`
pub const NODE_RUNTIME: &str = "podwhy.node.runtime";
/// Kernel release.
pub const NODE_KERNEL: &str = "podwhy.node.kernel";
/// OS image.
pub const NODE_OS_IMAGE: &str = "podwhy.node.os_image";

/// `suppressed`, `vacuumed`, …
pub const LOSS_KIND: &str = "podwhy.loss.kind";
/// How many lines are missing.
pub const LOSS_LINES: &str = "podwhy.loss.lines";
/// RFC 3339, UTC
pub const LOSS_FROM: &str = "podwhy.loss.from";
/// RFC 3339, UTC
pub const LOSS_TO: &str = "podwhy.loss.to";
/// The destination's configured name.
pub const LOSS_DESTINATION: &str = "podwhy.loss.destination";

/// True at the start of a spike, false at its end.
pub const SPIKE_ACTIVE: &str = "podwhy.spike.active";
/// What jumped: `pods`, `attempts`, `lines`.
pub const SPIKE_MEASURE: &str = "podwhy.spike.measure";
/// How much of it within the window.
pub const SPIKE_OBSERVED: &str = "podwhy.spike.observed";
/// How much of it is usual on this node.
pub const SPIKE_EXPECTED: &str = "podwhy.spike.expected";
/// `-log10` of how unlikely that is.
pub const SPIKE_SCORE: &str = "podwhy.spike.score";
/// Length of the window.
pub const SPIKE_WINDOW_SECONDS: &str = "podwhy.spike.window_seconds";
/// RFC 3339, UTC: when it began.
pub const SPIKE_SINCE: &str = "podwhy.spike.since";
/// Distinct pods.
pub const SPIKE_POD_COUNT: &str = "podwhy.spike.pod_count";
/// Share of the largest namespace, 0–1.
pub const SPIKE_NAMESPACE_SHARE: &str = "podwhy.spike.namespace_share";
/// Reasons by pods, most first; compact JSON text.
pub const SPIKE_REASONS: &str = "podwhy.spike.reasons";
/// Causes by pods, most first; compact JSON text.
pub const SPIKE_CAUSES: &str = "podwhy.spike.causes";
/// Sample pods; compact JSON text.
pub const SPIKE_PODS: &str = "podwhy.spike.pods";
/// Of error lines: the one with which it began.
pub const SPIKE_SAMPLE: &str = "podwhy.spike.sample";

/// Which check; closed.
pub const CHECK_NAME: &str = "podwhy.check.name";
/// `ok`, `degraded`, `failed`, `unknown`
pub const CHECK_STATUS: &str = "podwhy.check.status";
/// In the unit that the check's name ends in.
pub const CHECK_VALUE: &str = "podwhy.check.value";
/// In the same unit.
pub const CHECK_THRESHOLD: &str = "podwhy.check.threshold";

/// Where names of the conventions go in JSON (design 5.2).
const PLACES: &[(&str, &[&str])] = &[
    (LOG_RECORD_UID, &["uid"]),
    (K8S_NAMESPACE_NAME, &["pod", "namespace"]),
    (K8S_POD_NAME, &["pod", "name"]),
    (K8S_POD_UID, &["pod", "uid"]),
    (K8S_CONTAINER_NAME, &["container"]),
    (K8S_CONTAINER_STATUS_STATE, &["container_status", "state"]),
    (K8S_CONTAINER_STATUS_REASON, &["container_status", "reason"]),
    (CONTAINER_ID, &["container_id"]),
    (CONTAINER_IMAGE_NAME, &["image"]),
    (K8S_VOLUME_NAME, &["volume"]),
    (ERROR_TYPE, &["error_type"]),
    (CODE_FILE_PATH, &["source", "file"]),
    (CODE_LINE_NUMBER, &["source", "line"]),
    (PROCESS_PID, &["source", "pid"]),
    (LOG_FILE_PATH, &["source", "path"]),
    (LOG_IOSTREAM, &["source", "stream"]),
    (LOG_RECORD_ORIGINAL, &["original"]),
];

/// The place of an attribute in the JSON of a record: the last part of its name; what a source, a
/// cause or the node tells stays together.
#[must_use]
pub fn json_path(name: &str) -> Vec<&str> {
    if let Some((_, path)) = PLACES.iter().find(|(known, _)| *known == name) {
        return path.to_vec();
    }
    match name.strip_prefix("podwhy.").and_then(|rest| rest.split_once('.')) {
        Some((group @ ("node" | "cause" | "source"), rest)) => {
            std::iter::once(group).chain(rest.split('.')).collect()
        }
        Some((_, last)) => vec![last],
        None => vec![name],
    }
}
