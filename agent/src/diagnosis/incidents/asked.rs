//! What is shown to somebody who asks at the end of a paste. Nothing comes after it: what waits for
//! time to open is told as possible, with why, and what is harmless is told as that. The agent keeps
//! its guards. Owns what counts as such; judging is `judging`'s.

use std::collections::BTreeMap;

use super::{Ground, Incidents, can_open};
use crate::{
    catalogue::Role,
    diagnosis::{
        Output, Recovery,
        incident::Entry,
        judging,
        key::Family,
        recovery::length,
        world::{
            PodKey, PodState,
            moment::{Moment, MomentKind},
        },
    },
    incident::Confidence,
    observation::time,
    source::Micros,
};

/// Kubernetes' words for the probes whose failure alone kills nobody yet.
const PROBES: [&str; 2] = ["startup", "liveness"];

impl Incidents {
    /// Begins what only somebody who asks is told of: numbers of such failures, and why each is in
    /// doubt.
    pub(super) fn ask(
        &mut self,
        now: Micros,
        ground: Ground<'_>,
        out: &mut Output,
    ) -> BTreeMap<u64, String> {
        let mut doubts = BTreeMap::new();
        let settles = time::micros(ground.settings.recovery.settles_for);
        for (key, pod) in ground.world.pods() {
            if pod.is_ending() || pod.succeeded {
                continue;
            }
            for (name, probe, moment) in failing_probes(&key, pod) {
                let since = now.saturating_sub(moment.at);
                // Had it gone on, the next answers would stand behind it.
                if since > settles || self.tells_of(&key, &name) {
                    continue;
                }
                let doubt = format!(
                    "the log ends {} after the {probe} probe failed: whether it passes again, or \
                     the kubelet kills the container for it, is not known",
                    length(since.max(0))
                );
                let before = self.last;
                self.word(now, (&key, &moment), Family::Run, ["Probe", "Unhealthy"], ground, out);
                if self.last > before {
                    doubts.insert(self.last, doubt);
                }
            }
        }
        self.ask_silent(now, ground, out);
        doubts
    }

    /// Something about this container fails already.
    fn tells_of(&self, key: &PodKey, container: &str) -> bool {
        let numbers = self.by_pod.get(&key.0).into_iter().flatten();
        numbers.filter_map(|number| self.entries.get(number)).any(|entry| {
            entry.is_live()
                && entry.family.is_of_container()
                && entry.members.iter().any(|member| member.is(key, Some(container)))
        })
    }
}

/// Probes of containers that run, whose last answer was no.
fn failing_probes<'a>(
    key: &PodKey,
    pod: &'a PodState,
) -> impl Iterator<Item = (String, &'static str, Moment)> + use<'a> {
    let key = key.clone();
    pod.containers.iter().filter_map(move |(name, container)| {
        let has_ended = container.newest().is_some_and(|newest| newest.ended.is_some());
        if has_ended {
            return None;
        }
        let (probe, state) =
            PROBES.into_iter().find_map(|probe| Some((probe, container.probes.get(probe)?)))?;
        let moment = Moment {
            at: state.evidence.at.unwrap_or(state.first),
            pod: Some(key.clone()),
            container: Some(name.clone()),
            what: MomentKind::ProbeFailed { probe: probe.to_owned() },
            evidence: state.evidence.clone(),
            ahead: 0,
        };
        Some((name.clone(), probe, moment))
    })
}

/// Whether somebody who asks is told of it, and with which word of doubt.
pub(super) fn opens(
    entry: &mut Entry,
    now: Micros,
    settings: &Recovery,
    doubt: Option<String>,
) -> bool {
    if entry.judgement.rank == Role::Benign {
        if entry.judgement.cause.id == judging::UNCLASSIFIED {
            return false;
        }
        entry.note.get_or_insert_with(|| HARMLESS.to_owned());
        return true;
    }
    if !can_open(entry) {
        return false;
    }
    if !entry.is_told_enough() {
        let (times, needs) = (entry.attempts(), entry.judgement.tellings);
        entry.note.get_or_insert_with(|| {
            let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            format!("told {times} here; the agent waits until it is told {needs} times")
        });
    }
    let since = now.saturating_sub(entry.failed);
    let doubt = match entry.family {
        Family::Ready if since > time::micros(settings.settles_for) => return false,
        Family::Ready => Some(format!(
            "the log ends {} after the readiness probe failed: the first probes of a slow \
             application say no, too",
            length(since.max(0))
        )),
        _ => doubt,
    };
    if let Some(doubt) = doubt {
        entry.judgement.cause.confidence = Confidence::Possible;
        entry.note = Some(doubt);
    }
    true
}

/// Why something is told that opens nothing by itself.
const HARMLESS: &str = "harmless by itself: it is told because somebody asks";
