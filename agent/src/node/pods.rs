//! The pods of this node and the Node itself, by watches on the API server. Each object becomes a
//! fact at once and is dropped: no store, no value of an environment variable. While the API server
//! is away what was told before holds; when it is back, a list says what is gone. Judges nothing.

mod find;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::watcher::{self, Event},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    fact::{Dated, Fact, NodeObject, PodRef, PodsListed, from_api},
    limits,
    observation::text::plain,
    redact, wall_clock,
};

pub use find::{Found, find};

/// Whose pods, and how the API server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Name of the Node object.
    pub node: String,
    /// A kubeconfig; nothing: the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// Labels of pods that are kept.
    pub pod_labels: Vec<String>,
    /// Labels of the node that are kept.
    pub node_labels: Vec<String>,
    /// Waits this long before the first list.
    pub start_after: Duration,
}

/// How the watch stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing has been listed yet.
    #[default]
    Starting,
    /// The view is complete and followed.
    Following,
    /// The view is as old as this, and why.
    Away {
        /// When it was last known to be complete; `None`: never.
        since: Option<Instant>,
        /// One clause for humans.
        why: String,
    },
    /// There is no API server to ask.
    Nowhere(String),
}

/// Follows until it is dropped.
#[derive(Debug)]
pub struct Handle {
    task: JoinHandle<()>,
    state: watch::Receiver<State>,
}

impl Handle {
    /// How the watch stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// The same for who has no handle.
    pub fn sight(&self) -> impl Fn() -> State + Send + Sync + 'static {
        let state = self.state.clone();
        move || state.borrow().clone()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts to follow, on the runtime of the caller. Full, `facts` holds back the watch, nothing else.
#[must_use]
pub fn spawn(config: Config, facts: mpsc::Sender<Dated>) -> Handle {
    let (told, state) = watch::channel(State::Starting);
    let task = tokio::spawn(async move {
        tokio::time::sleep(config.start_after).await;
        let mut view = View {
            config,
            facts,
            told,
            complete_at: None,
            node: None,
            failures: Streak::default(),
        };
        view.follow().await;
    });
    Handle { task, state }
}

/// Whether there is an API server to ask: a kubeconfig, or the pod's own service account.
#[must_use]
pub fn is_reachable_by(kubeconfig: Option<&Path>) -> bool {
    kubeconfig.is_some() || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Lists at most one pod of this node: whether it may be done at all.
///
/// # Errors
/// One clause for humans.
pub async fn reach(config: &Config) -> Result<String, String> {
    let client = client(config).await?;
    let pods: Api<Pod> = Api::all(client);
    let fields = format!("spec.nodeName={}", config.node);
    let params = ListParams::default().fields(&fields).match_any().limit(1);
    pods.list(&params).await.map_err(|error| clause(&error))?;
    Ok(format!("pods of {} may be listed", config.node))
}

async fn client(config: &Config) -> Result<Client, String> {
    let mut found = match &config.kubeconfig {
        Some(path) => {
            let place = path.display();
            let file = Kubeconfig::read_from(path).map_err(|error| format!("{place}: {error}"))?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| format!("{place}: {error}"))?
        }
        None => kube::Config::incluster().map_err(|error| clause(&error))?,
    };
    // The watch has its own back-off, and tells; the client's would keep silent for a minute.
    found.default_retry = false;
    Client::try_from(found).map_err(|error| clause(&error))
}

/// What is known so far, and whom it is told.
struct View {
    config: Config,
    facts: mpsc::Sender<Dated>,
    told: watch::Sender<State>,
    complete_at: Option<Instant>,
    /// A node's status is written every few seconds: told where it says something new.
    node: Option<NodeObject>,
    /// Failures in a row, whichever client they were of.
    failures: Streak,
}

/// Failures in a row of a watch. That a list came is no success: what fails is what follows it, and
/// each new client begins with a list.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    count: u32,
    listed_at: Option<Instant>,
}

impl Streak {
    fn saw<K>(&mut self, event: &Event<K>, now: Instant) {
        match event {
            Event::Init | Event::InitApply(_) => {}
            Event::InitDone => self.listed_at = Some(now),
            Event::Apply(_) | Event::Delete(_) => self.count = 0,
        }
    }

    /// One more, unless the watch has held since the list: then it is the first.
    fn failed(&mut self, now: Instant) -> u32 {
        let has_held = |at: Instant| now.duration_since(at) >= limits::API_RETRY_MOST;
        if self.listed_at.take().is_some_and(has_held) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}

/// Nobody takes facts any more.
struct Closed;

impl View {
    /// Again and again with a client of its own: certificates and tokens may be others by then.
    async fn follow(&mut self) {
        if !is_reachable_by(self.config.kubeconfig.as_deref()) {
            let why = "not in a pod, and kubernetes.kubeconfig names no file".to_owned();
            tracing::info!(why, "the API server is not asked: roles and mounts stay unknown");
            self.told.send_replace(State::Nowhere(why));
            return;
        }
        loop {
            let ended = match client(&self.config).await {
                Ok(client) => self.watch(client).await,
                Err(why) => {
                    self.away(why);
                    Ok(())
                }
            };
            if ended.is_err() {
                return;
            }
            tokio::time::sleep(limits::API_RETRY).await;
        }
    }

