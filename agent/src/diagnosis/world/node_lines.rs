//! Lines about the node, its kubelet, runtime and kernel, taken into the world.

use super::{Moment, MomentKind, World, node::Switch, quote};
use crate::{
    incident::Evidence,
    observation::{Happening, Observation},
    source::Micros,
};

impl World {
    pub(super) fn node_line(&mut self, seen: &Observation, moments: &mut Vec<Moment>) {
        let at = seen.at;
        let Some(happening) = seen.happening else {
            self.waits_for_network(seen, moments);
            return;
        };
        let evidence = quote::line(seen);
        // Lines about pods change nothing of it: it is large, and need not be written for them.
        let was_changed = std::mem::replace(&mut self.node_changed, true);
        match happening {
            Happening::KubeletStarted
            | Happening::KubeletEnded
            | Happening::RuntimeStarted
            | Happening::RuntimeStopping => self.start_or_stop(happening, seen, moments),
            Happening::UnitStarted | Happening::UnitStopped | Happening::UnitFailed => {
                self.unit(happening, seen, moments);
            }
            Happening::NetworkNotReady => {
                let (on, what) = (false, MomentKind::NetworkReady(false));
                Switch::set(&mut self.node.network, on, at, evidence.clone());
                tell(moments, at, what, evidence);
            }
            Happening::RuntimeNotReady | Happening::RuntimeUnavailable | Happening::PlegFailed => {
                Switch::set(&mut self.node.runtime, false, at, evidence.clone());
                tell(moments, at, MomentKind::RuntimeReady(false), evidence);
            }
            Happening::SyncPaused => self.sync_paused(at, evidence, moments),
            Happening::ApiFailed => {
                Switch::set(&mut self.node.api, false, at, evidence.clone());
                tell(moments, at, MomentKind::ApiReachable(false), evidence);
            }
            Happening::EvictionPressure | Happening::EvictionRelieved => {
                let resource = resource_of(seen.reason.as_deref().unwrap_or_default());
                let on = happening == Happening::EvictionPressure;
                if on {
                    self.node.reclaiming = Some(evidence.clone());
                }
                self.pressure(resource, on, at, evidence, moments);
            }
            Happening::NodeConditionChanged | Happening::NodeNotReady => {
                self.condition(happening, seen, moments);
            }
            Happening::NodeShutdown => {
                self.node.shutdown = Some(evidence.clone());
                tell(moments, at, MomentKind::NodeShutdown, evidence);
            }
            Happening::CniLoadFailed => {
                self.node.cni_load_failed = Some(evidence.clone());
                self.node.trouble(evidence.clone());
                tell(moments, at, MomentKind::NodeSaid, evidence);
            }
            // Told once the API's watch has shown the kubelet what it wrote there itself.
            Happening::PodRan => {
                self.node_changed = was_changed;
                self.api_is_reachable(at, &evidence, moments);
            }
            Happening::NodeRebooted => {
                self.node.booted = Some(evidence.clone());
                tell(moments, at, MomentKind::Booted, evidence);
            }
            Happening::LinesSuppressed => self.lines_suppressed(seen, evidence, moments),
            Happening::SystemOom | Happening::KernelOomGlobal => {
                self.node.node_oom = Some(evidence.clone());
                tell(moments, at, MomentKind::NodeSaid, evidence);
            }
            // The node authoriser learns of a new pod a moment later than the kubelet.
            _ if is_trouble(happening)
                && !evidence.text.contains("no relationship found between node") =>
            {
                self.node.trouble(evidence.clone());
                tell(moments, at, MomentKind::NodeSaid, evidence);
            }
            _ => self.node_changed = was_changed,
        }
    }

    fn sync_paused(&mut self, at: Micros, evidence: Evidence, moments: &mut Vec<Moment>) {
        // One that "has yet to be successful" was not healthy before.
        if evidence.text.contains("pleg was last seen active") {
            Switch::set(&mut self.node.pleg, false, at, evidence.clone());
            tell(moments, at, MomentKind::PlegHealthy(false), evidence.clone());
        }
        Switch::set(&mut self.node.paused, true, at, evidence.clone());
        tell(moments, at, MomentKind::Paused(true), evidence);
    }

    /// A pod's own line that says why it waits.
    fn waits_for_network(&mut self, seen: &Observation, moments: &mut Vec<Moment>) {
        if seen.failures.iter().any(|failure| failure.step == "WaitForNetwork") {
            let evidence = quote::line(seen);
            self.node_changed = true;
            Switch::set(&mut self.node.network, false, seen.at, evidence.clone());
            tell(moments, seen.at, MomentKind::NetworkReady(false), evidence);
        }
    }

