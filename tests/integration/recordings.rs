//! What a real kubelet and containerd once wrote, written again to a real journald: every failure of
//! the recording arrives once, with what the node looks like.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use podwhy_parser::{Kind, Origin, parse_from};

use crate::main_path::{LONG, parts, setup};
use crate::wait;

/// Step, reason and pod UID of a failure, and how often it happened.
type Failures = BTreeMap<(String, String, String), usize>;

#[test]
fn every_failure_of_a_recorded_node_arrives_once() {
    for scenario in ["thirty-at-once", "containerd-stopped", "post-start-fails"] {
        let Some((journald, collector, folder)) =
            parts("every_failure_of_a_recorded_node_arrives_once")
        else {
            return;
        };
        let lines = recorded(scenario);
        let expected = failures_of(&lines);
        let mut agent = setup(&folder, &journald, &collector).start();
        // A disk that is busy with other things may answer late; what is told before says nothing of it.
        wait::until("the node was looked at", LONG, || {
            let is_known =
                |name| collector.received().iter().any(|it| it.attributes.contains_key(name));
            is_known("podwhy.node.disk.kubelet.free_bytes") && is_known("podwhy.node.cni.ready")
        });
        let mut kubelet = journald.stream("kubelet", "kubelet.service");
        let mut containerd = journald.stream("containerd", "containerd.service");
        for (unit, line) in &lines {
            match unit.as_str() {
                "kubelet.service" => kubelet.line(&restamped(line)),
                _ => containerd.line(line),
            }
        }
        let arrived = || -> Failures {
            let mut arrived = Failures::new();
            for record in collector.received() {
                if record.event == "podwhy.sync_failure" {
                    let word = |name: &str| record.text(name).to_owned();
                    let key =
                        (word("podwhy.sync.step"), word("podwhy.sync.reason"), word("k8s.pod.uid"));
                    *arrived.entry(key).or_default() += 1;
                }
            }
            arrived
        };
        let is_complete = wait::reached(LONG, || arrived() == expected);
        assert!(agent.terminate().success());
        assert!(is_complete, "{scenario}: arrived {:#?}, expected {expected:#?}", arrived());
        for record in collector.received() {
            if record.event == "podwhy.sync_failure" {
                assert!(record.attributes.contains_key("podwhy.node.disk.kubelet.free_bytes"));
                assert_eq!(record.attributes["podwhy.node.cni.ready"], true, "{record:?}");
            }
        }
    }
}

/// Unit and text of every entry of the kubelet and containerd.
fn recorded(scenario: &str) -> Vec<(String, String)> {
    let text = export_of(scenario);
    text.split("\n\n")
        .filter_map(|entry| Some((field(entry, "_SYSTEMD_UNIT=")?, field(entry, "MESSAGE=")?)))
        .filter(|(unit, _)| ["kubelet.service", "containerd.service"].contains(&unit.as_str()))
        .collect()
}

/// The recording in the journal export format.
pub fn export_of(scenario: &str) -> String {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings").join(scenario);
    let export = std::fs::read(folder.join("journal.export")).unwrap_or_else(|_| {
        let packed = std::fs::read(folder.join("journal.export.gz")).expect("the recording");
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(&*packed).read_to_end(&mut bytes).expect("gzip");
        bytes
    });
    String::from_utf8_lossy(&export).into_owned()
}

/// A text field of an entry.
pub fn field(entry: &str, name: &str) -> Option<String> {
    entry.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
}

/// What the kubelet's authoritative lines say, read line by line.
fn failures_of(lines: &[(String, String)]) -> Failures {
    let mut failures = Failures::new();
    for (_, line) in lines.iter().filter(|(unit, _)| unit == "kubelet.service") {
        let Some(message) = parse_from(Origin::Kubelet, line) else { continue };
        if message.kind() != Kind::SyncFailure {
            continue;
        }
        let uid = message.facts().pod.uid.map(|uid| uid.to_string()).unwrap_or_default();
        for failure in message.failures() {
            let reason = failure.reason.map(|reason| reason.to_string()).unwrap_or_default();
            *failures.entry((failure.step.to_string(), reason, uid.clone())).or_default() += 1;
        }
    }
    assert!(!failures.is_empty(), "the recording holds failures");
    failures
}

/// The same klog line as of now: a clock that differs from the journal's by days is no clock.
fn restamped(line: &str) -> String {
    let is_klog = line.starts_with(['I', 'W', 'E']) && line.as_bytes().get(5) == Some(&b' ');
    match (is_klog, line.get(..1), line.get(21..)) {
        (true, Some(letter), Some(rest)) => {
            format!("{letter}{}{rest}", jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f"))
        }
        _ => line.to_owned(),
    }
}
