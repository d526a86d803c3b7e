//! What goes wrong on a node beside the backend: the reader dies or hangs, the journal is vacuumed,
//! the state folder is full. The agent goes on, and what was lost is a record.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::agent::Agent;
use crate::collector::Received;
use crate::load::{self, Node};
use crate::main_path::{LONG, SOON, once_each, parts, setup, wait_for_pods};
use crate::wait;

/// Sends a signal to the agent's reader child and returns once the agent has another one.
fn signal_reader(agent: &Agent, signal: Signal) {
    let mut reader = None;
    wait::until("the agent has a reader", SOON, || {
        reader = agent.reader();
        reader.is_some()
    });
    let raw = reader.and_then(|pid| i32::try_from(pid).ok()).unwrap();
    kill_process(Pid::from_raw(raw).unwrap(), signal).expect("it runs");
    wait::until("the agent has another reader", SOON, || {
        agent.reader().is_some_and(|pid| Some(pid) != reader)
    });
}

fn losses<'a>(received: &'a [Received], kind: &str) -> Vec<&'a Received> {
    let of_kind = |record: &&Received| {
        record.event == "podwhy.loss" && record.text("podwhy.loss.kind") == kind
    };
    received.iter().filter(of_kind).collect()
}

#[test]
fn a_reader_that_is_killed_or_hangs_costs_nothing() {
    let Some((journald, collector, folder)) =
        parts("a_reader_that_is_killed_or_hangs_costs_nothing")
    else {
        return;
    };
    let mut agent = setup(&folder, &journald, &collector).start();
    let mut node = Node::new(&journald);
    for number in 0..1_500 {
        node.fail(number);
        let signal = match number {
            500 => Signal::KILL,
            1_000 => Signal::STOP,
            _ => continue,
        };
        // A reader that still opens the journal may take its time: only one that has read something
        // is known to hang within seconds.
        wait_for_pods(&collector, 0..number, LONG);
        signal_reader(&agent, signal);
    }
    wait_for_pods(&collector, 0..1_500, LONG);
    assert!(agent.terminate().success());
    once_each(&collector.received(), 1_500);
}

#[test]
fn a_journal_file_truncated_under_the_reader_is_told_and_the_agent_goes_on() {
    let Some((journald, collector, folder)) =
        parts("a_journal_file_truncated_under_the_reader_is_told_and_the_agent_goes_on")
    else {
        return;
    };
    let mut agent = setup(&folder, &journald, &collector).start();
    let mut node = Node::new(&journald);
    (0..200).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 0..200, SOON);
    // The file has been read to its end and is still mapped.
    node.flush();
    journald.sync();
    journald.rotate();
    for file in journald.files().iter().filter(|file| **file != journald.active_file()) {
        std::fs::File::options().write(true).open(file).unwrap().set_len(4096).unwrap();
    }
    (200..400).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 200..400, LONG);
    assert!(agent.is_running(), "a damaged file costs the reader at most");
    assert!(agent.terminate().success());
}

#[test]
fn what_was_vacuumed_while_the_agent_was_off_is_a_loss_record() {
    let Some((journald, collector, folder)) =
        parts("what_was_vacuumed_while_the_agent_was_off_is_a_loss_record")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let mut node = Node::new(&journald);
    let mut agent = setup.start();
    (0..100).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 0..100, SOON);
    assert!(agent.terminate().success());

    (100..200).for_each(|number| node.fail(number));
    node.flush();
    journald.sync();
    journald.rotate();
    (200..300).for_each(|number| node.fail(number));
    node.flush();
    journald.sync();
    journald.vacuum(1);
    let mut agent = setup.start();
    wait_for_pods(&collector, 200..300, SOON);
    wait::until("the loss is told", SOON, || !losses(&collector.received(), "vacuumed").is_empty());
    assert!(agent.terminate().success());

    let received = collector.received();
    let loss = losses(&received, "vacuumed")[0];
    let (from, to) = (loss.text("podwhy.loss.from"), loss.text("podwhy.loss.to"));
    assert!(!from.is_empty() && from < to, "a loss says from when to when: {loss:?}");
    assert_eq!(loss.severity, "WARN");
    let lost = (100..200)
        .map(load::uid)
        .filter(|uid| received.iter().any(|record| record.text("k8s.pod.uid") == uid));
    assert_eq!(lost.count(), 0, "what was vacuumed cannot have arrived");
}

/// Runs a command in the mount namespace of the agent.
fn inside(agent: &Agent, script: &str) {
    let target = agent.pid().to_string();
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &target, "sh", "-c", script]);
    assert!(command.status().expect("nsenter starts").success(), "{script}");
}

