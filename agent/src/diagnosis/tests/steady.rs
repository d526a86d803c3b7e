//! What a live node showed: a cause that was told stays, over the next death and over a restart.

use super::*;
use crate::{
    fact::{
        Container, Dated, Fact, FileEntry, Instance, LastWords, Listing, Mount, Pod, PodRef,
        Volume, evidence::VolumeListing,
    },
    incident::{Incident, State},
};

const DEAD: [&str; 2] = [
    "1af00ff85113bf9cd3d1b4b4eafb9563e6ca5c50f302a7b7276a497a5768576e",
    "2bf00ff85113bf9cd3d1b4b4eafb9563e6ca5c50f302a7b7276a497a5768576e",
];

fn mount(path: &str) -> Vec<Mount> {
    vec![Mount { volume: "config".into(), path: path.into(), ..Mount::default() }]
}

/// A shipper that looks for its file where its volume is not mounted, and what is known of it.
fn facts(engine: &mut Engine, millis: i64, dead: &str) {
    let pod = PodRef {
        namespace: Some("shop".into()),
        name: Some("web-0".into()),
        uid: Some(UID_A.into()),
    };
    let at = START + millis * 1000;
    let spec = Pod {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: Some(UID_A.into()),
        volumes: vec![Volume { name: "config".into(), ..Volume::default() }],
        containers: vec![
            Container { name: "init".into(), mounts: mount("/tmp/conf"), ..Container::default() },
            Container { name: "app".into(), mounts: mount("/etc/conf"), ..Container::default() },
        ],
        ..Pod::default()
    };
    let instance = Instance {
        pod: pod.clone(),
        container: "app".into(),
        container_id: Some(dead.into()),
        ..Instance::default()
    };
    let words = LastWords {
        instance,
        lines: vec!["open /app/shipper.conf: No such file or directory".into()],
        matters: Some(0),
        ..LastWords::default()
    };
    let file = FileEntry { path: "shipper.conf".into(), mode: 0o644, ..FileEntry::default() };
    let volume =
        VolumeListing { volume: "config".into(), files: vec![file], ..VolumeListing::default() };
    let listing = Listing { pod, volumes: vec![volume] };
    for fact in [
        Fact::Pod(Box::new(spec)),
        Fact::LastWords(Box::new(words)),
        Fact::Listing(Box::new(listing)),
    ] {
        engine.apply(at, Input::Fact(Box::new(Dated { at, fact })));
    }
}

fn dies(engine: &mut Engine, millis: i64, dead: &str, back_off: &str) {
    engine.kubelet(
        millis,
        'I',
        &format!(
            "generic.go:358] \"Generic (PLEG): container finished\" podID=\"{UID_A}\" containerID=\"{dead}\" exitCode=1"
        ),
    );
    engine.kubelet(millis + 1, 'E', &crash_loop(back_off, "web-0", UID_A));
}

fn created(engine: &mut Engine, millis: i64, dead: &str, attempt: u32) {
    engine.containerd(
        millis,
        "info",
        &format!(
            r#"msg="CreateContainer within sandbox \"{SANDBOX_A}\" for &ContainerMetadata{{Name:app,Attempt:{attempt},}} returns container id \"{dead}\"""#
        ),
    );
}

fn causes(engine: &Engine) -> Vec<String> {
    let incidents = engine.out.incidents.iter();
    let mut causes: Vec<String> = incidents.map(|incident| incident.cause.id.clone()).collect();
    causes.dedup();
    causes
}

fn newest(engine: &Engine) -> &Incident {
    engine.out.incidents.last().unwrap()
}

/// A crash, its last words, and the names of the files: the cause is known.
fn failing() -> Engine {
    let mut engine = Engine::new(Repeats::Summary);
    engine.containerd(
        0,
        "info",
        &format!(
            r#"msg="RunPodSandbox for &PodSandboxMetadata{{Name:web-0,Uid:{UID_A},Namespace:shop,Attempt:0,}} returns sandbox id \"{SANDBOX_A}\"""#
        ),
    );
    created(&mut engine, 100, DEAD[0], 0);
    dies(&mut engine, 1000, DEAD[0], "10s");
    facts(&mut engine, 1010, DEAD[0]);
    engine.tick(20_000);
    assert_eq!(newest(&engine).cause.id, "mount_path_mismatch");
    engine
}

