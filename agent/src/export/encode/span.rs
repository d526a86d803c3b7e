//! A span as OTLP bytes: one incident from its first failure to its end (otlp.md 4.3), put into the
//! same envelope as records are.

use opentelemetry_proto::tonic::trace::v1::{
    Span, Status,
    span::{Event, Link, SpanKind},
    status::StatusCode,
};
use prost::{Message as _, bytes::Bytes};

use super::{Bounds, Kept, cut, nanos};
use crate::{
    export::spans::{Attempt, Context},
    limits,
    record::{EventName, Record, Value, names},
    source::Micros,
};

/// The name of every span: what differs is attributes.
const NAME: &str = "podwhy.incident";

/// W3C: a trace that is recorded.
pub(super) const SAMPLED: u32 = 1;

/// Everything of a span that is not among the attributes of its last record.
#[derive(Clone, Copy, Debug)]
pub(in crate::export) struct Whole<'a> {
    pub(in crate::export) context: Context,
    /// The span of the incident that this one is a member of.
    pub(in crate::export) parent: Option<Context>,
    pub(in crate::export) start: Micros,
    pub(in crate::export) end: Micros,
    pub(in crate::export) attempts: &'a [Attempt],
    /// Attempts that were not kept.
    pub(in crate::export) dropped: u64,
}

/// The bytes of the span that ends with `record`.
pub(in crate::export) fn encode(record: &Record, whole: &Whole<'_>) -> Vec<u8> {
    let bounds = Bounds { text: limits::SPAN_VALUE_BYTES, ..Bounds::default() };
    let mut kept = Kept::new(&bounds);
    for (name, value) in record.attributes.iter().filter(|(name, _)| is_of_spans(name)) {
        kept.take(name, value);
    }
    let title = record.attribute(names::CAUSE_TITLE).and_then(Value::as_text).unwrap_or_default();
    Span {
        trace_id: whole.context.trace.to_vec(),
        span_id: whole.context.span.to_vec(),
        flags: SAMPLED,
        name: NAME.to_owned(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: nanos(whole.start),
        end_time_unix_nano: nanos(whole.end),
        attributes: kept.attributes,
        dropped_attributes_count: kept.dropped,
        events: whole.attempts.iter().map(event).collect(),
        dropped_events_count: u32::try_from(whole.dropped).unwrap_or(u32::MAX),
        links: whole.parent.iter().map(link).collect(),
        status: Some(Status {
            message: cut(title, limits::SPAN_VALUE_BYTES).to_owned(),
            code: StatusCode::Error.into(),
        }),
        ..Span::default()
    }
    .encode_to_vec()
}

/// The attributes of an incident that its span has too: what one searches by, not what one reads.
fn is_of_spans(name: &str) -> bool {
    const NAMES: [&str; 20] = [
        names::ERROR_TYPE,
        names::K8S_NAMESPACE_NAME,
        names::K8S_POD_NAME,
        names::K8S_POD_UID,
        names::K8S_CONTAINER_NAME,
        names::SYNC_STEP,
        names::SYNC_REASON,
        names::INCIDENT_ID,
        names::INCIDENT_SCOPE,
        names::INCIDENT_STATE,
        names::INCIDENT_FIRST_SEEN,
        names::INCIDENT_LAST_SEEN,
        names::INCIDENT_NEXT_RETRY,
        names::INCIDENT_ATTEMPTS,
        names::INCIDENT_POD_COUNT,
        names::INCIDENT_FINGERPRINT,
        names::CAUSE_ID,
        names::CAUSE_CLASS,
        names::CAUSE_TITLE,
        names::CAUSE_CONFIDENCE,
    ];
    const OWNERS: [&str; 6] =
        ["deployment", "replicaset", "statefulset", "daemonset", "job", "cronjob"];
    let is_owner = || {
        let rest = name.strip_prefix("k8s.").and_then(|rest| rest.split_once('.'));
        rest.is_some_and(|(kind, what)| OWNERS.contains(&kind) && matches!(what, "name" | "uid"))
    };
    NAMES.contains(&name) || is_owner()
}

fn event(attempt: &Attempt) -> Event {
    let bounds = Bounds { text: limits::SPAN_VALUE_BYTES, ..Bounds::default() };
    let mut kept = Kept::new(&bounds);
    let uid: String = attempt.uid.iter().map(|byte| format!("{byte:02x}")).collect();
    kept.take(names::LOG_RECORD_UID, &Value::Text(uid));
    kept.take(names::SYNC_STEP, &Value::Text(attempt.step.clone()));
    kept.take(names::SYNC_REASON, &Value::Text(attempt.reason.clone()));
    kept.take(names::SYNC_MESSAGE, &Value::Text(attempt.message.clone()));
    if attempt.repeats != 1 {
        kept.take(names::SYNC_REPEATS, &Value::Int(attempt.repeats));
    }
    Event {
        time_unix_nano: nanos(attempt.time),
        name: EventName::SyncFailure.name().to_owned(),
        attributes: kept.attributes,
        ..Event::default()
    }
}

fn link(parent: &Context) -> Link {
    Link {
        trace_id: parent.trace.to_vec(),
        span_id: parent.span.to_vec(),
        flags: SAMPLED,
        ..Link::default()
    }
}

/// Name and id of an encoded span, to name it where it was refused.
pub(in crate::export) fn name_of(bytes: &Bytes) -> String {
    match Span::decode(bytes.clone()) {
        Ok(span) => {
            let trace: String = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("span of incident {trace}")
        }
        Err(_) => "an unreadable span".to_owned(),
    }
}
