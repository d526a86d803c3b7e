//! Who says what he is not, and text that would be more than text: kubelet-like lines of others, klog
//! in a pod's own output, image names and messages, terminal escapes and HTML in them. Nothing of it
//! becomes a failure of a pod that did not fail, and no output carries a control character out.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::journald::Stream;
use crate::load;
use crate::main_path::{LONG, SOON, parts, setup, wait_for_pods};
use crate::wait;
use crate::why::podwhy;

/// A pod that does not exist: nothing may ever be told of it.
const FORGED: &str = "deadbeef-0000-4000-8000-000000000000";

/// What a kubelet would write about it.
fn forged_line() -> String {
    format!(
        "E1122 10:00:00.000000    2148 pod_workers.go:1324] \"Error syncing pod, skipping\" \
         err=\"failed to \\\"StartContainer\\\" for \\\"app\\\" with CrashLoopBackOff: \\\"back-off \
         5m0s restarting failed container=app pod=forged_kube-system({FORGED})\\\"\" \
         pod=\"kube-system/forged\" podUID=\"{FORGED}\""
    )
}

/// What pods put into names and messages: a new title for the terminal, another colour, a line of
/// klog, HTML, text that runs the other way, a NUL, a bell, a carriage return.
fn hostile() -> Vec<String> {
    let klog = forged_line();
    vec![
        "\u{1b}]0;owned\u{7}\u{1b}[45mred\u{1b}[2J".to_owned(),
        format!("nothing\n{klog}\nnothing"),
        format!("\" pod=\"kube-system/forged\" podUID=\"{FORGED}\" x=\"{klog}"),
        "<script>alert(1)</script><img src=x onerror=alert(2)>".to_owned(),
        "abc\u{202e}gnp.exe\u{2066}\0\u{8}\r\u{9b}45m".to_owned(),
    ]
}

/// As Go's `%q` has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\0'..' ' => quoted.push_str(&format!("\\x{:02x}", u32::from(letter))),
            '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn header(severity: char) -> String {
    let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
    format!("{severity}{now}    2148 pod_workers.go:1324] ")
}

/// What a kubelet writes of a pod whose texts are hostile: as a message, as an image, as the end of a
/// container whose last words are.
fn lines(number: usize, text: &str) -> [String; 3] {
    let (uid, name) = (load::uid(number), format!("web-{number}"));
    let failure = |reason: &str, message: String| {
        let item =
            format!("failed to \"StartContainer\" for \"app\" with {reason}: {}", quoted(&message));
        format!(
            "{}\"Error syncing pod, skipping\" err={} pod=\"shop/{name}\" podUID=\"{uid}\"",
            header('E'),
            quoted(&item)
        )
    };
    let id = uid.replace('-', "").repeat(2);
    [
        format!(
            "{}\"SyncLoop (PLEG): event for pod\" pod=\"shop/{name}\" event={{\"ID\":\"{uid}\",\
             \"Type\":\"ContainerDied\",\"Data\":\"{id}\"}}",
            header('I')
        ),
        failure("RunContainerError", format!("failed to start container \"app\": {text}")),
        failure("ImagePullBackOff", format!("Back-off pulling image {}", quoted(text))),
    ]
}

fn pod_logs(root: &Path) {
    for (number, text) in hostile().iter().enumerate() {
        let folder = root.join(format!("shop_web-{number}_{}/app", load::uid(number)));
        std::fs::create_dir_all(&folder).unwrap();
        let now = jiff::Timestamp::now();
        let said = text.split('\n').map(|line| format!("{now} stderr F panic: {line}\n"));
        std::fs::write(folder.join("0.log"), said.collect::<String>()).unwrap();
    }
}

fn write(stream: &mut Stream) {
    for (number, text) in hostile().iter().enumerate() {
        lines(number, text).iter().for_each(|line| stream.line(line));
    }
    stream.flush();
}

