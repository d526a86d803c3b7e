//! Facts taken into the world: pods as the API has them, last words, cgroups, listings, the node.

use podwhy_parser::{Text, sync_error::backoff_seconds};

use super::{
    Moment, MomentKind, PodKey, Specs, Told, World, containers,
    node::{has_no_bytes, has_no_inodes},
    node_lines::tell,
    pod::{EventTold, PodState},
    quote,
};
use crate::{
    diagnosis::{case::PREEMPTING, mounts::complaint},
    fact::{self, Dated, Fact, State, Want},
    incident::Evidence,
    observation::{self, Pod},
    source::Micros,
};

const GONE_FROM_API: &str = "the API has no such pod any more";

impl World {
    pub(super) fn take_fact(&mut self, dated: &Dated, moments: &mut Vec<Moment>) {
        let at = dated.at;
        match &dated.fact {
            Fact::Pod(pod) => self.pod_fact(at, pod, moments),
            Fact::PodGone(named) => {
                self.gone(at, &containers::pod_of(named), GONE_FROM_API, moments);
            }
            Fact::PodsListed(listed) => self.listed_facts(at, listed, moments),
            Fact::NodeObject(object) => self.node_object(at, object, moments),
            Fact::Event(event) => self.event(at, event),
            Fact::LastWords(words) => self.last_words(at, words),
            Fact::Cgroup(cgroup) => {
                let Some(instance) = self.instance_of(&cgroup.instance, at) else { return };
                if instance.ended.is_some_and(|ended| ended <= at) {
                    instance.cgroup_after = Some((**cgroup).clone());
                } else {
                    instance.cgroup_before = Some((**cgroup).clone());
                }
            }
            Fact::Listing(listing) => {
                if let Some((key, _)) = self.entry(&containers::pod_of(&listing.pod), at) {
                    self.changed_listings.insert(key.0.clone());
                    self.listings.insert(key.0, (**listing).clone());
                }
            }
            Fact::Runtime(status) => self.runtime_status(at, status, moments),
            Fact::Containers(told) => self.runtime_containers(at, told, moments),
            Fact::View(view) => drop(self.view(view)),
            Fact::LogFolder(folder) => self.log_folder(at, folder, moments),
            Fact::Said(said) => self.agent_said(at, said),
            Fact::Absent(_) => {}
        }
    }

    /// Words that miss a path are a reason to look for it in the pod's volumes (M4).
    fn last_words(&mut self, at: Micros, words: &fact::LastWords) {
        let Some(instance) = self.instance_of(&words.instance, at) else { return };
        instance.last_words = Some(words.clone());
        if instance.id.is_none() && instance.started.is_none() {
            // Words are read of the dead: one of which no line tells has ended all the same.
            instance.ended.get_or_insert(at);
        }
        if complaint(&words.lines).is_none() {
            return;
        }
        let Some(key) = self.key_of(&containers::pod_of(&words.instance.pod)) else { return };
        self.want_listing(&key, words.instance.pod.clone());
    }

    pub(super) fn want_listing(&mut self, key: &PodKey, pod: fact::PodRef) {
        let named = self.mounts(key).map(|pod| pod.volumes.iter());
        let mounted = self.pods.get(&key.0).map(|pod| pod.mounts.keys());
        let volumes: Vec<String> = match named {
            Some(volumes) => volumes.map(|volume| volume.name.clone()).collect(),
            None => mounted.into_iter().flatten().cloned().collect(),
        };
        if !volumes.is_empty() {
            self.wants.push(Want::Listing { pod, volumes });
        }
    }

