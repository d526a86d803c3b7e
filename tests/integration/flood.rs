//! A chosen pod that writes its log faster than anybody reads: rotated as the kubelet does, every line
//! asked for. Memory stays inside its bounds, the agent lives and tells of the rest of the node, what
//! could not be read is told, and behind it reading goes on.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::journald::with_faults;
use crate::load::{self, Node};
use crate::main_path::{LONG, SOON, once_each, parts, setup, wait_for_pods};
use crate::soak;
use crate::storm::Watched;
use crate::wait;

/// What the kubelet lets a log grow to, and how many of it the runtime keeps.
const FILE_BYTES: u64 = 10 << 20;
const KEPT: usize = 4;

/// Who writes.
struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Writes at this rate, or as fast as it can.
    fn begin(folder: &Path, bytes_per_second: u64) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ends, counts, folder) = (Arc::clone(&stop), Arc::clone(&written), folder.to_owned());
        let thread = std::thread::spawn(move || {
            let begun = Instant::now();
            let mut rotations = 0;
            while !ends.load(SeqCst) {
                one_file(&folder, &counts, begun, bytes_per_second);
                let old = |number: usize| folder.join(format!("0.log.20310317-{number:06}"));
                fs::rename(folder.join("0.log"), old(rotations)).unwrap();
                if rotations >= KEPT {
                    fs::remove_file(old(rotations - KEPT)).unwrap();
                }
                rotations += 1;
            }
        });
        Self { stop, written, thread }
    }

    fn end(self) -> u64 {
        self.stop.store(true, SeqCst);
        self.thread.join().unwrap();
        self.written.load(SeqCst)
    }
}

/// One file, up to where the kubelet rotates it.
fn one_file(folder: &Path, counts: &AtomicU64, begun: Instant, bytes_per_second: u64) {
    let now = jiff::Timestamp::now();
    let block =
        format!("{now} stderr F level=info msg=\"{}\"\n", "so fast ".repeat(20)).repeat(500);
    let size = u64::try_from(block.len()).unwrap();
    let mut file = File::create(folder.join("0.log")).unwrap();
    let mut left = FILE_BYTES;
    while left >= size {
        file.write_all(block.as_bytes()).unwrap();
        left -= size;
        let written = counts.fetch_add(size, SeqCst) + size;
        let due = Duration::from_micros(written * 1_000_000 / bytes_per_second);
        wait::reached(due.saturating_sub(begun.elapsed()), || false);
    }
}

#[test]
fn a_followed_pod_log_written_at_100_mb_a_second_costs_bounded_memory_and_what_is_lost_is_told() {
    let test = "a_followed_pod_log_written_at_100_mb_a_second_costs_bounded_memory_and_what_is_lost_is_told";
    if !with_faults(test) {
        return;
    }
    let Some((journald, collector, folder)) = parts(test) else { return };
    let pods = folder.path().join("pods");
    let log = pods.join(format!("kube-system_kube-proxy-x7_{}/kube-proxy", load::uid(999_999)));
    fs::create_dir_all(&log).unwrap();
    let mut setup = setup(&folder, &journald, &collector);
    setup.more = format!("evidence: {{ pod_logs: {} }}\n", pods.display());
    let diary = folder.path().join("diary");
    setup.variables = vec![("PODWHY_TEST_DIARY", diary.display().to_string())];
    let mut agent = setup.start();
    let mut watched = Watched::begin(&agent, &collector);
    let mut node = Node::new(&journald);
    let (begun, wanted) = (Instant::now(), u64::try_from(soak::times(1000)).unwrap() << 20);
    let writer = Writer::begin(&log, 100_000_000);
    let mut number = 0;
    let mut slowest = Duration::ZERO;
    wait::until("it has written enough", LONG, || {
        watched.look();
        // The rest of the node is told meanwhile.
        let asked = Instant::now();
        node.fail(number);
        node.flush();
        wait_for_pods(&collector, number..number + 1, SOON);
        slowest = slowest.max(asked.elapsed());
        number += 1;
        writer.written.load(SeqCst) >= wanted
    });
    let written = writer.end();
    let rate = written / u64::try_from(begun.elapsed().as_millis()).unwrap() / 1000;
    watched.look();
    watched.is_bounded("a pod log at 100 MB/s");

    // What comes behind it is read.
    let mut file = File::create(log.join("0.log")).unwrap();
    let now = jiff::Timestamp::now();
    writeln!(file, "{now} stderr F level=error msg=\"the flood is over\"").unwrap();
    wait::until("the engine knows what came behind it", LONG, || {
        fs::read_to_string(&diary).unwrap_or_default().contains("the flood is over")
    });
    assert!(agent.terminate().success());
    let received = collector.received();
    once_each(&received, number);
    let losses: Vec<_> = received
        .iter()
        .filter(|record| record.text("podwhy.source.component") == "pod_log")
        .map(|record| record.body.clone())
        .collect();
    println!(
        "written {} MiB at {rate} MB/s; beside it {number} failures written and told, the slowest \
         after {slowest:?}; losses told in {} records: {:?}",
        written >> 20,
        losses.len(),
        losses.last()
    );
    // Whoever keeps up loses nothing; what is lost is told with its size.
    assert!(losses.iter().all(|loss| loss.contains("bytes at least")), "{losses:#?}");
}
