//! Which line of a dead process's last ones says why it died. The rules are data: a text, where it
//! stands, and how much it says. Owns no cause: those are the catalogue's.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Where a text has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the very beginning of the line: a trace's inner lines are indented.
    Column0,
    /// Behind blanks only.
    Begin,
    /// Not inside a longer word.
    Word,
    /// Wherever.
    Any,
}

/// Which line then says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    This,
    /// The one behind it, where this one ends in a colon.
    Next,
    /// The first behind it that is not indented: the end of a traceback.
    Outdent,
}

/// How much a line says. The first is the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The runtime could not even begin.
    Exec,
    /// What ends a process.
    End,
    /// The program's own highest levels.
    Fatal,
    /// What the system refused, with its name.
    System,
    /// The program's own error level.
    Error,
    /// Words of failure.
    Word,
    /// The program explains how it is to be called.
    Usage,
}

struct Rule(Rank, Place, Take, &'static str);

use Place::{Any, Begin, Column0, Word as Whole};
use Rank::{End, Error, Exec, Fatal, System, Usage, Word};
use Take::{Next, Outdent, This};

const RULES: &[Rule] = &[
    Rule(Exec, Any, This, "exec format error"),
    Rule(Exec, Any, This, "exec user process caused"),
    Rule(Exec, Column0, This, "exec /"),
    Rule(Exec, Any, This, "error while loading shared libraries"),
    Rule(Exec, Any, This, "error loading shared library"),
    Rule(End, Column0, This, "panic: "),
    Rule(End, Column0, This, "fatal error: "),
    Rule(End, Any, Next, "panicked at "),
    Rule(End, Begin, Outdent, "traceback (most recent call last)"),
    Rule(End, Any, This, "exception in thread "),
    Rule(End, Begin, This, "caused by: "),
    Rule(End, Any, This, "unhandled exception"),
    Rule(End, Any, This, "unhandled rejection"),
    Rule(End, Any, This, "uncaught "),
    Rule(End, Any, This, "segmentation fault"),
    Rule(End, Any, This, "bus error"),
    Rule(End, Any, This, "illegal instruction"),
    Rule(End, Any, This, "core dumped"),
    Rule(End, Any, This, "terminate called after throwing"),
    Rule(End, Begin, This, "what():  "),
    Rule(End, Any, This, "assertion failed"),
    Rule(End, Any, This, "outofmemoryerror"),
    Rule(End, Any, This, "heap out of memory"),
    Rule(End, Any, This, "cannot allocate memory"),
    Rule(End, Any, This, "command not found"),
    Rule(End, Any, This, ": not found"),
    Rule(End, Any, This, "cannot find module"),
    Rule(End, Any, This, "modulenotfounderror"),
    Rule(End, Any, This, "cannot load such file"),
    Rule(End, Any, This, "could not find or load main class"),
    Rule(End, Any, This, "could not open input file"),
    Rule(End, Column0, This, "error: cannot find module"),
    Rule(Fatal, Any, This, "[emerg]"),
    Rule(Fatal, Any, This, "[alert]"),
    Rule(Fatal, Any, This, "[crit]"),
    Rule(Fatal, Any, This, "[critical]"),
    Rule(Fatal, Any, This, "[fatal]"),
    Rule(Fatal, Whole, This, "fatal"),
    Rule(Fatal, Whole, This, "level=panic"),
    Rule(Fatal, Whole, This, "level=critical"),
    Rule(Fatal, Any, This, "\"level\":\"panic\""),
    Rule(Fatal, Any, This, "\"level\":\"critical\""),
    Rule(Fatal, Any, This, "\"level\": \"critical\""),
    Rule(Fatal, Any, This, "\"severity\":\"critical\""),
    Rule(Fatal, Any, This, "\"level\":60"),
    Rule(Fatal, Whole, This, "critical:"),
    Rule(System, Any, This, "no such file or directory"),
    Rule(System, Whole, This, "enoent"),
    Rule(System, Any, This, "filenotfound"),
    Rule(System, Any, This, "permission denied"),
    Rule(System, Any, This, "operation not permitted"),
    Rule(System, Whole, This, "eacces"),
    Rule(System, Any, This, "accessdenied"),
    Rule(System, Any, This, "read-only file system"),
    Rule(System, Whole, This, "erofs"),
    Rule(System, Any, This, "no space left on device"),
    Rule(System, Any, This, "disk quota exceeded"),
    Rule(System, Any, This, "is a directory"),
    Rule(System, Any, This, "not a directory"),
    Rule(System, Any, This, "too many open files"),
    Rule(System, Any, This, "resource temporarily unavailable"),
    Rule(System, Any, This, "address already in use"),
    Rule(System, Whole, This, "eaddrinuse"),
    Rule(System, Any, This, "connection refused"),
    Rule(System, Whole, This, "econnrefused"),
    Rule(System, Any, This, "connection reset"),
    Rule(System, Any, This, "connection timed out"),
    Rule(System, Any, This, "no such host"),
    Rule(System, Any, This, "name or service not known"),
    Rule(System, Any, This, "temporary failure in name resolution"),
    Rule(System, Whole, This, "enotfound"),
    Rule(System, Any, This, "network is unreachable"),
    Rule(System, Any, This, "no route to host"),
    Rule(System, Any, This, "deadline exceeded"),
    Rule(System, Any, This, "authentication failed"),
    Rule(System, Any, This, "certificate"),
    Rule(System, Any, This, "flag provided but not defined"),
    Rule(System, Any, This, "unknown flag"),
    Rule(System, Any, This, "unknown shorthand flag"),
    Rule(System, Any, This, "unknown option"),
    Rule(System, Any, This, "unrecognized option"),
    Rule(System, Any, This, "unrecognized argument"),
    Rule(System, Any, This, "invalid option"),
    Rule(System, Any, This, "illegal option"),
    Rule(System, Any, This, "unexpected argument"),
    Rule(System, Any, This, "required arguments"),
    Rule(System, Any, This, "arguments are required"),
    Rule(System, Any, This, "syntax error"),
    Rule(System, Any, This, "parse error"),
    Rule(Error, Whole, This, "level=error"),
    Rule(Error, Whole, This, "lvl=eror"),
    Rule(Error, Any, This, "\"level\":\"error\""),
    Rule(Error, Any, This, "\"level\": \"error\""),
    Rule(Error, Any, This, "\"severity\":\"error\""),
    Rule(Error, Any, This, "\"level\":50"),
    Rule(Error, Any, This, "[error]"),
    Rule(Error, Any, This, "[err]"),
    Rule(Error, Whole, This, "error"),
    Rule(Error, Any, This, "error:"),
    Rule(Error, Any, This, "exception:"),
    Rule(Word, Whole, This, "err"),
    Rule(Word, Whole, This, "exception"),
    Rule(Word, Any, This, "failed"),
    Rule(Word, Any, This, "failure"),
    Rule(Word, Any, This, "cannot"),
    Rule(Word, Any, This, "can't"),
    Rule(Word, Any, This, "could not"),
    Rule(Word, Any, This, "couldn't"),
    Rule(Word, Any, This, "unable to"),
    Rule(Word, Whole, This, "invalid"),
    Rule(Word, Whole, This, "missing"),
    Rule(Word, Any, This, "is required"),
    Rule(Word, Any, This, "not set"),
    Rule(Word, Any, This, "not defined"),
    Rule(Word, Any, This, "denied"),
    Rule(Word, Any, This, "refused"),
    Rule(Word, Whole, This, "killed"),
    Rule(Word, Whole, This, "abort"),
    Rule(Word, Whole, This, "aborted"),
    Rule(Usage, Begin, This, "usage: "),
    Rule(Usage, Begin, This, "usage of "),
];

static NEEDLES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(RULES.iter().map(|rule| rule.3))
        .expect("the texts are a fixed list")
});

