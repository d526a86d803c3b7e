//! printf wordings, of 1.20 and older and of the lines that are still printf.
//!
//! Owns their beginnings and the parts that stand in the text.

use crate::cursor::Cursor;
use crate::message::What;
use crate::{PodRef, Text, object};

/// The production of a printf message, by its first words.
pub(super) fn classify(text: Text<'_>) -> What {
    let raw = text.raw();
    if raw.starts_with("Error syncing pod ") && error_syncing_pod(text).is_some() {
        return What::ErrorSyncingPod;
    }
    What::Unknown
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
