//! Pods that should be hit if the cause were true, and are not (M1): what convinces an operator.
//! From the world alone; owns no judgement.

use super::{
    incident::{Entry, Member},
    key::{self, Family},
    root::fault::{self, Layer},
    world::{ContainerState, PodKey, PodState, World},
};
use crate::{limits, observation::time, source::Micros};

/// The kubelet's longest pause between two attempts (diagnosis.md 4.5).
const RETRY_LONGEST: Micros = 300_000_000;

/// Names that one text lists.
const NAMES: usize = 3;

/// Controls of an incident, in words.
pub(super) fn of(entry: &Entry, world: &World) -> Vec<String> {
    let mut told = Vec::new();
    if entry.node_key.is_some() {
        of_node(entry, world, &mut told);
    } else if let Some(workload) = &entry.workload {
        of_workload(entry, workload, world, &mut told);
    }
    told.truncate(limits::INCIDENT_LIST);
    told
}

fn of_node(entry: &Entry, world: &World, told: &mut Vec<String>) {
    let Some(fault) = fault::of(entry) else { return };
    let since = entry.first_seen;
    let others = || {
        let is_hit = |key: &PodKey| entry.hit.iter().any(|hit| hit.key == key.0);
        world.pods().filter(move |(key, pod)| !is_hit(key) && !pod.is_ending())
    };
    let before: Vec<&PodState> = others()
        .map(|(_, pod)| pod)
        .filter(|pod| pod.containers.values().any(|it| runs_since(it).is_some_and(|at| at < since)))
        .collect();
    if let Some(who) = counted(&before, "pod", "pods") {
        let verb = if before.len() == 1 { "was started" } else { "were started" };
        let still = if before.len() == 1 { "still runs" } else { "still run" };
        told.push(format!("{who} {verb} before {} and {still}", time::utc(since)));
    }
    let after = |pod: &PodState| {
        pod.containers.values().any(|it| runs_since(it).is_some_and(|at| at > since))
    };
    if matches!(fault.layer, Layer::Network | Layer::Addresses) {
        let host: Vec<&PodState> = others()
            .filter(|(key, pod)| {
                after(pod) && world.spec(key).is_some_and(|spec| spec.host_network)
            })
            .map(|(_, pod)| pod)
            .collect();
        if let Some(who) = counted(&host, "hostNetwork pod", "hostNetwork pods") {
            let verb = if host.len() == 1 { "started" } else { "start" };
            told.push(format!("{who} {verb} normally: they need no pod network"));
        }
    }
    if fault.layer == Layer::Registry {
        of_registry(entry, world, since, told);
    }
}

/// Images of the same registry, and of others, from which something was created since.
fn of_registry(entry: &Entry, world: &World, since: Micros, told: &mut Vec<String>) {
    let registry = entry.judgement.object.as_deref();
    let (mut same, mut other): (Vec<&PodState>, Vec<&PodState>) = (Vec::new(), Vec::new());
    for (key, pod) in world.pods() {
        if entry.hit.iter().any(|hit| hit.key == key.0) {
            continue;
        }
        let images = pod.containers.values().filter(|container| {
            container.newest().and_then(|newest| newest.created).is_some_and(|at| at > since)
        });
        let images: Vec<&str> = images.filter_map(|container| container.image.as_deref()).collect();
        if images.iter().any(|image| registry == Some(registry_of(image))) {
            same.push(pod);
        } else if !images.is_empty() {
            other.push(pod);
        }
    }
    let registry = registry.unwrap_or("this registry");
    if let Some(who) = counted(&same, "other pod", "other pods") {
        told.push(format!("{who} got an image of {registry} since, pulled or kept"));
    }
    if let Some(who) = counted(&other, "pod", "pods") {
        told.push(format!("{who} got an image of another registry since"));
    }
}

