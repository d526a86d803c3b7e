//! One incident as the engine keeps it: members, what was seen of each since its last failure, how
//! far it climbed, what was told. Owns its life cycle (diagnosis.md 4.3); `incidents` owns the set.

mod life;
mod member;
mod opening;
mod view;

pub(super) use self::{
    member::{Hit, Member},
    view::hex,
};

use super::{
    attempt::Attempt,
    judgement::Judgement,
    judging,
    key::Family,
    recovery::Ladder,
    world::{PodKey, moment::Moment},
};
use crate::{
    incident::{Evidence, Scope, State},
    source::Micros,
};

/// An incident, or a failure that may become one.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Entry {
    pub(super) id: [u8; 16],
    pub(super) family: Family,
    pub(super) ladder: Ladder,
    /// `network`, `pressure/disk`, …: what an incident of the node is found by.
    pub(super) node_key: Option<String>,
    /// The node that it is about, where the input is of several.
    #[serde(default)]
    pub(super) host: Option<String>,
    /// Whose replicas join.
    pub(super) workload: Option<String>,
    /// The same as it is told.
    pub(super) workload_shown: Option<String>,
    pub(super) volume: Option<String>,
    pub(super) image: Option<String>,
    pub(super) members: Vec<Member>,
    /// Pods beyond the bound.
    pub(super) more_pods: u64,
    /// The failure that is judged: the newest that says more than "waits".
    pub(super) trigger: Trigger,
    pub(super) judgement: Judgement,
    pub(super) fingerprint: [u8; 16],
    /// The kubelet's latest words.
    pub(super) step: Option<String>,
    pub(super) reason: Option<String>,
    /// Times by the lines' own clock.
    pub(super) first_seen: Micros,
    pub(super) last_seen: Micros,
    /// The failure before the newest.
    pub(super) seen_before: Option<Micros>,
    /// The same cause hits pods of another owner, too.
    pub(super) with_others: bool,
    /// By engine time.
    pub(super) began: Micros,
    pub(super) failed: Micros,
    /// Failed attempts by lines, and by instances that ended; the larger counts.
    pub(super) lines: u64,
    pub(super) deaths: u64,
    pub(super) opened: Option<Micros>,
    pub(super) state: State,
    pub(super) rung: u8,
    pub(super) proof: Vec<String>,
    /// Engine time and the clock's time of its end.
    pub(super) ended: Option<Micros>,
    pub(super) resolved_at: Option<Micros>,
    /// When it failed again after a proven rung.
    pub(super) turns: Vec<Micros>,
    pub(super) turns_ever: u32,
    pub(super) note: Option<String>,
    /// Its end was that another incident tells of it.
    #[serde(default)]
    pub(super) is_told_elsewhere: bool,
    /// The pod that took the place of its own.
    pub(super) successor: Option<String>,
    pub(super) fixed_by: Vec<String>,
    pub(super) loss: Vec<String>,
    pub(super) parent: Option<[u8; 16]>,
    /// The fault of the node that this failure of one of the node's own pods led to.
    pub(super) link: Option<[u8; 16]>,
    pub(super) member_ids: Vec<[u8; 16]>,
    /// Of a fault of the node: the pods that it hits.
    pub(super) hit: Vec<Hit>,
    pub(super) chain: Vec<String>,
    /// Evidence of what led to it.
    pub(super) why: Vec<Evidence>,
    /// Share of its time that was seen.
    pub(super) coverage: Option<f64>,
    /// What the newest record said, and how many there were.
    pub(super) told: Option<Told>,
    pub(super) records: u64,
    pub(super) announced: Micros,
    /// When somebody was last told news, and how often reminded since.
    pub(super) alarmed: Micros,
    pub(super) reminders: u32,
    /// When its next timer is due; the set's queue holds the same.
    pub(super) due: Option<Micros>,
}

/// What is judged.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Trigger {
    pub(super) attempt: Option<Attempt>,
    pub(super) moment: Option<Moment>,
}