    /// The disks and the pod network as they are now. Returns whether a disk is full, read-only or
    /// without inodes that was not, or the other way round, or the network's files turned.
    pub(in crate::diagnosis) fn view(&mut self, view: &crate::node::View) -> bool {
        let ready = |view: &crate::node::View| view.cni.as_ref().map(|cni| (cni.ready, cni.reason));
        if self.node.view.cni.is_some() && ready(&self.node.view) != ready(view) {
            let text = match view.cni.as_ref().map(|cni| cni.ready) {
                Some(true) => "the CNI configuration on the node became complete",
                _ => "the CNI configuration on the node is not complete any more",
            };
            self.node.cni_changed = Some(quote::told("cni", text, view.at));
            self.node_changed = true;
        }
        let faults = |view: &crate::node::View| -> Vec<_> {
            let of = |disk: &crate::node::Disk| {
                (disk.role, has_no_bytes(disk), has_no_inodes(disk), disk.read_only)
            };
            view.disks.iter().map(of).collect()
        };
        let has_turned =
            ready(&self.node.view) != ready(view) || faults(&self.node.view) != faults(view);
        self.node_changed |= has_turned;
        self.node.view = view.clone();
        has_turned
    }

    fn pod_fact(&mut self, at: Micros, pod: &fact::Pod, moments: &mut Vec<Moment>) {
        let named = observation::Pod {
            namespace: Some(pod.namespace.clone()).filter(|it| !it.is_empty()),
            name: Some(pod.name.clone()).filter(|it| !it.is_empty()),
            uid: pod.uid.clone(),
        };
        let (mut told, mut wants): (Vec<FactTold>, _) = (Vec::new(), Vec::new());
        let Some((key, state)) = self.entry(&named, at) else { return };
        of_pod(at, pod, state, &mut told);
        for container in &pod.containers {
            of_container(("pod", at), container, state, &mut told, &mut wants);
        }
        let is_start = |it: &&FactTold| matches!(it.what, MomentKind::ContainerStarted { .. });
        if let Some(started) = told.iter().filter(is_start).map(|it| it.at).max() {
            state.was_taken(started);
        }
        self.wants.extend(wants);
        if let Some(since) = pod.containers.iter().filter_map(written_at).max() {
            let text = format!("the API knows what a container of {} did since", pod.name);
            self.api_is_reachable(since, &quote::told("pod", &text, since), moments);
        }
        self.keep_spec(&key, at, pod);
        for FactTold { at, container, what, evidence } in told {
            moments.push(self.happened(at, &key, container, what, &evidence));
        }
        self.own_named(&key, moments);
    }

    /// The version before is kept where its specification differs: a status is no change.
    fn keep_spec(&mut self, key: &PodKey, at: Micros, pod: &fact::Pod) {
        self.changed_specs.insert(key.0.clone());
        let Some(specs) = self.specs.get_mut(&key.0) else {
            let specs = Specs { now: pod.clone(), now_since: at, before: None };
            self.specs.insert(key.0.clone(), specs);
            return;
        };
        let differs = match (&specs.now.spec_hash, &pod.spec_hash) {
            (Some(before), Some(after)) => before != after,
            _ => images(&specs.now) != images(pod),
        };
        let before = std::mem::replace(&mut specs.now, pod.clone());
        if differs {
            specs.before = Some((before, at));
            specs.now_since = at;
        }
    }

    pub(super) fn gone(&mut self, at: Micros, pod: &Pod, why: &str, moments: &mut Vec<Moment>) {
        let Some(key) = self.key_of(pod) else { return };
        let Some(state) = self.pods.get_mut(&key.0) else { return };
        if state.gone.is_some() {
            return;
        }
        state.gone = Some(at);
        self.changed.insert(key.0.clone());
        let evidence = quote::told("pod", why, at);
        moments.push(self.happened(at, &key, None, MomentKind::PodGone, &evidence));
    }

    /// A pod that is not in a complete list is gone, unless something newer was heard of it.
    fn listed_facts(&mut self, at: Micros, listed: &fact::PodsListed, moments: &mut Vec<Moment>) {
        let missing: Vec<Pod> = self
            .pods
            .values()
            .filter(|state| state.gone.is_none() && state.seen < at)
            .filter(|state| state.pod.uid.as_ref().is_some_and(|uid| !listed.uids.contains(uid)))
            .map(|state| state.pod.clone())
            .collect();
        for pod in missing {
            self.gone(at, &pod, GONE_FROM_API, moments);
        }
    }

