//! Serves what the engine wants to know: asked without waiting, answered as a fact. Each kind of
//! question has a thread and a short queue of its own beside the core; what cannot be answered in
//! time is said to be absent, and counted. Owns what of last words may leave the node.

mod desk;
mod policy;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::mpsc, time::Instant};

use self::{desk::Desk, policy::Policy};
use super::replay::recorded::Answers;
use crate::{
    config,
    fact::{Absent, Dated, Fact, LastWords, Quote, Want},
    limits,
    node::{cgroup, last_words, listing, runtime},
    source::Micros,
    wall_clock,
};

/// What was asked and what came of it, for metrics.
#[derive(Debug, Default)]
struct Counters {
    answered: AtomicU64,
    absent: AtomicU64,
}

/// What was asked and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Facts that were found.
    pub answered: u64,
    /// Questions without an answer: busy, not configured, gone.
    pub absent: u64,
}

/// Answers the engine's questions until it is dropped.
#[derive(Debug)]
pub struct Evidence {
    /// Answers of a recording: nobody else is asked.
    recorded: Option<Answers>,
    /// Files of pods and cgroups: local, quick.
    files: Option<Desk>,
    /// Volumes of pods: any filesystem, which may hang.
    volumes: Option<Desk>,
    /// The runtime's socket.
    runtime: Option<Desk>,
    /// When the runtime is to be asked without being wanted.
    runtime_at: Mutex<Instant>,
    policy: Arc<Policy>,
    counters: Arc<Counters>,
}

/// Where facts go: to the core.
pub type Facts = mpsc::Sender<Dated>;

impl Evidence {
    /// Starts the threads. A thread that cannot be made costs its kind of answer only.
    #[must_use]
    pub fn start(config: &config::Evidence, facts: &Facts) -> Self {
        let policy = Arc::new(Policy::new(config));
        let files = {
            let (reader, policy) = (Reader::new(config), policy.clone());
            Desk::open("evidence", facts.clone(), move |want| reader.answer(want, &policy))
        };
        let volumes = config.volume_names.then(|| {
            let folder = config.kubelet_pods.clone();
            Desk::open("volumes", facts.clone(), move |want| list(&folder, want))
        });
        let runtime = config.runtime_socket.as_ref().map(|socket| {
            let mut asker = runtime::Asker::new(socket, limits::RUNTIME_TIMEOUT)?;
            Desk::open("runtime", facts.clone(), move |want| {
                let asked = match &want {
                    Want::Containers(pod) => {
                        asker.containers(pod).map(|told| Fact::Containers(Box::new(told)))
                    }
                    _ => asker.ask().map(|status| Fact::Runtime(Box::new(status))),
                };
                dated(asked.unwrap_or_else(|why| absent(want, why)))
            })
        });
        Self {
            recorded: None,
            files: or_tell(Some(files)),
            volumes: or_tell(volumes),
            runtime: or_tell(runtime),
            runtime_at: Mutex::new(Instant::now()),
            policy,
            counters: Arc::default(),
        }
    }

    /// Where nothing can be asked but what was recorded: a recording has no present.
    #[must_use]
    pub fn recorded(recorded: Answers) -> Self {
        Self {
            recorded: Some(recorded),
            files: None,
            volumes: None,
            runtime: None,
            runtime_at: Mutex::new(Instant::now()),
            policy: Arc::new(Policy::new(&config::Evidence::default())),
            counters: Arc::default(),
        }
    }

    /// Asks, and never waits. What comes back at once is why some questions stay without answer.
    pub fn ask(&self, want: Want, now: Micros) -> Vec<Dated> {
        if let Some(recorded) = &self.recorded {
            return vec![recorded.answer(want, now)];
        }
        let desk = match &want {
            Want::LastWords(_) | Want::Cgroup(_) => self.files.as_ref(),
            Want::Listing { .. } => self.volumes.as_ref(),
            Want::Runtime | Want::Containers(_) => self.runtime.as_ref(),
        };
        let refused = match desk {
            Some(desk) => desk.put(want, Instant::now()),
            None => vec![(want, "it is not collected here")],
        };
        self.refused(refused)
    }

