//! Text logs of every transport, by example.

use super::prefix::Prefix;
use super::*;
use crate::source::input::Physical;
use crate::source::join::{Join, Joined};

const KLOG: &str =
    "E0317 08:42:15.306118    2148 pod_workers.go:1017] \"Error syncing pod, skipping\"";

/// 2031-03-20: the input was written to three days after its lines.
const WRITTEN: Micros = 1_931_731_200_000_000;
/// 2031-03-17T08:42:15.
const AT: Micros = 1_931_503_335_000_000;

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    text: String,
    origin: Origin,
    stream: u64,
    pid: Option<u32>,
    at: Micros,
    dated: bool,
    boot: u64,
    cut: bool,
    number: u64,
}

fn seen(line: Line<'_>) -> Seen {
    let Line { text, origin, stream, pid, at, dated, boot, cut, number, .. } = line;
    Seen { text: text.to_owned(), origin, stream, pid, at, dated, boot, cut, number }
}

fn read(bytes: &[u8]) -> Vec<Seen> {
    let mut reader = Text::new(Physical::new(bytes), WRITTEN);
    let mut lines = Vec::new();
    while reader.next(&mut |line| lines.push(seen(line))).unwrap() {}
    lines
}

fn one(line: &str) -> Seen {
    let mut lines = read(line.as_bytes());
    assert_eq!(lines.len(), 1, "{line}");
    lines.remove(0)
}

#[test]
fn every_prefix_of_the_grammar_is_taken_off() {
    for (prefix, pid, dated) in [
        ("Mar 17 08:42:15 worker-07 kubelet[2148]: ", Some(2148), false),
        ("Mar 17 08:42:15 worker-07 kubelet: ", None, false),
        ("3月 17 08:42:15 worker-07 kubelet[2148]: ", Some(2148), false),
        ("2031-03-17T08:42:15Z kubelet[2148]: ", Some(2148), true),
        ("2031-03-17T08:42:15+0000 worker-07 kubelet[2148]: ", Some(2148), true),
        ("Mar 17 08:42:15.306401 worker-07 kubenswrapper[2148]: ", Some(2148), false),
        ("2031-03-17T08:42:15.306730+00:00 worker-07 kubelet 2148 - -  ", Some(2148), true),
        ("2031-03-17T08:42:15.306 worker-07 kubelet[2148]: info ", Some(2148), false),
        ("Mon 2031-03-17 08:42:15 UTC worker-07 kubelet[2148]: ", Some(2148), true),
        ("<30>Mar 17 08:42:15 worker-07 kubelet[2148]: ", Some(2148), false),
        ("<30>1 2031-03-17T08:42:15Z worker-07 kubelet 2148 - - ", Some(2148), true),
        ("1931503335.306730 worker-07 kubelet[2148]: ", Some(2148), true),
        ("[ 4321.306730] worker-07 kubelet[2148]: ", Some(2148), false),
        ("[ 4321.306730 <    0.000012 >] worker-07 kubelet[2148]: ", Some(2148), false),
        ("Mon 2031-03-17 08:42:15 UTC worker-07 kubelet.service[2148]: ", Some(2148), true),
    ] {
        let line = one(&format!("{prefix}{KLOG}"));
        assert_eq!(line.text, KLOG, "{prefix}");
        assert_eq!((line.origin, line.pid), (Origin::Kubelet, pid), "{prefix}");
        assert_eq!((line.at / 1_000_000 * 1_000_000, line.dated), (AT, dated), "{prefix}");
    }
}

#[test]
fn lines_without_a_prefix_stay_as_they_are() {
    for line in [
        KLOG,
        "time=\"2031-03-17T08:42:15.770113904Z\" level=info msg=\"a: b\"",
        "2031-03-17T08:42:15.770113904Z stdout F kubelet: not a prefix",
        "2031-03-17 08:42:15.306 ERROR sync/workers.go:412 Error syncing pod: x",
        "{\"ts\":1931503335306.118,\"caller\":\"a/b.go:1\",\"msg\":\"x: y\"}",
        "Mar 17 08:42:15 no tag here",
        "[ 4321.306730] web[4711]: segfault at 0 ip 0000 sp 0000 error 4",
        "[ 4321.306730] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null)",
        "",
        "\tindented: text",
    ] {
        let seen = one(&format!("{line}\n"));
        assert_eq!((seen.text.as_str(), seen.origin), (line, Origin::Any));
    }
}

#[test]
fn g25_a_blocks_lines_keep_their_indent_and_its_end_its_blank() {
    let lines = "\
Mar 17 08:42:15 n kubelet[1]: E0317 08:42:15.306118    1 a.go:1] \"m\" err=<
Mar 17 08:42:15 n kubelet[1]:         eight blanks
Mar 17 08:42:15 n kubelet[1]: \ta tab
Mar 17 08:42:15 n kubelet[1]: #011escaped
Mar 17 08:42:15 n kubelet[1]:  > a=1
Mar 17 08:42:15 n kubelet[1]: > a=2
Mar 17 08:42:15 n kubelet[1]: >
";
    let texts: Vec<_> = read(lines.as_bytes()).into_iter().map(|line| line.text).collect();
    assert_eq!(
        texts.get(1..),
        Some(
            &["        eight blanks", "\ta tab", "#011escaped", " > a=1", " > a=2", " >"]
                .map(str::to_owned)[..]
        )
    );
}

