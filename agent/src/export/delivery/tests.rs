//! The delivery loop against scripted answers, with the clock stopped (O3–O7, O9, O11, O17).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
    },
    common::v1::{AnyValue, any_value},
    logs::v1::LogRecord,
};
use prost::Message;
use tokio::sync::{Notify, mpsc, watch};

use super::*;

mod refusals;

/// The outbox and the destination, as the tests see them.
#[derive(Debug, Default)]
struct World {
    records: BTreeMap<u64, Pending>,
    delivered: Vec<u64>,
    refused: Vec<Refused>,
    /// When each request came, and the texts of its records.
    requests: Vec<(Instant, Vec<String>)>,
    bodies: Vec<Vec<u8>>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<World>>, Arc<Notify>);

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, seq: u64, time: Micros, text: &str) {
        self.add_event(seq, time, text, "podwhy.sync_failure");
    }

    fn add_event(&self, seq: u64, time: Micros, text: &str, event: &str) {
        let body = AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) };
        let record =
            LogRecord { body: Some(body), event_name: event.to_owned(), ..LogRecord::default() };
        let bytes = record.encode_to_vec().into();
        self.world().records.insert(seq, Pending { seq, time, bytes });
    }

    /// Serves the port as the core does.
    async fn serve(self, mut requests: mpsc::Receiver<Request>) {
        while let Some(request) = requests.recv().await {
            let mut world = self.world();
            match request {
                Request::Fetch { after, max_records, reply, .. } => {
                    let found = world.records.range(after + 1..).take(max_records);
                    let _gone = reply.send(found.map(|(_, record)| record.clone()).collect());
                }
                Request::Delivered(seqs) => {
                    world.records.retain(|seq, _| !seqs.contains(seq));
                    world.delivered.extend(seqs);
                }
                Request::Refused(refused) => {
                    world.records.retain(|seq, _| !refused.seqs.contains(seq));
                    world.refused.push(refused);
                }
            }
        }
    }

    fn texts(&self) -> Vec<Vec<String>> {
        self.world().requests.iter().map(|(_, texts)| texts.clone()).collect()
    }

    /// Seconds between one request and the next.
    fn gaps(&self) -> Vec<f64> {
        let world = self.world();
        let times = world.requests.windows(2);
        times.map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).collect()
    }
}

/// Answers by a script: the number of the request, and the texts in it.
struct Scripted<F> {
    shared: Shared,
    script: F,
    refreshes: std::collections::VecDeque<bool>,
}

