//! Where a document begins in a text, and where it ends: JSON, YAML, `kubectl describe`, tables of
//! Events, entries of `journalctl -o verbose`. Judges by shape alone; reading is others' work.

use podwhy_parser::{Origin, Stamp, parse, starts_message};

use super::pods_table;
use crate::fact::Dated;
use crate::source::Micros;

/// A form of document.
#[derive(Debug)]
pub(super) enum Document {
    Json(Depth),
    Yaml,
    /// `kubectl describe`
    Describe(Section),
    /// `kubectl get events`
    Table,
    /// `kubectl get pods`
    Pods,
    /// `journalctl -o verbose`
    Verbose,
}

/// Whether a line belongs to the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    On,
    /// It does, and nothing follows.
    Last,
    Over,
}

/// How deep a JSON text is nested so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Depth {
    open: i32,
    in_string: bool,
}

/// Where in a description we are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Section {
    in_events: bool,
}

/// A line of a bundle.
pub(super) fn fact(line: &str) -> Option<Dated> {
    let is_fact = line.starts_with('{') && line.contains("\"fact\"");
    is_fact.then(|| serde_json::from_str(line).ok()).flatten()
}

impl Document {
    /// The document that begins with the line.
    pub(super) fn begins(line: &str) -> Option<(Self, Going)> {
        match line.as_bytes().first()? {
            b'{' | b'[' => json(line),
            b'-' | b'a' | b'k' | b'm' | b's' | b'i' | b'c' if begins_yaml(line) => {
                Some((Self::Yaml, Going::On))
            }
            b'N' if begins_description(line) => {
                Some((Self::Describe(Section::default()), Going::On))
            }
            b'L' | b'N' | b'T' | b'F' | b'C' if is_table_head(line) => {
                Some((Self::Table, Going::On))
            }
            b'N' if pods_table::is_head(line) => Some((Self::Pods, Going::On)),
            b'A'..=b'Z' if is_verbose(line) => Some((Self::Verbose, Going::On)),
            b'E' if line.trim_end() == "Events:" => {
                Some((Self::Describe(Section { in_events: true }), Going::On))
            }
            b' ' | b'\t' if is_event_head(line) => {
                Some((Self::Describe(Section { in_events: true }), Going::On))
            }
            _ => None,
        }
    }

    /// Whether the next line belongs to it.
    pub(super) fn goes_on(&mut self, line: &str) -> Going {
        match self {
            Self::Json(depth) => depth.take(line),
            Self::Yaml => goes_on_if(continues_yaml(line)),
            Self::Describe(section) => section.take(line),
            Self::Table => goes_on_if(!line.trim().is_empty() && !is_other(line)),
            Self::Pods => goes_on_if(pods_table::goes_on(line) && !is_other(line)),
            Self::Verbose => goes_on_if(line.starts_with("    ")),
        }
    }
}

const fn goes_on_if(is_so: bool) -> Going {
    if is_so { Going::On } else { Going::Over }
}

/// An object of the API or a list of them; log lines in JSON are lines.
fn json(line: &str) -> Option<(Document, Going)> {
    let begins = line.trim_end() == "{"
        || line.trim_end() == "["
        || line.starts_with("[{")
        || (line.starts_with('{') && parse(line).is_none());
    if !begins {
        return None;
    }
    let mut depth = Depth::default();
    let going = depth.take(line);
    // What closes more than it opens is no JSON.
    let is_json = depth.open > 0 || (going == Going::Last && is_object(line));
    is_json.then_some((Document::Json(depth), going))
}

fn is_object(line: &str) -> bool {
    const KEYS: [&str; 8] = [
        "\"kind\"",
        "\"items\"",
        "\"containers\"",
        "\"object\"",
        "\"metadata\"",
        "\"Entrypoint\"",
        "\"Cmd\"",
        "\"rootfs\"",
    ];
    KEYS.iter().any(|key| line.contains(key))
}

impl Depth {
    fn take(&mut self, line: &str) -> Going {
        let mut is_escaped = false;
        for byte in line.bytes() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if self.in_string => is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.open += 1,
                b'}' | b']' if !self.in_string => self.open -= 1,
                _ => {}
            }
        }
        // No string of JSON holds a newline.
        self.in_string = false;
        if self.open <= 0 { Going::Last } else { Going::On }
    }
}

