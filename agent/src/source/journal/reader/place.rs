//! Where reading begins, goes on and has a hole. Owns: opening, seeking, gaps (J1, J2, J3, J10).
//! Does not: read entries.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::super::{Config, From, sd};
use super::talk::Stop;
use super::{FOLDERS_EVERY, Failure, Reader, UNWATCHED_EVERY, fatal, moment};
use crate::limits;
use crate::source::journal::frame::Note;
use crate::source::{LossKind, Micros};
use crate::wall_clock;

/// Entries that are skipped backwards between two looks at the clock.
const STEP_BACK: u32 = 4096;

/// An entry's cursor and time.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) cursor: String,
    pub(super) at: Micros,
}

impl Place {
    /// Of the entry on which the journal stands.
    pub(super) fn here(journal: &mut sd::Journal<'_>, at: Micros) -> Result<Self, sd::Error> {
        let mut cursor = Vec::new();
        journal.cursor_into(&mut cursor)?;
        Ok(Self { cursor: String::from_utf8_lossy(&cursor).into_owned(), at })
    }
}

/// Opens the journal as a folder, never as files (J10), and says how much of a line is wanted (J9).
pub(in crate::source::journal) fn open<'l>(
    library: &'l sd::Library,
    config: &Config,
) -> Result<sd::Journal<'l>, Stop> {
    let opened = match &config.directory {
        Some(folder) => sd::Journal::open_directory(library, folder),
        None => sd::Journal::open_root(library, &config.root),
    };
    let mut journal = opened.map_err(fatal)?;
    // One byte more than is kept, so that a cut shows.
    let threshold = "MESSAGE=".len() + limits::LINE_BYTES + 1;
    journal.set_data_threshold(threshold).map_err(fatal)?;
    Ok(journal)
}

