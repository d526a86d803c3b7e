//! A real OpenTelemetry Collector behind the agent: OTLP/HTTP in, one JSON line per request out.
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
}

/// One log record as the Collector wrote it down.
#[derive(Clone, Debug)]
pub struct Received {
    pub event: String,
    pub severity: String,
    pub body: String,
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
        let port = free_port();
        let mut collector =
            Self { child: None, program: program()?, folder: folder.to_owned(), port };
        collector.resume();
        Ok(collector)
    }

    /// The base URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
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
        format!(
            "receivers: {{ otlp: {{ protocols: {{ http: {{ endpoint: 127.0.0.1:{} }} }} }} }}\n\
             exporters: {{ file: {{ path: {}/received-{life}.jsonl, flush_interval: 20ms }} }}\n\
             service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines:\n    \
             logs: {{ receivers: [otlp], exporters: [file] }}\n",
            self.port,
            self.folder.display()
        )
    }

    fn files(&self) -> Vec<PathBuf> {
        (0..)
            .map(|life| self.folder.join(format!("received-{life}.jsonl")))
            .take_while(|path| path.exists())
            .collect()
    }

    /// Every log record that has arrived, in order of arrival. A line that is still being written
    /// is left for the next call.
    pub fn received(&self) -> Vec<Received> {
        let mut all = Vec::new();
        for file in self.files() {
            let text = std::fs::read_to_string(&file).expect("read what arrived");
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                let request: Value = serde_json::from_str(line).expect("the Collector writes JSON");
                collect(&request, &mut all);
            }
        }
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

fn collect(request: &Value, all: &mut Vec<Received>) {
    for resource_logs in list(request, "resourceLogs") {
        let resource = attributes(&resource_logs["resource"]);
        for scope in list(resource_logs, "scopeLogs") {
            for record in list(scope, "logRecords") {
                all.push(Received {
                    event: text(record, "eventName"),
                    severity: text(record, "severityText"),
                    body: text(&record["body"], "stringValue"),
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
