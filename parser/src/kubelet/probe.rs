//! Probe lines of 1.20 and older (§8.4).
//!
//! Owns their text; the structured ones have keys.

use crate::cursor::Cursor;
use crate::message::What;
use crate::{Facts, Text, object};

const TYPES: [&str; 3] = ["Liveness", "Readiness", "Startup"];

/// ```text
/// line := type " probe for " Q(pod ":" container) ( " failed (" result "): " output
///         | " errored: " error )
/// ```
pub(super) fn classify(text: Text<'_>) -> Option<What> {
    let mut facts = Facts::default();
    read(text, &mut facts)
}

pub(super) fn read<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<What> {
    let mut cursor = Cursor::of(text);
    let word = TYPES.into_iter().find(|word| cursor.eat(word))?;
    cursor.take(" probe for ")?;
    let who = cursor.quoted()?;
    let what = if cursor.eat(" failed (") {
        cursor.skip_past("): ")?;
        facts.detail = Some(cursor.rest());
        What::ProbeFailed
    } else {
        cursor.take(" errored: ")?;
        facts.error = Some(cursor.rest());
        What::ProbeErrored
    };
    facts.reason = Some(Text::plain(word));
    if let Some((pod, container)) = who.raw().rsplit_once(':') {
        facts.pod = object::pod_format(who.with_raw(pod)).unwrap_or_default();
        facts.container = Some(who.with_raw(container)).filter(|name| !name.is_empty());
    }
    Some(what)
}
