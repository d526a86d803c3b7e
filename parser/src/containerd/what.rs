//! Which production a message of containerd is: by its first word, then by how it ends.
//! Owns no facts.

use crate::object::proto_field;
use crate::{Text, What};

/// Allocates nothing and reads a message once at most.
pub(crate) fn what(message: Text<'_>) -> What {
    let raw = message.raw();
    let (word, rest) = raw.split_once(' ').unwrap_or((raw, ""));
    match word {
        "RunPodSandbox" | "CreateContainer" | "StartContainer" | "StopContainer"
        | "RemoveContainer" | "StopPodSandbox" | "RemovePodSandbox" | "PullImage" => {
            let [called, returned, failed] = call(word);
            outcome(rest, called, returned, failed)
        }
        "PodSandboxStatus" => failed(rest, What::ContainerdPodSandboxStatusFailed),
        "ContainerStatus" => failed(rest, What::ContainerdContainerStatusFailed),
        "ExecSync" => failed(rest, What::ContainerdExecSyncFailed),
        "Status" | "Version" => failed(raw, What::ContainerdStatusFailed),
        "ListContainers" | "ListPodSandbox" | "ListImages" => {
            failed(rest, What::ContainerdListFailed)
        }
        _ => other(message, word, rest),
    }
}

/// A CRI call's three productions: called, returned, failed.
fn call(word: &str) -> [What; 3] {
    match word {
        "RunPodSandbox" => [
            What::ContainerdRunPodSandboxCalled,
            What::ContainerdRunPodSandboxReturned,
            What::ContainerdRunPodSandboxFailed,
        ],
        "CreateContainer" => [
            What::ContainerdCreateContainerCalled,
            What::ContainerdCreateContainerReturned,
            What::ContainerdCreateContainerFailed,
        ],
        "StartContainer" => [
            What::ContainerdStartContainerCalled,
            What::ContainerdStartContainerReturned,
            What::ContainerdStartContainerFailed,
        ],
        "StopContainer" => [
            What::ContainerdStopContainerCalled,
            What::ContainerdStopContainerReturned,
            What::ContainerdStopContainerFailed,
        ],
        "RemoveContainer" => [
            What::ContainerdRemoveContainerCalled,
            What::ContainerdRemoveContainerReturned,
            What::ContainerdRemoveContainerFailed,
        ],
        "StopPodSandbox" => [
            What::ContainerdStopPodSandboxCalled,
            What::ContainerdStopPodSandboxReturned,
            What::ContainerdStopPodSandboxFailed,
        ],
        "RemovePodSandbox" => [
            What::ContainerdRemovePodSandboxCalled,
            What::ContainerdRemovePodSandboxReturned,
            What::ContainerdRemovePodSandboxFailed,
        ],
        "PullImage" => [
            What::ContainerdPullImageCalled,
            What::ContainerdPullImageReturned,
            What::ContainerdPullImageFailed,
        ],
        _ => [What::Unknown; 3],
    }
}

/// ```text
/// call := … " failed" ", error"? | … " returns " … | …
/// ```
fn outcome(rest: &str, called: What, returned: What, failed: What) -> What {
    // Behind the call's name stands what it is about; nothing else begins so.
    let is_call = ["for ", "within sandbox ", "\"", "\\"].iter().any(|it| rest.starts_with(it));
    if !is_call {
        return What::Unknown;
    }
    if has_failed(rest) {
        return failed;
    }
    if rest.contains(" returns ") {
        return returned;
    }
    called
}

fn has_failed(rest: &str) -> bool {
    rest.strip_suffix(", error").unwrap_or(rest).ends_with(" failed")
}

fn failed(rest: &str, what: What) -> What {
    if has_failed(rest) { what } else { What::Unknown }
}

