//! What the folders of container logs show, and what the node's own agents say in theirs, taken into
//! the world.

use super::{Moment, MomentKind, World, containers, quote};
use crate::{fact, limits, observation::Pod, source::Micros};

const LOGS_REMOVED: &str = "the kubelet has removed the pod's logs: the pod is gone";
const EVICTED_LOGS_REMOVED: &str = "the kubelet has removed the evicted pod's logs";

impl World {
    /// The kubelet removes the folder of a pod's logs when the pod is gone from the API and its
    /// sandboxes are removed; that of an evicted pod at once, while the API keeps the pod. That an attempt has a log says whose it is and no more: a start that
    /// failed has one as well.
    pub(super) fn log_folder(
        &mut self,
        at: Micros,
        folder: &fact::LogFolder,
        moments: &mut Vec<Moment>,
    ) {
        let pod = containers::pod_of(&folder.pod);
        if self.key_of(&pod).is_none() {
            return;
        }
        match folder.change {
            fact::LogFolderChange::Began { .. } => drop(self.entry(&pod, at)),
            fact::LogFolderChange::Gone => self.logs_removed(at, &pod, moments),
        }
    }

    fn logs_removed(&mut self, at: Micros, pod: &Pod, moments: &mut Vec<Moment>) {
        let Some(key) = self.key_of(pod) else { return };
        if self.pods.get(&key.0).is_none_or(|state| state.evicted.is_none()) {
            return self.gone(at, pod, LOGS_REMOVED, moments);
        }
        let evidence = quote::told("pod", EVICTED_LOGS_REMOVED, at);
        moments.push(self.happened(at, &key, None, MomentKind::EvictedAndCleared, &evidence));
    }

    /// The newest stay.
    pub(super) fn agent_said(&mut self, at: Micros, said: &fact::Said) {
        self.node.said.push_back((at, said.clone()));
        if self.node.said.len() > limits::WORLD_SAID {
            self.node.said.pop_front();
        }
        self.node_changed = true;
    }
}
