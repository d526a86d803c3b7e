//! More failures than can be told apart: one incident of the node counts the rest (design 7).

use super::{root::Story, *};
use crate::{
    incident::{Incident, Scope, State},
    limits,
};

const NO_SECRET: &str = "failed to \"StartContainer\" for \"app\" with CreateContainerConfigError: \
     \"secret \\\"mail\\\" not found\"";

fn name(number: usize) -> String {
    format!("shop/job{number:04}x")
}

fn fails(story: &mut Story, millis: i64, number: usize) {
    story.fails(millis, &name(number), u32::try_from(number).unwrap(), NO_SECRET);
}

fn removed(story: &mut Story, millis: i64, number: usize) {
    let pod = name(number);
    let text = format!("kubelet.go:2531] \"SyncLoop REMOVE\" source=\"api\" pods=[{pod:?}]");
    story.0.kubelet(millis, 'I', &text);
}

fn summary(story: &Story) -> Option<Incident> {
    story.node().into_iter().find(|it| it.evidence.iter().any(|it| it.source == "overflow"))
}

/// As many as can be told apart, and so many more.
fn full(more: usize) -> Story {
    let mut story = Story::new();
    for number in 0..limits::INCIDENTS + more {
        fails(&mut story, i64::try_from(number).unwrap(), number);
    }
    story.0.tick(20_000);
    story
}

#[test]
fn what_is_beyond_the_bound_folds_into_one_incident_and_heals_when_none_is_left() {
    let mut story = full(3);
    let folded = summary(&story).unwrap();
    assert_eq!((folded.scope, folded.state, folded.pod_count), (Scope::Node, State::Open, 3));
    assert!(folded.cause.title.starts_with("3 failures of 3 pods beyond the 1024"), "{folded:#?}");
    assert!(folded.cause.title.contains("config_secret_missing 3"), "{}", folded.cause.title);
    assert!(folded.evidence[0].text.contains("shop/job1024x"), "{:?}", folded.evidence);
    assert_eq!(story.now().len(), limits::INCIDENTS + 1, "bounded");
    assert_eq!(story.notified().iter().filter(|id| **id == folded.id).count(), 1);
    let failure = |record: &&Record| text(record, names::K8S_POD_NAME) == "job1026x";
    let failure = story.0.out.records.iter().find(failure).unwrap();
    assert_eq!(text(failure, names::INCIDENT_ID), folded.id, "it says where it is told");

    // A restart keeps the fold.
    restart(&mut story.0, &mut BTreeMap::new(), Repeats::Summary);
    fails(&mut story, 25_000, limits::INCIDENTS);
    assert_eq!(summary(&story).map(|it| (it.id, it.pod_count)), Some((folded.id.clone(), 3)));

    // One is gone, one starts, one finds room since another one ended.
    removed(&mut story, 30_000, limits::INCIDENTS);
    let number = u32::try_from(limits::INCIDENTS + 1).unwrap();
    story.sandbox(31_000, &name(limits::INCIDENTS + 1), number);
    story.starts(32_000, number, "app");
    assert!(summary(&story).unwrap().cause.title.starts_with("1 failure of 1 pod beyond"));
    removed(&mut story, 33_000, limits::INCIDENTS - 1);
    fails(&mut story, 40_000, limits::INCIDENTS + 2);
    story.0.tick(40_001);
    let waits = summary(&story).unwrap();
    assert_eq!((waits.state, waits.rung), (State::Recovering, 2), "{waits:#?}");
    story.0.tick(40_000 + 119_000);
    assert_eq!(summary(&story).unwrap().state, State::Recovering);
    story.0.tick(40_000 + 121_000);
    let healed = summary(&story).unwrap();
    assert_eq!((healed.state, healed.rung, healed.id), (State::Resolved, 3, folded.id));
}

#[test]
fn a_full_engine_stays_quick_and_finds_room_for_a_fault_of_the_node() {
    let mut story = full(0);
    assert_eq!(summary(&story), None, "what just fits is not folded");
    story.0.kubelet(
        30_000,
        'I',
        "kubelet_node_status.go:645] \"Recording event message for node\" node=\"node-1\" event=\"NodeHasDiskPressure\"",
    );
    story.0.kubelet(
        30_001,
        'I',
        "eviction_manager.go:376] \"Eviction manager: attempting to reclaim\" resourceName=\"ephemeral-storage\"",
    );
    story.0.tick(60_000);
    assert_eq!(story.only_node().cause.id, "node_disk_pressure");
}

#[test]
fn what_was_only_counted_finds_a_seat_with_its_next_attempt_once_there_is_room() {
    let mut story = full(limits::FOLDED);
    let last = limits::INCIDENTS + limits::FOLDED;
    // One pod too many, and each of its attempts is counted.
    for again in 0..3 {
        fails(&mut story, 21_000 + again * 400, last);
    }
    story.0.tick(25_000);
    let only = |told: &Incident| told.evidence.iter().any(|it| it.text.contains("only counted"));
    let counted = summary(&story).unwrap();
    assert!(counted.cause.title.starts_with("2048 failures of"), "{}", counted.cause.title);
    assert!(only(&counted), "{:?}", counted.evidence);
    removed(&mut story, 30_000, last - 1);
    story.0.tick(35_000);
    let freed = summary(&story).unwrap();
    assert!(!only(&freed), "there is room again: {:?}", freed.evidence);
    assert!(freed.cause.title.starts_with("2047 failures of"), "{}", freed.cause.title);
    fails(&mut story, 36_000, last);
    story.0.tick(40_000);
    let seated = summary(&story).unwrap();
    assert!(seated.cause.title.starts_with("2048 failures of") && !only(&seated), "{seated:#?}");
}
