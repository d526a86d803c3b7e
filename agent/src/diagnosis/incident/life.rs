//! The life cycle of an incident (diagnosis.md 4.3): fails, climbs by proof, ends. Owns the rules of
//! its states; when it opens and falls silent is `opening`'s.

use super::{Entry, Member};
use crate::{
    diagnosis::{
        key::Family,
        recovery::{Proven, Recovery, Sign, TOP},
        world::{PodKey, World},
    },
    incident::State,
    limits,
    observation::{self, time},
    source::Micros,
};

impl Entry {
    /// A failure of a member: what was proven before counts no more.
    pub(in crate::diagnosis) fn fail(
        &mut self,
        (now, at): (Micros, Micros),
        (key, pod): (&PodKey, &observation::Pod),
        container: Option<&str>,
        settings: &Recovery,
    ) {
        self.failed = self.failed.max(now);
        if at > self.last_seen && self.lines + self.deaths > 0 {
            self.seen_before = Some(self.last_seen);
        }
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
        self.successor = None;
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
    pub(in crate::diagnosis) fn climb(
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
    pub(in crate::diagnosis) fn advance(
        &mut self,
        now: Micros,
        settings: &Recovery,
        kubelet_heard: Micros,
    ) {
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

    pub(in crate::diagnosis) fn end(&mut self, state: State, now: Micros) {
        self.state = state;
        self.ended.get_or_insert(now);
    }

    /// Remembers a sign for the members that it is about.
    pub(in crate::diagnosis) fn sign(
        &mut self,
        about: Option<(&PodKey, Option<&str>)>,
        sign: Sign,
        proven: &Proven,
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

    /// One of its members, or the node itself, has shown this sign since it failed.
    pub(in crate::diagnosis) fn has_seen(&self, sign: Sign) -> bool {
        self.members.iter().any(|member| member.signs.contains_key(&sign))
    }

    /// The pod is among those that it hits.
    pub(in crate::diagnosis) fn was_hit(&self, key: &PodKey) -> bool {
        let mut keys = self.hit.iter().map(|hit| &hit.key);
        keys.any(|hit| *hit == key.0) || self.members.iter().any(|member| member.key == key.0)
    }

    /// Takes a sign back.
    pub(in crate::diagnosis) fn unsign(
        &mut self,
        about: Option<(&PodKey, Option<&str>)>,
        sign: Sign,
    ) {
        for member in &mut self.members {
            if about.is_none_or(|(key, container)| member.is(key, container)) {
                member.signs.remove(&sign);
            }
        }
    }
}
