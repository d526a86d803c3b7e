//! Whether the node is well, and why not. Pure.

use super::{Snapshot, words};
use crate::admin::history::thousandths;
use crate::incident::{Incident, Scope, State};
use crate::node::{Disk, DiskRole, View};

/// How the node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing that is known fails.
    Good,
    /// Something is wrong, the node itself is not.
    Warn,
    /// The node itself is not well.
    Bad,
    /// Nothing is read: nobody knows.
    Unknown,
}

impl Level {
    pub(super) const fn shade(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Unknown => "quiet",
        }
    }

    /// For programs.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Good => "healthy",
            Self::Warn => "degraded",
            Self::Bad => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// What is said of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    pub(super) headline: String,
    /// Worst first.
    pub(super) why: Vec<Why>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) level: Level,
    pub(super) text: String,
    /// Where more is said of it.
    pub(super) address: Option<String>,
}

fn because(level: Level, text: String) -> Why {
    Why { level, text, address: None }
}

pub(super) fn of(known: &Snapshot) -> Verdict {
    let mut why = Vec::new();
    let is_root = |it: &&Incident| words::is_root(&known.incidents, it);
    let roots: Vec<&Incident> = known.incidents.iter().filter(is_root).collect();
    for incident in roots.iter().filter(|it| it.scope == Scope::Node) {
        let (level, heals) = match incident.state {
            State::Recovering => (Level::Warn, " (recovering)"),
            _ => (Level::Bad, ""),
        };
        let text = format!("{}{heals}", words::plain(&incident.cause.title));
        why.push(Why { level, text, address: Some(words::address(incident)) });
    }
    if let Some(view) = &known.scrape.view {
        looks(view, &mut why);
    }
    let of_pods: Vec<_> = roots.iter().filter(|it| it.scope != Scope::Node).collect();
    if !of_pods.is_empty() {
        let pods = of_pods.iter().map(|it| it.pod_count.max(1)).sum();
        why.push(because(Level::Warn, format!("{} not as it should be", pods_are(pods))));
    }
    podwhy_itself(known, &mut why);
    why.sort_by_key(|it| std::cmp::Reverse(it.level));
    let level = match why.first().map_or(Level::Good, |it| it.level) {
        // What is not seen may be worse than what is.
        _ if !known.is_reading => Level::Unknown,
        level => level,
    };
    let headline = match level {
        Level::Good => "healthy",
        Level::Warn => "the node is well, not all on it is",
        Level::Bad => "not healthy",
        Level::Unknown => "not known: nothing is read",
    };
    Verdict { level, headline: headline.to_owned(), why }
}

fn pods_are(count: u64) -> String {
    if count == 1 { "1 pod is".to_owned() } else { format!("{} pods are", words::count(count)) }
}

fn looks(view: &View, why: &mut Vec<Why>) {
    if let Some(cni) = view.cni.as_ref().filter(|cni| !cni.ready) {
        let detail = cni.detail.as_deref().map(words::plain).unwrap_or_default();
        let colon = if detail.is_empty() { "" } else { ": " };
        why.push(because(Level::Bad, format!("the pod network is not ready{colon}{detail}")));
    }
    for disk in &view.disks {
        let name = disk.role.name();
        if disk.read_only == Some(true) {
            why.push(because(Level::Bad, format!("the filesystem of {name} is read-only")));
        }
        if is_short(disk) {
            why.push(because(
                Level::Warn,
                format!("the filesystem of {name} is short of room: the kubelet may evict pods"),
            ));
        }
    }
    for stuck in &view.stuck {
        let what = words::plain(stuck);
        why.push(because(Level::Warn, format!("a look at {what} does not come back")));
    }
}

/// Below what the kubelet's defaults allow.
pub(super) fn is_short(disk: &Disk) -> bool {
    let (bytes, inodes) = match disk.role {
        DiskRole::Runtime => (150, 50),
        DiskRole::Kubelet | DiskRole::Root => (100, 50),
        // Nobody evicts for these; what writes there fails once they are full.
        DiskRole::RuntimeState | DiskRole::Log => (20, 20),
    };
    let below = |free: Option<u16>, least: u16| free.is_some_and(|free| free < least);
    let of_inodes = disk.inodes_free.zip(disk.inodes_total);
    below(thousandths(disk.free_bytes, disk.total_bytes), bytes)
        || below(of_inodes.and_then(|(free, total)| thousandths(free, total)), inodes)
}

