//! Describes what the parser says about one message as JSON.
//! Absent values are left out, so an expectation shows only what the line has.

use podwhy_parser::{Facts, Frame, Message, PodRef, Stamp, SyncFailure, Text};
use serde_json::{Map, Value, json};

/// Everything that the parser says, as JSON; `null` where it does not know the line.
pub(crate) fn message(message: Option<&Message<'_>>) -> Value {
    let Some(message) = message else { return Value::Null };
    let mut all = frame(&message.frame);
    all.insert("what".into(), json!(format!("{:?}", message.what)));
    all.insert("kind".into(), json!(format!("{:?}", message.kind())));
    all.insert("ends".into(), json!(format!("{:?}", message.ends)));
    all.insert("text".into(), json!(message.text.to_string()));
    if message.truncated {
        all.insert("truncated".into(), json!(true));
    }
    let facts = facts(&message.facts());
    if !facts.is_empty() {
        all.insert("facts".into(), Value::Object(facts));
    }
    let pods: Vec<Value> = message.pods().map(|pod| Value::Object(pod_ref(&pod))).collect();
    if !pods.is_empty() {
        all.insert("pods".into(), Value::Array(pods));
    }
    let failures: Vec<Value> = message.failures().map(|it| failure(&it)).collect();
    if !failures.is_empty() {
        all.insert("failures".into(), Value::Array(failures));
    }
    Value::Object(all)
}

fn frame(frame: &Frame<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("component".into(), json!(format!("{:?}", frame.component)));
    all.insert("format".into(), json!(format!("{:?}", frame.format)));
    put(&mut all, "severity", frame.severity.map(|it| format!("{it:?}")));
    put(&mut all, "severity_text", frame.severity_text);
    put(&mut all, "stamp", frame.stamp.map(stamp));
    put(&mut all, "prefix_stamp", frame.prefix_stamp.map(stamp));
    put(&mut all, "host", frame.host);
    put(&mut all, "pid", frame.pid);
    put(&mut all, "file", frame.file);
    put(&mut all, "line", frame.line);
    all
}

fn facts(facts: &Facts<'_>) -> Map<String, Value> {
    let mut all = pod_ref(&facts.pod);
    put(&mut all, "container", text(facts.container));
    put(&mut all, "container_id", text(facts.container_id));
    put(&mut all, "sandbox_id", text(facts.sandbox_id));
    put(&mut all, "image", text(facts.image));
    put(&mut all, "volume", text(facts.volume));
    put(&mut all, "exit_code", facts.exit_code);
    put(&mut all, "signal", facts.signal);
    put(&mut all, "backoff_seconds", facts.backoff_seconds);
    put(&mut all, "attempt", facts.attempt);
    put(&mut all, "victim_pid", facts.victim_pid);
    put(&mut all, "reason", text(facts.reason));
    put(&mut all, "error", text(facts.error));
    put(&mut all, "detail", text(facts.detail));
    put(&mut all, "count", facts.count);
    put(&mut all, "unit", text(facts.unit));
    put(&mut all, "request", text(facts.request));
    all
}

fn pod_ref(pod: &PodRef<'_>) -> Map<String, Value> {
    let PodRef { namespace, name, uid } = *pod;
    let mut all = Map::new();
    put(&mut all, "namespace", text(namespace));
    put(&mut all, "pod", text(name));
    put(&mut all, "uid", text(uid));
    all
}

fn failure(failure: &SyncFailure<'_>) -> Value {
    let mut all = Map::new();
    put(&mut all, "step", Some(failure.step.to_string()));
    put(&mut all, "target", text(failure.target));
    put(&mut all, "reason", text(failure.reason));
    put(&mut all, "message", Some(failure.message.to_string()));
    put(&mut all, "index", Some(failure.index));
    put(&mut all, "of", Some(failure.of));
    if failure.truncated {
        all.insert("truncated".into(), json!(true));
    }
    Value::Object(all)
}

fn text(text: Option<Text<'_>>) -> Option<String> {
    text.map(|it| it.to_string())
}

fn put<T: serde::Serialize>(all: &mut Map<String, Value>, key: &str, value: Option<T>) {
    if let Some(value) = value {
        all.insert(key.into(), json!(value));
    }
}

/// A point in time in the form that the writer's precision and zone allow.
fn stamp(stamp: Stamp) -> String {
    match stamp {
        Stamp::Klog { month, day, hour, minute, second, micros } => {
            format!("{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")
        }
        Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds } => {
            let zone = offset_seconds.map_or_else(String::new, |seconds| {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.abs() / 60;
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            });
            format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}{zone}"
            )
        }
        Stamp::EpochMicros(micros) => format!("epoch {micros} us"),
        Stamp::SinceBootMicros(micros) => format!("boot {micros} us"),
    }
}
