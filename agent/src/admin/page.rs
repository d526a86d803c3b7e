//! The page for people: this node at a glance, and each incident. Owns its routes, and one look at
//! the core for all who look. On loopback only, for who has the token of this start.

mod guard;
mod incident;
mod json;
mod node;
mod places;
mod shell;
mod timeline;
mod verdict;
mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as Wanted, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};

use self::guard::Guard;
use super::history::Past;
use super::metrics::Scrape;
use crate::{fact::Dated, incident::Incident, limits, source::Micros};

pub use guard::URL_FILE;

/// What the core is asked; it answers once.
pub type Ask = oneshot::Sender<Snapshot>;

/// What is added to the core's answer: what nobody but its owner knows.
pub type Complete = Arc<dyn Fn(&mut Snapshot) + Send + Sync>;

/// Everything that the page tells, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// That moment.
    pub now: Micros,
    /// The node.
    pub node: String,
    /// What this run began to read at.
    pub read_from: Option<Micros>,
    /// The newest time that it has read up to.
    pub read_up_to: Option<Micros>,
    /// Whether any source is read.
    pub is_reading: bool,
    /// What cannot be seen at the moment, in words.
    pub blind: Vec<String>,
    /// What metrics tell.
    pub scrape: Scrape,
    /// Why what is concluded does not become durable.
    pub state_trouble: Option<String>,
    /// Destinations that nothing gets through to, and why; it is tried again.
    pub troubled: Vec<(String, String)>,
    /// Destinations that are paused, and why.
    pub paused: Vec<(String, String)>,
    /// Present incidents, and those that ended a short while ago.
    pub incidents: Vec<Incident>,
    /// How they got there.
    pub past: Past,
    /// What dead containers said.
    pub words: Vec<Dated>,
}

/// Whom the page asks.
#[derive(Clone)]
pub struct Behind {
    /// The core.
    pub core: mpsc::Sender<Ask>,
    /// Sources and exporters.
    pub complete: Complete,
    /// The node's name, for the cookie's.
    pub node: Arc<str>,
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behind").field("node", &self.node).finish_non_exhaustive()
    }
}

/// The page; closed, and its token taken away, when dropped.
#[derive(Debug)]
pub struct Page {
    at: SocketAddr,
    file: PathBuf,
    serving: tokio::task::JoinHandle<()>,
}

impl Page {
    /// Where it listens.
    #[must_use]
    pub const fn at(&self) -> SocketAddr {
        self.at
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.serving.abort();
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Opens the page, and writes where it is, with its token, into `folder`. Must be called within the
/// runtime that serves it.
///
/// # Errors
/// When nobody can listen there, it is not on loopback, or the token cannot be made or kept: nobody
/// could come in. The agent works without it.
pub async fn open(listen: &str, folder: &Path, behind: Behind) -> std::io::Result<Page> {
    forget(folder);
    let listener = TcpListener::bind(listen).await?;
    let at = listener.local_addr()?;
    if !at.ip().is_loopback() {
        let why = "the page shows what stands in logs: it listens on loopback only";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, why));
    }
    let guard = Arc::new(Guard::make(&behind.node)?);
    let file = guard.keep(folder, at)?;
    let desk = Desk { behind, kept: Arc::default() };
    let router = Router::new()
        .route("/", get(node_page))
        .route("/node.json", get(node_json))
        .route("/incident/{id}", get(incident_page))
        .layer(middleware::from_fn_with_state(guard, guard::admit))
        .with_state(desk);
    let serving = tokio::spawn(super::serve(listener, router, limits::PAGE_CONNECTIONS));
    Ok(Page { at, file, serving })
}

/// What an agent before this one left behind leads nowhere, or to somebody else.
pub fn forget(folder: &Path) {
    // None is as good.
    let _ = std::fs::remove_file(folder.join(URL_FILE));
}

/// Who answers: one look at the core serves all who come within a second.
#[derive(Clone, Debug)]
struct Desk {
    behind: Behind,
    kept: Arc<Mutex<Option<Arc<Snapshot>>>>,
}

impl Desk {
    /// Nothing where the core does not answer in time.
    async fn look(&self) -> Option<Arc<Snapshot>> {
        let mut kept = self.kept.lock().await;
        if let Some(snapshot) = &*kept {
            return Some(Arc::clone(snapshot));
        }
        let (ask, answer) = oneshot::channel();
        self.behind.core.try_send(ask).ok()?;
        let mut snapshot = tokio::time::timeout(limits::SCRAPE, answer).await.ok()?.ok()?;
        (self.behind.complete)(&mut snapshot);
        let snapshot = Arc::new(snapshot);
        *kept = Some(Arc::clone(&snapshot));
        let again = Arc::clone(&self.kept);
        // Not held any longer: it is a copy of everything that is known.
        tokio::spawn(async move {
            tokio::time::sleep(limits::PAGE_SNAPSHOT).await;
            *again.lock().await = None;
        });
        Some(snapshot)
    }
}

/// Only the part that changes is asked for, by who has the rest already.
fn is_part(query: Option<&str>) -> bool {
    query == Some("part")
}

fn busy() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the agent is busy: try again\n").into_response()
}

fn html(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

fn json(value: &impl serde::Serialize) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn node_page(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    let Some(known) = desk.look().await else { return busy() };
    let main = node::main(&known);
    let title = format!("{} — podwhy", words::plain(&known.node));
    html(StatusCode::OK, shell::page(&title, &known, main, is_part(query.as_deref())))
}

async fn node_json(State(desk): State<Desk>) -> Response {
    let Some(known) = desk.look().await else { return busy() };
    json(&json::node(&known))
}

/// `ID` is the page of an incident, `ID.json` what it is made of.
async fn incident_page(
    State(desk): State<Desk>,
    Wanted(name): Wanted<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(known) = desk.look().await else { return busy() };
    let (id, is_json) = name.strip_suffix(".json").map_or((&*name, false), |id| (id, true));
    let found = known.incidents.iter().find(|incident| incident.id == id);
    if is_json {
        return found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), json);
    }
    let (status, title, main) = match found {
        Some(incident) => {
            let title = words::plain(&incident.cause.title);
            (StatusCode::OK, title, incident::main(&known, incident))
        }
        None => (StatusCode::NOT_FOUND, "not known any more".to_owned(), incident::unknown()),
    };
    let title = format!("{title} — podwhy");
    html(status, shell::page(&title, &known, main, is_part(query.as_deref())))
}

#[cfg(test)]
mod tests;
