//! Connects the door for metrics and health: who knows what of a scrape. Counts nothing.

use std::sync::{Arc, OnceLock, atomic::Ordering::Relaxed};

use tokio::sync::mpsc;

use super::{door, sources::Sources};
use crate::{
    admin::{self, Admin, Ask, Behind, Complete, Ready, metrics},
    config,
    export::{self, stats::BatchResult},
    source::journal::{self, Counters, State, others::folder_of},
};

/// The door, open from the start on: a probe learns that the agent lives while its state is read.
pub(super) struct Door {
    _admin: Option<Admin>,
    behind: Arc<Parts>,
}

/// What is there to be asked once the parts are.
#[derive(Default)]
struct Parts {
    complete: OnceLock<Complete>,
    ready: OnceLock<Ready>,
}

/// Opens the door, where there is to be one. An agent without it works.
pub(super) async fn open(
    http: &config::Http,
    is_short: bool,
    core: mpsc::Sender<Ask>,
    node: &str,
) -> Door {
    let parts = Arc::<Parts>::default();
    let (completed, asked) = (Arc::clone(&parts), Arc::clone(&parts));
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
    // Nobody scrapes what ends when it has read all.
    let is_wanted = http.enabled && !is_short;
    Door { _admin: if is_wanted { listen(http, behind).await } else { None }, behind: parts }
}

impl Door {
    /// The parts are there.
    pub(super) fn connect(
        &self,
        sources: &Sources,
        sight: door::Sight,
        stats: Vec<(String, Arc<export::Stats>)>,
    ) {
        // Once: there is one life.
        let _ = self.behind.complete.set(complete(sources, stats));
        let _ = self.behind.ready.set(ready(sources, sight));
    }
}

async fn listen(http: &config::Http, behind: Behind) -> Option<Admin> {
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
