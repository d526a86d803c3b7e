//! The same failure again and again (design 5.4).

use proptest::prelude::*;

use super::*;

const WINDOW: i64 = 600_000;

#[test]
fn the_first_is_told_at_once_and_then_a_count_per_window() {
    let mut engine = Engine::new(Repeats::Summary);
    for (number, back_off) in ["10s", "20s", "40s", "1m20s"].into_iter().enumerate() {
        engine.kubelet(number as i64 * 15_000, 'E', &crash_loop(back_off, "web", UID_A));
    }
    assert_eq!(engine.out.records.len(), 1);
    assert_eq!(engine.out.records[0].worth, crate::record::Worth::Failure);
    engine.tick(WINDOW - 1);
    assert_eq!(engine.out.records.len(), 1);
    engine.tick(WINDOW + 1);
    let [first, summary] = engine.out.records.as_slice() else { panic!("{:?}", engine.out) };
    assert_eq!(count(summary), 3);
    assert_eq!(summary.worth, crate::record::Worth::Repeat);
    assert_eq!(text(summary, names::SYNC_FIRST_SEEN), "2026-11-22T22:00:15.000000Z");
    assert_eq!(text(summary, names::SYNC_LAST_SEEN), "2026-11-22T22:00:45.000000Z");
    assert!(text(summary, names::SYNC_MESSAGE).contains("back-off 1m20s"), "the newest words");
    assert!(summary.body.contains("3 times more"), "{}", summary.body);
    assert_ne!(first.uid, summary.uid);
}

#[test]
fn a_silent_window_ends_the_series() {
    let mut engine = Engine::new(Repeats::Summary);
    engine.kubelet(0, 'E', &crash_loop("10s", "web", UID_A));
    engine.tick(WINDOW + 1);
    assert_eq!(engine.diagnosis.counting.next_due(), None);
    engine.kubelet(WINDOW + 10, 'E', &crash_loop("5m0s", "web", UID_A));
    assert_eq!(engine.out.records.len(), 2, "told at once again");
    assert_eq!(engine.end().len(), 2);
}

#[test]
fn another_message_or_pod_starts_anew() {
    let mut engine = Engine::new(Repeats::Summary);
    let missing = |name: &str, uid: &str, secret: &str| {
        let error = format!(
            "failed to \"StartContainer\" for \"app\" with CreateContainerConfigError: {:?}",
            format!("secret {secret:?} not found")
        );
        error_syncing(&error, name, uid)
    };
    engine.kubelet(0, 'E', &missing("web", UID_A, "mail"));
    engine.kubelet(1, 'E', &missing("web", UID_A, "cart"));
    engine.kubelet(2, 'E', &missing("cart", UID_B, "cart"));
    assert_eq!(engine.out.records.len(), 3);
    engine.kubelet(3, 'E', &missing("cart", UID_B, "cart"));
    assert_eq!(engine.out.records.len(), 3);
}

#[test]
fn every_tells_each_and_marks_what_is_known() {
    let mut engine = Engine::new(Repeats::Every);
    for number in 0..3 {
        engine.kubelet(number * 15_000, 'E', &crash_loop("10s", "web", UID_A));
    }
    let records = engine.end();
    assert_eq!(records.iter().map(count).collect::<Vec<_>>(), [1, 1, 1]);
    use crate::record::Worth;
    let worth: Vec<_> = records.iter().map(|record| record.worth).collect();
    assert_eq!(worth, [Worth::Failure, Worth::Repeat, Worth::Repeat]);
}

#[test]
fn o25_endless_distinct_pods_stay_bounded_and_no_count_is_lost() {
    let mut engine = Engine::new(Repeats::Summary);
    let pods = crate::limits::SERIES as i64 + 200;
    for round in 0..2 {
        for number in 0..pods {
            let uid = format!("{number:032x}");
            engine.kubelet(round * 60_000 + number, 'E', &crash_loop("10s", "web", &uid));
        }
    }
    assert!(engine.diagnosis.counters().evicted_series > 0);
    let counted: i64 = engine.end().iter().map(count).sum();
    assert_eq!(counted, pods * 2);
}

#[test]
fn a_clock_that_is_set_back_neither_stops_nor_doubles_anything() {
    let mut engine = Engine::new(Repeats::Summary);
    engine.kubelet(3_600_000, 'E', &crash_loop("10s", "web", UID_A));
    // One hour back.
    engine.kubelet(0, 'E', &crash_loop("10s", "web", UID_A));
    engine.tick(3_000);
    let due = engine.diagnosis.counting.next_due().unwrap();
    let due = engine.diagnosis.clock.source_time(due);
    assert_eq!(due, START + WINDOW * 1000 + 100, "the window goes on by the new clock");
    engine.tick(WINDOW + 1);
    assert_eq!(engine.out.records.iter().map(count).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn facts_of_now_move_no_timer_while_a_backlog_is_read() {
    let mut engine = Engine::new(Repeats::Summary);
    let hours_ahead = START + 7_200_000_000;
    engine.kubelet(0, 'E', &crash_loop("10s", "web", UID_A));
    engine.apply(hours_ahead, Input::Node(node::View::default()));
    engine.kubelet(1_000, 'E', &crash_loop("10s", "web", UID_A));
    engine.apply(hours_ahead, Input::Node(node::View::default()));
    engine.tick(2_000);
    assert_eq!(engine.out.records.len(), 1, "no window ended");
    assert_eq!(engine.diagnosis.next_due(), Some(START + 2_000_000 + 100));
}

#[derive(Clone, Debug)]
enum Step {
    Fail { pod: u8, words: u8 },
    Companion { pod: u8 },
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_u8, 0..3_u8).prop_map(|(pod, words)| Step::Fail { pod, words }),
        2 => (0..4_u8).prop_map(|pod| Step::Companion { pod }),
        3 => (0..700_000_u32).prop_map(Step::Wait),
        3 => (0..1_500_u32).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

/// Runs the steps; `after` is called after each.
fn run(steps: &[Step], mut after: impl FnMut(&mut Engine, usize, i64)) -> Vec<Record> {
    let mut engine = Engine::new(Repeats::Summary);
    let mut millis = 0;
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Fail { pod, words } => {
                let uid = format!("{pod:032x}");
                let words = ["not found", "denied", "timed out"][usize::from(*words)];
                let error = format!(
                    "failed to \"StartContainer\" for \"app\" with ErrImagePull: \"image {words}\""
                );
                engine.kubelet(millis, 'E', &error_syncing(&error, &format!("web-{pod}"), &uid));
            }
            Step::Companion { pod } => {
                let uid = format!("{pod:032x}");
                engine.kubelet(millis, 'E', &format!("kuberuntime_manager.go:1449] \"Unhandled Error\" err=\"container app start failed in pod web-{pod}_shop({uid}): ErrImagePull: image denied\" logger=\"UnhandledError\""));
            }
            Step::Wait(more) => millis += i64::from(*more),
        }
        millis += 1;
        after(&mut engine, number, millis);
    }
    engine.end()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn batching_and_restarts_never_change_a_record(
        steps in steps(), ticks in any::<u64>(), restarts in any::<u64>(),
    ) {
        let plain = run(&steps, |_, _, _| {});
        let mut kept = BTreeMap::new();
        let disturbed = run(&steps, |engine, number, millis| {
            if ticks >> (number % 64) & 1 == 1 {
                engine.tick(millis - 1);
            }
            if restarts >> (number % 64) & 1 == 1 {
                restart(engine, &mut kept, Repeats::Summary);
            }
        });
        prop_assert_eq!(disturbed, plain);
    }
}
