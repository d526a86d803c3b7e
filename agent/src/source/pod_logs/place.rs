//! Where the log of one attempt of a container lies. Owns the way to it: by open folders, never by a
//! path, since whoever may write a pod's logs may put links there.

use std::{ffi::OsStr, fs::File, io, path::PathBuf};

use crate::{
    folder::Folder,
    limits,
    source::follow::{Id, Place, age},
};

/// `<root>/<pod>/<container>/<attempt>.log`.
#[derive(Debug)]
pub(super) struct PodPlace {
    pub(super) root: PathBuf,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) attempt: u32,
    /// Folders that a log may be a link to: docker's own.
    pub(super) links: Vec<PathBuf>,
}

impl PodPlace {
    fn own_name(&self) -> String {
        format!("{}.log", self.attempt)
    }

    /// Whether anything of this attempt is there.
    pub(super) fn is_there(&self) -> bool {
        self.current().is_ok() || self.rotated().is_ok_and(|names| !names.is_empty())
    }

    fn own_folder(&self) -> io::Result<Folder> {
        let pod = Folder::open(&self.root)?.below(OsStr::new(&self.pod))?;
        pod.below(OsStr::new(&self.container))
    }

    /// Docker rotates where the link leads.
    fn real(&self) -> io::Result<(Folder, String)> {
        let folder = self.own_folder()?;
        let name = self.own_name();
        match folder.beyond(&name, &self.links) {
            Ok(Some(beyond)) => Ok(beyond),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok((folder, name)),
        }
    }
}

impl Place for PodPlace {
    fn id(&self) -> io::Result<Id> {
        let path = self.root.join(&self.pod).join(&self.container).join(self.own_name());
        std::fs::metadata(path).map(|metadata| Id::of(&metadata))
    }

    fn current(&self) -> io::Result<File> {
        Ok(self.own_folder()?.log(&self.own_name(), &self.links)?.file)
    }

    fn rotated(&self) -> io::Result<Vec<String>> {
        let (folder, current) = self.real()?;
        let mut names = folder.names(limits::POD_LOG_FILES)?;
        names.retain(|name| age(name, &current).is_some());
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        Ok(self.real()?.0.log(name, &[])?.file)
    }

    fn name(&self) -> String {
        self.real().map_or_else(|_| self.own_name(), |(_, name)| name)
    }

    fn shown(&self) -> String {
        format!("{}/{}/{}", self.pod, self.container, self.own_name())
    }
}
