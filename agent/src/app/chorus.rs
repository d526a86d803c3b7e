//! The sources of lines beside each other: while they catch up they take turns, so that what was
//! written first is told first, and time itself is told when all have handed on what existed then.
//! Owns nothing of what they hand on.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use std::time::Duration;

use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::Instant,
};

use crate::{
    limits,
    source::{Feed, Line, Lines, Micros, Outlet, Position, Refusal},
};

/// How long a source waits for its turn before it looks whether the agent ends.
const TURN_WAIT: Duration = Duration::from_millis(50);

/// How often a source that catches up looks for room, where the core is behind …
const ROOM_LOOK: Duration = Duration::from_micros(200);
/// … and how often at most, before it looks whether the agent ends.
const ROOM_LOOKS: u32 = 50;

/// Sources that must all have read what there is before time itself may be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Chorus(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    parts: Mutex<Vec<Part>>,
    /// All that begin together are there.
    is_complete: AtomicBool,
    /// One of them has moved on.
    moved: Condvar,
}

#[derive(Debug)]
struct Part {
    /// Everything up to here was handed on.
    at: Option<Micros>,
    /// Nothing that it hands on while it catches up is older than this.
    next: Option<Micros>,
    /// The others' lines wait for its own while it catches up.
    takes_turns: bool,
    /// When it last handed on anything.
    heard: Instant,
    /// It cannot read at all: nobody waits for it.
    excuse: Option<Excuse>,
    /// Its place is free for another one.
    is_gone: bool,
}

struct Excuse(Box<dyn Fn() -> bool + Send>);

impl std::fmt::Debug for Excuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Excuse")
    }
}

impl Part {
    fn is_waited_for(&self, now: Instant, silence: Duration) -> bool {
        // One that hangs must not stop the others.
        let is_silent = now.duration_since(self.heard) > silence;
        !self.is_gone && !is_silent && !self.excuse.as_ref().is_some_and(|excuse| (excuse.0)())
    }

    /// What it has yet to hand on may be older than `at`.
    fn may_be_before(&self, at: Micros) -> bool {
        self.takes_turns && self.at.is_none() && self.next.is_none_or(|next| next < at)
    }
}

/// The outlet of one of them.
#[derive(Debug)]
pub(super) struct Voice {
    number: usize,
    chorus: Chorus,
    feeds: mpsc::Sender<Feed>,
}

/// Lines of a source whose turn it is: nothing older comes from any.
#[derive(Debug)]
struct InTurn(Box<dyn Lines>);

impl Lines for InTurn {
    fn each(&mut self, sink: &mut dyn FnMut(Line<'_>)) {
        self.0.each(sink);
    }

    fn first_at(&self) -> Option<Micros> {
        self.0.first_at()
    }

    fn nothing_before(&self) -> Option<Micros> {
        self.0.first_at()
    }
}

impl Chorus {
    /// One more source, of those that begin together.
    pub(super) fn voice(&self, feeds: &mpsc::Sender<Feed>) -> Voice {
        self.join(feeds, true)
    }

    /// One that was found while the others were read: nobody goes back for it.
    pub(super) fn late_voice(&self, feeds: &mpsc::Sender<Feed>) -> Voice {
        self.join(feeds, false)
    }

    /// All that begin together are there: before this, nobody's turn comes.
    pub(super) fn begin(&self) {
        let parts = self.parts();
        self.0.is_complete.store(true, SeqCst);
        drop(parts);
        self.0.moved.notify_all();
    }

