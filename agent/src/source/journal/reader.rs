//! The child that reads the journal: it may die of a damaged file, the agent may not (design 7).
//! Owns: the loop of look, hand on, pause. Does not: keep anything; its parent says where to begin.

mod entry;
pub(super) mod filter;
mod moment;
pub(super) mod place;
mod talk;
mod whole;

#[cfg(feature = "test-faults")]
mod fault;

use std::process::ExitCode;
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::Instant;

use self::filter::Filter;
use self::moment::Moment;
use self::place::Place;
use self::talk::{Stop, Talk};
use super::frame::{Builder, Note};
use super::trust::Table;
use super::{From, Request, sd};
use crate::limits;
use crate::source::{Loss, LossKind, Micros};
use crate::wall_clock;

/// The hidden command under which the binary becomes the reader.
pub const COMMAND: &str = "journal-reader";

/// Silence after which the child says that it is alive; its parent expects a word every second.
const ALIVE_EVERY: Duration = Duration::from_millis(500);
/// Entries between two looks at the clock.
const BREATH_ENTRIES: u32 = 256;
/// Entries without a line of ours after which the position is handed on by itself.
const SCANNED_MAX: u32 = 16 * limits::BATCH_ENTRIES;
/// How often folders are looked at that did not exist when the journal was opened.
const FOLDERS_EVERY: Duration = Duration::from_secs(10);
/// The same where the kernel gave no inotify instance, so that new files are not learnt of.
const UNWATCHED_EVERY: Duration = Duration::from_secs(2);
/// Failures in a row, each after a longer pause, until a damaged place is left behind (J6).
const FAILURES_MAX: u32 = 8;
const FAILURE_PAUSE: Duration = Duration::from_millis(25);
const DOUBLINGS_MAX: u32 = 6;

/// Reads until the parent goes away. Speaks frames on standard output, takes its orders from
/// standard input.
#[must_use]
pub fn main() -> ExitCode {
    // A parent that dies takes the child along; where that is refused, standard input tells.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let Ok((talk, request)) = Talk::begin() else { return ExitCode::FAILURE };
    let mut talk = talk;
    match read(&mut talk, request) {
        Ok(never) => match never {},
        Err(Stop::ParentGone) => ExitCode::SUCCESS,
        Err(Stop::Fatal(why)) => {
            let _ = talk.note(&Note::Fatal { why });
            ExitCode::FAILURE
        }
    }
}

fn read(talk: &mut Talk, request: Request) -> Result<std::convert::Infallible, Stop> {
    let library = sd::Library::load(&request.config.library).map_err(fatal)?;
    let folders = place::folders(&request.config);
    let journal = place::open(&library, &request.config)?;
    let table = Table::new(&request.config.units);
    let mut reader = Reader {
        filter: Filter::new(table.matches()),
        table,
        library: &library,
        journal,
        watched: false,
        folders,
        opened_at: Instant::now(),
        batch: Builder::default(),
        scanned: 0,
        transient: 0,
        failures: 0,
        place: None,
        kept: None,
        moment: Moment::default(),
        doubts: entry::Doubts::default(),
        standing: false,
        told_damaged: whole::Told::new(),
        seen_until: 0,
        steps_left: if request.single_step { limits::SINGLE_STEPS } else { 0 },
        is_first_pass: matches!(request.from, From::Start),
        has_caught_up: false,
        last_line_at: Instant::now(),
        request,
        talk,
    };
    reader.begin()?;
    reader.talk.note(&Note::Open)?;
    loop {
        reader.look()?;
    }
}