    /// Until too many attempts in a row have failed.
    async fn watch(&mut self, client: Client) -> Result<(), Closed> {
        let name = self.config.node.clone();
        // From the server's cache, which takes no pages: one node has few.
        let of_node =
            watcher::Config { page_size: None, ..watcher::Config::default().any_semantic() };
        let own_pods = of_node.clone().fields(&format!("spec.nodeName={name}"));
        let own_node = of_node.fields(&format!("metadata.name={name}"));
        let pods = kube::runtime::watcher(Api::<Pod>::all(client.clone()), own_pods);
        let node = kube::runtime::watcher(Api::<Node>::all(client), own_node);
        let (mut pods, mut node) = (pin!(pods), pin!(node));
        // A watch tries again when it is asked again: not before these.
        let (mut pods_at, mut node_at) = (Instant::now(), Instant::now());
        let mut listed = Vec::new();
        let (mut failures, mut node_failures) = (0, Streak::default());
        loop {
            tokio::select! {
                event = after(pods_at, &mut pods) => match event {
                    Some(Ok(event)) => {
                        self.failures.saw(&event, Instant::now());
                        if self.failures.count == 0 {
                            failures = 0;
                        }
                        self.pod(event, &mut listed).await?;
                    }
                    Some(Err(error)) => {
                        self.away(clause(&error));
                        let in_a_row = self.failures.failed(Instant::now());
                        failures = in_a_row.min(failures + 1);
                        if failures >= limits::API_FAILURES {
                            return Ok(());
                        }
                        pods_at = Instant::now() + pause(&name, in_a_row);
                    }
                    None => return Ok(()),
                },
                event = after(node_at, &mut node) => match event {
                    Some(Ok(event)) => {
                        node_failures.saw(&event, Instant::now());
                        self.node(event).await?;
                    }
                    // The pods are worth having without it.
                    Some(Err(error)) => {
                        let in_a_row = node_failures.failed(Instant::now());
                        if in_a_row == 1 {
                            tracing::warn!(why = clause(&error), "the Node object cannot be watched");
                        }
                        node_at = Instant::now() + pause(&name, in_a_row);
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    async fn pod(&mut self, event: Event<Pod>, listed: &mut Vec<String>) -> Result<(), Closed> {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(pod) => {
                let pod = from_api::pod(&pod, &self.config.pod_labels);
                listed.extend(pod.uid.clone());
                self.tell(Fact::Pod(Box::new(pod))).await?;
            }
            Event::InitDone => {
                self.tell(Fact::PodsListed(PodsListed { uids: std::mem::take(listed) })).await?;
                self.complete();
            }
            Event::Apply(pod) => {
                let pod = from_api::pod(&pod, &self.config.pod_labels);
                self.tell(Fact::Pod(Box::new(pod))).await?;
                self.complete();
            }
            Event::Delete(pod) => {
                let pod = from_api::pod(&pod, &self.config.pod_labels);
                let gone =
                    PodRef { namespace: Some(pod.namespace), name: Some(pod.name), uid: pod.uid };
                self.tell(Fact::PodGone(gone)).await?;
                self.complete();
            }
        }
        Ok(())
    }

    async fn node(&mut self, event: Event<Node>) -> Result<(), Closed> {
        let (Event::Apply(node) | Event::InitApply(node)) = event else { return Ok(()) };
        let node = from_api::node(&node, &self.config.node_labels);
        if self.node.as_ref() == Some(&node) {
            return Ok(());
        }
        self.node = Some(node.clone());
        self.tell(Fact::NodeObject(Box::new(node))).await
    }

    async fn tell(&self, fact: Fact) -> Result<(), Closed> {
        self.facts.send(Dated { at: wall_clock::now(), fact }).await.map_err(|_| Closed)
    }

    fn complete(&mut self) {
        self.complete_at = Some(Instant::now());
        self.told.send_if_modified(|state| {
            if *state == State::Following {
                return false;
            }
            tracing::info!("pods of this node are followed");
            *state = State::Following;
            true
        });
    }

    /// Told once in words; each further time only the state.
    fn away(&self, why: String) {
        let before = self.told.borrow().clone();
        if matches!(before, State::Starting | State::Following) {
            let has_view = self.complete_at.is_some();
            tracing::warn!(
                why,
                has_view,
                "the API server is away: the last view of the pods holds"
            );
        } else {
            tracing::debug!(why, "the API server is still away");
        }
        // A watch that ends for a moment and goes on at once has lost nothing.
        self.told.send_replace(State::Away { since: self.complete_at, why });
    }
}

/// The next event, not asked for before that time.
async fn after<S: futures_util::Stream + Unpin>(at: Instant, events: &mut S) -> Option<S::Item> {
    tokio::time::sleep_until(at).await;
    events.next().await
}

/// How long to wait after so many failures in a row. Each node has a rhythm of its own, so that not
/// all ask at once that failed at once.
fn pause(node: &str, failures: u32) -> Duration {
    let doubled = limits::API_RETRY * 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 500).unwrap_or_default();
    doubled.min(limits::API_RETRY_MOST) * (750 + share) / 1000
}

/// The outermost and the innermost word of an error, without what it may quote of credentials.
fn clause(error: &dyn std::error::Error) -> String {
    let outer = error.to_string();
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let inner = root.to_string();
    let text = if outer.contains(&inner) { outer } else { format!("{outer}: {inner}") };
    let text = plain(limits::cut(&text, limits::WORD_BYTES).0);
    redact::scrub(&text, &mut redact::Counts::default()).into_owned()
}

#[cfg(test)]
mod tests;