fn begins_yaml(line: &str) -> bool {
    const KEYS: [&str; 9] = [
        "apiVersion:",
        "kind:",
        "metadata:",
        "spec:",
        "status:",
        "items:",
        "- apiVersion:",
        "containers:",
        "initContainers:",
    ];
    line.trim_end() == "---" || KEYS.iter().any(|key| line.starts_with(key))
}

fn continues_yaml(line: &str) -> bool {
    if line.trim().is_empty() {
        return true;
    }
    if line.trim_end() == "---" || line.trim_end() == "..." {
        return false;
    }
    if line.starts_with([' ', '-', '#']) {
        return true;
    }
    let Some((key, value)) = line.split_once(':') else { return line.trim_end() == "}" };
    let is_key = !key.is_empty()
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'));
    is_key && (value.is_empty() || value.starts_with(' ')) && !is_other(line)
}

/// `Name:             web-0`
fn begins_description(line: &str) -> bool {
    line.strip_prefix("Name:").is_some_and(|rest| {
        rest.starts_with("  ") && !rest.trim().is_empty() && !rest.trim().contains(' ')
    })
}

/// `  Type     Reason     Age   From   Message`, copied without what stands above it.
fn is_event_head(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next() == Some("Type") && words.next() == Some("Reason") && line.contains("Message")
}

impl Section {
    fn take(&mut self, line: &str) -> Going {
        if line.starts_with("Events:") {
            self.in_events = true;
            return Going::On;
        }
        if line.trim().is_empty() || line.starts_with([' ', '\t']) {
            return Going::On;
        }
        if self.in_events {
            // The rest of a message that the window broke.
            return goes_on_if(!is_other(line) && !line.starts_with("Name:"));
        }
        let is_field = line.split_once(':').is_some_and(|(key, _)| {
            key.len() < 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || " -_/.".contains(c))
        });
        goes_on_if(is_field && !begins_description(line) && !is_other(line))
    }
}

/// A head of `kubectl get events`, in any of its widths.
pub(super) fn is_table_head(line: &str) -> bool {
    if memchr::memmem::find(line.as_bytes(), b"REASON").is_none() {
        return false;
    }
    let has = |word: &str| line.split("  ").any(|cell| cell.trim() == word);
    has("REASON") && has("MESSAGE") && (has("OBJECT") || has("KIND") || has("TYPE"))
}

/// What can only be the beginning of something else.
fn is_other(line: &str) -> bool {
    line.starts_with("$ ")
        || line.starts_with("# ")
        || line.starts_with("==")
        || line.starts_with("```")
        || begins_description(line)
        || is_table_head(line)
        || pods_table::is_head(line)
        || (!line.starts_with([' ', '-']) && starts_message(Origin::Any, line))
        || fact(line).is_some()
}

/// `Sun 2026-11-22 22:52:21.823257 UTC [s=…;i=…`
fn is_verbose(line: &str) -> bool {
    let found = memchr::memmem::find(line.as_bytes(), b" [s=").filter(|at| *at < 64);
    found.and_then(|at| line.split_at_checked(at)).is_some_and(|(head, ids)| {
        let date = head.split_once(' ').map(|(_weekday, date)| date);
        ids.contains(";i=") && date.is_some_and(|date| Stamp::read_civil(date).is_some())
    })
}

/// When the entry was received. Its head says it to the microsecond but in a zone that only UTC
/// tells; else the writer's own time stands among the fields.
pub(super) fn verbose_time(text: &str) -> Option<Micros> {
    let (head, _) = text.lines().next()?.split_once(" [s=")?;
    let (_weekday, date) = head.split_once(' ')?;
    let (stamp, zone) = Stamp::read_civil(date)?;
    if zone.trim() != "UTC" {
        let source = text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix("_SOURCE_REALTIME_TIMESTAMP="))?;
        return source.trim().parse().ok();
    }
    let Stamp::Civil { year, month, day, hour, minute, second, nanos, .. } = stamp else {
        return None;
    };
    let offset_seconds = Some(0);
    Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds }.epoch_micros()
}
