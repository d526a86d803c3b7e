//! Records and spans, each to its own destination: by both protocols, plain and with mutual TLS,
//! with one of the two away.

use std::collections::BTreeSet;

use crate::agent::Setup;
use crate::collector::{Collector, Received, Security, Span, free_port, tls_file};
use crate::journald::{Journald, Settings, available};
use crate::load::Node;
use crate::main_path::{SOON, once_each, wait_for_pods};
use crate::wait;

fn start(test: &str, security: Security) -> Option<(Journald, Collector, tempfile::TempDir)> {
    if !available(test) {
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    match Collector::start_with(folder.path(), security) {
        Ok(collector) => Some((Journald::start(Settings::default()), collector, folder)),
        Err(why) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: {why}");
            println!("SKIPPED {test}: {why}");
            None
        }
    }
}

/// An agent that is told by the standard variables alone where to send and how.
fn setup(
    folder: &tempfile::TempDir,
    journald: &Journald,
    collector: &Collector,
    security: Security,
    is_grpc: bool,
) -> Setup {
    let endpoint = if is_grpc { collector.grpc_endpoint() } else { collector.endpoint() };
    let mut setup = Setup::new(folder.path(), journald.root(), "http://127.0.0.1:1");
    let protocol = if is_grpc { "grpc" } else { "http/protobuf" };
    setup.variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("PODWHY_DIAGNOSIS_RECOVERY_OPENS_AFTER", "1s".to_owned()),
    ];
    if security == Security::Mutual {
        setup.variables.extend([
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", tls_file("ca.pem")),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", tls_file("client.pem")),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", tls_file("client.key")),
        ]);
    }
    setup
}

fn incidents<'r>(received: &'r [Received], state: &str) -> Vec<&'r Received> {
    received
        .iter()
        .filter(|record| {
            record.event == "podwhy.incident" && record.text("podwhy.incident.state") == state
        })
        .collect()
}

/// Some failures become incidents, and their pods go: each incident is one span, and what was told
/// of it carries its ids.
fn one_story(journald: &Journald, collector: &Collector) {
    let mut node = fail(journald);
    wait_for_open(collector);
    end(&mut node);
    wait::until("every incident has its span", SOON, || collector.spans().len() >= PODS.len());
}

/// Failing pods, each named in its lines by namespace and name.
const PODS: [usize; 8] = [0, 1, 2, 4, 5, 6, 7, 8];

/// Each of them fails twice.
fn fail(journald: &Journald) -> Node {
    let mut node = Node::new(journald);
    PODS.into_iter().chain(PODS).for_each(|number| node.fail(number));
    node.flush();
    node
}

fn wait_for_open(collector: &Collector) {
    wait::until("every failure has arrived, and every incident is open", SOON, || {
        let received = collector.received();
        let failures = received.iter().filter(|record| record.event == "podwhy.sync_failure");
        failures.count() >= 2 * PODS.len() && incidents(&received, "open").len() >= PODS.len()
    });
}

/// The pods are deleted.
fn end(node: &mut Node) {
    PODS.into_iter().for_each(|number| node.remove(number));
    node.flush();
}

fn spans_fit(received: &[Received], spans: &[Span]) {
    for span in spans {
        assert_eq!(span.name, "podwhy.incident");
        assert_eq!(span.trace_id, span.text("podwhy.incident.id"));
        assert_eq!(span.text("podwhy.incident.state"), "superseded", "{span:?}");
        assert!(span.start_unix_nano > 0 && span.start_unix_nano <= span.end_unix_nano);
        assert!(span.events >= 1, "each attempt is an event: {span:?}");
        assert_eq!(span.resource["service.name"], "podwhy");
        let mine = received.iter().filter(|record| record.trace_id == span.trace_id);
        let (mut failures, mut told) = (0, 0);
        for record in mine {
            assert_eq!(record.span_id, span.span_id, "{record:?}");
            failures += usize::from(record.event == "podwhy.sync_failure");
            told += usize::from(record.event == "podwhy.incident");
        }
        assert!(failures >= 1 && told >= 2, "{failures} failures, told {told} times: {span:?}");
    }
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.trace_id.as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "one span for each incident");
    let orphans = received.iter().filter(|record| {
        record.event == "podwhy.sync_failure" && !ids.contains(record.trace_id.as_str())
    });
    assert_eq!(orphans.count(), 0, "from the first failure on the records carry the ids");
}

