//! A real Loki and a real Tempo behind the agent: what it sends is found again by their own queries,
//! those of docs/delivery.md among them. `tests/run --backends` builds and runs this.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::agent::Setup;
use crate::collector::free_port;
use crate::journald::{Journald, Settings};
use crate::load::{self, Node, Shape};
use crate::main_path::SOON;
use crate::wait;

/// Failing pods: each fails twice, and the odd ones are deleted. Those that are named by their uid
/// alone are left out, for such a word tells nothing of them.
fn pods() -> impl Iterator<Item = usize> {
    (0..80).filter(|number| Shape::of(*number) != Shape::Volume)
}

fn deleted() -> impl Iterator<Item = usize> {
    pods().filter(|number| number % 2 == 1)
}

/// How many `pods` are.
const PODS: usize = 70;

/// A program on loopback, ended when dropped. Its data is the test's: nobody waits for its end.
struct Backend {
    child: Child,
    port: u16,
    otlp_port: u16,
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program(name: &str) -> PathBuf {
    let variable = format!("PODWHY_TEST_{}", name.to_uppercase());
    let given = std::env::var_os(&variable).map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(name);
    let path = given.unwrap_or(built);
    assert!(path.is_file(), "no {}: tests/run --backends builds it", path.display());
    path
}

impl Backend {
    fn loki(folder: &Path) -> Self {
        let port = free_port();
        podwhy::export::otlp_http::install_tls_provider();
        let mut command = Command::new(program("loki"));
        command.arg(config("loki")).arg("-config.expand-env=true");
        command.env("LOKI_PORT", port.to_string());
        command.env("LOKI_GRPC_PORT", free_port().to_string());
        command.env("LOKI_DIR", folder);
        Self::start(command, folder, port, port)
    }

    fn tempo(folder: &Path) -> Self {
        let (port, otlp_port) = (free_port(), free_port());
        let mut command = Command::new(program("tempo"));
        command.arg(config("tempo").trim_start_matches("-config.file="));
        command.env("TEMPO_PORT", port.to_string());
        command.env("TEMPO_GRPC_PORT", free_port().to_string());
        command.env("TEMPO_OTLP_GRPC_PORT", otlp_port.to_string());
        command.env("TEMPO_OTLP_HTTP_PORT", free_port().to_string());
        command.env("TEMPO_DIR", folder);
        Self::start(command, folder, port, otlp_port)
    }

    fn start(mut command: Command, folder: &Path, port: u16, otlp_port: u16) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let backend = Self { child: command.spawn().expect("it starts"), port, otlp_port };
        wait::until("the backend is ready", Duration::from_secs(120), || {
            backend.ask("/ready", &[]).is_some_and(|(status, _)| status == 200)
        });
        backend
    }

    /// What it answers: status and text.
    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let url = reqwest::Url::parse_with_params(&url, parameters).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.get(url).header("accept", "application/json");
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some((status, response.text().await.ok()?))
        })
    }

    fn json(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let (status, text) = self.ask(path, parameters).expect("it answers");
        assert_eq!(status, 200, "{path} {parameters:?}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Loki's answer to a query of lines: the labels and metadata of each record, and its sentence.
    fn records(&self, query: &str) -> Vec<(BTreeMap<String, String>, String)> {
        let found = self.json(
            "/loki/api/v1/query_range",
            &[("query", query), ("since", "1h"), ("limit", "5000")],
        );
        let mut all = Vec::new();
        for stream in found["data"]["result"].as_array().into_iter().flatten() {
            let words: BTreeMap<String, String> =
                serde_json::from_value(stream["stream"].clone()).unwrap();
            for value in stream["values"].as_array().into_iter().flatten() {
                all.push((words.clone(), value[1].as_str().unwrap_or_default().to_owned()));
            }
        }
        all
    }

    /// Loki's answer to a query of numbers.
    fn numbers(&self, query: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let found = self.json("/loki/api/v1/query", &[("query", query)]);
        let results = found["data"]["result"].as_array().cloned().unwrap_or_default();
        results
            .into_iter()
            .map(|result| {
                let labels = serde_json::from_value(result["metric"].clone()).unwrap();
                (labels, result["value"][1].as_str().unwrap().parse().unwrap())
            })
            .collect()
    }

    /// Ids of the traces that Tempo's search finds.
    fn traces(&self, query: &str) -> BTreeSet<String> {
        let found = self.json("/api/search", &[("q", query), ("limit", "500")]);
        let traces = found["traces"].as_array().cloned().unwrap_or_default();
        // It leaves zeros at the front out.
        let id = |trace: &Value| format!("{:0>32}", trace["traceID"].as_str().unwrap_or_default());
        traces.iter().map(id).collect()
    }
}

fn config(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/backends").join(name);
    format!("-config.file={}", folder.join(format!("{name}.yaml")).display())
}

/// The queries of one kind in the documentation.
fn documented(kind: &str) -> Vec<&'static str> {
    const PAGE: &str = include_str!("../../docs/delivery.md");
    let block = PAGE.split_once(&format!("```{kind}\n")).unwrap().1.split_once("```").unwrap().0;
    block.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

/// All failures are written, open as incidents, and those of the odd pods end.
fn tell(journald: &Journald, loki: &Backend) {
    let mut node = Node::new(journald);
    for number in pods().chain(pods()) {
        node.fail(number);
    }
    node.flush();
    let all = r#"{service_name="podwhy"} | podwhy_sync_form!="""#;
    wait::until("Loki has every failure", SOON, || loki.records(all).len() >= 2 * PODS);
    deleted().for_each(|number| node.remove(number));
    node.flush();
    let ended = r#"{service_name="podwhy"} | podwhy_incident_state="superseded""#;
    wait::until("Loki has every end", SOON, || loki.records(ended).len() >= deleted().count());
}

#[test]
fn what_is_sent_to_loki_and_tempo_is_found_again_by_their_own_queries() {
    assert!(crate::journald::available("backends"), "needs a journald of its own");
    let folder = tempfile::tempdir().unwrap();
    let loki = Backend::loki(&folder.path().join("loki"));
    let tempo = Backend::tempo(&folder.path().join("tempo"));
    let journald = Journald::start(Settings::default());
    let mut setup = Setup::new(folder.path(), journald.root(), "http://127.0.0.1:1");
    setup.variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}/otlp", loki.otlp_port)),
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc".to_owned()),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://127.0.0.1:{}", tempo.otlp_port)),
    ];
    let mut agent = setup.start();
    tell(&journald, &loki);
    assert!(agent.terminate().success());
    let failures = in_loki(&loki);
    in_tempo(&tempo, &loki, &failures);
}

