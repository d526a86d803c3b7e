//! M3: each kill is laid at the door of whoever the evidence names.

use super::*;
use crate::{
    diagnosis::{
        case::Case,
        world::{
            ContainerState, PodKey, PodState, Specs, World,
            pod::{Kill, SandboxState, Signal},
        },
    },
    fact::{self, Cgroup, CgroupLevel},
    observation::Pod,
};

const UID: &str = "0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11";
const ID: &str = "cce6d1f57c934ab2e0d8415b6f29c7a3d5104e8b97f26c3a1b0d84e572f96ac3";

fn evidence(text: &str, at: Micros) -> Evidence {
    quote::told("kubelet", text, at)
}

/// An instance that started at 10 s and ended at 100 s.
fn instance(exit_code: i32) -> Instance {
    Instance {
        id: Some(ID.to_owned()),
        sandbox_id: Some("sandbox".to_owned()),
        created: Some(9 * SECOND),
        started: Some(10 * SECOND),
        ended: Some(100 * SECOND),
        exit_code: Some(exit_code),
        ..Instance::default()
    }
}

fn kill(why: Option<&str>) -> Kill {
    Kill {
        at: 98 * SECOND,
        why: why.map(str::to_owned),
        evidence: evidence("Killing container with a grace period", 98 * SECOND),
        grace_seconds: None,
    }
}

fn signal(is_kill: bool) -> Signal {
    Signal { at: 99 * SECOND, is_kill, evidence: evidence("Kill container", 99 * SECOND) }
}

fn oom(limit: Option<String>) -> KernelOom {
    KernelOom {
        at: 99 * SECOND,
        limit,
        victim: Some("worker".to_owned()),
        evidence: evidence("oom-kill:constraint=CONSTRAINT_MEMCG", 99 * SECOND),
    }
}

fn level(oom: u64, oom_kill: u64) -> CgroupLevel {
    CgroupLevel { oom: Some(oom), oom_kill: Some(oom_kill), ..CgroupLevel::default() }
}

/// What is attributed of this pod with this instance and another container beside it.
fn who(instance: Instance, change: impl FnOnce(&mut PodState, &mut World)) -> Attribution {
    let mut world = World::default();
    let mut pod = PodState {
        pod: Pod { uid: Some(UID.to_owned()), ..Pod::default() },
        ..PodState::default()
    };
    let app = ContainerState { instances: vec![instance], ..ContainerState::default() };
    pod.containers.insert("app".to_owned(), app);
    pod.containers.insert("other".to_owned(), ContainerState::default());
    change(&mut pod, &mut world);
    world.restore_pod(UID.to_owned(), pod);
    let case = Case {
        at: 101 * SECOND,
        key: Some(PodKey(UID.to_owned())),
        container: Some("app".to_owned()),
        ..Case::default()
    };
    attribute(&Seat::new(&world, &case))
}

fn killer(instance: Instance, change: impl FnOnce(&mut PodState, &mut World)) -> Option<Who> {
    who(instance, change).killer.map(|killer| killer.who)
}

#[test]
fn m3_the_kernel_names_whose_limit_was_hit() {
    let pod = format!("/kubepods.slice/kubepods-pod{}.slice", UID.replace('-', "_"));
    for (limit, expected) in [
        (Some(format!("{pod}/cri-containerd-{ID}.scope")), Who::ContainerLimit),
        (Some(pod.clone()), Who::PodLimit),
        (Some("/kubepods.slice".to_owned()), Who::NodeOom),
        (None, Who::NodeOom),
    ] {
        let dead = Instance { kernel_oom: Some(oom(limit.clone())), ..instance(137) };
        assert_eq!(killer(dead, |_, _| {}), Some(expected), "{limit:?}");
    }
    let alone = Instance { kernel_oom: Some(oom(Some(pod))), ..instance(137) };
    let unknown = who(alone.clone(), |pod, _| drop(pod.containers.remove("other")));
    let unknown = unknown.killer.unwrap();
    assert_eq!(unknown.who, Who::ContainerLimit);
    assert!(unknown.text.contains("where the pod has no other container"), "{}", unknown.text);
    let found = killer(alone, |pod, world| {
        pod.containers.remove("other");
        let app = fact::Container { name: "app".to_owned(), ..fact::Container::default() };
        let now = fact::Pod { containers: vec![app], ..fact::Pod::default() };
        world.restore_specs(UID.to_owned(), Specs { now, ..Specs::default() });
    });
    assert_eq!(found, Some(Who::ContainerLimit), "one container: the pod's limit is its own");
}

#[test]
fn m3_probes_hooks_and_the_end_of_the_grace_period_are_told_apart() {
    let failed = |probe: &str| format!("Container app failed {probe} probe, will be restarted");
    for (why, expected) in [
        (Some(failed("liveness")), Who::Liveness),
        (Some(failed("startup")), Who::Startup),
        (Some("Container app definition changed, will be restarted".to_owned()), Who::GracePeriod),
        (None, Who::GracePeriod),
    ] {
        let dead = Instance {
            kills: vec![kill(why.as_deref())],
            signals: vec![signal(false), signal(true)],
            ..instance(137)
        };
        assert_eq!(killer(dead, |_, _| {}), Some(expected), "{why:?}");
    }
    let hooked = Instance { kills: vec![kill(None)], signals: vec![signal(true)], ..instance(137) };
    let found = killer(hooked, |pod, _| {
        pod.failures.push(crate::diagnosis::world::pod::FailureSeen {
            at: 100 * SECOND,
            step: "StartContainer".to_owned(),
            reason: Some("PostStartHookError".to_owned()),
            container: Some("app".to_owned()),
            ..Default::default()
        });
    });
    assert_eq!(found, Some(Who::Hook));
}

