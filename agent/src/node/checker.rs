//! Looks at the node again and again, in the background. Each look has a thread of its own, because a
//! call on a dead network filesystem never returns: then that look is stuck, its last answer grows
//! old, it is not asked again before it returns, and nothing else waits. It judges nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use super::{Cni, Config, Disk, DiskRole, View, cni, disk};
use crate::{limits, source::Micros, wall_clock};

/// What is looked at. Closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A filesystem.
    Disk(DiskRole),
    /// The pod network.
    Cni,
}

/// What a look found: an answer, or why there is none and what to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A filesystem.
    Disk(Result<Disk, String>),
    /// The pod network.
    Cni(Result<Cni, String>),
}

/// How a look stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The newest answer.
    pub answer: Option<Answer>,
    /// The last look has not come back in time.
    pub is_stuck: bool,
}

/// The node, and how each look stands.
pub type States = BTreeMap<Subject, State>;

/// A look: called again and again on one thread.
type Look = Arc<dyn Fn(Micros) -> Answer + Send + Sync>;

/// Runs until it is dropped. Threads that are stuck in the kernel then end with the process.
#[derive(Debug)]
pub struct Checker {
    /// Dropped, it wakes the thread, which ends.
    _stop: mpsc::Sender<()>,
}

impl Checker {
    /// Starts to look. `sink` is called on the checker's thread after every round with the newest
    /// view; what it does not take at once, it must bound itself.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(
        config: &Config,
        mut sink: impl FnMut(View, &States) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let mut looks = Looks::new(looks(config))?;
        let (interval, timeout) = (config.interval, config.timeout);
        thread::Builder::new().name("node".into()).spawn(move || {
            loop {
                let begun = Instant::now();
                looks.round(timeout);
                sink(looks.view(), &looks.states);
                let pause = interval.saturating_sub(begun.elapsed());
                if stopped.recv_timeout(pause) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

/// Looks once, for at most the configured time.
///
/// # Errors
/// When no thread can be made.
pub fn look_once(config: &Config) -> std::io::Result<(View, States)> {
    let mut looks = Looks::new(looks(config))?;
    looks.round(config.timeout);
    Ok((looks.view(), looks.states))
}

fn looks(config: &Config) -> Vec<(Subject, Look)> {
    let mut looks: Vec<(Subject, Look)> = Vec::new();
    if config.disk.enabled {
        looks.extend(disk::ROLES.map(|role| {
            let config = config.disk.clone();
            let look: Look = Arc::new(move |at| Answer::Disk(disk::look(role, &config, at)));
            (Subject::Disk(role), look)
        }));
    }
    if config.cni.enabled {
        let config = config.cni.clone();
        looks.push((Subject::Cni, Arc::new(move |at| Answer::Cni(cni::look(&config, at)))));
    }
    looks
}

/// The threads, one for each subject and never more.
struct Looks {
    askers: BTreeMap<Subject, mpsc::Sender<Micros>>,
    answers: mpsc::Receiver<(Subject, Answer)>,
    /// Asked and not yet answered.
    open: Vec<Subject>,
    states: States,
}

impl Looks {
    fn new(looks: Vec<(Subject, Look)>) -> std::io::Result<Self> {
        let (answer, answers) = mpsc::channel();
        let mut askers = BTreeMap::new();
        for (subject, look) in looks {
            let (ask, asked) = mpsc::channel();
            let answer = answer.clone();
            // Both channels are bounded by their use: one question is open at a time.
            thread::Builder::new()
                .name(format!("node-{}", subject.name()))
                .stack_size(limits::NODE_CHECK_STACK_BYTES)
                .spawn(move || {
                    while let Ok(at) = asked.recv() {
                        if answer.send((subject, look(at))).is_err() {
                            return;
                        }
                    }
                })?;
            askers.insert(subject, ask);
        }
        let states = askers.keys().map(|subject| (*subject, State::default())).collect();
        Ok(Self { askers, answers, open: Vec::new(), states })
    }

    /// Asks all that are not stuck and waits for their answers, or until the time is up.
    fn round(&mut self, timeout: Duration) {
        let (at, deadline) = (wall_clock::now(), Instant::now() + timeout);
        // A late answer counts: it is as old as its question.
        while let Ok((subject, answer)) = self.answers.try_recv() {
            self.answered(subject, answer);
        }
        for (subject, asker) in &self.askers {
            if !self.open.contains(subject) && asker.send(at).is_ok() {
                self.open.push(*subject);
            }
        }
        let is_new = |state: &State| !state.is_stuck;
        while self.open.iter().any(|subject| self.states.get(subject).is_some_and(is_new)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((subject, answer)) = self.answers.recv_timeout(left) else { break };
            self.answered(subject, answer);
        }
        for subject in &self.open {
            if let Some(state) = self.states.get_mut(subject).filter(|state| !state.is_stuck) {
                state.is_stuck = true;
                let check = subject.name();
                tracing::warn!(
                    check,
                    ?timeout,
                    "a look at the node does not come back: a dead network filesystem?"
                );
            }
        }
    }

    fn answered(&mut self, subject: Subject, answer: Answer) {
        self.open.retain(|open| *open != subject);
        let state = State { answer: Some(answer), is_stuck: false };
        if self.states.insert(subject, state).is_some_and(|before| before.is_stuck) {
            tracing::info!(check = subject.name(), "a look at the node has come back");
        }
    }

    fn view(&self) -> View {
        let mut view = View::default();
        for (subject, state) in &self.states {
            if state.is_stuck {
                view.stuck.push(subject.name().to_owned());
            }
            match &state.answer {
                Some(Answer::Disk(Ok(disk))) => view.disks.push(disk.clone()),
                Some(Answer::Cni(Ok(cni))) => view.cni = Some(cni.clone()),
                Some(Answer::Disk(Err(_)) | Answer::Cni(Err(_))) | None => {}
            }
        }
        let times = view.disks.iter().map(|disk| disk.at).chain(view.cni.iter().map(|cni| cni.at));
        view.at = times.max().unwrap_or_default();
        view
    }
}

impl Subject {
    /// From a closed list.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk(role) => role.name(),
            Self::Cni => "cni",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(50);

    fn disk(role: DiskRole, at: Micros) -> Answer {
        Answer::Disk(Ok(Disk {
            role,
            at,
            free_bytes: 1,
            total_bytes: 2,
            inodes_free: None,
            inodes_total: None,
            read_only: None,
        }))
    }

    #[test]
    fn a_look_that_hangs_stops_nothing_and_is_not_asked_again_before_it_returns() {
        let log = Subject::Disk(DiskRole::Log);
        let root = Subject::Disk(DiskRole::Root);
        let asked = Arc::new(AtomicUsize::new(0));
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let hangs: Look = {
            let asked = asked.clone();
            Arc::new(move |at| {
                // The first look answers, the second hangs.
                if asked.fetch_add(1, Ordering::SeqCst) == 1 {
                    held.lock().unwrap().recv().unwrap();
                }
                disk(DiskRole::Log, at)
            })
        };
        let works: Look = Arc::new(|at| disk(DiskRole::Root, at));
        let mut looks = Looks::new(vec![(log, hangs), (root, works)]).unwrap();
        looks.round(LONG);
        let first = looks.view();
        assert_eq!(first.disks.len(), 2);
        assert!(first.stuck.is_empty());

        for _ in 0..3 {
            looks.round(SHORT);
        }
        let later = looks.view();
        assert_eq!(later.stuck, ["log"]);
        let at = |view: &View, role| view.disks.iter().find(|disk| disk.role == role).unwrap().at;
        assert_eq!(at(&later, DiskRole::Log), at(&first, DiskRole::Log), "grows old");
        assert!(at(&later, DiskRole::Root) > at(&first, DiskRole::Root), "goes on");
        assert_eq!(later.at, at(&later, DiskRole::Root));
        assert_eq!(asked.load(Ordering::SeqCst), 2, "not asked while it hangs");

        release.send(()).unwrap();
        let deadline = Instant::now() + LONG;
        while !looks.view().stuck.is_empty() {
            assert!(Instant::now() < deadline, "it never came back");
            looks.round(SHORT);
        }
    }

    #[test]
    fn a_round_in_which_only_the_stuck_are_missing_does_not_wait_for_them() {
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let hangs: Look = Arc::new(move |at| {
            let _ = held.lock().unwrap().recv();
            disk(DiskRole::Log, at)
        });
        let mut looks = Looks::new(vec![(Subject::Disk(DiskRole::Log), hangs)]).unwrap();
        looks.round(SHORT);
        let begun = Instant::now();
        looks.round(LONG);
        assert!(begun.elapsed() < LONG);
        drop(release);
    }

    #[test]
    fn the_checker_reports_each_round_and_ends_when_it_is_dropped() {
        let config = Config { interval: Duration::from_millis(1), ..Config::default() };
        let (sender, views) = mpsc::channel();
        let checker = Checker::start(&config, move |view, states| {
            let _ = sender.send((view, states.len()));
        })
        .unwrap();
        let (view, subjects) = views.recv_timeout(LONG).unwrap();
        assert_eq!(subjects, 6);
        assert!(view.disks.iter().any(|disk| disk.role == DiskRole::Root), "{view:?}");
        assert!(view.at > 0);
        views.recv_timeout(LONG).unwrap();
        drop(checker);
        let deadline = Instant::now() + LONG;
        // The sink, and with it the sender, goes with the thread.
        while views.recv_timeout(SHORT) != Err(mpsc::RecvTimeoutError::Disconnected) {
            assert!(Instant::now() < deadline, "the thread did not end");
        }
    }

    #[test]
    fn what_is_switched_off_is_not_looked_at() {
        let mut config = Config::default();
        config.disk.enabled = false;
        config.cni.enabled = false;
        let (view, states) = look_once(&config).unwrap();
        assert_eq!(view, View::default());
        assert!(states.is_empty());
    }
}
