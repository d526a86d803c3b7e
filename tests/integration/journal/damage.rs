//! Journals with damage in them, and entries that lack what every line has: J6 and J7.

use std::os::unix::fs::FileExt as _;

use super::*;

/// Files as a node leaves them behind: before, the one to be damaged, and after.
struct Kept {
    files: Vec<(PathBuf, Vec<u8>)>,
    damaged: usize,
}

const LINES: usize = 200;
const AROUND: usize = 20;

// Types of objects in a journal file.
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;

impl Kept {
    fn write() -> Self {
        let journald = Journald::start(Settings { persistent: true, ..Settings::default() });
        let mut kubelet = journald.stream("kubelet", "kubelet.service");
        let mut archived = BTreeSet::new();
        let mut damaged = None;
        for (prefix, lines) in [("before", AROUND), ("line", LINES), ("after", AROUND)] {
            for text in numbered(prefix, 0..lines) {
                kubelet.line(&text);
            }
            kubelet.flush();
            let all = || journald.cat(&["_SYSTEMD_UNIT=kubelet.service"]);
            let last = format!("{prefix} {}", lines - 1);
            wait::until("the lines are stored", LONG, || {
                journald.sync();
                all().last() == Some(&last)
            });
            journald.rotate();
            let known: BTreeSet<PathBuf> = archived.clone();
            archived.extend(journald.files().into_iter().filter(|p| *p != journald.active_file()));
            if prefix == "line" {
                damaged = archived.difference(&known).next().cloned();
            }
        }
        let damaged = damaged.expect("a file that was rotated away");
        let root = journald.root().to_owned();
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path).expect("a journal file");
            (path.strip_prefix(&root).expect("below the root").to_owned(), bytes)
        };
        let files = journald.files();
        let damaged = files.iter().position(|path| *path == damaged).expect("it is there");
        Self { files: files.into_iter().map(read).collect(), damaged }
    }

    fn with_flipped(&self, offset: usize) -> tempfile::TempDir {
        self.with(|bytes| bytes[offset] ^= 0xff)
    }

    fn with(&self, damage: impl Fn(&mut Vec<u8>)) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (place, (path, bytes)) in self.files.iter().enumerate() {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let mut bytes = bytes.clone();
            if place == self.damaged {
                damage(&mut bytes);
            }
            std::fs::write(path, bytes).expect("a folder of the test");
        }
        root
    }

    /// The objects of the file that will be damaged.
    fn objects(&self) -> Vec<(usize, u8, usize)> {
        objects(&self.files[self.damaged].1)
    }

    /// Bytes by which libsystemd finds its way, `count` of each kind: never those of a text, which
    /// nothing but a verification with its key could tell from the true one.
    fn places(&self, count: usize) -> Vec<usize> {
        let objects = self.objects();
        // Kind, and the bytes of its header or items that may be hit. Of a text's size not the low
        // bytes: libsystemd believes it.
        let parts =
            [(DATA, 0..2), (DATA, 11..16), (ENTRY, 0..24), (ENTRY, 64..200), (ENTRY_ARRAY, 8..48)];
        let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut below = |bound: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(random >> 33).unwrap() % bound
        };
        let mut places = vec![];
        for (kind, range) in parts {
            let of_kind: Vec<_> = objects.iter().filter(|object| object.1 == kind).collect();
            for _ in 0..count {
                let (at, _, size) = of_kind[below(of_kind.len())];
                let end = range.end.min(*size);
                let within = range.start + below(end - range.start);
                places.push(at + within);
            }
        }
        places
    }
}

/// Offset, type and size of the objects of a journal file.
fn objects(bytes: &[u8]) -> Vec<(usize, u8, usize)> {
    let number = |at: usize| {
        let number = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        usize::try_from(number).unwrap()
    };
    let (mut at, last, mut objects) = (number(88), number(136), vec![]);
    while at <= last {
        objects.push((at, bytes[at], number(at + 8)));
        at += number(at + 8).next_multiple_of(8);
    }
    objects
}

#[test]
fn j6_whatever_is_damaged_the_rest_is_read_and_nothing_stands_still() {
    if !available("j6_whatever_is_damaged_the_rest_is_read_and_nothing_stands_still") {
        return;
    }
    let kept = Kept::write();
    let genuine: Vec<String> = [("before", AROUND), ("line", LINES), ("after", AROUND)]
        .into_iter()
        .flat_map(|(prefix, lines)| numbered(prefix, 0..lines))
        .collect();
    let (mut corrupt, mut unreadable) = (0, 0);
    for offset in kept.places(12) {
        let root = kept.with_flipped(offset);
        let mut source = Source::start(config(root.path()), None);
        source.until("all that can be read", |source| source.caught_up > 0);
        let seen: BTreeSet<&str> = source.of(Origin::Kubelet).into_iter().collect();
        let odd = seen.iter().find(|text| genuine.iter().all(|line| line != *text));
        assert_eq!(odd, None, "{offset}");
        // A damaged number can make a line or two come again; its record has the same id then.
        let again = source.of(Origin::Kubelet).len() - seen.len();
        assert!(again <= 2, "{again} lines twice; {offset}");
        let missing: Vec<_> = genuine.iter().filter(|line| !seen.contains(line.as_str())).collect();
        let around = missing.iter().filter(|line| !line.starts_with("line")).count();
        assert_eq!(around, 0, "healthy files are read; {offset}, {missing:?}");
        assert_eq!(source.handle.counters().restarts.load(Relaxed), 0, "{offset}");
        corrupt += source.losses_of(LossKind::Corrupt).len();
        unreadable += source.handle.counters().unreadable.load(Relaxed);
    }
    // What libsystemd passes over in silence cannot be told; what it refuses is.
    assert!(corrupt > 0 && unreadable > 0, "nothing was damaged: {corrupt}, {unreadable}");
}

