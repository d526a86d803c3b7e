//! A recording through the very same parts as the agent's: core, outbox, delivery. Ends by itself.

pub mod recorded;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use self::recorded::Answers;
use super::{
    Ends, Inlets,
    core::Core,
    delivery::{Task, deliver},
    evidence::Evidence,
    spawn,
};
use crate::{
    diagnosis,
    export::{self, Port, encode::Identity},
    fact::Dated,
    limits,
    outbox::{self, Outbox},
    source::{Feed, recording::Batch},
};

/// What is played, and where it goes.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The recorded node's name.
    pub node: &'a str,
    /// Lines and facts in their order, and how long after the start each comes.
    pub moments: Vec<(Duration, Moment)>,
    /// What can be asked of the recording.
    pub answers: Answers,
    /// For the time of the replay only.
    pub state_folder: &'a Path,
    /// Base URL of an OTLP/HTTP endpoint; none prints.
    pub endpoint: Option<String>,
}

/// What comes at one instant of a recording.
#[derive(Debug)]
pub enum Moment {
    /// Lines that were received then.
    Lines(Batch),
    /// A fact that was true from then on.
    Fact(Box<Dated>),
}

/// Plays it to its end, and waits until all of it is delivered.
///
/// # Errors
/// When a part cannot be made, or when not everything could be delivered.
pub fn run(replay: Replay<'_>) -> anyhow::Result<()> {
    export::otlp_http::install_tls_provider();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the async runtime cannot be made")?;
    runtime.block_on(play(replay))
}

async fn play(replay: Replay<'_>) -> anyhow::Result<()> {
    let identity = Identity { node: replay.node.to_owned(), cluster: None };
    let endpoint = replay.endpoint.map(export::config::Endpoint::Base);
    let destination = export::Config { endpoint, ..export::Config::default() };
    destination.url().context("where records go")?;
    let opened = Outbox::open(replay.state_folder, outbox::Limits::default())
        .map_err(|in_use| anyhow::anyhow!("{in_use}"))?;
    let settings = diagnosis::Settings {
        node: identity.node.clone(),
        repeats: diagnosis::Repeats::Summary,
        repeats_window: WINDOW,
        recovery: diagnosis::Recovery::default(),
    };
    let committed = Arc::new(Notify::new());
    let core = Core::new(opened.outbox, settings, committed.clone());

    let (feeds, feeds_in) = mpsc::channel(limits::FEED_QUEUE);
    // A recorded node has no present state.
    let (_, views) = mpsc::channel(limits::VIEWS);
    let (requests, requests_in) = mpsc::channel(limits::EXPORT_REQUESTS);
    let (concluded, is_concluded) = oneshot::channel();
    let (_, facts) = mpsc::channel(1);
    let evidence = Evidence::recorded(replay.answers);
    // Nobody asks a recording.
    let (_, asks) = mpsc::channel(1);
    let (_, scrapes) = mpsc::channel(1);
    let (_, pages) = mpsc::channel(1);
    let labels: Box<dyn Fn(&Dated) + Send> = Box::new(|_| {});
    // A recording ends with its feeds.
    let (_over, over) = oneshot::channel();
    let inlets = Inlets {
        feeds: feeds_in,
        over,
        views,
        requests: requests_in,
        facts,
        asks,
        scrapes,
        pages,
        evidence,
        labels,
        lookout: super::lookout::Lookout::default(),
    };
    let ends = Ends { caught_up: None, concludes: true, concluded: Some(concluded) };
    let core = spawn(core, inlets, ends)?;
    let (drain, draining) = watch::channel(None);
    let exporter = Task::begin(deliver(
        destination,
        identity,
        (Port::new(requests, committed), Arc::default()),
        draining,
    ));

    let start = Instant::now();
    for (after, moment) in replay.moments {
        tokio::time::sleep_until(start + after).await;
        if exporter.is_finished() {
            // Nobody reads on.
            break;
        }
        let feed = match moment {
            Moment::Lines(lines) => Feed::Batch { lines: Box::new(lines), position: None },
            Moment::Fact(dated) => Feed::Fact(dated),
        };
        feeds.send(feed).await.ok().context("the core has ended early")?;
    }
    drop(feeds);
    is_concluded.await.context("the core has ended early")?;

    let deadline = Instant::now() + limits::DRAIN;
    drain.send_replace(Some(deadline));
    let delivered = exporter.end(deadline).await;
    tokio::task::spawn_blocking(move || core.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the core's thread panicked: this is a fault of podwhy"))?;
    delivered.map_err(anyhow::Error::msg)
}

/// Repeats are counted for less than the agent's minutes, since the story is that short.
const WINDOW: Duration = Duration::from_secs(30);
