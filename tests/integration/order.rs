//! The same node in one journal, with its kubelet's lines in a file, and with them in a namespace: what
//! piled up before the agent's start is told in the order of time, whatever lies where.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::journald::{available, import};
use crate::recordings::{export_of, field};

const MACHINE: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";

/// Where the kubelet's lines lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kubelet {
    Journal,
    File,
    Namespace,
}

/// What became of each incident: by its id the cause and the state of each time that it was told.
type Story = BTreeMap<String, Vec<[String; 3]>>;

/// Lays the recording out below `root`.
fn lay_out(scenario: &str, root: &Path, kubelet: Kubelet) {
    let export = export_of(scenario);
    let is_kubelet =
        |entry: &&str| field(entry, "_SYSTEMD_UNIT=").as_deref() == Some("kubelet.service");
    let (inside, outside): (Vec<&str>, Vec<&str>) = export
        .split_inclusive("\n\n")
        .partition(|entry| kubelet != Kubelet::Journal && is_kubelet(entry));
    let write = |folder: String, entries: &[&str]| {
        let folder = root.join("var/log/journal").join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(root.join("export"), entries.concat()).unwrap();
        import(&root.join("export"), &folder.join("system.journal"));
    };
    write(MACHINE.to_owned(), &outside);
    match kubelet {
        Kubelet::Journal => {}
        Kubelet::Namespace => write(format!("{MACHINE}.kubelet"), &inside),
        Kubelet::File => {
            let lines = inside.iter().filter_map(|entry| field(entry, "MESSAGE="));
            let lines: String = lines.map(|line| line + "\n").collect();
            let path = root.join("kubelet.log");
            fs::write(&path, lines).unwrap();
            let last = inside.last().and_then(|entry| field(entry, "__REALTIME_TIMESTAMP="));
            let last = Duration::from_micros(last.unwrap().parse().unwrap());
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + last).unwrap();
        }
    }
}

/// What an agent that begins now tells of it, on its standard output.
fn story(scenario: &str, kubelet: Kubelet) -> Story {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    lay_out(scenario, root, kubelet);
    let place = root.display();
    let config = format!(
        "node_name: node-a\n\
         state: {{ folder: {place}/state }}\n\
         journal: {{ root: {place}, catchup: {{ cpu: 1 }}, first_read: {{ max_age: 175200h }} }}\n\
         files: {{ paths: [\"{place}/kubelet.log=kubelet\"] }}\n\
         evidence: {{ pod_logs: {place}/pods }}\n"
    );
    fs::write(root.join("config.yaml"), config).unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_podwhy"));
    agent.args(["agent", "--once", "--config"]).arg(root.join("config.yaml")).env_clear();
    let output = agent.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut story = Story::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        if record["event"] == "podwhy.incident" {
            let word = |path: &str| record.pointer(path).and_then(|it| it.as_str()).unwrap_or("");
            let told = [word("/state"), word("/cause/id"), word("/pod/name")].map(str::to_owned);
            assert!(!word("/id").is_empty() && !told[0].is_empty(), "{line}");
            story.entry(word("/id").to_owned()).or_default().push(told);
        }
    }
    story
}

#[test]
fn what_piled_up_in_several_sources_is_told_as_if_it_had_been_one() {
    if !available("what_piled_up_in_several_sources_is_told_as_if_it_had_been_one") {
        return;
    }
    let scenarios = [
        "oom-killed",
        "cni-config-removed",
        "thirty-at-once",
        "containerd-stopped",
        "liveness-kills",
    ];
    for scenario in scenarios {
        let whole = story(scenario, Kubelet::Journal);
        assert!(!whole.is_empty(), "{scenario}: no incident");
        for kubelet in [Kubelet::Namespace, Kubelet::File] {
            let parted = story(scenario, kubelet);
            let told: usize = parted.values().map(Vec::len).sum();
            println!("{scenario} {kubelet:?}: {} incidents told in {told} records", parted.len());
            assert_eq!(parted, whole, "{scenario}, the kubelet's lines in {kubelet:?}");
        }
    }
}
