//! The page over real connections: who is let in, that hostile text stays text, and its bounds.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::fact::{Fact, Instance, LastWords, PodRef};
use crate::incident::{Cause, Evidence, Next, Pod, Scope, State as IncidentState};

const NOW: Micros = 1_800_000_000_000_000;
const HOSTILE: &str =
    "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\u{1b}[31m\u{202e}javascript:";

struct Stand {
    page: Page,
    folder: tempfile::TempDir,
    asked: Arc<AtomicUsize>,
}

impl Stand {
    async fn with(snapshot: Snapshot) -> Self {
        let (core, mut asks) = mpsc::channel::<Ask>(limits::PAGE_ASKS);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some(ask) = asks.recv().await {
                count.fetch_add(1, SeqCst);
                drop(ask.send(snapshot.clone()));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let complete: Complete = Arc::new(|snapshot| snapshot.is_reading = true);
        let behind = Behind { core, complete, node: "node-a".into() };
        let page = open("127.0.0.1:0", folder.path(), behind).await.unwrap();
        Self { page, folder, asked }
    }

    fn url(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(URL_FILE)).unwrap().trim().to_owned()
    }

    fn token(&self) -> String {
        self.url().split_once("token=").unwrap().1.to_owned()
    }

    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.page.at()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str, more: &str) -> String {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n{more}\r\n"
        ))
        .await
    }

    /// With the token, as a program sends it.
    async fn see(&self, path: &str) -> String {
        self.get(path, &format!("Authorization: Bearer {}\r\n", self.token())).await
    }
}

fn is(answer: &str, status: u16) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status} "))
}

fn hostile_incident() -> Incident {
    let text = || HOSTILE.to_owned();
    let pod = Pod {
        namespace: Some(text()),
        name: Some(text()),
        uid: Some("u".to_owned()),
        container: Some(text()),
        role: None,
    };
    Incident {
        id: "00ff".to_owned(),
        scope: Scope::Node,
        step: Some(text()),
        reason: Some(text()),
        cause: Cause {
            id: text(),
            class: text(),
            title: text(),
            runbook: Some(text()),
            ..Cause::default()
        },
        alternatives: vec![Cause { title: text(), separator: Some(text()), ..Cause::default() }],
        pods: vec![pod],
        pod_count: 1,
        first_seen: Some(NOW - 60_000_000),
        last_seen: Some(NOW),
        attempts: 3,
        next_retry: Some(NOW + 48_000_000),
        next_retry_why: Some(text()),
        evidence: vec![Evidence {
            source: text(),
            text: text(),
            file: Some(text()),
            line: Some(7),
            at: Some(NOW),
        }],
        controls: vec![text()],
        next: vec![Next { what: text(), command: Some(text()), risk: Some(text()) }],
        clears_when: text(),
        changed: vec![text()],
        contradictions: vec![text()],
        chain: vec![text(), text()],
        proof: vec![text()],
        rung: 1,
        fixed_by: vec![text()],
        loss: vec![text()],
        note: Some(text()),
        ..Incident::default()
    }
}

fn hostile() -> Snapshot {
    let text = || HOSTILE.to_owned();
    let incident = hostile_incident();
    let member = Incident {
        id: HOSTILE.to_owned(),
        parent: Some("00ff".to_owned()),
        scope: Scope::Pod,
        ..incident.clone()
    };
    let instance = Instance {
        pod: PodRef { uid: Some("u".to_owned()), ..PodRef::default() },
        container: text(),
        ..Instance::default()
    };
    let words = LastWords { instance, lines: vec![text()], ..LastWords::default() };
    let fact = Fact::LastWords(Box::new(words));
    let mut known = Snapshot {
        now: NOW,
        node: text(),
        state_trouble: Some(text()),
        paused: vec![("otlp".to_owned(), text())],
        incidents: vec![incident, member],
        words: vec![Dated { at: NOW, fact }],
        ..Snapshot::default()
    };
    known.past.checked(
        &crate::diagnosis::Check {
            name: text(),
            status: crate::diagnosis::CheckStatus::Failed,
            value: None,
            threshold: None,
            text: text(),
        },
        NOW,
    );
    known
}

