//! What the core knows for metrics and for the page. Owns no counter.

use std::collections::BTreeMap;

use super::{Core, Figures, Micros, Output};
use crate::{
    admin::{
        figures::{Present, spike_word},
        metrics::{Queue, Scrape},
        page::Snapshot,
    },
    record::Signal,
    wall_clock,
};

impl Core {
    /// The core's part of a scrape.
    #[must_use]
    pub fn scrape(&self) -> Scrape {
        let stats = self.outbox.stats();
        let queue = |signal, records, bytes, oldest| Queue { signal, records, bytes, oldest };
        let positions = self.outbox.durable_positions().into_iter().map(|it| (it.source, it.at));
        let oldest_span = self.outbox.fetch_of(Signal::Traces, 0, 1, 1).first().map(|it| it.time);
        Scrape {
            figures: self.figures.clone(),
            present: self.diagnosis.incidents().filter_map(|it| Present::of(&it)).collect(),
            spikes: self.spikes(),
            observations: self.counts.observations,
            redacted: self.diagnosis.counters().redacted,
            positions: positions.collect(),
            view: self.shelf.view(),
            queues: vec![
                queue("logs", stats.records, stats.bytes, stats.oldest),
                queue("traces", stats.spans, stats.span_bytes, oldest_span),
            ],
            state_file_bytes: stats.file_bytes,
            is_durable: stats.trouble.is_none(),
            ..Scrape::default()
        }
    }

    /// Under the words of metrics several steps may be one.
    fn spikes(&self) -> BTreeMap<&'static str, Option<f64>> {
        let mut spikes: BTreeMap<&str, Option<f64>> = BTreeMap::new();
        for (name, score) in self.diagnosis.spikes() {
            let known = spikes.entry(spike_word(name)).or_default();
            *known = score.into_iter().chain(*known).reduce(f64::max);
        }
        spikes
    }

    /// The core's part of the page.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            now: wall_clock::now(),
            node: self.node.clone(),
            read_from: self.read_from,
            read_up_to: Some(self.at).filter(|at| *at > 0),
            scrape: self.scrape(),
            state_trouble: self.outbox.stats().trouble,
            incidents: self.diagnosis.incidents().collect(),
            past: self.past.clone(),
            words: self.shelf.words(),
            ..Snapshot::default()
        }
    }
}

/// Failed attempts that the engine concluded since the last time.
pub(super) fn count_attempts(output: &mut Output, figures: &mut Figures, at: Micros) {
    for (step, reason) in output.attempts.drain(..) {
        figures.failed(&step, reason.as_deref());
        figures.day.failed(at);
    }
}
