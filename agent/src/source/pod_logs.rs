//! The tree of container logs, followed as it changes: which attempts began, which pods are gone, and
//! of chosen pods what their logs tell of trouble. Owns no application's lines beyond that, and opens
//! no other log.

mod choice;
mod place;
pub mod probe;
mod tail;
#[cfg(test)]
mod tests;
mod tree;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use podwhy_parser::pod_path::Directory;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::{
    choice::Choice,
    place::PodPlace,
    tail::{State, Tail, Trouble},
    tree::{News, Tree},
};
use super::{
    Feed, Micros, Nothing, Outlet, Position,
    follow::{
        First,
        pulse::Pulse,
        pump::{Over, Pump},
        thread::Thread,
        wake::{Wake, Woken},
    },
};
use crate::{
    fact::{Dated, Fact, Instance, LogFolder, LogFolderChange, PodRef, Said},
    limits, wall_clock,
};

/// The name of this source in positions.
pub const SOURCE: &str = "pod_logs";

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The kubelet's folder of container logs.
    pub root: PathBuf,
    /// Folders that a log there may be a link to.
    pub links: Vec<PathBuf>,
    /// `namespace/name` of pods whose logs are read as they grow; `*` stands for any text.
    pub follow: Vec<String>,
    /// `key=value` of labels of such pods.
    pub follow_labels: Vec<String>,
    /// Namespaces whose logs are never read.
    pub denied_namespaces: Vec<String>,
    /// No file older than this is read at the first start.
    pub max_age: Duration,
}

/// A running source. Dropping it ends the source.
#[derive(Debug)]
pub struct Handle {
    trouble: Arc<Mutex<Option<String>>>,
    pulse: Pulse,
    choice: Choice,
    _thread: Thread,
}

/// Follows the tree; the logs of chosen pods behind `from`.
///
/// # Errors
/// Where there can be no thread.
pub fn spawn(config: Config, from: Option<Position>, feed: impl Outlet) -> std::io::Result<Handle> {
    let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let trouble = Arc::default();
    let pump = Pump::new(Wake::new(stopped), Box::new(feed));
    let choice = Choice::new(&config.follow, &config.follow_labels, &config.denied_namespaces);
    let pulse = pump.wake.pulse().clone();
    let mut logs = PodLogs::new(config, from.as_ref(), pump, choice.clone(), Arc::clone(&trouble));
    let thread = Thread::spawn("pod_logs", stop, move || {
        // Either the agent ends, or nobody listens any more.
        let _over = logs.run();
    })?;
    Ok(Handle { trouble, pulse, choice, _thread: thread })
}

impl Handle {
    /// What cannot be read, for who has no handle.
    pub fn sight(&self) -> impl Fn() -> Option<String> + Send + Sync + 'static {
        let (trouble, hang) = (Arc::clone(&self.trouble), self.hang());
        let known = move || trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        move || hang().or_else(&known)
    }

    /// What does not answer, and has stopped all of it.
    pub fn hang(&self) -> impl Fn() -> Option<String> + Send + Sync + 'static {
        let pulse = self.pulse.clone();
        move || pulse.hangs()
    }

    /// Who tells the source of pods' labels.
    pub fn learner(&self) -> impl Fn(&Dated) + Send + Sync + 'static {
        let choice = self.choice.clone();
        move |dated| choice.learn(dated)
    }
}

/// One attempt of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    pod: String,
    container: String,
    attempt: u32,
}

/// The thread that follows.
struct PodLogs {
    config: Config,
    pump: Pump,
    tree: Tree,
    choice: Choice,
    tails: BTreeMap<Key, Tail>,
    /// Where tails stood that did not begin again yet.
    left: BTreeMap<Key, State>,
    /// There is a position: what it does not name began since.
    goes_on: bool,
    /// What was known of labels when pods were chosen.
    chosen_at: Option<u64>,
    trouble: Arc<Mutex<Option<String>>>,
    at: Micros,
}

