//! The node's journal. Owns: the reader child, kept running whatever it dies of, and the position
//! that it goes on from. Does not: touch libsystemd (the child does) or judge lines.
//!
//! ```text
//! reader (child): libsystemd → entry → frame ══pipe══► journal: frame → Batch → feed → core
//! ```

pub mod bare;
pub mod counters;
mod frame;
mod lines;
mod losses;
pub mod others;
pub mod probe;

pub mod reader;
mod sd;
mod supervisor;
mod trust;
pub mod units;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::counters::Counters;
pub use self::units::Unit;
use crate::source::{Micros, Outlet, Position};

/// The name of this source in positions.
pub const SOURCE: &str = "journal";

/// Which journal is read, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Holds `run/log/journal` and `var/log/journal`; both are read.
    pub root: PathBuf,
    /// One folder of journal files instead of the root's two.
    pub directory: Option<PathBuf>,
    /// The source's name in positions: [`SOURCE`], unless it is one of several journals.
    pub source: String,
    /// While it catches up, no batch reaches over more time than this, so that what other sources
    /// have of the same time comes beside it.
    pub span: Option<Duration>,
    /// Units that are believed, when root runs them.
    pub units: Vec<Unit>,
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
        Self::from(&crate::config::Journal::default())
    }
}

impl std::convert::From<&crate::config::Journal> for Config {
    fn from(section: &crate::config::Journal) -> Self {
        Self {
            root: section.root.clone(),
            directory: section.folder.clone(),
            source: SOURCE.to_owned(),
            span: None,
            units: section.units.iter().map(|text| Unit::parse(text)).collect(),
            start: Start {
                this_boot: true,
                window: Some(section.first_read.max_age),
                entries: u32::try_from(section.first_read.max_entries).unwrap_or(u32::MAX),
            },
            look_busy: Duration::from_millis(25),
            look_idle: Duration::from_millis(250),
            busy_for: Duration::from_secs(10),
            first_pass_share: section.catchup.cpu,
            hang: Duration::from_secs(10),
            library: section.library.to_string_lossy().into_owned(),
            program: None,
        }
    }
}

/// Where the first read begins: at the latest of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Not before this boot, where the journal knows it.
    pub this_boot: bool,
    /// So long ago at most.
    pub window: Option<Duration>,
    /// So many entries of the units at most.
    pub entries: u32,
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
pub fn spawn(config: Config, from: Option<Position>, feed: impl Outlet) -> std::io::Result<Handle> {
    let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let counters = Arc::new(Counters::default());
    let state = Arc::new(Mutex::new(State::Starting));
    let supervisor = supervisor::Supervisor::new(
        config,
        from,
        Box::new(feed),
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

    /// How the source is, for who has no handle.
    pub fn sight(&self) -> impl Fn() -> State + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the reader and returns when the source is gone, which takes at most
    /// `supervisor::END_WITHIN`. Nothing is lost: what was not handed on is read again next time.
    pub fn stop(mut self) {
        self.end();
    }

    /// The same for several: all are told before any is waited for.
    pub fn stop_all(handles: impl IntoIterator<Item = Self>) {
        let mut handles: Vec<Self> = handles.into_iter().collect();
        handles.iter_mut().for_each(|handle| handle.stop = None);
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
