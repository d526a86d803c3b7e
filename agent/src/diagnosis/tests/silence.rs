//! Failures that no line tells (M6, R95).

use super::root::Story;
use crate::incident::{Incident, Scope, State};

fn added(story: &mut Story, millis: i64, pod: &str) {
    let text = format!("kubelet.go:2515] \"SyncLoop ADD\" source=\"api\" pods=[{pod:?}]");
    story.0.kubelet(millis, 'I', &text);
}

fn silent(story: &Story) -> Vec<Incident> {
    let is_silent = |it: &Incident| it.evidence.iter().any(|it| it.source == "silence");
    story.now().into_iter().filter(is_silent).collect()
}

/// Something unrelated: the node goes on.
fn goes_on(story: &mut Story, millis: i64) {
    story.network_is_ready(millis);
}

#[test]
fn m6_a_pod_without_a_sandbox_and_without_an_error_is_told() {
    let mut story = Story::new();
    added(&mut story, 0, "shop/quiet-0");
    goes_on(&mut story, 265_000);
    assert_eq!(silent(&story), []);
    story.0.tick(275_000);
    let told = silent(&story);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].pods[0].name.as_deref(), Some("quiet-0"));
    assert_eq!((told[0].cause.id.as_str(), told[0].state), ("unclassified", State::Open));
    assert!(told[0].cause.title.contains("no sandbox and no error since 2026-11-22T22:00:00"));
}

#[test]
fn m6_a_pod_that_logs_its_failure_is_told_by_it_alone() {
    let mut story = Story::new();
    added(&mut story, 0, "shop/web-0");
    story.fails(200_000, "shop/web-0", 1, "mkdir /x: no space left on device");
    story.0.tick(900_000);
    assert_eq!(silent(&story), []);
}

#[test]
fn m6_a_failure_that_comes_at_last_ends_the_silence() {
    let mut story = Story::new();
    added(&mut story, 0, "shop/web-0");
    story.0.tick(300_000);
    assert_eq!(silent(&story)[0].state, State::Open);
    story.fails(310_000, "shop/web-0", 1, "mkdir /x: no space left on device");
    let told = silent(&story);
    assert_eq!(told[0].state, State::Superseded);
    assert!(told[0].note.as_ref().unwrap().contains("is told by incident"));
}

#[test]
fn m6_a_pod_that_started_is_no_news() {
    let mut story = Story::new();
    added(&mut story, 0, "shop/web-0");
    story.sandbox(100_000, "shop/web-0", 1);
    story.starts(200_000, 1, "app");
    story.0.tick(3_000_000);
    assert_eq!(silent(&story), []);
}

#[test]
fn m6_a_silent_pod_that_starts_is_proven_fixed() {
    let mut story = Story::new();
    added(&mut story, 0, "shop/web-0");
    story.0.tick(300_000);
    story.sandbox(310_000, "shop/web-0", 1);
    story.starts(320_000, 1, "app");
    let told = silent(&story);
    assert_eq!((told[0].state, told[0].rung), (State::Resolved, 3), "{told:#?}");
}

/// A pod in back-off, told every minute, then nothing from the kubelet.
fn hung(story: &mut Story) {
    let error = "failed to \"StartContainer\" for \"app\" with CrashLoopBackOff: \"back-off 5m0s \
         restarting failed container=app pod=web-0_shop(x)\"";
    for turn in 0..4 {
        story.fails(turn * 60_000, "shop/web-0", 1, error);
    }
}

#[test]
fn m6_a_kubelet_that_stops_writing_while_the_runtime_goes_on_is_told() {
    let mut story = Story::new();
    hung(&mut story);
    story.sandbox(300_000, "shop/other-0", 7);
    story.0.tick(355_000);
    assert_eq!(silent(&story), []);
    story.0.tick(365_000);
    let told = silent(&story);
    assert_eq!((told.len(), told[0].scope), (1, Scope::Node));
    assert!(told[0].cause.title.starts_with("no line from the kubelet since 2026-11-22T22:03:00"));
    let web = story.now().into_iter().find(|it| it.scope == Scope::Pod).unwrap();
    assert!(web.coverage.is_some_and(|share| share < 1.0), "{web:#?}");
    // It speaks again, and that alone proves nothing more than that.
    goes_on(&mut story, 400_000);
    let told = silent(&story);
    assert_eq!((told[0].state, told[0].rung), (State::Recovering, 1));
}

#[test]
fn m6_where_nobody_writes_the_kubelet_is_not_blamed() {
    let mut story = Story::new();
    hung(&mut story);
    story.0.tick(3_000_000);
    assert_eq!(silent(&story), []);
}

#[test]
fn m6_a_healthy_kubelet_with_nothing_to_say_is_not_blamed() {
    let mut story = Story::new();
    goes_on(&mut story, 0);
    story.sandbox(300_000, "shop/other-0", 7);
    story.0.tick(3_000_000);
    assert!(story.node().is_empty());
}

fn paused(story: &mut Story, millis: i64, why: &str) {
    let text = format!("kubelet.go:2451] \"Skipping pod synchronization\" err={why:?}");
    story.0.kubelet(millis, 'E', &text);
}

#[test]
fn r95_a_paused_sync_loop_is_told_whatever_the_reason() {
    let mut story = Story::new();
    for turn in 0..6 {
        paused(&mut story, turn * 5_000, "the moon is in the wrong house");
    }
    story.0.tick(40_000);
    let told = story.node();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].cause.id.as_str(), told[0].state), ("unclassified", State::Open));
    assert!(told[0].cause.title.contains("the moon is in the wrong house"), "{told:#?}");
    // Only a container that starts after it proves that pods are synced again.
    story.0.tick(600_000);
    assert_eq!(story.node()[0].rung, 0);
    story.sandbox(610_000, "shop/web-0", 1);
    story.starts(611_000, 1, "app");
    goes_on(&mut story, 680_000);
    story.0.tick(681_000);
    assert_eq!(story.node()[0].state, State::Resolved, "{:#?}", story.node());
}

#[test]
fn r95_an_old_pleg_is_told_with_its_age() {
    let mut story = Story::new();
    for turn in 0..6 {
        let why = format!(
            "[PLEG is not healthy: pleg was last seen active 3m{turn}s ago; threshold is 3m0s]"
        );
        paused(&mut story, turn * 5_000, &why);
    }
    story.0.tick(40_000);
    let told = story.node();
    let root = told.iter().find(|it| it.parent.is_none()).unwrap();
    assert_eq!(root.cause.id, "node_pleg_unhealthy", "{told:#?}");
    assert!(root.evidence.iter().any(|it| it.text.contains("last seen active 3m")), "{root:#?}");
}
