//! Lives of log files, made and done to in temporary folders, with counts of what was written, came
//! never, and came twice.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use super::*;

/// A log as a program writes it, and whoever follows it. Counts what is written and what arrives.
struct Log {
    folder: tempfile::TempDir,
    path: PathBuf,
    writer: File,
    follow: Follow,
    now: Instant,
    written: u64,
    arrived: Vec<String>,
    lost: Vec<Lost>,
}

const LINE_BYTES: usize = 1000;

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn follow(path: &Path, saved: Option<&Saved>) -> Follow {
    Follow::begin(
        Box::new(AnyPath::new(path.to_owned())),
        LINE_BYTES,
        saved,
        First { most: u64::MAX, not_before: 0 },
    )
}

impl Log {
    fn new() -> Self {
        Self::named("kubelet.log")
    }

    fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let (writer, follow) = (open(&path), follow(&path, None));
        let (now, arrived, lost) = (Instant::now(), Vec::new(), Vec::new());
        Self { folder, path, writer, follow, now, written: 0, arrived, lost }
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes so many lines, each of its own.
    fn write(&mut self, lines: u64) {
        for _ in 0..lines {
            writeln!(self.writer, "line {:06} {}", self.written, "x".repeat(60)).unwrap();
            self.written += 1;
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).unwrap();
    }

    /// A look, and every line there is.
    fn read(&mut self) {
        self.follow.look(self.now);
        while let Some(raw) = self.follow.peek() {
            self.arrived.push(String::from_utf8_lossy(raw.bytes).into_owned());
            self.follow.take();
        }
        self.lost.extend(self.follow.take_lost());
    }

    /// A look, and so many lines.
    fn read_some(&mut self, lines: usize) {
        self.follow.look(self.now);
        for _ in 0..lines {
            let Some(raw) = self.follow.peek() else { break };
            self.arrived.push(String::from_utf8_lossy(raw.bytes).into_owned());
            self.follow.take();
        }
        self.lost.extend(self.follow.take_lost());
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.read();
    }

    /// What is rotated away is let go.
    fn settle(&mut self) {
        self.read();
        self.pass(limits::FOLLOW_GRACE);
        self.pass(limits::FOLLOW_GRACE);
    }

    /// The agent dies; another one goes on from what was committed.
    fn restart(&mut self) {
        let saved = postcard::to_stdvec(&self.follow.saved()).unwrap();
        let saved: Saved = postcard::from_bytes(&saved).unwrap();
        self.follow = follow(&self.path, Some(&saved));
    }

    fn rotate_to(&mut self, name: &str) {
        fs::rename(&self.path, self.beside(name)).unwrap();
    }

    fn reopen(&mut self) {
        self.writer = open(&self.path);
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.beside(name)).unwrap();
    }

    fn pack(&self, name: &str) {
        let bytes = fs::read(self.beside(name)).unwrap();
        let file = File::create(self.beside(&format!("{name}.gz"))).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
        self.remove(name);
    }

    /// How many of the numbered lines came never, and how many more than once.
    fn counts(&self) -> (u64, u64) {
        let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
        for line in &self.arrived {
            if let Some(number) =
                line.strip_prefix("line ").and_then(|it| it.get(..6)?.parse().ok())
            {
                *seen.entry(number).or_default() += 1;
            }
        }
        let missing = (0..self.written).filter(|number| !seen.contains_key(number)).count();
        (missing as u64, seen.values().map(|times| times - 1).sum())
    }

    #[track_caller]
    fn each_once(&self) {
        let (missing, repeated) = self.counts();
        assert_eq!((missing, repeated), (0, 0), "missing and repeated of {}", self.written);
        assert_eq!(self.lost, [], "nothing is lost");
    }

    #[track_caller]
    fn in_order(&self) {
        assert!(self.arrived.is_sorted(), "in the order in which they were written");
    }
}

#[test]
fn a_growing_file_gives_each_line_once() {
    let mut log = Log::new();
    for round in 0..20 {
        log.write(round * 50);
        log.read();
    }
    log.each_once();
    log.in_order();
    assert_eq!(log.follow.open_files(), 1);
}

