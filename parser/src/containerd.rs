//! containerd's lines about sandboxes, containers, images and itself (§11.2, §11.3).
//!
//! Owns which words make a production and what facts stand in it. Shim lines stand at every normal
//! exit and are no failures (G63); other programs that write into the unit are not read here (G62).

use crate::logrus;
use crate::object::{self, proto_field};
use crate::{Facts, Message, Text, What};

mod failure;
mod what;

pub(crate) use failure::failures;
pub(crate) use what::what;

/// Everything that a line of containerd says.
pub(crate) fn facts<'a>(message: &Message<'a>) -> Facts<'a> {
    let error = object::filled(logrus::pair(message.tail, "error"));
    let mut facts = Facts { error, ..Facts::default() };
    let text = message.text;
    // A line that was cut keeps what was read before the cut.
    let _complete = match message.what {
        What::ContainerdRunPodSandboxCalled
        | What::ContainerdRunPodSandboxReturned
        | What::ContainerdRunPodSandboxFailed => run_pod_sandbox(message, &mut facts),
        What::ContainerdCreateContainerCalled
        | What::ContainerdCreateContainerReturned
        | What::ContainerdCreateContainerFailed => create_container(message, &mut facts),
        What::ContainerdPullImageCalled
        | What::ContainerdPullImageReturned
        | What::ContainerdPullImageFailed
        | What::ContainerdPulledImage => image(text, &mut facts),
        What::ContainerdPullCancelled => cancelled_image(text, &mut facts),
        What::ContainerdTaskOom
        | What::ContainerdExitEvent
        | What::ContainerdExecExitEvent
        | What::ContainerdSandboxExitEvent
        | What::ContainerdExitEventFailed => event(message, &mut facts),
        What::ContainerdShimDisconnected
        | What::ContainerdShimCleanup
        | What::ContainerdDeadShim
        | What::ContainerdShimLeaked => {
            facts.container_id = object::filled(logrus::pair(message.tail, "id"));
            Some(())
        }
        What::ContainerdStarting => {
            facts.detail = logrus::pair(message.tail, "version");
            Some(())
        }
        what => id(what, text, &mut facts),
    };
    failure::read_error(&mut facts);
    facts
}

/// ```text
/// "RunPodSandbox for " metadata (" returns sandbox id " Go string | " failed, error")?
/// ```
fn run_pod_sandbox<'a>(message: &Message<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let metadata = message.text.behind("RunPodSandbox for ")?;
    let (metadata, rest) = object::metadata(metadata, message.truncated)?;
    facts.pod = metadata.pod();
    facts.attempt = metadata.attempt;
    facts.sandbox_id = rest.behind(" returns sandbox id ")?.name();
    Some(())
}

/// ```text
/// "CreateContainer within sandbox " Go string " for " "container "? metadata
///     (" returns container id " Go string | " failed")?
/// ```
fn create_container<'a>(message: &Message<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let rest = message.text.behind("CreateContainer within sandbox ")?;
    facts.sandbox_id = rest.name();
    let rest = rest.quoted()?.rest.behind(" for ")?;
    let rest = rest.behind("container ").unwrap_or(rest);
    let (metadata, rest) = object::metadata(rest, message.truncated)?;
    facts.container = metadata.name;
    facts.attempt = metadata.attempt;
    facts.container_id = rest.behind(" returns container id ")?.name();
    Some(())
}

/// ```text
/// ("PullImage " | "Pulled image ") Go string (" returns image reference " Go string | …)?
/// ```
fn image<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let rest = text.behind("PullImage ").or_else(|| text.behind("Pulled image "))?;
    facts.image = rest.name();
    facts.detail = rest.quoted()?.rest.behind(" returns image reference ")?.name();
    Some(())
}

/// ```text
/// "cancel pulling image " image " because of no progress in " duration
/// ```
fn cancelled_image<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (image, _) = text.behind("cancel pulling image ")?.cut(" because ")?;
    facts.image = object::filled(Some(image));
    Some(())
}

