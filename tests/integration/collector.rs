//! A real OpenTelemetry Collector behind the agent: OTLP over HTTP and gRPC in, plain or with TLS,
//! one JSON line per request out.
//! `tests/run` builds it; where it is missing the test says so by name.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::wait;

/// A running Collector, ended when dropped.
#[derive(Debug)]
pub struct Collector {
    child: Option<Child>,
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    grpc_port: u16,
    security: Security,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Everybody, without TLS.
    Plain,
    /// Who has a certificate of our authority.
    Mutual,
}

/// One span as the Collector wrote it down.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    pub trace_id: String,
    pub span_id: String,
    pub start_unix_nano: u64,
    pub end_unix_nano: u64,
    pub events: usize,
    pub attributes: BTreeMap<String, Value>,
    pub resource: BTreeMap<String, Value>,
}

impl Span {
    /// An attribute as text, empty where it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// One log record as the Collector wrote it down.
#[derive(Clone, Debug)]
pub struct Received {
    pub event: String,
    pub severity: String,
    pub body: String,
    pub trace_id: String,
    pub span_id: String,
    pub time_unix_nano: u64,
    pub attributes: BTreeMap<String, Value>,
    pub resource: BTreeMap<String, Value>,
}

impl Received {
    /// An attribute as text, empty where it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn uid(&self) -> &str {
        self.text("log.record.uid")
    }

    /// How many failures the record stands for.
    pub fn repeats(&self) -> u64 {
        self.attributes
            .get("podwhy.sync.repeats")
            .and_then(Value::as_str)
            .map_or(1, |text| text.parse().expect("repeats is a number"))
    }
}

/// The Collector's program, or why it is not there.
pub fn program() -> Result<PathBuf, String> {
    let given = std::env::var_os("PODWHY_TEST_OTELCOL").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/otelcol");
    let path = given.unwrap_or(built);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("no Collector at {}: tests/run builds it", path.display())),
    }
}

impl Collector {
    /// Starts one that writes into `folder` and waits until it listens.
    pub fn start(folder: &Path) -> Result<Self, String> {
        Self::start_with(folder, Security::Plain)
    }

    /// The same behind TLS, or not.
    pub fn start_with(folder: &Path, security: Security) -> Result<Self, String> {
        let mut collector = Self {
            child: None,
            program: program()?,
            folder: folder.to_owned(),
            port: free_port(),
            grpc_port: free_port(),
            security,
        };
        collector.resume();
        Ok(collector)
    }

