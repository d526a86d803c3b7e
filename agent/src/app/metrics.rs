//! Connects the doors for machines and for people: who knows what of a scrape and of the page.
//! Counts nothing.

use std::sync::{Arc, OnceLock, atomic::Ordering::Relaxed};

use tokio::sync::mpsc;

use super::{
    door,
    sources::{JOURNAL_OFF, Sources},
};
use crate::{
    admin::{self, Admin, Ask, Behind, Complete, Ready, metrics, page, page::Page},
    config::{self, Config},
    export::{self, stats::BatchResult},
    limits,
    source::journal::{self, Counters, State, others::folder_of},
};

/// The door for machines, open from the start on: a probe learns that the agent lives while its state
/// is read.
pub(super) struct Door {
    _admin: Option<Admin>,
    later: Arc<Later>,
}

/// What is there to be asked once the parts are.
#[derive(Default)]
struct Later {
    complete: OnceLock<Complete>,
    ready: OnceLock<Ready>,
}

/// Opens the door for machines, where there is to be one. An agent without it works.
pub(super) async fn open(
    http: &config::Http,
    is_short: bool,
    core: mpsc::Sender<Ask>,
    node: &str,
) -> Door {
    let later = Arc::<Later>::default();
    let (completed, asked) = (Arc::clone(&later), Arc::clone(&later));
    let behind = Behind {
        core,
        complete: Arc::new(move |scrape| {
            if let Some(complete) = completed.complete.get() {
                complete(scrape);
            }
        }),
        ready: Arc::new(move || match asked.ready.get() {
            Some(ready) => ready(),
            None => Err(vec!["the agent is starting".to_owned()]),
        }),
        node: node.into(),
    };
    // Nobody looks at what ends when it has read all.
    let is_wanted = http.enabled && !is_short;
    Door { _admin: if is_wanted { for_machines(http, behind).await } else { None }, later }
}

impl Door {
    /// The parts are there. Opens the page, where there is to be one.
    pub(super) async fn connect(
        &self,
        config: &Config,
        is_short: bool,
        asked: Asked<'_>,
    ) -> Option<People> {
        let parts = Parts::of(&asked);
        // Once: there is one life.
        let _ = self.later.complete.set(Arc::clone(&parts.complete));
        let _ = self.later.ready.set(Arc::clone(&parts.ready));
        if is_short {
            return None;
        }
        if !config.page.enabled {
            page::forget(&config.state.folder);
            return None;
        }
        Some(for_people(config, parts.behind_page(asked.pages, asked.node)).await)
    }
}

async fn for_machines(http: &config::Http, behind: Behind) -> Option<Admin> {
    match admin::open(&http.listen, behind.clone()).await {
        Ok(door) => {
            if let Some(at) = door.at() {
                tracing::info!(%at, "metrics and health are served");
            }
            Some(door)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            tracing::warn!(
                %error, listen = http.listen,
                "no metrics and no health while another process has that port; it is tried again. \
                 Another http.listen, or http.enabled: false, mends it"
            );
            Some(admin::open_later(http.listen.clone(), behind))
        }
        Err(error) => {
            tracing::warn!(
                %error, listen = http.listen,
                "no metrics and no health: nobody can listen there; another http.listen, or \
                 http.enabled: false, mends it"
            );
            None
        }
    }
}

/// The page, or who tries to open it.
pub(super) struct People {
    _page: Option<Page>,
    later: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for People {
    fn drop(&mut self) {
        if let Some(later) = self.later.take() {
            later.abort();
        }
    }
}

async fn for_people(config: &Config, behind: page::Behind) -> People {
    let (listen, folder) = (config.page.listen.clone(), config.state.folder.clone());
    match page::open(&listen, &folder, behind.clone()).await {
        Ok(page) => {
            tracing::info!(at = %page.at(), "the page is served; podwhy open tells its address");
            People { _page: Some(page), later: None }
        }
        Err(error) => {
            tracing::warn!(
                %error, listen,
                "no page as yet, it is tried again: another page.listen, or page.enabled: false, \
                 mends it"
            );
            let later = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(limits::HTTP_LISTEN_AGAIN).await;
                    if let Ok(page) = page::open(&listen, &folder, behind.clone()).await {
                        tracing::info!(at = %page.at(), "the page is served now");
                        // Held until the agent ends.
                        std::future::pending::<()>().await;
                        drop(page);
                    }
                }
            });
            People { _page: None, later: Some(later) }
        }
    }
}

