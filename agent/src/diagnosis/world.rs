//! What is known of the pods, their containers and the node: filled by lines and facts in any order,
//! each telling what is new as a `Moment`. Bounded, durable, pure. Owns no judgement.

mod conditions;
mod containers;
mod facts;
mod lines;
mod logs;
pub(super) mod moment;
pub(super) mod node;
mod node_lines;
pub(super) mod pod;
pub(super) mod quote;
mod runtime;
mod unowned;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::{
    moment::{Moment, MomentKind},
    node::NodeState,
    pod::{ContainerState, Instance, PodState},
};
use super::Whereabouts;
use crate::{
    fact::{self, Want},
    incident::Evidence,
    limits,
    observation::{self, Observation},
    source::Micros,
};

/// Which pod: the kubelet's uid, or `namespace/name` until the uid is known.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub(super) struct PodKey(pub(super) String);

/// What is told of a pod: to which container, and what.
type Told = Vec<(Option<String>, MomentKind)>;

/// Two versions of a pod's specification: the newest, and the one before it that differed.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Specs {
    pub(super) now: fact::Pod,
    pub(super) now_since: Micros,
    /// The one before, and until when it held.
    pub(super) before: Option<(fact::Pod, Micros)>,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct World {
    /// The node's name as the settings have it; may be empty.
    pub(super) name: String,
    /// Not durable: of an input, not of a node.
    pub(super) whereabouts: Whereabouts,
    pods: BTreeMap<String, PodState>,
    specs: BTreeMap<String, Specs>,
    /// `namespace/name` to the key of the newest pod of that name.
    names: BTreeMap<String, String>,
    listings: BTreeMap<String, fact::Listing>,
    /// What the runtime says is mounted. Not durable: the next end brings it again.
    mounted: BTreeMap<String, fact::Pod>,
    pub(super) node: NodeState,
    touches: u64,
    changed: BTreeSet<String>,
    changed_specs: BTreeSet<String>,
    changed_listings: BTreeSet<String>,
    node_changed: bool,
    unowned: unowned::Unowned,
    wants: Vec<Want>,
}