    fn join(&self, feeds: &mpsc::Sender<Feed>, takes_turns: bool) -> Voice {
        let mut parts = self.parts();
        let heard = Instant::now();
        let part = Part { at: None, next: None, takes_turns, heard, excuse: None, is_gone: false };
        let number = parts.iter().position(|part| part.is_gone).unwrap_or(parts.len());
        match parts.get_mut(number) {
            Some(free) => *free = part,
            None => parts.push(part),
        }
        Voice { number, chorus: self.clone(), feeds: feeds.clone() }
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody waits for this source while `is_excused`.
    pub(super) fn excuse(&self, number: usize, is_excused: impl Fn() -> bool + Send + 'static) {
        if let Some(part) = self.parts().get_mut(number) {
            part.excuse = Some(Excuse(Box::new(is_excused)));
        }
    }

    /// Whether this one and others catch up together, or may yet.
    fn takes_turns(&self, number: usize) -> bool {
        let (parts, now) = (self.parts(), Instant::now());
        let is_with =
            |part: &Part| part.takes_turns && part.is_waited_for(now, limits::CATCH_UP_TURN);
        let is_behind = parts.iter().any(|part| part.at.is_none() && is_with(part));
        is_behind && parts.iter().enumerate().any(|(other, part)| other != number && is_with(part))
    }

    /// The source hands on something, or tries to: nothing older than `next` comes any more.
    fn heard(&self, number: usize, next: Option<Micros>) {
        let mut parts = self.parts();
        if let Some(part) = parts.get_mut(number) {
            part.heard = Instant::now();
            part.next = part.next.max(next);
        }
        drop(parts);
        self.0.moved.notify_all();
    }

    /// Waits a moment until no other source has anything older. Whether that is so.
    fn is_turn(&self, number: usize, at: Micros) -> bool {
        let waits = |parts: &mut Vec<Part>| {
            let now = Instant::now();
            let mut others = parts.iter().enumerate().filter(|(other, _)| *other != number);
            !self.0.is_complete.load(SeqCst)
                || others.any(|(_, part)| {
                    part.may_be_before(at) && part.is_waited_for(now, limits::CATCH_UP_TURN)
                })
        };
        let parts = self.parts();
        let waited = self.0.moved.wait_timeout_while(parts, TURN_WAIT, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The time up to which all have handed on what there is.
    fn caught_up(&self, number: usize, at: Micros) -> Option<Micros> {
        let mut parts = self.parts();
        parts.get_mut(number)?.at = Some(at);
        if !self.0.is_complete.load(SeqCst) {
            return None;
        }
        let now = Instant::now();
        let waited_for = parts.iter().filter(|it| it.is_waited_for(now, limits::SOURCE_SILENCE));
        waited_for.map(|part| part.at).min().unwrap_or(Some(at))
    }
}

impl Voice {
    pub(super) const fn number(&self) -> usize {
        self.number
    }

    /// Batches are small while sources take turns: a pause for each full channel would cost more than
    /// they do.
    fn hand_on(
        &self,
        lines: Box<dyn Lines>,
        position: Option<Position>,
        is_turn: bool,
    ) -> Result<(), Refusal> {
        let mut looks = if is_turn { ROOM_LOOKS } else { 0 };
        let room = loop {
            match self.feeds.try_reserve() {
                Ok(room) => break room,
                Err(TrySendError::Closed(())) => return Err(Refusal::Closed),
                Err(TrySendError::Full(())) if looks == 0 => {
                    return Err(Refusal::Full(Box::new(Feed::Batch { lines, position })));
                }
                Err(TrySendError::Full(())) => {
                    looks -= 1;
                    std::thread::park_timeout(ROOM_LOOK);
                }
            }
        };
        let lines = if is_turn { Box::new(InTurn(lines)) } else { lines };
        room.send(Feed::Batch { lines, position });
        Ok(())
    }

    /// The source is gone: nobody waits for it.
    fn leave(&self) {
        if let Some(part) = self.chorus.parts().get_mut(self.number) {
            part.is_gone = true;
        }
        self.chorus.0.moved.notify_all();
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Outlet for Voice {
    fn offer(&self, feed: Feed) -> Result<(), Refusal> {
        match feed {
            Feed::CaughtUp(at) => {
                let told = self.chorus.caught_up(self.number, at);
                self.chorus.heard(self.number, None);
                told.map_or(Ok(()), |at| self.feeds.offer(Feed::CaughtUp(at)))
            }
            Feed::Batch { lines, position } => {
                let (first, last) = (lines.first_at(), position.as_ref().map(|it| it.at));
                self.chorus.heard(self.number, first);
                let takes_turns = first.is_some() && self.chorus.takes_turns(self.number);
                if first.is_some_and(|first| !self.chorus.is_turn(self.number, first)) {
                    return Err(Refusal::Full(Box::new(Feed::Batch { lines, position })));
                }
                self.hand_on(lines, position, takes_turns)?;
                self.chorus.heard(self.number, last);
                Ok(())
            }
            Feed::Fact(_) | Feed::Lost(..) => {
                self.chorus.heard(self.number, None);
                self.feeds.offer(feed)
            }
        }
    }

    fn is_alive(&self) {
        self.chorus.heard(self.number, None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_does_not_stop_the_time_of_the_others() {
        let (feeds, mut told) = mpsc::channel(8);
        let chorus = Chorus::default();
        let (_journal, files) = (chorus.voice(&feeds), chorus.voice(&feeds));
        chorus.begin();
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
        chorus.begin();
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

    /// Lines of one time.
    #[derive(Debug)]
    struct At(Micros);

    impl Lines for At {
        fn each(&mut self, _: &mut dyn FnMut(Line<'_>)) {}

        fn first_at(&self) -> Option<Micros> {
            Some(self.0)
        }
    }

    fn batch(source: &str, at: Micros) -> Feed {
        let position = Position { source: source.to_owned(), value: Vec::new(), at };
        Feed::Batch { lines: Box::new(At(at)), position: Some(position) }
    }

    /// Hands on all of these as a source does, then catches up.
    fn source(voice: Voice, name: &'static str, times: Vec<Micros>) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            for at in times {
                let mut feed = batch(name, at);
                while let Err(Refusal::Full(back)) = voice.offer(feed) {
                    feed = *back;
                }
            }
            while voice.offer(Feed::CaughtUp(1_000_000)).is_err() {}
        })
    }

    #[test]
    fn sources_that_catch_up_hand_on_in_the_order_of_time() {
        let (feeds, mut told) = mpsc::channel(4096);
        let chorus = Chorus::default();
        let voices = [chorus.voice(&feeds), chorus.voice(&feeds), chorus.voice(&feeds)];
        chorus.begin();
        let times = |step: Micros, from| (0..600).map(|n| from + n * step).collect::<Vec<_>>();
        let all: [(&'static str, Vec<Micros>); 3] =
            [("journal", times(3, 0)), ("files", times(7, 200)), ("journal:/ns", times(1, 5000))];
        let count = all.iter().map(|(_, times)| times.len()).sum::<usize>();
        let threads: Vec<_> = voices
            .into_iter()
            .zip(all)
            .map(|(voice, (name, times))| source(voice, name, times))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut seen = Vec::new();
        while let Ok(feed) = told.try_recv() {
            if let Feed::Batch { lines, .. } = feed {
                seen.push(lines.first_at().unwrap());
            }
        }
        assert_eq!(seen.len(), count);
        assert!(seen.is_sorted(), "what is older came later");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_the_turn_of_one_that_hangs_is_excused_gone_or_came_late() {
        let (feeds, mut told) = mpsc::channel(8);
        let chorus = Chorus::default();
        let (journal, files) = (chorus.voice(&feeds), chorus.voice(&feeds));
        assert!(
            matches!(files.offer(batch("files", 4)), Err(Refusal::Full(_))),
            "not all are here"
        );
        chorus.begin();
        let late = chorus.late_voice(&feeds);
        let mut is_told = || matches!(told.try_recv(), Ok(Feed::Batch { .. }));
        assert!(matches!(journal.offer(batch("journal", 5)), Err(Refusal::Full(_))));
        assert!(files.offer(batch("files", 4)).is_ok(), "older, and the late one is not asked");
        assert!(is_told());
        assert!(matches!(journal.offer(batch("journal", 5)), Err(Refusal::Full(_))));
        tokio::time::advance(limits::CATCH_UP_TURN * 2).await;
        assert!(journal.offer(batch("journal", 5)).is_ok(), "files hang");
        assert!(is_told());
        files.is_alive();
        assert!(matches!(journal.offer(batch("journal", 6)), Err(Refusal::Full(_))));
        chorus.excuse(files.number(), || true);
        assert!(journal.offer(batch("journal", 6)).is_ok());
        chorus.excuse(files.number(), || false);
        assert!(matches!(journal.offer(batch("journal", 7)), Err(Refusal::Full(_))));
        drop(files);
        assert!(journal.offer(batch("journal", 7)).is_ok());
        assert!(late.offer(batch("journal:/ns", 1)).is_ok());
    }

    #[test]
    fn the_place_of_one_that_left_is_taken_by_the_next() {
        let (feeds, _told) = mpsc::channel(8);
        let chorus = Chorus::default();
        let (first, second) = (chorus.voice(&feeds), chorus.voice(&feeds));
        let number = first.number();
        drop(first);
        for _ in 0..100 {
            assert_eq!(chorus.late_voice(&feeds).number(), number);
        }
        assert_eq!((second.number(), chorus.parts().len()), (1, 2));
    }
}
