//! Calls to a real gRPC server on loopback: headers, compression, TLS, mTLS, rotation, proxy, caps
//! (O2, O4, O5, O8, O13).

use std::{fs, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    config::Protocol,
    export::{
        config::{self, Compression},
        tests::scripted::{Reply, Server, acceptor, tls_file},
    },
};

fn config(server: &Server, scheme: &str) -> Config {
    Config {
        protocol: Protocol::Grpc,
        endpoint: Some(config::Endpoint::Base(server.url(scheme))),
        ..Config::default()
    }
}

async fn taking() -> Server {
    Server::grpc(None, |_, _| Reply::Grpc(0, None)).await
}

async fn send(config: Config) -> Answer {
    let mut grpc = OtlpGrpc::new(config).unwrap();
    let body = grpc.pack(vec![0; 100]);
    grpc.send(body).await
}

fn code(answer: &Answer) -> i32 {
    match answer {
        Answer::Grpc { code, .. } => *code,
        other => panic!("no status: {other:?}"),
    }
}

fn why(answer: Answer) -> String {
    match answer {
        Answer::None(why) => why,
        answer => panic!("an answer: {answer:?}"),
    }
}

#[tokio::test]
async fn o2_a_call_has_the_headers_of_the_contract_and_a_gzip_message() {
    let server = taking().await;
    let mut config = config(&server, "http");
    config.apply_env(|name| {
        (name == "OTEL_EXPORTER_OTLP_HEADERS")
            .then(|| "X-Scope-OrgID=team-a,authorization=Basic%20YTpi".to_owned())
    });
    assert_eq!(code(&send(config.clone()).await), 0);
    let seen = server.seen().remove(0);
    assert_eq!(seen.path, "/opentelemetry.proto.collector.logs.v1.LogsService/Export");
    let version = env!("CARGO_PKG_VERSION");
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-encoding", "gzip"),
        ("grpc-timeout", "10000m"),
        ("x-scope-orgid", "team-a"),
        ("authorization", "Basic YTpi"),
    ] {
        assert_eq!(seen.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    let agent = format!("podwhy/{version} OTel-OTLP-Exporter-Rust/{version}");
    assert!(seen.headers["user-agent"].starts_with(&agent), "{}", seen.headers["user-agent"]);
    assert_eq!(seen.body, vec![0; 100], "uncompressed it is what was sent");

    config.signal = Signal::Traces;
    config.compression = Compression::None;
    assert_eq!(code(&send(config).await), 0);
    let seen = server.seen().remove(0);
    assert_eq!(seen.path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert!(!seen.headers.contains_key("grpc-encoding"));
    assert_eq!(seen.body, vec![0; 100]);
}

#[tokio::test]
async fn o4_the_delay_that_is_asked_for_is_handed_on_to_the_nanosecond() {
    let delay = Duration::new(3_600, 7);
    let server = Server::grpc(None, move |_, _| Reply::Grpc(14, Some(delay))).await;
    let Answer::Grpc { code: 14, retry, .. } = send(config(&server, "http")).await else {
        panic!("another answer")
    };
    assert_eq!(retry, Some(delay));
}

#[tokio::test]
async fn o8_no_more_than_4_mib_of_an_answer_are_read() {
    for (size, expected) in [(5 << 20, None), (1000, Some(1000))] {
        let server = Server::grpc(None, move |_, _| Reply::Message(vec![0; size])).await;
        let Answer::Grpc { code: 0, body, .. } = send(config(&server, "http")).await else {
            panic!("another answer")
        };
        assert_eq!(body.map(|body| body.len()), expected);
    }
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut bomb, &vec![0; 5 << 20]).unwrap();
    let bomb = [&[1, 0, 0, 0, 0], bomb.finish().unwrap().as_slice()].concat();
    assert_eq!(unframed(&bomb), None, "after decompression, too");
    assert_eq!(unframed(b"\0\0"), Some(Vec::new()));
}

#[tokio::test]
async fn o4_nobody_there_is_no_answer_and_names_no_secret() {
    let server = taking().await;
    let gone = config(&server, "http");
    drop(server);
    let text = why(send(gone).await);
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn o13_a_custom_ca_is_trusted_and_without_it_nothing_is_sent() {
    let server = Server::grpc(Some(acceptor(false, true)), |_, _| Reply::Grpc(0, None)).await;
    let plain = config(&server, "https");
    let trusting = Config { certificate: Some(tls_file("ca.pem")), ..plain.clone() };
    assert_eq!(code(&send(trusting).await), 0);
    let other = Config { certificate: Some(tls_file("server.pem")), ..plain };
    let text = why(send(other).await).to_lowercase();
    assert!(text.contains("certificate"), "{text}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn o13_a_rotated_client_certificate_is_picked_up_without_a_restart() {
    let server = Server::grpc(Some(acceptor(true, true)), |_, _| Reply::Grpc(0, None)).await;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::copy(tls_file("stranger.pem"), &certificate).unwrap();
    fs::copy(tls_file("stranger.key"), &key).unwrap();
    let config = Config {
        certificate: Some(tls_file("ca.pem")),
        client_certificate: Some(certificate.clone()),
        client_key: Some(key.clone()),
        ..config(&server, "https")
    };
    let mut grpc = OtlpGrpc::new(config).unwrap();
    let body = grpc.pack(Vec::new());
    why(grpc.send(body.clone()).await);
    let replace = |from: &str, to: &Path| {
        let next = folder.path().join("next");
        fs::copy(tls_file(from), &next).unwrap();
        fs::rename(next, to).unwrap();
    };
    replace("client.pem", &certificate);
    grpc.watch.looked -= limits::CREDENTIALS_LOOK;
    assert!(!grpc.refresh(), "half a rotation: the key does not fit yet");
    replace("client.key", &key);
    grpc.watch.looked -= limits::CREDENTIALS_LOOK;
    assert!(grpc.refresh());
    assert_eq!(code(&grpc.send(body).await), 0);
}

#[tokio::test]
async fn a_changed_token_is_picked_up_and_shown_nowhere() {
    let server = taking().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "one\n").unwrap();
    let config = Config { token_file: Some(file.clone()), ..config(&server, "http") };
    let mut grpc = OtlpGrpc::new(config.clone()).unwrap();
    let body = grpc.pack(Vec::new());
    grpc.send(body.clone()).await;
    // As the kubelet replaces a projected token: another file under the same name.
    let next = folder.path().join("next");
    fs::write(&next, "the-other").unwrap();
    fs::rename(next, &file).unwrap();
    grpc.watch.looked -= limits::CREDENTIALS_LOOK;
    assert!(grpc.refresh());
    grpc.send(body).await;
    let tokens: Vec<String> =
        server.seen().iter().map(|seen| seen.headers["authorization"].clone()).collect();
    assert_eq!(tokens, ["Bearer one", "Bearer the-other"]);
    assert!(!format!("{grpc:?}").contains("the-other"));
    for odd in ["", "two\nlines"] {
        fs::write(&file, odd).unwrap();
        let error = OtlpGrpc::new(config.clone()).unwrap_err().to_string();
        assert!(error.contains("token file") && !error.contains("lines"), "{error}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_with_file_and_fix() {
    let with = |change: fn(&mut Config)| {
        let endpoint = Some(config::Endpoint::Base("https://localhost:1".to_owned()));
        let mut config = Config { protocol: Protocol::Grpc, endpoint, ..Config::default() };
        change(&mut config);
        OtlpGrpc::new(config).unwrap_err().to_string()
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

/// A proxy that takes one CONNECT and passes bytes on; what it was asked.
async fn proxy(listener: TcpListener) -> String {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(client.read_buf(&mut head).await.unwrap() > 0);
    }
    let asked = String::from_utf8(head).unwrap();
    let target = asked.split(' ').nth(1).unwrap().to_owned();
    let mut server = TcpStream::connect(target).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
    asked
}

#[tokio::test]
async fn a_call_goes_through_the_proxy_that_the_environment_names_unless_it_is_excepted() {
    use hyper_util::client::proxy::matcher::Matcher;
    let server = Server::grpc(Some(acceptor(false, true)), |_, _| Reply::Grpc(0, None)).await;
    let config = Config { certificate: Some(tls_file("ca.pem")), ..config(&server, "https") };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = format!("http://me:pass@{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(proxy(listener));
    let endpoint: Uri = server.url("https").parse().unwrap();
    let by = |matcher: Matcher| {
        let builder = Endpoint::from(endpoint.clone()).tls_config(tls(&config).unwrap()).unwrap();
        builder.connect_with_connector_lazy(dial::Dial::through(matcher))
    };
    let mut grpc = OtlpGrpc::new(config.clone()).unwrap();
    let body = grpc.pack(Vec::new());
    grpc.channel = by(Matcher::builder().all(through).build());
    assert_eq!(code(&grpc.send(body.clone()).await), 0);
    let asked = asked.await.unwrap();
    assert!(asked.starts_with(&format!("CONNECT localhost:{}", server.address.port())), "{asked}");
    assert!(asked.to_lowercase().contains("proxy-authorization: basic bwu6cgfzcw=="), "{asked}");

    grpc.channel = by(Matcher::builder().all("http://127.0.0.1:1").no("localhost").build());
    assert_eq!(code(&grpc.send(body.clone()).await), 0, "excepted: straight");
    grpc.channel = by(Matcher::builder().all("socks5://u:s3cret@127.0.0.1:1").build());
    let text = why(grpc.send(body).await);
    assert!(text.contains("HTTPS_PROXY") && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_check_asks_for_an_export_of_nothing() {
    let server = taking().await;
    let reached = OtlpGrpc::new(config(&server, "http")).unwrap().reach().await.unwrap();
    assert_eq!(reached.answer, Said::Grpc(0));
    assert_eq!(server.seen()[0].body, b"");
    let server = Server::grpc(None, |_, _| Reply::Grpc(16, None)).await;
    let reached = OtlpGrpc::new(config(&server, "http")).unwrap().reach().await.unwrap();
    assert_eq!(reached.answer, Said::Grpc(16));
}
