//! The pure engine: inputs with their event time in, records out. No IO, no clock, no randomness,
//! no task; the same inputs give the same records, whatever the batching and from any restart.
//!
//! `clock` orders inputs and timers, `collapse` makes one failure of many lines, `repeats` counts
//! the same failure, `identities` remembers which id belongs to whom, `state` is what survives.

mod attempt;
mod backoff;
mod build;
mod case;
mod cause;
mod changes;
mod clock;
mod collapse;
mod contract;
mod controls;
mod coverage;
mod exit_code;
mod identities;
pub mod identity;
mod incident;
mod incidents;
mod judgement;
mod judging;
mod key;
mod killer;
mod mounts;
mod neighbours;
mod recovery;
mod repeats;
mod root;
mod silence;
mod spike;
mod state;
mod world;

use std::sync::Arc;

use podwhy_parser::Message;

use self::{
    attempt::Attempt,
    build::Surroundings,
    clock::Clock,
    collapse::Collapse,
    identities::Identities,
    incidents::{Ground, Incidents},
    repeats::{Counting, Novelty, Summary},
    spike::Spikes,
    world::World,
};
use crate::{
    catalogue::{self, Catalogue},
    fact,
    incident::Incident,
    node,
    observation::{
        Happening, Kind, Observation, Pod,
        time::{self, Times},
    },
    source::{Line, Loss, LossKind, Micros},
};

#[cfg(test)]
pub(crate) use cause::ANSWERED;
pub use cause::UNCLASSIFIED;
pub use collapse::Companions;
pub use contract::{
    Check, CheckStatus, Counters, Input, Output, Repeats, Settings, StateChange, Whereabouts,
};
pub use recovery::Recovery;
pub use spike::LINES as SPIKE_LINES;

/// journald counts what it suppresses over this long by default (`RateLimitIntervalSec=`).
const SUPPRESSION: Micros = 30_000_000;

/// What incidents are judged with, borrowed beside them.
macro_rules! ground {
    ($engine:expr) => {
        Ground {
            world: &$engine.world,
            catalogue: &$engine.catalogue,
            settings: &$engine.settings,
            around: Surroundings {
                node: &$engine.settings.node,
                view: &$engine.view,
                network_down_at: $engine.network_down_at,
            },
        }
    };
}

/// The engine.
#[derive(Debug)]
pub struct Diagnosis {
    settings: Settings,
    window: Micros,
    clock: Clock,
    times: Times,
    identities: Identities,
    collapse: Collapse,
    counting: Counting,
    world: World,
    incidents: Incidents,
    spikes: Spikes,
    catalogue: Arc<Catalogue>,
    /// When the kubelet last said that the pod network is not ready.
    network_down_at: Option<Micros>,
    /// Not durable: read anew after a start.
    view: node::View,
    counters: Counters,
    meta_changed: bool,
}