/// The failures as Loki has them, by pod: how many, and the trace that they lead to.
fn in_loki(loki: &Backend) -> BTreeMap<String, String> {
    let records = loki.records(r#"{service_name="podwhy"} | podwhy_sync_form!="""#);
    assert_eq!(records.len(), 2 * PODS, "each failure once");
    let mut traces = BTreeMap::new();
    for (words, sentence) in &records {
        assert_eq!(words["k8s_node_name"], "node-a");
        assert_eq!(words["detected_level"], "error", "{words:?}");
        assert!(!words["podwhy_sync_step"].is_empty() && !sentence.is_empty());
        let trace = words["trace_id"].clone();
        let known = traces.insert(words["k8s_pod_uid"].clone(), trace.clone());
        assert!(known.is_none_or(|known| known == trace), "one incident, one trace");
    }
    assert_eq!(traces.len(), PODS);
    let series = loki.json("/loki/api/v1/series", &[("match[]", r#"{service_name="podwhy"}"#)]);
    let streams = series["data"].as_array().unwrap();
    assert_eq!(streams.len(), 1, "one node, one stream: {streams:?}");
    let labels: Vec<&String> = streams[0].as_object().unwrap().keys().collect();
    assert_eq!(labels, ["service_instance_id", "service_name"]);

    let [steps, one_node, noisy, spread, causes] = documented("logql")[..] else {
        panic!("the page has other queries")
    };
    let mut expected: BTreeMap<&str, f64> = BTreeMap::new();
    for number in pods() {
        let step = match Shape::of(number) {
            Shape::Sandbox => "CreatePodSandbox",
            _ => "StartContainer",
        };
        *expected.entry(step).or_default() += 2.0;
    }
    let found = loki.numbers(steps);
    let found: BTreeMap<&str, f64> =
        found.iter().map(|(labels, count)| (labels["podwhy_sync_step"].as_str(), *count)).collect();
    assert_eq!(found, expected, "{steps}");
    let sum = |query| loki.numbers(query).iter().map(|(_, count)| count).sum::<f64>();
    assert_eq!(sum(one_node), 140.0, "{one_node}");
    let noisy = loki.numbers(noisy);
    assert_eq!(noisy.len(), 10);
    assert!(noisy.iter().all(|(_, count)| *count >= 2.0), "{noisy:?}");
    assert_eq!(sum(spread), 70.0, "{spread}");
    assert!(sum(causes) >= 70.0, "{causes}");
    let one = format!(r#"{{service_name="podwhy"}} | k8s_pod_uid="{}""#, load::uid(1));
    assert!(loki.records(&one).len() >= 2, "{one}");
    println!("Loki: {} failures of {PODS} pods in 1 stream, 5 documented queries", records.len());
    traces
}

fn in_tempo(tempo: &Backend, loki: &Backend, failures: &BTreeMap<String, String>) {
    let ended: BTreeSet<String> =
        deleted().map(|number| failures[&load::uid(number)].clone()).collect();
    // By id, from a record to its span, at once.
    for id in &ended {
        let trace = tempo.json(&format!("/api/traces/{id}"), &[]);
        let text = trace.to_string();
        assert!(text.contains("podwhy.incident") && text.contains("podwhy.cause.id"), "{text}");
        let back = format!(r#"{{service_name="podwhy"}} | trace_id="{id}""#);
        assert!(loki.records(&back).len() >= 3, "a span leads to its records: {back}");
    }
    let open = &failures[&load::uid(0)];
    let (status, _) = tempo.ask(&format!("/api/traces/{open}"), &[]).unwrap();
    assert_eq!(status, 404, "what has not ended has no span");
    // By search, a moment later.
    let queries = documented("traceql");
    let [all, sandboxes, long, node] = queries[..] else { panic!("the page has other queries") };
    wait::until("Tempo's search has every span", SOON, || tempo.traces(all) == ended);
    let of_sandboxes: BTreeSet<String> = deleted()
        .filter(|number| Shape::of(*number) == Shape::Sandbox)
        .map(|number| failures[&load::uid(number)].clone())
        .collect();
    assert_eq!(tempo.traces(sandboxes), of_sandboxes, "{sandboxes}");
    assert!(tempo.traces(long).is_subset(&ended), "{long}");
    assert_eq!(tempo.traces(node), ended, "{node}");
    println!(
        "Tempo: {} spans by id and by search, {} documented queries",
        ended.len(),
        queries.len()
    );
}
