//! From the journal to the Collector, under everything that goes wrong in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;

use podwhy::admin::history::Quarter;

use crate::agent::Setup;
use crate::collector::{Collector, Received};
use crate::gate::{Answer, Gate};
use crate::journald::{Journald, Settings};
use crate::load::{self, Node, Shape};
use crate::wait;

pub const SOON: Duration = Duration::from_secs(60);
/// For loads that take a while on a busy machine.
pub const LONG: Duration = Duration::from_secs(300);

/// A journald, a Collector and a folder; `None`, said by name, where one of them cannot run.
pub fn parts(test: &str) -> Option<(Journald, Collector, tempfile::TempDir)> {
    if !crate::journald::available(test) {
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    match Collector::start(folder.path()) {
        Ok(collector) => Some((Journald::start(Settings::default()), collector, folder)),
        Err(why) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: {why}");
            println!("SKIPPED {test}: {why}");
            None
        }
    }
}

/// An agent that reads this journald and sends to this Collector.
pub fn setup(folder: &tempfile::TempDir, journald: &Journald, collector: &Collector) -> Setup {
    Setup::new(folder.path(), journald.root(), &collector.endpoint())
}

fn failures(received: &[Received]) -> Vec<&Received> {
    received.iter().filter(|record| record.event == "podwhy.sync_failure").collect()
}

/// The UIDs of pods whose failure has arrived.
fn pods(received: &[Received]) -> BTreeSet<String> {
    failures(received).iter().map(|record| record.text("k8s.pod.uid").to_owned()).collect()
}

pub fn wait_for_pods(collector: &Collector, numbers: std::ops::Range<usize>, limit: Duration) {
    let wanted: BTreeSet<String> = numbers.map(load::uid).collect();
    let arrived = wait::reached(limit, || wanted.is_subset(&pods(&collector.received())));
    let missing: Vec<_> = wanted.difference(&pods(&collector.received())).cloned().collect();
    assert!(
        arrived,
        "{} failures did not arrive: {:?}",
        missing.len(),
        missing.iter().take(5).collect::<Vec<_>>()
    );
}

/// Each `log.record.uid` and how often it arrived.
fn ids(received: &[Received]) -> BTreeMap<&str, usize> {
    let mut ids = BTreeMap::new();
    for record in received {
        *ids.entry(record.uid()).or_default() += 1;
    }
    ids
}

#[test]
fn every_failure_arrives_once_and_complete() {
    let Some((journald, collector, folder)) = parts("every_failure_arrives_once_and_complete")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let mut agent = setup.start();
    let mut node = Node::new(&journald);
    for number in 0..200 {
        node.chat(number);
        node.fail(number);
    }
    wait_for_pods(&collector, 0..200, SOON);
    assert!(agent.terminate().success());
    let received = collector.received();
    once_each(&received, 200);
    failures(&received).into_iter().for_each(complete);
    assert_eq!(
        received.iter().filter(|record| record.event == "podwhy.node_check").count(),
        1,
        "each start proves once that records arrive"
    );
}

/// Each pod's failure arrived once: neither lost, nor told twice, nor delivered twice.
pub fn once_each(received: &[Received], count: usize) {
    let failures = failures(received);
    let twice: Vec<_> = ids(received).into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "delivered twice: {:?}", twice.iter().take(3).collect::<Vec<_>>());
    let mut by_pod: BTreeMap<&str, Vec<&Received>> = BTreeMap::new();
    for record in failures {
        by_pod.entry(record.text("k8s.pod.uid")).or_default().push(record);
    }
    let told_twice: Vec<_> = by_pod.values().filter(|records| records.len() > 1).collect();
    assert!(told_twice.is_empty(), "told twice: {:#?}", told_twice.first());
    assert_eq!(by_pod.len(), count, "one record for each failure, however many lines it had");
}

/// What the kernel's ring no longer held when this journald began was lost before.
pub fn lost_nothing(received: &[Received]) {
    let losses = received.iter().filter(|record| record.event == "podwhy.loss");
    let losses: Vec<_> =
        losses.filter(|loss| loss.text("podwhy.source.component") != "kernel").collect();
    assert!(losses.is_empty(), "{} losses, the first: {:#?}", losses.len(), losses.first());
}