    fn start_or_stop(
        &mut self,
        happening: Happening,
        seen: &Observation,
        moments: &mut Vec<Moment>,
    ) {
        let (at, evidence) = (seen.at, quote::line(seen));
        let node = &mut self.node;
        let what = match happening {
            Happening::KubeletStarted => {
                if evidence.text.starts_with("Successfully registered node") {
                    self.api_is_reachable(at, &evidence, moments);
                }
                let node = &mut self.node;
                if let Some(version) = seen.detail.as_ref().filter(|it| it.starts_with('v')) {
                    node.kubelet_version = Some(version.clone());
                }
                // A start is several lines within seconds.
                let newest = node.kubelet_started.as_ref().and_then(|it| it.at);
                if newest.is_some_and(|newest| at.abs_diff(newest) < SAME_START) {
                    return;
                }
                node.kubelet_started = Some(evidence.clone());
                MomentKind::KubeletStarted
            }
            Happening::KubeletEnded => return self.kubelet_failed(SAME_WORDS, evidence, moments),
            Happening::RuntimeStarted => {
                if let Some(version) = &seen.detail {
                    node.runtime_version = Some(version.clone());
                }
                return self.runtime_started(evidence, moments);
            }
            _ => {
                node.runtime_stopping = Some(evidence.clone());
                MomentKind::RuntimeStopped
            }
        };
        tell(moments, at, what, evidence);
    }

    /// A start is told by the runtime and by systemd.
    fn runtime_started(&mut self, evidence: Evidence, moments: &mut Vec<Moment>) {
        let at = evidence.at.unwrap_or_default();
        let newest = self.node.runtime_started.as_ref().and_then(|it| it.at);
        if newest.is_none_or(|newest| at.abs_diff(newest) >= SAME_START) {
            self.node.runtime_started = Some(evidence.clone());
            tell(moments, at, MomentKind::RuntimeStarted, evidence);
        }
    }

    /// The kubelet's own last words, or systemd's that it ended: the first of them tells it.
    fn kubelet_failed(&mut self, same: u64, evidence: Evidence, moments: &mut Vec<Moment>) {
        let at = evidence.at.unwrap_or_default();
        let newest = self.node.kubelet_ended.as_ref().and_then(|it| it.at);
        if newest.is_none_or(|newest| at.abs_diff(newest) >= same) {
            self.node.kubelet_ended = Some(evidence.clone());
            tell(moments, at, MomentKind::KubeletFailed, evidence);
        }
    }

    /// What journald threw away of those whose lines are read.
    fn lines_suppressed(
        &mut self,
        seen: &Observation,
        evidence: Evidence,
        moments: &mut Vec<Moment>,
    ) {
        let unit = seen.about_unit.as_deref().unwrap_or_default();
        if is_kubelet(unit) || is_runtime(unit) {
            self.node.trouble(evidence.clone());
            tell(moments, seen.at, MomentKind::NodeSaid, evidence);
        }
    }

    /// systemd's word on the unit of the kubelet or the runtime.
    fn unit(&mut self, happening: Happening, seen: &Observation, moments: &mut Vec<Moment>) {
        let unit = seen.about_unit.as_deref().unwrap_or_default();
        let (at, evidence) = (seen.at, quote::line(seen));
        let what = match (is_kubelet(unit), is_runtime(unit), happening) {
            (true, _, Happening::UnitStarted) => return,
            (true, _, Happening::UnitFailed) => {
                let is_again = evidence.text.contains("estart");
                let same = if is_again { SAME_CRASH } else { SAME_END };
                return self.kubelet_failed(same, evidence, moments);
            }
            (true, ..) => {
                self.node.kubelet_ended = Some(evidence.clone());
                MomentKind::KubeletStopped
            }
            // "Starting" may still fail.
            (_, true, Happening::UnitStarted) if evidence.text.starts_with("Started") => {
                return self.runtime_started(evidence, moments);
            }
            (_, true, Happening::UnitStarted) => return,
            (_, true, _) => {
                self.node.runtime_stopping = Some(evidence.clone());
                MomentKind::RuntimeStopped
            }
            _ => return,
        };
        tell(moments, at, what, evidence);
    }

    /// `NodeHasDiskPressure`, `NodeReady`, … and `Node became not ready`.
    fn condition(&mut self, happening: Happening, seen: &Observation, moments: &mut Vec<Moment>) {
        let (at, evidence) = (seen.at, quote::line(seen));
        if happening == Happening::NodeNotReady {
            self.became_not_ready(at, &evidence, moments);
            return;
        }
        let (resource, on) = match seen.reason.as_deref().unwrap_or_default() {
            "NodeHasDiskPressure" => ("disk", true),
            "NodeHasNoDiskPressure" => ("disk", false),
            "NodeHasInsufficientMemory" => ("memory", true),
            "NodeHasSufficientMemory" => ("memory", false),
            "NodeHasInsufficientPID" => ("pids", true),
            "NodeHasSufficientPID" => ("pids", false),
            "NodeReady" => {
                self.node_is_ready(at, &evidence, moments);
                return;
            }
            "NodeNotReady" => {
                self.became_not_ready(at, &evidence, moments);
                return;
            }
            _ => return,
        };
        self.pressure(resource, on, at, evidence, moments);
    }

    /// The kubelet calls its node Ready only while runtime and pod network are.
    pub(super) fn node_is_ready(
        &mut self,
        at: Micros,
        evidence: &Evidence,
        moments: &mut Vec<Moment>,
    ) {
        if Switch::set(&mut self.node.ready, true, at, evidence.clone()) {
            tell(moments, at, MomentKind::NodeReady(true), evidence.clone());
        }
        self.network_is_ready(at, evidence, moments);
        self.prove_runtime(at, evidence, moments);
    }

