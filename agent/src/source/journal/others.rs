//! Journals beside the host's: namespaces (`LogNamespace=` of a unit), which libsystemd passes over
//! when it opens a whole root, and folders that the configuration names. Owns: finding them, and
//! which of them are followed. Does not: open any.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::reader::place;
use super::{Config, SOURCE};
use crate::config;
use crate::limits;
use crate::observation::text::plain;

/// A journal with a reader of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its files.
    pub folder: PathBuf,
    /// The namespace, unless it is a folder that somebody configured.
    pub namespace: Option<String>,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that are followed, the ones of the configuration first, then what was written last.
    pub followed: Vec<Other>,
    /// Namespaces that are not, with why.
    pub passed_over: Vec<(Other, &'static str)>,
}

/// The namespace's name in front of a place, for people.
impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(name) => write!(f, "namespace {} ({})", plain(name), self.folder.display()),
            None => write!(f, "{}", self.folder.display()),
        }
    }
}

impl Other {
    /// What its reader is told.
    #[must_use]
    pub fn config(&self, section: &config::Journal) -> Config {
        Config {
            directory: Some(self.folder.clone()),
            source: source(&self.folder),
            ..Config::from(section)
        }
    }
}

/// Its name in positions.
#[must_use]
pub fn source(folder: &Path) -> String {
    format!("{SOURCE}:{}", folder.display())
}

/// The folder of a source of that name.
#[must_use]
pub fn folder_of(source: &str) -> Option<&str> {
    source.strip_prefix(SOURCE)?.strip_prefix(':')
}

/// Looks for them.
#[must_use]
pub fn find(section: &config::Journal) -> Found {
    let mut found = Found::default();
    for folder in &section.more_folders {
        found.followed.push(Other { folder: folder.clone(), namespace: None });
    }
    found.followed.truncate(limits::OTHER_JOURNALS);
    // One folder that is read instead of the root's two is all that is wanted of them.
    let folders = match section.folder {
        Some(_) => Vec::new(),
        None => place::folder_paths(&Config::from(section)),
    };
    let mut namespaces: Vec<(SystemTime, Other)> =
        folders.iter().flat_map(|folder| namespaces(folder)).collect();
    namespaces.sort_by(|one, other| (other.0, &one.1.folder).cmp(&(one.0, &other.1.folder)));
    for (_, other) in namespaces {
        let name = other.namespace.as_deref().unwrap_or_default();
        let is_wanted = section.namespaces.iter().any(|it| it == "*" || it == name);
        if found.followed.iter().any(|known| known.folder == other.folder) {
            continue;
        }
        if !is_wanted {
            found.passed_over.push((other, "journal.namespaces does not name it"));
        } else if found.followed.len() >= limits::OTHER_JOURNALS {
            found
                .passed_over
                .push((other, "others were written to later; name it alone in journal.namespaces"));
        } else {
            found.followed.push(other);
        }
    }
    found
}

/// The folders of namespaces below one that holds journals, with when each last changed.
fn namespaces(folder: &Path) -> Vec<(SystemTime, Other)> {
    let mut all = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    for entry in entries.take(limits::ROTATED_LOOKED_AT).flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(namespace) = namespace_of(&name) else { continue };
        let changed = entry.metadata().and_then(|it| it.modified());
        let other = Other { folder: entry.path(), namespace: Some(namespace.to_owned()) };
        all.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), other));
    }
    all
}

/// `<machine id>.<namespace>`.
pub(super) fn namespace_of(folder: &str) -> Option<&str> {
    let (machine, namespace) = folder.split_once('.')?;
    let is_machine = machine.len() == 32 && machine.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_machine && !namespace.is_empty()).then_some(namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn namespaces_are_followed_as_configured_and_no_more_than_there_is_room_for() {
        let root = tempfile::tempdir().unwrap();
        let journals = root.path().join("var/log/journal");
        for name in [MACHINE, &format!("{MACHINE}.kubelet"), &format!("{MACHINE}."), "remote.old"] {
            std::fs::create_dir_all(journals.join(name)).unwrap();
        }
        let volatile = root.path().join("run/log/journal").join(format!("{MACHINE}.noise"));
        std::fs::create_dir_all(&volatile).unwrap();
        let mut section = config::Journal { root: root.path().to_owned(), ..Default::default() };
        let names = |others: &[Other]| {
            let mut names: Vec<String> =
                others.iter().filter_map(|it| it.namespace.clone()).collect();
            names.sort();
            names
        };
        let found = find(&section);
        assert_eq!(names(&found.followed), ["kubelet", "noise"]);
        assert!(found.passed_over.is_empty(), "{found:?}");

        section.namespaces = vec!["kubelet".to_owned()];
        section.more_folders = vec!["/other/journal".into()];
        let found = find(&section);
        let shown: Vec<String> = found.followed.iter().map(ToString::to_string).collect();
        let kubelet = journals.join(format!("{MACHINE}.kubelet"));
        assert_eq!(
            shown,
            ["/other/journal".to_owned(), format!("namespace kubelet ({})", kubelet.display())]
        );
        assert_eq!(found.passed_over.len(), 1);

        section.namespaces = vec!["*".to_owned()];
        for number in 0..limits::OTHER_JOURNALS {
            std::fs::create_dir(journals.join(format!("{MACHINE}.more{number}"))).unwrap();
        }
        let found = find(&section);
        assert_eq!(found.followed.len(), limits::OTHER_JOURNALS);
        assert_eq!(found.passed_over.len(), 3);

        section.folder = Some(kubelet);
        assert_eq!(find(&section).followed.len(), 1, "of the root nothing is wanted");
    }

    #[test]
    fn a_sources_name_tells_its_folder() {
        let name = source(Path::new("/var/log/journal/a.b"));
        assert_eq!(folder_of(&name), Some("/var/log/journal/a.b"));
        assert_eq!(folder_of(SOURCE), None);
    }
}
