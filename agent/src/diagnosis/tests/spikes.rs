//! Spikes through the whole engine: lines in, `podwhy.spike` records out.

use super::*;
use crate::record::{Severity, to_json};

const HOUR: i64 = 3_600_000;

/// An engine that has watched a quiet node for these hours.
fn watched(hours: i64) -> Engine {
    let mut engine = Engine::new(Repeats::Summary);
    for ten_minutes in 0..hours * 6 {
        quiet(&mut engine, ten_minutes * 600_000);
    }
    assert!(engine.out.records.is_empty());
    engine
}

fn quiet(engine: &mut Engine, millis: i64) {
    engine.kubelet(
        millis,
        'I',
        r#"kubelet.go:2537] "SyncLoop ADD" source="api" pods=["shop/idle"]"#,
    );
}

fn uid(number: i64) -> String {
    format!("{number:08x}-5f0e-4a8c-9a0f-0d8a3f0f6c11")
}

fn no_sandbox(engine: &mut Engine, millis: i64, number: i64) {
    let (name, uid) = (format!("web-{number}"), uid(number));
    let error = format!(
        "failed to \"CreatePodSandbox\" for \"{name}_shop({uid})\" with CreatePodSandboxError: {:?}",
        format!(
            "Failed to create sandbox for pod \"{name}_shop({uid})\": rpc error: code = Unknown desc = failed to setup network for sandbox: plugin type=\"bridge\" failed (add): failed to find plugin \"bridge\" in path [/opt/cni/bin]"
        )
    );
    engine.kubelet(millis, 'E', &error_syncing(&error, &name, &uid));
}

fn spikes(engine: &Engine) -> Vec<Record> {
    let records = engine.out.records.iter();
    records.filter(|record| record.event == EventName::Spike).cloned().collect()
}

fn number(record: &Record, name: &str) -> f64 {
    match record.attribute(name) {
        Some(Value::Double(value)) => *value,
        Some(Value::Int(value)) => *value as f64,
        other => panic!("{name}: {other:?}"),
    }
}

/// Six pods get no sandbox for half an hour, then the node recovers.
fn outage(mut each: impl FnMut(&mut Engine)) -> Engine {
    let mut engine = watched(6);
    for twelve_seconds in 0..150 {
        for pod in 0..6 {
            no_sandbox(&mut engine, 6 * HOUR + twelve_seconds * 12_000 + pod * 900, pod);
            each(&mut engine);
        }
    }
    for minute in 0..30 {
        quiet(&mut engine, 6 * HOUR + 1_800_000 + minute * 60_000);
        each(&mut engine);
    }
    engine
}

#[test]
fn o22_pods_that_begin_to_fail_together_are_a_spike_that_explains_itself_and_ends() {
    let engine = outage(|_| {});
    let told = spikes(&engine);
    assert_eq!(told.len(), 2, "{told:#?}");
    let (start, end) = (&told[0], &told[1]);
    assert_eq!((start.severity, end.severity), (Severity::Error, Severity::Info));
    assert_eq!(start.attribute(names::SPIKE_ACTIVE), Some(&Value::Bool(true)));
    assert_eq!(end.attribute(names::SPIKE_ACTIVE), Some(&Value::Bool(false)));
    assert!(start.time - START <= 6 * HOUR * 1000 + 60_000_000, "within a minute");
    let minutes = (end.time - START) / 60_000_000 - 6 * 60;
    assert!((35..=45).contains(&minutes), "calm for five minutes: {minutes}");
    assert_eq!(text(start, names::SYNC_STEP), "CreatePodSandbox");
    assert_eq!(text(start, names::SPIKE_MEASURE), "pods");
    assert!(number(start, names::SPIKE_OBSERVED) >= 2.0);
    assert!(number(start, names::SPIKE_EXPECTED) < 0.1);
    assert!(number(start, names::SPIKE_SCORE) >= 5.0);
    assert!((number(start, names::SPIKE_WINDOW_SECONDS) - 300.0).abs() < 1e-9);
    assert!(number(start, names::SPIKE_POD_COUNT) >= 2.0);
    assert!((number(start, names::SPIKE_NAMESPACE_SHARE) - 1.0).abs() < 1e-9);
    assert!(text(start, names::SPIKE_PODS).contains("shop/web-"), "{start:#?}");
    assert!(text(start, names::SPIKE_REASONS).contains("CreatePodSandboxError"));
    let incidents: Vec<&str> =
        engine.of_incidents.iter().map(|record| text(record, names::INCIDENT_ID)).collect();
    assert!(incidents.contains(&text(start, names::INCIDENT_ID)), "{start:#?} {incidents:?}");
    assert!(!text(start, names::CAUSE_ID).is_empty(), "{start:#?}");
    assert!(start.body.contains("began to fail at CreatePodSandbox"), "{}", start.body);
    assert!(end.body.contains("over after"), "{}", end.body);
    assert_ne!(start.uid, end.uid);
    assert_eq!(to_json(start)["active"], true);
}

