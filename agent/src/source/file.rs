//! Logs of kubelet and runtimes that are files: RKE2's and k3s' own, and syslog on nodes without a
//! journal. Owns their order in time and the position of all of them. The same promise as the
//! journal's: each line once while it runs, what is lost is told.

mod batch;
mod decode;
#[cfg(test)]
mod tests;

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use podwhy_parser::Origin;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::{batch::Batch, decode::Decoder};
use super::{
    Feed, Lines as _, Micros, Outlet, Position,
    follow::{
        AnyPath, First, Follow, Id, Lost, LostKind, Saved,
        pulse::Pulse,
        pump::{Over, Pump},
        thread::Thread,
        wake::{For, Wake},
    },
};
use crate::{limits, wall_clock};

/// The name of this source in positions.
pub const SOURCE: &str = "files";

/// Which files are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The files.
    pub logs: Vec<LogFile>,
    /// Folders of journal files: where one holds any, syslog says nothing new.
    pub journals: Vec<PathBuf>,
    /// Where reading begins when there is no position yet: no older lines than this.
    pub max_age: Duration,
    /// While it catches up, no batch reaches over more time: others have lines of it, too.
    pub span: Option<Duration>,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is. A link is followed.
    pub path: PathBuf,
    /// Whose lines it holds.
    pub kind: Kind,
}

/// Whose lines a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kubelet's.
    Kubelet,
    /// containerd's.
    Containerd,
    /// CRI-O's.
    Crio,
    /// Docker's.
    Docker,
    /// Everybody's: each line names its writer. Read where there is no journal.
    Syslog,
}

impl Kind {
    /// By its name in the configuration.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "kubelet" => Self::Kubelet,
            "containerd" => Self::Containerd,
            "crio" => Self::Crio,
            "docker" => Self::Docker,
            "syslog" => Self::Syslog,
            _ => return None,
        })
    }

    const fn origin(self) -> Option<Origin> {
        match self {
            Self::Kubelet => Some(Origin::Kubelet),
            Self::Containerd => Some(Origin::Containerd),
            Self::Crio => Some(Origin::Crio),
            Self::Docker => Some(Origin::Docker),
            Self::Syslog => None,
        }
    }

    /// Whose lines are missing, where some are.
    const fn component(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Docker => "docker",
            Self::Syslog => "syslog",
        }
    }
}

/// `path=kind`.
#[must_use]
pub fn parse(text: &str) -> Option<LogFile> {
    let (path, kind) = text.rsplit_once('=')?;
    let path = PathBuf::from(path);
    path.is_absolute().then_some(LogFile { path, kind: Kind::parse(kind)? })
}

impl Config {
    /// Whether this log is read: syslog says nothing new where a journal is there.
    #[must_use]
    pub fn reads(&self, log: &LogFile) -> bool {
        log.kind != Kind::Syslog || !self.journals.iter().any(|folder| holds_journal(folder))
    }
}

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

/// A folder for each machine, with files in it.
fn holds_journal(folder: &Path) -> bool {
    let is_journal = |path: &Path| path.extension().is_some_and(|it| it == "journal");
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    entries(folder).take(limits::ROTATED_FILES).any(|entry| {
        let path = entry.path();
        is_journal(&path)
            || entries(&path).take(limits::ROTATED_LOOKED_AT).any(|it| is_journal(&it.path()))
    })
}

/// What cannot be read at the moment, for who asks.
type Troubles = Arc<Mutex<Vec<String>>>;

/// The same, and whether any is read.
type Told = (Troubles, Arc<AtomicBool>);

/// A running source. Dropping it ends the source.
#[derive(Debug)]
pub struct Handle {
    troubles: Troubles,
    pulse: Pulse,
    has_some: bool,
    is_reading: Arc<AtomicBool>,
    _thread: Thread,
}

/// Follows the files behind `from`.
///
/// # Errors
/// Where there can be no thread.
pub fn spawn(config: Config, from: Option<Position>, feed: impl Outlet) -> std::io::Result<Handle> {
    let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    start(config, from, Pump::new(Wake::new(stopped), Box::new(feed)), stop)
}

