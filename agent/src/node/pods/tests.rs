//! Against an API server as its wire shows it, on loopback.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State as Given,
    http::Request,
    response::Response,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// A server that lists what it has and streams what it is told.
struct Server {
    folder: tempfile::TempDir,
    inner: Arc<Inner>,
}

struct Inner {
    pods: Mutex<Vec<Value>>,
    changes: broadcast::Sender<Value>,
    is_down: AtomicBool,
    /// What it answers where it is down; 0 is 503.
    refusal: AtomicU16,
    asked: Mutex<Vec<String>>,
}

impl Server {
    async fn start(pods: Vec<Value>) -> Self {
        let inner = Arc::new(Inner {
            pods: Mutex::new(pods),
            changes: broadcast::channel(16).0,
            is_down: AtomicBool::new(false),
            refusal: AtomicU16::new(0),
            asked: Mutex::default(),
        });
        let app = Router::new().fallback(answer).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        Self { folder, inner }
    }

    fn config(&self) -> Config {
        Config {
            node: "node-7".into(),
            kubeconfig: Some(self.folder.path().join("kubeconfig")),
            pod_labels: vec![],
            node_labels: vec!["zone".into()],
            start_after: Duration::ZERO,
        }
    }
}

async fn answer(
    Given(server): Given<Arc<Inner>>,
    request: Request<Body>,
) -> Result<Response, Infallible> {
    let (path, query) =
        (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    server.asked.lock().unwrap().push(format!("{path}?{query}"));
    if server.is_down.load(Ordering::SeqCst) {
        let code = match server.refusal.load(Ordering::SeqCst) {
            0 => 503,
            code => code,
        };
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "message": "etcdserver: no leader token=abcdef0123456789abcdef", "code": code});
        let response = Response::builder().status(code).header("Retry-After", "1");
        return Ok(response.body(status.to_string().into()).unwrap());
    }
    let is_watch = query.contains("watch=true");
    if path == "/api/v1/nodes" {
        let node = json!({"metadata": {"name": "node-7", "labels": {"zone": "a", "other": "b"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let list = json!({"kind": "NodeList", "apiVersion": "v1",
            "metadata": {"resourceVersion": "5"}, "items": [node]});
        let body = match is_watch {
            true => Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
            false => list.to_string().into(),
        };
        return Ok(Response::new(body));
    }
    if !is_watch {
        let list = json!({"kind": "PodList", "apiVersion": "v1",
            "metadata": {"resourceVersion": "5"}, "items": *server.pods.lock().unwrap()});
        return Ok(Response::new(list.to_string().into()));
    }
    let changes = server.changes.subscribe();
    // An error of the stream ends the response, as a server that goes away does.
    let lines = stream::unfold(changes, |mut changes| async {
        let change = changes.recv().await.ok()?;
        if change.is_null() {
            return None;
        }
        Some((Ok::<_, Infallible>(Bytes::from(format!("{change}\n"))), changes))
    });
    Ok(Response::new(Body::from_stream(lines)))
}

fn pod(name: &str, annotations: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": name, "uid": format!("api-{name}"),
            "resourceVersion": "7", "annotations": annotations,
            "managedFields": [{"manager": "kubectl"}]},
        "spec": {"nodeName": "node-7", "containers": [
            {"name": "app", "image": "a", "env": [{"name": "KEY", "value": "s3cr3t"}]}]}})
}

async fn next(facts: &mut mpsc::Receiver<Dated>) -> Fact {
    let dated = tokio::time::timeout(LONG, facts.recv()).await.unwrap().unwrap();
    assert!(dated.at > 1_700_000_000_000_000);
    dated.fact
}

/// The next that is not the Node object, which comes on its own.
async fn next_of_pods(facts: &mut mpsc::Receiver<Dated>) -> Fact {
    loop {
        match next(facts).await {
            Fact::NodeObject(node) => {
                assert_eq!(node.labels.len(), 1);
                assert_eq!(node.conditions[0].kind, "Ready");
            }
            other => return other,
        }
    }
}

async fn until(handle: &Handle, wanted: impl Fn(&State) -> bool) {
    let mut state = handle.state.clone();
    tokio::time::timeout(LONG, state.wait_for(|state| wanted(state))).await.unwrap().unwrap();
}

