//! host-local's addresses: one file per lease, ranges in the configuration. A pod takes one address
//! of each set of ranges, so the tightest set decides how many pods are left.

use std::{fs, net::IpAddr, path::Path};

use serde_json::Value;

use super::network::Network;
use crate::limits;

/// Addresses of the tightest set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leases {
    pub(super) used: u64,
    /// `None` where the ranges are not in the configuration.
    pub(super) free: Option<u64>,
}

/// Inclusive, as numbers. IPv4 and IPv6 are told apart by `is_v6`.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    is_v6: bool,
    start: u128,
    end: u128,
    /// The router's own, which is never given away.
    gateway: u128,
}

/// `None` where host-local is not used.
pub(super) fn count(network: &Network, folder: &Path) -> Option<Leases> {
    let ipam = host_local(network)?;
    let data = ipam.get("dataDir").and_then(Value::as_str).filter(|data| !data.is_empty());
    let data = data.map_or(folder, Path::new);
    // A name is no path: it must not lead anywhere else.
    let is_name = !network.name.is_empty() && !network.name.contains('/') && network.name != "..";
    let leased = leased(&data.join(&network.name)).filter(|_| is_name)?;
    let sets = sets(&ipam);
    let tightest = sets.iter().filter(|set| !set.is_empty()).map(|set| {
        let used = leased.iter().filter(|address| set.iter().any(|range| range.has(**address)));
        let used = used.count() as u64;
        let size = set.iter().fold(0u64, |sum, range| sum.saturating_add(range.size()));
        Leases { used, free: Some(size.saturating_sub(used)) }
    });
    tightest
        .min_by_key(|leases| leases.free)
        .or(Some(Leases { used: leased.len() as u64, free: None }))
}

/// The address management of the first plugin that uses host-local, itself or by flannel's delegate.
fn host_local(network: &Network) -> Option<Value> {
    network.plugins.iter().find_map(|plugin| {
        let is_flannel = plugin.get("type").and_then(Value::as_str) == Some("flannel");
        let delegate = plugin.get("delegate");
        let ipam = plugin.get("ipam").or_else(|| delegate.and_then(|plugin| plugin.get("ipam")));
        let kind = ipam.and_then(|ipam| ipam.get("type")).and_then(Value::as_str);
        match kind {
            Some("host-local") if !is_flannel => ipam.cloned(),
            // Flannel hands on to host-local unless it is told otherwise, with this node's subnet.
            Some("host-local") | None if is_flannel => Some(flannel(plugin, ipam)),
            _ => None,
        }
    })
}

/// What flannel makes of its environment file for host-local.
fn flannel(plugin: &Value, ipam: Option<&Value>) -> Value {
    let file = plugin.get("subnetFile").and_then(Value::as_str);
    let text = fs::read_to_string(file.unwrap_or("/run/flannel/subnet.env")).unwrap_or_default();
    let settings = text.lines().filter_map(|line| line.split_once('='));
    let subnets = settings
        .filter(|(name, _)| matches!(*name, "FLANNEL_SUBNET" | "FLANNEL_IPV6_SUBNET"))
        .map(|(_, subnet)| serde_json::json!([{ "subnet": subnet.trim() }]));
    let mut result = ipam.cloned().unwrap_or_else(|| serde_json::json!({}));
    if let Some(fields) = result.as_object_mut() {
        fields.insert("ranges".into(), subnets.collect());
    }
    result
}

/// The old form, one range beside the type, comes before the list of sets.
fn sets(ipam: &Value) -> Vec<Vec<Range>> {
    let old = range(ipam).map(|range| vec![range]);
    let sets = ipam.get("ranges").and_then(Value::as_array).into_iter().flatten();
    let sets = sets.map(|set| set.as_array().into_iter().flatten().filter_map(range).collect());
    old.into_iter().chain(sets).collect()
}

/// Without a start it is the first address, without an end the last but the broadcast.
fn range(value: &Value) -> Option<Range> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let (network, bits) = text("subnet")?.split_once('/')?;
    let network: IpAddr = network.parse().ok()?;
    let width: u32 = if network.is_ipv6() { 128 } else { 32 };
    let host_bits = width.checked_sub(bits.parse().ok()?)?;
    // host-local refuses what has no room for an address beside network and broadcast.
    if host_bits < 2 {
        return None;
    }
    let hosts = u128::MAX >> (128 - host_bits);
    let first = number(network) & !hosts;
    let last = (first | hosts) - u128::from(network.is_ipv4());
    let address = |name: &str| {
        let address = text(name)?.parse::<IpAddr>().ok()?;
        (address.is_ipv6() == network.is_ipv6()).then(|| number(address))
    };
    Some(Range {
        is_v6: network.is_ipv6(),
        start: address("rangeStart").unwrap_or(first + 1),
        end: address("rangeEnd").unwrap_or(last),
        gateway: address("gateway").unwrap_or(first + 1),
    })
}

impl Range {
    fn has(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_v6 && (self.start..=self.end).contains(&number(address))
    }

