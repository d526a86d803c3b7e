//! Catch-up: the whole agent's CPU for a journal of a million entries, against a bare libsystemd
//! loop that enumerates the same fields of the same matched entries.
//!
//! `cargo build --release -p podwhy && cargo bench -p benches --bench catchup`

use benches::{journal, machine, process, sink::Sink, thread_cpu_seconds};
use podwhy::source::journal::bare::{Seen, enumerate};

const ENTRIES: usize = 1_000_000;
const ROUNDS: usize = 3;

fn main() {
    // Only under `cargo bench`: `cargo test --benches` must not spend minutes here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let root = journal::of(ENTRIES);
    let mut best = [f64::INFINITY; 3];
    let mut counted = Seen::default();
    // The first round warms the page cache.
    for round in 0..=ROUNDS {
        let mut bare = |matched| {
            let start = thread_cpu_seconds();
            counted = enumerate(&root, matched).expect("the journal can be read");
            thread_cpu_seconds() - start
        };
        let took = [bare(true), bare(false), catch_up(&root, round)];
        if round > 0 {
            best.iter_mut().zip(took).for_each(|(best, took)| *best = best.min(took));
        }
    }
    let [matched, all, agent] = best;
    let row = |name: &str, took: f64| {
        format!("| {name} | {took:.2} | {:.2} | {:.2} |\n", took / matched, took / all)
    };
    say(&format!(
        "{}\n\n### catch-up of {} entries, {} bytes of fields\n\n\
         | | CPU seconds | times the matched loop | times the loop over all |\n|---|---|---|---|\n{}{}{}",
        machine(),
        counted.entries,
        counted.bytes,
        row("bare libsystemd loop, matches pushed", matched),
        row("bare libsystemd loop over all entries", all),
        row("podwhy agent: reader, core, delivery", agent),
    ));
}

/// Everything that the journal holds, read, concluded and delivered; CPU seconds of it all.
fn catch_up(root: &std::path::Path, round: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sink = Sink::start();
    let config = format!(
        "node_name: bench\nstate: {{ folder: {0}/state }}\n\
         journal:\n  root: {1}\n  catchup: {{ cpu: 1 }}\n  \
         first_read: {{ max_age: 365d, max_entries: 0 }}\n\
         export: {{ endpoint: \"{2}\", start_jitter: 0s }}\n",
        folder.path().display(),
        root.display(),
        sink.endpoint()
    );
    let agent = process::agent(folder.path(), &config, &["--once"]);
    let seconds = process::cpu_seconds_to_the_end(agent);
    let failures =
        sink.arrivals().iter().filter(|arrival| arrival.event == "podwhy.sync_failure").count();
    assert!(failures > 0, "round {round}: the journal's failures did not arrive");
    seconds
}

#[expect(clippy::print_stdout, reason = "a benchmark's table is its output")]
fn say(text: &str) {
    println!("{text}");
}