fn log_says(log: &Path, text: &str) -> bool {
    std::fs::read_to_string(log).is_ok_and(|log| log.contains(text))
}

#[test]
fn a_full_state_folder_degrades_and_heals_and_stops_no_shipping() {
    let Some((journald, collector, folder)) =
        parts("a_full_state_folder_degrades_and_heals_and_stops_no_shipping")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let state = setup.state();
    let mut agent = setup.start_after(&format!(
        "mkdir -p {0} && mount -t tmpfs -o size=8m tmpfs {0} && (cat /dev/zero > {0}/filler 2>/dev/null || true)",
        state.display()
    ));
    let mut node = Node::new(&journald);
    (0..200).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 0..200, SOON);
    assert!(log_says(&setup.log(), "degraded"), "it says that nothing is durable");

    inside(&agent, &format!("rm {}/filler", state.display()));
    wait::until("the state folder works again", LONG, || {
        log_says(&setup.log(), "the state folder works again")
    });
    (200..300).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 200..300, SOON);

    // And the other way round: full while it runs.
    inside(&agent, &format!("cat /dev/zero > {}/filler 2>/dev/null || true", state.display()));
    (300..500).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 300..500, SOON);
    assert!(agent.is_running());
    assert!(agent.terminate().success());
    once_each(&collector.received(), 500);
}

#[test]
fn a_state_file_that_cannot_be_read_is_set_aside_and_told_and_the_journal_is_read_by_time() {
    let test =
        "a_state_file_that_cannot_be_read_is_set_aside_and_told_and_the_journal_is_read_by_time";
    let Some((journald, collector, folder)) = parts(test) else { return };
    let setup = setup(&folder, &journald, &collector);
    let mut node = Node::new(&journald);
    let mut agent = setup.start();
    (0..50).for_each(|number| node.fail(number));
    wait_for_pods(&collector, 0..50, SOON);
    assert!(agent.terminate().success());
    let file = setup.state().join("podwhy.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.iter_mut().skip(100).step_by(64).for_each(|byte| *byte ^= 0x55);
    std::fs::write(&file, bytes).unwrap();
    (50..100).for_each(|number| node.fail(number));
    node.flush();
    let mut agent = setup.start();
    wait_for_pods(&collector, 0..100, SOON);
    wait::until("it is told", SOON, || {
        losses(&collector.received(), "corrupt").iter().any(|loss| component(loss) == "podwhy")
    });
    assert!(agent.terminate().success());
    assert!(log_says(&setup.log(), "set aside"), "and said in its log");
    let received = collector.received();
    let told: Vec<_> = losses(&received, "corrupt");
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].body.contains("read again by time"), "{told:?}");
    // What had arrived comes again by the same id: a repeat that a backend can tell.
    let failures = received.iter().filter(|record| record.event == "podwhy.sync_failure");
    let ids: std::collections::BTreeSet<_> = failures.clone().map(Received::uid).collect();
    println!("written 100, arrived {}, repeated {}", ids.len(), failures.count() - ids.len());
    assert_eq!(ids.len(), 100);
}

fn component(loss: &Received) -> &str {
    loss.text("podwhy.source.component")
}

fn of_kubelet(loss: &&Received) -> bool {
    component(loss) == "kubelet"
}

#[test]
fn suppressed_messages_are_a_loss_record_with_their_count() {
    let test = "suppressed_messages_are_a_loss_record_with_their_count";
    let Some((_, collector, folder)) = parts(test) else { return };
    let limited = crate::journald::Settings { burst: 200, ..Default::default() };
    let journald = crate::journald::Journald::start(limited);
    let mut agent = setup(&folder, &journald, &collector).start();
    let mut node = Node::new(&journald);
    wait::until("journald has suppressed and told", Duration::from_secs(90), || {
        (0..100).for_each(|number| node.chat(number));
        losses(&collector.received(), "suppressed").iter().any(of_kubelet)
    });
    assert!(agent.terminate().success());
    let received = collector.received();
    let losses = losses(&received, "suppressed");
    let loss = losses.iter().find(|loss| of_kubelet(loss)).expect("it arrived");
    let lines: u64 = loss.text("podwhy.loss.lines").parse().expect("a count");
    assert!(lines > 0, "{loss:?}");
    assert!(loss.body.contains("RateLimitBurst="), "{loss:?}");
    // The other one there may be is the kernel's ring, which ran over before this journald began.
    let named = |loss: &&Received| ["kubelet", "kernel"].contains(&component(loss));
    assert!(losses.iter().all(named), "{losses:?}");
}