    /// The base URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        self.url(self.port)
    }

    /// The same for gRPC.
    pub fn grpc_endpoint(&self) -> String {
        self.url(self.grpc_port)
    }

    fn url(&self, port: u16) -> String {
        match self.security {
            Security::Plain => format!("http://127.0.0.1:{port}"),
            // By the name in the certificate.
            Security::Mutual => format!("https://localhost:{port}"),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, so that nothing listens any more; what it wrote stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts it again on the same port.
    pub fn resume(&mut self) {
        // Each life writes a file of its own, so that none truncates another's.
        let life = self.files().len();
        let config = self.folder.join("collector.yaml");
        std::fs::write(&config, self.config(life)).expect("write the Collector's configuration");
        let log = std::fs::File::create(self.folder.join(format!("collector-{life}.log")))
            .expect("create the Collector's log");
        let child = Command::new(&self.program)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start the Collector");
        self.child = Some(child);
        let port = self.port;
        wait::until("the Collector listens", Duration::from_secs(60), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    fn config(&self, life: usize) -> String {
        let (http, grpc, folder) = (self.port, self.grpc_port, self.folder.display());
        let tls = match self.security {
            Security::Plain => String::new(),
            Security::Mutual => format!(
                ", tls: {{ cert_file: {}, key_file: {}, client_ca_file: {} }}",
                tls_file("server.pem"),
                tls_file("server.key"),
                tls_file("ca.pem")
            ),
        };
        format!(
            "receivers:\n  otlp:\n    protocols:\n      \
             http: {{ endpoint: 127.0.0.1:{http}{tls} }}\n      \
             grpc: {{ endpoint: 127.0.0.1:{grpc}{tls} }}\n\
             exporters:\n  \
             file/logs: {{ path: {folder}/received-{life}.jsonl, flush_interval: 20ms }}\n  \
             file/traces: {{ path: {folder}/spans-{life}.jsonl, flush_interval: 20ms }}\n\
             service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines:\n    \
             logs: {{ receivers: [otlp], exporters: [file/logs] }}\n    \
             traces: {{ receivers: [otlp], exporters: [file/traces] }}\n"
        )
    }

    fn files(&self) -> Vec<PathBuf> {
        self.named("received")
    }

    fn named(&self, name: &str) -> Vec<PathBuf> {
        (0..)
            .map(|life| self.folder.join(format!("{name}-{life}.jsonl")))
            .take_while(|path| path.exists())
            .collect()
    }

    /// Whether this text has arrived anywhere: much cheaper than to read all of it.
    pub fn mentions(&self, text: &str) -> bool {
        self.files().iter().any(|file| {
            let bytes = std::fs::read(file).expect("read what arrived");
            String::from_utf8_lossy(&bytes).contains(text)
        })
    }

    /// Every log record that has arrived, in order of arrival. A line that is still being written
    /// is left for the next call.
    pub fn received(&self) -> Vec<Received> {
        let mut all = Vec::new();
        requests(self.files()).iter().for_each(|request| collect(request, &mut all));
        all
    }

    /// Every span that has arrived, likewise.
    pub fn spans(&self) -> Vec<Span> {
        let mut all = Vec::new();
        requests(self.named("spans")).iter().for_each(|request| collect_spans(request, &mut all));
        all
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// One of the certificates that were made for tests alone.
pub fn tls_file(name: &str) -> String {
    format!("{}/src/export/otlp_http/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn requests(files: Vec<PathBuf>) -> Vec<Value> {
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("read what arrived");
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            all.push(serde_json::from_str(line).expect("the Collector writes JSON"));
        }
    }
    all
}

fn collect_spans(request: &Value, all: &mut Vec<Span>) {
    for resource_spans in list(request, "resourceSpans") {
        let resource = attributes(&resource_spans["resource"]);
        for scope in list(resource_spans, "scopeSpans") {
            for span in list(scope, "spans") {
                all.push(Span {
                    name: text(span, "name"),
                    trace_id: text(span, "traceId"),
                    span_id: text(span, "spanId"),
                    start_unix_nano: text(span, "startTimeUnixNano").parse().unwrap_or(0),
                    end_unix_nano: text(span, "endTimeUnixNano").parse().unwrap_or(0),
                    events: list(span, "events").count(),
                    attributes: attributes(span),
                    resource: resource.clone(),
                });
            }
        }
    }
}

fn collect(request: &Value, all: &mut Vec<Received>) {
    for resource_logs in list(request, "resourceLogs") {
        let resource = attributes(&resource_logs["resource"]);
        for scope in list(resource_logs, "scopeLogs") {
            for record in list(scope, "logRecords") {
                all.push(Received {
                    event: text(record, "eventName"),
                    severity: text(record, "severityText"),
                    body: text(&record["body"], "stringValue"),
                    trace_id: text(record, "traceId"),
                    span_id: text(record, "spanId"),
                    time_unix_nano: text(record, "timeUnixNano").parse().unwrap_or(0),
                    attributes: attributes(record),
                    resource: resource.clone(),
                });
            }
        }
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// `{stringValue: x}`, `{intValue: "3"}` and so on, as plain JSON.
fn attributes(holder: &Value) -> BTreeMap<String, Value> {
    list(holder, "attributes")
        .map(|pair| {
            let value = pair["value"].as_object().and_then(|object| object.values().next());
            (text(pair, "key"), value.cloned().unwrap_or(Value::Null))
        })
        .collect()
}
