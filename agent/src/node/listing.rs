//! Names of the files in a pod's volumes: never a content, never through a link, never far. May hang
//! on a dead network filesystem: whoever calls it has a thread for that.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::Path,
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

use crate::{
    fact::{FileEntry, FileKind, Listing, PodRef, evidence::VolumeListing},
    limits,
    observation::text::plain,
    source::Micros,
};

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Lists the named volumes of a pod below a folder like `/var/lib/kubelet/pods`. A volume that is
/// not there is left out.
///
/// # Errors
/// One clause for humans: nothing of this pod can be seen.
pub fn read(root: &Path, pod: &PodRef, volumes: &[String]) -> Result<Listing, String> {
    let uid = pod.uid.as_deref().ok_or("its uid is not known")?;
    let place = root.display();
    let folder = rustix::fs::openat(CWD, root, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())
        .map_err(|error| format!("{place}: {}", io::Error::from(error)))?;
    let folder = below(&folder, OsStr::new(uid))
        .and_then(|pod| below(&pod, OsStr::new("volumes")))
        .map_err(|error| format!("{place}/{uid}/volumes: {error}"))?;
    let plugins = entries(&folder).map_err(|error| format!("{place}/{uid}/volumes: {error}"))?.0;
    let mut listing = Listing { pod: pod.clone(), volumes: Vec::new() };
    for volume in volumes.iter().take(limits::LISTED_VOLUMES) {
        let found = plugins.iter().find_map(|plugin| {
            let plugin_folder = below(&folder, plugin).ok()?;
            let folder = below(&plugin_folder, OsStr::new(volume)).ok()?;
            // A CSI volume's content lies one deeper, beside the kubelet's own notes.
            if plugin == OsStr::new("kubernetes.io~csi") {
                return below(&folder, OsStr::new("mount")).ok();
            }
            Some(folder)
        });
        if let Some(folder) = found {
            listing.volumes.push(walk(volume, folder));
        }
    }
    Ok(listing)
}

/// Breadth first, so that a deep folder does not hide the others.
fn walk(volume: &str, root: OwnedFd) -> VolumeListing {
    let mut listing = VolumeListing { volume: plain(volume), ..VolumeListing::default() };
    let mut waiting = VecDeque::from([(root, String::new(), 1)]);
    while let Some((folder, path, depth)) = waiting.pop_front() {
        let Ok((names, has_more)) = entries(&folder) else {
            listing.truncated = true;
            continue;
        };
        listing.truncated |= has_more;
        for name in names {
            if listing.files.len() >= limits::LISTED_FILES {
                listing.truncated = true;
                return listing;
            }
            let Some(entry) = entry(&folder, &name, &path) else { continue };
            if entry.kind == FileKind::Directory {
                // The volume's own versions of its files: what is in use is linked beside them.
                let is_version = depth == 1 && name.as_bytes().starts_with(b"..");
                match (is_version, depth < limits::LISTED_DEPTH, below(&folder, &name)) {
                    (true, ..) => continue,
                    (_, true, Ok(inner)) => {
                        waiting.push_back((inner, format!("{}/", entry.path), depth + 1));
                    }
                    _ => listing.truncated = true,
                }
            }
            if name.as_bytes() != b"..data" || depth != 1 {
                listing.files.push(entry);
            }
        }
    }
    listing
}

fn entry(folder: &OwnedFd, name: &OsStr, path: &str) -> Option<FileEntry> {
    let status = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let kind = match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    };
    let shown = plain(&name.to_string_lossy()).replace(['\n', '\t'], " ");
    let full = format!("{path}{shown}");
    Some(FileEntry {
        path: limits::cut(&full, limits::WORD_BYTES).0.to_owned(),
        kind,
        mode: status.st_mode & 0o7777,
        uid: status.st_uid,
        gid: status.st_gid,
        modified: Micros::from(status.st_mtime).checked_mul(1_000_000),
    })
}

/// A folder in another, not through a link.
fn below(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let is_name =
        !name.is_empty() && name != "." && name != ".." && !name.as_bytes().contains(&b'/');
    if !is_name {
        return Err(io::Error::other("its name is no name of a file"));
    }
    Ok(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?)
}