impl<F: FnMut(usize, &[String]) -> Answer> Transport for Scripted<F> {
    async fn send(&mut self, body: Body) -> Answer {
        let request = ExportLogsServiceRequest::decode(body.bytes.clone()).unwrap();
        let records = &request.resource_logs[0].scope_logs[0].log_records;
        let texts: Vec<String> = records
            .iter()
            .map(|record| match record.body.clone().unwrap().value {
                Some(any_value::Value::StringValue(text)) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(!texts.is_empty(), "O9: an empty envelope");
        let mut world = self.shared.world();
        let number = world.requests.len();
        world.requests.push((Instant::now(), texts.clone()));
        world.bodies.push(body.bytes.to_vec());
        drop(world);
        (self.script)(number, &texts)
    }

    fn refresh(&mut self) -> bool {
        self.refreshes.pop_front().unwrap_or(false)
    }
}

fn http(status: u16) -> Answer {
    Answer::Http { status, retry_after: None, body: Some(Vec::new()) }
}

fn later(status: u16, retry_after: &str) -> Answer {
    Answer::Http { status, retry_after: Some(retry_after.to_owned()), body: Some(Vec::new()) }
}

/// Delivers what `shared` holds until nothing is left.
async fn run(
    shared: &Shared,
    config: Config,
    script: impl FnMut(usize, &[String]) -> Answer,
) -> Arc<Stats> {
    run_with(shared, config, script, &[], Duration::from_secs(86_400)).await
}

/// The same, with answers to `refresh`; ends after `longest` even when something is left.
async fn run_with(
    shared: &Shared,
    config: Config,
    script: impl FnMut(usize, &[String]) -> Answer,
    refreshes: &[bool],
    longest: Duration,
) -> Arc<Stats> {
    let stats = Arc::new(Stats::default());
    let transport =
        Scripted { shared: shared.clone(), script, refreshes: refreshes.iter().copied().collect() };
    let exporter =
        Exporter::with_transport(&config, transport, &Identity::default(), Arc::clone(&stats));
    let (sender, receiver) = mpsc::channel(4);
    let (stop, shutdown) = watch::channel(None);
    let core = tokio::spawn(shared.clone().serve(receiver));
    let drained = async {
        let end = Instant::now() + longest;
        while !shared.world().records.is_empty() && Instant::now() < end {
            time::sleep(Duration::from_millis(100)).await;
        }
        let _ended = stop.send(Some(Instant::now()));
    };
    let port = Port::new(sender, Arc::clone(&shared.1));
    tokio::join!(exporter.run(port, shutdown), drained);
    core.abort();
    stats
}

#[tokio::test(start_paused = true)]
async fn o11_a_batch_is_acknowledged_after_its_success_and_sent_once() {
    let shared = Shared::default();
    shared.add(1, 10, "a");
    shared.add(2, 20, "b");
    let stats = run(&shared, Config::default(), |_, _| http(200)).await;
    assert_eq!(shared.texts(), [["a", "b"]]);
    assert_eq!(shared.world().delivered, [1, 2]);
    assert_eq!(stats.delivered_records(), 2);
    assert_eq!(stats.batches(BatchResult::Delivered), 1);
    assert!(stats.last_success().is_some() && stats.paused().is_none());
}

#[tokio::test(start_paused = true)]
async fn o4_a_destination_that_is_away_is_tried_again_with_growing_waits_and_identical_bytes() {
    let shared = Shared::default();
    shared.add(1, 10, "a");
    let stats = run(&shared, Config::default(), |number, _| match number {
        0..6 => Answer::None("connection refused".to_owned()),
        6..9 => http(503),
        _ => http(200),
    })
    .await;
    let gaps = shared.gaps();
    assert_eq!(gaps.len(), 9);
    assert!(gaps[0] >= 4.0 && gaps[0] <= 6.1, "{gaps:?}");
    assert!(gaps[7] >= 23.0 && gaps[7] <= 36.1, "{gaps:?}");
    let world = shared.world();
    assert!(world.bodies.iter().all(|body| *body == world.bodies[0]), "O11");
    assert_eq!(world.delivered, [1]);
    assert_eq!(stats.batches(BatchResult::Retried), 9);
}

#[tokio::test(start_paused = true)]
async fn o4_there_is_no_giving_up_by_time() {
    let shared = Shared::default();
    shared.add(1, 10, "a");
    run(&shared, Config::default(), |number, _| http(if number < 500 { 503 } else { 200 })).await;
    assert_eq!(shared.world().delivered, [1]);
    assert!(shared.gaps().iter().all(|gap| *gap <= 36.1));
}

#[tokio::test(start_paused = true)]
async fn o4_retry_after_is_obeyed_with_every_retryable_answer() {
    let shared = Shared::default();
    shared.add(1, 10, "a");
    run(&shared, Config::default(), |number, _| match number {
        0 => later(429, "120"),
        1 => later(503, "2"),
        _ => http(204),
    })
    .await;
    let gaps = shared.gaps();
    assert!(gaps[0] >= 120.0 && gaps[0] <= 145.0, "{gaps:?}");
    assert!(gaps[1] >= 2.0 && gaps[1] <= 2.5, "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn o6_a_partial_success_is_never_resent_and_what_was_rejected_is_a_loss() {
    let shared = Shared::default();
    for seq in 1..=3 {
        shared.add(seq, seq.cast_signed(), "x");
    }
    let partial_success = Some(ExportLogsPartialSuccess {
        rejected_log_records: 2,
        error_message: "Bearer s3cret".to_owned(),
    });
    let body = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    let stats = run(&shared, Config::default(), |_, _| Answer::Http {
        status: 200,
        retry_after: None,
        body: Some(body.clone()),
    })
    .await;
    let world = shared.world();
    assert_eq!(world.requests.len(), 1);
    let [refused] = world.refused.as_slice() else { panic!("{:?}", world.refused) };
    assert_eq!((refused.seqs.len(), refused.lost), (3, Some(2)));
    assert_eq!((refused.from, refused.to), (1, 3));
    assert!(!refused.why.contains("s3cret"), "{}", refused.why);
    assert_eq!((stats.delivered_records(), stats.refused_records()), (1, 2));
    let loss = refused.loss();
    assert_eq!((loss.lines, loss.destination.as_deref()), (Some(2), Some("otlp")));
}

#[tokio::test(start_paused = true)]
async fn o7_a_refused_batch_is_split_down_to_the_record_and_the_rest_arrives() {
    for status in [400, 413] {
        let shared = Shared::default();
        for seq in 1..=64 {
            shared.add(seq, 1, if seq == 23 { "poison" } else { "good" });
        }
        let stats = run(&shared, Config::default(), |_, texts| {
            http(if texts.iter().any(|text| text == "poison") { status } else { 200 })
        })
        .await;
        let world = shared.world();
        assert_eq!(world.delivered.len(), 63);
        let [refused] = world.refused.as_slice() else { panic!("{:?}", world.refused) };
        assert_eq!((refused.seqs.as_slice(), refused.lost), ([23].as_slice(), Some(1)));
        assert!(refused.why.contains(&format!("HTTP {status}: podwhy.sync_failure")));
        assert!(refused.tells);
        assert!(world.requests.len() < 2 * 64);
        assert_eq!(stats.refused_records(), 1);
        assert!(world.delivered.is_sorted(), "oldest first, also while it is split");
    }
}

#[tokio::test(start_paused = true)]
async fn o7_a_lone_refused_record_is_parked_and_delivery_goes_on() {
    let shared = Shared::default();
    shared.add(1, 1, "poison");
    run(&shared, Config::default(), |_, _| http(413)).await;
    assert_eq!(shared.world().refused.len(), 1);
    assert_eq!(shared.world().requests.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn o7_a_refused_loss_record_is_not_told_by_another() {
    let shared = Shared::default();
    shared.add_event(1, 1, "loss", "podwhy.loss");
    run(&shared, Config::default(), |_, _| http(400)).await;
    assert!(!shared.world().refused[0].tells);
}

#[tokio::test(start_paused = true)]
async fn o7_a_destination_that_refuses_every_record_is_paused_before_it_costs_them() {
    let shared = Shared::default();
    for seq in 1..=8 {
        shared.add(seq, 1, "good");
    }
    let stats =
        run(&shared, Config::default(), |number, _| http(if number < 17 { 400 } else { 200 }))
            .await;
    {
        let world = shared.world();
        assert_eq!((world.delivered.len(), world.refused.len()), (8, 0));
        // All 2n - 1 requests of the first look, then whole batches once a minute.
        assert_eq!(world.requests[15].1.len(), 8);
        assert!((world.requests[15].0 - world.requests[14].0).as_secs() >= 53);
    }
    assert_eq!(stats.paused(), None);

    let shared = Shared::default();
    for seq in 1..=4 {
        shared.add(seq, 1, "bad");
    }
    run(&shared, Config::default(), |_, _| http(400)).await;
    let world = shared.world();
    assert_eq!(world.refused.len(), 1, "after ten equal answers it is the content");
    assert_eq!(world.refused[0].lost, Some(4));
    assert_eq!(world.requests.len(), 7 + 8 + 7);
}

#[tokio::test(start_paused = true)]
async fn o7_lone_records_refused_one_after_the_other_pause_too() {
    let shared = Shared::default();
    shared.add(1, 1, "r1");
    let inner = shared.clone();
    run_with(
        &shared,
        Config::default(),
        move |number, _| {
            // Each is alone when it is sent.
            let next = number as u64 + 2;
            if next < 20 {
                inner.add(next, 1, "more");
                inner.1.notify_one();
            }
            http(400)
        },
        &[],
        Duration::from_secs(50),
    )
    .await;
    let refused: u64 = shared.world().refused.iter().filter_map(|refused| refused.lost).sum();
    assert_eq!(refused, u64::from(limits::REFUSED_IN_A_ROW));
    assert!(!shared.world().records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn o7_lokis_400_is_neither_split_nor_resent() {
    let shared = Shared::default();
    for seq in 1..=4 {
        shared.add(seq, 1, "x");
    }
    let config = Config { loki: Some(true), ..Config::default() };
    let stats = run(&shared, config, |_, _| Answer::Http {
        status: 400,
        retry_after: None,
        body: Some(b"total ignored: 1 out of 4".to_vec()),
    })
    .await;
    let world = shared.world();
    assert_eq!(world.requests.len(), 1);
    assert_eq!((world.refused[0].lost, world.refused[0].seqs.len()), (Some(1), 4));
    assert_eq!(stats.batches(BatchResult::Partial), 1);
}

#[tokio::test(start_paused = true)]
async fn o3_a_destination_that_lets_nobody_in_is_paused_and_its_data_kept() {
    for status in [401, 403, 404, 260] {
        let shared = Shared::default();
        shared.add(1, 10, "a");
        let stats = run(&shared, Config::default(), |number, _| {
            http(if number < 25 { status } else { 200 })
        })
        .await;
        assert_eq!(shared.world().delivered, [1], "HTTP {status}, longer than ten times");
        let gaps = shared.gaps();
        assert!(gaps.iter().all(|gap| (53.0..67.0).contains(gap)), "{gaps:?}");
        assert_eq!(stats.batches(BatchResult::Paused), 25);
        assert_eq!(stats.paused(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn o3_other_final_answers_pause_and_after_ten_equal_ones_concern_the_content() {
    for status in [500, 408, 405, 301] {
        let shared = Shared::default();
        shared.add(1, 10, "poison");
        shared.add(2, 10, "good");
        run(&shared, Config::default(), |_, texts| {
            http(if texts.iter().any(|text| text == "poison") { status } else { 200 })
        })
        .await;
        let world = shared.world();
        assert_eq!(world.delivered, [2]);
        assert_eq!(world.refused[0].seqs, [1]);
        // The pair ten times, the poison alone ten times, the good one once.
        assert_eq!(world.requests.len(), 21, "HTTP {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn o13_a_changed_credential_is_tried_at_once() {
    let shared = Shared::default();
    shared.add(1, 10, "a");
    let mut answers = [http(401), http(200)].into_iter();
    run_with(
        &shared,
        Config::default(),
        move |_, _| answers.next().unwrap(),
        &[false, false, true],
        Duration::from_secs(600),
    )
    .await;
    assert!(shared.gaps()[0] < 11.0, "{:?}", shared.gaps());
}

#[tokio::test(start_paused = true)]
async fn o17_batches_are_sorted_by_time_and_very_old_records_go_ahead_in_batches_of_their_own() {
    let hour = 3_600_000_000;
    let shared = Shared::default();
    for (seq, time, text) in [
        (1, 5 * hour, "now 1"),
        (2, hour + 11, "old 2"),
        (3, 5 * hour - 1, "now 0"),
        (4, 10, "older"),
        (5, hour - 5, "old 1"),
        (6, 5 * hour + 5, "now 2"),
    ] {
        shared.add(seq, time, text);
    }
    run(&shared, Config::default(), |_, _| http(200)).await;
    let texts = shared.texts();
    assert_eq!(texts, [vec!["older", "old 1"], vec!["old 2"], vec!["now 0", "now 1", "now 2"]]);
}

#[tokio::test(start_paused = true)]
async fn a_record_committed_while_idle_leaves_within_milliseconds() {
    let shared = Shared::default();
    let stats = Arc::new(Stats::default());
    let transport = Scripted {
        shared: shared.clone(),
        script: |_, _: &[String]| http(200),
        refreshes: [].into(),
    };
    let exporter = Exporter::with_transport(
        &Config::default(),
        transport,
        &Identity::default(),
        Arc::clone(&stats),
    );
    let (sender, receiver) = mpsc::channel(4);
    let (stop, shutdown) = watch::channel(None);
    let core = tokio::spawn(shared.clone().serve(receiver));
    let committed = async {
        time::sleep(Duration::from_secs(1000)).await;
        let then = Instant::now();
        shared.add(1, 1, "a");
        shared.1.notify_one();
        while !shared.world().records.is_empty() {
            time::sleep(Duration::from_millis(1)).await;
        }
        let took = then.elapsed();
        let _ended = stop.send(Some(Instant::now()));
        took
    };
    let port = Port::new(sender, Arc::clone(&shared.1));
    let (has_delivered_all, took) = tokio::join!(exporter.run(port, shutdown), committed);
    core.abort();
    assert!(has_delivered_all);
    assert!(took <= Duration::from_millis(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_piled_up_is_sent_at_a_bounded_rate_and_what_comes_alone_at_once() {
    let shared = Shared::default();
    let text = "x".repeat(500);
    (1..=3000).for_each(|seq| shared.add(seq, 1, &text));
    let bytes: usize = shared.world().records.values().map(|record| record.bytes.len()).sum();
    let config = Config { drain_rate: Some(100_000), ..Config::default() };
    let then = Instant::now();
    run(&shared, config.clone(), |_, _| http(200)).await;
    let gaps = shared.gaps();
    assert_eq!(gaps.len(), 2, "three batches");
    let expected = bytes as f64 / 3000.0 * 1024.0 / 100_000.0;
    assert!(gaps.iter().all(|gap| (gap - expected).abs() < 0.1), "{gaps:?}");
    assert!(then.elapsed().as_secs_f64() > 1.9 * expected);

    let shared = Shared::default();
    shared.add(1, 1, &text);
    let then = Instant::now();
    run(&shared, config, |_, _| http(200)).await;
    assert!(then.elapsed() < Duration::from_secs(1), "nothing is before it");
    assert_eq!(
        Pace { rate: None, free_at: then }.wait(usize::MAX, then),
        Duration::ZERO,
        "without a rate nothing waits"
    );
}

/// Runs an exporter that is told to end at once with some time left; how long it took, and whether
/// it says that it delivered all.
async fn ends_with(
    shared: &Shared,
    left: Duration,
    answer: fn(usize) -> Answer,
) -> (Duration, bool) {
    let transport = Scripted {
        shared: shared.clone(),
        script: move |number, _: &[String]| answer(number),
        refreshes: [].into(),
    };
    let config = Config { start_jitter: Duration::ZERO, ..Config::default() };
    let exporter =
        Exporter::with_transport(&config, transport, &Identity::default(), Arc::default());
    let (sender, receiver) = mpsc::channel(4);
    let then = Instant::now();
    let (_stop, shutdown) = watch::channel(None);
    let core = tokio::spawn(shared.clone().serve(receiver));
    let _told = _stop.send(Some(then + left));
    let has_delivered_all = exporter.run(Port::new(sender, Arc::default()), shutdown).await;
    core.abort();
    (then.elapsed(), has_delivered_all)
}

#[tokio::test(start_paused = true)]
async fn the_end_drains_what_can_be_drained_within_its_deadline() {
    let shared = Shared::default();
    for seq in 1..=3000 {
        shared.add(seq, 1, "x");
    }
    let left = Duration::from_secs(8);
    let (took, has_delivered_all) = ends_with(&shared, left, |_| http(200)).await;
    assert!(took < left && has_delivered_all, "{took:?}");
    assert!(shared.world().records.is_empty());
    assert_eq!(shared.world().requests.len(), 3, "no more than 1024 records each");

    shared.add(1, 1, "a");
    let (took, has_delivered_all) = ends_with(&shared, left, |_| http(503)).await;
    assert!(took < left && !has_delivered_all, "{took:?}");
    assert_eq!(shared.world().records.len(), 1, "kept for the next start");

    let (took, has_delivered_all) = ends_with(&shared, left, |_| http(401)).await;
    assert_eq!(took, Duration::ZERO, "a paused destination is not waited for");
    assert!(!has_delivered_all);
}