#[test]
fn o2_o13_o18_records_and_spans_arrive_by_both_protocols_plain_and_with_mutual_tls() {
    let test = "o2_o13_o18_records_and_spans_arrive_by_both_protocols_plain_and_with_mutual_tls";
    for (is_grpc, security) in [
        (true, Security::Plain),
        (true, Security::Mutual),
        (false, Security::Mutual),
        (false, Security::Plain),
    ] {
        let Some((journald, collector, folder)) = start(test, security) else { return };
        let setup = setup(&folder, &journald, &collector, security, is_grpc);
        let mut agent = setup.start();
        one_story(&journald, &collector);
        assert!(agent.terminate().success());
        let (received, spans) = (collector.received(), collector.spans());
        let uids: BTreeSet<&str> = received.iter().map(Received::uid).collect();
        assert_eq!(uids.len(), received.len(), "delivered twice");
        spans_fit(&received, &spans);
        println!(
            "{} {security:?}: {} records, {} spans, none lost, none twice",
            if is_grpc { "gRPC" } else { "HTTP" },
            received.len(),
            spans.len()
        );
    }
}

#[test]
fn o13_a_collector_that_wants_a_certificate_gets_nothing_without_one_and_all_with_it() {
    let test = "o13_a_collector_that_wants_a_certificate_gets_nothing_without_one_and_all_with_it";
    let Some((journald, collector, folder)) = start(test, Security::Mutual) else { return };
    let mut setup = setup(&folder, &journald, &collector, Security::Mutual, true);
    setup.variables.retain(|(name, _)| !name.contains("CLIENT"));
    let mut agent = setup.start();
    let mut node = Node::new(&journald);
    (0..5).for_each(|number| node.fail(number));
    node.flush();
    let refused = || std::fs::read_to_string(setup.log()).unwrap().contains("nothing gets through");
    wait::until("the agent says that nothing gets through", SOON, refused);
    assert!(collector.received().is_empty());
    agent.kill();
    let mut setup = self::setup(&folder, &journald, &collector, Security::Mutual, true);
    setup.node = "node-a".to_owned();
    let mut agent = setup.start();
    wait_for_pods(&collector, 0..5, SOON);
    assert!(agent.terminate().success());
    once_each(&collector.received(), 5);
}

#[test]
fn o10_a_trace_store_that_is_away_holds_no_record_and_loses_no_span() {
    let test = "o10_a_trace_store_that_is_away_holds_no_record_and_loses_no_span";
    let Some((journald, collector, folder)) = start(test, Security::Plain) else { return };
    let other = folder.path().join("traces");
    std::fs::create_dir(&other).unwrap();
    let mut traces = Collector::start_with(&other, Security::Plain).unwrap();
    traces.stop();
    let mut setup = setup(&folder, &journald, &collector, Security::Plain, false);
    setup.variables.extend([
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces.grpc_endpoint()),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc".to_owned()),
        ("PODWHY_TEST_HASTE", "20".to_owned()),
    ]);
    let mut agent = setup.start();
    let mut node = fail(&journald);
    wait_for_open(&collector);
    end(&mut node);
    wait::until("all ends are told while nothing takes spans", SOON, || {
        incidents(&collector.received(), "superseded").len() >= PODS.len()
    });
    // The spans wait in the outbox, also for another run.
    agent.kill();
    let mut agent = setup.start();
    traces.resume();
    wait::until("every span arrives", SOON, || traces.spans().len() >= PODS.len());
    assert!(agent.terminate().success());
    let received = collector.received();
    assert!(collector.spans().is_empty(), "each signal goes to its own endpoint");
    assert!(traces.received().is_empty());
    spans_fit(&received, &traces.spans());
}

#[test]
fn o10_a_log_store_that_is_away_holds_no_span() {
    let test = "o10_a_log_store_that_is_away_holds_no_span";
    let Some((journald, collector, folder)) = start(test, Security::Plain) else { return };
    let mut setup = setup(&folder, &journald, &collector, Security::Plain, true);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    setup.variables.push(("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", nobody));
    let mut agent = setup.start();
    let mut node = fail(&journald);
    end(&mut node);
    wait::until("every span arrives", SOON, || collector.spans().len() >= PODS.len());
    assert!(collector.received().is_empty());
    agent.kill();
    setup.variables.pop();
    let mut agent = setup.start();
    wait_for_open(&collector);
    assert!(agent.terminate().success());
    // A kill may bring back what was delivered just before: the same spans, with the same ids.
    let mut spans = collector.spans();
    spans.sort_by(|a, b| (&a.trace_id, a.end_unix_nano).cmp(&(&b.trace_id, b.end_unix_nano)));
    spans.dedup_by(|a, b| {
        let key = |span: &Span| (span.span_id.clone(), span.start_unix_nano, span.end_unix_nano);
        key(a) == key(b)
    });
    spans_fit(&collector.received(), &spans);
}
