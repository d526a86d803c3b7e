//! Records, spans and batches as OTLP bytes. A record is encoded once, when it enters the outbox; a batch
//! is put around the stored bytes without decoding them, so that a resend is identical (O11).

pub(super) mod span;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value},
    logs::v1::LogRecord,
    resource::v1::Resource,
};
use opentelemetry_semantic_conventions::{self as semconv, attribute};
use prost::{Message, bytes::Bytes};

use super::{Config, Pending, spans::Context};
use crate::{
    limits,
    record::{EventName, Record, Severity, Signal, Value, Worth, names},
    source::Micros,
};

/// How much of a record's attributes leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Attributes per record.
    pub attributes: usize,
    /// Bytes per string.
    pub text: usize,
    /// Bytes of all attributes of a record.
    pub record: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            attributes: limits::ATTRIBUTES,
            text: limits::VALUE_BYTES,
            record: limits::ATTRIBUTES_BYTES,
        }
    }
}

/// The bytes of a record that was seen at `observed`.
pub fn record(record: &Record, observed: Micros, bounds: &Bounds) -> Vec<u8> {
    record_of(record, observed, bounds, None)
}

/// The same of a record that belongs to a span.
pub fn record_of(
    record: &Record,
    observed: Micros,
    bounds: &Bounds,
    context: Option<Context>,
) -> Vec<u8> {
    let mut kept = Kept::new(bounds);
    kept.take(names::LOG_RECORD_UID, &Value::Text(record.uid_text()));
    for (name, value) in &record.attributes {
        kept.take(name, value);
    }
    if kept.cut && record.event == EventName::SyncFailure {
        kept.take(names::SYNC_TRUNCATED, &Value::Bool(true));
    }
    let (severity_number, severity_text) = match record.severity {
        Severity::Info => (9, "INFO"),
        Severity::Warn => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
        Severity::Fatal => (21, "FATAL"),
    };
    LogRecord {
        time_unix_nano: nanos(record.time),
        observed_time_unix_nano: nanos(observed),
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(text(cut(&record.body, bounds.text))),
        attributes: kept.attributes,
        dropped_attributes_count: kept.dropped,
        event_name: record.event.name().to_owned(),
        trace_id: context.map_or(Vec::new(), |context| context.trace.to_vec()),
        span_id: context.map_or(Vec::new(), |context| context.span.to_vec()),
        flags: if context.is_some() { span::SAMPLED } else { 0 },
    }
    .encode_to_vec()
}

/// Reads the bytes of a record back, for the terminal. What was cut stays cut.
pub fn decode(bytes: &Bytes) -> Option<Record> {
    let log = LogRecord::decode(bytes.clone()).ok()?;
    let event = EVENTS.into_iter().find(|event| event.name() == log.event_name)?;
    let severity = match log.severity_number {
        ..=12 => Severity::Info,
        13..=16 => Severity::Warn,
        17..=20 => Severity::Error,
        _ => Severity::Fatal,
    };
    let mut uid = [0; 16];
    let mut attributes = Vec::with_capacity(log.attributes.len());
    for kept in log.attributes {
        match (kept.key.as_str(), value_of(kept.value?)?) {
            (names::LOG_RECORD_UID, Value::Text(text)) => uid = unhex(&text)?,
            (_, value) => attributes.push((kept.key.into(), value)),
        }
    }
    let Some(Value::Text(body)) = value_of(log.body?) else { return None };
    let time = Micros::try_from(log.time_unix_nano / 1000).ok()?;
    Some(Record { event, uid, time, severity, body, attributes, worth: Worth::Failure })
}

const EVENTS: [EventName; 5] = [
    EventName::SyncFailure,
    EventName::Incident,
    EventName::Loss,
    EventName::Spike,
    EventName::NodeCheck,
];

