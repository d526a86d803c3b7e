//! Objects of the Kubernetes API, pasted as JSON or YAML, whole or in part: single, in lists, in a
//! watch's frames. Owns telling them apart and what each becomes; pods are read in `pod`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as api;
use serde_json::Value;

use super::value::{self, at, flag, list, long, small, text, time};
use super::{Part, Sink, event, image, pod};
use crate::fact::{self};
use crate::fact::{Dated, Event, Fact, NodeObject, PodRef, from_api, pod::Condition, pod::Owner};

/// A specification of pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// `Deployment/web`, `Pod/web-0`
    pub name: String,
    /// The pod that it makes, as far as the manifest says.
    pub pod: fact::Pod,
    /// Where it begins.
    pub line: u64,
    /// Lines of its text, to say where something stands.
    pub text: String,
    /// Names of ports, by container.
    pub ports: BTreeMap<String, Vec<String>>,
    /// A label that the selector asks for and the template lacks.
    pub unmatched: Option<String>,
}

/// Reads YAML, possibly of several documents.
pub(super) fn yaml(text: &str, number: u64, sink: Sink<'_>) -> bool {
    if text.trim().trim_matches('-').trim().is_empty() {
        return true;
    }
    let Ok(value) = serde_saphyr::from_str::<Value>(text) else {
        return false;
    };
    read(&value, number, text, sink);
    true
}

/// Reads an object, whatever it is.
pub(super) fn read(value: &Value, number: u64, source: &str, sink: Sink<'_>) {
    let images = image::all(value);
    if !images.is_empty() {
        return images.into_iter().for_each(|image| sink(Part::Image(Box::new(image))));
    }
    if let Some(items) = value.get("items").and_then(Value::as_array).or(value.as_array()) {
        let mut lines = Lines { rest: source, number };
        for item in items {
            let line = text(item, &["metadata", "name"]).map(|name| lines.of(&name));
            read(item, line.unwrap_or(number), "", sink);
        }
        return;
    }
    if let (Some(kind), Some(object)) = (text(value, &["type"]), value.get("object")) {
        return watched(&kind, object, number, sink);
    }
    match text(value, &["kind"]).as_deref() {
        Some("Event") => read_event(value, number, sink),
        Some("Node") => {
            let node = node(value);
            hand_on(value::newest(value), Fact::NodeObject(Box::new(node)), sink);
        }
        Some("Pod") => read_pod(value, number, source, sink),
        Some("ResourceQuota") => sink(Part::Quota(Box::new(image::quota(value)))),
        Some(kind) => workload(kind, value, number, source, sink),
        None if at(value, &["involvedObject"]).is_some() => read_event(value, number, sink),
        None if is_pod(value) => read_pod(value, number, source, sink),
        None if value.get("containers").is_some() => {
            let whole = serde_json::json!({ "kind": "Pod", "spec": value });
            read_pod(&whole, number, source, sink);
        }
        None => {
            if let Some(image) = image::of(value) {
                sink(Part::Image(Box::new(image)));
            }
        }
    }
}

/// Where the items of a list stand: their names come in their order.
struct Lines<'t> {
    rest: &'t str,
    number: u64,
}

impl Lines<'_> {
    fn of(&mut self, name: &str) -> u64 {
        let Some(found) = memchr::memmem::find(self.rest.as_bytes(), name.as_bytes()) else {
            return self.number;
        };
        let (before, rest) = self.rest.split_at_checked(found).unwrap_or(("", self.rest));
        self.number += memchr::memchr_iter(b'\n', before.as_bytes()).count() as u64;
        self.rest = rest;
        self.number
    }
}

fn is_pod(value: &Value) -> bool {
    at(value, &["spec", "containers"]).is_some() || at(value, &["status", "phase"]).is_some()
}

/// One frame of `kubectl get --watch --output-watch-events`.
fn watched(kind: &str, object: &Value, number: u64, sink: Sink<'_>) {
    let is_pod = text(object, &["kind"]).as_deref() == Some("Pod");
    if kind == "DELETED" && is_pod {
        let pod = pod::of(object);
        let gone = PodRef { namespace: Some(pod.namespace), name: Some(pod.name), uid: pod.uid };
        return hand_on(value::newest(object), Fact::PodGone(gone), sink);
    }
    read(object, number, "", sink);
}

fn hand_on(at: Option<i64>, fact: Fact, sink: Sink<'_>) {
    sink(Part::Fact(Box::new(Dated { at: at.unwrap_or_default(), fact })));
}

fn read_pod(value: &Value, number: u64, source: &str, sink: Sink<'_>) {
    // What is whole is read as the agent reads it; a fragment as far as it goes.
    let whole = serde_json::from_value::<api::Pod>(value.clone());
    let pod = whole.map_or_else(|_| pod::of(value), |whole| from_api::pod(&whole, &[]));
    let newest = value::newest(value);
    let name = format!("Pod/{}", pod.name);
    let text = source.to_owned();
    let ports = port_names(value);
    let manifest = Manifest { name, pod: pod.clone(), line: number, text, ports, unmatched: None };
    sink(Part::Manifest(Box::new(manifest)));
    for reported in pod::reports(&pod, newest, number) {
        sink(Part::Reported(Box::new(reported)));
    }
    if !pod.name.is_empty() {
        hand_on(newest, Fact::Pod(Box::new(pod)), sink);
    }
}

