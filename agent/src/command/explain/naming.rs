//! Stand-ins for names that an input does not have, and the numbers of its lines: put in before the
//! engine, taken out behind it.

use std::collections::BTreeSet;

use crate::fact;
use crate::incident::{self, Incident, State};
use crate::source::Micros;

/// Bits of a line's number that stay the line's; above them stands the input's place.
const FILE_SHIFT: u32 = 40;

/// A fragment names no pod, yet something has to carry its failure.
pub(super) const NO_POD: &str = "unnamed-pod";
pub(super) const NO_NAMESPACE: &str = "unnamed-namespace";

/// Takes the names back that stood in for missing ones; commands then say what is to be put in.
pub(super) fn unnamed(incident: Incident) -> Incident {
    let stands_in = |pod: &incident::Pod| {
        pod.namespace.as_deref() == Some(NO_NAMESPACE) || pod.name.as_deref() == Some(NO_POD)
    };
    if !incident.pods.iter().any(stands_in) {
        return incident;
    }
    let json = serde_json::to_string(&incident).unwrap_or_default();
    let json = json.replace(NO_POD, "<pod>").replace(NO_NAMESPACE, "<namespace>");
    let mut incident: Incident = serde_json::from_str(&json).unwrap_or(incident);
    // A sentence needs no name for what nobody named.
    incident.cause.title = incident.cause.title.replace(" in <namespace>", "");
    for pod in &mut incident.pods {
        pod.name = pod.name.take().filter(|name| name != "<pod>");
        pod.namespace = pod.namespace.take().filter(|name| name != "<namespace>");
    }
    incident
}

/// Takes back the times of what nothing in the input dates: it stands in 1970, and nobody is told so.
pub(super) fn undated(incident: &mut Incident) {
    const DAY: Micros = 86_400_000_000;
    let is_undated = incident.first_seen.is_some_and(|at| at <= DAY);
    for at in [&mut incident.first_seen, &mut incident.last_seen, &mut incident.next_retry] {
        *at = at.filter(|at| *at > DAY);
    }
    for evidence in &mut incident.evidence {
        evidence.at = evidence.at.filter(|at| *at > DAY);
        // Kubernetes itself writes such times: what is quoted stays as it is.
        if is_undated && evidence.line.is_none() {
            evidence.text = timeless(&evidence.text);
        }
    }
    // Without a time nothing is known of a silence either.
    if incident.last_seen.is_none() && incident.state == State::Stale {
        incident.state = State::Open;
        incident.note = None;
    }
    if !is_undated {
        return;
    }
    let Incident { chain, changed, controls, contradictions, proof, cause, .. } = incident;
    let sentences = [chain, changed, controls, contradictions, proof].into_iter().flatten();
    for text in sentences.chain([&mut cause.title]) {
        *text = timeless(text);
    }
}

/// The sentence without the moments of 1970, and the words that lead to them.
fn timeless(text: &str) -> String {
    let mut out = text.to_owned();
    while let Some((before, behind)) = out.split_once(" 1970-01-01T") {
        let end = behind.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | 'Z'));
        let rest = end.and_then(|end| behind.get(end..)).unwrap_or_default();
        let leads = [" at", " since", " from", " until"];
        let lead = leads.iter().find_map(|lead| before.strip_suffix(lead)).unwrap_or(before);
        out = format!("{lead}{rest}");
    }
    out
}

/// The line's number with its input's place above it.
pub(super) const fn placed(number: u64, place: u64) -> u64 {
    if number == 0 { 0 } else { number | (place << FILE_SHIFT) }
}

pub(super) fn name_of(names: &[Option<String>], place: u64) -> Option<&str> {
    names.get(usize::try_from(place).ok()?)?.as_deref()
}

/// Gives evidence its file back.
pub(super) fn named(incident: &mut Incident, names: &[Option<String>]) {
    for evidence in &mut incident.evidence {
        let Some(number) = evidence.line else { continue };
        evidence.line = Some(number & ((1 << FILE_SHIFT) - 1)).filter(|line| *line > 0);
        evidence.file = name_of(names, number >> FILE_SHIFT).map(str::to_owned);
    }
    // A report and the Event that it was read from are one line of the paste, told twice.
    let mut told = BTreeSet::new();
    incident.evidence.retain(|evidence| {
        let words = evidence.text.rsplit(": ").next().unwrap_or_default().to_owned();
        evidence.line.is_none() || told.insert((evidence.file.clone(), evidence.line, words))
    });
}

pub(super) fn pod_ref(pod: &fact::Pod) -> fact::PodRef {
    let namespace = Some(pod.namespace.clone()).filter(|namespace| !namespace.is_empty());
    fact::PodRef { namespace, name: Some(pod.name.clone()), uid: pod.uid.clone() }
}

/// Whether a pod of a fact is the one of a reference.
pub(super) fn is_of(pod: &fact::PodRef, namespace: &str, name: &str, uid: Option<&str>) -> bool {
    if let (Some(one), Some(other)) = (pod.uid.as_deref(), uid) {
        return one == other;
    }
    pod.name.as_deref() == Some(name)
        && pod.namespace.as_deref().is_none_or(|space| space == namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Evidence;

    #[test]
    fn nobody_is_told_of_1970() {
        for (text, told) in [
            ("disk pressure began at 1970-01-01T00:00:00.000001Z", "disk pressure began"),
            ("no error since 1970-01-01T00:00:00.000000Z, still", "no error, still"),
            ("it began at 2026-11-22T13:00:00Z", "it began at 2026-11-22T13:00:00Z"),
        ] {
            let changed = vec![text.to_owned()];
            let mut incident = Incident { changed, first_seen: Some(1), ..Incident::default() };
            undated(&mut incident);
            assert_eq!((incident.changed, incident.first_seen), (vec![told.to_owned()], None));
        }
    }

    #[test]
    fn what_kubernetes_itself_writes_of_1970_is_quoted_as_it_stands() {
        let text = "container app ended: startedAt 1970-01-01T00:00:00Z, exit code 128";
        let evidence = |line| Evidence { text: text.to_owned(), line, ..Evidence::default() };
        for (first_seen, line) in [(Some(1), Some(7)), (Some(1_795_384_800_000_000), None)] {
            let mut incident = Incident {
                first_seen,
                evidence: vec![evidence(line)],
                proof: vec![text.to_owned()],
                ..Incident::default()
            };
            undated(&mut incident);
            assert_eq!(incident.evidence[0].text, text);
            assert_eq!(incident.proof[0] == text, first_seen > Some(1), "{}", incident.proof[0]);
        }
    }

    #[test]
    fn what_one_line_told_twice_is_evidence_once() {
        let evidence = |text: &str, line| Evidence {
            text: text.to_owned(),
            line: Some(placed(line, 1)),
            ..Evidence::default()
        };
        let mut incident = Incident {
            evidence: vec![
                evidence("CreateContainerConfigError: configmap \"web\" not found", 7),
                evidence("Failed: Error: configmap \"web\" not found", 7),
                evidence("BackOff: Back-off restarting", 7),
                evidence("Failed: Error: configmap \"web\" not found", 9),
            ],
            ..Incident::default()
        };
        named(&mut incident, &[None, Some("events.txt".to_owned())]);
        let lines: Vec<_> = incident.evidence.iter().map(|it| (it.line, &it.file)).collect();
        let file = Some("events.txt".to_owned());
        assert_eq!(lines, [(Some(7), &file), (Some(7), &file), (Some(9), &file)]);
    }
}
