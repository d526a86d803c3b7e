//! Which kind of node this is, by the files that its distribution leaves, and where its kubelet and
//! runtime write (log-grammar §4.3). Reads names and one small file; owns no source's settings.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::limits;

/// Where a component's lines are to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Units of the journal.
    Journal(&'static str),
    /// A file of its own.
    File(&'static str),
    /// Neither journal nor file.
    Nowhere(&'static str),
}

/// A kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As the distribution calls itself.
    pub name: &'static str,
    /// Where the kubelet writes.
    pub kubelet: Log,
    /// Where the container runtime writes.
    pub runtime: Log,
    /// What is known of it only from its documents, or does not work there.
    pub note: Option<&'static str>,
    /// Any of these tells it.
    marks: &'static [Mark],
}

/// Something that only this kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// A file or folder, below the node's root.
    Path(&'static str),
    /// `KEY=value` in os-release(5).
    Release(&'static str, &'static str),
    /// A mark together with a file: cloud images are told by both.
    Both(&'static str, &'static str, &'static str),
}

use Mark::{Both, Path as At, Release};

const KUBELET: Log = Log::Journal("kubelet.service");
const CONTAINERD: Log = Log::Journal("containerd.service");

/// Distributions before the operating systems below them, those before the clouds, kubeadm's own
/// files last: others use kubeadm, too.
const KINDS: &[Kind] = &[
    Kind {
        name: "kind",
        kubelet: KUBELET,
        runtime: CONTAINERD,
        note: Some(
            "the node is a container: its journal lies inside of it, so the agent runs there",
        ),
        marks: &[At("kind/version"), At("kind/kubeadm.conf")],
    },
    Kind {
        name: "MicroShift",
        kubelet: Log::Journal("microshift.service"),
        runtime: Log::Journal("crio.service"),
        note: None,
        marks: &[At("var/lib/microshift")],
    },
    Kind {
        name: "RKE2",
        kubelet: Log::File("/var/lib/rancher/rke2/agent/logs/kubelet.log"),
        runtime: Log::File("/var/lib/rancher/rke2/agent/containerd/containerd.log"),
        note: None,
        marks: &[At("var/lib/rancher/rke2/agent"), At("etc/rancher/rke2")],
    },
    Kind {
        name: "k3s",
        kubelet: Log::Journal("k3s.service, k3s-agent.service"),
        runtime: Log::File("/var/lib/rancher/k3s/agent/containerd/containerd.log"),
        note: Some(
            "where OpenRC starts it, it writes to /var/log/k3s.log or k3s-agent.log, which is followed, too",
        ),
        marks: &[At("var/lib/rancher/k3s/agent"), At("etc/rancher/k3s")],
    },
    Kind {
        name: "k0s",
        kubelet: Log::Journal("k0sworker.service, k0scontroller.service"),
        runtime: Log::Journal("k0sworker.service, k0scontroller.service"),
        note: None,
        marks: &[At("var/lib/k0s"), At("etc/k0s")],
    },
    Kind {
        name: "MicroK8s",
        kubelet: Log::Journal(
            "snap.microk8s.daemon-kubelite.service, snap.microk8s.daemon-kubelet.service",
        ),
        runtime: Log::Journal("snap.microk8s.daemon-containerd.service"),
        note: None,
        marks: &[At("var/snap/microk8s")],
    },
    Kind {
        name: "Talos",
        kubelet: Log::File("/var/log/kubelet.log"),
        runtime: Log::Nowhere("only Talos' own API has them"),
        note: Some(
            "there is no journald: kubelet lines and container logs are read from files; lines of the runtime and the kernel (first crashes, OOM kills) are missing, the pod watch makes up for most of that",
        ),
        marks: &[Release("ID", "talos")],
    },
    Kind {
        name: "Bottlerocket",
        kubelet: KUBELET,
        runtime: CONTAINERD,
        note: None,
        marks: &[Release("ID", "bottlerocket")],
    },
    Kind {
        name: "OpenShift",
        kubelet: KUBELET,
        runtime: Log::Journal("crio.service"),
        note: None,
        marks: &[At("etc/machine-config-daemon"), Release("ID", "rhcos"), Release("ID", "scos")],
    },
    Kind {
        name: "GKE (Container-Optimized OS)",
        kubelet: KUBELET,
        runtime: CONTAINERD,
        note: None,
        marks: &[Both("ID", "cos", "home/kubernetes"), Both("ID", "cos", "var/lib/kubelet")],
    },
    Kind {
        name: "EKS (Amazon Linux 2)",
        kubelet: KUBELET,
        runtime: CONTAINERD,
        note: None,
        marks: &[At("etc/eks/bootstrap.sh")],
    },
    Kind {
        name: "EKS (Amazon Linux 2023)",
        kubelet: KUBELET,
        runtime: CONTAINERD,
        note: None,
        marks: &[At("usr/bin/nodeadm"), Both("ID", "amzn", "etc/eks")],
    },
    Kind {
        name: "AKS",
        kubelet: KUBELET,
        runtime: CONTAINERD,
        note: None,
        marks: &[At("etc/kubernetes/azure.json"), At("opt/azure/containers")],
    },
    Kind {
        name: "minikube",
        kubelet: KUBELET,
        runtime: Log::Journal("containerd.service, docker.service, crio.service"),
        note: Some("the node is a container or a virtual machine: the agent runs inside of it"),
        marks: &[At("var/lib/minikube")],
    },
    Kind {
        name: "kubeadm",
        kubelet: KUBELET,
        runtime: Log::Journal("containerd.service, crio.service, docker.service"),
        note: None,
        marks: &[At("var/lib/kubelet/kubeadm-flags.env"), At("etc/kubernetes/kubelet.conf")],
    },
];

/// What was recognised, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The kind.
    pub kind: &'static Kind,
    /// The file that told it, as the node names it.
    pub by: PathBuf,
}

/// Looks below `root`, which is `/` on the node itself and where the node is mounted in a pod.
/// `None` when no file tells: a node set up by hand, or nothing of it is mounted here.
#[must_use]
pub fn recognise(root: &Path) -> Option<Recognised> {
    let release = OsRelease::read(root);
    KINDS.iter().find_map(|kind| {
        let by = kind.marks.iter().find_map(|mark| mark.seen(root, release.as_ref()))?;
        Some(Recognised { kind, by: Path::new("/").join(by) })
    })
}

impl Mark {
    /// The file that shows it, below the root.
    fn seen(&self, root: &Path, release: Option<&OsRelease>) -> Option<&'static str> {
        let is_there = |path: &str| root.join(path).symlink_metadata().is_ok();
        match *self {
            At(path) => is_there(path).then_some(path),
            Release(key, value) => release.filter(|it| it.says(key, value)).map(|it| it.path),
            Both(key, value, path) => {
                release.filter(|it| it.says(key, value) && is_there(path)).map(|it| it.path)
            }
        }
    }
}