    /// To be called every second or so: gives up what waits behind a question that does not come
    /// back, and asks the runtime how it is.
    pub fn maintain(&self) -> Vec<Dated> {
        let now = Instant::now();
        let mut late: Vec<_> = self.desks().flat_map(|desk| desk.overdue(now)).collect();
        let mut due = self.runtime_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = self.runtime.as_ref().filter(|_| *due <= now) {
            *due = now + limits::RUNTIME_EVERY;
            late.extend(desk.put(Want::Runtime, now));
        }
        self.refused(late)
    }

    /// Questions that are not answered yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.desks().map(Desk::open_questions).sum()
    }

    fn desks(&self) -> impl Iterator<Item = &Desk> {
        [&self.files, &self.volumes, &self.runtime].into_iter().flatten()
    }

    /// Takes note of a fact that goes to the engine: pods say what of their logs may be quoted.
    pub fn learn(&self, dated: &Dated) {
        match &dated.fact {
            Fact::Absent(_) => &self.counters.absent,
            Fact::LastWords(_)
            | Fact::Cgroup(_)
            | Fact::Listing(_)
            | Fact::Containers(_)
            | Fact::Runtime(_) => &self.counters.answered,
            other => return self.policy.learn(other),
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    /// What came of the questions so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            answered: self.counters.answered.load(Ordering::Relaxed),
            absent: self.counters.absent.load(Ordering::Relaxed),
        }
    }

    fn refused(&self, refused: Vec<(Want, &'static str)>) -> Vec<Dated> {
        refused.into_iter().map(|(want, why)| dated(absent(want, why))).collect()
    }
}

/// A thread that cannot be made is told once; the rest works.
fn or_tell(made: Option<std::io::Result<Desk>>) -> Option<Desk> {
    match made? {
        Ok(desk) => Some(desk),
        Err(error) => {
            tracing::warn!(%error, "a thread for evidence cannot be made: it stays absent");
            None
        }
    }
}

fn list(folder: &Path, want: Want) -> Dated {
    let listed = match &want {
        Want::Listing { pod, volumes } => listing::read(folder, pod, volumes),
        _ => Err("it is not collected here".to_owned()),
    };
    let fact = listed.map(|listing| Fact::Listing(Box::new(listing)));
    dated(fact.unwrap_or_else(|why| absent(want, why)))
}

fn absent(want: Want, why: impl Into<String>) -> Fact {
    Fact::Absent(Absent { want, why: why.into() })
}

fn dated(fact: Fact) -> Dated {
    Dated { at: wall_clock::now(), fact }
}

/// Reads files.
struct Reader {
    config: config::Evidence,
    bounds: last_words::Bounds,
}

impl Reader {
    fn new(config: &config::Evidence) -> Self {
        let bounds =
            last_words::Bounds { links: config.log_links.clone(), ..last_words::Bounds::default() };
        Self { config: config.clone(), bounds }
    }

    fn answer(&self, want: Want, policy: &Policy) -> Dated {
        let fact = match &want {
            Want::LastWords(instance) => match policy.of(&instance.pod) {
                Quote::None => Err("its namespace, its pod or evidence.last_words says no".into()),
                quote => last_words::read(&self.config.pod_logs, instance, &self.bounds)
                    .map(|words| Fact::LastWords(Box::new(LastWords { quote, ..words }))),
            },
            Want::Cgroup(instance) if self.config.cgroups => {
                cgroup::read(&self.config.cgroup_root, instance)
                    .map(|counted| Fact::Cgroup(Box::new(counted)))
            }
            _ => Err("it is not collected here".to_owned()),
        };
        dated(fact.unwrap_or_else(|why| absent(want, why)))
    }
}

#[cfg(test)]
mod tests;
