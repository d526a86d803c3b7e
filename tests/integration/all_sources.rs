//! Everything that is read at once, the journal, a kubelet's file and the logs of chosen pods, and an
//! agent that is killed at random instants while all of them are written to and rotated.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::collector::Received;
use crate::files::Kubelet;
use crate::journald::with_faults;
use crate::load::{self, Node};
use crate::main_path::{LONG, lost_nothing, parts, setup, wait_for_pods};
use crate::soak::{self, Random};
use crate::wait;

/// The log of an agent of the pod network, rotated as the kubelet rotates it.
struct PodLog {
    path: PathBuf,
    file: File,
    rotations: usize,
}

impl PodLog {
    fn new(pods: &Path, name: &str, number: usize) -> Self {
        let uid = load::uid(999_000 + number);
        let folder = pods.join(format!("kube-system_{name}_{uid}/agent"));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("0.log");
        Self { file: open(&path), path, rotations: 0 }
    }

    /// A line of trouble, of its own, in two pieces; between others that are none.
    fn say(&mut self, number: usize) {
        let now = jiff::Timestamp::now();
        let word: String = word(number);
        writeln!(self.file, "{now} stderr F level=info msg=\"all is well\"").unwrap();
        writeln!(self.file, "{now} stderr P level=error msg=\"cannot reach ").unwrap();
        writeln!(self.file, "{now} stdout F level=info msg=\"in between\"").unwrap();
        writeln!(self.file, "{now} stderr F the datastore of {word}\"").unwrap();
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        let old = self.path.with_file_name(format!("0.log.20310317-{:06}", self.rotations));
        fs::rename(&self.path, old).unwrap();
        self.file = open(&self.path);
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// Failures between two lines of trouble.
const EVERY: usize = 50;

/// A word for each number: figures alone make no text another one.
fn word(number: usize) -> String {
    let letter = |digit: u8| char::from(digit - b'0' + b'a');
    let digits = format!("{number:06}");
    format!("zone-{}", digits.bytes().map(letter).collect::<String>())
}

#[test]
fn killed_at_random_with_all_sources_active_it_loses_nothing_and_tells_nothing_twice() {
    let test = "killed_at_random_with_all_sources_active_it_loses_nothing_and_tells_nothing_twice";
    if !with_faults(test) {
        return;
    }
    let Some((journald, collector, folder)) = parts(test) else { return };
    let pods = folder.path().join("pods");
    let mut setup = setup(&folder, &journald, &collector);
    let place = folder.path().display();
    setup.more = format!(
        "files: {{ paths: [\"{place}/kubelet.log=kubelet\"] }}\nevidence: {{ pod_logs: {} }}\n",
        pods.display()
    );
    let diary = folder.path().join("diary");
    setup.variables = vec![("PODWHY_TEST_DIARY", diary.display().to_string())];
    let mut logs = [("calico-node-a", 1), ("kube-proxy-b", 2), ("ebs-csi-node-c", 3)]
        .map(|(name, number)| PodLog::new(&pods, name, number));
    let (mut node, mut kubelet) = (Node::new(&journald), Kubelet::new(folder.path()));
    let mut random = Random::new(77);
    let failures = soak::times(2_000);
    let kills: BTreeSet<usize> = (0..20).map(|_| random.below(failures)).collect();
    let mut agent = setup.start();
    for number in 0..failures {
        // A failure is told by lines of one source.
        match random.below(2) {
            0 => kubelet.fail(number),
            _ => node.fail(number),
        }
        if number % EVERY == 0 {
            logs[random.below(3)].say(number);
        }
        match number % 300 {
            100 => drop(kubelet.rename()),
            200 => journald.rotate(),
            250 => logs.iter_mut().for_each(PodLog::rotate),
            _ => {}
        }
        if kills.contains(&number) {
            let instant = Duration::from_micros(random.below(200_000) as u64);
            wait::reached(instant, || false);
            agent.kill();
            agent = setup.start();
        }
    }
    node.flush();
    wait_for_pods(&collector, 0..failures, LONG);
    let said: Vec<String> = (0..failures).step_by(EVERY).map(word).collect();
    let mut known = String::new();
    let all = wait::reached(LONG, || {
        known = fs::read_to_string(&diary).unwrap_or_default();
        said.iter().all(|word| known.contains(word.as_str()))
    });
    let missing = said.iter().filter(|word| !known.contains(word.as_str())).count();
    assert!(all, "{missing} of {} lines of pods never came", said.len());
    assert!(agent.terminate().success());

    let received = collector.received();
    let mut told: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in received.iter().filter(|record| record.event == "podwhy.sync_failure") {
        told.entry(record.text("k8s.pod.uid")).or_default().insert(Received::uid(record));
    }
    let twice = told.values().filter(|ids| ids.len() > 1).count();
    let repeated = said.iter().filter(|word| known.matches(word.as_str()).count() > 1).count();
    println!(
        "failures written {failures}, arrived {}, told twice {twice}, lost 0; lines of trouble in \
         pods' logs written {}, known {}, read again after a kill {repeated}; kills {}",
        told.len(),
        said.len(),
        said.len() - missing,
        kills.len()
    );
    assert_eq!((told.len(), twice), (failures, 0));
    lost_nothing(&received);
}