fn podwhy_itself(known: &Snapshot, why: &mut Vec<Why>) {
    let told = known.blind.iter().map(|text| words::plain(text));
    let level = if known.is_reading { Level::Warn } else { Level::Unknown };
    why.extend(told.map(|text| because(level, text)));
    if let Some(trouble) = &known.state_trouble {
        let trouble = words::plain(trouble);
        why.push(because(
            Level::Warn,
            format!("nothing becomes durable: the state folder: {trouble}"),
        ));
    }
    for (name, reason) in &known.troubled {
        let (name, reason) = (words::plain(name), words::plain(reason));
        let text = format!("nothing gets through to {name}, it is tried again: {reason}");
        why.push(because(Level::Warn, text));
    }
    for (name, reason) in &known.paused {
        let (name, reason) = (words::plain(name), words::plain(reason));
        why.push(because(Level::Warn, format!("nothing is sent to {name}: {reason}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Cause;

    fn incident(scope: Scope, state: State, title: &str) -> Incident {
        let cause = Cause { title: title.to_owned(), ..Cause::default() };
        Incident { scope, state, cause, pod_count: 2, ..Incident::default() }
    }

    fn reading(incidents: Vec<Incident>) -> Snapshot {
        Snapshot { is_reading: true, incidents, ..Snapshot::default() }
    }

    #[test]
    fn a_node_where_nothing_fails_is_healthy_and_one_that_is_not_read_is_not() {
        assert_eq!(of(&reading(vec![])).level, Level::Good);
        let over = incident(Scope::Node, State::Resolved, "was");
        assert_eq!(of(&reading(vec![over])).level, Level::Good);
        let blind = Snapshot { blind: vec!["no journal".to_owned()], ..Snapshot::default() };
        let told = of(&blind);
        assert_eq!((told.level, told.why.len()), (Level::Unknown, 1));
    }

    #[test]
    fn what_concerns_the_node_weighs_more_than_its_pods_and_members_do_not_count() {
        let pods = Incident { id: "x".to_owned(), ..incident(Scope::Pod, State::Open, "pod") };
        let member = Incident {
            id: "y".to_owned(),
            parent: Some("x".to_owned()),
            ..incident(Scope::Pod, State::Open, "member")
        };
        let over = Incident { state: State::Resolved, ..pods.clone() };
        let left = of(&reading(vec![over, member.clone()]));
        assert_eq!(left.level, Level::Warn, "it fails, though what was above it is over");
        let told = of(&reading(vec![pods.clone(), member]));
        assert_eq!(told.level, Level::Warn);
        let pods_are = because(Level::Warn, "2 pods are not as it should be".to_owned());
        assert_eq!(told.why, [pods_are]);
        let told = of(&reading(vec![pods, incident(Scope::Node, State::Open, "no network")]));
        assert_eq!(told.level, Level::Bad);
        assert_eq!((told.why[0].level, told.why[0].text.as_str()), (Level::Bad, "no network"));
        let heals = incident(Scope::Node, State::Recovering, "no network");
        let told = of(&reading(vec![heals]));
        assert_eq!(
            (told.level, told.why[0].text.as_str()),
            (Level::Warn, "no network (recovering)")
        );
    }

    #[test]
    fn a_disk_is_short_where_the_kubelet_would_evict() {
        let disk = |role, free, inodes| Disk {
            role,
            at: 0,
            free_bytes: free,
            total_bytes: 1000,
            inodes_free: Some(inodes),
            inodes_total: Some(1000),
            read_only: None,
        };
        assert!(is_short(&disk(DiskRole::Kubelet, 99, 999)));
        assert!(is_short(&disk(DiskRole::Kubelet, 999, 49)));
        assert!(!is_short(&disk(DiskRole::Kubelet, 101, 51)));
        assert!(is_short(&disk(DiskRole::Runtime, 149, 999)));
        assert!(!is_short(&disk(DiskRole::Log, 50, 50)));
    }
}