#[tokio::test]
async fn hostile_text_stays_text_wherever_it_stands() {
    let stand = Stand::with(hostile()).await;
    for path in ["/", "/?part", "/incident/00ff", "/incident/00ff?part"] {
        let answer = stand.see(path).await;
        assert!(is(&answer, 200), "{path}: {answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(body.contains("&lt;script&gt;alert(1)"), "{path}: it is shown");
        for bad in ["<script>alert", "<img", "\u{1b}", "\u{202e}"] {
            assert!(!body.contains(bad), "{path}: {bad:?}");
        }
        assert!(!body.contains("href=\"javascript:"), "{path}");
        let scripts = usize::from(!path.ends_with("part"));
        assert_eq!(body.matches("<script").count(), scripts, "{path}");
        let markup = body.split("<script").next().unwrap();
        for tag in markup.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            // Beside the values, which stand in quotes.
            let names: String = tag.split('"').step_by(2).collect();
            assert!(!names.contains(" on") && !names.contains(" style="), "{path}: {tag}");
        }
    }
    let told = stand.see("/incident/00ff").await;
    for word in ["Last words of", "may be missing", "Risk:", "Rung ", "next try of"] {
        assert!(told.to_lowercase().contains(&word.to_lowercase()), "{word}");
    }
}