fn value_of(value: AnyValue) -> Option<Value> {
    Some(match value.value? {
        any_value::Value::StringValue(text) => Value::Text(text),
        any_value::Value::IntValue(number) => Value::Int(number),
        any_value::Value::DoubleValue(number) => Value::Double(number),
        any_value::Value::BoolValue(is_so) => Value::Bool(is_so),
        any_value::Value::ArrayValue(list) => {
            let texts =
                list.values.into_iter().filter_map(value_of).filter_map(|item| match item {
                    Value::Text(text) => Some(text),
                    _ => None,
                });
            Value::Texts(texts.collect())
        }
        _ => return None,
    })
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

struct Kept<'b> {
    attributes: Vec<KeyValue>,
    bytes: usize,
    dropped: u32,
    cut: bool,
    bounds: &'b Bounds,
}

impl<'b> Kept<'b> {
    fn new(bounds: &'b Bounds) -> Self {
        Self { attributes: Vec::new(), bytes: 0, dropped: 0, cut: false, bounds }
    }

    /// Takes one attribute as far as the bounds allow. Unknown is absent, so empty text is not sent.
    fn take(&mut self, name: &str, value: &Value) {
        if matches!(value, Value::Text(text) if text.is_empty())
            || matches!(value, Value::Texts(texts) if texts.is_empty())
        {
            return;
        }
        let (value, size, cut) = bounded(value, self.bounds.text);
        let size = size + name.len();
        // One place stays for the mark that something was cut.
        let full = self.attributes.len() + usize::from(name != names::SYNC_TRUNCATED)
            >= self.bounds.attributes
            || self.bytes + size > self.bounds.record
            || self.attributes.iter().any(|kept| kept.key == name);
        if full {
            // A second mark is no loss.
            self.dropped += u32::from(name != names::SYNC_TRUNCATED);
            self.cut |= name != names::SYNC_TRUNCATED;
            return;
        }
        self.dropped += u32::from(cut);
        self.cut |= cut;
        self.bytes += size;
        self.attributes.push(KeyValue {
            key: name.to_owned(),
            value: Some(value),
            ..KeyValue::default()
        });
    }
}

/// The value within its bound, its size, and whether it was cut.
fn bounded(value: &Value, max: usize) -> (AnyValue, usize, bool) {
    match value {
        Value::Text(whole) => {
            let kept = cut(whole, max);
            (text(kept), kept.len(), kept.len() < whole.len())
        }
        Value::Int(number) => (any(any_value::Value::IntValue(*number)), 8, false),
        Value::Double(number) => (any(any_value::Value::DoubleValue(*number)), 8, false),
        Value::Bool(is_so) => (any(any_value::Value::BoolValue(*is_so)), 1, false),
        Value::Texts(all) => {
            let mut values = Vec::with_capacity(all.len());
            let mut left = max;
            for whole in all {
                let kept = cut(whole, left);
                if kept.len() < whole.len() {
                    break;
                }
                left -= kept.len();
                values.push(text(kept));
            }
            let is_cut = values.len() < all.len();
            (any(any_value::Value::ArrayValue(ArrayValue { values })), max - left, is_cut)
        }
    }
}

fn text(text: &str) -> AnyValue {
    any(any_value::Value::StringValue(text.to_owned()))
}

fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// At most `max` bytes, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

fn nanos(time: Micros) -> u64 {
    u64::try_from(time).unwrap_or(0).saturating_mul(1000)
}

// The messages of collector/logs/v1 with the records left as bytes: a length-delimited field is the
// same on the wire, whether its content is known or not. Those of collector/trace/v1 have the same
// numbers, so that spans go into the same envelope.

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    log_records: Vec<Bytes>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

/// What every batch of this agent has in common.
#[derive(Clone, Debug)]
pub struct Envelope {
    resource: Resource,
    scope: InstrumentationScope,
}

/// What the node says about itself, for the resource (otlp.md 2.2).
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// `spec.nodeName`, else the host's name.
    pub node: String,
    /// `k8s.cluster.name`, when it is set.
    pub cluster: Option<String>,
}

