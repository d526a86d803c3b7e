//! Spans in the core: where somebody takes them, those that were open go on; where nobody does any
//! more, those that wait are let go. Owns no span.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{Core, SPANS_STATE, entries_of, owned_by};
use crate::{export::spans::Spans, outbox, record::Signal};

impl Core {
    /// Makes spans of incidents from here on, and goes on with those that were open; `committed` is
    /// notified when some have ended. To be called before the first commit.
    pub fn make_spans(&mut self, committed: Arc<Notify>) {
        let mut spans = Spans::default();
        let state = self.outbox.state();
        let left_out = spans.restore(entries_of(SPANS_STATE, &state));
        self.counts.unreadable_state += u64::try_from(left_out.len()).unwrap_or(u64::MAX);
        if !left_out.is_empty() {
            let (refused, all) = (left_out.len(), entries_of(SPANS_STATE, &state).count());
            tracing::error!(refused, all, "entries of open spans cannot be read: left out");
            self.lost(outbox::loss(format!(
                "{refused} of {all} entries of open spans cannot be read by this release: the spans \
                 of their incidents begin later or tell fewer attempts"
            )));
            self.refused.extend(left_out.into_iter().map(|key| owned_by(SPANS_STATE, key)));
        }
        self.spans = Some((spans, committed));
        self.old_spans.clear();
    }

    /// Nobody takes spans any more: those that wait would wait for ever, and the file would never be
    /// drained. They leave with the loss record that tells it.
    pub fn let_spans_go(&mut self) {
        let Some((seqs, dropped)) = self.outbox.all_of(Signal::Traces) else { return };
        tracing::warn!(
            spans = dropped.records,
            "spans wait for a destination that is not configured any more: let go"
        );
        let mut loss = dropped.loss(&self.names.traces);
        "spans waited for a destination that is not configured any more".clone_into(&mut loss.why);
        self.lost(loss);
        self.removed.extend(seqs);
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use tokio::time::Instant;

    use super::*;
    use crate::{
        app::core::Pace,
        diagnosis::{Recovery, Repeats, Settings},
        outbox::{Commit, Entry, Limits, Outbox},
        record::Worth,
    };

    fn outbox(folder: &Path) -> Outbox {
        Outbox::open(folder, Limits::default()).unwrap().outbox
    }

    fn core(folder: &Path) -> Core {
        let settings = Settings {
            node: "node-a".to_owned(),
            repeats: Repeats::Summary,
            repeats_window: Duration::from_secs(600),
            recovery: Recovery::default(),
        };
        Core::new(outbox(folder), settings, Arc::default())
    }

    fn told(core: &Core) -> Vec<String> {
        let records = core.outbox().fetch(0, usize::MAX, usize::MAX);
        records.iter().map(|it| String::from_utf8_lossy(&it.bytes).into_owned()).collect()
    }

    #[test]
    fn spans_that_nobody_takes_any_more_are_let_go_and_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let spans = (0..700_i64)
            .map(|time| Entry { time, worth: Worth::Incident, bytes: vec![7; 2048] })
            .collect();
        outbox(folder.path()).commit(Commit { spans, ..Commit::default() });
        for _ in 0..2 {
            let mut core = core(folder.path());
            core.let_spans_go();
            core.commit(Instant::now(), Pace::WhenDue);
            assert_eq!(core.outbox().stats().spans, 0);
            let [loss] = &told(&core)[..] else { panic!("{:?}", told(&core)) };
            assert!(loss.contains("700 records of podwhy are missing"), "{loss}");
            assert!(loss.contains("is not configured any more"), "{loss}");
            assert!(loss.contains("otlp_traces"), "{loss}");
        }
        let mut outbox = outbox(folder.path());
        let all = outbox.fetch(0, usize::MAX, usize::MAX);
        outbox.acknowledge(all.iter().map(|stored| stored.seq));
        outbox.maintain(Instant::now() + Duration::from_secs(60));
        assert!(outbox.stats().file_bytes <= 1024 * 1024, "the file can be drained");
    }

    #[test]
    fn spans_that_another_release_left_open_are_a_loss_once_and_never_misread() {
        let folder = tempfile::tempdir().unwrap();
        // A head without a version, and one of a version to come.
        let rows = [vec![0, 0, 0, 0], vec![u8::MAX, 0, 0, 0, 0, 0]];
        let keys = (1..).map(|number| std::iter::once(SPANS_STATE).chain([number; 16]).collect());
        let state_changes = keys.zip(rows.map(Some)).collect();
        outbox(folder.path()).commit(Commit { state_changes, ..Commit::default() });
        for turn in 0..2 {
            let mut core = core(folder.path());
            core.make_spans(Arc::default());
            assert_eq!(core.counts().unreadable_state, if turn == 0 { 2 } else { 0 });
            core.commit(Instant::now(), Pace::Now);
            let [loss] = &told(&core)[..] else { panic!("{:?}", told(&core)) };
            assert!(loss.contains("2 of 2 entries of open spans"), "{loss}");
        }
    }
}