/// Everything that the line and the node say is on the record.
fn complete(record: &Received) {
    let number = usize::from_str_radix(&record.text("k8s.pod.uid")[..8], 16).unwrap();
    let (step, reason) = match Shape::of(number) {
        Shape::CrashLoop => ("StartContainer", "CrashLoopBackOff"),
        Shape::Sandbox => ("CreatePodSandbox", "CreatePodSandboxError"),
        Shape::Volume => ("MountVolume", "FailedMount"),
        Shape::Legacy => ("StartContainer", "ImagePullBackOff"),
    };
    assert_eq!(record.text("podwhy.sync.step"), step, "{record:?}");
    assert_eq!(record.text("podwhy.sync.reason"), reason, "{record:?}");
    assert_eq!(record.text("k8s.pod.name"), format!("web-{number}"));
    assert_eq!(record.severity, "ERROR");
    assert_eq!(record.resource["k8s.node.name"], "node-a");
    let expected = match Shape::of(number) {
        Shape::CrashLoop => "back-off 5m0s restarting failed container=app",
        Shape::Sandbox => "no IP addresses available",
        Shape::Volume => "mount.nfs: access denied by server",
        Shape::Legacy => "Back-off pulling image \"registry.example.net/shop/app",
    };
    assert!(record.text("podwhy.sync.message").contains(expected), "{record:?}");
    if Shape::of(number) != Shape::Volume {
        assert_eq!(record.text("k8s.namespace.name"), "shop");
    }
    for name in ["podwhy.node.disk.kubelet.free_bytes", "podwhy.node.disk.runtime.free_bytes"] {
        assert!(record.attributes.contains_key(name), "{name} is missing: {record:?}");
    }
    assert_eq!(record.attributes["podwhy.node.cni.ready"], true);
}

#[test]
fn a_collector_that_is_away_for_a_minute_costs_nothing() {
    let Some((journald, mut collector, folder)) =
        parts("a_collector_that_is_away_for_a_minute_costs_nothing")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let mut agent = setup.start();
    let mut node = Node::new(&journald);
    (0..50).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 0..50, SOON);
    collector.stop();
    let away = std::time::SystemTime::now();
    let mut number = 50;
    wait::until("a minute has passed", LONG, || {
        node.fail(number);
        number += 1;
        away.elapsed().is_ok_and(|elapsed| elapsed > Duration::from_secs(60))
    });
    collector.resume();
    wait_for_pods(&collector, 0..number, LONG);
    assert!(agent.terminate().success());
    let received = collector.received();
    lost_nothing(&received);
    // What was under way when the Collector went may have arrived without an answer.
    let twice = ids(&received).values().filter(|&&times| times > 1).count();
    assert!(twice <= 1024, "{twice} ids arrived more than once: more than one batch");
}

/// Every seventh request is refused, every eleventh answered as if it had been: the sender cannot
/// know that it arrived.
fn grumpy(number: u64) -> Answer {
    match number {
        _ if number % 11 == 10 => Answer::PassAndForget,
        _ if number % 7 == 6 => Answer::Refuse(StatusCode::SERVICE_UNAVAILABLE),
        _ => Answer::Pass,
    }
}

