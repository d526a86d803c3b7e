//! Failures that no line tells (M6, R95): pods assigned here that come no further, and a kubelet
//! that stops writing while the rest goes on. Says what is known and since when; never guesses why.

mod kubelet;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    kubelet::talks_every,
    stage::{Stage, stage},
};
use super::{
    Output, identity,
    incident::{Entry, Member, Trigger},
    incidents::{Ground, Incidents},
    judging,
    key::{self, Family},
    recovery::{Ladder, length},
    world::{
        PodKey, PodState, World,
        moment::{Moment, MomentKind},
        quote,
    },
};
use crate::{
    incident::{Evidence, Next, argument},
    limits,
    observation::{WriterComponent, time},
    source::Micros,
};

/// What the incident of a kubelet that says nothing is found by.
pub(super) const KUBELET: &str = "kubelet";

const SECOND: Micros = 1_000_000;

/// How long a pod may stay without a word (diagnosis.md 4.5).
mod legal {
    use super::{Micros, SECOND};

    /// Nothing after it was assigned: a sandbox that hangs is told after 4 min 15 s.
    pub(super) const NO_SANDBOX: Micros = 270 * SECOND;
    /// A sandbox and nothing after it: an image is pulled, which says nothing meanwhile.
    pub(super) const NO_CONTAINER: Micros = 600 * SECOND;
    /// A pull that is known to run.
    pub(super) const PULL: Micros = 600 * SECOND;
    /// Init containers copy data and change schemas: that takes its time.
    pub(super) const INIT: Micros = 1800 * SECOND;
    /// The same for somebody who asks: nobody asks about a pod that comes along.
    pub(super) const INIT_ASKED: Micros = 600 * SECOND;
    /// A kubelet that was told to end.
    pub(super) const STOPPED: Micros = 60 * SECOND;
}

/// Who is expected to come further, and by when.
#[derive(Debug, Default)]
pub(super) struct Silence {
    due_of: BTreeMap<String, Micros>,
    dues: BTreeSet<(Micros, String)>,
    pub(super) heard: Heard,
}

/// Who was heard when, by engine time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Heard {
    /// The first line of all.
    first: Option<Micros>,
    /// The newest line that is not the kubelet's.
    others: Micros,
    /// When the kubelet must have written something.
    kubelet_due: Option<Micros>,
}

impl Silence {
    fn set(&mut self, key: &str, due: Option<Micros>) {
        if let Some(before) = self.due_of.remove(key) {
            self.dues.remove(&(before, key.to_owned()));
        }
        if let Some(due) = due {
            self.due_of.insert(key.to_owned(), due);
            self.dues.insert((due, key.to_owned()));
        }
    }

    /// Nothing is expected of it any more.
    pub(super) fn forget(&mut self, key: &str) {
        self.set(key, None);
    }

    /// When the next of them is due.
    pub(super) fn next_due(&self) -> Option<Micros> {
        let pods = self.dues.first().map(|(due, _)| *due);
        pods.into_iter().chain(self.heard.kubelet_due).min()
    }
}

impl Incidents {
    /// A line was heard.
    pub(super) fn heard(&mut self, now: Micros, component: WriterComponent) {
        let heard = &mut self.silence.heard;
        heard.first.get_or_insert(now);
        if component == WriterComponent::Kubelet {
            self.kubelet_heard = self.kubelet_heard.max(now);
        } else {
            heard.others = heard.others.max(now);
            heard.kubelet_due.get_or_insert(now);
        }
    }

    /// Something happened to the pod: it may take its time again.
    pub(super) fn watch(&mut self, key: &PodKey, world: &World) {
        let first = self.silence.heard.first;
        let stage = world.pod(key).and_then(|pod| stage(world, key, pod, first));
        let due = stage.map(|stage| stage.since.saturating_add(stage.legal));
        self.silence.set(&key.0, due);
    }

    /// After a restart: everybody who was watched before.
    pub(super) fn watch_all(&mut self, now: Micros, world: &World) {
        let keys: Vec<PodKey> = world.pods().map(|(key, _)| key).collect();
        for key in keys {
            self.watch(&key, world);
            if self.silence.due_of.get(&key.0).is_some_and(|due| *due <= now) {
                self.silence.set(&key.0, None);
            }
        }
    }

    /// An open failure is told again within this time, if the kubelet lives.
    pub(super) fn expect(&mut self, number: u64, now: Micros) {
        let Some(quiet) = self.entries.get(&number).and_then(talks_every) else { return };
        let due = self.kubelet_heard.saturating_add(quiet).max(now);
        let heard = &mut self.silence.heard;
        heard.kubelet_due = Some(heard.kubelet_due.map_or(due, |known| known.min(due)));
    }

