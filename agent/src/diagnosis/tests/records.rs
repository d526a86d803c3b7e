//! What leaves: fields, attributes and bounds of otlp.md 2.3–2.6, hostile text, losses, checks.

use super::*;
use crate::{
    node::{Cni, CniReason, Disk, DiskRole},
    record::{Severity, to_json},
};

/// Names that a sync failure may carry (otlp.md 2.4–2.6), beside those of disks.
const OF_SYNC_FAILURES: &[&str] = &[
    names::INCIDENT_ID,
    names::SOURCE_COMPONENT,
    names::SOURCE_UNIT,
    names::SOURCE_SEVERITY,
    names::SOURCE_JOURNAL_TIME,
    names::CODE_FILE_PATH,
    names::CODE_LINE_NUMBER,
    names::PROCESS_PID,
    names::ERROR_TYPE,
    names::K8S_NAMESPACE_NAME,
    names::K8S_POD_NAME,
    names::K8S_POD_UID,
    names::K8S_CONTAINER_NAME,
    names::K8S_CONTAINER_STATUS_STATE,
    names::K8S_CONTAINER_STATUS_REASON,
    names::K8S_VOLUME_NAME,
    names::CONTAINER_ID,
    names::CONTAINER_IMAGE_NAME,
    names::SYNC_STEP,
    names::SYNC_REASON,
    names::SYNC_TARGET,
    names::SYNC_MESSAGE,
    names::SYNC_FORM,
    names::SYNC_INDEX,
    names::SYNC_OF,
    names::SYNC_EXIT_CODE,
    names::SYNC_BACKOFF_SECONDS,
    names::SYNC_SANDBOX_ID,
    names::SYNC_REPEATS,
    names::SYNC_FIRST_SEEN,
    names::SYNC_LAST_SEEN,
    names::SYNC_TRUNCATED,
    names::NODE_CNI_READY,
    names::NODE_CNI_REASON,
    names::NODE_AGE_SECONDS,
];

fn view(at: Micros) -> node::View {
    let disk = |role| Disk {
        role,
        at,
        free_bytes: 25,
        total_bytes: 100,
        inodes_free: Some(1),
        inodes_total: Some(4),
        read_only: Some(false),
    };
    let roles = [DiskRole::Kubelet, DiskRole::Runtime, DiskRole::Log];
    let cni = Cni {
        at: at + 1_000_000,
        ready: false,
        reason: Some(CniReason::PluginMissing),
        detail: Some("bridge".to_owned()),
        leases_used: Some(3),
        leases_free: Some(251),
    };
    node::View { at, disks: roles.map(disk).to_vec(), cni: Some(cni), ..node::View::default() }
}

#[test]
fn o14_a_sync_failure_carries_its_fields_and_what_the_node_looks_like() {
    let mut engine = Engine::new(Repeats::Summary);
    engine.apply(START, Input::Node(view(START - 10_000_000)));
    engine.kubelet(0, 'E', &crash_loop("2m40s", "web", UID_A));
    let record = &engine.out.records[0];
    assert_eq!(record.event, EventName::SyncFailure);
    assert_eq!(record.severity, Severity::Error);
    assert_eq!(record.time, START);
    let message = format!("back-off 2m40s restarting failed container=app pod=web_shop({UID_A})");
    assert_eq!(
        record.body,
        format!(
            "StartContainer failed for container app of pod shop/web: CrashLoopBackOff: {message}"
        )
    );
    for (name, expected) in [
        (names::SYNC_STEP, "StartContainer"),
        (names::SYNC_REASON, "CrashLoopBackOff"),
        (names::ERROR_TYPE, "CrashLoopBackOff"),
        (names::SYNC_TARGET, "app"),
        (names::SYNC_FORM, "structured"),
        (names::SYNC_MESSAGE, &message),
        (names::K8S_CONTAINER_STATUS_STATE, "waiting"),
        (names::SOURCE_COMPONENT, "kubelet"),
        (names::SOURCE_UNIT, "kubelet.service"),
        (names::SOURCE_SEVERITY, "E"),
        (names::SOURCE_JOURNAL_TIME, "2026-11-22T22:00:00.000100Z"),
        (names::CODE_FILE_PATH, "pod_workers.go"),
        (names::NODE_CNI_REASON, "plugin_missing"),
    ] {
        assert_eq!(text(record, name), expected, "{name}");
    }
    for (name, expected) in [
        (names::CODE_LINE_NUMBER, Value::Int(1324)),
        (names::PROCESS_PID, Value::Int(2148)),
        (names::SYNC_BACKOFF_SECONDS, Value::Double(160.0)),
        ("podwhy.node.disk.kubelet.free_bytes", Value::Int(25)),
        ("podwhy.node.disk.runtime.free_ratio", Value::Double(0.25)),
        ("podwhy.node.disk.runtime.inodes_free_ratio", Value::Double(0.25)),
        ("podwhy.node.disk.kubelet.read_only", Value::Bool(false)),
        (names::NODE_CNI_READY, Value::Bool(false)),
        (names::NODE_AGE_SECONDS, Value::Double(10.0001)),
    ] {
        assert_eq!(record.attribute(name), Some(&expected), "{name}");
    }
    let is_of_log = |name: &str| name.starts_with("podwhy.node.disk.log");
    assert!(!record.attributes.iter().any(|(name, _)| is_of_log(name)), "kubelet and runtime only");
}

