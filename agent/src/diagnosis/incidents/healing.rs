//! What happens to pods and the node: signs that prove rungs, ends of pods, and the failures that no
//! line of a failed attempt tells.

mod node;
mod signs;

use self::signs::{all_started, passing, progress};
use super::{Ground, Incidents};
use crate::{
    diagnosis::{
        Output,
        case::PREEMPTING,
        incident::Entry,
        key::Family,
        recovery::{Proven, Sign},
        world::{
            PodKey,
            moment::{Moment, MomentKind},
        },
    },
    incident::State,
    source::Micros,
};

impl Incidents {
    /// Something happened.
    pub(in crate::diagnosis) fn moment(
        &mut self,
        now: Micros,
        moment: &Moment,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        match &moment.pod {
            Some(key) => {
                self.name_again(key, ground);
                self.watch(key, ground.world);
                self.heal_folded(now, key, moment, ground);
                self.of_pod(now, key, moment, ground, out);
            }
            None => self.of_node(now, moment, ground, out),
        }
    }

    fn of_pod(
        &mut self,
        now: Micros,
        key: &PodKey,
        moment: &Moment,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let mut word = |this: &mut Self, family, words| {
            this.word(now, (key, moment), family, words, ground, out);
        };
        match &moment.what {
            MomentKind::ContainerEnded { .. } => {
                self.ended(now, key, moment, ground);
                self.main_failed(now, key, moment.container.as_deref(), ground, out);
                if !self.death(now, (key, moment), ground, out) {
                    self.review(now, key, ground, out);
                }
                return;
            }
            MomentKind::Unhealthy { .. } => {
                word(self, Family::Run, ["Probe", "Unhealthy"]);
                return;
            }
            MomentKind::ProbeFailed { probe } if probe.eq_ignore_ascii_case("readiness") => {
                let is_not_ready = !self.is_ready(key, moment, ground);
                if is_not_ready {
                    word(self, Family::Ready, ["Probe", "Unhealthy"]);
                }
                return;
            }
            MomentKind::OomKill => {
                self.killed_inside(now, key, moment, ground, out);
                return;
            }
            MomentKind::SandboxEnded => {
                let is_running = ground.world.pod(key).is_some_and(|pod| !pod.is_ending());
                if is_running {
                    word(self, Family::Sandbox, ["", ""]);
                }
                return;
            }
            MomentKind::Evicted => {
                if self.find(key, |entry| entry.family == Family::Eviction).is_none() {
                    word(self, Family::Eviction, ["Eviction", "Evicted"]);
                }
                return;
            }
            MomentKind::Refused { .. } | MomentKind::Preempted => {
                if self.find(key, |entry| entry.family == Family::Admission).is_none() {
                    let is_sent_away = moment.what == MomentKind::Preempted;
                    let reason = if is_sent_away { PREEMPTING } else { "" };
                    word(self, Family::Admission, ["Admission", reason]);
                }
                return;
            }
            MomentKind::PodAdded | MomentKind::SandboxCreated => {
                self.succeeded(now, key, ground, out);
            }
            _ => {}
        }
        self.signs(now, key, moment, ground);
        self.resettle(key, now, ground, out);
        if matches!(moment.what, MomentKind::ContainerStarted { .. } | MomentKind::SandboxCreated) {
            self.resettle_node(now, ground, out);
        }
    }

    /// An end takes back what a start proved.
    fn ended(&mut self, now: Micros, key: &PodKey, moment: &Moment, ground: Ground<'_>) {
        let container = moment.container.as_deref();
        let MomentKind::ContainerEnded { exit_code, expected, .. } = &moment.what else { return };
        let proven = Proven::by(now, moment);
        let completes = *exit_code == Some(0) && !expected && {
            let spec = ground.world.spec(key);
            let role = container.and_then(|name| spec?.container(name)).map(|known| known.role);
            role == Some(crate::fact::Role::Init)
                || spec
                    .and_then(|spec| spec.restart_policy.as_deref())
                    .is_some_and(|policy| policy != "Always")
        };
        let expected = *expected;
        self.each_of(key, |entry| {
            if entry.family == Family::Terminate {
                entry.sign(Some((key, container)), Sign::Ended, &proven);
            }
            // What ends because its pod is taken away takes nothing back.
            if expected {
                return;
            }
            entry.unsign(Some((key, container)), Sign::AllStarted);
            if entry.family.is_of_container() {
                entry.unsign(Some((key, container)), Sign::Started);
                entry.unsign(Some((key, container)), Sign::Ready);
                if completes {
                    entry.sign(Some((key, container)), Sign::Completed, &proven);
                }
            }
        });
    }

    fn is_ready(&self, key: &PodKey, moment: &Moment, ground: Ground<'_>) -> bool {
        let Some(pod) = ground.world.pod(key) else { return false };
        let container = moment.container.as_deref().and_then(|name| pod.container(name));
        container.and_then(|container| container.ready).or(pod.ready) == Some(true)
    }