    /// Fires the one that is due first.
    pub(super) fn fire_silence(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        if self.silence.heard.kubelet_due.is_some_and(|due| due <= now) {
            self.kubelet_is_due(now, ground, out);
            return;
        }
        let Some((due, key)) = self.silence.dues.first().filter(|(due, _)| *due <= now).cloned()
        else {
            return;
        };
        self.silence.set(&key, None);
        // What failed is told by its failure.
        if self.by_pod.get(&key).is_some_and(|numbers| !numbers.is_empty()) {
            return;
        }
        let key = PodKey(key);
        let Some(pod) = ground.world.pod(&key) else { return };
        let first = self.silence.heard.first;
        let Some(stage) = stage(ground.world, &key, pod, first) else { return };
        if stage.since.saturating_add(stage.legal) > due {
            self.watch(&key, ground.world);
            return;
        }
        let _ = self.pod_is_silent(due, &key, pod, stage, ground, out);
    }

    fn pod_is_silent(
        &mut self,
        now: Micros,
        key: &PodKey,
        pod: &PodState,
        stage: Stage,
        ground: Ground<'_>,
        out: &mut Output,
    ) -> Option<u64> {
        let evidence = quote::told("silence", &stage.text, stage.since);
        let text = format!("{}|silent|{}", key.0, stage.container.as_deref().unwrap_or_default());
        let mut entry = Entry {
            id: identity::incident(&ground.settings.node, &text, &time::utc(stage.since)),
            family: Family::Silent,
            workload: key::workload(&pod.pod, ground.world),
            workload_shown: key::workload_shown(&pod.pod, ground.world),
            members: vec![Member {
                key: key.0.clone(),
                pod: pod.pod.clone(),
                container: stage.container.clone(),
                failed: now,
                last_seen: stage.since,
                ..Member::default()
            }],
            first_seen: stage.since,
            last_seen: stage.since,
            began: now,
            failed: now,
            lines: 1,
            announced: now,
            loss: self.blind.texts(stage.since),
            ..Entry::new(
                Ladder::Sandbox,
                trigger((key.clone(), stage.container), stage.since, &evidence),
            )
        };
        known(&mut entry, &stage.text, evidence, "the pod comes further: a container of it starts");
        let (space, name) = (pod.pod.namespace.as_deref(), pod.pod.name.as_deref());
        if let (Some(space), Some(name)) = (space, name) {
            let (space, name) = (argument(space, "<namespace>"), argument(name, "<pod>"));
            entry.judgement.next = vec![Next {
                what: "Read what Kubernetes itself says of the pod".to_owned(),
                command: Some(format!("kubectl -n {space} describe pod {name}")),
                risk: None,
            }];
        }
        let number = match self.add(entry) {
            Ok(number) => number,
            Err(entry) => {
                self.fold(now, *entry, ground);
                return None;
            }
        };
        // Of an init container that runs, its role and its pod tell more than that.
        self.judge(number, ground);
        self.settle(number, now, ground, out);
        Some(number)
    }

    /// Init containers that run for long, for somebody who asks before the agent would tell.
    pub(super) fn ask_silent(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let first = self.silence.heard.first;
        let watched: Vec<String> = self.silence.due_of.keys().cloned().collect();
        for key in watched {
            if self.by_pod.get(&key).is_some_and(|numbers| !numbers.is_empty()) {
                continue;
            }
            let key = PodKey(key);
            let Some(pod) = ground.world.pod(&key) else { continue };
            let Some(stage) = stage(ground.world, &key, pod, first) else { continue };
            let runs = now.saturating_sub(stage.since);
            if stage.container.is_none() || runs < legal::INIT_ASKED {
                continue;
            }
            let number = self.pod_is_silent(now, &key, pod, stage, ground, out);
            if let Some(entry) = number.and_then(|number| self.entries.get_mut(&number)) {
                entry.note = Some(format!(
                    "it runs for {} where the log ends: what init containers do can take long, so \
                     the agent waits {} before it tells of one",
                    length(runs),
                    length(legal::INIT)
                ));
            }
        }
    }
}

/// A judgement of what is known, without a cause.
fn known(entry: &mut Entry, text: &str, evidence: Evidence, clears_when: &str) {
    entry.judgement.cause.title = limits::cut(text, limits::TITLE_BYTES).0.to_owned();
    entry.judgement.evidence = vec![evidence];
    entry.judgement.clears_when = clears_when.to_owned();
    entry.fingerprint = key::fingerprint(&entry.judgement, entry.family, judging::UNCLASSIFIED);
}

fn trigger((key, container): (PodKey, Option<String>), at: Micros, evidence: &Evidence) -> Trigger {
    let pod = Some(key).filter(|key| !key.0.is_empty());
    let what = MomentKind::NoProgress;
    let evidence = evidence.clone();
    let moment = Moment { at, pod, container, what, evidence, ..Moment::default() };
    Trigger { attempt: None, moment: Some(moment) }
}
