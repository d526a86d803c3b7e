//! The journal's lines around incidents, read with the agent's own source: the same units, the same
//! trust. Bounded in time and size, and redacted line by line.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use podwhy_parser::Origin;
use tokio::time::Instant;

use crate::config;
use crate::incident::Incident;
use crate::limits;
use crate::redact;
use crate::source::journal::others::{self, Other};
use crate::source::{Feed, Line, Micros, Position, journal};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Entries as `journalctl -o json` prints them, oldest first.
    pub(super) entries: Vec<u8>,
    pub(super) count: u64,
    /// The pieces of time that were asked for.
    pub(super) windows: Vec<Window>,
    /// What is missing, one sentence each.
    pub(super) missing: Vec<String>,
}

/// A piece of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Micros,
    pub(super) to: Micros,
}

/// Before a failure lies what led to it, behind it what the kubelet says of it.
const AROUND: Micros = 120_000_000;
/// The kubelet tries again at least every five minutes: so long holds more than one attempt.
const STRETCH: Micros = 600_000_000;

/// The beginning and the newest part of each incident; what touches becomes one.
pub(super) fn windows(incidents: &[Incident]) -> Vec<Window> {
    let mut all: Vec<Window> = Vec::new();
    for incident in incidents {
        let (Some(first), Some(last)) = (incident.first_seen, incident.last_seen) else { continue };
        let end = incident.resolved_at.unwrap_or(last).max(last);
        all.push(Window { from: first - AROUND, to: (first + STRETCH).min(end + AROUND) });
        all.push(Window { from: (end - STRETCH).max(first - AROUND), to: end + AROUND });
    }
    all.sort_by_key(|window| window.from);
    let mut merged: Vec<Window> = Vec::new();
    for window in all {
        match merged.last_mut() {
            Some(last) if window.from <= last.to => last.to = last.to.max(window.to),
            _ => merged.push(window),
        }
    }
    // What is newest explains what is open.
    let too_many = merged.len().saturating_sub(limits::BUNDLE_WINDOWS);
    merged.drain(..too_many);
    merged
}

/// Reads them.
pub(super) fn read(section: &config::Journal, windows: &[Window]) -> Journal {
    let mut journal = Journal { windows: windows.to_vec(), ..Journal::default() };
    if windows.is_empty() {
        return journal;
    }
    if !section.enabled {
        journal.missing.push("the journal was not read: journal.enabled is false".to_owned());
        return journal;
    }
    let deadline = Instant::now() + limits::BUNDLE_READ;
    let mut redaction = redact::Stream::default();
    let others = others::find(section).followed;
    for window in windows {
        let read = match others.as_slice() {
            [] => {
                let take = &mut |line: &Line<'_>| journal.take(line, &mut redaction);
                piece(journal::Config::from(section), *window, deadline, take)
            }
            others => journal.take_all(section, others, *window, deadline, &mut redaction),
        };
        if let Err(why) = read {
            journal.missing.push(why);
            break;
        }
    }
    journal
}

/// Reads one piece. `take` says whether there is room for more.
fn piece(
    config: journal::Config,
    window: Window,
    deadline: Instant,
    take: &mut dyn FnMut(&Line<'_>) -> bool,
) -> Result<(), String> {
    let config = journal::Config { first_pass_share: 1.0, ..config };
    let from = Position { source: journal::SOURCE.to_owned(), value: Vec::new(), at: window.from };
    let (feeds, fed) = mpsc::sync_channel(limits::FEED_QUEUE);
    let handle = journal::spawn(config, Some(from), feeds)
        .map_err(|error| format!("the journal cannot be read: {error}"))?;
    let mut has_room = true;
    let mut is_behind = false;
    loop {
        match fed.recv_timeout(LOOK) {
            Ok(Feed::Batch { mut lines, .. }) => lines.each(&mut |line: Line<'_>| {
                is_behind |= line.at > window.to;
                if line.at >= window.from && line.at <= window.to && has_room {
                    has_room = take(&line);
                }
            }),
            Ok(Feed::CaughtUp(_)) => return Ok(()),
            Ok(Feed::Lost(loss, _)) => tracing::debug!(why = loss.why, "lost before"),
            // A journal tells lines alone.
            Ok(Feed::Fact(_)) => {}
            Err(RecvTimeoutError::Timeout) => {
                if let journal::State::Unavailable(why) = handle.state() {
                    return Err(format!("the journal cannot be read: {why}"));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err("the journal's reader ended".to_owned());
            }
        }
        if is_behind {
            return Ok(());
        }
        if !has_room {
            return Err("there are more lines around the incidents than a bundle holds".to_owned());
        }
        if Instant::now() >= deadline {
            return Err("reading the journal took too long: the rest is missing".to_owned());
        }
    }
}

/// How often it is looked whether the reader can work at all.
const LOOK: Duration = Duration::from_millis(100);

impl Journal {
    /// One piece of several journals, in the order of time.
    fn take_all(
        &mut self,
        section: &config::Journal,
        others: &[Other],
        window: Window,
        deadline: Instant,
        redaction: &mut redact::Stream,
    ) -> Result<(), String> {
        let (mut entries, mut bytes) = (Vec::new(), self.entries.len());
        let configs = others.iter().map(|other| other.config(section));
        let read =
            std::iter::once(journal::Config::from(section)).chain(configs).try_for_each(|config| {
                piece(config, window, deadline, &mut |line| {
                    let entry = entry(line, redaction);
                    bytes += entry.len() + 1;
                    entries.push((line.at, entry));
                    bytes < limits::BUNDLE_JOURNAL_BYTES
                })
            });
        entries.sort_by_key(|(at, _)| *at);
        for (_, entry) in entries {
            self.keep(&entry);
        }
        read
    }

    fn take(&mut self, line: &Line<'_>, redaction: &mut redact::Stream) -> bool {
        let entry = entry(line, redaction);
        if self.entries.len() + entry.len() >= limits::BUNDLE_JOURNAL_BYTES {
            return false;
        }
        self.keep(&entry);
        true
    }

    fn keep(&mut self, entry: &str) {
        self.entries.extend_from_slice(entry.as_bytes());
        self.entries.push(b'\n');
        self.count += 1;
    }
}

/// The fields from which the same line is made again.
fn entry(line: &Line<'_>, redaction: &mut redact::Stream) -> String {
    let mut fields = serde_json::Map::new();
    let mut set = |name: &str, value: String| fields.insert(name.to_owned(), value.into());
    set("__REALTIME_TIMESTAMP", line.at.to_string());
    set("_BOOT_ID", format!("{:032x}", line.boot));
    set("_UID", "0".to_owned());
    let pid = line.pid.map(|pid| pid.to_string());
    match line.origin {
        Origin::Kernel => drop(set("_TRANSPORT", "kernel".to_owned())),
        Origin::Journald => drop(set("_TRANSPORT", "driver".to_owned())),
        Origin::Systemd => {
            set("_PID", "1".to_owned());
            set("UNIT", line.unit.to_owned());
        }
        _ => {
            set("_SYSTEMD_UNIT", line.unit.to_owned());
            set("_STREAM_ID", format!("{:032x}", line.stream));
            if let Some(pid) = pid {
                set("_PID", pid);
            }
        }
    }
    set("MESSAGE", redaction.line(line.stream, line.text));
    serde_json::Value::Object(fields).to_string()
}
