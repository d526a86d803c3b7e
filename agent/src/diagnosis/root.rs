//! Root-first incidents of a node (M1): failures of pods that one fault of the node explains become
//! its quiet members, of several faults the lowest layer is the root, and links say how one led to
//! the other. Owns no life cycle (`incident`), no cause (`cause`) and no proof (`recovery`).

mod agent;
mod chain;
pub(super) mod fault;
mod members;
mod order;

pub(super) use self::agent::is_agent;
use self::fault::{Fault, Layer};
use super::{
    identity,
    incident::{Entry, Hit, Member},
    incidents::{Ground, Incidents},
    key::{Family, norm},
    recovery::Ladder,
    world::PodKey,
};
use crate::{
    limits,
    observation::{self, time},
    source::Micros,
};

/// A fault of a lower layer is found up to this much later than what it leads to.
const LATER: Micros = limits::WORLD_WINDOW;

/// What a pod felt this long before the first word of the fault belongs to it.
const EARLIER: Micros = 120_000_000;

/// The kubelet's pause after an error, and the longest one while it knows its back-off (4.5).
const RETRY: Micros = 15_000_000;
const RETRY_BACK_OFF: Micros = 90_000_000;
/// A pod's longest back-off.
const RETRY_LONGEST: Micros = 300_000_000;

impl Incidents {
    /// Finds the place of an entry among the faults of the node. Who changes by it waits in
    /// `pending`.
    pub(super) fn arrange(&mut self, number: u64, now: Micros, ground: Ground<'_>) {
        let Some(entry) = self.entries.get(&number).filter(|entry| entry.is_live()) else { return };
        if entry.node_key.is_some() {
            self.order(number, ground);
        } else {
            self.end_silence(number, now);
            self.join(number, now, ground);
        }
    }

    /// A failure of a pod: stays where it is, leaves, joins, or makes a fault of the node known.
    fn join(&mut self, number: u64, now: Micros, ground: Ground<'_>) {
        if self.stays(number, ground) {
            return;
        }
        let Some(entry) = self.entries.get(&number) else { return };
        let own = fault::of(entry);
        let mut carried = Vec::new();
        let mut found: Option<(Layer, u64)> = None;
        for &other in &self.of_node {
            let Some(node) = self.entries.get(&other) else { continue };
            let Some(fault) = self.fault_of_node(node) else { continue };
            let is_same = own.as_ref().is_some_and(|own| own.key == fault.key);
            if !is_same && self.carries(entry, &fault, ground) {
                carried.push(other);
            } else if belongs(entry, own.as_ref(), node, &fault)
                && is_beside(entry, node, ground)
                && found.is_none_or(|found| (fault.layer, other) < found)
            {
                found = Some((fault.layer, other));
            }
        }
        if let Some((_, node)) = found {
            self.adopt(node, number, ground);
        } else if let Some(fault) = own.filter(|fault| self.is_of_node(number, fault, ground)) {
            self.promote(number, &fault, now, ground);
        }
        // Whose failure led to it is found by the fault itself.
        let is_linked = self.entries.get(&number).is_some_and(|entry| entry.link.is_some());
        if !is_linked {
            self.pending.extend(carried);
        }
    }

    /// It is a member, and stays one. A member that fails on after its parent was proven fixed, and
    /// one whose cause is another now, goes on alone.
    fn stays(&mut self, number: u64, ground: Ground<'_>) -> bool {
        let Some(entry) = self.entries.get(&number) else { return true };
        let Some(id) = entry.parent else { return false };
        let parent = self.number_of(id);
        let known = parent.and_then(|parent| self.entries.get(&parent));
        let stays = match known {
            Some(node) if node.is_live() => {
                let own = fault::of(entry);
                let theirs = fault::of(node);
                theirs.is_some_and(|theirs| belongs(entry, own.as_ref(), node, &theirs))
            }
            Some(node) => {
                let ended = node.ended.unwrap_or(node.failed);
                entry.failed <= ended.saturating_add(retry_gap(entry))
            }
            None => false,
        };
        let is_live = known.is_some_and(Entry::is_live);
        match parent.filter(|_| stays && is_live) {
            Some(parent) => self.adopt(parent, number, ground),
            None if !stays => self.leave(number, parent),
            None => {}
        }
        stays
    }

    fn leave(&mut self, number: u64, parent: Option<u64>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.parent = None;
        self.changed.insert(number);
        let keys: Vec<String> = entry.members.iter().map(|member| member.key.clone()).collect();
        let Some(parent) = parent else { return };
        if let Some(node) = self.entries.get_mut(&parent).filter(|node| node.is_live()) {
            node.hit.retain(|hit| !keys.contains(&hit.key));
            self.pending.insert(parent);
        }
    }

