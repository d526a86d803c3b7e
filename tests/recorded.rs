//! What containerd and the kernel wrote on a real node: each line that tells of a failure, an end
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
