//! An incident as a record: the attributes of otlp.md 2.6, one sentence of what, why and what next.

use std::fmt::Write as _;

use super::{Surroundings, node, one_line, pod};
use crate::{
    diagnosis::{attempt::Attempt, identity, world::World},
    fact,
    incident::{Confidence, Incident, Scope, State},
    limits,
    observation::time::utc,
    record::{EventName, Record, Severity, Worth, attributes::Attributes, names},
    source::Micros,
};

/// What one record is made of.
#[derive(Clone, Copy, Debug)]
pub(in crate::diagnosis) struct Telling<'a> {
    pub(in crate::diagnosis) view: &'a Incident,
    pub(in crate::diagnosis) id: [u8; 16],
    /// How many records of this incident came before.
    pub(in crate::diagnosis) turn: u64,
    pub(in crate::diagnosis) at: Micros,
    /// Worth waking somebody.
    pub(in crate::diagnosis) notify: bool,
    pub(in crate::diagnosis) expires: Option<Micros>,
    pub(in crate::diagnosis) message: &'a str,
    pub(in crate::diagnosis) attempt: Option<&'a Attempt>,
    pub(in crate::diagnosis) spec: Option<&'a fact::Pod>,
    pub(in crate::diagnosis) world: &'a World,
    pub(in crate::diagnosis) around: Surroundings<'a>,
}

/// One record of one change.
pub(in crate::diagnosis) fn incident(telling: &Telling<'_>) -> Record {
    let view = telling.view;
    let mut out = Attributes::default();
    incident_attributes(telling, &mut out);
    cause_attributes(view, &mut out);
    failure_attributes(telling, &mut out);
    pod_attributes(telling, &mut out);
    list_attributes(view, &mut out);
    node_attributes(telling, &mut out);
    node::attributes(telling.around, telling.at, &mut out);
    Record {
        event: EventName::Incident,
        uid: identity::incident_record(telling.id, view.state.name(), telling.turn),
        time: telling.at,
        severity: match (view.state, view.scope) {
            (State::Open, Scope::Node | Scope::Workload) => Severity::Error,
            (State::Open, Scope::Pod) | (State::Flapping | State::Stale, _) => Severity::Warn,
            (State::Recovering | State::Resolved | State::Superseded, _) => Severity::Info,
        },
        body: sentence(view),
        attributes: out.finish(),
        worth: Worth::Incident,
    }
}

fn incident_attributes(telling: &Telling<'_>, out: &mut Attributes) {
    let view = telling.view;
    out.text(names::INCIDENT_ID, Some(&view.id));
    out.text(names::INCIDENT_SCOPE, Some(view.scope.name()));
    out.text(names::INCIDENT_STATE, Some(view.state.name()));
    out.bool(names::INCIDENT_NOTIFY, Some(telling.notify));
    out.text(names::INCIDENT_FIRST_SEEN, view.first_seen.map(utc).as_deref());
    out.text(names::INCIDENT_LAST_SEEN, view.last_seen.map(utc).as_deref());
    out.text(names::INCIDENT_NEXT_RETRY, view.next_retry.map(utc).as_deref());
    out.text(names::INCIDENT_EXPIRES, telling.expires.map(utc).as_deref());
    out.text(names::INCIDENT_RESOLVED_AT, view.resolved_at.map(utc).as_deref());
    out.int(names::INCIDENT_ATTEMPTS, Some(view.attempts));
    out.int(names::INCIDENT_POD_COUNT, Some(view.pod_count));
    out.int(names::INCIDENT_RUNG, Some(view.rung));
    out.int(names::INCIDENT_TURNS, Some(view.turns));
    out.text(names::INCIDENT_WORKLOAD, view.workload.as_deref());
    out.text(names::INCIDENT_CLEARS_WHEN, Some(&view.clears_when));
    out.text(names::INCIDENT_FINGERPRINT, Some(&view.fingerprint));
    out.double(names::INCIDENT_COVERAGE, view.coverage);
    out.text(names::INCIDENT_PARENT, view.parent.as_deref());
    out.text(names::INCIDENT_NOTE, view.note.as_deref());
    let killer = view.killed_by.as_ref().and_then(|killer| serde_json::to_value(killer.who).ok());
    out.text(names::INCIDENT_KILLED_BY, killer.as_ref().and_then(|who| who.as_str()));
}

