//! The door over real connections.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn door(ready: Result<(), Vec<String>>) -> Admin {
    let (core, mut asks) = mpsc::channel::<Ask>(1);
    tokio::spawn(async move {
        while let Some(ask) = asks.recv().await {
            drop(ask.send(Scrape::default()));
        }
    });
    let behind = Behind {
        core,
        complete: Arc::new(|scrape| scrape.state_file_bytes = 7),
        ready: Arc::new(move || ready.clone()),
        node: "node-a".into(),
    };
    open("127.0.0.1:0", behind).await.unwrap()
}

async fn get(admin: &Admin, path: &str) -> String {
    let mut stream = TcpStream::connect(admin.at().unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn each_path_answers_and_readiness_says_why_not() {
    let admin = door(Ok(())).await;
    let metrics = get(&admin, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(metrics.contains("application/openmetrics-text"), "{metrics}");
    assert!(metrics.contains("podwhy_state_file_bytes{node=\"node-a\"} 7.0"), "{metrics}");
    assert!(get(&admin, "/livez").await.ends_with("ok\n"));
    assert!(get(&admin, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get(&admin, "/").await.contains("/metrics"));
    assert!(get(&admin, "/nothing").await.starts_with("HTTP/1.1 404"));
    let blind = door(Err(vec!["the journal cannot be read: why".to_owned()])).await;
    let answer = get(&blind, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("the journal cannot be read: why"), "{answer}");
}

#[tokio::test]
async fn a_core_that_is_gone_makes_no_metrics_and_the_process_lives() {
    let behind = Behind {
        core: mpsc::channel(1).0,
        complete: Arc::new(|_| {}),
        ready: Arc::new(|| Ok(())),
        node: "n".into(),
    };
    let admin = open("127.0.0.1:0", behind).await.unwrap();
    assert!(get(&admin, "/metrics").await.starts_with("HTTP/1.1 503"));
    assert!(get(&admin, "/livez").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_only_connects_keeps_nobody_out_for_long() {
    let admin = door(Ok(())).await;
    let mut idle = Vec::new();
    for _ in 0..limits::HTTP_CONNECTIONS {
        idle.push(TcpStream::connect(admin.at().unwrap()).await.unwrap());
    }
    let limit = limits::HTTP_HEADER + Duration::from_secs(20);
    let answer = tokio::time::timeout(limit, get(&admin, "/livez")).await.expect("a seat in time");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_another_process_has_is_taken_once_that_one_leaves() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = other.local_addr().unwrap();
    let behind = || Behind {
        core: mpsc::channel(1).0,
        complete: Arc::new(|_| {}),
        ready: Arc::new(|| Ok(())),
        node: "n".into(),
    };
    let refused = open(&place.to_string(), behind()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    let later = open_later(place.to_string(), behind());
    tokio::time::sleep(limits::HTTP_LISTEN_AGAIN * 2).await;
    drop(other);
    tokio::time::sleep(limits::HTTP_LISTEN_AGAIN * 2).await;
    let there = Admin { at: Some(place), serving: tokio::spawn(async {}) };
    assert!(get(&there, "/livez").await.starts_with("HTTP/1.1 200"));
    drop(later);
}
