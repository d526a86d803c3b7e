//! `norm` (diagnosis.md 4.4): what is left of a message when everything that changes from attempt to
//! attempt, pod to pod and node to node is masked, and the nouns that carry the cause stay.
//! Its layout and test vectors are published in docs/identity.md.

use std::sync::LazyLock;

use regex::Regex;

use crate::limits;

/// Ports that tell which service was meant; all others are chance.
const TELLING_PORTS: [&str; 12] =
    ["53", "80", "443", "2379", "5000", "5432", "6443", "8080", "8443", "10250", "10257", "50051"];

/// What Kubernetes makes generated names of: no vowels, no digits that look like letters.
const GENERATED: &str = "bcdfghjklmnpqrstvwxz2456789";

/// In order: the first that matches at a place wins.
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?P<digest>sha256:[0-9a-f]{64})",
        r"|(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
        r"|(?P<time>\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:\.\d+)?(?: ?(?:z|utc|[+-]\d\d:?\d\d))*",
        r"|\b\d\d:\d\d:\d\d(?:\.\d+)?\b|m=[+-][\d.]+)",
        r"|(?P<id>\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{12,16}\b)",
        r"|(?P<ip>\b(?:\d{1,3}\.){3}\d{1,3}\b(?:/\d{1,2}\b)?|\[[0-9a-f]*:[0-9a-f:]+\])(?::(?P<port>\d{1,5}))?",
        r"|(?P<duration>\b(?:\d+(?:\.\d+)?(?:h|ms|µs|us|ns|m|s))+\b)",
        r"|(?P<attempt>\battempt(?:s)?[:= ]+\d+)",
        r"|(?P<pid>\bpid[:= ]+\d+)",
        r"|(?P<temporary>/(?:tmp|var/tmp)/[^\s:]*\d{3,}[^\s:]*|\.tmp-[\w-]+|\btmp\.?\w*\d{4,}\w*)",
        r"|(?P<bytes>\b\d+(?:\.\d+)? ?(?:bytes?|[kmgt]i?b)\b)",
        r"|(?P<many>\b\d{5,}\b)",
    ))
    .expect("the pattern is fixed")
});

/// The first 200 bytes of what stays of a message.
pub(in crate::diagnosis) fn norm(message: &str) -> String {
    let text = innermost(&unquoted(message)).to_lowercase();
    let masked = VARYING.replace_all(&text, |found: &regex::Captures<'_>| {
        for name in
            ["digest", "uuid", "time", "id", "duration", "attempt", "pid", "temporary", "bytes"]
        {
            if found.name(name).is_some() {
                return format!("<{name}>");
            }
        }
        if found.name("ip").is_some() {
            return match found.name("port").map(|port| port.as_str()) {
                Some(port) if TELLING_PORTS.contains(&port) => format!("<ip>:{port}"),
                Some(_) => "<ip>:<port>".to_owned(),
                None => "<ip>".to_owned(),
            };
        }
        "<n>".to_owned()
    });
    let words: Vec<&str> = masked.split_whitespace().map(without_generated).collect();
    limits::cut(&words.join(" "), limits::NORM_BYTES).0.trim_end().to_owned()
}

/// Quoting layers undone: what is left of `\\\"` is a blank.
fn unquoted(message: &str) -> String {
    message.replace(['\\', '"'], " ")
}

/// Behind the last `desc = `, which layers of calls put before the text that counts.
fn innermost(text: &str) -> &str {
    text.rsplit_once(" desc = ").map_or(text, |(_, rest)| rest)
}

/// `worker-565bc8d6c8-fn5fq_shop(…)` → `worker`: the generated tail of a word that is a pod's name.
fn without_generated(word: &str) -> &str {
    let name = word.split(['_', '(']).next().unwrap_or(word);
    let bare = name.rsplit_once('/').map_or(name, |(_, last)| last);
    workload_of(bare.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()))
        .filter(|workload| word.starts_with(*workload) || bare.starts_with(*workload))
        .unwrap_or(word)
}

/// `worker-565bc8d6c8-fn5fq` → `worker`, `agent-lc6f9` → `agent`; `None` where nothing in the name
/// was generated.
pub(in crate::diagnosis) fn workload_of(pod: &str) -> Option<&str> {
    let (rest, tail) = pod.rsplit_once('-')?;
    if tail.len() != 5 || !is_generated(tail) {
        return None;
    }
    Some(without_hash(rest).unwrap_or(rest))
}

/// `worker-565bc8d6c8` → `worker`
pub(in crate::diagnosis) fn without_hash(name: &str) -> Option<&str> {
    let (rest, tail) = name.rsplit_once('-')?;
    ((8..=10).contains(&tail.len()) && is_generated(tail)).then_some(rest)
}

/// Of the letters of generated names, with a digit or without any order that a word would have: a
/// name of five consonants is not a word either.
fn is_generated(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| GENERATED.contains(letter))
}
