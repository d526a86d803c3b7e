//! `podwhy demo`: a recorded real node, broken on purpose, through the agent's own pipeline.
//! Quick, ends by itself, keeps nothing, and sends nothing anywhere unless it is told where.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use podwhy_parser::{Kind, parse_from};

use super::temporary::Temporary;
use super::{DONE, FAILED, complain};
use crate::app::replay::recorded::{Packed, Pieces};
use crate::app::replay::{self, Moment, Replay};
use crate::fact::Dated;
use crate::source::Micros;
use crate::source::recording::Batch;
use crate::telemetry;

/// Watch a recorded node break, in half a minute.
///
/// Plays what a real node's kubelet, containerd and kernel wrote: a log shipper that looks for its
/// configuration where nobody mounts it, beside an app that runs out of memory; then a pod network
/// that is taken away and given back. It goes through the same parts as the agent's, and prints
/// what it finds: text on a terminal, JSON lines otherwise. Needs no cluster, no root and no
/// journal, keeps its state in a temporary folder, and heeds no configuration and no environment.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Send to this OTLP/HTTP endpoint, such as http://127.0.0.1:4318, instead of printing
    #[arg(long, value_name = "URL")]
    export: Option<String>,
}

/// Two and a half minutes of a node: tests/recordings/path-mismatch, and behind it
/// cni-config-removed; the times of the first were moved to just before the second.
const RECORDING: Packed<'static> = Packed {
    journal: include_bytes!("demo/journal.export.gz"),
    pods: include_bytes!("demo/pods.watch.json.gz"),
    node: include_str!("demo/node.json"),
    logs: include_bytes!("demo/pod-logs.tar.gz"),
    facts: include_str!("demo/facts.jsonl"),
};
const NODE: &str = "node-1";

/// Until the first failure …
const LEAD: Duration = Duration::from_secs(1);
/// … and from there to the end: slow enough to be read.
const STORY: Duration = Duration::from_secs(19);

/// Plays it.
#[must_use]
pub(super) fn run(arguments: &Args) -> ExitCode {
    match play(arguments) {
        Ok(()) => DONE.into(),
        Err(error) => {
            complain(&format!("{error:#}"));
            FAILED.into()
        }
    }
}

fn play(arguments: &Args) -> anyhow::Result<()> {
    let folder = Temporary::make("demo")?;
    let logs = folder.path().join("pod-logs");
    std::fs::create_dir(&logs)?;
    let recorded = Pieces::packed(&RECORDING)?.ready(&logs)?;
    // What does not get through is told while it is played, not only at the end.
    let level = telemetry::LogLevel::Warn;
    telemetry::start(telemetry::Config { level, format: telemetry::LogFormat::Text });
    tell(&format!(
        "A log shipper looks where nobody mounts its configuration; beside it an app runs out of\nmemory; then the node loses its pod network for a while. 2.5 minutes in {} s:\n",
        (LEAD + STORY).as_secs()
    ));
    replay::run(Replay {
        node: NODE,
        moments: paced(moments(recorded.lines, recorded.facts)),
        answers: recorded.answers,
        state_folder: folder.path(),
        endpoint: arguments.export.clone(),
    })?;
    tell(match arguments.export {
        None => {
            "
That was a recording. Try next:
  journalctl -u kubelet -o export | podwhy parse    the sync failures of a node you have
  podwhy check                                      what the agent could read on this machine
  podwhy demo --export http://127.0.0.1:4318        the same records, to a Collector of yours
  podwhy agent                                      follow this node"
        }
        Some(_) => "\nDelivered. Try next: podwhy agent, on a node",
    });
    Ok(())
}

/// Lines and facts in the order of their times; a fact goes before the lines of its instant.
fn moments(lines: Batch, facts: Vec<Dated>) -> Vec<(Micros, Moment)> {
    let facts = facts.into_iter().map(|dated| (dated.at, Moment::Fact(Box::new(dated))));
    let mut all: Vec<_> = facts.collect();
    all.extend(lines.by_time().into_iter().map(|(at, batch)| (at, Moment::Lines(batch))));
    all.sort_by_key(|(at, _)| *at);
    all
}

/// When each moment is fed: the quiet before the first failure is hurried through.
fn paced(recording: Vec<(Micros, Moment)>) -> Vec<(Duration, Moment)> {
    let begin = recording.first().map_or(0, |(at, _)| *at);
    let end = recording.last().map_or(0, |(at, _)| *at);
    let failing = recording.iter().find(|(_, moment)| is_failing(moment));
    let failing = failing.map_or(end, |(at, _)| *at);
    let scaled = |at: Micros, from: Micros, to: Micros, length: Duration| {
        length.mul_f64(((at - from) as f64 / (to - from).max(1) as f64).clamp(0.0, 1.0))
    };
    recording
        .into_iter()
        .map(|(at, moment)| {
            let after = scaled(at, begin, failing, LEAD) + scaled(at, failing, end, STORY);
            (after, moment)
        })
        .collect()
}

fn is_failing(moment: &Moment) -> bool {
    let Moment::Lines(batch) = moment else { return false };
    batch.any(|line| {
        let message = parse_from(line.origin, line.text);
        message.is_some_and(|message| message.kind() == Kind::SyncFailure)
    })
}

/// To people: the output is for what was found.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_comes_within_two_seconds_and_the_end_within_thirty() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = Pieces::packed(&RECORDING).unwrap().ready(folder.path()).unwrap();
        let moments = paced(moments(recorded.lines, recorded.facts));
        assert!(moments.len() > 50);
        assert!(moments.is_sorted_by_key(|(after, _)| *after));
        assert!(moments.last().unwrap().0 <= Duration::from_secs(25));
        let first = moments.iter().find(|(_, moment)| is_failing(moment));
        assert!(first.unwrap().0 <= LEAD);
    }
}
