//! The folders below `/var/log/pods`: which pods and containers there are, and their newest attempt.
//! Listed when something in them changed, and only then. Opens no log.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use podwhy_parser::pod_path::{Directory, LogFile};
use tokio::time::Instant;

use crate::{
    folder::Folder,
    limits,
    source::follow::wake::{For, Wake, Woken},
};

/// What is new in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A container has a log of this attempt, its newest.
    Began { pod: String, container: String, attempt: u32, is_first_look: bool },
    /// The pod's folder is gone.
    Gone { pod: String },
}

/// What it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Costs {
    /// Folders that were listed.
    pub(super) listed: u64,
    /// Folders whose time was looked at.
    pub(super) looked_at: u64,
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    folder: Option<Folder>,
    seen: Seen,
    pods: BTreeMap<String, PodFolder>,
    watched: BTreeMap<i32, Spot>,
    rescan_at: Option<Instant>,
    has_looked: bool,
    trouble: Option<String>,
    costs: Costs,
}

#[derive(Debug, Default)]
struct PodFolder {
    seen: Seen,
    containers: BTreeMap<String, ContainerFolder>,
}

#[derive(Debug, Default)]
struct ContainerFolder {
    seen: Seen,
    newest: Option<u32>,
}

/// A folder as it was when it was listed.
#[derive(Debug, Default)]
struct Seen {
    /// When it had been changed, in nanoseconds. `None`: not long before it was listed, so that a
    /// later change may bear the same time.
    changed: Option<i64>,
    watch: Option<i32>,
}

/// What a watch is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    Root,
    Pod(String),
    Container(String, String),
}