impl PodLogs {
    fn new(
        config: Config,
        from: Option<&Position>,
        pump: Pump,
        choice: Choice,
        trouble: Arc<Mutex<Option<String>>>,
    ) -> Self {
        let left =
            from.and_then(|from| postcard::from_bytes::<Vec<(Key, State)>>(&from.value).ok());
        Self {
            tree: Tree::new(config.root.clone()),
            config,
            pump,
            choice,
            tails: BTreeMap::new(),
            goes_on: left.is_some(),
            chosen_at: None,
            left: left.unwrap_or_default().into_iter().collect(),
            trouble,
            at: from.map_or(0, |from| from.at),
        }
    }

    fn run(&mut self) -> Result<(), Over> {
        let root: Arc<str> = self.config.root.display().to_string().into();
        let mut woken = Woken::default();
        let mut has_told = false;
        loop {
            let now = Instant::now();
            self.pump.wake.pulse().asks(&root);
            let news = self.tree.look(&mut self.pump.wake, &woken, now);
            let version = Some(self.choice.version());
            if !news.is_empty() || self.chosen_at != version {
                self.chosen_at = version;
                self.choose();
            }
            self.tell(news)?;
            self.tell_trouble();
            let is_full = self.hand_on(now)?;
            if !is_full && !std::mem::replace(&mut has_told, true) {
                let (containers, followed) = (self.tree.newest().count(), self.tails.len());
                tracing::info!(containers, followed, "the logs of containers were looked at");
            }
            if is_full {
                if self.pump.wake.is_over() {
                    return Err(Over);
                }
                woken = Woken::default();
                continue;
            }
            let pause = match self.tails.is_empty() {
                true if self.pump.wake.refused().is_none() => limits::TREE_RESCAN,
                _ => limits::FOLLOW_LOOK,
            };
            woken = self.pump.wake.wait(pause);
            if woken.is_over {
                return Err(Over);
            }
        }
    }

    /// Hands on what the folders show. What was there before the first look is no news.
    fn tell(&mut self, news: Vec<News>) -> Result<(), Over> {
        for news in news {
            let (pod, container, change) = match &news {
                News::Began { is_first_look: true, .. } => continue,
                News::Began { pod, container, attempt, .. } => {
                    (pod, container.as_str(), LogFolderChange::Began { attempt: *attempt })
                }
                News::Gone { pod } => (pod, "", LogFolderChange::Gone),
            };
            let Some(named) = named(pod) else { continue };
            let container = Some(container).filter(|it| !it.is_empty()).map(str::to_owned);
            let fact = LogFolder { pod: named, container, change };
            self.fact(wall_clock::now(), Fact::LogFolder(Box::new(fact)))?;
        }
        Ok(())
    }

    fn fact(&self, at: Micros, fact: Fact) -> Result<(), Over> {
        self.pump.deliver(Feed::Fact(Box::new(Dated { at, fact })))
    }

    /// The newest attempt of each chosen container is followed; what it follows is read to its end.
    fn choose(&mut self) {
        if self.choice.is_none() {
            return;
        }
        let choice = &self.choice;
        let chosen = self.tree.newest().filter(|(pod, ..)| choice.takes(pod));
        let chosen: Vec<Key> = chosen
            .take(limits::FOLLOWED_LOGS)
            .map(|(pod, container, attempt)| Key {
                pod: pod.to_owned(),
                container: container.to_owned(),
                attempt,
            })
            .collect();
        // What ended while nobody looked is read to its end as well.
        let ended: Vec<Key> = self.left.keys().cloned().collect();
        for key in chosen.iter().chain(&ended) {
            let state = self.left.remove(key);
            if self.tails.contains_key(key) {
                continue;
            }
            let place = self.place(key);
            // The kubelet removes logs of the dead: that they are gone is no loss.
            if state.is_some() && !place.is_there() {
                continue;
            }
            let shown: Arc<str> =
                format!("{}/{}/{}.log", key.pod, key.container, key.attempt).into();
            self.pump.wake.pulse().asks(&shown);
            let is_new = self.goes_on || self.follows_before(key);
            let first = if is_new { First::ALL } else { self.first() };
            self.tails.insert(key.clone(), Tail::begin(place, shown, state, first));
        }
        for (key, tail) in &mut self.tails {
            tail.is_ending = !chosen.contains(key);
        }
        // From here on what comes is new.
        self.goes_on = true;
    }

