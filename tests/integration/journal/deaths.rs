//! A reader that dies, hangs, loses its file or meets an entry that kills it.

use super::*;

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
