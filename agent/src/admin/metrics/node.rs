//! What the node looks like, as gauges.

use std::fmt;

use super::{Out, float, switch};
use crate::node::View;

/// Disks, the pod network, and looks that do not come back.
pub(super) fn gauges(out: &mut Out<'_>, view: Option<&View>) -> fmt::Result {
    let Some(view) = view else { return Ok(()) };
    let disks = || view.disks.iter().map(|disk| (vec![("role", disk.role.name())], disk));
    out.gauge(
        ("podwhy_node_disk_free_bytes", "Bytes free to an unprivileged writer"),
        disks().map(|(labels, disk)| (labels, float(disk.free_bytes))),
    )?;
    out.gauge(
        ("podwhy_node_disk_size_bytes", "Size of the filesystem"),
        disks().map(|(labels, disk)| (labels, float(disk.total_bytes))),
    )?;
    out.gauge(
        ("podwhy_node_disk_inodes_free", "Inodes free; absent where their number is not fixed"),
        disks().filter_map(|(labels, disk)| Some((labels, float(disk.inodes_free?)))),
    )?;
    out.gauge(
        ("podwhy_node_disk_inodes", "Inodes in all"),
        disks().filter_map(|(labels, disk)| Some((labels, float(disk.inodes_total?)))),
    )?;
    out.gauge(
        ("podwhy_node_disk_read_only", "1 where nothing can be written"),
        disks().filter_map(|(labels, disk)| Some((labels, switch(disk.read_only?)))),
    )?;
    let cni = || view.cni.iter();
    out.gauge(
        ("podwhy_node_cni_ready", "1 where the pod network has a configuration that can work"),
        cni().map(|it| (vec![], switch(it.ready))),
    )?;
    out.gauge(
        ("podwhy_node_cni_not_ready", "1 for the reason why it has none"),
        cni()
            .filter(|it| !it.ready)
            .filter_map(|it| Some((vec![("reason", it.reason?.name())], 1.0))),
    )?;
    out.gauge(
        ("podwhy_node_cni_leases_free", "Addresses left, where the IPAM can be read on the node"),
        cni().filter_map(|it| Some((vec![], float(it.leases_free?)))),
    )?;
    out.gauge(
        ("podwhy_node_looks_stuck", "Looks at the node that do not come back"),
        [(vec![], float(u64::try_from(view.stuck.len()).unwrap_or(0)))],
    )
}