/// What a record said: another one is due when this changes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Told {
    pub(super) state: State,
    pub(super) rung: u8,
    pub(super) cause: String,
    /// What it is quiet for.
    pub(super) parent: Option<[u8; 16]>,
    /// The first link of how it came.
    pub(super) root: Option<String>,
    /// Who took its place.
    pub(super) successor: Option<String>,
}

impl Entry {
    /// Its pods are to end: what they do now says nothing of why they failed.
    pub(super) fn is_ending(&self) -> bool {
        let mut members = self.members.iter();
        self.family != Family::Terminate
            && self.node_key.is_none()
            && members.all(|member| member.ending || member.gone)
    }

    /// One that nothing is known of yet.
    pub(super) fn new(ladder: Ladder, trigger: Trigger) -> Self {
        Self {
            id: [0; 16],
            family: Family::Node,
            ladder,
            node_key: None,
            host: None,
            workload: None,
            workload_shown: None,
            volume: None,
            image: None,
            members: Vec::new(),
            more_pods: 0,
            trigger,
            judgement: judging::unknown(),
            fingerprint: [0; 16],
            step: None,
            reason: None,
            first_seen: 0,
            last_seen: 0,
            seen_before: None,
            with_others: false,
            began: 0,
            failed: 0,
            lines: 0,
            deaths: 0,
            opened: None,
            state: State::Open,
            rung: 0,
            proof: Vec::new(),
            ended: None,
            resolved_at: None,
            turns: Vec::new(),
            turns_ever: 0,
            note: None,
            is_told_elsewhere: false,
            successor: None,
            fixed_by: Vec::new(),
            loss: Vec::new(),
            parent: None,
            link: None,
            member_ids: Vec::new(),
            hit: Vec::new(),
            chain: Vec::new(),
            why: Vec::new(),
            coverage: None,
            told: None,
            records: 0,
            announced: 0,
            alarmed: 0,
            reminders: 0,
            due: None,
        }
    }

    /// What it is part of: that is what is notified.
    pub(super) fn part_of(&self) -> Option<[u8; 16]> {
        self.parent.or(self.link)
    }

    /// What happens to the node is about it.
    pub(super) fn is_of_node(&self) -> bool {
        self.node_key.is_some() || self.family == Family::Eviction
    }

    /// Its cause, where pods of different owners having it speaks for it: not what an application
    /// does, nor what its own specification says.
    pub(super) fn shared_cause(&self) -> Option<&str> {
        let cause = &self.judgement.cause;
        let is_shared = matches!(
            cause.class.as_str(),
            "image" | "volume" | "sandbox" | "runtime" | "terminate" | "admission"
        );
        (is_shared && self.node_key.is_none()).then_some(cause.id.as_str())
    }

    /// Told, and not at its end.
    pub(super) const fn is_live(&self) -> bool {
        !matches!(self.state, State::Resolved | State::Superseded)
    }

    /// It is about this of that node.
    pub(super) fn is_about(&self, node_key: &str, host: Option<&str>) -> bool {
        self.node_key.as_deref() == Some(node_key) && self.host.as_deref() == host
    }

    /// It can still fail again as the same incident.
    pub(super) const fn can_fail(&self) -> bool {
        !matches!(self.state, State::Superseded)
    }

    pub(super) fn member(&mut self, key: &PodKey, container: Option<&str>) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.is(key, container))
    }

    pub(super) fn attempts(&self) -> u64 {
        self.lines.max(self.deaths).max(1)
    }

    pub(super) fn pods(&self) -> u64 {
        let mut keys: Vec<&str> = self.members.iter().map(|member| member.key.as_str()).collect();
        keys.retain(|key| !key.is_empty());
        keys.sort_unstable();
        keys.dedup();
        (keys.len() + self.hit.len()) as u64 + self.more_pods
    }

    pub(super) fn scope(&self) -> Scope {
        if self.family == Family::Node || self.node_key.is_some() {
            Scope::Node
        } else if self.pods() > 1 {
            Scope::Workload
        } else {
            Scope::Pod
        }
    }
}
