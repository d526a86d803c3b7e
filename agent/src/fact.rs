//! Facts beside the log lines: what pods are, what a dead container said last, what a cgroup
//! counted. Pure data with its own time, no IO: collected by `node`, read by `diagnosis`, kept in
//! bundles as JSON lines. Everything in them is bounded and redacted by whoever collected it.

pub mod evidence;
pub mod from_api;
pub mod node;
pub mod pod;

use crate::source::Micros;

pub use evidence::{
    Cgroup, CgroupLevel, Containers, FileEntry, FileKind, LastWords, Listing, LogFolder,
    LogFolderChange, Quote, RuntimeStatus, Said,
};
pub use node::{Event, NodeObject};
pub use pod::{Container, Mount, Owner, Pod, Probe, Role, State, Volume, VolumeKind};

/// One fact. As JSON it is one line of a bundle: `{"fact":"last_words",…}`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A version of a pod, as the API (or a pasted manifest) has it.
    Pod(Box<Pod>),
    /// The API no longer has the pod.
    PodGone(PodRef),
    /// The view of the pods is complete as of `at`: a pod assigned here that is not in it is gone.
    PodsListed(PodsListed),
    /// The Node object.
    NodeObject(Box<NodeObject>),
    /// A Kubernetes Event.
    Event(Box<Event>),
    /// The end of a dead instance's own log.
    LastWords(Box<LastWords>),
    /// What the cgroups of an instance counted.
    Cgroup(Box<Cgroup>),
    /// File names in the volumes of a pod.
    Listing(Box<Listing>),
    /// What the container runtime answered.
    Runtime(Box<RuntimeStatus>),
    /// What the container runtime knows of the containers of a pod.
    Containers(Box<Containers>),
    /// The disks and the pod network.
    View(Box<crate::node::View>),
    /// What the folder of a pod's logs shows.
    LogFolder(Box<LogFolder>),
    /// A line of trouble in the log of one of the node's own agents.
    Said(Box<Said>),
    /// A want that could not be served: the engine waits no longer.
    Absent(Absent),
}

/// A fact with the time at which it was true.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dated {
    /// When it was true.
    pub at: Micros,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// Names a pod. At least a uid, or namespace and name.
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
#[serde(default)]
pub struct PodRef {
    /// Namespace
    pub namespace: Option<String>,
    /// Name
    pub name: Option<String>,
    /// The uid that the kubelet logs.
    pub uid: Option<String>,
}

/// One instance of one container of a pod.
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
#[serde(default)]
pub struct Instance {
    /// Whose.
    pub pod: PodRef,
    /// Container name.
    pub container: String,
    /// Container id without its scheme, where known.
    pub container_id: Option<String>,
    /// 0 for the first; the number of `N.log`, where known.
    pub attempt: Option<u32>,
    /// When it ended, where known: tells instances apart that have no id.
    pub ended: Option<Micros>,
}

/// The complete set of pods of this node as of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PodsListed {
    /// The kubelet's uids.
    pub uids: Vec<String>,
}

/// A want that stays unanswered.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Absent {
    /// Which.
    pub want: Want,
    /// One clause for humans.
    pub why: String,
}

/// What the diagnosis wants to know, now. Served by `app` where it is configured and possible; the
/// answer comes back as a [`Fact`], or as [`Fact::Absent`].
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// The end of this instance's log: at once, the kubelet deletes it soon.
    LastWords(Instance),
    /// What the cgroups of this instance and its pod count.
    Cgroup(Instance),
    /// The file names in these volumes of the pod.
    Listing {
        /// Whose.
        pod: PodRef,
        /// Volume names.
        volumes: Vec<String>,
    },
    /// Ask the runtime how it is.
    Runtime,
    /// Ask the runtime for the containers of this pod: how they ended, what they mount.
    Containers(PodRef),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node;

    #[test]
    fn a_fact_of_each_kind_comes_back_from_its_line_of_a_bundle() {
        let disk = node::Disk {
            role: node::DiskRole::Kubelet,
            at: 3,
            free_bytes: 1 << 30,
            total_bytes: 1 << 34,
            inodes_free: Some(0),
            inodes_total: Some(45_000),
            read_only: Some(false),
        };
        let view = node::View { at: 7, disks: vec![disk], ..node::View::default() };
        let pod = || PodRef { uid: Some("a".to_owned()), ..PodRef::default() };
        let kinds = [
            Fact::Pod(Box::default()),
            Fact::PodGone(pod()),
            Fact::PodsListed(PodsListed { uids: vec!["a".to_owned()] }),
            Fact::NodeObject(Box::default()),
            Fact::Event(Box::default()),
            Fact::LastWords(Box::default()),
            Fact::Cgroup(Box::default()),
            Fact::Listing(Box::default()),
            Fact::Runtime(Box::default()),
            Fact::Containers(Box::default()),
            Fact::View(Box::new(view)),
            Fact::LogFolder(Box::default()),
            Fact::Said(Box::default()),
            Fact::Absent(Absent { want: Want::Runtime, why: "no socket".to_owned() }),
        ];
        for fact in kinds {
            let dated = Dated { at: 1_795_384_800_000_000, fact };
            let line = serde_json::to_string(&dated).unwrap();
            assert_eq!(serde_json::from_str::<Dated>(&line).unwrap(), dated, "{line}");
        }
    }
}
