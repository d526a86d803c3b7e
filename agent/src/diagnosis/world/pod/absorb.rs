//! One pod that was spoken of by its name and by its uid, before anything told that both are it:
//! what was known of either is known of it. Where both know, who knew the uid is right.

use std::collections::BTreeMap;

use super::{ContainerState, FailureSeen, PodState};
use crate::limits;

impl PodState {
    /// Takes over what was told of its name alone.
    pub(in crate::diagnosis::world) fn absorb(&mut self, named: Self) {
        fill(&mut self.pod.uid, named.pod.uid);
        fill(&mut self.pod.namespace, named.pod.namespace);
        fill(&mut self.pod.name, named.pod.name);
        self.added = earliest(self.added, named.added);
        self.ran = earliest(self.ran, named.ran);
        self.gone = earliest(self.gone, named.gone);
        fill(&mut self.deleting, named.deleting);
        fill(&mut self.evicted, named.evicted);
        fill(&mut self.preempted, named.preempted);
        fill(&mut self.refused, named.refused);
        fill(&mut self.hangs, named.hangs);
        fill(&mut self.ready, named.ready);
        fill(&mut self.unhealthy, named.unhealthy);
        self.succeeded |= named.succeeded;
        for (name, state) in named.containers {
            if let Some(mine) = self.containers.get_mut(&name) {
                mine.absorb(state);
            } else if let Some(mine) = self.container_mut(&name) {
                *mine = state;
            }
        }
        let mut sandboxes = named.sandboxes;
        sandboxes.retain(|it| self.sandboxes.iter().all(|mine| mine.id != it.id));
        in_front(&mut self.sandboxes, sandboxes, limits::WORLD_SANDBOXES);
        add(&mut self.mounts, named.mounts, limits::WORLD_VOLUMES);
        self.absorb_failures(named.failures);
        let mut events = named.events;
        events.retain(|it| {
            let is_same = |mine: &&mut super::EventTold| {
                mine.reason == it.reason && mine.container == it.container
            };
            let Some(mine) = self.events.iter_mut().find(is_same) else { return true };
            if it.at > mine.at {
                mine.clone_from(it);
            }
            false
        });
        in_front(&mut self.events, events, limits::WORLD_EVENTS);
        self.events.sort_by_key(|event| event.at);
        self.seen = self.seen.max(named.seen);
        self.touched = self.touched.max(named.touched);
    }

    /// The same failure under both names is one that came more often.
    fn absorb_failures(&mut self, mut named: Vec<FailureSeen>) {
        for mine in &mut self.failures {
            let is_same = |it: &FailureSeen| {
                it.step == mine.step && it.reason == mine.reason && it.container == mine.container
            };
            let Some(index) = named.iter().position(is_same) else { continue };
            let mut other = named.remove(index);
            let first = mine.first.min(other.first);
            let count = mine.count.saturating_add(other.count);
            if other.at > mine.at {
                std::mem::swap(mine, &mut other);
            }
            (mine.first, mine.count) = (first, count);
        }
        in_front(&mut self.failures, named, limits::WORLD_FAILURES);
        self.failures.sort_by_key(|failure| failure.at);
    }
}

impl ContainerState {
    fn absorb(&mut self, named: Self) {
        let mut instances = named.instances;
        instances.retain(|it| {
            let is_it = |mine: &super::Instance| mine.id.is_some() && mine.id == it.id;
            !self.instances.iter().any(is_it)
        });
        in_front(&mut self.instances, instances, limits::WORLD_INSTANCES);
        fill(&mut self.image, named.image);
        let is_newer = |told: &(f64, _)| self.back_off.is_none_or(|(_, at)| told.1 > at);
        if let Some(told) = named.back_off.filter(is_newer) {
            self.back_off = Some(told);
        }
        fill(&mut self.started, named.started);
        fill(&mut self.ready, named.ready);
        for (kind, probe) in named.probes {
            self.probes.entry(kind).or_insert(probe);
        }
        self.first_created = earliest(self.first_created, named.first_created);
        self.crashes = self.crashes.saturating_add(named.crashes);
        self.longest_life = self.longest_life.max(named.longest_life);
    }
}

fn fill<T>(mine: &mut Option<T>, theirs: Option<T>) {
    if mine.is_none() {
        *mine = theirs;
    }
}

