//! One incident as the engine keeps it: members, what was seen of each since its last failure, how
//! far it climbed, what was told. Owns its life cycle (diagnosis.md 4.3); `incidents` owns the set.

mod opening;
mod view;

pub(super) use self::view::hex;

use super::{
    attempt::Attempt,
    judgement::Judgement,
    judging,
    key::Family,
    recovery::{Ladder, Recovery, Seat, Sign, Signs, TOP},
    world::{PodKey, World, moment::Moment},
};
use crate::{
    incident::{Evidence, Scope, State},
    limits,
    observation::{self, time},
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
    /// When its next timer is due; the set's queue holds the same.
    pub(super) due: Option<Micros>,
}

/// What is judged.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
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
}

/// A pod that a fault of the node hits.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Hit {
    pub(super) key: String,
    pub(super) pod: observation::Pod,
    pub(super) container: Option<String>,
    pub(super) family: Family,
}

/// One pod, or one of its containers, that is hit.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Member {
    /// Empty for the node itself.
    pub(super) key: String,
    pub(super) pod: observation::Pod,
    pub(super) container: Option<String>,
    /// Newest failure, by engine time and by the lines' own.
    pub(super) failed: Micros,
    pub(super) last_seen: Micros,
    pub(super) signs: Signs,
    /// The longest that an instance ran before it failed.
    pub(super) longest_life: Option<Micros>,
    /// To end: what ends now is no failure.
    pub(super) ending: bool,
    pub(super) gone: bool,
    pub(super) rung: u8,
}

impl Member {
    pub(super) fn pod_key(&self) -> PodKey {
        PodKey(self.key.clone())
    }

    /// It is this pod and, where both name one, this container.
    pub(super) fn is(&self, key: &PodKey, container: Option<&str>) -> bool {
        self.key == key.0
            && (container.is_none()
                || self.container.is_none()
                || self.container.as_deref() == container)
    }

