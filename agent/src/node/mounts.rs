//! `/proc/self/mountinfo`: which filesystem a path is on, and whether that filesystem itself is
//! read-only. A read-only bind mount of a writable disk always says read-only of itself; only the
//! superblock's options tell.

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// What `statx` calls `stx_mnt_id`.
    pub(super) id: u64,
    /// The folder of the filesystem that is mounted.
    pub(super) root: String,
    /// Where.
    pub(super) point: String,
    /// Type of the filesystem.
    pub(super) kind: String,
    /// Options of the superblock.
    options: String,
}

/// All mounts that this process sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads them; empty where there is no `/proc`.
    pub(super) fn read() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// ```text
    /// mountinfo ::= ( mount "\n" )*
    /// mount     ::= id parent major ":" minor root point options ( tag )* "-" kind source super-options
    /// ```
    /// One line for each mount; blanks inside a field are `\040`. Lines of another shape are left out.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(mount).collect())
    }

    /// By its number, else the longest mount point above the path; of two on one point the later
    /// one, which covers the other.
    pub(super) fn of(&self, path: &str, id: Option<u64>) -> Option<&Mount> {
        id.and_then(|id| self.0.iter().find(|mount| mount.id == id)).or_else(|| {
            let above = self.0.iter().filter(|mount| is_at_or_below(path, &mount.point));
            above.max_by_key(|mount| mount.point.len())
        })
    }

    /// Whether this process runs in a pod: the kubelet mounts a hosts file of its own into each
    /// container. A node that is itself a container has no such mount.
    pub(super) fn is_in_pod(&self) -> bool {
        self.0.iter().any(|mount| {
            mount.point == "/etc/hosts"
                && mount.root.ends_with("/etc-hosts")
                && mount.root.contains("/pods/")
        })
    }
}

impl Mount {
    /// Whether the filesystem itself takes no more writes. `None` where that cannot be told: an
    /// overlay stays writable when the disk under it turns read-only.
    pub(super) fn is_read_only(&self) -> Option<bool> {
        // ext4 of Linux 6.15 and later stops without becoming `ro`.
        let has = |names: &[&str]| self.options.split(',').any(|option| names.contains(&option));
        let is_read_only = has(&["ro", "emergency_ro", "shutdown"]);
        (is_read_only || self.kind != "overlay").then_some(is_read_only)
    }
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let id = left.next()?.parse().ok()?;
    let (root, point) = (left.nth(2)?, left.next()?);
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1)?);
    Some(Mount {
        id,
        root: unescaped(root),
        point: unescaped(point),
        kind: kind.to_owned(),
        options: options.to_owned(),
    })
}

/// `\040` is a blank; the kernel writes blank, tab, newline and backslash so.
fn unescaped(text: &str) -> String {
    let mut result = text.to_owned();
    for (from, to) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        result = result.replace(from, to);
    }
    result
}

fn is_at_or_below(path: &str, point: &str) -> bool {
    point == "/"
        || path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::Mounts;

    /// A kubeadm node: ext4 root, xfs for containers, btrfs for logs, an NFS volume with a blank.
    const NODE: &str = r"
22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
35 27 254:16 / /var/lib/containerd rw,relatime shared:30 - xfs /dev/vdb rw,attr2,inode64,noquota
36 27 0:41 /@log /var/log rw,relatime shared:31 - btrfs /dev/vdc rw,space_cache=v2,subvol=/@log
37 27 254:0 /var/lib/kubelet /mnt/bound ro,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
38 27 0:52 / /mnt/with\040blank rw,relatime shared:32 - nfs4 server:/a rw,hard
39 27 254:32 / /mnt/sick rw,relatime shared:33 - ext4 /dev/vdd ro,errors=remount-ro
40 27 254:48 / /mnt/stopped rw,relatime - ext4 /dev/vde rw,emergency_ro
41 27 254:64 / /mnt/twice rw,relatime - ext4 /dev/vdf rw
42 41 254:80 / /mnt/twice rw,relatime - xfs /dev/vdg ro
a line of another shape
";

    /// A pod on containerd that mounts the node's /var/log read-only.
    const POD: &str = "\
600 500 0:99 / / ro,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/u,workdir=/w
610 600 254:0 /var/log /var/log ro,relatime - ext4 /dev/vda1 rw,errors=remount-ro
611 600 254:0 /var/lib/kubelet/pods/0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw
612 600 254:16 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/5d/hostname /etc/hostname rw - xfs /dev/vdb rw
";

    fn read_only(text: &str, path: &str) -> Option<bool> {
        Mounts::parse(text).of(path, None).unwrap().is_read_only()
    }

    #[test]
    fn the_longest_mount_point_above_a_path_is_its_filesystem() {
        let mounts = Mounts::parse(NODE);
        for (path, kind) in [
            ("/", "ext4"),
            ("/var/lib/kubelet", "ext4"),
            ("/var/lib/containerd", "xfs"),
            ("/var/lib/containerd/a", "xfs"),
            ("/var/lib/containerd-other", "ext4"),
            ("/var/log/pods", "btrfs"),
            ("/mnt/with blank/x", "nfs4"),
            ("/mnt/twice", "xfs"),
        ] {
            assert_eq!(mounts.of(path, None).unwrap().kind, kind, "{path}");
        }
        assert_eq!(mounts.of("/anything", Some(35)).unwrap().kind, "xfs", "the number is surer");
        assert_eq!(mounts.of("/var/log", Some(4711)).unwrap().kind, "btrfs");
        assert_eq!(Mounts::parse("").of("/", None), None);
    }

    #[test]
    fn a_read_only_bind_mount_of_a_writable_disk_is_not_a_read_only_disk() {
        assert_eq!(read_only(NODE, "/mnt/bound"), Some(false));
        assert_eq!(read_only(POD, "/var/log/pods"), Some(false));
    }

    #[test]
    fn a_disk_that_stopped_writing_is_read_only_under_a_writable_mount() {
        assert_eq!(read_only(NODE, "/mnt/sick"), Some(true));
        assert_eq!(read_only(NODE, "/mnt/stopped"), Some(true));
        assert_eq!(read_only(NODE, "/var/log"), Some(false));
    }

    #[test]
    fn an_overlay_cannot_tell() {
        assert_eq!(read_only(POD, "/"), None);
    }

    #[test]
    fn a_pod_is_told_by_the_kubelets_hosts_file() {
        assert!(Mounts::parse(POD).is_in_pod());
        assert!(!Mounts::parse(NODE).is_in_pod());
        let node_in_docker = "1 0 0:9 / / rw - overlay overlay rw\n\
            2 1 8:1 /var/lib/docker/containers/4c/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n";
        assert!(!Mounts::parse(node_in_docker).is_in_pod());
    }
}
