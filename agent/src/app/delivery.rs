//! The destinations of an agent, each with a task of its own: a slow one holds no other. Owns when
//! they begin, wait for their files, and end.

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::core::{self, Core};
use crate::{
    config::{self, Config},
    export::{self, Destinations, Exporter, Port, Request, encode::Identity, terminal},
    limits,
    record::Signal,
};

/// File under environment: the specification's variables win over the file.
pub(super) fn destinations(
    config: &Config,
    environment: &config::Environment,
) -> anyhow::Result<Destinations> {
    let (destinations, odd) = Destinations::of(&config.export, environment);
    for warning in odd {
        tracing::warn!("{warning}");
    }
    for destination in destinations.each() {
        let what = destination.signal.name();
        destination.url().with_context(|| format!("where {what} go"))?;
    }
    Ok(destinations)
}

/// What tells each destination that there is something for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    pub(super) logs: Arc<Notify>,
    traces: Arc<Notify>,
}

impl Notices {
    /// The core makes spans where they are wanted, and says whom its losses concern.
    pub(super) fn prepare(&self, core: &mut Core, destinations: &Destinations) {
        let mut names =
            core::Names { logs: destinations.logs.name.clone(), ..core::Names::default() };
        if let Some(traces) = &destinations.traces {
            names.traces.clone_from(&traces.name);
            core.make_spans(Arc::clone(&self.traces));
        }
        core.set_destinations(names, destinations.logs.bounds);
        if destinations.traces.is_none() {
            core.let_spans_go();
        }
    }
}

/// The tasks that deliver.
#[derive(Debug)]
pub(super) struct Delivery {
    logs: Task,
    traces: Option<Task>,
    stats: Vec<(String, Arc<export::Stats>)>,
}

/// One of them, and how it ended.
#[derive(Debug)]
pub(super) struct Task {
    handle: JoinHandle<Result<(), String>>,
    ended: Option<Result<(), String>>,
}

impl Task {
    pub(super) fn begin(work: impl Future<Output = Result<(), String>> + Send + 'static) -> Self {
        Self { handle: tokio::spawn(work), ended: None }
    }

    /// Once it has ended, always the same.
    async fn ended(&mut self) -> Result<(), String> {
        if let Some(ended) = &self.ended {
            return ended.clone();
        }
        let ended = match (&mut self.handle).await {
            Ok(ended) => ended,
            Err(_) => Err("the exporter panicked: this is a fault of podwhy".to_owned()),
        };
        self.ended = Some(ended.clone());
        ended
    }

    pub(super) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    pub(super) async fn end(mut self, deadline: Instant) -> Result<(), String> {
        let ended = tokio::time::timeout_at(deadline, self.ended()).await;
        ended.unwrap_or_else(|_| Err(UNDELIVERED.to_owned()))
    }
}

impl Delivery {
    /// Begins all of them.
    pub(super) fn begin(
        destinations: Destinations,
        identity: &Identity,
        requests: &mpsc::Sender<Request>,
        notices: &Notices,
        draining: &export::Shutdown,
    ) -> Self {
        let port = |signal, notice| Port::of(signal, requests.clone(), Arc::clone(notice));
        let mut stats = Vec::new();
        let mut begin = |destination: export::Config, port| {
            let figures = Arc::new(export::Stats::default());
            stats.push((destination.name.clone(), Arc::clone(&figures)));
            Task::begin(deliver(destination, identity.clone(), (port, figures), draining.clone()))
        };
        let logs = begin(destinations.logs, port(Signal::Logs, &notices.logs));
        let traces =
            destinations.traces.map(|traces| begin(traces, port(Signal::Traces, &notices.traces)));
        Self { logs, traces, stats }
    }

    /// How it goes, by destination, for who asks later.
    pub(super) fn stats(&self) -> Vec<(String, Arc<export::Stats>)> {
        self.stats.clone()
    }

    /// One of them ends before it is told to: the output is gone, or it panicked.
    pub(super) async fn ended(&mut self) -> Result<(), String> {
        let Some(traces) = &mut self.traces else { return self.logs.ended().await };
        tokio::select! {
            ended = self.logs.ended() => ended,
            ended = traces.ended() => ended,
        }
    }

    /// Waits for all of them, or for the deadline.
    pub(super) async fn end(self, deadline: Instant) -> Result<(), String> {
        let logs = self.logs.end(deadline).await;
        let Some(traces) = self.traces else { return logs };
        logs.and(traces.end(deadline).await)
    }
}

const UNDELIVERED: &str = "not everything could be delivered in time";

/// Ends early only where the output is gone. Tells why not all was delivered.
pub(super) async fn deliver(
    destination: export::Config,
    identity: Identity,
    (port, stats): (Port, Arc<export::Stats>),
    mut draining: export::Shutdown,
) -> Result<(), String> {
    let Some(place) = destination.place() else {
        let is_terminal = std::io::stdout().is_terminal();
        let style = terminal::Style::of(is_terminal, std::env::var("NO_COLOR").ok().as_deref());
        return match terminal::run(std::io::stdout(), style, port, draining).await {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                tracing::info!("nobody reads the output any more: ending");
                Ok(())
            }
            Err(error) => Err(format!("the output cannot be written: {error}")),
            Ok(()) => Ok(()),
        };
    };
    let (name, protocol) = (destination.name.clone(), destination.protocol.name());
    tracing::info!(destination = name, place, protocol, "{} are sent", destination.signal.name());
    let exporter = exporter(destination, &identity, &stats, &mut draining).await;
    let is_delivered = match exporter {
        Some(exporter) => exporter.run(port, draining).await,
        None => false,
    };
    is_delivered.then_some(()).ok_or_else(|| UNDELIVERED.to_owned())
}

/// Files with certificates and credentials may come later than the agent: tried until they are
/// there. `None` when the agent ends first.
async fn exporter(
    destination: export::Config,
    identity: &Identity,
    stats: &Arc<export::Stats>,
    draining: &mut export::Shutdown,
) -> Option<Exporter> {
    let mut told = String::new();
    loop {
        let why = match Exporter::new(destination.clone(), identity, Arc::clone(stats)) {
            Ok(exporter) => return Some(exporter),
            Err(error) => error.to_string(),
        };
        if why != told {
            tracing::error!(why, "nothing is sent, and all is kept, until this is mended");
            told = why;
        }
        tokio::select! {
            () = tokio::time::sleep(limits::CREDENTIALS_LOOK) => {}
            _ = draining.changed() => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panic_of_either_delivery_ends_the_agent_and_is_told() {
        for is_of_traces in [false, true] {
            let panics = || Task::begin(async { panic!("on purpose") });
            let waits = || Task::begin(std::future::pending());
            let mut delivery = match is_of_traces {
                false => Delivery { logs: panics(), traces: Some(waits()), stats: vec![] },
                true => Delivery { logs: waits(), traces: Some(panics()), stats: vec![] },
            };
            let long = std::time::Duration::from_secs(600);
            let ended = tokio::time::timeout(long, delivery.ended()).await.unwrap();
            assert!(ended.unwrap_err().contains("panicked"), "{is_of_traces}");
            let ended = delivery.end(Instant::now() + long).await;
            assert!(ended.is_err(), "its end is known, and waited for once");
        }
    }
}
