//! A node with more than one journal: units in a namespace of their own (`LogNamespace=`), volatile
//! ones beside persistent ones, folders of another root. Each counts what was written, what arrived,
//! what was lost and told, what came twice.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::agent::Setup;
use crate::collector::Received;
use crate::journald::{Journald, Settings};
use crate::load::Node;
use crate::main_path::{LONG, SOON, lost_nothing, once_each, parts, setup, wait_for_pods};
use crate::soak::Random;
use crate::wait;

fn namespace(name: &'static str) -> Settings {
    Settings { namespace: name, ..Settings::default() }
}

/// The folder of a namespace.
fn folder_of(journald: &Journald) -> PathBuf {
    journald.files()[0].parent().unwrap().to_owned()
}

fn losses(received: &[Received]) -> Vec<&Received> {
    let all = received.iter().filter(|record| record.event == "podwhy.loss");
    all.filter(|loss| loss.text("podwhy.source.component") != "kernel").collect()
}

/// The agent's log says it.
fn says(setup: &Setup, text: &str) {
    let held = wait::reached(SOON, || {
        std::fs::read_to_string(setup.log()).is_ok_and(|log| log.contains(text))
    });
    assert!(held, "it never says {text:?}");
}

#[test]
fn units_in_a_namespace_are_followed_like_the_hosts_through_rotation_and_kills() {
    let test = "units_in_a_namespace_are_followed_like_the_hosts_through_rotation_and_kills";
    let Some((host, collector, folder)) = parts(test) else { return };
    let inner = host.beside(namespace("kubelet"));
    let setup = setup(&folder, &host, &collector);
    let mut agent = setup.start();
    let (mut outside, mut inside) = (Node::new(&host), Node::new(&inner));
    let mut random = Random::new(51);
    const FAILURES: usize = 2_000;
    const KILLS: usize = 10;
    let mut kills: BTreeSet<usize> = BTreeSet::new();
    while kills.len() < KILLS {
        kills.insert(random.below(FAILURES));
    }
    for number in 0..FAILURES {
        // A failure is told by lines of one journal.
        if random.below(2) == 0 {
            outside.fail(number)
        } else {
            inside.fail(number)
        }
        if number % 250 == 200 {
            inner.rotate();
            host.rotate();
        }
        if kills.contains(&number) {
            agent.kill();
            agent = setup.start();
        }
    }
    inside.flush();
    outside.flush();
    wait_for_pods(&collector, 0..FAILURES, LONG);
    assert!(agent.terminate().success());
    let received = collector.received();
    let ids: BTreeSet<&str> = failures(&received).map(Received::uid).collect();
    let pods: BTreeSet<&str> =
        failures(&received).map(|record| record.text("k8s.pod.uid")).collect();
    println!(
        "written {FAILURES}, arrived {}, told {}, losses {}, kills {KILLS}",
        pods.len(),
        ids.len(),
        losses(&received).len()
    );
    assert_eq!((pods.len(), ids.len()), (FAILURES, FAILURES));
    lost_nothing(&received);
}

fn failures(received: &[Received]) -> impl Iterator<Item = &Received> {
    received.iter().filter(|record| record.event == "podwhy.sync_failure")
}

