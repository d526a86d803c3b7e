//! Two entries that tell of one fault become one: replicas, steps of one pod, lines of one node.
//! Owns when they are alike; the set is `incidents`.

use super::{Ground, Incidents, telling::tell};
use crate::{
    diagnosis::{
        Output,
        incident::{self, Entry},
        judging,
    },
    incident::State,
    limits,
    source::Micros,
};

impl Incidents {
    /// Two pods of one workload with the same cause are one incident: the older one's id stays.
    /// Returns the number of the one that is left.
    pub(super) fn merge(
        &mut self,
        number: u64,
        now: Micros,
        ground: Ground<'_>,
        out: &mut Output,
    ) -> Option<u64> {
        let entry = self.entries.get(&number)?;
        let other = self.twin(number, entry);
        let Some(other) = other else { return Some(number) };
        let (older, newer) = (number.min(other), number.max(other));
        let mut taken = self.remove(newer)?;
        let older_entry = self.entries.get_mut(&older)?;
        if taken.told.is_some() {
            let id = incident::hex(older_entry.id);
            taken.end(State::Superseded, now);
            taken.note = Some(format!("it is part of incident {id}"));
            taken.parent = Some(older_entry.id);
            tell(&mut taken, now, ground, out);
        }
        older_entry.absorb(taken);
        self.index(older);
        Some(older)
    }

    /// The entry that tells of the same fault: of a replica, of the same pod at another step, of
    /// the same node in another line.
    fn twin(&self, number: u64, entry: &Entry) -> Option<u64> {
        if !entry.is_live() {
            return None;
        }
        let live =
            |other: &u64| self.entries.get(other).filter(|it| *other != number && it.is_live());
        if entry.node_key.is_some() {
            let is_known = entry.judgement.cause.id != judging::UNCLASSIFIED;
            return self
                .of_node
                .iter()
                .find(|other| {
                    live(other).is_some_and(|it| {
                        is_known
                            && it.node_key.is_some()
                            && it.host == entry.host
                            && it.judgement.cause.id == entry.judgement.cause.id
                            && it.judgement.object == entry.judgement.object
                    })
                })
                .copied();
        }
        let replicas = entry.workload.as_ref().and_then(|workload| self.by_workload.get(workload));
        let replica = replicas
            .into_iter()
            .flatten()
            .find(|other| live(other).is_some_and(|it| same(it, entry)));
        let key = entry.members.first().map(|member| &member.key)?;
        let of_pod = self
            .by_pod
            .get(key)
            .into_iter()
            .flatten()
            .find(|other| live(other).is_some_and(|it| same_pod_and_cause(it, entry)));
        replica.or(of_pod).copied()
    }
}

/// Replicas that fail alike.
fn same(one: &Entry, other: &Entry) -> bool {
    let container =
        |entry: &Entry| entry.members.first().and_then(|member| member.container.clone());
    one.family == other.family
        && one.judgement.cause.id == other.judgement.cause.id
        && container(one) == container(other)
        && one.volume == other.volume
        && (one.judgement.cause.id != judging::UNCLASSIFIED || one.fingerprint == other.fingerprint)
}

/// One fault of one pod at two steps.
fn same_pod_and_cause(one: &Entry, other: &Entry) -> bool {
    let is_known = one.judgement.cause.id != judging::UNCLASSIFIED;
    let of_pod = |entry: &Entry| !entry.family.is_of_container() && entry.node_key.is_none();
    is_known
        && of_pod(one)
        && of_pod(other)
        && one.judgement.cause.id == other.judgement.cause.id
        && one.judgement.object == other.judgement.object
        && one.members.len() == 1
        && other.members.len() == 1
}

impl Entry {
    /// Takes over the members of a replica's incident.
    fn absorb(&mut self, other: Self) {
        self.lines += other.lines;
        self.deaths += other.deaths;
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.began = self.began.min(other.began);
        self.failed = self.failed.max(other.failed);
        self.opened = self.opened.into_iter().chain(other.opened).min();
        self.more_pods += other.more_pods;
        for hit in other.hit {
            self.hit(hit);
        }
        for member in other.members {
            let key = member.pod_key();
            if self.member(&key, member.container.as_deref()).is_some() {
                continue;
            }
            if self.members.len() < limits::INCIDENT_PODS {
                self.members.push(member);
            } else {
                self.more_pods += 1;
            }
        }
        self.loss.extend(other.loss);
        self.loss.truncate(limits::INCIDENT_LIST);
    }
}
