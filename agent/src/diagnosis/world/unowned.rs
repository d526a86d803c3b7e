//! Lines about instances of which nothing has told yet whose they are: who reads from the middle
//! saw no sandbox begin. A few are kept for a while, until a line or fact names pod and container.

use std::collections::{BTreeMap, BTreeSet};

use super::{Moment, PodKey, World};
use crate::{
    limits,
    observation::{Happening, Observation},
    source::Micros,
};

/// From an end that names no container to the line that says which one waits to be restarted.
const END_TO_WAIT: Micros = 60_000_000;

/// What is worth to be known later.
const fn is_kept(happening: Happening) -> bool {
    matches!(
        happening,
        Happening::ContainerCreated
            | Happening::ContainerStarted
            | Happening::ContainerExited
            | Happening::ContainerStopping
            | Happening::ContainerKilling
            | Happening::PlegDied
            | Happening::TaskOom
            | Happening::KernelOomMemcg
            | Happening::KernelOomGlobal
            | Happening::KernelOomGroup
    )
}

/// What is kept, oldest first. Each is durable for itself: what the node is need not be written
/// anew for each of them.
#[derive(Debug, Default)]
pub(super) struct Unowned {
    lines: BTreeMap<u64, Observation>,
    changed: BTreeSet<u64>,
    last: u64,
}

impl Unowned {
    pub(super) fn keep(&mut self, line: Observation) {
        self.last += 1;
        self.lines.insert(self.last, line);
        self.changed.insert(self.last);
        while self.lines.len() > limits::WORLD_UNOWNED {
            self.drop_first();
        }
    }

    /// Nobody has told whose they are for so long that nobody will.
    fn expire(&mut self, now: Micros) {
        let oldest = now.saturating_sub(limits::WORLD_UNOWNED_FOR);
        while self.lines.first_key_value().is_some_and(|(_, line)| line.at < oldest) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((number, _)) = self.lines.pop_first() {
            self.changed.insert(number);
        }
    }

    /// Those that fit, which are not kept any more.
    fn take(&mut self, fits: impl Fn(&Observation) -> bool) -> Vec<Observation> {
        let fitting = self.lines.iter().filter(|(_, line)| fits(line));
        let numbers: Vec<u64> = fitting.map(|(&number, _)| number).collect();
        self.changed.extend(&numbers);
        numbers.iter().filter_map(|number| self.lines.remove(number)).collect()
    }

    /// Hands on what changed since the last call; `None` means gone.
    pub(super) fn changes(&mut self, sink: &mut dyn FnMut(u64, Option<&Observation>)) {
        for number in std::mem::take(&mut self.changed) {
            sink(number, self.lines.get(&number));
        }
    }

    pub(super) fn restore(&mut self, number: u64, line: Observation) {
        self.last = self.last.max(number);
        self.lines.insert(number, line);
    }
}

impl World {
    /// Lets go what nobody has claimed in time.
    pub(super) fn expire_unowned(&mut self, now: Micros) {
        self.unowned.expire(now);
    }

    /// Keeps the line, if nobody knows whose instance it is about.
    pub(super) fn hold_unowned(&mut self, happening: Happening, seen: &Observation) {
        let Some(id) = seen.details.container_id.as_deref().filter(|_| is_kept(happening)) else {
            return;
        };
        let pod = self.key_of(&seen.pod).and_then(|key| self.pod(&key));
        let is_named = seen.pod.uid.is_some() || seen.pod.name.is_some();
        let is_sandbox = pod.is_some_and(|pod| pod.sandboxes.iter().any(|it| it.id == id));
        let has_owner = seen.container.is_some() || pod.is_some_and(|it| it.owner_of(id).is_some());
        if is_sandbox || (is_named && has_owner) {
            return;
        }
        self.unowned.keep(seen.clone());
    }

    /// What was kept and belongs to this line's pod: by the instance that it names, or because it
    /// says which container waits for its restart, and only one instance just ended.
    pub(super) fn own(&mut self, seen: &Observation, moments: &mut Vec<Moment>) {
        if self.unowned.lines.is_empty() || seen.pod.uid.is_none() {
            return;
        }
        if let (Some(id), Some(name)) = (seen.details.container_id.clone(), &seen.container) {
            self.own_all(&id, seen, name, moments);
        }
        let waits = seen.failures.iter().find(|failure| {
            failure.step == "StartContainer"
                && failure.reason.as_deref() == Some("CrashLoopBackOff")
        });
        let Some(name) = waits.and_then(|failure| failure.target.clone()) else { return };
        let known = self.key_of(&seen.pod).and_then(|key| self.pod(&key)?.container(&name));
        if known.is_some_and(|known| !known.instances.is_empty()) {
            return;
        }
        let mut ended: Vec<&str> = self
            .unowned
            .lines
            .values()
            .filter(|held| held.pod.uid == seen.pod.uid && held.details.exit_code.is_some())
            .filter(|held| seen.at.abs_diff(held.at) <= END_TO_WAIT.unsigned_abs())
            .filter_map(|held| held.details.container_id.as_deref())
            .collect();
        ended.dedup();
        // Of several, none is known to be it.
        let [id] = ended.as_slice() else { return };
        let id = (*id).to_owned();
        self.own_all(&id, seen, &name, moments);
    }

