//! A record as the JSON of terminal, page and admin API: the same names as in OTLP, by their place
//! in the table.

use serde_json::{Map, Value as Json, json};

use super::{Record, Severity, Value, names};
use crate::source::Micros;

/// One record as one JSON object.
#[must_use]
pub fn to_json(record: &Record) -> Json {
    let mut object = Map::new();
    object.insert("event".to_owned(), json!(record.event.name()));
    object.insert("uid".to_owned(), json!(record.uid_text()));
    object.insert("time".to_owned(), json!(time(record.time)));
    object.insert("severity".to_owned(), json!(word(record.severity)));
    object.insert("body".to_owned(), json!(record.body));
    for (name, value) in &record.attributes {
        put(&mut object, &names::json_path(name), json_of(value));
    }
    Json::Object(object)
}

fn put(object: &mut Map<String, Json>, path: &[&str], value: Json) {
    match path {
        [] => {}
        [last] => {
            object.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = object.entry(*first).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Int(int) => json!(int),
        Value::Double(double) => json!(double),
        Value::Bool(bool) => json!(bool),
        Value::Texts(texts) => json!(texts),
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

/// RFC 3339, UTC, microseconds.
fn time(at: Micros) -> Option<String> {
    jiff::Timestamp::from_microsecond(at).ok().map(|at| format!("{at:.6}"))
}