    /// What the moment proves, for each entry of the pod and for those of the node.
    fn signs(&mut self, now: Micros, key: &PodKey, moment: &Moment, ground: Ground<'_>) {
        let proven = Proven::by(now, moment);
        let all_started = all_started(key, moment, ground);
        // As long as the kubelet calls the pod network not ready, it starts pods of the host's network only:
        // the agent itself, for one, and whose a pod is may be known later than its sandbox, or never.
        let network = ground.world.node.network.as_ref();
        let is_without = network.is_some_and(|network| !network.on);
        let host_network = ground.world.spec(key).map(|spec| spec.host_network);
        let is_of_end = matches!(moment.what, MomentKind::PodGone | MomentKind::PodDeleting);
        self.each_of(key, |entry| {
            // A fact may be older than the failure that it would heal.
            let is_past = entry.members.iter().any(|m| m.key == key.0 && moment.at < m.last_seen);
            if is_past && !is_of_end {
                return;
            }
            progress(entry, key, moment, &proven);
            passing(entry, key, moment, &proven);
            if all_started {
                entry.sign(Some((key, None)), Sign::AllStarted, &proven);
            }
        });
        for number in &self.of_node {
            let Some(entry) = self.entries.get_mut(number) else { continue };
            match moment.what {
                MomentKind::ContainerStarted { .. } => {
                    entry.sign(None, Sign::AnyStarted, &proven);
                }
                MomentKind::SandboxCreated => {
                    // Nor does the kubelet see that only a plugin's program is missing: of a pod whose spec
                    // nobody told, the sandbox counts if the pod was hit, or if the network was seen to return.
                    let may_be_host_network = host_network.unwrap_or_else(|| {
                        is_without || !(entry.was_hit(key) || entry.has_seen(Sign::NetworkReady))
                    });
                    if !may_be_host_network {
                        entry.sign(None, Sign::AnySandbox, &proven);
                    }
                }
                _ => {}
            }
        }
        self.other_started(key, moment, &proven, ground);
        self.replaced(key, moment, ground);
    }

    /// An init container that ended with 0 has done its work once another one starts.
    fn other_started(
        &mut self,
        key: &PodKey,
        moment: &Moment,
        proven: &Proven,
        ground: Ground<'_>,
    ) {
        let (MomentKind::ContainerStarted { .. }, Some(started)) =
            (&moment.what, &moment.container)
        else {
            return;
        };
        let Some(pod) = ground.world.pod(key) else { return };
        let done: Vec<&String> = pod
            .containers
            .iter()
            .filter(|(name, container)| {
                let newest = container.newest();
                *name != started
                    && newest.is_some_and(|newest| newest.exit_code == Some(0))
                    && newest.and_then(|newest| newest.ended).is_some_and(|at| at <= moment.at)
            })
            .map(|(name, _)| name)
            .collect();
        // Of a container that was there before, a start says nothing about the order.
        let is_first =
            pod.container(started).is_some_and(|container| container.instances.len() <= 1);
        if !is_first {
            return;
        }
        for name in done {
            self.each_of(key, |entry| {
                if entry.family.is_of_container() {
                    entry.sign(Some((key, Some(name))), Sign::Completed, proven);
                }
            });
        }
    }

    /// A pod that was refused or evicted never tries again; a replica that runs takes its place.
    fn replaced(&mut self, key: &PodKey, moment: &Moment, ground: Ground<'_>) {
        if !matches!(moment.what, MomentKind::PodRan | MomentKind::Ready(true)) {
            return;
        }
        let Some(pod) = ground.world.pod(key).map(|known| known.pod.clone()) else { return };
        let Some(workload) = crate::diagnosis::key::workload(&pod, ground.world) else { return };
        let numbers: Vec<u64> =
            self.by_workload.get(&workload).into_iter().flatten().copied().collect();
        let name = pod.name.unwrap_or_default();
        for number in numbers {
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            let never_retries = matches!(entry.family, Family::Admission | Family::Eviction);
            if never_retries && entry.is_live() && entry.members.iter().all(|m| m.key != key.0) {
                for member in &mut entry.members {
                    member.gone = true;
                }
                entry.note = Some(format!("pod {name} of the same owner runs in its place"));
                entry.successor = Some(name.clone());
                self.changed.insert(number);
            }
        }
    }

    /// A pod that came after all others of its owner were gone takes their place.
    fn succeeded(&mut self, now: Micros, key: &PodKey, ground: Ground<'_>, out: &mut Output) {
        if self.by_workload.is_empty() {
            return;
        }
        let Some(pod) = ground.world.pod(key).map(|known| &known.pod) else { return };
        let Some(workload) = crate::diagnosis::key::workload(pod, ground.world) else { return };
        let numbers: Vec<u64> =
            self.by_workload.get(&workload).into_iter().flatten().copied().collect();
        for number in numbers {
            let is_waiting = self
                .entries
                .get(&number)
                .is_some_and(|entry| entry.state == State::Superseded && entry.successor.is_none());
            if is_waiting {
                self.settle(number, now, ground, out);
            }
        }
    }

    fn each_of(&mut self, key: &PodKey, mut change: impl FnMut(&mut Entry)) {
        for number in self.by_pod.get(&key.0).into_iter().flatten() {
            if let Some(entry) = self.entries.get_mut(number) {
                change(entry);
                self.changed.insert(*number);
            }
        }
    }

    fn resettle(&mut self, key: &PodKey, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let numbers: Vec<u64> = self.by_pod.get(&key.0).into_iter().flatten().copied().collect();
        for number in numbers {
            self.settle(number, now, ground, out);
        }
    }

    fn resettle_node(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let numbers: Vec<u64> = self.of_node.iter().copied().collect();
        for number in numbers {
            self.settle(number, now, ground, out);
        }
    }

    fn resettle_all(
        &mut self,
        now: Micros,
        ground: Ground<'_>,
        out: &mut Output,
        which: impl Fn(&Entry) -> bool,
    ) {
        let numbers: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, entry)| which(entry))
            .map(|(&number, _)| number)
            .collect();
        for number in numbers {
            self.settle(number, now, ground, out);
        }
    }
}
