//! A runtime as its wire shows it: a gRPC server over HTTP/2 on a Unix socket.

use std::{
    convert::Infallible,
    os::unix::net::UnixListener,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use axum::{Router, body::Body, extract::State, http::Request, response::Response};
use hyper_util::{rt::TokioExecutor, server::conn::auto, service::TowerToHyperService};
use prost::Message as _;
use tokio::sync::oneshot;

use super::*;

const HEALTHY: u8 = 0;
const NO_NETWORK: u8 = 1;
const HUNG: u8 = 2;
const OLD: u8 = 3;

/// Runs until it is dropped.
struct Runtime {
    folder: tempfile::TempDir,
    mood: Arc<AtomicU8>,
    _serving: oneshot::Sender<()>,
}

impl Runtime {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mood = Arc::new(AtomicU8::new(HEALTHY));
        let app = Router::new().fallback(answer).with_state(mood.clone());
        let listener = UnixListener::bind(folder.path().join("runtime.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (serving, dropped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, app) => {}
                    _ = dropped => {}
                }
            });
        });
        Self { folder, mood, _serving: serving }
    }

    fn asker(&self, timeout: Duration) -> Asker {
        Asker::new(&self.folder.path().join("runtime.sock"), timeout).unwrap()
    }
}

async fn serve(listener: UnixListener, app: Router) {
    let listener = tokio::net::UnixListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    State(mood): State<Arc<AtomicU8>>,
    request: Request<Body>,
) -> Result<Response, Infallible> {
    let mood = mood.load(Ordering::SeqCst);
    if mood == HUNG {
        std::future::pending::<()>().await;
    }
    let condition = |kind: &str, status, reason: &str, message: &str| message::Condition {
        kind: kind.into(),
        status,
        reason: reason.into(),
        message: message.into(),
    };
    let bytes = match request.uri().path() {
        "/runtime.v1.RuntimeService/Version" if mood != OLD => message::VersionResponse {
            runtime_name: "containerd".into(),
            runtime_version: "1.7.27".into(),
        }
        .encode_to_vec(),
        "/runtime.v1.RuntimeService/Status" => message::StatusResponse {
            status: Some(message::Status {
                conditions: vec![
                    condition("RuntimeReady", true, "", ""),
                    condition(
                        "NetworkReady",
                        mood != NO_NETWORK,
                        "NetworkPluginNotReady",
                        "cni plugin not initialized\u{1b}[31m",
                    ),
                ],
            }),
        }
        .encode_to_vec(),
        "/runtime.v1.RuntimeService/ListContainers" => listed(request).await.encode_to_vec(),
        "/runtime.v1.RuntimeService/ContainerStatus" => status_of(request).await.encode_to_vec(),
        _ => {
            let headers = Response::builder().header("content-type", "application/grpc");
            let refused = headers.header("grpc-status", "12").header("grpc-message", "unknown");
            return Ok(refused.body(Body::empty()).unwrap());
        }
    };
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    framed.extend(bytes);
    let headers = Response::builder().header("content-type", "application/grpc");
    // The status in the headers, as servers send it for an answer in one piece.
    Ok(headers.header("grpc-status", "0").body(Body::from(framed)).unwrap())
}

/// The message of a request, out of its frame.
async fn asked<M: prost::Message + Default>(request: Request<Body>) -> M {
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    M::decode(body.slice(5..)).unwrap()
}

async fn listed(request: Request<Body>) -> message::ListContainersResponse {
    let filter = asked::<message::ListContainersRequest>(request).await.filter.unwrap();
    let one = |id: &str, name: &str, attempt| message::Listed {
        id: id.into(),
        metadata: Some(message::Metadata { name: name.into(), attempt }),
    };
    let all = vec![one("a2", "app", 2), one("i0", "init", 0), one("a3", "app", 3)];
    let is_known = filter.labels.get("io.kubernetes.pod.uid").is_some_and(|uid| uid == "0b7c");
    message::ListContainersResponse { containers: if is_known { all } else { vec![] } }
}

