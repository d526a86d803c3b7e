//! Incidents of a real node: opened once, proven over by lines and facts, never by silence.

use super::*;
use crate::incident::{Incident, Scope, State};

/// The last view of each incident, at the end of a recording without facts.
fn incidents(scenario: &str) -> BTreeMap<String, Incident> {
    let mut engine = Engine::new(Repeats::Summary);
    replay(scenario, |message, line| engine.message(message, line));
    let at = engine.last;
    engine.apply(at, Input::End);
    engine.out.incidents.into_iter().map(|incident| (incident.id.clone(), incident)).collect()
}

#[test]
fn dump_all() {
    for scenario in scenarios() {
        println!("== {scenario}");
        for incident in incidents(&scenario).values() {
            println!(
                "   {:?} {:?} {:?}/{:?} {} pods={} c={:?} att={} rung={} exit={:?} killed={:?} note={:?} turns={} | {}",
                incident.scope,
                incident.state,
                incident.step,
                incident.reason,
                incident.cause.id,
                incident.pod_count,
                incident.pods.first().map(|pod| (pod.name.clone(), pod.container.clone())),
                incident.attempts,
                incident.rung,
                incident.exit_code,
                incident.killed_by.as_ref().map(|k| k.who),
                incident.note,
                incident.turns,
                incident.proof.join(" // ")
            );
        }
    }
    let _ = (Scope::Pod, State::Open);
}
