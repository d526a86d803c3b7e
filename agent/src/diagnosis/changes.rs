//! What changed just before a failure began, and between the last failing and the first good
//! attempt (diagnosis.md 4.7). Only what was seen; says so when nothing was.

use super::{
    case::Seat,
    world::{PodKey, Specs, World},
};
use crate::{fact, incident::Evidence, observation::time::utc, source::Micros};

/// Changes this long before a failure may have to do with it.
const BEFORE: Micros = 600_000_000;

/// What changed within ten minutes before the failure.
pub(super) fn before(seat: &Seat<'_>) -> Vec<String> {
    let until = seat.case.at;
    let specs = seat.case.key.as_ref().and_then(|key| seat.world.specs(key));
    between(seat.world, specs, seat.container, until.saturating_sub(BEFORE), until)
}

/// What differs between the last failing attempt and the first good one.
pub(super) fn fixed_by(
    world: &World,
    key: Option<&PodKey>,
    container: Option<&str>,
    failed: Micros,
    good: Micros,
) -> Vec<String> {
    let specs = key.and_then(|key| world.specs(key));
    between(world, specs, container, failed, good)
}

fn between(
    world: &World,
    specs: Option<&Specs>,
    container: Option<&str>,
    from: Micros,
    until: Micros,
) -> Vec<String> {
    let is_in = |at: Micros| from <= at && at <= until;
    let mut told = Vec::new();
    if let Some(specs) = specs
        && let Some((before, since)) = &specs.before
        && is_in(*since)
    {
        of_spec(before, &specs.now, container, *since, &mut told);
    }
    told.extend(of_node(world, is_in));
    told
}

/// What changed of the node, in the order in which it did.
fn of_node(world: &World, is_in: impl Fn(Micros) -> bool) -> Vec<String> {
    let node = &world.node;
    let mut changes = Vec::new();
    for (what, evidence) in [
        ("the kubelet started", &node.kubelet_started),
        ("the container runtime started", &node.runtime_started),
        ("the node booted", &node.booted),
        ("the pod network's configuration changed", &node.cni_changed),
        ("the CNI configuration could not be loaded", &node.cni_load_failed),
    ] {
        let at = evidence.as_ref().and_then(|it: &Evidence| it.at);
        changes.extend(at.map(|at| (at, what.to_owned())));
    }
    for (what, switch) in [
        ("the pod network became ready", node.network.as_ref()),
        ("the container runtime answered again", node.runtime.as_ref()),
        ("the kubelet syncs pods again", node.paused.as_ref()),
    ] {
        let is_paused = what.starts_with("the kubelet");
        let switched = switch.filter(|it| it.on != is_paused);
        changes.extend(switched.map(|it| (it.since, what.to_owned())));
    }
    for (resource, switch) in &node.pressure {
        let word = if switch.on { "began" } else { "went away" };
        changes.push((switch.since, format!("{resource} pressure {word}")));
    }
    changes.retain(|(at, _)| is_in(*at));
    changes.sort();
    changes.into_iter().map(|(at, what)| format!("{what} at {}", utc(at))).collect()
}

/// Which parts of the specification differ.
fn of_spec(
    before: &fact::Pod,
    after: &fact::Pod,
    container: Option<&str>,
    at: Micros,
    told: &mut Vec<String>,
) {
    let at = utc(at);
    let known = told.len();
    for now in &after.containers {
        let Some(then) = before.container(&now.name) else { continue };
        if container.is_some_and(|name| name != now.name) {
            continue;
        }
        let name = &now.name;
        if then.image != now.image {
            let (then, now) = (shown(then.image.as_deref()), shown(now.image.as_deref()));
            told.push(format!("image of {name}: {then} → {now} at {at}"));
        } else if then.image_id != now.image_id && then.image_id.is_some() && now.image_id.is_some()
        {
            told.push(format!("image of {name} has the same name and another digest since {at}"));
        }
        if then.memory_limit_bytes != now.memory_limit_bytes {
            let (then, now) = (mib(then.memory_limit_bytes), mib(now.memory_limit_bytes));
            told.push(format!("memory limit of {name}: {then} → {now} at {at}"));
        }
        if then.cpu_limit_millicores != now.cpu_limit_millicores {
            told.push(format!("CPU limit of {name} changed at {at}"));
        }
        if then.command != now.command || then.args != now.args {
            told.push(format!("command of {name} changed at {at}"));
        }
    }
    if told.len() == known && before.spec_hash != after.spec_hash {
        told.push(format!("the pod's specification changed at {at}"));
    }
}

fn shown(text: Option<&str>) -> &str {
    text.unwrap_or("none")
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{}Mi", bytes >> 20))
}
