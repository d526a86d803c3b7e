//! Records on standard output, when no endpoint is set: text for people, JSON lines for programs.
//! What was printed counts as delivered.

use std::io::{self, Write};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, any_value},
    logs::v1::LogRecord,
};
use prost::Message;
use serde_json::{Map, Value as Json};

use super::{Pending, Port, Request, Shutdown};
use crate::{limits, record::names};

/// How records are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line for people.
    Text {
        /// With colours.
        colour: bool,
    },
    /// One JSON object per record.
    Json,
}

impl Style {
    /// Text on a terminal, in colours unless `NO_COLOR` is set; JSON lines otherwise.
    pub fn of(is_terminal: bool, no_color: Option<&str>) -> Self {
        if !is_terminal {
            return Self::Json;
        }
        Self::Text { colour: no_color.is_none_or(str::is_empty) }
    }
}

/// Prints and acknowledges until the core ends, the reader of the output goes away, or, once the
/// agent ends, nothing is left.
pub async fn run(
    mut out: impl Write,
    style: Style,
    port: Port,
    mut shutdown: Shutdown,
) -> io::Result<()> {
    loop {
        let found = port.fetch(0, limits::BATCH_RECORDS, limits::BATCH_REQUEST_BYTES).await;
        let Ok(found) = found else { return Ok(()) };
        if !found.is_empty() {
            print(&mut out, style, &found)?;
            let seqs = found.iter().map(|record| record.seq).collect();
            if port.send(Request::Delivered(seqs)).await.is_err() {
                return Ok(());
            }
            continue;
        }
        if shutdown.borrow_and_update().is_some() {
            return Ok(());
        }
        tokio::select! {
            () = port.committed() => {}
            changed = shutdown.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

fn print(out: &mut impl Write, style: Style, records: &[Pending]) -> io::Result<()> {
    for record in records {
        let Ok(record) = LogRecord::decode(record.bytes.clone()) else { continue };
        let line = match style {
            Style::Json => json(&record).to_string(),
            Style::Text { colour } => text(&record, colour),
        };
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// `10:04:05.123 ERROR StartContainer failed for …`, with the pod's own text made harmless.
fn text(record: &LogRecord, colour: bool) -> String {
    let time = timestamp(record.time_unix_nano);
    let severity = record.severity_text.as_str();
    let body = printable(&body(record));
    if !colour {
        return format!("{time} {severity:<5} {body}");
    }
    let shade = match record.severity_number {
        17.. => "31",
        13..17 => "33",
        _ => "32",
    };
    format!("\u{1b}[2m{time}\u{1b}[0m \u{1b}[{shade}m{severity:<5}\u{1b}[0m {body}")
}

/// The record under the last parts of its attributes' names, nested as `explain` prints them.
pub fn json(record: &LogRecord) -> Json {
    let mut object = Map::new();
    object.insert("event".to_owned(), record.event_name.clone().into());
    object.insert("time".to_owned(), timestamp(record.time_unix_nano).into());
    object.insert("observed".to_owned(), timestamp(record.observed_time_unix_nano).into());
    object.insert("severity".to_owned(), record.severity_text.to_ascii_lowercase().into());
    object.insert("body".to_owned(), body(record).into());
    for attribute in &record.attributes {
        let Some(value) = attribute.value.as_ref().and_then(scalar) else { continue };
        put(&mut object, &attribute.key, value);
    }
    Json::Object(object)
}

fn put(object: &mut Map<String, Json>, name: &str, value: Json) {
    let path = names::json_path(name);
    let value = match (&value, path.as_slice()) {
        // Lists travel as one compact JSON text, because stores flatten nested values.
        (
            Json::String(text),
            ["pods" | "evidence" | "controls" | "next" | "loss" | "changed" | "reasons"]
            | ["cause", "alternatives"],
        ) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    };
    let Some((last, parents)) = path.split_last() else { return };
    let mut object = object;
    for parent in parents {
        let entry = object.entry(*parent).or_insert_with(|| Json::Object(Map::new()));
        let Json::Object(nested) = entry else { return };
        object = nested;
    }
    object.insert((*last).to_owned(), value);
}

fn scalar(value: &AnyValue) -> Option<Json> {
    Some(match value.value.as_ref()? {
        any_value::Value::StringValue(text) => text.clone().into(),
        any_value::Value::IntValue(number) => (*number).into(),
        any_value::Value::DoubleValue(number) => (*number).into(),
        any_value::Value::BoolValue(is_so) => (*is_so).into(),
        any_value::Value::ArrayValue(list) => list.values.iter().filter_map(scalar).collect(),
        _ => return None,
    })
}

fn body(record: &LogRecord) -> String {
    match record.body.as_ref().and_then(scalar) {
        Some(Json::String(text)) => text,
        _ => String::new(),
    }
}

fn timestamp(nanos: u64) -> String {
    let micros = i64::try_from(nanos / 1000).unwrap_or_default();
    jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string()).unwrap_or_default()
}

/// Without control characters and marks that reorder text: what a pod wrote must not move a
/// terminal's cursor. Lines become one.
fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\t' => Some(' '),
            '\u{200e}'
            | '\u{200f}'
            | '\u{061c}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect()
}