    /// An IPv6 range holds more than a count can: then it is as large as a count gets.
    fn size(&self) -> u64 {
        let all = (self.end.saturating_sub(self.start)).saturating_add(1);
        let all = if self.start > self.end { 0 } else { all };
        let gateway = u128::from((self.start..=self.end).contains(&self.gateway));
        u64::try_from(all - gateway.min(all)).unwrap_or(u64::MAX)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// Files that are called like an address; `None` where the folder cannot be read. A network that
/// never had a pod has no folder: nothing is leased.
fn leased(folder: &Path) -> Option<Vec<IpAddr>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return folder.parent().filter(|parent| parent.is_dir()).map(|_| Vec::new());
        }
        Err(_) => return None,
    };
    let names = entries
        .take(limits::CNI_LEASES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Some(names.filter_map(|name| name.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn free(ipam: &Value, leases: &[&str]) -> Leases {
        let folder = tempfile::tempdir().unwrap();
        let of_network = folder.path().join("net");
        fs::create_dir(&of_network).unwrap();
        for lease in leases.iter().chain(&["last_reserved_ip.0", "lock"]) {
            fs::write(of_network.join(lease), "id\neth0").unwrap();
        }
        let network = Network {
            file: "/x.conflist".into(),
            name: "net".into(),
            plugins: vec![json!({"type": "bridge", "ipam": ipam}), json!({"type": "portmap"})],
        };
        count(&network, folder.path()).unwrap()
    }

    fn leases(used: u64, free: u64) -> Leases {
        Leases { used, free: Some(free) }
    }

    #[test]
    fn network_broadcast_and_gateway_are_not_for_pods() {
        let ipam = json!({"type": "host-local", "subnet": "10.1.2.0/24"});
        assert_eq!(free(&ipam, &["10.1.2.2", "10.1.2.9"]), leases(2, 251));
    }

    #[test]
    fn a_range_inside_the_subnet_limits_it() {
        let ipam = json!({"type": "host-local", "ranges": [[{
            "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.20", "rangeEnd": "10.1.2.24",
            "gateway": "10.1.2.254"}]]});
        assert_eq!(free(&ipam, &["10.1.2.20", "10.1.2.99"]), leases(1, 4), "99 is another's");
        let all = ["10.1.2.20", "10.1.2.21", "10.1.2.22", "10.1.2.23", "10.1.2.24"];
        assert_eq!(free(&ipam, &all), leases(5, 0));
    }

    #[test]
    fn of_two_families_the_tighter_decides_and_an_ipv6_range_saturates() {
        let ipam = json!({"type": "host-local", "ranges": [
            [{"subnet": "10.1.2.0/29"}], [{"subnet": "fd00:1::/48"}]]});
        assert_eq!(free(&ipam, &["10.1.2.2", "fd00:1::2"]), leases(1, 4));
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "fd00:1::/48"}]]});
        assert_eq!(free(&ipam, &["fd00:1::2"]), leases(1, u64::MAX - 1));
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "::/0"}]]});
        assert_eq!(free(&ipam, &[]), leases(0, u64::MAX));
    }

    #[test]
    fn ranges_of_one_set_add_up() {
        let ipam = json!({"type": "host-local", "ranges": [
            [{"subnet": "10.1.0.0/29"}, {"subnet": "10.2.0.0/29"}]]});
        assert_eq!(free(&ipam, &["10.1.0.2", "10.2.0.2"]), leases(2, 8));
    }

    #[test]
    fn ranges_that_come_from_elsewhere_leave_free_unknown() {
        for subnet in ["usePodCidr", "10.0.0.0/33", "10.0.0.0/31", "x/8", "10.0.0.0"] {
            let ipam = json!({"type": "host-local", "subnet": subnet});
            assert_eq!(free(&ipam, &["10.0.0.4"]), Leases { used: 1, free: None }, "{subnet}");
        }
    }

    #[test]
    fn other_address_management_has_no_leases_here() {
        for plugin in [
            json!({"type": "calico", "ipam": {"type": "calico-ipam"}}),
            json!({"type": "cilium-cni"}),
        ] {
            let network = Network { file: "/x".into(), name: "net".into(), plugins: vec![plugin] };
            assert_eq!(count(&network, Path::new("/")), None);
        }
    }

    #[test]
    fn flannel_leases_this_nodes_subnet_through_host_local() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("subnet.env");
        fs::write(
            &file,
            "FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.3.1/24\nFLANNEL_MTU=1450\n",
        )
        .unwrap();
        fs::create_dir(folder.path().join("cbr0")).unwrap();
        fs::write(folder.path().join("cbr0/10.42.3.7"), "").unwrap();
        let plugin =
            json!({"type": "flannel", "subnetFile": file, "delegate": {"isDefaultGateway": true}});
        let network = Network { file: "/x".into(), name: "cbr0".into(), plugins: vec![plugin] };
        assert_eq!(count(&network, folder.path()), Some(leases(1, 252)));
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = json!({"ipam": {"type": "host-local", "subnet": "10.0.0.0/24"}});
        for name in ["../x", "..", ""] {
            let network =
                Network { file: "/x".into(), name: name.into(), plugins: vec![plugin.clone()] };
            assert_eq!(count(&network, folder.path()), None, "{name:?}");
        }
    }
}
