//! Bytes and inodes of the filesystems that a kubelet needs. Finds the path that answers for a role;
//! every call here may hang on a dead network filesystem, so it runs on the checker's threads only.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::{Disk, DiskConfig, DiskRole, mounts::Mounts};
use crate::source::Micros;

/// All roles, in the order in which they are shown.
pub(super) const ROLES: [DiskRole; 5] =
    [DiskRole::Kubelet, DiskRole::Runtime, DiskRole::RuntimeState, DiskRole::Log, DiskRole::Root];

/// Measures the filesystem behind a role.
///
/// # Errors
/// Says which paths were tried and what to do.
pub(super) fn look(role: DiskRole, config: &DiskConfig, at: Micros) -> Result<Disk, String> {
    let mounts = Mounts::read();
    let configured = configured(role, config);
    for path in candidates(role, configured, &mounts) {
        if let Some((path, id)) = found(&path)
            && counts(&path, id, role, &mounts)
        {
            return measured(role, &path, id, &mounts, at);
        }
    }
    let what = if mounts.is_in_pod() { "is mounted into this pod" } else { "exists here" };
    Err(format!("none of the folders in node.disk.{} {what}", role.name()))
}

fn configured(role: DiskRole, config: &DiskConfig) -> &[PathBuf] {
    match role {
        DiskRole::Kubelet => &config.kubelet,
        DiskRole::Runtime => &config.runtime,
        DiskRole::RuntimeState => &config.runtime_state,
        DiskRole::Log => &config.log,
        DiskRole::Root => &config.root,
    }
}

/// In a pod some files are there without any mount of ours: the kubelet's hosts file, the runtime's
/// host name, and the container's own root, which the runtime made.
fn candidates(role: DiskRole, configured: &[PathBuf], mounts: &Mounts) -> Vec<PathBuf> {
    let mut paths = configured.to_vec();
    if mounts.is_in_pod() {
        match role {
            DiskRole::Kubelet => paths.push("/etc/hosts".into()),
            // Tells read-only too, which the overlay of the root cannot.
            DiskRole::Runtime => paths.extend(["/etc/hostname".into(), "/".into()]),
            // CRI-O keeps the host name with the container's state.
            DiskRole::RuntimeState => paths.push("/etc/hostname".into()),
            DiskRole::Log | DiskRole::Root => {}
        }
    }
    paths
}

/// In a pod a folder of the container's image is not the node's, and only the runtime's role may
/// take what the runtime mounted.
fn counts(path: &str, id: Option<u64>, role: DiskRole, mounts: &Mounts) -> bool {
    if !mounts.is_in_pod() {
        return true;
    }
    let Some(mount) = mounts.of(path, id) else { return false };
    match (path, role) {
        ("/etc/hostname", DiskRole::Runtime) => {
            mount.kind != "tmpfs" && mount.root.contains("/sandboxes/")
        }
        ("/etc/hostname", _) => mount.kind == "tmpfs",
        ("/", DiskRole::Runtime) => mount.kind == "overlay",
        _ => mount.point != "/",
    }
}

/// The path without its links, and the number of its mount (Linux 5.8 and later).
fn found(path: &Path) -> Option<(String, Option<u64>)> {
    let path = std::fs::canonicalize(path).ok()?;
    let status = rustix::fs::statx(CWD, &path, AtFlags::empty(), StatxFlags::MNT_ID).ok();
    let id = status
        .filter(|status| status.stx_mask & StatxFlags::MNT_ID.bits() != 0)
        .map(|status| status.stx_mnt_id);
    Some((path.into_os_string().into_string().ok()?, id))
}

