//! Whether the pod network can work, as the files on the node tell it: the configuration that the
//! runtime takes, its plugins, and host-local's free addresses. What the kubelet says about the
//! network is the engine's to know; the last word is the kubelet's.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Cni, CniConfig, CniReason, Runtime, mounts::Mounts};
use crate::source::Micros;

mod lease;
mod network;

use network::{Network, Rejected};

/// Looks at the files.
///
/// # Errors
/// Where nothing can be told: folders that are not mounted or not readable, and what to do.
pub(super) fn look(config: &CniConfig, at: Micros) -> Result<Cni, String> {
    let is_in_pod = Mounts::read().is_in_pod();
    Look { config, is_in_pod }.now(at)
}

struct Look<'a> {
    config: &'a CniConfig,
    is_in_pod: bool,
}

/// Not ready: why, and what exactly.
type Fault = (CniReason, String);

impl Look<'_> {
    fn now(&self, at: Micros) -> Result<Cni, String> {
        let mut cni = Cni {
            at,
            ready: true,
            reason: None,
            detail: None,
            leases_used: None,
            leases_free: None,
        };
        let fault = match self.network()? {
            Err(fault) => Some(fault),
            Ok(network) => {
                let leases = lease::count(&network, &self.config.lease_folder);
                cni.leases_used = leases.map(|leases| leases.used);
                cni.leases_free = leases.and_then(|leases| leases.free);
                self.missing_plugin(&network).or_else(|| {
                    (cni.leases_free == Some(0)).then(|| {
                        let used = cni.leases_used.unwrap_or_default();
                        let name = &network.name;
                        let detail = format!("network {name}: all {used} addresses are leased");
                        (CniReason::AddressesExhausted, detail)
                    })
                })
            }
        };
        if let Some((reason, detail)) = fault {
            (cni.ready, cni.reason, cni.detail) = (false, Some(reason), Some(detail));
        }
        Ok(cni)
    }

    /// The network that the runtime takes for pods.
    fn network(&self) -> Result<Result<Network, Fault>, String> {
        let Some(folder) = self.config.config_folders.iter().find(|folder| folder.is_dir()) else {
            let tried = listed(&self.config.config_folders);
            // A folder that is not mounted into the pod says nothing about the node.
            return if self.is_in_pod {
                Err(format!("none of {tried} is mounted into this pod: mount the node's"))
            } else {
                Ok(Err((CniReason::ConfigFolderMissing, format!("none of {tried} exists"))))
            };
        };
        let files =
            network::files(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        if files.is_empty() {
            let detail = format!("no .conf, .conflist or .json in {}", folder.display());
            return Ok(Err((CniReason::ConfigMissing, detail)));
        }
        if self.is_crio(&files) { self.as_crio(&files) } else { as_containerd(&files) }
    }

    fn is_crio(&self, files: &[PathBuf]) -> bool {
        match self.config.runtime {
            Runtime::Crio => true,
            Runtime::Containerd => false,
            Runtime::Auto => {
                self.config.default_network.is_some()
                    || ["/run/crio/crio.sock", "/etc/crio"]
                        .iter()
                        .any(|path| Path::new(path).exists())
                    || files.iter().any(|file| file.to_string_lossy().contains("-crio-"))
            }
        }
    }

    /// CRI-O (ocicni): by name, what is invalid or lacks a plugin is passed over; the first that is
    /// left, or the one that is called like the default network.
    fn as_crio(&self, files: &[PathBuf]) -> Result<Result<Network, Fault>, String> {
        let mut first_fault = None;
        for file in files {
            let fault = match network::read(file) {
                Ok(network) => {
                    match (&self.config.default_network, self.missing_plugin(&network)) {
                        (Some(name), _) if network.name != *name => continue,
                        (_, None) => return Ok(Ok(network)),
                        (Some(_), Some(fault)) => return Ok(Err(fault)),
                        (None, Some(fault)) => fault,
                    }
                }
                Err(Rejected::Unreadable(why)) => return Err(why),
                Err(Rejected::Invalid(why)) => (CniReason::ConfigInvalid, why),
            };
            first_fault.get_or_insert(fault);
        }
        Ok(Err(first_fault.unwrap_or_else(|| {
            let name = self.config.default_network.as_deref().unwrap_or_default();
            (CniReason::ConfigMissing, format!("no configuration of the default network {name}"))
        })))
    }

    /// The first plugin of the chain, or of its address management, that cannot be run.
    fn missing_plugin(&self, network: &Network) -> Option<Fault> {
        let folders: Vec<&PathBuf> =
            self.config.plugin_folders.iter().filter(|folder| folder.is_dir()).collect();
        // Not mounted; or made by the kubelet for the mount, where the programs are somewhere else.
        if self.is_in_pod && folders.iter().all(|folder| is_empty(folder)) {
            return None;
        }
        network.programs().find_map(|program| {
            let place = || format!("{}: plugin {program}", network.file.display());
            let mut blocked = None;
            for folder in &folders {
                match self.runnable(&folder.join(program)) {
                    Program::Runs => return None,
                    Program::Blocked(why) => blocked = Some(format!("{} {why}", place())),
                    Program::Absent => {}
                }
            }
            Some(match blocked {
                Some(detail) => (CniReason::PluginNotExecutable, detail),
                None => {
                    let detail = format!(
                        "{} is in none of {}",
                        place(),
                        listed(&self.config.plugin_folders)
                    );
                    (CniReason::PluginMissing, detail)
                }
            })
        })
    }

    fn runnable(&self, path: &Path) -> Program {
        match std::fs::metadata(path) {
            Ok(data) if !data.is_file() => Program::Blocked("is not a file"),
            Ok(data) if data.permissions().mode() & 0o111 == 0 => {
                Program::Blocked("is not executable")
            }
            // What a full disk leaves behind of an installation.
            Ok(data) if data.len() == 0 => Program::Blocked("is an empty file"),
            Ok(_) => Program::Runs,
            // A link to a place that is not mounted into this pod (k3s): cannot be told.
            Err(_) if self.is_in_pod && path.is_symlink() => Program::Runs,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Program::Runs,
            Err(_) => Program::Absent,
        }
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

enum Program {
    Runs,
    Blocked(&'static str),
    Absent,
}

/// containerd (go-cni, `max_conf_num` 1): the first by name is taken, and when it is invalid there
/// is no network, whatever comes after it.
fn as_containerd(files: &[PathBuf]) -> Result<Result<Network, Fault>, String> {
    let Some(first) = files.first() else { return Err("no file".into()) };
    match network::read(first) {
        Ok(network) => Ok(Ok(network)),
        Err(Rejected::Unreadable(why)) => Err(why),
        Err(Rejected::Invalid(why)) => Ok(Err((CniReason::ConfigInvalid, why))),
    }
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