#[test]
fn o22_a_restart_after_every_line_changes_no_spike() {
    let mut kept = BTreeMap::new();
    let restarted = outage(|engine| restart(engine, &mut kept, Repeats::Summary));
    assert_eq!(spikes(&restarted), spikes(&outage(|_| {})));
}

#[test]
fn o22_one_pod_in_back_off_for_a_day_is_no_spike_at_any_kubelets_pace() {
    for seconds in [12, 75] {
        let mut engine = watched(2);
        for turn in 0..86_400 / seconds {
            let at = 2 * HOUR + turn * seconds * 1000;
            engine.kubelet(at, 'E', &crash_loop("5m0s", "web-0", UID_A));
            if turn % 25 == 0 {
                engine.kubelet(
                    at + 2,
                    'E',
                    r#"kuberuntime_manager.go:1358] "Unhandled Error" err="container &Container{Name:app,Image:shop/web:2.0} start failed in pod web-0_shop(0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11): CrashLoopBackOff" logger="UnhandledError""#,
                );
                engine.out.records.retain(|record| record.event == EventName::Spike);
                engine.out.incidents.clear();
            }
        }
        assert_eq!(spikes(&engine), [], "one each {seconds} s");
        assert!(engine.diagnosis.spikes().all(|(_, score)| score.is_none()));
    }
}

#[test]
fn o22_nothing_is_a_spike_on_a_node_that_is_not_known_yet() {
    let mut engine = Engine::new(Repeats::Summary);
    for twelve_seconds in 0..200 {
        for pod in 0..10 {
            no_sandbox(&mut engine, twelve_seconds * 12_000 + pod * 900, pod);
        }
    }
    assert_eq!(spikes(&engine), []);
}

#[test]
fn error_lines_that_nobody_knows_are_a_spike_by_their_number() {
    let mut engine = watched(3);
    for tenth in 0..900 {
        engine.kubelet(
            3 * HOUR + tenth * 100,
            'E',
            r#"made_up.go:12] "No rule knows this" err="https://user:hunter2@host/path refused""#,
        );
    }
    quiet(&mut engine, 3 * HOUR + 120_000);
    let told = spikes(&engine);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(text(&told[0], names::SOURCE_COMPONENT), "kubelet");
    assert_eq!(text(&told[0], names::SPIKE_MEASURE), "lines");
    assert!(number(&told[0], names::SPIKE_OBSERVED) >= 400.0);
    let sample = text(&told[0], names::SPIKE_SAMPLE);
    assert!(sample.contains("No rule knows this") && !sample.contains("hunter2"), "{sample}");
    assert!(told[0].attribute(names::SYNC_STEP).is_none());
    let present: Vec<&str> =
        engine.diagnosis.spikes().filter_map(|(name, score)| score.map(|_| name)).collect();
    assert_eq!(present, ["kubelet_lines"]);
}

#[test]
fn lines_of_failing_pods_are_no_spike_of_lines() {
    let mut engine = watched(3);
    for turn in 0..600 {
        engine.kubelet(3 * HOUR + turn * 500, 'E', &crash_loop("5m0s", "web-0", UID_A));
    }
    quiet(&mut engine, 3 * HOUR + 400_000);
    let told = spikes(&engine);
    assert!(told.iter().all(|it| text(it, names::SPIKE_MEASURE) != "lines"), "{told:#?}");
}
