//! Spikes: per step the pods that begin to fail and the failed attempts, and the error lines of kubelet
//! and runtime, each against what is usual on this node. Owns the set of series and its state; pure.
//! Does not: write records (`build::spike`), know causes (`incidents`).

mod judge;
mod series;
mod tail;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use podwhy_parser::{Component, Severity};

pub(super) use self::judge::{Active, Measure};
pub(super) use self::series::Series;
use self::{
    judge::{Moment, Pods},
    series::{SECOND, WINDOW},
};
use crate::{limits, source::Micros};

/// Length of the window, as it is told.
pub(super) const WINDOW_SECONDS: i64 = WINDOW / SECOND;

/// What error lines are counted under, by who writes them; no step is called so.
pub const LINES: [&str; 4] = ["kubelet_lines", "containerd_lines", "crio_lines", "docker_lines"];
/// Steps beyond the bound.
const OTHER: &str = "other";

/// The node is watched so long before anything is a spike.
const WARM_UP: Micros = 3_600 * SECOND;

/// A stretch in which nothing was heard counts as this much at most: the node, or we, may have been
/// off, and clocks jump.
const HEARD_NOTHING: Micros = 3_600 * SECOND;

/// After a boot everything is made anew and fails for a while.
const SETTLES: Micros = 600 * SECOND;

/// A pod that fails for a moment does not count: volumes and networks that come late are normal.
const LASTS: Micros = 15 * SECOND;

/// A pod that failed nothing for so long begins anew when it fails again.
const RUN_ENDS: Micros = 1_800 * SECOND;

/// All series.
#[derive(Debug, Default)]
pub(super) struct Spikes {
    series: BTreeMap<String, Series>,
    pods: BTreeMap<String, BTreeMap<String, Failing>>,
    /// How long the node was watched; part of the engine's own state.
    pub(super) seen: Micros,
    changed: BTreeSet<String>,
    changed_pods: BTreeSet<(String, String)>,
}

/// A pod that fails at one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Failing {
    /// Since when without a long pause, by engine time.
    since: Micros,
    pub(super) last: Micros,
    attempts: u32,
    /// When it turned out to last.
    lasting: Option<Micros>,
    pub(super) reason: String,
    pub(super) incident: Option<[u8; 16]>,
}

/// One failed attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    pub(super) step: &'a str,
    pub(super) reason: &'a str,
    /// `namespace/name`, or what is known of it.
    pub(super) pod: &'a str,
    pub(super) incident: Option<[u8; 16]>,
    /// Its incident is one of the node, or part of one.
    pub(super) is_of_node: bool,
    /// It is not tried again.
    pub(super) is_once: bool,
}

/// When something was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// By the engine's clock, and by its own.
    pub(super) now: Micros,
    pub(super) at: Micros,
    /// How far that is beyond the newest that the engine was told.
    pub(super) ahead: Micros,
    /// When the node last booted.
    pub(super) booted: Option<Micros>,
}

/// A spike that began or ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// The step, or whose lines.
    pub(super) name: String,
    /// The engine's time.
    pub(super) now: Micros,
    pub(super) active: Active,
    pub(super) is_over: bool,
    /// Its pods that fail, the newest failure first.
    pub(super) pods: Vec<(String, Failing)>,
}

/// One part of the durable state; `None`: it is gone.
pub(super) enum Kept<'a> {
    Series(&'a str, Option<&'a Series>),
    Pod(&'a str, &'a str, Option<&'a Failing>),
}

impl Spikes {
    /// The engine's time went on.
    pub(super) fn advanced(&mut self, before: Micros, after: Micros) {
        if before > 0 {
            self.seen += (after - before).clamp(0, HEARD_NOTHING);
        }
    }

