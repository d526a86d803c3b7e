//! Answers the conditions of causes from what is known: instance, specification, cgroups, node.
//! Unknown stays unknown: no answer is guessed.

use crate::{
    catalogue::{Condition, Signal, Signals, signal::NAMED_EXITS},
    diagnosis::{
        case::{Seat, names::path_in},
        killer::{Attribution, Limit, is_of_pod_or_container, limit_of},
        mounts::Finding,
        world::{
            node::{has_no_bytes, has_no_inodes},
            quote,
        },
    },
    fact::{self, Cgroup, Role, State},
    incident::{Evidence, Who},
    limits,
    node::{CniReason, Disk, DiskRole},
};

/// Everything that an answer needs.
#[derive(Debug)]
pub(super) struct Answers<'a> {
    pub(super) seat: Seat<'a>,
    pub(super) killer: &'a Attribution,
    pub(super) mounts: &'a Finding,
    /// The path that the failure's own words name.
    pub(super) path: Option<String>,
}

/// Above this share of the time, tasks stall on memory.
const STALLED_PERCENT: f64 = 10.0;
/// A tmpfs that holds this share of the limit is what fills it.
const TMPFS_SHARE: u64 = 2;
/// Less than this share of bytes or inodes is no room.
const ROOM_PARTS: u64 = 20;

/// Where kubelet and runtimes keep their things, longest first.
const ROOTS: &[(&str, DiskRole)] = &[
    ("/var/lib/kubelet", DiskRole::Kubelet),
    ("/var/lib/containerd", DiskRole::Runtime),
    ("/var/lib/containers", DiskRole::Runtime),
    ("/var/lib/docker", DiskRole::Runtime),
    ("/run/containerd", DiskRole::RuntimeState),
    ("/run/containers", DiskRole::RuntimeState),
    ("/run/docker", DiskRole::RuntimeState),
    ("/var/log", DiskRole::Log),
    ("/", DiskRole::Root),
];

#[cfg(test)]
thread_local! {
    /// What was answered so far: tests hold it against what rules ask for.
    pub(crate) static ANSWERED: std::cell::RefCell<std::collections::BTreeSet<(Signal, bool)>> =
        const { std::cell::RefCell::new(std::collections::BTreeSet::new()) };
}

impl Signals for Answers<'_> {
    fn holds(&self, signal: &Signal) -> Option<bool> {
        let answer = self.answer(signal);
        #[cfg(test)]
        if let Some(answer) = answer {
            ANSWERED.with_borrow_mut(|answered| answered.insert((signal.clone(), answer)));
        }
        answer
    }
}

