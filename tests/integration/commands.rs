//! `podwhy config` and `podwhy check` as processes: exit codes, what they say, what they leave.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use axum::{Router, extract::Request, http::StatusCode};
use serde_json::Value;

/// The program with an environment that says nothing.
fn podwhy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podwhy"));
    command.args(arguments).env_clear();
    command
}

fn text(output: &Output) -> (String, String) {
    let read = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (read(&output.stdout), read(&output.stderr))
}

/// `check` with a state folder of its own; the answer and the exit code.
fn check(settings: &[String], variables: &[(&str, &str)]) -> (Value, i32) {
    let state = tempfile::tempdir().expect("a folder");
    let mut command = podwhy(&["check", "--output", "json", "--set", "journal.enabled=false"]);
    command.arg("--set").arg(format!("state.folder={}", state.path().display()));
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    let output = command.envs(variables.iter().copied()).output().expect("it runs");
    let (stdout, stderr) = text(&output);
    let value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert_eq!(
        std::fs::read_dir(state.path()).expect("the folder").count(),
        0,
        "something was left behind"
    );
    (value, output.status.code().expect("it ended by itself"))
}

fn finding<'v>(value: &'v Value, name: &str) -> &'v Value {
    let all = value["checks"].as_array().expect("a list");
    all.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {value}"))
}

/// A receiver that answers everything with one status and remembers what it was asked.
fn receiver(status: StatusCode) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let answer = move |request: Request| {
        let token =
            request.headers().get("authorization").map(|value| value.to_str().expect("text"));
        let line = format!("{} {} {}", request.method(), request.uri(), token.unwrap_or("-"));
        heard.lock().expect("no panic").push(line);
        async move { status }
    };
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, Router::new().fallback(answer)).await.expect("it serves");
        });
    });
    (format!("http://{address}"), asked)
}

#[test]
fn a_bad_configuration_ends_with_64_and_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    std::fs::write(&file, "log:\n  levle: info\n").unwrap();
    let file = file.to_str().unwrap();
    for arguments in [&["config", "check", file][..], &["check", "--config", file]] {
        let output = podwhy(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        let (stdout, stderr) = text(&output);
        let told =
            format!("podwhy: {file}, line 2: log.levle: unknown field, did you mean `level`?\n");
        assert_eq!((stdout.as_str(), stderr), ("", told));
    }
}

#[test]
fn what_config_prints_is_a_right_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["config", "print"][..], &["config", "print", "--effective"]] {
        let printed = podwhy(arguments).output().unwrap();
        assert_eq!(printed.status.code(), Some(0));
        let file = folder.path().join("printed.yaml");
        std::fs::write(&file, printed.stdout).unwrap();
        let checked = podwhy(&["config", "check", file.to_str().unwrap()]).output().unwrap();
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked).1);
    }
    let effective = podwhy(&["config", "print", "--effective"])
        .env("PODWHY_EXPORT_NAME", "mine")
        .output()
        .unwrap();
    assert!(text(&effective).0.contains("name: mine\n"));
}

#[test]
fn an_endpoint_is_asked_without_storing_anything() {
    let (url, asked) = receiver(StatusCode::METHOD_NOT_ALLOWED);
    let token = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t");
    let (value, code) = check(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), token]);
    assert_eq!((finding(&value, "endpoint")["status"].as_str(), code), (Some("ok"), 0), "{value}");
    assert_eq!(finding(&value, "clock")["what"], "within 30 s of the endpoint's");
    assert_eq!(*asked.lock().unwrap(), ["OPTIONS /v1/logs Bearer t"]);
    assert!(!value.to_string().contains("Bearer"));
}

#[test]
fn an_endpoint_that_refuses_or_is_not_there_fails_with_a_fix() {
    let (url, _) = receiver(StatusCode::UNAUTHORIZED);
    let (value, code) = check(&[format!("export.endpoint={url}")], &[]);
    assert_eq!(code, 1);
    let refused = finding(&value, "endpoint");
    assert_eq!(refused["status"], "failed");
    assert!(refused["fix"].as_str().unwrap().contains("headers_file"), "{refused}");

    // A port that was just free.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (value, code) = check(&[format!("export.endpoint=http://127.0.0.1:{port}")], &[]);
    assert_eq!(code, 1);
    assert!(finding(&value, "endpoint")["what"].as_str().unwrap().contains("refused"), "{value}");
}

