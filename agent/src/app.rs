//! The only file that knows how the parts are connected. The core has a thread of its own; the
//! exporter lives on the caller's; sources and checks bring their own. All channels are bounded.

mod chorus;
pub mod core;
mod delivery;
#[cfg(feature = "test-faults")]
pub mod diary;
pub mod door;
pub mod evidence;
mod journals;
mod lanes;
mod lookout;
mod metrics;
mod opening;
pub mod replay;
mod shelf;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use self::sources::{files_config, pod_logs_config, pods_config};
use self::{
    core::{Core, Pace},
    delivery::{Delivery, Notices, destinations},
    evidence::Evidence,
    lookout::Lookout,
    opening::open_outbox,
    sources::{Positions, Sources, follow_pods, sight},
};
use crate::{
    admin,
    catalogue::Catalogue,
    config::{self, Config},
    diagnosis::{self, Check, CheckStatus},
    export::{self, Request, encode::Identity},
    fact::Dated,
    limits,
    node::{self, View},
    outbox::Change,
    shutdown,
    source::{Feed, journal},
};

/// How long the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until it is told to end.
    Signalled,
    /// Until everything that the sources hold now has been read and delivered.
    CaughtUp,
}

impl Until {
    /// How long the end may take.
    const fn drain(self) -> Duration {
        match self {
            Self::Signalled => limits::DRAIN,
            Self::CaughtUp => limits::DRAIN_ONCE,
        }
    }
}

/// What an agent has before it knows its settings: it can be told to end.
#[derive(Debug)]
pub struct Life {
    runtime: tokio::runtime::Runtime,
    signals: shutdown::Signals,
}

impl Life {
    /// Listens for signals from here on.
    ///
    /// # Errors
    /// When there can be no runtime or no handler.
    pub fn begin() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the async runtime cannot be made")?;
        let signals = {
            let _inside = runtime.enter();
            shutdown::Signals::listen().context("signals cannot be awaited")?
        };
        Ok(Self { runtime, signals })
    }

    /// Runs the agent to its end.
    ///
    /// # Errors
    /// When it cannot begin: settings that cannot work, threads that cannot be made. A part that
    /// fails later degrades alone.
    pub fn run(
        mut self,
        config: &Config,
        environment: &config::Environment,
        causes: Arc<Catalogue>,
        until: Until,
    ) -> anyhow::Result<()> {
        export::otlp_http::install_tls_provider();
        self.runtime.block_on(live(config, environment, causes, until, &mut self.signals))
    }
}

