//! `podwhy demo` as a command: quick, complete, without a trace, and silent towards the network.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

#[test]
fn the_demo_shows_its_first_failure_within_2_s_and_ends_within_30_s() {
    let temporary = tempfile::tempdir().unwrap();
    let anybody = TcpListener::bind("127.0.0.1:0").unwrap();
    anybody.set_nonblocking(true).unwrap();
    let begun = SystemTime::now();
    let since = || begun.elapsed().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_podwhy"))
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", anybody.local_addr().unwrap()))
        .env("PODWHY_CONFIG", "/no/such/file")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(since() < Duration::from_secs(2), "the first record came after {:?}", since());

    let rest: Vec<Value> =
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let output = child.wait_with_output().unwrap();
    assert!(since() < Duration::from_secs(30), "it took {:?}", since());
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Try next"));

    let all: Vec<&Value> = std::iter::once(&first).chain(&rest).collect();
    let incidents = all.iter().filter(|record| record["event"] == "podwhy.incident");
    let told: Vec<(&str, &str)> = incidents
        .map(|record| (record["cause"]["id"].as_str().unwrap(), record["state"].as_str().unwrap()))
        .collect();
    for cause in ["mount_path_mismatch", "oom_container", "cni_not_initialized"] {
        assert!(told.contains(&(cause, "open")), "{cause}: {told:?}");
    }
    assert!(told.contains(&("cni_not_initialized", "recovering")), "{told:?}");

    let repeats = |record: &Value| record["repeats"].as_u64().unwrap_or(1);
    let network: u64 = std::iter::once(&first)
        .chain(&rest)
        .filter(|record| record["event"] == "podwhy.sync_failure")
        .filter(|record| record["step"] == "WaitForNetwork")
        .map(repeats)
        .sum();
    assert_eq!(network, 22, "index.tsv names 22 `Error syncing pod` lines");

    assert!(anybody.accept().is_err(), "the environment's endpoint is not heeded");
    assert_eq!(temporary.path().read_dir().unwrap().count(), 0, "nothing is left behind");
}
