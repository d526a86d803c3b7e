//! What leaves, decoded by the official types (O9, O11, O14, O15, O16).

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;

use super::*;

fn sample() -> Record {
    Record {
        event: EventName::SyncFailure,
        uid: [0x9d; 16],
        time: 1_795_341_600_123_456,
        severity: Severity::Error,
        body: "StartContainer failed for container app of pod shop/cart-0".to_owned(),
        attributes: vec![
            ("k8s.pod.name".into(), Value::Text("cart-0".into())),
            ("podwhy.sync.index".into(), Value::Int(0)),
            ("podwhy.sync.backoff_seconds".into(), Value::Double(40.0)),
            ("podwhy.sync.truncated".into(), Value::Bool(false)),
            ("container.image.tags".into(), Value::Texts(vec!["a".into(), "b".into()])),
        ],
        worth: Worth::Failure,
    }
}

fn decoded(record: &Record, bounds: &Bounds) -> LogRecord {
    LogRecord::decode(super::record(record, 1_795_341_600_301_000, bounds).as_slice()).unwrap()
}

fn value<'r>(record: &'r LogRecord, name: &str) -> Option<&'r any_value::Value> {
    let mut found = record.attributes.iter().filter(|kept| kept.key == name);
    let value = found.next()?.value.as_ref()?.value.as_ref();
    assert!(found.next().is_none(), "{name} twice");
    value
}

