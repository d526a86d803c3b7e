//! Keeps the reader child running. Owns: its start, its watchdog, its end, what it died of, and the
//! position up to which it was heard. Does not: read the journal.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use tokio::time::Instant;

use super::frame::{self, Assembler, Frame, Note};
use super::lines::{Batch, Pool};
use super::losses::{Losses, corrupt};
use super::probe::{self, Status};
use super::{Config, Counters, From, Request, State, others, reader};
use crate::limits;
use crate::source::{Feed, Micros, Outlet, Position, Refusal};

/// How long an ended child may take to be gone.
pub(super) const END_WITHIN: Duration = Duration::from_secs(2);
/// Opening a large journal on a cold disk takes time, during which a child says nothing.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
/// Pause before a new child, doubled each time it dies without having proved itself.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A child that lived so long may die again without a longer pause.
const PROVED_AFTER: Duration = Duration::from_secs(10);
/// While the core is behind, this often a place in the channel is looked for.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// The largest pipe that Linux gives without a privilege.
const PIPE_BYTES: usize = 1024 * 1024;

/// The thread that feeds the core.
pub(super) struct Supervisor {
    config: Config,
    units: Arc<[super::Unit]>,
    feed: Box<dyn Outlet>,
    stopped: OwnedFd,
    counters: Arc<Counters>,
    state: Arc<Mutex<State>>,
    pool: Pool,
    losses: Losses,
    /// After the last feed.
    position: Option<Position>,
    /// Where to go on if there is no position, or if it is deadly.
    from: From,
    fate: Fate,
}

/// What is known about the deaths so far.
#[derive(Debug, Default)]
struct Fate {
    /// The entry that is being read, in single steps.
    in_flight: Option<String>,
    /// The entry at which children died, and how many.
    deadly: Option<(String, u32)>,
    /// Children in a row that a fault killed before they said anything.
    speechless: u32,
    /// Ends in a row.
    ends: u32,
}

/// How a child ended.
enum End {
    /// The agent stops.
    Stopped,
    /// It died or was ended; `is_fault` if by a fault of its own.
    Died { why: String, is_fault: bool, proved: bool },
    /// It says that it cannot work.
    Fatal(String),
}

/// The agent stops, or nobody listens any more.
struct Stopped;

impl Supervisor {
    pub(super) fn new(
        config: Config,
        position: Option<Position>,
        feed: Box<dyn Outlet>,
        stopped: OwnedFd,
        counters: Arc<Counters>,
        state: Arc<Mutex<State>>,
    ) -> Self {
        let units = config.units.clone().into();
        // The memory for more journals is that of their batches alone.
        let is_other = others::folder_of(&config.source).is_some();
        let pool = Pool::new(if is_other { 0 } else { limits::BATCH_BUFFERS });
        let (losses, fate) = (Losses::new(), Fate::default());
        let from = From::Start;
        Self { config, units, feed, stopped, counters, state, pool, losses, position, from, fate }
    }

    pub(super) fn run(mut self) {
        self.tell_unreadable();
        loop {
            let started = Instant::now();
            let end = self.run_child();
            self.counters.reader_pid.store(0, Relaxed);
            let went_on = match end {
                End::Stopped => Err(Stopped),
                End::Fatal(why) => self.unavailable(why),
                End::Died { why, is_fault, proved } => {
                    self.mourn(&why, is_fault, proved, started.elapsed())
                }
            };
            if went_on.is_err() {
                break;
            }
        }
        let _ = self.tell_losses(true);
        self.enter(State::Stopped);
    }

