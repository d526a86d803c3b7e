//! CRI-O's lines about sandboxes, containers and images (§12).
//!
//! Owns their words and facts. They map ids to namespace and pod, but only reserved names have a
//! UID; `id=` joins the lines of one request (G65).

use crate::logrus;
use crate::object::{self, Reserved};
use crate::{Facts, Failures, Message, PodRef, SyncFailure, Text, What};

#[cfg(test)]
mod tests;

/// Words at a message's beginning, and whether the production's id or name follows at once.
const BEGINNINGS: [(&str, What); 21] = [
    ("Running pod sandbox: ", What::CrioRunningSandbox),
    ("Ran pod sandbox ", What::CrioRanSandbox),
    ("Stopping pod sandbox: ", What::CrioStoppingSandbox),
    ("Stopped pod sandbox: ", What::CrioStoppedSandbox),
    ("Stopped pod sandbox (already stopped): ", What::CrioStoppedSandbox),
    ("Removing pod sandbox: ", What::CrioRemovingSandbox),
    ("Removed pod sandbox: ", What::CrioRemovedSandbox),
    ("Creating container: ", What::CrioCreatingContainer),
    ("Created container ", What::CrioCreatedContainer),
    ("Starting container: ", What::CrioStartingContainer),
    ("Stopping container: ", What::CrioStoppingContainer),
    ("Stopped container ", What::CrioStoppedContainer),
    ("Removing container: ", What::CrioRemovingContainer),
    ("Removed container ", What::CrioRemovedContainer),
    ("Pulling image: ", What::CrioPullingImage),
    ("Pulled image: ", What::CrioPulledImage),
    ("error reserving pod name ", What::CrioPodNameReserved),
    ("error reserving ctr name ", What::CrioContainerNameReserved),
    ("Creation of sandbox ", What::CrioSandboxNotYetFinished),
    ("Creation of container ", What::CrioContainerNotYetFinished),
    ("Container creation error: ", What::CrioContainerCreationError),
];

/// Which production a message is.
pub(crate) fn what(message: Text<'_>) -> What {
    beginning(message).map_or_else(
        || match message.raw() {
            "Started container" => What::CrioStartedContainer,
            raw if raw.starts_with("Starting CRI-O, version: ") => What::CrioStarting,
            _ => What::Unknown,
        },
        |(what, _)| what,
    )
}

fn beginning<'a>(message: Text<'a>) -> Option<(What, Text<'a>)> {
    BEGINNINGS.iter().find_map(|(begin, what)| Some((*what, message.behind(begin)?)))
}

/// Everything that a line of CRI-O says.
pub(crate) fn facts<'a>(message: &Message<'a>) -> Facts<'a> {
    let request = object::filled(logrus::pair(message.tail, "id"));
    let error = object::filled(logrus::pair(message.tail, "error"));
    let mut facts = Facts { request, error, ..Facts::default() };
    if message.what == What::CrioStartedContainer {
        started(message.tail, &mut facts);
    } else if let Some((what, rest)) = beginning(message.text) {
        // A line that was cut keeps what was read before the cut.
        let _complete = read(what, message.text, rest, &mut facts);
    }
    if message.truncated && message.tail.is_empty() {
        forget_halves(&mut facts);
    }
    facts
}

/// The message itself was cut: an id that is no id and the last name are half.
fn forget_halves(facts: &mut Facts<'_>) {
    facts.container_id = facts.container_id.filter(|id| object::is_long_id(id.raw()));
    facts.sandbox_id = facts.sandbox_id.filter(|id| object::is_long_id(id.raw()));
    facts.image = None;
    if facts.container.take().is_none() && facts.pod.uid.is_none() {
        facts.pod = PodRef::default();
    }
}

