//! The traps of following a journal, J1 to J12 of the reference, and who is believed.

use podwhy::source::journal::probe::{Status, probe};

use super::*;

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
    without.retain(|(name, _)| !matches!(*name, "MESSAGE" | "_STREAM_ID"));
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
    // journald says it with the first line after the window, which is 30 s.
    let held = wait::reached(3 * LONG, || {
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
fn j11_the_check_tells_library_folders_units_and_compression() {
    if !available("j11_the_check_tells_library_folders_units_and_compression") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let entries = [
        entry(1, "kubelet.service", &[b'y'; 4000]),
        entry(2, "kubelet.service", b"short"),
        entry(3, "containerd.service", b"short"),
    ];
    write_journal(root.path(), &entries);
    let report = probe(&config(root.path()));
    let found = |name: &str| {
        let requirement = report.requirements.iter().find(|one| one.name == name);
        requirement.map(|one| (one.status, one.found.as_str())).expect("it was looked at")
    };
    assert!(report.is_usable(), "{report:?}");
    assert!(found("journal library").1.contains("libsystemd.so"), "{report:?}");
    assert!(found("journal folders").1.contains("var/log/journal: 1 files"), "{report:?}");
    let units = (Status::Met, "entries: containerd.service 1, kubelet.service 2");
    assert_eq!(found("journal units"), units);
    assert_eq!(found("journal compression").0, Status::Met);

    let empty = tempfile::tempdir().expect("a temporary folder");
    let report = probe(&config(empty.path()));
    assert!(!report.is_usable());
    let fixes: Vec<_> = report.requirements.iter().filter_map(|one| one.fix.as_deref()).collect();
    assert!(fixes.iter().any(|fix| fix.contains("mount the host's /var/log")), "{report:?}");
    let nowhere =
        Config { library: "libsystemd-of-nowhere.so.0".to_owned(), ..config(root.path()) };
    assert!(!probe(&nowhere).is_usable());
}
