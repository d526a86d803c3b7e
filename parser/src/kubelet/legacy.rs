//! printf wordings, of 1.20 and older and of the lines that are still printf.
//!
//! Owns how their texts begin and where the error stands; volumes, probes, evictions and
//! `HandleError` have files of their own.

mod beginnings;

use super::{eviction, handle_error, probe, sync_loop, volume};
use crate::cursor::Cursor;
use crate::message::What;
use crate::{Facts, PodRef, Text, object};
use beginnings::{Beginning, Slot};

/// The production of a printf message, by its first words.
pub(super) fn classify(text: Text<'_>) -> What {
    let raw = text.raw();
    if raw.starts_with("Error syncing pod ") && error_syncing_pod(text).is_some() {
        return What::ErrorSyncingPod;
    }
    // Which file can know a line shows in its first letter.
    let of_letter = || match raw.as_bytes().first()? {
        b'[' | b'c' | b'f' | b'i' => handle_error::classify(text),
        b'e' => handle_error::classify(text).or_else(|| eviction::classify(text)),
        b'p' => eviction::classify(text),
        b'L' | b'R' => probe::classify(text),
        b'S' => probe::classify(text).or_else(|| sync_loop::classify(text)),
        _ => None,
    };
    volume::classify(text)
        .or_else(of_letter)
        .or_else(|| beginnings::of(raw).map(|beginning| beginning.what))
        .unwrap_or(What::Unknown)
}

/// What a printf line says, where its beginning is one of the plain ones.
///
/// ```text
/// line := beginning [ Q(slot) ] any [ separator error ]
/// ```
pub(super) fn read<'a>(text: Text<'a>, facts: &mut Facts<'a>) {
    let Some(Beginning { begin, slot, separator, .. }) = beginnings::of(text.raw()) else { return };
    let mut cursor = Cursor::of(text);
    let _ = cursor.eat(begin);
    if let Some(name) = slot_text(&mut cursor, *slot) {
        fill(facts, *slot, name);
    }
    if separator.is_empty() {
        return;
    }
    // Where the error follows at once, the separator is the end of the beginning.
    let error = match begin.ends_with(separator) && *slot == Slot::Nothing {
        true => Some(cursor.rest()),
        false => cursor.skip_past(separator).map(|()| cursor.rest()),
    };
    facts.error = error.map(Text::trim_newlines).filter(|error| !error.is_empty());
    if facts.pod == PodRef::default()
        && let Some(pod) = object::find_pod(text)
    {
        facts.pod = pod;
    }
}

/// A quoted name, or a bare word.
fn slot_text<'a>(cursor: &mut Cursor<'a>, slot: Slot) -> Option<Text<'a>> {
    if slot == Slot::Nothing {
        return None;
    }
    let name = match cursor.quoted() {
        Some(quoted) => quoted,
        None => cursor.run(|character| !matches!(character, ' ' | ',')),
    };
    Some(name).filter(|name| !name.is_empty())
}

fn fill<'a>(facts: &mut Facts<'a>, slot: Slot, name: Text<'a>) {
    match slot {
        Slot::Nothing => {}
        Slot::Pod => facts.pod = object::pod_value(name.with_raw(name.raw().trim_end_matches(':'))),
        Slot::Uid => facts.pod.uid = Some(name).filter(|uid| object::is_uid(uid.raw())),
        Slot::Container => facts.container_id = object::container_id(name),
        Slot::Sandbox => facts.sandbox_id = object::container_id(name),
        Slot::Image => facts.image = Some(name),
    }
}

/// The parts of `Error syncing pod`.
pub(super) struct ErrorSyncingPod<'a> {
    pub(super) pod: PodRef<'a>,
    pub(super) error: Text<'a>,
}

