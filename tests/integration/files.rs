//! A node whose kubelet writes to a file: everything that is done to log files, and to the agent,
//! while it writes. Counts what was written, what arrived, what was told twice, and what was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::agent::Setup;
use crate::collector::{Collector, Received};
use crate::load;
use crate::main_path::{LONG, SOON, wait_for_pods};
use crate::wait;

/// A kubelet that writes to a file, and whoever rotates it.
pub struct Kubelet {
    path: PathBuf,
    file: File,
    rotations: usize,
}

impl Kubelet {
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("kubelet.log");
        Self { file: open(&path), path, rotations: 0 }
    }

    pub fn fail(&mut self, number: usize) {
        let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
        let uid = load::uid(number);
        writeln!(
            self.file,
            "E{now}    2148 pod_workers.go:1324] \"Error syncing pod, skipping\" err=\"failed to \
             \\\"StartContainer\\\" for \\\"app\\\" with ErrImagePull: \\\"manifest unknown {number}\\\"\" \
             pod=\"shop/web-{number}\" podUID=\"{uid}\""
        )
        .unwrap();
    }

    /// A pod without a network.
    fn refuse_network(&mut self, number: usize) {
        let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
        let uid = load::uid(number);
        writeln!(
            self.file,
            "E{now}    2148 pod_workers.go:1324] \"Error syncing pod, skipping\" err=\"network is \
             not ready: container runtime network not ready: NetworkReady=false \
             reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not \
             initialized\" pod=\"shop/web-{number}\" podUID=\"{uid}\""
        )
        .unwrap();
    }

    fn rotated(&mut self) -> PathBuf {
        self.rotations += 1;
        self.path.with_file_name(format!("kubelet.log.20310317-{:06}", self.rotations))
    }

    pub fn rename(&mut self) -> PathBuf {
        let rotated = self.rotated();
        fs::rename(&self.path, &rotated).unwrap();
        self.file = open(&self.path);
        rotated
    }

    fn copy_and_truncate(&mut self) {
        let rotated = self.rotated();
        fs::copy(&self.path, rotated).unwrap();
        self.file.set_len(0).unwrap();
    }

    fn pack(path: &Path) {
        let bytes = fs::read(path).unwrap();
        let packed = File::create(format!("{}.gz", path.display())).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
        fs::remove_file(path).unwrap();
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// A Collector, a folder and an agent that reads the file and an empty journal.
fn parts(test: &str) -> Option<(Collector, tempfile::TempDir, Setup)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let collector = match Collector::start(folder.path()) {
        Ok(collector) => collector,
        Err(why) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: {why}");
            println!("SKIPPED {test}: {why}");
            return None;
        }
    };
    let root = folder.path().join("no-journal");
    fs::create_dir(&root).unwrap();
    let mut setup = Setup::new(folder.path(), &root, &collector.endpoint());
    let place = folder.path().display();
    setup.more = format!(
        "files: {{ paths: [\"{place}/kubelet.log=kubelet\"] }}\nevidence: {{ pod_logs: {place}/pods }}\n"
    );
    Some((collector, folder, setup))
}

/// Failures by pod: how many different ones of each were told.
fn told(received: &[Received]) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for record in received.iter().filter(|record| record.event == "podwhy.sync_failure") {
        let pod = record.text("k8s.pod.uid").to_owned();
        told.entry(pod).or_default().insert(record.uid().to_owned());
    }
    told
}

fn losses(received: &[Received]) -> Vec<&Received> {
    received.iter().filter(|record| record.event == "podwhy.loss").collect()
}

#[test]
fn a_kubelets_file_is_read_once_through_rotations_of_all_kinds_and_kills_of_the_agent() {
    let test = "a_kubelets_file_is_read_once_through_rotations_of_all_kinds_and_kills_of_the_agent";
    let Some((collector, folder, setup)) = parts(test) else { return };
    let mut kubelet = Kubelet::new(folder.path());
    let mut agent = setup.start();
    let mut unpacked = Vec::new();
    const WRITTEN: usize = 1_000;
    // From here on it is followed.
    kubelet.fail(0);
    wait_for_pods(&collector, 0..1, SOON);
    for number in 1..WRITTEN {
        kubelet.fail(number);
        match number % 100 {
            20 | 60 => unpacked.push(kubelet.rename()),
            40 => kubelet.copy_and_truncate(),
            80 => unpacked.drain(..).for_each(|path| Kubelet::pack(&path)),
            _ => {}
        }
        // While it reads, while it is behind, and once with everything rotated while it was off.
        if matches!(number, 150 | 333 | 640 | 870) {
            agent.kill();
            if number == 640 {
                kubelet.rename();
            }
            if number != 640 {
                agent = setup.start();
            }
        }
        if number == 700 {
            agent = setup.start();
        }
        if number % 250 == 249 {
            wait_for_pods(&collector, 0..number, LONG);
        }
    }
    wait_for_pods(&collector, 0..WRITTEN, LONG);
    assert!(agent.terminate().success());

    let received = collector.received();
    let told = told(&received);
    let twice = told.values().filter(|ids| ids.len() > 1).count();
    let lost = losses(&received).len();
    println!("written {WRITTEN}, arrived {}, told twice {twice}, losses {lost}", told.len());
    assert_eq!((told.len(), twice, lost), (WRITTEN, 0, 0));
}

