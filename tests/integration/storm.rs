//! More than a node can mean: every pod of a full node in a crash loop at once, failures of more pods
//! than any node has, lines of a mebibyte, a container that writes as fast as a disk takes it. Memory
//! stays inside what `limits.rs` adds up to, every failure is told or counted, the agent lives.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use podwhy::limits;

use crate::agent::Agent;
use crate::collector::{Collector, Received};
use crate::journald::{Journald, Settings};
use crate::load::{self, Node};
use crate::main_path::{LONG, SOON, parts, setup, wait_for_pods};
use crate::soak;
use crate::wait;

/// Memory that is the agent's own, its reader's with it: without what the kernel can take back.
pub fn memory(agent: &Agent) -> usize {
    let of = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.map_or(0, |kib| kib.trim().parse::<usize>().unwrap() * 1024)
    };
    of(agent.pid()) + agent.reader().map_or(0, of)
}

/// Memory with nothing to do, and the most that was seen since.
pub struct Watched<'a> {
    agent: &'a Agent,
    idle: usize,
    most: usize,
}

impl<'a> Watched<'a> {
    pub fn begin(agent: &'a Agent, collector: &Collector) -> Self {
        wait::until("the agent has begun", SOON, || collector.mentions("podwhy.node_check"));
        let idle = memory(agent);
        Self { agent, idle, most: idle }
    }

    pub fn look(&mut self) {
        self.most = self.most.max(memory(self.agent));
    }

    pub fn is_bounded(&self, what: &str) {
        let (grown, bound) = (self.most - self.idle, limits::MEMORY_HELD_BYTES);
        println!(
            "{what}: {} KiB idle, {} KiB more at most, bound {} KiB",
            self.idle / 1024,
            grown / 1024,
            bound / 1024
        );
        assert!(grown <= bound, "{what}: {grown} bytes more than idle, bound {bound}");
    }
}

/// How many failures the records stand for.
fn told(received: &[Received]) -> u64 {
    let failures = received.iter().filter(|record| record.event == "podwhy.sync_failure");
    failures.map(Received::repeats).sum()
}

fn wait_until_told(collector: &Collector, watched: &mut Watched<'_>, last: usize, written: u64) {
    let marker = load::uid(last);
    wait::until("the last failure has arrived", 3 * LONG, || {
        watched.look();
        collector.mentions(&marker)
    });
    // What was held back to be joined comes a moment later.
    let mut sum = 0;
    let all = wait::reached(SOON, || {
        sum = told(&collector.received());
        sum == written
    });
    assert!(all, "written {written}, told {sum}");
}

#[test]
fn every_pod_of_a_full_node_in_a_crash_loop_is_told_each_time() {
    let Some((journald, collector, folder)) =
        parts("every_pod_of_a_full_node_in_a_crash_loop_is_told_each_time")
    else {
        return;
    };
    const PODS: usize = 110;
    let rounds = soak::times(8);
    let mut agent = setup(&folder, &journald, &collector).start();
    let mut watched = Watched::begin(&agent, &collector);
    let mut node = Node::new(&journald);
    for _ in 0..rounds {
        for pod in 0..PODS {
            // Only their container dies: eight times the pod's number is the crash loop's shape.
            node.die(pod * 8);
            node.fail(pod * 8);
        }
        node.flush();
        watched.look();
    }
    let last = PODS * 8;
    node.fail(last);
    node.flush();
    let written = u64::try_from(PODS * rounds + 1).unwrap();
    wait_until_told(&collector, &mut watched, last, written);
    watched.is_bounded("110 pods in a crash loop");
    assert!(agent.terminate().success());
    let received = collector.received();
    let opened = received.iter().filter(|record| record.event == "podwhy.incident").count();
    println!("written {written}, told {written}, lost 0; {opened} incident records");
    assert!(opened > 0, "something was concluded");
}

