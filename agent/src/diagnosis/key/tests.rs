//! Keys: what is the same, what is not.

use super::{norm::*, *};

#[test]
fn norm_masks_what_varies_and_keeps_what_names_the_cause() {
    let vectors: &[(&str, &str)] = &[
        (
            "back-off 40s restarting failed container=app pod=web-0_shop(0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11)",
            "back-off <duration> restarting failed container=app pod=web-0_shop(<uuid>)",
        ),
        ("configmap \"web-settings\" not found", "configmap web-settings not found"),
        (
            "dial tcp 10.96.0.1:443: connect: connection refused",
            "dial tcp <ip>:443: connect: connection refused",
        ),
        ("read tcp 10.0.0.7:43512->10.0.0.1:443: reset", "read tcp <ip>:<port>-><ip>:443: reset"),
        (
            "rpc error: code = Unknown desc = failed to reserve sandbox name \\\"web_shop_1\\\"",
            "failed to reserve sandbox name web_shop_1",
        ),
        ("container f6081c1c536a exited 3m5s ago", "container <id> exited <duration> ago"),
        ("pod worker-565bc8d6c8-fn5fq failed", "pod worker failed"),
        (
            "pull shop/web@sha256:9f434526aa9f434526aa9f434526aa9f434526aa9f434526aa9f434526aa9f43",
            "pull shop/web@<digest>",
        ),
    ];
    for (message, expected) in vectors {
        assert_eq!(norm(message), *expected, "{message}");
    }
    assert_ne!(norm("secret \"mail\" not found"), norm("secret \"cart\" not found"));
    assert!(norm(&"x".repeat(500)).len() <= 200);
}

#[test]
fn the_workload_is_the_name_without_what_was_generated() {
    assert_eq!(workload_of("worker-565bc8d6c8-fn5fq"), Some("worker"));
    assert_eq!(workload_of("agent-lc6f9"), Some("agent"));
    assert_eq!(without_hash("worker-565bc8d6c8"), Some("worker"));
    for alone in ["web", "web-0", "web-node-1", "shop-mails", "a-cache"] {
        assert_eq!(workload_of(alone), None, "{alone}");
    }
}

#[test]
fn each_step_has_its_family() {
    for (step, reason, family) in [
        ("StartContainer", Some("ErrImagePull"), Family::Image),
        ("StartContainer", Some("CrashLoopBackOff"), Family::Run),
        ("StartContainer", Some("CreateContainerConfigError"), Family::Config),
        ("CreatePodSandbox", None, Family::Sandbox),
        ("WaitForNetwork", Some("NetworkNotReady"), Family::Sandbox),
        ("MountVolume", Some("FailedMount"), Family::Volume),
        ("WaitForVolumes", None, Family::Volume),
        ("UnmountVolume", None, Family::Terminate),
        ("MakePodDataDirs", None, Family::Sandbox),
        ("Eviction", Some("Evicted"), Family::Eviction),
        ("Admission", Some("NodePorts"), Family::Admission),
    ] {
        assert_eq!(Family::of(step, reason), family, "{step} {reason:?}");
    }
}
