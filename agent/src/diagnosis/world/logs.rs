//! What the folders of container logs show, and what the node's own agents say in theirs, taken into
//! the world.

use super::{Moment, World, containers};
use crate::{fact, limits, source::Micros};

const LOGS_REMOVED: &str = "the kubelet has removed the pod's logs: the pod is gone";

impl World {
    /// The kubelet removes the folder of a pod's logs when the pod is gone from the API and its
    /// sandboxes are removed. That an attempt has a log says whose it is and no more: a start that
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
            fact::LogFolderChange::Gone => self.gone(at, &pod, LOGS_REMOVED, moments),
        }
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
