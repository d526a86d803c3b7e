//! Keys are of closed lists, and each thing counts once.

use super::*;
use crate::incident::{Cause, Killer};

fn incident(id: &str, state: State) -> Incident {
    let cause =
        Cause { id: "oom_container".to_owned(), class: "exit".to_owned(), ..Cause::default() };
    Incident {
        id: id.to_owned(),
        state,
        cause,
        first_seen: Some(1_000_000),
        last_seen: Some(31_000_000),
        ..Incident::default()
    }
}

#[test]
fn no_word_of_a_log_becomes_a_label() {
    let mut figures = Figures::default();
    figures.failed("StartContainer", Some("CrashLoopBackOff"));
    figures.failed("StartContainer", Some("<script>"));
    figures.failed("Nonsense", Some("CrashLoopBackOff"));
    figures.failed("SyncPod", None);
    let told: Vec<_> = figures.failures.into_keys().collect();
    let expected = [
        ("StartContainer", "CrashLoopBackOff"),
        ("StartContainer", OTHER),
        ("SyncPod", ""),
        (OTHER, OTHER),
    ];
    assert_eq!(told, expected);
    let odd = Cause { id: "mine".to_owned(), class: "my class".to_owned(), ..Cause::default() };
    let present = Present::of(&Incident { cause: odd, ..incident("a", State::Open) }).unwrap();
    assert_eq!((present.cause, present.class), (OTHER, OTHER));
}

#[test]
fn an_incident_is_opened_once_killed_once_and_ends_once() {
    let mut figures = Figures::default();
    let killer = Some(Killer { who: Who::ContainerLimit, text: String::new() });
    let killed = Incident { killed_by: killer, ..incident("a", State::Open) };
    figures.incident(&incident("a", State::Open));
    figures.incident(&killed);
    figures.incident(&Incident { state: State::Recovering, ..killed.clone() });
    figures.incident(&Incident { state: State::Resolved, ..killed });
    assert_eq!(figures.opened, [(("exit", "pod"), 1)].into());
    assert_eq!(figures.kills, [("container_limit", 1)].into());
    assert_eq!(figures.ended, [(("exit", "pod", "resolved"), 1)].into());
    let (counts, sum) = figures.durations["pod"];
    assert_eq!((counts[0], counts.iter().sum::<u64>(), sum), (1, 1, 30.0));
}

#[test]
fn what_an_earlier_run_opened_is_not_opened_again() {
    let mut figures = Figures::default();
    let open = incident("a", State::Open);
    figures.resume([&open]);
    figures.incident(&open);
    assert!(figures.opened.is_empty());
    figures.incident(&incident("a", State::Resolved));
    assert_eq!(figures.ended.values().sum::<u64>(), 1);
}

#[test]
fn losses_are_told_by_source_and_kind() {
    let mut figures = Figures::default();
    let text = |name: &'static str, value: &str| (name.into(), Value::Text(value.to_owned()));
    let mut loss = Record {
        event: EventName::Loss,
        uid: [0; 16],
        time: 0,
        severity: crate::record::Severity::Warn,
        body: String::new(),
        attributes: vec![
            text(names::SOURCE_COMPONENT, "journal"),
            text(names::LOSS_KIND, "vacuumed"),
            (names::LOSS_LINES.into(), Value::Int(7)),
        ],
        worth: crate::record::Worth::Incident,
    };
    figures.record(&loss);
    figures.record(&loss);
    loss.event = EventName::Incident;
    figures.record(&loss);
    assert_eq!(figures.losses, [(("journal", "vacuumed"), (2, 14))].into());
}
