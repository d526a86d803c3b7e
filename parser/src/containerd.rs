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
        | What::ContainerdRunPodSandboxFailed => run_pod_sandbox(text, &mut facts),
        What::ContainerdCreateContainerCalled
        | What::ContainerdCreateContainerReturned
        | What::ContainerdCreateContainerFailed => create_container(text, &mut facts),
        What::ContainerdPullImageCalled
        | What::ContainerdPullImageReturned
        | What::ContainerdPullImageFailed
        | What::ContainerdPulledImage => image(text, &mut facts),
        What::ContainerdPullCancelled => cancelled_image(text, &mut facts),
        What::ContainerdTaskOom
        | What::ContainerdExitEvent
        | What::ContainerdExecExitEvent
        | What::ContainerdSandboxExitEvent
        | What::ContainerdExitEventFailed => event(message.what, text, &mut facts),
        What::ContainerdShimDisconnected
        | What::ContainerdShimCleanup
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
fn run_pod_sandbox<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (metadata, rest) = object::metadata(text.behind("RunPodSandbox for ")?)?;
    facts.pod = metadata.pod();
    facts.attempt = metadata.attempt;
    facts.sandbox_id = object::filled(Some(rest.behind(" returns sandbox id ")?.quoted()?.inside));
    Some(())
}

/// ```text
/// "CreateContainer within sandbox " Go string " for " "container "? metadata
///     (" returns container id " Go string | " failed")?
/// ```
fn create_container<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let sandbox = text.behind("CreateContainer within sandbox ")?.quoted()?;
    facts.sandbox_id = object::filled(Some(sandbox.inside));
    let rest = sandbox.rest.behind(" for ")?;
    let (metadata, rest) = object::metadata(rest.behind("container ").unwrap_or(rest))?;
    facts.container = metadata.name;
    facts.attempt = metadata.attempt;
    let id = rest.behind(" returns container id ")?.quoted()?;
    facts.container_id = object::filled(Some(id.inside));
    Some(())
}

/// ```text
/// ("PullImage " | "Pulled image ") Go string (" returns image reference " Go string | …)?
/// ```
fn image<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let rest = text.behind("PullImage ").or_else(|| text.behind("Pulled image "))?;
    let image = rest.quoted()?;
    facts.image = object::filled(Some(image.inside));
    let reference = image.rest.behind(" returns image reference ")?.quoted()?;
    facts.detail = object::filled(Some(reference.inside));
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
fn event<'a>(what: What, text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let is_exit = !matches!(what, What::ContainerdTaskOom);
    let mut id = None;
    let (words, fields) = text.cut("event ")?;
    if let Some((_, mut rest)) =
        fields.cut("{").filter(|_| !fields.raw().starts_with("container_id"))
    {
        while let Some((key, behind)) = rest.cut(":") {
            let (value, behind) = behind.cut(",")?;
            set_event_field(key.raw(), value, &mut id, facts);
            rest = behind;
        }
    } else {
        let mut rest = fields;
        facts.exit_code = is_exit.then_some(0);
        while let Some((key, value, behind)) = proto_field(rest) {
            set_event_field(key, value, &mut id, facts);
            rest = behind;
        }
    }
    if words.raw().starts_with("received sandbox") {
        facts.sandbox_id = facts.container_id.take();
    }
    if !is_exit || matches!(what, What::ContainerdExecExitEvent) {
        // The status of a probe's or a hook's process is not the container's.
        facts.exit_code = None;
    }
    Some(())
}

fn set_event_field<'a>(
    key: &str,
    value: Text<'a>,
    id: &mut Option<Text<'a>>,
    facts: &mut Facts<'a>,
) {
    let number = || value.unsigned();
    match key {
        "container_id" | "ContainerID" => facts.container_id = object::filled(Some(value)),
        "id" | "ID" => *id = Some(value),
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
    let quoted = text.with_raw(rest).quoted()?;
    let id = Some(quoted.inside).filter(|id| !id.raw().is_empty());
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
            facts.reason = quoted.rest.behind(" with signal ");
        }
        What::ContainerdStopNotRunning => {
            facts.container_id = id;
            facts.reason = quoted.rest.cut("current state ")?.1.quoted().map(|it| it.inside);
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
