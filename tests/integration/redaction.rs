//! The table of secrets through every way out of the program: none leaves, and what only looks like
//! one stays. One agent, one row a pod.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Router, body::Bytes};

use crate::agent::Setup;
use crate::journald::{Journald, Settings, Stream};
use crate::why::podwhy;
use crate::{bundle, load, wait};

const LONG: Duration = Duration::from_secs(120);

struct Row {
    name: String,
    text: String,
    /// None: a near miss.
    secrets: Vec<String>,
}

fn table() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/redaction/table.tsv");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|row| !row.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let text = cells[1].replace("\\\\", "\u{1}").replace("\\n", "\n").replace('\u{1}', "\\");
        let secrets = cells[2].split('|').filter(|it| *it != "-").map(str::to_owned).collect();
        Row { name: cells[0].to_owned(), text, secrets }
    })
    .collect()
}

/// No secret of any row stands in `told`.
fn hold(what: &str, told: &[u8]) {
    let told = String::from_utf8_lossy(told);
    assert!(!told.is_empty(), "{what} told nothing at all");
    for row in table() {
        for secret in &row.secrets {
            let at = told.find(secret.as_str());
            let around = at.map(|at| told[..at].chars().rev().take(80).collect::<String>());
            let around = around.map(|text| text.chars().rev().collect::<String>());
            assert!(at.is_none(), "{what} tells {}: …{}{secret}", row.name, around.unwrap());
        }
    }
}

/// A kubelet's line whose error quotes the text, quoted as the kubelet does.
fn failure(number: usize, text: &str) -> String {
    let (uid, name) = (load::uid(number), format!("web-{number}"));
    let message = format!("failed to start container \"app\": {text}");
    let item =
        format!("failed to \"StartContainer\" for \"app\" with RunContainerError: {message:?}");
    let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
    format!(
        "E{now}    2148 pod_workers.go:1324] \"Error syncing pod, skipping\" err={item:?} \
         pod=\"shop/{name}\" podUID=\"{uid}\""
    )
}

/// The end of the container, after which its last words are read.
fn death(number: usize) -> String {
    let (uid, name) = (load::uid(number), format!("web-{number}"));
    let id = uid.replace('-', "").repeat(2);
    let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
    format!(
        "I{now}    2148 kubelet.go:2456] \"SyncLoop (PLEG): event for pod\" pod=\"shop/{name}\" \
         event={{\"ID\":\"{uid}\",\"Type\":\"ContainerDied\",\"Data\":\"{id}\"}}"
    )
}

/// Each row as the container's own log.
fn pod_logs(root: &Path) {
    for (number, row) in table().iter().enumerate() {
        let folder = root.join(format!("shop_web-{number}_{}/app", load::uid(number)));
        std::fs::create_dir_all(&folder).unwrap();
        let now = jiff::Timestamp::now();
        let lines = row.text.lines().map(|line| format!("{now} stderr F {line}\n"));
        let said: String =
            std::iter::once(format!("{now} stdout F starting\n")).chain(lines).collect();
        std::fs::write(folder.join("0.log"), said).unwrap();
    }
}

fn write(stream: &mut Stream) {
    for (number, row) in table().iter().enumerate() {
        stream.line(&death(number));
        stream.line(&failure(number, &row.text));
    }
    stream.flush();
}

/// Takes everything and keeps the bodies.
fn receiver() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    let take = move |body: Bytes| {
        kept.lock().unwrap().extend_from_slice(&body);
        async {}
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().fallback(take)).await.unwrap();
        });
    });
    (format!("http://{address}"), heard)
}