/// ```text
/// "Started container" … "PID=" digits "containerID=" id "description=" description "sandboxID=" id
/// ```
fn started<'a>(tail: Text<'a>, facts: &mut Facts<'a>) {
    let pair = |key| object::filled(logrus::pair(tail, key));
    facts.container_id = pair("containerID");
    facts.sandbox_id = pair("sandboxID");
    facts.victim_pid = pair("PID").and_then(Text::unsigned).and_then(|it| it.try_into().ok());
    if let Some(text) = pair("description") {
        description(text, facts);
    }
}

fn read<'a>(what: What, text: Text<'a>, rest: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let is_word = |byte: u8| !matches!(byte, b' ' | b':');
    match what {
        What::CrioRunningSandbox | What::CrioCreatingContainer => description(rest, facts),
        What::CrioRanSandbox => {
            let (id, rest) = rest.take(is_word);
            facts.sandbox_id = object::filled(Some(id));
            description(rest.behind(" with infra container: ")?, facts);
        }
        What::CrioStoppingSandbox
        | What::CrioStoppedSandbox
        | What::CrioRemovingSandbox
        | What::CrioRemovedSandbox => facts.sandbox_id = object::filled(Some(rest.take(is_word).0)),
        What::CrioCreatedContainer | What::CrioStoppedContainer | What::CrioRemovedContainer => {
            let (id, rest) = rest.take(is_word);
            facts.container_id = object::filled(Some(id));
            description(rest.behind(": ")?, facts);
        }
        What::CrioStartingContainer | What::CrioStoppingContainer | What::CrioRemovingContainer => {
            facts.container_id = object::filled(Some(rest.take(is_word).0));
        }
        What::CrioPullingImage | What::CrioPulledImage => {
            facts.image = object::filled(Some(rest.take(|byte| byte != b' ').0));
        }
        What::CrioPodNameReserved | What::CrioContainerNameReserved => {
            facts.error = facts.error.or(Some(text));
            reserved(what, rest, facts)?;
        }
        What::CrioSandboxNotYetFinished | What::CrioContainerNotYetFinished => {
            facts.detail = text.cut("Currently at stage ").map(|(_, stage)| stage);
            named(rest.cut(" not yet finished")?.0, facts)?;
        }
        What::CrioContainerCreationError => {
            facts.error = facts.error.or(object::filled(Some(rest)));
            // runc's own line stands inside (X41): its message is the innermost.
            facts.detail = logrus::Line::text(rest).map(|line| line.message);
        }
        _ => {}
    }
    Some(())
}

/// ```text
/// description := namespace "/" pod "/" ("POD" | container)
/// ```
fn description<'a>(text: Text<'a>, facts: &mut Facts<'a>) {
    let Some((namespace, rest)) = text.cut("/") else { return };
    let Some((name, rest)) = rest.cut("/") else { return };
    let (namespace, name) = (object::filled(Some(namespace)), object::filled(Some(name)));
    facts.pod = PodRef { namespace, name, uid: None };
    let container = rest.take(|byte| byte != b' ').0;
    facts.container = object::filled(Some(container)).filter(|it| it.raw() != "POD");
}

/// ```text
/// name " for id " id ": name is reserved"
/// ```
fn reserved<'a>(what: What, rest: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (name, rest) = rest.cut(" for id ")?;
    let id = object::filled(Some(rest.take(|byte| !matches!(byte, b' ' | b':')).0));
    if what == What::CrioPodNameReserved {
        facts.sandbox_id = id;
    } else {
        facts.container_id = id;
    }
    named(name, facts)
}

fn named<'a>(name: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let Reserved { container, pod, attempt } = object::reserved(name)?;
    (facts.container, facts.pod, facts.attempt) = (container, pod, attempt);
    Some(())
}

/// The failure that the kubelet's line will repeat.
pub(crate) fn failures<'a>(message: &Message<'a>) -> Failures<'a> {
    let (step, reason) = match message.what {
        What::CrioPodNameReserved => ("CreatePodSandbox", "CreatePodSandboxError"),
        What::CrioContainerNameReserved | What::CrioContainerCreationError => {
            ("StartContainer", "CreateContainerError")
        }
        _ => return Failures::none(),
    };
    let facts = facts(message);
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
