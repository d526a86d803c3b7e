//! M4: the path that was missed, held against mounts and file names.

use super::*;
use crate::{
    diagnosis::{
        case::Case,
        world::{ContainerState, Instance, PodKey, PodState, Specs, World},
    },
    fact::{
        Container, Dated, Fact, FileEntry, LastWords, PodRef, Role, Volume, evidence::VolumeListing,
    },
};

const UID: &str = "0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11";
const ENDED: i64 = 100_000_000;

fn mount(volume: &str, path: &str) -> Mount {
    Mount { volume: volume.to_owned(), path: path.to_owned(), ..Mount::default() }
}

fn container(name: &str, role: Role, mounts: Vec<Mount>) -> Container {
    Container { name: name.to_owned(), role, mounts, ..Container::default() }
}

fn file(path: &str, modified: i64) -> FileEntry {
    FileEntry {
        path: path.to_owned(),
        modified: Some(modified),
        mode: 0o600,
        ..FileEntry::default()
    }
}

/// A pod whose init container writes into `config`, and whose shipper reads elsewhere.
fn pod() -> Pod {
    Pod {
        uid: Some(UID.to_owned()),
        containers: vec![
            container("init", Role::Init, vec![mount("config", "/tmp/fluentd")]),
            container("fluentd", Role::Main, vec![mount("config", "/etc/fluentd/conf")]),
        ],
        volumes: vec![Volume {
            name: "config".to_owned(),
            kind: VolumeKind::EmptyDir,
            ..Volume::default()
        }],
        ..Pod::default()
    }
}

/// What is found for `fluentd`, which said this last.
fn found(spec: Pod, said: &str, files: Option<Vec<FileEntry>>) -> Finding {
    found_with(Some(spec), said, files)
}

fn found_with(spec: Option<Pod>, said: &str, files: Option<Vec<FileEntry>>) -> Finding {
    let mut world = World::default();
    let words = LastWords { lines: vec![said.to_owned()], ..LastWords::default() };
    let instance = Instance {
        id: Some("id".to_owned()),
        ended: Some(ENDED),
        exit_code: Some(1),
        last_words: Some(words),
        ..Instance::default()
    };
    let state = ContainerState { instances: vec![instance], ..ContainerState::default() };
    let mut known = PodState::default();
    known.pod.uid = Some(UID.to_owned());
    known.containers.insert("fluentd".to_owned(), state);
    world.restore_pod(UID.to_owned(), known);
    if let Some(spec) = spec {
        world.restore_specs(UID.to_owned(), Specs { now: spec, ..Specs::default() });
    }
    if let Some(files) = files {
        let pod = PodRef { uid: Some(UID.to_owned()), ..PodRef::default() };
        let volumes = vec![VolumeListing { volume: "config".to_owned(), files, truncated: false }];
        let fact = Fact::Listing(Box::new(Listing { pod, volumes }));
        world.fact(ENDED, &Dated { at: ENDED, fact });
    }
    let case = Case {
        key: Some(PodKey(UID.to_owned())),
        container: Some("fluentd".to_owned()),
        ..Case::default()
    };
    look(&Seat::new(&world, &case))
}

const MISSES: &str =
    "config error file=\"/etc/fluentd/fluent.conf\" error=\"No such file or directory\"";

