//! The life of an incident (diagnosis.md 4.3): flapping, stale, reminders, restarts, successors, what
//! changed, and what heals before it is one.

use super::{
    root::{Story, id_of, uid},
    *,
};
use crate::{
    fact::{self, Fact},
    incident::{Incident, State},
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

const NO_SECRET: &str = "failed to \"StartContainer\" for \"app\" with CreateContainerConfigError: \
     \"secret \\\"mail\\\" not found\"";

fn only(story: &Story) -> Incident {
    let all = story.now();
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

/// Two attempts, ten seconds apart.
fn fails(story: &mut Story, millis: i64, pod: &str) {
    story.fails(millis, pod, 1, NO_SECRET);
    story.fails(millis + 10_000, pod, 1, NO_SECRET);
}

/// A container of its own number is created and started.
fn starts(story: &mut Story, millis: i64, turn: u32) {
    let (sandbox, id) = (id_of(0x5001), id_of(0xd000 + turn));
    let text = format!(
        "msg=\"CreateContainer within sandbox \\\"{sandbox}\\\" for &ContainerMetadata{{Name:app,Attempt:{turn},}} returns container id \\\"{id}\\\"\""
    );
    story.0.containerd(millis, "info", &text);
    let text = format!("msg=\"StartContainer for \\\"{id}\\\" returns successfully\"");
    story.0.containerd(millis + 1, "info", &text);
}

/// Times of the records that woke somebody, in milliseconds after the first.
fn notices(story: &Story) -> Vec<i64> {
    let woke =
        |record: &&Record| record.attribute(names::INCIDENT_NOTIFY) == Some(&Value::Bool(true));
    let times: Vec<i64> = story.0.of_incidents.iter().filter(woke).map(|it| it.time).collect();
    times.iter().map(|time| (time - times[0]) / 1000).collect()
}

fn states(story: &Story) -> Vec<&str> {
    story.0.of_incidents.iter().map(|record| text(record, names::INCIDENT_STATE)).collect()
}

#[test]
fn flapping_is_one_state_with_one_notice_and_a_word_an_hour() {
    let mut story = Story::new();
    story.sandbox(0, "shop/web-0", 1);
    for turn in 0..4 {
        fails(&mut story, i64::from(turn) * 5 * MINUTE + 1_000, "shop/web-0");
        starts(&mut story, i64::from(turn) * 5 * MINUTE + 60_000, turn);
    }
    let flaps = only(&story);
    assert_eq!((flaps.state, flaps.turns), (State::Flapping, 3), "{flaps:#?}");
    assert_eq!(states(&story).iter().filter(|state| **state == "flapping").count(), 1);
    let told = notices(&story).len();
    // It goes on so for hours: nobody is woken again, and it is told once an hour.
    for turn in 4..40 {
        fails(&mut story, i64::from(turn) * 5 * MINUTE + 1_000, "shop/web-0");
        starts(&mut story, i64::from(turn) * 5 * MINUTE + 60_000, turn);
    }
    assert_eq!(only(&story).id, flaps.id);
    assert_eq!(notices(&story).len(), told);
    assert_eq!(states(&story).iter().filter(|state| **state == "flapping").count(), 4);
    // Only a window without any failure ends it.
    story.goes_on(40 * 5 * MINUTE, 40 * 5 * MINUTE + 20 * MINUTE);
    assert_eq!(only(&story).state, State::Flapping);
    story.goes_on(40 * 5 * MINUTE + 20 * MINUTE, 40 * 5 * MINUTE + 32 * MINUTE);
    assert_eq!(only(&story).state, State::Resolved);
}

#[test]
fn what_nobody_speaks_of_for_an_hour_is_stale_and_never_resolved() {
    let mut story = Story::new();
    fails(&mut story, 0, "shop/web-0");
    let open = only(&story);
    story.goes_on(20_000, HOUR - 2 * MINUTE);
    assert_eq!(only(&story).state, State::Open);
    story.goes_on(HOUR - 2 * MINUTE, 30 * HOUR);
    let stale = only(&story);
    assert_eq!((stale.state, stale.rung, &stale.resolved_at), (State::Stale, 0, &None));
    assert!(stale.note.as_ref().is_some_and(|note| note.contains("2026-11-22T22:00:10")));
    assert_eq!(*states(&story).last().unwrap(), "stale", "told once, and no more");
    // The same failure again is the same incident.
    story.fails(30 * HOUR, "shop/web-0", 1, NO_SECRET);
    let again = only(&story);
    assert_eq!((again.state, &again.id, again.note), (State::Open, &open.id, None));
}

#[test]
fn somebody_is_reminded_after_one_hour_after_four_and_then_daily() {
    let mut story = Story::new();
    for half_hour in 0..150 {
        fails(&mut story, half_hour * HOUR / 2, "shop/web-0");
    }
    story.0.tick(75 * HOUR);
    let told: Vec<i64> = notices(&story).iter().map(|millis| (millis + 30_000) / HOUR).collect();
    assert_eq!(told, [0, 1, 4, 28, 52]);
    // Beside them it is told each hour, so that it does not expire.
    let records = &story.0.of_incidents;
    assert!((75..=80).contains(&records.len()), "{}", records.len());
    for record in records {
        let expires = text(record, names::INCIDENT_EXPIRES);
        assert!(expires.parse::<jiff::Timestamp>().is_ok(), "{expires:?}");
    }
}

#[test]
fn an_ended_instance_that_cannot_be_removed_takes_nothing_back() {
    const EXITS: &str = "failed to \"StartContainer\" for \"app\" with RunContainerError: \
         \"exec: \\\"serve\\\": executable file not found in $PATH\"";
    // So containerd answers where the kubelet removes one instance twice at a time.
    let removed = |story: &mut Story, millis: i64| {
        let text = format!(
            "kuberuntime_container.go:955] \"Unhandled Error\" err=\"failed to remove pod init container \\\"app\\\": rpc error: code = Unknown desc = failed to set removing state for container \\\"{id}\\\": container is already in removing state; Skipping pod \\\"web-0_shop({pod})\\\"\" logger=\"UnhandledError\"",
            id = id_of(0xd000),
            pod = uid(1)
        );
        story.0.kubelet(millis, 'E', &text);
    };
    let mut story = Story::new();
    story.sandbox(0, "shop/web-0", 1);
    for millis in [1_000, 11_000] {
        story.fails(millis, "shop/web-0", 1, EXITS);
        removed(&mut story, millis + 10);
    }
    let open = only(&story);
    assert_eq!((open.state, open.step.as_deref()), (State::Open, Some("StartContainer")));
    assert_eq!(open.attempts, 2, "what is removed is no attempt");
    starts(&mut story, MINUTE, 1);
    let rung = only(&story).rung;
    assert!(rung > 0);
    removed(&mut story, MINUTE + 10);
    let recovering = only(&story);
    assert_eq!((recovering.state, recovering.rung), (State::Recovering, rung));
    story.goes_on(MINUTE + 10, 2 * MINUTE);
    assert_eq!(only(&story).state, State::Resolved);
    let told = states(&story).len();
    removed(&mut story, 2 * MINUTE);
    story.0.tick(3 * MINUTE);
    let fixed = only(&story);
    assert_eq!((fixed.state, fixed.step.as_deref()), (State::Resolved, Some("StartContainer")));
    assert_eq!(states(&story).len(), told);
    let records = story.0.end();
    assert!(records.iter().any(|it| text(it, names::SYNC_STEP) == "RemoveContainer"), "told alone");
}

#[test]
fn an_eviction_lasts_although_the_kubelet_removes_the_pod_s_logs_at_once() {
    let mut story = Story::new();
    story.sandbox(0, "shop/web-0", 1);
    fails(&mut story, 1_000, "shop/web-0");
    let evicted = "eviction_manager.go:629] \"Eviction manager: pod is evicted successfully\" pod=\"shop/web-0\"";
    story.0.kubelet(20_000, 'I', evicted);
    let named = fact::PodRef {
        namespace: Some("shop".to_owned()),
        name: Some("web-0".to_owned()),
        uid: Some(uid(1)),
    };
    let told = |story: &mut Story, millis: i64, fact: Fact| {
        let at = START + millis * 1000;
        story.0.apply(at, Input::Fact(Box::new(fact::Dated { at, fact })));
        story.0.tick(millis + 1);
    };
    let folder = fact::LogFolder {
        pod: named.clone(),
        container: None,
        change: fact::LogFolderChange::Gone,
    };
    told(&mut story, 21_000, Fact::LogFolder(Box::new(folder)));
    let ends = |story: &Story| {
        let of = |incident: Incident| (incident.step.unwrap_or_default(), incident.state);
        let mut all: Vec<(String, State)> = story.now().into_iter().map(of).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let [eviction, start] = ["Eviction".to_owned(), "StartContainer".to_owned()];
    let lasts = [(eviction.clone(), State::Open), (start.clone(), State::Superseded)];
    assert_eq!(ends(&story), lasts, "it never starts again, and is still evicted");
    told(&mut story, 60_000, Fact::PodGone(named));
    assert_eq!(ends(&story), [(eviction, State::Superseded), (start, State::Superseded)]);
}

#[test]
fn r95_a_restart_of_the_agent_proves_nothing_and_what_came_meanwhile_is_read() {
    let mut story = Story::new();
    let mut kept = BTreeMap::new();
    story.sandbox(0, "shop/web-0", 1);
    fails(&mut story, 1_000, "shop/web-0");
    let open = only(&story);
    let told = story.0.of_incidents.len();
    restart(&mut story.0, &mut kept, Repeats::Summary);
    story.0.tick(20 * MINUTE);
    let after = only(&story);
    assert_eq!((after.state, after.rung, &after.id), (State::Open, 0, &open.id));
    assert_eq!(story.0.of_incidents.len(), told, "nothing new to tell");
    assert_eq!(after.coverage, Some(1.0), "the journal was read through");
    // The fix was made while nobody looked; the journal has it.
    restart(&mut story.0, &mut kept, Repeats::Summary);
    starts(&mut story, 25 * MINUTE, 1);
    let fixed = only(&story);
    assert_eq!((fixed.state, &fixed.id), (State::Resolved, &open.id));
}

#[test]
fn r97_a_time_without_the_agent_that_the_journal_no_longer_holds_lowers_the_coverage() {
    let mut story = Story::new();
    let mut kept = BTreeMap::new();
    fails(&mut story, 0, "shop/web-0");
    restart(&mut story.0, &mut kept, Repeats::Summary);
    let loss = Loss {
        kind: LossKind::Vacuumed,
        component: "journal".to_owned(),
        unit: None,
        lines: None,
        from: Some(START + 10_000_000),
        to: Some(START + 30 * MINUTE * 1000),
        destination: None,
        why: "the journal no longer holds the entry up to which it was read".to_owned(),
    };
    story.0.apply(START + 31 * MINUTE * 1000, Input::Lost(loss));
    story.fails(40 * MINUTE, "shop/web-0", 1, NO_SECRET);
    let seen = only(&story);
    let share = seen.coverage.unwrap();
    assert!((0.2..0.3).contains(&share), "10 of 40 minutes were seen: {share}");
    assert!(seen.loss.iter().any(|text| text.contains("journal")), "{:?}", seen.loss);
}

fn added(story: &mut Story, millis: i64, pod: &str) {
    let text = format!("kubelet.go:2515] \"SyncLoop ADD\" source=\"api\" pods=[{pod:?}]");
    story.0.kubelet(millis, 'I', &text);
}

fn taken_away(story: &mut Story, millis: i64, pod: &str) {
    let text = format!("kubelet.go:2537] \"SyncLoop DELETE\" source=\"api\" pods=[{pod:?}]");
    story.0.kubelet(millis, 'I', &text);
    let text = format!("kubelet.go:2531] \"SyncLoop REMOVE\" source=\"api\" pods=[{pod:?}]");
    story.0.kubelet(millis + 1_000, 'I', &text);
}

#[test]
fn a_superseded_incident_names_the_pod_that_took_the_place() {
    let (old, new) = ("shop/web-6f7d9c5b8-x7k2p", "shop/web-6f7d9c5b8-q2w4z");
    for comes_first in [true, false] {
        let mut story = Story::new();
        fails(&mut story, 0, old);
        if comes_first {
            added(&mut story, 50_000, new);
        }
        taken_away(&mut story, MINUTE, old);
        if !comes_first {
            assert_eq!(only(&story).note.as_deref(), Some("its pod is gone"));
            added(&mut story, 70_000, new);
        }
        let ended = only(&story);
        assert_eq!(ended.state, State::Superseded);
        let note = "its pod is gone; pod shop/web-6f7d9c5b8-q2w4z of the same owner took its place";
        assert_eq!(ended.note.as_deref(), Some(note), "{comes_first}");
        let newest = story.0.of_incidents.last().unwrap();
        assert_eq!(text(newest, names::INCIDENT_NOTE), note, "and a record says so");
    }
}

#[test]
fn a_pod_of_another_owner_is_no_successor() {
    let mut story = Story::new();
    fails(&mut story, 0, "shop/web-6f7d9c5b8-x7k2p");
    taken_away(&mut story, MINUTE, "shop/web-6f7d9c5b8-x7k2p");
    added(&mut story, 70_000, "shop/api-5d8f7c6b9-b2c4d");
    added(&mut story, 71_000, "other/web-6f7d9c5b8-q2w4z");
    assert_eq!(only(&story).note.as_deref(), Some("its pod is gone"));
}

/// The pod as the API has it, with this image.
fn with_image(story: &mut Story, millis: i64, image: &str) {
    let container =
        fact::Container { name: "app".into(), image: Some(image.into()), ..Default::default() };
    let pod = fact::Pod {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: Some(uid(1)),
        node: Some("node-1".into()),
        spec_hash: Some(image.into()),
        containers: vec![container],
        ..fact::Pod::default()
    };
    let at = START + millis * 1000;
    let fact = fact::Dated { at, fact: Fact::Pod(Box::new(pod)) };
    story.0.apply(at, Input::Fact(Box::new(fact)));
}

fn no_image(story: &mut Story, millis: i64) {
    let error = "failed to \"StartContainer\" for \"app\" with ErrImagePull: \"rpc error: code = \
         NotFound desc = failed to pull and unpack image \\\"localhost:5000/shop/web:2.0\\\": \
         failed to resolve reference \\\"localhost:5000/shop/web:2.0\\\": \
         localhost:5000/shop/web:2.0: not found\"";
    story.fails(millis, "shop/web-0", 1, error);
}

#[test]
fn what_changed_just_before_it_began_and_what_the_fix_changed_are_told() {
    let mut story = Story::new();
    story.0.kubelet(0, 'I', "server.go:527] \"Kubelet version\" kubeletVersion=\"v1.34.4\"");
    story.0.kubelet(100, 'I', "kubelet.go:2395] \"Starting kubelet main sync loop\"");
    story.sandbox(500, "shop/web-0", 1);
    with_image(&mut story, 600, "localhost:5000/shop/web:1.9");
    with_image(&mut story, 60_000, "localhost:5000/shop/web:2.0");
    no_image(&mut story, 70_000);
    no_image(&mut story, 85_000);
    let open = only(&story);
    assert_eq!(open.state, State::Open);
    let has = |list: &[String], part: &str| list.iter().any(|text| text.contains(part));
    let change = "image of app: localhost:5000/shop/web:1.9 → localhost:5000/shop/web:2.0";
    assert!(has(&open.changed, change), "{:?}", open.changed);
    assert!(has(&open.changed, "the kubelet started at 2026-11-22T22:00:00"), "{:?}", open.changed);
    with_image(&mut story, 120_000, "localhost:5000/shop/web:2.0.1");
    starts(&mut story, 130_000, 0);
    let fixed = only(&story);
    assert_eq!(fixed.state, State::Resolved);
    let change = "image of app: localhost:5000/shop/web:2.0 → localhost:5000/shop/web:2.0.1";
    assert!(has(&fixed.fixed_by, change), "{:?}", fixed.fixed_by);
    assert!(!has(&fixed.fixed_by, "the kubelet started"), "that was before: {:?}", fixed.fixed_by);
}

#[test]
fn m8_the_next_retry_follows_the_version_of_the_kubelet_that_runs() {
    let message = "back-off 40s restarting failed container=app pod=web-0_shop(x)";
    let error =
        format!("failed to \"StartContainer\" for \"app\" with CrashLoopBackOff: {message:?}");
    for (version, says) in [
        (Some("v1.31.2"), "every 10 to 15 s"),
        (Some("v1.34.4"), "1.34 or later"),
        (Some("v1.35.0"), "crashLoopBackOff.maxContainerRestartPeriod"),
        (None, "version, which is not known"),
    ] {
        let mut story = Story::new();
        if let Some(version) = version {
            let text = format!("server.go:527] \"Kubelet version\" kubeletVersion={version:?}");
            story.0.kubelet(0, 'I', &text);
        }
        story.fails(1_000, "shop/web-0", 1, &error);
        story.fails(13_000, "shop/web-0", 1, &error);
        let told = only(&story);
        let why = told.next_retry_why.unwrap();
        assert!(why.contains("back-off of 40 s") && why.contains(says), "{version:?}: {why}");
        assert!(
            told.next_retry.is_some_and(|at| at > START + 13_000_000),
            "{told_at:?}",
            told_at = told.next_retry
        );
    }
}

/// A volume that cannot be mounted yet, told by its operation alone.
fn mount_fails(story: &mut Story, millis: i64, wait: &str, why: &str) {
    let uid = uid(1);
    let text = format!(
        "nestedpendingoperations.go:348] Operation for \"{{volumeName:kubernetes.io/configmap/{uid}-conf podName:{uid} nodeName:}}\" failed. No retries permitted until 2026-11-22 22:00:01 +0000 UTC m=+1.0 (durationBeforeRetry {wait}). Error: MountVolume.SetUp failed for volume \"conf\" (UniqueName: \"kubernetes.io/configmap/{uid}-conf\") pod \"web-0\" (UID: \"{uid}\") : {why}"
    );
    story.0.kubelet(millis, 'E', &text);
}

fn mounted(story: &mut Story, millis: i64) {
    let uid = uid(1);
    let text = format!(
        "operation_generator.go:637] \"MountVolume.SetUp succeeded for volume \\\"conf\\\" (UniqueName: \\\"kubernetes.io/configmap/{uid}-conf\\\") pod \\\"web-0\\\" (UID: \\\"{uid}\\\") \" pod=\"shop/web-0\""
    );
    story.0.kubelet(millis, 'I', &text);
}

#[test]
fn a_mount_that_heals_within_a_second_opens_nothing() {
    let late = "failed to sync configmap cache: timed out waiting for the condition";
    let mut story = Story::new();
    added(&mut story, 0, "shop/web-0");
    mount_fails(&mut story, 100, "500ms", late);
    mounted(&mut story, 700);
    story.sandbox(900, "shop/web-0", 1);
    starts(&mut story, 1_500, 0);
    story.0.tick(HOUR);
    assert!(story.0.out.incidents.is_empty(), "{:#?}", story.0.out.incidents);
    // One that does not heal is told.
    let mut story = Story::new();
    mount_fails(&mut story, 100, "500ms", "configmap \"conf\" not found");
    mount_fails(&mut story, 700, "1s", "configmap \"conf\" not found");
    assert_eq!(story.now(), []);
    story.0.tick(16_000);
    assert_eq!(only(&story).state, State::Open);
}

#[test]
fn a_node_authoriser_that_learns_of_a_pod_late_opens_nothing() {
    let mut story = Story::new();
    added(&mut story, 0, "shop/web-0");
    for millis in [50, 1_200] {
        story.0.kubelet(millis, 'E', "reflector.go:205] \"Failed to watch\" err=\"failed to list *v1.ConfigMap: configmaps \\\"conf\\\" is forbidden: User \\\"system:node:node-1\\\" cannot list resource \\\"configmaps\\\" in API group \\\"\\\" in the namespace \\\"shop\\\": no relationship found between node 'node-1' and this object\" logger=\"UnhandledError\" reflector=\"object-\\\"shop\\\"/\\\"conf\\\"\" type=\"*v1.ConfigMap\"");
    }
    story.sandbox(2_000, "shop/web-0", 1);
    starts(&mut story, 2_500, 0);
    story.0.tick(HOUR);
    assert!(story.0.out.incidents.is_empty(), "{:#?}", story.0.out.incidents);
}
