//! M8: the next attempt and the rule that makes it.

use super::*;
use crate::{
    diagnosis::{
        case::Case,
        world::{ContainerState, Instance, PodKey, PodState, World, pod::FailureSeen},
    },
    fact::{self, Dated, Fact, NodeObject},
};

const UID: &str = "0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11";
const ENDED: Micros = 1_000 * SECOND;

/// A container whose attempt of this number ended.
fn world(attempt: u32, version: Option<&str>) -> World {
    let mut world = World::default();
    let instance = Instance {
        id: Some("id".to_owned()),
        attempt: Some(attempt),
        ended: Some(ENDED),
        exit_code: Some(1),
        ..Instance::default()
    };
    let state = ContainerState { instances: vec![instance], ..ContainerState::default() };
    let mut pod = PodState::default();
    pod.pod.uid = Some(UID.to_owned());
    pod.containers.insert("app".to_owned(), state);
    pod.failures.push(FailureSeen {
        at: ENDED,
        count: 3,
        step: "StartContainer".to_owned(),
        reason: Some("ErrImagePull".to_owned()),
        container: Some("app".to_owned()),
        ..FailureSeen::default()
    });
    world.restore_pod(UID.to_owned(), pod);
    let kubelet_version = version.map(str::to_owned);
    let fact = Fact::NodeObject(Box::new(NodeObject { kubelet_version, ..NodeObject::default() }));
    world.fact(0, &Dated { at: 0, fact });
    world
}

fn case(step: &str, reason: &str) -> Case {
    Case {
        at: ENDED + 5 * SECOND,
        key: Some(PodKey(UID.to_owned())),
        container: Some("app".to_owned()),
        step: step.to_owned(),
        reason: Some(reason.to_owned()).filter(|it| !it.is_empty()),
        ..Case::default()
    }
}

fn retry(world: &World, case: &Case) -> Option<(Micros, String)> {
    next_retry(&Seat::new(world, case))
}

#[test]
fn m8_the_told_back_off_counts_from_the_end_of_the_instance() {
    let world = world(3, Some("v1.34.4"));
    let mut case = case("StartContainer", "CrashLoopBackOff");
    case.details.backoff_seconds = Some(40.0);
    let (at, why) = retry(&world, &case).unwrap();
    assert_eq!(at, ENDED + 40 * SECOND, "not from the line, which comes later");
    assert!(why.contains("40 s") && why.contains("told by the kubelet"), "{why}");
    assert!(why.contains("1.34 or later"), "{why}");
}

#[test]
fn m8_without_a_word_of_the_kubelet_the_back_off_is_computed() {
    for (attempt, wait) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (60, 300)] {
        let (at, why) = retry(&world(attempt, None), &case("", "")).unwrap();
        assert_eq!(at, ENDED + wait * SECOND, "attempt {attempt}");
        assert!(why.contains("computed") && why.contains("version, which is not known"), "{why}");
    }
    let (at, why) = retry(&world(0, None), &case("", "")).unwrap();
    assert_eq!((at, why.as_str()), (ENDED, "the first restart is immediate"));
}

#[test]
fn m8_what_is_not_tried_again_has_no_next_time() {
    let mut world = world(0, None);
    assert_eq!(retry(&world, &case("Admission", "NodePorts")), None);
    assert_eq!(retry(&world, &case("Eviction", "Evicted")), None);
    let restart_policy = Some("Never".to_owned());
    let now = fact::Pod { restart_policy, ..fact::Pod::default() };
    world.restore_specs(
        UID.to_owned(),
        crate::diagnosis::world::Specs { now, ..crate::diagnosis::world::Specs::default() },
    );
    assert_eq!(retry(&world, &case("", "")), None, "restartPolicy Never");
}

#[test]
fn m8_images_wait_apart_from_containers() {
    let (at, why) =
        retry(&world(0, Some("v1.30.1")), &case("StartContainer", "ImagePullBackOff")).unwrap();
    assert_eq!(at, ENDED + 40 * SECOND, "after three failed pulls");
    assert!(why.contains("image back-off") && why.contains("every 10 to 15 s"), "{why}");
}

#[test]
fn m8_other_steps_have_the_pace_of_the_sync() {
    for (step, reason, seconds) in [
        ("CreatePodSandbox", "CreatePodSandboxError", 10),
        ("WaitForNetwork", "NetworkNotReady", 1),
        ("WaitForVolumes", "FailedMount", 133),
        ("StartContainer", "CreateContainerConfigError", 10),
    ] {
        let case = case(step, reason);
        let (at, _) = retry(&world(0, None), &case).unwrap();
        assert_eq!(at, case.at + seconds * SECOND, "{step}");
    }
    let mut volume = case("MountVolume", "FailedMount");
    volume.details.backoff_seconds = Some(122.0);
    let (at, why) = retry(&world(0, None), &volume).unwrap();
    assert_eq!(at, volume.at + 122 * SECOND);
    assert!(why.contains("2m2s"), "{why}");
}
