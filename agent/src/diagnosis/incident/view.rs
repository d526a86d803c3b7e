//! An incident as it leaves the engine (design 5.3).

use super::{Entry, Hit, Member};
use crate::{
    catalogue,
    diagnosis::{
        controls, judging,
        world::{PodKey, World},
    },
    incident::{Incident, Pod},
    limits,
};

impl Entry {
    /// As it is now.
    pub(in crate::diagnosis) fn view(&self, world: &World) -> Incident {
        let judged = &self.judgement;
        let mut evidence = judged.evidence.clone();
        evidence.extend(self.why.iter().cloned());
        evidence.truncate(limits::INCIDENT_LIST);
        let next_retry = judged.next_retry.clone().filter(|_| self.is_live() && self.rung == 0);
        Incident {
            id: hex(self.id),
            scope: self.scope(),
            state: self.state,
            step: judged.step.clone().or_else(|| self.step.clone()),
            reason: match judged.step {
                Some(_) => judged.reason.clone(),
                None => self.reason.clone(),
            },
            cause: judged.cause.clone(),
            alternatives: judged.alternatives.clone(),
            pods: self.pods_shown(world),
            pod_count: self.pods(),
            workload: self.workload_shown.clone(),
            first_seen: Some(self.first_seen),
            last_seen: Some(self.last_seen),
            attempts: self.attempts(),
            next_retry: next_retry.as_ref().map(|(at, _)| *at),
            next_retry_why: next_retry.map(|(_, why)| why),
            evidence,
            controls: controls::of(self, world),
            next: judged.next.clone(),
            clears_when: judged.clears_when.clone(),
            changed: judged.changed.clone(),
            fingerprint: hex(self.fingerprint),
            coverage: self.coverage,
            exit_code: judged.exit_code,
            killed_by: judged.killed_by.clone(),
            contradictions: judged.contradictions.clone(),
            parent: self.parent.map(hex),
            members: self.member_ids.iter().map(|id| hex(*id)).collect(),
            chain: self.chain.clone(),
            rung: self.rung,
            proof: self.proof.clone(),
            resolved_at: self.resolved_at,
            fixed_by: self.fixed_by.clone(),
            loss: self.loss.clone(),
            turns: self.turns_ever,
            harmless: judged.rank == catalogue::Role::Benign
                && judged.cause.id != judging::UNCLASSIFIED,
            told_elsewhere: false,
            note: self.note.clone(),
        }
    }

    fn pods_shown(&self, world: &World) -> Vec<Pod> {
        if !self.hit.is_empty() {
            let hits = self.hit.iter().take(limits::INCIDENT_PODS_SHOWN);
            return hits.map(|hit| hit_shown(hit, world)).collect();
        }
        self.members
            .iter()
            .filter(|member| !member.key.is_empty())
            .take(limits::INCIDENT_PODS_SHOWN)
            .map(|member| self.pod_shown(member, world))
            .collect()
    }

    fn pod_shown(&self, member: &Member, world: &World) -> Pod {
        let known = world.pod(&member.pod_key()).map(|known| &known.pod);
        let pick = |mine: &Option<String>, theirs: Option<&Option<String>>| {
            mine.clone().or_else(|| theirs.cloned().flatten())
        };
        // The container that blocks is named, not the one that waits (R48).
        let blocking = self.judgement.container.clone().filter(|_| self.members.len() == 1);
        let container = blocking.or_else(|| member.container.clone());
        let spec = world.spec(&member.pod_key());
        let role = container
            .as_deref()
            .and_then(|name| spec.and_then(|spec| spec.container(name)))
            .map(|container| container.role)
            .or(self.judgement.role);
        Pod {
            namespace: pick(&member.pod.namespace, known.map(|pod| &pod.namespace)),
            name: pick(&member.pod.name, known.map(|pod| &pod.name)),
            uid: pick(&member.pod.uid, known.map(|pod| &pod.uid)),
            role: role.filter(|_| container.is_some()),
            container,
        }
    }
}

/// A pod that a fault of the node hits.
fn hit_shown(hit: &Hit, world: &World) -> Pod {
    let key = PodKey(hit.key.clone());
    let known = world.pod(&key).map(|known| &known.pod);
    let pick = |mine: &Option<String>, theirs: Option<&Option<String>>| {
        mine.clone().or_else(|| theirs.cloned().flatten())
    };
    let spec = hit.container.as_deref().zip(world.spec(&key));
    Pod {
        namespace: pick(&hit.pod.namespace, known.map(|pod| &pod.namespace)),
        name: pick(&hit.pod.name, known.map(|pod| &pod.name)),
        uid: pick(&hit.pod.uid, known.map(|pod| &pod.uid)),
        role: spec.and_then(|(name, spec)| spec.container(name)).map(|it| it.role),
        container: hit.container.clone(),
    }
}

/// 32 hex digits.
pub(in crate::diagnosis) fn hex(id: [u8; 16]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