    /// A failed attempt. What follows from it comes out of [`Spikes::fire`], at once.
    pub(super) fn failed(&mut self, when: When, failed: &Failed<'_>) {
        let (now, settled) = (when.now, when.settled());
        let name = self.name_of(failed.step);
        let series = self.series.entry(name.clone()).or_default();
        series.roll(now, self.seen);
        series.frozen_until = series.frozen_until.max(settled);
        self.changed.insert(name.clone());
        let pods = self.pods.entry(name.clone()).or_default();
        let pod = limits::cut(failed.pod, limits::SPIKE_NAME_BYTES).0;
        let one = pods.entry(pod.to_owned()).or_default();
        one.take(now, failed);
        let is_settled = now >= settled;
        if !is_settled {
            one.since = one.last;
        }
        self.changed_pods.insert((name.clone(), pod.to_owned()));
        let lasts = if failed.is_once { 0 } else { LASTS };
        if is_settled && one.lasting.is_none() && now - one.since >= lasts {
            one.lasting = Some(now);
            series.pod(now);
        }
        if is_settled {
            series.event(now);
        }
        self.make_room(&name, now);
        let (Some(series), Some(pods)) = (self.series.get_mut(&name), self.pods.get(&name)) else {
            return;
        };
        if !is_settled || self.seen < WARM_UP || series.active.is_some() {
            return;
        }
        let (is_of_node, is_once) = (failed.is_of_node, failed.is_once);
        let moment = Moment { now, at: when.at, is_of_node, is_once };
        series.active = series.judge(moment, || count(pods, now));
    }

    /// An error line that tells of no pod's failure. `sample` is asked where it makes a spike.
    pub(super) fn line(&mut self, when: When, name: &'static str, sample: impl FnOnce() -> String) {
        let seen = self.seen + when.ahead.clamp(0, HEARD_NOTHING);
        if !self.series.contains_key(name) {
            self.series.insert(name.to_owned(), Series::default());
        }
        let Some(series) = self.series.get_mut(name) else { return };
        series.frozen_until = series.frozen_until.max(when.settled());
        series.roll(when.now, seen);
        series.event(when.now);
        if !self.changed.contains(name) {
            self.changed.insert(name.to_owned());
        }
        if seen >= WARM_UP && series.active.is_none() && when.now >= series.frozen_until {
            series.active = series.judge_lines(when.now, when.at, sample);
        }
    }

    /// When the next spike is to be told or looked at.
    pub(super) fn next_due(&self) -> Option<Micros> {
        self.series.values().filter_map(|series| Some(series.active.as_ref()?.due)).min()
    }