impl Answers<'_> {
    fn answer(&self, signal: &Signal) -> Option<bool> {
        let code = self.seat.instance.and_then(|it| it.exit_code);
        match signal {
            Signal::Exit(wanted) => Some(code? == *wanted),
            Signal::ExitNot(wanted) => Some(code? != *wanted),
            Signal::ExitOther => Some(!NAMED_EXITS.contains(&code?)),
            Signal::Reason(reason) => self.reason(reason),
            Signal::Kill(Who::ContainerLimit | Who::PodLimit)
                if is_of_pod_or_container(&self.seat) =>
            {
                None
            }
            Signal::Kill(who) => Some(self.killer.killer.as_ref()?.who == *who),
            Signal::Is(condition) => self.condition(*condition),
        }
    }

    /// The status's own word, else what code and evidence leave no doubt about.
    fn reason(&self, wanted: &str) -> Option<bool> {
        let instance = self.seat.instance?;
        if let Some(reason) = &instance.reason {
            return Some(reason == wanted);
        }
        let code = instance.exit_code?;
        let never_ran = instance.started.is_none() && code == 128;
        Some(match wanted {
            "Completed" => code == 0 && !instance.saw_oom(),
            "OOMKilled" => instance.saw_oom(),
            "StartError" => never_ran,
            "Error" => code != 0 && !instance.saw_oom() && !never_ran && code != 255,
            _ => return None,
        })
    }

    fn condition(&self, condition: Condition) -> Option<bool> {
        self.of_container(condition)
            .or_else(|| self.of_cgroups(condition))
            .or_else(|| self.of_mounts(condition))
            .or_else(|| self.of_disks(condition))
            .or_else(|| self.of_node(condition))
    }

    fn of_container(&self, condition: Condition) -> Option<bool> {
        let seat = &self.seat;
        let spec = seat.container_spec();
        let role = seat.role();
        match condition {
            Condition::Running => match spec.and_then(|it| it.state.as_ref()) {
                Some(State::Running { .. }) => Some(true),
                Some(_) => Some(false),
                None => seat.state.map(super::ContainerState::is_running),
            },
            Condition::Restarting => {
                let state = seat.state?;
                let again = state.instances.iter().filter(|it| it.ended.is_some()).count() > 1;
                let restarts = state.instances.iter().any(|it| it.attempt.is_some_and(|n| n > 0));
                let waits = seat.case.reason.as_deref() == Some("CrashLoopBackOff");
                Some(again || restarts || waits)
            }
            Condition::MainRunning => {
                let mut mains = seat.spec?.containers.iter().filter(|it| it.role == Role::Main);
                let mut others =
                    mains.by_ref().filter(|it| Some(it.name.as_str()) != seat.container);
                Some(others.any(|it| self.runs(&it.name, it.state.as_ref())))
            }
            Condition::NotStarted => {
                let by_probe = self.killer.killer.as_ref()?.who == Who::Startup;
                by_probe.then_some(true).or_else(|| spec?.started.map(|started| !started))
            }
            Condition::Init => Some(role? == Role::Init),
            Condition::NativeSidecar => Some(role? == Role::NativeSidecar),
            Condition::RoleSidecar => Some(matches!(role?, Role::NativeSidecar | Role::Sidecar)),
            Condition::NoStartupProbe => Some(spec?.startup.is_none()),
            Condition::NoRestartPolicy => Some(spec?.restart_policy.is_none()),
            Condition::NamedLikeSidecar => Some(serves_others(spec?)),
            Condition::NativeSidecarUngated => Some(seat.spec?.containers.iter().any(|it| {
                it.role == Role::NativeSidecar
                    && it.startup.is_none()
                    && Some(it.name.as_str()) != seat.container
            })),
            Condition::RestartPolicyNever => Some(seat.spec?.restart_policy.as_deref()? == "Never"),
            Condition::PhaseSucceeded => Some(seat.spec?.phase.as_deref()? == "Succeeded"),
            Condition::PhaseFailed => Some(seat.spec?.phase.as_deref()? == "Failed"),
            Condition::PodHasSandbox => {
                let sandbox = seat.pod?.sandbox()?;
                Some(sandbox.died.is_none() && sandbox.stopped.is_none())
            }
            Condition::HostNetwork => Some(seat.spec?.host_network),
            _ => None,
        }
    }

    fn runs(&self, name: &str, state: Option<&State>) -> bool {
        let known = self.seat.pod.and_then(|pod| pod.container(name));
        matches!(state, Some(State::Running { .. }))
            || known.is_some_and(super::ContainerState::is_running)
    }

    fn of_cgroups(&self, condition: Condition) -> Option<bool> {
        let instance = self.seat.instance?;
        let counted = instance.cgroup_after.as_ref().or(instance.cgroup_before.as_ref());
        let kills = instance.oom_kills();
        let saw = instance.task_oom.is_some() || instance.kernel_oom.is_some();
        match condition {
            // The event and the kernel's line are made from the same counter.
            // It does not say whose limit was hit where the kernel's line leaves that open.
            Condition::OomKill if is_of_pod_or_container(&self.seat) => None,
            Condition::OomKill if saw => Some(true),
            Condition::OomKill => Some(kills? > 0),
            Condition::OomKillZero => Some(kills? == 0 && !saw),
            Condition::PodOomKill => Some(instance.pod_oom_kills()? > 0),
            Condition::ContainerOomZero => Some(counted?.container.oom? == 0),
            Condition::PidsRefused => {
                let refused =
                    |cgroup: &Cgroup| cgroup.container.pids_refused.or(cgroup.pod.pids_refused);
                Some(counted.and_then(refused)? > 0)
            }
            Condition::OomMemcgIsNotTask if is_of_pod_or_container(&self.seat) => None,
            Condition::OomMemcgIsNotTask => {
                let oom = instance.kernel_oom.as_ref()?;
                Some(limit_of(&self.seat, instance, oom) != Limit::Container)
            }
            Condition::MemoryPressureHigh => {
                Some(counted?.container.memory_full_avg10_percent? > STALLED_PERCENT)
            }
            Condition::TmpfsUsageHigh => {
                let level = &instance.cgroup_before.as_ref().or(counted)?.container;
                Some(level.shmem_bytes? > level.memory_max_bytes? / TMPFS_SHARE)
            }
            _ => None,
        }
    }

    fn of_mounts(&self, condition: Condition) -> Option<bool> {
        match condition {
            Condition::SharedVolume => self.mounts.shared,
            Condition::SiblingVolumeHasFile => self.mounts.elsewhere,
            Condition::VolumeMountedElsewhere => self.mounts.suggested,
            Condition::SiblingCreatesPathLater => self.mounts.later,
            Condition::FileAbsentEverywhere => self.mounts.absent,
            _ => None,
        }
    }

    /// The filesystem of the path that the message names; all of them where it names none.
    pub(super) fn disks(&self) -> Vec<&Disk> {
        let disks = &self.seat.world.node.view.disks;
        let role = self.path.as_deref().and_then(role_of);
        let of_path: Vec<&Disk> = disks.iter().filter(|disk| Some(disk.role) == role).collect();
        // `/` stands for what no other role covers; a folder below it may be a mount of its own.
        if of_path.is_empty() && !matches!(role, Some(DiskRole::Root)) {
            return disks.iter().collect();
        }
        of_path
    }

    fn of_disks(&self, condition: Condition) -> Option<bool> {
        let disks = self.disks();
        let any = |test: &dyn Fn(&Disk) -> Option<bool>| {
            let known: Vec<bool> = disks.iter().filter_map(|disk| test(disk)).collect();
            (!known.is_empty()).then(|| known.contains(&true))
        };
        match condition {
            Condition::InodesFreeZero => any(&has_no_inodes),
            Condition::DiskBytesFreeZero => any(&|disk| Some(has_no_bytes(disk))),
            Condition::DiskFreePlenty => any(&|disk| Some(!has_room(disk))).map(|it| !it),
            Condition::DiskReadOnly => any(&|disk| disk.read_only),
            _ => None,
        }
    }

    fn of_node(&self, condition: Condition) -> Option<bool> {
        let node = &self.seat.world.node;
        let case = self.seat.case;
        let pressure = |resource: &str| {
            let known = node.pressure.get(resource).map(|switch| switch.on);
            known.or_else(|| node.object.is_some().then_some(false))
        };
        let cni = node.view.cni.as_ref();
        let cni_is = |reasons: &[CniReason]| {
            Some(cni?.reason.is_some_and(|reason| reasons.contains(&reason)))
        };
        match condition {
            Condition::NodeDiskPressure => pressure("disk"),
            Condition::NodeMemoryPressure => pressure("memory"),
            Condition::NodePidPressure => pressure("pids"),
            Condition::CniConfigMissing => {
                cni_is(&[CniReason::ConfigFolderMissing, CniReason::ConfigMissing])
            }
            Condition::CniConfigInvalid => cni_is(&[CniReason::ConfigInvalid]),
            Condition::CniPluginMissing => {
                cni_is(&[CniReason::PluginMissing, CniReason::PluginNotExecutable])
            }
            Condition::CniLeasesFreeZero => Some(cni?.leases_free? == 0),
            Condition::NetworkNotReady => node.network.as_ref().map(|switch| !switch.on),
            Condition::NetworkReady => node.network.as_ref().map(|switch| switch.on),
            Condition::RuntimeNotReady => node.runtime.as_ref().map(|switch| !switch.on),
            Condition::RuntimeReady => node.runtime.as_ref().map(|switch| switch.on),
            Condition::SandboxSuccessZero => self.sandboxes().map(|counts| counts.ok == 0),
            Condition::SandboxFailingPodsTwo => {
                self.sandboxes().map(|counts| counts.failing_pods >= 2)
            }
            Condition::NodeReady => node.ready.as_ref().map(|switch| switch.on),
            Condition::SameCauseOnOtherOwner => case.around.same_on_other_owner,
            Condition::StepPassedElsewhere => case.around.passed_elsewhere,
            Condition::EvidenceIsOlder => case.around.is_older,
            Condition::TelemetryIncomplete => case.around.is_incomplete,
            _ => None,
        }
    }

    fn sandboxes(&self) -> Option<crate::diagnosis::world::node::SandboxCounts> {
        let from = self.seat.case.at.saturating_sub(limits::WORLD_WINDOW);
        let counts = self.seat.world.node.sandbox_counts(from);
        (counts.ok + counts.failed > 0).then_some(counts)
    }

    /// Why a cause that asks for the signal, or whose rule it contradicts, is not it.
    pub(super) fn against(&self, signal: &Signal) -> Option<&str> {
        let Signal::Is(condition) = signal else { return None };
        Some(match condition {
            Condition::SiblingVolumeHasFile | Condition::FileAbsentEverywhere => {
                let mut told = self.mounts.told.iter().map(String::as_str);
                told.find(|_| self.mounts.absent == Some(true))
                    .unwrap_or("no volume of the pod holds it under another path")
            }
            Condition::VolumeMountedElsewhere => "no mount suggests that it lies elsewhere",
            Condition::SiblingCreatesPathLater => "it did not appear after the container's end",
            Condition::SharedVolume => "its path lies on no volume that others mount, too",
            _ => return None,
        })
    }

    /// A signal as evidence, in words; `None` where the evidence is shown by a line of its own.
    pub(super) fn evidence(&self, signal: &Signal) -> Option<Evidence> {
        let node = &self.seat.world.node;
        let Signal::Is(condition) = signal else { return None };
        let told = |source: &str, text: String, at: i64| Some(quote::told(source, &text, at));
        match condition {
            Condition::InodesFreeZero
            | Condition::DiskBytesFreeZero
            | Condition::DiskFreePlenty
            | Condition::DiskReadOnly => {
                let disks = self.disks();
                let fullest = disks.iter().min_by_key(|disk| {
                    let inodes =
                        share(disk.inodes_free.unwrap_or(1), disk.inodes_total.unwrap_or(1));
                    inodes.min(share(disk.free_bytes, disk.total_bytes))
                })?;
                told("disk", disk_in_words(fullest), fullest.at)
            }
            Condition::CniConfigMissing
            | Condition::CniConfigInvalid
            | Condition::CniPluginMissing
            | Condition::CniLeasesFreeZero => {
                let cni = node.view.cni.as_ref()?;
                let text = cni.detail.clone().unwrap_or_else(|| "no free address".to_owned());
                told("cni", text, cni.at)
            }
            Condition::NetworkNotReady | Condition::NetworkReady => {
                Some(node.network.as_ref()?.evidence.clone())
            }
            Condition::RuntimeNotReady | Condition::RuntimeReady => {
                Some(node.runtime.as_ref()?.evidence.clone())
            }
            Condition::NodeDiskPressure => Some(node.pressure.get("disk")?.evidence.clone()),
            Condition::NodeMemoryPressure => Some(node.pressure.get("memory")?.evidence.clone()),
            Condition::NodePidPressure => Some(node.pressure.get("pids")?.evidence.clone()),
            Condition::SandboxSuccessZero | Condition::SandboxFailingPodsTwo => {
                let counts = self.sandboxes()?;
                let text = format!(
                    "{} of {} sandboxes succeeded within 10 minutes; {} pods failed",
                    counts.ok,
                    counts.ok + counts.failed,
                    counts.failing_pods
                );
                told("sandboxes", text, self.seat.case.at)
            }
            Condition::SameCauseOnOtherOwner => {
                let text = "pods of another owner fail here for the same cause";
                told("controls", text.to_owned(), self.seat.case.at)
            }
            Condition::StepPassedElsewhere => {
                let text = "another pod passed this step between its two newest failures";
                told("controls", text.to_owned(), self.seat.case.at)
            }
            _ => None,
        }
    }
}