    /// The kubelet wrote to the API, or was answered by it.
    pub(super) fn api_is_reachable(
        &mut self,
        at: Micros,
        evidence: &Evidence,
        moments: &mut Vec<Moment>,
    ) {
        if is_off_before(self.node.api.as_ref(), at)
            && Switch::set(&mut self.node.api, true, at, evidence.clone())
        {
            self.node_changed = true;
            tell(moments, at, MomentKind::ApiReachable(true), evidence.clone());
        }
    }

    pub(super) fn network_is_ready(
        &mut self,
        at: Micros,
        evidence: &Evidence,
        moments: &mut Vec<Moment>,
    ) {
        if is_off_before(self.node.network.as_ref(), at)
            && Switch::set(&mut self.node.network, true, at, evidence.clone())
        {
            self.node_changed = true;
            tell(moments, at, MomentKind::NetworkReady(true), evidence.clone());
        }
    }

    /// The runtime did something for the kubelet: it answers, and pods are synced.
    pub(super) fn prove_runtime(
        &mut self,
        at: Micros,
        evidence: &Evidence,
        moments: &mut Vec<Moment>,
    ) {
        let told = moments.len();
        if is_off_before(self.node.runtime.as_ref(), at)
            && Switch::set(&mut self.node.runtime, true, at, evidence.clone())
        {
            tell(moments, at, MomentKind::RuntimeReady(true), evidence.clone());
        }
        if is_off_before(self.node.pleg.as_ref(), at)
            && Switch::set(&mut self.node.pleg, true, at, evidence.clone())
        {
            tell(moments, at, MomentKind::PlegHealthy(true), evidence.clone());
        }
        if self.node.paused.as_ref().is_some_and(|switch| switch.on && switch.at < at)
            && Switch::set(&mut self.node.paused, false, at, evidence.clone())
        {
            tell(moments, at, MomentKind::Paused(false), evidence.clone());
        }
        self.node_changed |= moments.len() > told;
    }

    pub(super) fn pressure(
        &mut self,
        resource: &str,
        on: bool,
        at: Micros,
        evidence: Evidence,
        moments: &mut Vec<Moment>,
    ) {
        let known = self.node.pressure.remove(resource);
        // A condition that was never on does not go away.
        if known.is_none() && !on {
            return;
        }
        let mut slot = known;
        let is_new = Switch::set(&mut slot, on, at, evidence.clone());
        if let Some(switch) = slot {
            self.node.pressure.insert(resource.to_owned(), switch);
        }
        self.node_changed = true;
        if is_new || on {
            let what = MomentKind::Pressure { resource: resource.to_owned(), on };
            tell(moments, at, what, evidence);
        }
    }
}

/// A kubelet's start is told by several lines.
const SAME_START: u64 = 10_000_000;

/// The same end of the kubelet: its own words follow each other at once; systemd tells of it after
/// them, and starts it again after its `RestartSec=`.
const SAME_WORDS: u64 = 2_000_000;
const SAME_END: u64 = 5_000_000;
const SAME_CRASH: u64 = 60_000_000;

/// The unit of a kubelet, or of a distribution that has it inside.
fn is_kubelet(unit: &str) -> bool {
    ["kubelet", "k3s", "rke2", "k0s", "microshift"].iter().any(|name| unit.contains(name))
}

fn is_runtime(unit: &str) -> bool {
    ["containerd", "crio", "docker"].iter().any(|name| unit.contains(name))
}

fn is_off_before(switch: Option<&Switch>, at: Micros) -> bool {
    switch.is_some_and(|switch| !switch.on && switch.at < at)
}

pub(super) fn tell(moments: &mut Vec<Moment>, at: Micros, what: MomentKind, evidence: Evidence) {
    moments.push(Moment { at, what, evidence, ..Moment::default() });
}

/// Of one node among several.
pub(super) fn host_tell(
    moments: &mut Vec<Moment>,
    host: &str,
    at: Micros,
    what: MomentKind,
    evidence: Evidence,
) {
    let host = Some(host.to_owned());
    moments.push(Moment { at, what, evidence, host, ..Moment::default() });
}

/// The kubelet's resource, as conditions call it.
fn resource_of(word: &str) -> &str {
    if word.contains("inodes") {
        "inodes"
    } else if word.contains("storage") || word.contains("fs") {
        "disk"
    } else if word.contains("pid") {
        "pids"
    } else {
        "memory"
    }
}

/// Lines that mean something is wrong and have no switch.
fn is_trouble(happening: Happening) -> bool {
    use Happening as H;
    matches!(
        happening,
        H::KernelTaskBlocked
            | H::KernelConntrackFull
            | H::KernelNetdeviceBusy
            | H::KernelFilesystem
            | H::KernelForkRejected
            | H::EvictionFailed
            | H::ImageDiskHigh
            | H::OrphanedPod
            | H::StaticPodUnreadable
            | H::NodeLine
    )
}
