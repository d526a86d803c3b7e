//! Real servers for tests: HTTP/1.1 and gRPC on loopback, plain or with TLS, each answering by a
//! script and counting what it received. What it does not count, it did not get.

use std::{
    collections::BTreeMap,
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest, common::v1::any_value,
};
use prost::{Message as _, bytes::Bytes};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status, codegen::http};

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(in crate::export) enum Reply {
    /// An HTTP answer; over gRPC one without a gRPC status.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A gRPC status, with `RetryInfo` where there is a delay.
    Grpc(i32, Option<Duration>),
    /// A gRPC success with this message.
    Message(Vec<u8>),
    /// The same after a while.
    Late(Duration, Box<Self>),
    /// The head and some of the body, and then the connection or the stream breaks.
    Half,
    /// The connection is closed instead.
    Nothing,
    /// Nothing ever comes, and the connection stays.
    Never,
}

impl Reply {
    pub(in crate::export) fn ok() -> Self {
        Self::Http(200, Vec::new(), Vec::new())
    }

    /// Whether a server that answers so has the batch, as far as the sender can know or not.
    fn stores(&self) -> bool {
        match self {
            Self::Http(status, ..) => (200..300).contains(status),
            Self::Grpc(code, _) => *code == 0,
            Self::Late(_, reply) => reply.stores(),
            Self::Message(_) | Self::Half | Self::Nothing | Self::Never => true,
        }
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(in crate::export) struct Seen {
    pub(in crate::export) at: Instant,
    /// Number of its connection, from 1.
    pub(in crate::export) connection: usize,
    pub(in crate::export) path: String,
    pub(in crate::export) headers: BTreeMap<String, String>,
    /// Bodies of the records in it.
    pub(in crate::export) texts: Vec<String>,
    /// Its bytes, uncompressed.
    pub(in crate::export) body: Vec<u8>,
    /// Whether the server has them.
    pub(in crate::export) is_stored: bool,
}

type Script = dyn Fn(usize, &[String]) -> Reply + Send + Sync;

/// A server; ends when it is dropped.
pub(in crate::export) struct Server {
    pub(in crate::export) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Box<Script>,
    connections: AtomicUsize,
}

impl Server {
    pub(in crate::export) async fn http(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(tls, false, Box::new(script)).await
    }

    pub(in crate::export) async fn grpc(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(tls, true, Box::new(script)).await
    }

    async fn start(tls: Option<TlsAcceptor>, is_grpc: bool, script: Box<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = AtomicUsize::new(0);
        let shared = Arc::new(Shared { seen: Arc::clone(&seen), script, connections });
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                open.spawn(async move {
                    let Some(tls) = tls else {
                        return talk(stream, is_grpc, number, &shared).await;
                    };
                    // A client that is not let in ends here.
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(stream, is_grpc, number, &shared).await;
                    }
                });
            }
        });
        Self { address, seen, task }
    }

    pub(in crate::export) fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By name, so that a certificate is checked against one.
    pub(in crate::export) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.address.port())
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    is_grpc: bool,
    connection: usize,
    shared: &Shared,
) {
    match is_grpc {
        true => talk_grpc(stream, connection, shared).await,
        false => talk_http(stream, connection, shared).await,
    }
}