#[test]
fn no_secret_leaves_a_pasted_log() {
    let folder = tempfile::tempdir().unwrap();
    let (log, pods) = (folder.path().join("kubelet.log"), folder.path().join("pods"));
    let lines: Vec<String> = table()
        .iter()
        .enumerate()
        .flat_map(|(number, row)| [death(number), failure(number, &row.text)])
        .collect();
    std::fs::write(&log, lines.join("\n")).unwrap();
    pod_logs(&pods);
    let (log, pods) = (log.to_str().unwrap(), pods.to_str().unwrap());
    for arguments in [
        &["parse", log][..],
        &["parse", "--all", log],
        &["explain", log, "--pod-logs", pods],
        &["explain", log, "--pod-logs", pods, "--output", "json"],
    ] {
        let output = podwhy(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        hold(&format!("{arguments:?}"), &[output.stdout.clone(), output.stderr].concat());
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        for row in table().iter().filter(|row| row.secrets.is_empty()) {
            let json = serde_json::Value::from(row.text.as_str()).to_string();
            let json = json.trim_matches('"');
            assert!(
                told.contains(&row.text) || told.contains(json),
                "{arguments:?} hides the harmless {}",
                row.name
            );
        }
    }
    // A bare text, as somebody pastes it out of a chat.
    for row in table() {
        let paste = folder.path().join("paste");
        std::fs::write(&paste, format!("Error: {}\n", row.text)).unwrap();
        for form in ["text", "json"] {
            let arguments = ["explain", "--output", form, paste.to_str().unwrap()];
            let output = podwhy(&arguments).output().unwrap();
            hold(&row.name, &[b" ".to_vec(), output.stdout, output.stderr].concat());
        }
    }
}

#[test]
fn no_secret_is_kept_as_last_words() {
    let folder = tempfile::tempdir().unwrap();
    pod_logs(folder.path());
    for (number, row) in table().iter().enumerate() {
        let instance = podwhy::fact::Instance {
            pod: podwhy::fact::PodRef {
                namespace: Some("shop".to_owned()),
                name: Some(format!("web-{number}")),
                uid: Some(load::uid(number)),
            },
            container: "app".to_owned(),
            ..podwhy::fact::Instance::default()
        };
        let bounds = podwhy::node::last_words::Bounds::default();
        let words = podwhy::node::last_words::read(folder.path(), &instance, &bounds).unwrap();
        let told = words.lines.join("\n");
        for secret in &row.secrets {
            assert!(!told.contains(secret.as_str()), "{}: {told}", row.name);
        }
        assert!(!row.secrets.is_empty() || told.contains(&row.text), "{}: {told}", row.name);
    }
}

#[test]
fn no_secret_leaves_a_running_agent() {
    if !crate::journald::available("no_secret_leaves_a_running_agent") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let journald = Journald::start(Settings::default());
    let (endpoint, heard) = receiver();
    let mut setup = Setup::new(folder.path(), journald.root(), &endpoint);
    let pods = folder.path().join("pods");
    pod_logs(&pods);
    setup.more = format!("evidence: {{ pod_logs: {}, last_words: tail }}\n", pods.display());
    setup.more.push_str("kubernetes: { enabled: false }\n");
    let mut agent = setup.start_plain();
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    write(&mut kubelet);
    let count = table().len();
    wait::until("every row was sent", LONG, || {
        let heard = heard.lock().unwrap();
        (0..count).all(|number| {
            let uid = load::uid(number);
            heard.windows(uid.len()).any(|window| window == uid.as_bytes())
        })
    });
    write(&mut kubelet);
    let config = setup.config_file();
    let ask = |arguments: &[&str]| {
        let output = podwhy(arguments).arg("--config").arg(&config).output().unwrap();
        [output.stdout, output.stderr].concat()
    };
    let mut open = 0;
    let opened = wait::reached(LONG, || {
        let told = ask(&["why", "--output", "json"]);
        open = String::from_utf8_lossy(&told).lines().count();
        open >= count / 2
    });
    assert!(opened, "{open} incidents of {count} pods are told");
    hold("why", &ask(&["why", "--all"]));
    hold("why --output json", &ask(&["why", "--all", "--output", "json"]));
    let file = folder.path().join("b.tar.gz");
    hold("bundle", &ask(&["bundle", "-o", file.to_str().unwrap()]));
    let members = bundle::members(&file);
    assert_eq!(members.len(), 6);
    for (name, text) in members {
        hold(&format!("{name} of the bundle"), text.as_bytes());
    }
    let (_, lines) = bundle::members(&file).into_iter().find(|it| it.0 == "journal.jsonl").unwrap();
    assert!(lines.lines().count() >= 2 * count, "the journal's lines are in it");
    assert!(agent.terminate().success());
    hold("the agent's own log", &std::fs::read(setup.log()).unwrap());
    hold("what is sent", &heard.lock().unwrap());

    // The same journal, printed: as JSON into a pipe, as text on a terminal.
    for terminal in [false, true] {
        printed(folder.path(), &config, terminal);
    }
}

/// What the agent prints of the journal holds no secret either.
fn printed(folder: &Path, config: &Path, terminal: bool) {
    let state = folder.join(format!("printed-{terminal}"));
    std::fs::create_dir(&state).unwrap();
    let settings = [format!("state.folder={}", state.display()), "export.endpoint=null".into()];
    let mut words = vec![env!("CARGO_BIN_EXE_podwhy").to_owned(), "agent".into(), "--once".into()];
    words.extend(["--config".into(), config.display().to_string()]);
    words.extend(settings.iter().flat_map(|setting| ["--set".into(), setting.clone()]));
    let mut command = if terminal {
        let mut command = Command::new("script");
        command.args(["-qec", &words.join(" "), "/dev/null"]);
        command
    } else {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    };
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("SHELL", "/bin/sh");
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let shown = String::from_utf8_lossy(&told).into_owned();
    assert!(shown.contains("web-60"), "terminal {terminal}: {}", &shown[..shown.len().min(2000)]);
    hold(&format!("the agent's output, terminal: {terminal}"), &told);
}
