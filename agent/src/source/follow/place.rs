//! Where a log lies: the file that is written to, and those that were rotated away from it. Owns
//! which names are its own. Follows links only where whoever named the path meant them.

use std::{
    fmt::Debug,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::mark::Id;
use crate::limits;

/// A place where a log lies.
pub(crate) trait Place: Debug + Send {
    /// The file that is written to now, without opening it.
    fn id(&self) -> io::Result<Id>;

    /// The file that is written to now.
    fn current(&self) -> io::Result<File>;

    /// Names of the files that were rotated away, in any order.
    fn rotated(&self) -> io::Result<Vec<String>>;

    /// One of these.
    fn open(&self, name: &str) -> io::Result<File>;

    /// The name of the current file, which the names of the others are made of.
    fn name(&self) -> String;

    /// For messages.
    fn shown(&self) -> String;
}

/// A path that somebody configured. It may be a link: to where the log lies.
#[derive(Debug)]
pub(crate) struct AnyPath(PathBuf);

impl AnyPath {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Folder and name of the file itself: what rotates it, rotates it there.
    fn real(&self) -> (PathBuf, String) {
        let real = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (real.parent().unwrap_or(Path::new("/")).to_owned(), name)
    }
}

impl Place for AnyPath {
    fn id(&self) -> io::Result<Id> {
        fs::metadata(&self.0).map(|metadata| Id::of(&metadata))
    }

    fn current(&self) -> io::Result<File> {
        regular(&self.0)
    }

    fn rotated(&self) -> io::Result<Vec<String>> {
        let (folder, current) = self.real();
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)?.take(limits::ROTATED_LOOKED_AT) {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if age(&name, &current).is_some() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        regular(&self.real().0.join(name))
    }

    fn name(&self) -> String {
        self.real().1
    }

    fn shown(&self) -> String {
        self.0.display().to_string()
    }
}

/// A pipe that somebody put there must not hold us.
fn regular(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// How old a rotated file is among its like: smaller is older. `None` for a name that is not made of
/// the current one's.
///
/// ```text
/// name := current "." digits (".gz")?              the higher, the older: logrotate, docker
///       | current ("." | "-") stamp (".gz")?       the kubelet, logrotate's dateext
///       | stem "-" stamp "." extension (".gz")?    lumberjack: RKE2's and k3s' own
/// ```
pub(crate) fn age(name: &str, current: &str) -> Option<Age> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let suffix = plain.strip_prefix(current).and_then(|rest| rest.strip_prefix(['.', '-']));
    if let Some(suffix) = suffix {
        if let Some(number) = index(suffix) {
            return Some(Age::Index(std::cmp::Reverse(number)));
        }
        return is_stamp(suffix).then(|| Age::Stamp(suffix.to_owned()));
    }
    let (stem, extension) = current.rsplit_once('.')?;
    let rest = plain.strip_prefix(stem)?.strip_prefix('-')?;
    let stamp = rest.strip_suffix(extension)?.strip_suffix('.')?;
    is_stamp(stamp).then(|| Age::Stamp(stamp.to_owned()))
}

/// Sorts from the oldest to the newest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Age {
    Index(std::cmp::Reverse<u32>),
    Stamp(String),
}

fn index(text: &str) -> Option<u32> {
    let is_short = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok()).flatten()
}

/// `20310317-101200`, `20310317`, `2031-03-17T10-12-00.123`: all sort as texts.
fn is_stamp(text: &str) -> bool {
    text.len() >= 8
        && text.bytes().filter(u8::is_ascii_digit).count() >= 8
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'T' | b'.' | b'Z' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_who_rotate_are_known_and_sort_from_the_oldest_on() {
        for (current, names) in [
            ("syslog", &["syslog.12.gz", "syslog.2.gz", "syslog.1"][..]),
            ("messages", &["messages-20310310.gz", "messages-20310317"]),
            ("0.log", &["0.log.20310317-101100.gz", "0.log.20310317-101200"]),
            (
                "kubelet.log",
                &["kubelet-2031-03-17T10-12-00.123.log.gz", "kubelet-2031-03-17T10-13-00.000.log"],
            ),
            ("8f-json.log", &["8f-json.log.2", "8f-json.log.1"]),
        ] {
            let mut sorted = names.to_vec();
            sorted.sort_by_key(|name| age(name, current).unwrap_or_else(|| panic!("{name}")));
            assert_eq!(sorted, names);
        }
        for (current, name) in [
            ("0.log", "0.log"),
            ("0.log", "10.log.20310317-101100"),
            ("0.log", "0.log.20310317-101100.gz.tmp"),
            ("syslog", "syslog.conf"),
            ("syslog", "syslog-ng.log"),
            ("kubelet.log", "kubelet.log.bak"),
            ("kubelet.log", "kubelet-config.log"),
        ] {
            assert_eq!(age(name, current), None, "{name}");
        }
    }
}