/// The end of a file is missing, or is zeros, as after a power loss: what can be read is read, other
/// files are, and that something is missing is told.
#[test]
fn a_file_whose_end_is_cut_off_or_zeros_is_told_and_the_others_are_read() {
    if !available("a_file_whose_end_is_cut_off_or_zeros_is_told_and_the_others_are_read") {
        return;
    }
    let kept = Kept::write();
    let objects = kept.objects();
    // Behind the objects a file is preallocated zeros: only what comes before counts.
    let end = objects.last().map(|(at, _, size)| at + size).expect("objects");
    let first = objects.iter().find(|object| object.1 == ENTRY).expect("an entry").0;
    for (part, zeroed) in [(1, false), (2, false), (3, false), (1, true), (2, true), (3, true)] {
        let from = first + (end - first) * part / 4;
        let root = kept.with(|bytes| match zeroed {
            true => bytes[from..].fill(0),
            false => bytes.truncate(from),
        });
        let what = format!("{} at {from} of {end}", if zeroed { "zeros" } else { "cut" });
        let mut source = Source::start(config(root.path()), None);
        source.until("all that can be read", |source| source.caught_up > 0);
        let seen = source.of(Origin::Kubelet);
        let of = |prefix: &str| seen.iter().filter(|text| text.starts_with(prefix)).count();
        let (around, inside) = (of("before ") + of("after "), of("line "));
        println!("{what}: written {}, arrived {}, losses {}", LINES, inside, source.losses.len());
        assert_eq!(around, 2 * AROUND, "{what}: healthy files are read");
        assert!(inside < LINES, "{what}: nothing was damaged");
        let losses = source.losses_of(LossKind::Corrupt);
        assert!(!losses.is_empty(), "{what}: {} lines are missing in silence", LINES - inside);
        assert_eq!(source.handle.counters().restarts.load(Relaxed), 0, "{what}");
    }
}

/// What journald writes last of an entry is the link from each of its fields to it. Between the two
/// halves of that libsystemd passes over the field in silence.
#[test]
fn j7_an_entry_that_lacks_what_journald_vouches_for_is_looked_at_again() {
    if !available("j7_an_entry_that_lacks_what_journald_vouches_for_is_looked_at_again") {
        return;
    }
    // When the reader comes to it is not told: the field is linked at a later instant each time.
    let seen_whole = (1..=50).any(|attempt| {
        let journald = Journald::start(Settings { persistent: true, ..Settings::default() });
        let mut kubelet = journald.stream("kubelet", "kubelet.service");
        kubelet.line("the first of its file");
        kubelet.flush();
        wait::until("it is stored", LONG, || {
            journald.sync();
            !journald.cat(&["_SYSTEMD_UNIT=kubelet.service"]).is_empty()
        });
        let path = journald.active_file();
        let bytes = std::fs::read(&path).expect("a journal file");
        let objects = objects(&bytes);
        let field = |object: &&(usize, u8, usize)| {
            let (at, kind, size) = **object;
            kind == DATA && bytes[at..at + size].ends_with(b"_SYSTEMD_UNIT=kubelet.service")
        };
        let (at, ..) = *objects.iter().find(field).expect("the field");
        let entries = at + 56;
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a journal file");
        file.write_all_at(&[0; 8], entries as u64).expect("written");
        let mut source = Source::start(config(journald.root()), None);
        wait::reached(attempt * Duration::from_millis(25), || false);
        file.write_all_at(&bytes[entries..entries + 8], entries as u64).expect("written");
        source.until("all", |source| source.caught_up > 0);
        let waited = source.handle.counters().transient.load(Relaxed);
        waited > 0 && !source.of(Origin::Kubelet).is_empty() && source.losses.is_empty()
    });
    assert!(seen_whole);
}

#[test]
fn j7_an_entry_without_a_message_is_looked_at_again_then_passed_over_and_counted() {
    if !available("j7_an_entry_without_a_message_is_looked_at_again_then_passed_over_and_counted") {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let without = |number, at: Option<u64>| {
        let mut entry = entry(number, "kubelet.service", b"");
        entry.retain(|(name, _)| !matches!(*name, "MESSAGE" | "_STREAM_ID"));
        if let Some(at) = at {
            entry[0].1 = at.to_string().into_bytes();
        }
        entry
    };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("1970");
    // Just being written, however long the test takes to get there.
    let soon = u64::try_from(since.as_micros()).expect("a time") + 60_000_000;
    let mut last = entry(5, "kubelet.service", b"last");
    last[0].1 = (soon + 1).to_string().into_bytes();
    let entries = [
        entry(1, "kubelet.service", b"first"),
        without(2, None),
        entry(3, "kubelet.service", b"second"),
        without(4, Some(soon)),
        last,
    ];
    write_journal(root.path(), &entries);
    let mut source = Source::start(config(root.path()), None);
    source.until("all", |source| source.texts() == ["first", "second", "last"]);
    let counters = source.handle.counters();
    assert_eq!(counters.without_message.load(Relaxed), 2);
    assert_eq!(counters.transient.load(Relaxed), 5, "five looks at the fresh one, none at the old");
    assert_eq!(counters.unreadable.load(Relaxed), 0);
    assert!(source.losses.is_empty(), "{:?}", source.losses);
}
