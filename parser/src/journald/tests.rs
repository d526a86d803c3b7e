//! journald's own lines, by example.

use super::*;

fn raw<'a>(text: Option<Text<'a>>) -> Option<&'a str> {
    text.map(|text| text.raw())
}

#[test]
fn g13_suppressed_lines_are_a_loss_with_a_count_and_a_unit() {
    for (line, unit) in [
        ("Suppressed 1734 messages from kubelet.service", "kubelet.service"),
        (
            "Suppressed 1734 messages from /system.slice/kubelet.service",
            "/system.slice/kubelet.service",
        ),
    ] {
        let message = parse(line).unwrap();
        assert_eq!(message.kind(), crate::Kind::Loss);
        assert_eq!((message.facts().count, raw(message.facts().unit)), (Some(1734), Some(unit)));
    }
    let message = parse("Missed 17 kernel messages").unwrap();
    assert_eq!((message.kind(), message.facts().count), (crate::Kind::Loss, Some(17)));
    let message = parse("/dev/kmsg buffer overrun, some messages lost.").unwrap();
    assert_eq!((message.kind(), message.facts().count), (crate::Kind::Loss, None));
    for line in ["Suppressed many messages from x", "Suppressed 1 lines", "Journal started", ""] {
        assert!(parse(line).is_none(), "{line}");
    }
}

#[test]
fn systemd_tells_what_became_of_a_unit_old_wordings_and_new() {
    for (line, what, unit) in [
        (
            "Starting containerd.service - containerd container runtime...",
            What::SystemdStarting,
            Some("containerd.service"),
        ),
        ("Started containerd container runtime.", What::SystemdStarted, Some("containerd.service")),
        ("Started Session 3 of User root.", What::SystemdStarted, None),
        ("Started kubelet.service.", What::SystemdStarted, Some("kubelet.service")),
        ("Stopped kubelet.service - kubelet.", What::SystemdStopped, Some("kubelet.service")),
        (
            "kubelet.service: Failed with result 'exit-code'.",
            What::SystemdFailed,
            Some("kubelet.service"),
        ),
        (
            "Unit kubelet.service entered failed state.",
            What::SystemdFailed,
            Some("kubelet.service"),
        ),
        (
            "kubelet.service: Scheduled restart job, restart counter is at 12.",
            What::SystemdRestarting,
            Some("kubelet.service"),
        ),
        (
            "kubelet.service holdoff time over, scheduling restart.",
            What::SystemdRestarting,
            Some("kubelet.service"),
        ),
        (
            "crio.service: A process of this unit has been killed by the OOM killer.",
            What::SystemdUnitOom,
            Some("crio.service"),
        ),
    ] {
        let message = parse_systemd(line).unwrap();
        assert_eq!((message.what, raw(message.facts().unit)), (what, unit), "{line}");
        assert_eq!(parse_systemd_unit(line).is_some(), unit.is_some(), "{line}");
    }
    for line in ["", "kubelet.service: Deactivated successfully.", "a: Failed with result 'x'."] {
        assert!(parse_systemd(line).is_none(), "{line}");
    }
}

#[test]
fn an_exit_gives_a_code_and_a_kill_gives_a_signal() {
    let facts = |line| parse_systemd(line).unwrap().facts();
    let exited = facts("kubelet.service: Main process exited, code=exited, status=255/EXCEPTION");
    assert_eq!((exited.exit_code, exited.signal), (Some(255), None));
    assert_eq!(raw(exited.reason), Some("EXCEPTION"));
    let killed = facts("kubelet.service: main process exited, code=killed, status=9/KILL");
    assert_eq!((killed.exit_code, killed.signal), (None, Some(9)));
    let again = facts("kubelet.service: Scheduled restart job, restart counter is at 12.");
    assert_eq!(again.count, Some(12));
}