fn start(
    config: Config,
    from: Option<Position>,
    pump: Pump,
    stop: OwnedFd,
) -> std::io::Result<Handle> {
    let troubles = Troubles::default();
    let pulse = pump.wake.pulse().clone();
    let known = Arc::clone(&troubles);
    let is_reading = Arc::new(AtomicBool::new(false));
    let reading = Arc::clone(&is_reading);
    let (looked, look) = mpsc::sync_channel(1);
    let thread = Thread::spawn("files", stop, move || {
        pump.wake.pulse().asks(&"the folder of a followed log file".into());
        let has_some = config.logs.iter().any(|log| config.reads(log) && log.path.exists());
        // Nobody waits for it any more where that took too long.
        let _ = looked.send(has_some);
        // Either the agent ends, or nobody listens any more.
        let _over = Files::new(config, from, pump, (known, reading)).run();
    })?;
    // What does not answer may be there.
    let has_some = look.recv_timeout(limits::FOLLOW_BEGIN).unwrap_or(true);
    Ok(Handle { troubles, pulse, has_some, is_reading, _thread: thread })
}

impl Handle {
    /// Whether any of the logs was there at the start.
    #[must_use]
    pub const fn has_some(&self) -> bool {
        self.has_some
    }

    /// Whether any of them is open and read now.
    pub fn is_reading(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let is_reading = Arc::clone(&self.is_reading);
        move || is_reading.load(Relaxed)
    }

    /// What cannot be read, for who has no handle.
    pub fn sight(&self) -> impl Fn() -> Vec<String> + Send + Sync + 'static {
        let (troubles, hang) = (Arc::clone(&self.troubles), self.hang());
        move || {
            let troubles = troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
            troubles.into_iter().chain(hang()).collect()
        }
    }

    /// What does not answer, and has stopped all of it.
    pub fn hang(&self) -> impl Fn() -> Option<String> + Send + Sync + use<> {
        let pulse = self.pulse.clone();
        move || pulse.hangs()
    }
}

/// The position: every log by its path.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    logs: Vec<(String, LogPlace)>,
}

/// Where one log stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct LogPlace {
    saved: Saved,
    zone: Option<Micros>,
    at: Micros,
}

/// The thread that follows.
struct Files {
    config: Config,
    pump: Pump,
    tails: Vec<Tail>,
    troubles: Troubles,
    is_reading: Arc<AtomicBool>,
    /// Of the newest line that was handed on.
    at: Micros,
    caught_up_at: Option<Instant>,
}

/// One log.
struct Tail {
    log: LogFile,
    shown: Arc<str>,
    follow: Follow,
    decoder: Decoder,
    /// The next line, decoded and not yet handed on.
    next: Batch,
    /// Lines before this are too old for a first read.
    not_before: Micros,
    /// Of its newest line.
    at: Micros,
    is_on: bool,
    is_moved: bool,
    watch: Option<(Id, i32)>,
}

impl Files {
    fn new(config: Config, from: Option<Position>, pump: Pump, told: Told) -> Self {
        let now = wall_clock::now();
        let old = from.as_ref().map(|from| postcard::from_bytes::<Place>(&from.value));
        let mut pump = pump;
        let (place, since) = match (old, &from) {
            (Some(Ok(place)), _) => (place, None),
            (Some(Err(_)), Some(from)) => {
                let why = "where the log files stood cannot be read any more".to_owned();
                let lost = Lost { kind: LostKind::Unreadable, lines: None, bytes: 0, why };
                pump.lost("files", lost, from.at, now);
                (Place::default(), Some(from.at))
            }
            _ => (Place::default(), None),
        };
        let max_age = micros(config.max_age);
        let oldest = since.unwrap_or_else(|| now.saturating_sub(max_age));
        let logs = config.logs.iter().take(limits::FOLLOWED_LOGS);
        let begin = |log| Tail::begin(log, &place, oldest, now, pump.wake.pulse());
        let tails = logs.map(begin).collect();
        let at = from.map_or(0, |from| from.at);
        let (troubles, is_reading) = told;
        Self { config, pump, tails, troubles, is_reading, at, caught_up_at: None }
    }

