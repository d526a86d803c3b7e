//! The outbox against a model, failing storage and damaged files.

mod crash;
mod forms;
mod model;
mod storage;

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use super::*;
use crate::source::Micros;
use storage::Storage;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn entry(time: Micros, worth: Worth, text: &str) -> Entry {
    Entry { time, worth, bytes: text.as_bytes().to_vec() }
}

fn failures(texts: &[&str]) -> Commit {
    let records = texts.iter().map(|text| entry(1, Worth::Failure, text)).collect();
    Commit { records, ..Commit::default() }
}

fn position(value: &str) -> Position {
    Position { source: "journal".into(), value: value.into(), at: 7 }
}

fn open(folder: &Path) -> Outbox {
    Outbox::open(folder, Limits::default()).unwrap().outbox
}

/// An outbox over a storage that can fail; the folder only holds the name.
fn over(storage: &Storage, folder: &Path, limits: Limits) -> Opened {
    let (open, shadow) = (storage.clone(), storage.clone());
    let opener = Opener {
        open: Box::new(move |_file| disk::builder().create_with_backend(open.clone())),
        shadow: Box::new(move |_file| {
            disk::builder().create_with_backend(shadow::Shadow::over(shadow.clone())?)
        }),
    };
    Outbox::open_with(folder, limits, opener).unwrap()
}

fn texts(outbox: &Outbox) -> Vec<String> {
    let found = outbox.fetch(0, usize::MAX, usize::MAX);
    found.into_iter().map(|stored| String::from_utf8(stored.bytes).unwrap()).collect()
}

