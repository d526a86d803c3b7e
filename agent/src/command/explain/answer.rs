//! What `explain` takes and gives, as types.

use std::io;

use super::advice::{self, Advice, Seen};
use crate::fact;
use crate::incident::Incident;
use crate::source::Micros;
use crate::source::paste::Manifest;

/// One paste.
pub struct NamedInput {
    /// What evidence calls it; `None` for standard input.
    pub name: Option<String>,
    /// Its bytes, compressed or not.
    pub bytes: Box<dyn io::Read + Send>,
    /// When it was last written to, where it says so itself: dates lines without a year.
    pub written: Option<Micros>,
}

impl std::fmt::Debug for NamedInput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NamedInput").field("name", &self.name).finish_non_exhaustive()
    }
}

impl NamedInput {
    /// A text in memory.
    #[must_use]
    pub fn text(name: &str, text: &str) -> Self {
        let bytes = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
        Self { name: Some(name.to_owned()), bytes, written: None }
    }
}

/// How it is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Explain it as it stood then.
    pub at: Option<Micros>,
    /// A copy of `/var/log/pods`: a folder, or a tar archive of one.
    pub pod_logs: Option<std::path::PathBuf>,
    /// The node's name, part of ids; else the first that the input names.
    pub node: Option<String>,
    /// Ours and the users' causes; nothing: ours.
    pub catalogue: Option<std::sync::Arc<crate::catalogue::Catalogue>>,
}

/// The answer.
#[derive(Debug, Default)]
pub struct Explained {
    /// Every incident as it stands at the end, in the order in which they began.
    pub incidents: Vec<Incident>,
    /// Specifications in the input, for advice.
    pub manifests: Vec<Manifest>,
    /// What else the input shows that advice is judged by.
    pub seen: Seen,
    /// Physical lines read.
    pub lines: u64,
    /// Messages that were understood.
    pub messages: u64,
    /// Failed attempts.
    pub failures: u64,
    /// Facts beside the lines.
    pub facts: u64,
    /// The newest time in the input, where it is an instant.
    pub now: Option<Micros>,
    /// The same by the log's own clock; `None` where nothing in the input has a time.
    pub end: Option<Micros>,
    /// The input says year and zone somewhere: times may be stated in UTC.
    pub is_dated: bool,
    /// What could not be read, one sentence each.
    pub unread: Vec<String>,
    /// Incidents beyond the bound.
    pub left_out: u64,
    /// Options that left incidents out, as they were typed, and how many.
    pub filtered: Vec<(String, usize)>,
}

impl Explained {
    /// Specifications that were judged before anything runs.
    #[must_use]
    pub fn judged(&self) -> usize {
        self.manifests.iter().filter(|manifest| manifest.pod.phase.is_none()).count()
    }

    /// What the specifications will make fail or hurt. Of pods that are there already only those
    /// that fail: a list of all pods of a cluster is no question about each of them.
    #[must_use]
    pub fn advice(&self) -> Vec<Advice> {
        let fails = |pod: &fact::Pod| {
            self.incidents.iter().flat_map(|incident| &incident.pods).any(|hit| {
                hit.name.as_ref() == Some(&pod.name)
                    && hit.namespace.as_ref().is_none_or(|space| *space == pod.namespace)
            })
        };
        let wanted = self
            .manifests
            .iter()
            .filter(|manifest| manifest.pod.phase.is_none() || fails(&manifest.pod));
        advice::of(wanted, &self.seen)
    }
}