#[test]
fn g8_streams_are_told_by_host_identifier_and_process() {
    let lines = "\
Mar 17 08:42:15 n kubelet[1]: a
Mar 17 08:42:15 n kubelet[2]: b
Mar 17 08:42:15 m kubelet[1]: c
Mar 17 08:42:15 n containerd[1]: d
E0317 08:42:15.306118    1 a.go:1] e
time=\"2031-03-17T08:42:15Z\" level=info msg=f
Mar 17 08:42:15 n kubelet[1]: a
\tcontinues e";
    let streams: Vec<_> = read(lines.as_bytes()).into_iter().map(|line| line.stream).collect();
    let distinct: std::collections::BTreeSet<_> = streams.iter().collect();
    assert_eq!(distinct.len(), 6);
    assert_eq!((streams[0], streams[4]), (streams[6], streams[7]));
}

#[test]
fn g5_a_missing_year_is_the_newest_that_is_not_in_the_future() {
    let december = one("Dec 31 23:59:59 n kubelet[1]: x");
    let (stamp, _) = Stamp::read_civil("2030-12-31T23:59:59Z").unwrap();
    assert_eq!((Some(december.at), december.dated), (stamp.epoch_micros(), false));

    let leap = one("Feb 29 00:00:00 n kubelet[1]: x");
    let (stamp, _) = Stamp::read_civil("2028-02-29T00:00:00Z").unwrap();
    assert_eq!(Some(leap.at), stamp.epoch_micros());

    let turn = read(b"Dec 31 23:59:59 n kubelet[1]: x\nJan  1 00:00:01 n kubelet[1]: y\n");
    assert_eq!(turn[1].at - turn[0].at, 2_000_000);
}

#[test]
fn a_header_of_the_input_tells_the_year_and_is_no_line() {
    for header in [
        "-- Logs begin at Mon 2027-03-15 22:52:21 UTC, end at Tue 2027-03-16 22:54:01 UTC. --",
        "-- Journal begins at Mon 2027-03-15 22:52:21 UTC. --",
        "Log file created at: 2027/03/15 22:52:21",
    ] {
        let lines = read(format!("{header}\n{KLOG}\n").as_bytes());
        assert_eq!(lines.len(), 1);
        let (stamp, _) = Stamp::read_civil("2027-03-17T08:42:15.306118Z").unwrap();
        assert_eq!((Some(lines[0].at), lines[0].dated), (stamp.epoch_micros(), false), "{header}");
        assert_eq!(lines[0].number, 2);
    }
    let boots = read(b"a\n-- Boot 5f0c1e7a --\nb\n-- Boot 6f0c1e7a --\nc");
    assert_eq!(boots.len(), 3);
    assert!(boots[0].boot == 0 && boots[1].boot != 0 && boots[2].boot != boots[1].boot);
}

#[test]
fn a_line_without_a_time_has_the_time_of_the_line_before() {
    let lines = read(format!("{KLOG}\n\tcontinuation\n").as_bytes());
    assert_eq!(lines[0].at, AT + 306_118);
    assert_eq!((lines[1].at, lines[1].dated), (lines[0].at, false));
}

#[test]
fn g11_a_line_of_any_length_is_cut_at_the_bound() {
    let mut long = vec![b'x'; LINE_BYTES + 3];
    long.extend(b"\nnext");
    let lines = read(&long);
    assert_eq!((lines[0].text.len(), lines[0].cut), (LINE_BYTES, true));
    assert_eq!((lines[1].text.as_str(), lines[1].cut, lines[1].number), ("next", false, 2));
}

#[test]
fn g12_any_bytes_are_text() {
    let lines = read(b"\xef\xbb\xbfa\xffb\r\n\0\x80\n");
    assert_eq!(lines[0].text, "a\u{fffd}b");
    assert_eq!(lines[1].text, "\0\u{fffd}");
    let invalid = read(&vec![0xff; LINE_BYTES]);
    assert!(invalid[0].text.len() <= LINE_BYTES);
}

#[test]
fn g66_the_pieces_of_a_container_s_line_are_put_together_per_stream() {
    let at = "2031-03-17T10:12:00.100000001Z";
    let text = format!(
        "{at} stderr P one \n{at} stdout P eins \n{at} stderr F two\n{at} stdout P zwei \n\
         {at} stdout F drei\n{at} stderr F three\n"
    );
    let mut join = Join::new();
    let mut messages = Vec::new();
    let mut take = |joined: Joined<'_>| {
        messages.push((joined.line.number, joined.message.text.to_string(), joined.lines));
        assert!(!joined.message.truncated);
    };
    let mut reader = Text::new(Physical::new(text.as_bytes()), 0);
    while reader.next(&mut |line| join.push(line, &mut take)).expect("memory can be read") {}
    join.end(&mut take);
    messages.sort();
    let expected = [(1, "one two", 2), (2, "eins zwei drei", 3), (6, "three", 1)];
    assert_eq!(messages, expected.map(|(at, text, lines)| (at, text.to_owned(), lines)));
}

proptest::proptest! {
    #[test]
    fn g72_any_line_keeps_its_end(line in "[ -~\\t]{0,80}", rest in "\\PC{0,30}") {
        if let Some(prefix) = Prefix::of(&line) {
            proptest::prop_assert!(line.ends_with(prefix.rest));
        }
        let whole = format!("Mar 17 08:42:15 n kubelet[1]: {rest}");
        let prefix = Prefix::of(&whole).unwrap();
        proptest::prop_assert!(whole.ends_with(prefix.rest));
    }

    #[test]
    fn g72_any_bytes_are_read_to_their_end(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
    ) {
        let expected = bytes.split_inclusive(|byte| *byte == b'\n').count();
        proptest::prop_assert_eq!(read(&bytes).len(), expected);
    }
}
