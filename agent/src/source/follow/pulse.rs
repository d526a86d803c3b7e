//! Whether a thread that asks a file system comes back: one that is dead never answers, and nothing
//! else would tell. Owns the question that is open, and since when.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::limits;

/// What a thread waits for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<Mutex<Option<Question>>>);

#[derive(Clone, Debug)]
struct Question {
    /// What is asked, for people.
    of: Arc<str>,
    since: Instant,
}

impl Pulse {
    /// From here on this is asked.
    pub(crate) fn asks(&self, of: &Arc<str>) {
        *self.open() = Some(Question { of: Arc::clone(of), since: Instant::now() });
    }

    /// Waits for something else: for time, for the core.
    pub(super) fn rests(&self) -> Option<Arc<str>> {
        self.open().take().map(|question| question.of)
    }

    /// Goes on with what it asked.
    pub(super) fn goes_on(&self, of: Option<Arc<str>>) {
        *self.open() = of.map(|of| Question { of, since: Instant::now() });
    }

    /// What does not answer, in words, once that has gone on for too long.
    pub(crate) fn hangs(&self) -> Option<String> {
        let question = self.open().clone()?;
        let silent = question.since.elapsed();
        (silent >= limits::FOLLOW_HANGS).then(|| {
            let Question { of, .. } = question;
            format!("{of} has not answered for {} s: a dead filesystem?", rounded(silent))
        })
    }

    fn open(&self) -> MutexGuard<'_, Option<Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So that who looks again and again is told the same for a while.
const fn rounded(time: Duration) -> u64 {
    let seconds = time.as_secs();
    seconds - seconds % 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_named_and_waiting_for_others_is_no_hang() {
        let pulse = Pulse::default();
        assert_eq!(pulse.hangs(), None);
        pulse.asks(&"/var/log/kubelet.log".into());
        assert_eq!(pulse.hangs(), None);
        tokio::time::advance(limits::FOLLOW_HANGS).await;
        let said = "/var/log/kubelet.log has not answered for 5 s: a dead filesystem?";
        assert_eq!(pulse.hangs().as_deref(), Some(said));
        let held = pulse.rests();
        tokio::time::advance(limits::FOLLOW_HANGS).await;
        assert_eq!(pulse.hangs(), None);
        pulse.goes_on(held);
        assert_eq!(pulse.hangs(), None, "asked anew");
        tokio::time::advance(limits::FOLLOW_HANGS).await;
        assert!(pulse.hangs().is_some());
    }
}