impl Tree {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            folder: None,
            seen: Seen::default(),
            pods: BTreeMap::new(),
            watched: BTreeMap::new(),
            rescan_at: None,
            has_looked: false,
            trouble: None,
            costs: Costs::default(),
        }
    }

    #[cfg(test)]
    pub(super) const fn costs(&self) -> Costs {
        self.costs
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Containers with their newest attempt.
    pub(super) fn newest(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.pods.iter().flat_map(|(pod, folder)| {
            folder.containers.iter().filter_map(move |(container, folder)| {
                Some((pod.as_str(), container.as_str(), folder.newest?))
            })
        })
    }

    /// Looks at what the kernel names, and now and then at all: by the clock alone where the kernel
    /// names nothing.
    pub(super) fn look(&mut self, wake: &mut Wake, woken: &Woken, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        let is_due = self.rescan_at.is_none_or(|at| now >= at);
        let outcome = if is_due || woken.has_overrun {
            let pause = match wake.refused() {
                Some(_) => limits::TREE_RESCAN_BY_CLOCK,
                None => limits::TREE_RESCAN,
            };
            self.rescan_at = Some(now + pause);
            self.look_at_all(wake, &mut news)
        } else {
            let spots = woken.watches.iter().filter_map(|watch| self.watched.get(watch).cloned());
            let spots: BTreeSet<Spot> = spots.collect();
            spots.into_iter().try_for_each(|spot| self.look_at(&spot, wake, &mut news))
        };
        match outcome {
            Ok(()) => {
                self.trouble = None;
                self.has_looked = true;
            }
            Err(error) => {
                self.trouble = Some(format!("{}: {error}", self.root.display()));
                // Tried again from its beginning.
                self.folder = None;
                self.seen = Seen::default();
            }
        }
        news
    }

    fn look_at_all(&mut self, wake: &mut Wake, news: &mut Vec<News>) -> io::Result<()> {
        if self.folder.is_none() {
            self.folder = Some(Folder::open(&self.root)?);
        }
        // What is new is looked at as it is found.
        let known: Vec<(String, Vec<String>)> = self
            .pods
            .iter()
            .map(|(pod, folder)| (pod.clone(), folder.containers.keys().cloned().collect()))
            .collect();
        self.root(wake, news, false)?;
        for (pod, containers) in known {
            self.pod(&pod, wake, news, false);
            for container in containers {
                self.container(&pod, &container, wake, news, false);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, spot: &Spot, wake: &mut Wake, news: &mut Vec<News>) -> io::Result<()> {
        match spot {
            Spot::Root => self.root(wake, news, true)?,
            Spot::Pod(pod) => self.pod(pod, wake, news, true),
            Spot::Container(pod, container) => self.container(pod, container, wake, news, true),
        }
        Ok(())
    }

    /// Pods that came and went.
    fn root(&mut self, wake: &mut Wake, news: &mut Vec<News>, surely: bool) -> io::Result<()> {
        // The root may have been removed and made anew: by its path, as it was configured.
        let metadata = std::fs::metadata(&self.root)?;
        let changed = nanoseconds(&metadata);
        self.costs.looked_at += 1;
        if !surely && self.seen.changed == Some(changed) {
            return Ok(());
        }
        let folder = Folder::open(&self.root)?;
        // It may be a link: whoever configured it meant where it leads.
        let path = std::fs::canonicalize(&self.root)?;
        let seen = watch(wake, &mut self.watched, &path, Spot::Root, changed);
        let names = folder.names(limits::POD_LOG_FOLDERS)?;
        self.costs.listed += 1;
        self.folder = Some(folder);
        self.seen = seen;
        let names: BTreeSet<String> =
            names.into_iter().filter(|name| Directory::parse(name).is_some()).collect();
        let gone: Vec<String> =
            self.pods.keys().filter(|pod| !names.contains(*pod)).cloned().collect();
        for pod in gone {
            self.forget(&pod, wake);
            news.push(News::Gone { pod });
        }
        for pod in names {
            if !self.pods.contains_key(&pod) {
                self.pods.insert(pod.clone(), PodFolder::default());
                self.pod(&pod, wake, news, true);
            }
        }
        Ok(())
    }

    /// Containers that came and went. What cannot be looked at is on its way out, and its parent
    /// says so.
    fn pod(&mut self, pod: &str, wake: &mut Wake, news: &mut Vec<News>, surely: bool) {
        let Some(root) = &self.folder else { return };
        self.costs.looked_at += 1;
        let Ok(changed) = root.changed(pod) else { return };
        let Some(known) = self.pods.get_mut(pod) else { return };
        if !surely && known.seen.changed == Some(changed) {
            return;
        }
        let path = self.root.join(pod);
        let seen = watch(wake, &mut self.watched, &path, Spot::Pod(pod.to_owned()), changed);
        self.costs.listed += 1;
        let names = root.below(OsStr::new(pod)).and_then(|it| it.names(limits::POD_CONTAINERS));
        let Ok(names) = names else { return };
        known.seen = seen;
        let gone: Vec<String> = known
            .containers
            .keys()
            .filter(|container| !names.contains(container))
            .cloned()
            .collect();
        for container in gone {
            if let Some(watch) = known.containers.remove(&container).and_then(|it| it.seen.watch) {
                self.watched.remove(&watch);
                wake.unwatch(watch);
            }
        }
        let new: Vec<String> =
            names.into_iter().filter(|name| !known.containers.contains_key(name)).collect();
        for container in new {
            if let Some(known) = self.pods.get_mut(pod) {
                known.containers.insert(container.clone(), ContainerFolder::default());
            }
            self.container(pod, &container, wake, news, true);
        }
    }

    /// Attempts of one container.
    fn container(
        &mut self,
        pod: &str,
        container: &str,
        wake: &mut Wake,
        news: &mut Vec<News>,
        surely: bool,
    ) {
        let Some(root) = &self.folder else { return };
        self.costs.looked_at += 1;
        let known = self.pods.get_mut(pod).and_then(|it| it.containers.get_mut(container));
        let (Ok(changed), Some(known)) = (root.changed(&format!("{pod}/{container}")), known)
        else {
            return;
        };
        if !surely && known.seen.changed == Some(changed) {
            return;
        }
        let path = self.root.join(pod).join(container);
        let spot = Spot::Container(pod.to_owned(), container.to_owned());
        let seen = watch(wake, &mut self.watched, &path, spot, changed);
        self.costs.listed += 1;
        let folder = root.below(OsStr::new(pod)).and_then(|it| it.below(OsStr::new(container)));
        let Ok(names) = folder.and_then(|folder| folder.names(limits::POD_LOG_FILES)) else {
            return;
        };
        known.seen = seen;
        let attempts = names.iter().filter_map(|name| LogFile::parse(name));
        let newest = attempts.filter(|file| !file.is_leftover).map(|file| file.restarts).max();
        // Numbers only rise: a rotation has no current file for a moment.
        if let Some(attempt) = newest.filter(|newest| known.newest.is_none_or(|it| it < *newest)) {
            known.newest = Some(attempt);
            let (pod, container) = (pod.to_owned(), container.to_owned());
            let is_first_look = !self.has_looked;
            news.push(News::Began { pod, container, attempt, is_first_look });
        }
    }

    fn forget(&mut self, pod: &str, wake: &Wake) {
        let Some(known) = self.pods.remove(pod) else { return };
        let inner = known.containers.into_values().filter_map(|it| it.seen.watch);
        for watch in known.seen.watch.into_iter().chain(inner) {
            self.watched.remove(&watch);
            wake.unwatch(watch);
        }
    }
}

/// Watched first and listed then: whatever comes in between is told.
fn watch(
    wake: &mut Wake,
    watched: &mut BTreeMap<i32, Spot>,
    path: &Path,
    spot: Spot,
    changed: i64,
) -> Seen {
    let watch = wake.watch(path, For::Names).ok();
    if let Some(watch) = watch {
        watched.insert(watch, spot);
    }
    let now = jiff::Timestamp::now().as_nanosecond();
    let is_settled = now - i128::from(changed) > limits::TREE_SETTLED.as_nanos().cast_signed();
    Seen { changed: is_settled.then_some(changed), watch }
}

fn nanoseconds(metadata: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}
