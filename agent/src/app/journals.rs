//! The journals beside the host's: each namespace that is found, and each folder that is configured,
//! has a source of its own, also one that is made while the agent runs. Owns their sources and the
//! look for more.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
};

use anyhow::Context;
use tokio::sync::mpsc::Sender;

use super::chorus::{Chorus, Voice};
use crate::{
    config, limits,
    source::{
        Feed, Position,
        journal::{
            self, Counters, State,
            others::{self, Other},
        },
    },
};

/// Those that are followed. Dropped, each ends.
#[derive(Debug)]
pub(super) struct Journals {
    followed: Arc<Mutex<Vec<Followed>>>,
    /// Dropping it ends the look for more.
    stop: Option<mpsc::Sender<()>>,
    look: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Followed {
    other: Other,
    handle: journal::Handle,
}

/// What each new one needs.
struct Start {
    section: config::Journal,
    positions: Vec<Position>,
    feeds: Sender<Feed>,
    chorus: Chorus,
}

impl Journals {
    /// Starts those that are there behind `positions`, and looks for more from time to time.
    pub(super) fn start(
        section: &config::Journal,
        positions: Vec<Position>,
        feeds: &Sender<Feed>,
        chorus: &Chorus,
    ) -> anyhow::Result<Self> {
        let (feeds, chorus) = (feeds.clone(), chorus.clone());
        let start = Start { section: section.clone(), positions, feeds, chorus };
        let followed: Arc<Mutex<Vec<Followed>>> = Arc::default();
        if !section.enabled {
            return Ok(Self { followed, stop: None, look: None });
        }
        start.follow(&followed, true);
        let (stop, stopped) = mpsc::channel();
        let known = Arc::clone(&followed);
        let thread = std::thread::Builder::new().name("journals".to_owned());
        let look = thread.spawn(move || {
            let every = limits::OTHER_JOURNALS_LOOK;
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                start.follow(&known, false);
            }
        });
        let look = look.context("the thread that looks for more journals cannot be made")?;
        Ok(Self { followed, stop: Some(stop), look: Some(look) })
    }

    /// Whether there are any.
    pub(super) fn has_some(&self) -> bool {
        !self.followed.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Each one's figures and whether it is read, by source, for who asks.
    pub(super) fn figures(&self) -> impl Fn() -> Vec<(String, Arc<Counters>, State)> + use<> {
        let followed = Arc::clone(&self.followed);
        move || {
            let followed = followed.lock().unwrap_or_else(PoisonError::into_inner);
            let figures = |it: &Followed| {
                (others::source(&it.other.folder), it.handle.counters(), it.handle.state())
            };
            followed.iter().map(figures).collect()
        }
    }

    /// What cannot be read, for who asks.
    pub(super) fn sight(&self) -> impl Fn() -> Vec<String> + Send + Sync + 'static {
        let followed = Arc::clone(&self.followed);
        move || {
            let followed = followed.lock().unwrap_or_else(PoisonError::into_inner);
            let trouble = |it: &Followed| match it.handle.state() {
                State::Unavailable(why) | State::Restarting(why) => {
                    Some(format!("the journal of {} cannot be read: {why}", it.other))
                }
                _ => None,
            };
            followed.iter().filter_map(trouble).collect()
        }
    }
}

impl Drop for Journals {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(look) = self.look.take() {
            // A panic of the thread was reported when it happened.
            let _ = look.join();
        }
        // All are told to end before any is waited for.
        let all =
            std::mem::take(&mut *self.followed.lock().unwrap_or_else(PoisonError::into_inner));
        journal::Handle::stop_all(all.into_iter().map(|it| it.handle));
    }
}

impl Start {
    /// Starts what is not followed yet, as long as there is room.
    fn follow(&self, followed: &Mutex<Vec<Followed>>, is_first: bool) {
        let found = others::find(&self.section).followed;
        let mut followed = followed.lock().unwrap_or_else(PoisonError::into_inner);
        for other in found {
            if followed.iter().any(|it| it.other == other) {
                continue;
            }
            if followed.len() >= limits::OTHER_JOURNALS {
                // Whoever is gone makes room.
                let Some(gone) = followed.iter().position(|it| !it.other.folder.exists()) else {
                    return;
                };
                followed.remove(gone);
            }
            let voice = match is_first {
                true => self.chorus.voice(&self.feeds),
                false => self.chorus.late_voice(&self.feeds),
            };
            match self.one(&other, voice) {
                Ok(handle) => {
                    tracing::info!(journal = %other, "a journal beside the host's is followed");
                    followed.push(Followed { other, handle });
                }
                Err(error) => {
                    tracing::error!(%error, journal = %other, "it cannot be followed");
                }
            }
        }
    }

    fn one(&self, other: &Other, voice: Voice) -> std::io::Result<journal::Handle> {
        let source = others::source(&other.folder);
        let from = self.positions.iter().find(|position| position.source == source).cloned();
        let span = Some(limits::CATCH_UP_SPAN);
        let (number, chorus) = (voice.number(), self.chorus.clone());
        let config = journal::Config { span, ..other.config(&self.section) };
        let handle = journal::spawn(config, from, voice)?;
        let state = handle.sight();
        chorus.excuse(number, move || matches!(state(), State::Unavailable(_) | State::Stopped));
        Ok(handle)
    }
}
