//! The node's journal. Owns: the reader child, kept running whatever it dies of, and the position
//! that it goes on from. Does not: touch libsystemd (the child does) or judge lines.
//!
//! ```text
//! reader (child): libsystemd → entry → frame ══pipe══► journal: frame → Batch → feed → core
//! ```

pub mod counters;
mod frame;
mod lines;
mod losses;

pub mod reader;
mod sd;
mod supervisor;
mod trust;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use self::counters::Counters;
use crate::source::{Feed, Micros, Position};

/// The name of this source in positions.
pub const SOURCE: &str = "journal";

/// Which journal is read, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Holds `run/log/journal` and `var/log/journal`; both are read.
    pub root: PathBuf,
    /// One folder of journal files instead of the root's two.
    pub directory: Option<PathBuf>,
    /// Units that are believed, when root runs them.
    pub units: Vec<String>,
    /// Syslog identifiers that lines of these units carry: others that use them are counted.
    pub identifiers: Vec<String>,
    /// Whether kernel lines are read.
    pub kernel: bool,
    /// Where reading begins when there is no position yet.
    pub start: Start,
    /// Pause between two looks while lines come.
    pub look_busy: Duration,
    /// Pause between two looks on a quiet node.
    pub look_idle: Duration,
    /// How long after a line the node still counts as busy.
    pub busy_for: Duration,
    /// Share of one core that the first read after a start may take; 1 is no limit.
    pub first_pass_share: f64,
    /// Silence after which the reader is taken for hung; it speaks at least every second.
    pub hang: Duration,
    /// The library's file name or path.
    pub library: String,
    /// The program that becomes the reader, if not this one.
    pub program: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let section = crate::config::Journal::default();
        Self {
            root: PathBuf::from("/"),
            directory: None,
            units: section.units,
            identifiers: section.identifiers,
            kernel: section.kernel,
            start: Start::default(),
            look_busy: Duration::from_millis(25),
            look_idle: Duration::from_millis(250),
            busy_for: Duration::from_secs(10),
            first_pass_share: 1.0,
            hang: Duration::from_secs(10),
            library: sd::LIBRARY.to_owned(),
            program: None,
        }
    }
}

impl TryFrom<&crate::config::Journal> for Config {
    type Error = String;

    /// libsystemd follows one folder, or the two of one root; other lists cannot be followed
    /// through rotations (J10), so they are refused.
    fn try_from(section: &crate::config::Journal) -> Result<Self, String> {
        let roots: Vec<&Path> = section.folders.iter().filter_map(|path| root_of(path)).collect();
        let (root, directory) = match (section.folders.as_slice(), roots.as_slice()) {
            ([..], [first, others @ ..])
                if roots.len() == section.folders.len() && others.iter().all(|o| o == first) =>
            {
                (first.to_path_buf(), None)
            }
            ([folder], _) => (PathBuf::from("/"), Some(folder.clone())),
            _ => {
                return Err("journal.folders: name one folder, or ROOT/var/log/journal and \
                            ROOT/run/log/journal of one root"
                    .to_owned());
            }
        };
        Ok(Self {
            root,
            directory,
            units: section.units.clone(),
            identifiers: section.identifiers.clone(),
            kernel: section.kernel,
            start: Start {
                this_boot: true,
                window: Some(section.first_read.max_age),
                entries: u32::try_from(section.first_read.max_entries).unwrap_or(u32::MAX),
            },
            first_pass_share: section.catchup.cpu,
            library: section
                .library
                .as_ref()
                .map_or_else(|| sd::LIBRARY.to_owned(), |path| path.to_string_lossy().into_owned()),
            ..Self::default()
        })
    }
}

/// `ROOT` of `ROOT/var/log/journal` and `ROOT/run/log/journal`.
fn root_of(folder: &Path) -> Option<&Path> {
    let is_one = folder.ends_with("var/log/journal") || folder.ends_with("run/log/journal");
    if is_one { folder.ancestors().nth(3) } else { None }
}

/// Where the first read begins: at the latest of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Start {
    /// Not before this boot, where the journal knows it.
    pub this_boot: bool,
    /// So long ago at most.
    pub window: Option<Duration>,
    /// So many entries of the units at most.
    pub entries: u32,
}

impl Default for Start {
    fn default() -> Self {
        let window = Some(Duration::from_secs(2 * 60 * 60));
        Self { this_boot: true, window, entries: 200_000 }
    }
}

/// How the source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The reader opens the journal.
    Starting,
    /// It reads what is already there.
    CatchingUp,
    /// It has read all there is.
    Following,
    /// It ended and comes back; says why.
    Restarting(String),
    /// It cannot work; says what to do. Tried again from time to time.
    Unavailable(String),
    /// Ended by us.
    Stopped,
}

/// What the parent orders of a new child.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Request {
    config: Config,
    from: From,
    /// Announce each entry, because the child before died.
    single_step: bool,
    /// The entry that killed too often.
    skip: Option<String>,
}

/// Where a child begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum From {
    /// As [`Start`] says.
    Start,
    /// Behind this entry.
    Cursor { cursor: String, at: Micros },
    /// At this time.
    Time(Micros),
}

/// A running journal source. Dropping it ends the source.
#[derive(Debug)]
pub struct Handle {
    counters: Arc<Counters>,
    state: Arc<Mutex<State>>,
    /// Closing it is the order to stop.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// Starts to read behind `from`, else where `config.start` says. Feeds wait while the channel is
/// full.
pub fn spawn(
    config: Config,
    from: Option<Position>,
    feed: SyncSender<Feed>,
) -> std::io::Result<Handle> {
    let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let counters = Arc::new(Counters::default());
    let state = Arc::new(Mutex::new(State::Starting));
    let supervisor = supervisor::Supervisor::new(
        config,
        from,
        feed,
        stopped,
        Arc::clone(&counters),
        Arc::clone(&state),
    );
    let thread =
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || supervisor.run())?;
    Ok(Handle { counters, state, stop: Some(stop), thread: Some(thread) })
}

impl Handle {
    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// How the source is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the reader and returns when the source is gone, which takes at most
    /// `supervisor::END_WITHIN`. Nothing is lost: what was not handed on is read again next time.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

/// Wall time. Journal entries carry it too.
fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folders: &[&str]) -> Result<Config, String> {
        let folders = folders.iter().map(PathBuf::from).collect();
        Config::try_from(&crate::config::Journal { folders, ..Default::default() })
    }

    #[test]
    fn the_two_folders_of_a_root_are_read_as_one_journal() {
        let usual = config(&["/var/log/journal", "/run/log/journal"]).unwrap();
        assert_eq!((usual.root, usual.directory), (PathBuf::from("/"), None));
        let host = config(&["/host/run/log/journal", "/host/var/log/journal"]).unwrap();
        assert_eq!((host.root, host.directory), (PathBuf::from("/host"), None));
        let other = config(&["/srv/journals"]).unwrap();
        assert_eq!(other.directory, Some(PathBuf::from("/srv/journals")));
        let refused = config(&["/srv/a", "/srv/b"]).unwrap_err();
        assert!(refused.starts_with("journal.folders: "), "{refused}");
        config(&["/a/var/log/journal", "/b/run/log/journal"]).unwrap_err();
    }
}