    fn run(&mut self) -> Result<(), Over> {
        let mut look_at = Instant::now();
        loop {
            let now = Instant::now();
            if now >= look_at {
                look_at = now + limits::FOLLOW_LOOK;
                self.choose();
            }
            for tail in self.tails.iter_mut().filter(|tail| tail.is_on) {
                self.pump.wake.pulse().asks(&tail.shown);
                tail.look(now);
            }
            let is_read = |tail: &Tail| {
                tail.is_on && tail.follow.current().is_some() && tail.follow.trouble().is_none()
            };
            self.is_reading.store(self.tails.iter().any(is_read), Relaxed);
            let is_full = self.hand_on(now)?;
            if is_full {
                if self.pump.wake.is_over() {
                    return Err(Over);
                }
                continue;
            }
            self.caught_up(now)?;
            self.watch();
            let pause = match self.pump.wake.refused() {
                Some(_) => limits::FOLLOW_LOOK_BY_CLOCK,
                None => limits::FOLLOW_LOOK,
            };
            if self.pump.wake.wait(pause).is_over {
                return Err(Over);
            }
        }
    }

    /// Syslog counts only where there is no journal.
    fn choose(&mut self) {
        for tail in &mut self.tails {
            self.pump.wake.pulse().asks(&tail.shown);
            tail.is_on = self.config.reads(&tail.log);
        }
        let troubles = self.tails.iter().filter_map(|tail| tail.follow.trouble());
        let troubles: Vec<_> = troubles.map(str::to_owned).collect();
        let mut known = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != troubles {
            for trouble in troubles.iter().filter(|it| !known.contains(it)) {
                tracing::warn!(%trouble, "a log file cannot be read; the other sources go on");
            }
            *known = troubles;
        }
    }

    /// Hands on the next lines of all logs in the order of their times. Whether there are more.
    fn hand_on(&mut self, now: Instant) -> Result<bool, Over> {
        let mut batch = Batch::default();
        let span = self.config.span.filter(|_| self.caught_up_at.is_none()).map(micros);
        // What other sources have of the same time comes beside it.
        let reaches = |batch: &Batch, at: Micros| {
            let reach = batch.first_at().map(|first| at.saturating_sub(first));
            reach.zip(span).is_some_and(|(reach, span)| reach >= span)
        };
        let mut is_far = false;
        while !batch.is_full() && !is_far {
            for tail in self.tails.iter_mut().filter(|tail| tail.is_on && tail.next.is_empty()) {
                self.pump.wake.pulse().asks(&tail.shown);
                tail.decode();
            }
            let ready = self.tails.iter_mut().filter(|tail| tail.is_on);
            let ready = ready.filter_map(|tail| Some((tail.next.first_at()?, tail)));
            let Some((at, tail)) = ready.min_by_key(|(at, _)| *at) else { break };
            is_far = reaches(&batch, at);
            if is_far {
                break;
            }
            batch.append(&mut tail.next);
            tail.at = tail.at.max(at);
            self.at = self.at.max(at);
            tail.take();
        }
        self.tell_losses(now)?;
        let is_full = batch.is_full() || is_far;
        let is_moved = self
            .tails
            .iter_mut()
            .fold(false, |is_moved, tail| std::mem::take(&mut tail.is_moved) | is_moved);
        if is_moved {
            let position = Some(self.position());
            self.pump.deliver(Feed::Batch { lines: Box::new(batch), position })?;
        }
        Ok(is_full)
    }