/// The life of the agent: open, connect, wait, drain.
async fn live(
    config: &Config,
    environment: &config::Environment,
    causes: Arc<Catalogue>,
    until: Until,
    signals: &mut shutdown::Signals,
) -> anyhow::Result<()> {
    let identity = Identity { node: node_name(config), cluster: config.cluster_name.clone() };
    let destinations = destinations(config, environment)?;
    let concludes = until == Until::CaughtUp;
    let (scrapes, scrapes_in) = mpsc::channel(limits::SCRAPES);
    let admin = metrics::open(&config.http, concludes, scrapes, &identity.node).await;
    let Some(opened) = open_outbox(&config.state, signals).await? else { return Ok(()) };
    let notices = Notices::default();
    let mut core = Core::new(opened.outbox, settings(config, &identity), Arc::clone(&notices.logs));
    core.set_catalogue(causes);
    notices.prepare(&mut core, &destinations);
    if let Some(loss) = opened.start.loss() {
        core.lost(loss);
    }
    let from = Positions::of(core.outbox());

    let (feeds, feeds_in) = mpsc::channel(limits::FEED_QUEUE);
    let sources = Sources::start(config, from, feeds)?;
    let (views, views_in) = mpsc::channel(limits::VIEWS);
    let (requests, requests_in) = mpsc::channel(limits::EXPORT_REQUESTS);
    let (caught_up, mut is_caught_up) = oneshot::channel();
    let (asks, asks_in) = mpsc::channel(limits::DOOR_CONNECTIONS);
    let (facts, facts_in) = mpsc::channel(limits::FACTS);
    let (over, is_over) = oneshot::channel();
    let (pages, pages_in) = mpsc::channel(limits::PAGE_ASKS);
    let evidence = Evidence::start(&config.evidence, &facts);
    let inlets = Inlets {
        feeds: feeds_in,
        over: is_over,
        views: views_in,
        requests: requests_in,
        facts: facts_in,
        asks: asks_in,
        scrapes: scrapes_in,
        pages: pages_in,
        evidence,
        labels: sources.learner(),
        lookout: sources.lookout(),
    };
    let (concluded, is_concluded) = oneshot::channel();
    let ends = Ends { caught_up: Some(caught_up), concludes, concluded: Some(concluded) };
    let core = spawn(core, inlets, ends)?;

    let checker = node::Checker::start(&config.node, move |view, _| drop(views.try_send(view)))
        .context("the thread that looks at the node cannot be made")?;

    let pods = follow_pods(config, &identity.node, facts);
    let blind = sight(&sources, pods.as_ref());
    let door = open_door(config, asks, Arc::clone(&blind));

    let (drain, draining) = watch::channel(None);
    let mut delivery = Delivery::begin(destinations, &identity, &requests, &notices, &draining);
    drop(requests);
    let (stats, node) = (delivery.stats(), &*identity.node);
    let asked = metrics::Asked { pages, sources: &sources, sight: blind, stats, node };
    let page = admin.connect(config, concludes, asked).await;

    let mut fault = None;
    tokio::select! {
        // In this order: with nothing to read, that all of it was read is no success.
        biased;
        signal = signals.told() => tracing::info!(signal, "ending"),
        why = nothing_to_read(sources.journal.as_ref()), if until == Until::CaughtUp && !sources.has_more() => fault = Some(why),
        Ok(()) = &mut is_caught_up, if until == Until::CaughtUp => {
            tracing::info!("everything that the sources hold has been read");
        }
        // What was not printed stays in the outbox.
        ended = delivery.ended() => fault = ended.err(),
    }

    // Sources first, then what they had handed on, then its delivery: nothing is cut off that a
    // moment more would have saved, and all of it within one deadline.
    let deadline = Instant::now() + until.drain();
    drop((admin, page, door, checker, pods, sources));
    // Errors would mean that the core is gone, which its join tells below.
    let _ = over.send(());
    let _ = tokio::time::timeout_at(deadline, is_concluded).await;
    drain.send_replace(Some(deadline));
    let delivered = delivery.end(deadline).await;
    ended(core, until, delivered, fault).await
}

/// The door for `why` and `bundle`. An agent without it works.
fn open_door(
    config: &Config,
    asks: mpsc::Sender<door::Ask>,
    blind: door::Sight,
) -> Option<door::Door> {
    let folder = &config.state.folder;
    let opened = door::open(folder, asks, blind);
    if let Err(error) = &opened {
        tracing::warn!(%error, folder = %folder.display(), "podwhy why will not find this agent: its socket cannot be made");
    }
    opened.ok()
}

/// The core's end, and what the run fails with.
async fn ended(
    core: std::thread::JoinHandle<()>,
    until: Until,
    delivered: Result<(), String>,
    mut fault: Option<String>,
) -> anyhow::Result<()> {
    match delivered {
        Err(why) if until == Until::CaughtUp => fault = fault.or(Some(why)),
        Err(why) if fault.is_none() => tracing::warn!(why, "what is left stays in the outbox"),
        _ => {}
    }
    match tokio::task::spawn_blocking(move || core.join()).await {
        Ok(Ok(())) => fault.map_or(Ok(()), |why| Err(anyhow::Error::msg(why))),
        _ => anyhow::bail!("the core's thread panicked: this is a fault of podwhy"),
    }
}

