//! What led to a fault of the node, and the links from the lowest layer down to the pods. Owns the
//! order among faults; who is a member of one is `root`'s.

use super::{
    LATER, agent, chain,
    fault::{self, Fault, Layer},
};
use crate::{
    diagnosis::{
        incident::Entry,
        incidents::{Ground, Incidents},
    },
    limits,
    source::Micros,
};

impl Incidents {
    /// A fault of the node: finds what led to it, and tells the links.
    pub(super) fn order(&mut self, number: u64, ground: Ground<'_>) {
        let Some(node) = self.entries.get(&number) else { return };
        let Some(own) = self.fault_of_node(node) else { return };
        let agent = self.agent_of(node, &own, ground);
        let by_agent = agent.and_then(|agent| self.entries.get(&agent)?.parent);
        let by_agent = by_agent.filter(|root| *root != node.id && !self.is_below(*root, node.id));
        let root = by_agent.or_else(|| self.root_of(number, node, &own));
        let (id, before) = (node.id, node.parent);
        let linked = agent.and_then(|agent| self.entries.get(&agent)?.link);
        let is_taken = linked.and_then(|id| self.entry_of(id)).is_some_and(Entry::is_live);
        let agent = agent.filter(|_| !is_taken || linked == Some(id));
        if let Some(agent) = agent
            && let Some(entry) = self.entries.get_mut(&agent)
            && entry.link != Some(id)
        {
            entry.link = Some(id);
            self.pending.insert(agent);
            self.changed.insert(agent);
        }
        for (other, entry) in &mut self.entries {
            if entry.link == Some(id) && Some(*other) != agent {
                entry.link = None;
                self.pending.insert(*other);
                self.changed.insert(*other);
            }
        }
        let why = agent.and_then(|agent| self.entries.get(&agent));
        let why = why.map(|agent| agent.judgement.evidence.iter().take(2).cloned().collect());
        if let Some(node) = self.entries.get_mut(&number) {
            node.parent = root;
            node.why = why.unwrap_or_default();
        }
        let chain = self.chain_of(number);
        let members = self.entries.values().filter(|entry| entry.parent == Some(id));
        let members: Vec<[u8; 16]> =
            members.map(|entry| entry.id).take(limits::INCIDENT_PODS).collect();
        let Some(node) = self.entries.get_mut(&number) else { return };
        let is_news = before != root || node.chain != chain;
        node.chain = chain;
        node.member_ids = members;
        if is_news {
            self.changed.insert(number);
            let up = [before, root].into_iter().flatten().filter_map(|id| self.number_of(id));
            let up: Vec<u64> = up.collect();
            self.pending.extend(up);
        }
    }

    /// The pod that carries the layer, and fails for a reason of its own.
    fn agent_of(&self, node: &Entry, fault: &Fault, ground: Ground<'_>) -> Option<u64> {
        if !agent::can_carry(fault.layer) {
            return None;
        }
        self.entries
            .iter()
            .filter(|(_, entry)| entry.node_key.is_none() && entry.is_live() && entry.rung == 0)
            .filter(|(_, entry)| entry.parent != Some(node.id))
            .filter(|(_, entry)| fault::of(entry).is_none_or(|own| own.key != fault.key))
            .find(|(_, entry)| self.carries(entry, fault, ground))
            .map(|(&number, _)| number)
    }

    /// The lowest layer that can be why; among equals what began first. The same fault under two
    /// names is the older one.
    fn root_of(&self, number: u64, node: &Entry, own: &Fault) -> Option<[u8; 16]> {
        let mut best: Option<(Layer, Micros, u64)> = None;
        for &other in self.of_node.iter().filter(|other| **other != number) {
            let Some(entry) = self.entries.get(&other) else { continue };
            let Some(fault) = self.fault_of_node(entry) else { continue };
            let is_twin = fault.key == own.key && other < number;
            let leads = fault::explains(fault.layer, own.layer)
                && entry.first_seen <= node.first_seen.saturating_add(LATER);
            let place = (fault.layer, entry.first_seen, other);
            let is_better = entry.host == node.host && best.is_none_or(|best| place < best);
            if (is_twin || leads) && is_better && !self.is_below(entry.id, node.id) {
                best = Some(place);
            }
        }
        best.and_then(|(.., other)| self.entries.get(&other)).map(|entry| entry.id)
    }

    /// Links, root first, down to the pods.
    fn chain_of(&self, number: u64) -> Vec<String> {
        let Some(mut leaf) = self.entries.get(&number) else { return Vec::new() };
        for _ in 0..limits::INCIDENT_LIST {
            let below = self.entries.values().filter(|entry| {
                entry.node_key.is_some() && entry.is_live() && entry.parent == Some(leaf.id)
            });
            let Some(below) = below.max_by_key(|entry| entry.hit.len()) else { break };
            if below.hit.is_empty() && !leaf.hit.is_empty() {
                break;
            }
            leaf = below;
        }
        let mut links = vec![chain::pods(&leaf.hit)];
        let mut at = Some(leaf);
        while let Some(node) = at.filter(|_| links.len() < limits::INCIDENT_LIST) {
            links.push(chain::fault(node));
            let agent = self
                .entries
                .values()
                .find(|entry| entry.link == Some(node.id) && entry.node_key.is_none());
            let up = node.parent.and_then(|id| self.entry_of(id));
            if let Some(agent) = agent {
                links.push(chain::agent(agent));
                if up.is_none() {
                    links.push(chain::fault(agent));
                }
            }
            at = up;
        }
        links.reverse();
        links.retain(|link| !link.is_empty());
        links
    }
}
