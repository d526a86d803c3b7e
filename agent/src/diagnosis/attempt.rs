//! One failed attempt, concluded: the authoritative line's words with the ids that its companions
//! brought (log-grammar §7, G51).

use crate::{
    diagnosis::{
        identities::{Identities, agrees, fill},
        identity::SyncFailureId,
    },
    limits,
    observation::{Details, Failure, Form, Observation, Pod, Writer},
    source::Micros,
};

/// Shorter texts are in too many messages to prove anything.
const TELLING_BYTES: usize = 8;

/// Reasons at which the newest instance of the container is the one that failed. At the others
/// (image, configuration) no instance of this attempt exists.
const OF_INSTANCE: [&str; 3] = ["CrashLoopBackOff", "RunContainerError", "PostStartHookError"];

/// Steps that are about one container: their target is its name (§6.1).
const CONTAINER_STEPS: [&str; 4] =
    ["StartContainer", "KillContainer", "RemoveContainer", "InitContainer"];

/// One failed attempt of one step.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Attempt {
    pub(super) at: Micros,
    pub(super) written: String,
    pub(super) received: Micros,
    pub(super) writer: Writer,
    pub(super) form: Form,
    pub(super) pod: Pod,
    named_uid: Option<String>,
    pub(super) container: Option<String>,
    pub(super) details: Details,
    pub(super) failure: Failure,
    pub(super) truncated: bool,
    /// What other lines of the attempt said, where it is not in the failure's own words.
    pub(super) others: Vec<String>,
    /// The incident that it belongs to.
    pub(super) incident: Option<[u8; 16]>,
}

impl Attempt {
    /// The failures of a line, each with what the companions know of it.
    pub(super) fn all(
        line: &Observation,
        companions: &[Observation],
        identities: &Identities,
    ) -> Vec<Self> {
        let unnamed = [Failure {
            step: "SyncPod".to_owned(),
            message: line.error.clone().unwrap_or_default(),
            of: 1,
            ..Failure::default()
        }];
        let failures = if line.failures.is_empty() { &unnamed } else { line.failures.as_slice() };
        let is_only = failures.len() == 1;
        failures
            .iter()
            .map(|failure| {
                let mut attempt = Self::new(line, failure, is_only);
                attempt.join(companions, is_only);
                attempt.recall(identities);
                attempt
            })
            .collect()
    }

    fn new(line: &Observation, failure: &Failure, is_only: bool) -> Self {
        let is_of_container = CONTAINER_STEPS.contains(&failure.step.as_str());
        let named = line.container.clone().filter(|_| is_of_container && is_only);
        let container = container_of(failure).or(named);
        let mut details = line.details.clone();
        if container.is_none() {
            // A container id on the line of a pod-level step is that of another item.
            details.container_id = None;
        }
        Self {
            at: line.at,
            written: line.written.clone(),
            received: line.received,
            writer: line.writer.clone(),
            form: line.form,
            pod: line.pod.clone(),
            named_uid: line.named_uid.clone(),
            container,
            details,
            truncated: line.truncated || failure.truncated,
            failure: failure.clone(),
            incident: None,
            others: Vec::new(),
        }
    }

    /// Takes the ids of companions that speak of this failure. Where companions that are tied to it
    /// by nothing but an equal text name different ids, none of them is taken.
    fn join(&mut self, companions: &[Observation], is_only: bool) {
        let mine: Vec<_> =
            companions.iter().filter(|companion| self.is_about(companion, is_only)).collect();
        for companion in &mine {
            if agrees(&self.pod, &companion.pod) {
                fill(&mut self.pod.uid, companion.pod.uid.as_ref());
                fill(&mut self.pod.namespace, companion.pod.namespace.as_ref());
                fill(&mut self.pod.name, companion.pod.name.as_ref());
            }
        }
        for text in mine.iter().filter_map(|companion| companion.error.as_deref()) {
            let text = limits::cut(innermost(text), limits::WORLD_TEXT_BYTES).0;
            let is_known = memchr::memmem::find(self.failure.message.as_bytes(), text.as_bytes());
            if is_known.is_none()
                && self.others.len() < limits::COMPANION_TEXTS
                && !self.others.iter().any(|other| other == text)
            {
                self.others.push(text.to_owned());
            }
        }
        let (tied, loose): (Vec<&Observation>, Vec<&Observation>) =
            mine.into_iter().partition(|companion| names_pod(&companion.pod));
        for companion in tied {
            self.take(&companion.details);
        }
        if loose.windows(2).all(|pair| matches!(pair, [a, b] if ids_agree(&a.details, &b.details)))
        {
            for companion in loose {
                self.take(&companion.details);
            }
        }
    }

