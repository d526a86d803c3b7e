//! Follows one growing text log through all that is done to log files: renamed, copied and emptied,
//! deleted, replaced, packed, moved while nobody looked. Each line once while it runs; what could not
//! be read is told. Owns which files are still to be read, and in what order. Judges no line.
//!
//! ```text
//! Place (names) → files, oldest first → lines → whoever asks     Saved: where each file stands
//! ```

mod growing;
mod mark;
mod place;
pub(crate) mod pulse;
pub(crate) mod pump;
mod survey;
#[cfg(test)]
mod tests;
pub(crate) mod thread;
pub(crate) mod wake;

use std::{collections::VecDeque, io};

use tokio::time::Instant;

pub(crate) use self::mark::{Id, Saved};
pub(crate) use self::place::{AnyPath, Place, age};
use self::{
    growing::{Filled, Found, Growing},
    mark::Mark,
    survey::Survey,
};
use crate::limits;

/// A log that is followed.
#[derive(Debug)]
pub(crate) struct Follow {
    place: Box<dyn Place>,
    /// The longest line that is kept whole.
    line_bytes: usize,
    /// Oldest first; the last is the one that is written to, as far as is known.
    open: VecDeque<Growing>,
    /// Read to their end, the newest last: they come back as copies or packed.
    done: VecDeque<Mark>,
    /// When the last of them was written to.
    modified: i64,
    /// The line that is next.
    ready: Option<(usize, Found)>,
    lost: Vec<Lost>,
    /// Why the current file cannot be read.
    trouble: Option<String>,
}

/// How much of a log is read that was there before anybody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// So many bytes of it at most, from its end, rotated files included.
    pub(crate) most: u64,
    /// No file that was last written to before this, in nanoseconds since the epoch.
    pub(crate) not_before: i64,
}

impl First {
    /// All of it: it began while we looked.
    pub(crate) const ALL: Self = Self { most: u64::MAX, not_before: i64::MIN };
}

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) kind: LostKind,
    /// Lines, where they can be counted.
    pub(crate) lines: Option<u64>,
    /// Bytes at least.
    pub(crate) bytes: u64,
    pub(crate) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LostKind {
    /// Gone before it was read.
    Rotated,
    /// There, and unreadable.
    Unreadable,
    /// Beyond what is kept of one line.
    TooLong,
    /// Beyond what is told of one log.
    TooMany,
}

/// A line, as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) bytes: &'a [u8],
    /// There was more of it than is kept.
    pub(crate) is_cut: bool,
}

impl Follow {
    /// Goes on behind `saved`; without it, with as much of what is there as `first` says.
    pub(crate) fn begin(
        place: Box<dyn Place>,
        line_bytes: usize,
        saved: Option<&Saved>,
        first: First,
    ) -> Self {
        let mut follow = Self {
            place,
            line_bytes,
            open: VecDeque::new(),
            done: VecDeque::new(),
            modified: 0,
            ready: None,
            lost: Vec::new(),
            trouble: None,
        };
        match saved {
            Some(saved) => follow.restore(saved),
            None => follow.begin_near_end(first),
        }
        follow
    }

    /// Looks whether the log is another file now, and lets go of files that are over. To be called
    /// before lines are asked for.
    pub(crate) fn look(&mut self, now: Instant) {
        match self.place.id() {
            Ok(id) if self.open.back().is_some_and(|it| it.id == id && !it.is_packed()) => {
                self.trouble = None;
            }
            Ok(_) => match self.turn() {
                Ok(()) => self.trouble = None,
                Err(error) => self.cannot(&error),
            },
            // Between a rename and the new file there is none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.trouble = None,
            Err(error) => self.cannot(&error),
        }
        self.let_go(now);
    }

