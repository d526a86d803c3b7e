//! The journal source against a real journald: the traps of following a journal (J1 to J12), and a
//! reader that dies, hangs or loses its file.

mod calls;
mod damage;
mod deaths;
mod flow;
mod storms;
mod traps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use podwhy::source::journal::{self, Config, Handle, Start};
use podwhy::source::{Feed, Loss, LossKind, Position};
use podwhy_parser::Origin;

use crate::journald::{Entry, Journald, Settings, available, write_journal};
use crate::wait;

const LONG: Duration = Duration::from_secs(30);

/// One line, owned.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    text: String,
    origin: Origin,
    unit: String,
    cut: bool,
    stream: u64,
    pid: Option<u32>,
    boot: u64,
}

/// A running source and all that it handed on.
struct Source {
    handle: Handle,
    feeds: Receiver<Feed>,
    lines: Vec<Seen>,
    losses: Vec<Loss>,
    position: Option<Position>,
    caught_up: u32,
}

fn config(root: &Path) -> Config {
    Config {
        root: root.to_owned(),
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_podwhy"))),
        start: Start { this_boot: false, window: None, entries: 1_000_000 },
        first_pass_share: 1.0,
        ..Config::default()
    }
}

impl Source {
    fn start(config: Config, from: Option<Position>) -> Self {
        let (sender, feeds) = sync_channel(8);
        let handle = journal::spawn(config, from, sender).expect("a thread and a pipe");
        Self { handle, feeds, lines: vec![], losses: vec![], position: None, caught_up: 0 }
    }

    /// Takes one feed if there is one.
    fn step(&mut self, limit: Duration) -> bool {
        match self.feeds.recv_timeout(limit) {
            Ok(Feed::Batch { mut lines, position }) => {
                lines.each(&mut |line| {
                    self.lines.push(Seen {
                        text: line.text.to_owned(),
                        origin: line.origin,
                        unit: line.unit.to_owned(),
                        cut: line.cut,
                        stream: line.stream,
                        pid: line.pid,
                        boot: line.boot,
                    });
                });
                self.position = position;
                true
            }
            Ok(Feed::Lost(loss, position)) => {
                self.losses.push(loss);
                self.position = position.or(self.position.take());
                true
            }
            Ok(_) => {
                self.caught_up += 1;
                true
            }
            Err(_) => false,
        }
    }

    fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let state = self.handle.state();
        let held = wait::reached(LONG, || {
            while self.step(Duration::from_millis(1)) {}
            condition(self)
        });
        let (lines, losses) = (self.lines.len(), &self.losses);
        let last = self.texts().last().map(|text| text.chars().take(80).collect::<String>());
        assert!(
            held,
            "never: {what}; {lines} lines, the last {last:?}, losses {losses:?}, {state:?} before"
        );
    }

    fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// Lines of one origin: journald's own words come in between.
    fn of(&self, origin: Origin) -> Vec<&str> {
        let lines = self.lines.iter().filter(|line| line.origin == origin);
        lines.map(|line| line.text.as_str()).collect()
    }

    fn reader(&self) -> u32 {
        self.handle.counters().reader_pid.load(Relaxed)
    }

    fn signal_reader(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.reader()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("a reader is running");
        rustix::process::kill_process(id, signal).expect("the reader is ours");
    }

    fn losses_of(&self, kind: LossKind) -> Vec<&Loss> {
        self.losses.iter().filter(|loss| loss.kind == kind).collect()
    }
}

fn numbered(prefix: &str, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{prefix} {number}")).collect()
}

/// Each of `expected` once, in order.
fn assert_exactly(seen: &[&str], expected: &[String]) {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for text in seen {
        *counts.entry(text).or_default() += 1;
    }
    let missing: Vec<_> = expected.iter().filter(|t| !counts.contains_key(t.as_str())).collect();
    let twice: Vec<_> = counts.iter().filter(|(_, n)| **n > 1).collect();
    assert!(
        missing.is_empty(),
        "{} missing: {:?}",
        missing.len(),
        &missing[..missing.len().min(5)]
    );
    assert!(twice.is_empty(), "{} twice: {:?}", twice.len(), &twice[..twice.len().min(5)]);
    assert!(seen.iter().zip(expected).all(|(a, b)| a == b), "not in order");
    assert_eq!(seen.len(), expected.len());
}

/// What journald would store for a line of a unit.
fn entry<'a>(number: u64, unit: &str, message: &[u8]) -> Entry<'a> {
    let at = 1_700_000_000_000_000 + number * 1_000_000;
    vec![
        ("__REALTIME_TIMESTAMP", at.to_string().into_bytes()),
        ("__MONOTONIC_TIMESTAMP", (number * 1_000_000).to_string().into_bytes()),
        ("_BOOT_ID", b"3d1219c7c4c5404aaa1f6d2a48adfda5".to_vec()),
        ("_TRANSPORT", b"stdout".to_vec()),
        ("_STREAM_ID", b"00000000000000000000000000000001".to_vec()),
        ("_PID", b"4711".to_vec()),
        ("_UID", b"0".to_vec()),
        ("_SYSTEMD_UNIT", unit.as_bytes().to_vec()),
        ("MESSAGE", message.to_vec()),
    ]
}
