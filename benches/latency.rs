//! From a line written to its record at the sink: a real journald, the real agent, an HTTP sink.
//!
//! `cargo build --release -p podwhy && cargo bench -p benches --bench latency`

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends with what was missing"
)]
#![expect(unreachable_pub, unexpected_cfgs, reason = "shared with the integration tests")]

#[path = "../tests/integration/journald.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod journald;
#[path = "../tests/integration/load.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod load;
#[path = "../tests/integration/soak.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it")]
mod soak;
#[path = "../tests/integration/wait.rs"]
mod wait;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use benches::{machine, process, sink::Sink};

/// Lines at one a second, and at a thousand a second.
const SLOW: usize = 60;
const FAST: usize = 20_000;
/// The agent looks seldom once nothing came for ten seconds.
const IDLE: Duration = Duration::from_secs(12);
const IDLE_ROUNDS: usize = 5;

fn main() {
    // Only under `cargo bench`: `cargo test --benches` must not spend minutes here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut bench = Bench::start();
    let slow = bench.run(SLOW, Duration::from_secs(1));
    let fast = bench.run(FAST, Duration::from_millis(1));
    let idle: Vec<f64> = (0..IDLE_ROUNDS)
        .flat_map(|_| {
            pause(IDLE);
            bench.run(1, Duration::ZERO)
        })
        .collect();
    let idle_cpu = bench.idle_cpu();
    say(&format!("{}\n\n### line written → record at the sink\n", machine()));
    say("| | p50 ms | p99 ms | worst ms |\n|---|---|---|---|");
    for (name, mut times) in
        [("1 line/s", slow), ("1,000 lines/s", fast), ("first after idle", idle)]
    {
        times.sort_by(f64::total_cmp);
        say(&format!(
            "| {name} | {:.1} | {:.1} | {:.1} |",
            share(&times, 0.50),
            share(&times, 0.99),
            share(&times, 1.0)
        ));
    }
    say(&format!(
        "\nanonymous memory at most {:.1} MiB (agent and reader together); idle CPU {:.2} % of a core\n",
        bench.memory_mib(),
        idle_cpu * 100.0
    ));
}

struct Bench {
    _journald: journald::Journald,
    node: load::Node,
    sink: Sink,
    agent: std::process::Child,
    _folder: tempfile::TempDir,
    written: BTreeMap<String, SystemTime>,
    memory_kib: u64,
    next: usize,
}

impl Bench {
    fn start() -> Self {
        let journald = journald::Journald::start(journald::Settings::default());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sink = Sink::start();
        let config = format!(
            "node_name: bench\nstate: {{ folder: {0}/state }}\n\
             journal: {{ root: {1} }}\n\
             diagnosis: {{ repeats: every }}\n\
             export: {{ endpoint: \"{2}\", start_jitter: 0s }}\n",
            folder.path().display(),
            journald.root().display(),
            sink.endpoint()
        );
        let agent = process::agent(folder.path(), &config, &[]);
        let node = load::Node::new(&journald);
        let mut bench = Self {
            _journald: journald,
            node,
            sink,
            agent,
            _folder: folder,
            written: BTreeMap::new(),
            memory_kib: 0,
            next: 0,
        };
        // The first one shows that everything runs; it does not count.
        bench.run(1, Duration::ZERO);
        bench
    }

    /// Writes `count` failures, one each `gap`, and gives each one's way in milliseconds.
    fn run(&mut self, count: usize, gap: Duration) -> Vec<f64> {
        let begun = SystemTime::now();
        let mut mine = Vec::with_capacity(count);
        for at in 0..count {
            let due = begun + gap * u32::try_from(at).unwrap_or(u32::MAX);
            pause(due.duration_since(SystemTime::now()).unwrap_or_default());
            // Only failures that are one complete line: the others wait for their next line on
            // purpose.
            self.next += 8;
            let uid = load::uid(self.next);
            self.written.insert(uid.clone(), SystemTime::now());
            self.node.fail(self.next);
            mine.push(uid);
            if at % 1000 == 0 {
                self.look_at_memory();
            }
        }
        let sink = &self.sink;
        let mut arrived = BTreeMap::new();
        wait::until("every record has arrived", Duration::from_secs(60), || {
            arrived = first_arrivals(sink);
            mine.iter().all(|uid| arrived.contains_key(uid))
        });
        self.look_at_memory();
        mine.iter()
            .map(|uid| {
                let way = arrived[uid].duration_since(self.written[uid]).unwrap_or_default();
                way.as_secs_f64() * 1000.0
            })
            .collect()
    }

    fn processes(&self) -> Vec<u32> {
        let own = self.agent.id();
        std::iter::once(own).chain(process::children(own)).collect()
    }

    fn look_at_memory(&mut self) {
        let now = self.processes().into_iter().map(process::anonymous_kib).sum();
        self.memory_kib = self.memory_kib.max(now);
    }

    #[expect(clippy::cast_precision_loss, reason = "a few MiB")]
    fn memory_mib(&self) -> f64 {
        self.memory_kib as f64 / 1024.0
    }

    /// Share of a core over a quiet while.
    fn idle_cpu(&self) -> f64 {
        pause(IDLE);
        let cpu = || -> f64 { self.processes().into_iter().map(process::cpu_seconds).sum() };
        let (before, begun) = (cpu(), SystemTime::now());
        pause(Duration::from_secs(30));
        (cpu() - before) / begun.elapsed().unwrap_or_default().as_secs_f64()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.agent.kill());
        drop(self.agent.wait());
    }
}

fn first_arrivals(sink: &Sink) -> BTreeMap<String, SystemTime> {
    let mut first = BTreeMap::new();
    for arrival in sink.arrivals() {
        first.entry(arrival.pod).or_insert(arrival.at);
    }
    first
}

/// Pacing is what this benchmark does; nothing is waited for.
fn pause(time: Duration) {
    wait::reached(time, || false);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place in a short list"
)]
fn share(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn say(text: &str) {
    println!("{text}");
}