/// Whether name or image is one of those that serve other containers.
fn serves_others(container: &fact::Container) -> bool {
    const WORDS: &[&str] = &[
        "agent",
        "collector",
        "envoy",
        "fluentd",
        "mesh",
        "proxy",
        "proxyv2",
        "sidecar",
        "tunnel",
    ];
    let image = container.image.as_deref().unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or(image);
    [container.name.as_str(), image]
        .iter()
        .flat_map(|name| name.split(|c: char| !c.is_ascii_alphanumeric()))
        .any(|word| WORDS.contains(&word))
}

fn role_of(path: &str) -> Option<DiskRole> {
    ROOTS.iter().find(|(root, _)| path.starts_with(root)).map(|(_, role)| *role)
}

fn has_room(disk: &Disk) -> bool {
    let room = |free: u64, total: u64| free >= total / ROOM_PARTS;
    let inodes = disk.inodes_free.zip(disk.inodes_total);
    room(disk.free_bytes, disk.total_bytes) && inodes.is_none_or(|(free, total)| room(free, total))
}

/// Percent that is free.
fn share(free: u64, total: u64) -> u64 {
    u64::try_from(u128::from(free) * 100 / u128::from(total.max(1))).unwrap_or(100)
}

/// `kubelet disk: 41 % of bytes free, 0 of 45,000 inodes free`
pub(super) fn disk_in_words(disk: &Disk) -> String {
    let mut text = format!(
        "{} disk: {} % of bytes free ({} of {} MiB)",
        disk.role.name(),
        share(disk.free_bytes, disk.total_bytes),
        disk.free_bytes >> 20,
        disk.total_bytes >> 20
    );
    if let (Some(free), Some(total)) = (disk.inodes_free, disk.inodes_total) {
        text.push_str(&format!(", {} of {} inodes free", thousands(free), thousands(total)));
    }
    if disk.read_only == Some(true) {
        text.push_str(", read-only");
    }
    text
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The path whose filesystem a message is about.
pub(super) fn path_of(message: &str) -> Option<String> {
    path_in(message).map(str::to_owned)
}
