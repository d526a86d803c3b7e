//! What could not be seen, and which share of an incident's time it makes (M10): lines that journald
//! suppressed, gaps in the journal, a kubelet that says nothing. Owns no judgement of causes.

use super::incident::Entry;
use crate::{
    limits,
    observation::time,
    source::{Loss, LossKind, Micros},
};

/// Times without sight, oldest first. Bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Blind {
    gaps: Vec<Gap>,
}

/// One time without sight.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Gap {
    /// `None`: nobody knows since when, or until when.
    from: Option<Micros>,
    to: Option<Micros>,
    text: String,
    /// It lasts.
    is_open: bool,
}

impl Gap {
    fn overlaps(&self, from: Micros, to: Micros) -> bool {
        self.from.is_none_or(|begin| begin <= to)
            && (self.is_open || self.to.is_none_or(|end| end >= from))
    }
}

impl Blind {
    /// What a source missed. Returns the sentence that tells it; `None` where nothing of the node
    /// was missed.
    pub(super) fn lost(&mut self, loss: &Loss) -> Option<String> {
        // What a backend or the outbox did not take was seen all the same.
        if matches!(loss.kind, LossKind::Refused | LossKind::OutboxFull) {
            return None;
        }
        // What an agent of the network or of storage said is evidence beside the kubelet's word.
        if loss.component == "pod_log" {
            return None;
        }
        let when = match (loss.from, loss.to) {
            (Some(from), Some(to)) => format!(" between {} and {}", time::utc(from), time::utc(to)),
            (None, Some(to)) => format!(" before {}", time::utc(to)),
            (Some(from), None) => format!(" after {}", time::utc(from)),
            (None, None) => String::new(),
        };
        let lines = loss.lines.map_or("an unknown number of".to_owned(), |lines| lines.to_string());
        let text = format!("{lines} lines of {} are missing{when}", loss.component);
        self.add(Gap { from: loss.from, to: loss.to, text: text.clone(), is_open: false });
        Some(text)
    }

    /// The kubelet says nothing since then, although it should.
    pub(super) fn kubelet_silent(&mut self, since: Micros) -> String {
        let text = format!("the kubelet wrote nothing since {}", time::utc(since));
        self.add(Gap { from: Some(since), to: None, text: text.clone(), is_open: true });
        text
    }

    /// The kubelet speaks again.
    pub(super) fn kubelet_spoke(&mut self, at: Micros) {
        for gap in self.gaps.iter_mut().filter(|gap| gap.is_open) {
            gap.is_open = false;
            gap.to = Some(at);
        }
    }

    fn add(&mut self, gap: Gap) {
        self.gaps.push(gap);
        if self.gaps.len() > limits::BLIND_GAPS {
            self.gaps.remove(0);
        }
    }

    /// What may be missing of something that began then.
    pub(super) fn texts(&self, from: Micros) -> Vec<String> {
        let near = from.saturating_sub(BEFORE);
        let gaps = self.gaps.iter().filter(|gap| gap.overlaps(near, from));
        gaps.map(|gap| gap.text.clone()).take(limits::INCIDENT_LIST).collect()
    }

    /// Share of the time between the two that was seen, 0–1; `None` where it cannot be told.
    pub(super) fn share(&self, from: Micros, to: Micros) -> Option<f64> {
        let to = to.max(from);
        let mut dark: Vec<(Micros, Micros)> = Vec::new();
        for gap in self.gaps.iter().filter(|gap| gap.overlaps(from, to)) {
            let end = if gap.is_open { Some(to) } else { gap.to };
            let (Some(begin), Some(end)) = (gap.from, end) else { return None };
            dark.push((begin.max(from), end.min(to)));
        }
        dark.sort_unstable();
        let (mut missed, mut reached) = (0, from);
        for (begin, end) in dark {
            missed += end.saturating_sub(begin.max(reached)).max(0);
            reached = reached.max(end);
        }
        let length = to.saturating_sub(from);
        if length == 0 {
            return Some(if missed == 0 && self.texts_at(from) { 0.0 } else { 1.0 });
        }
        #[expect(clippy::cast_precision_loss, reason = "a share of some days in microseconds")]
        let share = 1.0 - missed as f64 / length as f64;
        Some((share * 1000.0).round() / 1000.0)
    }

    /// That very moment lies in a gap.
    fn texts_at(&self, at: Micros) -> bool {
        self.gaps.iter().any(|gap| gap.overlaps(at, at))
    }
}

/// What was lost this long before the first failure can hold what led to it.
const BEFORE: Micros = 60_000_000;

impl Entry {
    /// Share of its time that was seen.
    pub(super) fn covered(&self, blind: &Blind, now: Micros) -> Option<f64> {
        let until = self.resolved_at.or(self.ended).unwrap_or(now).max(self.last_seen);
        blind.share(self.first_seen, until)
    }
}

#[cfg(test)]
mod tests;