    fn node_object(&mut self, at: Micros, object: &fact::NodeObject, moments: &mut Vec<Moment>) {
        if let Some(version) = &object.kubelet_version {
            self.node.kubelet_version = Some(version.clone());
        }
        if let Some(runtime) = &object.runtime {
            self.node.runtime_version = Some(runtime.clone());
        }
        if let Some(boot) = &object.boot_id {
            let before = self.node.boot_id.replace(boot.clone());
            if before.is_some_and(|before| before != *boot) {
                let text = format!("Node {} has been rebooted, boot id: {boot}", object.name);
                let evidence = quote::told("node", &text, at);
                self.node.booted = Some(evidence.clone());
                tell(moments, at, MomentKind::Booted, evidence);
            }
        }
        self.node_conditions(at, object, moments);
        // Names are taken from it, where there is one.
        if !self.whereabouts.is_of_several {
            self.node.object = Some((object.clone(), at));
        }
        self.node_changed = true;
    }

    fn runtime_status(
        &mut self,
        at: Micros,
        status: &fact::RuntimeStatus,
        moments: &mut Vec<Moment>,
    ) {
        if let Some(version) = &status.version {
            self.node.runtime_version = Some(version.clone());
        }
        match status.latency_seconds {
            Some(seconds) if status.runtime_ready != Some(false) => {
                let text = format!("the runtime answers within {seconds:.3} s");
                self.prove_runtime(at, &quote::told("cri", &text, at), moments);
            }
            _ => {
                let evidence = quote::told("cri", "the runtime does not answer", at);
                let slot = &mut self.node.runtime;
                super::node::Switch::set(slot, false, at, evidence.clone());
                tell(moments, at, MomentKind::RuntimeReady(false), evidence);
            }
        }
        match status.network_ready {
            Some(true) => {
                let evidence = quote::told("cri", "the runtime reports NetworkReady=true", at);
                self.network_is_ready(at, &evidence, moments);
            }
            Some(false) => {
                let evidence = quote::told("cri", "the runtime reports NetworkReady=false", at);
                let slot = &mut self.node.network;
                super::node::Switch::set(slot, false, at, evidence.clone());
                tell(moments, at, MomentKind::NetworkReady(false), evidence);
            }
            None => {}
        }
        self.node.status = Some((status.clone(), at));
        self.node_changed = true;
    }

    fn event(&mut self, at: Micros, event: &fact::Event) {
        if event.object_kind != "Pod" {
            return;
        }
        let mut pod = containers::pod_of(&event.pod);
        if pod.name.is_none() {
            pod.name = Some(event.object_name.clone());
        }
        let at = event.last.unwrap_or(at);
        let evidence = quote::event(event, at);
        let Some((_, state)) = self.entry(&pod, at) else { return };
        state.event(EventTold {
            at,
            container: event.container.clone(),
            reason: event.reason.clone(),
            message: quote::one_line(&event.message),
            evidence,
        });
    }

    /// The instance that a fact is about: by id, by attempt, by end, else the newest that ended.
    fn instance_of(
        &mut self,
        named: &fact::Instance,
        at: Micros,
    ) -> Option<&mut super::pod::Instance> {
        let (_, state) = self.entry(&containers::pod_of(&named.pod), at)?;
        let container = state.container_mut(&named.container)?;
        let instances = &container.instances;
        let by_id = instances.iter().position(|it| it.id.is_some() && it.id == named.container_id);
        let by_attempt =
            || instances.iter().rposition(|it| it.attempt.is_some() && it.attempt == named.attempt);
        let by_end =
            || instances.iter().rposition(|it| it.ended.is_some() && it.ended == named.ended);
        let is_unnamed = named.container_id.is_none() && named.attempt.is_none();
        let newest = || {
            let ended = instances.iter().rposition(|it| it.ended.is_some());
            ended.or(instances.len().checked_sub(1)).filter(|_| is_unnamed)
        };
        let found = by_id.or_else(by_attempt).or_else(by_end).or_else(newest);
        if let Some(index) = found {
            return container.instances.get_mut(index);
        }
        if let Some(id) = &named.container_id {
            let instance = container.instance_mut(Some(id))?;
            instance.attempt = named.attempt;
            return Some(instance);
        }
        container.instances.push(super::Instance {
            attempt: named.attempt,
            ended: named.ended,
            ..super::Instance::default()
        });
        container.instances.last_mut()
    }
}

