//! A folder of this process alone that is gone afterwards.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    /// # Errors
    /// When it cannot be made, or is there already, be it as somebody's link.
    pub(super) fn make(what: &str) -> io::Result<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("podwhy-{what}-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()))
        })?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The system clears its temporary folder anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