/// `NODE_NAME` of the configuration, else the host's own name.
#[must_use]
pub fn node_name(config: &Config) -> String {
    config
        .node_name
        .clone()
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

fn settings(config: &Config, identity: &Identity) -> diagnosis::Settings {
    diagnosis::Settings {
        node: identity.node.clone(),
        repeats: match config.diagnosis.repeats {
            config::Repeats::Summary => diagnosis::Repeats::Summary,
            config::Repeats::Every => diagnosis::Repeats::Every,
        },
        repeats_window: config.diagnosis.window,
        recovery: config.diagnosis.recovery,
    }
}

/// Comes back when the journal will not be caught up with, with the reason.
async fn nothing_to_read(journal: Option<&journal::Handle>) -> String {
    let Some(journal) = journal else {
        return "nothing to read: journal.enabled is false".to_owned();
    };
    loop {
        if let journal::State::Unavailable(why) = journal.state() {
            return format!("the journal cannot be read: {why}");
        }
        tokio::time::sleep(limits::SOURCE_LOOK).await;
    }
}

/// What the core listens to.
struct Inlets {
    feeds: mpsc::Receiver<Feed>,
    /// The sources have ended, or hang where nothing ends them.
    over: oneshot::Receiver<()>,
    views: mpsc::Receiver<View>,
    requests: mpsc::Receiver<Request>,
    facts: mpsc::Receiver<Dated>,
    asks: mpsc::Receiver<door::Ask>,
    scrapes: mpsc::Receiver<admin::Ask>,
    pages: mpsc::Receiver<admin::page::Ask>,
    /// Whom the engine's questions go to.
    evidence: Evidence,
    /// Who chooses pods by their labels.
    labels: Box<dyn Fn(&Dated) + Send>,
    /// Who says that a source cannot work.
    lookout: Lookout,
}

impl Inlets {
    /// Hands a fact on, and asks what follows from it.
    fn fact(&self, core: &mut Core, dated: Dated) {
        self.evidence.learn(&dated);
        (self.labels)(&dated);
        core.fact(dated);
        self.ask(core);
    }

    /// Asks what the engine wants to know. Why something stays unknown is a fact too; what that
    /// makes the engine want is asked the next time, so that this ends.
    fn ask(&self, core: &mut Core) {
        for want in core.wants() {
            for dated in self.evidence.ask(want, core.now()) {
                self.evidence.learn(&dated);
                core.fact(dated);
            }
        }
    }

    /// Gives up what hangs, and says so.
    fn maintain(&mut self, core: &mut Core, now: Instant) {
        for check in self.lookout.look(now) {
            core.check(check);
        }
        for dated in self.evidence.maintain() {
            self.fact(core, dated);
        }
    }

    /// Waits a moment for answers that are under way.
    async fn settle(&mut self, core: &mut Core) {
        let deadline = Instant::now() + limits::EVIDENCE_END;
        while self.evidence.open() > 0 || !self.facts.is_empty() {
            let Ok(Some(dated)) = tokio::time::timeout_at(deadline, self.facts.recv()).await else {
                return;
            };
            self.fact(core, dated);
        }
    }
}

/// How the core's input ends.
struct Ends {
    /// Told once, when everything that existed at the start has been read.
    caught_up: Option<oneshot::Sender<()>>,
    /// Whether the end of the sources concludes what is pending. Live it does not: the next run
    /// goes on as if nothing had happened.
    concludes: bool,
    /// Told when that is durable: only then is there nothing more to deliver.
    concluded: Option<oneshot::Sender<()>>,
}

/// Gives the core its thread.
fn spawn(core: Core, inlets: Inlets, ends: Ends) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("core".to_owned());
    let thread = thread.spawn(move || serve(core, inlets, ends));
    thread.context("the core's thread cannot be made")
}

/// The core's thread.
fn serve(core: Core, inlets: Inlets, ends: Ends) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime.block_on(turn(core, inlets, ends)),
        Err(error) => tracing::error!(%error, "the core cannot run"),
    }
}