#[tokio::test]
async fn nothing_is_told_without_the_token_and_with_it_everything() {
    let stand = Stand::with(hostile()).await;
    let mode = std::fs::metadata(stand.folder.path().join(URL_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let wrong = "0".repeat(64);
    for path in ["/", "/node.json", "/incident/00ff", "/incident/00ff.json", "/nothing"] {
        for more in [
            String::new(),
            format!("Authorization: Bearer {wrong}\r\n"),
            format!("Cookie: podwhy_00000000={}\r\n", stand.token()),
        ] {
            let answer = stand.get(path, &more).await;
            assert!(is(&answer, 401), "{path}: {answer}");
            assert!(!answer.contains("alert("), "{path}");
            assert!(answer.contains("podwhy open"), "{path}");
        }
        assert!(is(&stand.get(&format!("{path}?token={wrong}"), "").await, 401), "{path}");
    }
    let welcome = stand.get(&format!("/?token={}", stand.token()), "").await;
    assert!(is(&welcome, 303), "{welcome}");
    assert!(welcome.contains("location: /\r\n"), "the token leaves the address: {welcome}");
    let cookie = welcome.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert!(is(&stand.get("/", &format!("Cookie: a=b; {pair}\r\n")).await, 200));
    let json = stand.see("/node.json").await;
    let body: serde_json::Value =
        serde_json::from_str(json.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["level"], "unhealthy");
    assert_eq!(body["incidents"][0]["attempts"], 3);
    assert!(is(&stand.see("/incident/00ff.json").await, 200));
    assert!(is(&stand.see("/incident/ff00").await, 404));
    assert!(is(&stand.see("/incident/ff00.json").await, 404));
}

#[tokio::test]
async fn another_name_another_site_and_another_method_are_refused() {
    let stand = Stand::with(Snapshot::default()).await;
    let bearer = format!("Authorization: Bearer {}\r\n", stand.token());
    for host in ["evil.example", "evil.example:9475", "127.0.0.1.evil.example", "10.0.0.1:9475", ""]
    {
        let asked = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{bearer}\r\n");
        assert!(is(&stand.send(&asked).await, 421), "{host}");
    }
    let none = format!("GET / HTTP/1.0\r\n{bearer}\r\n");
    assert!(stand.send(&none).await.contains(" 421 "), "without a name");
    let whole = format!(
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{bearer}\r\n"
    );
    assert!(is(&stand.send(&whole).await, 421));
    for site in ["cross-site", "same-site"] {
        let more = format!("{bearer}Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: no-cors\r\n");
        assert!(is(&stand.get("/node.json", &more).await, 403), "{site}");
        let more = format!("{bearer}Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: navigate\r\n");
        assert!(is(&stand.get("/", &more).await, 200), "a link that somebody follows: {site}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let asked =
            format!("{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{bearer}\r\n");
        assert!(is(&stand.send(&asked).await, 405), "{method}");
    }
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_load_nothing_else() {
    let stand = Stand::with(Snapshot::default()).await;
    for answer in [stand.see("/").await, stand.get("/", "").await, stand.see("/node.json").await] {
        for header in [
            "content-security-policy: default-src 'none'; style-src 'sha256-",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(header), "{header}: {answer}");
        }
        let policy = answer.lines().find(|line| line.starts_with("content-security")).unwrap();
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    }
}

#[tokio::test]
async fn many_who_look_cost_one_look_at_the_core_and_who_only_connects_keeps_nobody_out() {
    let stand = Stand::with(Snapshot::default()).await;
    let mut idle = Vec::new();
    for _ in 0..limits::PAGE_CONNECTIONS {
        idle.push(TcpStream::connect(stand.page.at()).await.unwrap());
    }
    let limit = limits::HTTP_HEADER + Duration::from_secs(20);
    assert!(is(&tokio::time::timeout(limit, stand.see("/")).await.expect("a seat in time"), 200));
    stand.asked.store(0, SeqCst);
    let all = (0..limits::PAGE_CONNECTIONS).map(|_| stand.see("/"));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| is(answer, 200)));
    assert!(stand.asked.load(SeqCst) <= 3, "{}", stand.asked.load(SeqCst));
}

#[tokio::test]
async fn a_node_on_which_everything_fails_makes_a_page_within_bounds() {
    let text = "x".repeat(limits::VALUE_BYTES);
    let incident = |number: usize| Incident {
        id: format!("{number:032x}"),
        cause: Cause { title: format!("cause {number}"), ..Cause::default() },
        evidence: vec![
            Evidence {
                source: "kubelet".into(),
                text: text.clone(),
                ..Evidence::default()
            };
            8
        ],
        parent: (number > 500).then(|| format!("{:032x}", 0)),
        state: IncidentState::Open,
        ..Incident::default()
    };
    let incidents = (0..limits::INCIDENTS).map(incident).collect();
    let stand = Stand::with(Snapshot { now: NOW, incidents, ..Snapshot::default() }).await;
    let told = stand.see("/").await;
    assert!(told.contains("more incidents") && told.contains("523 incidents because of this one"));
    assert!(told.len() < 2 << 20, "{} bytes", told.len());
    let part = stand.see("/?part").await;
    assert!(part.contains("<main") && !part.contains("<html") && !part.contains("<style"));
}

#[tokio::test]
async fn a_page_that_closes_takes_its_token_along_and_none_opens_beside_loopback() {
    let stand = Stand::with(Snapshot::default()).await;
    let (before, at) = (stand.token(), stand.page.at());
    let Stand { page, folder, .. } = stand;
    drop(page);
    assert!(!folder.path().join(URL_FILE).exists());
    let closed = async {
        while TcpStream::connect(at).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("it closes");
    let behind =
        || Behind { core: mpsc::channel(1).0, complete: Arc::new(|_| {}), node: "node-a".into() };
    let again = open("127.0.0.1:0", folder.path(), behind()).await.unwrap();
    let text = std::fs::read_to_string(folder.path().join(URL_FILE)).unwrap();
    assert!(!text.contains(&before), "each start has a token of its own");
    drop(again);
    let wide = open("0.0.0.0:0", folder.path(), behind()).await.unwrap_err();
    assert!(wide.to_string().contains("loopback only"), "{wide}");
}