#[test]
fn m3_an_end_just_when_the_grace_is_over_is_the_end_of_the_grace() {
    for (grace_seconds, exit_code, expected) in [
        (Some(30), 137, Who::GracePeriod),
        (Some(10), 137, Who::Unknown),
        (Some(0), 137, Who::Unknown),
        (None, 137, Who::Unknown),
        (Some(30), 143, Who::Unknown),
    ] {
        let dead = instance(exit_code);
        let at = dead.ended.unwrap() - 30 * SECOND;
        let dead = Instance { kills: vec![Kill { at, grace_seconds, ..kill(None) }], ..dead };
        assert_eq!(killer(dead, |_, _| {}), Some(expected), "{grace_seconds:?} {exit_code}");
    }
}

#[test]
fn m3_a_pod_that_has_to_go_takes_its_containers_with_it() {
    let told = |at| Some(evidence("told", at));
    let dead = || Instance { kills: vec![kill(None)], ..instance(143) };
    assert_eq!(killer(dead(), |pod, _| pod.deleting = told(90 * SECOND)), Some(Who::Deletion));
    assert_eq!(killer(dead(), |pod, _| pod.evicted = told(101 * SECOND)), Some(Who::Eviction));
    assert_eq!(killer(dead(), |pod, _| pod.preempted = told(90 * SECOND)), Some(Who::Preemption));
    let down = killer(dead(), |_, world| world.node.shutdown = told(90 * SECOND));
    assert_eq!(down, Some(Who::Shutdown));
    let over = killer(dead(), |pod, _| pod.refused = Some(evidence("DeadlineExceeded: x", 99)));
    assert_eq!(over, Some(Who::Deletion), "its deadline");
    let late = Instance { signals: vec![signal(true)], ..instance(137) };
    let found = killer(late, |pod, _| pod.deleting = told(90 * SECOND));
    assert_eq!(found, Some(Who::GracePeriod), "deleted, and did not end in time");
    let long_ago = killer(dead(), |_, world| world.node.shutdown = told(-900 * SECOND));
    assert_eq!(long_ago, Some(Who::Unknown), "a shutdown of long ago explains nothing");
    let lost = who(dead(), |pod, _| {
        pod.sandboxes.push(SandboxState {
            id: "sandbox".to_owned(),
            died: Some(97 * SECOND),
            ..SandboxState::default()
        });
    });
    assert!(lost.killer.unwrap().text.contains("its sandbox had ended"));
}

#[test]
fn m3_counters_and_the_status_speak_where_the_kernel_is_silent() {
    let cgroup = |container, pod| Some(Cgroup { version: 2, container, pod, ..Cgroup::default() });
    let by_pod = Instance {
        cgroup_before: cgroup(level(0, 0), level(0, 0)),
        cgroup_after: cgroup(level(0, 1), level(1, 1)),
        ..instance(137)
    };
    assert_eq!(killer(by_pod, |_, _| {}), Some(Who::PodLimit));
    let own = Instance { cgroup_after: cgroup(level(1, 1), level(0, 1)), ..instance(137) };
    assert_eq!(killer(own, |_, _| {}), Some(Who::ContainerLimit));
    let event = Instance { task_oom: Some(evidence("TaskOOM event", 99)), ..instance(137) };
    assert_eq!(killer(event, |_, _| {}), Some(Who::ContainerLimit));
    let status = Instance { reason: Some("OOMKilled".to_owned()), ..instance(137) };
    assert_eq!(killer(status, |_, _| {}), Some(Who::ContainerLimit));
}

#[test]
fn m3_without_evidence_nobody_is_accused() {
    let found = who(instance(137), |_, _| {});
    assert_eq!(found.killer.as_ref().map(|killer| killer.who), Some(Who::Unknown));
    assert!(found.killer.unwrap().text.contains("nothing shows who sent SIGKILL"));
    assert_eq!(killer(instance(1), |_, _| {}), None, "1 is no signal");
    assert_eq!(killer(instance(0), |_, _| {}), None);
}

#[test]
fn r75_what_contradicts_is_told() {
    for code in [0, 143, 1] {
        let child = Instance { reason: Some("OOMKilled".to_owned()), ..instance(code) };
        let found = who(child, |_, _| {});
        assert!(found.contradictions.iter().any(|it| it.contains("a child died")), "{code}");
        assert_ne!(found.killer.map(|killer| killer.who), Some(Who::ContainerLimit), "{code}");
    }
    let flat = Some(Cgroup { container: level(0, 0), ..Cgroup::default() });
    let claims =
        Instance { reason: Some("OOMKilled".to_owned()), cgroup_after: flat, ..instance(137) };
    let found = who(claims, |_, _| {});
    assert!(
        found.contradictions.iter().any(|it| it.contains("counts no memory kill")),
        "{found:?}"
    );
}