#[test]
fn a_namespace_that_begins_later_is_read_from_its_beginning_and_its_losses_are_its_own() {
    let test =
        "a_namespace_that_begins_later_is_read_from_its_beginning_and_its_losses_are_its_own";
    let Some((host, collector, folder)) = parts(test) else { return };
    let setup = setup(&folder, &host, &collector);
    let mut agent = setup.start();
    let mut outside = Node::new(&host);
    (0..20).for_each(|number| outside.fail(number));
    wait_for_pods(&collector, 0..20, SOON);
    let inner = host.beside(Settings { file_mib_max: 1, ..namespace("node") });
    let mut inside = Node::new(&inner);
    (20..60).for_each(|number| inside.fail(number));
    wait_for_pods(&collector, 0..60, SOON);
    assert!(agent.terminate().success());

    // While it is off, both write, and the namespace's file of before goes.
    (60..70).for_each(|number| outside.fail(number));
    (70..80).for_each(|number| inside.fail(number));
    inside.flush();
    inner.sync();
    inner.rotate();
    (80..100).for_each(|number| inside.fail(number));
    inside.flush();
    inner.sync();
    inner.vacuum(1);
    let mut agent = setup.start();
    wait_for_pods(&collector, 60..70, SOON);
    wait_for_pods(&collector, 80..100, SOON);
    wait::until("the loss is told", SOON, || !losses(&collector.received()).is_empty());
    assert!(agent.terminate().success());
    let received = collector.received();
    once_each(&received, 90);
    let lost = losses(&received);
    println!("written 100, arrived 90, lost 10 and told in {} record(s)", lost.len());
    assert_eq!(lost.len(), 1, "{lost:#?}");
    assert_eq!(lost[0].text("podwhy.loss.kind"), "vacuumed");
    assert_eq!(lost[0].text("podwhy.source.unit"), folder_of(&inner).display().to_string());
}

#[test]
fn volatile_persistent_and_another_roots_journals_are_followed_beside_each_other() {
    let test = "volatile_persistent_and_another_roots_journals_are_followed_beside_each_other";
    let Some((host, collector, folder)) = parts(test) else { return };
    let on_disk = host.beside(Settings { persistent: true, ..namespace("disk") });
    let elsewhere = Journald::start(Settings { persistent: true, ..Settings::default() });
    let mut setup = setup(&folder, &host, &collector);
    let other = folder_of(&elsewhere);
    setup.variables = vec![("PODWHY_JOURNAL_MORE_FOLDERS", other.display().to_string())];
    let journals = [&host, &on_disk, &elsewhere];
    let mut nodes = journals.map(Node::new);
    for number in 0..150 {
        nodes[number % 3].fail(number);
    }
    nodes.iter_mut().for_each(Node::flush);
    journals.into_iter().for_each(Journald::sync);
    let mut agent = setup.start();
    wait_for_pods(&collector, 0..150, SOON);
    for number in 150..300 {
        nodes[number % 3].fail(number);
    }
    wait_for_pods(&collector, 0..300, SOON);
    says(&setup, &folder_of(&on_disk).display().to_string());
    let checked = check(&setup);
    assert!(agent.terminate().success());
    let received = collector.received();
    once_each(&received, 300);
    lost_nothing(&received);
    println!("written 300 into 3 journals, arrived 300, lost 0, repeated 0");
    let inner = format!(
        "namespace disk ({}): followed; entries: containerd.service",
        folder_of(&on_disk).display()
    );
    assert!(checked.contains(&inner), "{checked}");
    assert!(checked.contains(&format!("{}: followed; entries: ", other.display())), "{checked}");
}

/// What `podwhy check` says of this agent's configuration.
fn check(setup: &Setup) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podwhy"));
    command.arg("check").arg("--config").arg(setup.config_file()).env_clear();
    command.envs(setup.variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_check_finds_the_kubelet_in_its_namespace() {
    let test = "the_check_finds_the_kubelet_in_its_namespace";
    let Some((host, collector, folder)) = parts(test) else { return };
    let inner = host.beside(namespace("kubelet"));
    let setup = setup(&folder, &host, &collector);
    let mut agent = setup.start();
    let (mut containerd, mut kubelet) = (
        host.stream("containerd", "containerd.service"),
        inner.stream("kubelet", "kubelet.service"),
    );
    containerd.line("time=\"2031-03-17T10:02:07Z\" level=info msg=\"x\"");
    kubelet.line("I0317 10:02:07.000000       1 kubelet.go:1] \"x\"");
    containerd.flush();
    kubelet.flush();
    host.sync();
    inner.sync();
    let checked = check(&setup);
    assert!(agent.terminate().success());
    assert!(checked.contains(", kubelet.service 1"), "{checked}");
    assert!(checked.contains("none of a kubelet, whose lines are in another journal"), "{checked}");
    assert!(!checked.contains("if the kubelet's unit has a name of its own"), "{checked}");
}
