//! podwhy as a plugin of kubectl, with a real agent at the other end. In kubectl's place stands a
//! script that tells of two nodes, and runs what is to run in the agent's pod here.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::why::{Stage, podwhy, text};

/// Writes down how it is called; answers `get`, `exec` and `port-forward`.
const KUBECTL: &str = r#"#!/bin/sh
echo "$*" >> "$LOG"
pod() { printf '{"metadata":{"namespace":"%s","name":"%s"},"spec":{"nodeName":"%s"},"status":{"phase":"Running"}}' "$1" "$2" "$3"; }
case "$*" in
  *"get pod web-0"*) pod shop web-0 node-a ;;
  *"get pod lost-0"*) pod shop lost-0 node-x ;;
  *"get pod "*) echo 'Error from server (NotFound): pods "no-0" not found' >&2; exit 1 ;;
  *spec.nodeName=node-a*) printf '{"items":['; pod podwhy podwhy-a node-a; printf ']}' ;;
  *spec.nodeName=*) printf '{"items":[]}' ;;
  *"get pods"*) printf '{"items":['; pod podwhy podwhy-a node-a; printf ','; pod podwhy podwhy-b node-b; printf ']}' ;;
  *exec*podwhy-b*) echo 'error: unable to upgrade connection: container not found' >&2; exit 1 ;;
  *exec*podwhy-a*) while [ "$1" != -- ]; do shift; done; shift 2; exec "$PODWHY" "$@" --config "$CONFIG" ;;
  *port-forward*) port=${*##*:}; echo $$ > "$LOG.pid"; echo "Forwarding from 127.0.0.1:$port -> $port"; exec sleep 600 ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"#;

struct Desk {
    plugin: PathBuf,
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Desk {
    fn at(config: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubectl = folder.path().join("kubectl");
        std::fs::write(&kubectl, KUBECTL).unwrap();
        std::fs::set_permissions(&kubectl, PermissionsExt::from_mode(0o755)).unwrap();
        let plugin = folder.path().join("kubectl-podwhy");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_podwhy"), &plugin).unwrap();
        Self { plugin, folder, config: config.to_owned() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.plugin);
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().display()));
        command.env("LOG", self.folder.path().join("log")).env("CONFIG", &self.config);
        command.env("PODWHY", env!("CARGO_BIN_EXE_podwhy"));
        command
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

#[test]
fn a_pod_is_asked_about_where_it_is_and_a_node_shows_its_page() {
    let name = "a_pod_is_asked_about_where_it_is_and_a_node_shows_its_page";
    let Some(mut stage) = Stage::set(name) else { return };
    stage.fail();
    let desk = Desk::at(&stage.setup.config_file());

    let (told, _) = text(&desk.ask(&["why", "pod/web-0", "-n", "shop", "--context", "blue"]));
    assert!(told.starts_with("OPEN shop/web-0"), "{told}");
    let log = desk.log();
    assert!(log.contains("--context=blue get pod web-0 --namespace shop --output json"), "{log}");
    assert!(log.contains("exec --namespace podwhy podwhy-a -- podwhy why shop/web-0"), "{log}");
    let (told, _) = text(&desk.ask(&["why", "node/node-a"]));
    assert!(told.contains("node-a: "), "{told}");
    let json = text(&desk.ask(&["why", "shop/web-0", "--output", "json"])).0;
    assert!(json.starts_with('{') && json.contains("\"state\":\"open\""), "{json}");

    let nodes = desk.ask(&["nodes"]);
    let (told, beside) = text(&nodes);
    assert_eq!(nodes.status.code(), Some(1), "not all answered: {told}{beside}");
    assert!(told.contains("node-a  1     shop/web-0: "), "{told}");
    assert!(told.contains("node-b  ?     error: unable to upgrade connection"), "{told}");
    assert!(beside.contains("1 of 2 agents answered"), "{beside}");

    // As long as kubectl forwards, and no longer; and kubectl no longer than it is wanted.
    for ends_first in ["kubectl", "podwhy"] {
        page(&desk, ends_first);
    }
}

/// Its address opens the page; then one of both is told to end.
fn page(desk: &Desk, ends_first: &str) {
    let mut open = desk.command(&["open", "node-a"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(open.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let rest = address.trim().strip_prefix("http://").expect(&address);
    let (place, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = std::net::TcpStream::connect(place).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "the address opens the page: {answer}");
    let kubectl = std::fs::read_to_string(desk.folder.path().join("log.pid")).unwrap();
    let kubectl = Pid::from_raw(kubectl.trim().parse().unwrap()).unwrap();
    let own = Pid::from_raw(i32::try_from(open.id()).unwrap()).unwrap();
    let first = if ends_first == "kubectl" { kubectl } else { own };
    kill_process(first, Signal::TERM).unwrap();
    let status = open.wait().unwrap();
    assert_eq!(status.success(), ends_first == "podwhy", "{status}");
    assert!(test_kill_process(kubectl).is_err(), "kubectl ended, too");
}

#[test]
fn what_cannot_be_asked_is_said_in_one_sentence() {
    let desk = Desk::at(Path::new("/nowhere"));
    for (arguments, says) in [
        (&["why", "no-0"][..], "pods \"no-0\" not found"),
        (&["why", "lost-0"], "no agent is on node-x"),
        (&["why", "a;b"], "names nothing"),
        (&["open", "node-z"], "no agent is on node-z"),
    ] {
        let output = desk.ask(arguments);
        let (stdout, stderr) = text(&output);
        assert_eq!((output.status.code(), stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(stderr.contains(says) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
    let mut alone = desk.command(&["nodes"]);
    let (_, stderr) = text(&alone.env("PATH", "/nowhere").output().unwrap());
    assert!(stderr.contains("kubectl is not in the path"), "{stderr}");
    assert!(text(&podwhy(&["nodes"]).output().unwrap()).1.contains("unrecognized subcommand"));
}