/// Beyond this many lines from the end a line has to say more than a nearer one: what was
/// survived that long did not kill.
const NEAR: usize = 40;

/// The line that says why, where one stands out; of equals the last.
pub(crate) fn pick(lines: &[String]) -> Option<usize> {
    let far = lines.len().saturating_sub(NEAR);
    let ranked = lines.iter().enumerate().filter_map(|(at, line)| {
        let (rank, take) = rank(line)?;
        let says = match take {
            This => at,
            Next => {
                if line.ends_with(':') {
                    at + 1
                } else {
                    at
                }
            }
            Outdent => {
                let behind = lines.iter().enumerate().skip(at + 1);
                behind
                    .filter(|(_, line)| !line.starts_with([' ', '\t']))
                    .map(|(at, _)| at)
                    .next()?
            }
        };
        // Half a rank for distance, and one and a half.
        let score = 2 * (rank as usize) + if at < far { 3 } else { 0 };
        (says < lines.len()).then_some((score, says))
    });
    let best = ranked.min_by_key(|(score, says)| (*score, std::cmp::Reverse(*says)));
    best.map(|(_, says)| says)
}

/// The line by itself tells an error of the program that wrote it.
pub(crate) fn is_error(line: &str) -> bool {
    rank(line).is_some_and(|(rank, _)| rank <= Error)
}

fn rank(line: &str) -> Option<(Rank, Take)> {
    let rules = NEEDLES.find_overlapping_iter(line).filter_map(|found| {
        let rule = RULES.get(found.pattern().as_usize())?;
        stands(rule.1, line, found.start(), found.end()).then_some((rule.0, rule.2))
    });
    let klog = klog_level(line).map(|rank| (rank, This));
    rules.chain(klog).min_by_key(|(rank, _)| *rank)
}

fn stands(place: Place, line: &str, start: usize, end: usize) -> bool {
    let before = line.get(..start).unwrap_or_default();
    match place {
        Column0 => start == 0,
        Begin => before.trim_start().is_empty(),
        Whole => {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '/';
            let behind = line.get(end..).unwrap_or_default();
            // `errors=0`, `error_count`, `no-error`, `/var/log/error` say nothing.
            !before.ends_with(is_part) && !behind.starts_with(is_part)
        }
        Any => true,
    }
}

