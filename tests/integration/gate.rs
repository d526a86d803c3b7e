//! A door in front of the real Collector that refuses now and then, as a scripted answer says, and
//! otherwise passes requests through unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// What the door does with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Hand it to the Collector and relay its answer.
    Pass,
    /// Hand it to the Collector, then drop the answer: the sender cannot know that it arrived.
    PassAndForget,
    /// Refuse with this status.
    Refuse(StatusCode),
}

/// Decides from the number of the request, from 0.
pub type Script = fn(u64) -> Answer;

/// A running door, closed when dropped.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    counts: Arc<Counts>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// How often it did what.
#[derive(Debug, Default)]
pub struct Counts {
    pub requests: AtomicU64,
    pub passed: AtomicU64,
    pub refused: AtomicU64,
    last_refusal: AtomicU16,
}

#[derive(Clone)]
struct Shared {
    script: Script,
    target: String,
    client: reqwest::Client,
    counts: Arc<Counts>,
}

impl Gate {
    /// Opens a door to `target`, a base URL.
    pub fn open(target: &str, script: Script) -> Self {
        podwhy::export::otlp_http::install_tls_provider();
        let counts = Arc::new(Counts::default());
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let shared = Shared { script, target: target.to_owned(), client, counts: counts.clone() };
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        listener.set_nonblocking(true).expect("a listener for tokio");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || serve(listener, shared, stopped));
        Self { port, counts, stop: Some(stop), thread: Some(thread) }
    }

    /// The base URL to send to.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(
    listener: std::net::TcpListener,
    shared: Shared,
    stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a tokio listener");
        let router = Router::new().fallback(pass).with_state(shared);
        tokio::select! {
            _ = axum::serve(listener, router) => {}
            _ = stopped => {}
        }
    });
}

async fn pass(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let number = shared.counts.requests.fetch_add(1, Ordering::SeqCst);
    let answer = (shared.script)(number);
    if let Answer::Refuse(status) = answer {
        shared.counts.refused.fetch_add(1, Ordering::SeqCst);
        shared.counts.last_refusal.store(status.as_u16(), Ordering::SeqCst);
        return status.into_response();
    }
    let mut request = shared.client.post(format!("{}{}", shared.target, uri.path())).body(body);
    for name in ["content-type", "content-encoding", "user-agent"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let Ok(response) = request.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = response.status();
    let bytes = response.bytes().await.unwrap_or_default();
    shared.counts.passed.fetch_add(1, Ordering::SeqCst);
    match answer {
        Answer::PassAndForget => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Answer::Pass | Answer::Refuse(_) => (status, bytes).into_response(),
    }
}