#[test]
fn a_line_is_given_when_its_end_is_written_and_not_before() {
    let mut log = Log::new();
    log.raw(b"half of ");
    log.read();
    assert_eq!(log.arrived, [""; 0]);
    log.raw(b"a line\nand");
    log.read();
    assert_eq!(log.arrived, ["half of a line"]);
    log.restart();
    log.raw(b" the next\n");
    log.read();
    assert_eq!(log.arrived, ["half of a line", "and the next"]);
}

#[test]
fn a_rename_loses_and_repeats_nothing_whoever_still_writes_to_the_old_file() {
    let mut log = Log::new();
    log.write(10);
    log.read();
    for turn in 1..6 {
        log.write(7);
        log.rotate_to(&format!("kubelet.log.20310317-10120{turn}"));
        // The writer learns of it later.
        log.write(5);
        log.read();
        log.write(3);
        log.reopen();
        log.write(11);
        log.read();
    }
    log.settle();
    log.each_once();
    assert_eq!(log.follow.open_files(), 1, "old files are let go");
}

#[test]
fn the_rest_of_a_rotated_file_without_a_line_feed_is_a_line() {
    let mut log = Log::new();
    log.write(3);
    log.raw(b"it died her");
    log.rotate_to("kubelet.log.1");
    log.reopen();
    log.read();
    assert_eq!(log.arrived.len(), 3);
    log.settle();
    assert_eq!(log.arrived[3..], ["it died her"]);
    log.each_once();
}

#[test]
fn several_rotations_between_two_looks_are_all_read_in_order() {
    for name in ["numbers", "stamps", "lumberjack"] {
        let mut log = Log::new();
        log.write(10);
        log.read();
        for turn in 0..4 {
            log.write(20);
            match name {
                "numbers" => {
                    for old in (1..4).rev() {
                        let _ = fs::rename(
                            log.beside(&format!("kubelet.log.{old}")),
                            log.beside(&format!("kubelet.log.{}", old + 1)),
                        );
                    }
                    log.rotate_to("kubelet.log.1");
                }
                "stamps" => log.rotate_to(&format!("kubelet.log.20310317-10120{turn}")),
                _ => log.rotate_to(&format!("kubelet-2031-03-17T10-12-0{turn}.123.log")),
            }
            log.reopen();
        }
        log.write(5);
        log.settle();
        log.each_once();
        log.in_order();
    }
}

#[test]
fn what_is_packed_after_it_was_read_is_not_read_again_and_what_was_not_is() {
    let mut log = Log::new();
    log.write(10);
    log.read();
    log.rotate_to("kubelet.log.20310317-101201");
    log.reopen();
    log.write(10);
    log.settle();
    // Read, then packed.
    log.pack("kubelet.log.20310317-101201");
    // Written, rotated and packed between two looks.
    log.rotate_to("kubelet.log.20310317-101202");
    log.reopen();
    log.write(10);
    log.rotate_to("kubelet.log.20310317-101203");
    log.reopen();
    log.write(10);
    log.pack("kubelet.log.20310317-101202");
    log.pack("kubelet.log.20310317-101203");
    log.settle();
    log.each_once();
    log.restart();
    log.write(1);
    log.settle();
    log.each_once();
}

#[test]
fn copy_and_truncate_goes_on_in_the_copy() {
    let mut log = Log::new();
    log.write(10);
    log.read();
    for turn in 1..5 {
        log.write(10);
        log.read_some(4);
        fs::copy(&log.path, log.beside(&format!("kubelet.log.20310317-10120{turn}"))).unwrap();
        log.writer.set_len(0).unwrap();
        if turn % 2 == 0 {
            log.read();
        }
        // As long as before, or longer.
        log.write(15 + turn);
        log.read();
    }
    log.settle();
    log.each_once();
    log.restart();
    log.write(2);
    log.settle();
    log.each_once();
}

#[test]
fn a_file_that_is_emptied_and_written_anew_is_seen_to_be_another_one() {
    let mut log = Log::new();
    log.write(10);
    log.read();
    log.write(4);
    log.writer.set_len(0).unwrap();
    // Longer than what was read.
    log.write(40);
    log.read();
    assert_eq!(log.counts(), (4, 0), "what nobody read is gone");
    let [lost] = log.lost.as_slice() else { panic!("{:?}", log.lost) };
    assert_eq!(lost.kind, LostKind::Rotated);

    // Exactly as long as what was read: only the bytes tell.
    let length = fs::metadata(&log.path).unwrap().len();
    log.writer.set_len(0).unwrap();
    log.write(40);
    assert_eq!(fs::metadata(&log.path).unwrap().len(), length);
    log.read();
    assert_eq!(log.counts(), (4, 0));
    assert_eq!(log.lost.len(), 2);
}

