//! Records on standard output, when no endpoint is set: text for people, JSON lines for programs.
//! What was printed counts as delivered.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Pending, Port, Request, Shutdown, encode};
use crate::{
    limits,
    record::{self, EventName, Record, Severity, Value, names},
};

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
        // What this release did not write is no use to a reader either.
        let Some(record) = encode::decode(&record.bytes) else { continue };
        let line = match style {
            Style::Json => escaped(&record::to_json(&record).to_string()).into_owned(),
            Style::Text { colour } => text(&record, colour),
        };
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// `2026-11-22T10:04:05.123456Z ERROR StartContainer failed for …`, the pod's own text made
/// harmless.
fn text(record: &Record, colour: bool) -> String {
    let time = jiff::Timestamp::from_microsecond(record.time);
    let time = time.map(|time| format!("{time:.6}")).unwrap_or_default();
    let (severity, shade) = match record.severity {
        Severity::Info => ("INFO", "32"),
        Severity::Warn => ("WARN", "33"),
        Severity::Error => ("ERROR", "31"),
        Severity::Fatal => ("FATAL", "31"),
    };
    let body = printable(&record.body);
    let mut line = if colour {
        format!("\u{1b}[2m{time}\u{1b}[0m \u{1b}[{shade}m{severity:<5}\u{1b}[0m {body}")
    } else {
        format!("{time} {severity:<5} {body}")
    };
    for (what, text) in why(record) {
        line.push_str(&format!("\n{:28}{what:<8} {}", "", printable(&text)));
    }
    line
}

/// What stands below an incident that fails: what shows it, what else is known, what to do.
fn why(record: &Record) -> Vec<(&'static str, String)> {
    let word = |name: &str| match record.attributes.iter().find(|(key, _)| *key == name) {
        Some((_, Value::Text(text))) => Some(text.as_str()),
        _ => None,
    };
    if record.event != EventName::Incident || word(names::INCIDENT_STATE) != Some("open") {
        return Vec::new();
    }
    let list = |name: &str| -> Vec<serde_json::Value> {
        word(name).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    };
    let mut lines = Vec::new();
    for evidence in list(names::INCIDENT_EVIDENCE).iter().take(SHOWN) {
        let field = |name: &str| evidence.get(name).and_then(serde_json::Value::as_str);
        let (source, text) = (field("source").unwrap_or("?"), field("text").unwrap_or_default());
        lines.push(("because", format!("{source}: {text}")));
    }
    for (what, name) in
        [("not hit", names::INCIDENT_CONTROLS), ("changed", names::INCIDENT_CHANGED)]
    {
        let texts = list(name);
        let texts = texts.iter().filter_map(serde_json::Value::as_str).take(SHOWN);
        lines.extend(texts.map(|text| (what, text.to_owned())));
    }
    for next in list(names::INCIDENT_NEXT).iter().take(SHOWN) {
        let command = next.get("command").and_then(serde_json::Value::as_str);
        lines.extend(command.map(|command| ("next", command.to_owned())));
    }
    lines.extend(word(names::INCIDENT_CLEARS_WHEN).map(|text| ("clears", text.to_owned())));
    lines
}

/// Pieces of each kind below an incident: the most telling ones stand first.
const SHOWN: usize = 2;

/// Without control characters and marks that reorder text: what a pod wrote must not move a
/// terminal's cursor. Lines become one.
fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\t' => Some(' '),
            c if steers(c) => None,
            c => Some(c),
        })
        .collect()
}

/// JSON escapes only the older controls by itself; the others can stand in strings alone, so that
/// escaping them loses nothing.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    if json.is_ascii() && !json.contains('\u{7f}') || !json.contains(steers) {
        return Cow::Borrowed(json);
    }
    let line = json.chars().fold(String::with_capacity(json.len()), |mut line, c| {
        if steers(c) {
            line.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
        line
    });
    Cow::Owned(line)
}

