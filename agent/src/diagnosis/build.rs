//! From what was concluded to records: the attributes of otlp.md 2.3–2.6, one sentence, bounds.

mod incident;
mod node;
mod pod;
mod spike;

use std::fmt::Write as _;

pub(super) use self::{
    incident::{Telling, incident},
    node::Surroundings,
    spike::{Spike, SpikeCause, spike},
};
use super::{
    Check, CheckStatus, Counters,
    attempt::Attempt,
    identity,
    incident::hex,
    repeats::{Novelty, Summary},
};
use crate::{
    limits,
    observation::{Level, text::plain, time::utc},
    record::{EventName, Record, Severity, Worth, attributes::Attributes, names},
    source::{Loss, LossKind, Micros},
};

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
    pod::attributes(attempt, &mut attributes, counters);
    writer_attributes(attempt, &mut attributes);
    node::attributes(around, attempt.received, &mut attributes);
    attributes.text(names::INCIDENT_ID, attempt.incident.map(hex).as_deref());
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
    out.text(names::ERROR_TYPE, Some(pod::error_type(reason)));
    out.text(names::SYNC_TARGET, failure.target.as_deref());
    out.text(names::SYNC_FORM, Some(attempt.form.label()));
    out.int(names::SYNC_INDEX, Some(failure.index));
    out.int(names::SYNC_OF, Some(failure.of.max(1)));
    pod::status_attributes(reason, out);
    let details = &attempt.details;
    out.int(names::SYNC_EXIT_CODE, details.exit_code);
    out.double(names::SYNC_BACKOFF_SECONDS, details.backoff_seconds);
    out.text(names::SYNC_SANDBOX_ID, details.sandbox_id.as_deref());
    out.text(names::CONTAINER_ID, details.container_id.as_deref());
    out.text(names::CONTAINER_IMAGE_NAME, details.image.as_deref());
    out.text(names::K8S_VOLUME_NAME, details.volume.as_deref());
    out.text(names::SYNC_MESSAGE, Some(&failure.message));
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

/// What is missing, as a record.
pub(super) fn loss(node: &str, at: Micros, loss: &Loss) -> Record {
    let kind = loss.kind.name();
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
    node::all_attributes(around.view, &mut attributes);
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
