//! klog lines inside other lines: k0s's logrus wrapper, MicroShift's prefix, embedded kubelet code
//! (§4.2, §4.4).
//!
//! Owns the wrappers; the line inside is `klog`'s.

use crate::message::{Component, Ends, Format, Frame, Message, Severity, What};
use crate::{Text, klog, kubelet, logrus, stamp};

/// The klog line inside a k0s wrapper, one level of Go quoting deep. `None` for any other
/// component's line (G73).
///
/// k0s wraps each physical line by itself: a block's further lines come out without a header.
///
/// ```
/// let line = r#"time="2031-03-17 08:42:15" level=info msg="\tnot \"now\"" component=kubelet stream=stderr"#;
/// assert_eq!(podwhy_parser::unwrap_k0s(line).unwrap(), "\tnot \"now\"");
/// ```
#[must_use]
pub fn unwrap_k0s(line: &str) -> Option<Text<'_>> {
    outside(line).map(|outside| outside.message)
}

/// ```text
/// wrapper := "time=" Q " level=info msg=" Q(klog line) " component=kubelet stream=" word
/// ```
fn outside(line: &str) -> Option<logrus::Line<'_>> {
    let outside = line.starts_with("time=").then(|| logrus::Line::parse(line))??;
    let component = logrus::pair(outside.tail, "component");
    // A line that was cut inside its message has no component to show.
    let is_kubelet = component.map_or(outside.truncated, |component| component == "kubelet");
    is_kubelet.then_some(outside)
}

/// A klog line in a k0s wrapper; the wrapper's time has no zone, but a year.
pub(super) fn k0s(line: &str) -> Option<Message<'_>> {
    let outside = outside(line)?;
    let mut message = klog::parse(outside.message, Component::Kubelet)?;
    message.frame.prefix_stamp = outside.time.map(|time| time.stamp);
    message.truncated |= outside.truncated;
    Some(message)
}

/// Kubelet code inside another agent (X46): only what a kubelet would call a sync error.
///
/// ```text
/// line := date " " time " " LEVEL " " [dir "/"] file ":" n " " "Error syncing pod …"
/// ```
pub(crate) fn embedded(line: &str) -> Option<Message<'_>> {
    let (rest, civil) = stamp::civil(line).ok()?;
    let (level, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let severity = match level {
        "ERROR" => Severity::Error,
        "WARN" | "WARNING" => Severity::Warning,
        "INFO" => Severity::Info,
        _ => return None,
    };
    let (place, text) = rest.trim_start_matches(' ').split_once(' ')?;
    let (path, at) = place.rsplit_once(':')?;
    let frame = Frame {
        component: Component::Other,
        format: Format::Embedded,
        severity: Some(severity),
        severity_text: Some(level),
        stamp: Some(civil.stamp),
        prefix_stamp: None,
        host: None,
        pid: None,
        file: Some(path.rsplit_once('/').map_or(path, |(_, file)| file)),
        line: Some(at.parse().ok()?),
    };
    let message = kubelet::printf(frame, Text::plain(text.trim_start_matches(' ')));
    (message.what == What::ErrorSyncingPod).then_some(message)
}

/// A Go panic or runtime error of the kubelet: no klog line, and the stacks behind it continue
/// nothing (G10).
///
/// ```text
/// line := ("panic: " | "fatal error: ") text
/// ```
pub(super) fn panic(line: &str) -> Option<Message<'_>> {
    let _ = line.strip_prefix("panic: ").or_else(|| line.strip_prefix("fatal error: "))?;
    let frame = Frame {
        component: Component::Kubelet,
        format: Format::Bare,
        severity: Some(Severity::Fatal),
        severity_text: None,
        stamp: None,
        prefix_stamp: None,
        host: None,
        pid: None,
        file: None,
        line: None,
    };
    let (text, ends) = (Text::plain(line), Ends::Here);
    let tail = text.with_raw("");
    Some(Message { frame, what: What::KubeletPanic, ends, text, tail, truncated: false })
}
