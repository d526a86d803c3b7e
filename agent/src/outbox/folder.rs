//! The state folder: permissions, the reserve for a full disk, a damaged file set aside.

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use redb::{Database, DatabaseError};

use super::{
    Start,
    disk::{self, Disk},
    shadow::Shadow,
    trouble::{Trouble, guarded},
};
use crate::{limits, wall_clock};

const FILE: &str = "podwhy.redb";
/// While it is made.
const NEW: &str = "podwhy.redb.new";
const RESERVE: &str = "podwhy.reserve";
const ASIDE: &str = "podwhy.redb.set-aside-";

type Open = dyn Fn(fs::File) -> Result<Database, DatabaseError> + Send;

/// Makes a database of a file; tests put a failing storage in between.
pub(super) struct Opener {
    pub(super) open: Box<Open>,
    /// The same for reading only: what the database writes stays in memory.
    pub(super) shadow: Box<Open>,
}

impl Default for Opener {
    fn default() -> Self {
        Self {
            open: Box::new(|file| {
                disk::builder().create_with_backend(redb::backends::FileBackend::new(file)?)
            }),
            shadow: Box::new(|file| disk::builder().create_with_backend(Shadow::over(file)?)),
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

/// The state file.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Opens the state file; a damaged one is set aside and a fresh one begun.
pub(super) fn open(folder: &Path, opener: &Opener) -> Result<(Disk, Start), Trouble> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Lines of pods and open incidents are nobody else's business.
    let _not_ours = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    let path = file(folder);
    let was_there = fs::metadata(&path).is_ok_and(|meta| meta.len() > 0);
    let outcome = if was_there { attempt(&path, opener) } else { begin(folder, &path, opener) };
    reserve(folder);
    match outcome {
        Ok(disk) if was_there => Ok((disk, Start::Resumed)),
        Ok(disk) => Ok((disk, Start::Fresh)),
        Err(trouble @ (Trouble::Damaged(_) | Trouble::Foreign { .. })) => {
            let why = trouble.to_string();
            let moved_to = set_aside(folder, &path)?;
            let disk = begin(folder, &path, opener)?;
            Ok((disk, Start::Salvaged { moved_to, why }))
        }
        Err(trouble) => Err(trouble),
    }
}

/// Opens the state file for reading where it cannot be written: what it holds can still be
/// delivered.
pub(super) fn open_shadow(folder: &Path, opener: &Opener) -> Result<Disk, Trouble> {
    let path = file(folder);
    let file = fs::OpenOptions::new().read(true).open(&path)?;
    make(&path, file, &opener.shadow)
}

/// Makes a fresh state file under a name of its own: whoever is killed meanwhile leaves nothing that
/// looks like a damaged one.
fn begin(folder: &Path, path: &Path, opener: &Opener) -> Result<Disk, Trouble> {
    let new = folder.join(NEW);
    let file = opened(&new)?;
    // The database locks it again: both locks are of one open file.
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        return Err(DatabaseError::DatabaseAlreadyOpen.into());
    }
    file.set_len(0)?;
    let disk = make(path, file, &opener.open)?;
    fs::rename(&new, path)?;
    // Not every file system knows how to; then the name becomes durable when it pleases.
    let _not_synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(disk)
}

fn opened(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn attempt(path: &Path, opener: &Opener) -> Result<Disk, Trouble> {
    let mut disk = make(path, opened(path)?, &opener.open)?;
    // At start nobody waits, and a file that is mostly air is read as a whole by each check.
    if disk.file_bytes() > limits::OUTBOX_COMPACT_ABOVE + 2 * disk.totals().bytes() {
        disk.compact()?;
    }
    Ok(disk)
}

fn make(path: &Path, file: fs::File, open: &Open) -> Result<Disk, Trouble> {
    let meta = file.metadata()?;
    let identity = (meta.dev(), meta.ino());
    let database = guarded(|| Ok(open(file)?))?;
    Disk::new(database, path.to_owned(), identity)
}

/// Gives the file that cannot be read a new name. Only the newest few are kept: a disk that damages
/// each file must not fill up with them.
fn set_aside(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let stamp = wall_clock::now();
    let target = folder.join(format!("{ASIDE}{stamp}"));
    fs::rename(path, &target)?;
    let mut kept: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(ASIDE))
        .map(|entry| entry.path())
        .collect();
    kept.sort();
    while kept.len() > limits::OUTBOX_DAMAGED_KEPT {
        let _already_gone = fs::remove_file(kept.remove(0));
    }
    Ok(target)
}

/// Keeps some space aside: on a full disk even deleting needs some (copy on write). Its absence is
/// no fault, so a failure is not told.
pub(super) fn reserve(folder: &Path) {
    let path = folder.join(RESERVE);
    if path.exists() {
        return;
    }
    // Not zeros: a file system that compresses would keep nothing aside.
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_le_bytes()
    })
    .take(limits::OUTBOX_RESERVE_BYTES / 8)
    .flatten()
    .collect();
    let mut file = fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(&path);
    if file.and_then(|mut file| file.write_all(&noise)).is_err() {
        let _not_written = fs::remove_file(&path);
    }
}

/// Gives the reserve back to the file system; false when there was none.
pub(super) fn release_reserve(folder: &Path) -> bool {
    fs::remove_file(folder.join(RESERVE)).is_ok()
}