/// Replicas that run although this one fails.
fn of_workload(entry: &Entry, workload: &str, world: &World, told: &mut Vec<String>) {
    let is_hit = |key: &PodKey| entry.members.iter().any(|member| member.key == key.0);
    let container = entry.members.first().and_then(|member| member.container.as_deref());
    let replicas: Vec<&PodState> = world
        .pods()
        .filter(|(key, pod)| !is_hit(key) && !pod.is_ending())
        .filter(|(_, pod)| key::workload(&pod.pod, world).as_deref() == Some(workload))
        .map(|(_, pod)| pod)
        .filter(|pod| match container {
            Some(name) => pod.container(name).is_some_and(ContainerState::is_running),
            None => pod.containers.values().any(ContainerState::is_running),
        })
        .collect();
    if let Some(who) = counted(&replicas, "other pod", "other pods") {
        let verb = if replicas.len() == 1 { "runs" } else { "run" };
        told.push(format!("{who} of the same owner {verb} on this node"));
    }
}

/// Another pod passed the step between the newest failure and the one before: what keeps this one
/// from it does not keep others from it. `None` where nothing tells.
pub(super) fn passed_elsewhere(entry: &Entry, world: &World) -> Option<bool> {
    let from = entry.seen_before.filter(|_| entry.node_key.is_none())?;
    let until = entry.last_seen;
    // After a longer pause it is another time, not the same trouble.
    if until.saturating_sub(from) > RETRY_LONGEST {
        return None;
    }
    let is_in = |at: Micros| from < at && at < until;
    let is_mine = |key: &str| entry.members.iter().any(|member| member.key == key);
    match entry.family {
        Family::Sandbox => Some(world.node.sandboxes.iter().any(|it| {
            let of_host = || {
                // Without a specification nobody knows whether it needed the pod network.
                let spec = world.spec(&PodKey(it.pod.clone()));
                spec.is_none_or(|spec| spec.host_network)
            };
            it.ok && is_in(it.at) && !is_mine(&it.pod) && !of_host()
        })),
        // What another owner's containers need is another matter.
        Family::Image | Family::Config | Family::Volume => {
            let workload = entry.workload.as_deref()?;
            let runs = |pod: &PodState| {
                pod.containers.values().any(|it| runs_since(it).is_some_and(is_in))
            };
            Some(world.pods().any(|(key, pod)| {
                runs(pod)
                    && !is_mine(&key.0)
                    && key::workload(&pod.pod, world).as_deref() == Some(workload)
            }))
        }
        _ => None,
    }
}

/// Each pod of the incident passed the step after its newest failure: what is told comes late. `None`
/// where nothing tells when the step was passed last.
pub(super) fn passed_since(entry: &Entry, world: &World) -> Option<bool> {
    if entry.node_key.is_some() || entry.members.is_empty() {
        return None;
    }
    let passed = entry.members.iter().map(|member| passed_last(entry, member, world));
    passed.map(|at| at.map(|at| at > entry.last_seen)).reduce(|one, other| Some(one? && other?))?
}

/// When a pod passed the step last. To start proves nothing: in a crash loop every turn does.
fn passed_last(entry: &Entry, member: &Member, world: &World) -> Option<Micros> {
    let pod = world.pod(&member.pod_key())?;
    match entry.family {
        Family::Sandbox => pod.sandboxes.iter().filter_map(|it| it.created).max(),
        Family::Volume => pod.mounts.get(entry.volume.as_deref()?)?.mounted,
        Family::Image | Family::Config => {
            let container = pod.container(member.container.as_deref()?)?;
            container.instances.iter().filter_map(|it| it.created).max()
        }
        _ => None,
    }
}

