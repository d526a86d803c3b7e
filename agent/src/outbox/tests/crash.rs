//! The outbox stopped, or failed, at every single operation of a story in turn. After each, what is
//! found is what one whole transaction left: never half of one, never one that was confirmed and is
//! gone, never damage. The story has every kind of transaction in it.
#![expect(clippy::print_stdout, reason = "each tells its counts")]

use std::{collections::BTreeMap, io::ErrorKind};

use super::{
    storage::{Kind, Storage},
    *,
};

/// Small, so that the story meets them.
const LIMITS: Limits = Limits { bytes: 400, records: 12, span_bytes: 400, memory_bytes: 4096 };

/// Everything that must come and go together.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    records: Vec<(u64, String)>,
    spans: Vec<Vec<u8>>,
    positions: Vec<Option<Position>>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    unreported: Option<Dropped>,
    waiting: (u64, u64),
}

impl Found {
    fn of(outbox: &Outbox) -> Self {
        let records = outbox.fetch(0, usize::MAX, usize::MAX);
        let stats = outbox.stats();
        Self {
            records: records
                .into_iter()
                .map(|stored| (stored.seq, String::from_utf8(stored.bytes).unwrap()))
                .collect(),
            spans: outbox
                .fetch_of(Signal::Traces, 0, usize::MAX, usize::MAX)
                .into_iter()
                .map(|stored| stored.bytes)
                .collect(),
            positions: ["journal", "file"].map(|source| outbox.position(source)).into(),
            state: outbox.state().into_iter().collect(),
            unreported: outbox.unreported(Signal::Logs),
            waiting: (stats.records, stats.bytes),
        }
    }

    /// What a start finds on this content, and that it is a sound beginning.
    fn on(content: Vec<u8>, what: &str) -> Self {
        let (folder, was_empty) = (folder(), content.is_empty());
        // `open` tells a fresh file from one that is gone on with by its length.
        fs::write(folder::file(folder.path()), &content[..content.len().min(1)]).unwrap();
        let storage = Storage::holding(content);
        let opened = over(&storage, folder.path(), LIMITS);
        let expected = if was_empty { Start::Fresh } else { Start::Resumed };
        assert_eq!(opened.start, expected, "{what}: an end is no damage");
        let mut outbox = opened.outbox;
        let found = Self::of(&outbox);
        let bytes: usize = found.records.iter().map(|(_, text)| text.len()).sum();
        let counted = (found.records.len() as u64, bytes as u64);
        assert_eq!(found.waiting, counted, "{what}: the totals are those of the records");
        let last = found.records.iter().map(|(seq, _)| *seq).max();
        assert_eq!(outbox.commit(failures(&["next"])).change, None, "{what}: it works");
        let next = outbox.fetch(0, usize::MAX, usize::MAX).pop().unwrap();
        assert_eq!(next.bytes, b"next", "{what}: it comes last");
        assert!(last.is_none_or(|last| next.seq > last), "{what}: no number is used twice");
        found
    }
}

type Step = fn(&mut Outbox) -> Committed;

/// A commit that brings records of each worth, a position and the state that goes with them.
fn grow(outbox: &mut Outbox, turn: u8) -> Committed {
    let records = [Worth::Incident, Worth::Failure, Worth::Repeat, Worth::Failure];
    let records = records.iter().enumerate().map(|(number, worth)| {
        entry(i64::from(turn), *worth, &format!("turn {turn} record {number} {worth:?}"))
    });
    outbox.commit(Commit {
        records: records.collect(),
        spans: vec![entry(i64::from(turn), Worth::Incident, &format!("span {turn}"))],
        positions: vec![Position { value: vec![turn], ..position("") }],
        state_changes: vec![
            (b"every turn".to_vec(), Some(vec![turn; 40])),
            (vec![b'k', turn], Some(vec![turn])),
            (vec![b'k', turn.wrapping_sub(2)], None),
        ],
        ..Commit::default()
    })
}

