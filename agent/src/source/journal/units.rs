//! The units that are read: whose words theirs are, and the names under which others could pose as
//! them. Owns: reading `name` and `name=component`. Does not: hold the default list (config does).

use serde::{Deserialize, Serialize};

use podwhy_parser::Origin;

use crate::source::origin;

/// Whose grammar a unit's lines follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Component {
    /// klog; also of programs that hold a kubelet (k3s, k0s, MicroShift, kubelite).
    Kubelet,
    /// logrus as containerd writes it.
    Containerd,
    /// CRI-O.
    Crio,
    /// docker and cri-dockerd.
    Docker,
}

/// One unit that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `_SYSTEMD_UNIT`: what is believed.
    pub name: String,
    /// Whose grammar its lines follow.
    pub component: Component,
}

impl Unit {
    /// Reads `name`, or `name=component` for a name that does not tell.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (name, component) = text.split_once('=').unwrap_or((text, ""));
        let component = match component.trim() {
            "kubelet" => Component::Kubelet,
            "containerd" => Component::Containerd,
            "crio" => Component::Crio,
            "docker" => Component::Docker,
            _ => Component::of(name.trim()),
        };
        Self { name: name.trim().to_owned(), component }
    }
}

impl Component {
    /// By the unit's name; a name that only this node knows is a kubelet's.
    fn of(name: &str) -> Self {
        match origin::of_unit(name) {
            Some(Origin::Containerd) => Self::Containerd,
            Some(Origin::Crio) => Self::Crio,
            Some(Origin::Docker) => Self::Docker,
            Some(_) => Self::Kubelet,
            None if name.contains("containerd") => Self::Containerd,
            None if name.contains("crio") => Self::Crio,
            None if name.contains("docker") => Self::Docker,
            None => Self::Kubelet,
        }
    }

    /// The parser's word for it.
    #[must_use]
    pub fn origin(self) -> Origin {
        match self {
            Self::Kubelet => Origin::Kubelet,
            Self::Containerd => Origin::Containerd,
            Self::Crio => Origin::Crio,
            Self::Docker => Origin::Docker,
        }
    }
}

/// Identifiers that differ from the unit's own name (log-grammar 4.3). Anybody can write under
/// these: such lines are counted and not believed.
const IDENTIFIERS: [&str; 8] = [
    "kubenswrapper",
    "hyperkube",
    "kubelet-wrapper",
    "k3s",
    "rke2",
    "k0s",
    "dockerd",
    "cri-dockerd",
];

/// Every identifier under which something could pose as one of `units`, sorted.
pub(super) fn identifiers(units: &[Unit]) -> Vec<String> {
    let own = units.iter().map(|unit| {
        let name = unit.name.strip_suffix(".service").unwrap_or(&unit.name);
        name.strip_prefix("snap.").unwrap_or(name)
    });
    let mut all: Vec<String> = own.chain(IDENTIFIERS).map(str::to_owned).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_tells_its_component_by_name_or_by_word() {
        let component = |text| Unit::parse(text).component;
        assert_eq!(component("kubelet.service"), Component::Kubelet);
        assert_eq!(component("snap.k8s.containerd.service"), Component::Containerd);
        assert_eq!(component("cri-docker.service"), Component::Docker);
        assert_eq!(component("mine.service"), Component::Kubelet);
        assert_eq!(component("mine.service=crio"), Component::Crio);
        assert_eq!(Unit::parse(" mine.service = crio ").name, "mine.service");
    }

    #[test]
    fn the_identifiers_of_every_distribution_are_watched() {
        let units = crate::config::Journal::default().units;
        let units: Vec<_> = units.iter().map(|text| Unit::parse(text)).collect();
        let known = identifiers(&units);
        for identifier in "kubelet kubenswrapper hyperkube kubelet-wrapper k3s rke2 k0s microshift \
                           microk8s.daemon-kubelite microk8s.daemon-kubelet kubelet.daemon \
                           containerd microk8s.daemon-containerd crio dockerd cri-dockerd"
            .split_whitespace()
        {
            assert!(known.iter().any(|name| name == identifier), "{identifier} in {known:?}");
        }
    }
}