#[test]
fn a_deleted_file_is_read_on_while_it_grows_and_let_go_when_it_is_quiet() {
    let mut log = Log::new();
    log.write(10);
    log.read();
    log.remove("kubelet.log");
    log.write(10);
    log.read();
    log.each_once();
    log.pass(limits::FOLLOW_DELETED / 2);
    log.write(10);
    log.raw(b"no end");
    log.read();
    assert_eq!(log.follow.open_files(), 1, "it still grows");
    log.pass(limits::FOLLOW_DELETED);
    log.pass(limits::FOLLOW_DELETED);
    log.read();
    assert_eq!(log.follow.open_files(), 0, "its space is given back");
    assert_eq!(log.arrived.last().unwrap(), "no end");
    log.reopen();
    log.write(10);
    log.read();
    log.each_once();
}

#[test]
fn a_file_replaced_by_one_that_begins_alike_is_read_from_its_beginning() {
    let mut log = Log::new();
    let banner = "Running on machine: worker-07\n".repeat(20);
    log.raw(banner.as_bytes());
    log.write(10);
    log.read();
    for _ in 0..3 {
        log.remove("kubelet.log");
        log.reopen();
        log.raw(banner.as_bytes());
        log.write(10);
        log.read();
    }
    log.settle();
    log.each_once();
    assert_eq!(log.arrived.iter().filter(|line| line.starts_with("Running")).count(), 80);
}

#[test]
fn an_inode_that_is_used_again_while_nobody_looks_is_another_file() {
    // Which file system gives which inode is its own choice: the position is made to fit.
    let mut log = Log::new();
    log.write(30);
    log.read();
    let mut saved = log.follow.saved();
    log.remove("kubelet.log");
    log.reopen();
    log.write(50);
    saved.open[0].id = mark::Id::of(&fs::metadata(&log.path).unwrap());
    log.follow = follow(&log.path, Some(&saved));
    log.read();
    assert_eq!(log.counts(), (0, 0));
    assert_eq!(log.lost.len(), 1, "the old one is gone, and what it may have held");
}

#[test]
fn a_link_is_followed_to_where_it_leads_and_when_it_leads_elsewhere() {
    let mut log = Log::new();
    let (first, second) = (log.beside("first"), log.beside("second"));
    fs::create_dir_all(&first).unwrap();
    fs::create_dir_all(&second).unwrap();
    let link = log.beside("0.log");
    std::os::unix::fs::symlink(first.join("a-json.log"), &link).unwrap();
    log.path = first.join("a-json.log");
    log.reopen();
    log.follow = follow(&link, None);
    log.write(10);
    log.read();
    // Docker rotates where the link leads.
    log.write(5);
    fs::rename(first.join("a-json.log"), first.join("a-json.log.1")).unwrap();
    log.reopen();
    log.write(5);
    fs::rename(first.join("a-json.log.1"), first.join("a-json.log.2")).unwrap();
    fs::rename(first.join("a-json.log"), first.join("a-json.log.1")).unwrap();
    log.reopen();
    log.write(5);
    log.read();
    log.each_once();
    // Another container.
    log.write(2);
    log.path = second.join("b-json.log");
    log.reopen();
    log.write(10);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&log.path, &link).unwrap();
    log.settle();
    log.each_once();
}

#[test]
fn any_bytes_and_lines_of_any_length_are_lines() {
    let mut log = Log::new();
    log.raw(b"\xff\xfe bytes \x00\n\n\r\n");
    let long = vec![b'y'; 5 * LINE_BYTES];
    for piece in long.chunks(700) {
        log.raw(piece);
        log.read();
    }
    log.raw(b"\nshort\n");
    log.raw(&long);
    log.raw(b"\n");
    log.raw(&vec![b'z'; LINE_BYTES]);
    log.raw(b"\nlast\n");
    log.read();
    let lengths: Vec<_> = log.arrived.iter().map(String::len).collect();
    assert_eq!(lengths, [14, 0, 1, LINE_BYTES, 5, LINE_BYTES, LINE_BYTES, 4]);
    let kinds: Vec<_> = log.lost.iter().map(|it| (it.kind, it.lines)).collect();
    assert_eq!(kinds, [(LostKind::TooLong, Some(1)); 2]);
    assert!(log.lost.iter().all(|it| it.why.starts_with("4000 bytes")), "{:?}", log.lost);
}