#[test]
fn failures_of_more_pods_than_any_node_has_are_each_told_in_bounded_memory() {
    let Some((journald, collector, folder)) =
        parts("failures_of_more_pods_than_any_node_has_are_each_told_in_bounded_memory")
    else {
        return;
    };
    // More than every table of the engine holds; a soak of ten times is 100,000 failures.
    let failures = soak::times(10_000);
    let pods = failures / 2;
    assert!(pods > limits::IDENTITIES);
    let mut agent = setup(&folder, &journald, &collector).start();
    let mut watched = Watched::begin(&agent, &collector);
    let mut node = Node::new(&journald);
    for number in 0..failures {
        node.fail(number % pods);
        if number % 500 == 0 {
            watched.look();
        }
    }
    let last = pods + 8 - pods % 8;
    node.fail(last);
    node.flush();
    let written = u64::try_from(failures + 1).unwrap();
    wait_until_told(&collector, &mut watched, last, written);
    watched.is_bounded("a forger");
    // And it is alive: the next one is told as any.
    node.fail(last + 8);
    wait_for_pods(&collector, last + 8..last + 9, SOON);
    assert!(agent.terminate().success());
    println!("written {written} of {pods} pods, told {written}, lost 0");
}

#[test]
fn lines_of_a_mebibyte_and_more_are_told_cut_in_bounded_memory() {
    let test = "lines_of_a_mebibyte_and_more_are_told_cut_in_bounded_memory";
    let Some((_, collector, folder)) = parts(test) else { return };
    let journald = Journald::start(Settings { line_max_mib: 4, ..Settings::default() });
    let mut agent = setup(&folder, &journald, &collector).start();
    let mut watched = Watched::begin(&agent, &collector);
    let mut node = Node::new(&journald);
    let lines = soak::times(40);
    for number in 0..lines {
        // A little less than the bound, the bound, and far more.
        let size =
            [limits::LINE_BYTES - 4096, limits::LINE_BYTES, 3 * limits::LINE_BYTES][number % 3];
        node.fail_at_length(number * 8, size);
        watched.look();
    }
    let last = lines * 8;
    node.fail(last);
    node.flush();
    wait::until("the last failure has arrived", LONG, || {
        watched.look();
        collector.mentions(&load::uid(last))
    });
    watched.is_bounded("lines of 1 and 3 MiB");
    assert!(agent.terminate().success());
    let received = collector.received();
    let failures: Vec<_> =
        received.iter().filter(|record| record.event == "podwhy.sync_failure").collect();
    let arrived = (0..lines).filter(|number| {
        let uid = load::uid(number * 8);
        failures.iter().any(|record| record.text("k8s.pod.uid") == uid)
    });
    let arrived = arrived.count();
    println!("written {lines}, told {arrived}");
    // Of a line that is cut before its pod is named nothing can be told but that it was there.
    let whole = (0..lines).filter(|number| number % 3 == 0).count();
    assert!(arrived >= whole, "{arrived} of {lines}");
    let largest = failures.iter().map(|record| record.text("podwhy.sync.message").len()).max();
    assert!(largest.is_some_and(|largest| largest <= limits::VALUE_BYTES), "{largest:?}");
}

/// Writes as fast as it can, and rotates as the kubelet does.
fn flood(folder: &Path, stop: &AtomicBool, written: &AtomicU64) {
    use std::io::Write;
    let path = folder.join("0.log");
    let now = jiff::Timestamp::now();
    let block = format!("{now} stderr F {}\n", "so fast ".repeat(60)).repeat(200);
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut file = std::fs::File::create(&path).unwrap();
        for _ in 0..100 {
            file.write_all(block.as_bytes()).unwrap();
            written.fetch_add(block.len() as u64, Ordering::Relaxed);
        }
        turn += 1;
        let old = folder.join(format!("0.log.2026112{}-10000{}", turn % 2, turn % 2));
        std::fs::rename(&path, old).unwrap();
    }
}

