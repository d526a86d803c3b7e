//! What the cgroups of a container and its pod count, in both versions and below both drivers'
//! names. The cgroup of a dead container goes with it: then only its pod's is left. Judges nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    fact::{Cgroup, CgroupLevel, Instance},
    limits,
};

/// Reads what the cgroups of an instance and of its pod count, below a mount of cgroups.
///
/// # Errors
/// One clause for humans: there are no cgroups here, or none of this pod.
pub fn read(root: &Path, instance: &Instance) -> Result<Cgroup, String> {
    let uid = instance.pod.uid.as_deref().filter(|uid| is_id(uid)).ok_or("its uid is not known")?;
    let hierarchies = Hierarchies::of(root)
        .ok_or_else(|| format!("{}: is no mount of cgroups", root.display()))?;
    let levels = |level: &dyn Fn(&Path) -> Option<PathBuf>| hierarchies.level(level);
    let pod_of = |hierarchy: &Path| pod(hierarchy, uid);
    let container_of =
        |hierarchy: &Path| container(&pod(hierarchy, uid)?, instance.container_id.as_deref()?);
    let Some(pod) = levels(&pod_of) else {
        let place = root.display();
        return Err(format!(
            "{place}: no cgroup of this pod: it is gone, or the host's are not mounted"
        ));
    };
    Ok(Cgroup {
        instance: instance.clone(),
        version: hierarchies.version(),
        container: levels(&container_of).unwrap_or_default(),
        pod,
    })
}

/// 1 or 2, where cgroups are mounted at all.
#[must_use]
pub fn version(root: &Path) -> Option<u8> {
    Hierarchies::of(root).map(|hierarchies| hierarchies.version())
}

/// Whether the kubelet's cgroups are seen: in a pod mostly only its own are.
#[must_use]
pub fn has_pods(root: &Path) -> bool {
    let hierarchy = match Hierarchies::of(root) {
        Some(Hierarchies::V2(root)) => root,
        Some(Hierarchies::V1 { memory, .. }) => memory,
        None => return false,
    };
    !roots(&hierarchy).is_empty()
}

/// Where controllers keep their files.
enum Hierarchies {
    /// All in one.
    V2(PathBuf),
    /// One each.
    V1 { memory: PathBuf, pids: PathBuf, cpu: PathBuf },
}

impl Hierarchies {
    fn of(root: &Path) -> Option<Self> {
        if root.join("cgroup.controllers").is_file() {
            return Some(Self::V2(root.to_path_buf()));
        }
        let memory = root.join("memory");
        // Which of both names is a link differs.
        let cpu = ["cpu", "cpu,cpuacct"].map(|name| root.join(name));
        let cpu = cpu.into_iter().find(|path| path.is_dir()).unwrap_or_default();
        memory.is_dir().then(|| Self::V1 { memory, pids: root.join("pids"), cpu })
    }

    fn version(&self) -> u8 {
        match self {
            Self::V2(_) => 2,
            Self::V1 { .. } => 1,
        }
    }

    /// What is counted where `find` finds a folder in each hierarchy.
    fn level(&self, find: &dyn Fn(&Path) -> Option<PathBuf>) -> Option<CgroupLevel> {
        match self {
            Self::V2(root) => find(root).map(|folder| v2(&folder)),
            Self::V1 { memory, pids, cpu } => {
                let mut level = CgroupLevel::default();
                v1_memory(&find(memory)?, &mut level);
                if let Some(folder) = find(pids) {
                    of_pids(&folder, &mut level);
                }
                if let Some(folder) = find(cpu) {
                    of_cpu(&folder, &mut level);
                }
                Some(level)
            }
        }
    }
}

/// A uid or a container's id: nothing that a path could be made of.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= limits::WORD_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// ```text
/// cgroupfs: kubepods/[qos/]pod<uid>
/// systemd:  kubepods.slice/[kubepods-qos.slice/]kubepods-[qos-]pod<uid with _>.slice
/// ```
/// Both may lie below a folder of the kubelet's own (`--cgroup-root`, kind), whose name systemd then
/// repeats in front of every other.
fn pod(hierarchy: &Path, uid: &str) -> Option<PathBuf> {
    let systemd = format!("-pod{}.slice", uid.replace('-', "_"));
    let cgroupfs = format!("pod{uid}");
    let is_pod = |name: &str| name == cgroupfs || name.ends_with(&systemd);
    let roots = roots(hierarchy);
    let in_root = roots.iter().flat_map(|root| folders(root, &is_pod)).next();
    in_root.or_else(|| {
        let is_class = |name: &str| name.contains("burstable") || name.contains("besteffort");
        let classes = roots.iter().flat_map(|root| folders(root, &is_class));
        let mut pods = classes.flat_map(|class| folders(&class, &is_pod));
        pods.next()
    })
}