#[test]
fn a_restart_within_a_line_that_is_too_long_does_not_begin_in_its_middle() {
    let mut log = Log::new();
    log.raw(&vec![b'y'; 3 * LINE_BYTES]);
    log.read();
    assert_eq!(log.arrived.len(), 1);
    log.restart();
    log.raw(&vec![b'y'; 3 * LINE_BYTES]);
    log.raw(b"\nnext\n");
    log.read();
    assert_eq!(log.arrived[1..], ["next"]);
}

#[test]
fn a_restart_finds_its_place_wherever_the_files_have_gone() {
    for how in ["grown", "renamed", "renamed twice", "copied", "packed", "copied and packed"] {
        let mut log = Log::new();
        log.write(10);
        log.rotate_to("kubelet.log.20310317-101100");
        log.reopen();
        log.write(30);
        log.read();
        log.write(30);
        log.read_some(12);
        let saved = log.follow.saved();
        match how {
            "grown" => log.write(10),
            "renamed" | "renamed twice" | "packed" => {
                log.rotate_to("kubelet.log.20310317-101200");
                log.write(5);
                log.reopen();
                log.write(10);
                if how == "renamed twice" {
                    log.rotate_to("kubelet.log.20310317-101201");
                    log.reopen();
                    log.write(10);
                }
                if how == "packed" {
                    log.pack("kubelet.log.20310317-101200");
                }
            }
            _ => {
                fs::copy(&log.path, log.beside("kubelet.log.20310317-101200")).unwrap();
                log.writer.set_len(0).unwrap();
                log.write(100);
                if how == "copied and packed" {
                    log.pack("kubelet.log.20310317-101200");
                }
            }
        }
        log.follow = follow(&log.path, Some(&saved));
        log.settle();
        log.write(3);
        log.settle();
        log.restart();
        log.settle();
        let (missing, repeated) = log.counts();
        assert_eq!((missing, repeated), (0, 0), "{how}");
        assert_eq!(log.lost, [], "{how}");
    }
}

#[test]
fn what_is_gone_when_it_is_looked_for_is_told_as_lost() {
    let mut log = Log::new();
    log.write(10);
    log.read();
    let saved = log.follow.saved();
    log.write(10);
    log.remove("kubelet.log");
    log.reopen();
    log.write(10);
    log.follow = follow(&log.path, Some(&saved));
    log.read();
    assert_eq!(log.counts(), (10, 0));
    assert_eq!(log.lost.len(), 1);
}

#[test]
fn a_very_fast_rotation_loses_nothing_silently() {
    // Three files are kept. Between two looks one to nine rotations pass.
    let mut log = Log::named("0.log");
    log.write(1);
    log.read();
    let mut stamps = Vec::new();
    let mut state: u64 = 7;
    for turn in 0_u64..200 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        log.write((state >> 33) % 9);
        let stamp = format!("0.log.20310317-{turn:06}");
        log.rotate_to(&stamp);
        stamps.push(stamp);
        if stamps.len() > 3 {
            log.remove(&stamps.remove(0));
        }
        log.reopen();
        if (state >> 40).is_multiple_of(5) {
            log.now += Duration::from_millis(100);
            log.read();
        }
    }
    log.settle();
    let (missing, repeated) = log.counts();
    assert_eq!(repeated, 0);
    assert!(missing > 0, "files went that nobody could read");
    assert!(!log.lost.is_empty(), "and that is told: {missing} of {}", log.written);
    assert!(log.follow.open_files() == 1);
}

#[test]
fn a_rotation_that_is_taken_back_is_none() {
    let mut log = Log::named("0.log");
    log.write(10);
    log.read();
    log.rotate_to("0.log.20310317-101200");
    log.write(5);
    log.read();
    fs::rename(log.beside("0.log.20310317-101200"), &log.path).unwrap();
    log.write(5);
    log.settle();
    log.each_once();
    // With another file in between.
    log.rotate_to("0.log.20310317-101201");
    fs::write(&log.path, "").unwrap();
    log.read();
    fs::rename(log.beside("0.log.20310317-101201"), &log.path).unwrap();
    log.write(5);
    log.settle();
    log.each_once();
}

