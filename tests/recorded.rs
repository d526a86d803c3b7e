//! What kubelet, containerd and the kernel wrote on a real node: each line that tells of a failure, an end
//! or progress is a production, and says whose it is.

use std::io::Read as _;
use std::path::Path;

use podwhy_parser::{Kind, Message, Origin, Severity, What, parse_from};

/// Errors that say nothing about a pod: a closed pipe of a container that is gone.
const NOISE: [&str; 2] = ["copy shim log", "Failed to pipe "];

#[test]
fn g50_every_line_of_a_recorded_runtime_gives_what_the_id_map_needs() {
    let mut sandboxes = 0;
    let mut containers = 0;
    for line in recorded("containerd") {
        let Some(message) = parse_from(Origin::Containerd, &line) else { panic!("{line}") };
        assert!(!message.truncated, "{line}");
        let facts = message.facts();
        match message.what {
            What::ContainerdRunPodSandboxReturned => {
                let all = [facts.pod.namespace, facts.pod.name, facts.pod.uid, facts.sandbox_id];
                assert!(all.iter().all(Option::is_some), "{line}");
                sandboxes += 1;
            }
            What::ContainerdCreateContainerReturned => {
                let all = [facts.container, facts.container_id, facts.sandbox_id];
                assert!(all.iter().all(Option::is_some), "{line}");
                containers += 1;
            }
            What::Unknown if is_error(&message) => {
                let text = message.text.to_string();
                assert!(NOISE.iter().any(|noise| text.starts_with(noise)), "{line}");
            }
            _ => {}
        }
        if message.kind() == Kind::Related {
            assert!(is_error(&message) && facts.error.is_some(), "{line}");
        }
    }
    assert!(sandboxes > 10 && containers > 10, "{sandboxes} sandboxes, {containers} containers");
}

#[test]
fn g70_each_recorded_kill_names_its_victim_and_the_limit() {
    let mut kills = 0;
    for line in recorded("kernel") {
        let Some(message) = parse_from(Origin::Kernel, &line) else {
            assert!(!line.contains("oom-kill:") && !line.contains("Killed process"), "{line}");
            continue;
        };
        if message.what == What::KernelOomMemcg {
            let facts = message.facts();
            let all = [facts.pod.uid, facts.container_id, facts.unit];
            assert!(all.iter().all(Option::is_some) && facts.victim_pid.is_some(), "{line}");
            kills += 1;
        }
    }
    assert!(kills > 0, "no recorded kill was read");
}

/// Steps and reasons that these recordings hold (`tests/recordings/index.tsv` and its README).
const STEPS: [&str; 7] = [
    "StartContainer",
    "CreatePodSandbox",
    "KillPodSandbox",
    "KillContainer",
    "WaitForNetwork",
    "WaitForVolumes",
    "MakePodDataDirs",
];
const REASONS: [&str; 16] = [
    "CrashLoopBackOff",
    "RunContainerError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "PostStartHookError",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreatePodSandboxError",
    "KillPodSandboxError",
    "KillContainerError",
    "NetworkNotReady",
    "FailedMount",
    "FailedCreatePodContainer",
    "ImageInspectError",
];

#[test]
fn g29_every_recorded_sync_error_names_its_pod_step_and_reason() {
    let mut count = 0;
    let mut reasons = std::collections::BTreeSet::new();
    for line in recorded("kubelet") {
        let message = parse_from(Origin::Kubelet, &line);
        if !line.contains("] \"Error syncing pod") {
            // Whatever else a kubelet wrote, it is not taken for the authoritative line.
            assert!(message.is_none_or(|it| it.what != What::ErrorSyncingPod), "{line}");
            continue;
        }
        count += 1;
        let Some(message) = message else { panic!("{line}") };
        assert_eq!((message.what, message.truncated), (What::ErrorSyncingPod, false), "{line}");
        let facts = message.facts();
        let pod = [facts.pod.namespace, facts.pod.name, facts.pod.uid];
        assert!(pod.iter().all(Option::is_some), "{line}");
        assert!(message.failures().count() > 0, "{line}");
        for failure in message.failures() {
            let (step, reason) =
                (failure.step.to_string(), failure.reason.map(|it| it.to_string()));
            assert!(STEPS.contains(&step.as_str()), "{step}: {line}");
            assert!(!failure.message.is_empty() && !failure.truncated, "{line}");
            match reason {
                Some(reason) => {
                    assert!(REASONS.contains(&reason.as_str()), "{reason}: {line}");
                    reasons.insert(reason);
                }
                None => assert_eq!(step, "MakePodDataDirs", "{line}"),
            }
        }
    }
    assert!(count > 200 && reasons.len() > 8, "{count} lines, {reasons:?}");
}

#[test]
fn g57_every_recorded_kubelet_line_with_a_header_is_read() {
    let mut unknown_errors = Vec::new();
    for line in recorded("kubelet") {
        let has_header = line.starts_with(['I', 'W', 'E', 'F']) && line.contains(".go:");
        let message = parse_from(Origin::Kubelet, &line);
        assert_eq!(message.is_some(), has_header, "{line}");
        if let Some(message) = message.filter(|it| is_error(it) && it.what == What::Unknown) {
            unknown_errors.push(message.text.to_string());
        }
    }
    unknown_errors.sort();
    unknown_errors.dedup();
    assert!(unknown_errors.len() < 25, "{unknown_errors:#?}");
}

fn is_error(message: &Message<'_>) -> bool {
    message.frame.severity.is_some_and(|severity| severity >= Severity::Error)
}

/// The messages of one writer in all recordings, out of the journal's export format.
fn recorded(identifier: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings");
    let mut messages = Vec::new();
    for folder in std::fs::read_dir(root).expect("tests/recordings exists") {
        let Some(bytes) = export(&folder.expect("readable").path()) else { continue };
        for entry in String::from_utf8_lossy(&bytes).split("\n\n") {
            let field = |name: &str| entry.lines().find_map(|line| line.strip_prefix(name));
            if field("SYSLOG_IDENTIFIER=") == Some(identifier) {
                messages.extend(field("MESSAGE=").map(str::to_owned));
            }
        }
    }
    assert!(!messages.is_empty(), "no line of {identifier} was recorded");
    messages
}

/// A recording's journal; large ones are compressed.
fn export(folder: &Path) -> Option<Vec<u8>> {
    let plain = std::fs::read(folder.join("journal.export")).ok();
    plain.or_else(|| {
        let file = std::fs::File::open(folder.join("journal.export.gz")).ok()?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("whole");
        Some(bytes)
    })
}
