//! The page's content for programs. Owns nothing: incidents have the form of `podwhy why`.

use serde::Serialize;

use super::{Snapshot, verdict};
use crate::admin::history::{Quarter, status_word};
use crate::incident::Incident;
use crate::node::View;
use crate::source::Micros;

#[derive(Debug, Serialize)]
pub(super) struct Node<'k> {
    node: &'k str,
    version: &'static str,
    now: Option<String>,
    read_from: Option<String>,
    read_up_to: Option<String>,
    level: &'static str,
    verdict: String,
    why: Vec<String>,
    blind: &'k [String],
    incidents: Vec<&'k Incident>,
    day: Vec<Hour<'k>>,
    view: Option<&'k View>,
    checks: Vec<Check<'k>>,
    losses: Vec<Loss>,
    queues: Vec<Queue>,
    destinations: Vec<Destination<'k>>,
}

#[derive(Debug, Serialize)]
struct Hour<'k> {
    at: Option<String>,
    #[serde(flatten)]
    counts: &'k Quarter,
}

#[derive(Debug, Serialize)]
struct Check<'k> {
    at: Option<String>,
    name: &'k str,
    status: &'static str,
    text: &'k str,
}

#[derive(Debug, Serialize)]
struct Loss {
    source: &'static str,
    kind: &'static str,
    times: u64,
    lines: u64,
}

#[derive(Debug, Serialize)]
struct Queue {
    signal: &'static str,
    records: u64,
    bytes: u64,
    oldest: Option<String>,
}

#[derive(Debug, Serialize)]
struct Destination<'k> {
    name: &'k str,
    delivered: u64,
    refused: u64,
    last_success: Option<String>,
    paused: Option<&'k str>,
}

fn stamp(at: Micros) -> Option<String> {
    jiff::Timestamp::from_microsecond(at).ok().map(|at| at.to_string())
}

pub(super) fn node(known: &Snapshot) -> Node<'_> {
    let verdict = verdict::of(known);
    let scrape = &known.scrape;
    let paused =
        |name: &str| known.paused.iter().find(|(its, _)| its == name).map(|(_, why)| why.as_str());
    Node {
        node: &known.node,
        version: env!("CARGO_PKG_VERSION"),
        now: stamp(known.now),
        read_from: known.read_from.and_then(stamp),
        read_up_to: known.read_up_to.and_then(stamp),
        level: verdict.level.word(),
        verdict: verdict.headline,
        why: verdict.why.into_iter().map(|it| it.text).collect(),
        blind: &known.blind,
        incidents: known.incidents.iter().filter(|it| !it.told_elsewhere).collect(),
        day: scrape
            .figures
            .day
            .until(known.now)
            .map(|(at, counts)| Hour { at: stamp(at), counts })
            .collect(),
        view: scrape.view.as_ref(),
        checks: known
            .past
            .checks()
            .map(|it| Check {
                at: stamp(it.at),
                name: &it.check.name,
                status: status_word(it.check.status),
                text: &it.check.text,
            })
            .collect(),
        losses: scrape
            .figures
            .losses
            .iter()
            .map(|((source, kind), (times, lines))| Loss {
                source,
                kind,
                times: *times,
                lines: *lines,
            })
            .collect(),
        queues: scrape
            .queues
            .iter()
            .map(|it| Queue {
                signal: it.signal,
                records: it.records,
                bytes: it.bytes,
                oldest: it.oldest.and_then(stamp),
            })
            .collect(),
        destinations: scrape
            .destinations
            .iter()
            .map(|it| Destination {
                name: &it.name,
                delivered: it.delivered,
                refused: it.refused,
                last_success: it.last_success.and_then(stamp),
                paused: paused(&it.name),
            })
            .collect(),
    }
}
