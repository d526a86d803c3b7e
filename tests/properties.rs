//! What holds for any bytes, any cut of any corpus line and any sync error that Go could print.

#[path = "cases.rs"]
mod cases;
#[path = "checks.rs"]
mod checks;
#[path = "describe.rs"]
mod describe;

use podwhy_parser::{Message, Origin, Text, Value, What, parse_from};
use proptest::prelude::*;

/// A piece of the grammar: random texts made of these get far into the parser.
const PIECES: [&str; 48] = [
    "E0317 08:42:15.306118    2148 pod_workers.go:1017] ",
    "I0317 08:42:15.306118 7 a.go:1] ",
    "\"Error syncing pod, skipping\" err=\"",
    "Error syncing pod 7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21 (\"a_b(c)\"), skipping: ",
    "failed to \"StartContainer\" for \"a\" with ",
    "failed to \\\"StartContainer\\\" for \\\"a\\\" with CrashLoopBackOff: \\\"",
    "CrashLoopBackOff: \"back-off 5m0s restarting\"",
    "[",
    "]",
    ", ",
    "\"",
    "\\",
    "\\\"",
    "\\\\\\\"",
    "{",
    "}",
    "&{",
    "map[",
    "=<\n",
    "\n\t",
    "\n >",
    " pod=\"shop/a\"",
    " podUID=",
    "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21",
    " key=",
    "=",
    "time=\"2031-03-17T09:15:02.770113904Z\" level=error msg=\"",
    " component=kubelet stream=stderr",
    "RunPodSandbox for &PodSandboxMetadata{Name:a,Uid:b,Namespace:c,Attempt:2,} failed, error\"",
    " error=\"",
    "{\"ts\":1931594535306.1182,\"caller\":\"a/b.go:1\",\"msg\":\"",
    "\",\"err\":\"",
    "2031-03-17T10:12:00.100000001Z stdout F ",
    "Mar 17 08:42:15 worker-07 kubelet[2148]: ",
    "Operation for \"{volumeName:a podName:b nodeName:}\" failed. No retries permitted until ",
    "(durationBeforeRetry 2m2s). Error: ",
    "MountVolume.SetUp failed for volume \"v\" (UniqueName: \"u\") pod \"p\" (UID: \"i\") : ",
    "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a,task_memcg=/kubepods/pod7c1e5f3a-2b64,pid=1",
    "container &Container{Name:a,Env:[]EnvVar{},} start failed in pod ",
    "a_b(7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21)",
    "unmounted volumes=[a b], unattached volumes=[]: ",
    "grüße 🚀",
    "\u{fffd}",
    "\r",
    "\u{2028}",
    "#011",
    ">",
    " ",
];

fn grammar_soup() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![4 => prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"],
        0..24,
    )
    .prop_map(|pieces| pieces.concat())
}

fn origin() -> impl Strategy<Value = Origin> {
    prop::sample::select(checks::ORIGINS.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn g72_any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), origin in origin()) {
        checks::any_bytes(origin, &bytes);
    }

    #[test]
    fn g72_any_mixture_of_grammar_is_read_without_harm(text in grammar_soup(), origin in origin()) {
        checks::any_text(origin, &text);
    }

    #[test]
    fn a_rendered_sync_error_is_read_back(pod in pod(), items in items(), form in 0..FORMS, nested in any::<bool>()) {
        let line = line(&pod, &aggregate(&items, nested), form);
        let message = parse_from(Origin::Kubelet, &line).expect("a kubelet line");
        prop_assert!(!message.truncated, "{line}");
        let facts = message.facts();
        prop_assert_eq!(facts.pod.namespace.map(|it| it.to_string()), Some(pod.namespace.clone()), "{}", line);
        prop_assert_eq!(facts.pod.name.map(|it| it.to_string()), Some(pod.name.clone()), "{}", line);
        prop_assert_eq!(facts.pod.uid.map(|it| it.to_string()), Some(pod.uid.clone()), "{}", line);
        prop_assert_eq!(read_items(&message), items, "{}", line);
    }
}

#[test]
fn g72_every_prefix_of_every_corpus_line_is_read_without_harm() {
    for (_, case) in cases::cases() {
        for text in &case.messages {
            for (end, _) in text.char_indices() {
                let (prefix, rest) = text.split_at(end);
                checks::any_text(case.origin, prefix);
                checks::any_text(Origin::Any, prefix);
                checks::any_text(Origin::Any, rest);
            }
        }
    }
}