/// The kubelet's own, at the top or in a folder that is the kubelet's.
fn roots(hierarchy: &Path) -> Vec<PathBuf> {
    let is_root = |name: &str| name == "kubepods" || name.ends_with("kubepods.slice");
    let roots = folders(hierarchy, &is_root);
    if !roots.is_empty() {
        return roots;
    }
    let above = folders(hierarchy, &|name| name.contains("kube"));
    above.iter().flat_map(|folder| folders(folder, &is_root)).collect()
}

/// `<id>`, `cri-containerd-<id>.scope`, `crio-<id>.scope`, `docker-<id>.scope`; not conmon's.
fn container(pod: &Path, id: &str) -> Option<PathBuf> {
    if !is_id(id) {
        return None;
    }
    let scope = format!("-{id}.scope");
    let is_its = |name: &str| name == id || (name.ends_with(&scope) && !name.contains("conmon"));
    folders(pod, &is_its).into_iter().next()
}

fn folders(folder: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.take(limits::CGROUP_ENTRIES);
    let wanted = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_wanted));
    wanted.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn v2(folder: &Path) -> CgroupLevel {
    let events = text(folder, "memory.events");
    let own = text(folder, "memory.events.local");
    let mut level = CgroupLevel {
        memory_max_bytes: number(folder, "memory.max"),
        memory_current_bytes: number(folder, "memory.current"),
        memory_peak_bytes: number(folder, "memory.peak"),
        oom: keyed(&events, "oom"),
        oom_kill: keyed(&events, "oom_kill"),
        oom_own: keyed(&own, "oom"),
        shmem_bytes: keyed(&text(folder, "memory.stat"), "shmem"),
        memory_full_avg10_percent: pressure(folder, "memory.pressure", "full"),
        io_full_avg10_percent: pressure(folder, "io.pressure", "full"),
        cpu_some_avg10_percent: pressure(folder, "cpu.pressure", "some"),
        ..CgroupLevel::default()
    };
    of_pids(folder, &mut level);
    of_cpu(folder, &mut level);
    level
}

/// Version 1 counts a kill only where the killed task was, and says nothing about pressure.
fn v1_memory(folder: &Path, level: &mut CgroupLevel) {
    let stat = text(folder, "memory.stat");
    level.memory_max_bytes =
        number(folder, "memory.limit_in_bytes").filter(|bytes| *bytes < V1_NO_LIMIT);
    level.memory_current_bytes = number(folder, "memory.usage_in_bytes");
    level.memory_peak_bytes = number(folder, "memory.max_usage_in_bytes");
    level.oom_kill = keyed(&text(folder, "memory.oom_control"), "oom_kill");
    level.shmem_bytes = keyed(&stat, "total_shmem").or_else(|| keyed(&stat, "shmem"));
}

/// "No limit" is the largest count of pages, whose size differs.
const V1_NO_LIMIT: u64 = 1 << 60;

fn of_pids(folder: &Path, level: &mut CgroupLevel) {
    level.pids_max = number(folder, "pids.max");
    level.pids_current = number(folder, "pids.current");
    level.pids_refused = keyed(&text(folder, "pids.events"), "max");
}

fn of_cpu(folder: &Path, level: &mut CgroupLevel) {
    let stat = text(folder, "cpu.stat");
    level.throttled_periods = keyed(&stat, "nr_throttled");
    level.periods = keyed(&stat, "nr_periods");
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

/// A file of one number; `max` is none.
fn number(folder: &Path, name: &str) -> Option<u64> {
    text(folder, name).trim().parse().ok()
}

/// line := key " " number
fn keyed(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == key)?.1.trim().parse().ok()
}

/// line := ("some" | "full") " avg10=" percent " avg60=" …
fn pressure(folder: &Path, name: &str, kind: &str) -> Option<f64> {
    let text = text(folder, name);
    let mut lines = text.lines().filter_map(|line| line.split_once(" avg10="));
    let (_, rest) = lines.find(|(found, _)| *found == kind)?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
