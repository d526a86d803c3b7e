//! Connects the doors for machines and for people: who knows what of a scrape and of the page.
//! Counts nothing.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::sync::mpsc;

use super::{
    door,
    sources::{JOURNAL_OFF, Sources},
};
use crate::{
    admin::{Admin, Ask, Behind, Complete, Ready, metrics, page, page::Page},
    config::{self, Config},
    export::{self, stats::BatchResult},
    source::journal::{self, Counters, State},
};

/// Opens the doors that there are to be. An agent without them works.
pub(super) async fn open(
    config: &Config,
    is_short: bool,
    asked: Asked<'_>,
) -> (Option<Admin>, Option<Page>) {
    // Nobody looks at what ends when it has read all.
    if is_short {
        return (None, None);
    }
    let parts = Parts::of(&asked);
    let admin = if config.http.enabled {
        for_machines(&config.http, parts.behind(asked.scrapes, asked.node)).await
    } else {
        None
    };
    let page = if config.page.enabled {
        for_people(config, parts.behind_page(asked.pages, asked.node)).await
    } else {
        None
    };
    (admin, page)
}

async fn for_machines(http: &config::Http, behind: Behind) -> Option<Admin> {
    match crate::admin::open(&http.listen, behind).await {
        Ok(admin) => {
            tracing::info!(at = %admin.at(), "metrics and health are served");
            Some(admin)
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

async fn for_people(config: &Config, behind: page::Behind) -> Option<Page> {
    let listen = &config.page.listen;
    match page::open(listen, &config.state.folder, behind).await {
        Ok(page) => {
            tracing::info!(at = %page.at(), "the page is served; podwhy open tells its address");
            Some(page)
        }
        Err(error) => {
            tracing::warn!(
                %error, listen,
                "no page: another page.listen, or page.enabled: false, mends it"
            );
            None
        }
    }
}

/// Who knows what: the core, the sources, the exporters; and the node's name.
pub(super) struct Asked<'a> {
    pub(super) scrapes: mpsc::Sender<Ask>,
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

    fn behind(&self, core: mpsc::Sender<Ask>, node: &str) -> Behind {
        let (complete, ready) = (Arc::clone(&self.complete), Arc::clone(&self.ready));
        Behind { core, complete, ready, node: node.into() }
    }

    fn behind_page(self, core: mpsc::Sender<page::Ask>, node: &str) -> page::Behind {
        let complete: page::Complete = Arc::new(move |snapshot| {
            (self.complete)(&mut snapshot.scrape);
            snapshot.is_reading = (self.ready)().is_ok();
            snapshot.blind = (self.sight)();
            if snapshot.is_reading {
                snapshot.blind.retain(|what| what != JOURNAL_OFF);
            }
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
        let others = others().into_iter();
        let others = others.map(|(source, counters, _)| journal_of(source, &counters));
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
