//! When everything that existed at a time has been handed on, by all sources. Owns nothing of what
//! they hand on.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::mpsc, time::Instant};

use crate::{
    limits,
    source::{Feed, Micros, Outlet, Refusal},
};

/// Sources that must all have read what there is before time itself may be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Chorus(Arc<Mutex<Vec<Part>>>);

#[derive(Debug, Default)]
struct Part {
    /// Everything up to here was handed on.
    at: Option<Micros>,
    /// When it last handed on anything.
    heard: Option<Instant>,
    /// It cannot read at all: nobody waits for it.
    excuse: Option<Excuse>,
}

struct Excuse(Box<dyn Fn() -> bool + Send>);

impl std::fmt::Debug for Excuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Excuse")
    }
}

/// The outlet of one of them.
#[derive(Debug)]
pub(super) struct Voice {
    number: usize,
    chorus: Chorus,
    feeds: mpsc::Sender<Feed>,
}

impl Chorus {
    /// One more source.
    pub(super) fn voice(&self, feeds: &mpsc::Sender<Feed>) -> Voice {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(Part { heard: Some(Instant::now()), ..Part::default() });
        Voice { number: parts.len() - 1, chorus: self.clone(), feeds: feeds.clone() }
    }

    /// Nobody waits for this source while `is_excused`.
    pub(super) fn excuse(&self, number: usize, is_excused: impl Fn() -> bool + Send + 'static) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get_mut(number) {
            part.excuse = Some(Excuse(Box::new(is_excused)));
        }
    }

    /// The source hands on something, or tries to.
    fn heard(&self, number: usize) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get_mut(number) {
            part.heard = Some(Instant::now());
        }
    }

    /// The time up to which all have handed on what there is.
    fn caught_up(&self, number: usize, at: Micros) -> Option<Micros> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.get_mut(number)?.at = Some(at);
        let now = Instant::now();
        let waited_for = |part: &&Part| {
            // One that hangs must not stop the others' time.
            let is_silent =
                part.heard.is_none_or(|at| now.duration_since(at) > limits::SOURCE_SILENCE);
            !is_silent && !part.excuse.as_ref().is_some_and(|excuse| (excuse.0)())
        };
        parts.iter().filter(waited_for).map(|part| part.at).min().unwrap_or(Some(at))
    }
}

impl Voice {
    pub(super) const fn number(&self) -> usize {
        self.number
    }
}

impl Outlet for Voice {
    fn offer(&self, feed: Feed) -> Result<(), Refusal> {
        self.chorus.heard(self.number);
        let Feed::CaughtUp(at) = feed else { return self.feeds.offer(feed) };
        match self.chorus.caught_up(self.number, at) {
            Some(at) => self.feeds.offer(Feed::CaughtUp(at)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_does_not_stop_the_time_of_the_others() {
        let (feeds, mut told) = mpsc::channel(8);
        let chorus = Chorus::default();
        let (_journal, files) = (chorus.voice(&feeds), chorus.voice(&feeds));
        files.offer(Feed::CaughtUp(100)).unwrap();
        assert!(told.try_recv().is_err(), "it may be behind");
        tokio::time::advance(limits::SOURCE_SILENCE * 2).await;
        files.offer(Feed::CaughtUp(200)).unwrap();
        assert!(matches!(told.try_recv(), Ok(Feed::CaughtUp(200))));
    }

    #[test]
    fn time_is_told_when_all_have_caught_up_or_cannot() {
        let (feeds, mut told) = mpsc::channel(8);
        let chorus = Chorus::default();
        let (journal, files) = (chorus.voice(&feeds), chorus.voice(&feeds));
        let is_away = Arc::new(AtomicBool::new(false));
        let excuse = Arc::clone(&is_away);
        chorus.excuse(journal.number(), move || excuse.load(Ordering::Relaxed));
        let mut told = || match told.try_recv() {
            Ok(Feed::CaughtUp(at)) => Some(at),
            _ => None,
        };
        files.offer(Feed::CaughtUp(100)).unwrap();
        assert_eq!(told(), None, "the journal is behind");
        journal.offer(Feed::CaughtUp(90)).unwrap();
        assert_eq!(told(), Some(90));
        files.offer(Feed::CaughtUp(200)).unwrap();
        assert_eq!(told(), Some(90));
        is_away.store(true, Ordering::Relaxed);
        files.offer(Feed::CaughtUp(300)).unwrap();
        assert_eq!(told(), Some(300));
    }
}
