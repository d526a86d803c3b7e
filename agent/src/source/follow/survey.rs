//! What was rotated away from a log, held against what is known of it: which files are still to be
//! read, which are copies of what was read, and whether some may be missing. Reads no line.

use std::collections::VecDeque;

use super::{
    First,
    growing::Growing,
    mark::{Id, Mark, Saved},
    place::{Age, Place, age},
};
use crate::limits;

/// The rotated files of a log, oldest first.
#[derive(Debug, Default)]
pub(super) struct Survey {
    names: Vec<String>,
}

/// Files that are still to be read, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pub(super) files: Vec<Growing>,
    /// Others may have been there before them.
    pub(super) may_lack: bool,
    /// Known files that are not there any more.
    pub(super) lost: Vec<Mark>,
}

/// What a rotated file is to us.
enum Known {
    /// It is open already.
    Open(Id),
    /// It was read, up to where this one stands now.
    Read(Box<Growing>),
    New(Box<Growing>),
}

impl Survey {
    pub(super) fn of(place: &dyn Place) -> std::io::Result<Self> {
        let current = place.name();
        let mut aged: Vec<(Age, String)> = place
            .rotated()?
            .into_iter()
            .filter_map(|name| Some((age(&name, &current)?, name)))
            .collect();
        aged.sort();
        // Of a file that is being packed both are there for a moment: the unpacked one counts.
        aged.dedup_by(|later, former| later.0 == former.0);
        let superfluous = aged.len().saturating_sub(limits::ROTATED_FILES);
        Ok(Self { names: aged.into_iter().skip(superfluous).map(|(_, name)| name).collect() })
    }

    /// The newest files, as far as `first` reaches, oldest first; of those that are older, marks as if
    /// they had been read.
    pub(super) fn newest(
        &self,
        place: &dyn Place,
        current: Option<Id>,
        first: First,
    ) -> (Vec<Growing>, Vec<Mark>) {
        let (mut wanted, mut older) = (VecDeque::new(), VecDeque::new());
        let mut left = first.most;
        for name in self.names.iter().rev() {
            let Some(file) = opened(place, name).filter(|file| Some(file.id) != current) else {
                continue;
            };
            let has_room = left > 0 && wanted.len() + 1 < limits::FOLLOW_OPEN;
            if !has_room || !older.is_empty() || file.modified < first.not_before {
                older.extend(read_mark(place, name));
                continue;
            }
            match file.go_near_end(left) {
                Ok(file) => {
                    left = left.saturating_sub(file.size());
                    wanted.push_front(file);
                }
                // It cannot be unpacked: as if it were read.
                Err(_) => older.extend(read_mark(place, name)),
            }
        }
        (wanted.into(), older.into_iter().rev().collect())
    }

    /// The file that what the mark names was copied to, from the mark on. Of what nothing was read
    /// yet, the newest that is not known; `since` is when it was last seen to be written to.
    pub(super) fn copy_of(
        &self,
        place: &dyn Place,
        mark: &Mark,
        open: &VecDeque<Growing>,
        done: &VecDeque<Mark>,
        since: i64,
    ) -> Option<Growing> {
        self.names.iter().rev().find_map(|name| {
            let file = opened(place, name)?;
            if open.iter().any(|it| it.id == file.id) {
                return None;
            }
            if mark.offset > 0 {
                return file.go_to(mark).ok().flatten();
            }
            match recognise(place, name, file, done) {
                Known::New(file) if file.modified >= since => Some(*file),
                _ => None,
            }
        })
    }

    /// What lies between the files that are known and the current one. `since` is when the newest
    /// known one was written to.
    pub(super) fn unread(
        &self,
        place: &dyn Place,
        current: Id,
        open: &VecDeque<Growing>,
        done: &VecDeque<Mark>,
        since: i64,
    ) -> Unread {
        let mut unread = Unread::default();
        let newest = open.back().map(|it| it.id).or(done.back().map(|it| it.id));
        let mut is_behind_known = false;
        // What is open may lie here packed, or as a copy.
        let copied: Vec<Mark> = open
            .iter()
            .flat_map(|it| [it.whole_mark(), Some(it.mark())])
            .flatten()
            .filter(|mark| mark.offset > 0)
            .collect();
        for name in &self.names {
            let Some(file) = opened(place, name).filter(|file| file.id != current) else {
                continue;
            };
            let known = match open.iter().find(|it| it.id == file.id) {
                Some(open) => Known::Open(open.id),
                None => match copied.iter().find(|mark| holds(place, name, mark)) {
                    Some(mark) => Known::Open(mark.id),
                    None => recognise(place, name, file, done),
                },
            };
            match known {
                Known::Open(id) => {
                    if Some(id) == newest {
                        is_behind_known = true;
                        // What lies before it is older.
                        unread.files.retain(|it| it.position() > 0);
                    }
                }
                Known::Read(file) => {
                    is_behind_known = true;
                    unread.files.retain(|it| it.position() > 0);
                    // Its writer may have gone on after it was let go.
                    if file.file().is_some() && file.has_more() {
                        unread.files.push(*file);
                    }
                }
                Known::New(file) if is_behind_known || file.modified >= since => {
                    unread.files.push(*file);
                }
                Known::New(_) => {}
            }
        }
        let has_new = unread.files.iter().any(|file| file.position() == 0);
        unread.may_lack = !is_behind_known && newest.is_some() && has_new;
        unread
    }

