//! The archive itself: a gzipped tar for its owner alone, never over a file that somebody has.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Writes it where nothing is yet. Gives the number of bytes.
///
/// # Errors
/// One sentence.
pub(super) fn create(
    path: &Path,
    force: bool,
    stem: &str,
    members: &[Member],
    made: jiff::Timestamp,
) -> Result<u64, String> {
    let of = |error: io::Error| format!("cannot write {}: {error}", path.display());
    if force && path.symlink_metadata().is_ok_and(|it| it.is_file() || it.is_symlink()) {
        fs::remove_file(path).map_err(of)?;
    }
    // A link that somebody laid there is not followed: the file is made, or nothing is.
    let file = fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(path),
        _ => of(error),
    })?;
    write(&file, stem, members, made).and_then(|written| file.sync_all().map(|()| written)).map_err(
        |error| {
            // Half an archive is none.
            let _ = fs::remove_file(path);
            of(error)
        },
    )
}

pub(super) fn is_there(path: &Path) -> String {
    format!("{} exists: name another file, or say --force", path.display())
}

/// # Errors
/// Those of the output.
pub(super) fn write(
    out: impl Write,
    stem: &str,
    members: &[Member],
    made: jiff::Timestamp,
) -> io::Result<u64> {
    let mut counted = Counted { out, bytes: 0 };
    let packed = flate2::write::GzEncoder::new(&mut counted, flate2::Compression::default());
    let mut archive = tar::Builder::new(packed);
    for member in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(member.bytes.len()).unwrap_or(u64::MAX));
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(made.as_second()).unwrap_or_default());
        let name = format!("{stem}/{}", member.name);
        archive.append_data(&mut header, name, member.bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?;
    counted.out.flush()?;
    Ok(counted.bytes)
}

/// Counts what goes through.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