/// Both spellings of the fields of `TaskOOM` and `TaskExit` (G64). google leaves out what is zero,
/// so a whole line without `exit_status` says 0.
///
/// ```text
/// event := words "&" name "{" (Key ":" value ",")* "}" | words (key ":" value)*
/// ```
fn event<'a>(message: &Message<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (_, fields) = message.text.cut("event ")?;
    if fields.raw().starts_with(['&', '\\']) {
        let (_, mut rest) = fields.cut("{")?;
        while let Some((key, behind)) = rest.cut(":") {
            let (value, behind) = behind.cut(",")?;
            set_event_field(key.raw(), value, facts);
            rest = behind;
        }
    } else {
        let mut rest = fields;
        facts.exit_code = (!message.truncated).then_some(0);
        while let Some((key, value, behind)) = proto_field(rest) {
            // A cut line may end in half a value.
            if !(message.truncated && behind.is_empty()) {
                set_event_field(key, value, facts);
            }
            rest = behind;
        }
    }
    match message.what {
        What::ContainerdSandboxExitEvent => {
            facts.sandbox_id = facts.sandbox_id.or(facts.container_id.take());
        }
        // Some process died; or the status is that of a probe's or a hook's process.
        What::ContainerdTaskOom | What::ContainerdExecExitEvent => facts.exit_code = None,
        _ => {}
    }
    Some(())
}

fn set_event_field<'a>(key: &str, value: Text<'a>, facts: &mut Facts<'a>) {
    let number = || value.unsigned();
    match key {
        "container_id" | "ContainerID" => facts.container_id = object::filled(Some(value)),
        "sandbox_id" | "SandboxID" => facts.sandbox_id = object::filled(Some(value)),
        "pid" | "Pid" => facts.victim_pid = number().and_then(|it| u32::try_from(it).ok()),
        "exit_status" | "ExitStatus" => {
            facts.exit_code = number().and_then(|it| i32::try_from(it).ok());
        }
        _ => {}
    }
}

/// The one id in quotes that all other lines have.
fn id<'a>(what: What, text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let quote = text.raw().find(['"', '\\'])?;
    let (_, rest) = text.raw().split_at_checked(quote)?;
    let id = text.with_raw(rest).name();
    let rest = text.with_raw(rest).quoted()?.rest;
    match what {
        What::ContainerdStartContainerCalled
        | What::ContainerdStartContainerReturned
        | What::ContainerdStartContainerFailed
        | What::ContainerdStopContainerCalled
        | What::ContainerdStopContainerReturned
        | What::ContainerdStopContainerFailed
        | What::ContainerdRemoveContainerCalled
        | What::ContainerdRemoveContainerReturned
        | What::ContainerdRemoveContainerFailed
        | What::ContainerdContainerStatusFailed
        | What::ContainerdExecSyncFailed
        | What::ContainerdKillContainer => facts.container_id = id,
        What::ContainerdStopSignal => {
            facts.container_id = id;
            facts.reason = rest.behind(" with signal ");
        }
        What::ContainerdStopNotRunning => {
            facts.container_id = id;
            facts.reason = rest.cut("current state ")?.1.name();
        }
        What::ContainerdStopPodSandboxCalled
        | What::ContainerdStopPodSandboxReturned
        | What::ContainerdStopPodSandboxFailed
        | What::ContainerdRemovePodSandboxCalled
        | What::ContainerdRemovePodSandboxReturned
        | What::ContainerdRemovePodSandboxFailed
        | What::ContainerdPodSandboxStatusFailed
        | What::ContainerdForciblyStopping
        | What::ContainerdNetworkTornDown
        | What::ContainerdDestroyNetworkFailed
        | What::ContainerdSandboxCleanupFailed => facts.sandbox_id = id,
        _ => {}
    }
    Some(())
}
