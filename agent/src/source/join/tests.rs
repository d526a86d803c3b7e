//! Lines that belong together, and lines that only look like it.

use std::collections::BTreeMap;

use podwhy_parser::{Kind, Origin};
use proptest::prelude::*;

use super::*;
use crate::diagnosis::StateChange;

const SECOND: Micros = 1_000_000;

const BLOCK: [&str; 4] = [
    r#"E0317 09:44:50.218837    2148 remote_runtime.go:231] "StopPodSandbox from runtime service failed" err=<"#,
    "\trpc error: code = Unknown desc = failed to destroy network: plugin type=\"meshnet\"",
    "\tIs the mesh agent up?",
    r#" > podSandboxID="c03b7a91e5d24f68b1a0937ce46d52f8917b3e0ac5d84f2619e7b05d3c8a64f1""#,
];
const DUMP: [&str; 3] = [
    "E0317 09:52:41.115508    2148 kuberuntime_manager.go:1259] container &Container{Name:cart-api,Command:[/bin/sh],Args:[-c set -e",
    "\t\t\twait-for db-1:5432",
    "\t\t\texec /app/cart],WorkingDir:,} start failed in pod cart-api-6d9f7c5b8d-x2lqv_shop(7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21): ErrImagePull: not found",
];
const MOUNT: [&str; 3] = [
    r#"E0317 10:09:55.301776    2148 nestedpendingoperations.go:352] Operation for "{volumeName:kubernetes.io/nfs/e90b41d7-63ac-4f85-b2d9-08f7a51c3e64-archive podName:e90b41d7-63ac-4f85-b2d9-08f7a51c3e64 nodeName:}" failed. No retries permitted until 2031-03-17 10:09:55.801742003 +0000 UTC m=+5471.159698 (durationBeforeRetry 500ms). Error: MountVolume.SetUp failed for volume "archive" (UniqueName: "kubernetes.io/nfs/e90b41d7-63ac-4f85-b2d9-08f7a51c3e64-archive") pod "ledger-0" (UID: "e90b41d7-63ac-4f85-b2d9-08f7a51c3e64") : mount failed: exit status 32"#,
    "Mounting command: mount",
    "Output: mount.nfs: access denied by server while mounting files.example.net:/archive",
];
const WHOLE: &str = r#"E0317 08:42:15.306118    2148 pod_workers.go:1017] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"cart-api\" with CrashLoopBackOff: \"back-off 2m40s restarting failed container=cart-api\"" pod="shop/cart-api-6d9f7c5b8d-x2lqv" podUID="7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21""#;
const RUNTIME: &str =
    r#"time="2031-03-17T09:15:02.770113904Z" level=info msg="StopPodSandbox for \"c03b\"""#;

fn line(text: &str) -> Line<'_> {
    Line {
        text,
        origin: Origin::Kubelet,
        unit: "kubelet.service",
        stream: 7,
        pid: Some(2148),
        at: SECOND,
        dated: true,
        boot: 1,
        cut: false,
        number: 0,
    }
}

/// What a message came out as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    stream: u64,
    text: String,
    lines: u32,
    truncated: bool,
}

fn told(joined: Joined<'_>) -> Told {
    Told {
        stream: joined.line.stream,
        text: joined.line.text.to_owned(),
        lines: joined.lines,
        truncated: joined.message.truncated,
    }
}

fn joined<'a>(lines: impl IntoIterator<Item = Line<'a>>) -> Vec<Told> {
    let (mut join, mut all) = (Join::new(), Vec::new());
    for line in lines {
        join.push(line, &mut |message| all.push(told(message)));
    }
    join.end(&mut |message| all.push(told(message)));
    all
}

