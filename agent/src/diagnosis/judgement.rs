//! The answer to "what does this come from": made by `cause`, read by `incidents`.

use crate::{catalogue, fact, incident, source::Micros};

/// What one failure comes from, and how it is told.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Judgement {
    /// The best cause; id `unclassified` where none is known.
    pub(super) cause: incident::Cause,
    /// Its place in the order of causes: a symptom opens nothing where something else is open.
    pub(super) rank: catalogue::Role,
    /// The kubelet's latest word that says most.
    pub(super) step: Option<String>,
    /// The same for the reason.
    pub(super) reason: Option<String>,
    /// The blocking container (R48), where it is not the one that the line names.
    pub(super) container: Option<String>,
    /// Its role.
    pub(super) role: Option<fact::Role>,
    /// What else it could be, best first.
    pub(super) alternatives: Vec<incident::Cause>,
    /// Facts with their sources, most telling first.
    pub(super) evidence: Vec<incident::Evidence>,
    /// What to do.
    pub(super) next: Vec<incident::Next>,
    /// How it will be proven fixed.
    pub(super) clears_when: String,
    /// Exit code of the instance that ended.
    pub(super) exit_code: Option<i32>,
    /// Who killed it.
    pub(super) killed_by: Option<incident::Killer>,
    /// What contradicts what.
    pub(super) contradictions: Vec<String>,
    /// Causes whose text is there and that a signal speaks against.
    pub(super) ruled_out: Vec<String>,
    /// When the kubelet tries again, and by which rule.
    pub(super) next_retry: Option<(Micros, String)>,
    /// What changed just before.
    pub(super) changed: Vec<String>,
    /// How often the cause must be told before an incident opens.
    pub(super) tellings: u32,
    /// Nodes with this cause share it at once: it is certain and about the node, not the pod.
    pub(super) of_node: bool,
    /// What tells causes of the node apart: mount point, registry, driver, plugin.
    pub(super) object: Option<String>,
}
