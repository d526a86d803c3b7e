//! The journal source against a real journald: the traps of following a journal (J1 to J12), and a
//! reader that dies, hangs or loses its file.

use std::collections::BTreeMap;
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

#[test]
fn j1_the_first_burst_of_a_unit_that_never_wrote_before_is_read_whole() {
    if !available("j1_the_first_burst_of_a_unit_that_never_wrote_before_is_read_whole") {
        return;
    }
    let journald = Journald::start(Settings::default());
    // Whatever the start: all there is, and the last two hours of this boot.
    let two_hours = Config { start: Config::default().start, ..config(journald.root()) };
    let none = Start { entries: 0, ..config(journald.root()).start };
    let nothing_old = Config { start: none, ..config(journald.root()) };
    let mut sources: Vec<Source> = [config(journald.root()), two_hours, nothing_old]
        .map(|config| Source::start(config, None))
        .into();
    for source in &mut sources {
        source.until("caught up", |source| source.caught_up > 0);
    }
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    for text in numbered("burst", 0..60) {
        kubelet.line(&text);
    }
    for source in &mut sources {
        source.until("the burst", |source| source.of(Origin::Kubelet).len() >= 60);
        assert_exactly(&source.of(Origin::Kubelet), &numbered("burst", 0..60));
    }
}

#[test]
fn j2_a_vacuumed_position_is_a_gap_and_the_next_entry_is_not_skipped() {
    if !available("j2_a_vacuumed_position_is_a_gap_and_the_next_entry_is_not_skipped") {
        return;
    }
    let journald = Journald::start(Settings { persistent: true, ..Settings::default() });
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    kubelet.line("before");
    let mut source = Source::start(config(journald.root()), None);
    source.until("the first line", |source| source.of(Origin::Kubelet) == ["before"]);
    let position = source.position.clone();
    source.handle.stop();
    kubelet.line("in between");
    kubelet.flush();
    journald.sync();
    kubelet.flush();
    journald.rotate();
    kubelet.line("first that is left");
    kubelet.line("second");
    kubelet.flush();
    journald.sync();
    journald.vacuum(1);
    wait::until("the old file is gone", LONG, || journald.files().len() == 1);

    let mut source = Source::start(config(journald.root()), position.clone());
    source.until("what is left", |source| source.of(Origin::Kubelet).len() >= 2);
    assert_eq!(source.of(Origin::Kubelet), ["first that is left", "second"]);
    let losses = source.losses_of(LossKind::Vacuumed);
    assert_eq!(losses.len(), 1, "{:?}", source.losses);
    assert_eq!(losses[0].from, position.map(|position| position.at));
    assert!(losses[0].to >= losses[0].from, "{losses:?}");
}

