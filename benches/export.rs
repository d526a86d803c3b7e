//! Encode and send: records as OTLP bytes, batches around them, and both through real HTTP.
//!
//! `cargo bench -p benches --bench export`

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;

use benches::{Contender, compete, machine, sink::Sink, table};
use podwhy::export::{
    Config, Exporter, Pending, Port, Request, Stats,
    config::Endpoint,
    encode::{self, Bounds, Envelope, Identity},
    otlp_http::install_tls_provider,
};
use podwhy::record::{EventName, Record, Severity, Value, Worth};
use tokio::sync::{Notify, mpsc, watch};

const ROUNDS: usize = 7;
const RECORDS: usize = 20_000;
const BATCH: usize = 1_000;

fn main() {
    // Only under `cargo bench`: `cargo test --benches` must not spend minutes here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    install_tls_provider();
    let record = record();
    let bounds = Bounds::default();
    let bytes = encode::record(&record, record.time, &bounds);
    let pending: Vec<Pending> = (0..BATCH)
        .map(|seq| Pending { seq: seq as u64 + 1, time: record.time, bytes: bytes.clone().into() })
        .collect();
    let identity = Identity { node: "bench".to_owned(), cluster: None };
    let envelope = Envelope::new(&identity, &Config::default());
    let sink = Sink::start();
    let rows = compete(
        ROUNDS,
        &mut [
            Contender {
                name: "encode a record",
                lines: RECORDS,
                run: Box::new(|| {
                    for _ in 0..RECORDS {
                        black_box(encode::record(black_box(&record), record.time, &bounds));
                    }
                }),
            },
            Contender {
                name: "batch around stored bytes",
                lines: RECORDS,
                run: Box::new(|| {
                    for _ in 0..RECORDS / BATCH {
                        black_box(envelope.batch(black_box(&pending)));
                    }
                }),
            },
            Contender {
                name: "deliver: batch, gzip, HTTP, acknowledge",
                lines: RECORDS,
                run: Box::new(|| deliver(&sink, &identity, &pending)),
            },
        ],
    );
    say(&format!(
        "{}\n\n{}\n{} bytes per encoded record\n",
        machine(),
        table("encode and send, per record", &rows, "encode a record"),
        bytes.len()
    ));
}

/// The real exporter against the sink, fed from memory until everything is acknowledged.
fn deliver(sink: &Sink, identity: &Identity, batch: &[Pending]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let config =
            Config { endpoint: Some(Endpoint::Base(sink.endpoint())), ..Config::default() };
        let exporter = Exporter::new(config, identity, Arc::new(Stats::default()));
        let (requests, mut inlet) = mpsc::channel(4);
        let (_running, shutdown) = watch::channel(None);
        let port = Port::new(requests, Arc::new(Notify::new()));
        let run = tokio::spawn(exporter.expect("settings that work").run(port, shutdown));
        let mut left = RECORDS / BATCH;
        while left > 0 {
            match inlet.recv().await.expect("the exporter runs") {
                Request::Fetch { reply, .. } => drop(reply.send(batch.to_vec())),
                Request::Delivered(_) => left -= 1,
                Request::Refused(refused) => panic!("refused: {refused:?}"),
            }
        }
        run.abort();
    });
}

/// A usual sync failure: the attributes of otlp.md's example and the node's figures.
fn record() -> Record {
    let texts = [
        ("k8s.namespace.name", "shop"),
        ("k8s.pod.name", "web-6d9f7c5b8d-x2lqv"),
        ("k8s.pod.uid", "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21"),
        ("k8s.container.name", "app"),
        ("podwhy.sync.step", "StartContainer"),
        ("podwhy.sync.reason", "CrashLoopBackOff"),
        ("podwhy.sync.message", "back-off 5m0s restarting failed container=app pod=web_shop(7c1e)"),
        ("error.type", "CrashLoopBackOff"),
        ("podwhy.source.component", "kubelet"),
        ("podwhy.source.unit", "kubelet.service"),
        ("podwhy.source.severity", "E"),
        ("code.file.path", "pod_workers.go"),
    ];
    let mut attributes: Vec<_> = texts
        .into_iter()
        .map(|(name, value)| (Cow::Borrowed(name), Value::Text(value.to_owned())))
        .collect();
    attributes.push((Cow::Borrowed("code.line.number"), Value::Int(1324)));
    attributes.push((Cow::Borrowed("podwhy.node.disk.kubelet.free_bytes"), Value::Int(1 << 34)));
    Record {
        event: EventName::SyncFailure,
        uid: [7; 16],
        time: 1_795_341_600_123_456,
        severity: Severity::Error,
        body: "StartContainer failed for container app of pod shop/web: CrashLoopBackOff"
            .to_owned(),
        attributes,
        worth: Worth::Failure,
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's table is its output")]
fn say(text: &str) {
    println!("{text}");
}
