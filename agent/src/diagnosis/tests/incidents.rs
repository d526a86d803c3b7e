//! Incidents of a real node, from its lines alone: opened once, proven over by lines, never by
//! silence, restart or a pod that was taken away.

use super::*;
use crate::incident::{Incident, Scope, State, Who};

/// Every view of each incident, in order.
fn views(scenario: &str) -> Vec<Incident> {
    let mut engine = Engine::new(Repeats::Summary);
    replay(scenario, |message, line| engine.message(message, line));
    let at = engine.last;
    engine.apply(at, Input::End);
    engine.out.incidents
}

fn of_pods(scenario: &str) -> Vec<Incident> {
    let mut views = views(scenario);
    views.retain(|view| view.scope != Scope::Node);
    views
}

#[test]
fn healthy_pods_and_a_sandbox_that_comes_back_open_nothing() {
    assert_eq!(views("healthy"), []);
    assert_eq!(views("sandbox-killed"), []);
}

#[test]
fn failures_of_a_real_node_are_one_incident_with_their_cause() {
    for (scenario, cause, step, reason, container, exit_code) in [
        ("crash-exit-1", "exit_app_error", "StartContainer", "CrashLoopBackOff", "app", Some(1)),
        ("oom-killed", "oom_container", "StartContainer", "CrashLoopBackOff", "app", Some(137)),
        (
            "command-not-found",
            "exec_not_in_path",
            "StartContainer",
            "RunContainerError",
            "app",
            Some(128),
        ),
        ("image-not-found", "image_not_found", "StartContainer", "ErrImagePull", "app", None),
        ("liveness-kills", "liveness_kill", "Probe", "Unhealthy", "app", Some(137)),
        (
            "post-start-fails",
            "poststart_hook_failed",
            "StartContainer",
            "PostStartHookError",
            "app",
            Some(137),
        ),
        (
            "run-as-nonroot",
            "config_run_as_nonroot_root_image",
            "StartContainer",
            "CreateContainerConfigError",
            "app",
            None,
        ),
        (
            "exit-0-early",
            "exit_completed_loop",
            "StartContainer",
            "CrashLoopBackOff",
            "app",
            Some(0),
        ),
    ] {
        let views = of_pods(scenario);
        let ids: std::collections::BTreeSet<_> = views.iter().map(|view| &view.id).collect();
        assert_eq!(ids.len(), 1, "{scenario}: {ids:?}");
        let last = views.last().unwrap();
        assert_eq!(last.cause.id, cause, "{scenario}");
        assert_eq!(last.step.as_deref(), Some(step), "{scenario}");
        assert_eq!(last.reason.as_deref(), Some(reason), "{scenario}");
        assert_eq!(last.pods[0].container.as_deref(), Some(container), "{scenario}");
        assert_eq!(last.exit_code, exit_code, "{scenario}");
    }
}

#[test]
fn m3_the_killer_of_a_container_is_named_in_its_incident() {
    for (scenario, who) in [
        ("oom-killed", Who::ContainerLimit),
        ("liveness-kills", Who::Liveness),
        ("sidecar-startup-probe", Who::Startup),
    ] {
        let views = of_pods(scenario);
        let killer = views.last().and_then(|view| view.killed_by.as_ref()).unwrap();
        assert_eq!(killer.who, who, "{scenario}");
    }
}

#[test]
fn m2_a_rung_is_proven_by_a_line_and_only_after_the_fix() {
    for scenario in ["crash-exit-1", "image-not-found", "config-missing-configmap", "init-fails"] {
        let rows = super::recordings::truth(scenario);
        let fixed: jiff::Timestamp = rows[0]["fixed"].parse().unwrap();
        let fixed = time::utc(fixed.as_microsecond());
        let views = of_pods(scenario);
        let proven: Vec<_> = views.iter().filter(|view| view.rung > 0).collect();
        assert!(!proven.is_empty(), "{scenario}: {views:#?}");
        for view in proven {
            assert_eq!(view.proof.len(), usize::from(view.rung), "{scenario}");
            for proof in &view.proof {
                assert!(*proof > fixed, "{scenario}: {proof} is before {fixed}");
                assert!(proof.contains(" line "), "{scenario}: names its line: {proof}");
            }
        }
    }
}

#[test]
fn r39_what_was_never_fixed_is_never_proven() {
    for scenario in [
        "command-not-found",
        "oom-killed",
        "exit-0-early",
        "liveness-kills",
        "post-start-fails",
        "run-as-nonroot",
        "thirty-at-once",
        "two-at-once",
    ] {
        for view in of_pods(scenario) {
            assert_eq!(view.rung, 0, "{scenario}: {:?}", view.proof);
            assert!(matches!(view.state, State::Open | State::Superseded), "{scenario}");
        }
    }
}

