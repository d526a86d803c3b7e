//! Each answer that a destination can give, by a real HTTP and a real gRPC server, with counts:
//! what was written, what arrived, what was lost and told, what arrived twice.

use std::collections::BTreeSet;

use super::*;
use crate::{
    config::Protocol,
    export::{
        config::Endpoint,
        tests::scripted::{Reply, Server},
    },
};

/// Records of each run.
const WRITTEN: u64 = 20;

/// Waits are this much shorter, so that a minute is a sixth of a second.
const HASTE: u32 = 400;

/// How a run came out.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    /// Distinct records that the server has.
    arrived: usize,
    /// Records that were refused for good, as the losses tell.
    lost: u64,
    /// Loss reports.
    reported: usize,
    /// Records that the server has more than once.
    repeated: usize,
    /// Requests in all.
    requests: usize,
}

const fn counts(
    arrived: usize,
    lost: u64,
    reported: usize,
    repeated: usize,
    requests: usize,
) -> Counts {
    Counts { arrived, lost, reported, repeated, requests }
}

/// All arrive once, with so many requests.
const fn all_with(requests: usize) -> Counts {
    counts(20, 0, 0, 0, requests)
}

/// Sends the records to the server until none is left, and counts. Also how long the sender waited
/// after the first answer, as it would be without haste.
async fn deliver_to(server: &Server, protocol: Protocol, timeout: Duration) -> (Counts, f64) {
    let shared = Shared::default();
    for seq in 1..=WRITTEN {
        let text = if seq == 7 { "poison".to_owned() } else { format!("record {seq}") };
        shared.add(seq, 1, &text);
    }
    let config = Config {
        protocol,
        endpoint: Some(Endpoint::Base(server.url("http"))),
        timeout: Some(timeout),
        haste: HASTE,
        ..Config::default()
    };
    let exporter = Exporter::new(config, &Identity::default(), Arc::default()).unwrap();
    let (sender, receiver) = mpsc::channel(4);
    let (stop, shutdown) = watch::channel(None);
    let core = tokio::spawn(shared.clone().serve(receiver));
    let drained = async {
        let end = Instant::now() + Duration::from_secs(120);
        while !shared.world().records.is_empty() {
            assert!(Instant::now() < end, "not drained: {:?}", server.seen().len());
            time::sleep(Duration::from_millis(2)).await;
        }
        let _ended = stop.send(Some(Instant::now() + Duration::from_secs(1)));
    };
    tokio::join!(exporter.run(Port::new(sender, Arc::clone(&shared.1)), shutdown), drained);
    core.abort();
    let (seen, world) = (server.seen(), shared.world());
    let stored: Vec<&String> =
        seen.iter().filter(|seen| seen.is_stored).flat_map(|seen| &seen.texts).collect();
    let distinct: BTreeSet<&&String> = stored.iter().collect();
    let gap = seen.windows(2).next().map_or(0.0, |pair| (pair[1].at - pair[0].at).as_secs_f64());
    let counts = Counts {
        arrived: distinct.len(),
        lost: world.refused.iter().filter_map(|refused| refused.lost).sum(),
        reported: world.refused.len(),
        repeated: stored.len() - distinct.len(),
        requests: seen.len(),
    };
    for refused in &world.refused {
        assert!(!refused.why.contains("s3cret"), "a server's words stay here: {}", refused.why);
    }
    (counts, gap * f64::from(HASTE))
}

const PATIENCE: Duration = Duration::from_secs(20);