impl Envelope {
    /// The resource: the agent and its node, never anything of a pod (O15).
    pub fn new(identity: &Identity, config: &Config) -> Self {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() && !all.iter().any(|(known, _)| known == name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        };
        let user = |name: &str| {
            config.resource.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        let name = config.service_name.as_deref().or_else(|| user(attribute::SERVICE_NAME));
        put(attribute::SERVICE_NAME, name.unwrap_or("podwhy"));
        put(attribute::SERVICE_VERSION, env!("CARGO_PKG_VERSION"));
        put(
            attribute::SERVICE_INSTANCE_ID,
            user(attribute::SERVICE_INSTANCE_ID).unwrap_or(&identity.node),
        );
        put(attribute::K8S_NODE_NAME, &identity.node);
        put(attribute::K8S_CLUSTER_NAME, identity.cluster.as_deref().unwrap_or_default());
        for (name, value) in &config.resource {
            if !is_of_a_pod(name) {
                put(name, value);
            }
        }
        let attributes = all
            .into_iter()
            .map(|(key, value)| KeyValue { key, value: Some(text(&value)), ..KeyValue::default() })
            .collect();
        Self {
            resource: Resource { attributes, ..Resource::default() },
            scope: InstrumentationScope {
                name: "podwhy".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }

    /// The request around these records, in their order. `None` when there are none: an empty
    /// envelope is never sent (O9).
    pub fn batch(&self, records: &[Pending]) -> Option<Vec<u8>> {
        if records.is_empty() {
            return None;
        }
        let scope_logs = ScopeLogs {
            scope: Some(self.scope.clone()),
            log_records: records.iter().map(|record| record.bytes.clone()).collect(),
            schema_url: semconv::SCHEMA_URL.to_owned(),
        };
        let resource_logs = ResourceLogs {
            resource: Some(self.resource.clone()),
            scope_logs: vec![scope_logs],
            schema_url: semconv::SCHEMA_URL.to_owned(),
        };
        Some(Request { resource_logs: vec![resource_logs] }.encode_to_vec())
    }
}

/// The agent's own pod is not what its records are about: as a resource it would name each failing
/// pod's records after the agent, and make a stream of each agent pod (3.2).
pub(super) fn is_of_a_pod(name: &str) -> bool {
    ["k8s.pod.", "k8s.container.", "container.", "k8s.namespace."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

impl Envelope {
    /// Bytes that a batch of the largest number of records has beside the records themselves.
    pub(super) fn overhead(&self) -> usize {
        // Each record has a tag and a length of at most four bytes.
        let records = limits::BATCH_RECORDS * 5;
        let rest = self.resource.encoded_len() + self.scope.encoded_len();
        records + rest + 2 * semconv::SCHEMA_URL.len() + 64
    }
}

/// Event name and id of an encoded record or span, to name it where it was refused.
pub(super) fn name_of(signal: Signal, bytes: &Bytes) -> String {
    if signal == Signal::Traces {
        return span::name_of(bytes);
    }
    let Ok(record) = LogRecord::decode(bytes.clone()) else {
        return "an unreadable record".to_owned();
    };
    let uid = record.attributes.iter().find(|kept| kept.key == names::LOG_RECORD_UID);
    let uid = uid.and_then(|kept| match &kept.value.as_ref()?.value {
        Some(any_value::Value::StringValue(uid)) => Some(uid.as_str()),
        _ => None,
    });
    format!("{} {}", record.event_name, uid.unwrap_or("without id"))
}

/// Whether an encoded record is a loss record.
pub(super) fn is_loss(signal: Signal, bytes: &Bytes) -> bool {
    signal == Signal::Logs
        && LogRecord::decode(bytes.clone())
            .is_ok_and(|record| record.event_name == EventName::Loss.name())
}

#[cfg(test)]
mod tests;