fn texts(messages: &[Told]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

#[test]
fn a_complete_line_is_handed_on_as_it_is_borrowed() {
    let mut join = Join::new();
    let mut seen = 0;
    let whole = line(WHOLE);
    join.push(whole, &mut |joined| {
        assert_eq!(joined.line.text.as_ptr(), whole.text.as_ptr());
        assert_eq!((joined.lines, joined.message.kind()), (1, Kind::SyncFailure));
        seen += 1;
    });
    assert_eq!((seen, join.next_due(), join.changes().len()), (1, None, 0));
}

#[test]
fn g24_a_block_is_one_message_with_the_pairs_behind_its_end() {
    let all = joined(BLOCK.map(line));
    assert_eq!(texts(&all), [BLOCK.join("\n")]);
    assert_eq!((all[0].lines, all[0].truncated), (4, false));
}

#[test]
fn g24_two_blocks_in_one_message_are_one_message() {
    let lines = [
        r#"I1122 23:34:41.274131   25127 handlers.go:82] "Exec lifecycle hook for Container in Pod failed" output=<"#,
        "\tno registry",
        " > err=<",
        "\tcommand 'sh -c exit 1' exited with 1: no registry",
        " >",
    ];
    let all = joined(lines.map(line).into_iter().chain([line(WHOLE)]));
    assert_eq!(texts(&all), [lines.join("\n").as_str(), WHOLE]);
    assert!(!all[0].truncated);
}

#[test]
fn g24_a_mark_inside_a_blocks_value_does_not_end_it() {
    let lines = [BLOCK[0], "\t > still=inside", "\t", "", BLOCK[3]];
    assert_eq!(texts(&joined(lines.map(line))), [lines.join("\n")]);
}

#[test]
fn g25_blanks_and_an_escaped_tab_indent_a_block_as_well() {
    for indent in ["        ", "#011"] {
        let lines = [BLOCK[0], &format!("{indent}one"), &format!("{indent}two"), BLOCK[3]];
        assert_eq!(texts(&joined(lines.map(line))), [lines.join("\n")], "{indent:?}");
    }
}

#[test]
fn g26_tabs_of_a_dumps_script_do_not_make_it_a_block() {
    let lines = [DUMP[0], DUMP[1], "no indent at all", "", DUMP[2]];
    let all = joined(lines.map(line).into_iter().chain([line(WHOLE)]));
    assert_eq!(texts(&all), [lines.join("\n").as_str(), WHOLE]);
    assert!(!all[0].truncated);
}

#[test]
fn g53_the_identity_at_a_dumps_end_belongs_to_its_message() {
    let mut seen = Vec::new();
    let mut join = Join::new();
    for text in DUMP {
        join.push(line(text), &mut |_| panic!("a dump is not over before the next header"));
    }
    join.end(&mut |joined| {
        let pod = joined.message.facts().pod;
        seen.push(pod.uid.map(|uid| uid.raw().to_owned()));
    });
    assert_eq!(seen, [Some("7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21".to_owned())]);
}

#[test]
fn g8_entries_of_another_process_of_the_unit_neither_end_nor_join_a_block() {
    let other = |text| Line { pid: Some(9), ..line(text) };
    let all = joined([
        line(BLOCK[0]),
        other("\tnot of this block"),
        line(BLOCK[1]),
        other(WHOLE),
        line(BLOCK[2]),
        other(" > pod=\"forged/pod\""),
        line(BLOCK[3]),
    ]);
    assert_eq!(texts(&all), [WHOLE.to_owned(), BLOCK.join("\n")]);
}

#[test]
fn g8_streams_of_one_process_are_kept_apart() {
    let other = |text| Line { stream: 8, ..line(text) };
    let all = joined(BLOCK.iter().flat_map(|text| [line(text), other(text)]));
    assert_eq!(texts(&all), [BLOCK.join("\n"), BLOCK.join("\n")]);
}

#[test]
fn g8_a_header_ends_an_unfinished_block_and_says_so() {
    let all = joined([line(BLOCK[0]), line(BLOCK[1]), line(WHOLE)]);
    assert_eq!(texts(&all), [BLOCK[..2].join("\n").as_str(), WHOLE]);
    assert_eq!((all[0].truncated, all[1].truncated), (true, false));
}

#[test]
fn g9_a_printf_line_is_complete_after_a_second_of_silence() {
    let mut join = Join::new();
    let mut all = Vec::new();
    join.push(line(MOUNT[0]), &mut |_| panic!("too early"));
    join.push(Line { at: 2 * SECOND - 1, ..line(MOUNT[1]) }, &mut |_| panic!("too early"));
    assert_eq!(join.next_due(), Some(3 * SECOND - 1));
    join.advance(3 * SECOND - 2, &mut |_| panic!("too early"));
    join.advance(3 * SECOND - 1, &mut |message| all.push(told(message)));
    assert_eq!(texts(&all), [MOUNT[..2].join("\n")]);
    assert!(!all[0].truncated, "silence ends a printf line for good");
    assert_eq!(join.next_due(), None);
}

#[test]
fn g9_a_block_without_its_end_is_given_truncated_when_its_time_is_over() {
    let mut join = Join::new();
    let mut all = Vec::new();
    join.push(line(BLOCK[0]), &mut |_| panic!("too early"));
    let late = Line { at: 3 * SECOND, ..line(BLOCK[1]) };
    join.push(late, &mut |message| all.push(told(message)));
    assert_eq!(texts(&all), [BLOCK[0]]);
    assert!(all[0].truncated);
}

#[test]
fn g9_a_stream_that_never_falls_silent_ends_its_message_all_the_same() {
    let mut join = Join::new();
    let mut all = Vec::new();
    for at in 0..100 {
        let text = if at == 0 { BLOCK[0] } else { BLOCK[1] };
        let line = Line { at: at * SECOND / 2, ..line(text) };
        join.push(line, &mut |message| all.push(told(message)));
    }
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].lines, all[0].truncated), (20, true));
}