#[test]
fn without_a_position_the_end_of_what_is_there_is_read_and_no_more() {
    let mut log = Log::new();
    log.write(50);
    log.rotate_to("kubelet.log.20310317-101200");
    log.reopen();
    log.write(50);
    let line = 73;
    log.follow = Follow::begin(
        Box::new(AnyPath::new(log.path.clone())),
        LINE_BYTES,
        None,
        First { most: 10 * line + 5, not_before: 0 },
    );
    log.read();
    assert_eq!(log.arrived.len(), 10);
    log.rotate_to("kubelet.log.20310317-101201");
    log.reopen();
    log.write(3);
    log.pack("kubelet.log.20310317-101200");
    log.settle();
    assert_eq!(log.arrived.len(), 13);
    assert_eq!(log.counts().1, 0);
    // One that comes later is read from its beginning.
    let late = log.beside("late.log");
    let mut waiting = follow(&late, None);
    fs::write(&late, "a\nb\n").unwrap();
    waiting.look(log.now);
    assert_eq!(waiting.peek().unwrap().bytes, b"a");
}

/// The last so many bytes, unless a file is older than this.
fn first(log: &Log, most: u64, not_before: i64) -> Follow {
    let path = Box::new(AnyPath::new(log.path.clone()));
    Follow::begin(path, LINE_BYTES, None, First { most, not_before })
}

#[test]
fn without_a_position_what_was_rotated_away_is_read_as_far_back_as_is_wanted() {
    const LINE: u64 = 73;
    let mut log = Log::new();
    let names = ["kubelet.log.4", "kubelet.log.3", "kubelet.log.2", "kubelet.log.1"];
    for name in names {
        log.write(10);
        log.rotate_to(name);
        log.reopen();
    }
    log.write(10);
    log.pack("kubelet.log.4");
    log.pack("kubelet.log.2");
    log.follow = first(&log, 60 * LINE, 0);
    log.settle();
    log.each_once();
    assert_eq!(log.arrived.len(), 50);
    // What was read is known when it is rotated on, packed, and looked at by the next agent.
    log.pack("kubelet.log.3");
    log.restart();
    log.pack("kubelet.log.1");
    log.write(2);
    log.settle();
    log.each_once();

    // Cut off in a packed file: from its first whole line on.
    for (lines, wanted) in [(33, 33), (27, 27), (10, 10), (3, 3)] {
        log.arrived.clear();
        log.follow = first(&log, lines * LINE + 5, 0);
        log.settle();
        let numbers: Vec<&str> =
            log.arrived.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        let expected: Vec<String> =
            (log.written - wanted..log.written).map(|it| format!("{it:06}")).collect();
        assert_eq!(numbers, expected);
    }

    // No file from before then, and none behind one that is as old.
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let two = log.beside("kubelet.log.2.gz");
    File::options().append(true).open(two).unwrap().set_modified(old).unwrap();
    log.arrived.clear();
    log.follow = first(&log, u64::MAX, 1_000_000_000_001);
    log.settle();
    assert_eq!(log.arrived.len(), 22);
    let most = log.follow.open_files();
    assert_eq!(most, 1);
}

#[test]
fn random_lives_of_a_log_lose_and_repeat_nothing() {
    for seed in 0_u64..40 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |of: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % of
        };
        let mut log = Log::named("0.log");
        log.write(1);
        log.read();
        let mut stamp = 0;
        let mut plain: Vec<String> = Vec::new();
        for _ in 0..60 {
            match draw(10) {
                0..=3 => log.write(draw(40)),
                4 => log.read(),
                5 => log.read_some(usize::try_from(draw(20)).unwrap()),
                6 => {
                    stamp += 1;
                    let name = format!("0.log.20310317-{stamp:06}");
                    log.rotate_to(&name);
                    log.write(draw(3));
                    log.reopen();
                    plain.push(name);
                }
                7 => log.restart(),
                8 if !plain.is_empty() => {
                    let packed = usize::try_from(draw(plain.len() as u64)).unwrap();
                    // Nobody packs what is still written to.
                    log.pack(&plain.remove(packed));
                }
                _ => log.pass(Duration::from_secs(draw(8))),
            }
        }
        log.settle();
        let (missing, repeated) = log.counts();
        assert_eq!((missing, repeated), (0, 0), "seed {seed} {:?}", log.lost);
    }
}