/// `F1122 10:00:00.000000` and `E1122 …`.
fn klog_level(line: &str) -> Option<Rank> {
    let mut bytes = line.bytes();
    let rank = match bytes.next()? {
        b'F' => Fatal,
        b'E' => Error,
        _ => return None,
    };
    let is_date = (0..4).all(|_| bytes.next().is_some_and(|byte| byte.is_ascii_digit()));
    (is_date && bytes.next() == Some(b' ')).then_some(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(text: &str) -> Option<String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        pick(&lines).map(|at| lines[at].clone())
    }

    #[test]
    fn a_go_panic_is_its_first_line_and_not_its_trace() {
        let text = "2026/11/22 10:00:00 listening\npanic: open /etc/app.conf: no such file or directory\n\n\
            goroutine 1 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d\nexit status 2";
        assert_eq!(picked(text).unwrap(), "panic: open /etc/app.conf: no such file or directory");
    }

    #[test]
    fn a_traceback_is_its_last_line() {
        let text = "starting\nTraceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    \
            open('/cfg/a.ini')\nFileNotFoundError: [Errno 2] No such file or directory: '/cfg/a.ini'\nbye";
        assert_eq!(
            picked(text).unwrap(),
            "FileNotFoundError: [Errno 2] No such file or directory: '/cfg/a.ini'"
        );
    }

    #[test]
    fn a_rust_panic_is_its_message_in_both_forms() {
        let new = "thread 'main' panicked at src/main.rs:4:5:\nno config\nnote: run with `RUST_BACKTRACE=1`";
        assert_eq!(picked(new).unwrap(), "no config");
        let old = "thread 'main' panicked at 'no config', src/main.rs:4:5\nnote: run with it";
        assert_eq!(picked(old).unwrap(), "thread 'main' panicked at 'no config', src/main.rs:4:5");
    }

    #[test]
    fn a_java_trace_is_its_deepest_cause() {
        let text = "Exception in thread \"main\" java.lang.IllegalStateException: context\n\tat a.B.c(B.java:1)\n\
            Caused by: java.net.ConnectException: Connection refused\n\tat d.E.f(E.java:2)\n\t... 3 more";
        assert_eq!(
            picked(text).unwrap(),
            "Caused by: java.net.ConnectException: Connection refused"
        );
    }

    #[test]
    fn what_each_kind_of_program_says_at_its_end_is_found_among_its_chatter() {
        for line in [
            "exec /app/run.sh: no such file or directory",
            "exec /bin/app: exec format error",
            "/app: error while loading shared libraries: libpq.so.5: cannot open shared object file",
            "sh: 1: frobnicate: not found",
            "/entrypoint.sh: line 3: jq: command not found",
            "Error: Cannot find module '/app/server.js'",
            "java.lang.OutOfMemoryError: Java heap space",
            "Segmentation fault (core dumped)",
            "2031/03/17 10:00:00 [emerg] 1#1: open() \"/etc/nginx/x.conf\" failed",
            r#"{"level":"fatal","msg":"bad settings"}"#,
            "time=\"2031-03-17\" level=fatal msg=\"bad settings\"",
            "F0317 10:00:00.000000       1 main.go:1] bad settings",
            "E0317 10:00:00.000000       1 main.go:1] bad settings",
            "cat: can't open '/etc/app/settings': No such file or directory",
            "Error: listen EADDRINUSE: address already in use :::8080",
            "dial tcp: lookup db on 10.96.0.10:53: no such host",
            "flag provided but not defined: -colour",
            "error: unexpected argument '--colour' found",
            "[error]: #0 config error file=\"/fluentd/etc/fluent.conf\"",
            "ERROR bad settings",
            r#"{"level": "error", "message": "bad settings"}"#,
            "DATABASE_URL is required",
            "fatal: cannot open /state/ok",
        ] {
            let text = format!("starting up\nserving 12 requests, errors=0\n{line}\nbye\nbye");
            assert_eq!(picked(&text).as_deref(), Some(line));
        }
    }

    #[test]
    fn usage_counts_only_where_nothing_says_more() {
        let usage = "Usage: app [options] FILE\n  -v  more\n  -q  less";
        assert_eq!(picked(usage).unwrap(), "Usage: app [options] FILE");
        let both = format!("unknown flag: --colour\n{usage}");
        assert_eq!(picked(&both).unwrap(), "unknown flag: --colour");
    }

    #[test]
    fn where_nothing_stands_out_nothing_is_picked() {
        for text in
            ["", "starting", "GET /health 200\nerrors=0 error_count=1", "wrote /var/log/error"]
        {
            assert_eq!(picked(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_survived_for_long_does_not_outweigh_what_came_at_the_end() {
        let chatter = "GET / 200\n".repeat(60);
        let text = format!("Caused by: a retry that worked\n{chatter}FATAL no leader\n");
        assert_eq!(picked(&text).unwrap(), "FATAL no leader");
        let alone = format!("panic: boom\n{chatter}");
        assert_eq!(picked(&alone).unwrap(), "panic: boom");
    }
}
