//! The failures of a kubelet line: those in its error text, or the one that the line itself is.
//!
//! Owns which text counts as the message of a line without a clause.

use super::{facts, handle_error, is_printf, legacy, volume};
use crate::json::Members;
use crate::message::{Format, Kind, Message, What};
use crate::{Failures, SyncFailure, Text, find, kubelet};

pub(super) fn of<'a>(message: &Message<'a>) -> Failures<'a> {
    // A device's failed operation is a failure too, of no pod.
    if !matches!(message.kind(), Kind::SyncFailure | Kind::Related)
        && message.what != What::DeviceOperationFailed
    {
        return Failures::none();
    }
    // Half a message is a cut one; what stands before the last pair is whole.
    let ends_in_message = ["err", "message", "output"];
    let is_cut = message.truncated
        && facts::last_key(message).is_some_and(|key| ends_in_message.contains(&key));
    whole(message).cut(is_cut)
}

fn whole<'a>(message: &Message<'a>) -> Failures<'a> {
    match message.what {
        What::ErrorSyncingPod => error_syncing_pod(message),
        What::StartFailed | What::SyncErrorRepeated | What::InitContainerRemoveFailed => {
            match twin_text(message) {
                Some(text) => handle_error::failures(message.what, text),
                None => Failures::none(),
            }
        }
        What::VolumeOperationFailed
        | What::DeviceOperationFailed
        | What::ReconcilerOperationFailed
        | What::VolumeOperationRepeated => {
            let error = facts::value(message, "err");
            Failures::single(volume::failure(message.text, error))
        }
        _ => alone(message),
    }
}

/// The text that `HandleError` was given: the whole printf text, or `err`.
pub(super) fn twin_text<'a>(message: &Message<'a>) -> Option<Text<'a>> {
    match is_printf(message.frame.format) {
        true => Some(message.tail),
        false => facts::value(message, "err").or_else(|| json_text(message)),
    }
}

/// `msg` of a JSON line, whole: a twin's `text` shows its tail only.
fn json_text<'a>(message: &Message<'a>) -> Option<Text<'a>> {
    if message.frame.format != Format::KlogJson {
        return None;
    }
    let mut members = Members::of(message.tail.raw())?;
    members.find(|(key, _)| *key == "msg").and_then(|(_, value)| value.string())
}

fn error_syncing_pod<'a>(message: &Message<'a>) -> Failures<'a> {
    if is_printf(message.frame.format) {
        return match legacy::error_syncing_pod(message.text) {
            Some(line) => Failures::of(line.error),
            None => Failures::none(),
        };
    }
    // The last of a key counts (G18).
    let is_json = message.frame.format == Format::KlogJson;
    // What stands once in the whole tail is no other pair's key.
    let is_only = !is_json && find::each(message.tail.raw(), "err=").nth(1).is_none();
    let (mut error, mut causes) = (None, None);
    for (key, value) in kubelet::pairs(message) {
        match key {
            "err" => {
                error = Some(value.text());
                if is_only {
                    break;
                }
            }
            "errCauses" if is_json => causes = Some(value.text()),
            _ => {}
        }
    }
    let Some(error) = error else {
        return match legacy::error_syncing_pod(message.text) {
            Some(line) => Failures::of(line.error),
            None => Failures::none(),
        };
    };
    causes
        .and_then(|causes| Failures::of_causes(causes.raw()))
        .unwrap_or_else(|| Failures::of(error))
}

/// The line itself is the failure; its `err` may be a sync error in turn.
fn alone<'a>(message: &Message<'a>) -> Failures<'a> {
    let facts = facts::of_line(message);
    if let Some(error) = facts.error
        && (matches!(
            message.what,
            What::KillPodFailed | What::UnableToMountVolumes | What::EvictingPod
        ) || handle_error::classify(error) == Some(What::SyncErrorRepeated))
    {
        return Failures::of(error);
    }
    let Some((step, reason)) = message.what.step() else { return Failures::none() };
    let text = facts.error.or(facts.detail).unwrap_or(message.text);
    let failure = SyncFailure::alone(step, reason, text.trim_newlines());
    let own_reason = match message.what {
        What::PodAdmissionDenied | What::PodNotAdmitted => facts.reason,
        _ => None,
    };
    let target = match step {
        "StartContainer" | "KillContainer" => facts.container,
        _ => None,
    };
    let reason = own_reason.or(failure.reason);
    Failures::single(SyncFailure { target, reason, ..failure })
}