#[tokio::test]
async fn pods_are_listed_followed_and_gone_with_the_uid_that_the_kubelet_logs() {
    let mirror = json!({"kubernetes.io/config.hash": "0f0f", "podwhy.io/last-words": "none"});
    let server = Server::start(vec![pod("web", json!({})), pod("etcd", mirror)]).await;
    let (sender, mut facts) = mpsc::channel(16);
    let handle = spawn(server.config(), sender);
    let Fact::Pod(web) = next_of_pods(&mut facts).await else { panic!() };
    assert_eq!((web.name.as_str(), web.uid.as_deref()), ("web", Some("api-web")));
    assert!(!format!("{web:?}").contains("s3cr3t"));
    assert_eq!(web.containers[0].env, ["KEY"]);
    let Fact::Pod(etcd) = next_of_pods(&mut facts).await else { panic!() };
    assert_eq!((etcd.uid.as_deref(), etcd.api_uid.as_deref()), (Some("0f0f"), Some("api-etcd")));
    assert_eq!(etcd.last_words, Some(crate::fact::Quote::None));
    let Fact::PodsListed(listed) = next_of_pods(&mut facts).await else { panic!() };
    assert_eq!(listed.uids, ["api-web", "0f0f"]);
    until(&handle, |state| *state == State::Following).await;

    // The stream is there once somebody listens to it.
    tokio::time::timeout(LONG, async {
        while server.inner.changes.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let gone = json!({"type": "DELETED", "object": pod("web", json!({}))});
    server.inner.changes.send(gone).unwrap();
    let Fact::PodGone(gone) = next_of_pods(&mut facts).await else { panic!() };
    assert_eq!(gone.uid.as_deref(), Some("api-web"));

    let asked = server.inner.asked.lock().unwrap().join("\n");
    assert!(asked.contains("/api/v1/pods?"), "{asked}");
    assert!(asked.contains("fieldSelector=spec.nodeName%3Dnode-7"), "{asked}");
    assert!(asked.contains("fieldSelector=metadata.name%3Dnode-7"), "{asked}");
    assert!(asked.contains("resourceVersion=0"), "from the server's cache: {asked}");
}

#[tokio::test]
async fn m9_while_the_api_server_is_away_the_view_holds_and_afterwards_a_list_says_what_is_gone() {
    let server = Server::start(vec![pod("web", json!({}))]).await;
    let (sender, mut facts) = mpsc::channel(16);
    let handle = spawn(server.config(), sender);
    until(&handle, |state| *state == State::Following).await;
    tokio::time::timeout(LONG, async {
        while server.inner.changes.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    server.inner.is_down.store(true, Ordering::SeqCst);
    server.inner.changes.send(Value::Null).unwrap();
    until(&handle, |state| matches!(state, State::Away { since: Some(_), .. })).await;
    let State::Away { why, .. } = handle.state() else { panic!() };
    assert!(!why.contains("abcdef0123456789"), "{why}");

    while let Ok(dated) = facts.try_recv() {
        assert!(!matches!(dated.fact, Fact::PodGone(_)), "being away is not being gone");
    }
    server.inner.pods.lock().unwrap().clear();
    server.inner.is_down.store(false, Ordering::SeqCst);
    // The watch's own version is too old by then, as it is after a longer absence.
    tokio::time::timeout(LONG, async {
        while server.inner.changes.receiver_count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1",
        "status": "Failure", "reason": "Expired", "message": "too old", "code": 410}});
    server.inner.changes.send(expired).unwrap();
    let Fact::PodsListed(listed) = next_of_pods(&mut facts).await else { panic!() };
    assert_eq!(listed.uids, [""; 0]);
    until(&handle, |state| *state == State::Following).await;
}

/// From the first list on, and between: told with its reason, nothing is gone by it, and the view is
/// complete again once the server answers.
#[tokio::test]
async fn m9_an_api_server_that_refuses_the_watch_is_told_and_asked_again() {
    for code in [403, 410, 429, 500] {
        let server = Server::start(vec![pod("web", json!({}))]).await;
        server.inner.refusal.store(code, Ordering::SeqCst);
        server.inner.is_down.store(true, Ordering::SeqCst);
        let (sender, mut facts) = mpsc::channel(16);
        let handle = spawn(server.config(), sender);
        until(&handle, |state| matches!(state, State::Away { since: None, .. })).await;
        let State::Away { why, .. } = handle.state() else { panic!("{code}") };
        assert!(why.contains("no leader") && !why.contains("abcdef0123456789"), "{code}: {why}");
        assert!(facts.try_recv().is_err(), "{code}: nothing is known");
        let asked = server.inner.asked.lock().unwrap().len();
        assert!(asked < 20, "{code}: asked {asked} times without a pause");
        server.inner.is_down.store(false, Ordering::SeqCst);
        let Fact::Pod(found) = next_of_pods(&mut facts).await else { panic!("{code}") };
        assert_eq!(found.name, "web");
        let Fact::PodsListed(listed) = next_of_pods(&mut facts).await else { panic!("{code}") };
        assert_eq!(listed.uids, ["api-web"], "{code}");
        until(&handle, |state| *state == State::Following).await;
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what could not run says so")]
async fn outside_a_cluster_nothing_is_opened_and_it_says_so() {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED: this is a pod");
        println!("SKIPPED outside_a_cluster_nothing_is_opened_and_it_says_so: this is a pod");
        return;
    }
    let (sender, mut facts) = mpsc::channel(1);
    let config = Config {
        node: "node-7".into(),
        kubeconfig: None,
        pod_labels: vec![],
        node_labels: vec![],
        start_after: Duration::ZERO,
    };
    let handle = spawn(config, sender);
    until(&handle, |state| matches!(state, State::Nowhere(_))).await;
    assert!(facts.recv().await.is_none());
}

#[tokio::test]
async fn whether_pods_may_be_listed_is_told_with_its_reason() {
    let server = Server::start(vec![]).await;
    reach(&server.config()).await.unwrap();
    server.inner.is_down.store(true, Ordering::SeqCst);
    assert!(reach(&server.config()).await.unwrap_err().contains("no leader"));
    let nowhere = Config { kubeconfig: Some("/nonexistent/kubeconfig".into()), ..server.config() };
    assert!(reach(&nowhere).await.unwrap_err().contains("/nonexistent/kubeconfig"));
}

#[test]
fn a_server_that_is_away_is_asked_less_and_less_and_not_by_all_at_once() {
    let of = |node: &str| (1..8).map(|n| pause(node, n).as_secs_f64()).collect::<Vec<_>>();
    let (one, other) = (of("node-1"), of("node-2"));
    assert!(one.is_sorted() && one[0] >= 0.75 && one[6] <= 37.5, "{one:?}");
    assert!(one[4] >= 12.0, "{one:?}");
    assert_ne!(one, other);
}

#[tokio::test]
async fn failed_lists_end_a_client_so_that_certificates_are_read_again() {
    let server = Server::start(vec![pod("web", json!({}))]).await;
    server.inner.is_down.store(true, Ordering::SeqCst);
    let (facts, mut told) = mpsc::channel(16);
    let handle = spawn(server.config(), facts);
    until(&handle, |state| matches!(state, State::Away { .. })).await;
    // Another server by then, which only a client made anew can find.
    let other = Server::start(vec![pod("moved", json!({}))]).await;
    let place = |server: &Server| server.folder.path().join("kubeconfig");
    std::fs::copy(place(&other), place(&server)).unwrap();
    let Fact::Pod(found) = next_of_pods(&mut told).await else { panic!("not a pod") };
    assert_eq!(found.name, "moved");
    until(&handle, |state| *state == State::Following).await;
}

#[test]
fn a_list_that_comes_between_two_failures_does_not_make_them_the_first() {
    let mut streak = Streak::default();
    let now = Instant::now();
    let after = |seconds: u64| now + Duration::from_secs(seconds);
    for turn in 1..6 {
        streak.saw(&Event::<Pod>::Init, after(turn));
        streak.saw(&Event::InitApply(Pod::default()), after(turn));
        streak.saw(&Event::<Pod>::InitDone, after(turn));
        assert_eq!(streak.failed(after(turn)), u32::try_from(turn).unwrap());
    }
    streak.saw(&Event::Apply(Pod::default()), after(7));
    assert_eq!(streak.failed(after(8)), 1, "the watch told something");
    assert_eq!(streak.failed(after(9)), 2);
    streak.saw(&Event::<Pod>::InitDone, after(10));
    assert_eq!(streak.failed(after(100)), 1, "it held, and there was nothing to tell");
    assert_eq!(streak.failed(after(200)), 2, "no list came since");
}
