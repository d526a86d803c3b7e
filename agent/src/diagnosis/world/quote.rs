//! Lines, facts and Events as evidence: quoted or in words, bounded, on one line.

use crate::{
    fact::{self, State},
    incident::Evidence,
    limits,
    observation::{Observation, WriterComponent, text::plain},
    source::Micros,
};

/// The line as evidence.
pub(in crate::diagnosis) fn line(seen: &Observation) -> Evidence {
    let failure = seen.failures.first().map(|failure| &failure.message);
    let text = seen.text.as_ref().or(seen.error.as_ref()).or(failure);
    let mut text = text.map(|text| text.trim().to_owned()).unwrap_or_default();
    for more in [&seen.reason, &seen.detail, &seen.error].into_iter().flatten() {
        if !text.contains(more.trim()) {
            text.push_str(": ");
            text.push_str(more.trim());
        }
    }
    if let Some(code) = seen.details.exit_code {
        text.push_str(&format!(" (exit code {code})"));
    }
    Evidence {
        source: source_of(seen).to_owned(),
        text: one_line(&text),
        line: (seen.writer.number > 0).then_some(seen.writer.number),
        file: None,
        at: Some(seen.at),
    }
}

/// A fact in words as evidence.
pub(in crate::diagnosis) fn told(source: &str, text: &str, at: Micros) -> Evidence {
    Evidence {
        source: source.to_owned(),
        text: one_line(text),
        line: None,
        file: None,
        at: Some(at),
    }
}

/// A Kubernetes Event as evidence.
pub(in crate::diagnosis) fn event(event: &fact::Event, at: Micros) -> Evidence {
    Evidence {
        line: (event.line > 0).then_some(event.line),
        ..told("event", &format!("{}: {}", event.reason, event.message), at)
    }
}

fn source_of(seen: &Observation) -> &str {
    match seen.writer.component {
        WriterComponent::Other => "log",
        component => component.label(),
    }
}

/// Bounded, without control characters, on one line.
pub(in crate::diagnosis) fn one_line(text: &str) -> String {
    let text = plain(text).replace(['\n', '\t'], " ");
    limits::cut(text.trim(), limits::WORLD_TEXT_BYTES).0.to_owned()
}

/// `container app ended with exit code 137, OOMKilled`
pub(super) fn ended(name: &str, state: Option<&State>) -> String {
    match state {
        Some(State::Terminated { exit_code, reason, .. }) => {
            let reason = reason.as_deref().map(|it| format!(", {it}")).unwrap_or_default();
            format!("container {name} ended with exit code {exit_code}{reason}")
        }
        _ => format!("container {name} ended"),
    }
}
