//! What changes of members mean for the fault that they belong to, and for each other. Owns no
//! rule of who is a member: that is `root`'s.

use super::{
    super::{
        incident::{Entry, hex},
        incidents::{Ground, Incidents},
        key::Family,
        recovery::{Ladder, Proven, Sign},
        world::PodKey,
    },
    fault,
};
use crate::{incident::State, source::Micros};

impl Incidents {
    /// What a change of the entry means for the fault that it is a member of.
    pub(in crate::diagnosis) fn follow(&mut self, parent: [u8; 16], now: Micros) {
        let Some(number) = self.number_of(parent) else { return };
        let members: Vec<&Entry> =
            self.entries.values().filter(|entry| entry.parent == Some(parent)).collect();
        let is_over = |entry: &Entry| !entry.is_live() || entry.rung > 0;
        let passed = members.iter().filter(|entry| entry.rung > 0).max_by_key(|entry| entry.failed);
        let passed = passed.and_then(|entry| entry.proof.first()).cloned();
        let all = !members.is_empty() && members.iter().all(|entry| is_over(entry));
        let count = members.len();
        let Some(node) = self.entries.get_mut(&number).filter(|node| node.is_live()) else {
            return;
        };
        if node.ladder == Ladder::NodeMembers {
            if let Some(text) = passed {
                node.sign(None, Sign::MemberPassed, &Proven { at: now, text });
                if all {
                    let text = format!("none of its {count} members fails any more");
                    node.sign(None, Sign::MembersPassed, &Proven { at: now, text });
                }
            }
            if !all {
                node.unsign(None, Sign::MembersPassed);
            }
        }
        self.changed.insert(number);
        self.pending.insert(number);
    }

    /// Members that neither passed nor ended keep the pod network's incident open.
    pub(in crate::diagnosis) fn waits_for_members(&self, number: u64) -> bool {
        let Some(node) = self.entries.get(&number) else { return false };
        node.ladder == Ladder::NodeSandbox
            && self.entries.values().any(|entry| {
                let never_retries = matches!(entry.family, Family::Admission | Family::Eviction);
                entry.parent == Some(node.id)
                    && entry.node_key.is_none()
                    && !never_retries
                    && entry.is_live()
                    && entry.state != State::Stale
                    && entry.rung == 0
                    && entry.members.iter().any(|member| !member.gone)
            })
    }

    /// A fault that pods made known, of which there is a word about the node now.
    pub(in crate::diagnosis) fn taken_over(&mut self, node_key: &str) -> Option<u64> {
        let key = fault::of_node_key(node_key)?.key;
        let is_it = |entry: &Entry| {
            fault::is_promoted(entry)
                && entry.can_fail()
                && fault::of(entry).is_some_and(|fault| fault.key == key)
        };
        let is_it = |number: &&u64| self.entries.get(*number).is_some_and(&is_it);
        let number = *self.of_node.iter().rev().find(is_it)?;
        let entry = self.entries.get_mut(&number)?;
        entry.node_key = Some(node_key.to_owned());
        Some(number)
    }

    /// What was told of the pod before its uid was known is told of this pod.
    pub(in crate::diagnosis) fn name_again(&mut self, key: &PodKey, ground: Ground<'_>) {
        let Some(pod) = ground.world.pod(key) else { return };
        let (Some(space), Some(name)) = (&pod.pod.namespace, &pod.pod.name) else { return };
        let full = format!("{space}/{name}");
        if full == key.0 || pod.pod.uid.as_ref() != Some(&key.0) {
            return;
        }
        self.silence.forget(&full);
        self.fold.rename(&full, key);
        let Some(numbers) = self.by_pod.remove(&full) else { return };
        for number in &numbers {
            let Some(entry) = self.entries.get_mut(number) else { continue };
            for member in entry.members.iter_mut().filter(|member| member.key == full) {
                member.key.clone_from(&key.0);
                member.pod.uid.clone_from(&pod.pod.uid);
            }
            self.changed.insert(*number);
        }
        self.by_pod.entry(key.0.clone()).or_default().extend(numbers);
    }

    /// Something says now why the pod makes no progress.
    pub(super) fn end_silence(&mut self, number: u64, now: Micros) {
        let Some(entry) = self.entries.get(&number).filter(|it| it.family != Family::Silent) else {
            return;
        };
        let id = hex(entry.id);
        let keys: Vec<String> = entry.members.iter().map(|member| member.key.clone()).collect();
        let silent = keys.iter().filter_map(|key| self.by_pod.get(key)).flatten().copied();
        let silent: Vec<u64> = silent.filter(|other| *other != number).collect();
        for other in silent {
            let Some(silent) = self.entries.get_mut(&other) else { continue };
            if silent.family == Family::Silent && silent.is_live() {
                silent.end(State::Superseded, now);
                silent.is_told_elsewhere = true;
                silent.note = Some(format!("what holds it up is told by incident {id}"));
                self.changed.insert(other);
                self.pending.insert(other);
            }
        }
    }
}