impl Diagnosis {
    /// An engine that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            window: time::micros(settings.repeats_window),
            clock: Clock::default(),
            times: Times::default(),
            identities: Identities::default(),
            collapse: Collapse::default(),
            counting: Counting::default(),
            world: World::of_node(&settings.node),
            incidents: Incidents::default(),
            spikes: Spikes::default(),
            catalogue: Arc::clone(catalogue::builtin()),
            network_down_at: None,
            view: node::View::default(),
            counters: Counters::default(),
            meta_changed: false,
            settings,
        }
    }

    /// Judges by these causes instead of ours alone.
    pub fn set_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
    }

    /// What the input tells of several nodes is no fault of one of them.
    pub fn set_whereabouts(&mut self, whereabouts: Whereabouts) {
        self.world.whereabouts = whereabouts;
    }

    /// The incidents that are open, or ended lately, as they stand.
    pub fn incidents(&self) -> impl Iterator<Item = Incident> {
        self.incidents.present(&self.world)
    }

    /// Makes an observation of a message, if it matters, with the clocks that the engine knows.
    pub fn observe(&mut self, message: &Message<'_>, line: &Line<'_>) -> Option<Observation> {
        let seen = Observation::from_message(message, line, &mut self.times);
        self.watch_line(message, line, seen.as_ref());
        seen
    }

    /// Takes one input at its time (for a line, the time at which its source received it) and
    /// appends what follows from it. Timers due until then fire first.
    ///
    /// Facts about the node and losses happen by the wall clock, which is far ahead of the lines
    /// while a backlog is read: they move no timer.
    pub fn apply(&mut self, at: Micros, input: Input, out: &mut Output) {
        match input {
            Input::Node(view) => self.seen_node(at, view, out),
            Input::Fact(fact) => self.told_fact(at, &fact, out),
            Input::Lost(loss) => {
                self.incidents.lost(&loss);
                out.records.push(build::loss(&self.settings.node, at, &loss));
            }
            Input::Checked(check) => {
                out.records.push(build::node_check(self.surroundings(), at, &check));
            }
            Input::Observed(seen) => {
                let now = self.advance(at, out);
                self.meta_changed = true;
                self.observed(now, *seen, out);
            }
            Input::Late(seen) => {
                let now = self.clock.engine_time(at).min(self.clock.now());
                // What earlier lines of its own source wait for, which may lie as far back.
                self.fire_until(now, out);
                self.meta_changed = true;
                self.observed(now, *seen, out);
            }
            // A tick says nothing that the next line would not say as well, and lines of its moment
            // may still be on their way: it fires and moves nothing.
            Input::Tick => self.fire_until(self.clock.engine_time(at), out),
            Input::End | Input::Asked => {
                let is_asked = matches!(input, Input::Asked);
                self.advance(at, out);
                self.meta_changed = true;
                self.finish(is_asked, out);
            }
        }
    }

    fn advance(&mut self, at: Micros, out: &mut Output) -> Micros {
        let before = self.clock.now();
        let now = self.clock.advance(at);
        self.spikes.advanced(before, self.clock.now());
        self.fire_until(now, out);
        now
    }

    /// When the next timer is due, by the source's clock: a `Tick` then or later fires it.
    #[must_use]
    pub fn next_due(&self) -> Option<Micros> {
        let due = self.collapse.next_due().into_iter().chain(self.counting.next_due());
        let due = due.chain(self.incidents.next_due()).chain(self.spikes.next_due()).min()?;
        Some(self.clock.source_time(due))
    }

    /// What was counted since the engine was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            companions: self.collapse.companions,
            evicted_identities: self.identities.evicted,
            evicted_series: self.counting.evicted,
            ..self.counters
        }
    }

    fn observed(&mut self, now: Micros, mut seen: Observation, out: &mut Output) {
        self.counters.redacted.add(&seen.redacted);
        self.identities.complete(&mut seen);
        self.identities.learn(&seen);
        self.incidents.heard(now, seen.writer.component);
        let moments = self.world.observe(now, &seen);
        out.wants.extend(self.world.take_wants());
        let ground = ground!(self);
        self.incidents.spoke(now, &seen, ground, out);
        self.conclude(now, seen, out);
        self.happened(now, &moments, out);
    }

    /// A fact beside the lines. It happened by the wall clock and moves no timer.
    fn told_fact(&mut self, at: Micros, fact: &fact::Dated, out: &mut Output) {
        if let fact::Fact::View(view) = &fact.fact {
            return self.seen_node(at, (**view).clone(), out);
        }
        if self.world.knows(&fact.fact) {
            return;
        }
        if let fact::Fact::LogFolder(folder) = &fact.fact
            && folder.change != fact::LogFolderChange::Gone
        {
            // Lines may name the pod by its uid alone.
            let pod = Pod {
                namespace: folder.pod.namespace.clone(),
                name: folder.pod.name.clone(),
                uid: folder.pod.uid.clone(),
            };
            self.identities.learn(&Observation { pod, ..Observation::default() });
        }
        let now = self.now_or(at);
        let mut moments = self.world.fact(now, fact);
        for moment in &mut moments {
            moment.ahead = self.clock.engine_time(moment.at).saturating_sub(now).max(0);
        }
        out.wants.extend(self.world.take_wants());
        self.meta_changed = true;
        self.happened(now, &moments, out);
        if let Some(key) = self.about(fact) {
            let ground = ground!(self);
            self.incidents.review(now, &key, ground, out);
        }
    }

    /// The disks and the pod network. What is open is judged anew where they tell something else
    /// than before: a disk is looked at later than it is full.
    fn seen_node(&mut self, at: Micros, view: node::View, out: &mut Output) {
        let now = self.now_or(at);
        let has_turned = self.world.view(&view);
        self.view = view;
        self.meta_changed = true;
        if has_turned {
            let ground = ground!(self);
            self.incidents.review_all(now, ground, out);
        }
    }

    /// The engine's time, which facts do not move; theirs before the first line.
    fn now_or(&self, at: Micros) -> Micros {
        match self.clock.now().max(0) {
            0 => at,
            now => now,
        }
    }

    /// The pod that a fact is about.
    fn about(&self, fact: &fact::Dated) -> Option<world::PodKey> {
        let of = |pod: &fact::PodRef| {
            self.world.key_of(&Pod {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
            })
        };
        match &fact.fact {
            fact::Fact::Pod(pod) => of(&fact::PodRef {
                namespace: Some(pod.namespace.clone()),
                name: Some(pod.name.clone()),
                uid: pod.uid.clone(),
            }),
            fact::Fact::PodGone(pod) => of(pod),
            fact::Fact::Event(event) => of(&event.pod),
            fact::Fact::LastWords(words) => of(&words.instance.pod),
            fact::Fact::Cgroup(cgroup) => of(&cgroup.instance.pod),
            fact::Fact::Listing(listing) => of(&listing.pod),
            fact::Fact::Containers(told) => of(&told.pod),
            _ => None,
        }
    }

    fn happened(&mut self, now: Micros, moments: &[world::moment::Moment], out: &mut Output) {
        for moment in moments {
            let ground = ground!(self);
            self.incidents.moment(now, moment, ground, out);
        }
    }

    fn conclude(&mut self, now: Micros, seen: Observation, out: &mut Output) {
        match seen.kind {
            Kind::SyncFailure => {
                let attempts = self.collapse.conclude(now, &seen, &self.identities);
                self.tell(now, attempts, out);
            }
            Kind::Related => {
                let attempts = self.collapse.hold(now, seen, &self.identities);
                self.tell(now, attempts, out);
            }
            Kind::Event => {}
            Kind::Node => {
                if seen.happening == Some(Happening::NetworkNotReady) {
                    self.network_down_at = Some(seen.received);
                }
            }
            Kind::Loss => {
                let loss = suppressed(&seen);
                self.incidents.lost(&loss);
                out.records.push(build::loss(&self.settings.node, seen.received, &loss));
            }
        }
    }

    fn tell(&mut self, now: Micros, attempts: Vec<Attempt>, out: &mut Output) {
        for mut attempt in attempts {
            if attempt.failure.step == "WaitForNetwork" {
                self.network_down_at = Some(attempt.received);
            }
            self.counters.failures += 1;
            out.attempts.push((attempt.failure.step.clone(), attempt.failure.reason.clone()));
            let uid = attempt.uid(&self.settings.node);
            let told = out.records.len();
            let ground = ground!(self);
            attempt.incident = self.incidents.attempt(now, &attempt, ground, out);
            // The failure stands before what it made of an incident.
            let of_incidents = out.records.split_off(told);
            self.tell_one(now, &attempt, uid, out);
            out.records.extend(of_incidents);
            self.watch_attempt(now, &attempt);
        }
    }

    fn tell_one(&mut self, now: Micros, attempt: &Attempt, uid: [u8; 16], out: &mut Output) {
        let tells_each = self.settings.repeats == Repeats::Every;
        let (novelty, evicted) = self.counting.take(now, self.window, attempt, (uid, tells_each));
        if let Some(summary) = evicted {
            self.summarise(&summary, out);
        }
        if novelty == Novelty::Again && !tells_each {
            self.counters.repeats += 1;
            return;
        }
        let mut counters = self.counters;
        let around = self.surroundings();
        let record = build::sync_failure(attempt, uid, novelty, around, &mut counters);
        self.counters = counters;
        out.records.push(record);
    }

    fn summarise(&mut self, summary: &Summary, out: &mut Output) {
        let mut counters = self.counters;
        out.records.push(build::summary(summary, self.surroundings(), &mut counters));
        self.counters = counters;
    }

    /// Fires what is due, each at its own time; at equal times what is held goes before counts.
    fn fire_until(&mut self, now: Micros, out: &mut Output) {
        loop {
            let dues = [
                self.collapse.next_due(),
                self.counting.next_due(),
                self.incidents.next_due(),
                self.spikes.next_due(),
            ];
            let Some(due) = dues.into_iter().flatten().min().filter(|due| *due <= now) else {
                return;
            };
            if dues[0] == Some(due) {
                let attempts = self.collapse.fire(due, &self.identities);
                self.tell(due, attempts, out);
            } else if dues[1] == Some(due) {
                if let Some(summary) = self.counting.fire(due, self.window) {
                    self.summarise(&summary, out);
                }
            } else if dues[2] == Some(due) {
                let ground = ground!(self);
                self.incidents.fire(due, ground, out);
            } else {
                self.fire_spikes(due, out);
            }
            self.meta_changed = true;
        }
    }

    /// As if time went on until nothing is held; then every count is told.
    fn finish(&mut self, is_asked: bool, out: &mut Output) {
        while let Some(due) = self.collapse.next_due() {
            // Windows that end before that end as they would have.
            while let Some(window) = self.counting.next_due().filter(|window| *window < due) {
                if let Some(summary) = self.counting.fire(window, self.window) {
                    self.summarise(&summary, out);
                }
            }
            let attempts = self.collapse.fire(due, &self.identities);
            self.tell(due, attempts, out);
        }
        let now = self.clock.now();
        let ground = ground!(self);
        self.incidents.finish((now, is_asked), ground, out);
        for summary in self.counting.finish() {
            self.summarise(&summary, out);
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            node: &self.settings.node,
            view: &self.view,
            network_down_at: self.network_down_at,
        }
    }
}

