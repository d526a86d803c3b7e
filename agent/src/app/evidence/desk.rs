//! A thread that answers questions one after the other, and the short queue before it. Putting a
//! question never waits: what does not fit, or stands behind one that hangs, comes straight back.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::time::Instant;

use super::Facts;
use crate::{
    fact::{Dated, Want},
    limits,
};

#[derive(Debug)]
pub(super) struct Desk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Want>,
    /// What is being answered, since when.
    current: Option<(Want, Instant)>,
    /// It was told to be absent; its answer is still welcome.
    is_given_up: bool,
    /// Answered, and not yet handed on.
    is_sending: bool,
    is_over: bool,
}

/// A question and why it stays without an answer.
type Refused = (Want, &'static str);

const BUSY: &str = "too much was asked at once";
const STUCK: &str = "reading does not come back: a dead network filesystem?";

impl Desk {
    pub(super) fn open(
        name: &str,
        facts: Facts,
        mut answer: impl FnMut(Want) -> Dated + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = shared.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .stack_size(limits::EVIDENCE_STACK_BYTES)
            .spawn(move || {
                while let Some(want) = its.next() {
                    let found = answer(want);
                    its.answered();
                    // Full: the core is behind, and this thread may wait for it.
                    if facts.blocking_send(found).is_err() {
                        return;
                    }
                    its.lock().is_sending = false;
                }
            })?;
        Ok(Self { shared })
    }

    /// Queues a question. The oldest gives way: what it asks about is the likeliest to be gone.
    pub(super) fn put(&self, want: Want, now: Instant) -> Vec<Refused> {
        let mut state = self.shared.lock();
        if state.is_stuck(now) {
            return vec![(want, STUCK)];
        }
        if state.waiting.contains(&want) {
            return Vec::new();
        }
        state.waiting.push_back(want);
        let given_way = match state.waiting.len() > limits::EVIDENCE_QUEUE {
            true => state.waiting.pop_front(),
            false => None,
        };
        drop(state);
        self.shared.bell.notify_one();
        given_way.map(|want| (want, BUSY)).into_iter().collect()
    }

    /// What waits behind a question that hangs, and that question itself, once.
    pub(super) fn overdue(&self, now: Instant) -> Vec<Refused> {
        let mut state = self.shared.lock();
        if !state.is_stuck(now) {
            return Vec::new();
        }
        let mut late: Vec<Want> = state.waiting.drain(..).collect();
        if !std::mem::replace(&mut state.is_given_up, true) {
            late.extend(state.current.as_ref().map(|(want, _)| want.clone()));
        }
        late.into_iter().map(|want| (want, STUCK)).collect()
    }

    pub(super) fn open_questions(&self) -> usize {
        let state = self.shared.lock();
        let is_asked = state.current.is_some() && !state.is_given_up;
        state.waiting.len() + usize::from(is_asked || state.is_sending)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.bell.notify_one();
    }
}

impl State {
    fn is_stuck(&self, now: Instant) -> bool {
        let since = self.current.as_ref().map(|(_, since)| *since);
        since.is_some_and(|since| now.duration_since(since) >= limits::EVIDENCE_STUCK)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a question; `None` at the end.
    fn next(&self) -> Option<Want> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(want) = state.waiting.pop_front() {
                state.current = Some((want.clone(), Instant::now()));
                return Some(want);
            }
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answered(&self) {
        let mut state = self.lock();
        state.current = None;
        state.is_sending = true;
        state.is_given_up = false;
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc as std_mpsc, time::Duration};

    use tokio::sync::mpsc;

    use super::*;
    use crate::fact::{Absent, Fact, Instance};

    fn want(container: &str) -> Want {
        Want::LastWords(Instance { container: container.into(), ..Instance::default() })
    }

    fn answer(want: Want) -> Dated {
        Dated { at: 1, fact: Fact::Absent(Absent { want, why: "answered".into() }) }
    }

    #[test]
    fn questions_are_answered_in_their_order() {
        let (facts, mut answers) = mpsc::channel(1);
        let desk = Desk::open("desk", facts, answer).unwrap();
        for name in ["a", "b", "c"] {
            assert!(desk.put(want(name), Instant::now()).is_empty());
        }
        for name in ["a", "b", "c"] {
            assert_eq!(answers.blocking_recv().unwrap(), answer(want(name)));
        }
        drop(desk);
        assert!(answers.blocking_recv().is_none(), "the thread ends with its desk");
    }

    #[test]
    fn the_oldest_gives_way_and_what_hangs_is_given_up_once() {
        let (facts, mut answers) = mpsc::channel(1024);
        let (go, held) = std_mpsc::channel::<()>();
        let (begun, has_begun) = std_mpsc::channel::<()>();
        let desk = Desk::open("desk", facts, move |want| {
            let _ = begun.send(());
            let _ = held.recv();
            answer(want)
        })
        .unwrap();
        let now = Instant::now();
        assert!(desk.put(want("hangs"), now).is_empty());
        has_begun.recv().unwrap();
        let mut refused = Vec::new();
        for number in 0..=limits::EVIDENCE_QUEUE {
            refused.extend(desk.put(want(&number.to_string()), now));
        }
        assert_eq!(refused, [(want("0"), BUSY)], "the oldest");
        assert!(desk.put(want("1"), now).is_empty(), "asked already");
        assert_eq!(desk.open_questions(), limits::EVIDENCE_QUEUE + 1);
        assert!(desk.overdue(now).is_empty());

        let later = now + limits::EVIDENCE_STUCK + Duration::from_secs(60);
        assert_eq!(desk.put(want("late"), later), [(want("late"), STUCK)]);
        let late = desk.overdue(later);
        assert_eq!(late.len(), limits::EVIDENCE_QUEUE + 1);
        assert_eq!(late.last().unwrap(), &(want("hangs"), STUCK));
        assert!(desk.overdue(later).is_empty(), "told once");
        assert_eq!(desk.open_questions(), 0);

        go.send(()).unwrap();
        assert_eq!(answers.blocking_recv().unwrap(), answer(want("hangs")), "late, and welcome");
        drop(go);
    }
}
