//! A copy of `/var/log/pods`: a folder, a must-gather, or an archive of either, unpacked within
//! bounds into a folder that is gone afterwards. Owns finding the logs; reading them is `node`'s.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};

use super::super::temporary::Temporary;
use crate::fact::Instance;
use crate::limits::{POD_LOGS_BYTES, POD_LOGS_FILES, POD_LOGS_LOG_BYTES};
use crate::source::paste::unpacked;

/// Where the logs are.
#[derive(Debug)]
pub(super) enum PodLogs {
    /// Somebody's copy.
    Folder(PathBuf),
    /// Ours: removed with this.
    Unpacked(Temporary),
}

/// Stands in for a uid that nobody told: folders of pods have one in their name.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

impl PodLogs {
    /// # Errors
    /// What the file system says, or what is wrong with the archive.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.is_dir() {
            return Ok(Self::Folder(root_below(path)));
        }
        let folder = Temporary::make("logs")?;
        unpack(fs::File::open(path)?, folder.path())?;
        Ok(Self::Unpacked(folder))
    }

    /// The folder of pods' folders.
    pub(super) fn root(&self) -> &Path {
        match self {
            Self::Folder(root) => root,
            Self::Unpacked(folder) => folder.path(),
        }
    }

    /// The log of a must-gather: the instance before, else the one that is there.
    pub(super) fn gathered(&self, instance: &Instance) -> Option<PathBuf> {
        let (namespace, name) = (instance.pod.namespace.as_deref()?, instance.pod.name.as_deref()?);
        let is_plain = |text: &str| !text.is_empty() && !text.contains(['/', '\\']) && text != "..";
        if ![namespace, name, &instance.container].into_iter().all(is_plain) {
            return None;
        }
        let container = &instance.container;
        let logs = self.root().join("namespaces").join(namespace).join("pods").join(name);
        let logs = logs.join(container).join(container).join("logs");
        ["previous.log", "current.log"]
            .into_iter()
            .map(|file| logs.join(file))
            .find(|path| fs::symlink_metadata(path).is_ok_and(|it| it.is_file() && it.len() > 0))
    }
}

/// Copies are made at any height: what holds the pods' folders is looked for a little below.
fn root_below(path: &Path) -> PathBuf {
    let holds_pods = |folder: &Path| {
        folder.join("namespaces").is_dir()
            || fs::read_dir(folder).into_iter().flatten().flatten().take(64).any(|entry| {
                entry.file_name().to_str().is_some_and(|name| name.matches('_').count() >= 2)
            })
    };
    let candidates = ["", "pods", "log/pods", "var/log/pods"].map(|below| path.join(below));
    if let Some(found) = candidates.into_iter().find(|folder| holds_pods(folder)) {
        return found;
    }
    // must-gather.local.123/registry-…-sha256-…/namespaces
    let below = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .take(64)
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let first = below(path);
    let second = first.iter().flat_map(|folder| below(folder)).collect::<Vec<_>>();
    first.into_iter().chain(second).find(|it| holds_pods(it)).unwrap_or_else(|| path.to_owned())
}

/// What an entry of an archive becomes: the part of its path that says whose log it is.
fn place(path: &Path) -> Option<PathBuf> {
    let parts: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    if path.components().any(|part| matches!(part, Component::ParentDir)) {
        return None;
    }
    let file = parts.last()?;
    if !file.contains(".log") {
        return None;
    }
    if let Some(at) = parts.iter().rposition(|part| *part == "namespaces") {
        return Some(parts.get(at..)?.iter().collect());
    }
    let pod = parts.len().checked_sub(3)?;
    let is_pod = parts.get(pod)?.matches('_').count() == 2;
    is_pod.then(|| parts.get(pod..).map(|parts| parts.iter().collect())).flatten()
}

/// Regular files only, each its last part, all together bounded.
fn unpack(archive: fs::File, folder: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(unpacked(archive)?);
    let (mut bytes, mut files) = (0_u64, 0_u64);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Some(place) = entry.path().ok().and_then(|path| place(&path)) else { continue };
        let to = folder.join(place);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        let kept = tail(&mut entry)?;
        (bytes, files) = (bytes + kept.len() as u64, files + 1);
        if bytes > POD_LOGS_BYTES || files > POD_LOGS_FILES {
            return Err(io::Error::other(
                "the archive holds more than is unpacked; give a part of it",
            ));
        }
        fs::File::create(to)?.write_all(&kept)?;
    }
    Ok(())
}

