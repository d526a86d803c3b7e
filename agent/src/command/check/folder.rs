//! Whether the state folder can be written to and has room.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use rustix::fs::Access;

use super::Finding;
use crate::config::{self, units::size};

const NAME: &str = "state folder";

/// Writes, syncs and removes one small file. A folder that is not there yet is not made: the agent
/// makes it, in the first folder above that exists.
pub(super) fn look(config: &config::State) -> Finding {
    let folder = &config.folder;
    let place = folder.display();
    let fix = format!(
        "make it writable, or set state.folder to a folder that is and that survives the pod \
         (now as uid {})",
        rustix::process::getuid().as_raw()
    );
    let (writable, what) = if folder.is_dir() {
        (try_to_write(folder), format!("{place} is writable"))
    } else {
        let above = nearest(folder);
        let access = rustix::fs::access(&above, Access::WRITE_OK | Access::EXEC_OK);
        (access.map_err(io::Error::from), format!("{place} can be made in {}", above.display()))
    };
    if let Err(error) = writable {
        return Finding::failed(NAME, format!("{place}: {error}"), fix);
    }
    let Ok(status) = rustix::fs::statvfs(nearest(folder)) else {
        return Finding::ok(NAME, what);
    };
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let what = format!("{what}, {} free", human(free));
    if free < config.size_max {
        let needed = size::format(config.size_max);
        let fix = format!("state.size_max is {needed}: make room, or set it lower");
        return Finding::degraded(NAME, what, fix);
    }
    Finding::ok(NAME, what)
}

fn try_to_write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".check-{}", std::process::id()));
    let result = fs::File::create(&path).and_then(|mut file| {
        file.write_all(b"podwhy check\n")?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    result.and(removed)
}

/// The folder itself, or the first above it that exists.
fn nearest(folder: &Path) -> PathBuf {
    let existing = folder.ancestors().find(|folder| folder.exists());
    existing.unwrap_or(Path::new("/")).to_path_buf()
}

/// Bytes for people: two figures are enough.
pub(super) fn human(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, shift) in units {
        let whole = bytes >> shift;
        if whole > 0 {
            let tenth = ((bytes >> (shift - 10)) & 1023) * 10 / 1024;
            return if whole < 10 {
                format!("{whole}.{tenth} {unit}")
            } else {
                format!("{whole} {unit}")
            };
        }
    }
    format!("{bytes} B")
}
