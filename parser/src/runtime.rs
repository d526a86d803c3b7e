//! The door to everything that is not the kubelet: runtimes, kernel, journald, systemd, pod logs.
//!
//! Owns who is tried for which origin, and which of their files answers for a production.

use crate::logrus::Line;
use crate::{Component, Facts, Failures, Format, Message, Origin, What};
use crate::{containerd, cri_log, crio, docker, journald, kernel};

mod kind;

/// containerd always writes nanoseconds in full; shims' plugins and others do not.
const CONTAINERD_FRACTION_DIGITS: usize = 9;

/// Tries the forms that `origin` can write; kubelet forms are not among them.
pub(crate) fn parse_from(origin: Origin, line: &str) -> Option<Message<'_>> {
    match origin {
        Origin::Any => any(line),
        Origin::Containerd | Origin::Crio => logrus(origin, line),
        Origin::Docker => json_log(line).or_else(|| logrus(origin, line)),
        Origin::Kernel => kernel::parse(line),
        Origin::Journald => journald::parse(line),
        Origin::Systemd => journald::parse_systemd(line),
        // What else stands in a kubelet's unit (k0s's own lines, plugins) is not ours (G73).
        Origin::Kubelet => None,
    }
}

fn any(line: &str) -> Option<Message<'_>> {
    cri_log::Line::parse(line)
        .map(cri_log::Line::message)
        .or_else(|| json_log(line))
        .or_else(|| logrus(Origin::Any, line))
        .or_else(|| kernel::parse(line))
        .or_else(|| journald::parse(line))
        .or_else(|| journald::parse_systemd_unit(line))
}

fn json_log(line: &str) -> Option<Message<'_>> {
    line.starts_with('{').then(|| docker::Line::parse(line))?.map(docker::Line::message)
}

/// The time's spelling tells the writers apart (G61): other programs write logrus into the same
/// unit, and what they write is a frame and no more (G62).
fn logrus(origin: Origin, line: &str) -> Option<Message<'_>> {
    let line = Line::parse(line)?;
    let by_form = match line.time {
        Some(time) if time.has_zone && time.separator == ' ' => Component::Crio,
        Some(time) if time.has_zone && time.fraction_digits == CONTAINERD_FRACTION_DIGITS => {
            Component::Containerd
        }
        _ => Component::Other,
    };
    let component = match (origin, by_form) {
        (Origin::Docker, _) => Component::Docker,
        (Origin::Containerd, Component::Crio) | (Origin::Crio, Component::Containerd) => {
            Component::Other
        }
        (_, by_form) => by_form,
    };
    let what = match component {
        Component::Containerd => containerd::what(line.message),
        Component::Crio => crio::what(line.message),
        _ => What::Unknown,
    };
    Some(line.message(component, what))
}

/// The line came through this door: its pairs are not klog's, even if nothing else is known of it.
pub(crate) const fn answers_for(message: &Message<'_>) -> bool {
    message.what.is_of_runtime() || matches!(message.frame.format, Format::Logrus | Format::Cri)
}

/// The facts of a line of ours.
pub(crate) fn facts<'a>(message: &Message<'a>) -> Facts<'a> {
    match message.frame.component {
        Component::Containerd => containerd::facts(message),
        Component::Crio => crio::facts(message),
        Component::Kernel => kernel::facts(message),
        Component::Journald | Component::Systemd => journald::facts(message),
        _ => Facts::default(),
    }
}

/// The failure that a line of ours repeats.
pub(crate) fn failures<'a>(message: &Message<'a>) -> Failures<'a> {
    match message.frame.component {
        Component::Containerd => containerd::failures(message),
        Component::Crio => crio::failures(message),
        _ => Failures::none(),
    }
}
