//! Cgroup paths of both drivers (G48): which pod and which container they belong to.
//!
//! Owns the names of slices and scopes; what happened in a cgroup is the kernel's.

use crate::Text;
use crate::text::Base;

use super::{is_long_id, is_uid};

/// The pod and the container that a cgroup belongs to (G48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cgroup<'a> {
    pub(crate) uid: Option<Text<'a>>,
    pub(crate) container_id: Option<Text<'a>>,
}

/// Nested nodes put their own path in front, so the last pod counts.
///
/// ```text
/// path      := … "/" pod "/" container …
/// pod       := … "pod" uid ".slice"?               uid with "_" for "-" in the systemd driver
/// container := (… ("-" | ":"))? id ".scope"?
/// ```
pub(crate) fn cgroup(path: &str) -> Cgroup<'_> {
    let mut found = Cgroup::default();
    let mut is_behind_pod = false;
    for part in path.split(['/', ':']) {
        if let Some(uid) = pod_slice(part) {
            found = Cgroup { uid: Some(uid), container_id: None };
            is_behind_pod = true;
        } else if is_behind_pod && found.container_id.is_none() {
            found.container_id = container_scope(part);
        }
    }
    if found == Cgroup::default() {
        // `cpuset=` gives the container's own part of the path and no more.
        found.container_id = container_scope(path);
    }
    found
}

fn pod_slice(part: &str) -> Option<Text<'_>> {
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = part.get(part.rfind("pod")? + 3..)?;
    if is_uid(uid) {
        return Some(Text::plain(uid));
    }
    is_uid_of_slice(uid).then(|| Text::new(uid, Base::Cgroup, 0))
}

fn container_scope(part: &str) -> Option<Text<'_>> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let id = part.get(part.len().checked_sub(64)?..)?;
    let front = part.strip_suffix(id)?;
    (is_long_id(id) && (front.is_empty() || front.ends_with('-'))).then(|| Text::plain(id))
}

/// A UUID with `_` for `-`: systemd reads a `-` in a slice's name as a level.
fn is_uid_of_slice(uid: &str) -> bool {
    uid.len() == 36
        && uid.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'_',
            _ => byte.is_ascii_hexdigit(),
        })
}
