//! What the container runtime knows of a pod, taken into the world where nobody else told it.

use super::{
    Moment, World, containers,
    facts::{FactTold, of_container},
};
use crate::{diagnosis::mounts::complaint, fact, source::Micros};

impl World {
    /// What the runtime knows of a pod's containers: ends, and mounts where nobody else tells them.
    pub(super) fn runtime_containers(
        &mut self,
        at: Micros,
        answer: &fact::Containers,
        moments: &mut Vec<Moment>,
    ) {
        let (mut told, mut wants) = (Vec::new(), Vec::new());
        let Some((key, state)) = self.entry(&containers::pod_of(&answer.pod), at) else { return };
        for container in &answer.containers {
            of_container(("cri", at), container, state, &mut told, &mut wants);
        }
        self.wants.extend(wants);
        let mounted = Some(answer.mounted());
        let is_new =
            mounted.clone().and_then(|it| self.mounted.insert(key.0.clone(), it)) != mounted;
        let misses = self.pods.get(&key.0).is_some_and(|pod| {
            let dead = pod.containers.values().filter_map(|container| container.last_ended());
            dead.filter_map(|it| it.last_words.as_ref())
                .any(|words| complaint(&words.lines).is_some())
        });
        // The words came first, and nobody knew where to look.
        if is_new && misses && !self.specs.contains_key(&key.0) {
            self.want_listing(&key, answer.pod.clone());
        }
        for FactTold { at, container, what, evidence } in told {
            moments.push(self.happened(at, &key, container, what, &evidence));
        }
    }
}
