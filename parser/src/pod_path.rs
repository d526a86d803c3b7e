//! Names of directories, files and links under `/var/log` (§13.2): the pod stands in them.
//!
//! Owns where a name is split. Opens nothing.

use crate::object::{is_long_id, is_uid};

/// A directory of `/var/log/pods`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory<'a> {
    /// Absent for the directories of 1.13 and older, which are named by UID alone.
    pub namespace: Option<&'a str>,
    /// The pod's name.
    pub pod: Option<&'a str>,
    /// The UID, or the hash of a static pod.
    pub uid: &'a str,
}

impl<'a> Directory<'a> {
    /// Names hold no `_`: the first and the last one split (G68).
    ///
    /// ```text
    /// directory := (namespace "_" pod "_")? uid
    /// ```
    ///
    /// ```
    /// let name = "shop_web-0_7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";
    /// let directory = podwhy_parser::pod_path::Directory::parse(name).unwrap();
    /// assert_eq!((directory.namespace, directory.pod), (Some("shop"), Some("web-0")));
    /// ```
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let Some((namespace, rest)) = name.split_once('_') else {
            return is_uid(name).then_some(Self { namespace: None, pod: None, uid: name });
        };
        let (pod, uid) = rest.rsplit_once('_')?;
        let is_whole =
            !namespace.is_empty() && !pod.is_empty() && !pod.contains('_') && is_uid(uid);
        is_whole.then_some(Self { namespace: Some(namespace), pod: Some(pod), uid })
    }
}

/// A link of `/var/log/containers`: the pod before the namespace, the reverse of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symlink<'a> {
    /// The pod's name.
    pub pod: &'a str,
    /// Absent where the name was cut before it ended.
    pub namespace: Option<&'a str>,
    /// Absent where the name was cut before it ended.
    pub container: Option<&'a str>,
    /// The container's id.
    pub container_id: &'a str,
}

/// The kubelet cuts the names in front of the id so that the whole has this length.
const MAX_FILE_NAME_BYTES: usize = 255;

impl<'a> Symlink<'a> {
    /// ```text
    /// symlink := pod "_" namespace "_" container "-" id ".log"
    /// ```
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let (front, container_id) = name.strip_suffix(".log")?.rsplit_once('-')?;
        if !is_long_id(container_id) {
            return None;
        }
        let is_cut = name.len() >= MAX_FILE_NAME_BYTES;
        let mut parts = front.split('_');
        let (pod, namespace, container) = (parts.next()?, parts.next(), parts.next());
        if parts.next().is_some() || pod.is_empty() || !(is_cut || container.is_some()) {
            return None;
        }
        // Of a cut name only what a further part follows is surely whole.
        let is_whole = |behind: Option<&str>| !is_cut || behind.is_some();
        let namespace = namespace.filter(|_| is_whole(container));
        let container = container.filter(|_| !is_cut);
        Some(Self { pod, namespace, container, container_id })
    }
}

/// A file in a container's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFile<'a> {
    /// The container's restart count.
    pub restarts: u32,
    /// `YYYYMMDD-hhmmss` in local time, for a file that was rotated away.
    pub rotated: Option<&'a str>,
    /// Ends in `.gz`.
    pub is_compressed: bool,
    /// Ends in `.tmp`: left over from a rotation that did not finish (G67).
    pub is_leftover: bool,
}

impl<'a> LogFile<'a> {
    /// ```text
    /// file := restarts ".log" ("." date "-" time (".gz")? (".tmp")?)?
    /// ```
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let (restarts, rest) = name.split_once(".log")?;
        let restarts = crate::stamp::unsigned(restarts)?.try_into().ok()?;
        let (rest, is_leftover) = without(rest, ".tmp");
        let (rest, is_compressed) = without(rest, ".gz");
        let rotated = match rest.strip_prefix('.') {
            Some(rotated) => Some(rotated).filter(|it| is_rotation(it))?.into(),
            None => rest.is_empty().then_some(None)?,
        };
        (rotated.is_some() || !(is_leftover || is_compressed)).then_some(Self {
            restarts,
            rotated,
            is_compressed,
            is_leftover,
        })
    }
}

fn without<'a>(name: &'a str, suffix: &str) -> (&'a str, bool) {
    name.strip_suffix(suffix).map_or((name, false), |rest| (rest, true))
}

fn is_rotation(text: &str) -> bool {
    text.len() == 15
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";
    const ID: &str = "08e6d1f57c934ab2e0d8415b6f29c7a3d5104e8b97f26c3a1b0d84e572f96ac3";

    #[test]
    fn g68_directories_name_the_namespace_first_and_end_in_a_uid_or_a_hash() {
        for uid in [UID, "3f9a1c5e7b2d48060a9e4c1f8d573b62"] {
            let name = std::format!("123_web.v1-0_{uid}");
            let found = Directory::parse(&name).unwrap();
            assert_eq!(
                (found.namespace, found.pod, found.uid),
                (Some("123"), Some("web.v1-0"), uid)
            );
            assert_eq!(Directory::parse(uid).unwrap().pod, None);
        }
        for name in [
            "",
            "shop_web-0",
            "shop_web-0_x",
            "_web-0_7c1e",
            "a_b_c_3f9a1c5e7b2d48060a9e4c1f8d573b62",
        ] {
            assert_eq!(Directory::parse(name), None, "{name}");
        }
    }

    #[test]
    fn g68_links_name_the_pod_first_and_may_have_been_cut() {
        let name = std::format!("web.v1-0_shop_side-car-{ID}.log");
        let found = Symlink::parse(&name).unwrap();
        assert_eq!((found.pod, found.namespace), ("web.v1-0", Some("shop")));
        assert_eq!((found.container, found.container_id), (Some("side-car"), ID));
        let long = "p".repeat(MAX_FILE_NAME_BYTES - ID.len() - 5 - 5);
        let name = std::format!("{long}_shop-{ID}.log");
        let found = Symlink::parse(&name).unwrap();
        assert_eq!((found.pod, found.namespace, found.container), (&*long, None, None));
        for name in ["", "a_b_c.log", "a_b-x.log"] {
            assert_eq!(Symlink::parse(name), None, "{name}");
        }
        assert_eq!(Symlink::parse(&std::format!("a_b-{ID}.log")), None);
    }

    #[test]
    fn g67_log_files_say_their_restart_and_their_rotation() {
        let of = |name| {
            LogFile::parse(name)
                .map(|it| (it.restarts, it.rotated, it.is_compressed, it.is_leftover))
        };
        assert_eq!(of("0.log"), Some((0, None, false, false)));
        let rotated = Some("20310317-101200");
        assert_eq!(of("12.log.20310317-101200"), Some((12, rotated, false, false)));
        assert_eq!(of("1.log.20310317-101200.gz"), Some((1, rotated, true, false)));
        assert_eq!(of("1.log.20310317-101200.gz.tmp"), Some((1, rotated, true, true)));
        assert_eq!(of("1.log.20310317-101200.tmp"), Some((1, rotated, false, true)));
        for name in ["", ".log", "x.log", "0.log.1", "0.logx", "0.log.gz", "0.log.tmp", "-1.log"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
