//! A journal that changes under the reader: rotated all the time, flushed from memory to disk, gone
//! and there again, restarted, with the end of a file missing, compressed by what is not there.

use super::*;
use crate::soak;

/// Hands on what comes until `until`, so that the test writes at a pace and loses no time.
fn pace(source: &mut Source, until: tokio::time::Instant) {
    while let Some(left) = until.checked_duration_since(tokio::time::Instant::now()) {
        source.step(left.min(Duration::from_millis(5)));
    }
}

#[test]
fn rotated_twenty_times_a_second_each_line_arrives_once() {
    if !available("rotated_twenty_times_a_second_each_line_arrives_once") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let mut source = Source::start(config(journald.root()), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    let (rounds, begun) = (soak::times(60), tokio::time::Instant::now());
    for round in 0..rounds {
        for number in 0..25 {
            kubelet.line(&format!("line {}", round * 25 + number));
        }
        journald.signal(rustix::process::Signal::USR2);
        let round = u32::try_from(round + 1).expect("small");
        pace(&mut source, begun + Duration::from_millis(50) * round);
    }
    kubelet.flush();
    source.until("all", |source| source.of(Origin::Kubelet).len() >= rounds * 25);
    assert_exactly(&source.of(Origin::Kubelet), &numbered("line", 0..rounds * 25));
    assert!(source.losses.is_empty(), "{:?}", source.losses);
    let files = journald.files().len();
    println!("written {0}, arrived {0}, lost 0, repeated 0, in {files} files", rounds * 25);
    assert!(files > rounds / 4, "it did rotate: {files} files of {rounds} rotations");
}

#[test]
fn what_is_flushed_from_memory_to_disk_while_it_is_read_arrives_once() {
    if !available("what_is_flushed_from_memory_to_disk_while_it_is_read_arrives_once") {
        return;
    }
    let settings = Settings { persistent: true, unflushed: true, ..Settings::default() };
    let journald = Journald::start(settings);
    let in_memory = |journald: &Journald| {
        journald.files().iter().any(|file| file.starts_with(journald.root().join("run")))
    };
    assert!(in_memory(&journald), "{:?}", journald.files());
    let mut source = Source::start(config(journald.root()), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    let lines = soak::times(6000);
    let mut flush = None;
    for number in 0..lines {
        kubelet.line(&format!("line {number}"));
        if number == lines / 3 {
            let mut command = journald.inside("journalctl");
            flush = Some(command.arg("--flush").spawn().expect("journalctl starts"));
        }
        while source.step(Duration::ZERO) {}
    }
    let flushed = flush.expect("it began").wait().expect("journalctl ends");
    assert!(flushed.success());
    assert!(!in_memory(&journald), "nothing is left in memory: {:?}", journald.files());
    kubelet.flush();
    source.until("all", |source| source.of(Origin::Kubelet).len() >= lines);
    let mut texts = source.of(Origin::Kubelet);
    // What is copied keeps its time; what journald writes meanwhile may come before it.
    texts.sort_by_key(|text| text["line ".len()..].parse::<usize>().expect("a number"));
    assert_exactly(&texts, &numbered("line", 0..lines));
    assert!(source.losses.is_empty(), "{:?}", source.losses);
    println!("written {lines}, arrived {lines}, lost 0, repeated 0");
}

#[test]
fn what_was_flushed_while_nobody_read_goes_on_behind_the_copy_of_the_last_entry() {
    if !available("what_was_flushed_while_nobody_read_goes_on_behind_the_copy_of_the_last_entry") {
        return;
    }
    let settings = Settings { persistent: true, unflushed: true, ..Settings::default() };
    let journald = Journald::start(settings);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    // Short lines, written at once: journald gives many of them one and the same time.
    (0..600).for_each(|number| kubelet.line(&format!("line {number}")));
    kubelet.flush();
    let mut first = Source::start(config(journald.root()), None);
    first.until("all", |source| source.of(Origin::Kubelet).len() >= 600);
    let position = first.position.clone();
    drop(first);
    let status = journald.inside("journalctl").arg("--flush").status().expect("journalctl runs");
    assert!(status.success());
    (600..650).for_each(|number| kubelet.line(&format!("line {number}")));
    kubelet.flush();
    let mut second = Source::start(config(journald.root()), position);
    second.until("the last", |source| source.texts().contains(&"line 649"));
    assert_exactly(&second.of(Origin::Kubelet), &numbered("line", 600..650));
    assert!(second.losses.is_empty(), "{:?}", second.losses);
}

#[test]
fn a_node_without_any_journal_is_followed_once_journald_begins() {
    if !available("a_node_without_any_journal_is_followed_once_journald_begins") {
        return;
    }
    let mut journald = Journald::start(Settings::default());
    journald.stop();
    for folder in ["run/log/journal", "var/log/journal"] {
        drop(std::fs::remove_dir_all(journald.root().join(folder)));
    }
    let mut source = Source::start(config(journald.root()), None);
    source.until("nothing to read", |source| source.caught_up > 0);
    assert!(source.lines.is_empty(), "{:?}", source.texts());
    journald.restart();
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    for text in numbered("line", 0..100) {
        kubelet.line(&text);
    }
    source.until("all", |source| source.of(Origin::Kubelet).len() >= 100);
    assert_exactly(&source.of(Origin::Kubelet), &numbered("line", 0..100));
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}

#[test]
fn journald_killed_and_started_again_costs_no_line_that_it_had_stored() {
    if !available("journald_killed_and_started_again_costs_no_line_that_it_had_stored") {
        return;
    }
    let mut journald = Journald::start(Settings { persistent: true, ..Settings::default() });
    let mut source = Source::start(config(journald.root()), None);
    let turns = soak::times(5);
    for turn in 0..turns {
        let mut kubelet = journald.stream("kubelet", "kubelet.service");
        for text in numbered("line", turn * 300..(turn + 1) * 300) {
            kubelet.line(&text);
        }
        kubelet.flush();
        // In the middle of writing: what was on its way to journald goes with it.
        let some = turn * 100;
        source.until("some", |source| source.of(Origin::Kubelet).len() > some);
        journald.restart();
    }
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    kubelet.line("the last one");
    source.until("the last one", |s| s.of(Origin::Kubelet).last() == Some(&"the last one"));
    let stored = journald.cat(&["_SYSTEMD_UNIT=kubelet.service"]);
    let seen = source.of(Origin::Kubelet);
    let (stored_set, seen_set): (BTreeSet<&str>, BTreeSet<&str>) =
        (stored.iter().map(String::as_str).collect(), seen.iter().copied().collect());
    let missed: Vec<_> = stored_set.difference(&seen_set).collect();
    println!(
        "written {}, stored {}, arrived {}, repeated {}",
        turns * 300 + 1,
        stored.len(),
        seen.len(),
        seen.len() - seen_set.len()
    );
    assert!(missed.is_empty(), "{} lines that are stored never arrived: {missed:?}", missed.len());
    assert_eq!(seen.len(), seen_set.len(), "nothing twice");
}

#[test]
fn fields_that_nothing_here_can_decompress_are_told_as_lost_with_their_number() {
    let name = "fields_that_nothing_here_can_decompress_are_told_as_lost_with_their_number";
    if !available(name) {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let long = "z".repeat(4000);
    let text = |number: u64| match number % 5 {
        3 => format!("line {number} {long}"),
        _ => format!("line {number}"),
    };
    let entries: Vec<_> =
        (0..100).map(|n| entry(n, "kubelet.service", text(n).as_bytes())).collect();
    write_journal(root.path(), &entries);
    let library = calls::library_without_compression(root.path());
    let mut source = Source::start(calls::through(&library, config(root.path())), None);
    source.until("caught up", |source| source.caught_up > 0);
    let expected: Vec<_> = (0..100).filter(|n| n % 5 != 3).map(text).collect();
    assert_exactly(&source.texts(), &expected);
    // The rest of a window is told when the reading ends.
    let Source { handle, feeds, lines, mut losses, .. } = source;
    handle.stop();
    for feed in feeds.try_iter() {
        if let Feed::Lost(loss, _) = feed {
            losses.push(loss);
        }
    }
    let lost: u64 = losses.iter().filter_map(|loss| loss.lines).sum();
    println!("written 100, arrived {}, lost and told {lost}, repeated 0", lines.len());
    assert_eq!(lost, 20, "{losses:?}");
    let says = |loss: &Loss| loss.kind == LossKind::Corrupt && loss.why.contains("libzstd.so.1");
    assert!(losses.iter().all(says), "{losses:?}");
}
