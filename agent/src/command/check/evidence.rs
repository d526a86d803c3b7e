//! What beside the lines could be collected here: container logs, cgroups, volumes, the runtime's
//! socket, the API server.

use std::{fs, path::Path, time::Duration};

use super::{Finding, Status, in_time};
use crate::{app, config, limits, node};

/// A check is not a watch: nobody waits longer for it.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn look(config: &config::Config) -> Vec<Finding> {
    let evidence = &config.evidence;
    let mut findings = in_time("last words", config, |it| vec![pod_logs(&it.evidence)]);
    if evidence.cgroups {
        findings.push(cgroups(&evidence.cgroup_root));
    }
    if evidence.volume_names {
        findings.extend(in_time("volume names", config, |it| {
            let folder = &it.evidence.kubelet_pods;
            vec![readable("volume names", folder, "evidence.kubelet_pods")]
        }));
    }
    if let Some(socket) = &evidence.runtime_socket {
        findings.push(runtime(socket));
    }
    findings.push(api_server(config));
    findings
}

fn pod_logs(config: &config::Evidence) -> Finding {
    const NAME: &str = "last words";
    if config.last_words == config::LastWords::None {
        return Finding::new(NAME, Status::Ok, "not read: evidence.last_words is none");
    }
    readable(NAME, &config.pod_logs, "evidence.pod_logs")
}

/// Whether a folder can be listed, and one that is in it.
fn readable(name: &'static str, folder: &Path, field: &str) -> Finding {
    let place = folder.display();
    let inside = fs::read_dir(folder).and_then(|entries| {
        let folders = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        let mut folders = folders.take(limits::POD_LOG_FOLDERS).peekable();
        if let Some(first) = folders.peek() {
            fs::read_dir(first)?;
        }
        Ok(folders.count())
    });
    match inside {
        Ok(count) => Finding::ok(name, format!("{place}: {count} pods")),
        Err(error) => Finding::degraded(
            name,
            format!("{place}: {error}"),
            format!("mount it read-only and add DAC_READ_SEARCH, or set {field}"),
        ),
    }
}

fn cgroups(root: &Path) -> Finding {
    const NAME: &str = "cgroups";
    let place = root.display();
    match node::cgroup::version(root) {
        Some(version) if node::cgroup::has_pods(root) => {
            Finding::ok(NAME, format!("{place}: version {version}, with pods"))
        }
        Some(version) => Finding::degraded(
            NAME,
            format!("{place}: version {version}, without any pod"),
            "mount the host's /sys/fs/cgroup read-only and name it in evidence.cgroup_root",
        ),
        None => Finding::degraded(
            NAME,
            format!("{place}: is no mount of cgroups"),
            "set evidence.cgroup_root, or evidence.cgroups to false",
        ),
    }
}

fn runtime(socket: &Path) -> Finding {
    const NAME: &str = "runtime";
    let asked = node::runtime::Asker::new(socket, limits::RUNTIME_TIMEOUT)
        .map_err(|error| error.to_string())
        .and_then(|mut asker| asker.ask());
    match asked {
        Ok(status) => {
            let version = status.version.unwrap_or_else(|| "a runtime".to_owned());
            match (status.latency_seconds, status.why) {
                (Some(seconds), None) => {
                    Finding::ok(NAME, format!("{version} answers in {:.1} ms", seconds * 1e3))
                }
                (_, why) => Finding::degraded(
                    NAME,
                    format!("{version}: {}", why.unwrap_or_default()),
                    "read its log: journalctl -u containerd -u crio",
                ),
            }
        }
        Err(why) => Finding::degraded(NAME, why, "mount it, or set evidence.runtime_socket: null"),
    }
}

fn api_server(config: &config::Config) -> Finding {
    const NAME: &str = "API server";
    let section = &config.kubernetes;
    if !section.enabled {
        return Finding::new(NAME, Status::Ok, "not asked: kubernetes.enabled is false");
    }
    if !node::pods::is_reachable_by(section.kubeconfig.as_deref()) {
        let what = "not in a pod, and kubernetes.kubeconfig names no file";
        return Finding::new(NAME, Status::Unknown, what);
    }
    let watched = app::pods_config(section, &app::node_name(config));
    crate::export::otlp_http::install_tls_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let reached = async { tokio::time::timeout(PATIENCE, node::pods::reach(&watched)).await };
        let late = || format!("does not answer within {} s", PATIENCE.as_secs());
        runtime.block_on(reached).unwrap_or_else(|_| Err(late()))
    });
    match asked {
        Ok(what) => Finding::ok(NAME, what),
        Err(why) => Finding::degraded(
            NAME,
            why,
            "grant get, list and watch on pods and nodes, or set kubernetes.enabled to false",
        ),
    }
}