#[test]
fn g9_lines_bytes_and_streams_are_bounded() {
    let many = std::iter::once(line(BLOCK[0]))
        .chain(std::iter::repeat_n(line(BLOCK[1]), JOIN_LINES as usize + 5));
    let all = joined(many);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].lines, all[0].truncated), (JOIN_LINES, true));

    let long = format!("\t{}", "x".repeat(JOIN_BYTES / 4));
    let all = joined(std::iter::once(line(BLOCK[0])).chain(std::iter::repeat_n(line(&long), 9)));
    assert_eq!((all.len(), all[0].truncated), (1, true));
    assert!(all[0].text.len() <= JOIN_BYTES);

    let streams = JOIN_STREAMS as u64 + 3;
    let mut join = Join::new();
    let mut given = Vec::new();
    for stream in 0..streams {
        join.push(Line { stream, ..line(BLOCK[0]) }, &mut |message| given.push(told(message)));
    }
    assert_eq!(given.iter().map(|message| message.stream).collect::<Vec<_>>(), [0, 1, 2]);

    let huge = format!("{} {}", DUMP[0], "x".repeat(JOIN_TOTAL_BYTES / 3));
    let mut join = Join::new();
    for stream in 0..9 {
        join.push(Line { stream, ..line(&huge) }, &mut |_| {});
        assert!(join.bytes <= JOIN_TOTAL_BYTES);
        assert_eq!(
            join.bytes,
            join.pending.iter().map(|pending| pending.text.len()).sum::<usize>()
        );
    }
}

#[test]
fn g10_a_panic_and_a_klog_files_banner_continue_nothing() {
    for crash in [
        "panic: runtime error: invalid memory address",
        "fatal error: concurrent map writes",
        "goroutine 17 [running]:",
        "Log file created at: 2031/03/17 08:42:15",
    ] {
        for open in [DUMP[0], BLOCK[0]] {
            let all = joined([line(open), line(crash), line("\tmain.main()"), line(WHOLE)]);
            // The crash itself may be a message of its own.
            let texts = texts(&all);
            assert_eq!((texts.first(), texts.last()), (Some(&open), Some(&WHOLE)), "{crash}");
        }
    }
}

#[test]
fn g11_pieces_of_a_line_that_journald_cut_become_one_line_again() {
    for cuts in [vec![60], vec![30, 31, 200]] {
        let mut pieces = Vec::new();
        let mut rest = WHOLE;
        let mut before = 0;
        for cut in cuts {
            let (piece, behind) = rest.split_at(cut - before);
            pieces.push(Line { cut: true, ..line(piece) });
            (rest, before) = (behind, cut);
        }
        pieces.push(line(rest));
        let all = joined(pieces);
        assert_eq!(texts(&all), [WHOLE]);
        assert!(!all[0].truncated);
    }
}

#[test]
fn g11_a_piece_that_looks_like_a_line_of_its_own_forges_nothing() {
    let head = r#"I0317 08:42:15.306118    2148 prober.go:107] "Probe failed" output=""#;
    let cut = Line { cut: true, ..line(head) };
    let all = joined([cut, line(WHOLE)]);
    assert_eq!(texts(&all), [format!("{head}{WHOLE}")]);

    let nobody = Line { cut: true, ..line("an application's own words, ") };
    assert_eq!(joined([nobody, line(WHOLE)]), []);
}

#[test]
fn g11_a_line_cut_at_our_own_bound_is_given_at_once() {
    let long = format!("{WHOLE}{}", "x".repeat(LINE_BYTES - WHOLE.len()));
    let all = joined([Line { cut: true, ..line(&long) }, line(WHOLE)]);
    assert_eq!(all.len(), 2);
    assert!(all[0].truncated && !all[1].truncated);
}

#[test]
fn lines_that_k0s_wrapped_one_by_one_are_joined_unwrapped() {
    let wrap = |text: &str, component: &str| {
        format!(
            "time=\"2031-03-17 08:42:15\" level=info msg={text:?} component={component} stream=stderr"
        )
    };
    let lines = [
        wrap(BLOCK[0], "kubelet"),
        wrap(BLOCK[1], "kubelet"),
        wrap("\tnot of this block", "containerd"),
        wrap(BLOCK[2], "kubelet"),
        wrap(BLOCK[3], "kubelet"),
        wrap(WHOLE, "kubelet"),
    ];
    let all = joined(lines.iter().map(|text| line(text)));
    assert_eq!(texts(&all), [BLOCK.join("\n").as_str(), lines[5].as_str()]);
}