    /// The next line, without taking it.
    pub(crate) fn peek(&mut self) -> Option<Raw<'_>> {
        if self.ready.is_none() {
            self.ready = self.find();
        }
        let (index, found) = self.ready.as_ref()?;
        let bytes = self.open.get(*index)?.bytes(found);
        Some(Raw { bytes, is_cut: found.is_cut })
    }

    /// Takes the line that was looked at: from here on it counts as handed on.
    pub(crate) fn take(&mut self) {
        let Some((index, found)) = self.ready.take() else { return };
        let Some(file) = self.open.get_mut(index) else { return };
        file.take(&found);
        let passed = file.passed_over();
        self.too_long(passed);
    }

    /// Where it stands.
    pub(crate) fn saved(&self) -> Saved {
        Saved {
            open: self.open.iter().map(Growing::mark).collect(),
            done: self.done.iter().cloned().collect(),
            modified: self.open.back().map_or(self.modified, |it| it.modified),
        }
    }

    /// What could not be read, since the last call.
    pub(crate) fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// Why the current file cannot be read, where it is there.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// When the newest file was last written to, in nanoseconds since the epoch.
    pub(crate) fn modified(&self) -> Option<i64> {
        self.open.back().map(|it| it.modified)
    }

    /// The file that is written to, for whoever watches it.
    pub(crate) fn current(&self) -> Option<(Id, &std::fs::File)> {
        let current = self.open.back()?;
        Some((current.id, current.file()?))
    }

    /// The last bytes that were written, and when that was.
    pub(crate) fn end(&self) -> Option<(Vec<u8>, i64)> {
        let most = limits::FOLLOW_CHUNK_BYTES;
        self.open.iter().rev().find_map(|growing| {
            let file = growing.file()?;
            let size = file.metadata().ok()?.len();
            let from = size.saturating_sub(u64::try_from(most).unwrap_or_default());
            let end = growing::read_at(file, from, most).ok()?;
            (!end.is_empty()).then_some((end, growing.modified))
        })
    }

    /// Files that are held open.
    #[cfg(test)]
    pub(crate) fn open_files(&self) -> usize {
        self.open.len()
    }

    fn cannot(&mut self, error: &io::Error) {
        self.trouble = Some(format!("{}: {error}", self.place.shown()));
    }

    /// The first line that any of the files has, the oldest file first.
    fn find(&mut self) -> Option<(usize, Found)> {
        let mut index = 0;
        while let Some(file) = self.open.get_mut(index) {
            let found = file.find(self.line_bytes);
            let passed = file.passed_over();
            if found.is_some() {
                self.too_long(passed);
                return found.map(|found| (index, found));
            }
            let filled = file.fill();
            self.too_long(passed);
            match filled {
                Ok(Filled::More) => {}
                // What was left of it may be a line now that it is over.
                Ok(Filled::End) => {
                    let file = self.open.get_mut(index)?;
                    if let Some(found) = file.find(self.line_bytes) {
                        return Some((index, found));
                    }
                    index += 1;
                }
                Ok(Filled::Replaced) => self.replaced(index),
                Err(error) => {
                    self.unreadable(index, &error);
                    index += 1;
                }
            }
        }
        None
    }

    fn too_long(&mut self, bytes: u64) {
        if bytes > 0 {
            let most = self.line_bytes;
            let why = format!("{bytes} bytes of a line behind its first {most} were passed over");
            self.lost.push(Lost { kind: LostKind::TooLong, lines: Some(1), bytes, why });
        }
    }

    /// A file that cannot be read is given up where another one follows it; the current one is tried
    /// again.
    fn unreadable(&mut self, index: usize, error: &io::Error) {
        let shown = self.place.shown();
        let is_last = index + 1 >= self.open.len();
        if let Some(file) = self.open.get_mut(index) {
            file.is_at_end = true;
            if is_last {
                self.trouble = Some(format!("{shown}: {error}"));
            } else if !file.is_closing {
                file.is_closing = true;
                let why = format!("a file that was rotated away from {shown}: {error}");
                let bytes = 0;
                self.lost.push(Lost { kind: LostKind::Unreadable, lines: None, bytes, why });
            }
        }
    }

    /// The file was emptied, and perhaps written to since. Who empties a log has often copied it
    /// before: then what was not read yet is in the copy.
    fn replaced(&mut self, index: usize) {
        let Some(file) = self.open.get_mut(index) else { return };
        let mark = file.mark();
        let since = file.modified;
        let rest = file.split_off_rest();
        let copy = match Survey::of(&*self.place) {
            Ok(survey) => survey.copy_of(&*self.place, &mark, &self.open, &self.done, since),
            Err(_) => None,
        };
        match copy {
            Some(copy) => self.open.insert(index, copy),
            None => {
                let shown = self.place.shown();
                let why = format!(
                    "{shown} was emptied, and there is no copy: what was written just before is lost"
                );
                self.lost.push(Lost { kind: LostKind::Rotated, lines: None, bytes: 0, why });
                self.open.insert(index, rest);
            }
        }
        self.note_done(mark);
    }

    /// The path leads to another file: those in between and that one are to be read as well.
    fn turn(&mut self) -> io::Result<()> {
        // Opened before the others are looked for: whatever is rotated meanwhile is held already.
        let current = Growing::plain(self.place.current()?)?;
        if self.open.back().is_some_and(|it| it.id == current.id && !it.is_packed()) {
            return Ok(());
        }
        let survey = Survey::of(&*self.place).unwrap_or_default();
        let since = self.open.back().map_or(self.modified, |it| it.modified);
        let between = survey.unread(&*self.place, current.id, &self.open, &self.done, since);
        if between.may_lack {
            self.rotated_away(0);
        }
        self.open.extend(between.files);
        let back = self.open.iter().position(|it| it.id == current.id && !it.is_packed());
        match back {
            // A rotation that was taken back.
            Some(at) => {
                if let Some(file) = self.open.remove(at) {
                    self.open.push_back(file);
                }
            }
            None => {
                let file = self.known_again(current)?;
                self.open.push_back(file);
            }
        }
        self.ready = None;
        self.bound_open();
        Ok(())
    }

    /// A file that we had let go of goes on where it was left.
    fn known_again(&self, file: Growing) -> io::Result<Growing> {
        for mark in self.done.iter().rev().filter(|mark| mark.id == file.id) {
            let again = Growing::plain(self.place.current()?)?;
            if again.id == mark.id
                && let Some(known) = again.go_to(mark)?
            {
                return Ok(known);
            }
        }
        Ok(file)
    }

    /// So many bytes at least; 0 where that cannot be told.
    fn rotated_away(&mut self, bytes: u64) {
        let shown = self.place.shown();
        let may = if bytes > 0 { "were" } else { "may have been" };
        let why = format!("files of {shown} {may} rotated away before they were read");
        self.lost.push(Lost { kind: LostKind::Rotated, lines: None, bytes, why });
    }

    /// Not more files than this are held, however fast they are made.
    fn bound_open(&mut self) {
        while self.open.len() > limits::FOLLOW_OPEN {
            let Some(file) = self.open.pop_front() else { return };
            self.ready = None;
            if !(file.is_at_end && file.is_spent()) {
                self.rotated_away(file.size());
            }
            self.note_done(file.mark());
        }
    }

    /// A file that another one has followed is held as long as it may still grow: its writer learns
    /// of the rotation later than we.
    fn let_go(&mut self, now: Instant) {
        let mut index = 0;
        loop {
            let is_last = index + 1 >= self.open.len();
            let Some(file) = self.open.get_mut(index) else { return };
            index += 1;
            let for_quiet = if !is_last {
                limits::FOLLOW_GRACE
            } else if file.links == 0 {
                limits::FOLLOW_DELETED
            } else {
                file.quiet_since = None;
                continue;
            };
            if !file.is_at_end {
                continue;
            }
            let since = *file.quiet_since.get_or_insert(now);
            if !file.is_closing && !file.is_packed() && now.duration_since(since) < for_quiet {
                continue;
            }
            file.is_closing = true;
            // A line that is looked at is not handed on yet.
            if file.is_spent() && self.ready.is_none() {
                let mark = file.mark();
                self.modified = file.modified;
                index -= 1;
                drop(self.open.remove(index));
                self.note_done(mark);
            }
        }
    }

    fn note_done(&mut self, mark: Mark) {
        // Without a byte of it nothing tells it from others.
        if mark.offset == 0 || mark.head.0 == 0 {
            return;
        }
        self.done.retain(|known| *known != mark);
        self.done.push_back(mark);
        while self.done.len() > limits::FOLLOW_DONE {
            self.done.pop_front();
        }
    }

    /// Without a position: the end of what is there, as much of it as is wanted. What was rotated away
    /// before that counts as read.
    fn begin_near_end(&mut self, first: First) {
        // Opened before the others are looked for: whatever is rotated meanwhile is held already.
        let opened = self.place.current().and_then(Growing::plain);
        let current = opened.as_ref().map(|file| file.id).ok();
        let mut left = first.most;
        match opened.and_then(|file| file.go_near_end(left)) {
            Ok(file) => {
                left = left.saturating_sub(file.size());
                self.open.push_back(file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.cannot(&error),
        }
        let Ok(survey) = Survey::of(&*self.place) else { return };
        let (wanted, older) = survey.newest(&*self.place, current, First { most: left, ..first });
        for mark in older {
            self.note_done(mark);
        }
        for file in wanted.into_iter().rev() {
            self.open.push_front(file);
        }
    }

    /// Finds again where it stood, wherever the files have gone since.
    fn restore(&mut self, saved: &Saved) {
        self.done = saved.done.iter().cloned().collect();
        self.modified = saved.modified;
        let survey = Survey::of(&*self.place).unwrap_or_default();
        let current = self.place.current().and_then(Growing::plain);
        let again = survey.restore(&*self.place, current.as_ref().ok(), saved);
        if again.may_lack {
            self.rotated_away(0);
        }
        self.open = again.files.into();
        for mark in again.lost {
            self.note_done(mark);
        }
        match current {
            Ok(current) if self.open.iter().any(|it| it.id == current.id && !it.is_packed()) => {}
            Ok(current) => self.open.push_back(current),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.cannot(&error),
        }
        self.bound_open();
    }
}