fn cause_attributes(view: &Incident, out: &mut Attributes) {
    let cause = &view.cause;
    out.text(names::CAUSE_ID, Some(&cause.id));
    out.text(names::CAUSE_CLASS, Some(&cause.class));
    out.text(names::CAUSE_TITLE, Some(&cause.title));
    out.text(names::CAUSE_CONFIDENCE, Some(confidence(cause.confidence)));
    out.text(names::CAUSE_ALTERNATIVES, list(&view.alternatives).as_deref());
}

fn failure_attributes(telling: &Telling<'_>, out: &mut Attributes) {
    let view = telling.view;
    out.text(names::SYNC_STEP, view.step.as_deref());
    out.text(names::SYNC_REASON, view.reason.as_deref());
    out.text(names::ERROR_TYPE, Some(pod::error_type(view.reason.as_deref())));
    pod::status_attributes(view.reason.as_deref(), out);
    out.text(names::SYNC_MESSAGE, Some(telling.message));
    out.int(names::SYNC_EXIT_CODE, view.exit_code);
    if let Some(attempt) = telling.attempt {
        out.double(names::SYNC_BACKOFF_SECONDS, attempt.details.backoff_seconds);
        out.text(names::CONTAINER_IMAGE_NAME, attempt.details.image.as_deref());
        out.text(names::K8S_VOLUME_NAME, attempt.details.volume.as_deref());
        if view.scope == Scope::Pod {
            out.text(names::CONTAINER_ID, attempt.details.container_id.as_deref());
        }
    }
}

/// Names of the pod only where it is one; its owner where there is one.
fn pod_attributes(telling: &Telling<'_>, out: &mut Attributes) {
    let view = telling.view;
    let first = view.pods.first();
    let container = first.and_then(|pod| pod.container.as_deref());
    if view.scope == Scope::Pod {
        let uid = first.and_then(|pod| pod.uid.as_deref());
        out.text(names::K8S_POD_NAME, pod::name(first.and_then(|pod| pod.name.as_deref())));
        out.text(names::K8S_POD_UID, pod::uid(uid));
    }
    if view.scope != Scope::Node {
        let namespace = first.and_then(|pod| pod.namespace.as_deref());
        out.text(names::K8S_NAMESPACE_NAME, pod::label(namespace));
        out.text(names::K8S_CONTAINER_NAME, pod::label(container));
        if let Some(owner) = telling.spec.and_then(|spec| spec.owner.as_ref()) {
            let kind = owner.kind.to_lowercase();
            if kind.chars().all(|letter| letter.is_ascii_lowercase()) && !kind.is_empty() {
                out.text(format!("k8s.{kind}.name"), pod::name(Some(&owner.name)));
                out.text(format!("k8s.{kind}.uid"), pod::uid(owner.uid.as_deref()));
            }
        }
    }
    let restarts = container
        .and_then(|name| telling.spec?.container(name))
        .and_then(|container| container.restarts)
        .filter(|_| view.scope == Scope::Pod);
    out.int("k8s.container.restart_count", restarts);
}

