//! Sync loop and PLEG lines (§8.5).
//!
//! Owns the three renderings of a PLEG event and the printf `SyncLoop (…)` lines.

use crate::cursor::Cursor;
use crate::klog::pairs::Pairs;
use crate::message::What;
use crate::{Facts, Text, object};

/// `SyncLoop (ADD, "api"): "…"` and its kin (≤ 1.20).
pub(super) fn classify(text: Text<'_>) -> Option<What> {
    let rest = text.raw().strip_prefix("SyncLoop (")?;
    let word = rest.split_once([',', ')']).map_or(rest, |(word, _)| word);
    Some(match word {
        "ADD" | "RESTORE" => What::SyncLoopAdd,
        "UPDATE" => What::SyncLoopUpdate,
        "RECONCILE" => What::SyncLoopReconcile,
        "DELETE" => What::SyncLoopDelete,
        "REMOVE" => What::SyncLoopRemove,
        "PLEG" => pleg(text),
        "container unhealthy" => What::ProbeUnhealthy,
        _ => return None,
    })
}

/// The type of the PLEG event in `text`.
pub(super) fn pleg(text: Text<'_>) -> What {
    let kind = last_but_one(text.raw()).or_else(|| Some(object::field(text, "Type")?.raw()));
    match kind {
        Some("ContainerStarted") => What::PlegStarted,
        Some("ContainerDied") => What::PlegDied,
        Some("ContainerRemoved") => What::PlegRemoved,
        _ => What::PlegEvent,
    }
}

/// The usual event ends in `Type` and `Data`: the word before the last member.
fn last_but_one(raw: &str) -> Option<&str> {
    let bytes = raw.as_bytes();
    let last = memchr::memrchr2(b',', b' ', bytes)?;
    let head = bytes.get(..last)?;
    let between = head.iter().rev().take_while(|byte| matches!(byte, b',' | b'"' | b'\\')).count();
    let word_end = last - between;
    let head = bytes.get(..word_end)?;
    let word = head.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let data = raw.get(last + 1..)?;
    let is_last = data.starts_with("Data:") || data.starts_with("\"Data\":");
    raw.get(word_end - word..word_end).filter(|_| is_last)
}

/// `"SyncLoop (probe)" probe="readiness" status="ready"`.
pub(super) fn probe(pairs: Pairs<'_>) -> What {
    let mut status = None;
    for (key, value) in pairs {
        if key == "status" {
            status = Some(value.text().raw());
        }
    }
    match status {
        Some("ready" | "started") => What::ProbeReady,
        Some("unhealthy") => What::ProbeUnhealthy,
        _ => What::SyncLoopProbe,
    }
}

/// The event's pod, and the container or sandbox that it is about.
pub(super) fn read_event<'a>(event: Text<'a>, facts: &mut Facts<'a>) {
    let part = |name| object::field(event, name).filter(|value: &Text<'_>| !value.is_empty());
    facts.pod.uid = facts.pod.uid.or(part("ID"));
    facts.container_id = part("Data");
    facts.reason = part("Type");
}

/// ```text
/// line := "SyncLoop (PLEG): " Q(pod) ", event: " event | "SyncLoop (" word [", " Q] "): " Q(pods)
/// ```
pub(super) fn read_legacy<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let mut cursor = Cursor::of(text);
    cursor.skip_past("): ")?;
    let pods = cursor.quoted()?;
    // A list of several pods names none for sure.
    if let Some(pod) = object::pod_format(pods) {
        facts.pod = pod;
    }
    if cursor.eat(", event: ") {
        read_event(cursor.rest(), facts);
    }
    Some(())
}
