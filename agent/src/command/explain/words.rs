//! Answers what the engine wants to know from a copy of `/var/log/pods`, and from nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use super::read::is_of;
use crate::fact::{Absent, Dated, Fact, LastWords, Pod, Want};

/// What can be answered.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Pods of which a first version was handed in.
    versions: BTreeSet<(String, String)>,
    /// Instances whose last words are facts of the input.
    given: Vec<LastWords>,
}

impl Words {
    /// Opens the copy. What is wrong with it is one sentence.
    pub(super) fn open(_pod_logs: Option<&Path>) -> (Self, Option<String>) {
        (Self::default(), None)
    }

    /// Last words that the input itself holds.
    pub(super) fn given(&mut self, words: &LastWords) {
        if self.given.len() < crate::limits::SERIES {
            let instance = words.instance.clone();
            self.given.push(LastWords { instance, ..LastWords::default() });
        }
    }

    /// A pod's specification holds from its creation on: known before what happened to it, without
    /// the status that came later.
    pub(super) fn first_version(&mut self, pod: &Pod) -> Option<Box<Dated>> {
        if !self.versions.insert((pod.namespace.clone(), pod.name.clone())) {
            return None;
        }
        let mut first = pod.clone();
        (first.phase, first.reason, first.message) = (None, None, None);
        (first.deleting, first.resource_version) = (None, None);
        first.conditions.clear();
        for container in &mut first.containers {
            (container.state, container.last_state) = (None, None);
            (container.ready, container.started, container.restarts) = (None, None, None);
            (container.image_id, container.container_id) = (None, None);
        }
        let at = pod.created.unwrap_or_default();
        Some(Box::new(Dated { at, fact: Fact::Pod(Box::new(first)) }))
    }

    /// The answer, or that there is none.
    pub(super) fn answer(&mut self, want: Want) -> Option<Fact> {
        if let Want::LastWords(instance) = &want {
            let is_given = self.given.iter().any(|words| {
                let (one, other) = (&words.instance, instance);
                let name = other.pod.name.as_deref().unwrap_or_default();
                let space = other.pod.namespace.as_deref().unwrap_or_default();
                one.container == other.container
                    && is_of(&one.pod, space, name, other.pod.uid.as_deref())
            });
            // The fact itself comes, or came, at its own time.
            if is_given {
                return None;
            }
        }
        Some(Fact::Absent(Absent { want, why: "the input does not hold it".to_owned() }))
    }
}
