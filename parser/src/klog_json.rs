//! klog's JSON form, `--logging-format=json` (§3.10).
//!
//! Owns the keys of the frame; the pairs are `klog::pairs`', the meaning is the kubelet's.

use crate::json::{Members, Value};
use crate::message::{Component, Ends, Format, Frame, Message, Severity, What};
use crate::{Text, kubelet, stamp};

/// Keys that are the frame's, not pairs of the call.
pub(crate) const FRAME_KEYS: [&str; 4] = ["ts", "caller", "msg", "v"];

/// ```text
/// line := "{" "ts": millis, "caller": file ":" line, "msg": text [, "v": n] [, pair]* "}"
/// ```
///
/// There is no level: a line with `v` is an info line, one without is an error (G28).
pub(crate) fn parse(line: &str) -> Option<Message<'_>> {
    let (mut stamp, mut caller, mut text, mut is_info) = (None, None, None, false);
    let mut members = Members::of(line)?;
    for (key, value) in members.by_ref() {
        match (key, value) {
            ("ts", Value::Raw(millis)) => stamp = stamp::epoch_millis(millis),
            ("caller", Value::String(at)) => caller = Some(at.raw()),
            ("msg", Value::String(message)) => text = Some(message),
            ("v", Value::Raw(_)) => is_info = true,
            _ => {}
        }
    }
    let (stamp, text) = (stamp?, text?);
    let (file, at) = match caller.and_then(|caller| caller.rsplit_once(':')) {
        Some((path, at)) => (Some(base_name(path)), at.parse().ok()),
        None => (None, None),
    };
    let frame = Frame {
        component: Component::Kubelet,
        format: Format::KlogJson,
        severity: Some(if is_info { Severity::Info } else { Severity::Error }),
        severity_text: None,
        stamp: Some(stamp),
        prefix_stamp: None,
        host: None,
        pid: None,
        file,
        line: at,
    };
    let truncated = !line.trim_end().ends_with('}') || !members.rest().trim().is_empty();
    let tail = Text::plain(line);
    let message = Message { frame, what: What::Unknown, ends: Ends::Here, text, tail, truncated };
    Some(kubelet::json(message))
}

fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, file)| file)
}