impl Shared {
    /// Notes a request and says how it is answered.
    fn take(
        &self,
        connection: usize,
        path: String,
        headers: BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> Reply {
        let texts = texts(&body);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = (self.script)(seen.len(), &texts);
        let is_stored = reply.stores();
        seen.push(Seen { at: Instant::now(), connection, path, headers, texts, body, is_stored });
        reply
    }
}

fn texts(body: &[u8]) -> Vec<String> {
    let request = ExportLogsServiceRequest::decode(body).unwrap_or_default();
    let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
    let records = scopes.flat_map(|scope| scope.log_records);
    let bodies = records.filter_map(|record| record.body?.value);
    bodies
        .filter_map(|value| match value {
            any_value::Value::StringValue(text) => Some(text),
            _ => None,
        })
        .collect()
}

fn inflated(bytes: &[u8], is_gzip: bool) -> Vec<u8> {
    if !is_gzip {
        return bytes.to_vec();
    }
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

async fn talk_http(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    shared: &Shared,
) {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let is_gzip = headers.get("content-encoding").is_some_and(|value| value == "gzip");
    let body = inflated(&bytes[head + 4..], is_gzip);
    let mut reply = shared.take(connection, path, headers, body);
    if let Reply::Late(after, then) = reply {
        tokio::time::sleep(after).await;
        reply = *then;
    }
    let answer = match reply {
        Reply::Http(status, headers, body) => {
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\n\r\n");
            [head.into_bytes(), body].concat()
        }
        Reply::Half => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec(),
        Reply::Nothing => Vec::new(),
        Reply::Never => std::future::pending().await,
        other => panic!("no answer of HTTP: {other:?}"),
    };
    let _client_gone = stream.write_all(&answer).await;
    let _client_gone = stream.shutdown().await;
}

async fn talk_grpc(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    shared: &Shared,
) {
    let Ok(mut h2) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = h2.accept().await {
        let (head, mut body) = request.into_parts();
        let mut bytes = Vec::new();
        // The connection moves only while it is polled.
        let mut read = Box::pin(async {
            while let Some(Ok(chunk)) = body.data().await {
                body.flow_control().release_capacity(chunk.len()).unwrap();
                bytes.extend_from_slice(&chunk);
            }
        });
        tokio::select! {
            () = &mut read => {}
            _ = std::future::poll_fn(|context| h2.poll_closed(context)) => return,
        }
        drop(read);
        let headers: BTreeMap<String, String> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let message = inflated(&bytes[5..], bytes[0] == 1);
        let path = head.uri.path().to_owned();
        match shared.take(connection, path, headers, message) {
            Reply::Nothing => return,
            Reply::Late(after, reply) => {
                let mut wait = Box::pin(tokio::time::sleep(after));
                tokio::select! {
                    () = &mut wait => answer_grpc(respond, *reply),
                    _ = std::future::poll_fn(|context| h2.poll_closed(context)) => return,
                }
            }
            reply => answer_grpc(respond, reply),
        }
    }
}

fn answer_grpc(mut respond: h2::server::SendResponse<Bytes>, reply: Reply) {
    let head = || {
        let mut head = http::Response::new(());
        let value = http::HeaderValue::from_static("application/grpc");
        head.headers_mut().insert(http::header::CONTENT_TYPE, value);
        head
    };
    match reply {
        Reply::Grpc(0, _) => answer_grpc(respond, Reply::Message(Vec::new())),
        Reply::Grpc(code, delay) => {
            let details = delay.map(details).unwrap_or_default();
            let status = Status::with_details(Code::from(code), "Bearer s3cret", details);
            let mut head = head();
            status.add_header(head.headers_mut()).unwrap();
            respond.send_response(head, true).unwrap();
        }
        Reply::Message(message) => {
            let mut stream = respond.send_response(head(), false).unwrap();
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let frame = [&[0], length.as_slice(), &message].concat();
            stream.send_data(frame.into(), false).unwrap();
            let mut trailers = http::HeaderMap::new();
            Status::ok("").add_header(&mut trailers).unwrap();
            stream.send_trailers(trailers).unwrap();
        }
        Reply::Http(status, headers, body) => {
            let mut head = http::Response::new(());
            *head.status_mut() = http::StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                head.headers_mut().insert(name, value.parse().unwrap());
            }
            let mut stream = respond.send_response(head, false).unwrap();
            stream.send_data(body.into(), true).unwrap();
        }
        Reply::Half => {
            let mut stream = respond.send_response(head(), false).unwrap();
            stream.send_data(Bytes::from_static(b"\0\0"), false).unwrap();
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        // Held, so that its stream stays open.
        Reply::Never => std::mem::forget(respond),
        other => panic!("no answer of gRPC: {other:?}"),
    }
}

/// `google.rpc.Status` with a `RetryInfo` in it, written by hand: the numbers are the contract.
fn details(delay: Duration) -> Bytes {
    let field = |number: u8, bytes: &[u8]| -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    };
    let varint = |number: u8, mut value: u64| -> Vec<u8> {
        let mut bytes = vec![number << 3];
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    };
    let nanos = varint(2, u64::from(delay.subsec_nanos()));
    let duration = [varint(1, delay.as_secs()), nanos].concat();
    let info = field(1, &duration);
    let any = [field(1, b"type.googleapis.com/google.rpc.RetryInfo"), field(2, &info)].concat();
    [varint(1, 8), field(3, &any)].concat().into()
}

/// One of the certificates and keys that were made with openssl for tests alone; they end in 2126.
pub(in crate::export) fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/otlp_http/tls").join(name)
}

/// TLS for a server of `localhost`; for gRPC it must offer HTTP/2.
pub(in crate::export) fn acceptor(asks_for_a_certificate: bool, is_grpc: bool) -> TlsAcceptor {
    crate::export::otlp_http::install_tls_provider();
    let certificate = |name| CertificateDer::from_pem_file(tls_file(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).unwrap();
    let builder = rustls::ServerConfig::builder();
    let builder = if asks_for_a_certificate {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate("ca.pem")).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder(roots.into()).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(vec![certificate("server.pem")], key).unwrap();
    if is_grpc {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    TlsAcceptor::from(Arc::new(config))
}
