//! The conditions of a node, as its object or its kubelet's lines tell them: what it is short of, and
//! why it is not ready. Owns which fault of the node a word "not ready" is.

use super::{
    Moment, MomentKind, World,
    node::Switch,
    node_lines::{host_tell, tell},
    quote,
};
use crate::{
    fact::{NodeObject, pod::Condition},
    incident::Evidence,
    source::Micros,
};

/// The kubelet looks at its runtime this often: what it says of its node can be as old.
const STATUS: Micros = 15_000_000;

/// What of the node its word "not ready" is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotReady {
    /// The kubelet begins: nothing was looked at yet.
    Begins,
    Runtime,
    Pleg,
    Network,
    Other,
}

impl NotReady {
    fn of(text: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&[" yet to be ", " not yet ", "may not have completed yet"]) {
            Self::Begins
        } else if has(&["container runtime is down", "RuntimeReady=false"]) {
            Self::Runtime
        } else if text.contains("pleg was last seen active") {
            Self::Pleg
        } else if text.contains("NetworkReady=false") {
            Self::Network
        } else {
            Self::Other
        }
    }

    const fn what(self) -> Option<MomentKind> {
        Some(match self {
            Self::Begins => return None,
            Self::Runtime => MomentKind::RuntimeReady(false),
            Self::Pleg => MomentKind::PlegHealthy(false),
            Self::Network => MomentKind::NetworkReady(false),
            Self::Other => MomentKind::NodeReady(false),
        })
    }
}

impl World {
    /// What the object says of its node: since when, and that it was still so when it was written.
    pub(super) fn node_conditions(
        &mut self,
        at: Micros,
        object: &NodeObject,
        moments: &mut Vec<Moment>,
    ) {
        for condition in &object.conditions {
            let since = condition.since.unwrap_or(at).min(at);
            let evidence = shown(condition, since);
            if self.whereabouts.is_of_several {
                of_several((at, &object.name), condition, evidence, moments);
                continue;
            }
            let on = condition.status == "True";
            match resource_of(&condition.kind) {
                Some(resource) => {
                    let is_known = self.node.pressure.get(resource).is_some_and(|it| it.on);
                    if !is_known || !on {
                        self.pressure(resource, on, since, evidence.clone(), moments);
                    }
                    if on && (is_known || since < at) {
                        self.pressure(resource, on, at, later(&evidence, at), moments);
                    }
                }
                None if condition.kind == "Ready" && on => {
                    self.node_is_ready(since, &evidence, moments);
                    self.api_is_reachable(since, &evidence, moments);
                }
                None if condition.kind == "Ready" && condition.status == "False" => {
                    self.object_is_not_ready((since, at), &evidence, moments);
                }
                None => {}
            }
        }
    }

    /// A line of the kubelet: what is told by lines of its own needs no more.
    pub(super) fn became_not_ready(
        &mut self,
        at: Micros,
        evidence: &Evidence,
        moments: &mut Vec<Moment>,
    ) {
        let node = &self.node;
        let is_told = match NotReady::of(&evidence.text) {
            NotReady::Begins | NotReady::Other => false,
            NotReady::Runtime => node.runtime.is_some() || node.paused.is_some(),
            NotReady::Pleg => node.pleg.is_some() || node.paused.is_some(),
            NotReady::Network => node.network.is_some(),
        };
        if is_told {
            Switch::set(&mut self.node.ready, false, at, evidence.clone());
        } else {
            self.node_is_not_ready(at, evidence, moments);
        }
    }

    /// Where lines tell it already, they tell how often, too; the object only goes on with its own.
    fn object_is_not_ready(
        &mut self,
        (since, at): (Micros, Micros),
        evidence: &Evidence,
        moments: &mut Vec<Moment>,
    ) {
        let node = &self.node;
        let (why, is_paused) = (NotReady::of(&evidence.text), node.paused.as_ref());
        let is_paused = is_paused.is_some_and(|it| it.on);
        let slot = match why {
            NotReady::Begins => None,
            NotReady::Runtime => node.runtime.as_ref(),
            NotReady::Pleg => node.pleg.as_ref(),
            NotReady::Network => node.network.as_ref(),
            NotReady::Other => node.ready.as_ref(),
        };
        let known = slot.filter(|it| !it.on);
        let is_of_lines = known.is_some_and(|it| it.evidence.source != evidence.source)
            || (is_paused && matches!(why, NotReady::Runtime | NotReady::Pleg));
        let is_known = known.is_some();
        if is_of_lines {
            Switch::set(&mut self.node.ready, false, at, evidence.clone());
            return;
        }
        if !is_known {
            self.node_is_not_ready(since, evidence, moments);
        }
        if is_known || since < at {
            self.node_is_not_ready(at, &later(evidence, at), moments);
        }
    }

    fn node_is_not_ready(&mut self, at: Micros, evidence: &Evidence, moments: &mut Vec<Moment>) {
        Switch::set(&mut self.node.ready, false, at, evidence.clone());
        let why = NotReady::of(&evidence.text);
        let slot = match why {
            NotReady::Begins => return,
            NotReady::Runtime => &mut self.node.runtime,
            NotReady::Pleg => &mut self.node.pleg,
            NotReady::Network => &mut self.node.network,
            NotReady::Other => &mut self.node.ready,
        };
        // Something newer has shown already that it is well again.
        let is_over = |switch: &Switch| switch.on && switch.at > at.saturating_sub(STATUS);
        if slot.as_ref().is_some_and(is_over) {
            return;
        }
        Switch::set(slot, false, at, evidence.clone());
        if let Some(what) = why.what() {
            tell(moments, at, what, evidence.clone());
        }
    }
}

/// Of one node among several: what is told is told of it alone, and switches are of one node.
fn of_several(
    (at, node): (Micros, &str),
    condition: &Condition,
    evidence: Evidence,
    moments: &mut Vec<Moment>,
) {
    let since = evidence.at.unwrap_or(at);
    let on = condition.status == "True";
    let (is_wrong, what) = match (resource_of(&condition.kind), condition.status.as_str()) {
        (Some(resource), "True" | "False") => {
            (on, vec![MomentKind::Pressure { resource: resource.to_owned(), on }])
        }
        (None, "True") if condition.kind == "Ready" => {
            let well = [MomentKind::RuntimeReady(true), MomentKind::NetworkReady(true)];
            (false, well.into_iter().chain([MomentKind::NodeReady(true)]).collect())
        }
        (None, "False") if condition.kind == "Ready" => {
            (true, NotReady::of(&evidence.text).what().into_iter().collect())
        }
        _ => return,
    };
    for what in what {
        host_tell(moments, node, since, what.clone(), evidence.clone());
        if is_wrong && since < at {
            host_tell(moments, node, at, what, later(&evidence, at));
        }
    }
}

fn shown(condition: &Condition, since: Micros) -> Evidence {
    let mut text = format!("Node condition {} is {}", condition.kind, condition.status);
    for more in [&condition.reason, &condition.message].into_iter().flatten() {
        text.push_str(": ");
        text.push_str(more);
    }
    quote::told("node", &text, since)
}

fn later(evidence: &Evidence, at: Micros) -> Evidence {
    Evidence { at: Some(at), ..evidence.clone() }
}

fn resource_of(condition: &str) -> Option<&'static str> {
    Some(match condition {
        "DiskPressure" => "disk",
        "MemoryPressure" => "memory",
        "PIDPressure" => "pids",
        _ => return None,
    })
}