#[test]
fn j2_a_position_that_is_still_there_goes_on_behind_it_exactly() {
    if !available("j2_a_position_that_is_still_there_goes_on_behind_it_exactly") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    let (mut texts, mut position) = (vec![], None);
    for round in 0..5 {
        let mut source = Source::start(config(journald.root()), position);
        for text in numbered("line", round * 100..(round + 1) * 100) {
            kubelet.line(&text);
        }
        kubelet.flush();
        journald.sync();
        if round == 2 {
            kubelet.flush();
            journald.rotate();
        }
        source.until("this round", |source| source.of(Origin::Kubelet).len() >= 100);
        texts.extend(source.of(Origin::Kubelet).into_iter().map(str::to_owned));
        assert!(source.losses.is_empty(), "{:?}", source.losses);
        position = source.position;
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_exactly(&texts, &numbered("line", 0..500));
}

#[test]
fn j3_lines_are_seen_though_nothing_announces_them_and_files_are_new() {
    if !available("j3_lines_are_seen_though_nothing_announces_them_and_files_are_new") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let mut source = Source::start(config(journald.root()), None);
    source.until("caught up", |source| source.caught_up > 0);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    for round in 0..4 {
        kubelet.line(&format!("round {round}"));
        source.until("the line", |source| source.of(Origin::Kubelet).len() > round);
        kubelet.flush();
        journald.rotate();
    }
    assert_eq!(journald.files().len(), 5);
    assert_exactly(&source.of(Origin::Kubelet), &numbered("round", 0..4));
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}

#[test]
fn j3_folders_that_appear_later_are_read() {
    if !available("j3_folders_that_appear_later_are_read") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut source = Source::start(config(root.path()), None);
    source.until("caught up with nothing", |source| source.caught_up > 0);
    write_journal(root.path(), &[entry(1, "kubelet.service", b"late")]);
    source.until("the line", |source| source.texts() == ["late"]);
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

#[test]
fn j4_repeated_and_binary_fields_and_g12_any_bytes_as_a_message_are_read() {
    if !available("j4_repeated_and_binary_fields_and_g12_any_bytes_as_a_message_are_read") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut twice = entry(1, "kubelet.service", b"first");
    twice.push(("OTHER", b"a".to_vec()));
    twice.push(("OTHER", b"\x00\xff\n".to_vec()));
    let mut without = entry(4, "kubelet.service", b"");
    without.retain(|(name, _)| *name != "MESSAGE");
    let mut kernel = entry(6, "", b"oom-kill:constraint=CONSTRAINT_MEMCG");
    kernel.retain(|(name, _)| matches!(*name, "MESSAGE" | "_BOOT_ID") || name.starts_with("__"));
    kernel.push(("_TRANSPORT", b"kernel".to_vec()));
    let mut broken = entry(7, "kubelet.service", b"half of a long");
    broken.push(("_LINE_BREAK", b"line-max".to_vec()));
    let large = vec![b'x'; 300 * 1024];
    let entries = [
        twice,
        entry(2, "kubelet.service", b"\xff\xfe not text \x00"),
        entry(3, "kubelet.service", b""),
        without,
        entry(5, "containerd.service", &large),
        kernel,
        broken,
        entry(8, "cron.service", b"not ours"),
    ];
    write_journal(root.path(), &entries);
    let mut source = Source::start(config(root.path()), None);
    source.until("all", |source| source.lines.len() >= 6);
    let expected: [(&str, Origin, bool); 6] = [
        ("first", Origin::Kubelet, false),
        ("\u{fffd}\u{fffd} not text \0", Origin::Kubelet, false),
        ("", Origin::Kubelet, false),
        (std::str::from_utf8(&large).expect("ascii"), Origin::Containerd, false),
        ("oom-kill:constraint=CONSTRAINT_MEMCG", Origin::Kernel, false),
        ("half of a long", Origin::Kubelet, true),
    ];
    let seen: Vec<_> = source.lines.iter().map(|l| (l.text.as_str(), l.origin, l.cut)).collect();
    assert_eq!(seen, expected);
    assert_eq!(source.lines[0].unit, "kubelet.service");
    assert_eq!(source.lines[0].pid, Some(4711));
    assert_ne!(source.lines[0].boot, 0);
    assert_eq!(source.lines[0].stream, source.lines[1].stream);
    let counters = source.handle.counters();
    assert_eq!(counters.not_utf8.load(Relaxed), 1);
    assert_eq!(counters.cut.load(Relaxed), 1);
    assert_eq!(counters.without_message.load(Relaxed), 1);
    assert_eq!(counters.lines(Origin::Kubelet), 4);
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}

#[test]
fn j9_a_compressed_line_beyond_64_kb_is_whole_and_one_beyond_the_bound_is_cut() {
    if !available("j9_a_compressed_line_beyond_64_kb_is_whole_and_one_beyond_the_bound_is_cut") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let bound = podwhy::limits::LINE_BYTES;
    // Well compressible, so that libsystemd's threshold applies to it.
    let sizes = [600, 70_000, bound, bound + 1, bound + 5000];
    let entries: Vec<_> = (1..)
        .zip(sizes)
        .map(|(number, size)| entry(number, "kubelet.service", &vec![b'y'; size]))
        .collect();
    write_journal(root.path(), &entries);
    let mut source = Source::start(config(root.path()), None);
    source.until("all", |source| source.lines.len() == sizes.len());
    let seen: Vec<_> = source.lines.iter().map(|line| (line.text.len(), line.cut)).collect();
    let expected = [(600, false), (70_000, false), (bound, false), (bound, true), (bound, true)];
    assert_eq!(seen, expected);
}

#[test]
fn j10_volatile_and_persistent_journals_are_read_as_one_through_rotations() {
    if !available("j10_volatile_and_persistent_journals_are_read_as_one_through_rotations") {
        return;
    }
    let journald = Journald::start(Settings::default());
    write_journal(journald.root(), &[entry(1, "kubelet.service", b"from the disk")]);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    kubelet.line("from memory");
    let mut source = Source::start(config(journald.root()), None);
    source.until("both", |source| source.of(Origin::Kubelet).len() >= 2);
    assert_eq!(source.of(Origin::Kubelet), ["from the disk", "from memory"]);
    kubelet.flush();
    journald.rotate();
    kubelet.line("after a rotation");
    source.until("the third", |source| source.of(Origin::Kubelet).len() >= 3);
}

#[test]
fn j12_what_journald_suppressed_arrives_as_its_own_line() {
    if !available("j12_what_journald_suppressed_arrives_as_its_own_line") {
        return;
    }
    let journald = Journald::start(Settings { burst: 50, ..Settings::default() });
    let mut source = Source::start(config(journald.root()), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    for text in numbered("storm", 0..2000) {
        kubelet.line(&text);
    }
    source.until("the storm's beginning", |source| source.of(Origin::Kubelet).len() >= 50);
    kubelet.flush();
    journald.sync();
    let suppressed = |source: &Source| {
        source.of(Origin::Journald).iter().any(|text| text.starts_with("Suppressed "))
    };
    // journald says it with the first line after the window.
    let held = wait::reached(LONG, || {
        kubelet.line("one more");
        while source.step(Duration::from_millis(50)) {}
        suppressed(&source)
    });
    assert!(held, "{:?}", source.of(Origin::Journald));
}

#[test]
fn forged_lines_are_not_handed_on_but_counted_and_told() {
    if !available("forged_lines_are_not_handed_on_but_counted_and_told") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let mut source = Source::start(config(journald.root()), None);
    journald.log_as(65534, "kubelet", "E1122 forged");
    let mut other = journald.stream("kubelet", "cron.service");
    other.line("by root, but another unit");
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    kubelet.line("true");
    source.until("the true line", |source| source.of(Origin::Kubelet) == ["true"]);
    let counters = source.handle.counters();
    source.until("both counted", |_| counters.untrusted.load(Relaxed) == 2);
    source.until("told", |source| !source.losses_of(LossKind::Untrusted).is_empty());
}

#[test]
fn rotation_and_vacuum_under_load_lose_nothing_and_repeat_nothing() {
    if !available("rotation_and_vacuum_under_load_lose_nothing_and_repeat_nothing") {
        return;
    }
    let settings = Settings { file_mib_max: 4, use_mib_max: 24, ..Settings::default() };
    let journald = Journald::start(settings);
    let mut source = Source::start(config(journald.root()), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    let filler = "x".repeat(200);
    let mut sent = 0;
    for round in 1..=60 {
        for _ in 0..500 {
            kubelet.line(&format!("load {sent} {filler}"));
            sent += 1;
        }
        if round % 10 == 0 {
            kubelet.flush();
            journald.rotate();
            journald.vacuum(2);
        }
        // At most so far ahead, so that what is vacuumed was handed on.
        source.until("keeps up", |source| source.of(Origin::Kubelet).len() + 3000 > sent);
    }
    source.until("all", |source| source.of(Origin::Kubelet).len() >= sent);
    let expected: Vec<_> = (0..sent).map(|number| format!("load {number} {filler}")).collect();
    assert_exactly(&source.of(Origin::Kubelet), &expected);
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}

#[test]
fn what_was_vacuumed_while_the_core_was_behind_is_a_loss() {
    if !available("what_was_vacuumed_while_the_core_was_behind_is_a_loss") {
        return;
    }
    let settings = Settings { file_mib_max: 1, use_mib_max: 4, ..Settings::default() };
    let journald = Journald::start(settings);
    let mut source = Source::start(config(journald.root()), None);
    source.until("caught up", |source| source.caught_up > 0);
    // A stopped reader stands for one that cannot go on because the channel is full.
    source.signal_reader(rustix::process::Signal::STOP);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    let filler = "x".repeat(400);
    for number in 0..30_000 {
        kubelet.line(&format!("flood {number} {filler}"));
    }
    kubelet.flush();
    journald.sync();
    source.signal_reader(rustix::process::Signal::CONT);
    kubelet.line("the end");
    source.until("the end", |source| source.of(Origin::Kubelet).last() == Some(&"the end"));
    let read = source.of(Origin::Kubelet).len();
    assert!(read < 30_001, "nothing was vacuumed: the test is too weak");
    let losses = source.losses_of(LossKind::Vacuumed);
    assert!(!losses.is_empty(), "{read} lines read and no loss told");
}

#[test]
fn a_killed_reader_goes_on_where_the_last_batch_ended() {
    if !available("a_killed_reader_goes_on_where_the_last_batch_ended") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let mut source = Source::start(config(journald.root()), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    for round in 0..5 {
        for text in numbered("line", round * 400..(round + 1) * 400) {
            kubelet.line(&text);
        }
        source.until("some", |source| source.of(Origin::Kubelet).len() > round * 400);
        source.until("a reader", |source| source.reader() != 0);
        source.signal_reader(rustix::process::Signal::KILL);
        let restarts = source.handle.counters();
        let round = u64::try_from(round).expect("small");
        source.until("its end is noticed", |_| restarts.restarts.load(Relaxed) > round);
    }
    source.until("all", |source| source.of(Origin::Kubelet).len() >= 2000);
    assert_exactly(&source.of(Origin::Kubelet), &numbered("line", 0..2000));
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}

#[test]
fn a_stopped_reader_is_noticed_and_replaced() {
    if !available("a_stopped_reader_is_noticed_and_replaced") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let config = Config { hang: Duration::from_secs(2), ..config(journald.root()) };
    let mut source = Source::start(config, None);
    source.until("caught up", |source| source.caught_up > 0);
    let stopped = source.reader();
    source.signal_reader(rustix::process::Signal::STOP);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    kubelet.line("while it stood still");
    source.until("the line", |source| !source.of(Origin::Kubelet).is_empty());
    assert_eq!(source.handle.counters().hangs.load(Relaxed), 1);
    assert_ne!(source.reader(), stopped);
    assert!(!Path::new(&format!("/proc/{stopped}")).exists(), "the stopped reader is gone");
}

#[test]
fn a_journal_file_truncated_under_the_reader_costs_the_reader_only() {
    if !available("a_journal_file_truncated_under_the_reader_costs_the_reader_only") {
        return;
    }
    let mut journald = Journald::start(Settings { persistent: true, ..Settings::default() });
    let mut source = Source::start(config(journald.root()), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    for text in numbered("before", 0..2000) {
        kubelet.line(&text);
    }
    source.until("all of them", |source| source.of(Origin::Kubelet).len() >= 2000);
    kubelet.flush();
    journald.sync();
    let file = std::fs::OpenOptions::new().write(true).open(journald.active_file());
    file.and_then(|file| file.set_len(0)).expect("the file can be truncated");
    let counters = source.handle.counters();
    source.until("the reader died", |_| counters.restarts.load(Relaxed) >= 1);
    // journald sets a damaged file aside when it starts.
    journald.restart();
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    kubelet.line("after");
    source.until("the line after", |source| source.of(Origin::Kubelet).last() == Some(&"after"));
    assert!(!source.losses.is_empty(), "the gap is told");
    assert_eq!(source.of(Origin::Kubelet).len(), 2001, "nothing twice");
}

#[test]
fn an_entry_at_which_the_reader_dies_three_times_is_skipped_as_a_loss() {
    let name = "an_entry_at_which_the_reader_dies_three_times_is_skipped_as_a_loss";
    if !available(name) || !crate::journald::with_faults(name) {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let entries: Vec<_> = (1..=9)
        .map(|number| {
            let text = if number == 5 { "deadly".to_owned() } else { format!("line {number}") };
            entry(number, "kubelet.service", text.as_bytes())
        })
        .collect();
    write_journal(root.path(), &entries);
    // The child takes its fault from the environment: a shell stands in between to set it.
    let program = root.path().join("reader");
    let script = format!(
        "#!/bin/sh\nexport PODWHY_TEST_FAULT_DIE_AT=deadly\nexec {} \"$@\" 2>/dev/null\n",
        env!("CARGO_BIN_EXE_podwhy")
    );
    crate::journald::write_program(&program, &script);
    let config = Config { program: Some(program), ..config(root.path()) };
    let mut source = Source::start(config, None);
    source.until("all others", |source| source.lines.len() >= 8);
    let expected: Vec<_> = [1, 2, 3, 4, 6, 7, 8, 9].map(|n| format!("line {n}")).into();
    assert_exactly(&source.texts(), &expected);
    let losses = source.losses_of(LossKind::Corrupt);
    assert_eq!(losses.len(), 1, "{:?}", source.losses);
    assert_eq!(losses[0].lines, Some(1));
    let counters = source.handle.counters();
    assert_eq!(counters.skipped.load(Relaxed), 1);
    assert_eq!(counters.restarts.load(Relaxed), 4, "once unannounced, three times announced");
}

#[test]
fn three_kills_from_outside_cost_no_entry() {
    if !available("three_kills_from_outside_cost_no_entry") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let lines = 20_000;
    let entries: Vec<_> =
        (0..lines).map(|n| entry(n, "kubelet.service", format!("line {n}").as_bytes())).collect();
    write_journal(root.path(), &entries);
    let mut source = Source::start(config(root.path()), None);
    let counters = source.handle.counters();
    for kills in 0..5 {
        source.until("a reader", |source| source.reader() != 0);
        source.signal_reader(rustix::process::Signal::KILL);
        source.until("its end is noticed", |_| counters.restarts.load(Relaxed) > kills);
    }
    let lines = usize::try_from(lines).expect("small");
    source.until("all", |source| source.lines.len() >= lines);
    assert_exactly(&source.texts(), &numbered("line", 0..lines));
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}

#[test]
fn the_first_read_takes_no_more_than_the_window_and_the_entries() {
    if !available("the_first_read_takes_no_more_than_the_window_and_the_entries") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let entries: Vec<_> = (0..100)
        .map(|n| {
            let unit = if n % 2 == 0 { "kubelet.service" } else { "cron.service" };
            entry(n, unit, format!("line {n}").as_bytes())
        })
        .collect();
    write_journal(root.path(), &entries);
    let base = config(root.path());
    let last_ten = Config { start: Start { entries: 10, ..base.start.clone() }, ..base.clone() };
    let mut source = Source::start(last_ten, None);
    source.until("caught up", |source| source.caught_up > 0);
    let expected: Vec<_> = (80..100).step_by(2).map(|n| format!("line {n}")).collect();
    assert_exactly(&source.texts(), &expected);

    let window = Start { window: Some(Duration::from_secs(3600)), ..base.start.clone() };
    let mut source = Source::start(Config { start: window, ..base.clone() }, None);
    source.until("caught up", |source| source.caught_up > 0);
    assert!(source.lines.is_empty(), "all of it is years old");

    // A position that is only a time, as after the loss of the outbox.
    let at = 1_700_000_000_000_000 + 90 * 1_000_000;
    let by_time = Position { source: journal::SOURCE.to_owned(), value: vec![], at };
    let mut source = Source::start(base, Some(by_time));
    source.until("caught up", |source| source.caught_up > 0);
    let expected: Vec<_> = (90..100).step_by(2).map(|n| format!("line {n}")).collect();
    assert_exactly(&source.texts(), &expected);
}

#[test]
fn a_noisy_journal_is_read_through_libsystemds_matches_with_the_same_result() {
    if !available("a_noisy_journal_is_read_through_libsystemds_matches_with_the_same_result") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    // Two in a hundred are ours: the matches go in after the first sample, and come back out.
    let entries: Vec<_> = (0..30_000)
        .map(|n| {
            let unit = if n % 50 == 0 { "kubelet.service" } else { "noisy.service" };
            entry(n, unit, format!("line {n}").as_bytes())
        })
        .collect();
    write_journal(root.path(), &entries);
    let mut source = Source::start(config(root.path()), None);
    source.until("caught up", |source| source.caught_up > 0);
    let expected: Vec<_> = (0..30_000).step_by(50).map(|n| format!("line {n}")).collect();
    assert_exactly(&source.texts(), &expected);
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}

#[test]
fn a_full_channel_stops_reading_and_loses_nothing() {
    if !available("a_full_channel_stops_reading_and_loses_nothing") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let filler = "z".repeat(1000);
    let texts: Vec<_> = (0..20_000).map(|n| format!("{n} {filler}")).collect();
    let entries: Vec<_> =
        (0..).zip(&texts).map(|(n, text)| entry(n, "kubelet.service", text.as_bytes())).collect();
    write_journal(root.path(), &entries);
    let mut source = Source::start(config(root.path()), None);
    let counters = source.handle.counters();
    // Nobody takes a feed: the reader comes to stand well before the end.
    wait::until("reading begins", LONG, || counters.last_at.load(Relaxed) != 0);
    let mut before = 0;
    wait::until("reading stands still", LONG, || {
        let at = counters.last_at.load(Relaxed);
        let stands = at == before;
        before = at;
        std::thread::park_timeout(Duration::from_millis(200));
        stands
    });
    assert!(before < 1_700_000_000_000_000 + 15_000 * 1_000_000, "the channel bounds nothing");
    source.until("all", |source| source.lines.len() >= texts.len());
    assert_exactly(&source.texts(), &texts);
}

#[test]
fn an_absent_library_is_said_once_and_stopping_is_quick() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let library = "libsystemd-of-nowhere.so.0".to_owned();
    let source = Source::start(Config { library, ..config(root.path()) }, None);
    wait::until("it is said", LONG, || {
        matches!(source.handle.state(), journal::State::Unavailable(why)
            if why.contains("libsystemd-of-nowhere.so.0") && why.contains("install"))
    });
    let begun = std::time::SystemTime::now();
    source.handle.stop();
    assert!(begun.elapsed().expect("a clock") < Duration::from_secs(5));
}

#[test]
fn stopping_ends_the_reader_also_while_the_channel_is_full() {
    if !available("stopping_ends_the_reader_also_while_the_channel_is_full") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let entries: Vec<_> =
        (0..20_000).map(|n| entry(n, "kubelet.service", "z".repeat(1000).as_bytes())).collect();
    write_journal(root.path(), &entries);
    let source = Source::start(config(root.path()), None);
    let counters = source.handle.counters();
    wait::until("reading begins", LONG, || counters.last_at.load(Relaxed) != 0);
    let reader = source.reader();
    source.handle.stop();
    assert!(!Path::new(&format!("/proc/{reader}")).exists(), "the reader is gone");
}
