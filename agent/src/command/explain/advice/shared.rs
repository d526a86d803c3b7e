//! What all containers of a pod share: the namespace's quota (R88) and the service account (R90).

use super::{Said, said};
use crate::fact::{Container, Pod, Role};
use crate::incident::argument;
use crate::source::paste::Quota;

pub(super) fn judge(pod: &Pod, quotas: &[Quota], all: &mut Vec<Said>) {
    quota(pod, quotas, all);
    account(pod, all);
}

/// Whether a container says what is asked.
type Says = fn(&Container) -> bool;

/// What a quota can ask each container to say, and whether it does.
const ASKED: [(&str, Says); 4] = [
    ("requests.memory", |it| it.memory_request_bytes.is_some() || it.memory_limit_bytes.is_some()),
    ("limits.memory", |it| it.memory_limit_bytes.is_some()),
    ("requests.cpu", |it| it.cpu_request_millicores.is_some() || it.cpu_limit_millicores.is_some()),
    ("limits.cpu", |it| it.cpu_limit_millicores.is_some()),
];

/// A container that was added later and says nothing of what a quota counts.
fn quota(pod: &Pod, quotas: &[Quota], all: &mut Vec<Said>) {
    let lasting =
        || pod.containers.iter().filter(|it| matches!(it.role, Role::Main | Role::NativeSidecar));
    let here = |quota: &&Quota| quota.namespace.is_empty() || quota.namespace == pod.namespace;
    let known: Vec<&Quota> = quotas.iter().filter(here).collect();
    let namespace = namespace_of(pod);
    let command = Some(format!("kubectl -n {namespace} describe quota"));
    for container in lasting() {
        let is_silent = |(_, says): &&(&str, Says)| !says(container);
        let missing: Vec<&str> = ASKED.iter().filter(is_silent).map(|(what, _)| *what).collect();
        let asks = |quota: &&Quota| {
            quota.bounds.iter().any(|bound| {
                // `memory` and `cpu` alone mean the requests.
                missing
                    .iter()
                    .any(|what| bound == what || what.strip_prefix("requests.") == Some(bound))
            })
        };
        let others_say = |what: &str| {
            ASKED
                .iter()
                .filter(|(name, _)| *name == what)
                .any(|(_, says)| lasting().any(|other| other.name != container.name && says(other)))
        };
        let forgotten: Vec<&str> =
            missing.iter().copied().filter(|what| others_say(what)).collect();
        let (id, text) = if let Some(quota) = known.iter().find(|quota| asks(quota)) {
            let text = format!(
                "quota {} counts what this container does not set ({}): the API refuses the pod, and \
                 only the ReplicaSet's Events say so (FailedCreate)",
                quota.name,
                missing.join(", ")
            );
            ("quota_needs_resources", text)
        } else if !forgotten.is_empty() && missing.len() == ASKED.len() && known.is_empty() {
            let text = format!(
                "other containers of the pod set {}, this one does not: where a quota counts that, \
                 the API refuses the pod, and only the ReplicaSet's Events say so (FailedCreate)",
                forgotten.join(", ")
            );
            ("quota_forgotten", text)
        } else {
            continue;
        };
        let what = "set resources.requests and resources.limits on it as well, and look whether the \
                    quota has room for the sum";
        all.push(Said { command: command.clone(), ..said(id, Some(container), text, what) });
    }
}

/// As a command names it.
fn namespace_of(pod: &Pod) -> &str {
    let unknown = "<namespace>";
    if pod.namespace.is_empty() { unknown } else { argument(&pod.namespace, unknown) }
}

/// A sidecar has every right that the application has, and the other way round.
fn account(pod: &Pod, all: &mut Vec<Said>) {
    let Some(account) = pod.service_account.as_deref().filter(|name| *name != "default") else {
        return;
    };
    let servant = pod.containers.iter().find(|it| it.role == Role::NativeSidecar).or_else(|| {
        let is_servant = |it: &&Container| {
            it.role == Role::Main && super::SERVANTS.iter().any(|word| it.name.contains(word))
        };
        let mains = pod.containers.iter().filter(|it| it.role == Role::Main).count();
        pod.containers.iter().find(is_servant).filter(|_| mains > 1)
    });
    let (Some(servant), None | Some(true)) = (servant, pod.automount_token) else { return };
    let text = format!(
        "service account {account} belongs to the whole pod: {} gets its token and all that it may \
         do, beside the container that it is meant for",
        servant.name
    );
    let what = "where their rights should differ, set automountServiceAccountToken: false and mount a \
                projected token only into the container that needs it, or give the sidecar a pod of \
                its own";
    let namespace = namespace_of(pod);
    let account = argument(account, "<account>");
    let command = format!(
        "kubectl auth can-i --list --as system:serviceaccount:{namespace}:{account} -n {namespace}"
    );
    all.push(Said {
        command: Some(command),
        ..said("service_account_shared", Some(servant), text, what)
    });
}
