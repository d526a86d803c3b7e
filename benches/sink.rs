//! A backend that takes everything at once and notes when each record came. Decoding is left to the
//! end of the run, so that it disturbs nothing.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use prost::Message;

type Requests = Arc<Mutex<Vec<(SystemTime, Bytes)>>>;

/// A running sink; ends with the process.
#[derive(Debug)]
pub struct Sink {
    port: u16,
    requests: Requests,
}

/// One record and when it came.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When its request had been read.
    pub at: SystemTime,
    /// `podwhy.sync_failure` and so on.
    pub event: String,
    /// `k8s.pod.uid`, else empty.
    pub pod: String,
}

impl Sink {
    /// Starts one on a free port of loopback.
    ///
    /// # Panics
    /// When it cannot listen: there is nothing to measure then.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let port = listener.local_addr().expect("its address").port();
        let requests = Requests::default();
        let state = requests.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let router = Router::new().fallback(take).with_state(state);
                axum::serve(listener, router).await.expect("serves until the process ends");
            });
        });
        Self { port, requests }
    }

    /// The base URL to send to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything that came so far.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        requests.iter().flat_map(|(at, body)| decode(*at, body)).collect()
    }
}

async fn take(State(requests): State<Requests>, body: Bytes) {
    let now = SystemTime::now();
    requests.lock().unwrap_or_else(PoisonError::into_inner).push((now, body));
}

fn decode(at: SystemTime, body: &[u8]) -> Vec<Arrival> {
    let mut bytes = Vec::new();
    let mut unpacked = flate2::read::GzDecoder::new(body);
    // What is not packed is taken as it is.
    let bytes = if unpacked.read_to_end(&mut bytes).is_ok() { &bytes } else { body };
    let request = ExportLogsServiceRequest::decode(bytes).unwrap_or_default();
    let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
    scopes
        .flat_map(|scope| scope.log_records)
        .map(|record| Arrival {
            at,
            event: record.event_name,
            pod: record
                .attributes
                .into_iter()
                .find(|pair| pair.key == "k8s.pod.uid")
                .and_then(|pair| pair.value?.value)
                .map_or_else(String::new, |value| match value {
                    any_value::Value::StringValue(text) => text,
                    _ => String::new(),
                }),
        })
        .collect()
}