    fn take(&mut self, from: &Details) {
        let mine = &mut self.details;
        if self.container.is_some() {
            fill(&mut mine.container_id, from.container_id.as_ref());
            fill(&mut mine.image, from.image.as_ref());
            fill(&mut mine.exit_code, from.exit_code.as_ref());
        }
        fill(&mut mine.sandbox_id, from.sandbox_id.as_ref());
        fill(&mut mine.volume, from.volume.as_ref());
    }

    /// The companion speaks of this item: of its container, in its words, or of its step without
    /// words of its own. An error of the same pod in other words may be of another instance.
    fn is_about(&self, companion: &Observation, is_only: bool) -> bool {
        if let (Some(mine), Some(theirs)) = (container_of(&self.failure), &companion.container)
            && mine != *theirs
        {
            return false;
        }
        let has_words = companion.error.is_some() || !companion.failures.is_empty();
        says_the_same(&self.failure.message, companion)
            || companion.failures.iter().any(|failure| failure.step == self.failure.step)
            || (is_only && !has_words)
    }

    /// What earlier lines told of the container's newest instance.
    fn recall(&mut self, identities: &Identities) {
        let reason = self.failure.reason.as_deref().unwrap_or_default();
        let (Some(uid), Some(container)) = (&self.pod.uid, &self.container) else { return };
        if !OF_INSTANCE.contains(&reason) {
            return;
        }
        let Some(instance) = identities.instance(uid, container) else { return };
        if ids_agree(&self.details, &instance) {
            self.take(&instance);
        }
    }

    /// `log.record.uid`.
    pub(super) fn uid(&self, node: &str) -> [u8; 16] {
        SyncFailureId {
            node,
            written: &self.written,
            pod_uid: self.named_uid.as_deref(),
            step: &self.failure.step,
            target: self.failure.target.as_deref(),
            container: self.container.as_deref(),
            index: self.failure.index,
            message: &self.failure.message,
        }
        .uid()
    }
}

/// The container that a failure names: the target of the container steps (§6.1).
pub(super) fn container_of(failure: &Failure) -> Option<String> {
    failure.target.clone().filter(|_| CONTAINER_STEPS.contains(&failure.step.as_str()))
}

pub(super) fn names_pod(pod: &Pod) -> bool {
    pod.uid.is_some() || pod.name.is_some()
}

/// Neither names an id that the other names differently.
pub(super) fn ids_agree(one: &Details, other: &Details) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    same(&one.container_id, &other.container_id) && same(&one.sandbox_id, &other.sandbox_id)
}

/// The companion's innermost text stands in `message`.
pub(super) fn says_the_same(message: &str, companion: &Observation) -> bool {
    let texts = companion
        .error
        .iter()
        .chain(companion.failures.iter().map(|failure| &failure.message))
        .map(|text| innermost(text));
    texts.into_iter().any(|text| {
        text.len() >= TELLING_BYTES
            && memchr::memmem::find(message.as_bytes(), text.as_bytes()).is_some()
    })
}

/// Without `rpc error: code = … desc = `, which some layers drop (§6.8).
pub(super) fn innermost(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some((_, behind)) =
        rest.strip_prefix("rpc error: code = ").and_then(|rest| rest.split_once(" desc = "))
    {
        rest = behind;
    }
    rest
}