#[test]
fn what_was_rotated_away_before_the_first_start_is_read_as_far_back_as_configured() {
    let test = "what_was_rotated_away_before_the_first_start_is_read_as_far_back_as_configured";
    let Some((collector, folder, setup)) = parts(test) else { return };
    let mut kubelet = Kubelet::new(folder.path());
    // Three hours ago by its file's time: too old.
    (900..910).for_each(|number| kubelet.fail(number));
    let old = kubelet.rename();
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 3600);
    File::options().append(true).open(&old).unwrap().set_modified(then).unwrap();
    let mut number = 0;
    for is_packed in [true, false, true] {
        (number..number + 50).for_each(|number| kubelet.fail(number));
        number += 50;
        let path = kubelet.rename();
        if is_packed {
            Kubelet::pack(&path);
        }
    }
    (number..200).for_each(|number| kubelet.fail(number));
    let mut agent = setup.start();
    wait_for_pods(&collector, 0..200, SOON);
    agent.kill();
    let mut agent = setup.start();
    (200..210).for_each(|number| kubelet.fail(number));
    wait_for_pods(&collector, 0..210, SOON);
    assert!(agent.terminate().success());
    let received = collector.received();
    let told = told(&received);
    let twice = told.values().filter(|ids| ids.len() > 1).count();
    let lost = losses(&received).len();
    println!(
        "written 210 and 10 too old, arrived {}, told twice {twice}, losses {lost}",
        told.len()
    );
    assert_eq!((told.len(), twice, lost), (210, 0, 0));
}

#[test]
fn what_was_rotated_away_while_the_agent_was_off_is_a_loss_record() {
    let test = "what_was_rotated_away_while_the_agent_was_off_is_a_loss_record";
    let Some((collector, folder, setup)) = parts(test) else { return };
    let mut kubelet = Kubelet::new(folder.path());
    let mut agent = setup.start();
    (0..50).for_each(|number| kubelet.fail(number));
    wait_for_pods(&collector, 0..50, SOON);
    assert!(agent.terminate().success());
    (50..100).for_each(|number| kubelet.fail(number));
    fs::remove_file(kubelet.rename()).unwrap();
    (100..150).for_each(|number| kubelet.fail(number));
    let mut agent = setup.start();
    wait_for_pods(&collector, 100..150, SOON);
    wait::until("the loss is told", SOON, || !losses(&collector.received()).is_empty());
    assert!(agent.terminate().success());

    let received = collector.received();
    let told = told(&received);
    let lost = losses(&received);
    println!("written 150, arrived {}, lost and told in {} record(s)", told.len(), lost.len());
    assert_eq!((told.len(), lost.len()), (100, 1));
    assert_eq!(lost[0].text("podwhy.loss.kind"), "rotated");
    assert_eq!(lost[0].text("podwhy.source.component"), "kubelet");
    assert!(lost[0].text("podwhy.loss.from") < lost[0].text("podwhy.loss.to"));
}

#[test]
fn what_an_agent_of_the_network_says_stands_beside_the_failures_that_come_from_it() {
    let test = "what_an_agent_of_the_network_says_stands_beside_the_failures_that_come_from_it";
    let Some((collector, folder, setup)) = parts(test) else { return };
    let uid = load::uid(999_999);
    let log = folder.path().join(format!("pods/kube-system_calico-node-x2lqv_{uid}/calico-node"));
    fs::create_dir_all(&log).unwrap();
    let now = jiff::Timestamp::now();
    let line = "level=error msg=\"cannot reach the datastore\" password=hunter2hunter2";
    writeln!(open(&log.join("0.log")), "{now} stderr F {line}").unwrap();
    let mut kubelet = Kubelet::new(folder.path());
    let mut agent = setup.start();
    let has = |is_it: &dyn Fn(&Received) -> bool| collector.received().iter().any(is_it);
    wait::until("the logs of pods were looked at", SOON, || {
        let log = fs::read_to_string(setup.log()).unwrap_or_default();
        log.contains("the logs of containers were looked at")
    });
    (0..4).for_each(|number| kubelet.refuse_network(number));
    wait_for_pods(&collector, 0..4, SOON);
    (0..4).for_each(|number| kubelet.refuse_network(number));
    let told = wait::reached(SOON, || {
        has(&|record| {
            record.event == "podwhy.incident"
                && record.text("podwhy.incident.evidence").contains("calico-node-x2lqv says")
        })
    });
    assert!(agent.terminate().success());
    let incidents: Vec<_> = collector
        .received()
        .into_iter()
        .filter(|record| record.event == "podwhy.incident")
        .map(|record| record.text("podwhy.incident.evidence").to_owned())
        .collect();
    assert!(told, "{incidents:#?}");
    assert!(!incidents.concat().contains("hunter2"), "{incidents:#?}");
}