    /// Finds the files of a position again, wherever they are now.
    pub(super) fn restore(
        &self,
        place: &dyn Place,
        current: Option<&Growing>,
        saved: &Saved,
    ) -> Unread {
        let mut unread = Unread::default();
        let done: VecDeque<Mark> = saved.done.iter().cloned().collect();
        let newest = saved.open.len().checked_sub(1);
        let names: Vec<Option<&String>> = self.names.iter().map(Some).chain([None]).collect();
        let (found, left) = found_again(place, &names, current, saved);
        let mut is_behind_known = false;
        let mut files: Vec<(bool, Growing)> = Vec::new();
        for (name, found) in names.into_iter().zip(found) {
            if let Some((number, file)) = found {
                if Some(number) == newest {
                    is_behind_known = true;
                    // What lies before it and is not known is older.
                    files.retain(|(is_known, _)| *is_known);
                }
                files.push((true, file));
                continue;
            }
            let Some(name) = name else { continue };
            let Some(file) = opened_or_current(place, Some(name), current) else { continue };
            match recognise(place, name, file, &done) {
                Known::New(file) if is_behind_known || file.modified >= saved.modified => {
                    files.push((false, *file));
                }
                _ => {}
            }
        }
        unread.files = files.into_iter().map(|(_, file)| file).collect();
        unread.may_lack = left.iter().any(|(is_newest, mark)| *is_newest || !mark.is_at_end);
        unread.lost = left.into_iter().map(|(_, mark)| mark).collect();
        unread
    }
}

/// The mark of a file as if it had been read.
fn read_mark(place: &dyn Place, name: &str) -> Option<Mark> {
    let file = place.open(name).ok()?;
    if name.ends_with(".gz") {
        // Its inode is enough: nobody writes to it again.
        let file = Growing::packed(file).ok()?;
        return Some(Mark { offset: u64::MAX, ..file.mark() });
    }
    let end = file.metadata().ok()?.len();
    let file = Growing::plain(file).ok()?.go_near_end(0).ok()?;
    Some(Mark { is_skipping: false, offset: end, ..file.mark() })
}

/// A file of a position, with its number there.
type Found = Option<(usize, Growing)>;

/// Which of the files the marks of a position name, each by its inode, else by what it holds; and
/// the marks that name none of them, with whether they are the newest.
fn found_again(
    place: &dyn Place,
    names: &[Option<&String>],
    current: Option<&Growing>,
    saved: &Saved,
) -> (Vec<Found>, Vec<(bool, Mark)>) {
    let mut found: Vec<Found> = names.iter().map(|_| None).collect();
    let mut left: Vec<(usize, &Mark)> = saved.open.iter().enumerate().collect();
    for by_id in [true, false] {
        left.retain(|(number, mark)| {
            let is_it = |name: &Option<&String>| {
                let file = opened_or_current(place, name.map(String::as_str), current)?;
                // Nothing tells an empty file but its inode.
                let may_be = if by_id { file.id == mark.id } else { mark.head.0 > 0 };
                file.go_to(mark).ok().flatten().filter(|_| may_be)
            };
            let free = names.iter().zip(found.iter_mut()).rev().filter(|(_, it)| it.is_none());
            for (name, slot) in free {
                if let Some(file) = is_it(name) {
                    *slot = Some((*number, file));
                    return false;
                }
            }
            true
        });
    }
    let newest = saved.open.len().checked_sub(1);
    let left = left.into_iter().map(|(number, mark)| (Some(number) == newest, mark.clone()));
    (found, left.collect())
}

fn opened(place: &dyn Place, name: &str) -> Option<Growing> {
    let file = place.open(name).ok()?;
    let is_packed = name.ends_with(".gz");
    if is_packed { Growing::packed(file).ok() } else { Growing::plain(file).ok() }
}

/// The current file anew, but only the one that is held already: it may be another by now.
fn opened_or_current(
    place: &dyn Place,
    name: Option<&str>,
    current: Option<&Growing>,
) -> Option<Growing> {
    match name {
        Some(name) => opened(place, name).filter(|it| current.is_none_or(|held| held.id != it.id)),
        None => Growing::plain(current?.file()?.try_clone().ok()?).ok(),
    }
}

/// Whether what the mark names is in this file.
fn holds(place: &dyn Place, name: &str, mark: &Mark) -> bool {
    let file = opened(place, name).map(|file| file.go_to(mark));
    matches!(file, Some(Ok(Some(_))))
}

/// Whether the file is one that was read, or a copy of it.
fn recognise(place: &dyn Place, name: &str, file: Growing, done: &VecDeque<Mark>) -> Known {
    for mark in done.iter().rev() {
        if mark.offset == u64::MAX {
            // Packed before we began.
            if mark.id == file.id {
                return Known::Read(Box::new(file));
            }
            continue;
        }
        let again = opened(place, name).filter(|again| again.id == file.id);
        if let Some(Ok(Some(known))) = again.map(|again| again.go_to(mark)) {
            return Known::Read(Box::new(known));
        }
    }
    Known::New(Box::new(file))
}
