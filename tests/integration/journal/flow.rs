//! How much is read, how fast, through rotation, vacuum and a core that is behind.

use super::*;

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
