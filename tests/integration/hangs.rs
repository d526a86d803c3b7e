//! A file system that answers, stops to answer while the agent reads from it, and goes: under a followed
//! log file and under the folder of container logs. Said within a deadline, by a record, by `why` and
//! by `check`, and said again when it is over; the journal goes on meanwhile.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::agent::{Agent, Setup};
use crate::collector::Collector;
use crate::files::Kubelet;
use crate::load::{self, Node};
use crate::main_path::{SOON, once_each, parts, setup, wait_for_pods};
use crate::scarce::NEVER;
use crate::wait;

/// From the last answer to the record that there is none: a look, the time in which it is no hang,
/// and the time in which it may pass.
const WITHIN: Duration = Duration::from_secs(60);

/// Makes a link lead somewhere else in one step.
fn lead(link: &Path, to: &Path) {
    let new = link.with_extension("new");
    symlink(to, &new).unwrap();
    fs::rename(new, link).unwrap();
}

/// Waits for a record that a source is so; its text.
fn told(collector: &Collector, source: &str, status: &str) -> String {
    let mut text = None;
    wait::until(&format!("{source} is told to be {status}"), WITHIN, || {
        text = collector.received().iter().find_map(|record| {
            let is_it = record.event == "podwhy.node_check"
                && record.text("podwhy.check.name") == source
                && record.text("podwhy.check.status") == status;
            is_it.then(|| record.body.clone())
        });
        text.is_some()
    });
    text.unwrap()
}

/// `podwhy` as the agent sees the node.
fn podwhy(agent: &Agent, arguments: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &agent.pid().to_string(), env!("CARGO_BIN_EXE_podwhy")]);
    command.args(arguments).env_clear();
    command
}

fn text(mut command: Command) -> String {
    let output = command.output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All that `check` says, and the command: a thread that waits in the kernel holds its end.
fn checked(mut command: Command) -> (String, Child) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut all = String::new();
    while !all.lines().any(|line| line.starts_with("clock ")) {
        all += &lines.next().expect("more to say").unwrap();
        all.push('\n');
    }
    (all, child)
}

/// Takes the file system away: whoever waits for it gets an error.
fn abort(agent: &Agent, mount: &Path, folder: &Path) {
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", agent.pid())).unwrap();
    let place = mount.display().to_string();
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let fields = fields.find(|fields| fields[4] == place).expect("it is mounted");
    let (_, minor) = fields[2].split_once(':').unwrap();
    let control = folder.join("control");
    fs::create_dir(&control).unwrap();
    let script = "mount -t fusectl none \"$1\" && echo 1 > \"$1/$2/abort\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    let status = command.arg(&control).arg(minor).status().expect("unshare starts");
    assert!(status.success());
}

/// An agent that sees a file system which never answers, and follows links that do not lead there yet.
fn begin(setup: &mut Setup, folder: &Path) -> Agent {
    let place = |name: &str| folder.join(name);
    let (hung, logs, pods) = (place("hung"), place("logs"), place("pods"));
    fs::create_dir(&hung).unwrap();
    for name in ["real-logs", "real-pods"] {
        fs::create_dir(place(name)).unwrap();
    }
    let pod = place("real-pods").join(format!("shop_web-0_{}/app", load::uid(0)));
    fs::create_dir_all(&pod).unwrap();
    fs::write(pod.join("0.log"), "").unwrap();
    lead(&logs, &place("real-logs"));
    lead(&pods, &place("real-pods"));
    fs::write(place("never.py"), NEVER).unwrap();
    setup.more = format!(
        "files: {{ paths: [\"{}/kubelet.log=kubelet\"] }}\n\
         evidence: {{ pod_logs: {} }}\n\
         kubernetes: {{ enabled: false }}\n",
        logs.display(),
        pods.display()
    );
    setup.start_after(&format!(
        "exec python3 {} {} \"$0\" \"$@\"",
        place("never.py").display(),
        hung.display()
    ))
}

#[test]
fn a_source_that_hangs_while_it_is_read_is_said_in_time_and_said_again_when_it_is_over() {
    let test =
        "a_source_that_hangs_while_it_is_read_is_said_in_time_and_said_again_when_it_is_over";
    let Some((journald, collector, folder)) = parts(test) else { return };
    if !Path::new("/dev/fuse").exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: no /dev/fuse");
        println!("SKIPPED {test}: no /dev/fuse");
        return;
    }
    let place = |name: &str| folder.path().join(name);
    let (hung, logs, pods) = (place("hung"), place("logs"), place("pods"));
    let mut setup = setup(&folder, &journald, &collector);
    let mut agent = begin(&mut setup, folder.path());
    let (mut kubelet, mut node) = (Kubelet::new(&place("real-logs")), Node::new(&journald));
    (0..20).for_each(|number| kubelet.fail(number));
    (20..40).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 0..40, SOON);

    let begun = Instant::now();
    lead(&logs, &hung);
    lead(&pods, &hung);
    let said = told(&collector, "source_files", "degraded");
    assert!(said.contains("kubelet.log has not answered for"), "{said}");
    let (files_after, said) = (begun.elapsed(), told(&collector, "source_pod_logs", "degraded"));
    assert!(said.contains("pods has not answered for"), "{said}");
    let pods_after = begun.elapsed();
    // The others go on.
    (40..60).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 40..60, SOON);
    let config = setup.config_file().display().to_string();
    let why = text(podwhy(&agent, &["why", "--config", &config]));
    assert_eq!(why.matches("has not answered for").count(), 2, "{why}");
    let asked = Instant::now();
    let (said, mut check) = checked(podwhy(&agent, &["check", "--config", &config]));
    assert!(asked.elapsed() < WITHIN, "{:?}", asked.elapsed());
    for name in ["log files", "pod logs", "last words"] {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line.contains("does not answer within 5 s"), "{said}");
    }

    // Gone, and what was there before is there again.
    lead(&logs, &place("real-logs"));
    lead(&pods, &place("real-pods"));
    (60..80).for_each(|number| kubelet.fail(number));
    abort(&agent, &hung, folder.path());
    let over = told(&collector, "source_files", "ok");
    assert!(over.contains("read again, after"), "{over}");
    told(&collector, "source_pod_logs", "ok");
    wait_for_pods(&collector, 0..80, SOON);
    assert!(check.wait().is_ok());
    let said = text(podwhy(&agent, &["check", "--config", &config]));
    assert!(said.contains("1 pods, 1 containers, 0 of them read as they grow"), "{said}");
    assert!(agent.terminate().success());
    once_each(&collector.received(), 80);
    println!(
        "written 80, arrived 80, lost 0, repeated 0; told after {files_after:?} and {pods_after:?}"
    );
}