/// Names in a folder, sorted, and whether there are more than are looked at.
fn entries(folder: &OwnedFd) -> io::Result<(Vec<std::ffi::OsString>, bool)> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() >= limits::LISTED_FILES {
            names.sort_unstable();
            return Ok((names, true));
        }
        names.push(OsStr::from_bytes(name).to_owned());
    }
    names.sort_unstable();
    Ok((names, false))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";

    fn pod() -> PodRef {
        PodRef { uid: Some(UID.into()), ..PodRef::default() }
    }

    fn names(listing: &VolumeListing) -> Vec<&str> {
        listing.files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn m4_a_config_map_shows_its_files_and_not_the_kubelets_versions_of_them() {
        let root = tempfile::tempdir().unwrap();
        let volume = root.path().join(UID).join("volumes/kubernetes.io~configmap/config");
        let version = volume.join("..2031_03_17_10_12_00.1");
        fs::create_dir_all(&version).unwrap();
        fs::write(version.join("fluent.conf"), "secret content").unwrap();
        symlink("..2031_03_17_10_12_00.1", volume.join("..data")).unwrap();
        symlink("..data/fluent.conf", volume.join("fluent.conf")).unwrap();
        let csi = root.path().join(UID).join("volumes/kubernetes.io~csi/data/mount/db");
        fs::create_dir_all(&csi).unwrap();
        fs::write(csi.join("lock"), "").unwrap();
        fs::set_permissions(csi.join("lock"), fs::Permissions::from_mode(0o600)).unwrap();

        let volumes = ["config", "data", "gone"].map(str::to_owned);
        let listing = read(root.path(), &pod(), &volumes).unwrap();
        let [config, data] = listing.volumes.as_slice() else { panic!("{listing:?}") };
        assert_eq!((config.volume.as_str(), names(config)), ("config", vec!["fluent.conf"]));
        assert_eq!(config.files[0].kind, FileKind::Symlink);
        assert_eq!(names(data), ["db", "db/lock"]);
        let lock = &data.files[1];
        assert_eq!((lock.kind, lock.mode), (FileKind::File, 0o600));
        assert!(lock.modified.unwrap() > 1_000_000_000_000_000);
        assert!(!format!("{listing:?}").contains("secret content"));
    }

    #[test]
    fn links_and_names_lead_nowhere_and_depth_and_number_are_bounded() {
        let root = tempfile::tempdir().unwrap();
        let secret = root.path().join("elsewhere");
        fs::create_dir_all(&secret).unwrap();
        fs::write(secret.join("key"), "").unwrap();
        let plugin = root.path().join(UID).join("volumes/kubernetes.io~empty-dir");
        let volume = plugin.join("data");
        fs::create_dir_all(volume.join("a/b/c/d/e")).unwrap();
        symlink(&secret, volume.join("link")).unwrap();
        symlink(&secret, plugin.join("linked")).unwrap();
        fs::write(volume.join("bad\u{1b}[31mname\n"), "").unwrap();
        let many = plugin.join("many");
        fs::create_dir_all(&many).unwrap();
        for number in 0..=limits::LISTED_FILES {
            fs::write(many.join(number.to_string()), "").unwrap();
        }
        let volumes = ["data", "linked", "many", "../../x", "..", ""].map(str::to_owned);
        let listing = read(root.path(), &pod(), &volumes).unwrap();
        let [data, many] = listing.volumes.as_slice() else { panic!("{listing:?}") };
        assert_eq!(names(data), ["a", "bad[31mname ", "link", "a/b", "a/b/c", "a/b/c/d"]);
        assert!(data.truncated, "deeper than is looked");
        assert_eq!((many.files.len(), many.truncated), (limits::LISTED_FILES, true));
        let other = PodRef { uid: Some("../elsewhere".into()), ..PodRef::default() };
        read(root.path(), &other, &volumes).unwrap_err();
        read(root.path(), &PodRef::default(), &volumes).unwrap_err();
    }
}
