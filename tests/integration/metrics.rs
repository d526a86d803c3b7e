//! The door for metrics and health of a running agent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::load::Node;
use crate::main_path::{SOON, parts, setup, wait_for_pods};
use crate::wait;

/// Where the agent says that it listens.
fn address(log: &Path) -> String {
    let mut found = None;
    wait::until("the door is open", SOON, || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let line = text.lines().find(|line| line.contains("metrics and health are served"));
        let at = line.and_then(|line| line.split_once("at=")).map(|(_, at)| at);
        found = at.and_then(|at| at.split_whitespace().next()).map(str::to_owned);
        found.is_some()
    });
    found.unwrap()
}

fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the agent listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.expect("a status"), body.to_owned())
}

/// The sum over the series of one metric.
fn sum(text: &str, metric: &str) -> f64 {
    let values = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(metric));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn metrics_tell_what_was_read_concluded_and_delivered() {
    let Some((journald, collector, folder)) =
        parts("metrics_tell_what_was_read_concluded_and_delivered")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let mut agent = setup.start();
    let at = address(&setup.log());
    wait::until("it reads", SOON, || get(&at, "/readyz").0 == 200);
    let mut node = Node::new(&journald);
    for number in 0..40 {
        node.chat(number);
        node.fail(number);
    }
    wait_for_pods(&collector, 0..40, SOON);
    let mut text = String::new();
    wait::until("what was delivered is counted", SOON, || {
        text = get(&at, "/metrics").1;
        sum(&text, "podwhy_export_records_total") >= 40.0
    });
    assert!((sum(&text, "podwhy_sync_failures_total") - 40.0).abs() < 0.5, "{text}");
    assert!(sum(&text, "podwhy_lines_read_total") >= 80.0, "{text}");
    assert!(sum(&text, "podwhy_node_disk_free_bytes") > 0.0, "{text}");
    assert!((sum(&text, "podwhy_state_durable") - 1.0).abs() < 0.1, "{text}");
    assert!(!text.contains("web-"), "no pod's name is a label: {text}");
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series <= 150, "{series} series");
    assert_eq!(get(&at, "/livez"), (200, "ok\n".to_owned()));
    assert!(agent.terminate().success());
    assert!(TcpStream::connect(&at).is_err(), "the door closes with the agent");
}

#[test]
fn an_agent_that_reads_nothing_is_alive_and_not_ready_and_says_why() {
    let Some((_, collector, folder)) =
        parts("an_agent_that_reads_nothing_is_alive_and_not_ready_and_says_why")
    else {
        return;
    };
    let empty = tempfile::tempdir().unwrap();
    let mut setup = crate::agent::Setup::new(folder.path(), empty.path(), &collector.endpoint());
    setup.more = "files: { enabled: false }\n".to_owned();
    setup.variables.push(("PODWHY_JOURNAL_LIBRARY", "libnone.so.0".to_owned()));
    let mut agent = setup.start();
    let at = address(&setup.log());
    let mut told = String::new();
    wait::until("it says why", SOON, || {
        let (status, text) = get(&at, "/readyz");
        told = text;
        status == 503 && told.contains("libnone.so.0")
    });
    assert_eq!(get(&at, "/livez").0, 200, "{told}");
    assert!(agent.terminate().success());
}