#[test]
fn m4_the_next_death_does_not_take_the_cause_back_before_its_words_are_read() {
    let mut engine = failing();
    engine.out.incidents.clear();
    created(&mut engine, 21_000, DEAD[1], 1);
    dies(&mut engine, 22_000, DEAD[1], "20s");
    facts(&mut engine, 22_010, DEAD[1]);
    engine.apply(engine.last, Input::End);
    assert_eq!(causes(&engine), ["mount_path_mismatch"]);
    assert_eq!(newest(&engine).attempts, 2);
}

#[test]
fn m4_the_names_of_files_that_a_cause_rests_on_survive_a_restart() {
    let mut engine = failing();
    restart(&mut engine, &mut BTreeMap::new(), Repeats::Summary);
    engine.out.incidents.clear();
    engine.kubelet(25_000, 'E', &crash_loop("10s", "web-0", UID_A));
    engine.apply(engine.last, Input::End);
    assert_eq!(causes(&engine), ["mount_path_mismatch"]);
}

#[test]
fn a_kubelet_that_has_just_begun_and_not_looked_at_its_containers_yet_is_no_incident() {
    let mut engine = Engine::new(Repeats::Summary);
    engine.kubelet(0, 'I', "kubelet.go:2395] \"Starting kubelet main sync loop\"");
    engine.kubelet(
        900,
        'E',
        "kubelet.go:2451] \"Skipping pod synchronization\" err=\"[container runtime status check may not have completed yet, PLEG is not healthy: pleg has yet to be successful]\"",
    );
    engine.tick(30_000);
    assert!(engine.out.incidents.is_empty(), "{:?}", engine.out.incidents);
    engine.kubelet(
        125_000,
        'E',
        "kubelet.go:2451] \"Skipping pod synchronization\" err=\"[PLEG is not healthy: pleg was last seen active 3m5s ago; threshold is 3m0s]\"",
    );
    engine.tick(150_000);
    assert_eq!(causes(&engine), ["node_pleg_unhealthy"], "but not for ever");
}