    fn seat<'a>(&'a self, world: &World, failed: Micros) -> Seat<'a> {
        let key = self.pod_key();
        let container = self.container.as_deref();
        let spec = world.spec(&key).zip(container).and_then(|(spec, name)| spec.container(name));
        let known = world.pod(&key).zip(container).and_then(|(pod, name)| pod.container(name));
        let probe_takes = spec.and_then(|spec| spec.readiness.as_ref()).map(|probe| {
            let seconds = probe.period_seconds.max(1) * probe.failure_threshold.max(1);
            Micros::from(seconds).saturating_mul(1_000_000)
        });
        let limit = spec.and_then(|spec| spec.memory_limit_bytes).filter(|limit| *limit > 0);
        let peak = known
            .and_then(|known| known.newest())
            .and_then(|newest| newest.cgroup_before.as_ref())
            .and_then(|cgroup| cgroup.container.memory_peak_bytes);
        #[expect(clippy::cast_precision_loss, reason = "a share of some GiB in percent")]
        let memory_share = limit.zip(peak).map(|(limit, peak)| peak as f64 / limit as f64);
        let lives = [self.longest_life, known.and_then(|known| known.longest_life)];
        let ended = known.into_iter().flat_map(|known| known.instances.iter());
        let lives = lives.into_iter().flatten().chain(ended.filter_map(|instance| instance.ran()));
        Seat {
            signs: &self.signs,
            longest_life: lives.max(),
            probe_takes,
            memory_share,
            failed_at: failed,
        }
    }
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
            due: None,
        }
    }

    /// What it is part of: that is what is notified.
    pub(super) fn part_of(&self) -> Option<[u8; 16]> {
        self.parent.or(self.link)
    }

    /// Told, and not at its end.
    pub(super) const fn is_live(&self) -> bool {
        !matches!(self.state, State::Resolved | State::Superseded)
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

    /// A failure of a member: what was proven before counts no more.
    pub(super) fn fail(
        &mut self,
        (now, at): (Micros, Micros),
        (key, pod): (&PodKey, &observation::Pod),
        container: Option<&str>,
        settings: &Recovery,
    ) {
        self.failed = self.failed.max(now);
        self.last_seen = self.last_seen.max(at);
        self.first_seen = self.first_seen.min(at);
        if self.opened.is_some() && (self.rung > 0 || self.state == State::Resolved) {
            self.turns_ever = self.turns_ever.saturating_add(1);
            self.turns.push(now);
        }
        let window = time::micros(settings.flap_window);
        self.turns.retain(|turn| now.saturating_sub(*turn) <= window);
        if self.turns.len() > limits::INCIDENT_LIST {
            self.turns.remove(0);
        }
        self.ended = None;
        self.resolved_at = None;
        self.note = None;
        self.fixed_by.clear();
        self.rung = 0;
        self.proof.clear();
        if self.state != State::Flapping {
            self.state = State::Open;
        }
        if self.member(key, container).is_none() {
            if self.members.len() >= limits::INCIDENT_PODS {
                self.more_pods += 1;
                return;
            }
            self.members.push(Member {
                key: key.0.clone(),
                pod: pod.clone(),
                container: container.map(str::to_owned),
                ..Member::default()
            });
        }
        let Some(member) = self.member(key, container) else { return };
        member.failed = now;
        member.last_seen = member.last_seen.max(at);
        member.signs.clear();
        member.rung = 0;
        member.gone = false;
        if member.pod.uid.is_none() {
            member.pod.uid.clone_from(&pod.uid);
        }
        if member.container.is_none() {
            member.container = container.map(str::to_owned);
        }
    }

    /// Climbs as far as was proven. Returns when the next rung is, if nothing else happens.
    pub(super) fn climb(
        &mut self,
        now: Micros,
        world: &World,
        settings: &Recovery,
    ) -> Option<Micros> {
        // What was proven over stays so until something fails: a pod that ends takes nothing back.
        if self.state == State::Resolved {
            return None;
        }
        let (ladder, failed) = (self.ladder, self.failed);
        let keeps = self.family != Family::Terminate;
        // Who is taken away proves nothing any more; what was proven of it stays.
        let is_over = keeps
            && self.members.iter().all(|member| member.ending || member.gone)
            && !self.members.is_empty();
        if is_over {
            return None;
        }
        let mut lowest: Option<(u8, Vec<String>)> = None;
        let mut due: Option<Micros> = None;
        for member in self.members.iter_mut().filter(|member| !member.gone) {
            if keeps && member.ending {
                continue;
            }
            let climb = ladder.climb(member.seat(world, failed), settings, now);
            member.rung = climb.rung;
            due = due.into_iter().chain(climb.due).min();
            if lowest.as_ref().is_none_or(|(rung, _)| climb.rung < *rung) {
                lowest = Some((climb.rung, climb.proof));
            }
        }
        if let Some((rung, proof)) = lowest {
            self.rung = rung;
            self.proof = proof;
        }
        due
    }

    /// The state that follows from what was proven. Never from silence: what is silent is stale.
    pub(super) fn advance(&mut self, now: Micros, settings: &Recovery, kubelet_heard: Micros) {
        if self.state == State::Superseded {
            return;
        }
        let is_of_pods = self.members.iter().any(|member| !member.key.is_empty());
        let all_gone = is_of_pods && self.members.iter().all(|member| member.gone);
        if all_gone && self.rung < TOP && self.family != Family::Node {
            self.end(State::Superseded, now);
            let note = match self.pods() {
                1 => "its pod is gone".to_owned(),
                pods => format!("its {pods} pods are gone"),
            };
            self.note.get_or_insert(note);
            return;
        }
        let is_flapping = self.turns.len() >= settings.flap_turns as usize;
        let flap_window = time::micros(settings.flap_window);
        let is_quiet = now.saturating_sub(self.failed) >= flap_window;
        let was_flapping = self.state == State::Flapping;
        if (is_flapping || was_flapping) && !(self.rung >= TOP && is_quiet) {
            self.state = State::Flapping;
            self.ended = None;
            self.resolved_at = None;
        } else if self.rung >= TOP {
            if self.state != State::Resolved {
                self.end(State::Resolved, now);
                self.resolved_at = Some(now);
            }
        } else if self.is_silent(now, settings, kubelet_heard) {
            self.state = State::Stale;
            self.note.get_or_insert_with(|| {
                format!("nothing was heard of it since {}", time::utc(self.last_seen))
            });
        } else {
            self.state = if self.rung > 0 { State::Recovering } else { State::Open };
        }
    }

    pub(super) fn end(&mut self, state: State, now: Micros) {
        self.state = state;
        self.ended.get_or_insert(now);
    }

    /// Remembers a sign for the members that it is about.
    pub(super) fn sign(
        &mut self,
        about: Option<(&PodKey, Option<&str>)>,
        sign: Sign,
        proven: &super::recovery::Proven,
    ) -> bool {
        let mut any = false;
        for member in &mut self.members {
            let is_it = about.is_none_or(|(key, container)| member.is(key, container));
            if is_it && !member.gone {
                member.signs.entry(sign).or_insert_with(|| proven.clone());
                any = true;
            }
        }
        any
    }

    /// Takes a sign back.
    pub(super) fn unsign(&mut self, about: Option<(&PodKey, Option<&str>)>, sign: Sign) {
        for member in &mut self.members {
            if about.is_none_or(|(key, container)| member.is(key, container)) {
                member.signs.remove(&sign);
            }
        }
    }
}