#[test]
fn last_words_of_a_container_that_writes_as_fast_as_the_disk_takes_it_are_few_and_whole() {
    let root = tempfile::tempdir().unwrap();
    let uid = load::uid(0);
    let folder = root.path().join(format!("shop_web-0_{uid}/app"));
    std::fs::create_dir_all(&folder).unwrap();
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = {
        let (folder, stop, written) = (folder.clone(), stop.clone(), written.clone());
        std::thread::spawn(move || flood(&folder, &stop, &written))
    };
    let instance = podwhy::fact::Instance {
        pod: podwhy::fact::PodRef {
            namespace: Some("shop".to_owned()),
            name: Some("web-0".to_owned()),
            uid: Some(uid),
        },
        container: "app".to_owned(),
        ..podwhy::fact::Instance::default()
    };
    let bounds = podwhy::node::last_words::Bounds::default();
    let (mut answers, mut reads) = (0, 0);
    let wanted = u64::try_from(soak::times(200)).unwrap() << 20;
    wait::until("it has written enough", LONG, || {
        reads += 1;
        // Between a rename and the next file there is none for a moment.
        if let Ok(words) = podwhy::node::last_words::read(root.path(), &instance, &bounds) {
            answers += 1;
            let bytes: usize = words.lines.iter().map(String::len).sum();
            assert!(bytes <= limits::LAST_WORDS_BYTES, "{bytes} bytes");
            assert!(words.lines.len() <= limits::LAST_WORDS_LINES);
            let whole = |line: &String| line.starts_with("so fast") || line.starts_with('…');
            assert!(words.lines.iter().all(whole), "{:?}", words.lines);
        }
        written.load(Ordering::Relaxed) > wanted && answers > 5
    });
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    println!(
        "{} MiB written, {reads} looks, {answers} answers",
        written.load(Ordering::Relaxed) >> 20
    );
}

#[test]
fn ten_thousand_entries_a_second_are_told_or_told_as_suppressed_with_their_number() {
    let test = "ten_thousand_entries_a_second_are_told_or_told_as_suppressed_with_their_number";
    let Some((_, collector, folder)) = parts(test) else { return };
    let limited = Settings { burst: 1_000, interval_seconds: 2, ..Settings::default() };
    let journald = Journald::start(limited);
    let mut agent = setup(&folder, &journald, &collector).start();
    wait::until("the agent has begun", SOON, || collector.mentions("podwhy.node_check"));
    let mut kubelet = Node::new(&journald);
    let (mut written, burst) = (0_usize, soak::times(10_000));
    // Only shapes of one line: number divisible by eight.
    for number in 0..burst {
        kubelet.fail(number * 8);
        written += 1;
    }
    let suppressed = || -> usize {
        let received = collector.received();
        let losses = received.iter().filter(|record| {
            record.text("podwhy.loss.kind") == "suppressed"
                && record.text("podwhy.source.component") == "kubelet"
        });
        losses.map(|loss| loss.text("podwhy.loss.lines").parse::<usize>().unwrap()).sum()
    };
    let (mut stored, mut lost) = (0, 0);
    let adds_up = wait::reached(Duration::from_secs(90), || {
        // journald tells with the first line behind its interval.
        kubelet.fail(written * 8);
        kubelet.flush();
        written += 1;
        stored = journald.cat(&["_SYSTEMD_UNIT=kubelet.service"]).len();
        lost = suppressed();
        lost > 0 && stored + lost == written
    });
    println!("written {written}, stored {stored}, lost and told {lost}");
    assert!(adds_up, "written {written}, stored {stored}, lost and told {lost}");
    let mut arrived = 0;
    let all = wait::reached(LONG, || {
        arrived = usize::try_from(told(&collector.received())).unwrap();
        arrived == stored
    });
    assert!(all, "stored {stored}, arrived {arrived}");
    println!("arrived {arrived}, repeated 0");
    assert!(agent.terminate().success());
}