#[test]
fn a_look_that_hangs_is_told_and_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    // Opening a pipe that nobody writes to hangs like a dead network filesystem.
    let pipe = folder.path().join("10-hangs.conf");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, rustix::fs::Mode::RUSR, 0).unwrap();
    let place = folder.path().display();
    let settings = [format!("node.cni.config_folders={place}"), "node.timeout=3s".to_owned()];
    let (value, code) = check(&settings, &[]);
    assert_eq!(code, 0, "the node's own trouble is not the agent's");
    let stuck = finding(&value, "pod network");
    assert_eq!(stuck["status"], "degraded");
    assert_eq!(stuck["what"], "does not come back in time");
    assert_eq!(finding(&value, "disk: root")["status"], "ok", "{value}");
}

#[test]
fn the_broken_pod_networks_of_real_nodes_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (configs, plugins) = (folder.path().join("net.d"), folder.path().join("bin"));
    let settings = [
        "node.cni.runtime=containerd".to_owned(),
        format!("node.cni.config_folders={}", configs.display()),
        format!("node.cni.plugin_folders={}", plugins.display()),
    ];
    let network = || {
        let (value, _) = check(&settings, &[]);
        finding(&value, "pod network")["what"].as_str().unwrap().to_owned()
    };
    assert!(network().ends_with("net.d exists"));
    std::fs::create_dir(&configs).unwrap();
    assert!(network().starts_with("no .conf, .conflist or .json in"));
    let chain = r#"{"name":"k","plugins":[{"type":"loopback"}]}"#;
    std::fs::write(configs.join("10-k.conflist"), chain).unwrap();
    std::fs::create_dir(&plugins).unwrap();
    assert!(network().contains("10-k.conflist: plugin loopback is in none of"));
    put_program(&plugins.join("loopback"));
    assert_eq!(network(), "configured, plugins present");
}

/// `agent` with a state folder of its own, until it ends.
fn agent(arguments: &[&str], state: &Path) -> Command {
    let mut command = podwhy(&["agent", "--set", "log.format=json"]);
    command.arg("--set").arg(format!("state.folder={}", state.display()));
    command.arg("--set").arg(format!("journal.root={}", state.join("no-root").display()));
    command.args(arguments);
    command
}

#[test]
fn reading_once_what_cannot_be_read_ends_with_the_reason() {
    let state = tempfile::tempdir().expect("a folder");
    for (setting, reason) in [
        ("journal.library=/nonexistent", "install libsystemd0"),
        ("journal.enabled=false", "journal.enabled is false"),
    ] {
        let output = agent(&["--once", "--set", setting], state.path()).output().expect("it runs");
        let (_, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{setting}: {stderr}");
        assert!(stderr.contains(reason), "{setting}: {stderr}");
    }
}

#[test]
fn an_agent_without_any_journal_says_what_it_looked_for_and_what_to_do() {
    let state = tempfile::tempdir().expect("a folder");
    let output = agent(&["--once"], state.path()).output().expect("it runs");
    let (_, stderr) = text(&output);
    for words in ["no journal can be read", "no-root/run/log/journal: not there", "mount"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
}

#[test]
fn an_endpoint_that_cannot_work_is_bad_configuration() {
    let state = tempfile::tempdir().expect("a folder");
    let set = [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")];
    for mut command in [agent(&["--once"], state.path()), podwhy(&["config", "check"])] {
        let output = command.envs(set).output().expect("it runs");
        let (stdout, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(64), "{stdout}{stderr}");
        assert!(stderr.contains("write it as http://host:4318"), "{stderr}");
    }
}

#[test]
fn a_wrong_file_of_causes_is_bad_configuration() {
    let state = tempfile::tempdir().expect("a folder");
    let file = state.path().join("own.yaml");
    std::fs::write(&file, "class: image\ncauses:\n  - id: own\n    titel: x\n").expect("written");
    let set = format!("diagnosis.causes={}", file.display());
    let mut check = podwhy(&["config", "check"]);
    check.args(["--set", &set]);
    for mut command in [agent(&["--once", "--set", &set], state.path()), check] {
        let output = command.output().expect("it runs");
        let (stdout, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(64), "{stdout}{stderr}");
        assert!(stderr.contains("own.yaml, line 4: ") && stderr.contains("titel"), "{stderr}");
    }
}

#[test]
fn an_agent_whose_output_nobody_reads_ends() {
    let state = tempfile::tempdir().expect("a folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = agent(&[], state.path()).stdout(writer).output().expect("it runs");
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("nobody reads the output any more"), "{stderr}");
}

fn put_program(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, "elf").expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}