/// The oldest `count` have arrived, and the file forgets them.
fn deliver(outbox: &mut Outbox, count: usize) -> Committed {
    let seqs = outbox.fetch(0, count, usize::MAX).into_iter().map(|stored| stored.seq);
    let seqs: Vec<u64> = seqs.collect();
    outbox.acknowledge(seqs);
    let change = outbox.maintain(Instant::now());
    Committed { dropped: None, change }
}

const STORY: [Step; 14] = [
    |outbox| grow(outbox, 1),
    |outbox| outbox.commit(Commit { positions: vec![position("alone")], ..Commit::default() }),
    |outbox| grow(outbox, 2),
    |outbox| deliver(outbox, 3),
    |outbox| {
        let file = Position { source: "file".into(), ..position("other") };
        outbox.commit(Commit { positions: vec![file], ..failures(&["of a file"]) })
    },
    // Refused for good: it leaves with the loss record that names it.
    |outbox| {
        let refused = outbox.fetch(0, 1, usize::MAX).pop().unwrap().seq;
        let records = vec![entry(9, Worth::Incident, "refused one")];
        outbox.commit(Commit { records, removed: vec![refused], ..Commit::default() })
    },
    |outbox| grow(outbox, 3),
    // More than it may hold.
    |outbox| grow(outbox, 4),
    |outbox| grow(outbox, 5),
    // What had to go is told.
    |outbox| {
        let reported = outbox.unreported(Signal::Logs).map_or(0, |dropped| dropped.records);
        let records = vec![entry(9, Worth::Incident, "dropped some")];
        outbox.commit(Commit { records, reported, ..Commit::default() })
    },
    |outbox| deliver(outbox, 100),
    // The space is given back.
    |outbox| {
        let compacted = match (&outbox.degraded, &mut outbox.disk) {
            (None, Some(disk)) => disk.compact(),
            _ => Ok(()),
        };
        let why = compacted.err().map(|trouble| outbox.advice(&trouble));
        let change = why.map(|why| outbox.degrade(why, Instant::now()));
        Committed { dropped: None, change }
    },
    // More than one page.
    |outbox| outbox.commit(failures(&[&"large ".repeat(60)])),
    |outbox| {
        let gone = (0..8).map(|turn| (vec![b'k', turn], None));
        outbox.commit(Commit { state_changes: gone.collect(), ..Commit::default() })
    },
];

/// What a start finds after each step that went through: `[0]` before the first.
fn truth() -> Vec<Found> {
    let (folder, storage) = (folder(), Storage::default());
    let mut outbox = over(&storage, folder.path(), LIMITS).outbox;
    let mut found = vec![Found::on(storage.after_power_loss(), "the beginning")];
    for (number, step) in STORY.iter().enumerate() {
        assert_eq!(step(&mut outbox).change, None, "step {number}");
        found.push(Found::on(storage.after_power_loss(), &format!("step {number}")));
        assert_eq!(found.last(), Some(&Found::of(&outbox)), "step {number} is all there");
    }
    assert!(found.iter().any(|found| found.unreported.is_some()), "the story meets the bounds");
    found
}

/// What a power loss tears differs each time: `tests/run --soak` looks at more of it.
fn torn_contents() -> usize {
    let soak = std::env::var("PODWHY_SOAK").ok();
    soak.map_or(1, |times| times.parse().expect("PODWHY_SOAK is a number"))
}

/// A small generator with a fixed seed, so that what is torn is torn again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 & 4 == 0
    }
}