/// What makes pods: only its template is read.
fn workload(kind: &str, value: &Value, number: u64, source: &str, sink: Sink<'_>) {
    let template = [
        &["spec", "template"][..],
        &["spec", "jobTemplate", "spec", "template"][..],
        &["template"][..],
    ]
    .into_iter()
    .find_map(|path| at(value, path));
    let Some(template) = template.filter(|template| template.get("spec").is_some()) else { return };
    let mut pod = pod::of(template);
    let name = text(value, &["metadata", "name"]).unwrap_or_default();
    pod.namespace = text(value, &["metadata", "namespace"]).unwrap_or_default();
    pod.owner = Some(Owner { kind: value::word(kind), name: name.clone(), uid: None });
    let (name, text) = (format!("{}/{name}", value::word(kind)), source.to_owned());
    let (ports, unmatched) = (port_names(template), unmatched(value, template));
    let manifest = Manifest { name, pod, line: number, text, ports, unmatched };
    sink(Part::Manifest(Box::new(manifest)));
}

fn port_names(pod: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for key in ["initContainers", "containers"] {
        for container in list(pod, &["spec", key]).take(super::pod::MOST) {
            let ports = list(container, &["ports"]).take(super::pod::MOST);
            let names: Vec<String> = ports.filter_map(|port| text(port, &["name"])).collect();
            found.insert(text(container, &["name"]).unwrap_or_default(), names);
        }
    }
    found
}

/// The first label of the selector that the template does not have.
fn unmatched(value: &Value, template: &Value) -> Option<String> {
    let asked = at(value, &["spec", "selector", "matchLabels"])?.as_object()?;
    let label = |key: &str| text(template, &["metadata", "labels", key]);
    let wanted = |key: &str| text(value, &["spec", "selector", "matchLabels", key]);
    let lacks =
        |key: &&String| wanted(key).is_some_and(|value| label(key).as_ref() != Some(&value));
    let key = asked.keys().find(lacks)?;
    Some(value::word(&format!("{key}={}", wanted(key).unwrap_or_default())))
}

fn node(value: &Value) -> NodeObject {
    let info = |key| text(value, &["status", "nodeInfo", key]);
    NodeObject {
        name: text(value, &["metadata", "name"]).unwrap_or_default(),
        uid: text(value, &["metadata", "uid"]),
        conditions: conditions(value),
        unschedulable: flag(value, &["spec", "unschedulable"]).unwrap_or_default(),
        deleting: time(value, &["metadata", "deletionTimestamp"]),
        kubelet_version: info("kubeletVersion"),
        runtime: info("containerRuntimeVersion"),
        kernel: info("kernelVersion"),
        os_image: info("osImage"),
        boot_id: info("bootID"),
        pods_max: small(value, &["status", "capacity", "pods"]),
        ..NodeObject::default()
    }
}

pub(super) fn conditions(value: &Value) -> Vec<Condition> {
    list(value, &["status", "conditions"])
        .take(super::pod::MOST)
        .map(|condition| Condition {
            kind: text(condition, &["type"]).unwrap_or_default(),
            status: text(condition, &["status"]).unwrap_or_default(),
            reason: text(condition, &["reason"]),
            message: long(condition, &["message"]),
            since: time(condition, &["lastTransitionTime"]),
        })
        .collect()
}

fn read_event(value: &Value, number: u64, sink: Sink<'_>) {
    // events.k8s.io names its members differently.
    let object = ["involvedObject", "regarding"].into_iter().find_map(|key| value.get(key));
    let of_object = |key: &str| object.and_then(|object| text(object, &[key]));
    let either = |one: &[&str], other: &[&str]| text(value, one).or_else(|| text(value, other));
    let when = |one: &[&str], other: &[&str]| time(value, one).or_else(|| time(value, other));
    let kind = of_object("kind").unwrap_or_default();
    let name = of_object("name").unwrap_or_default();
    let pod = match kind.as_str() {
        "Pod" => PodRef {
            namespace: of_object("namespace"),
            name: Some(name.clone()),
            uid: of_object("uid"),
        },
        _ => PodRef::default(),
    };
    let last = when(&["lastTimestamp"], &["series", "lastObservedTime"])
        .or_else(|| when(&["deprecatedLastTimestamp"], &["eventTime"]))
        .or_else(|| time(value, &["metadata", "creationTimestamp"]));
    let told = Event {
        object_kind: kind,
        object_name: name,
        pod,
        container: of_object("fieldPath").as_deref().and_then(event::container_of),
        kind: text(value, &["type"]).unwrap_or_default(),
        reason: text(value, &["reason"]).unwrap_or_default(),
        message: long(value, &["message"]).or_else(|| long(value, &["note"])).unwrap_or_default(),
        count: small(value, &["count"])
            .or_else(|| small(value, &["series", "count"]))
            .or_else(|| small(value, &["deprecatedCount"]))
            .unwrap_or(1),
        first: when(&["firstTimestamp"], &["deprecatedFirstTimestamp"])
            .or_else(|| when(&["eventTime"], &["metadata", "creationTimestamp"])),
        last,
        component: either(&["source", "component"], &["reportingComponent"])
            .or_else(|| text(value, &["deprecatedSource", "component"])),
        host: either(&["source", "host"], &["reportingInstance"])
            .or_else(|| text(value, &["deprecatedSource", "host"])),
        line: number,
    };
    event::hand_on(told, sink);
}