    /// Makes it a member, silently; what it failed at, the fault failed at.
    fn adopt(&mut self, node: u64, number: u64, ground: Ground<'_>) {
        let Some(entry) = self.entries.get(&number) else { return };
        let (failed, last_seen, first_seen) = (entry.failed, entry.last_seen, entry.first_seen);
        let hits: Vec<Hit> = entry.members.iter().map(|member| Hit::of(member, entry)).collect();
        let trigger = entry.trigger.clone();
        let Some(parent) = self.entries.get_mut(&node) else { return };
        let id = parent.id;
        for hit in hits {
            parent.hit(hit);
        }
        let is_promoted = fault::is_promoted(parent);
        if failed > parent.failed {
            if is_promoted {
                let seat = PodKey(String::new());
                let nobody = observation::Pod::default();
                let recovery = &ground.settings.recovery;
                parent.fail((failed, last_seen), (&seat, &nobody), None, recovery);
                parent.lines += 1;
                parent.trigger = trigger;
            } else {
                parent.failed = failed;
                parent.last_seen = parent.last_seen.max(last_seen);
            }
            self.pending.insert(node);
        }
        parent.first_seen =
            if is_promoted { parent.first_seen.min(first_seen) } else { parent.first_seen };
        self.changed.insert(node);
        let Some(entry) = self.entries.get_mut(&number) else { return };
        if entry.parent != Some(id) {
            entry.parent = Some(id);
            self.changed.insert(number);
            self.pending.insert(node);
        }
    }

    /// Pods of different owners fail alike, or a fact of the node agrees, or no pod gets a sandbox.
    fn is_of_node(&self, number: u64, fault: &Fault, ground: Ground<'_>) -> bool {
        let Some(entry) = self.entries.get(&number) else { return false };
        if entry.judgement.of_node {
            return true;
        }
        let group = self.group(entry, fault, ground);
        let mut owners: Vec<&str> = group.iter().filter_map(|(_, entry)| entry.owner()).collect();
        owners.sort_unstable();
        owners.dedup();
        if owners.len() > 1 {
            return true;
        }
        let mut pods: Vec<&str> = group
            .iter()
            .flat_map(|(_, entry)| entry.members.iter().map(|member| member.key.as_str()))
            .collect();
        pods.sort_unstable();
        pods.dedup();
        let from = entry.last_seen.saturating_sub(limits::WORLD_WINDOW);
        matches!(fault.layer, Layer::Network | Layer::Addresses)
            && pods.len() > 1
            && ground.world.node.sandbox_counts(from).ok == 0
    }

    /// Failures of pods that are this fault and not healed.
    fn group(&self, of: &Entry, fault: &Fault, ground: Ground<'_>) -> Vec<(u64, &Entry)> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.node_key.is_none() && entry.is_live() && entry.rung == 0)
            .filter(|(_, entry)| fault::of(entry).is_some_and(|own| own.key == fault.key))
            .filter(|(_, entry)| entry.id == of.id || is_beside(entry, of, ground))
            .map(|(&number, entry)| (number, entry))
            .collect()
    }

    /// Makes the fault an incident of its own, and those that it hits its members.
    fn promote(&mut self, number: u64, fault: &Fault, now: Micros, ground: Ground<'_>) {
        let Some(entry) = self.entries.get(&number) else { return };
        let group = self.group(entry, fault, ground);
        let first_seen = group.iter().map(|(_, entry)| entry.first_seen).min();
        let first_seen = first_seen.unwrap_or(entry.first_seen);
        let began = group.iter().map(|(_, entry)| entry.began).min().unwrap_or(now);
        let lines = group.iter().map(|(_, entry)| entry.attempts()).sum();
        let numbers: Vec<u64> = group.iter().map(|(number, _)| *number).collect();
        let node_key = fault.node_key();
        let host = entry.members.first().and_then(|it| ground.world.whereabouts.node_of(&it.pod));
        let text = match host {
            Some(host) => format!("node|{host}|{node_key}"),
            None => format!("node|{node_key}"),
        };
        let seat = Member { failed: entry.failed, last_seen: entry.last_seen, ..Member::default() };
        let node = Entry {
            id: identity::incident(&ground.settings.node, &text, &time::utc(first_seen)),
            family: Family::Node,
            node_key: Some(node_key),
            members: vec![seat],
            judgement: entry.judgement.clone(),
            fingerprint: entry.fingerprint,
            step: entry.step.clone(),
            reason: entry.reason.clone(),
            first_seen,
            last_seen: entry.last_seen,
            began,
            failed: entry.failed,
            lines,
            loss: self.blind.texts(first_seen),
            announced: now,
            ..Entry::new(Ladder::NodeMembers, entry.trigger.clone())
        };
        let Ok(node) = self.add(node) else { return };
        self.judge(node, ground);
        for member in numbers {
            self.adopt(node, member, ground);
            self.pending.insert(member);
        }
        self.pending.insert(node);
    }