#[test]
fn stopped_at_every_single_operation_it_holds_a_whole_transaction_and_all_that_were_confirmed() {
    let truth = truth();
    let (mut stops, mut starts) = (0, 0);
    for operation in 0.. {
        let (folder, storage) = (folder(), Storage::default());
        storage.die_in(operation);
        let opened = over(&storage, folder.path(), LIMITS);
        let mut confirmed = None;
        if storage.failed() == 0 {
            let mut outbox = opened.outbox;
            let ends = STORY.iter().position(|step| {
                step(&mut outbox);
                storage.failed() > 0
            });
            confirmed = Some(ends.unwrap_or(STORY.len()));
        }
        if storage.failed() == 0 {
            break;
        }
        stops += 1;
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (operation + 1));
        let torn = (0..torn_contents()).map(|_| storage.after_torn_power_loss(|| random.next()));
        let contents = [storage.after_kill(), storage.after_power_loss()].into_iter().chain(torn);
        for (kind, content) in contents.enumerate() {
            let what = format!("stopped at operation {operation}, content {kind}");
            starts += 1;
            let Some(confirmed) = confirmed else {
                // While the file was made: there was nothing to lose.
                let folder = tempfile::tempdir().unwrap();
                let mut opened = damaged(content, folder.path());
                assert!(
                    !matches!(opened.start, Start::Memory { .. }),
                    "{what}: {:?}",
                    opened.start
                );
                assert_eq!(opened.outbox.commit(failures(&["new"])).change, None, "{what}");
                continue;
            };
            let found = Found::on(content, &what);
            let whole = truth.iter().skip(confirmed).take(2).any(|whole| *whole == found);
            assert!(
                whole,
                "{what}: neither {confirmed} steps nor one more: {found:#?}, {:#?}",
                truth[confirmed]
            );
        }
    }
    println!("stopped {stops} times, started {starts} times");
    assert!(stops > 100, "only {stops} operations");
}

/// Runs the story on a storage that fails from `operation` on, `count` times; says what changed.
fn fail(
    operation: u64,
    only: Option<Kind>,
    count: u64,
    error: ErrorKind,
) -> Option<(Storage, tempfile::TempDir, Outbox, usize)> {
    let (folder, storage) = (folder(), Storage::default());
    let mut outbox = over(&storage, folder.path(), LIMITS).outbox;
    storage.fail_some(operation, only, count, error);
    let changes = STORY
        .iter()
        .filter(|step| matches!(step(&mut outbox).change, Some(Change::Degraded { .. })));
    let changes = changes.count();
    (storage.failed() > 0).then_some((storage, folder, outbox, changes))
}

/// How the storage fails: with what, at which operations, how many of them.
const FAILURES: [(ErrorKind, Option<Kind>, u64); 7] = [
    (ErrorKind::StorageFull, None, u64::MAX),
    (ErrorKind::StorageFull, Some(Kind::SetLen), 1),
    (ErrorKind::Other, None, 1),
    (ErrorKind::Other, Some(Kind::Sync), 1),
    (ErrorKind::Other, Some(Kind::Sync), u64::MAX),
    (ErrorKind::Other, Some(Kind::Write), 2),
    (ErrorKind::ReadOnlyFilesystem, None, u64::MAX),
];

#[test]
fn failing_at_every_single_operation_it_says_so_once_and_holds_everything_when_it_works_again() {
    let last = truth().pop().unwrap();
    let mut failures = 0;
    for (error, only, count) in FAILURES {
        let mut operation = 0;
        while let Some((storage, folder, outbox, degraded)) = fail(operation, only, count, error) {
            failures += 1;
            let what = format!("{error:?} at {operation} of {only:?}, {count} times");
            assert!(degraded <= 1, "{what}: it says so once, not {degraded} times");
            heals(&storage, outbox, &last, &what);
            drop(folder);
            // The next one that can fail: those in between are not of this kind.
            operation = storage.first_failed().max(operation + 1);
        }
    }
    println!("failed {failures} times");
    assert!(failures > 300, "only {failures} failures");
}

/// Frozen while it fails; when the storage works again everything is there, in memory and on disk.
fn heals(storage: &Storage, mut outbox: Outbox, last: &Found, what: &str) {
    let frozen = Found::on(storage.after_power_loss(), what);
    assert!(frozen.records.len() <= 12, "{what}: within its bounds");
    storage.work_again();
    outbox.maintain(later(10));
    assert_eq!(outbox.stats().trouble, None, "{what}: it heals");
    let healed = Found::of(&outbox);
    drop(outbox);
    let found = Found::on(storage.after_power_loss(), what);
    assert_eq!(found, healed, "{what}: what was told is what is there");
    // Memory has a bound of its own, so which repeats had to go may differ; nothing else does.
    assert_eq!((&found.positions, &found.state), (&last.positions, &last.state), "{what}");
    let newest = |found: &Found| found.records.last().map(|(_, text)| text.clone());
    assert_eq!(newest(&found), newest(last), "{what}");
}