fn text_of(record: &LogRecord, name: &str) -> String {
    match value(record, name) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn o14_a_record_has_exactly_its_fields() {
    let record = decoded(&sample(), &Bounds::default());
    assert_eq!(record.time_unix_nano, 1_795_341_600_123_456_000);
    assert_eq!(record.observed_time_unix_nano, 1_795_341_600_301_000_000);
    assert_eq!(record.event_name, "podwhy.sync_failure");
    assert_eq!(record.dropped_attributes_count, 0);
    assert_eq!(record.attributes.len(), 6);
    assert_eq!(text_of(&record, "log.record.uid"), "9d".repeat(16));
    assert_eq!(text_of(&record, "k8s.pod.name"), "cart-0");
    assert_eq!(value(&record, "podwhy.sync.index"), Some(&any_value::Value::IntValue(0)));
    assert_eq!(
        value(&record, "podwhy.sync.backoff_seconds"),
        Some(&any_value::Value::DoubleValue(40.0))
    );
    let Some(any_value::Value::ArrayValue(tags)) = value(&record, "container.image.tags") else {
        panic!("no tags")
    };
    assert_eq!(tags.values.len(), 2);
    assert_eq!((record.trace_id.len(), record.span_id.len(), record.flags), (0, 0, 0));
}

#[test]
fn o14_the_events_have_the_names_of_the_contract() {
    let names = [
        (EventName::SyncFailure, "podwhy.sync_failure"),
        (EventName::Incident, "podwhy.incident"),
        (EventName::Loss, "podwhy.loss"),
        (EventName::Spike, "podwhy.spike"),
        (EventName::NodeCheck, "podwhy.node_check"),
    ];
    for (event, name) in names {
        let record = Record { event, ..sample() };
        assert_eq!(decoded(&record, &Bounds::default()).event_name, name);
    }
}

#[test]
fn o14_unknown_is_absent_and_a_key_comes_once() {
    let mut record = sample();
    record.attributes.push(("k8s.pod.name".into(), Value::Text("other".into())));
    record.attributes.push(("empty".into(), Value::Text(String::new())));
    record.attributes.push(("none".into(), Value::Texts(Vec::new())));
    let record = decoded(&record, &Bounds::default());
    assert_eq!(text_of(&record, "k8s.pod.name"), "cart-0");
    assert_eq!((value(&record, "empty"), value(&record, "none")), (None, None));
    assert_eq!(record.dropped_attributes_count, 1);
}

#[test]
fn o14_long_text_is_cut_on_a_character_boundary_and_counted_and_marked() {
    let mut record = sample();
    record.attributes.retain(|(name, _)| name != names::SYNC_TRUNCATED);
    record.attributes.push(("long".into(), Value::Text("é".repeat(8 * 1024))));
    record.attributes.push(("many".into(), Value::Texts(vec!["x".repeat(5000); 3])));
    record.body = "ü".repeat(9000);
    let record = decoded(&record, &Bounds { text: 8191, ..Bounds::default() });
    assert_eq!(text_of(&record, "long").len(), 8190);
    assert_eq!(record.dropped_attributes_count, 2);
    assert_eq!(value(&record, names::SYNC_TRUNCATED), Some(&any_value::Value::BoolValue(true)));
    let Some(any_value::Value::StringValue(body)) = record.body.unwrap().value else { panic!() };
    assert_eq!(body.len(), 8190);
}

#[test]
fn o14_no_more_than_128_attributes_and_48_kib_leave() {
    let mut record = sample();
    record.attributes.clear();
    for index in 0..300 {
        record.attributes.push((format!("a{index}").into(), Value::Int(index)));
    }
    let many = decoded(&record, &Bounds::default());
    assert_eq!(many.attributes.len(), 128);
    assert_eq!(many.dropped_attributes_count, 300 - 126);
    assert_eq!(value(&many, names::SYNC_TRUNCATED), Some(&any_value::Value::BoolValue(true)));

    record.attributes.clear();
    for index in 0..20 {
        record.attributes.push((format!("a{index}").into(), Value::Text("x".repeat(8192))));
    }
    let large = decoded(&record, &Bounds::default());
    let size: usize = large.attributes.iter().map(Message::encoded_len).sum();
    assert!(size < 49 * 1024, "{size}");
    assert_eq!(large.dropped_attributes_count, 15);
    assert_eq!(text_of(&large, "log.record.uid").len(), 32);
}

#[test]
fn o16_severities_are_numbers_and_short_names_and_never_klogs_letter() {
    for (severity, number, name) in [
        (Severity::Info, 9, "INFO"),
        (Severity::Warn, 13, "WARN"),
        (Severity::Error, 17, "ERROR"),
        (Severity::Fatal, 21, "FATAL"),
    ] {
        let record = decoded(&Record { severity, ..sample() }, &Bounds::default());
        assert_eq!((record.severity_number, record.severity_text.as_str()), (number, name));
    }
}

fn pending(seq: u64, bytes: Vec<u8>) -> Pending {
    Pending { seq, time: 0, bytes: bytes.into() }
}

fn resource(config: &Config) -> Vec<(String, String)> {
    let identity = Identity { node: "node-a".to_owned(), cluster: Some("prod-1".to_owned()) };
    let envelope = Envelope::new(&identity, config);
    let batch = envelope.batch(&[pending(1, Vec::new())]).unwrap();
    let request = ExportLogsServiceRequest::decode(batch.as_slice()).unwrap();
    let resource = request.resource_logs[0].resource.clone().unwrap();
    let text = |value: AnyValue| match value.value {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    };
    resource.attributes.into_iter().map(|kept| (kept.key, text(kept.value.unwrap()))).collect()
}

#[test]
fn o11_a_batch_holds_the_stored_bytes_and_official_types_read_it() {
    let one = record(&sample(), 1, &Bounds::default());
    let two = record(&Record { uid: [7; 16], ..sample() }, 2, &Bounds::default());
    let envelope = Envelope::new(&Identity::default(), &Config::default());
    let batch = envelope.batch(&[pending(1, one.clone()), pending(2, two.clone())]).unwrap();
    assert_eq!(batch, envelope.batch(&[pending(1, one.clone()), pending(2, two.clone())]).unwrap());
    let request = ExportLogsServiceRequest::decode(batch.as_slice()).unwrap();
    assert_eq!(request.encode_to_vec(), batch);
    let logs = &request.resource_logs[0];
    assert_eq!(logs.schema_url, semconv::SCHEMA_URL);
    assert_eq!(logs.scope_logs[0].schema_url, semconv::SCHEMA_URL);
    let scope = logs.scope_logs[0].scope.clone().unwrap();
    assert_eq!(
        (scope.name.as_str(), scope.version.as_str()),
        ("podwhy", env!("CARGO_PKG_VERSION"))
    );
    let records = &logs.scope_logs[0].log_records;
    assert_eq!(records.iter().map(Message::encode_to_vec).collect::<Vec<_>>(), [one, two]);
}

#[test]
fn o7_a_full_batch_stays_below_its_cap() {
    let envelope = Envelope::new(&Identity::default(), &Config::default());
    let room = limits::BATCH_REQUEST_BYTES - envelope.overhead();
    let each = room / limits::BATCH_RECORDS;
    let records: Vec<Pending> =
        (0..limits::BATCH_RECORDS).map(|_| pending(1, vec![0; each])).collect();
    assert!(envelope.batch(&records).unwrap().len() <= limits::BATCH_REQUEST_BYTES);
}

#[test]
fn o9_no_envelope_is_made_around_nothing() {
    assert_eq!(Envelope::new(&Identity::default(), &Config::default()).batch(&[]), None);
}

#[test]
fn o15_the_resource_is_the_agent_and_its_node_and_never_a_pod() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let base = [
        pair("service.name", "podwhy"),
        pair("service.version", env!("CARGO_PKG_VERSION")),
        pair("service.instance.id", "node-a"),
        pair("k8s.node.name", "node-a"),
        pair("k8s.cluster.name", "prod-1"),
    ];
    assert_eq!(resource(&Config::default()), base);
    let config = Config {
        resource: vec![
            pair("service.name", "ours"),
            pair("k8s.pod.name", "podwhy-x7k2p"),
            pair("service.version", "9"),
            pair("deployment.environment.name", "prod"),
        ],
        ..Config::default()
    };
    let mut expected = base.to_vec();
    expected[0].1 = "ours".to_owned();
    expected.push(pair("deployment.environment.name", "prod"));
    assert_eq!(resource(&config), expected);
    let config = Config { service_name: Some("mine".to_owned()), ..config };
    assert_eq!(resource(&config)[0], pair("service.name", "mine"));
}

#[test]
fn a_record_is_read_back_as_it_was() {
    let bytes = Bytes::from(record(&sample(), 1, &Bounds::default()));
    assert_eq!(decode(&bytes), Some(sample()));
    assert_eq!(decode(&Bytes::from_static(b"\xff")), None);
}

#[test]
fn a_refused_record_is_named_by_event_and_id() {
    let bytes = Bytes::from(record(&sample(), 1, &Bounds::default()));
    assert_eq!(name_of(Signal::Logs, &bytes), format!("podwhy.sync_failure {}", "9d".repeat(16)));
    assert!(!is_loss(Signal::Logs, &bytes));
    let loss = record(&Record { event: EventName::Loss, ..sample() }, 1, &Bounds::default());
    assert!(is_loss(Signal::Logs, &loss.into()));
    assert_eq!(name_of(Signal::Logs, &Bytes::from_static(b"\xff")), "an unreadable record");
}
