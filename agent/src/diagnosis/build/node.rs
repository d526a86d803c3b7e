//! The node as a record's attributes tell it: disks, pod network, and how old that knowledge is.

use crate::{
    node::{self, CniReason, Disk, DiskRole},
    record::{attributes::Attributes, names},
    source::Micros,
};

/// What the node looks like, and the kubelet's own word on its network.
#[derive(Clone, Copy, Debug)]
pub(in crate::diagnosis) struct Surroundings<'a> {
    pub(in crate::diagnosis) node: &'a str,
    pub(in crate::diagnosis) view: &'a node::View,
    /// When the kubelet last said that the network is not ready.
    pub(in crate::diagnosis) network_down_at: Option<Micros>,
}

/// The kubelet repeats that its network is not ready every five seconds; an older word is no word.
const NETWORK_WORD: Micros = 15_000_000;

/// Disks of kubelet and runtime and the pod network, with the age of the oldest of them. A negative
/// age says that they were read that long after the failure, as when a backlog is read.
pub(super) fn attributes(around: Surroundings<'_>, at: Micros, out: &mut Attributes) {
    let mut oldest: Option<Micros> = None;
    let disks = around.view.disks.iter();
    for disk in disks.filter(|disk| matches!(disk.role, DiskRole::Kubelet | DiskRole::Runtime)) {
        disk_attributes(disk, out);
        oldest = Some(oldest.map_or(disk.at, |oldest| oldest.min(disk.at)));
    }
    let said = around.network_down_at.filter(|said| at.saturating_sub(*said) <= NETWORK_WORD);
    let (is_ready, reason, known_at) = match (&around.view.cni, said) {
        // The files tell why; the kubelet tells that.
        (Some(cni), said) if !cni.ready || said.is_none() => {
            (Some(cni.ready), cni.reason, Some(cni.at))
        }
        (_, Some(said)) => (Some(false), Some(CniReason::KubeletSaysNotReady), Some(said)),
        _ => (None, None, None),
    };
    out.bool(names::NODE_CNI_READY, is_ready);
    out.text(
        names::NODE_CNI_REASON,
        reason.filter(|_| is_ready == Some(false)).map(CniReason::name),
    );
    let oldest = oldest.into_iter().chain(known_at).min();
    out.double(names::NODE_AGE_SECONDS, oldest.map(|oldest| seconds(at.saturating_sub(oldest))));
}

fn disk_attributes(disk: &Disk, out: &mut Attributes) {
    let role = disk.role.name();
    let name = |what: &str| format!("podwhy.node.disk.{role}.{what}");
    out.int(name("free_bytes"), Some(disk.free_bytes));
    out.double(name("free_ratio"), ratio(disk.free_bytes, disk.total_bytes));
    if let (Some(free), Some(total)) = (disk.inodes_free, disk.inodes_total) {
        out.double(name("inodes_free_ratio"), ratio(free, total));
    }
    out.bool(name("read_only"), disk.read_only);
}

/// Everything that is known, for a check.
pub(super) fn all_attributes(view: &node::View, out: &mut Attributes) {
    for disk in &view.disks {
        disk_attributes(disk, out);
    }
    if let Some(cni) = &view.cni {
        out.bool(names::NODE_CNI_READY, Some(cni.ready));
        let reason = cni.reason.filter(|_| !cni.ready).map(CniReason::name);
        out.text(names::NODE_CNI_REASON, reason);
        out.int(names::NODE_CNI_LEASES_FREE, cni.leases_free);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).clamp(0.0, 1.0))
}

#[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 microseconds")]
fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}
