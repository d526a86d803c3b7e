//! What a failed call of containerd means to the kubelet, and the ids inside its error text.
//! Owns the step of a call (log-grammar §7) and the errors that begin with a name or an id (§11.3).

use crate::object::{Reserved, reserved};
use crate::{Facts, Failures, Message, SyncFailure, Text, What};

/// The failure that the kubelet's `Error syncing pod` line will repeat, under the kubelet's words
/// for this call. A failed status call, removal or clean-up repeats none.
pub(crate) fn failures<'a>(message: &Message<'a>) -> Failures<'a> {
    let (step, reason) = match message.what {
        What::ContainerdRunPodSandboxFailed => ("CreatePodSandbox", "CreatePodSandboxError"),
        What::ContainerdCreateContainerFailed => ("StartContainer", "CreateContainerError"),
        What::ContainerdStartContainerFailed => ("StartContainer", "RunContainerError"),
        What::ContainerdPullImageFailed => ("StartContainer", "ErrImagePull"),
        What::ContainerdStopContainerFailed => ("KillContainer", "KillContainerError"),
        What::ContainerdStopPodSandboxFailed => ("KillPodSandbox", "KillPodSandboxError"),
        _ => return Failures::none(),
    };
    let facts = super::facts(message);
    let Some(error) = facts.error else { return Failures::none() };
    Failures::single(SyncFailure {
        step: Text::plain(step),
        target: facts.container,
        reason: Some(Text::plain(reason)),
        message: error,
        index: 0,
        of: 1,
        truncated: message.truncated,
    })
}

/// What an error text begins with, and whose id or name follows it in quotes.
enum Names {
    Sandbox,
    Container,
    /// A reserved name: the whole identity (G49, G50).
    Reserved,
}

const BEGINNINGS: [(&str, Names); 8] = [
    ("failed to setup network for sandbox ", Names::Sandbox),
    ("failed to destroy network for sandbox ", Names::Sandbox),
    ("failed to start sandbox container task ", Names::Sandbox),
    ("failed to start sandbox ", Names::Sandbox),
    ("failed to generate container ", Names::Container),
    ("failed to set removing state for container ", Names::Container),
    ("failed to reserve sandbox name ", Names::Reserved),
    ("failed to reserve container name ", Names::Reserved),
];

/// Adds what the error text names and the line itself does not.
///
/// ```text
/// error := ("rpc error: code = " word " desc = ")? beginning Go string …
/// ```
pub(super) fn read_error(facts: &mut Facts<'_>) -> Option<()> {
    let error = facts.error?;
    let error = match error.behind("rpc error: code = ") {
        Some(rest) => rest.cut(" desc = ")?.1,
        None => error,
    };
    let (names, rest) =
        BEGINNINGS.iter().find_map(|(begin, names)| Some((names, error.behind(begin)?)))?;
    match names {
        Names::Sandbox => {
            facts.sandbox_id = facts.sandbox_id.or(rest.name());
        }
        Names::Container => {
            facts.container_id = facts.container_id.or(rest.name());
        }
        Names::Reserved => {
            let Reserved { container, pod, attempt } = reserved(rest.name()?)?;
            facts.container = facts.container.or(container);
            facts.pod.namespace = facts.pod.namespace.or(pod.namespace);
            facts.pod.name = facts.pod.name.or(pod.name);
            facts.pod.uid = facts.pod.uid.or(pod.uid);
            facts.attempt = facts.attempt.or(attempt);
            // The name's holder: an instance of the same container or sandbox.
            let holder = rest.cut(" is reserved for ")?.1.name();
            if container.is_some() {
                facts.container_id = facts.container_id.or(holder);
            } else {
                facts.sandbox_id = facts.sandbox_id.or(holder);
            }
        }
    }
    Some(())
}