async fn turn(mut core: Core, mut inlets: Inlets, mut ends: Ends) {
    let (mut is_feeding, mut is_serving, mut is_open) = (true, true, true);
    let mut has_checked = false;
    // What fails is joined with what the node looks like, from the first line on.
    let (mut is_blind, look_by) = (true, Instant::now() + limits::FIRST_VIEW);
    let mut has_views = true;
    let mut maintain_at = Instant::now() + limits::MAINTAIN_EVERY;
    while is_feeding || is_serving {
        tokio::select! {
            biased;
            request = inlets.requests.recv(), if is_serving => match request {
                Some(request) => core.request(request),
                // The exporter has ended, or never began: what comes now waits in the outbox.
                None => is_serving = false,
            },
            Some(dated) = inlets.facts.recv() => inlets.fact(&mut core, dated),
            _ = &mut inlets.over, if is_open => {
                is_open = false;
                // What is in it still comes.
                inlets.feeds.close();
            }
            feed = inlets.feeds.recv(), if is_feeding && !is_blind => match feed {
                Some(feed) => take(&mut core, &mut inlets, feed, &mut ends),
                None => {
                    is_feeding = false;
                    if ends.concludes {
                        inlets.settle(&mut core).await;
                        core.end();
                    }
                    tell(core.commit(Instant::now(), Pace::Now));
                    if let Some(concluded) = ends.concluded.take() {
                        // Nobody need wait for it.
                        let _ = concluded.send(());
                    }
                }
            },
            Some(ask) = inlets.asks.recv() => {
                // Who no longer waits asks again.
                let _ = ask.send(core.knowledge());
            }
            Some(ask) = inlets.scrapes.recv() => {
                // Prometheus asks again.
                drop(ask.send(core.scrape()));
            }
            Some(ask) = inlets.pages.recv() => {
                // The page asks again.
                drop(ask.send(core.snapshot()));
            }
            () = tokio::time::sleep_until(look_by), if is_blind => is_blind = false,
            view = inlets.views.recv(), if has_views => {
                is_blind = false;
                has_views = view.is_some();
                if let Some(view) = view {
                    core.node(view);
                    if !std::mem::replace(&mut has_checked, true) {
                        core.check(started());
                    }
                }
            }
            () = tokio::time::sleep_until(maintain_at) => {}
        }
        let now = Instant::now();
        if now >= maintain_at {
            maintain_at = now + limits::MAINTAIN_EVERY;
            tell(core.maintain(now));
            inlets.maintain(&mut core, now);
        }
        tell(core.commit(now, Pace::WhenDue));
    }
    tell(core.commit(Instant::now(), Pace::Now));
    tell(core.maintain(Instant::now()));
}

/// One feed, and those that wait behind it already: they share a transaction, unless that grows large.
fn take(core: &mut Core, inlets: &mut Inlets, first: Feed, ends: &mut Ends) {
    let mut next = Some(first);
    let mut taken = 0;
    while let Some(feed) = next {
        let is_caught_up = matches!(feed, Feed::CaughtUp(_));
        core.feed(feed);
        // At once: what a dead container said is deleted soon.
        inlets.ask(core);
        if is_caught_up && let Some(caught_up) = ends.caught_up.take() {
            // Nobody need wait for it.
            let _ = caught_up.send(());
        }
        taken += 1;
        let has_room = taken < limits::FEEDS_PER_COMMIT && core.waiting() < limits::COMMIT_RECORDS;
        next = if has_room { inlets.feeds.try_recv().ok() } else { None };
    }
}

/// The record that proves, at every start, that what the node says arrives.
fn started() -> Check {
    Check {
        name: "agent_start".to_owned(),
        status: CheckStatus::Ok,
        value: None,
        threshold: None,
        text: format!("podwhy {} started", env!("CARGO_PKG_VERSION")),
    }
}

fn tell(change: Option<Change>) {
    match change {
        None => {}
        Some(Change::Degraded { why }) => tracing::error!(why, "degraded: positions are frozen"),
        Some(Change::Healed { moved_to: None }) => tracing::info!("the state folder works again"),
        Some(Change::Healed { moved_to: Some(path) }) => {
            tracing::warn!(moved_to = %path.display(), "the state folder works again; a damaged file was set aside");
        }
    }
}
