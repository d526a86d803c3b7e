//! Whether the journal's files are whole. libsystemd passes over a file in silence that is shorter
//! than its header says, and stops where its end is zeros: as a power loss or a full disk leaves it.
//! Owns: the look at headers. Does not: read entries.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::super::From;
use super::super::probe::journal_files;
use super::talk::Stop;
use super::{Reader, place};
use crate::source::{LossKind, Micros};
use crate::wall_clock;

/// Bytes of a journal file's header that are looked at; every version has them.
const HEADER: usize = 200;
/// A file that is being made has no header yet.
const FRESH: Micros = 10_000_000;
/// Object types of a journal file.
const TYPES: std::ops::RangeInclusive<u8> = 1..=7;

/// Files that were told, by device and inode.
pub(super) type Told = BTreeSet<(u64, u64)>;

/// What is missing at least.
struct Damage {
    from: Micros,
    to: Micros,
    why: String,
}

impl Reader<'_> {
    /// Tells each file once of which something is missing that would have been read.
    pub(super) fn tell_damaged_files(&mut self) -> Result<(), Stop> {
        let from = self.wanted_from();
        for folder in place::folder_paths(&self.request.config) {
            for path in journal_files(&folder).unwrap_or_default() {
                let Ok(file) = File::open(&path) else { continue };
                let Ok(meta) = file.metadata() else { continue };
                let id = (meta.dev(), meta.ino());
                if self.told_damaged.contains(&id) {
                    continue;
                }
                let Some(damage) = look(&path, &file, &meta) else { continue };
                self.told_damaged.insert(id);
                if damage.to > from {
                    let span = (damage.from.max(from).min(damage.to), damage.to);
                    self.lose(LossKind::Corrupt, span, damage.why)?;
                }
            }
        }
        Ok(())
    }

    /// What is older was read before, or is not wanted.
    fn wanted_from(&self) -> Micros {
        match (&self.place, &self.request.from) {
            (Some(place), _) => place.at,
            (None, From::Time(at) | From::Cursor { at, .. }) => *at,
            (None, From::Start) => {
                let window =
                    self.request.config.start.window.map(|it| Micros::try_from(it.as_micros()));
                window.map_or(0, |it| wall_clock::now().saturating_sub(it.unwrap_or(Micros::MAX)))
            }
        }
    }
}

fn look(path: &Path, file: &File, meta: &std::fs::Metadata) -> Option<Damage> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let changed = meta.mtime().saturating_mul(1_000_000);
    let mut header = [0; HEADER];
    let is_read = file.read_exact_at(&mut header, 0).is_ok();
    if !is_read || !header.starts_with(b"LPKSHHRH") {
        let is_fresh = wall_clock::now().saturating_sub(changed) < FRESH;
        let why = format!("{name} has no header of a journal: nothing of it can be read");
        return (!is_fresh).then_some(Damage { from: 0, to: changed, why });
    }
    let size = number(&header, 88)?.checked_add(number(&header, 96)?)?;
    let (tail, entries) = (number(&header, 136)?, number(&header, 152)?);
    let why = if meta.len() < size {
        format!("{name} is cut short: of its {entries} entries of all units none can be read")
    } else if tail != 0 && !is_object(file, tail) {
        format!(
            "{name} is damaged at its end: some of its {entries} entries of all units are missing"
        )
    } else {
        return None;
    };
    let time = |at| Micros::try_from(number(&header, at)?).ok();
    Some(Damage { from: time(184)?, to: time(192)?, why })
}

/// Whether there is an object: its kind, and a size that is at least its own header's.
fn is_object(file: &File, at: u64) -> bool {
    let mut object = [0; 16];
    let is_read = file.read_exact_at(&mut object, at).is_ok();
    let kind = object.first().is_some_and(|kind| TYPES.contains(kind));
    is_read && kind && number(&object, 8).is_some_and(|size| size >= 16)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(part.try_into().ok()?))
}