async fn status_of(request: Request<Body>) -> message::ContainerStatusResponse {
    let id = asked::<message::ContainerStatusRequest>(request).await.id;
    let path = if id == "i0" { "/work" } else { "/etc/app" };
    let status = message::ContainerStatus {
        state: if id == "a3" { 1 } else { 2 },
        started_at: 1_795_384_800_000_000_000,
        finished_at: 1_795_384_801_000_000_000,
        exit_code: if id == "a2" { 137 } else { 0 },
        reason: if id == "a2" { "OOMKilled".into() } else { String::new() },
        mounts: vec![
            message::Mount {
                container_path: path.into(),
                host_path: "/var/lib/kubelet/pods/0b7c/volumes/kubernetes.io~empty-dir/config"
                    .into(),
                read_only: false,
            },
            message::Mount {
                container_path: "/etc/hosts".into(),
                host_path: "/var/lib/kubelet/pods/0b7c/etc-hosts".into(),
                read_only: false,
            },
        ],
        id,
        ..message::ContainerStatus::default()
    };
    message::ContainerStatusResponse { status: Some(status) }
}

#[test]
fn a_runtime_tells_how_containers_ended_and_what_they_mount() {
    let runtime = Runtime::start();
    let mut asker = runtime.asker(Duration::from_secs(30));
    let pod = PodRef { uid: Some("0b7c".into()), ..PodRef::default() };
    let told = asker.containers(&pod).unwrap();
    assert_eq!((told.containers.len(), told.volumes.len()), (2, 1));
    let [app, init] = &told.containers[..] else { panic!() };
    assert_eq!((app.name.as_str(), app.restarts, init.name.as_str()), ("app", Some(3), "init"));
    assert!(matches!(app.state, Some(fact::State::Running { since: Some(_) })));
    let Some(fact::State::Terminated { exit_code, reason, .. }) = &app.last_state else { panic!() };
    assert_eq!((*exit_code, reason.as_deref()), (137, Some("OOMKilled")));
    assert_eq!((app.mounts[0].path.as_str(), init.mounts[0].path.as_str()), ("/etc/app", "/work"));
    assert_eq!((app.mounts.len(), app.mounts[0].volume.as_str()), (1, "config"));

    let other = PodRef { uid: Some("ffff".into()), ..PodRef::default() };
    assert!(asker.containers(&other).unwrap_err().contains("no container of this pod"));
    runtime.mood.store(HUNG, Ordering::SeqCst);
    let mut asker = runtime.asker(Duration::from_millis(50));
    assert!(asker.containers(&pod).unwrap_err().contains("does not answer within 0.05 s"));
}

#[test]
fn a_runtime_tells_its_version_its_conditions_and_how_long_it_took() {
    let runtime = Runtime::start();
    let mut asker = runtime.asker(Duration::from_secs(30));
    let status = asker.ask().unwrap();
    assert_eq!(status.version.as_deref(), Some("containerd 1.7.27"));
    assert_eq!((status.runtime_ready, status.network_ready), (Some(true), Some(true)));
    assert!(status.latency_seconds.is_some_and(|latency| latency > 0.0));
    assert_eq!(status.why, None);

    runtime.mood.store(NO_NETWORK, Ordering::SeqCst);
    let status = asker.ask().unwrap();
    assert_eq!((status.runtime_ready, status.network_ready), (Some(true), Some(false)));
    assert_eq!(
        status.why.as_deref(),
        Some("NetworkReady: NetworkPluginNotReady: cni plugin not initialized[31m")
    );
}

#[test]
fn a_runtime_that_hangs_is_an_answer_without_latency() {
    let runtime = Runtime::start();
    runtime.mood.store(HUNG, Ordering::SeqCst);
    let mut asker = runtime.asker(Duration::from_millis(50));
    let status = asker.ask().unwrap();
    assert_eq!((status.latency_seconds, status.runtime_ready), (None, None));
    assert!(status.why.unwrap().contains("does not answer within 0.05 s"));
}

#[test]
fn a_socket_that_is_not_there_and_a_server_that_does_not_know_us_are_told_by_their_reason() {
    let mut nobody =
        Asker::new(Path::new("/nonexistent/runtime.sock"), Duration::from_secs(30)).unwrap();
    let why = nobody.ask().unwrap_err();
    assert!(why.contains("/nonexistent/runtime.sock: No such file"), "{why}");
    let runtime = Runtime::start();
    runtime.mood.store(OLD, Ordering::SeqCst);
    let mut asker = runtime.asker(Duration::from_secs(30));
    let why = asker.ask().unwrap_err();
    assert!(why.contains("unknown"), "{why}");
    runtime.mood.store(HEALTHY, Ordering::SeqCst);
    asker.ask().unwrap();
}