    fn enter(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// libsystemd passes over what it may not read, and over folders that are missing, in silence.
    fn tell_unreadable(&self) {
        let lacking = probe::folders(&self.config);
        match lacking.status {
            Status::Met => {}
            Status::Degraded => {
                tracing::warn!(
                    found = lacking.found,
                    fix = lacking.fix,
                    "a part of the journal cannot be read"
                );
            }
            Status::Failed => {
                tracing::error!(
                    found = lacking.found,
                    fix = lacking.fix,
                    "no journal can be read here so far; it is looked for again and again"
                );
            }
        }
    }

    fn unavailable(&mut self, why: String) -> Result<(), Stopped> {
        let known = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known != State::Unavailable(why.clone()) {
            tracing::error!(%why, "the journal cannot be read; the other sources go on");
        }
        self.enter(State::Unavailable(why));
        self.wait(PAUSE_MAX)
    }

    /// Draws the conclusions of a death and waits before the next child.
    fn mourn(
        &mut self,
        why: &str,
        is_fault: bool,
        proved: bool,
        lived: Duration,
    ) -> Result<(), Stopped> {
        self.counters.restarts.fetch_add(1, Relaxed);
        tracing::warn!(%why, "the journal reader ended and is started anew");
        self.enter(State::Restarting(why.to_owned()));
        if let Some(cursor) = self.fate.in_flight.take() {
            let deaths = match self.fate.deadly.take() {
                Some((known, deaths)) if known == cursor => deaths + 1,
                _ => 1,
            };
            self.fate.deadly = Some((cursor, deaths));
        } else if is_fault && !proved {
            self.fate.speechless += 1;
            if self.fate.speechless >= limits::DEATHS_PER_ENTRY {
                self.leave_behind(why)?;
            }
        }
        if proved {
            self.fate.speechless = 0;
        }
        self.fate.ends = if lived > PROVED_AFTER { 0 } else { self.fate.ends + 1 };
        let doublings = self.fate.ends.saturating_sub(1).min(16);
        self.wait(PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX))
    }

    /// Moving on from the position kills before any entry can be named: go on a little later.
    fn leave_behind(&mut self, why: &str) -> Result<(), Stopped> {
        let Some(at) = self.position.as_ref().map(|position| position.at) else { return Ok(()) };
        let doublings = (self.fate.speechless - limits::DEATHS_PER_ENTRY).min(20);
        let to = at.saturating_add(1_000_000 << doublings);
        self.from = From::Time(to);
        self.counters.gaps.fetch_add(1, Relaxed);
        let why = format!("the journal reader died at this place time and again ({why})");
        self.deliver(Feed::Lost(corrupt(at, to, why), None))
    }

    fn request(&self) -> Request {
        let from = match (&self.position, &self.from) {
            (_, From::Time(at)) => From::Time(*at),
            // A position without a value is only a time, as after the loss of the outbox.
            (Some(position), _) if position.value.is_empty() => From::Time(position.at),
            (Some(position), _) => From::Cursor {
                cursor: String::from_utf8_lossy(&position.value).into_owned(),
                at: position.at,
            },
            (None, from) => from.clone(),
        };
        let deadly = self.fate.deadly.as_ref();
        let skip = deadly.filter(|(_, deaths)| *deaths >= limits::DEATHS_PER_ENTRY);
        Request {
            config: self.config.clone(),
            from,
            single_step: self.counters.restarts.load(Relaxed) > 0,
            skip: skip.map(|(cursor, _)| cursor.clone()),
        }
    }

    fn run_child(&mut self) -> End {
        let mut child = match self.start_child() {
            Ok(child) => child,
            Err(error) => return End::Fatal(format!("cannot start the journal reader: {error}")),
        };
        self.counters.reader_pid.store(child.id(), Relaxed);
        let end = match child.stdout.take() {
            Some(mut output) => self.listen(&mut output),
            None => Ok(Silence::Closed),
        };
        let proved = self.is_following();
        match end {
            Err(Stopped) => {
                self.end_child(&mut child);
                End::Stopped
            }
            Ok(Silence::Fatal(why)) => {
                self.end_child(&mut child);
                End::Fatal(why)
            }
            Ok(Silence::Hung(limit)) => {
                self.counters.hangs.fetch_add(1, Relaxed);
                self.end_child(&mut child);
                let why = format!("it said nothing for {limit:?}");
                End::Died { why, is_fault: false, proved }
            }
            Ok(Silence::Broken(why)) => {
                self.end_child(&mut child);
                End::Died { why, is_fault: false, proved }
            }
            Ok(Silence::Closed) => {
                let (why, is_fault) = self.end_child(&mut child);
                End::Died { why, is_fault, proved }
            }
        }
    }

