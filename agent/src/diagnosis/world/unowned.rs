//! Lines about instances of which nothing has told yet whose they are: who reads from the middle
//! saw no sandbox begin. A few are kept until a line or fact names pod and container.

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
    )
}

impl World {
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
        let kept = &mut self.node.unowned;
        kept.push_back(seen.clone());
        if kept.len() > limits::WORLD_UNOWNED {
            kept.pop_front();
        }
        self.node_changed = true;
    }

    /// What was kept and belongs to this line's pod: by the instance that it names, or because it
    /// says which container waits for its restart, and only one instance just ended.
    pub(super) fn own(&mut self, seen: &Observation, moments: &mut Vec<Moment>) {
        if self.node.unowned.is_empty() || seen.pod.uid.is_none() {
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
            .node
            .unowned
            .iter()
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
        let Some(pod) = self.pods.get(&key.0).filter(|_| !self.node.unowned.is_empty()) else {
            return;
        };
        let (mine, others) = std::mem::take(&mut self.node.unowned)
            .into_iter()
            .partition::<Vec<Observation>, _>(|held| {
                held.details.container_id.as_deref().is_some_and(|id| pod.owner_of(id).is_some())
            });
        let names = pod.pod.clone();
        self.node.unowned = others.into();
        self.node_changed |= !mine.is_empty();
        for mut held in mine {
            held.pod.clone_from(&names);
            self.tell_now(&held, moments);
        }
    }

    fn own_all(&mut self, id: &str, seen: &Observation, name: &str, moments: &mut Vec<Moment>) {
        let (mine, others) =
            std::mem::take(&mut self.node.unowned).into_iter().partition::<Vec<Observation>, _>(
                |held| held.details.container_id.as_deref() == Some(id),
            );
        self.node.unowned = others.into();
        self.node_changed |= !mine.is_empty();
        for mut held in mine {
            held.pod.clone_from(&seen.pod);
            held.container.get_or_insert_with(|| name.to_owned());
            self.tell_now(&held, moments);
        }
    }

    fn tell_now(&mut self, held: &Observation, moments: &mut Vec<Moment>) {
        if let Some(happening) = held.happening {
            self.one_pod(happening, held, moments);
        }
    }
}