    /// What was kept about instances that a fact has named.
    pub(super) fn own_named(&mut self, key: &PodKey, moments: &mut Vec<Moment>) {
        let Some(pod) = self.pods.get(&key.0).filter(|_| !self.unowned.lines.is_empty()) else {
            return;
        };
        let names = pod.pod.clone();
        let mine = self.unowned.take(|held| {
            held.details.container_id.as_deref().is_some_and(|id| pod.owner_of(id).is_some())
        });
        for mut held in mine {
            held.pod.clone_from(&names);
            self.tell_now(&held, moments);
        }
    }

    fn own_all(&mut self, id: &str, seen: &Observation, name: &str, moments: &mut Vec<Moment>) {
        let mine = self.unowned.take(|held| held.details.container_id.as_deref() == Some(id));
        for mut held in mine {
            held.pod.clone_from(&seen.pod);
            held.container.get_or_insert_with(|| name.to_owned());
            self.tell_now(&held, moments);
        }
    }

    fn tell_now(&mut self, held: &Observation, moments: &mut Vec<Moment>) {
        match held.happening {
            Some(
                happening @ (Happening::KernelOomMemcg
                | Happening::KernelOomGlobal
                | Happening::KernelOomGroup),
            ) => self.kernel_oom(happening, held, moments),
            Some(happening) => self.one_pod(happening, held, moments),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnosis::world::{Kept, MomentKind},
        observation::{Details, Pod},
    };

    fn line(id: &str, at: Micros) -> Observation {
        let details = Details { container_id: Some(id.to_owned()), ..Details::default() };
        let happening = Some(Happening::ContainerExited);
        Observation { happening, details, at, ..Observation::default() }
    }

    /// What would be written, and what would be taken out.
    fn written(world: &mut World) -> (usize, usize, bool) {
        let (mut kept, mut gone, mut node) = (0, 0, false);
        world.changes(&mut |entry| match entry {
            Kept::Unowned(_, Some(_)) => kept += 1,
            Kept::Unowned(_, None) => gone += 1,
            Kept::Node(_) => node = true,
            _ => {}
        });
        (kept, gone, node)
    }

    #[test]
    fn what_nobody_claims_in_time_is_let_go_and_the_node_is_not_written_for_it() {
        let mut world = World::default();
        world.observe(0, &line("a", 0));
        written(&mut world);
        world.observe(1, &line("b", 1));
        assert_eq!(written(&mut world), (1, 0, false), "only the new one");
        world.observe(2, &Observation { at: limits::WORLD_UNOWNED_FOR + 1, ..Default::default() });
        assert_eq!(written(&mut world), (0, 1, false), "the older is too old");
        assert_eq!(written(&mut world), (0, 0, false));
    }

    #[test]
    fn a_kill_that_is_owned_late_is_told_and_no_newer_than_it_is() {
        let mut world = World::default();
        let of_pod = |uid: &str| Pod { uid: Some(uid.to_owned()), ..Pod::default() };
        let kill = |id: &str, at| Observation {
            happening: Some(Happening::KernelOomGlobal),
            pod: of_pod("a"),
            ..line(id, at)
        };
        world.observe(5, &kill("one", 5));
        world.observe(9, &kill("other", 9));
        let newest = |world: &World| world.node.node_oom.as_ref().and_then(|told| told.at);
        assert_eq!((world.unowned.lines.len(), newest(&world)), (2, Some(9)));
        let named = Observation {
            happening: Some(Happening::ContainerStarted),
            pod: of_pod("a"),
            container: Some("app".to_owned()),
            ..line("one", 10)
        };
        let told = world.observe(10, &named);
        assert!(told.iter().any(|it| it.what == MomentKind::OomKill), "{told:?}");
        assert_eq!((world.unowned.lines.len(), newest(&world)), (1, Some(9)));
    }

    #[test]
    fn a_kill_in_a_sandbox_waits_for_no_container() {
        let mut world = World::default();
        let pod = Pod { uid: Some("a".to_owned()), ..Pod::default() };
        let seen = |happening, at| Observation {
            happening: Some(happening),
            pod: pod.clone(),
            ..line("pause", at)
        };
        world.observe(1, &seen(Happening::SandboxCreated, 1));
        world.observe(2, &seen(Happening::KernelOomMemcg, 2));
        assert_eq!(world.unowned.lines.len(), 0);
    }

    #[test]
    fn the_oldest_go_beyond_the_bound_and_numbers_go_on_after_a_restart() {
        let mut kept = Unowned::default();
        for at in 0..limits::WORLD_UNOWNED as i64 + 3 {
            kept.keep(line("a", at));
        }
        assert_eq!(kept.lines.len(), limits::WORLD_UNOWNED);
        let mut again = Unowned::default();
        kept.changes(&mut |number, line| {
            if let Some(line) = line {
                again.restore(number, line.clone());
            }
        });
        assert_eq!(again.lines, kept.lines);
        again.keep(line("b", 99));
        assert_eq!(again.lines.values().next_back().map(|line| line.at), Some(99));
        assert_eq!(again.lines.len(), limits::WORLD_UNOWNED);
    }
}
