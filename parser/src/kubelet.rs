//! What a kubelet line says: which production it is, its facts, its failures.
//!
//! Owns the dispatch of §8; the header is `klog`'s, the grammar of a sync error `sync_error`'s.

mod eviction;
mod facts;
mod failures;
mod handle_error;
mod legacy;
mod probe;
mod productions;
mod sync_loop;
mod table;
mod volume;

use crate::klog::pairs::Pairs;
use crate::message::{Ends, Format, Frame, Message, Severity, What};
use crate::object::Pods;
use crate::{Facts, Failures, Text, find};

pub(crate) use volume::error_of_detail;

/// The production of a structured message. `tail` is what follows it.
#[inline]
pub(crate) fn structured(severity: Severity, text: Text<'_>, tail: Text<'_>) -> What {
    let what = match table::lookup(text.raw()) {
        Some(what) => what,
        None if text.raw() == "Unhandled Error" => unhandled(Pairs::of_text(tail)),
        None => volume::classify(text).unwrap_or(What::Unknown),
    };
    let what = match what {
        What::Unknown if severity == Severity::Error => of_own_message(tail),
        what => what,
    };
    match what {
        What::PlegEvent => sync_loop::pleg(tail),
        What::SyncLoopProbe => sync_loop::probe(Pairs::of_text(tail)),
        What::KubernetesEvent => of_object(Pairs::of_text(tail)),
        What::Unknown if severity == Severity::Fatal => What::KubeletFatal,
        what => what,
    }
}

/// A JSON line: what it is. A printf call has its whole text in `msg`.
pub(crate) fn json(message: Message<'_>) -> Message<'_> {
    let (text, object) = (message.text, message.tail.raw());
    let what = match text.as_plain().and_then(table::lookup) {
        Some(what) => what,
        None if text == "Unhandled Error" => unhandled(Pairs::of_json(object)),
        None => legacy::classify(text),
    };
    let what = match what {
        What::PlegEvent => Pairs::of_json(object)
            .find(|(key, _)| *key == "event")
            .map_or(what, |(_, event)| sync_loop::pleg(event.text())),
        What::SyncLoopProbe => sync_loop::probe(Pairs::of_json(object)),
        What::KubernetesEvent => of_object(Pairs::of_json(object)),
        what => what,
    };
    let twin = handle_error::StartFailed::of(text).filter(|_| what == What::StartFailed);
    Message { what, text: twin.map_or(text, |twin| twin.shown), ..message }
}

/// `"Event occurred" object="node-1" … kind="Node"` is about the node.
fn of_object(mut pairs: Pairs<'_>) -> What {
    let is_node = pairs.any(|(key, kind)| key == "kind" && kind.text() == "Node");
    if is_node { What::NodeEvent } else { What::KubernetesEvent }
}

/// `HandleErrorWithContext` keeps the caller's message, but the logger's name tells it (G52).
fn of_own_message(tail: Text<'_>) -> What {
    if !find::holds(tail.raw(), "UnhandledError") || !names_logger(tail) {
        return What::Unknown;
    }
    match unhandled(Pairs::of_text(tail)) {
        What::UnhandledError => What::Unknown,
        what => what,
    }
}

fn names_logger(tail: Text<'_>) -> bool {
    Pairs::of_text(tail).any(|(key, name)| key == "logger" && name.text() == "UnhandledError")
}

/// `"Unhandled Error" err=…`: what the error says (G52).
fn unhandled(mut pairs: Pairs<'_>) -> What {
    pairs
        .find(|(key, _)| *key == "err")
        .and_then(|(_, error)| handle_error::classify(error.text()))
        .unwrap_or(What::UnhandledError)
}

/// A printf message.
pub(crate) fn printf<'a>(frame: Frame<'a>, text: Text<'a>) -> Message<'a> {
    let what = legacy::classify(text);
    let ends = Ends::MayContinue;
    let mut message = Message { frame, what, ends, text, tail: text, truncated: false };
    match what {
        What::ErrorSyncingPod | What::SyncErrorRepeated => {
            message.truncated = failures(&message).any_is_cut();
        }
        What::StartFailed => {
            if let Some(twin) = handle_error::StartFailed::of(text) {
                message.text = twin.shown;
                message.truncated = twin.is_cut;
            }
        }
        What::Unknown if frame.severity == Some(Severity::Fatal) => {
            message.what = What::KubeletFatal;
        }
        _ => {}
    }
    message
}

/// A message whose text is printf, not the quoted message of a structured line.
const fn is_printf(format: Format) -> bool {
    !matches!(format, Format::KlogStructured | Format::KlogJson)
}

/// The pairs of a structured or JSON line; none for any other.
pub(crate) fn pairs<'a>(message: &Message<'a>) -> Pairs<'a> {
    match message.frame.format {
        Format::KlogStructured => Pairs::of_text(message.tail),
        Format::KlogJson => Pairs::of_json(message.tail.raw()),
        _ => Pairs::of_text(message.tail.with_raw("")),
    }
}

/// The pods of a line that lists some.
pub(crate) fn pods<'a>(message: &Message<'a>) -> Pods<'a> {
    let list = match is_printf(message.frame.format) {
        true => legacy::pods(message.what, message.text),
        false => facts::value(message, "pods"),
    };
    Pods::of(list.unwrap_or(Text::plain("")))
}

/// Everything that a kubelet line says.
pub(crate) fn facts<'a>(message: &Message<'a>) -> Facts<'a> {
    facts::of(message)
}

/// The failures that a kubelet line reports or repeats.
pub(crate) fn failures<'a>(message: &Message<'a>) -> Failures<'a> {
    failures::of(message)
}
