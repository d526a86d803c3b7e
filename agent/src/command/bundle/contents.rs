//! What goes into a bundle: which incidents and facts, in which files, and what is said of them.
//! Pure. Every text in it goes through the scrubber here once more.

use super::archive::Member;
use super::lines::Journal;
use super::{ABOUT, FACTS, INCIDENTS, JOURNAL};
use crate::app::door::Knowledge;
use crate::config::{self, Config};
use crate::fact::{Dated, Fact};
use crate::incident::Incident;
use crate::redact;
use crate::source::Micros;

/// What somebody asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) pod: Option<&'a str>,
    pub(super) since: Option<Micros>,
}

/// `podwhy-node-7-20261122T132241Z`
pub(super) fn stem(node: &str, made: jiff::Timestamp) -> String {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let node: String = node.chars().filter(|&c| is_kept(c)).take(64).collect();
    let node = node.trim_start_matches('.');
    let node = if node.is_empty() { "node" } else { node };
    format!("podwhy-{node}-{}", made.strftime("%Y%m%dT%H%M%SZ"))
}

/// What of the knowledge is wanted, with what belongs to it.
pub(super) fn choose(mut known: Knowledge, wanted: &Wanted<'_>, now: Micros) -> Knowledge {
    let (space, name) = match wanted.pod.map(|pod| (pod.split_once('/'), pod)) {
        None => (None, None),
        Some((Some((space, name)), _)) => (Some(space), Some(name)),
        Some((None, name)) => (None, Some(name)),
    };
    let is_pod = |its_space: Option<&str>, its_name: Option<&str>| {
        name.is_none_or(|name| its_name == Some(name))
            && (space.is_none() || its_space.is_none() || its_space == space)
    };
    let is_hit = |incident: &Incident| {
        let hits = incident.pods.iter();
        name.is_none()
            || hits.into_iter().any(|pod| is_pod(pod.namespace.as_deref(), pod.name.as_deref()))
    };
    let is_new = |incident: &Incident| match (wanted.since, incident.last_seen) {
        (Some(since), Some(last)) => last >= now.saturating_sub(since),
        _ => true,
    };
    let direct: Vec<String> = known
        .incidents
        .iter()
        .filter(|incident| is_hit(incident) && is_new(incident))
        .flat_map(|incident| std::iter::once(&incident.id).chain(&incident.parent))
        .cloned()
        .collect();
    known.incidents.retain(|incident| direct.contains(&incident.id));
    known.facts.retain(|dated| match &dated.fact {
        Fact::Pod(pod) => is_pod(Some(&pod.namespace), Some(&pod.name)),
        Fact::PodGone(pod) => is_pod(pod.namespace.as_deref(), pod.name.as_deref()),
        Fact::LastWords(words) => {
            let pod = &words.instance.pod;
            is_pod(pod.namespace.as_deref(), pod.name.as_deref())
        }
        Fact::Cgroup(counted) => {
            let pod = &counted.instance.pod;
            is_pod(pod.namespace.as_deref(), pod.name.as_deref())
        }
        Fact::Listing(listing) => {
            is_pod(listing.pod.namespace.as_deref(), listing.pod.name.as_deref())
        }
        Fact::Containers(told) => is_pod(told.pod.namespace.as_deref(), told.pod.name.as_deref()),
        _ => true,
    });
    known
}

/// The files.
pub(super) fn members(
    known: &Knowledge,
    journal: &Journal,
    config: &Config,
    made: jiff::Timestamp,
) -> Vec<Member> {
    let about = serde_json::json!({
        "kind": "podwhy_bundle",
        "form": 1,
        "made": made.to_string(),
        "agent": known.agent,
        "journal": {
            "lines": journal.count,
            "windows": journal.windows.iter().map(|window| [at(window.from), at(window.to)])
                .collect::<Vec<_>>(),
            "missing": journal.missing,
        },
    });
    let mut redaction = redact::Stream::default();
    let config = config::effective(config).unwrap_or_default();
    let config: String =
        config.lines().map(|line| format!("{}\n", redaction.line(0, line))).collect();
    vec![
        Member { name: "README.md", bytes: readme(known, journal, made).into_bytes() },
        Member { name: ABOUT, bytes: lines_of([about]) },
        Member { name: INCIDENTS, bytes: lines_of(known.incidents.iter().map(value)) },
        Member { name: FACTS, bytes: lines_of(known.facts.iter().map(fact)) },
        Member { name: JOURNAL, bytes: journal.entries.clone() },
        Member { name: "config.yaml", bytes: config.into_bytes() },
    ]
}

fn value(object: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// Of last words only what may leave the node.
fn fact(dated: &Dated) -> serde_json::Value {
    let Fact::LastWords(words) = &dated.fact else { return value(dated) };
    let mut words = words.clone();
    if words.lines.len() != words.quotable().len() {
        (words.lines, words.matters) = (words.quotable().to_vec(), None);
    }
    value(&Dated { at: dated.at, fact: Fact::LastWords(words) })
}

fn lines_of(objects: impl IntoIterator<Item = serde_json::Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut object in objects {
        redact::value(&mut object);
        bytes.extend_from_slice(object.to_string().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

fn at(micros: Micros) -> String {
    jiff::Timestamp::from_microsecond(micros).map(|at| at.to_string()).unwrap_or_default()
}

fn readme(known: &Knowledge, journal: &Journal, made: jiff::Timestamp) -> String {
    let node = super::super::explain::plain(&known.agent.node);
    let version = super::super::explain::plain(&known.agent.version);
    let mut text = format!(
        "# What podwhy knew on {node}\n\n\
         Made {made} by podwhy {version}. Explain it anywhere, without a cluster:\n\n\
         \x20   podwhy explain BUNDLE.tar.gz\n\n\
         | file | holds |\n|---|---|\n\
         | incidents.jsonl | {} incidents, one JSON object a line, as `podwhy why --output json` prints \
         them |\n\
         | facts.jsonl | {} facts: pods, last words of containers, the node, its disks and pod network \
         |\n\
         | journal.jsonl | {} lines of the kubelet, the runtime and the kernel around the incidents, as \
         `journalctl -o json` prints them; `podwhy parse journal.jsonl` reads them |\n\
         | config.yaml | the agent's configuration in force, without secrets |\n\
         | about.json | who made it, when, and what is missing |\n\n\
         What looks like a secret (keys, tokens, passwords, signed URLs) was replaced by REDACTED. \
         Names of pods, images, hosts and files were not. Look before you hand it on.\n",
        known.incidents.len(),
        known.facts.len(),
        journal.count,
    );
    let missing = known.agent.blind.iter().chain(&journal.missing);
    let missing: Vec<String> =
        missing.map(|why| format!("- {}\n", super::super::explain::plain(why))).collect();
    if !missing.is_empty() {
        text.push_str("\nNot complete:\n\n");
        text.push_str(&missing.concat());
    }
    text
}