#[test]
fn what_was_proven_over_stays_so_when_the_pod_is_taken_away() {
    let mut engine = failing();
    created(&mut engine, 31_000, DEAD[1], 1);
    engine.containerd(
        31_100,
        "info",
        &format!(r#"msg="StartContainer for \"{}\" returns successfully""#, DEAD[1]),
    );
    engine.tick(31_000 + 700_000);
    assert_eq!(newest(&engine).state, State::Resolved, "{:?}", newest(&engine));
    engine.out.incidents.clear();
    engine.kubelet(
        740_000,
        'I',
        r#"kubelet.go:2537] "SyncLoop DELETE" source="api" pods=["shop/web-0"]"#,
    );
    engine.kubelet(
        741_000,
        'I',
        &format!(
            "generic.go:358] \"Generic (PLEG): container finished\" podID=\"{UID_A}\" containerID=\"{}\" exitCode=137",
            DEAD[1]
        ),
    );
    engine.kubelet(
        742_000,
        'I',
        r#"kubelet.go:2531] "SyncLoop REMOVE" source="api" pods=["shop/web-0"]"#,
    );
    engine.tick(760_000);
    assert!(engine.out.incidents.is_empty(), "{:?}", engine.out.incidents);
}

#[test]
fn a_disk_that_is_looked_at_after_it_was_full_corrects_the_cause() {
    let mut engine = Engine::new(Repeats::Summary);
    let full = format!("mkdir /var/lib/kubelet/pods/{UID_A}: no space left on device");
    engine.kubelet(0, 'E', &error_syncing(&full, "web-0", UID_A));
    engine.kubelet(12_000, 'E', &error_syncing(&full, "web-0", UID_A));
    engine.tick(20_000);
    assert_eq!(newest(&engine).cause.id, "pod_data_dir_failed");
    let disk = node::Disk {
        role: node::DiskRole::Kubelet,
        at: START + 21_000_000,
        free_bytes: 690_716_672,
        total_bytes: 705_470_464,
        inodes_free: Some(0),
        inodes_total: Some(40_000),
        read_only: Some(false),
    };
    let view = node::View { at: disk.at, disks: vec![disk], ..node::View::default() };
    engine.apply(START + 21_000_000, Input::Node(view));
    assert_eq!(newest(&engine).cause.id, "node_inode_exhausted");
}

#[test]
fn the_eviction_manager_fights_one_pressure_whatever_it_says_of_it() {
    let mut engine = Engine::new(Repeats::Summary);
    for round in 0..3 {
        let at = round * 10_000;
        for (micros, rest) in [
            r#"eviction_manager.go:376] "Eviction manager: attempting to reclaim" resourceName="ephemeral-storage""#,
            r#"eviction_manager.go:387] "Eviction manager: must evict pod(s) to reclaim" resourceName="ephemeral-storage""#,
            r#"eviction_manager.go:446] "Eviction manager: eviction thresholds have been met, but no pods are active to evict""#,
        ]
        .into_iter()
        .enumerate()
        {
            let letter = if micros == 2 { 'E' } else { 'I' };
            engine.kubelet(at + i64::try_from(micros).unwrap(), letter, rest);
        }
    }
    engine.tick(40_000);
    engine.apply(engine.last, Input::End);
    assert_eq!(causes(&engine), ["node_disk_pressure"]);
    let ids: std::collections::BTreeSet<&str> =
        engine.out.incidents.iter().map(|incident| incident.id.as_str()).collect();
    assert_eq!(ids.len(), 1, "{:?}", engine.out.incidents);
}

#[test]
fn an_eviction_manager_without_figures_after_a_start_fights_nothing() {
    let mut engine = Engine::new(Repeats::Summary);
    for at in [0, 10_000, 20_000] {
        engine.kubelet(
            at,
            'I',
            r#"eviction_manager.go:376] "Eviction manager: attempting to reclaim" resourceName="ephemeral-storage""#,
        );
    }
    engine.kubelet(
        30_000,
        'I',
        r#"kubelet_node_status.go:736] "Recording event message for node" node="node-1" event="NodeHasNoDiskPressure""#,
    );
    engine.tick(40_000);
    assert_eq!(newest(&engine).rung, 1, "{:?}", newest(&engine));
    let told = engine.out.incidents.len();
    engine.kubelet(
        50_000,
        'E',
        r#"eviction_manager.go:292] "Eviction manager: failed to get summary stats" err="failed to get node info: node \"node-1\" not found""#,
    );
    engine.tick(60_000);
    assert_eq!(engine.out.incidents.len(), told, "{:?}", newest(&engine));
    assert_eq!(newest(&engine).rung, 1);
}

#[test]
fn what_a_fact_shows_on_a_quiet_node_proves_nothing_of_the_time_before() {
    let mut engine = Engine::new(Repeats::Summary);
    for at in [0, 10_000, 20_000] {
        engine.kubelet(
            at,
            'I',
            r#"eviction_manager.go:376] "Eviction manager: attempting to reclaim" resourceName="ephemeral-storage""#,
        );
    }
    let no_pressure = |millis: i64| {
        let at = START + millis * 1000;
        let condition = fact::pod::Condition {
            kind: "DiskPressure".to_owned(),
            status: "False".to_owned(),
            since: Some(at),
            ..fact::pod::Condition::default()
        };
        let node = fact::NodeObject { conditions: vec![condition], ..fact::NodeObject::default() };
        (
            at,
            Input::Fact(Box::new(fact::Dated { at, fact: fact::Fact::NodeObject(Box::new(node)) })),
        )
    };
    // The kubelet has nothing more to say; time goes on, and then the Node object tells.
    engine.tick(100_000);
    let (at, fact) = no_pressure(100_200);
    engine.apply(at, fact);
    engine.tick(100_500);
    let told = newest(&engine);
    assert_eq!(told.rung, 1, "{told:?}");
    let record = engine.of_incidents.last().unwrap();
    assert!(record.time >= at, "told when it was seen, not at the newest line");
    let holds = i64::try_from(settings(Repeats::Summary).recovery.pressure_gone_for.as_millis());
    let holds = holds.unwrap();
    engine.tick(100_100 + holds);
    assert_eq!(newest(&engine).rung, 1, "it holds since it began, not since the newest line");
    engine.tick(100_300 + holds);
    assert_eq!(newest(&engine).rung, 2);
}
