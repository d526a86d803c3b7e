//! What `podwhy check` asks of the folder of container logs. Owns the look; it ends with the command.

use std::{ffi::OsStr, io, path::Path};

use podwhy_parser::pod_path::{Directory, LogFile};

use super::{Config, choice::Choice};
use crate::{
    folder::Folder,
    limits,
    source::follow::wake::{For, Wake},
};

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Folders of pods.
    pub pods: usize,
    /// Folders of containers that have a log.
    pub containers: usize,
    /// Containers whose logs are read as they grow, as far as names tell: labels come from the API.
    pub followed: usize,
    /// The first folder that cannot be read.
    pub denied: Option<String>,
    /// Why the kernel does not tell of changes; then they are looked for by the clock.
    pub unwatched: Option<String>,
}

/// Looks at all of it once.
///
/// # Errors
/// Where the folder cannot be listed.
pub fn look(config: &Config) -> io::Result<Seen> {
    let root = Folder::open(&config.root)?;
    let choice = Choice::new(&config.follow, &config.follow_labels, &config.denied_namespaces);
    let mut seen = Seen::default();
    let names = root.names(limits::POD_LOG_FOLDERS)?;
    for pod in names.iter().filter(|name| Directory::parse(name).is_some()) {
        seen.pods += 1;
        if let Err(error) = look_at_pod(&root, pod, choice.takes(pod), &mut seen) {
            seen.denied.get_or_insert_with(|| format!("{pod}: {error}"));
        }
    }
    seen.followed = seen.followed.min(limits::FOLLOWED_LOGS);
    seen.unwatched = unwatched(&config.root, 1 + seen.pods + seen.containers);
    Ok(seen)
}

fn look_at_pod(root: &Folder, pod: &str, is_chosen: bool, seen: &mut Seen) -> io::Result<()> {
    let folder = root.below(OsStr::new(pod))?;
    for container in folder.names(limits::POD_CONTAINERS)? {
        let names = folder.below(OsStr::new(&container))?.names(limits::POD_LOG_FILES)?;
        if names.iter().any(|name| LogFile::parse(name).is_some()) {
            seen.containers += 1;
            seen.followed += usize::from(is_chosen);
        }
    }
    Ok(())
}

/// Why the kernel would not wake us, where it would not.
fn unwatched(root: &Path, folders: usize) -> Option<String> {
    let (stopped, _stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
    let mut wake = Wake::new(stopped);
    let path = std::fs::canonicalize(root).ok()?;
    if let Err(why) = wake.watch(&path, For::Names) {
        return Some(why);
    }
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?;
    let limit: usize = limit.trim().parse().ok()?;
    (folders > limit).then(|| {
        format!("{folders} folders need a watch each, fs.inotify.max_user_watches is {limit}")
    })
}