fn later(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

#[test]
fn records_positions_and_state_are_there_after_a_restart() {
    let folder = folder();
    let opened = Outbox::open(folder.path(), Limits::default()).unwrap();
    assert_eq!(opened.start, Start::Fresh);
    let mut outbox = opened.outbox;
    let committed = outbox.commit(Commit {
        records: vec![entry(5, Worth::Failure, "a"), entry(6, Worth::Incident, "b")],
        positions: vec![position("here")],
        state_changes: vec![(b"k".to_vec(), Some(b"v".to_vec())), (b"gone".to_vec(), None)],
        ..Commit::default()
    });
    assert_eq!(committed, Committed::default());
    drop(outbox);

    let opened = Outbox::open(folder.path(), Limits::default()).unwrap();
    assert_eq!(opened.start, Start::Resumed);
    let outbox = opened.outbox;
    assert_eq!(texts(&outbox), ["a", "b"]);
    assert_eq!(outbox.position("journal"), Some(position("here")));
    assert_eq!(outbox.position("other"), None);
    assert_eq!(outbox.state(), [(b"k".to_vec(), b"v".to_vec())]);
    let stats = outbox.stats();
    assert_eq!((stats.records, stats.bytes, stats.oldest), (2, 2, Some(5)));
}

#[test]
fn o11_a_record_is_fetched_until_it_is_acknowledged_with_the_same_bytes_and_number() {
    let folder = folder();
    let mut outbox = open(folder.path());
    outbox.commit(failures(&["a", "b", "c"]));
    let first = outbox.fetch(0, 2, usize::MAX);
    assert_eq!(first.len(), 2);
    drop(outbox);
    let mut outbox = open(folder.path());
    assert_eq!(outbox.fetch(0, 2, usize::MAX), first);
    outbox.acknowledge(first.iter().map(|stored| stored.seq));
    assert_eq!(texts(&outbox), ["c"]);
    assert_eq!(outbox.stats().records, 1);
    assert_eq!(outbox.maintain(Instant::now()), None);
    drop(outbox);
    assert_eq!(texts(&open(folder.path())), ["c"]);
}

#[test]
fn a_fetch_keeps_to_its_bounds_but_gives_one_record_at_least() {
    let folder = folder();
    let mut outbox = open(folder.path());
    outbox.commit(failures(&["aaaa", "b", "cc", "d"]));
    let sizes = |outbox: &Outbox, after, records, bytes| -> Vec<usize> {
        outbox.fetch(after, records, bytes).iter().map(|stored| stored.bytes.len()).collect()
    };
    assert_eq!(sizes(&outbox, 0, 10, 1), [4]);
    assert_eq!(sizes(&outbox, 0, 10, 6), [4, 1]);
    assert_eq!(sizes(&outbox, 0, 3, 100), [4, 1, 2]);
    let second = outbox.fetch(0, 2, 100).pop().unwrap();
    assert_eq!(sizes(&outbox, second.seq, 10, 100), [2, 1]);
}

#[test]
fn records_of_different_worth_keep_their_order() {
    let folder = folder();
    let mut outbox = open(folder.path());
    let worths = [Worth::Incident, Worth::Repeat, Worth::Failure, Worth::Repeat, Worth::Incident];
    let records = worths.iter().enumerate().map(|(i, worth)| entry(1, *worth, &i.to_string()));
    outbox.commit(Commit { records: records.collect(), ..Commit::default() });
    assert_eq!(texts(&outbox), ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_full_outbox_lets_the_oldest_repeats_go_first_and_incidents_last_and_counts_each() {
    let folder = folder();
    let limits = Limits { bytes: 6, ..Limits::default() };
    let mut outbox = Outbox::open(folder.path(), limits).unwrap().outbox;
    let commit = |records: Vec<Entry>| Commit { records, ..Commit::default() };
    outbox.commit(commit(vec![
        entry(1, Worth::Incident, "i1"),
        entry(2, Worth::Failure, "f1"),
        entry(3, Worth::Repeat, "r1"),
    ]));
    let committed = outbox.commit(commit(vec![entry(4, Worth::Repeat, "r2")]));
    assert_eq!(committed.dropped, Some(Dropped { records: 1, from: 3, to: 3 }));
    assert_eq!(texts(&outbox), ["i1", "f1", "r2"]);
    outbox.commit(commit(vec![entry(5, Worth::Incident, "i2"), entry(6, Worth::Incident, "i3")]));
    assert_eq!(texts(&outbox), ["i1", "i2", "i3"]);
    // Nothing of lower worth is left, so a new repeat goes itself.
    outbox.commit(commit(vec![entry(7, Worth::Repeat, "r3")]));
    assert_eq!(texts(&outbox), ["i1", "i2", "i3"]);
    outbox.commit(commit(vec![entry(8, Worth::Incident, "i4")]));
    assert_eq!(texts(&outbox), ["i2", "i3", "i4"]);
    drop(outbox);

    let mut outbox = Outbox::open(folder.path(), limits).unwrap().outbox;
    let unreported = outbox.unreported(Signal::Logs).unwrap();
    assert_eq!(unreported, Dropped { records: 5, from: 1, to: 7 });
    assert_eq!(unreported.loss("otlp").lines, Some(5));
    outbox.commit(Commit { reported: 5, ..Commit::default() });
    assert_eq!(outbox.unreported(Signal::Logs), None);
}

#[test]
fn the_number_of_records_is_bounded_too() {
    let folder = folder();
    let limits = Limits { records: 2, ..Limits::default() };
    let mut outbox = Outbox::open(folder.path(), limits).unwrap().outbox;
    outbox.commit(failures(&["a", "b", "c"]));
    assert_eq!(texts(&outbox), ["b", "c"]);
}

#[test]
fn refused_records_leave_together_with_the_loss_record_that_names_them() {
    let folder = folder();
    let mut outbox = open(folder.path());
    outbox.commit(failures(&["poison", "good"]));
    let poison = outbox.fetch(0, 1, 100).pop().unwrap().seq;
    outbox.commit(Commit {
        records: vec![entry(9, Worth::Incident, "loss")],
        removed: vec![poison],
        ..Commit::default()
    });
    drop(outbox);
    assert_eq!(texts(&open(folder.path())), ["good", "loss"]);
}

#[test]
fn only_the_owner_may_read_the_folder_and_its_files() {
    let parent = folder();
    let folder = parent.path().join("state/podwhy");
    open(&folder).commit(failures(&["a"]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder::file(&folder)), 0o600);
    assert_eq!(mode(&folder.join("podwhy.reserve")), 0o600);
}

#[test]
fn a_second_process_is_told_what_to_do() {
    let folder = folder();
    let _first = open(folder.path());
    let error = Outbox::open(folder.path(), Limits::default()).unwrap_err().to_string();
    assert!(error.contains("another process") && error.contains("state folder"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_leaves_a_bounded_outbox_in_memory_that_heals() {
    let parent = folder();
    let blocked = parent.path().join("state");
    fs::write(&blocked, "a file, not a folder").unwrap();
    let limits = Limits { memory_bytes: 3, ..Limits::default() };
    let opened = Outbox::open(&blocked, limits).unwrap();
    let Start::Memory { why } = opened.start else { panic!("began as {:?}", opened.start) };
    assert!(why.contains("state"), "{why}");
    let mut outbox = opened.outbox;
    assert!(outbox.stats().trouble.is_some());
    let committed = outbox.commit(Commit {
        records: vec![entry(1, Worth::Repeat, "r"), entry(2, Worth::Incident, "i")],
        positions: vec![position("there")],
        state_changes: vec![(b"k".to_vec(), Some(b"v".to_vec())), (b"x".to_vec(), None)],
        ..Commit::default()
    });
    assert_eq!(committed, Committed::default());
    let committed = outbox.commit(failures(&["ff"]));
    assert_eq!(committed.dropped, Some(Dropped { records: 1, from: 1, to: 1 }));
    assert_eq!(texts(&outbox), ["i", "ff"]);

    assert_eq!(outbox.maintain(later(2)), None, "the folder still does not work");
    fs::remove_file(&blocked).unwrap();
    assert_eq!(outbox.maintain(later(10)), Some(Change::Healed { moved_to: None }));
    assert_eq!(outbox.stats().trouble, None);
    drop(outbox);
    let outbox = open(&blocked);
    assert_eq!(texts(&outbox), ["i", "ff"]);
    assert_eq!(outbox.position("journal"), Some(position("there")));
    assert_eq!(outbox.state(), [(b"k".to_vec(), b"v".to_vec())]);
    assert_eq!(outbox.unreported(Signal::Logs).unwrap().records, 1);
}

#[test]
fn what_a_read_only_folder_holds_is_restored_and_delivered() {
    let (folder, storage) = (folder(), Storage::default());
    let limits = Limits::default();
    let mut outbox = over(&storage, folder.path(), limits).outbox;
    outbox.commit(Commit {
        positions: vec![position("1")],
        state_changes: vec![(b"k".to_vec(), Some(b"v".to_vec()))],
        ..failures(&["a", "b"])
    });
    // A kill, and a folder that is read-only afterwards.
    let storage = Storage::holding(storage.after_kill());
    drop(outbox);
    storage.fail_in(0, std::io::ErrorKind::ReadOnlyFilesystem);
    let opened = over(&storage, folder.path(), limits);
    assert!(matches!(opened.start, Start::Memory { .. }), "{:?}", opened.start);
    let mut outbox = opened.outbox;
    assert_eq!(outbox.position("journal"), Some(position("1")));
    assert_eq!(outbox.state(), [(b"k".to_vec(), b"v".to_vec())]);
    outbox.commit(Commit { state_changes: vec![(b"k".to_vec(), None)], ..failures(&["c"]) });
    assert_eq!(texts(&outbox), ["a", "b", "c"]);
    let first = outbox.fetch(0, 1, 1).pop().unwrap();
    outbox.acknowledge([first.seq]);
    assert_eq!(outbox.maintain(later(10)), None);
    assert_eq!(texts(&outbox), ["b", "c"], "a failed attempt to heal costs nothing");
    storage.work_again();
    assert!(outbox.maintain(later(100)).is_some());
    drop(outbox);
    let outbox = over(&storage, folder.path(), limits).outbox;
    assert_eq!(texts(&outbox), ["b", "c"]);
    assert_eq!(outbox.state(), []);
}

#[test]
fn a_file_found_late_keeps_its_records_but_not_its_state() {
    let folder = folder();
    let mut before = open(folder.path());
    before.commit(Commit {
        records: vec![entry(1, Worth::Failure, "old")],
        positions: vec![position("old"), Position { source: "file".into(), ..position("f") }],
        state_changes: vec![(b"old".to_vec(), Some(b"1".to_vec()))],
        ..Commit::default()
    });
    drop(before);
    let hidden = folder.path().with_extension("hidden");
    fs::rename(folder.path(), &hidden).unwrap();
    fs::write(folder.path(), "in the way").unwrap();
    let mut outbox = open(folder.path());
    outbox.commit(Commit {
        records: vec![entry(2, Worth::Failure, "new")],
        positions: vec![position("new")],
        state_changes: vec![(b"new".to_vec(), Some(b"2".to_vec()))],
        ..Commit::default()
    });
    fs::remove_file(folder.path()).unwrap();
    fs::rename(&hidden, folder.path()).unwrap();
    assert!(outbox.maintain(later(10)).is_some());
    drop(outbox);
    let outbox = open(folder.path());
    assert_eq!(texts(&outbox), ["old", "new"]);
    assert_eq!(outbox.position("journal"), Some(position("new")));
    assert_eq!(outbox.position("file"), None);
    assert_eq!(outbox.state(), [(b"new".to_vec(), b"2".to_vec())]);
}

#[test]
fn a_folder_that_is_taken_away_is_noticed_and_everything_moves_to_the_new_one() {
    let parent = folder();
    let folder = parent.path().join("state");
    let mut outbox = open(&folder);
    outbox.commit(Commit {
        positions: vec![position("one")],
        state_changes: vec![(b"k".to_vec(), Some(b"1".to_vec()))],
        ..failures(&["a", "b"])
    });
    fs::remove_dir_all(&folder).unwrap();
    let Some(Change::Degraded { why }) = outbox.maintain(later(10)) else { panic!("not noticed") };
    assert!(why.contains("taken away"), "{why}");
    outbox.commit(Commit {
        state_changes: vec![(b"k".to_vec(), None), (b"l".to_vec(), Some(b"2".to_vec()))],
        ..failures(&["c"])
    });
    let first = outbox.fetch(0, 1, 10).pop().unwrap();
    outbox.acknowledge([first.seq]);
    assert_eq!(texts(&outbox), ["b", "c"]);
    assert_eq!(outbox.maintain(later(20)), Some(Change::Healed { moved_to: None }));
    drop(outbox);
    let outbox = open(&folder);
    assert_eq!(texts(&outbox), ["b", "c"]);
    assert_eq!(outbox.position("journal"), Some(position("one")));
    assert_eq!(outbox.state(), [(b"l".to_vec(), b"2".to_vec())]);
    assert_eq!(outbox.stats().records, 2);
}

#[test]
fn a_failing_disk_freezes_the_file_and_delivery_goes_on() {
    for error in [std::io::ErrorKind::StorageFull, std::io::ErrorKind::Other] {
        for operations in 0..12 {
            let (folder, storage) = (folder(), Storage::default());
            let mut outbox = over(&storage, folder.path(), Limits::default()).outbox;
            outbox.commit(Commit { positions: vec![position("1")], ..failures(&["a", "b"]) });
            storage.fail_in(operations, error);
            let mut degraded = 0;
            for text in ["c", "d", "e"] {
                let commit = Commit { positions: vec![position(text)], ..failures(&[text]) };
                degraded += usize::from(outbox.commit(commit).change.is_some());
            }
            assert!(degraded <= 1, "said once");
            assert_eq!(texts(&outbox), ["a", "b", "c", "d", "e"], "after {operations}");
            let first = outbox.fetch(0, 1, 10).pop().unwrap();
            outbox.acknowledge([first.seq]);
            assert_eq!(texts(&outbox), ["b", "c", "d", "e"]);
            storage.work_again();
            let healed = outbox.maintain(later(10));
            assert_eq!(healed.is_some(), degraded == 1, "after {operations}");
            drop(outbox);
            let outbox = over(
                &Storage::holding(storage.after_power_loss()),
                folder.path(),
                Limits::default(),
            )
            .outbox;
            assert_eq!(texts(&outbox), ["b", "c", "d", "e"], "after {operations}");
            assert_eq!(outbox.position("journal"), Some(position("e")));
            assert_eq!(outbox.stats().records, 4);
        }
    }
}

#[test]
fn a_truncated_file_is_set_aside_or_whole_and_never_half() {
    let folder = folder();
    let mut outbox = open(folder.path());
    outbox.commit(failures(&["a"; 200]));
    drop(outbox);
    let whole = fs::read(folder::file(folder.path())).unwrap();
    let pages = whole.len() / 4096;
    let cuts = (0..=pages).step_by((pages / 24).max(1)).map(|page| page * 4096);
    for cut in cuts.chain([1, 100, 4095, whole.len() - 1]) {
        opens_whole_or_fresh(&whole[..cut.min(whole.len())], 200);
    }
}

#[test]
fn a_flipped_bit_is_set_aside_or_harmless() {
    let folder = folder();
    let mut outbox = open(folder.path());
    outbox.commit(Commit { positions: vec![position("p")], ..failures(&["b"; 200]) });
    drop(outbox);
    let whole = fs::read(folder::file(folder.path())).unwrap();
    let offsets = (0..whole.len()).step_by(4096).flat_map(|page| [page, page + 17, page + 2048]);
    let step = (whole.len() / 4096 / 24).max(1);
    for offset in offsets.step_by(step) {
        let mut flipped = whole.clone();
        let Some(byte) = flipped.get_mut(offset) else { continue };
        *byte ^= 0x10;
        opens_whole_or_fresh(&flipped, 200);
    }
}

/// Whatever the file: it opens, holds all or nothing, works, and says what it did.
fn opens_whole_or_fresh(content: &[u8], records: usize) {
    let folder = folder();
    fs::write(folder::file(folder.path()), content).unwrap();
    let opened = Outbox::open(folder.path(), Limits::default()).unwrap();
    let mut outbox = opened.outbox;
    let found = texts(&outbox).len();
    match opened.start {
        Start::Fresh => assert!(content.is_empty()),
        Start::Resumed => assert_eq!(found, records),
        Start::Salvaged { moved_to, why } => {
            assert_eq!(found, 0);
            assert!(!why.is_empty());
            assert_eq!(fs::read(moved_to).unwrap().len(), content.len());
        }
        Start::Memory { why } => panic!("{why}"),
    }
    outbox.commit(failures(&["new"]));
    assert_eq!(outbox.stats().trouble, None);
    drop(outbox);
    assert_eq!(texts(&open(folder.path())).pop().unwrap(), "new");
}

#[test]
fn who_is_killed_while_the_first_file_is_made_leaves_no_damage_behind() {
    let folder = folder();
    fs::write(folder.path().join("podwhy.redb.new"), "half a header".repeat(500)).unwrap();
    let opened = Outbox::open(folder.path(), Limits::default()).unwrap();
    assert!(matches!(opened.start, Start::Fresh), "{:?}", opened.start);
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["podwhy.redb", "podwhy.reserve"]);
    let second = Outbox::open(folder.path(), Limits::default());
    assert!(second.is_err() || matches!(second.unwrap().start, Start::Memory { .. }));
}

#[test]
fn no_more_damaged_files_are_kept_than_the_newest_few() {
    let folder = folder();
    for _ in 0..4 {
        fs::write(folder::file(folder.path()), "not a database at all".repeat(500)).unwrap();
        let opened = Outbox::open(folder.path(), Limits::default()).unwrap();
        assert!(matches!(opened.start, Start::Salvaged { .. }), "{:?}", opened.start);
    }
    let damaged = fs::read_dir(folder.path()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().contains("set-aside")
    });
    assert_eq!(damaged.count(), limits::OUTBOX_DAMAGED_KEPT);
}

#[test]
fn a_drained_file_gives_its_space_back() {
    let folder = folder();
    let mut outbox = open(folder.path());
    let large = "x".repeat(64 * 1024);
    for _ in 0..20 {
        outbox.commit(failures(&[large.as_str(); 10]));
    }
    assert!(outbox.stats().file_bytes > limits::OUTBOX_COMPACT_ABOVE);
    let all: Vec<u64> =
        outbox.fetch(0, usize::MAX, usize::MAX).iter().map(|stored| stored.seq).collect();
    outbox.acknowledge(all);
    assert_eq!(outbox.maintain(later(10)), None);
    assert!(outbox.stats().file_bytes <= 1024 * 1024, "{}", outbox.stats().file_bytes);
    outbox.commit(failures(&["still works"]));
    assert_eq!(texts(&outbox), ["still works"]);
}

fn spans(texts: &[&str]) -> Commit {
    let spans = texts.iter().map(|text| entry(1, Worth::Incident, text)).collect();
    Commit { spans, ..Commit::default() }
}

fn texts_of(outbox: &Outbox, signal: Signal) -> Vec<String> {
    let found = outbox.fetch_of(signal, 0, usize::MAX, usize::MAX);
    found.into_iter().map(|stored| String::from_utf8(stored.bytes).unwrap()).collect()
}

#[test]
fn o10_each_signal_has_a_position_of_its_own_and_neither_holds_the_other() {
    let folder = folder();
    let mut outbox = open(folder.path());
    outbox.commit(failures(&["a", "b"]));
    outbox.commit(Commit { spans: spans(&["s", "t"]).spans, ..failures(&["c"]) });
    assert_eq!(texts(&outbox), ["a", "b", "c"]);
    assert_eq!(texts_of(&outbox, Signal::Traces), ["s", "t"]);
    let all = outbox.fetch(0, 10, 100);
    outbox.acknowledge(all.iter().map(|stored| stored.seq));
    assert_eq!(texts(&outbox), Vec::<String>::new());
    assert_eq!(texts_of(&outbox, Signal::Traces), ["s", "t"], "what one has, the other waits for");
    let stats = outbox.stats();
    assert_eq!((stats.records, stats.spans, stats.span_bytes), (0, 2, 2));
    outbox.maintain(Instant::now());
    drop(outbox);
    let mut outbox = open(folder.path());
    assert_eq!(texts_of(&outbox, Signal::Traces), ["s", "t"]);
    let first = outbox.fetch_of(Signal::Traces, 0, 1, 100).pop().unwrap();
    outbox.commit(Commit { removed: vec![first.seq], ..failures(&["d"]) });
    assert_eq!(texts_of(&outbox, Signal::Traces), ["t"]);
    assert_eq!(texts(&outbox), ["d"]);
    assert_eq!(outbox.stats().spans, 1);
}

#[test]
fn o10_a_trace_store_that_is_away_costs_no_record_and_its_drops_are_told_as_its_own() {
    let folder = folder();
    let limits = Limits { bytes: 4, span_bytes: 3, ..Limits::default() };
    let mut outbox = Outbox::open(folder.path(), limits).unwrap().outbox;
    outbox.commit(failures(&["a", "b"]));
    for text in ["s", "t", "u", "v", "w"] {
        outbox.commit(spans(&[text]));
    }
    assert_eq!(texts(&outbox), ["a", "b"]);
    assert_eq!(texts_of(&outbox, Signal::Traces), ["u", "v", "w"]);
    assert_eq!(outbox.unreported(Signal::Logs), None);
    assert_eq!(outbox.unreported(Signal::Traces).unwrap().records, 2);
    outbox.commit(failures(&["c", "d", "e"]));
    assert_eq!(texts(&outbox), ["b", "c", "d", "e"]);
    assert_eq!(texts_of(&outbox, Signal::Traces), ["u", "v", "w"]);
    outbox.commit(Commit { reported_spans: 2, ..Commit::default() });
    drop(outbox);
    let outbox = Outbox::open(folder.path(), limits).unwrap().outbox;
    assert_eq!(outbox.unreported(Signal::Traces), None);
    assert_eq!(outbox.unreported(Signal::Logs).unwrap().records, 1);
}

#[test]
fn spans_survive_a_folder_that_is_taken_away_and_keep_to_their_bound_in_memory() {
    let parent = folder();
    let folder = parent.path().join("state");
    let mut outbox = open(&folder);
    outbox.commit(Commit { spans: spans(&["s"]).spans, ..failures(&["a"]) });
    fs::remove_dir_all(&folder).unwrap();
    assert!(outbox.maintain(later(10)).is_some());
    outbox.commit(Commit { spans: spans(&["t"]).spans, ..failures(&["b"]) });
    let large = "x".repeat(usize::try_from(limits::OUTBOX_SPAN_MEMORY_BYTES).unwrap());
    outbox.commit(spans(&[&large]));
    assert_eq!(texts(&outbox), ["a", "b"], "no record goes for a span");
    assert_eq!(texts_of(&outbox, Signal::Traces), ["s", large.as_str()]);
    assert_eq!(outbox.unreported(Signal::Traces).unwrap().records, 1);
    assert_eq!(outbox.maintain(later(20)), Some(Change::Healed { moved_to: None }));
    drop(outbox);
    let outbox = open(&folder);
    assert_eq!(texts(&outbox), ["a", "b"]);
    assert_eq!(texts_of(&outbox, Signal::Traces), ["s", large.as_str()]);
    assert_eq!(outbox.unreported(Signal::Traces).unwrap().records, 1);
    assert_eq!(outbox.unreported(Signal::Logs), None);
}
