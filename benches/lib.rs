//! What all benchmarks share: contenders that take turns in one run, and a table of ratios.
//!
//! Machines are noisy, so nothing here asserts a time: each round runs every contender once, the
//! best CPU time of each counts, and the table gives ratios between rows of the same run.

pub mod journal;
pub mod process;
pub mod sink;

use std::fmt::Write as _;

use rustix::time::{ClockId, clock_gettime};

/// One way of doing the work.
pub struct Contender<'a> {
    /// Its name in the table.
    pub name: &'a str,
    /// Does the work once over `lines` lines.
    pub run: Box<dyn FnMut() + 'a>,
    /// How many lines one run covers.
    pub lines: usize,
}

impl std::fmt::Debug for Contender<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What one contender needed.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// CPU seconds per line, best round.
    pub seconds_per_line: f64,
}

/// CPU time of this thread, in seconds.
#[must_use]
pub fn thread_cpu_seconds() -> f64 {
    seconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time of this process, in seconds.
#[must_use]
pub fn process_cpu_seconds() -> f64 {
    seconds(clock_gettime(ClockId::ProcessCPUTime))
}

#[expect(clippy::cast_precision_loss, reason = "CPU times are far below 2^52 seconds")]
fn seconds(time: rustix::time::Timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Lets all contenders take turns for `rounds` rounds, after one round to warm up.
#[expect(clippy::cast_precision_loss, reason = "line counts are far below 2^52")]
pub fn compete(rounds: usize, contenders: &mut [Contender<'_>]) -> Vec<Measured> {
    let mut best = vec![f64::INFINITY; contenders.len()];
    for round in 0..=rounds {
        for (contender, best) in contenders.iter_mut().zip(&mut best) {
            let start = thread_cpu_seconds();
            (contender.run)();
            let took = (thread_cpu_seconds() - start) / contender.lines.max(1) as f64;
            if round > 0 {
                *best = best.min(took);
            }
        }
    }
    contenders
        .iter()
        .zip(best)
        .map(|(contender, seconds_per_line)| Measured {
            name: contender.name.to_owned(),
            seconds_per_line,
        })
        .collect()
}

/// A Markdown table: nanoseconds per line, and how many times as fast as the row named `base`.
#[must_use]
pub fn table(title: &str, rows: &[Measured], base: &str) -> String {
    let unit =
        rows.iter().find(|row| row.name == base).map_or(f64::NAN, |row| row.seconds_per_line);
    let mut text = format!("### {title}\n\n| | ns per line | times {base} |\n|---|---|---|\n");
    for row in rows {
        let (nanos, ratio) = (row.seconds_per_line * 1e9, unit / row.seconds_per_line);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {nanos:.1} | {ratio:.2} |", row.name);
    }
    text
}

/// The machine in one line, for the table's caption.
#[must_use]
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown CPU");
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {cores} cores, Linux {}", model.trim_matches([' ', '\t', ':']), kernel.trim())
}

/// Every recording of a real node, in journal export format.
///
/// # Panics
/// When the recordings cannot be read: there is nothing to measure then.
#[must_use]
pub fn recordings() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/recordings");
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders.iter().map(|path| read_maybe_gz(&path.join("journal.export"))).collect()
}

/// The kubelet lines of all recordings: those with a sync failure, and all others.
#[must_use]
pub fn recorded_lines() -> (Vec<String>, Vec<String>) {
    let lines = recordings().iter().flat_map(|export| kubelet_messages(export)).collect::<Vec<_>>();
    lines.into_iter().partition(|line| line.contains("Error syncing pod, skipping"))
}

fn read_maybe_gz(path: &std::path::Path) -> Vec<u8> {
    if let Ok(bytes) = std::fs::read(path) {
        return bytes;
    }
    let packed = std::fs::read(path.with_extension("export.gz")).unwrap_or_default();
    let mut bytes = Vec::new();
    // A recording that cannot be unpacked gives no lines, which the table would show.
    let _ =
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&*packed), &mut bytes);
    bytes
}

/// The text messages of kubelet.service in the journal's export format; binary fields are skipped.
fn kubelet_messages(export: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(export);
    text.split("\n\n")
        .filter(|entry| entry.contains("\n_SYSTEMD_UNIT=kubelet.service"))
        .filter_map(|entry| entry.lines().find_map(|line| line.strip_prefix("MESSAGE=")))
        .map(str::to_owned)
        .collect()
}
