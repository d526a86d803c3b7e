//! What is exported, its bound, and that the documentation names all of it.

use std::collections::BTreeSet;

use super::*;
use crate::admin::figures::LOSS_SOURCES;
use crate::catalogue;
use crate::node::{Cni, Disk};
use crate::node::{CniReason, DiskRole};
use crate::source::LossKind;

/// What the core of a busy node counted.
fn counted() -> Figures {
    let mut figures = Figures::default();
    let pairs = [
        ("StartContainer", "CrashLoopBackOff"),
        ("StartContainer", "ImagePullBackOff"),
        ("StartContainer", "ErrImagePull"),
        ("StartContainer", "CreateContainerConfigError"),
        ("StartContainer", "RunContainerError"),
        ("CreatePodSandbox", "CreatePodSandboxError"),
        ("MountVolume", "FailedMount"),
    ];
    for (step, reason) in pairs {
        figures.failed(step, Some(reason));
    }
    // kubelet, containerd, kernel, systemd, logs of pods.
    figures.lines[0] = [9, 9, 9, 1, 0];
    figures.lines[1] = [9, 9, 9, 1, 1];
    for source in [4, 5, 6] {
        figures.lines[source][4] = 9;
        figures.last_line[source] = 1_000_000;
    }
    figures.last_line[..2].fill(1_000_000);
    figures.restarts = 3;
    for (class, scope) in [("exit", "pod"), ("image", "workload"), ("node", "node")] {
        figures.opened.insert((class, scope), 2);
        figures.ended.insert((class, scope, "resolved"), 1);
        figures.durations.insert(scope, ([1; DURATIONS.len() + 1], 90.0));
    }
    figures.kills.insert("container_limit", 1);
    figures.losses.insert((LOSS_SOURCES[0], LossKind::Suppressed.name()), (1, 40));
    figures
}

fn looked_at() -> View {
    let disk = |role| Disk {
        role,
        at: 1,
        free_bytes: 10,
        total_bytes: 20,
        inodes_free: Some(1),
        inodes_total: Some(2),
        read_only: Some(false),
    };
    let roles = [DiskRole::Kubelet, DiskRole::Runtime, DiskRole::Log, DiskRole::Root];
    let cni = Cni {
        at: 1,
        ready: false,
        reason: Some(CniReason::ConfigMissing),
        detail: None,
        leases_used: Some(1),
        leases_free: Some(2),
    };
    View { disks: roles.map(disk).to_vec(), cni: Some(cni), ..View::default() }
}

fn destination(name: &str) -> Destination {
    Destination {
        name: name.to_owned(),
        batches: ["delivered", "partial", "retried", "refused", "paused"]
            .map(|it| (it, 0))
            .to_vec(),
        last_success: Some(1),
        ..Destination::default()
    }
}

/// A busy node with everything on.
fn full() -> Scrape {
    let present = |class, cause, scope, step| Present {
        class,
        cause,
        scope,
        step,
        pods: 2,
        is_member: false,
    };
    let mut redacted = redact::Counts::default();
    let text = "https://u:p@host/path?X-Amz-Signature=0123456789abcdef0123";
    assert!(!redact::scrub(text, &mut redacted).contains("0123"));
    Scrape {
        figures: counted(),
        present: vec![
            present("exit", "oom_container", "pod", "StartContainer"),
            present("node", "node_disk_pressure", "node", "Node"),
        ],
        spikes: [
            ("StartContainer", None),
            ("CreatePodSandbox", Some(7.5)),
            ("kubelet_lines", Some(5.0)),
        ]
        .into(),
        observations: 9,
        redacted,
        positions: ["journal", "files", "pod_logs"].map(|it| (it.to_owned(), 5_000_000)).to_vec(),
        view: Some(looked_at()),
        queues: vec![
            Queue { signal: "logs", records: 1, bytes: 2, oldest: Some(3) },
            Queue { signal: "traces", ..Queue::default() },
        ],
        is_durable: true,
        destinations: ["otlp", "otlp_traces"].map(destination).to_vec(),
        journals: vec![Journal { source: "journal".to_owned(), ..Journal::default() }],
        ..Scrape::default()
    }
}

fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| {
            let (name, kind) = line.split_once(' ')?;
            Some(if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        })
        .collect()
}

#[test]
fn a_busy_node_has_few_series_and_each_names_its_node() {
    let text = render("node-a", full()).unwrap();
    let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(series.len() <= 150, "{} series:\n{text}", series.len());
    assert!(series.iter().all(|line| line.contains("node=\"node-a\"")), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let expected = [
        "podwhy_sync_failures_total{node=\"node-a\",step=\"MountVolume\",reason=\"FailedMount\"} 1",
        "podwhy_spike_active{node=\"node-a\",step=\"CreatePodSandbox\"} 1.0",
        "podwhy_spike_active{node=\"node-a\",step=\"StartContainer\"} 0.0",
        "podwhy_spike_score{node=\"node-a\",step=\"kubelet_lines\"} 5.0",
        "podwhy_attempts_total{node=\"node-a\",step=\"PullImage\",result=\"failed\"} 2",
        "podwhy_incident_open{node=\"node-a\",cause=\"oom_container\",scope=\"pod\"} 1.0",
        "podwhy_node_cni_ready{node=\"node-a\"} 0.0",
        "podwhy_lines_lost_total{node=\"node-a\",source=\"journal\",why=\"suppressed\"} 40",
    ];
    for line in expected {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_was_opened_once_stays_as_none() {
    let mut scrape = full();
    scrape.present.clear();
    let text = render("n", scrape).unwrap();
    let none = "podwhy_incidents_open{node=\"n\",class=\"exit\",scope=\"pod\"} 0.0";
    assert!(text.contains(none), "{text}");
    assert!(!text.contains("podwhy_incident_open{"), "{text}");
}

#[test]
fn the_documentation_names_all_metrics_and_no_other() {
    let told = names(&render("n", full()).unwrap());
    let page = include_str!("../../../../docs/metrics.md");
    let documented: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.split('{').next().unwrap_or(name).to_owned())
        .filter(|name| !name.starts_with('/'))
        .collect();
    assert_eq!(told, documented);
}

#[test]
fn what_rules_ask_for_is_there_before_it_happens() {
    let text = render("n", Scrape::default()).unwrap();
    for killer in KILLERS_IN_RULES {
        let none = format!("podwhy_kills_total{{node=\"n\",killer=\"{killer}\"}} 0");
        assert!(text.contains(&none), "{text}");
    }
}

#[test]
fn every_cause_of_ours_can_be_a_label() {
    for (_, cause) in catalogue::builtin().causes() {
        let is_word =
            cause.id.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
        assert!(is_word, "{}", cause.id);
    }
}