    fn tell_losses(&mut self, now: Instant) -> Result<(), Over> {
        let wall = wall_clock::now();
        for tail in &mut self.tails {
            for lost in tail.follow.take_lost() {
                tracing::warn!(why = lost.why, "lines of a log file are lost");
                self.pump.lost(&tail.shown, lost, tail.at, wall);
            }
            self.pump.tell_losses(now, tail.log.kind.component())?;
        }
        Ok(())
    }

    fn position(&self) -> Position {
        let logs = self.tails.iter().map(|tail| (tail.shown.to_string(), tail.place()));
        let place = Place { logs: logs.collect() };
        let value = postcard::to_stdvec(&place).unwrap_or_default();
        Position { source: SOURCE.to_owned(), value, at: self.at }
    }

    /// All that was there has been handed on.
    fn caught_up(&mut self, now: Instant) -> Result<(), Over> {
        let is_due =
            self.caught_up_at.is_none_or(|at| now.duration_since(at) >= limits::FOLLOW_LOOK);
        if !is_due {
            return Ok(());
        }
        self.caught_up_at = Some(now);
        self.pump.deliver(Feed::CaughtUp(wall_clock::now()))
    }

    /// Has the kernel wake us when one of the files grows. A rename is seen at the next look.
    fn watch(&mut self) {
        for tail in &mut self.tails {
            let current = tail.follow.current().map(|(id, _)| id);
            if tail.watch.map(|(id, _)| id) == current {
                continue;
            }
            if let Some((_, watch)) = tail.watch.take() {
                self.pump.wake.unwatch(watch);
            }
            let Some((id, file)) = tail.follow.current() else { continue };
            let link = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            if let Ok(watch) = self.pump.wake.watch(&link, For::Writes) {
                tail.watch = Some((id, watch));
            }
        }
    }
}

impl Tail {
    fn begin(log: &LogFile, place: &Place, oldest: Micros, now: Micros, pulse: &Pulse) -> Self {
        let shown: Arc<str> = log.path.display().to_string().into();
        pulse.asks(&shown);
        let known = place.logs.iter().find(|(path, _)| **path == *shown).map(|(_, place)| place);
        let path = Box::new(AnyPath::new(log.path.clone()));
        let saved = known.map(|place| &place.saved);
        let not_before = oldest.saturating_mul(1000);
        let first = First { most: limits::FOLLOW_FIRST_BYTES, not_before };
        let follow = Follow::begin(path, limits::LINE_BYTES, saved, first);
        let written = follow.modified().map_or(now, |nanos| nanos / 1000);
        let zone = known.and_then(|place| place.zone);
        let mut decoder = Decoder::new(log.kind, &shown, written, zone);
        if let Some((end, written)) = follow.end() {
            decoder.look_ahead(&end, written / 1000);
        }
        Self {
            log: log.clone(),
            shown,
            follow,
            decoder,
            next: Batch::default(),
            not_before: if known.is_some() { Micros::MIN } else { oldest },
            at: known.map_or(0, |place| place.at),
            is_on: false,
            // An anchor: what is lost before the first line would be lost in silence.
            is_moved: true,
            watch: None,
        }
    }

    fn look(&mut self, now: Instant) {
        // Another file's line may be the next one after this.
        self.next.clear();
        self.follow.look(now);
    }

    /// Decodes the next line that is to be handed on, where that was not done yet.
    fn decode(&mut self) {
        let written = self.follow.modified().map_or(0, |nanos| nanos / 1000);
        while self.next.is_empty() {
            let Self { follow, decoder, next, shown, not_before, .. } = self;
            let Some(raw) = follow.peek() else {
                decoder.caught_up(written);
                return;
            };
            decoder.line(raw.bytes, raw.is_cut, written, &mut |line| {
                if line.at >= *not_before || !line.dated {
                    next.push(line, shown);
                }
            });
            if next.is_empty() {
                self.take();
            }
        }
    }

    fn take(&mut self) {
        self.follow.take();
        self.is_moved = true;
    }

    fn place(&self) -> LogPlace {
        LogPlace { saved: self.follow.saved(), zone: self.decoder.zone(), at: self.at }
    }
}