    fn carries(&self, entry: &Entry, fault: &Fault, ground: Ground<'_>) -> bool {
        let is_failing = entry.family != Family::Terminate && entry.family != Family::Silent;
        is_failing
            && entry
                .members
                .iter()
                .any(|member| agent::carries(ground.world, &member.pod_key(), fault.layer))
    }

    /// The fault of a live incident of the node. One that healed before it was told leads to nothing:
    /// who became its member would never be told either.
    fn fault_of_node(&self, entry: &Entry) -> Option<Fault> {
        let is_over = entry.opened.is_none() && entry.rung > 0;
        let is_node = entry.node_key.is_some()
            && entry.is_live()
            && !is_over
            && super::incidents::can_open(entry);
        is_node.then(|| fault::of(entry)).flatten()
    }

    /// `one` is `other`, or one of those that `other` led to.
    fn is_below(&self, one: [u8; 16], other: [u8; 16]) -> bool {
        let mut at = Some(one);
        for _ in 0..limits::INCIDENT_LIST {
            let Some(id) = at else { return false };
            if id == other {
                return true;
            }
            at = self.entry_of(id).and_then(|entry| entry.parent);
        }
        true
    }

    fn number_of(&self, id: [u8; 16]) -> Option<u64> {
        self.by_id.get(&id).copied()
    }

    fn entry_of(&self, id: [u8; 16]) -> Option<&Entry> {
        self.entries.get(self.by_id.get(&id)?)
    }
}

impl Entry {
    /// Whose pods it is about.
    pub(super) fn owner(&self) -> Option<&str> {
        let first = self.members.first()?;
        // Lines about volumes name no namespace: then it is what replicas have in common.
        let bare = || {
            let name = first.pod.name.as_deref()?;
            Some(norm::workload_of(name).unwrap_or(name))
        };
        self.workload.as_deref().or_else(bare).or(Some(&first.key))
    }

    /// A pod that the fault hits.
    pub(super) fn hit(&mut self, hit: Hit) {
        if hit.key.is_empty() {
            return;
        }
        if let Some(known) = self.hit.iter_mut().find(|known| known.key == hit.key) {
            known.container = known.container.take().or(hit.container);
            return;
        }
        if self.hit.len() >= limits::INCIDENT_PODS {
            self.more_pods += 1;
            return;
        }
        self.hit.push(hit);
    }
}

impl Hit {
    fn of(member: &Member, entry: &Entry) -> Self {
        Self {
            key: member.key.clone(),
            pod: member.pod.clone(),
            container: member.container.clone(),
            family: entry.family,
        }
    }
}

/// Both are about one node, as far as is known.
fn is_beside(one: &Entry, other: &Entry, ground: Ground<'_>) -> bool {
    let places = &ground.world.whereabouts;
    if !places.is_of_several {
        return true;
    }
    let node_of = |entry: &Entry| {
        let hit = entry.hit.first().map(|hit| &hit.pod);
        let pod = hit.or_else(|| entry.members.first().map(|member| &member.pod));
        places.node_of(pod?).map(str::to_owned)
    };
    // A word about the node names no pod: it is of the node that it names, or of nobody's.
    let is_of_node = |entry: &Entry| entry.node_key.is_some() && !fault::is_promoted(entry);
    let theirs = if is_of_node(other) { other.host.clone() } else { node_of(other) };
    theirs.is_some() && theirs == node_of(one)
}

/// A pod's failure is one of this fault: the same by its own cause, or how a pod feels it.
fn belongs(entry: &Entry, own: Option<&Fault>, node: &Entry, fault: &Fault) -> bool {
    let is_same = own.is_some_and(|own| own.key == fault.key);
    let is_in_time = entry.last_seen >= node.first_seen.saturating_sub(EARLIER);
    is_in_time && (is_same || fault::is_felt(fault, entry))
}

/// How long the kubelet waits until it tries this again.
fn retry_gap(entry: &Entry) -> Micros {
    let usual = match entry.family {
        Family::Image | Family::Run | Family::Config => RETRY_BACK_OFF,
        _ => RETRY,
    };
    let told =
        entry.judgement.next_retry.as_ref().map(|(at, _)| at.saturating_sub(entry.last_seen));
    told.unwrap_or(usual).clamp(usual, RETRY_LONGEST)
}