/// Who knows what: the core, the sources, the exporters; and the node's name.
pub(super) struct Asked<'a> {
    pub(super) pages: mpsc::Sender<page::Ask>,
    pub(super) sources: &'a Sources,
    pub(super) sight: door::Sight,
    pub(super) stats: Vec<(String, Arc<export::Stats>)>,
    pub(super) node: &'a str,
}

/// What the core does not know.
struct Parts {
    complete: Complete,
    ready: Ready,
    sight: door::Sight,
    stats: Vec<(String, Arc<export::Stats>)>,
}

impl Parts {
    fn of(asked: &Asked<'_>) -> Self {
        Self {
            complete: complete(asked.sources, asked.stats.clone()),
            ready: ready(asked.sources, Arc::clone(&asked.sight)),
            sight: Arc::clone(&asked.sight),
            stats: asked.stats.clone(),
        }
    }

    fn behind_page(self, core: mpsc::Sender<page::Ask>, node: &str) -> page::Behind {
        let complete: page::Complete = Arc::new(move |snapshot| {
            (self.complete)(&mut snapshot.scrape);
            snapshot.is_reading = (self.ready)().is_ok();
            snapshot.blind = (self.sight)();
            if snapshot.is_reading {
                snapshot.blind.retain(|what| what != JOURNAL_OFF);
            }
            let troubled = self
                .stats
                .iter()
                .filter_map(|(name, stats)| stats.trouble().map(|why| (name.clone(), why)));
            snapshot.troubled = troubled.collect();
            let paused = self
                .stats
                .iter()
                .filter_map(|(name, stats)| stats.paused().map(|why| (name.clone(), why)));
            snapshot.paused = paused.collect();
        });
        page::Behind { core, complete, node: node.into() }
    }
}

/// Figures that the core does not have.
fn complete(sources: &Sources, stats: Vec<(String, Arc<export::Stats>)>) -> Complete {
    let host = sources.journal.as_ref().map(|handle| (handle.counters(), handle.sight()));
    let others = sources.journal_figures();
    Arc::new(move |scrape| {
        let host =
            host.iter().map(|(counters, _)| journal_of(journal::SOURCE.to_owned(), counters));
        let others: Vec<_> = others();
        // Of a journal that is not followed any more the lag would grow for ever.
        scrape.positions.retain(|(source, _)| {
            folder_of(source).is_none() || others.iter().any(|(other, ..)| other == source)
        });
        let others = others.into_iter().map(|(source, counters, _)| journal_of(source, &counters));
        scrape.journals = host.chain(others).collect();
        scrape.destinations = stats.iter().map(|(name, stats)| destination(name, stats)).collect();
    })
}

fn journal_of(source: String, counters: &Counters) -> metrics::Journal {
    metrics::Journal {
        source,
        untrusted: counters.untrusted.load(Relaxed),
        unreadable: counters.unreadable.load(Relaxed),
        restarts: counters.restarts.load(Relaxed),
        last: counters.last_realtime(),
    }
}

fn destination(name: &str, stats: &export::Stats) -> metrics::Destination {
    metrics::Destination {
        name: name.to_owned(),
        batches: BatchResult::ALL.map(|it| (it.label(), stats.batches(it))).to_vec(),
        delivered: stats.delivered_records(),
        refused: stats.refused_records(),
        last_success: stats.last_success(),
        is_paused: stats.paused().is_some(),
    }
}

/// At least one source is read. Never asks the backend: its outage makes no pod NotReady.
fn ready(sources: &Sources, sight: door::Sight) -> Ready {
    let host = sources.journal.as_ref().map(journal::Handle::sight);
    let others = sources.journal_figures();
    let files_are_read = sources.files_are_read();
    Arc::new(move || {
        let is_read = |state: &State| matches!(state, State::CatchingUp | State::Following);
        let any_journal = host.as_ref().is_some_and(|state| is_read(&state()))
            || others().iter().any(|(_, _, state)| is_read(state));
        if any_journal || files_are_read() { Ok(()) } else { Err(sight()) }
    })
}