/// The newest time in a container's status, which nobody but its kubelet writes.
fn written_at(container: &fact::Container) -> Option<Micros> {
    match container.state.as_ref()? {
        State::Running { since } => *since,
        State::Terminated { finished, .. } => *finished,
        State::Waiting { .. } => None,
    }
}

/// What a fact told of a pod.
pub(super) struct FactTold {
    pub(super) at: Micros,
    pub(super) container: Option<String>,
    pub(super) what: MomentKind,
    pub(super) evidence: Evidence,
}

fn images(pod: &fact::Pod) -> Vec<(&str, Option<&str>, Option<u64>)> {
    pod.containers
        .iter()
        .map(|it| (it.name.as_str(), it.image.as_deref(), it.memory_limit_bytes))
        .collect()
}

/// The pod's own status.
fn of_pod(at: Micros, pod: &fact::Pod, state: &mut PodState, told: &mut Vec<FactTold>) {
    let mut tell = |at: Micros, what: MomentKind, text: &str| {
        let evidence = quote::told("pod", text, at);
        told.push(FactTold { at, container: None, what, evidence });
    };
    if state.added.is_none() && pod.node.is_some() {
        let since = pod.created.unwrap_or(at);
        state.added = Some(since);
        tell(since, MomentKind::PodAdded, "the pod is assigned to this node");
    }
    if let Some(since) = pod.deleting
        && state.deleting.is_none()
    {
        let text = "the pod has a deletion time";
        state.deleting = Some(quote::told("pod", text, since));
        tell(since, MomentKind::PodDeleting, text);
    }
    if let Some(ready) = pod.condition("Ready") {
        let is_ready = ready.status == "True";
        if state.ready != Some(is_ready) {
            let is_first = state.ready.replace(is_ready).is_none();
            if is_ready || !is_first {
                let text = format!("the pod's condition Ready is {}", ready.status);
                tell(ready.since.unwrap_or(at), MomentKind::Ready(is_ready), &text);
            }
        }
    }
    let phase = pod.phase.as_deref().unwrap_or_default();
    let reason = pod.reason.as_deref().unwrap_or_default();
    if phase == "Failed" && !reason.is_empty() {
        let text = format!("{reason}: {}", pod.message.as_deref().unwrap_or_default());
        // A pod that was refused for pressure is called Evicted, too: it never had a container.
        let has_run = |it: &fact::Container| {
            it.container_id.is_some()
                || it.last_state.is_some()
                || matches!(it.state, Some(State::Running { .. } | State::Terminated { .. }))
        };
        let had_containers = pod.containers.iter().any(has_run) || !state.containers.is_empty();
        if reason == "Evicted" && had_containers {
            if state.evicted.is_none() {
                state.evicted = Some(quote::told("pod", &text, at));
                tell(at, MomentKind::Evicted, &text);
            }
        } else if reason == PREEMPTING {
            if state.preempted.is_none() {
                state.preempted = Some(quote::told("pod", &text, at));
                tell(at, MomentKind::Preempted, &text);
            }
        } else if state.refused.is_none() && (!had_containers || reason == "DeadlineExceeded") {
            state.refused = Some(quote::told("pod", &text, at));
            tell(at, MomentKind::Refused { reason: pod.reason.clone() }, &text);
        }
    }
    if phase == "Succeeded" && !std::mem::replace(&mut state.succeeded, true) {
        tell(at, MomentKind::PodRan, "the pod's phase is Succeeded");
    }
}