#[test]
fn o11_fifty_kills_lose_nothing_and_leave_the_same_end_state() {
    const FAILURES: usize = 20_000;
    const KILLS: usize = 50;
    let Some((journald, collector, folder)) =
        parts("o11_fifty_kills_lose_nothing_and_leave_the_same_end_state")
    else {
        return;
    };
    let calm_folder = tempfile::tempdir().unwrap();
    let calm_collector = Collector::start(calm_folder.path()).expect("a second Collector");
    let calm_setup = Setup::new(calm_folder.path(), journald.root(), &calm_collector.endpoint());
    let mut calm = calm_setup.start();

    let gate = Gate::open(&collector.endpoint(), grumpy);
    let setup = Setup::new(folder.path(), journald.root(), &gate.endpoint());
    let mut agent = setup.start();
    let mut node = Node::new(&journald);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut kills: Vec<usize> = (0..KILLS).map(|_| random.below(FAILURES)).collect();
    kills.sort_unstable();
    for number in 0..FAILURES {
        node.fail(number);
        while kills.first() == Some(&number) {
            kills.remove(0);
            // In the middle of whatever it does a few milliseconds after this failure.
            let instant = Duration::from_micros(random.below(300_000) as u64);
            wait::reached(instant, || false);
            agent.kill();
            agent = setup.start();
        }
    }
    wait_for_pods(&calm_collector, 0..FAILURES, LONG);
    wait_for_pods(&collector, 0..FAILURES, LONG);
    settle(&journald, &mut node, FAILURES, &[&collector, &calm_collector]);
    assert!(agent.terminate().success());
    assert!(calm.terminate().success());
    assert!(gate.counts().refused.load(Ordering::SeqCst) > 0, "the door did refuse");

    let (received, calm_received) = (collector.received(), calm_collector.received());
    let of = |received: &[Received]| -> BTreeSet<String> {
        failures(received).iter().map(|record| record.uid().to_owned()).collect()
    };
    let (killed, unkilled) = (of(&received), of(&calm_received));
    assert_eq!(unkilled.len(), failures(&calm_received).len(), "the calm run repeats nothing");
    assert_eq!(killed.difference(&unkilled).count(), 0, "ids that the calm run never saw");
    assert_eq!(unkilled.difference(&killed).count(), 0, "failures that the kills cost");
    lost_nothing(&received);
    let (killed, unkilled) = (state(&setup), state(&calm_setup));
    let differing: Vec<_> = killed
        .keys()
        .chain(unkilled.keys())
        .filter(|key| killed.get(*key) != unkilled.get(*key))
        .map(|key| {
            let show = |state: &State| {
                state.get(key).map(|value| String::from_utf8_lossy(value).into_owned())
            };
            (String::from_utf8_lossy(key), show(&killed), show(&unkilled))
        })
        .take(3)
        .collect();
    assert!(differing.is_empty(), "the end state is that of a run without kills: {differing:#?}");
}

/// One more failure behind all others, and time enough for every timer that they left.
fn settle(journald: &Journald, node: &mut Node, number: usize, collectors: &[&Collector]) {
    wait::reached(Duration::from_secs(4), || false);
    node.fail(number - number % 8 + 8);
    node.flush();
    journald.sync();
    for collector in collectors {
        wait_for_pods(collector, number - number % 8 + 8..number - number % 8 + 9, SOON);
    }
}

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// Positions and the engine's state, as the outbox holds them.
fn state(setup: &Setup) -> State {
    let opened = podwhy::outbox::Outbox::open(&setup.state(), podwhy::outbox::Limits::default());
    let outbox = opened.expect("nobody else has it open").outbox;
    let mut state: State = outbox.state().into_iter().collect();
    for (key, value) in &mut state {
        if let Some(by_lines) = by_lines_alone(key, value) {
            *value = by_lines;
        }
    }
    let position = outbox.position(podwhy::source::journal::SOURCE).expect("a position");
    state.insert(b"position".to_vec(), position.value);
    state
}

/// Of a quarter of the last day what lines told: how often the node was looked at depends on how long
/// the agent lived, and how often it began.
fn by_lines_alone(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    key.strip_prefix(b"q")?;
    let quarter: Quarter = postcard::from_bytes(value).expect("a quarter of the day");
    let quarter = Quarter { network: (0, 0), free: Vec::new(), ..quarter };
    Some(postcard::to_stdvec(&quarter).expect("it is encoded"))
}

/// A small generator with a fixed seed: a failing run can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

#[test]
fn sigterm_under_load_ends_in_time_and_the_next_start_loses_nothing() {
    let Some((journald, collector, folder)) =
        parts("sigterm_under_load_ends_in_time_and_the_next_start_loses_nothing")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let mut node = Node::new(&journald);
    let mut agent = setup.start();
    for number in 0..3_000 {
        node.fail(number);
        if number == 1_500 {
            let status = agent.terminate();
            assert!(status.success(), "under load it ends with {status}");
            agent = setup.start();
        }
    }
    wait_for_pods(&collector, 0..3_000, LONG);
    assert!(agent.terminate().success());
    once_each(&collector.received(), 3_000);
}