#[test]
fn g72_every_corpus_line_with_one_byte_changed_is_read_without_harm() {
    // Each place takes a different byte in turn, so that one pass over the corpus is enough.
    let others = [b'"', b'\\', b' ', b'[', b'}', b'\n', b'=', 0xff, b'0', b'\t', b'>', b'(', b'_'];
    let mut turn = 0;
    for (_, case) in cases::cases() {
        for text in &case.messages {
            let mut bytes = text.clone().into_bytes();
            for place in 0..bytes.len() {
                let old = bytes[place];
                bytes[place] = others[turn % others.len()];
                turn += 1;
                checks::any_bytes(case.origin, &bytes);
                bytes[place] = old;
            }
        }
    }
}

/// Quadratic time would make this minutes: a line of one piece again and again, behind each of the
/// beginnings that make the parser look further.
#[test]
fn g11_g72_a_line_of_64_kib_of_any_one_piece_is_read_to_its_end() {
    const LENGTH: usize = 64 * 1024;
    let uid = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";
    let header = "E0317 08:42:15.306118    2148 pod_workers.go:1017] ";
    let beginnings = [
        (Origin::Any, String::new()),
        (Origin::Kubelet, format!("{header}Error syncing pod {uid} (\"a_b({uid})\"), skipping: [")),
        (Origin::Kubelet, format!("{header}\"Error syncing pod, skipping\" err=\"[")),
        (Origin::Kubelet, format!("{header}\"Probe failed\" output=")),
        (Origin::Kubelet, format!("{header}container &Container{{")),
        (Origin::Kubelet, format!("{header}Operation for \"")),
        (Origin::Kubelet, "{\"ts\":1.5,\"caller\":\"a.go:1\",\"msg\":\"x\",\"err\":\"[".into()),
        (Origin::Containerd, "time=\"2031-03-17T09:15:02.770113904Z\" level=error msg=\"".into()),
    ];
    let more = ["failed to \"a\" for \"b\" with X: \"c\" , ", "} start failed in pod ", "(", "{},"];
    for (origin, beginning) in beginnings {
        for piece in PIECES.iter().chain(&more) {
            let line = format!("{beginning}{}", piece.repeat(LENGTH / piece.len()));
            checks::any_text(origin, &line);
        }
    }
}

#[test]
fn g11_a_structured_line_cut_inside_a_quote_says_that_it_is_truncated() {
    let mut cuts = 0;
    for (_, case) in cases::cases() {
        for text in case.messages.iter().filter(|it| is_structured(it)) {
            let quoted = quoted_ranges(text);
            for end in 0..text.len() {
                let Some((prefix, _)) = text.split_at_checked(end) else { continue };
                // A cut just behind the opening quote is inside, one behind the closing is not.
                if !quoted.iter().any(|range| range.contains(&end)) {
                    continue;
                }
                cuts += 1;
                let message = parse_from(Origin::Kubelet, prefix).expect("the header is whole");
                assert!(message.truncated, "not truncated: {prefix}");
                // The pod stands behind err: before it, err itself was cut, and with it an item.
                if message.what == What::ErrorSyncingPod && !prefix.contains(" pod=") {
                    let last = message.failures().last();
                    assert!(last.is_none_or(|it| it.truncated), "whole item: {prefix}");
                }
            }
        }
    }
    assert!(cuts > 5000, "only {cuts} cuts");
}

#[test]
fn g14_the_line_number_in_a_header_decides_nothing() {
    let mut moved = 0;
    for (_, case) in cases::cases() {
        for text in &case.messages {
            let Some(message) = parse_from(case.origin, text) else { continue };
            let (Some(file), Some(line)) = (message.frame.file, message.frame.line) else {
                continue;
            };
            let elsewhere = text.replacen(&format!("{file}:{line}"), &format!("{file}:98765"), 1);
            let other = parse_from(case.origin, &elsewhere).expect("still a line");
            moved += usize::from(other.frame.line == Some(98765));
            let said = describe::message(Some(&message));
            let mut said_elsewhere = describe::message(Some(&other));
            said_elsewhere["line"] = line.into();
            assert_eq!(said, said_elsewhere, "{text}");
        }
    }
    assert!(moved > 300, "only {moved} lines");
}

/// One physical line of klog text with a structured message.
fn is_structured(text: &str) -> bool {
    !text.contains('\n')
        && parse_from(Origin::Kubelet, text).is_some_and(|message| {
            message.frame.format == podwhy_parser::Format::KlogStructured
                && message.frame.prefix_stamp.is_none()
                && !text.starts_with("time=")
        })
}