/// Whether a terminal may take the character as a command.
fn steers(c: char) -> bool {
    let reorders = matches!(
        c,
        '\u{200e}'
            | '\u{200f}'
            | '\u{061c}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    );
    c.is_control() || reorders
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use tokio::sync::{Notify, mpsc, watch};

    use super::*;
    use crate::record::{EventName, Value, Worth};

    fn pending(seq: u64, body: &str) -> Pending {
        let record = Record {
            event: EventName::SyncFailure,
            uid: [1; 16],
            time: 1_795_341_845_123_456,
            severity: Severity::Error,
            body: body.to_owned(),
            attributes: vec![("k8s.pod.name".into(), Value::Text("cart-0".into()))],
            worth: Worth::Failure,
        };
        let bytes = encode::record(&record, 0, &encode::Bounds::default()).into();
        Pending { seq, time: 0, bytes }
    }

    fn printed(style: Style, body: &str) -> String {
        let mut out = Vec::new();
        print(&mut out, style, &[pending(1, body)]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_gets_text_and_a_pipe_json_and_no_color_is_respected() {
        assert_eq!(Style::of(false, None), Style::Json);
        assert_eq!(Style::of(true, None), Style::Text { colour: true });
        assert_eq!(Style::of(true, Some("")), Style::Text { colour: true });
        assert_eq!(Style::of(true, Some("1")), Style::Text { colour: false });
    }

    #[test]
    fn a_line_for_people_holds_time_severity_and_sentence() {
        let line = printed(Style::Text { colour: false }, "it failed");
        assert_eq!(line, "2026-11-22T10:04:05.123456Z ERROR it failed\n");
        let line = printed(Style::Text { colour: true }, "it failed");
        assert!(line.contains("\u{1b}[31mERROR\u{1b}[0m it failed"), "{line:?}");
    }

    #[test]
    fn o25_no_control_character_of_a_pod_reaches_the_terminal() {
        let hostile = "a\u{1b}[2Jb\rc\nd\u{9b}31me\u{202e}f\u{7}g\u{0}h";
        let line = printed(Style::Text { colour: false }, hostile);
        assert!(line.ends_with("a[2Jbc d31mefgh\n"), "{line:?}");
        let line = printed(Style::Json, hostile);
        assert!(!line.trim_end().chars().any(steers), "{line:?}");
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["body"], hostile, "nothing is lost");
    }

    #[test]
    fn json_has_the_names_of_the_one_table() {
        let json: serde_json::Value = serde_json::from_str(&printed(Style::Json, "x")).unwrap();
        assert_eq!(json["event"], "podwhy.sync_failure");
        assert_eq!(json["uid"], "01".repeat(16));
        assert_eq!(json["pod"]["name"], "cart-0");
    }

    /// Output of which the reader has gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn run_over(out: impl Write) -> (io::Result<()>, Vec<u64>) {
        let (sender, mut requests) = mpsc::channel(4);
        let (_stop, shutdown) = watch::channel(Some(tokio::time::Instant::now()));
        let port = Port::new(sender, Arc::new(Notify::new()));
        let core = tokio::spawn(async move {
            let mut waiting = VecDeque::from([pending(1, "one"), pending(2, "two")]);
            let mut delivered = Vec::new();
            while let Some(request) = requests.recv().await {
                match request {
                    Request::Fetch { reply, .. } => {
                        let _gone = reply.send(waiting.iter().cloned().collect());
                    }
                    Request::Delivered(seqs) => {
                        waiting.retain(|record| !seqs.contains(&record.seq));
                        delivered.extend(seqs);
                    }
                    Request::Refused(refused) => panic!("{refused:?}"),
                }
            }
            delivered
        });
        let outcome = run(out, Style::Json, port, shutdown).await;
        (outcome, core.await.unwrap())
    }

    #[tokio::test]
    async fn what_was_printed_counts_as_delivered() {
        let mut out = Vec::new();
        let (outcome, delivered) = run_over(&mut out).await;
        outcome.unwrap();
        assert_eq!(delivered, [1, 2]);
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 2);
    }

    #[tokio::test]
    async fn a_reader_that_went_away_ends_the_printing_and_acknowledges_nothing() {
        let (outcome, delivered) = run_over(Gone).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(delivered, Vec::<u64>::new());
    }
}