    /// Whether the present child has read all there was at least once.
    fn is_following(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Following)
    }

    fn start_child(&self) -> std::io::Result<Child> {
        let mut command = Command::new(self.config.program.clone().unwrap_or_else(own_program));
        command.arg0("podwhy").arg(reader::COMMAND);
        // Credentials live in the environment; the child needs none.
        command.env_clear();
        let kept = |name: &str| {
            // Tests put a clock of their own before both.
            let of_tests = name.starts_with("PODWHY_TEST_FAULT_") || name == "LD_PRELOAD";
            name == "LD_LIBRARY_PATH" || (cfg!(feature = "test-faults") && of_tests)
        };
        command.envs(std::env::vars().filter(|(name, _)| kept(name)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn()?;
        if let Some(output) = &child.stdout {
            // Fewer switches between the two; the default does too.
            let _ = rustix::pipe::fcntl_setpipe_size(output, PIPE_BYTES);
        }
        let order = postcard::to_stdvec(&self.request()).map_err(std::io::Error::other)?;
        let length = u32::try_from(order.len()).map_err(std::io::Error::other)?;
        if let Some(input) = &mut child.stdin {
            // A child that is dead already shows by the end of its output.
            let _ = input.write_all(&length.to_le_bytes()).and_then(|()| input.write_all(&order));
        }
        self.enter(State::Starting);
        Ok(child)
    }

    /// Takes frames until the child is silent for too long, closes its output or sends nonsense.
    fn listen(&mut self, output: &mut ChildStdout) -> Result<Silence, Stopped> {
        let mut assembler = Assembler::default();
        let mut fatal = None;
        let mut limit = OPEN_WITHIN.max(self.config.hang);
        self.fate.in_flight = None;
        loop {
            if !self.is_readable(output, limit)? {
                return Ok(Silence::Hung(limit));
            }
            let bytes = match rustix::io::read(output.as_fd(), assembler.room()) {
                Ok(0) => return Ok(fatal.map_or(Silence::Closed, Silence::Fatal)),
                Ok(bytes) => bytes,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Ok(Silence::Broken(format!("its pipe failed: {error}"))),
            };
            match assembler.advance(bytes, || self.pool.take()) {
                Ok(None) => {}
                Ok(Some(Frame::Batch(payload))) => {
                    let Some((trailer, entries_bytes)) = frame::open_batch(&payload) else {
                        return Ok(Silence::Broken("it sent a batch without an end".to_owned()));
                    };
                    self.hand_on(payload, entries_bytes, trailer)?;
                }
                Ok(Some(Frame::Note(Note::Fatal { why }))) => fatal = Some(why),
                Ok(Some(Frame::Note(note))) => {
                    limit = if note == Note::Open { self.config.hang } else { limit };
                    self.hear(note)?;
                }
                Err(error) => return Ok(Silence::Broken(format!("it sent {error}"))),
            }
        }
    }

    fn hand_on(
        &mut self,
        payload: Vec<u8>,
        entries_bytes: usize,
        trailer: frame::Trailer,
    ) -> Result<(), Stopped> {
        self.counters.batch(&trailer);
        self.losses.untrusted(trailer.untrusted, trailer.at);
        if let Some(unreadable) = &trailer.unreadable {
            self.losses.unreadable(unreadable);
        }
        // Before the batch, whose position lies behind what is lost.
        self.tell_losses(false)?;
        self.go_on(trailer.cursor, trailer.at);
        let lines = Box::new(Batch {
            payload,
            entries_bytes,
            units: Arc::clone(&self.units),
            counters: Arc::clone(&self.counters),
            pool: self.pool.clone(),
        });
        self.deliver(Feed::Batch { lines, position: self.position.clone() })
    }

    /// The position is now behind this entry.
    fn go_on(&mut self, cursor: String, at: Micros) {
        let value = cursor.into_bytes();
        self.position = Some(Position { source: self.config.source.clone(), value, at });
        self.from = From::Start;
        self.fate.speechless = 0;
    }

    fn hear(&mut self, note: Note) -> Result<(), Stopped> {
        match note {
            Note::Open => {
                self.enter(State::CatchingUp);
                Ok(())
            }
            Note::Alive { at, caught_up } => {
                self.tell_losses(false)?;
                if !caught_up {
                    self.feed.is_alive();
                    return Ok(());
                }
                self.enter(State::Following);
                self.counters.caught_up_at.store(at, Relaxed);
                self.deliver(Feed::CaughtUp(at))
            }
            Note::Lost { loss, after } => {
                let position = after.map(|cursor| {
                    self.counters.skipped.fetch_add(1, Relaxed);
                    self.fate.deadly = None;
                    self.go_on(cursor, loss.to.unwrap_or(0));
                    self.position.clone()
                });
                if position.is_none() {
                    self.counters.gaps.fetch_add(1, Relaxed);
                }
                self.deliver(Feed::Lost(loss, position.flatten()))
            }
            Note::Trying { cursor } => {
                self.fate.in_flight = Some(cursor);
                Ok(())
            }
            Note::Survived => {
                self.fate.in_flight = None;
                Ok(())
            }
            Note::Fatal { .. } => Ok(()),
        }
    }

    fn tell_losses(&mut self, is_end: bool) -> Result<(), Stopped> {
        for loss in self.losses.due(Instant::now(), is_end) {
            self.deliver(Feed::Lost(loss, None))?;
        }
        Ok(())
    }

    /// A full channel stops reading, and with it, through the pipe, the child.
    fn deliver(&self, feed: Feed) -> Result<(), Stopped> {
        let mut feed = feed;
        if let Feed::Lost(loss, _) = &mut feed
            && let Some(folder) = others::folder_of(&self.config.source)
        {
            // Of which journal, where there are several.
            loss.unit.get_or_insert_with(|| folder.to_owned());
        }
        loop {
            match self.feed.offer(feed) {
                Ok(()) => return Ok(()),
                Err(Refusal::Closed) => return Err(Stopped),
                Err(Refusal::Full(back)) => feed = *back,
            }
            self.wait(FULL_PAUSE)?;
        }
    }

    /// Waits, unless the agent stops.
    fn wait(&self, time: Duration) -> Result<(), Stopped> {
        let limit = Timespec::try_from(time).ok();
        let mut stop = [PollFd::new(&self.stopped, PollFlags::IN)];
        match poll(&mut stop, limit.as_ref()) {
            Ok(1..) => Err(Stopped),
            Ok(0) | Err(_) => Ok(()),
        }
    }

    /// Whether the child says something within `limit`.
    fn is_readable(&self, output: &ChildStdout, limit: Duration) -> Result<bool, Stopped> {
        let limit = Timespec::try_from(limit).ok();
        loop {
            let mut both =
                [PollFd::new(&self.stopped, PollFlags::IN), PollFd::new(output, PollFlags::IN)];
            match poll(&mut both, limit.as_ref()) {
                Ok(0) => return Ok(false),
                Err(rustix::io::Errno::INTR) => continue,
                Ok(_) | Err(_) => {}
            }
            let [stop, _] = &both;
            return if stop.revents().is_empty() { Ok(true) } else { Err(Stopped) };
        }
    }

    /// Ends the child, which keeps nothing, and tells what it died of and whether by its own fault.
    fn end_child(&self, child: &mut Child) -> (String, bool) {
        let started = Instant::now();
        // One that has ended by itself shows how within the first look.
        let mut is_asked = false;
        while started.elapsed() < END_WITHIN {
            match child.try_wait() {
                Ok(Some(status)) => {
                    let signal = status.signal().and_then(Signal::from_named_raw);
                    let faults =
                        [Signal::BUS, Signal::SEGV, Signal::ABORT, Signal::ILL, Signal::FPE];
                    let is_fault = signal.is_some_and(|signal| faults.contains(&signal));
                    return (status.to_string(), is_fault);
                }
                Ok(None) if !is_asked && started.elapsed() > FULL_PAUSE * 4 => {
                    is_asked = true;
                    let _ = child.kill();
                }
                Ok(None) => {}
                Err(error) => return (error.to_string(), false),
            }
            let _ = poll(&mut [], Timespec::try_from(FULL_PAUSE).ok().as_ref());
        }
        ("it cannot be ended".to_owned(), false)
    }
}

/// What this process runs. The link holds even when the file was replaced by an upgrade; where
/// `/proc` is hidden, it is what the process was called by.
fn own_program() -> PathBuf {
    const LINK: &str = "/proc/self/exe";
    let called = || std::env::args_os().next().map(PathBuf::from);
    match std::fs::symlink_metadata(LINK) {
        Ok(_) => LINK.into(),
        Err(_) => called().unwrap_or_else(|| LINK.into()),
    }
}

/// Why nothing more comes from a child.
enum Silence {
    Closed,
    Hung(Duration),
    Broken(String),
    Fatal(String),
}
