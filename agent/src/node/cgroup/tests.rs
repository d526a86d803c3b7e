//! Trees as kernels write them: version 2 under both drivers, version 1 as hybrids have it.

use super::*;
use crate::fact::PodRef;

const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";

fn id() -> String {
    "4f".repeat(32)
}

fn instance() -> Instance {
    Instance {
        pod: PodRef { uid: Some(UID.into()), ..PodRef::default() },
        container: "app".into(),
        container_id: Some(id()),
        ..Instance::default()
    }
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// As Linux 6.8 shows a container that met its own limit twice.
const CONTAINER_V2: [(&str, &str); 12] = [
    ("memory.max", "134217728\n"),
    ("memory.current", "131133440\n"),
    ("memory.peak", "134217728\n"),
    ("memory.events", "low 0\nhigh 0\nmax 412\noom 3\noom_kill 2\noom_group_kill 0\n"),
    ("memory.events.local", "low 0\nhigh 0\nmax 412\noom 3\noom_kill 2\noom_group_kill 0\n"),
    ("memory.stat", "anon 120000000\nfile 8192\nshmem 4096\nshmem_thp 0\n"),
    ("pids.max", "512\n"),
    ("pids.current", "17\n"),
    ("pids.events", "max 5\n"),
    (
        "cpu.stat",
        "usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 300\nnr_throttled 41\nthrottled_usec 7\n",
    ),
    (
        "memory.pressure",
        "some avg10=12.50 avg60=3.00 avg300=0.10 total=9\nfull avg10=7.25 avg60=1.00 avg300=0.00 total=4\n",
    ),
    ("cpu.pressure", "some avg10=55.10 avg60=3.00 avg300=0.10 total=9\n"),
];

const POD_V2: [(&str, &str); 3] = [
    ("memory.max", "max\n"),
    ("memory.events", "low 0\nhigh 0\nmax 412\noom 3\noom_kill 2\n"),
    ("memory.events.local", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"),
];

fn expect_v2(counted: &Cgroup) {
    assert_eq!(counted.version, 2);
    let container = &counted.container;
    assert_eq!(container.memory_max_bytes, Some(134_217_728));
    assert_eq!(container.memory_peak_bytes, Some(134_217_728));
    assert_eq!((container.oom, container.oom_kill, container.oom_own), (Some(3), Some(2), Some(3)));
    assert_eq!(container.shmem_bytes, Some(4096));
    assert_eq!(
        (container.pids_max, container.pids_current, container.pids_refused),
        (Some(512), Some(17), Some(5))
    );
    assert_eq!((container.periods, container.throttled_periods), (Some(300), Some(41)));
    assert_eq!(container.memory_full_avg10_percent, Some(7.25));
    assert_eq!(container.cpu_some_avg10_percent, Some(55.1));
    assert_eq!(container.io_full_avg10_percent, None, "the kernel has no such file here");
    let pod = &counted.pod;
    assert_eq!(pod.memory_max_bytes, None, "max is no limit");
    assert_eq!((pod.oom_kill, pod.oom_own), (Some(2), Some(0)), "not the pod's own limit");
}

#[test]
fn r59_version_2_is_read_below_the_names_of_both_drivers() {
    let underscored = UID.replace('-', "_");
    for (pod, container) in [
        (format!("kubepods/burstable/pod{UID}"), id()),
        (format!("kubepods/pod{UID}"), id()),
        (
            format!(
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{underscored}.slice"
            ),
            format!("cri-containerd-{}.scope", id()),
        ),
        (format!("kubepods.slice/kubepods-pod{underscored}.slice"), format!("crio-{}.scope", id())),
        (
            format!(
                "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{underscored}.slice"
            ),
            format!("cri-containerd-{}.scope", id()),
        ),
        (format!("kubelet/kubepods/besteffort/pod{UID}"), id()),
    ] {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("cgroup.controllers", "cpu memory pids\n")]);
        write(&root.path().join("system.slice/kubelet.service"), &[]);
        let pod = root.path().join(pod);
        write(&pod, &POD_V2);
        // What must not be taken for it.
        write(&pod.join(format!("crio-conmon-{}.scope", id())), &[("memory.max", "1\n")]);
        write(&pod.join("ab".repeat(32)), &[("memory.max", "1\n")]);
        write(&pod.join(container), &CONTAINER_V2);
        expect_v2(&read(root.path(), &instance()).unwrap());
    }
}

#[test]
fn of_a_container_that_is_gone_its_pod_is_left() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("cgroup.controllers", "memory\n")]);
    write(&root.path().join(format!("kubepods/besteffort/pod{UID}")), &POD_V2);
    let counted = read(root.path(), &instance()).unwrap();
    assert_eq!(counted.container, CgroupLevel::default());
    assert_eq!(counted.pod.oom_kill, Some(2));
}

#[test]
fn version_1_has_one_tree_for_each_controller_and_no_pressure() {
    let root = tempfile::tempdir().unwrap();
    let at = |controller: &str, inner: &str| {
        root.path().join(format!("{controller}/kubepods/burstable/pod{UID}{inner}"))
    };
    let container = format!("/{}", id());
    write(
        &at("memory", &container),
        &[
            ("memory.limit_in_bytes", "67108864\n"),
            ("memory.usage_in_bytes", "1000\n"),
            ("memory.max_usage_in_bytes", "67108864\n"),
            ("memory.failcnt", "99\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ("memory.stat", "cache 1\nshmem 7\ntotal_shmem 8\n"),
        ],
    );
    write(&at("memory", ""), &[("memory.limit_in_bytes", "9223372036854771712\n")]);
    write(&at("pids", &container), &[("pids.max", "max\n"), ("pids.current", "3\n")]);
    write(&at("cpu,cpuacct", &container), &[("cpu.stat", "nr_periods 10\nnr_throttled 1\n")]);
    write(&root.path().join("unified"), &[("cgroup.controllers", "\n")]);
    let counted = read(root.path(), &instance()).unwrap();
    assert_eq!((counted.version, counted.pod.memory_max_bytes), (1, None));
    let container = counted.container;
    assert_eq!(container.memory_max_bytes, Some(67_108_864));
    assert_eq!(container.memory_peak_bytes, Some(67_108_864));
    assert_eq!((container.oom_kill, container.oom, container.oom_own), (Some(1), None, None));
    assert_eq!(container.shmem_bytes, Some(8));
    assert_eq!((container.pids_max, container.pids_current), (None, Some(3)));
    assert_eq!((container.periods, container.throttled_periods), (Some(10), Some(1)));
    assert_eq!(container.memory_full_avg10_percent, None);
}

#[test]
fn names_that_could_make_a_path_and_pods_that_are_gone_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let with = |uid: Option<&str>| Instance {
        pod: PodRef { uid: uid.map(str::to_owned), ..PodRef::default() },
        ..instance()
    };
    assert!(read(root.path(), &instance()).unwrap_err().contains("no mount of cgroups"));
    write(root.path(), &[("cgroup.controllers", "memory\n")]);
    for uid in [None, Some(""), Some("../.."), Some("a/b"), Some(".slice")] {
        assert!(read(root.path(), &with(uid)).unwrap_err().contains("uid"), "{uid:?}");
    }
    assert!(read(root.path(), &instance()).unwrap_err().contains("no cgroup of this pod"));
}
