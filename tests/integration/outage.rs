//! A backend that is away for long, and comes and goes: the backlog keeps its bound, the least worthy
//! and oldest go first, each that went is told with its number, the rest arrives in its order.
//!
//! An hour is compressed: what matters of it is that more is written than the outbox may hold.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use crate::agent::Setup;
use crate::collector::Received;
use crate::gate::{Answer, Gate};
use crate::load::{self, Node};
use crate::main_path::{LONG, SOON, parts, wait_for_pods};
use crate::soak;
use crate::wait;
use crate::why::podwhy;

/// Few, so that few incidents stand beside many failures.
const PODS: usize = 96;
/// What the file may hold at least: the smallest that can be set.
const SIZE: &str = "4MiB";

/// Comes and goes: every third request is refused, every seventh answered as if it had been.
fn flapping(number: u64) -> Answer {
    match number {
        _ if number % 7 == 5 => Answer::PassAndForget,
        _ if number % 3 == 1 => Answer::Refuse(StatusCode::SERVICE_UNAVAILABLE),
        _ => Answer::Pass,
    }
}

fn failures(received: &[Received]) -> Vec<&Received> {
    received.iter().filter(|record| record.event == "podwhy.sync_failure").collect()
}

fn dropped(received: &[Received]) -> usize {
    let mut seen = BTreeSet::new();
    let told = received.iter().filter(|record| record.text("podwhy.loss.kind") == "outbox_full");
    // Delivered again is not dropped again.
    let told = told.filter(|record| seen.insert(record.uid().to_owned()));
    told.map(|loss| loss.text("podwhy.loss.lines").parse::<usize>().expect("a number")).sum()
}

#[test]
fn an_hour_without_a_backend_keeps_the_bound_and_tells_each_record_that_had_to_go() {
    let Some((journald, mut collector, folder)) =
        parts("an_hour_without_a_backend_keeps_the_bound_and_tells_each_record_that_had_to_go")
    else {
        return;
    };
    let gate = Gate::open(&collector.endpoint(), flapping);
    let setup = Setup::new(folder.path(), journald.root(), &gate.endpoint());
    let bounded = format!("export PODWHY_STATE_SIZE_MAX={SIZE}");
    let mut agent = setup.start_after(&bounded);
    let mut node = Node::new(&journald);
    (0..PODS).for_each(|pod| node.fail(pod));
    node.flush();
    wait_for_pods(&collector, 0..PODS, LONG);

    collector.stop();
    let away = soak::times(8_000);
    for number in 0..away {
        node.fail(number % PODS);
        if number == away / 2 {
            // What is dropped and not yet told outlives a kill.
            agent.kill();
            agent = setup.start_after(&bounded);
        }
    }
    // A pod that failed nowhere before: behind it there is nothing more.
    let marker = PODS + 8;
    node.fail(marker);
    node.flush();
    journald.sync();
    // All of it is read, so that what goes goes before the backend is back.
    let uid = load::uid(marker);
    let config = setup.config_file();
    wait::until("the newest failure is known", 2 * LONG, || {
        let asked = podwhy(&["why", "--all", "--output", "json", "--config"]).arg(&config).output();
        String::from_utf8_lossy(&asked.unwrap().stdout).contains(&uid)
    });
    let path = setup.state().join("podwhy.redb");
    let file = || std::fs::metadata(&path).map_or(0, |meta| meta.len());
    collector.resume();
    let written = PODS + away + 1;
    let (mut arrived, mut told) = (0, 0);
    wait::until("the newest failure has arrived", 2 * LONG, || collector.mentions(&uid));
    let adds_up = wait::reached(SOON, || {
        let received = collector.received();
        let ids: BTreeSet<&str> = failures(&received).iter().map(|record| record.uid()).collect();
        (arrived, told) = (ids.len(), dropped(&received));
        arrived + told >= written
    });
    let received = collector.received();
    let repeated = failures(&received).len() - arrived;
    println!(
        "written {written}, arrived {arrived}, dropped and told {told}, repeated {repeated}, \
         file {} KiB",
        file() / 1024
    );
    assert!(told > 0, "the backlog met its bound");
    assert!(adds_up, "written {written}, arrived {arrived}, dropped and told {told}");
    // What arrived without an answer and went before it was sent again is told as dropped too.
    assert!(arrived + told - written <= podwhy::limits::BATCH_RECORDS, "told {told}");
    assert!(repeated <= 2 * podwhy::limits::BATCH_RECORDS, "no more than what was under way");
    // Incidents are worth more: each pod's is there.
    let of: BTreeSet<&str> = received
        .iter()
        .filter(|record| record.event == "podwhy.incident")
        .map(|record| record.text("podwhy.incident.id"))
        .collect();
    assert!(!of.is_empty());
    let named: BTreeSet<&str> =
        failures(&received).iter().map(|record| record.text("podwhy.incident.id")).collect();
    let untold: Vec<_> = named.iter().filter(|id| !id.is_empty() && !of.contains(*id)).collect();
    assert!(untold.is_empty(), "incidents that failures name and nothing tells: {untold:?}");
    // Records, the engine's state, both once more while a commit is under way; and redb doubles a
    // file that has to grow.
    let most = 2 * (2 * (4 << 20) + (2 << 20));
    assert!(file() < most, "the file stays near its bound: {} bytes", file());
    assert!(agent.terminate().success());
}