/// A container's status: its running instance and the ones that ended.
pub(super) fn of_container(
    (source, at): (&str, Micros),
    fact: &fact::Container,
    state: &mut PodState,
    told: &mut Vec<FactTold>,
    wants: &mut Vec<Want>,
) {
    let (pod, ending) = (state.pod.clone(), state.is_ending());
    let has_status = fact.container_id.is_some() || fact.last_state.is_some();
    if !has_status && fact.state.is_none() {
        return;
    }
    let name = fact.name.as_str();
    let Some(container) = state.container_mut(name) else { return };
    let mut tell = |at: Micros, what: MomentKind, text: &str| {
        let evidence = quote::told(source, text, at);
        told.push(FactTold { at, container: Some(name.to_owned()), what, evidence });
    };
    // While it waits to be started again, its newest instance stands as the last one.
    let waits = matches!(fact.state, Some(State::Waiting { .. }));
    let of_last =
        if waits { fact.restarts } else { fact.restarts.and_then(|it| it.checked_sub(1)) };
    for (ended, attempt) in [(&fact.last_state, of_last), (&fact.state, fact.restarts)] {
        let Some(State::Terminated { container_id, finished, .. }) = ended else { continue };
        let at = finished.filter(|it| *it > 0).unwrap_or(at);
        let Some(id) = container_id.as_deref() else { continue };
        let is_open = terminated(container, id, attempt, ended.as_ref());
        if is_open {
            let evidence = quote::told(source, &quote::ended(name, ended.as_ref()), at);
            let mut ends: Told = Vec::new();
            containers::end(container, name, id, (at, &evidence), (&pod, ending), &mut ends, wants);
            for (_, what) in ends {
                tell(at, what, &evidence.text);
            }
        }
    }
    if let (Some(State::Running { since }), Some(id)) = (&fact.state, &fact.container_id)
        && let Some(instance) = container.instance_mut(Some(id))
        && instance.ended.is_none()
    {
        instance.attempt = instance.attempt.or(fact.restarts);
        if instance.started.is_none() {
            instance.started = since.or(Some(at));
            let at = since.unwrap_or(at);
            let id = Some(id.clone());
            tell(at, MomentKind::ContainerStarted { id }, &format!("container {name} runs"));
        }
    }
    if let Some(State::Waiting { message: Some(message), .. }) = &fact.state
        && let Some(seconds) = backoff_seconds(Text::plain(message))
    {
        container.back_off = Some((seconds, at));
    }
    for (slot, now, what) in [
        (&mut container.started, fact.started, MomentKind::Started as fn(bool) -> MomentKind),
        (&mut container.ready, fact.ready, MomentKind::Ready),
    ] {
        let Some(now) = now else { continue };
        if slot.replace(now) != Some(now) && now {
            let word =
                if matches!(what(true), MomentKind::Started(_)) { "started" } else { "ready" };
            tell(at, what(now), &format!("container {name} is {word}"));
        }
    }
    if let Some(image) = &fact.image {
        container.image = Some(image.clone());
    }
}

/// Fills in how an instance ended; true where its end is not told yet.
fn terminated(
    container: &mut super::ContainerState,
    id: &str,
    attempt: Option<u32>,
    state: Option<&State>,
) -> bool {
    let Some(State::Terminated { exit_code, reason, message, started, finished, .. }) = state
    else {
        return false;
    };
    let is_known = container.instances.iter().any(|it| it.id.as_deref() == Some(id));
    // An instance of long ago that nothing told of: it is no news.
    let is_old = container.instances.iter().any(|it| it.attempt > attempt && attempt.is_some());
    if !is_known && is_old {
        return false;
    }
    let Some(instance) = container.instance_mut(Some(id)) else { return false };
    instance.attempt = instance.attempt.or(attempt);
    instance.exit_code = instance.exit_code.or(Some(*exit_code));
    instance.reason = reason.clone().or_else(|| instance.reason.take());
    instance.message = message.as_deref().map(quote::one_line).or_else(|| instance.message.take());
    instance.started = instance.started.or(started.filter(|it| *it > 0));
    instance.ended = instance.ended.or(finished.filter(|it| *it > 0));
    !instance.end_told
}
