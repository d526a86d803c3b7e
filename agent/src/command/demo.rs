//! `podwhy demo`: a recorded real node, broken on purpose, through the agent's own pipeline.
//! Quick, ends by itself, keeps nothing, and sends nothing anywhere unless it is told where.

use std::io::{self, Cursor, Write};
use std::process::ExitCode;
use std::time::Duration;

use podwhy_parser::{Kind, parse_from};

use super::temporary::Temporary;
use super::{DONE, FAILED, complain};
use crate::app::replay::{self, Replay};
use crate::source::Micros;
use crate::source::input::Input;
use crate::source::recording::Batch;
use crate::telemetry;

/// Watch a recorded node break, in half a minute.
///
/// Plays what a real node's kubelet and containerd wrote while its pod network was taken away and
/// given back, through the same parts as the agent's, and prints what it finds: text on a
/// terminal, JSON lines otherwise. Needs no cluster, no root and no journal, keeps its state in a
/// temporary folder, and heeds no configuration and no environment.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Send to this OTLP/HTTP endpoint, such as http://127.0.0.1:4318, instead of printing
    #[arg(long, value_name = "URL")]
    export: Option<String>,
}

/// 81 s of a node: tests/recordings/cni-config-removed.
const RECORDING: &[u8] = include_bytes!("demo/cni-config-removed.export.gz");
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
    let recording = Batch::all(Input::new(Cursor::new(RECORDING), 0)?)?.by_time();
    let folder = Temporary::make("demo")?;
    // What does not get through is told while it is played, not only at the end.
    let level = telemetry::LogLevel::Warn;
    telemetry::start(telemetry::Config { level, format: telemetry::LogFormat::Text });
    tell(&format!(
        "A node's CNI configuration is taken away while a pod is created there. 81 s in {} s:\n",
        (LEAD + STORY).as_secs()
    ));
    replay::run(Replay {
        node: NODE,
        moments: paced(recording),
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

/// When each batch is fed: the quiet before the first failure is hurried through.
fn paced(recording: Vec<(Micros, Batch)>) -> Vec<(Duration, Batch)> {
    let is_failing = |batch: &Batch| {
        batch.any(|line| {
            let message = parse_from(line.origin, line.text);
            message.is_some_and(|message| message.kind() == Kind::SyncFailure)
        })
    };
    let begin = recording.first().map_or(0, |(at, _)| *at);
    let end = recording.last().map_or(0, |(at, _)| *at);
    let failing = recording.iter().find(|(_, batch)| is_failing(batch)).map_or(end, |(at, _)| *at);
    let scaled = |at: Micros, from: Micros, to: Micros, length: Duration| {
        length.mul_f64(((at - from) as f64 / (to - from).max(1) as f64).clamp(0.0, 1.0))
    };
    recording
        .into_iter()
        .map(|(at, batch)| {
            let after = scaled(at, begin, failing, LEAD) + scaled(at, failing, end, STORY);
            (after, batch)
        })
        .collect()
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
        let recording = Batch::all(Input::new(Cursor::new(RECORDING), 0).unwrap()).unwrap();
        let moments = paced(recording.by_time());
        assert!(moments.len() > 50);
        assert!(moments.is_sorted_by_key(|(after, _)| *after));
        assert!(moments.last().unwrap().0 <= Duration::from_secs(25));
        let first = moments.iter().find(|(_, batch)| {
            batch.any(|line| line.text.contains("\"Error syncing pod, skipping\""))
        });
        assert!(first.unwrap().0 <= LEAD);
    }
}
