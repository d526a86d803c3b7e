//! Asks the container runtime how it is, and for the containers of a pod, over its socket (CRI v1):
//! `Version`, `Status`, `ListContainers`, `ContainerStatus`, nothing that changes anything. Whoever
//! may open that socket may do anything on the node, so this is off unless it is configured.

mod containers;
mod message;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::Instant};
use tonic::{
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint, Uri},
};

use crate::{
    fact::{self, PodRef, RuntimeStatus},
    limits,
    observation::text::plain,
    redact,
};

/// Asks, on a thread that may wait.
#[derive(Debug)]
pub struct Asker {
    socket: PathBuf,
    timeout: Duration,
    runtime: tokio::runtime::Runtime,
    /// Kept between questions, so that latency is the runtime's and not the connection's.
    channel: Option<Channel>,
}

impl Asker {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// When the async runtime cannot be made.
    pub fn new(socket: &Path, timeout: Duration) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { socket: socket.to_owned(), timeout, runtime, channel: None })
    }

    /// How the runtime is. That it does not answer in time is an answer.
    ///
    /// # Errors
    /// One clause for humans: the socket is not there or refuses.
    pub fn ask(&mut self) -> Result<RuntimeStatus, String> {
        let asked = self.talk(status);
        let Self { socket, timeout, .. } = self;
        asked.or_else(|failure| match failure {
            Failure::Late { version } => {
                Ok(RuntimeStatus { version, why: Some(late(*timeout)), ..RuntimeStatus::default() })
            }
            Failure::Other(why) => Err(format!("{}: {why}", socket.display())),
        })
    }

    /// The containers of a pod: how they ended, what they mount.
    ///
    /// # Errors
    /// One clause for humans: the socket refuses, nothing comes back in time, it knows none.
    pub fn containers(&mut self, pod: &PodRef) -> Result<fact::Containers, String> {
        let asked = self.talk(async |channel, timeout| {
            let asking = containers::ask(channel, pod, timeout);
            let late = || Failure::Late { version: None };
            tokio::time::timeout(timeout, asking).await.unwrap_or_else(|_| Err(late()))
        });
        asked.map_err(|failure| match failure {
            Failure::Late { .. } => format!("the runtime {}", late(self.timeout)),
            Failure::Other(why) => format!("{}: {why}", self.socket.display()),
        })
    }

    fn talk<A>(
        &mut self,
        question: impl AsyncFnOnce(Channel, Duration) -> Result<A, Failure>,
    ) -> Result<A, Failure> {
        let Self { socket, timeout, runtime, channel } = self;
        runtime.block_on(async {
            let connected = match channel.take() {
                Some(channel) => channel,
                None => connect(socket, *timeout).await?,
            };
            let answer = question(connected.clone(), *timeout).await;
            // A channel that failed is made anew: the socket's file may be another one.
            *channel = answer.is_ok().then_some(connected);
            answer
        })
    }
}

fn late(timeout: Duration) -> String {
    format!("does not answer within {} s", timeout.as_secs_f64())
}

enum Failure {
    /// Connected, and then nothing.
    Late {
        version: Option<String>,
    },
    Other(String),
}

async fn connect(socket: &Path, timeout: Duration) -> Result<Channel, Failure> {
    let path = socket.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    });
    // Of an address for a socket only its form is wanted.
    let endpoint = Endpoint::from_static("http://localhost");
    let connecting = endpoint.connect_with_connector(connector);
    match tokio::time::timeout(timeout, connecting).await {
        Ok(connected) => connected.map_err(|error| Failure::Other(root_of(&error))),
        Err(_) => Err(Failure::Late { version: None }),
    }
}

async fn status(channel: Channel, timeout: Duration) -> Result<RuntimeStatus, Failure> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(limits::RUNTIME_ANSWER_BYTES);
    let begun = Instant::now();
    let request = message::VersionRequest { version: String::new() };
    let version: message::VersionResponse =
        call(&mut grpc, "/runtime.v1.RuntimeService/Version", request, timeout, None).await?;
    let latency_seconds = Some(begun.elapsed().as_secs_f64());
    let version = word(&format!("{} {}", version.runtime_name, version.runtime_version));
    let request = message::StatusRequest { verbose: false };
    let path = "/runtime.v1.RuntimeService/Status";
    let left = timeout.saturating_sub(begun.elapsed());
    let answer: message::StatusResponse =
        call(&mut grpc, path, request, left, Some(&version)).await?;
    let conditions = answer.status.unwrap_or_default().conditions;
    let of = |kind: &str| {
        let found = conditions.iter().find(|condition| condition.kind == kind);
        found.map(|condition| condition.status)
    };
    let wrong = conditions.iter().filter(|condition| !condition.status).map(|condition| {
        word(&format!("{}: {}: {}", condition.kind, condition.reason, condition.message))
    });
    let why = wrong.take(limits::RUNTIME_LIST).collect::<Vec<_>>().join("; ");
    Ok(RuntimeStatus {
        version: Some(version.trim().to_owned()).filter(|version| !version.is_empty()),
        latency_seconds,
        runtime_ready: of("RuntimeReady"),
        network_ready: of("NetworkReady"),
        why: Some(why).filter(|why| !why.is_empty()),
    })
}

async fn call<Q, A>(
    grpc: &mut Grpc<Channel>,
    path: &'static str,
    request: Q,
    timeout: Duration,
    version: Option<&String>,
) -> Result<A, Failure>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let late = || Failure::Late { version: version.cloned() };
    let calling = async {
        grpc.ready().await.map_err(|error| Failure::Other(root_of(&error)))?;
        let codec = tonic_prost::ProstCodec::default();
        let request = tonic::Request::new(request);
        let answer = grpc.unary(request, PathAndQuery::from_static(path), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| {
            Failure::Other(word(&format!("{}: {}", status.code(), status.message())))
        })
    };
    tokio::time::timeout(timeout, calling).await.unwrap_or_else(|_| Err(late()))
}

/// The innermost of an error's sources: "transport error" alone helps nobody.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    word(&root.to_string())
}

fn word(text: &str) -> String {
    let text = plain(limits::cut(text, 2 * limits::WORD_BYTES).0);
    let text = redact::scrub(&text, &mut redact::Counts::default());
    limits::cut(&text, limits::WORD_BYTES).0.to_owned()
}

#[cfg(test)]
mod tests;
