//! The journals beside the host's: each namespace that is found, and each folder that is configured,
//! has a source of its own, also one that is made while the agent runs. Owns their sources and the
//! look for more.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
};

use anyhow::Context;
use tokio::sync::mpsc::Sender;

use super::chorus::{Chorus, Voice};
use crate::{
    config, limits,
    source::{
        Feed, Nothing, Position,
        follow::thread::Thread,
        journal::{
            self, Counters, State,
            others::{self, Other},
        },
    },
    wall_clock,
};

/// Those that are followed. Dropped, each ends.
#[derive(Debug)]
pub(super) struct Journals {
    followed: Known,
    /// Who looks for more: a folder that never answers holds up nobody else.
    look: Option<Thread>,
}

type Known = Arc<Mutex<Vec<Followed>>>;

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
        let followed = Known::default();
        if !section.enabled {
            return Ok(Self { followed, look: None });
        }
        let start = Arc::new(start);
        let (begin, known) = (Arc::clone(&start), Arc::clone(&followed));
        let (stop, stopped) = mpsc::channel::<()>();
        let (found, first) = mpsc::sync_channel(1);
        let look = Thread::spawn("journals", stop, move || {
            // Those that are found too late for the beginning come late.
            if let Err(mpsc::SendError(late)) = found.send(others::find(&start.section).followed) {
                start.follow(&known, late, false);
            }
            start.forget();
            let every = limits::OTHER_JOURNALS_LOOK;
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                start.follow(&known, others::find(&start.section).followed, false);
            }
        });
        let look = look.context("the thread that looks for more journals cannot be made")?;
        if let Ok(found) = first.recv_timeout(limits::FOLLOW_BEGIN) {
            begin.follow(&followed, found, true);
        }
        Ok(Self { followed, look: Some(look) })
    }

    /// Whether there are any.
    pub(super) fn has_some(&self) -> bool {
        !held(&self.followed).is_empty()
    }

    /// Each one's figures and whether it is read, by source, for who asks.
    pub(super) fn figures(&self) -> impl Fn() -> Vec<(String, Arc<Counters>, State)> + use<> {
        let followed = Arc::clone(&self.followed);
        move || {
            let followed = held(&followed);
            let figures = |it: &Followed| {
                (others::source(&it.other.folder), it.handle.counters(), it.handle.state())
            };
            followed.iter().map(figures).collect()
        }
    }

    /// What cannot be read, by its folder, for who asks.
    pub(super) fn troubles(&self) -> impl Fn() -> Vec<(String, String)> + Send + Sync + use<> {
        let followed = Arc::clone(&self.followed);
        move || {
            let followed = held(&followed);
            let trouble = |it: &Followed| match it.handle.state() {
                State::Unavailable(why) | State::Restarting(why) => Some((
                    it.other.to_string(),
                    format!("the journal of {} cannot be read: {why}", it.other),
                )),
                _ => None,
            };
            followed.iter().filter_map(trouble).collect()
        }
    }
}

fn held(followed: &Mutex<Vec<Followed>>) -> MutexGuard<'_, Vec<Followed>> {
    followed.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Journals {
    fn drop(&mut self) {
        self.look = None;
        // All are told to end before any is waited for.
        let all = std::mem::take(&mut *held(&self.followed));
        journal::Handle::stop_all(all.into_iter().map(|it| it.handle));
    }
}

impl Start {
    /// Starts what is not followed yet, as long as there is room. Folders are asked, and readers ended,
    /// while nobody waits for the list.
    fn follow(&self, followed: &Mutex<Vec<Followed>>, found: Vec<Other>, is_first: bool) {
        for other in found {
            let known: Vec<Other> = held(followed).iter().map(|it| it.other.clone()).collect();
            if known.contains(&other) {
                continue;
            }
            if known.len() >= limits::OTHER_JOURNALS {
                // Whoever is gone makes room.
                let Some(gone) = known.iter().find(|it| !it.folder.exists()) else { return };
                let ended = {
                    let mut followed = held(followed);
                    let place = followed.iter().position(|it| it.other == *gone);
                    place.map(|place| followed.remove(place))
                };
                drop(ended);
            }
            let voice = match is_first {
                true => self.chorus.voice(&self.feeds),
                false => self.chorus.late_voice(&self.feeds),
            };
            match self.one(&other, voice, is_first) {
                Ok(handle) => {
                    tracing::info!(journal = %other, "a journal beside the host's is followed");
                    held(followed).push(Followed { other, handle });
                }
                Err(error) => {
                    tracing::error!(%error, journal = %other, "it cannot be followed");
                }
            }
        }
    }

    /// Has the positions of journals removed whose folders are gone for long.
    fn forget(&self) {
        let age = i64::try_from(limits::POSITION_KEPT.as_micros()).unwrap_or(i64::MAX);
        let oldest = wall_clock::now().saturating_sub(age);
        for position in &self.positions {
            let folder = others::folder_of(&position.source).map(Path::new);
            if position.at < oldest && folder.is_some_and(|folder| !folder.exists()) {
                let gone = Position { value: Vec::new(), ..position.clone() };
                let feed = Feed::Batch { lines: Box::new(Nothing), position: Some(gone) };
                // Nobody listens any more: the next start has it done.
                let _ = self.feeds.blocking_send(feed);
            }
        }
    }

    fn one(
        &self,
        other: &Other,
        voice: Voice,
        takes_turns: bool,
    ) -> std::io::Result<journal::Handle> {
        let source = others::source(&other.folder);
        let from = self.positions.iter().find(|position| position.source == source).cloned();
        let span = takes_turns.then_some(limits::CATCH_UP_SPAN);
        let (number, chorus) = (voice.number(), self.chorus.clone());
        let config = journal::Config { span, ..other.config(&self.section) };
        let handle = journal::spawn(config, from, voice)?;
        let state = handle.sight();
        chorus.excuse(number, move || matches!(state(), State::Unavailable(_) | State::Stopped));
        Ok(handle)
    }
}
