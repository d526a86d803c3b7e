//! From records to spans: ids, ends, turns, bounds, restarts (O18).

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::*;
use crate::record::{Severity, Worth};

const SECOND: Micros = 1_000_000;
const START: Micros = 1_795_341_600 * SECOND;

fn id(number: u8) -> String {
    format!("{number:032x}")
}

fn record(event: EventName, seconds: Micros, attributes: &[(&'static str, Value)]) -> Record {
    Record {
        event,
        uid: [7; 16],
        time: START + seconds * SECOND,
        severity: Severity::Error,
        body: "x".to_owned(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect(),
        worth: Worth::Failure,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn failure(incident: u8, seconds: Micros) -> Record {
    record(
        EventName::SyncFailure,
        seconds,
        &[
            (names::INCIDENT_ID, text(&id(incident))),
            (names::SYNC_STEP, text("StartContainer")),
            (names::SYNC_REASON, text("CrashLoopBackOff")),
            (names::SYNC_MESSAGE, text(&format!("attempt at {seconds} {}", "x".repeat(500)))),
        ],
    )
}

fn incident(incident: u8, state: &str, seconds: Micros, first: Micros) -> Record {
    let first = jiff::Timestamp::from_microsecond(START + first * SECOND).unwrap();
    record(
        EventName::Incident,
        seconds,
        &[
            (names::INCIDENT_ID, text(&id(incident))),
            (names::INCIDENT_STATE, text(state)),
            (names::INCIDENT_FIRST_SEEN, text(&first.to_string())),
            (names::CAUSE_ID, text("exit_app_error")),
            (names::CAUSE_TITLE, text(&"a title ".repeat(600))),
            (names::SYNC_STEP, text("StartContainer")),
            (names::ERROR_TYPE, text("CrashLoopBackOff")),
            (names::INCIDENT_EVIDENCE, text("[…]")),
            ("k8s.replicaset.name", text("web-5d")),
        ],
    )
}

fn span(taken: Taken) -> Span {
    Span::decode(taken.ended.expect("a span").1.as_slice()).unwrap()
}

fn nanos(seconds: Micros) -> u64 {
    u64::try_from((START + seconds * SECOND) * 1000).unwrap()
}

#[test]
fn o18_an_incident_is_one_span_from_its_first_failure_to_its_end() {
    let mut spans = Spans::default();
    let first = spans.take(&failure(1, 10)).context.unwrap();
    assert_eq!(first.trace, 1_u128.to_be_bytes(), "the incident's id is the trace's");
    for (state, seconds) in [("open", 25), ("recovering", 90)] {
        let taken = spans.take(&incident(1, state, seconds, 10));
        assert_eq!((taken.context, taken.ended), (Some(first), None));
    }
    assert_eq!(spans.take(&failure(1, 40)).context, Some(first));
    let taken = spans.take(&incident(1, "resolved", 700, 10));
    assert_eq!(taken.context, Some(first), "its last record belongs to it, too");
    let span = span(taken);
    assert_eq!((span.name.as_str(), span.kind, span.flags), ("podwhy.incident", 1, 1));
    assert_eq!(span.trace_id, first.trace);
    assert_eq!(span.span_id, first.span);
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (nanos(10), nanos(700)));
    let status = span.status.unwrap();
    assert_eq!(status.code, 2);
    assert!(status.message.len() <= 2048 && status.message.starts_with("a title"));
    let names: Vec<&str> = span.attributes.iter().map(|kept| kept.key.as_str()).collect();
    assert!(names.contains(&"k8s.replicaset.name") && names.contains(&names::CAUSE_ID));
    assert!(!names.contains(&names::INCIDENT_EVIDENCE), "what one reads is in the records");
    let times: Vec<u64> = span.events.iter().map(|event| event.time_unix_nano).collect();
    assert_eq!(times, [nanos(10), nanos(40)]);
    assert!(span.events.iter().all(|event| event.name == "podwhy.sync_failure"));
    assert!(spans.attempts.is_empty(), "nothing of it is kept");
}

#[test]
fn o18_a_word_after_the_end_makes_no_second_span_and_a_new_failure_does() {
    let mut spans = Spans::default();
    let first = spans.take(&failure(1, 0)).context.unwrap();
    span(spans.take(&incident(1, "stale", 4000, 0)));
    let taken = spans.take(&incident(1, "superseded", 5000, 0));
    assert_eq!((taken.context, taken.ended), (Some(first), None));
    let again = spans.take(&failure(1, 6000)).context.unwrap();
    assert_eq!(again.trace, first.trace, "one trace");
    assert_ne!(again.span, first.span, "two spans");
    let second = span(spans.take(&incident(1, "resolved", 7000, 0)));
    assert_eq!(second.span_id, again.span);
    assert_eq!(second.start_time_unix_nano, nanos(6000), "the first one told what was before");
    assert_eq!(second.events.len(), 1);
}

#[test]
fn o18_an_incident_that_no_line_told_of_has_a_span_too() {
    let mut spans = Spans::default();
    spans.take(&incident(1, "open", 30, 5));
    let span = span(spans.take(&incident(1, "superseded", 60, 5)));
    assert_eq!(span.start_time_unix_nano, nanos(5));
    assert!(span.events.is_empty());
    // Nor does it need any earlier word: spans may have been switched on in between.
    let mut spans = Spans::default();
    let late = self::span(spans.take(&incident(2, "resolved", 60, 5)));
    assert_eq!(late.start_time_unix_nano, nanos(5));
}

#[test]
fn o18_of_many_attempts_the_first_and_the_last_are_told_and_the_rest_counted() {
    let mut spans = Spans::default();
    for second in 0..1000 {
        spans.take(&failure(1, second));
    }
    assert_eq!(spans.attempts.len(), 64);
    let span = span(spans.take(&incident(1, "resolved", 2000, 0)));
    assert_eq!((span.events.len(), span.dropped_events_count), (64, 936));
    let times: Vec<u64> = span.events.iter().map(|event| event.time_unix_nano).collect();
    let expected: Vec<u64> = (0..32).chain(968..1000).map(nanos).collect();
    assert_eq!(times, expected);
    assert!(span.encode_to_vec().len() < 64 * 1024);
}

#[test]
fn o18_a_member_is_linked_to_the_incident_that_it_is_part_of() {
    let mut spans = Spans::default();
    let parent = spans.take(&failure(9, 0)).context.unwrap();
    spans.take(&failure(1, 1));
    let mut end = incident(1, "superseded", 60, 1);
    end.attributes.push((names::INCIDENT_PARENT.into(), text(&id(9))));
    let span = span(spans.take(&end));
    let [link] = span.links.as_slice() else { panic!("{:?}", span.links) };
    assert_eq!(
        (link.trace_id.as_slice(), link.span_id.as_slice()),
        (&parent.trace[..], &parent.span[..])
    );
}

#[test]
fn o18_spans_are_the_same_after_a_restart_at_every_record() {
    let told: Vec<Record> = (0..50)
        .map(|second| failure(1 + u8::try_from(second % 3).unwrap(), second))
        .chain((1..4).map(|number| incident(number, "resolved", 100, 0)))
        .chain([failure(1, 200), incident(1, "resolved", 300, 0)])
        .collect();
    let mut whole = Spans::default();
    let expected: Vec<Taken> = told.iter().map(|record| whole.take(record)).collect();
    let mut state: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let found: Vec<Taken> = told
        .iter()
        .map(|record| {
            let mut spans = Spans::default();
            let rows = state.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            assert_eq!(spans.restore(rows), [[0_u8; 0]; 0]);
            let taken = spans.take(record);
            spans.changes(&mut |(key, value)| match value {
                Some(value) => drop(state.insert(key, value)),
                None => drop(state.remove(&key)),
            });
            taken
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(state.len(), 3, "of what has ended only its head is kept");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut spans = Spans::default();
    for number in 0..(limits::SPAN_INCIDENTS + 100) {
        for second in 0..9 {
            let mut failed = failure(1, second);
            failed.attributes[0].1 = text(&format!("{:032x}", number + 1));
            spans.take(&failed);
        }
        let mut opened = incident(1, "open", 9, 0);
        opened.attributes[0].1 = text(&format!("{:032x}", number + 1));
        spans.take(&opened);
    }
    assert_eq!(spans.heads.len(), limits::SPAN_INCIDENTS);
    assert!(spans.attempts.len() <= limits::SPAN_ATTEMPTS);
    let longest = spans.attempts.values().map(|attempt| attempt.message.len()).max();
    assert!(longest <= Some(limits::SPAN_TEXT_BYTES));
}

#[test]
fn failures_that_became_no_incident_outlast_none_that_ended_since() {
    let mut spans = Spans::default();
    let numbered = |number: usize, seconds: Micros| {
        let mut failed = failure(1, seconds);
        failed.attributes[0].1 = text(&format!("{:032x}", number + 1000));
        failed
    };
    for number in 1..limits::SPAN_INCIDENTS {
        spans.take(&numbered(number, 0));
    }
    spans.take(&failure(1, 10));
    let first = spans.take(&incident(1, "resolved", 20, 10)).context;
    spans.take(&numbered(0, 30));
    let again = spans.take(&failure(1, 40)).context;
    assert!(first.is_some() && again.is_some());
    assert_ne!(first, again, "what fails again after its end has another span");
}

#[test]
fn what_is_no_id_and_belongs_to_no_incident_has_no_span() {
    let mut spans = Spans::default();
    for odd in ["", "0", &"0".repeat(32), &"g".repeat(32), &"1".repeat(31)] {
        let mut failed = failure(1, 0);
        failed.attributes[0].1 = text(odd);
        assert_eq!(spans.take(&failed), Taken::default(), "{odd}");
    }
    assert_eq!(spans.take(&record(EventName::Loss, 0, &[])), Taken::default());
    let rows: [(&[u8], &[u8]); 3] = [(b"short", b""), (&[1; 16], b"\xff"), (&[1; 19], b"")];
    assert_eq!(spans.restore(rows.into_iter()).len(), 3, "what cannot be read is named");
}

#[test]
fn failures_that_became_no_incident_take_no_room_from_attempts_of_those_that_did() {
    let mut spans = Spans::default();
    let numbered = |number: usize, seconds: Micros| {
        let mut failed = failure(1, seconds);
        failed.attributes[0].1 = text(&format!("{:032x}", number + 1000));
        failed
    };
    // One that has ended and fails again without opening again, and many that never opened.
    let first = spans.take(&failure(2, 0)).context;
    span(spans.take(&incident(2, "resolved", 1, 0)));
    for second in 2..40 {
        spans.take(&failure(2, second));
    }
    let mut number = 0;
    while spans.attempts.len() < limits::SPAN_ATTEMPTS {
        (100..164).for_each(|second| drop(spans.take(&numbered(number, second))));
        number += 1;
    }
    spans.take(&failure(1, 200));
    spans.take(&incident(1, "open", 201, 200));
    for second in 202..210 {
        spans.take(&failure(1, second));
    }
    assert!(spans.attempts.len() <= limits::SPAN_ATTEMPTS);
    let told = span(spans.take(&incident(1, "resolved", 300, 200)));
    assert_eq!((told.events.len(), told.dropped_events_count), (9, 0));
    let again = spans.take(&failure(2, 400)).context;
    assert_ne!(first, again, "another span than the one that ended, though all else was forgotten");
    let told = span(spans.take(&incident(2, "resolved", 500, 0)));
    assert_eq!(told.start_time_unix_nano, nanos(400));
}

#[test]
fn a_restart_forgets_not_what_has_no_end_that_is_told() {
    let mut spans = Spans::default();
    spans.take(&failure(1, 0));
    spans.take(&failure(2, 0));
    spans.take(&incident(2, "open", 1, 0));
    let mut rows = Vec::new();
    spans.changes(&mut |(key, value)| rows.extend(value.map(|value| (key, value))));
    let mut again = Spans::default();
    let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    assert_eq!(again.restore(rows), [[0_u8; 0]; 0]);
    assert_eq!(again.untold, spans.untold);
    assert_eq!(again.untold.len(), 1);
}