/// The operating system's own word.
struct OsRelease {
    path: &'static str,
    text: String,
}

impl OsRelease {
    fn read(root: &Path) -> Option<Self> {
        ["etc/os-release", "usr/lib/os-release"].into_iter().find_map(|path| {
            let mut text = String::new();
            let file = File::open(root.join(path)).ok()?;
            file.take(limits::OS_RELEASE_BYTES).read_to_string(&mut text).ok()?;
            Some(Self { path, text })
        })
    }

    /// os-release(5): values may stand in quotes.
    fn says(&self, key: &str, value: &str) -> bool {
        let mut assignments = self.text.lines().filter_map(|line| line.split_once('='));
        assignments.any(|(name, said)| name == key && said.trim_matches(['"', '\'', ' ']) == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a distribution leaves behind, and what it is then called.
    const TREES: &[(&str, &[(&str, &str)])] = &[
        ("kind", &[("kind/version", "v0.27.0"), ("etc/kubernetes/kubelet.conf", "")]),
        ("MicroShift", &[("var/lib/microshift/version", ""), ("etc/os-release", "ID=\"rhel\"\n")]),
        ("RKE2", &[("var/lib/rancher/rke2/agent/logs/kubelet.log", "")]),
        ("k3s", &[("var/lib/rancher/k3s/agent/containerd/containerd.log", "")]),
        ("k0s", &[("var/lib/k0s/kubelet/config", "")]),
        ("MicroK8s", &[("var/snap/microk8s/current/args/kubelet", "")]),
        ("Talos", &[("etc/os-release", "NAME=\"Talos\"\nID=talos\nVERSION_ID=v1.9.1\n")]),
        ("Bottlerocket", &[("etc/os-release", "NAME=Bottlerocket\nID=bottlerocket\n")]),
        (
            "OpenShift",
            &[
                ("etc/os-release", "ID=\"rhcos\"\nID_LIKE=\"rhel fedora\"\n"),
                ("etc/kubernetes/kubelet.conf", ""),
            ],
        ),
        (
            "GKE (Container-Optimized OS)",
            &[
                ("etc/os-release", "NAME=\"Container-Optimized OS\"\nID=cos\n"),
                ("home/kubernetes/bin/kubelet", ""),
            ],
        ),
        (
            "EKS (Amazon Linux 2)",
            &[("etc/os-release", "ID=\"amzn\"\nVERSION_ID=\"2\"\n"), ("etc/eks/bootstrap.sh", "")],
        ),
        (
            "EKS (Amazon Linux 2023)",
            &[
                ("etc/os-release", "ID=\"amzn\"\nVERSION_ID=\"2023\"\n"),
                ("etc/eks/image-credential-provider/config.json", ""),
            ],
        ),
        ("AKS", &[("etc/kubernetes/azure.json", ""), ("etc/os-release", "ID=ubuntu\n")]),
        ("minikube", &[("var/lib/minikube/config.yaml", "")]),
        (
            "kubeadm",
            &[("var/lib/kubelet/kubeadm-flags.env", ""), ("usr/lib/os-release", "ID=debian\n")],
        ),
    ];

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn each_kind_is_told_by_what_its_distribution_leaves() {
        for (name, files) in TREES {
            let root = tree(files);
            let found = recognise(root.path()).map(|found| found.kind.name);
            assert_eq!(found, Some(*name), "{files:?}");
        }
        let told: Vec<_> = TREES.iter().map(|(name, _)| *name).collect();
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(told, known, "each kind has its tree, in the order of KINDS");
    }

    #[test]
    fn what_each_kind_writes_to_is_read_by_default() {
        let config = crate::config::Config::default();
        let files: Vec<&str> =
            config.files.paths.iter().filter_map(|it| Some(it.rsplit_once('=')?.0)).collect();
        for kind in KINDS {
            for log in [kind.kubelet, kind.runtime] {
                match log {
                    Log::Journal(units) => {
                        for unit in units.split(", ") {
                            assert!(config.journal.units.iter().any(|it| it == unit), "{unit}");
                        }
                    }
                    Log::File(path) => assert!(files.contains(&path), "{path}"),
                    Log::Nowhere(_) => assert!(kind.note.is_some(), "{} says why", kind.name),
                }
            }
        }
    }

    #[test]
    fn what_no_distribution_left_is_no_kind() {
        for files in [
            &[("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")][..],
            &[("etc/os-release", "PRETTY_NAME=\"not talos\"\nID=debian\n#ID=talos\n")],
            // A desktop of the same system is no node.
            &[("etc/os-release", "ID=cos\n")],
            &[("etc/os-release", "")],
            &[],
        ] {
            assert_eq!(recognise(tree(files).path()), None, "{files:?}");
        }
    }

    #[test]
    fn it_says_which_file_told_it() {
        let root = tree(&[("usr/lib/os-release", "ID=talos\n")]);
        let found = recognise(root.path()).unwrap();
        assert_eq!(found.by, Path::new("/usr/lib/os-release"));
    }
}
