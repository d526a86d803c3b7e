//! A piece of a message without its line: what stands in a ticket or a chat. Owns telling that it
//! is one, and undoing the quoting that it was copied with.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::event::{self, clauses, of_error, reported};
use super::value::word;
use super::{describe, table};
use crate::fact::PodRef;
use crate::observation::Observation;

/// What only errors of a pod's start say: without one of these a line is just a line.
const MARKS: [&str; 31] = [
    "failed to \"",
    "failed to \\\"",
    "rpc error: code = ",
    "Failed to pull image",
    "Back-off ",
    "back-off ",
    "MountVolume.",
    "ttach or mount volumes",
    "AttachVolume.",
    "Multi-Attach error",
    "network is not ready",
    "runtime network not ready",
    "Failed to create pod sandbox",
    "Failed to create sandbox",
    "OCI runtime ",
    "failed to create containerd task",
    "failed to generate container",
    "couldn't find key",
    "runAsNonRoot",
    "no space left on device",
    "pull policy of Never",
    "failed to resolve reference",
    "failed to pull and unpack image",
    "pull access denied",
    " nodes are available: ",
    "couldn't parse image",
    "failed to setup network for sandbox",
    "toomanyrequests: ",
    " probe failed: ",
    ": exec format error",
    ": exec user process caused: ",
];

/// One pass over a line for all marks.
static FINDER: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new(MARKS).expect("the marks are a fixed list"));

/// It has a frame of its own, so it is a line of a log.
pub(super) fn is_framed(line: &str) -> bool {
    let mut bytes = line.bytes();
    let is_klog = matches!(bytes.next(), Some(b'I' | b'W' | b'E' | b'F'))
        && bytes.take(4).filter(u8::is_ascii_digit).count() == 4;
    is_klog || line.starts_with("time=\"") || line.starts_with('{')
}

/// The failure that a line which is no message is a fragment of.
pub(super) fn fragment(line: &str, number: u64) -> Option<Observation> {
    let line = line.trim();
    // As chats quote.
    let line = line.strip_prefix("> ").map_or(line, str::trim);
    let is_row = line.starts_with("Warning  ");
    if !is_row && !FINDER.is_match(line) && !is_short_error(line) {
        return None;
    }
    if podwhy_parser::parse(line).is_some() {
        return None;
    }
    if let Some(event) = describe::single(line, number) {
        return event::of(&event, None).into_iter().next();
    }
    let text = unescaped(line);
    let of_probe =
        ["Readiness probe failed: ", "Liveness probe failed: ", "Startup probe failed: "];
    if of_probe.iter().any(|begin| text.starts_with(begin)) {
        let event = table::made(("Pod", "", None), ["Warning", "Unhealthy", &text], number);
        return event::of(&event, None).into_iter().next();
    }
    if text.contains(" nodes are available: ") {
        let event = table::made(("Pod", "", None), ["Warning", "FailedScheduling", &text], number);
        return event::of(&event, None).into_iter().next();
    }
    let pod = pod_of(&text);
    let error = inner(&text);
    let failures = match of_error(error) {
        Some(failure) if !text.contains("failed to \"") => vec![failure],
        _ => clauses(error),
    };
    let mut failures = failures.into_iter();
    let first = failures.next()?;
    let container = (first.step == "StartContainer").then(|| first.target.clone()).flatten();
    let mut seen = reported(first, &pod, container.as_deref(), None, number);
    seen.failures.extend(failures);
    Some(seen)
}

/// The pod that it names: `pod="shop/web-0"` behind it, or `pod=web-0_shop(<uid>)` inside.
fn pod_of(text: &str) -> PodRef {
    if let Some((namespace, name)) = value_of(text, "pod").and_then(|it| it.split_once('/')) {
        let uid = value_of(text, "podUID").map(word);
        return PodRef { namespace: Some(word(namespace)), name: Some(word(name)), uid };
    }
    let inside = || {
        let (_, rest) = text.split_once(" pod=").or_else(|| text.split_once(" for pod \""))?;
        let (names, rest) = rest.split_once('(')?;
        let (name, namespace) = names.trim_matches('"').split_once('_')?;
        let (uid, _) = rest.split_once(')')?;
        let is_name = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.'))
        };
        let is_pod = is_name(name) && is_name(namespace) && is_name(uid);
        is_pod.then(|| PodRef {
            namespace: Some(word(namespace)),
            name: Some(word(name)),
            uid: Some(word(uid)),
        })
    };
    inside().unwrap_or_default()
}

/// `configmap "x" not found`, alone or behind `Error: `.
fn is_short_error(line: &str) -> bool {
    let error = line.strip_prefix("Error: ").unwrap_or(line);
    (error.starts_with("configmap \"") || error.starts_with("secret \""))
        && error.ends_with("not found")
}

/// The value of `err=`, or what stands behind a label, without the quotes around it.
fn inner(text: &str) -> &str {
    let text = text.split_once(" err=\"").map_or(text, |(_, rest)| rest);
    let text = text.strip_prefix("err=\"").unwrap_or(text);
    let text = ["\" pod=\"", "\" podUID=\""]
        .iter()
        .find_map(|end| text.split_once(end))
        .map_or(text, |(before, _)| before);
    let text = ["message: ", "Message: ", "Message:", "> "]
        .iter()
        .find_map(|label| text.strip_prefix(label))
        .unwrap_or(text)
        .trim();
    let quoted = |mark: char| {
        text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark)).filter(|it| !it.is_empty())
    };
    quoted('`').or_else(|| quoted('\'')).or_else(|| quoted('"')).unwrap_or(text)
}

/// Without the levels of quoting that the clause itself was copied with.
fn unescaped(line: &str) -> String {
    let mut text = line.to_owned();
    // The kubelet, journald's JSON and one program more: nobody quotes deeper.
    for _ in 0..4 {
        if !text.contains("failed to \\") && !text.contains("\\\\\"") {
            break;
        }
        text = one_level_less(&text);
    }
    text
}

fn one_level_less(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// `pod="shop/web-0"`
fn value_of<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let begin = text.find(&format!(" {key}=\""))? + key.len() + 3;
    text.get(begin..)?.split('"').next().filter(|value| !value.is_empty())
}
