//! `podwhy why` as a process, against an agent that reads a journald of the test's own.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::agent::{Agent, Setup};
use crate::journald::{Journald, Settings};
use crate::load::Node;
use crate::wait;

const SOON: Duration = Duration::from_secs(60);

/// The program with an environment that says nothing.
pub fn podwhy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podwhy"));
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::null());
    command
}

pub fn text(output: &Output) -> (String, String) {
    let read = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (read(&output.stdout), read(&output.stderr))
}

/// One JSON object a line.
pub fn objects(output: &Output) -> Vec<Value> {
    text(output).0.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// An agent on a node on which pod 0 fails.
#[derive(Debug)]
pub struct Stage {
    pub journald: Journald,
    pub agent: Agent,
    pub setup: Setup,
    pub node: Node,
    pub folder: tempfile::TempDir,
}

impl Stage {
    /// `None`, said by name, where it cannot be.
    pub fn set(test: &str) -> Option<Self> {
        if !crate::journald::available(test) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journald = Journald::start(Settings::default());
        // Nobody listens there: what is known does not depend on who hears of it.
        let setup = Setup::new(folder.path(), journald.root(), "http://127.0.0.1:9");
        let agent = setup.start();
        let node = Node::new(&journald);
        Some(Self { journald, agent, setup, node, folder })
    }

    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = podwhy(arguments);
        command.arg("--config").arg(self.setup.config_file());
        command
    }

    /// Pod 0 fails until the agent tells an incident of it.
    pub fn fail(&mut self) -> Vec<Value> {
        let (mut told, mut last) = (Vec::new(), None);
        let is_told = wait::reached(SOON, || {
            self.node.chat(0);
            self.node.fail(0);
            self.node.flush();
            let answer = self.ask(&["why", "--output", "json"]);
            told = if answer.status.success() { objects(&answer) } else { Vec::new() };
            last = Some(answer);
            !told.is_empty()
        });
        let log = || std::fs::read_to_string(self.setup.log()).unwrap_or_default();
        assert!(is_told, "no incident; the last answer: {last:?}; the agent:\n{}", log());
        told
    }
}

#[test]
fn without_an_agent_it_says_where_it_looked_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    for command in ["why", "bundle"] {
        let output = podwhy(&[command, "--state", state]).output().unwrap();
        let (stdout, stderr) = text(&output);
        assert_eq!((output.status.code(), stdout.as_str()), (Some(1), ""));
        assert!(stderr.contains(&format!("{state}/podwhy.sock")), "{stderr}");
        assert!(stderr.contains("--state") && stderr.contains("no agent runs here"), "{stderr}");
    }
}

#[test]
fn an_open_incident_is_told_in_text_and_json_and_by_filter() {
    let name = "an_open_incident_is_told_in_text_and_json_and_by_filter";
    let Some(mut stage) = Stage::set(name) else { return };
    let told = stage.fail();
    assert_eq!(told.len(), 1, "{told:?}");
    let (id, cause) = (&told[0]["id"], told[0]["cause"]["id"].as_str().unwrap());
    assert_eq!(told[0]["pods"][0]["name"], "web-0");

    let (all, _) = text(&stage.ask(&["why"]));
    assert!(all.starts_with("OPEN shop/web-0"), "{all}");
    assert!(all.contains("open for ") && all.contains(", since 20"), "{all}");
    assert!(all.contains("node-a: 1 unsolved, 0 over, as of 20"), "{all}");

    for matching in [
        &["why", "shop/web-0"][..],
        &["why", "web"],
        &["why", "--cause", cause],
        &["why", "--namespace", "shop", "--step", "startcontainer", "--since", "1h"],
    ] {
        let found = objects(&stage.ask(&[matching, &["--output", "json"]].concat()));
        assert_eq!(found.len(), 1, "{matching:?}");
        assert_eq!(&found[0]["id"], id);
    }
    for other in [&["why", "node"][..], &["why", "--cause", "no_such"], &["why", "-n", "other"]] {
        let output = stage.ask(other);
        let (stdout, stderr) = text(&output);
        assert!(output.status.success(), "{other:?}: {stderr}");
        assert!(stdout.contains("nothing of that kind is open"), "{other:?}: {stdout}");
    }
    let output = stage.ask(&["why", "shop/elsewhere-0"]);
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("kubectl -n shop get pod elsewhere-0 -o wide"), "{stderr}");
    assert!(stderr.contains("-- podwhy why shop/elsewhere-0"), "{stderr}");
}

#[test]
fn an_incident_outlives_its_agent_and_keeps_its_id() {
    let Some(mut stage) = Stage::set("an_incident_outlives_its_agent_and_keeps_its_id") else {
        return;
    };
    let before = stage.fail();
    stage.agent.kill();
    let (_, stderr) = text(&stage.ask(&["why"]));
    assert!(stderr.contains("nobody listens"), "{stderr}");
    stage.agent = stage.setup.start();
    let mut after = Vec::new();
    wait::until("the agent answers again", SOON, || {
        let answer = stage.ask(&["why", "--output", "json"]);
        after = if answer.status.success() { objects(&answer) } else { Vec::new() };
        !after.is_empty()
    });
    assert_eq!(after[0]["id"], before[0]["id"]);
    assert_eq!(after[0]["state"], "open", "a restart proves nothing");
}

#[test]
fn a_watch_waits_and_is_left_quietly() {
    let Some(mut stage) = Stage::set("a_watch_waits_and_is_left_quietly") else { return };
    stage.fail();
    let out = stage.folder.path().join("watch.out");
    let file = std::fs::File::create(&out).unwrap();
    let mut watch = stage
        .command(&["why", "shop/web-0", "--watch"])
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let told = || std::fs::read_to_string(&out).unwrap();
    wait::until("the incident is told", SOON, || told().contains("OPEN shop/web-0"));
    let pid = Pid::from_raw(i32::try_from(watch.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = watch.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let told = told();
    assert_eq!(told.matches("OPEN shop/web-0").count(), 1, "{told}");
    assert!(!told.contains("podwhy:"), "quietly: {told}");

    let nothing = stage.ask(&["why", "shop/other-0", "--watch"]);
    assert!(nothing.status.success(), "nothing to wait for: {:?}", text(&nothing));
}
