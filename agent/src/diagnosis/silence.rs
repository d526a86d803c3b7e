//! Failures that no line tells (M6, R95): pods assigned here that come no further, and a kubelet
//! that stops writing while the rest goes on. Says what is known and since when; never guesses why.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Output, identity,
    incident::{Entry, Member, Trigger},
    incidents::{Ground, Incidents},
    judging,
    key::{self, Family},
    recovery::{Ladder, Proven, Sign, quote},
    world::{
        PodKey, PodState, World,
        moment::{Moment, MomentKind},
        quote,
    },
};
use crate::{
    fact::{self, Role},
    incident::{Evidence, Next},
    limits,
    observation::{self, WriterComponent, time},
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
pub(super) struct Heard {
    /// The first line of all.
    first: Option<Micros>,
    /// The newest line that is not the kubelet's.
    others: Micros,
    /// When the kubelet must have written something.
    kubelet_due: Option<Micros>,
}

/// How far a pod came, and how long that may take.
#[derive(Debug)]
struct Stage {
    since: Micros,
    legal: Micros,
    container: Option<String>,
    text: String,
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

    /// The kubelet wrote something: what is open because it did not is on its way back.
    pub(super) fn spoke(
        &mut self,
        now: Micros,
        seen: &observation::Observation,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        if seen.writer.component != WriterComponent::Kubelet {
            return;
        }
        let silent = self
            .entries
            .iter()
            .find(|(_, entry)| entry.node_key.as_deref() == Some(KUBELET) && entry.is_live());
        let Some((&number, _)) = silent else { return };
        let text = recovery_text(seen);
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let is_first = entry.members.iter().all(|it| !it.signs.contains_key(&Sign::RuntimeReady));
        if is_first {
            entry.sign(None, Sign::RuntimeReady, &Proven { at: now, text });
            self.blind.kubelet_spoke(seen.at);
            self.blind_changed = true;
            self.settle(number, now, ground, out);
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
        self.pod_is_silent(due, &key, pod, stage, ground, out);
    }

    fn pod_is_silent(
        &mut self,
        now: Micros,
        key: &PodKey,
        pod: &PodState,
        stage: Stage,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
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
            ..Entry::new(Ladder::Sandbox, trigger(key.clone(), stage.since, &evidence))
        };
        known(&mut entry, &stage.text, evidence, "the pod comes further: a container of it starts");
        let (space, name) = (pod.pod.namespace.as_deref(), pod.pod.name.as_deref());
        if let (Some(space), Some(name)) = (space, name) {
            entry.judgement.next = vec![Next {
                what: "Read what Kubernetes itself says of the pod".to_owned(),
                command: Some(format!("kubectl -n {space} describe pod {name}")),
                risk: None,
            }];
        }
        if let Some(number) = self.add(entry) {
            self.settle(number, now, ground, out);
        }
    }

    /// The kubelet should have written by now. It is silent only where others are not.
    fn kubelet_is_due(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let node = &ground.world.node;
        let heard = self.kubelet_heard;
        let at = |it: Option<&Evidence>| it.and_then(|it| it.at);
        let ended = at(node.kubelet_ended.as_ref());
        let ended = ended.filter(|ended| at(node.kubelet_started.as_ref()) < Some(*ended));
        let quiet = self.entries.values().filter_map(talks_every).min();
        let quiet = if ended.is_some() { Some(legal::STOPPED) } else { quiet };
        let Some(quiet) = quiet else {
            self.silence.heard.kubelet_due = None;
            return;
        };
        let due = heard.saturating_add(quiet);
        let is_open = self.entries.values().any(|entry| {
            entry.node_key.as_deref() == Some(KUBELET) && entry.is_live() && entry.rung == 0
        });
        // Where nobody writes, the journal may be what is silent: look again.
        let others = self.silence.heard.others > heard.saturating_add(SECOND);
        if due > now || is_open || !(others || ended.is_some()) {
            // Whoever writes next asks again.
            self.silence.heard.kubelet_due = (due > now).then_some(due);
            return;
        }
        self.silence.heard.kubelet_due = None;
        self.kubelet_is_silent(now, heard, ended, ground, out);
    }

    fn kubelet_is_silent(
        &mut self,
        now: Micros,
        heard: Micros,
        ended: Option<Micros>,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let since = time::utc(heard);
        let text = match ended {
            Some(ended) => format!(
                "the kubelet ended at {} and did not come back: no line from it since {since}",
                time::utc(ended)
            ),
            None => format!(
                "no line from the kubelet since {since}, although it should try failed pods \
                 again; the container runtime goes on"
            ),
        };
        let loss = self.blind.kubelet_silent(heard);
        self.blind_changed = true;
        let mut loss_texts = self.blind.texts(heard);
        loss_texts.retain(|known| *known != loss);
        for (number, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.is_live()) {
            if entry.loss.len() < limits::INCIDENT_LIST {
                entry.loss.push(loss.clone());
                self.changed.insert(*number);
                self.pending.insert(*number);
            }
        }
        let evidence = quote::told("silence", &text, heard);
        let mut entry = Entry {
            id: identity::incident(&ground.settings.node, "node|kubelet", &since),
            family: Family::Node,
            node_key: Some(KUBELET.to_owned()),
            members: vec![Member { failed: now, last_seen: heard, ..Member::default() }],
            first_seen: heard,
            last_seen: heard,
            began: now,
            failed: now,
            lines: 1,
            announced: now,
            loss: loss_texts,
            ..Entry::new(Ladder::NodeRuntime, trigger(PodKey::default(), heard, &evidence))
        };
        known(&mut entry, &text, evidence, "the kubelet writes again and starts a container");
        entry.judgement.of_node = true;
        entry.judgement.next = vec![Next {
            what: "See whether the kubelet runs and what it waits for".to_owned(),
            command: Some("systemctl status kubelet --no-pager".to_owned()),
            risk: None,
        }];
        if let Some(number) = self.add(entry) {
            self.settle(number, now, ground, out);
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

fn trigger(key: PodKey, at: Micros, evidence: &Evidence) -> Trigger {
    let pod = Some(key).filter(|key| !key.0.is_empty());
    let what = MomentKind::PodAdded;
    let moment = Moment { at, pod, container: None, what, evidence: evidence.clone() };
    Trigger { attempt: None, moment: Some(moment) }
}

fn recovery_text(seen: &observation::Observation) -> String {
    quote(&quote::line(seen))
}

/// How far the pod came; `None` where nothing is expected of it.
fn stage(world: &World, key: &PodKey, pod: &PodState, first: Option<Micros>) -> Option<Stage> {
    let is_over = pod.is_ending() || pod.succeeded || pod.refused.is_some() || pod.ran.is_some();
    // What failed once is told by its failures.
    if is_over || !pod.failures.is_empty() {
        return None;
    }
    let added = pod.added?;
    let spec = world.spec(key);
    let heard = |at: Micros| at.max(first.unwrap_or(at));
    let mut running = pod.containers.iter().filter(|(_, container)| container.is_running());
    if let Some((name, container)) = running.next() {
        let role = spec.and_then(|spec| spec.container(name)).map(|known| known.role);
        let started = container.newest().and_then(|newest| newest.started)?;
        let is_init = role == Some(Role::Init) && running.next().is_none();
        return is_init.then(|| Stage {
            since: heard(started),
            legal: legal::INIT,
            container: Some(name.clone()),
            text: format!(
                "init container {name} runs since {}; nothing after it starts before it ends",
                time::utc(started)
            ),
        });
    }
    let newest = pod
        .containers
        .values()
        .filter_map(|container| container.newest())
        .flat_map(|it| [it.created, it.ended])
        .flatten()
        .max();
    let sandbox = pod.sandbox().and_then(|sandbox| sandbox.created);
    let since = [Some(added), sandbox, newest].into_iter().flatten().max()?;
    if let Some((image, began)) = pull(world, spec, pod) {
        return Some(Stage {
            since: heard(began.max(since)),
            legal: legal::PULL,
            container: None,
            text: format!("the pull of {image} runs since {}", time::utc(began)),
        });
    }
    let since_text = time::utc(heard(since));
    let (legal, text) = if newest.is_some() {
        (legal::NO_CONTAINER, format!("no container runs, and nothing says why since {since_text}"))
    } else if sandbox.is_some() {
        (legal::NO_CONTAINER, format!("it has a sandbox, and no container since {since_text}"))
    } else {
        let text = format!("assigned to this node, and no sandbox and no error since {since_text}");
        (legal::NO_SANDBOX, text)
    };
    Some(Stage { since: heard(since), legal, container: None, text })
}

/// A pull of one of its images that runs.
fn pull<'a>(
    world: &'a World,
    spec: Option<&'a fact::Pod>,
    pod: &PodState,
) -> Option<(&'a str, Micros)> {
    let waiting = spec?.containers.iter().filter(|it| pod.container(&it.name).is_none());
    let mut images = waiting.filter_map(|container| container.image.as_deref());
    images.find_map(|image| {
        let began = world.node.pulls.iter().find(|(name, _)| is_same_image(name, image))?.1;
        Some((image, *began))
    })
}

/// `nginx` is `docker.io/library/nginx:latest`.
fn is_same_image(full: &str, named: &str) -> bool {
    let bare = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        name.strip_suffix(":latest").unwrap_or(name).to_owned()
    };
    full == named || bare(full) == bare(named)
}

/// How long the kubelet may stay silent while this fails (about twice what 4.5 allows).
fn talks_every(entry: &Entry) -> Option<Micros> {
    let is_told = entry.opened.is_some() && entry.is_live() && entry.rung == 0;
    let is_failing = entry.members.iter().any(|member| {
        !member.gone && !member.ending && member.signs.is_empty() && !member.key.is_empty()
    });
    if !is_told || !is_failing {
        return None;
    }
    let seconds = match entry.family {
        Family::Image | Family::Config | Family::Run => 180,
        Family::Volume => 280,
        Family::Sandbox if entry.step.as_deref() == Some("WaitForNetwork") => 60,
        Family::Sandbox => 510,
        Family::Terminate => 480,
        Family::Admission | Family::Eviction | Family::Ready | Family::Silent | Family::Node => {
            return None;
        }
    };
    Some(seconds * SECOND)
}