/// Opens a damaged content; a second opening gets an empty file, as after it was set aside.
fn damaged(content: Vec<u8>, folder: &Path) -> Opened {
    fs::write(folder::file(folder), "damaged").unwrap();
    let first = std::sync::Mutex::new(Some(Storage::holding(content)));
    let fresh = Storage::default();
    let open = move |_file| {
        let storage = first.lock().unwrap().take().unwrap_or_else(|| fresh.clone());
        disk::builder().create_with_backend(storage)
    };
    let shadow = |_file| -> Result<redb::Database, redb::DatabaseError> {
        Err(redb::DatabaseError::Storage(redb::StorageError::Io(ErrorKind::Other.into())))
    };
    let opener = Opener { open: Box::new(open), shadow: Box::new(shadow) };
    Outbox::open_with(folder, LIMITS, opener).unwrap()
}

/// Truncated at every page, and with a bit flipped in every page: whole or set aside, never half.
#[test]
fn damaged_at_every_page_it_is_set_aside_or_whole_and_says_which() {
    const PAGE: usize = 4096;
    let (folder, storage) = (folder(), Storage::default());
    let mut outbox = over(&storage, folder.path(), Limits::default()).outbox;
    for turn in 0..40 {
        grow(&mut outbox, turn);
    }
    let before = Found::on_any(storage.after_kill());
    grow(&mut outbox, 40);
    let whole = storage.after_kill();
    drop(outbox);
    let truth = Found::on_any(whole.clone());
    let pages = whole.len() / PAGE;
    assert!(pages > 30, "{pages} pages");
    let cut = (1..pages).flat_map(|page| [page * PAGE, page * PAGE - 1, page * PAGE + 1]);
    let mut contents: Vec<(String, Vec<u8>)> =
        cut.map(|end| (format!("cut at {end}"), whole[..end].to_vec())).collect();
    for page in 0..pages {
        // The beginning of each page, where its kind and counts are, and somewhere behind it.
        for (offset, bit) in [(page * PAGE, 1), (page * PAGE + 5 + page * 97 % 4000, 0x40)] {
            let mut flipped = whole.clone();
            flipped[offset] ^= bit;
            contents.push((format!("bit {bit:#x} of {offset}"), flipped));
        }
    }
    let (mut salvaged, mut harmless) = (0, 0);
    for (what, content) in contents {
        let folder = tempfile::tempdir().unwrap();
        let mut opened = damaged(content, folder.path());
        match &opened.start {
            Start::Salvaged { moved_to, why } => {
                salvaged += 1;
                assert!(moved_to.exists() && !why.is_empty(), "{what}");
                assert_eq!(texts(&opened.outbox), [""; 0], "{what}: nothing or all");
                assert_eq!(opened.outbox.position("journal"), None, "{what}: by time");
            }
            Start::Resumed => {
                // Damage in the newest transaction looks as one that was cut off: the one before
                // holds, its position with it, and what followed is read from the journal again.
                let found = Found::of(&opened.outbox);
                assert!(found == truth || found == before, "{what}: {found:#?}");
                harmless += 1;
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(opened.outbox.commit(failures(&["new"])).change, None, "{what}: it works");
    }
    println!("{salvaged} set aside, {harmless} harmless");
    assert!(salvaged > 0 && harmless > 0, "{salvaged} set aside, {harmless} harmless");
}

impl Found {
    fn on_any(content: Vec<u8>) -> Self {
        let (folder, storage) = (folder(), Storage::holding(content));
        Self::of(&over(&storage, folder.path(), Limits::default()).outbox)
    }
}