/// Lines that are not a CRI call's.
fn other(message: Text<'_>, word: &str, rest: &str) -> What {
    let found = match word {
        "TaskOOM" | "TaskExit" | "received" => return event(message, word, rest),
        "Pulled" => ("image ", What::ContainerdPulledImage),
        "cancel" => ("pulling image ", What::ContainerdPullCancelled),
        "Stop" if rest.starts_with("CRI service") => ("", What::ContainerdStopping),
        "Stop" => ("container ", What::ContainerdStopSignal),
        "Kill" => ("container ", What::ContainerdKillContainer),
        "Container" => ("to stop ", What::ContainerdStopNotRunning),
        "Forcibly" => ("stopping sandbox ", What::ContainerdForciblyStopping),
        "TearDown" if rest.ends_with(" successfully") => {
            ("network for sandbox ", What::ContainerdNetworkTornDown)
        }
        "encountered" => {
            ("an error cleaning up failed sandbox ", What::ContainerdSandboxCleanupFailed)
        }
        "shim" => ("disconnected", What::ContainerdShimDisconnected),
        "cleaning" if rest.starts_with("up dead shim") => ("", What::ContainerdDeadShim),
        "cleaning" => ("up after shim disconnected", What::ContainerdShimCleanup),
        "cleanup" => ("warnings ", What::ContainerdShimWarnings),
        "starting" => ("containerd", What::ContainerdStarting),
        "containerd" => ("successfully booted", What::ContainerdBooted),
        "Failed" | "failed" => return failed_to(rest),
        _ => return What::Unknown,
    };
    if rest.starts_with(found.0) { found.1 } else { What::Unknown }
}

/// ```text
/// "Failed to " … | "failed to " …
/// ```
fn failed_to(rest: &str) -> What {
    for (begin, what) in [
        ("to load cni configuration", What::ContainerdCniLoadFailed),
        ("to load cni during init", What::ContainerdCniLoadFailed),
        ("to reload cni configuration", What::ContainerdCniLoadFailed),
        ("to run CRI service", What::ContainerdCriServiceFailed),
        ("to load plugin io.containerd.grpc.v1.cri", What::ContainerdCriServiceFailed),
        ("to destroy network for sandbox ", What::ContainerdDestroyNetworkFailed),
        ("to handle container TaskExit event ", What::ContainerdExitEventFailed),
        ("to shutdown shim task", What::ContainerdShimLeaked),
        ("to delete dead shim", What::ContainerdShimLeaked),
        ("to delete exec process ", What::ContainerdDeleteExecFailed),
    ] {
        if rest.starts_with(begin) {
            return what;
        }
    }
    What::Unknown
}

/// An exit whose id is not the container's is that of a probe's or a hook's process.
///
/// ```text
/// "TaskOOM event " … | "TaskExit event " … | "received " ("sandbox "? "container ")? "exit event " …
/// ```
fn event(message: Text<'_>, word: &str, rest: &str) -> What {
    match word {
        "TaskOOM" if rest.starts_with("event ") => What::ContainerdTaskOom,
        "TaskExit" if rest.starts_with("event ") => exit(message),
        "received" if rest.starts_with("exit event ") => exit(message),
        "received" if rest.starts_with("container exit event ") => exit(message),
        "received" if rest.starts_with("sandbox container exit event ") => {
            What::ContainerdSandboxExitEvent
        }
        _ => What::Unknown,
    }
}

fn exit(message: Text<'_>) -> What {
    let is_exec = match ids_google(message).or_else(|| ids_gogo(message)) {
        Some((container, id)) => container.raw() != id.raw(),
        None => false,
    };
    if is_exec { What::ContainerdExecExitEvent } else { What::ContainerdExitEvent }
}

fn ids_google<'a>(message: Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
    let (_, fields) = message.cut("event ")?;
    let (key, container, rest) = proto_field(fields)?;
    let (next, id, _) = proto_field(rest)?;
    (key == "container_id" && next == "id").then_some((container, id))
}

fn ids_gogo<'a>(message: Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
    let (_, rest) = message.cut("{ContainerID:")?;
    let (container, rest) = rest.cut(",")?;
    let (id, _) = rest.behind("ID:")?.cut(",")?;
    Some((container, id))
}
