//! Requests against a real listener on loopback (O1, O2, O4, O5, O8, O12, O13).
//! The certificates beside this file were made with openssl for these tests alone; they end in 2126.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::{Compression as Level, read::GzDecoder, write::GzEncoder};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::export::config::{Compression, Endpoint};

/// One request as it came over the wire.
#[derive(Clone, Debug, Default)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// A server that answers each request with the same bytes and closes.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(answer: Vec<u8>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                match &tls {
                    None => serve(stream, &answer, &shared).await,
                    Some(tls) => {
                        // A client that is not let in ends here.
                        let Ok(stream) = tls.accept(stream).await else { continue };
                        serve(stream, &answer, &shared).await;
                    }
                }
            }
        });
        Self { address, seen, task }
    }

    async fn answering(answer: &str) -> Self {
        Self::start(answer.as_bytes().to_vec(), None).await
    }

    fn config(&self, scheme: &str) -> Config {
        // By name, so that the certificate is checked against one.
        let url = format!("{scheme}://localhost:{}/base", self.address.port());
        Config { endpoint: Some(Endpoint::Base(url)), ..Config::default() }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &[u8],
    seen: &Mutex<Vec<Seen>>,
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
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < head + 4 + length {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
    }
    seen.lock().unwrap().push(Seen { line, headers, body: bytes[head + 4..].to_vec() });
    let _client_gone = stream.write_all(answer).await;
    let _client_gone = stream.shutdown().await;
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

async fn send(config: Config) -> Answer {
    let mut http = OtlpHttp::new(config).unwrap();
    let body = http.pack(b"a request".to_vec());
    http.send(body).await
}

fn status(answer: &Answer) -> u16 {
    match answer {
        Answer::Http { status, .. } => *status,
        other => panic!("no answer: {other:?}"),
    }
}

fn why(answer: Answer) -> String {
    match answer {
        Answer::None(why) => why,
        answer => panic!("an answer: {answer:?}"),
    }
}

#[tokio::test]
async fn o2_a_request_has_exactly_the_headers_of_the_contract_and_a_gzip_body() {
    let server = Server::answering(OK).await;
    let mut config = server.config("http");
    config.apply_env(|name| {
        (name == "OTEL_EXPORTER_OTLP_HEADERS")
            .then(|| "X-Scope-OrgID=team-a,authorization=Basic%20YTpi".to_owned())
    });
    assert_eq!(status(&send(config).await), 200);
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /base/v1/logs HTTP/1.1");
    let version = env!("CARGO_PKG_VERSION");
    for (name, value) in [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "gzip"),
        ("x-scope-orgid", "team-a"),
        ("authorization", "Basic YTpi"),
        ("user-agent", &format!("podwhy/{version} OTel-OTLP-Exporter-Rust/{version}")),
    ] {
        assert_eq!(seen.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    let mut plain = Vec::new();
    GzDecoder::new(seen.body.as_slice()).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, b"a request");
}

#[tokio::test]
async fn o2_without_compression_the_body_goes_as_it_is() {
    let server = Server::answering(OK).await;
    let config = Config { compression: Compression::None, ..server.config("http") };
    assert_eq!(status(&send(config).await), 200);
    let seen = server.seen().remove(0);
    assert_eq!(seen.body, b"a request");
    assert!(!seen.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::answering(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(status(&send(server.config("http")).await), 307);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn o4_the_delay_that_is_asked_for_is_handed_on() {
    let server = Server::answering(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 17\r\nContent-Length: 4\r\n\r\nbusy",
    )
    .await;
    let Answer::Http { status, retry_after, body } = send(server.config("http")).await else {
        panic!("no answer")
    };
    assert_eq!((status, retry_after.as_deref()), (503, Some("17")));
    assert_eq!(body.as_deref(), Some(b"busy".as_slice()));
}

#[tokio::test]
async fn o4_no_answer_and_half_an_answer_are_tried_again_and_name_no_url() {
    let server = Server::answering("").await;
    let text = why(send(server.config("http")).await);
    assert!(!text.contains("/base"), "{text}");
    // O5: a success counts once its body was read to the end.
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    why(send(server.config("http")).await);
    let config = server.config("http");
    drop(server);
    why(send(config).await);
}

#[tokio::test]
async fn o12_a_destination_that_never_answers_is_given_up_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config {
        endpoint: Some(Endpoint::Base(url)),
        timeout: Some(Duration::from_millis(50)),
        ..Config::default()
    };
    let text = why(send(config).await);
    assert!(text.contains("timed out"), "{text}");
}

#[tokio::test]
async fn o8_no_more_than_4_mib_of_a_response_are_read_also_after_decompression() {
    let head = |encoding: &str, length: usize| {
        format!("HTTP/1.1 200 OK\r\n{encoding}Content-Length: {length}\r\n\r\n").into_bytes()
    };
    let mut large = head("", 5 << 20);
    large.resize(large.len() + (5 << 20), b'x');
    let server = Server::start(large, None).await;
    let Answer::Http { body, .. } = send(server.config("http")).await else { panic!() };
    assert_eq!(body, None);

    for (size, expected) in [(5 << 20, None), (1000, Some(1000))] {
        let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
        gzip.write_all(&vec![0; size]).unwrap();
        let packed = gzip.finish().unwrap();
        let mut bomb = head("Content-Encoding: gzip\r\n", packed.len());
        bomb.extend(packed);
        let server = Server::start(bomb, None).await;
        let Answer::Http { body, .. } = send(server.config("http")).await else { panic!() };
        assert_eq!(body.map(|body| body.len()), expected);
    }
}

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/otlp_http/tls").join(name)
}

fn acceptor(asks_for_a_certificate: bool) -> TlsAcceptor {
    install_tls_provider();
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
    let config = builder.with_single_cert(vec![certificate("server.pem")], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn o13_a_custom_ca_is_trusted_and_without_it_nothing_is_sent() {
    let server = Server::start(OK.as_bytes().to_vec(), Some(acceptor(false))).await;
    let config = server.config("https");
    let trusting = Config { certificate: Some(tls_file("ca.pem")), ..config.clone() };
    assert_eq!(status(&send(trusting).await), 200);
    let other = Config { certificate: Some(tls_file("server.pem")), ..config };
    let text = why(send(other).await).to_lowercase();
    assert!(text.contains("certificate"), "{text}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn o13_a_rotated_client_certificate_is_picked_up_without_a_restart() {
    let server = Server::start(OK.as_bytes().to_vec(), Some(acceptor(true))).await;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::copy(tls_file("stranger.pem"), &certificate).unwrap();
    fs::copy(tls_file("stranger.key"), &key).unwrap();
    let config = Config {
        certificate: Some(tls_file("ca.pem")),
        client_certificate: Some(certificate.clone()),
        client_key: Some(key.clone()),
        ..server.config("https")
    };
    let mut http = OtlpHttp::new(config).unwrap();
    let body = http.pack(b"a request".to_vec());
    why(http.send(body.clone()).await);
    assert!(!http.refresh(), "not looked at again so soon");

    let replace = |from: &str, to: &Path| {
        let next = folder.path().join("next");
        fs::copy(tls_file(from), &next).unwrap();
        fs::rename(next, to).unwrap();
    };
    replace("client.pem", &certificate);
    http.watch.looked -= limits::CREDENTIALS_LOOK;
    assert!(!http.refresh(), "half a rotation: the key does not fit yet");
    replace("client.key", &key);
    http.watch.looked -= limits::CREDENTIALS_LOOK;
    assert!(http.refresh());
    assert_eq!(status(&http.send(body).await), 200);
    http.watch.looked -= limits::CREDENTIALS_LOOK;
    assert!(!http.refresh(), "nothing changed since");
}

#[tokio::test]
async fn a_changed_header_file_is_picked_up_and_an_odd_one_is_named() {
    let server = Server::answering(OK).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    fs::write(&file, "Authorization: Bearer one\n").unwrap();
    let config = Config { headers_file: Some(file.clone()), ..server.config("http") };
    let mut http = OtlpHttp::new(config.clone()).unwrap();
    let body = http.pack(Vec::new());
    http.send(body.clone()).await;
    fs::write(&file, "Authorization: Bearer number two\n").unwrap();
    http.watch.looked -= limits::CREDENTIALS_LOOK;
    assert!(http.refresh());
    http.send(body).await;
    let tokens: Vec<String> =
        server.seen().iter().map(|seen| seen.headers["authorization"].clone()).collect();
    assert_eq!(tokens, ["Bearer one", "Bearer number two"]);
    fs::write(&file, "s3cret\n").unwrap();
    let error = OtlpHttp::new(config).unwrap_err().to_string();
    assert!(error.contains("headers") && !error.contains("s3cret"), "{error}");
    assert!(!format!("{http:?}").contains("number two"), "headers are never shown");
}

#[test]
fn settings_that_cannot_work_are_told_with_file_and_fix() {
    let with = |change: fn(&mut Config)| {
        let endpoint = Some(Endpoint::Base("https://localhost:1".to_owned()));
        let mut config = Config { endpoint, ..Config::default() };
        change(&mut config);
        OtlpHttp::new(config).unwrap_err().to_string()
    };
    let missing = with(|config| config.certificate = Some("/nowhere/ca.pem".into()));
    assert!(missing.contains("CA certificate /nowhere/ca.pem"), "{missing}");
    let empty = with(|config| config.certificate = Some(tls_file("client.key")));
    assert!(empty.contains("client.key"), "{empty}");
    let half = with(|config| config.client_key = Some(tls_file("client.key")));
    assert!(half.contains("set the one that is missing"), "{half}");
    let none = with(|config| config.endpoint = None);
    assert!(none.contains("none is set"), "{none}");
}