#[test]
fn m4_r62_the_file_is_on_the_volume_under_another_path() {
    let found = found(pod(), MISSES, Some(vec![file("fluent.conf", ENDED - 9)]));
    assert_eq!(found.path.as_deref(), Some("/etc/fluentd/fluent.conf"));
    assert_eq!(
        (found.elsewhere, found.later, found.absent),
        (Some(true), Some(false), Some(false))
    );
    let told = found.told.first().unwrap();
    for part in [
        "`fluent.conf` is in volume `config`",
        "which `init` mounts at /tmp/fluentd and `fluentd` at /etc/fluentd/conf",
        "`fluentd` finds it at /etc/fluentd/conf/fluent.conf, not at /etc/fluentd/fluent.conf",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn m4_without_names_of_files_it_is_only_likely() {
    let found = found(pod(), MISSES, None);
    assert_eq!((found.elsewhere, found.absent), (None, None), "nobody looked");
    assert!(found.told.iter().any(|told| told.starts_with("likely: ")), "{found:?}");
}

#[test]
fn m4_mounts_alone_suggest_only_what_can_be() {
    let misses = |path: &str| format!("open {path}: no such file or directory");
    let there = found(pod(), &misses("/tmp/fluentd/fluent.conf"), None);
    assert_eq!(there.suggested, Some(true), "where a sibling sees it: {there:?}");
    let near = found(pod(), &misses("/etc/fluentd/fluent.conf"), None);
    assert_eq!(near.suggested, Some(true), "{near:?}");

    let mut unshared = pod();
    unshared.containers.retain(|it| it.name != "init");
    let alone = found(unshared, &misses("/srv/app.yaml"), None);
    assert_eq!((alone.suggested, alone.told.len()), (Some(false), 0), "nobody else mounts it");

    let mut scratch = pod();
    for container in scratch.containers.iter_mut().filter(|it| it.name == "init") {
        container.role = Role::Main;
    }
    let scratch = found(scratch, &misses("/srv/app.yaml"), None);
    assert_eq!(scratch.suggested, Some(false), "shared, and nothing says for this: {scratch:?}");

    let mut unmounted = pod();
    for container in unmounted.containers.iter_mut().filter(|it| it.name == "fluentd") {
        container.mounts.clear();
    }
    let unmounted = found(unmounted, &misses("/tmp/fluentd/fluent.conf"), None);
    assert_eq!(unmounted.suggested, Some(true));
    assert!(unmounted.told[0].ends_with("not by `fluentd`"), "{unmounted:?}");
}

#[test]
fn m4_a_listing_alone_shows_that_the_file_lies_elsewhere() {
    let there = found_with(None, MISSES, Some(vec![file("fluent.conf", ENDED - 9)]));
    assert_eq!((there.elsewhere, there.later), (Some(true), Some(false)));
    assert!(there.told[0].starts_with("`fluent.conf` is in volume `config`"), "{there:?}");
    let late = found_with(None, MISSES, Some(vec![file("fluent.conf", ENDED + 9)]));
    assert_eq!((late.elsewhere, late.later), (Some(false), Some(true)));
    let nowhere = found_with(None, MISSES, Some(vec![file("other.conf", 1)]));
    assert_eq!((nowhere.elsewhere, nowhere.absent), (Some(false), Some(true)));
    assert_eq!(found_with(None, MISSES, None).elsewhere, None, "nobody looked");
}

#[test]
fn r49_no_volume_holds_the_file() {
    let found = found(pod(), MISSES, Some(vec![file("other.conf", 1)]));
    assert_eq!((found.elsewhere, found.absent), (Some(false), Some(true)));
    assert!(found.told.iter().any(|told| told.contains("no volume of the pod holds")));
}

#[test]
fn r63_the_file_came_after_the_end() {
    let said = "open /etc/fluentd/conf/fluent.conf: no such file or directory";
    let late = found(pod(), said, Some(vec![file("fluent.conf", ENDED + 1)]));
    assert_eq!((late.shared, late.later, late.elsewhere), (Some(true), Some(true), Some(false)));
    assert!(late.told.iter().any(|told| told.contains("only after the container had ended")));
    let there = found(pod(), said, Some(vec![file("fluent.conf", ENDED - 1)]));
    assert_eq!(there.later, Some(false), "it was there: something else is wrong");
}

#[test]
fn r64_a_path_that_was_refused_tells_its_owner_and_who_runs() {
    let mut spec = pod();
    for container in &mut spec.containers {
        container.run_as_user = Some(if container.name == "init" { 0 } else { 1000 });
    }
    let said = "/etc/fluentd/conf/fluent.conf: Permission denied";
    let found = found(spec, said, Some(vec![file("fluent.conf", 1)]));
    assert_eq!(found.complaint, Some(Complaint::Denied));
    let told = found.told.join(" / ");
    assert!(told.contains("belongs to uid 0, gid 0 with mode 0600"), "{told}");
    assert!(told.contains("runs as uid 1000") && told.contains("uid 0"), "{told}");
}

#[test]
fn r65_the_same_volume_to_write_for_one_and_to_read_for_the_other() {
    let mut spec = pod();
    for container in spec.containers.iter_mut().filter(|it| it.name == "fluentd") {
        container.mounts[0].read_only = true;
    }
    let found = found(spec, "touch: /etc/fluentd/conf/x: Read-only file system", None);
    let told = found.told.join(" / ");
    assert!(told.contains("`fluentd` mounts volume `config` read-only"), "{told}");
    assert!(told.contains("`init` mounts it to write at /tmp/fluentd"), "{told}");
}

#[test]
fn r67_a_variable_that_only_a_sibling_has() {
    let mut spec = pod();
    spec.containers.push(Container {
        name: "app".to_owned(),
        env: vec!["SHOP_TOKEN".to_owned()],
        ..Container::default()
    });
    let found = found(spec, "fatal: environment variable SHOP_TOKEN is not set", None);
    assert_eq!(found.told, ["SHOP_TOKEN is set for `app` and not for `fluentd`"]);
}

#[test]
fn r69_a_token_that_is_not_mounted() {
    let spec = Pod { automount_token: Some(false), ..pod() };
    let said = format!("open {TOKEN}/token: no such file or directory");
    let found = found(spec, &said, None);
    assert!(found.told.iter().any(|told| told.contains("automountServiceAccountToken: false")));
}

#[test]
fn complaints_name_the_path_or_the_bare_file() {
    for (line, expected) in [
        ("cannot load config file fluent.conf", Some((Complaint::Missing, "fluent.conf"))),
        (
            "FileNotFoundError: [Errno 2] '/app/settings.yaml'",
            Some((Complaint::Missing, "/app/settings.yaml")),
        ),
        ("Error: EACCES: permission denied, open '/data/x'", Some((Complaint::Denied, "/data/x"))),
        ("listening on /tmp/socket", None),
        ("host does not exist", None),
    ] {
        assert_eq!(complaint(&[line.to_owned()]), expected, "{line}");
    }
}
