//! Whose lines they are, by the unit or the identifier under which they were written.
//!
//! Owns the names that distributions give to the kubelet and the runtimes (log-grammar §4.3).

use podwhy_parser::Origin;

/// By the unit's name, as systemd vouches for it.
pub(crate) fn of_unit(unit: &str) -> Option<Origin> {
    of_program(unit.strip_suffix(".service").unwrap_or(unit))
}

/// By the identifier that stands before the colon of a syslog line: what the line claims.
pub(crate) fn of_identifier(identifier: &str) -> Option<Origin> {
    match identifier {
        "kernel" => Some(Origin::Kernel),
        "systemd" => Some(Origin::Systemd),
        // `-o with-unit` names the unit instead.
        _ => of_unit(identifier),
    }
}

fn of_program(name: &str) -> Option<Origin> {
    let name = name.strip_prefix("snap.").unwrap_or(name);
    match name {
        "kubenswrapper"
        | "hyperkube"
        | "k3s"
        | "k3s-agent"
        | "rke2"
        | "rke2-server"
        | "rke2-agent"
        | "k0s"
        | "k0sworker"
        | "k0scontroller"
        | "microshift"
        | "microk8s.daemon-kubelite"
        | "microk8s.daemon-kubelet" => Some(Origin::Kubelet),
        "containerd" | "microk8s.daemon-containerd" => Some(Origin::Containerd),
        "crio" | "cri-o" => Some(Origin::Crio),
        "docker" | "dockerd" | "cri-docker" | "cri-dockerd" => Some(Origin::Docker),
        "systemd-journald" => Some(Origin::Journald),
        // kubelet-wrapper, kubelet-containerd.sh, kubelet.daemon: scripts around the program.
        _ if name.starts_with("kubelet") => Some(Origin::Kubelet),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distribution_of_the_grammar_is_known() {
        let kubelets = "kubelet.service k3s.service k3s-agent.service rke2-agent.service \
            k0sworker.service snap.microk8s.daemon-kubelite.service snap.kubelet.daemon.service \
            microshift.service";
        for unit in kubelets.split_whitespace() {
            assert_eq!(of_unit(unit), Some(Origin::Kubelet), "{unit}");
        }
        for identifier in ["kubelet", "kubelet-wrapper", "kubenswrapper", "k0s", "kubelet.daemon"] {
            assert_eq!(of_identifier(identifier), Some(Origin::Kubelet), "{identifier}");
        }
        assert_eq!(of_unit("crio.service"), Some(Origin::Crio));
        assert_eq!(of_unit("ssh.service"), None);
        assert_eq!(of_unit("kernel"), None, "a unit's name never makes a kernel line");
    }
}
