//! What people and programs are told.

use super::*;

#[test]
fn each_requirement_has_its_line_and_each_trouble_its_fix() {
    let findings = [
        Finding::ok("clock", "plausible"),
        Finding::failed("state folder", "/x: Permission denied", "make it writable"),
    ];
    assert_eq!(
        text(&findings),
        "clock         ok        plausible\n\
         state folder  FAILED    /x: Permission denied\n                        → make it writable\n"
    );
    let value: serde_json::Value = serde_json::from_str(&json(&findings)).unwrap();
    assert_eq!(value["ok"], false);
    assert_eq!(value["checks"][1]["status"], "failed");
    assert_eq!(value["checks"][1]["fix"], "make it writable");
    assert_eq!(value["checks"][0]["fix"], serde_json::Value::Null);
}

#[test]
fn a_state_folder_is_written_to_and_left_as_it_was() {
    let parent = tempfile::tempdir().unwrap();
    let mut state = config::State { folder: parent.path().to_path_buf(), size_max: 1 };
    assert_eq!(folder::look(&state).status, Status::Ok);
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    state.size_max = u64::MAX;
    assert_eq!(folder::look(&state).status, Status::Degraded, "no disk has that much");
    state = config::State { folder: parent.path().join("a/b"), size_max: 1 };
    let finding = folder::look(&state);
    assert_eq!(finding.status, Status::Ok);
    assert!(finding.what.contains("can be made in"), "{finding:?}");
    assert!(!parent.path().join("a").exists());
}

#[test]
fn a_state_folder_that_cannot_be_written_to_fails_with_a_fix() {
    let state = config::State { folder: "/proc/podwhy".into(), size_max: 1 };
    let finding = folder::look(&state);
    // Root may write everywhere, as far as the mode tells; the kernel's own folder takes nobody.
    let state = config::State { folder: "/proc/self/fdinfo".into(), size_max: 1 };
    let existing = folder::look(&state);
    assert_eq!(existing.status, Status::Failed, "{existing:?}");
    assert!(existing.fix.unwrap().contains("state.folder"));
    assert!(finding.what.contains("/proc"), "{finding:?}");
}

#[test]
fn what_the_node_looks_like_is_said_for_people() {
    use crate::node::{Answer, Cni, CniReason, Disk, DiskRole, State, Subject};
    let disk = |free, read_only| {
        let disk = Disk {
            role: DiskRole::Log,
            at: 0,
            free_bytes: free,
            total_bytes: 100 << 30,
            inodes_free: Some(50),
            inodes_total: Some(100),
            read_only,
        };
        let state = State { answer: Some(Answer::Disk(Ok(disk))), is_stuck: false };
        here::of(Subject::Disk(DiskRole::Log), &state)
    };
    assert_eq!(
        disk(5_905_580_032, None),
        Finding::ok("disk: log", "5.5 GiB of 100 GiB free, 50 % of inodes free")
    );
    assert_eq!(disk(1 << 30, Some(false)).status, Status::Degraded);
    assert_eq!(disk(50 << 30, Some(true)).status, Status::Degraded);

    let cni = Cni {
        at: 0,
        ready: false,
        reason: Some(CniReason::PluginMissing),
        detail: Some("plugin x is nowhere".into()),
        leases_used: None,
        leases_free: None,
    };
    let state = State { answer: Some(Answer::Cni(Ok(cni))), is_stuck: false };
    let finding = here::of(Subject::Cni, &state);
    assert_eq!((finding.status, finding.what.as_str()), (Status::Degraded, "plugin x is nowhere"));

    let stuck = State { answer: None, is_stuck: true };
    assert!(here::of(Subject::Cni, &stuck).fix.unwrap().contains("network filesystem"));
}