fn measured(
    role: DiskRole,
    path: &str,
    id: Option<u64>,
    mounts: &Mounts,
    at: Micros,
) -> Result<Disk, String> {
    let status = rustix::fs::statvfs(path).map_err(|error| format!("{path}: {error}"))?;
    let total_bytes = status.f_blocks.saturating_mul(status.f_frsize);
    if total_bytes == 0 {
        return Err(format!("{path}: its filesystem has no size"));
    }
    // btrfs and vfat make inodes as they go and say 0.
    let has_inodes = status.f_files > 0;
    Ok(Disk {
        role,
        at,
        free_bytes: status.f_bavail.saturating_mul(status.f_frsize),
        total_bytes,
        inodes_free: has_inodes.then_some(status.f_favail),
        inodes_total: has_inodes.then_some(status.f_files),
        read_only: mounts.of(path, id).and_then(super::mounts::Mount::is_read_only),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod on containerd (612) or CRI-O (613) with /var/log mounted.
    fn pod(hostname: &str) -> Mounts {
        Mounts::parse(&format!(
            "600 500 0:99 / / ro,relatime - overlay overlay rw,lowerdir=/a,upperdir=/u\n\
             610 600 254:0 /var/log /var/log ro,relatime - ext4 /dev/vda1 rw\n\
             611 600 254:0 /var/lib/kubelet/pods/0b7c/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw\n\
             612 600 {hostname}\n"
        ))
    }
    const CONTAINERD: &str = "254:16 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/5d/hostname \
        /etc/hostname rw - xfs /dev/vdb rw";
    const CRIO: &str = "0:25 /containers/storage/overlay-containers/5d/userdata/hostname \
        /etc/hostname rw - tmpfs tmpfs rw";

    /// The first candidate that counts, were all there.
    fn answer(role: DiskRole, mounts: &Mounts) -> Option<String> {
        let config = DiskConfig::default();
        let paths = candidates(role, configured(role, &config), mounts);
        let paths = paths.into_iter().filter_map(|path| path.to_str().map(str::to_owned));
        paths.into_iter().find(|path| counts(path, None, role, mounts))
    }

    #[test]
    fn in_a_pod_the_files_of_kubelet_and_runtime_answer_for_their_filesystems() {
        let mounts = pod(CONTAINERD);
        assert_eq!(answer(DiskRole::Kubelet, &mounts).as_deref(), Some("/etc/hosts"));
        assert_eq!(answer(DiskRole::Runtime, &mounts).as_deref(), Some("/etc/hostname"));
        assert_eq!(answer(DiskRole::RuntimeState, &mounts), None);
        assert_eq!(answer(DiskRole::Log, &mounts).as_deref(), Some("/var/log"));
        assert_eq!(answer(DiskRole::Root, &mounts), None, "a container's root is not the node's");

        let mounts = pod(CRIO);
        assert_eq!(answer(DiskRole::Runtime, &mounts).as_deref(), Some("/"));
        assert_eq!(answer(DiskRole::RuntimeState, &mounts).as_deref(), Some("/etc/hostname"));
    }

    #[test]
    fn the_numbers_are_those_of_the_filesystem() {
        let folder = tempfile::tempdir().unwrap();
        let config = DiskConfig {
            kubelet: vec![folder.path().join("absent"), folder.path().to_path_buf()],
            ..DiskConfig::default()
        };
        let disk = look(DiskRole::Kubelet, &config, 7).unwrap();
        assert_eq!((disk.role, disk.at), (DiskRole::Kubelet, 7));
        assert!(disk.total_bytes > 0 && disk.free_bytes <= disk.total_bytes, "{disk:?}");
        assert!(disk.inodes_free <= disk.inodes_total, "{disk:?}");
        assert_ne!(disk.read_only, Some(true), "the folder was just made");
    }

    #[test]
    fn what_is_nowhere_is_said_with_its_setting() {
        let config = DiskConfig { log: vec!["/nowhere/log".into()], ..DiskConfig::default() };
        let error = look(DiskRole::Log, &config, 0).unwrap_err();
        assert_eq!(error, "none of the folders in node.disk.log exists here");
    }

    #[test]
    fn a_role_is_called_the_same_everywhere() {
        for role in ROLES {
            let name = serde_json::to_value(role).unwrap();
            assert_eq!(name.as_str(), Some(role.name()));
        }
    }
}