/// ```text
/// line := "Error syncing pod " ( uid [ " (" Q(pod) ")" ] | Q(pod) ) ", skipping: " error
/// ```
pub(super) fn error_syncing_pod(text: Text<'_>) -> Option<ErrorSyncingPod<'_>> {
    let mut cursor = Cursor::of(text);
    cursor.take("Error syncing pod ")?;
    let mut pod = PodRef::default();
    if let Some(quoted) = cursor.quoted() {
        pod = object::pod_format(quoted).unwrap_or_default();
    } else {
        let uid = cursor.run(|character| !matches!(character, ' ' | ','));
        if cursor.eat(" (") {
            pod = object::pod_format(cursor.quoted()?).unwrap_or_default();
            cursor.take(")")?;
        }
        pod.uid = pod.uid.or(Some(uid).filter(|uid| !uid.is_empty()));
    }
    cursor.take(", skipping: ")?;
    Some(ErrorSyncingPod { pod, error: cursor.rest() })
}

/// ```text
/// line := "Unable to retrieve pull secret " ns "/" name " for " ns "/" pod " due to " error
///         ".  The image pull may not succeed."
/// ```
pub(super) fn pull_secret<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let mut cursor = Cursor::of(text);
    cursor.take("Unable to retrieve pull secret ")?;
    cursor.skip_past(" for ")?;
    facts.pod = object::pod_value(cursor.until(" due to ")?);
    let error = cursor.rest().raw();
    let error = error.split_once(".  The image pull").map_or(error, |(error, _)| error);
    facts.error = Some(text.with_raw(error));
    Some(())
}

/// ```text
/// line := "Event(v1.ObjectReference{Kind:" Q ", Namespace:" Q ", Name:" Q ", UID:" Q … "}): type: '"
///         type "' reason: '" reason "' " message
/// ```
pub(super) fn kubernetes_event<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let mut cursor = Cursor::of(text);
    let object = cursor.until("}): type: '")?;
    let part = |name| object::field(object, name).filter(|value: &Text<'_>| !value.is_empty());
    if part("Kind").is_some_and(|kind| kind == "Pod") {
        facts.pod = PodRef { namespace: part("Namespace"), name: part("Name"), uid: part("UID") };
    }
    facts.container = part("FieldPath").and_then(container_of_path);
    cursor.skip_past("' reason: '")?;
    facts.reason = cursor.until("' ").filter(|reason| !reason.is_empty());
    facts.detail = Some(cursor.rest()).filter(|detail| !detail.is_empty());
    Some(())
}

/// `spec.containers{name}`, `spec.initContainers{name}`.
pub(super) fn container_of_path(path: Text<'_>) -> Option<Text<'_>> {
    let (_, name) = path.raw().split_once('{')?;
    Some(path.with_raw(name.strip_suffix('}')?)).filter(|name| !name.is_empty())
}

/// `name_ns(uid)` after the beginning, then ` - ` and why (≤ 1.20).
///
/// ```text
/// line := "Failed to admit pod " pod " - " why
/// ```
pub(super) fn not_admitted<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let mut cursor = Cursor::of(text);
    cursor.take("Failed to admit pod ")?;
    facts.pod = object::pod_value(cursor.until(" - ")?);
    facts.error = Some(cursor.rest().trim_newlines());
    Some(())
}

/// The list of a printf line: quoted behind `): `, or at the end of an eviction line.
pub(super) fn pods(what: What, text: Text<'_>) -> Option<Text<'_>> {
    let mut cursor = Cursor::of(text);
    match what {
        What::EvictionRanked => {
            cursor.skip_past("eviction: ")?;
            Some(cursor.rest().trim_newlines())
        }
        What::EvictionCleaning => {
            cursor.skip_past("pods ")?;
            let raw = cursor.raw();
            let ends = [" evicted, waiting", " successfully cleaned", " to be cleaned"];
            ends.iter().find_map(|end| raw.split_once(end)).map(|(list, _)| text.with_raw(list))
        }
        What::SyncLoopAdd
        | What::SyncLoopUpdate
        | What::SyncLoopReconcile
        | What::SyncLoopDelete
        | What::SyncLoopRemove => {
            cursor.skip_past("): ")?;
            cursor.quoted()
        }
        _ => None,
    }
}