/// The newest pod of the same owner that came after all of its own, by name.
pub(super) fn successor(entry: &Entry, world: &World) -> Option<String> {
    let workload = entry.workload.as_deref()?;
    let is_mine = |key: &str| entry.members.iter().any(|member| member.key == key);
    let own = world.pods().filter(|(key, _)| is_mine(&key.0)).filter_map(|(_, pod)| came(pod));
    let newest = own.max().unwrap_or(entry.first_seen);
    let others = world.pods().filter(|(key, pod)| !is_mine(&key.0) && !pod.is_ending());
    let later = others.filter_map(|(_, pod)| Some((came(pod).filter(|at| *at > newest)?, pod)));
    let of_owner =
        later.filter(|(_, pod)| key::workload(&pod.pod, world).as_deref() == Some(workload));
    of_owner.max_by_key(|(at, _)| *at).and_then(|(_, pod)| name(pod))
}

/// When the pod came, as far as is known.
fn came(pod: &PodState) -> Option<Micros> {
    let sandbox = pod.sandboxes.iter().filter_map(|sandbox| sandbox.created).min();
    pod.added.or(sandbox)
}

/// Since when the newest instance runs.
fn runs_since(container: &ContainerState) -> Option<Micros> {
    container.newest().filter(|newest| newest.ended.is_none())?.started
}

/// `docker.io` of `nginx`, `registry.example:5000` of `registry.example:5000/shop/web:2`.
fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    }
}

/// `2 pods (shop/a, shop/b)`; `None` for nobody.
fn counted(pods: &[&PodState], one: &str, many: &str) -> Option<String> {
    let count = pods.len();
    let names: Vec<String> = pods.iter().take(NAMES).filter_map(|pod| name(pod)).collect();
    let word = if count == 1 { one } else { many };
    let more = if count > names.len() && !names.is_empty() { ", …" } else { "" };
    let names =
        if names.is_empty() { String::new() } else { format!(" ({}{more})", names.join(", ")) };
    (count > 0).then(|| format!("{count} {word}{names}"))
}

fn name(pod: &PodState) -> Option<String> {
    let name = pod.pod.name.as_deref()?;
    Some(match &pod.pod.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnosis::{incident::Trigger, recovery::Ladder},
        observation::{self, Details, Happening, Observation},
    };

    fn pod() -> observation::Pod {
        observation::Pod { uid: Some("a".to_owned()), ..observation::Pod::default() }
    }

    fn world(happening: Happening, details: Details) -> World {
        let mut world = World::default();
        let happening = Some(happening);
        let container = Some("app".to_owned());
        let seen = Observation {
            happening,
            pod: pod(),
            container,
            details,
            at: 10,
            ..Observation::default()
        };
        world.observe(10, &seen);
        world
    }

    fn failed(family: Family, last_seen: Micros) -> Entry {
        let member = Member {
            key: "a".to_owned(),
            pod: pod(),
            container: Some("app".to_owned()),
            ..Member::default()
        };
        Entry {
            family,
            last_seen,
            volume: Some("data".to_owned()),
            members: vec![member],
            ..Entry::new(Ladder::NodeMembers, Trigger { attempt: None, moment: None })
        }
    }

    #[test]
    fn what_is_told_of_a_step_that_was_passed_since_is_old() {
        let id = Some("c1".to_owned());
        for (family, happening, details) in [
            (
                Family::Sandbox,
                Happening::SandboxCreated,
                Details { sandbox_id: id.clone(), ..Details::default() },
            ),
            (
                Family::Volume,
                Happening::VolumeMounted,
                Details { volume: Some("data".to_owned()), ..Details::default() },
            ),
            (
                Family::Image,
                Happening::ContainerCreated,
                Details { container_id: id.clone(), ..Details::default() },
            ),
        ] {
            let world = world(happening, details);
            assert_eq!(passed_since(&failed(family, 5), &world), Some(true), "{family:?}");
            assert_eq!(passed_since(&failed(family, 15), &world), Some(false), "{family:?}");
            assert_eq!(
                passed_since(&failed(Family::Run, 5), &world),
                None,
                "a start proves nothing"
            );
            assert_eq!(passed_since(&failed(family, 5), &World::default()), None);
        }
    }
}