impl Reader<'_> {
    /// Finds the place where the parent wants to go on.
    pub(super) fn begin(&mut self) -> Result<(), Stop> {
        // Watching comes first: what is made after this is learnt of (J3, J8).
        self.watched = self.journal.watch().is_ok();
        self.opened_at = Instant::now();
        self.filter.reset();
        self.standing = false;
        let from = match &self.place {
            Some(place) => From::Cursor { cursor: place.cursor.clone(), at: place.at },
            None => self.request.from.clone(),
        };
        let sought = match from {
            From::Cursor { cursor, at } => self.seek_cursor(&cursor, at),
            From::Time(at) => self.seek_time(at).map_err(Failure::from),
            From::Start => self.seek_start(),
        };
        self.tell_damaged_files()?;
        match sought {
            Ok(()) => Ok(()),
            Err(Failure::Stop(stop)) => Err(stop),
            // The loop meets the same error again, and recovers.
            Err(Failure::Journal(_)) => Ok(()),
        }
    }

    /// Opens the journal anew and goes on after the last batch.
    pub(super) fn reopen(&mut self) -> Result<(), Stop> {
        self.folders = folders(&self.request.config);
        self.journal = open(self.library, &self.request.config)?;
        self.begin()
    }

    /// Behind the cursor's entry. If that is gone, at the next one that is left, which must not be
    /// skipped, and the gap is told (J2).
    fn seek_cursor(&mut self, cursor: &str, at: Micros) -> Result<(), Failure> {
        let text = CString::new(cursor).unwrap_or_default();
        if self.journal.seek_cursor(&text).is_err() {
            let why = format!("the stored position is not a journal cursor: {cursor:.80}");
            self.lose(LossKind::Vacuumed, (at, wall_clock::now()), why)?;
            return Ok(self.seek_time(at)?);
        }
        let is_on_entry = self.journal.next()?;
        if is_on_entry && self.is_at_entry(&text, cursor)? {
            return Ok(());
        }
        let to = match is_on_entry {
            true => Micros::try_from(self.journal.realtime()?).unwrap_or(Micros::MAX),
            false => wall_clock::now(),
        };
        self.standing = is_on_entry;
        let why = "the journal no longer holds the entry up to which it was read".to_owned();
        Ok(self.lose(LossKind::Vacuumed, (at.min(to), to), why)?)
    }

    /// Whether the entry of a cursor is here, or its copy in another file. Entries of one moment have
    /// no order across files, so it may come a little later.
    fn is_at_entry(&mut self, text: &CString, cursor: &str) -> Result<bool, sd::Error> {
        for step in 0..limits::MOMENT_ENTRIES {
            let here = Place::here(&mut self.journal, 0)?.cursor;
            if self.journal.is_at(text)? || moment::is_copy_of(&here, cursor) {
                return Ok(true);
            }
            let is_over = !moment::is_same_moment(&here, cursor) || !self.journal.next()?;
            if is_over && step == 0 {
                return Ok(false);
            }
            if is_over {
                break;
            }
        }
        self.journal.seek_cursor(text)?;
        self.journal.next()?;
        Ok(false)
    }

    fn seek_time(&mut self, at: Micros) -> Result<(), sd::Error> {
        self.journal.seek_realtime(u64::try_from(at).unwrap_or(0))
    }

    /// This boot, at most so long ago, at most so many entries of ours.
    fn seek_start(&mut self) -> Result<(), Failure> {
        let start = self.request.config.start.clone();
        let window = start.window.map(|window| Micros::try_from(window.as_micros()));
        let since = window
            .map_or(0, |window| wall_clock::now().saturating_sub(window.unwrap_or(Micros::MAX)));
        let boot = if start.this_boot { self.boot_began()? } else { None };
        let since = boot.unwrap_or(0).max(since).max(0);
        self.filter.apply(&mut self.journal)?;
        let found = self.step_back(start.entries, since)?;
        self.journal.flush_matches();
        match found {
            Some(place) => {
                let text = CString::new(place.cursor).unwrap_or_default();
                self.journal.seek_cursor(&text)?;
                self.standing = self.journal.next()?;
            }
            // Not the tail: a first `next` from there skips a burst (J1).
            None => self.seek_time(since)?,
        }
        Ok(())
    }

    /// The entry that is `entries` of ours before the end, unless `since` comes first.
    fn step_back(&mut self, entries: u32, since: Micros) -> Result<Option<Place>, Failure> {
        self.journal.seek_tail()?;
        let mut left = entries;
        while left > 0 {
            let step = left.min(STEP_BACK);
            let moved = self.journal.previous_skip(step)?;
            if moved == 0 {
                return Ok(None);
            }
            let at = Micros::try_from(self.journal.realtime()?).unwrap_or(Micros::MAX);
            if at < since || moved < step {
                return Ok(None);
            }
            left -= step;
            self.talk.note(&Note::Alive { at: wall_clock::now(), caught_up: false })?;
            if left == 0 {
                return Ok(Some(Place::here(&mut self.journal, at)?));
            }
        }
        Ok(None)
    }

    /// When the journal's first entry of this boot was written. By its id: clocks may have been
    /// wrong then.
    fn boot_began(&mut self) -> Result<Option<Micros>, Failure> {
        let Ok(id) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else {
            return Ok(None);
        };
        let id: String = id.trim().chars().filter(|letter| *letter != '-').collect();
        self.journal.add_match(format!("_BOOT_ID={id}").as_bytes())?;
        self.journal.seek_head()?;
        let at = match self.journal.next()? {
            true => Micros::try_from(self.journal.realtime()?).ok(),
            false => None,
        };
        self.journal.flush_matches();
        Ok(at)
    }

    /// Files came or went. If even the oldest entry that is left is younger than all that was seen,
    /// files were made and vacuumed in between; their numbers tell whether any was missed.
    pub(super) fn note_hole(&mut self) -> Result<(), Stop> {
        let Some(place) = self.place.clone() else { return Ok(()) };
        let Ok(Some(oldest)) = self.journal.oldest() else { return Ok(()) };
        let oldest = Micros::try_from(oldest).unwrap_or(Micros::MAX);
        if oldest <= self.seen_until.max(place.at) {
            return Ok(());
        }
        let missed = self.oldest_place().and_then(|first| missed(&place.cursor, &first.cursor));
        if missed == Some(0) {
            return Ok(());
        }
        let count = missed.map_or(String::new(), |n| format!(", up to {n} entries of all units"));
        let why = format!("journal files were removed before they were read{count}");
        let from = self.seen_until.max(place.at);
        self.lose(LossKind::Vacuumed, (from, oldest), why)
    }

    /// The time from which on nothing was handed on.
    pub(super) fn reading_from(&mut self) -> Micros {
        match (&self.place, &self.request.from) {
            (Some(place), _) => place.at,
            (None, From::Time(at) | From::Cursor { at, .. }) => *at,
            (None, From::Start) => match self.journal.oldest() {
                Ok(Some(oldest)) => Micros::try_from(oldest).unwrap_or(self.seen_until),
                Ok(None) | Err(_) => self.seen_until,
            },
        }
    }

    fn oldest_place(&self) -> Option<Place> {
        let mut journal = open(self.library, &self.request.config).ok()?;
        journal.seek_head().ok()?;
        if !journal.next().ok()? {
            return None;
        }
        let at = Micros::try_from(journal.realtime().ok()?).ok()?;
        Place::here(&mut journal, at).ok()
    }

    /// A folder that appeared or was replaced since the journal was opened is not watched.
    pub(super) fn follow_folders(&mut self) -> Result<(), Stop> {
        let every = if self.watched { FOLDERS_EVERY } else { UNWATCHED_EVERY };
        if self.opened_at.elapsed() < every {
            return Ok(());
        }
        self.opened_at = Instant::now();
        match self.watched && folders(&self.request.config) == self.folders {
            true => Ok(()),
            false => self.reopen(),
        }
    }
}