fn status(status: u16, headers: &[(&'static str, &str)]) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Http(status, headers, b"Bearer s3cret".to_vec())
}

/// The first request is answered so, all others are taken.
async fn first_http(reply: Reply) -> (Counts, f64) {
    let server = Server::http(None, move |number, _| match number {
        0 => reply.clone(),
        _ => Reply::ok(),
    })
    .await;
    deliver_to(&server, Protocol::HttpProtobuf, PATIENCE).await
}

async fn first_grpc(reply: Reply) -> (Counts, f64) {
    let server = Server::grpc(None, move |number, _| match number {
        0 => reply.clone(),
        _ => Reply::Grpc(0, None),
    })
    .await;
    deliver_to(&server, Protocol::Grpc, PATIENCE).await
}

#[tokio::test]
async fn o4_http_429_and_503_wait_as_long_as_they_ask_in_seconds_or_until_a_date() {
    for refused in [429, 502, 503, 504] {
        let (counts, waited) = first_http(status(refused, &[])).await;
        assert_eq!(counts, all_with(2), "HTTP {refused}");
        assert!(waited >= 4.0, "HTTP {refused}: our own first wait, not {waited} s");
        let (counts, waited) = first_http(status(refused, &[("Retry-After", "90")])).await;
        assert_eq!(counts, all_with(2), "HTTP {refused}");
        assert!(waited >= 90.0, "HTTP {refused}: {waited} s");
    }
    let until = jiff::Timestamp::now() + Duration::from_secs(120);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&until);
    let (counts, waited) = first_http(status(503, &[("Retry-After", &date.unwrap())])).await;
    assert_eq!(counts, all_with(2));
    assert!(waited >= 110.0, "{waited} s");
}

#[tokio::test]
async fn o7_http_400_and_413_cost_the_one_record_that_is_refused() {
    for refused in [400, 413] {
        let server =
            Server::http(None, move |_, texts| match texts.iter().any(|text| text == "poison") {
                true => status(refused, &[]),
                false => Reply::ok(),
            })
            .await;
        let (found, _) = deliver_to(&server, Protocol::HttpProtobuf, PATIENCE).await;
        assert_eq!(found, counts(19, 1, 1, 0, found.requests), "HTTP {refused}");
        assert!(found.requests < 2 * 20, "{} requests", found.requests);
    }
}

#[tokio::test]
async fn o3_http_answers_that_concern_the_destination_pause_it_and_cost_nothing() {
    for refused in [401, 403, 404, 405, 408, 500, 501, 505, 301, 307, 308] {
        let elsewhere = [("Location", "/elsewhere")];
        let (counts, waited) = first_http(status(refused, &elsewhere)).await;
        assert_eq!(counts, all_with(2), "HTTP {refused}");
        assert!(waited >= 50.0, "HTTP {refused}: asked again after {waited} s");
    }
}

#[tokio::test]
async fn o3_http_500_and_408_for_one_record_alone_park_it_after_ten_times() {
    for refused in [500, 408] {
        let server =
            Server::http(None, move |_, texts| match texts.iter().any(|text| text == "poison") {
                true => status(refused, &[]),
                false => Reply::ok(),
            })
            .await;
        let (found, _) = deliver_to(&server, Protocol::HttpProtobuf, PATIENCE).await;
        assert_eq!(found, counts(19, 1, 1, 0, found.requests), "HTTP {refused}");
    }
}

#[tokio::test]
async fn o6_http_and_grpc_partial_success_is_never_sent_again() {
    let partial_success =
        Some(ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "old".into() });
    let body = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    let (found, _) = first_http(Reply::Http(200, Vec::new(), body.clone())).await;
    assert_eq!(found, counts(20, 3, 1, 0, 1));
    let (found, _) = first_grpc(Reply::Message(body)).await;
    assert_eq!(found, counts(20, 3, 1, 0, 1));
}

#[tokio::test]
async fn o4_what_breaks_before_its_answer_is_whole_is_sent_again_and_arrives_twice() {
    for reply in [Reply::Half, Reply::Nothing] {
        let (found, _) = first_http(reply.clone()).await;
        assert_eq!(found, counts(20, 0, 0, 20, 2), "HTTP {reply:?}");
        let (found, _) = first_grpc(reply.clone()).await;
        assert_eq!(found, counts(20, 0, 0, 20, 2), "gRPC {reply:?}");
    }
}

