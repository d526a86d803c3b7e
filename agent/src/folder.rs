//! Opens what lies below a folder of pod logs, and nothing else: names come from log lines, and a
//! link may have been put there by anybody. Each step is taken from an open folder, never by path.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};

/// A folder that is open.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

/// A log that is open.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) file: File,
    /// Where a link led, for the container id that docker writes into it.
    pub(crate) link: Option<PathBuf>,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// The root. It may be a link: whoever configured it meant where it leads.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// A folder in this one, not through a link.
    pub(crate) fn below(&self, name: &OsStr) -> io::Result<Self> {
        single(name)?;
        let flags = FOLDER.union(OFlags::NOFOLLOW);
        Ok(Self(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    /// When something in it was made or removed.
    pub(crate) fn modified(&self) -> io::Result<SystemTime> {
        File::from(self.0.try_clone()?).metadata()?.modified()
    }

    /// At most `most` names.
    pub(crate) fn names(&self, most: usize) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
            if names.len() >= most {
                break;
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A regular file in this folder; through a link only to below one of `roots`.
    pub(crate) fn log(&self, name: &str, roots: &[PathBuf]) -> io::Result<Log> {
        let name = OsStr::new(name);
        match self.file(name) {
            Ok(file) => Ok(Log { file, link: None }),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                let target = self.target(name)?;
                let (folder, last) = linked(&target, roots)?;
                Ok(Log { file: folder.file(&last)?, link: Some(target) })
            }
            Err(error) => Err(error),
        }
    }

    /// Where a log really lies: the folder and its name there. `None` where it is no link.
    pub(crate) fn beyond(
        &self,
        name: &str,
        roots: &[PathBuf],
    ) -> io::Result<Option<(Self, String)>> {
        match self.target(OsStr::new(name)) {
            Ok(target) => {
                let (folder, last) = linked(&target, roots)?;
                Ok(Some((folder, last.to_string_lossy().into_owned())))
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn target(&self, name: &OsStr) -> io::Result<PathBuf> {
        single(name)?;
        let target = rustix::fs::readlinkat(&self.0, name, Vec::new())?;
        Ok(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
    }

    /// When a folder below this one was last changed, in nanoseconds; `path` may have several
    /// names, none of which leads up.
    pub(crate) fn changed(&self, path: &str) -> io::Result<i64> {
        path.split('/').try_for_each(|name| single(OsStr::new(name)))?;
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let status = rustix::fs::statat(&self.0, path, flags)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let nanos = i64::try_from(status.st_mtime_nsec).unwrap_or(0);
        Ok(status.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    fn file(&self, name: &OsStr) -> io::Result<File> {
        single(name)?;
        // A pipe that somebody put there must not hold us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode);
        if kind != FileType::RegularFile {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(File::from(opened))
    }
}

/// Docker's logs lie elsewhere. The path below the root is walked without a further link.
fn linked(target: &Path, roots: &[PathBuf]) -> io::Result<(Folder, OsString)> {
    let refused = || {
        let target = target.display();
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it is a link to {target}, which evidence.log_links does not name"),
        )
    };
    let root = roots.iter().find(|root| target.starts_with(root)).ok_or_else(refused)?;
    let rest = target.strip_prefix(root).map_err(|_| refused())?;
    let mut names = Vec::new();
    for component in rest.components() {
        match component {
            Component::Normal(name) => names.push(name),
            _ => return Err(refused()),
        }
    }
    let last = names.pop().ok_or_else(refused)?;
    let mut folder = Folder::open(root)?;
    for name in names {
        folder = folder.below(name)?;
    }
    Ok((folder, last.to_owned()))
}

/// One name, not a path.
fn single(name: &OsStr) -> io::Result<()> {
    let is_name =
        !name.is_empty() && name != "." && name != ".." && !name.as_bytes().contains(&b'/');
    is_name.then_some(()).ok_or_else(|| io::Error::other("its name is no name of a file"))
}