    /// Looks at what is due first, at or before `now`; returns what is to be told.
    pub(super) fn fire(&mut self, now: Micros) -> Option<Change> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let is_due = |series: &Series| series.active.as_ref().is_some_and(|it| it.due == due);
        let name = self.series.iter().find(|(_, series)| is_due(series))?.0.clone();
        let pods = self.failing(&name, due);
        let series = self.series.get_mut(&name)?;
        self.changed.insert(name.clone());
        series.roll(due, self.seen);
        let events = series.events();
        let active = series.active.as_mut()?;
        if !active.is_told {
            active.is_told = true;
            active.due = due.saturating_add(series::BUCKET);
            return Some(Change { name, now: due, active: active.clone(), is_over: false, pods });
        }
        if !active.look(pods.len() as u64, events) {
            return None;
        }
        let active = series.end(due)?;
        Some(Change { name, now: due, active, is_over: true, pods })
    }

    /// The pods that fail at a step, the newest failure first; while there is a spike of pods, only
    /// its own.
    fn failing(&self, name: &str, now: Micros) -> Vec<(String, Failing)> {
        let active = self.series.get(name).and_then(|series| series.active.as_ref());
        let of_spike = active.filter(|active| active.measure == Measure::Pods);
        let since = of_spike.map(Active::pods_since);
        let is_its_own = |pod: &Failing| since.is_none_or(|since| pod.lasting >= Some(since));
        let pods = self.pods.get(name).into_iter().flatten();
        let mut pods: Vec<(String, Failing)> = pods
            .filter(|(_, pod)| now - pod.last < WINDOW && is_its_own(pod))
            .map(|(name, pod)| (name.clone(), pod.clone()))
            .collect();
        pods.sort_by(|(a, one), (b, other)| other.last.cmp(&one.last).then_with(|| a.cmp(b)));
        pods
    }

    /// What has a spike or had one: its name, and how unlikely it is while it is one.
    pub(super) fn present(&self) -> impl Iterator<Item = (&str, Option<f64>)> {
        let score = |series: &Series| series.active.as_ref().map(|active| active.score);
        let known = |series: &Series| series.active.is_some() || series.had_one;
        let series = self.series.iter().filter(move |(_, series)| known(series));
        series.map(move |(name, series)| (name.as_str(), score(series)))
    }

    fn name_of(&self, step: &str) -> String {
        let step = limits::cut(step, limits::SPIKE_NAME_BYTES).0;
        let is_known = self.series.contains_key(step) || self.series.len() < limits::SPIKE_SERIES;
        let is_ours = LINES.contains(&step) || step == OTHER;
        if is_known && !is_ours && !step.is_empty() { step } else { OTHER }.to_owned()
    }

    /// Forgets who fails no more; beyond the bound, who was longest silent.
    fn make_room(&mut self, name: &str, now: Micros) {
        let Some(pods) = self.pods.get_mut(name) else { return };
        if pods.len() <= limits::SPIKE_PODS {
            return;
        }
        let mut ages: Vec<(Micros, String)> =
            pods.iter().map(|(name, pod)| (pod.last, name.clone())).collect();
        ages.sort_unstable();
        // Some at a time, so that a storm does not sort them at each failure.
        for (at, (last, pod)) in ages.into_iter().enumerate() {
            if at > limits::SPIKE_PODS / 8 && now - last <= RUN_ENDS {
                break;
            }
            pods.remove(&pod);
            self.changed_pods.insert((name.to_owned(), pod));
        }
    }

    pub(super) fn changes(&mut self, sink: &mut dyn FnMut(Kept<'_>)) {
        for name in std::mem::take(&mut self.changed) {
            sink(Kept::Series(&name, self.series.get(&name)));
        }
        for (name, pod) in std::mem::take(&mut self.changed_pods) {
            let kept = self.pods.get(&name).and_then(|pods| pods.get(&pod));
            sink(Kept::Pod(&name, &pod, kept));
        }
    }

    pub(super) fn restore_series(&mut self, name: String, series: Series) {
        self.series.insert(name, series);
    }

    pub(super) fn restore_pod(&mut self, name: String, pod: String, failing: Failing) {
        self.pods.entry(name).or_default().insert(pod, failing);
    }
}

impl When {
    fn settled(self) -> Micros {
        self.booted.map_or(0, |booted| booted.saturating_add(SETTLES))
    }
}

/// What error lines are counted under; `None` where a line is no error or of somebody else.
pub(super) fn lines_of(component: Component, severity: Option<Severity>) -> Option<&'static str> {
    if !matches!(severity, Some(Severity::Error | Severity::Fatal)) {
        return None;
    }
    let [kubelet, containerd, crio, docker] = LINES;
    match component {
        Component::Kubelet => Some(kubelet),
        Component::Containerd => Some(containerd),
        Component::Crio => Some(crio),
        Component::Docker => Some(docker),
        _ => None,
    }
}

impl Failing {
    fn take(&mut self, now: Micros, failed: &Failed<'_>) {
        if self.attempts == 0 || now - self.last > RUN_ENDS {
            *self = Self { since: now, last: now, ..Self::default() };
        }
        self.last = self.last.max(now);
        self.attempts = self.attempts.saturating_add(1);
        failed.reason.clone_into(&mut self.reason);
        self.incident = failed.incident.or(self.incident);
    }
}

fn count(pods: &BTreeMap<String, Failing>, now: Micros) -> Pods {
    let is_new = |pod: &&Failing| pod.lasting.is_some_and(|at| now - at < WINDOW);
    Pods {
        failing: pods.values().filter(|pod| now - pod.last < WINDOW).count() as u64,
        new_attempts: pods.values().filter(is_new).map(|pod| u64::from(pod.attempts)).sum(),
    }
}

#[cfg(test)]
mod tests;