/// The folders that hold journals, as the configuration names them.
pub(in crate::source::journal) fn folder_paths(config: &Config) -> Vec<PathBuf> {
    match &config.directory {
        Some(folder) => vec![folder.clone()],
        None => ["run/log/journal", "var/log/journal"]
            .iter()
            .map(|folder| config.root.join(folder))
            .collect(),
    }
}

/// What the folders are, to be asked before they are opened: what changes meanwhile is seen then.
pub(super) fn folders(config: &Config) -> Vec<Option<Root>> {
    folder_paths(config).iter().map(|path| Root::of(path)).collect()
}

/// A folder that holds journals. One that may not be read is passed over by libsystemd in silence,
/// and not watched: nothing would tell that it may be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root {
    device: u64,
    inode: u64,
    is_readable: bool,
}

impl Root {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let is_readable = std::fs::read_dir(path).is_ok() && path.join(".").metadata().is_ok();
        Some(Self { device: metadata.dev(), inode: metadata.ino(), is_readable })
    }
}

/// How many entries lie between two cursors of one sequence: `s=<id>;i=<number>;…`.
fn missed(last: &str, first: &str) -> Option<u64> {
    let number = |cursor| u64::from_str_radix(moment::part(cursor, "i=")?, 16).ok();
    if moment::part(last, "s=")? != moment::part(first, "s=")? {
        return None;
    }
    number(first)?.checked_sub(number(last)?.checked_add(1)?)
}

#[cfg(test)]
mod tests {
    use super::missed;

    #[test]
    fn cursors_of_one_sequence_tell_how_many_entries_lie_between() {
        let last = "s=ab;i=10;b=c;m=1;t=2;x=3";
        assert_eq!(missed(last, "s=ab;i=11;b=c;m=1;t=2;x=3"), Some(0));
        assert_eq!(missed(last, "s=ab;i=1f;b=c;m=1;t=2;x=3"), Some(14));
        assert_eq!(missed(last, "s=ab;i=f;b=c"), None, "not after it");
        assert_eq!(missed(last, "s=cd;i=11;b=c"), None, "another sequence");
        assert_eq!(missed(last, "nonsense"), None);
    }
}