/// Where the message and the quoted values stand, from behind the opening to before the closing
/// quote.
fn quoted_ranges(line: &str) -> Vec<std::ops::RangeInclusive<usize>> {
    let message = parse_from(Origin::Kubelet, line).expect("a structured line");
    let values = message.pairs().filter_map(|(_, value)| match value {
        Value::Quoted(text) => Some(text),
        _ => None,
    });
    let place = |text: Text<'_>| {
        let start = text.raw().as_ptr().addr() - line.as_ptr().addr();
        start..=start + text.raw().len()
    };
    values.chain([message.text]).map(place).collect()
}

#[derive(Clone, Debug)]
struct Pod {
    namespace: String,
    name: String,
    uid: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    step: String,
    target: String,
    reason: String,
    message: String,
}

fn pod() -> impl Strategy<Value = Pod> {
    let uid =
        prop_oneof!["[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[0-9a-f]{32}"];
    ("[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", "[a-z]([-.a-z0-9]{0,20}[a-z0-9])?", uid)
        .prop_map(|(namespace, name, uid)| Pod { namespace, name, uid })
}

/// Distinct items.
fn items() -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec(item(), 1..5).prop_map(|mut items| {
        for (index, item) in items.iter_mut().enumerate() {
            item.target = format!("{}-{index}", item.target);
        }
        items
    })
}

fn item() -> impl Strategy<Value = Item> {
    let reason = prop_oneof![
        4 => "[A-Z][A-Za-z]{3,20}",
        1 => Just("no runtime for \"x\" is configured".to_owned()),
    ];
    ("[A-Z][A-Za-z]{2,15}", "[a-z]([-a-z0-9]{0,10}[a-z0-9])?", reason, message())
        .prop_map(|(step, target, reason, message)| Item { step, target, reason, message })
}

/// Text quoted up to four times within itself.
fn message() -> impl Strategy<Value = String> {
    (prop_oneof![".{0,30}", grammar_soup()], 0..=4_u8).prop_map(|(text, depth)| {
        (0..depth).fold(text, |inner, _| format!("outer {}, [more]", go_quoted(&inner)))
    })
}

fn read_items(message: &Message<'_>) -> Vec<Item> {
    let said = |text: Option<podwhy_parser::Text<'_>>| text.map_or("-".into(), |it| it.to_string());
    message
        .failures()
        .map(|it| Item {
            step: it.step.to_string(),
            target: said(it.target),
            reason: said(it.reason),
            message: it.message.to_string(),
        })
        .collect()
}

/// `nested`: what comes behind the first item is a list of its own, as where an error wraps one.
fn aggregate(items: &[Item], nested: bool) -> String {
    let texts: Vec<String> = items
        .iter()
        .map(|it| {
            let (step, target) = (go_quoted(&it.step), go_quoted(&it.target));
            format!("failed to {step} for {target} with {}: {}", it.reason, go_quoted(&it.message))
        })
        .collect();
    match texts.as_slice() {
        [only] => only.clone(),
        [first, rest @ ..] if nested && rest.len() > 1 => {
            format!("[{first}, [{}]]", rest.join(", "))
        }
        all => format!("[{}]", all.join(", ")),
    }
}

const FORMS: usize = 4;

fn line(pod: &Pod, error: &str, form: usize) -> String {
    let Pod { namespace, name, uid } = pod;
    let header = "E0317 08:42:15.306118    2148 pod_workers.go:1017] ";
    let quoted = go_quoted(error);
    let structured = format!(
        "{header}\"Error syncing pod, skipping\" err={quoted} pod=\"{namespace}/{name}\" podUID={uid}"
    );
    match form {
        0 => structured,
        1 => {
            let time = "time=\"2031-03-17 08:42:15\" level=info";
            let wrapped = go_quoted(&structured);
            format!("{time} msg={wrapped} component=kubelet stream=stderr")
        }
        2 => {
            let plain = serde_json::to_string(error).expect("JSON");
            format!(
                "{{\"ts\":1931594535306.1182,\"caller\":\"kubelet/pod_workers.go:1021\",\
                 \"msg\":\"Error syncing pod, skipping\",\
                 \"pod\":{{\"name\":\"{name}\",\"namespace\":\"{namespace}\"}},\
                 \"podUID\":\"{uid}\",\"err\":{plain}}}"
            )
        }
        _ => format!(
            "{header}Error syncing pod {uid} (\"{name}_{namespace}({uid})\"), skipping: {error}"
        ),
    }
}

/// `strconv.Quote` for what Rust and Go both call printable; the rest as escapes.
fn go_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            ' '..='~' | 'ß'..='ÿ' | '\u{fffd}' | '🚀' => quoted.push(c),
            '\0'..='\x7f' => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            '\u{80}'..='\u{ffff}' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
