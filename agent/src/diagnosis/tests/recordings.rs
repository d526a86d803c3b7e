//! Recordings of a real node: each failure that is true is told, the lines of one attempt once, and
//! neither batching nor restarts change anything.

use podwhy_parser::{Kind as LineKind, What};

use super::*;

/// Rows of `truth.tsv` by column name.
pub(super) fn truth(scenario: &str) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(recordings().join(scenario).join("truth.tsv")).unwrap();
    let mut rows = text.lines().map(|row| row.split('\t').map(str::to_owned));
    let columns: Vec<String> = rows.next().unwrap().collect();
    rows.map(|row| columns.iter().cloned().zip(row).collect()).collect()
}

fn told(scenario: &str, repeats: Repeats) -> Vec<Record> {
    let mut engine = Engine::new(repeats);
    replay(scenario, |message, line| engine.message(message, line));
    engine.end()
}

/// Steps whose failures are records of their own kind of evidence, not sync failures.
const OTHER_EVIDENCE: [&str; 3] = ["Probe", "Runtime", "-"];

#[test]
fn each_failure_of_a_real_node_is_told_with_its_identity() {
    let mut checked = 0;
    for scenario in scenarios() {
        let records = told(&scenario, Repeats::Every);
        for row in truth(&scenario) {
            if OTHER_EVIDENCE.contains(&row["step"].as_str()) || row["pod"] == "-" {
                continue;
            }
            let found = records.iter().any(|record| {
                let is_container = row["container"] == "-"
                    || row["step"] != "StartContainer"
                    || text(record, names::K8S_CONTAINER_NAME) == row["container"];
                text(record, names::K8S_POD_UID) == row["uid"]
                    && text(record, names::K8S_POD_NAME) == row["pod"]
                    && text(record, names::K8S_NAMESPACE_NAME) == row["namespace"]
                    && text(record, names::SYNC_STEP) == row["step"]
                    && (row["reason"] == "-" || text(record, names::SYNC_REASON) == row["reason"])
                    && is_container
            });
            assert!(found, "{scenario}: {row:?} is not among {records:#?}");
            checked += 1;
        }
    }
    assert!(checked >= 45, "only {checked} rows were checked");
}

#[test]
fn g51_the_lines_of_one_attempt_on_a_real_node_are_one_failure() {
    for scenario in scenarios() {
        let mut engine = Engine::new(Repeats::Every);
        let (mut expected, mut companions) = (0, 0);
        replay(&scenario, |message, line| {
            if message.kind() == LineKind::SyncFailure {
                expected += message.failures().count().max(1);
            }
            companions += u64::from(message.kind() == LineKind::Related);
            engine.message(message, line);
        });
        engine.tick(86_400_000 * 365);
        let counters = engine.diagnosis.counters();
        let records = engine.end();
        assert_eq!(records.len(), expected, "{scenario}: {counters:?}");
        assert_eq!(counters.companions.told, 0, "{scenario}: no line stands alone here");
        let whereabouts = counters.companions.joined + counters.companions.vanished;
        assert_eq!(whereabouts, companions, "{scenario}: {counters:?}");
    }
}

#[test]
fn a_healthy_node_tells_nothing() {
    assert_eq!(told("healthy", Repeats::Summary), []);
}

#[test]
fn companions_bring_the_ids_of_a_real_attempt() {
    let brings = |scenario: &str, step: &str, reason: &str, attributes: &[&str]| {
        let records = told(scenario, Repeats::Every);
        let mut of_reason = records
            .iter()
            .filter(|record| text(record, names::SYNC_STEP) == step)
            .filter(|record| text(record, names::SYNC_REASON) == reason)
            .peekable();
        assert!(of_reason.peek().is_some(), "{scenario}: no {reason}");
        for record in of_reason {
            for name in attributes {
                assert!(record.attribute(name).is_some(), "{scenario}: no {name}: {record:#?}");
            }
        }
    };
    let (sandbox, container) = (names::SYNC_SANDBOX_ID, names::CONTAINER_ID);
    brings("cni-binary-missing", "CreatePodSandbox", "CreatePodSandboxError", &[sandbox]);
    brings("cni-binary-missing", "KillPodSandbox", "KillPodSandboxError", &[sandbox]);
    brings("command-not-found", "StartContainer", "RunContainerError", &[sandbox, container]);
    brings("post-start-fails", "StartContainer", "PostStartHookError", &[sandbox, container]);
    brings("image-not-found", "StartContainer", "ErrImagePull", &[names::CONTAINER_IMAGE_NAME]);
    let ids = [sandbox, container, names::SYNC_EXIT_CODE, names::SYNC_BACKOFF_SECONDS];
    brings("oom-killed", "StartContainer", "CrashLoopBackOff", &ids);
}