/// `Suppressed N messages from <unit>` (G13): lost within journald's interval before it says so.
/// Without a unit it is the kernel's ring that ran over, at any time before.
fn suppressed(seen: &Observation) -> Loss {
    let Some(unit) = seen.about_unit.clone() else {
        return Loss {
            kind: LossKind::Suppressed,
            component: "kernel".to_owned(),
            unit: None,
            lines: seen.count,
            from: None,
            to: Some(seen.received),
            destination: None,
            why: "the kernel's ring ran over before journald read it; raise log_buf_len= of the \
                  kernel"
                .to_owned(),
        };
    };
    Loss {
        kind: LossKind::Suppressed,
        component: component_of(&unit).to_owned(),
        unit: Some(unit),
        lines: seen.count,
        from: Some(seen.received.saturating_sub(SUPPRESSION)),
        to: Some(seen.received),
        destination: None,
        why: "journald's rate limit suppressed them; raise RateLimitBurst= for this unit"
            .to_owned(),
    }
}

/// The component whose lines a unit carries (log-grammar §4.3).
fn component_of(unit: &str) -> &'static str {
    for (part, component) in [
        ("containerd", "containerd"),
        ("crio", "crio"),
        ("docker", "docker"),
        ("kubelet", "kubelet"),
        ("kubelite", "kubelet"),
        ("k3s", "kubelet"),
        ("rke2", "kubelet"),
        ("k0s", "kubelet"),
        ("microshift", "kubelet"),
    ] {
        if unit.contains(part) {
            return component;
        }
    }
    "journal"
}

#[cfg(test)]
mod tests;