#[test]
fn a_pod_that_is_taken_away_supersedes_its_incident() {
    let views = of_pods("deleted-while-crashing");
    let last = views.last().unwrap();
    assert_eq!((last.state, last.rung), (State::Superseded, 0));
    assert!(last.note.is_some());
}

#[test]
fn replicas_that_fail_alike_are_one_incident_of_their_workload() {
    let views = of_pods("thirty-at-once");
    let ids: std::collections::BTreeSet<_> = views.iter().map(|view| &view.id).collect();
    assert_eq!(ids.len(), 1);
    let last = views.last().unwrap();
    assert_eq!((last.scope, last.pod_count), (Scope::Workload, 30));
}

#[test]
fn sync_failures_carry_their_incident_from_the_first_on() {
    let mut engine = Engine::new(Repeats::Every);
    replay("crash-exit-1", |message, line| engine.message(message, line));
    let (failures, incidents) = engine.end_with_incidents();
    let id = text(&incidents[0], names::INCIDENT_ID).to_owned();
    assert_eq!(id.len(), 32);
    assert!(!failures.is_empty());
    for failure in &failures {
        assert_eq!(text(failure, names::INCIDENT_ID), id);
    }
}

#[test]
fn words_about_an_incident_are_few_and_unique() {
    for scenario in scenarios() {
        let mut engine = Engine::new(Repeats::Summary);
        replay(&scenario, |message, line| engine.message(message, line));
        let (_, words) = engine.end_with_incidents();
        let uids: std::collections::BTreeSet<_> = words.iter().map(|word| word.uid).collect();
        assert_eq!(uids.len(), words.len(), "{scenario}");
        let ids: std::collections::BTreeSet<_> =
            words.iter().map(|word| text(word, names::INCIDENT_ID)).collect();
        assert!(words.len() <= ids.len() * 6, "{scenario}: {} words", words.len());
    }
}

#[test]
fn the_same_incidents_in_any_batching_and_from_any_restart() {
    for scenario in scenarios() {
        let mut plain = Engine::new(Repeats::Summary);
        replay(&scenario, |message, line| plain.message(message, line));
        let plain = plain.end_with_incidents().1;
        let mut ticked = Engine::new(Repeats::Summary);
        replay(&scenario, |message, line| {
            while let Some(due) = ticked.diagnosis.next_due().filter(|due| *due <= line.at) {
                ticked.apply(due, Input::Tick);
            }
            ticked.message(message, line);
        });
        assert_eq!(ticked.end_with_incidents().1, plain, "{scenario}: ticked");
        for every in [7, 1000] {
            let mut engine = Engine::new(Repeats::Summary);
            let mut kept = BTreeMap::new();
            let mut lines = 0_u64;
            replay(&scenario, |message, line| {
                engine.message(message, line);
                lines += 1;
                if lines.is_multiple_of(every) {
                    restart(&mut engine, &mut kept, Repeats::Summary);
                }
            });
            assert_eq!(engine.end_with_incidents().1, plain, "{scenario}: restarted each {every}");
        }
    }
}

#[test]
fn m3_a_pod_that_makes_room_for_a_critical_one_is_told_so_and_so_is_its_containers_end() {
    let mut story = root::Story::new();
    let (pod, uid, id) = ("batch/import", root::uid(1), root::id_of(0xc001));
    story.sandbox(1_000, pod, 1);
    story.starts(1_500, 1, "import");
    story.0.kubelet(
        60_000,
        'I',
        &format!("preemption.go:115] \"Preempting pod to free up resources\" pod={pod:?} podUID={uid:?} insufficientResources=[{{\"resourceName\":\"cpu\",\"quantity\":200}}] requestingPod=\"kube-system/api\""),
    );
    story.0.kubelet(
        60_010,
        'I',
        &format!("kuberuntime_container.go:808] \"Killing container with a grace period\" pod={pod:?} podUID={uid:?} containerName=\"import\" containerID=\"containerd://{id}\" gracePeriod=30"),
    );
    story.0.kubelet(
        61_000,
        'I',
        &format!("generic.go:334] \"Generic (PLEG): container finished\" podID={uid:?} containerID={id:?} exitCode=143"),
    );
    story.0.kubelet(
        61_500,
        'I',
        &format!("preemption.go:131] \"Pod evicted successfully\" pod={pod:?}"),
    );
    story.0.tick(200_000);
    let now = story.now();
    let causes: Vec<&str> = now.iter().map(|told| told.cause.id.as_str()).collect();
    assert_eq!(causes, ["preempted_critical"], "{now:#?}");
    let killer = now[0].killed_by.as_ref().map(|killer| killer.who);
    assert_eq!(killer, Some(Who::Preemption), "{now:#?}");
}
