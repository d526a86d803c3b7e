//! Asks `cause` what an entry comes from, and keeps the first evidence of a cause that stays.

use super::{
    incident::Entry,
    incidents::Ground,
    judgement::Judgement,
    world::quote,
};
use crate::incident::{Cause, Confidence, Evidence};

/// The id of what the catalogue does not know.
pub(super) const UNCLASSIFIED: &str = "unclassified";

/// Before anything was judged.
pub(super) fn unknown() -> Judgement {
    Judgement {
        cause: Cause {
            id: UNCLASSIFIED.to_owned(),
            class: UNCLASSIFIED.to_owned(),
            confidence: Confidence::Possible,
            ..Cause::default()
        },
        ..Judgement::default()
    }
}

/// Judges what the entry was last told.
pub(super) fn judge(entry: &mut Entry, ground: Ground<'_>) {
    let _ = ground;
    let mut judged = unknown();
    if let Some(attempt) = &entry.trigger.attempt {
        judged.exit_code = attempt.details.exit_code;
        judged.evidence.push(Evidence {
            source: attempt.writer.component.label().to_owned(),
            text: quote::one_line(&attempt.failure.message),
            line: (attempt.writer.number > 0).then_some(attempt.writer.number),
            file: None,
            at: Some(attempt.at),
        });
    }
    if let Some(moment) = &entry.trigger.moment {
        judged.evidence.push(moment.evidence.clone());
    }
    judged.cause.title = format!("Unknown: {}", entry.trigger.message());
    take(entry, judged);
}

/// The newer judgement, with the evidence that the cause was first known by.
fn take(entry: &mut Entry, mut judged: Judgement) {
    let before = &entry.judgement;
    let is_same = before.cause.id == judged.cause.id;
    if is_same && let Some(first) = before.evidence.first() {
        if !judged.evidence.contains(first) {
            judged.evidence.insert(0, first.clone());
        }
    }
    if is_same && judged.changed.is_empty() {
        judged.changed.clone_from(&before.changed);
    }
    judged.evidence.truncate(crate::limits::INCIDENT_LIST);
    entry.judgement = judged;
}