fn list_attributes(view: &Incident, out: &mut Attributes) {
    out.text(names::INCIDENT_PODS, list(&view.pods).as_deref());
    out.text(names::INCIDENT_EVIDENCE, list(&view.evidence).as_deref());
    out.text(names::INCIDENT_CONTROLS, list(&view.controls).as_deref());
    out.text(names::INCIDENT_NEXT, list(&view.next).as_deref());
    out.text(names::INCIDENT_LOSS, list(&view.loss).as_deref());
    out.text(names::INCIDENT_CHANGED, list(&view.changed).as_deref());
    out.text(names::INCIDENT_PROOF, list(&view.proof).as_deref());
    out.text(names::INCIDENT_FIXED_BY, list(&view.fixed_by).as_deref());
    out.text(names::INCIDENT_CHAIN, list(&view.chain).as_deref());
    out.text(names::INCIDENT_MEMBERS, list(&view.members).as_deref());
    out.text(names::INCIDENT_CONTRADICTIONS, list(&view.contradictions).as_deref());
}

fn node_attributes(telling: &Telling<'_>, out: &mut Attributes) {
    let node = &telling.world.node;
    let object = node.object.as_ref().map(|(object, _)| object);
    let kubelet = object.and_then(|object| object.kubelet_version.as_ref());
    let runtime = object.and_then(|object| object.runtime.as_ref());
    let kubelet = kubelet.or(node.kubelet_version.as_ref());
    let runtime = runtime.or(node.runtime_version.as_ref());
    out.text(names::NODE_KUBELET_VERSION, kubelet.map(String::as_str));
    out.text(names::NODE_RUNTIME, runtime.map(String::as_str));
    let Some(object) = object else { return };
    out.text(names::NODE_KERNEL, object.kernel.as_deref());
    out.text(names::NODE_OS_IMAGE, object.os_image.as_deref());
    for (key, value) in &object.labels {
        out.text(format!("podwhy.node.label.{key}"), Some(value));
    }
}

/// Compact JSON, cut at whole items; `None` for an empty list.
pub(super) fn list<T: serde::Serialize>(items: &[T]) -> Option<String> {
    let mut text = String::from("[");
    for item in items {
        let Ok(item) = serde_json::to_string(item) else { continue };
        if text.len() + item.len() + 2 > limits::INCIDENT_LIST_BYTES {
            break;
        }
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&item);
    }
    text.push(']');
    (text.len() > 2).then_some(text)
}

/// `shop/web: image shop/web:2.0 does not exist (likely): StartContainer ErrImagePull. Next: …`
fn sentence(view: &Incident) -> String {
    let mut body = match view.scope {
        Scope::Node => "This node".to_owned(),
        Scope::Workload => {
            let workload = view.workload.as_deref().unwrap_or("pods");
            let namespace = view.pods.first().and_then(|pod| pod.namespace.as_deref());
            let space = namespace.map(|name| format!("{name}/")).unwrap_or_default();
            format!("{space}{workload} ({} pods)", view.pod_count)
        }
        Scope::Pod => view.pods.first().map_or_else(
            || "A pod".to_owned(),
            |pod| {
                let name = pod.name.as_deref().or(pod.uid.as_deref()).unwrap_or("a pod");
                let space =
                    pod.namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
                let container = pod.container.as_ref().map(|name| format!(" ({name})"));
                format!("{space}{name}{}", container.unwrap_or_default())
            },
        ),
    };
    let _ = write!(body, " {}: {}", view.state.name(), view.cause.title);
    let _ = write!(body, " ({})", confidence(view.cause.confidence));
    let words: Vec<&str> =
        [view.step.as_deref(), view.reason.as_deref()].into_iter().flatten().collect();
    if !words.is_empty() {
        let _ = write!(body, "; {} failed", words.join(" "));
    }
    match view.state {
        State::Open | State::Flapping => {
            if let Some(next) = view.next.first() {
                let _ = write!(body, ". Next: {}", next.what);
            }
        }
        State::Recovering | State::Resolved => {
            if let Some(proof) = view.proof.last() {
                let _ = write!(body, ". Proof: {proof}");
            }
        }
        State::Superseded | State::Stale => {
            if let Some(note) = &view.note {
                let _ = write!(body, ". {note}");
            }
        }
    }
    one_line(&body)
}

pub(super) const fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Possible => "possible",
        Confidence::Likely => "likely",
        Confidence::Certain => "certain",
    }
}
