//! What a look at the node says, for people.

use super::{Finding, Status, folder::human};
use crate::node::{Answer, Cni, CniReason, Disk, DiskRole, State, Subject};

pub(super) fn of(subject: Subject, state: &State) -> Finding {
    let name = name(subject);
    if state.is_stuck || state.answer.is_none() {
        return Finding::degraded(
            name,
            "does not come back in time",
            "look for a dead network filesystem (findmnt -t nfs,nfs4,cifs,fuse), or raise node.timeout",
        );
    }
    match &state.answer {
        Some(Answer::Disk(Ok(disk))) => filesystem(name, disk),
        Some(Answer::Cni(Ok(cni))) => network(name, cni),
        Some(Answer::Disk(Err(why)) | Answer::Cni(Err(why))) => {
            Finding::new(name, Status::Unknown, why.clone())
        }
        None => Finding::new(name, Status::Unknown, "not looked at"),
    }
}

fn name(subject: Subject) -> &'static str {
    match subject {
        Subject::Disk(DiskRole::Kubelet) => "disk: kubelet",
        Subject::Disk(DiskRole::Runtime) => "disk: runtime",
        Subject::Disk(DiskRole::RuntimeState) => "disk: runtime state",
        Subject::Disk(DiskRole::Log) => "disk: log",
        Subject::Disk(DiskRole::Root) => "disk: root",
        Subject::Cni => "pod network",
    }
}

/// The node's own troubles are not the agent's: it works, and will tell.
fn filesystem(name: &'static str, disk: &Disk) -> Finding {
    let bytes = format!("{} of {} free", human(disk.free_bytes), human(disk.total_bytes));
    let inodes = match (disk.inodes_free, disk.inodes_total) {
        (Some(free), Some(total)) if total > 0 => {
            let share = u128::from(free) * 100 / u128::from(total);
            format!(", {share} % of inodes free")
        }
        _ => String::new(),
    };
    let what = format!("{bytes}{inodes}");
    let is_low = |free: u64, total: u64| free < total / 20;
    if disk.read_only == Some(true) {
        return Finding::degraded(
            name,
            format!("{what}, READ-ONLY"),
            "look for I/O errors: dmesg | tail -50",
        );
    }
    let has_few_inodes =
        disk.inodes_free.zip(disk.inodes_total).is_some_and(|(free, total)| is_low(free, total));
    if is_low(disk.free_bytes, disk.total_bytes) || has_few_inodes {
        return Finding::degraded(name, what, "make room: the kubelet evicts pods about here");
    }
    Finding::ok(name, what)
}

fn network(name: &'static str, cni: &Cni) -> Finding {
    let leases = match (cni.leases_used, cni.leases_free) {
        (Some(used), Some(free)) => format!(", {used} addresses leased, {free} free"),
        (Some(used), None) => format!(", {used} addresses leased"),
        _ => String::new(),
    };
    let Some(reason) = cni.reason else {
        return Finding::ok(name, format!("configured, plugins present{leases}"));
    };
    let fix = match reason {
        CniReason::ConfigFolderMissing | CniReason::ConfigMissing => {
            "is the network add-on's pod running on this node? It writes the configuration"
        }
        CniReason::ConfigInvalid => "mend or remove the file, then let the add-on write it anew",
        CniReason::PluginMissing => {
            "install it: the add-on's init container or the CNI plugins package"
        }
        CniReason::PluginNotExecutable => "install it anew: chmod +x alone leaves a torn file torn",
        CniReason::AddressesExhausted => {
            "leases of dead pods may be left: compare them with the running pods, or widen the range"
        }
        CniReason::KubeletSaysNotReady => "read the kubelet's own reason: journalctl -u kubelet",
    };
    Finding::degraded(name, cni.detail.clone().unwrap_or_default(), fix)
}
