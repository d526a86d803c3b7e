//! What is shown to somebody who asks at the end of a paste. Nothing comes after it: what waits for
//! time to open is told as possible, with why, and what is harmless is told as that. The agent keeps
//! its guards. Owns what counts as such; judging is `judging`'s.

use std::collections::BTreeMap;

use super::{Ground, Incidents, can_open};
use crate::{
    catalogue::Role,
    diagnosis::{
        Output, Recovery,
        incident::{Entry, Member},
        judging,
        key::Family,
        recovery::{Proven, Sign, length, quote},
        world::{
            PodKey, PodState,
            moment::{Moment, MomentKind},
        },
    },
    fact::{self, State},
    incident::{Confidence, Incident, State as Standing},
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
        self.look_at_status(now, ground);
        doubts
    }

    /// Who asks is told what fails once: not that nothing was heard until it was told, and not that
    /// a container is not ready that is killed.
    pub(super) fn drop_what_others_tell(&mut self, ground: Ground<'_>, out: &mut Output) {
        let is_told = |this: &Self, number: &u64, entry: &Entry| match entry.family {
            Family::Silent => entry.state == Standing::Superseded && entry.is_told_elsewhere,
            Family::Ready => entry.members.iter().any(|member| {
                let numbers = this.by_pod.get(&member.key).into_iter().flatten();
                numbers.filter(|other| *other != number).any(|other| {
                    this.entries.get(other).is_some_and(|other| {
                        other.family == Family::Run
                            && other.opened.is_some()
                            && other.judgement.cause.class == "probe"
                            && other
                                .members
                                .iter()
                                .any(|it| it.is(&member.pod_key(), member.container.as_deref()))
                    })
                })
            }),
            _ => false,
        };
        let told: Vec<u64> = self
            .entries
            .iter()
            .filter(|(number, entry)| is_told(self, number, entry))
            .map(|(number, _)| *number)
            .collect();
        for number in told {
            if let Some(entry) = self.remove(number) {
                let view = entry.view(ground.world);
                out.incidents.push(Incident { told_elsewhere: true, ..view });
            }
        }
    }

    /// A status that is shown says since when a container runs and that it is ready: whoever asks
    /// is not told that it fails.
    fn look_at_status(&mut self, now: Micros, ground: Ground<'_>) {
        let settings = &ground.settings.recovery;
        for (number, entry) in &mut self.entries {
            if !entry.is_live() || entry.node_key.is_some() {
                continue;
            }
            if let [member] = entry.members.as_slice()
                && entry.family == Family::Run
                && entry.deaths > 0
            {
                entry.deaths = entry.deaths.max(ends(member, ground));
            }
            let runs_without = entry.step.as_deref() == Some("GetPullSecret");
            for member in &mut entry.members {
                let spec = ground.world.spec(&member.pod_key());
                let proven = if runs_without {
                    spec.and_then(|spec| all_ready(spec, now)).map(|proven| (Sign::Started, proven))
                } else if entry.family == Family::Run {
                    let name = member.container.as_deref();
                    let container = name.and_then(|name| spec?.container(name));
                    let proven =
                        container.and_then(|it| ready(it, member.last_seen, now, settings));
                    proven.map(|proven| (Sign::ShownReady, proven))
                } else if matches!(entry.family, Family::Config | Family::Image | Family::Volume) {
                    let pod = ground.world.pod(&member.pod_key());
                    let started = pod.and_then(|pod| started(pod, member));
                    started.map(|proven| (Sign::Started, proven))
                } else {
                    None
                };
                if let Some((sign, proven)) = proven {
                    member.signs.entry(sign).or_insert(proven);
                    self.changed.insert(*number);
                }
            }
        }
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

/// How often the container ended, as its status counts it.
fn ends(member: &Member, ground: Ground<'_>) -> u64 {
    let spec = ground.world.spec(&member.pod_key());
    let container = member.container.as_deref().and_then(|name| spec?.container(name));
    let Some(container) = container else { return 0 };
    let restarts = u64::from(container.restarts.unwrap_or_default());
    restarts + u64::from(!matches!(container.state, Some(State::Running { .. })))
}

/// It runs and is ready since its last end. One that ends again and again is ready between two
/// ends, too: it has to outlive its last life, or the time after which the kubelet forgets.
fn ready(
    container: &fact::Container,
    failed: Micros,
    now: Micros,
    settings: &Recovery,
) -> Option<Proven> {
    let Some(State::Running { since: Some(since) }) = container.state else { return None };
    if container.ready != Some(true) || since < failed {
        return None;
    }
    let life = match container.last_state {
        Some(State::Terminated { started: Some(started), finished: Some(finished), .. }) => {
            finished.saturating_sub(started)
        }
        _ => 0,
    };
    let forgets = time::micros(settings.runs_for);
    let is_loop = container.restarts.is_some_and(|restarts| restarts > 1) && life < forgets;
    let outlived = now.saturating_sub(since) > life;
    let text =
        format!("pod: container {} runs since {} and is ready", container.name, time::utc(since));
    (!is_loop || outlived).then_some(Proven { at: since, text })
}

/// An Event says that its container was started after it failed.
fn started(pod: &PodState, member: &Member) -> Option<Proven> {
    let container = member.container.as_deref();
    let event = pod.events.iter().find(|event| {
        event.reason == "Started"
            && event.at > member.last_seen
            && (container.is_none()
                || event.container.as_deref() == container
                || container.is_some_and(|name| event.message.ends_with(&format!(" {name}"))))
    })?;
    Some(Proven { at: event.at, text: quote(&event.evidence) })
}

/// Every container of the pod runs and is ready.
fn all_ready(spec: &fact::Pod, now: Micros) -> Option<Proven> {
    let mut lasting = spec
        .containers
        .iter()
        .filter(|it| !matches!(it.role, fact::Role::Init | fact::Role::Ephemeral));
    let runs = |it: &fact::Container| {
        matches!(it.state, Some(State::Running { .. })) && it.ready == Some(true)
    };
    let text = "pod: all of its containers run and are ready".to_owned();
    (!spec.containers.is_empty() && lasting.all(runs)).then_some(Proven { at: now, text })
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
            ..Moment::default()
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
