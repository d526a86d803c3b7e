//! The agent's own doors. Owns the HTTP server, and the door for machines on the node's address:
//! `/metrics`, `/livez`, `/readyz`. That one says nothing that stands in a log: words of closed lists,
//! numbers and times only. The page for people has rules of its own.

pub mod figures;
pub mod history;
pub mod metrics;
pub mod page;
mod process;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::metrics::Scrape;
use crate::limits;

/// What the core is asked; it answers once.
pub type Ask = oneshot::Sender<Scrape>;

/// What is added to the core's answer where it is rendered: what nobody but its owner knows.
pub type Complete = Arc<dyn Fn(&mut Scrape) + Send + Sync>;

/// Whether something can be read; where not, why, in words of ours.
pub type Ready = Arc<dyn Fn() -> Result<(), Vec<String>> + Send + Sync>;

/// Whom the door asks.
#[derive(Clone)]
pub struct Behind {
    /// The core.
    pub core: mpsc::Sender<Ask>,
    /// The exporters and the sources.
    pub complete: Complete,
    /// The sources.
    pub ready: Ready,
    /// The constant label of every series.
    pub node: Arc<str>,
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behind").field("node", &self.node).finish_non_exhaustive()
    }
}

/// The open door; closed when dropped.
#[derive(Debug)]
pub struct Admin {
    at: Option<SocketAddr>,
    serving: tokio::task::JoinHandle<()>,
}

impl Admin {
    /// Where it listens; `None` where it had to wait for its place.
    #[must_use]
    pub const fn at(&self) -> Option<SocketAddr> {
        self.at
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Opens the door. `listen` is `address:port`, or `:port` for every address that the node has. Must
/// be called within the runtime that serves it.
///
/// # Errors
/// When nobody can listen there; the agent works without it.
pub async fn open(listen: &str, behind: Behind) -> std::io::Result<Admin> {
    let listener = bind(listen).await?;
    let at = Some(listener.local_addr()?);
    Ok(Admin {
        at,
        serving: tokio::spawn(serve(listener, router(behind), limits::HTTP_CONNECTIONS)),
    })
}

/// The same where another process has the place: it is tried again until that one leaves.
#[must_use]
pub fn open_later(listen: String, behind: Behind) -> Admin {
    let serving = tokio::spawn(async move {
        let listener = loop {
            tokio::time::sleep(limits::HTTP_LISTEN_AGAIN).await;
            if let Ok(listener) = bind(&listen).await {
                break listener;
            }
        };
        tracing::info!(listen, "metrics and health are served now");
        serve(listener, router(behind), limits::HTTP_CONNECTIONS).await;
    });
    Admin { at: None, serving }
}

fn router(behind: Behind) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics_page))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(behind)
}

async fn bind(listen: &str) -> std::io::Result<TcpListener> {
    let Some(port) = listen.strip_prefix(':') else { return TcpListener::bind(listen).await };
    let wrong = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a port");
    let port: u16 = port.parse().map_err(|_| wrong())?;
    // The IPv6 wildcard takes IPv4 too; a node without IPv6 has only the other one.
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

/// One task per connection, so many at once, each for so long: who only connects holds nobody up.
async fn serve(listener: TcpListener, router: Router, seats: usize) {
    let seats = Arc::new(Semaphore::new(seats));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is left, or the caller went away: the next one may have more luck.
            tokio::time::sleep(limits::HTTP_ACCEPT_AGAIN).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let _seat = seat;
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits::HTTP_HEADER)
                .max_buf_size(limits::HTTP_REQUEST_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever breaks off asks again.
            drop(tokio::time::timeout(limits::HTTP_CONNECTION, connection).await);
        });
    }
}

async fn index() -> &'static str {
    concat!(
        "podwhy ",
        env!("CARGO_PKG_VERSION"),
        "\n/metrics  OpenMetrics\n/livez    whether the process answers\n",
        "/readyz   whether it reads anything, and why not\n"
    )
}

async fn readyz(State(behind): State<Behind>) -> Response {
    match (behind.ready)() {
        Ok(()) => "ok\n".into_response(),
        Err(why) => {
            let text = format!("nothing is read on this node:\n{}\n", why.join("\n"));
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics_page(State(behind): State<Behind>) -> Response {
    let busy = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    let Some(mut scrape) = asked(&behind.core, limits::SCRAPE).await else {
        return busy("the agent is busy: try again");
    };
    (behind.complete)(&mut scrape);
    match metrics::render(&behind.node, scrape) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => busy("the metrics cannot be written: this is a fault of podwhy"),
    }
}

async fn asked(core: &mpsc::Sender<Ask>, limit: Duration) -> Option<Scrape> {
    let (ask, answer) = oneshot::channel();
    core.try_send(ask).ok()?;
    tokio::time::timeout(limit, answer).await.ok()?.ok()
}

#[cfg(test)]
mod tests;