/// Everything the loop knows.
struct Reader<'a> {
    talk: &'a mut Talk,
    request: Request,
    table: Table,
    filter: Filter,
    library: &'a sd::Library,
    journal: sd::Journal<'a>,
    /// Whether the kernel tells of new files.
    watched: bool,
    /// What the journal's folders were when it was opened.
    folders: Vec<Option<place::Root>>,
    opened_at: Instant,
    batch: Builder,
    /// Entries looked at since the last batch.
    scanned: u32,
    /// Failures that passed, since the last batch.
    transient: u32,
    /// Failures in a row.
    failures: u32,
    /// After the last batch.
    place: Option<Place>,
    /// Of the last entry in the batch, where that matters.
    kept: Option<Place>,
    moment: Moment,
    doubts: entry::Doubts,
    /// Whether the journal stands on an entry that was not taken yet.
    standing: bool,
    /// Damaged files that were told.
    told_damaged: whole::Told,
    /// Everything up to then was seen, of whatever unit.
    seen_until: Micros,
    /// Entries still to be announced one by one.
    steps_left: u32,
    /// The first read after a start is paced.
    is_first_pass: bool,
    /// All there was when it began was handed on.
    has_caught_up: bool,
    last_line_at: Instant,
}

impl Reader<'_> {
    /// Hands on all there is, takes in new files, pauses.
    fn look(&mut self) -> Result<(), Stop> {
        let looked_at = wall_clock::now();
        let entries = match self.take_available() {
            Ok(entries) => entries,
            Err(Failure::Stop(stop)) => return Err(stop),
            Err(Failure::Journal(error)) => return self.recover(&error),
        };
        // Only now: a file that was removed stays readable until `process` lets go of it.
        match self.journal.process() {
            // What lies in new files was not seen yet.
            Ok(sd::Change::Files) => return self.note_hole(),
            Ok(sd::Change::Nothing | sd::Change::Appended) => {}
            Err(error) => return self.recover(&error),
        }
        self.seen_until = looked_at;
        self.is_first_pass = false;
        self.has_caught_up = true;
        if entries > 0 || self.talk.is_quiet_for(ALIVE_EVERY) {
            self.talk.note(&Note::Alive { at: looked_at, caught_up: true })?;
        }
        self.follow_folders()?;
        let config = &self.request.config;
        let is_busy = self.last_line_at.elapsed() < config.busy_for;
        self.talk.pause(if is_busy { config.look_busy } else { config.look_idle })
    }

    /// Takes entries until there is none. Always asks `next`, whatever was announced (J3).
    fn take_available(&mut self) -> Result<u32, Failure> {
        let mut entries: u32 = 0;
        while std::mem::take(&mut self.standing) || self.journal.next()? {
            entries = entries.saturating_add(1);
            self.part()?;
            self.take_entry()?;
            self.note_kept()?;
            if self.batch.is_full() || self.scanned >= SCANNED_MAX {
                self.send()?;
                self.pace()?;
            }
            if entries.is_multiple_of(BREATH_ENTRIES) && self.talk.is_quiet_for(ALIVE_EVERY) {
                self.talk.note(&Note::Alive { at: wall_clock::now(), caught_up: false })?;
            }
        }
        self.send()?;
        Ok(entries)
    }

    /// While it catches up beside other sources, an entry that is much later than the batch's first
    /// begins a batch of its own: they have lines of the time in between.
    fn part(&mut self) -> Result<(), Failure> {
        let Some(span) = self.span() else { return Ok(()) };
        let Some(first) = self.batch.first_at() else { return Ok(()) };
        let at = Micros::try_from(self.journal.realtime()?).unwrap_or(Micros::MAX);
        match self.kept.take_if(|_| at.saturating_sub(first) >= span) {
            Some(place) => {
                self.send_up_to(place)?;
                Ok(self.pace()?)
            }
            None => Ok(()),
        }
    }

    /// Where the batch could end.
    fn note_kept(&mut self) -> Result<(), Failure> {
        if self.span().is_some() && self.batch.last_at() == Some(self.batch.trailer.at) {
            self.kept = Some(Place::here(&mut self.journal, self.batch.trailer.at)?);
        }
        Ok(())
    }

    fn span(&self) -> Option<Micros> {
        let span = self.request.config.span.filter(|_| !self.has_caught_up)?;
        Micros::try_from(span.as_micros()).ok()
    }

    /// Sends what was taken, with the cursor of the last entry: one cursor a batch (J4).
    fn send(&mut self) -> Result<(), Failure> {
        if self.scanned == 0 {
            return Ok(());
        }
        let place = Place::here(&mut self.journal, self.batch.trailer.at)?;
        self.send_up_to(place)?;
        // The place in the journal outlives a change of the matches, the current entry does not:
        // hence only here, when its cursor was taken.
        Ok(self.filter.adapt(&mut self.journal)?)
    }

    /// The same; the journal may stand on an entry that comes after it.
    fn send_up_to(&mut self, place: Place) -> Result<(), Failure> {
        self.kept = None;
        self.batch.trailer.cursor.clone_from(&place.cursor);
        self.batch.trailer.at = place.at;
        self.batch.trailer.transient = std::mem::take(&mut self.transient);
        if self.batch.entries > 0 {
            self.last_line_at = Instant::now();
        }
        self.talk.send(self.batch.finish())?;
        self.batch.clear();
        self.place = Some(place);
        self.scanned = 0;
        self.failures = 0;
        Ok(())
    }

    /// The first read after a start leaves most of a core to the node.
    fn pace(&mut self) -> Result<(), Stop> {
        let share = self.request.config.first_pass_share;
        match self.is_first_pass {
            true => self.talk.rest(share),
            false => Ok(()),
        }
    }

    /// Rotation and vacuum make calls fail for a moment (J6): open anew from the last place, with a
    /// growing pause; a place that stays unreadable is left behind as a loss.
    fn recover(&mut self, error: &sd::Error) -> Result<(), Stop> {
        self.batch.clear();
        self.kept = None;
        // Read again one by one, so that what lies before the damage is handed on.
        self.steps_left = self.steps_left.max(std::mem::take(&mut self.scanned).saturating_add(1));
        self.transient += 1;
        self.failures += 1;
        self.pause_alive(FAILURE_PAUSE.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)))?;
        if self.failures < FAILURES_MAX {
            return self.reopen();
        }
        let from = self.reading_from();
        // Further each time: a second, two, four …; never past what is still to be written.
        let jump: Micros = 1_000_000 << (self.failures - FAILURES_MAX).min(20);
        let to = from.saturating_add(jump).min(wall_clock::now()).max(from);
        let why = format!("the journal could not be read here: {error}");
        self.lose(LossKind::Corrupt, (from, to), why)?;
        self.place = None;
        self.request.from = From::Time(to);
        self.reopen()
    }

    /// Pauses without being taken for hung.
    fn pause_alive(&mut self, time: Duration) -> Result<(), Stop> {
        let until = Instant::now() + time;
        loop {
            self.talk.note(&Note::Alive { at: wall_clock::now(), caught_up: false })?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.talk.pause(left.min(ALIVE_EVERY))?;
        }
    }

    fn lose(
        &mut self,
        kind: LossKind,
        (from, to): (Micros, Micros),
        why: String,
    ) -> Result<(), Stop> {
        let loss = Loss {
            kind,
            component: "journal".to_owned(),
            unit: None,
            lines: None,
            from: Some(from),
            to: Some(to),
            destination: None,
            why,
        };
        self.talk.note(&Note::Lost { loss, after: None })
    }
}

/// What ends a pass over the journal.
enum Failure {
    /// The child ends.
    Stop(Stop),
    /// The journal has to be opened anew.
    Journal(sd::Error),
}

impl std::convert::From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl std::convert::From<sd::Error> for Failure {
    fn from(error: sd::Error) -> Self {
        Self::Journal(error)
    }
}

/// An error that trying again does not cure.
fn fatal(error: sd::Error) -> Stop {
    let advice = match error.errno() {
        Some(Errno::ACCESS | Errno::PERM) => {
            ": run as root or with CAP_DAC_READ_SEARCH, or join the group systemd-journal"
        }
        Some(Errno::NOENT | Errno::NOTDIR) => {
            ": mount /var/log and /run/log/journal of the host, or set the journal's root"
        }
        Some(Errno::MFILE | Errno::NFILE) => ": raise the limit of open files",
        _ => "",
    };
    Stop::Fatal(format!("{error}{advice}"))
}