/// The last bytes of a log.
fn tail(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut kept, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = match input.read(&mut piece) {
            Ok(0) => return Ok(kept),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        kept.extend_from_slice(piece.get(..read).unwrap_or_default());
        if kept.len() > 2 * POD_LOGS_LOG_BYTES {
            kept.drain(..kept.len() - POD_LOGS_LOG_BYTES);
        }
    }
}

/// Logs that came in another form, laid out as the kubelet would have.
#[derive(Debug)]
pub(super) struct Layout(Temporary);

impl Layout {
    /// # Errors
    /// When there is no temporary folder.
    pub(super) fn new() -> io::Result<Self> {
        Temporary::make("said").map(Self)
    }

    /// Writes lines, each with its time, as the log of an instance. Gives the root.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn write(&self, instance: &Instance, lines: &[String]) -> io::Result<&Path> {
        let of = |text: Option<&str>, other: &str| {
            let text = text.filter(|text| !text.is_empty() && !text.contains(['/', '_']));
            text.unwrap_or(other).to_owned()
        };
        let pod = format!(
            "{}_{}_{}",
            of(instance.pod.namespace.as_deref(), "default"),
            of(instance.pod.name.as_deref(), "pod"),
            of(instance.pod.uid.as_deref(), NO_UID),
        );
        let folder = self.0.path().join(pod).join(of(Some(&instance.container), "container"));
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.log", instance.attempt.unwrap_or(0)));
        fs::write(path, lines.join("\n") + "\n")?;
        Ok(self.0.path())
    }
}

/// Lines of a must-gather's log, `time text`, in the form of `/var/log/pods`.
pub(super) fn as_logged(path: &Path) -> io::Result<Vec<String>> {
    let kept = tail(&mut fs::File::open(path)?)?;
    let text = String::from_utf8_lossy(&kept);
    Ok(text.lines().filter_map(|line| framed(line, None)).collect())
}

/// A line with its time in front, or with that of its neighbours.
pub(super) fn framed(line: &str, at: Option<&str>) -> Option<String> {
    if podwhy_parser::cri_log::Line::parse(line).is_some() {
        return Some(line.to_owned());
    }
    let own = line.split_once(' ').filter(|(time, _)| time.parse::<jiff::Timestamp>().is_ok());
    let (time, text) = own.or_else(|| at.map(|at| (at, line)))?;
    Some(format!("{time} stdout F {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::PodRef;

    fn archive(files: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
            file.reopen().unwrap(),
            flate2::Compression::fast(),
        ));
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            // Straight into the header: the builder itself refuses what a hostile archive holds.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        file
    }

    #[test]
    fn an_archive_is_unpacked_by_whose_log_it_is_and_nothing_leaves_the_folder() {
        let pod = "shop_web-0_0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11";
        let inside = format!("bundle/pods/{pod}/app/3.log");
        let file = archive(&[
            (&inside, "said"),
            ("../../escaped_a_b/app/0.log", "evil"),
            ("bundle/README", "not a log"),
            ("mg/namespaces/shop/pods/web-0/app/app/logs/previous.log", "2026-11-22T10:00:00Z x\n"),
        ]);
        let logs = PodLogs::open(file.path()).unwrap();
        assert!(matches!(logs, PodLogs::Unpacked(_)));
        let root = logs.root().to_owned();
        assert_eq!(fs::read_to_string(root.join(pod).join("app/3.log")).unwrap(), "said");
        assert!(!root.join("README").exists() && !root.join("../escaped_a_b").exists());
        let pod = PodRef {
            namespace: Some("shop".to_owned()),
            name: Some("web-0".to_owned()),
            uid: None,
        };
        let instance = Instance { pod, container: "app".to_owned(), ..Instance::default() };
        let path = logs.gathered(&instance).unwrap();
        assert_eq!(as_logged(&path).unwrap(), ["2026-11-22T10:00:00Z stdout F x"]);
        drop(logs);
        assert!(!root.exists(), "nothing is left behind");
    }
}
