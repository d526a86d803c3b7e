//! What is known of the node: starts and stops of kubelet and runtime, switches that are on or off,
//! disks, the pod network, and which sandboxes succeeded lately (R96).

use std::collections::{BTreeMap, VecDeque};

use crate::{
    fact::{NodeObject, RuntimeStatus},
    incident::Evidence,
    limits, node,
    observation::Observation,
    source::Micros,
};

/// The node.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct NodeState {
    /// Newest start of the kubelet.
    pub(in crate::diagnosis) kubelet_started: Option<Evidence>,
    /// Newest end of the kubelet.
    pub(in crate::diagnosis) kubelet_ended: Option<Evidence>,
    /// `v1.34.4`
    pub(in crate::diagnosis) kubelet_version: Option<String>,
    pub(in crate::diagnosis) runtime_started: Option<Evidence>,
    pub(in crate::diagnosis) runtime_stopping: Option<Evidence>,
    pub(in crate::diagnosis) runtime_version: Option<String>,
    pub(in crate::diagnosis) boot_id: Option<String>,
    /// The boot that came with another id than the one before.
    pub(in crate::diagnosis) booted: Option<Evidence>,
    pub(in crate::diagnosis) network: Option<Switch>,
    pub(in crate::diagnosis) runtime: Option<Switch>,
    pub(in crate::diagnosis) paused: Option<Switch>,
    pub(in crate::diagnosis) pleg: Option<Switch>,
    pub(in crate::diagnosis) api: Option<Switch>,
    pub(in crate::diagnosis) ready: Option<Switch>,
    pub(in crate::diagnosis) shutdown: Option<Evidence>,
    /// By resource.
    pub(in crate::diagnosis) pressure: BTreeMap<String, Switch>,
    /// Ends of containers are told here by lines: not at a kubelet's V0 beside an old containerd.
    pub(in crate::diagnosis) sees_ends: bool,
    /// The kubelet's newest word that pods must go, and for which resource.
    pub(in crate::diagnosis) reclaiming: Option<Evidence>,
    /// Newest lines about the node that have no word of their own, oldest first.
    pub(in crate::diagnosis) troubles: VecDeque<Evidence>,
    /// Results of sandboxes, oldest first.
    pub(in crate::diagnosis) sandboxes: VecDeque<SandboxTry>,
    /// The CNI configuration could not be loaded.
    pub(in crate::diagnosis) cni_load_failed: Option<Evidence>,
    /// When the view last showed another CNI folder.
    pub(in crate::diagnosis) cni_changed: Option<Evidence>,
    /// Pulls that run: image, and since when.
    pub(in crate::diagnosis) pulls: BTreeMap<String, Micros>,
    /// An out-of-memory kill of the node itself.
    pub(in crate::diagnosis) node_oom: Option<Evidence>,
    /// Where releases before kept what `unowned` keeps: only read.
    #[serde(skip_serializing)]
    pub(in crate::diagnosis) unowned: VecDeque<Observation>,
    /// Not durable: read anew after a start.
    #[serde(skip)]
    pub(in crate::diagnosis) view: node::View,
    #[serde(skip)]
    pub(in crate::diagnosis) status: Option<(RuntimeStatus, Micros)>,
    /// Lines of trouble of the node's own agents, with their times, oldest told first.
    pub(in crate::diagnosis) said: VecDeque<(Micros, crate::fact::Said)>,
    /// Durable: what was told names the node and its versions, and is told the same again.
    pub(in crate::diagnosis) object: Option<(NodeObject, Micros)>,
}

/// On or off, since when, and what shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Switch {
    pub(in crate::diagnosis) on: bool,
    /// Since when it is so without a break.
    pub(in crate::diagnosis) since: Micros,
    /// Newest word for it.
    pub(in crate::diagnosis) at: Micros,
    pub(in crate::diagnosis) evidence: Evidence,
}

/// One attempt at a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct SandboxTry {
    pub(in crate::diagnosis) at: Micros,
    pub(in crate::diagnosis) pod: String,
    pub(in crate::diagnosis) ok: bool,
}

/// Attempts at sandboxes in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::diagnosis) struct SandboxCounts {
    pub(in crate::diagnosis) ok: usize,
    pub(in crate::diagnosis) failed: usize,
    /// Distinct pods that failed.
    pub(in crate::diagnosis) failing_pods: usize,
}

impl Switch {
    /// Sets it; true when it changed.
    pub(super) fn set(slot: &mut Option<Self>, on: bool, at: Micros, evidence: Evidence) -> bool {
        match slot {
            Some(switch) if switch.on == on => {
                switch.at = switch.at.max(at);
                switch.evidence = evidence;
                false
            }
            _ => {
                *slot = Some(Self { on, since: at, at, evidence });
                true
            }
        }
    }
}

impl NodeState {
    pub(super) fn tried_sandbox(&mut self, at: Micros, pod: &str, ok: bool) {
        self.sandboxes.push_back(SandboxTry { at, pod: pod.to_owned(), ok });
        let oldest = at.saturating_sub(limits::WORLD_WINDOW);
        while self.sandboxes.len() > limits::WORLD_SANDBOX_TRIES
            || self.sandboxes.front().is_some_and(|first| first.at < oldest)
        {
            self.sandboxes.pop_front();
        }
    }

    /// A pull began, or ended however it did.
    pub(super) fn pull(&mut self, image: &str, began: Option<Micros>) {
        let Some(began) = began else {
            self.pulls.remove(image);
            return;
        };
        self.pulls.entry(image.to_owned()).or_insert(began);
        while self.pulls.len() > limits::WORLD_PULLS {
            let oldest = self.pulls.iter().min_by_key(|(_, began)| **began);
            let Some(oldest) = oldest.map(|(image, _)| image.clone()) else { return };
            self.pulls.remove(&oldest);
        }
    }

    pub(super) fn trouble(&mut self, evidence: Evidence) {
        self.troubles.push_back(evidence);
        if self.troubles.len() > limits::WORLD_TROUBLES {
            self.troubles.pop_front();
        }
    }

    /// Attempts at sandboxes from `from` on.
    pub(in crate::diagnosis) fn sandbox_counts(&self, from: Micros) -> SandboxCounts {
        let mut counts = SandboxCounts::default();
        let mut pods = std::collections::BTreeSet::new();
        for sandbox in self.sandboxes.iter().filter(|sandbox| sandbox.at >= from) {
            if sandbox.ok {
                counts.ok += 1;
            } else {
                counts.failed += 1;
                pods.insert(&sandbox.pod);
            }
        }
        counts.failing_pods = pods.len();
        counts
    }
}

/// Fewer free inodes than one in so many is none: some are reserved.
const NO_INODES_PARTS: u64 = 10_000;
/// A filesystem with less is full for anybody who writes more than a name.
const NO_BYTES: u64 = 64 * 1024;

/// `None` where the filesystem has no fixed number of them.
pub(in crate::diagnosis) fn has_no_inodes(disk: &node::Disk) -> Option<bool> {
    Some(disk.inodes_free? <= disk.inodes_total? / NO_INODES_PARTS)
}

pub(in crate::diagnosis) const fn has_no_bytes(disk: &node::Disk) -> bool {
    disk.free_bytes < NO_BYTES
}
