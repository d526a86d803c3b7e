//! Which id belongs to which pod and container (G50), and how containers ended. Bounded; what was
//! not mentioned for the longest time goes first.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    limits,
    observation::{Details, Observation, Pod},
};

/// What an id stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Known {
    pod: Pod,
    container: Option<String>,
    sandbox_id: Option<String>,
    /// For the key of a container's name: its newest instance.
    container_id: Option<String>,
    exit_code: Option<i32>,
    mentioned: u64,
}

/// The map, and what of it changed since it was last written down.
#[derive(Debug, Default)]
pub(super) struct Identities {
    by_key: BTreeMap<String, Known>,
    by_age: BTreeMap<u64, String>,
    mentions: u64,
    changed: BTreeSet<String>,
    /// Forgotten to keep the bound.
    pub(super) evicted: u64,
}

impl Identities {
    /// Fills in what the map knows of an observation's pod and container. Never overwrites.
    pub(super) fn complete(&self, seen: &mut Observation) {
        let ids = [&seen.details.container_id, &seen.details.sandbox_id];
        let known = ids.map(|id| id.as_deref().and_then(|id| self.by_key.get(&id_key(id))));
        for known in known.into_iter().flatten() {
            if seen.pod.uid.is_none() && agrees(&seen.pod, &known.pod) {
                fill_pod(&mut seen.pod, &known.pod);
            }
            fill(&mut seen.container, known.container.as_ref());
            fill(&mut seen.details.sandbox_id, known.sandbox_id.as_ref());
        }
        if seen.pod.uid.is_none() && was_running(seen) {
            let pod_key = seen.pod.namespace.as_deref().zip(seen.pod.name.as_deref());
            let known =
                pod_key.and_then(|(space, name)| self.by_key.get(&pod_name_key(space, name)));
            fill(&mut seen.pod.uid, known.and_then(|known| known.pod.uid.as_ref()));
        }
        let by_uid = seen.pod.uid.as_deref().and_then(|uid| self.by_key.get(&uid_key(uid)));
        if let Some(known) = by_uid {
            fill(&mut seen.pod.namespace, known.pod.namespace.as_ref());
            fill(&mut seen.pod.name, known.pod.name.as_ref());
        }
    }

    /// The newest instance of a container: its id and sandbox and, once it ended, its exit code.
    pub(super) fn instance(&self, uid: &str, container: &str) -> Option<Details> {
        let id = self.by_key.get(&name_key(uid, container))?.container_id.as_ref()?;
        let known = self.by_key.get(&id_key(id));
        Some(Details {
            container_id: Some(id.clone()),
            sandbox_id: known.and_then(|known| known.sandbox_id.clone()),
            exit_code: known.and_then(|known| known.exit_code),
            ..Details::default()
        })
    }

    /// Remembers what an observation, already completed, tells.
    pub(super) fn learn(&mut self, seen: &Observation) {
        let pod = &seen.pod;
        if let Some(uid) = pod.uid.as_deref()
            && let Some(name) = pod.name.as_deref()
            && let Some(namespace) = pod.namespace.as_deref()
        {
            self.put(uid_key(uid), |known| known.pod = pod.clone());
            self.put(pod_name_key(namespace, name), |known| known.pod = pod.clone());
        }
        let sandbox_id = seen.details.sandbox_id.as_deref();
        let container_id = seen.details.container_id.as_deref();
        if let Some(id) = sandbox_id
            && pod.uid.is_some()
        {
            self.put(id_key(id), |known| fill_pod(&mut known.pod, pod));
        }
        // A sandbox ends like a container; its id then stands where a container's would. The name of
        // a container counts alone, too: who reads from the middle saw no sandbox begin, and a later
        // line says only whose the container is.
        let tells =
            pod.uid.is_some() || seen.details.exit_code.is_some() || seen.container.is_some();
        if let Some(id) = container_id.filter(|_| tells) {
            self.put(id_key(id), |known| {
                fill_pod(&mut known.pod, pod);
                fill(&mut known.container, seen.container.as_ref());
                fill(&mut known.sandbox_id, seen.details.sandbox_id.as_ref());
                known.exit_code = seen.details.exit_code.or(known.exit_code);
            });
        }
        if let (Some(uid), Some(container), Some(id)) =
            (pod.uid.as_deref(), seen.container.as_deref(), container_id)
        {
            self.put(name_key(uid, container), |known| known.container_id = Some(id.to_owned()));
        }
    }

    fn put(&mut self, key: String, change: impl FnOnce(&mut Known)) {
        self.mentions += 1;
        let known = self.by_key.entry(key.clone()).or_default();
        change(known);
        let before = std::mem::replace(&mut known.mentioned, self.mentions);
        self.by_age.remove(&before);
        self.by_age.insert(self.mentions, key.clone());
        self.changed.insert(key);
        if self.by_key.len() > limits::IDENTITIES
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_key.remove(&oldest);
            self.changed.insert(oldest);
            self.evicted += 1;
        }
    }

    pub(super) fn changes(&mut self, sink: &mut dyn FnMut(&str, Option<&Known>)) {
        for key in std::mem::take(&mut self.changed) {
            sink(&key, self.by_key.get(&key));
        }
    }

    pub(super) fn restore(&mut self, key: String, known: Known) {
        self.mentions = self.mentions.max(known.mentioned);
        self.by_age.insert(known.mentioned, key.clone());
        self.by_key.insert(key, known);
    }
}

fn id_key(id: &str) -> String {
    format!("i/{id}")
}

fn uid_key(uid: &str) -> String {
    format!("u/{uid}")
}

fn pod_name_key(namespace: &str, name: &str) -> String {
    format!("n/{namespace}/{name}")
}

/// A name stands for the newest pod that bore it only where that pod must have been there: an
/// evicted or preempted one, never one that is about to begin.
fn was_running(seen: &Observation) -> bool {
    seen.failures.iter().any(|failure| {
        failure.step == "Eviction" || failure.reason.as_deref() == Some("Preempting")
    })
}

fn name_key(uid: &str, container: &str) -> String {
    format!("c/{uid}/{container}")
}

/// Nothing that both name differs.
pub(super) fn agrees(one: &Pod, other: &Pod) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    same(&one.uid, &other.uid)
        && same(&one.name, &other.name)
        && same(&one.namespace, &other.namespace)
}

fn fill_pod(pod: &mut Pod, from: &Pod) {
    fill(&mut pod.uid, from.uid.as_ref());
    fill(&mut pod.namespace, from.namespace.as_ref());
    fill(&mut pod.name, from.name.as_ref());
}

pub(super) fn fill<T: Clone>(slot: &mut Option<T>, from: Option<&T>) {
    if slot.is_none() {
        *slot = from.cloned();
    }
}
