//! What is known of a pod that does not fail: that is an answer too.

use crate::app::door::Knowledge;
use crate::command::explain::plain;
use crate::fact::{self, Fact};
use crate::source::Micros;

use super::choice::is_named;

/// The pods of that name, or of the workload of that name.
pub(super) fn known<'k>(
    known: &'k Knowledge,
    namespace: Option<&str>,
    name: &str,
) -> Vec<&'k fact::Pod> {
    let pods = known.facts.iter().filter_map(|dated| match &dated.fact {
        Fact::Pod(pod) => Some(&**pod),
        _ => None,
    });
    pods.filter(|pod| {
        is_named(&pod.name, name) && namespace.is_none_or(|space| pod.namespace == space)
    })
    .collect()
}

/// `shop/web-0: no failure seen since …; app runs since …, ready, 2 restarts`
pub(super) fn told(pod: &fact::Pod, knowledge: &Knowledge, is_filtered: bool) -> String {
    let name = format!("{}/{}", plain(&pod.namespace), plain(&pod.name));
    let what = if is_filtered { "no such failure" } else { "no failure" };
    let began = [since_micros(knowledge), pod.created].into_iter().flatten().max();
    let since = began.map(|at| format!(" since {}", told_at(at))).unwrap_or_default();
    let mut parts = Vec::new();
    if pod.deleting.is_some() {
        parts.push("it is being deleted".to_owned());
    }
    if let (Some(phase), true) = (&pod.phase, pod.containers.iter().all(|it| it.state.is_none())) {
        parts.push(format!("its phase is {}", plain(phase)));
    }
    parts.extend(pod.containers.iter().filter_map(container));
    let rest = if parts.is_empty() { String::new() } else { format!("; {}", parts.join("; ")) };
    format!("{name}: {what} seen{since}{rest}")
}

fn container(container: &fact::Container) -> Option<String> {
    let name = plain(&container.name);
    let mut text = match container.state.as_ref()? {
        fact::State::Running { since } => {
            let since = since.map(|at| format!(" since {}", told_at(at))).unwrap_or_default();
            format!("{name} runs{since}")
        }
        fact::State::Waiting { reason, .. } => {
            let reason = reason.as_deref().map(|reason| format!(": {}", plain(reason)));
            format!("{name} waits{}", reason.unwrap_or_default())
        }
        fact::State::Terminated { exit_code, finished, .. } => {
            let at = finished.map(|at| format!(" at {}", told_at(at))).unwrap_or_default();
            format!("{name} ended with exit code {exit_code}{at}")
        }
    };
    if container.ready == Some(false) && text.contains(" runs") {
        text.push_str(", not ready");
    }
    if let Some(restarts) = container.restarts.filter(|restarts| *restarts > 0) {
        let word = if restarts == 1 { "restart" } else { "restarts" };
        text.push_str(&format!(", {restarts} {word}"));
    }
    Some(text)
}

/// Since when the agent watches.
pub(super) fn since(knowledge: &Knowledge) -> Option<String> {
    since_micros(knowledge).map(told_at)
}

fn since_micros(knowledge: &Knowledge) -> Option<Micros> {
    let at = knowledge.agent.read_from.as_deref()?.parse::<jiff::Timestamp>().ok()?;
    Some(at.as_microsecond())
}

/// `2026-11-22 13:22:41 UTC`
pub(super) fn told_at(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at)
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}
