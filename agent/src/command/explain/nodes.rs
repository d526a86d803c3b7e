//! Which node an input speaks of, and each of its pods: gathered from whatever names one. Owns the
//! last fill of `<node>` in commands; the engine fills what it knows itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnosis::Whereabouts;
use crate::fact::PodRef;
use crate::incident::{Incident, argument};
use crate::limits::IDENTITIES;

/// As an incident's command shows a node that nobody named.
const UNKNOWN: &str = "<node>";

/// Names of nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Somebody said it: a bundle.
    given: Option<String>,
    /// By objects, Events and tables.
    named: BTreeSet<String>,
    /// By prefixes of log lines: maybe without the domain.
    hosts: BTreeSet<String>,
    pods: BTreeMap<(String, String), String>,
}

impl Nodes {
    pub(super) fn given(node: Option<String>) -> Self {
        Self { given: node, ..Self::default() }
    }

    pub(super) fn named(&mut self, node: &str) {
        keep(&mut self.named, node);
    }

    pub(super) fn host(&mut self, host: &str) {
        keep(&mut self.hosts, host);
    }

    /// The node of a pod.
    pub(super) fn of_pod(&mut self, pod: &PodRef, node: &str) {
        self.named(node);
        if let Some(name) = &pod.name
            && self.pods.len() < IDENTITIES
        {
            let namespace = pod.namespace.clone().unwrap_or_default();
            self.pods.insert((namespace, name.clone()), node.to_owned());
        }
    }

    /// How many names there are by now.
    pub(super) fn known(&self) -> usize {
        self.named.len() + self.hosts.len() + self.pods.len()
    }

    /// The one node that the whole input is about; empty where there are several, or none.
    pub(super) fn name(&self) -> String {
        let only = |set: &BTreeSet<String>| set.first().filter(|_| set.len() == 1).cloned();
        let host = only(&self.hosts);
        let is_it = |node: &&String| {
            host.as_ref().is_some_and(|host| {
                node.strip_prefix(host.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        self.given
            .clone()
            .or_else(|| only(&self.named))
            .or_else(|| self.named.iter().find(is_it).cloned())
            .or_else(|| host.filter(|_| self.named.is_empty()))
            .unwrap_or_default()
    }

    /// Where the pods are, those among them of which lines tell. What names no node at all is of one
    /// only if all of it is lines.
    pub(super) fn whereabouts(&self, of_lines: &BTreeSet<(String, String)>) -> Whereabouts {
        let mut pods = self.pods.clone();
        if let Some(host) = self.hosts.first().filter(|_| self.hosts.len() == 1) {
            for pod in of_lines {
                pods.entry(pod.clone()).or_insert_with(|| host.clone());
            }
        }
        let says_nothing = self.named.is_empty() && self.hosts.is_empty();
        let is_of_several = if says_nothing { of_lines.is_empty() } else { self.name().is_empty() };
        Whereabouts { is_of_several: is_of_several && self.given.is_none(), pods }
    }

    /// Fills what the engine could not know.
    pub(super) fn fill(&self, incident: &mut Incident) {
        let is_open = |command: &Option<String>| {
            command.as_ref().is_some_and(|command| command.contains(UNKNOWN))
        };
        if !incident.next.iter().any(|next| is_open(&next.command)) {
            return;
        }
        let of_pod = incident.pods.iter().find_map(|pod| {
            let name = pod.name.clone()?;
            let namespace = pod.namespace.clone().unwrap_or_default();
            self.pods
                .get(&(namespace, name.clone()))
                .or_else(|| self.pods.get(&(String::new(), name)))
                .cloned()
        });
        let node = of_pod.unwrap_or_else(|| self.name());
        if argument(&node, "").is_empty() {
            return;
        }
        for command in incident.next.iter_mut().filter_map(|next| next.command.as_mut()) {
            *command = command.replace(UNKNOWN, &node);
        }
    }
}

fn keep(set: &mut BTreeSet<String>, name: &str) {
    // What goes into a command that somebody will paste is a name, or nothing.
    let is_name = !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    if is_name && set.len() < IDENTITIES {
        set.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_node_that_is_named_is_it_and_of_several_the_one_whose_lines_they_are() {
        let mut nodes = Nodes::default();
        assert_eq!(nodes.name(), "");
        nodes.host("node-3");
        assert_eq!(nodes.name(), "node-3");
        nodes.named("node-3.example.com");
        assert_eq!(nodes.name(), "node-3.example.com");
        nodes.named("node-30.example.com");
        assert_eq!(nodes.name(), "node-3.example.com");
        nodes.host("node-4");
        assert_eq!(nodes.name(), "", "lines of two machines");
        nodes.named("$(reboot)");
        assert_eq!(nodes.named.len(), 2, "only names are kept");
    }
}