#[tokio::test]
async fn o4_slow_answers_are_waited_for() {
    let late = |reply| Reply::Late(Duration::from_millis(300), Box::new(reply));
    assert_eq!(first_http(late(Reply::ok())).await.0, all_with(1));
    assert_eq!(first_grpc(late(Reply::Grpc(0, None))).await.0, all_with(1));
}

#[tokio::test]
async fn o4_a_half_open_connection_is_left_for_a_new_one() {
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let script = move |number: usize, _: &[String]| match (number, protocol) {
            (0, _) => Reply::Never,
            (_, Protocol::Grpc) => Reply::Grpc(0, None),
            _ => Reply::ok(),
        };
        let server = match protocol {
            Protocol::Grpc => Server::grpc(None, script).await,
            Protocol::HttpProtobuf => Server::http(None, script).await,
        };
        let (found, _) = deliver_to(&server, protocol, Duration::from_millis(1500)).await;
        assert_eq!(found, counts(20, 0, 0, 20, 2), "{protocol:?}");
        let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [1, 2], "{protocol:?}");
    }
}

#[tokio::test]
async fn o5_a_success_of_another_content_type_is_one() {
    let html = vec![("Content-Type", "text/html".to_owned())];
    let (found, _) = first_http(Reply::Http(200, html, b"<html>fine</html>".to_vec())).await;
    assert_eq!(found, all_with(1));
    let (found, _) = first_http(Reply::Http(204, Vec::new(), Vec::new())).await;
    assert_eq!(found, all_with(1));
}

#[tokio::test]
async fn o3_each_grpc_status_with_and_without_a_delay() {
    let asked = Duration::from_millis(90_500);
    for code in 1..=16 {
        for delay in [None, Some(asked)] {
            let (found, waited) = if code == 3 {
                let server = Server::grpc(None, move |_, texts| {
                    let is_poison = texts.iter().any(|text| text == "poison");
                    Reply::Grpc(if is_poison { 3 } else { 0 }, delay)
                })
                .await;
                deliver_to(&server, Protocol::Grpc, PATIENCE).await
            } else {
                first_grpc(Reply::Grpc(code, delay)).await
            };
            let what = format!("gRPC {} {delay:?}", retry::grpc_name(code));
            match (code, delay) {
                (3, _) => assert_eq!(found, counts(19, 1, 1, 0, found.requests), "{what}"),
                (1 | 4 | 8 | 10 | 11 | 14 | 15, Some(_)) => {
                    assert_eq!(found, all_with(2), "{what}");
                    assert!(waited >= 90.5, "{what}: waited {waited} s");
                }
                (1 | 4 | 10 | 11 | 14 | 15, None) => {
                    assert_eq!(found, all_with(2), "{what}");
                    assert!(waited >= 4.0, "{what}: waited {waited} s");
                }
                _ => {
                    assert_eq!(found, all_with(2), "{what}");
                    assert!(waited >= 50.0, "{what}: paused {waited} s");
                }
            }
        }
    }
}

#[tokio::test]
async fn o3_a_gateway_before_a_grpc_server_answers_for_itself() {
    let asked = [("retry-after", "90")];
    let (found, waited) = first_grpc(status(503, &asked)).await;
    assert_eq!(found, all_with(2));
    assert!(waited >= 90.0, "{waited} s");
    for refused in [400, 401, 404, 413, 500] {
        let (found, waited) = first_grpc(status(refused, &[])).await;
        assert_eq!(found, all_with(2), "HTTP {refused}: not the content's fault");
        assert!(waited >= 50.0, "HTTP {refused}: {waited} s");
    }
    // A page with HTTP 200 is no success of a gRPC server: it has no status.
    let html = vec![("content-type", "text/html".to_owned())];
    let (found, _) = first_grpc(Reply::Http(200, html, b"<html>hello</html>".to_vec())).await;
    assert_eq!((found.arrived, found.lost, found.requests), (20, 0, 2));
}