    /// How much is read of what was there before the agent.
    fn first(&self) -> First {
        let max_age = Micros::try_from(self.config.max_age.as_micros()).unwrap_or(Micros::MAX);
        let oldest = wall_clock::now().saturating_sub(max_age);
        First { most: limits::POD_FIRST_BYTES, not_before: oldest.saturating_mul(1000) }
    }

    fn place(&self, key: &Key) -> PodPlace {
        PodPlace {
            root: self.config.root.clone(),
            pod: key.pod.clone(),
            container: key.container.clone(),
            attempt: key.attempt,
            links: self.config.links.clone(),
        }
    }

    /// The attempt before was followed: this one began while we looked.
    fn follows_before(&self, key: &Key) -> bool {
        let before = key.attempt.checked_sub(1);
        let before = before.map(|attempt| Key { attempt, ..key.clone() });
        before.is_some_and(|before| self.tails.contains_key(&before))
    }

    /// Reads on in all of them, a little of each. Whether there is more.
    fn hand_on(&mut self, now: Instant) -> Result<bool, Over> {
        let wall = wall_clock::now();
        let mut found: Vec<(Key, Trouble)> = Vec::new();
        let (mut has_more, mut is_moved) = (false, false);
        let mut over: Vec<Key> = Vec::new();
        for (key, tail) in &mut self.tails {
            self.pump.wake.pulse().asks(&tail.shown);
            tail.follow.look(now);
            let (mut lines, before) = (0, found.len());
            let is_enough = |lines, found: &Vec<_>| {
                lines >= limits::POD_LINES_PER_LOOK || found.len() - before >= limits::SAID_PER_LOOK
            };
            while !is_enough(lines, &found)
                && tail.next(now, &mut |trouble| found.push((key.clone(), trouble)))
            {
                lines += 1;
            }
            has_more |= is_enough(lines, &found);
            is_moved |= std::mem::take(&mut tail.is_moved);
            self.at = self.at.max(tail.at());
            for lost in tail.take_lost() {
                self.pump.lost(&tail.shown, lost, tail.at(), wall);
            }
            if tail.is_ending && lines == 0 {
                tail.end(now, &mut |trouble| found.push((key.clone(), trouble)));
                over.push(key.clone());
            }
        }
        for key in over {
            self.tails.remove(&key);
            is_moved = true;
        }
        self.pump.tell_losses(now, "pod_log")?;
        for (key, trouble) in found {
            let Some(pod) = named(&key.pod) else { continue };
            let instance = Instance {
                pod,
                container: key.container,
                attempt: Some(key.attempt),
                ..Instance::default()
            };
            let at = trouble.at.unwrap_or(wall);
            self.fact(at, Fact::Said(Box::new(Said { instance, text: trouble.text })))?;
        }
        if is_moved {
            self.pump.deliver(Feed::Batch {
                lines: Box::new(Nothing),
                position: Some(self.position()),
            })?;
        }
        Ok(has_more)
    }

    fn position(&self) -> Position {
        let tails = self.tails.iter().map(|(key, tail)| (key.clone(), tail.state()));
        let left = self.left.iter().map(|(key, state)| (key.clone(), state.clone()));
        let all: Vec<(Key, State)> = tails.chain(left).collect();
        let value = postcard::to_stdvec(&all).unwrap_or_default();
        Position { source: SOURCE.to_owned(), value, at: self.at }
    }

    fn tell_trouble(&self) {
        let trouble = self.tree.trouble();
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != trouble {
            if let Some(trouble) = trouble {
                tracing::warn!(%trouble, "the logs of containers cannot be seen");
            }
            *known = trouble.map(str::to_owned);
        }
    }
}

/// Whose folder it is.
fn named(folder: &str) -> Option<PodRef> {
    let directory = Directory::parse(folder)?;
    Some(PodRef {
        namespace: directory.namespace.map(str::to_owned),
        name: directory.pod.map(str::to_owned),
        uid: Some(directory.uid.to_owned()),
    })
}
