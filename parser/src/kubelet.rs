//! What a kubelet line says: which production it is, its facts, its failures.
//!
//! Owns the dispatch of §8; the header is `klog`'s, the grammar of a sync error `sync_error`'s.

mod facts;
mod legacy;
mod productions;
mod table;

use crate::klog::pairs::Pairs;
use crate::message::{Ends, Format, Frame, Message, What};
use crate::{Facts, Failures, Text};

/// The production of a structured message. `tail` is what follows it.
#[inline]
pub(crate) fn structured(text: Text<'_>, tail: Text<'_>) -> What {
    let _ = tail;
    table::lookup(text.raw()).unwrap_or(What::Unknown)
}

/// A printf message.
pub(crate) fn printf<'a>(frame: Frame<'a>, text: Text<'a>) -> Message<'a> {
    let what = legacy::classify(text);
    let tail = text.with_raw("");
    let mut message =
        Message { frame, what, ends: Ends::MayContinue, text, tail, truncated: false };
    if what == What::ErrorSyncingPod {
        message.truncated = failures(&message).any_is_cut();
    }
    message
}

/// The pairs of a structured or JSON line; none for any other.
pub(crate) fn pairs<'a>(message: &Message<'a>) -> Pairs<'a> {
    match message.frame.format {
        Format::KlogStructured => Pairs::of_text(message.tail),
        Format::KlogJson => Pairs::of_json(message.tail.raw()),
        _ => Pairs::of_text(message.tail.with_raw("")),
    }
}

/// Everything that a kubelet line says.
pub(crate) fn facts<'a>(message: &Message<'a>) -> Facts<'a> {
    facts::of(message)
}

/// The failures that a kubelet line reports or repeats.
pub(crate) fn failures<'a>(message: &Message<'a>) -> Failures<'a> {
    let is_printf = !matches!(message.frame.format, Format::KlogStructured | Format::KlogJson);
    match message.what {
        What::ErrorSyncingPod if is_printf => match legacy::error_syncing_pod(message.text) {
            Some(line) => Failures::of(line.error),
            None => Failures::none(),
        },
        What::ErrorSyncingPod => match facts::value(message, "err") {
            Some(error) => {
                let causes = facts::value(message, "errCauses");
                causes
                    .and_then(|causes| Failures::of_causes(causes.raw()))
                    .unwrap_or_else(|| Failures::of(error))
                    .cut(message.truncated && facts::is_last(message, "err"))
            }
            None => Failures::none(),
        },
        _ => Failures::none(),
    }
}
