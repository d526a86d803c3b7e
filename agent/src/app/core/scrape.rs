//! What the core knows of a scrape. Owns no counter.

use super::Core;
use crate::{
    admin::{
        figures::Present,
        metrics::{Queue, Scrape},
    },
    record::Signal,
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

    /// What the engine concluded since the last time, for metrics.
    pub(super) fn count_attempts(&mut self) {
        let Self { output, figures, .. } = self;
        for (step, reason) in output.attempts.drain(..) {
            figures.failed(&step, reason.as_deref());
        }
    }
}
