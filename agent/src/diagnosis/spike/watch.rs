//! The engine's side of spikes: what is counted, and what is known of the pods of one when it is told.

use std::collections::BTreeMap;

use podwhy_parser::Message;

use super::{Change, Failed, LINES, Measure, When, lines_of};
use crate::{
    diagnosis::{Diagnosis, Output, attempt::Attempt, build, incidents::Incidents, key::Family},
    limits,
    observation::{Kind, Observation, Pod, text::plain},
    redact,
    source::{Line, Micros},
};

impl Diagnosis {
    /// Steps that have a spike or had one, and `kubelet_lines` and the like for error lines: how
    /// unlikely the spike is, where there is one.
    pub fn spikes(&self) -> impl Iterator<Item = (&str, Option<f64>)> {
        self.spikes.present()
    }

    /// Counts an error line, whatever it says. Lines of a pod's failure are counted as that: one pod
    /// in back-off writes them for hours.
    pub(in crate::diagnosis) fn watch_line(
        &mut self,
        message: &Message<'_>,
        line: &Line<'_>,
        seen: Option<&Observation>,
    ) {
        let frame = &message.frame;
        let Some(name) = lines_of(frame.component, frame.severity) else { return };
        if seen.is_some_and(|seen| matches!(seen.kind, Kind::SyncFailure | Kind::Related)) {
            return;
        }
        let now = self.clock.engine_time(line.at);
        let ahead = now.saturating_sub(self.clock.now().max(1));
        let when = When { now, at: line.at, ahead, booted: self.booted() };
        self.spikes.line(when, name, || sample(line.text));
    }

    /// Counts a failed attempt of which the incident is known.
    pub(in crate::diagnosis) fn watch_attempt(&mut self, now: Micros, attempt: &Attempt) {
        let failure = &attempt.failure;
        // Containers of one pod fail in one line.
        let Some(pod) = name_of(&attempt.pod).filter(|_| failure.index == 0) else { return };
        let reason = failure.reason.as_deref();
        let is_once =
            matches!(Family::of(&failure.step, reason), Family::Admission | Family::Eviction);
        let failed = Failed {
            step: &failure.step,
            reason: reason.unwrap_or_default(),
            pod: &pod,
            incident: attempt.incident,
            is_of_node: attempt.incident.is_some_and(|id| is_of_node(&self.incidents, id)),
            is_once,
        };
        let when = When { now, at: attempt.at, ahead: 0, booted: self.booted() };
        self.spikes.failed(when, &failed);
    }

    /// Looks at the spikes that are due.
    pub(in crate::diagnosis) fn fire_spikes(&mut self, due: Micros, out: &mut Output) {
        let Some(change) = self.spikes.fire(due) else { return };
        let told = self.spike_told(&change);
        out.records.push(build::spike(&self.settings.node, &told));
    }

    fn spike_told<'a>(&'a self, change: &'a Change) -> build::Spike<'a> {
        let pods: Vec<(&str, &str)> =
            change.pods.iter().map(|(name, pod)| (name.as_str(), pod.reason.as_str())).collect();
        let mut by_root: BTreeMap<[u8; 16], u64> = BTreeMap::new();
        let ids = change.pods.iter().filter_map(|(_, pod)| pod.incident);
        for root in ids.filter_map(|id| root_of(&self.incidents, id)) {
            *by_root.entry(root).or_default() += 1;
        }
        if change.active.measure == Measure::Lines {
            // Error lines belong to no pod: what is open of the node is the best guess.
            let of_node = self.incidents.of_node.iter();
            let of_node = of_node.filter_map(|number| self.incidents.entries.get(number));
            let open = of_node.filter(|it| it.opened.is_some() && it.is_live() && it.rung == 0);
            by_root.extend(open.map(|entry| (entry.id, entry.pods())));
        }
        let causes = by_root.into_iter().filter_map(|(id, pods)| {
            let entry = self.incidents.entries.get(self.incidents.by_id.get(&id)?)?;
            Some(build::SpikeCause { incident: id, cause: &entry.judgement.cause, pods })
        });
        let mut causes: Vec<build::SpikeCause<'_>> = causes.collect();
        causes.sort_by_key(|it| (std::cmp::Reverse(it.pods), it.incident));
        causes.truncate(limits::SPIKE_SHOWN);
        let writer = LINES.contains(&change.name.as_str());
        build::Spike {
            step: (!writer).then_some(change.name.as_str()),
            writer: change.name.strip_suffix("_lines").filter(|_| writer),
            measure: change.active.measure,
            active: &change.active,
            time: if change.is_over {
                self.clock.source_time(change.now)
            } else {
                change.active.at
            },
            is_over: change.is_over,
            pods,
            causes,
        }
    }

    /// When the node last booted, where that was seen.
    fn booted(&self) -> Option<Micros> {
        let booted = self.world.node.booted.as_ref()?.at?;
        Some(self.clock.engine_time(booted))
    }
}

/// `namespace/name`. Pods that a CronJob makes are one after the other the same thing.
fn name_of(pod: &Pod) -> Option<String> {
    let Some(name) = pod.name.as_deref() else { return pod.uid.clone() };
    let namespace = pod.namespace.as_deref().unwrap_or_default();
    Some(format!("{namespace}/{}", cron_job(name).unwrap_or(name)))
}

/// `backup` of `backup-29384723-x7k2p`: the controller puts the scheduled minute between.
fn cron_job(pod: &str) -> Option<&str> {
    let (job, _) = pod.rsplit_once('-')?;
    let (name, minute) = job.rsplit_once('-')?;
    (minute.len() == 8 && minute.bytes().all(|digit| digit.is_ascii_digit())).then_some(name)
}

fn is_of_node(incidents: &Incidents, id: [u8; 16]) -> bool {
    let entry = |id| incidents.entries.get(incidents.by_id.get(&id)?);
    let Some(own) = entry(id) else { return false };
    let root = root_of(incidents, id).and_then(entry).unwrap_or(own);
    root.node_key.is_some() || own.node_key.is_some()
}

/// What an incident is part of, at the end.
fn root_of(incidents: &Incidents, mut id: [u8; 16]) -> Option<[u8; 16]> {
    // A member of an incident that hangs on a fault of the node: no chain is longer.
    for _ in 0..4 {
        let entry = incidents.entries.get(incidents.by_id.get(&id)?)?;
        let Some(above) = entry.part_of().filter(|above| incidents.by_id.contains_key(above))
        else {
            return Some(id);
        };
        id = above;
    }
    Some(id)
}

/// What a line says, bounded and without secrets.
fn sample(text: &str) -> String {
    let text = limits::cut(text, limits::INCIDENT_TEXT_BYTES).0;
    let mut counts = redact::Counts::default();
    plain(&redact::scrub(text, &mut counts)).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_a_cron_job_are_one_thing_and_others_are_not() {
        let pod = |name: &str| Pod {
            namespace: Some("shop".into()),
            name: Some(name.into()),
            uid: Some("u".into()),
        };
        let told = |name| name_of(&pod(name)).unwrap();
        assert_eq!(told("backup-29384723-x7k2p"), told("backup-29384724-b2m9q"));
        assert_eq!(told("web-0"), "shop/web-0");
        assert_eq!(told("web-6d4cf56db6-x7k2p"), "shop/web-6d4cf56db6-x7k2p");
        assert_eq!(name_of(&Pod { uid: Some("u".into()), ..Pod::default() }).unwrap(), "u");
    }
}
