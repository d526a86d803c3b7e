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
    /// Ends early only where the output is gone.
    pub(super) logs: JoinHandle<Result<(), String>>,
    traces: Option<JoinHandle<Result<(), String>>>,
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
        let logs = port(Signal::Logs, &notices.logs);
        let logs =
            tokio::spawn(deliver(destinations.logs, identity.clone(), logs, draining.clone()));
        let traces = destinations.traces.map(|traces| {
            let port = port(Signal::Traces, &notices.traces);
            tokio::spawn(deliver(traces, identity.clone(), port, draining.clone()))
        });
        Self { logs, traces }
    }

    /// Waits for all of them, or for the deadline; `logs` is known where that one has ended.
    pub(super) async fn end(
        self,
        logs: Option<Result<(), String>>,
        deadline: Instant,
    ) -> Result<(), String> {
        let logs = match logs {
            Some(logs) => logs,
            None => of_exporter(tokio::time::timeout_at(deadline, self.logs).await),
        };
        let Some(traces) = self.traces else { return logs };
        let traces = of_exporter(tokio::time::timeout_at(deadline, traces).await);
        logs.and(traces)
    }
}

/// How the delivery came out.
pub(super) fn of_exporter(
    ended: Result<Result<Result<(), String>, tokio::task::JoinError>, tokio::time::error::Elapsed>,
) -> Result<(), String> {
    match ended {
        Ok(Ok(ended)) => ended,
        Ok(Err(_)) => Err("the exporter panicked: this is a fault of podwhy".to_owned()),
        Err(_) => Err(UNDELIVERED.to_owned()),
    }
}

const UNDELIVERED: &str = "not everything could be delivered in time";

/// Ends early only where the output is gone. Tells why not all was delivered.
pub(super) async fn deliver(
    destination: export::Config,
    identity: Identity,
    port: Port,
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
    let exporter = exporter(destination, &identity, &mut draining).await;
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
    draining: &mut export::Shutdown,
) -> Option<Exporter> {
    let stats = Arc::new(export::Stats::default());
    let mut told = String::new();
    loop {
        let why = match Exporter::new(destination.clone(), identity, Arc::clone(&stats)) {
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