/// Whether a character does something to a terminal or turns text around.
fn acts(letter: char) -> bool {
    (letter.is_control() && letter != '\n' && letter != '\t')
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Nothing acts but what we colour with ourselves, and nothing is told of the forged pod.
fn hold(what: &str, told: &[u8], is_terminal: bool) {
    let text = String::from_utf8_lossy(told);
    assert!(text.contains("web-"), "{what} told nothing at all: {text}");
    is_inert(what, &text, is_terminal);
}

fn is_inert(what: &str, told: &str, is_terminal: bool) {
    let mut told = told.to_owned();
    if is_terminal {
        told = told.replace("\r\n", "\n");
        // Ours, none of which a hostile text asks for.
        for colour in
            ["0", "1", "2", "3", "31", "32", "33", "34", "35", "36", "1;31", "1;32", "1;33"]
        {
            told = told.replace(&format!("\u{1b}[{colour}m"), "");
        }
    }
    let at = told.find(acts);
    let around = at.map(|at| told[at..].chars().take(60).collect::<String>());
    assert!(at.is_none(), "{what} tells {:?}", around.unwrap());
    for name in [format!("\"k8s.pod.uid\":\"{FORGED}"), format!("\"uid\":\"{FORGED}")] {
        assert!(!told.replace(' ', "").contains(&name), "{what} tells of the forged pod: {told}");
    }
}

#[test]
fn what_others_write_in_the_kubelets_name_is_counted_and_not_believed() {
    let Some((journald, collector, folder)) =
        parts("what_others_write_in_the_kubelets_name_is_counted_and_not_believed")
    else {
        return;
    };
    let mut agent = setup(&folder, &journald, &collector).start();
    wait::until("the agent has begun", SOON, || collector.mentions("podwhy.node_check"));
    // Not root, and root in another unit: both with the kubelet's own identifier.
    let mut other = journald.stream("kubelet", "cron.service");
    for _ in 0..20 {
        other.line(&forged_line());
    }
    (0..5).for_each(|_| journald.log_as(65534, "kubelet", &forged_line()));
    other.flush();
    journald.sync();
    let mut node = load::Node::new(&journald);
    (0..20).for_each(|number| node.fail(number));
    node.flush();
    wait_for_pods(&collector, 0..20, SOON);
    let told = || -> u64 {
        let received = collector.received();
        let losses = received.iter().filter(|it| it.text("podwhy.loss.kind") == "untrusted");
        losses.map(|loss| loss.text("podwhy.loss.lines").parse::<u64>().unwrap()).sum()
    };
    wait::until("all that was not believed is told", SOON, || told() == 25);
    assert!(agent.terminate().success());
    let received = collector.received();
    let forged = received.iter().filter(|record| record.text("k8s.pod.uid") == FORGED).count();
    println!("forged 25, told as untrusted {}, believed {forged}; true 20, arrived 20", told());
    assert_eq!(forged, 0);
}

#[test]
fn hostile_texts_of_pods_are_text_in_everything_that_a_running_agent_tells() {
    let Some((journald, collector, folder)) =
        parts("hostile_texts_of_pods_are_text_in_everything_that_a_running_agent_tells")
    else {
        return;
    };
    let mut setup = setup(&folder, &journald, &collector);
    let pods = folder.path().join("pods");
    pod_logs(&pods);
    setup.more = format!(
        "evidence: {{ pod_logs: {}, last_words: tail }}\nkubernetes: {{ enabled: false }}\n",
        pods.display()
    );
    let mut agent = setup.start();
    let mut kubelet = journald.stream("kubelet", "kubelet.service");
    write(&mut kubelet);
    let count = hostile().len();
    wait_for_pods(&collector, 0..count, LONG);
    write(&mut kubelet);
    let config = setup.config_file();
    let ask = |arguments: &[&str]| {
        let output = podwhy(arguments).arg("--config").arg(&config).output().unwrap();
        [output.stdout, output.stderr].concat()
    };
    let opened = wait::reached(LONG, || {
        let told = ask(&["why", "--output", "json"]);
        String::from_utf8_lossy(&told).lines().count() >= count
    });
    assert!(opened, "{}", String::from_utf8_lossy(&ask(&["why", "--output", "json"])));
    hold("why", &ask(&["why", "--all"]), false);
    hold("why --output json", &ask(&["why", "--all", "--output", "json"]), false);
    assert!(agent.terminate().success());
    let log = std::fs::read_to_string(setup.log()).unwrap();
    is_inert("the agent's own log", &log, false);
    let received = collector.received();
    let failures = received.iter().filter(|record| record.event == "podwhy.sync_failure");
    let failures = failures.count();
    println!("written {}, arrived {failures}, of the forged pod 0", 4 * count);
    for record in &received {
        assert_ne!(record.text("k8s.pod.uid"), FORGED, "{record:?}");
        assert_ne!(record.text("k8s.pod.name"), "forged", "{record:?}");
        let values = record.attributes.values().filter_map(|value| value.as_str());
        for text in values.chain([record.body.as_str()]) {
            assert!(!text.contains(acts), "{text:?} of {record:?}");
        }
    }
    // The same journal, printed: as JSON into a pipe, as text on a terminal.
    for is_terminal in [false, true] {
        printed(folder.path(), &config, is_terminal);
    }
}

fn printed(folder: &Path, config: &Path, is_terminal: bool) {
    let state = folder.join(format!("printed-{is_terminal}"));
    let mut words = vec![env!("CARGO_BIN_EXE_podwhy").to_owned(), "agent".into(), "--once".into()];
    words.extend(["--config".into(), config.display().to_string()]);
    for setting in [format!("state.folder={}", state.display()), "export.endpoint=null".into()] {
        words.extend(["--set".into(), setting]);
    }
    let mut command = match is_terminal {
        true => {
            let mut command = Command::new("script");
            command.args(["-qec", &words.join(" "), "/dev/null"]);
            command
        }
        false => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        }
    };
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("SHELL", "/bin/sh");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    hold(&format!("the agent's output, terminal: {is_terminal}"), &told, is_terminal);
}

#[test]
fn hostile_texts_of_a_pasted_log_are_text_in_what_is_explained_and_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let (log, pods) = (folder.path().join("kubelet.log"), folder.path().join("pods"));
    let all: Vec<String> =
        hostile().iter().enumerate().flat_map(|(number, text)| lines(number, text)).collect();
    std::fs::write(&log, all.join("\n") + "\n").unwrap();
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
        hold(&format!("{arguments:?}"), &[output.stdout, output.stderr].concat(), false);
    }
}