#[test]
fn exit_codes_of_a_real_node_come_from_the_neighbours() {
    for (scenario, expected) in [("crash-exit-1", 1), ("oom-killed", 137), ("exit-0-early", 0)] {
        let records = told(scenario, Repeats::Every);
        let last = records.last().unwrap();
        assert_eq!(
            last.attribute(names::SYNC_EXIT_CODE),
            Some(&Value::Int(expected)),
            "{scenario}"
        );
    }
}

#[test]
fn summaries_of_a_real_node_count_each_failure_once() {
    for scenario in scenarios() {
        let every = told(&scenario, Repeats::Every);
        let summary = told(&scenario, Repeats::Summary);
        let counted: i64 = summary.iter().map(count).sum();
        assert_eq!(counted, i64::try_from(every.len()).unwrap(), "{scenario}");
        assert!(summary.len() <= every.len(), "{scenario}");
        let uids: std::collections::BTreeSet<_> = summary.iter().map(|record| record.uid).collect();
        assert_eq!(uids.len(), summary.len(), "{scenario}: ids are unique");
    }
}

#[test]
fn the_same_records_whatever_the_batching() {
    for scenario in scenarios() {
        let plain = told(&scenario, Repeats::Summary);
        let mut engine = Engine::new(Repeats::Summary);
        let mut number = 0_u64;
        replay(&scenario, |message, line| {
            number += 1;
            if number.is_multiple_of(3) {
                engine.apply(line.at, Input::Tick);
            }
            // A timer that is due before this line fires in a tick of its own.
            while let Some(due) = engine.diagnosis.next_due().filter(|due| *due <= line.at) {
                engine.apply(due, Input::Tick);
            }
            engine.message(message, line);
        });
        assert_eq!(engine.end(), plain, "{scenario}");
    }
}

#[test]
fn the_same_records_from_a_restart_after_every_single_line() {
    for scenario in scenarios() {
        for repeats in [Repeats::Summary, Repeats::Every] {
            let plain = told(&scenario, repeats);
            let mut engine = Engine::new(repeats);
            let mut kept = BTreeMap::new();
            replay(&scenario, |message, line| {
                engine.message(message, line);
                restart(&mut engine, &mut kept, repeats);
            });
            assert_eq!(engine.end(), plain, "{scenario} {repeats:?}");
        }
    }
}

#[test]
fn only_what_changed_is_handed_on() {
    let mut engine = Engine::new(Repeats::Summary);
    replay("crash-exit-1", |message, line| engine.message(message, line));
    let mut changes = 0;
    engine.diagnosis.changes(&mut |_| changes += 1);
    assert!(changes > 0);
    engine.diagnosis.changes(&mut |change| panic!("unchanged, yet handed on: {change:?}"));
}

#[test]
fn what_a_newer_release_kept_is_left_out_and_counted() {
    let mut engine = Engine::new(Repeats::Summary);
    replay("crash-exit-1", |message, line| engine.message(message, line));
    let mut kept = Vec::new();
    engine.diagnosis.changes(&mut |(key, value)| kept.extend(value.map(|value| (key, value))));
    let entries = kept.len();
    for (_, value) in &mut kept {
        value[0] += 1;
    }
    let left_out = Diagnosis::new(settings(Repeats::Summary)).restore(kept);
    assert_eq!(left_out.len(), entries, "and each is named");
}

#[test]
fn g57_info_lines_of_a_real_node_are_failures_of_their_own_severity() {
    let records = told("host-port-conflict", Repeats::Every);
    assert!(!records.is_empty());
    for record in &records {
        assert_eq!(text(record, names::SYNC_STEP), "Admission");
        assert_eq!(record.severity, crate::record::Severity::Info);
    }
}

#[test]
fn recordings_hold_what_these_tests_need() {
    let mut lines = 0;
    for scenario in scenarios() {
        replay(&scenario, |message, _| {
            lines += usize::from(message.what == What::ErrorSyncingPod);
        });
    }
    assert!(lines >= 250, "{lines}");
}
