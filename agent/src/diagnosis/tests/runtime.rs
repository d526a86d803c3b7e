//! What the container runtime knows, where neither lines nor the API tell it: ends and mounts.

use super::*;
use crate::{
    fact::{
        Container, Containers, Dated, Fact, FileEntry, Instance, LastWords, Listing, Mount, PodRef,
        State, Volume, Want, evidence::VolumeListing,
    },
    incident::Confidence,
};

const DEAD: &str = "1af00ff85113bf9cd3d1b4b4eafb9563e6ca5c50f302a7b7276a497a5768576e";
const MADE: &str = "2bf00ff85113bf9cd3d1b4b4eafb9563e6ca5c50f302a7b7276a497a5768576e";

fn pod() -> PodRef {
    PodRef { namespace: Some("shop".into()), name: Some("web-0".into()), uid: Some(UID_A.into()) }
}

fn ended(name: &str, id: &str, path: &str, exit_code: i32) -> Container {
    let state = State::Terminated {
        exit_code,
        signal: None,
        reason: Some("Error".into()),
        message: None,
        started: Some(START),
        finished: Some(START + 1_000_000),
        container_id: Some(id.into()),
    };
    Container {
        name: name.into(),
        container_id: Some(id.into()),
        state: Some(state),
        restarts: Some(0),
        mounts: vec![Mount { volume: "config".into(), path: path.into(), ..Mount::default() }],
        ..Container::default()
    }
}

fn told(engine: &mut Engine, millis: i64, fact: Fact) {
    let at = START + millis * 1000;
    engine.apply(at, Input::Fact(Box::new(Dated { at, fact })));
}

/// A kubelet at V0: it only says that it waits.
fn waiting() -> Engine {
    let mut engine = Engine::new(Repeats::Summary);
    engine.kubelet(2_000, 'E', &crash_loop("10s", "web-0", UID_A));
    engine
}

fn newest(engine: &Engine) -> &crate::incident::Incident {
    engine.out.incidents.last().unwrap()
}

#[test]
fn an_exit_code_that_no_line_told_comes_from_the_runtime() {
    let mut engine = waiting();
    let containers = vec![ended("app", DEAD, "/etc/app", 139)];
    told(
        &mut engine,
        2_100,
        Fact::Containers(Box::new(Containers { pod: pod(), containers, volumes: vec![] })),
    );
    engine.kubelet(14_000, 'E', &crash_loop("10s", "web-0", UID_A));
    engine.tick(30_000);
    let told = newest(&engine);
    assert_eq!(told.exit_code, Some(139), "{told:?}");
    assert!(told.evidence.iter().any(|it| it.source == "cri"), "{told:?}");
}

#[test]
fn m4_mounts_of_the_runtime_say_where_to_look_and_what_is_mounted_where() {
    let mut engine = waiting();
    let instance = Instance {
        pod: pod(),
        container: "app".into(),
        container_id: Some(DEAD.into()),
        attempt: Some(0),
        ..Instance::default()
    };
    let lines = vec!["open /app/shipper.conf: No such file or directory".into()];
    let words = LastWords { instance, lines, matters: Some(0), ..LastWords::default() };
    told(&mut engine, 2_050, Fact::LastWords(Box::new(words)));
    engine.out.wants.clear();
    let containers = vec![ended("app", DEAD, "/etc/conf", 1), ended("init", MADE, "/tmp/conf", 0)];
    let volumes = vec![Volume { name: "config".into(), ..Volume::default() }];
    let answer = Containers { pod: pod(), containers, volumes };
    told(&mut engine, 2_100, Fact::Containers(Box::new(answer)));
    let listing = Want::Listing { pod: pod(), volumes: vec!["config".into()] };
    assert!(engine.out.wants.contains(&listing), "{:?}", engine.out.wants);

    let file = FileEntry { path: "shipper.conf".into(), ..FileEntry::default() };
    let volume =
        VolumeListing { volume: "config".into(), files: vec![file], ..VolumeListing::default() };
    told(
        &mut engine,
        2_200,
        Fact::Listing(Box::new(Listing { pod: pod(), volumes: vec![volume] })),
    );
    engine.kubelet(14_000, 'E', &crash_loop("10s", "web-0", UID_A));
    engine.tick(30_000);
    let told = newest(&engine);
    assert_eq!(told.cause.id, "mount_path_mismatch", "{told:?}");
    assert_eq!(told.cause.confidence, Confidence::Certain);
    let shown = "which `app` mounts at /etc/conf and `init` at /tmp/conf";
    assert!(told.evidence.iter().any(|it| it.text.contains(shown)), "{told:?}");
}

#[test]
fn the_runtime_is_asked_only_for_what_nobody_else_tells() {
    let asked =
        |engine: &Engine| engine.out.wants.iter().any(|want| matches!(want, Want::Containers(_)));
    let dies = |engine: &mut Engine| {
        engine.kubelet(
            1_000,
            'I',
            &format!(
                "generic.go:358] \"Generic (PLEG): container finished\" podID=\"{UID_A}\" containerID=\"{DEAD}\" exitCode=1"
            ),
        );
    };
    let created = format!(
        r#"msg="CreateContainer within sandbox \"{SANDBOX_A}\" for &ContainerMetadata{{Name:app,Attempt:0,}} returns container id \"{DEAD}\"""#
    );
    let sandbox = format!(
        r#"msg="RunPodSandbox for &PodSandboxMetadata{{Name:web-0,Uid:{UID_A},Namespace:shop,Attempt:0,}} returns sandbox id \"{SANDBOX_A}\"""#
    );
    let mut unknown = Engine::new(Repeats::Summary);
    unknown.containerd(0, "info", &sandbox);
    unknown.containerd(10, "info", &created);
    dies(&mut unknown);
    assert!(asked(&unknown), "{:?}", unknown.out.wants);

    let mut known = Engine::new(Repeats::Summary);
    known.containerd(0, "info", &sandbox);
    known.containerd(10, "info", &created);
    let spec = fact::Pod {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: Some(UID_A.into()),
        ..fact::Pod::default()
    };
    told(&mut known, 20, Fact::Pod(Box::new(spec)));
    dies(&mut known);
    assert!(!asked(&known), "{:?}", known.out.wants);
}
