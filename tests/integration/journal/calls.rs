//! Which calls libsystemd gets, and from whom: a library stands before the real one, writes each
//! call down and passes it on. Where it is told to, it answers for one entry as a damaged file does.

use std::process::Command;

use super::*;

/// Passes on to the real library; everything that it does not name is the real one's own.
const BETWEEN: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
static void *real(const char *name) {
    static void *library;
    if (!library) library = dlopen("libsystemd.so.0", RTLD_NOW);
    return dlsym(library, name);
}
static void note(void *journal, const char *call) {
    FILE *log = fopen(LOG, "a");
    fprintf(log, "%p %d %d %s\n", journal, getpid(), gettid(), call);
    fclose(log);
}
#define PLAIN(name) \
    int name(void *journal) { note(journal, #name); return ((int (*)(void *))real(#name))(journal); }
PLAIN(sd_journal_get_fd)
PLAIN(sd_journal_process)
int sd_journal_wait(void *journal, uint64_t time) {
    note(journal, "sd_journal_wait");
    return ((int (*)(void *, uint64_t))real("sd_journal_wait"))(journal, time);
}
int sd_journal_next(void *journal) {
    uint64_t at = 0;
    note(journal, "sd_journal_next");
    int moved = ((int (*)(void *))real("sd_journal_next"))(journal);
    ((int (*)(void *, uint64_t *))real("sd_journal_get_realtime_usec"))(journal, &at);
    return moved > 0 && at == DAMAGED_AT ? -EBADMSG : moved;
}
"#;

/// Fields beyond 512 bytes are compressed; where the decompressor is missing, the enumeration passes
/// over them and asking by name fails.
const WITHOUT_COMPRESSION: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
static void *real(const char *name) {
    static void *library;
    if (!library) library = dlopen("libsystemd.so.0", RTLD_NOW);
    return dlsym(library, name);
}
typedef int (*enumerate)(void *, const void **, size_t *);
int sd_journal_enumerate_available_data(void *journal, const void **data, size_t *length) {
    int found;
    do found = ((enumerate)real("sd_journal_enumerate_available_data"))(journal, data, length);
    while (found > 0 && *length > 512);
    return found;
}
int sd_journal_get_data(void *journal, const char *field, const void **data, size_t *length) {
    int found = ((int (*)(void *, const char *, const void **, size_t *))real("sd_journal_get_data"))(
        journal, field, data, length);
    return found >= 0 && *length > 512 ? -EOPNOTSUPP : found;
}
"#;

/// The library as a file below `root`, and where it writes the calls.
fn library_between(root: &Path, damaged_at: u64) -> (PathBuf, PathBuf) {
    let log = root.join("calls.log");
    let log_name = format!("-DLOG=\"{}\"", log.display());
    let damaged_at = format!("-DDAMAGED_AT={damaged_at}ULL");
    (compile(root, BETWEEN, &[&log_name, &damaged_at]), log)
}

/// The library as it is where nothing decompresses.
pub(super) fn library_without_compression(root: &Path) -> PathBuf {
    compile(root, WITHOUT_COMPRESSION, &[])
}

fn compile(root: &Path, code: &str, settings: &[&str]) -> PathBuf {
    let (source, library) = (root.join("between.c"), root.join("between.so"));
    std::fs::write(&source, code).expect("a folder of the test");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).args(settings);
    compiler.args(["-Wl,--no-as-needed", "-l:libsystemd.so.0", "-ldl"]);
    let output = compiler.output().expect("cc, which every Rust tool chain links with");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

pub(super) fn through(library: &Path, config: Config) -> Config {
    Config { library: library.to_string_lossy().into_owned(), ..config }
}

/// Journal handle, process, thread and name of each call.
fn calls(log: &Path) -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(log).expect("calls were made");
    let words = |line: &str| -> Option<[String; 4]> {
        line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().ok()
    };
    text.lines().filter_map(words).collect()
}

#[test]
fn j5_one_thread_of_one_process_owns_the_journal_and_it_is_not_the_agents() {
    if !available("j5_one_thread_of_one_process_owns_the_journal_and_it_is_not_the_agents") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let (library, log) = library_between(journald.root(), 0);
    let mut source = Source::start(through(&library, config(journald.root())), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    kubelet.line("a line");
    source.until("the line", |source| source.of(Origin::Kubelet) == ["a line"]);
    let reader = source.reader().to_string();
    assert_ne!(reader, std::process::id().to_string());
    for [_, process, thread, call] in calls(&log) {
        assert_eq!((&process, &thread), (&reader, &reader), "{call}");
    }
    let maps = |process: &str| std::fs::read_to_string(format!("/proc/{process}/maps"));
    let file = journald.active_file();
    let file = file.to_str().expect("UTF-8");
    assert!(maps(&reader).expect("it runs").contains(file), "the reader has mapped {file}");
    assert!(!maps("self").expect("we run").contains(file), "the agent never maps {file}");
}

#[test]
fn j8_new_files_are_asked_for_once_after_opening_and_nothing_waits_in_libsystemd() {
    if !available("j8_new_files_are_asked_for_once_after_opening_and_nothing_waits_in_libsystemd") {
        return;
    }
    let journald = Journald::start(Settings::default());
    let (library, log) = library_between(journald.root(), 0);
    let mut source = Source::start(through(&library, config(journald.root())), None);
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    for round in 0..3 {
        kubelet.line(&format!("round {round}"));
        source.until("the line", |source| source.of(Origin::Kubelet).len() > round);
        kubelet.flush();
        journald.rotate();
    }
    kubelet.line("round 3");
    source.until("a line in a new file", |source| source.of(Origin::Kubelet).len() > 3);
    assert_exactly(&source.of(Origin::Kubelet), &numbered("round", 0..4));
    let calls = calls(&log);
    let of = |wanted: &str| -> Vec<usize> {
        let found = calls.iter().enumerate().filter(|(_, [.., call])| call == wanted);
        found.map(|(place, _)| place).collect()
    };
    assert_eq!(of("sd_journal_get_fd"), [0], "once, before all else");
    assert!(!of("sd_journal_process").is_empty());
    assert!(!of("sd_journal_next").is_empty());
    assert_eq!(of("sd_journal_wait"), [0_usize; 0]);
}

#[test]
fn j6_a_place_at_which_libsystemd_answers_ebadmsg_is_left_behind_and_the_lines_before_arrive() {
    if !available(
        "j6_a_place_at_which_libsystemd_answers_ebadmsg_is_left_behind_and_the_lines_before_arrive",
    ) {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let text = |number: u64| format!("line {number}");
    let entries: Vec<_> =
        (0..60).map(|n| entry(n, "kubelet.service", text(n).as_bytes())).collect();
    write_journal(root.path(), &entries);
    // The time of line 40.
    let (library, log) = library_between(root.path(), 1_700_000_040_000_000);
    let mut source = Source::start(through(&library, config(root.path())), None);
    source.until("the last line", |source| source.texts().last() == Some(&"line 59"));
    // Entries are a second apart; the way around the damage is at most three.
    let expected: Vec<_> = (0..40).chain(42..60).map(text).collect();
    assert_exactly(&source.texts(), &expected);
    let losses = source.losses_of(LossKind::Corrupt);
    assert_eq!(losses.first().and_then(|loss| loss.from), Some(1_700_000_039_000_000));
    assert!(losses.iter().all(|loss| loss.why.contains("sd_journal_next")), "{losses:?}");
    source.until("caught up", |source| source.caught_up > 0);
    let counters = source.handle.counters();
    assert!(counters.transient.load(Relaxed) > 0);
    assert!(counters.gaps.load(Relaxed) > 0);
    assert_eq!(counters.restarts.load(Relaxed), 0, "the reader lives");
    let asked = calls(&log).len();
    assert!(asked < 2000, "it spins: {asked} calls");
}