impl World {
    /// A world that knows no more than what the node is called, and maybe not that.
    pub(super) fn of_node(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes in a line, already completed by what ids are known to belong to.
    pub(super) fn observe(&mut self, _now: Micros, seen: &Observation) -> Vec<Moment> {
        let mut moments = Vec::new();
        self.expire_unowned(seen.at);
        self.node_line(seen, &mut moments);
        self.pod_line(seen, &mut moments);
        moments
    }

    /// It was told already, word for word: after a start everything is listed again.
    pub(super) fn knows(&self, fact: &fact::Fact) -> bool {
        match fact {
            fact::Fact::Pod(pod) => {
                let named = observation::Pod {
                    namespace: Some(pod.namespace.clone()),
                    name: Some(pod.name.clone()),
                    uid: pod.uid.clone(),
                };
                let specs = self.key_of(&named).and_then(|key| self.specs.get(&key.0));
                specs.is_some_and(|specs| specs.now == **pod)
            }
            fact::Fact::NodeObject(object) => {
                self.node.object.as_ref().is_some_and(|(known, _)| *known == **object)
            }
            _ => false,
        }
    }

    /// Takes in a fact.
    pub(super) fn fact(&mut self, _now: Micros, dated: &fact::Dated) -> Vec<Moment> {
        let mut moments = Vec::new();
        self.take_fact(dated, &mut moments);
        moments
    }

    /// What should be asked for, at once. The runtime is asked only for what nobody else told.
    pub(super) fn take_wants(&mut self) -> Vec<Want> {
        let mut wants = std::mem::take(&mut self.wants);
        wants.retain(|want| match want {
            Want::Containers(pod) => !self.tells_all_of(pod),
            _ => true,
        });
        wants
    }

    /// The specification and the exit codes of all that ended are known.
    fn tells_all_of(&self, pod: &fact::PodRef) -> bool {
        let Some(key) = self.key_of(&containers::pod_of(pod)) else { return false };
        let ended = self.pods.get(&key.0).into_iter().flat_map(|pod| pod.containers.values());
        let mut ended = ended.filter_map(|container| container.last_ended());
        self.specs.contains_key(&key.0) && ended.all(|instance| instance.exit_code.is_some())
    }

    /// The pod of that key.
    pub(super) fn pod(&self, key: &PodKey) -> Option<&PodState> {
        self.pods.get(self.resolve(&key.0))
    }

    /// Its specification, where one is known.
    pub(super) fn spec(&self, key: &PodKey) -> Option<&fact::Pod> {
        self.specs(key).map(|specs| &specs.now)
    }

    /// Its specification and the one before it.
    pub(super) fn specs(&self, key: &PodKey) -> Option<&Specs> {
        self.specs.get(self.resolve(&key.0))
    }

    /// What its containers mount: of the specification, else as the runtime has it.
    pub(super) fn mounts(&self, key: &PodKey) -> Option<&fact::Pod> {
        self.spec(key).or_else(|| self.mounted.get(self.resolve(&key.0)))
    }

    /// The file names in its volumes, where they were listed.
    pub(super) fn listing(&self, key: &PodKey) -> Option<&fact::Listing> {
        self.listings.get(self.resolve(&key.0))
    }

    /// The key of a pod that is known.
    pub(super) fn key_of(&self, pod: &observation::Pod) -> Option<PodKey> {
        if let Some(uid) = &pod.uid
            && self.pods.contains_key(uid)
        {
            return Some(PodKey(uid.clone()));
        }
        let name = full_name(pod)?;
        let key = self.names.get(&name)?;
        let known = self.pods.get(key)?;
        (pod.uid.is_none() || known.pod.uid.is_none() || known.pod.uid == pod.uid)
            .then(|| PodKey(key.clone()))
    }

    /// All pods.
    pub(super) fn pods(&self) -> impl Iterator<Item = (PodKey, &PodState)> {
        self.pods.iter().map(|(key, pod)| (PodKey(key.clone()), pod))
    }

    /// What happened to a pod.
    fn happened(
        &self,
        at: Micros,
        key: &PodKey,
        container: Option<String>,
        what: MomentKind,
        evidence: &Evidence,
    ) -> Moment {
        let pod = Some(key.clone()).filter(|key| !key.0.is_empty());
        Moment { at, pod, container, what, evidence: evidence.clone(), ..Moment::default() }
    }

    fn resolve<'a>(&'a self, key: &'a str) -> &'a str {
        if self.pods.contains_key(key) || self.specs.contains_key(key) {
            return key;
        }
        self.names.get(key).map_or(key, String::as_str)
    }

    /// The pod's entry, made if it is new. `None` where the line names no pod.
    fn entry(&mut self, pod: &observation::Pod, at: Micros) -> Option<(PodKey, &mut PodState)> {
        let key = self.key_for(pod)?;
        self.touches += 1;
        let touched = self.touches;
        let state = self.pods.entry(key.clone()).or_default();
        for (mine, theirs) in [
            (&mut state.pod.uid, &pod.uid),
            (&mut state.pod.namespace, &pod.namespace),
            (&mut state.pod.name, &pod.name),
        ] {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
        state.touched = touched;
        state.seen = state.seen.max(at);
        self.changed.insert(key.clone());
        self.keep_the_bound(&key);
        let state = self.pods.get_mut(&key)?;
        Some((PodKey(key), state))
    }

    fn key_for(&mut self, pod: &observation::Pod) -> Option<String> {
        let name = full_name(pod);
        let Some(uid) = pod.uid.clone() else {
            let name = name?;
            return Some(self.names.entry(name.clone()).or_insert(name).clone());
        };
        if let Some(name) = name {
            let known = self.pods.get(&uid);
            let is_new = known.is_none();
            let is_only_named = self.names.get(&name).is_some_and(|key| *key == name);
            // Spoken of by its uid alone so far. One that ends has lost its name to its successor.
            let is_unnamed = !self.names.contains_key(&name)
                && known.is_some_and(|pod| pod.gone.is_none() && pod.deleting.is_none());
            if is_new || is_only_named || is_unnamed {
                self.names.insert(name.clone(), uid.clone());
            }
            if is_only_named {
                self.is_called(&name, &uid);
            }
        }
        Some(uid)
    }

    /// What was told of the name before its uid was known is told of this pod.
    fn is_called(&mut self, name: &str, uid: &str) {
        if let Some(mut named) = self.pods.remove(name) {
            named.pod.uid = Some(uid.to_owned());
            match self.pods.get_mut(uid) {
                None => drop(self.pods.insert(uid.to_owned(), named)),
                // Both were spoken of: what its name alone told adds to what its uid did.
                Some(known) => known.absorb(named),
            }
            self.changed.extend([name.to_owned(), uid.to_owned()]);
        }
        if let Some(specs) = self.specs.remove(name) {
            self.specs.entry(uid.to_owned()).or_insert(specs);
            self.changed_specs.extend([name.to_owned(), uid.to_owned()]);
        }
        if let Some(listing) = self.listings.remove(name) {
            self.listings.entry(uid.to_owned()).or_insert(listing);
            self.changed_listings.extend([name.to_owned(), uid.to_owned()]);
        }
        if let Some(mounted) = self.mounted.remove(name) {
            self.mounted.entry(uid.to_owned()).or_insert(mounted);
        }
    }

    /// The next line about this name is about another pod.
    fn forget_name(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// What was not mentioned for the longest time goes first, and among that what is gone.
    fn keep_the_bound(&mut self, but: &str) {
        while self.pods.len() > limits::WORLD_PODS {
            let oldest = self
                .pods
                .iter()
                .filter(|(key, _)| key.as_str() != but)
                .min_by_key(|(_, pod)| (pod.gone.is_none(), pod.touched))
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(state) = self.pods.remove(key)
            && let Some(name) = full_name(&state.pod)
            && self.names.get(&name).is_some_and(|current| current == key)
        {
            self.names.remove(&name);
        }
        self.mounted.remove(key);
        if self.listings.remove(key).is_some() {
            self.changed_listings.insert(key.to_owned());
        }
        self.changed.insert(key.to_owned());
        if self.specs.remove(key).is_some() {
            self.changed_specs.insert(key.to_owned());
        }
    }

    /// Hands on what changed since the last call; `None` means gone.
    pub(super) fn changes(&mut self, sink: &mut dyn FnMut(Kept<'_>)) {
        for key in std::mem::take(&mut self.changed) {
            let state = self.pods.get(&key);
            sink(Kept::Pod(&key, state));
        }
        for key in std::mem::take(&mut self.changed_specs) {
            sink(Kept::Specs(&key, self.specs.get(&key)));
        }
        for key in std::mem::take(&mut self.changed_listings) {
            sink(Kept::Listing(&key, self.listings.get(&key)));
        }
        if std::mem::take(&mut self.node_changed) {
            sink(Kept::Node(&self.node));
        }
        self.unowned.changes(&mut |number, line| sink(Kept::Unowned(number, line)));
    }

    pub(super) fn restore_pod(&mut self, key: String, state: PodState) {
        self.touches = self.touches.max(state.touched);
        if let Some(name) = full_name(&state.pod) {
            // The newest of a name is the one that is not gone, and the one that was touched last.
            let is_newer =
                self.names.get(&name).and_then(|other| self.pods.get(other)).is_none_or(|other| {
                    (other.gone.is_some(), state.touched) > (state.gone.is_some(), other.touched)
                });
            if is_newer {
                self.names.insert(name, key.clone());
            }
        }
        self.pods.insert(key, state);
    }

    pub(super) fn restore_specs(&mut self, key: String, specs: Specs) {
        self.specs.insert(key, specs);
    }

    pub(super) fn restore_listing(&mut self, key: String, listing: fact::Listing) {
        self.listings.insert(key, listing);
    }

    pub(super) fn restore_node(&mut self, mut node: NodeState) {
        for line in std::mem::take(&mut node.unowned) {
            self.unowned.keep(line);
        }
        self.node = node;
    }

    pub(super) fn restore_unowned(&mut self, number: u64, line: Observation) {
        self.unowned.restore(number, line);
    }
}

/// One entry of the durable state.
#[derive(Debug)]
pub(super) enum Kept<'a> {
    Pod(&'a str, Option<&'a PodState>),
    Specs(&'a str, Option<&'a Specs>),
    Listing(&'a str, Option<&'a fact::Listing>),
    Node(&'a NodeState),
    Unowned(u64, Option<&'a Observation>),
}

/// `namespace/name`
fn full_name(pod: &observation::Pod) -> Option<String> {
    Some(format!("{}/{}", pod.namespace.as_deref()?, pod.name.as_deref()?))
}

#[cfg(test)]
pub(super) mod tests;
