//! Which incidents answer a question. Pure.

use std::collections::BTreeSet;

use crate::incident::{Incident, Scope, State};

/// What somebody asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The node and everything on it.
    All,
    /// What concerns the node as a whole.
    Node,
    /// Another node, by its name.
    OtherNode(String),
    /// A pod, or the pods of a workload.
    Pod { namespace: Option<String>, name: String },
}

/// Its end is proven, or it is no longer this incident's.
pub(super) const fn is_over(incident: &Incident) -> bool {
    matches!(incident.state, State::Resolved | State::Superseded)
}

/// `web-0` itself, or one of `web`'s.
pub(super) fn is_named(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// What is asked about, in one word or as kubectl takes it, in two: `pod web-0`, `node node-a`.
///
/// # Errors
/// Where the first of two is no kind.
pub(super) fn written(words: &[String]) -> Result<Option<String>, String> {
    match words {
        [] => Ok(None),
        [what] => Ok(Some(what.clone())),
        [kind, name, ..] => match kind.as_str() {
            // Its namespace may stand before the name.
            "pod" | "pods" | "po" if name.contains('/') => Ok(Some(name.clone())),
            "pod" | "pods" | "po" => Ok(Some(format!("pod/{name}"))),
            "node" | "nodes" | "no" => Ok(Some(format!("node/{name}"))),
            _ => Err(format!("`{kind} {name}`: write pod NAMESPACE/NAME, node NAME, or one word")),
        },
    }
}

impl Subject {
    /// `shop/web-0`, `web-0`, `pod/web-0` as kubectl writes it, `node`, or the node's own name, which
    /// alerts write as `node/NAME`.
    pub(super) fn of(text: Option<&str>, node: &str) -> Self {
        let Some(text) = text else { return Self::All };
        let named = text.strip_prefix("node/").or(text.strip_prefix("nodes/"));
        if text == "node" || named.unwrap_or(text) == node {
            return Self::Node;
        }
        if let Some(other) = named {
            return Self::OtherNode(other.to_owned());
        }
        let (namespace, name) = match text.split_once('/') {
            None | Some(("pod" | "pods", _)) => {
                (None, text.rsplit('/').next().unwrap_or(text).to_owned())
            }
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        };
        Self::Pod { namespace, name }
    }

    /// Those that answer it. A member says its part only where its pod is asked for; else the
    /// incident that it is a member of says it.
    pub(super) fn choose<'k>(
        &self,
        known: &'k [Incident],
        wants: impl Fn(&Incident) -> bool,
    ) -> Vec<&'k Incident> {
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        for incident in known.iter().filter(|incident| self.concerns(incident) && wants(incident)) {
            let parent = incident.parent.as_deref();
            let parent = parent.filter(|id| known.iter().any(|other| other.id == *id));
            ids.extend(parent);
            if parent.is_none() || matches!(self, Self::Pod { .. }) {
                ids.insert(&incident.id);
            }
        }
        known.iter().filter(|incident| ids.contains(incident.id.as_str())).collect()
    }

    fn concerns(&self, incident: &Incident) -> bool {
        let Self::Pod { namespace, name } = self else {
            let is_of_node = *self == Self::Node && incident.scope == Scope::Node;
            return *self == Self::All || is_of_node;
        };
        incident.pods.iter().any(|pod| {
            pod.name.as_deref().is_some_and(|it| is_named(it, name))
                && (namespace.is_none() || pod.namespace == *namespace)
        })
    }
}