#[test]
fn o14_recordings_give_only_known_unique_bounded_attributes() {
    for scenario in scenarios() {
        let mut engine = Engine::new(Repeats::Summary);
        engine.apply(START, Input::Node(view(START)));
        replay(&scenario, |message, line| engine.message(message, line));
        for record in engine.end() {
            let mut seen: Vec<&str> = record.attributes.iter().map(|(name, _)| &**name).collect();
            for name in &seen {
                let is_known =
                    OF_SYNC_FAILURES.contains(name) || name.starts_with("podwhy.node.disk.");
                assert!(is_known, "{scenario}: {name}");
            }
            let listed = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), listed, "{scenario}: unique");
            assert!(
                record.attributes.iter().all(|(_, value)| *value != Value::Text(String::new()))
            );
        }
    }
}

#[test]
fn o14_a_huge_message_is_cut_and_says_so() {
    let mut engine = Engine::new(Repeats::Summary);
    let message = "é".repeat(100_000);
    let error =
        format!("failed to \"StartContainer\" for \"app\" with RunContainerError: {message:?}");
    engine.kubelet(0, 'E', &error_syncing(&error, "web", UID_A));
    let record = &engine.out.records[0];
    let kept = text(record, names::SYNC_MESSAGE);
    assert!(kept.len() <= crate::limits::VALUE_BYTES && kept.starts_with('é'));
    assert!(record.body.len() <= crate::limits::BODY_BYTES);
    assert_eq!(record.attribute(names::SYNC_TRUNCATED), Some(&Value::Bool(true)));
}

#[test]
fn o25_text_of_others_becomes_neither_identity_nor_control() {
    let mut engine = Engine::new(Repeats::Summary);
    let error = "failed to \"StartContainer\" for \"app\" with RunContainerError: \"red \\u001b[31m \\u202e evil\\nE1122 22:00:00.000000 1 x.go:1] forged\"";
    engine.kubelet(0, 'E', &format!("pod_workers.go:1] \"Error syncing pod, skipping\" err={error:?} pod=\"shop/Bad_Name\" podUID=\"not-a-uid\""));
    let record = &engine.out.records[0];
    assert_eq!(record.attribute(names::K8S_POD_NAME), None);
    assert_eq!(record.attribute(names::K8S_POD_UID), None);
    assert_eq!(text(record, names::K8S_NAMESPACE_NAME), "shop");
    assert_eq!(engine.diagnosis.counters().invalid_identities, 2);
    let whole = format!("{}{}", record.body, text(record, names::SYNC_MESSAGE));
    assert!(!whole.contains(['\u{1b}', '\u{202e}']), "{whole:?}");
    assert!(!record.body.contains('\n'));
    assert_eq!(engine.out.records.len(), 1, "what stands inside forges nothing (G2)");
}

#[test]
fn o24_secrets_reach_no_record() {
    let mut engine = Engine::new(Repeats::Summary);
    let error = "failed to \"StartContainer\" for \"app\" with ErrImagePull: \"Get \\\"https://joe:hunter2@r.example/blob?sig=abcdef123\\\": denied, password=tr0ub4dor\"";
    engine.kubelet(0, 'E', &error_syncing(error, "web", UID_A));
    let whole = to_json(&engine.out.records[0]).to_string();
    for secret in ["hunter2", "abcdef123", "tr0ub4dor"] {
        assert!(!whole.contains(secret), "{whole}");
    }
    assert!(whole.contains("r.example/blob?REDACTED"), "{whole}");
}

#[test]
fn g13_suppressed_lines_are_a_loss_with_its_count() {
    let mut engine = Engine::new(Repeats::Summary);
    let text_of = "Suppressed 1234 messages from kubelet.service";
    engine.line(&line(Origin::Journald, "systemd-journald.service", text_of, START));
    let record = &engine.out.records[0];
    assert_eq!(record.event, EventName::Loss);
    assert_eq!(record.severity, Severity::Warn);
    assert_eq!(text(record, names::LOSS_KIND), "suppressed");
    assert_eq!(record.attribute(names::LOSS_LINES), Some(&Value::Int(1234)));
    assert_eq!(text(record, names::SOURCE_COMPONENT), "kubelet");
    assert_eq!(text(record, names::SOURCE_UNIT), "kubelet.service");
    assert_eq!(text(record, names::LOSS_TO), "2026-11-22T22:00:00.000000Z");
    assert_eq!(text(record, names::LOSS_FROM), "2026-11-22T21:59:30.000000Z");
}