#[test]
fn a_cut_line_inside_a_block_is_put_together() {
    let (head, tail) = BLOCK[3].split_at(20);
    let all =
        joined([line(BLOCK[0]), line(BLOCK[1]), Line { cut: true, ..line(head) }, line(tail)]);
    assert_eq!(texts(&all), [[BLOCK[0], BLOCK[1], BLOCK[3]].join("\n")]);
    assert!(!all[0].truncated);
}

/// The lines of a node's streams, each stream's in its order.
fn streams() -> Vec<Vec<Line<'static>>> {
    let kubelet: Vec<_> =
        BLOCK.iter().chain([&WHOLE]).chain(&DUMP).chain([&WHOLE]).map(|text| line(text)).collect();
    let child = kubelet.iter().map(|line| Line { pid: Some(9), ..*line }).collect();
    let other = kubelet.iter().rev().map(|line| Line { stream: 8, ..*line }).collect();
    let runtime = [RUNTIME, "\tshim's own words", RUNTIME].map(|text| Line {
        origin: Origin::Containerd,
        stream: 3,
        ..line(text)
    });
    let (head, tail) = WHOLE.split_at(100);
    let cut = [Line { stream: 4, cut: true, ..line(head) }, Line { stream: 4, ..line(tail) }];
    vec![kubelet, child, other, runtime.to_vec(), cut.to_vec()]
}

/// Every line, in the order in which `picks` takes them from the streams.
fn interleaved(picks: &[usize]) -> Vec<Line<'static>> {
    let mut streams: Vec<_> = streams().into_iter().map(Vec::into_iter).collect();
    let mut lines = Vec::new();
    for pick in picks {
        let count = streams.len();
        lines.extend(streams[pick % count].next());
    }
    lines.extend(streams.into_iter().flatten());
    lines
}

fn apply(state: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: Vec<StateChange>) {
    for (key, value) in changes {
        match value {
            Some(value) => state.insert(key, value),
            None => state.remove(&key),
        };
    }
}

proptest! {
    #[test]
    fn g8_any_interleaving_of_streams_gives_the_same_messages(
        picks in prop::collection::vec(any::<usize>(), 0..60),
    ) {
        let mut expected = joined(interleaved(&[]));
        let mut all = joined(interleaved(&picks));
        expected.sort();
        all.sort();
        prop_assert_eq!(all, expected);
    }

    #[test]
    fn a_restart_after_any_line_changes_nothing(
        picks in prop::collection::vec(any::<usize>(), 0..60),
        restarts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let lines = interleaved(&picks);
        let expected = joined(lines.clone());
        let (mut join, mut all) = (Join::new(), Vec::new());
        let mut state = BTreeMap::new();
        for (line, restart) in lines.into_iter().zip(restarts.into_iter().cycle()) {
            join.push(line, &mut |message| all.push(told(message)));
            if restart {
                apply(&mut state, join.changes());
                join = Join::restore(state.iter().map(|(key, value)| (&key[..], &value[..]))).0;
            }
        }
        join.end(&mut |message| all.push(told(message)));
        prop_assert_eq!(all, expected);
        apply(&mut state, join.changes());
        prop_assert!(state.is_empty(), "what is over is deleted");
    }

    #[test]
    fn g72_any_lines_are_taken(
        lines in prop::collection::vec(
            (prop_oneof![
                any::<String>(),
                prop::sample::select([&BLOCK[..], &DUMP, &[WHOLE, RUNTIME]].concat())
                    .prop_map(str::to_owned),
                "(\t|        |#011| >|=<|[IWEF]0317 ){1,3}.{0,10}",
            ], 0..3_u64, any::<bool>(), 0..4_000_000_i64),
            0..40,
        ),
    ) {
        let (mut join, mut physical) = (Join::new(), 0);
        let count = u32::try_from(lines.len()).unwrap();
        for (text, stream, cut, at) in &lines {
            let line = Line { stream: *stream, cut: *cut, at: *at, ..line(text) };
            join.push(line, &mut |joined| physical += joined.lines);
            prop_assert_eq!(join.bytes, join.pending.iter().map(|p| p.text.len()).sum::<usize>());
        }
        join.end(&mut |joined| physical += joined.lines);
        prop_assert!(physical <= count);
        prop_assert!(join.pending.is_empty() && join.bytes == 0);
    }
}

#[test]
fn damaged_state_is_left_out() {
    let mut join = Join::new();
    join.push(line(BLOCK[0]), &mut |_| {});
    let (key, value) = join.changes().remove(0);
    let value = value.unwrap();
    let states: [(&[u8], &[u8]); 3] = [(&key, &value[..5]), (&key[..3], &value), (b"", b"")];
    let (join, lost) = Join::restore(states);
    assert_eq!((join.next_due(), lost.len()), (None, states.len()));
    let (join, lost) = Join::restore([(&key[..], &value[..])]);
    assert_eq!((join.next_due(), lost.len()), (Some(2 * SECOND), 0));
}