fn earliest<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// What was told of the name came before the uid was known. Beyond the bound the oldest go.
fn in_front<T>(mine: &mut Vec<T>, mut theirs: Vec<T>, most: usize) {
    theirs.append(mine);
    theirs.drain(..theirs.len().saturating_sub(most));
    *mine = theirs;
}

fn add<V>(mine: &mut BTreeMap<String, V>, theirs: BTreeMap<String, V>, most: usize) {
    for (name, value) in theirs {
        if mine.len() >= most {
            return;
        }
        mine.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{EventTold, Instance, MountState, SandboxState},
        *,
    };
    use crate::incident::Evidence;

    fn told(at: i64) -> Option<Evidence> {
        Some(Evidence { at: Some(at), ..Evidence::default() })
    }

    /// A pod of which something is known in every field.
    fn known(at: i64) -> PodState {
        let failure = FailureSeen { at, first: at, count: 1, ..FailureSeen::default() };
        let instance = Instance { id: Some(format!("c{at}")), ..Instance::default() };
        let container = ContainerState {
            instances: vec![instance],
            back_off: Some((10.0, at)),
            first_created: Some(at),
            crashes: 1,
            longest_life: Some(at),
            ..ContainerState::default()
        };
        let sandbox = SandboxState { id: format!("s{at}"), ..SandboxState::default() };
        let event = EventTold { at, reason: format!("E{at}"), ..EventTold::default() };
        PodState {
            added: Some(at),
            deleting: told(at),
            gone: Some(at),
            ran: Some(at),
            succeeded: true,
            ready: Some(true),
            unhealthy: told(at).map(|told| ("readiness".to_owned(), told)),
            evicted: told(at),
            preempted: told(at),
            refused: told(at),
            containers: BTreeMap::from([("app".to_owned(), container)]),
            sandboxes: vec![sandbox],
            mounts: BTreeMap::from([(format!("v{at}"), MountState::default())]),
            failures: vec![failure],
            events: vec![event],
            hangs: told(at),
            seen: at,
            ..PodState::default()
        }
    }

    #[test]
    fn what_the_name_told_is_known_of_the_uid_in_every_field() {
        let mut pod = PodState::default();
        pod.absorb(known(5));
        assert_eq!(pod, known(5), "nothing of it is lost");
    }

    #[test]
    fn where_both_know_the_older_comes_first_and_counts_add_up() {
        let mut pod = known(7);
        pod.absorb(known(5));
        let app = pod.container("app").unwrap();
        let ids: Vec<_> = app.instances.iter().filter_map(|it| it.id.as_deref()).collect();
        assert_eq!((ids, app.crashes, app.back_off), (vec!["c5", "c7"], 2, Some((10.0, 7))));
        let failure = &pod.failures[0];
        assert_eq!((failure.first, failure.at, failure.count), (5, 7, 2));
        assert_eq!((pod.added, pod.failures.len(), pod.events.len()), (Some(5), 1, 2));
        assert_eq!((pod.sandboxes[0].id.as_str(), pod.mounts.len()), ("s5", 2));
        assert_eq!(pod.evicted, told(7));
    }

    #[test]
    fn of_two_events_of_one_reason_the_newest_counts() {
        let event = |at| EventTold { at, reason: "BackOff".to_owned(), ..EventTold::default() };
        for (mine, theirs) in [(5, 7), (7, 5)] {
            let mut pod = PodState { events: vec![event(mine)], ..PodState::default() };
            pod.absorb(PodState { events: vec![event(theirs)], ..PodState::default() });
            assert_eq!(pod.events, [event(7)], "{mine} and {theirs}");
        }
    }

    #[test]
    fn both_together_keep_the_bounds() {
        let mut pod = PodState::default();
        for at in 0..40 {
            let mut named = known(at);
            named.failures[0].step = format!("step{at}");
            pod.absorb(named);
        }
        let instances = pod.container("app").unwrap().instances.len();
        assert_eq!(instances, limits::WORLD_INSTANCES);
        assert_eq!(pod.sandboxes.len(), limits::WORLD_SANDBOXES);
        assert!(pod.failures.len() <= limits::WORLD_FAILURES);
        assert!(
            pod.events.len() <= limits::WORLD_EVENTS && pod.mounts.len() <= limits::WORLD_VOLUMES
        );
    }
}