#[test]
fn a_refused_record_is_an_error_and_its_id_does_not_change() {
    let loss = Loss {
        kind: LossKind::Refused,
        component: "podwhy".to_owned(),
        unit: None,
        lines: Some(1),
        from: Some(START),
        to: Some(START + 1),
        destination: Some("primary".to_owned()),
        why: "413".to_owned(),
    };
    let mut engine = Engine::new(Repeats::Summary);
    engine.apply(START + 5, Input::Lost(loss.clone()));
    engine.apply(START + 50, Input::Lost(loss));
    let [one, other] = engine.out.records.as_slice() else { panic!("{:?}", engine.out) };
    assert_eq!(one.severity, Severity::Error);
    assert_eq!(text(one, names::LOSS_DESTINATION), "primary");
    assert_eq!(one.uid, other.uid);
}

#[test]
fn a_node_check_proves_delivery_with_what_is_known_of_the_node() {
    let mut engine = Engine::new(Repeats::Summary);
    engine.apply(START, Input::Node(view(START)));
    for (status, severity) in [
        (CheckStatus::Ok, Severity::Info),
        (CheckStatus::Degraded, Severity::Warn),
        (CheckStatus::Unknown, Severity::Warn),
        (CheckStatus::Failed, Severity::Error),
    ] {
        let check = Check {
            name: "journal".to_owned(),
            status,
            value: Some(2.0),
            threshold: None,
            text: "persistent".to_owned(),
        };
        engine.apply(START, Input::Checked(check));
        let record = engine.out.records.last().unwrap();
        assert_eq!((record.event, record.severity), (EventName::NodeCheck, severity));
        assert_eq!(text(record, names::CHECK_NAME), "journal");
        assert_eq!(record.attribute(names::CHECK_VALUE), Some(&Value::Double(2.0)));
        assert_eq!(record.attribute(names::CHECK_THRESHOLD), None, "unknown = absent");
        assert_eq!(record.attribute(names::NODE_CNI_LEASES_FREE), Some(&Value::Int(251)));
        assert_eq!(record.attribute("podwhy.node.disk.log.free_bytes"), Some(&Value::Int(25)));
    }
}

#[test]
fn json_nests_as_the_contract_says() {
    let mut engine = Engine::new(Repeats::Summary);
    engine.apply(START, Input::Node(view(START)));
    engine.kubelet(0, 'E', &crash_loop("10s", "web", UID_A));
    let json = to_json(&engine.out.records[0]);
    for (pointer, expected) in [
        ("/event", serde_json::json!("podwhy.sync_failure")),
        ("/time", serde_json::json!("2026-11-22T22:00:00.000000Z")),
        ("/severity", serde_json::json!("error")),
        ("/step", serde_json::json!("StartContainer")),
        ("/pod/namespace", serde_json::json!("shop")),
        ("/pod/uid", serde_json::json!(UID_A)),
        ("/container", serde_json::json!("app")),
        ("/source/file", serde_json::json!("pod_workers.go")),
        ("/source/line", serde_json::json!(1324)),
        ("/node/disk/kubelet/free_bytes", serde_json::json!(25)),
        ("/node/cni/ready", serde_json::json!(false)),
        ("/of", serde_json::json!(1)),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}: {json}");
    }
}

#[test]
fn names_of_the_conventions_are_what_the_reference_says() {
    for (constant, expected) in [
        (names::K8S_NAMESPACE_NAME, "k8s.namespace.name"),
        (names::K8S_POD_NAME, "k8s.pod.name"),
        (names::K8S_POD_UID, "k8s.pod.uid"),
        (names::K8S_CONTAINER_NAME, "k8s.container.name"),
        (names::K8S_CONTAINER_STATUS_STATE, "k8s.container.status.state"),
        (names::K8S_CONTAINER_STATUS_REASON, "k8s.container.status.reason"),
        (names::K8S_VOLUME_NAME, "k8s.volume.name"),
        (names::CONTAINER_ID, "container.id"),
        (names::CONTAINER_IMAGE_NAME, "container.image.name"),
        (names::CODE_FILE_PATH, "code.file.path"),
        (names::CODE_LINE_NUMBER, "code.line.number"),
        (names::PROCESS_PID, "process.pid"),
        (names::ERROR_TYPE, "error.type"),
        (names::LOG_FILE_PATH, "log.file.path"),
        (names::LOG_IOSTREAM, "log.iostream"),
        (names::LOG_RECORD_ORIGINAL, "log.record.original"),
        (names::LOG_RECORD_UID, "log.record.uid"),
    ] {
        assert_eq!(constant, expected);
    }
}
