//! `podwhy bundle`: what the agent of this node knows, in one redacted archive that `podwhy explain`
//! reads elsewhere. The command: its arguments, its progress and its exit codes.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::reach::Reach;
use super::{DONE, FAILED, complain};
use crate::source::Micros;

mod archive;
mod contents;
mod lines;
#[cfg(test)]
mod tests;

/// What is in a bundle, by name.
pub(super) const ABOUT: &str = "about.json";
pub(super) const INCIDENTS: &str = "incidents.jsonl";
pub(super) const FACTS: &str = "facts.jsonl";
pub(super) const JOURNAL: &str = "journal.jsonl";

/// Pack what the agent of this node knows into one archive, secrets removed.
///
/// Incidents, the facts behind them (pods, last words, the node) and the journal's lines around
/// them. `podwhy explain FILE` explains it anywhere, as this node does. Look into it before you hand
/// it on: what is secret to you need not look like a secret.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// The archive; `-` is standard output [default: podwhy-NODE-TIME.tar.gz]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Only what concerns this pod (NAMESPACE/POD or NAME), and the node.
    #[arg(long, value_name = "POD")]
    pod: Option<String>,

    /// Only incidents seen within this time, such as 10m or 2h.
    #[arg(long, value_name = "AGE", value_parser = super::explain::age)]
    since: Option<Micros>,

    /// Write over an existing file.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    reach: Reach,
}

const AFTER_HELP: &str = "\
Examples:
  podwhy bundle
  podwhy bundle --pod shop/web-0 --since 2h -o web-0.tar.gz
  kubectl -n podwhy exec PODWHY-POD -- podwhy bundle -o - > node.tar.gz
  podwhy explain node.tar.gz           anywhere, without a cluster

Exit codes: 0 written, 1 no agent answers or the file cannot be written, 2 bad arguments,
64 bad configuration.";

/// Packs, and tells the exit code.
#[must_use]
pub(super) fn run(arguments: &Args) -> ExitCode {
    let agent = match arguments.reach.agent() {
        Ok(agent) => agent,
        Err(code) => return code.into(),
    };
    match pack(arguments, &agent) {
        Ok(()) => DONE.into(),
        Err(why) => {
            complain(&why);
            FAILED.into()
        }
    }
}

fn pack(arguments: &Args, agent: &super::reach::Agent) -> Result<(), String> {
    let to_stdout = arguments.output.as_deref() == Some(Path::new("-"));
    if to_stdout && std::io::stdout().is_terminal() {
        return Err("an archive is nothing for a terminal: name a file with -o FILE".to_owned());
    }
    let known = agent.ask()?;
    let made = jiff::Timestamp::now();
    let stem = contents::stem(&known.agent.node, made);
    let path = arguments.output.clone().unwrap_or_else(|| format!("{stem}.tar.gz").into());
    // Said before the work, not after it.
    if !to_stdout && !arguments.force && path.symlink_metadata().is_ok() {
        return Err(archive::is_there(&path));
    }
    let wanted = contents::Wanted { pod: arguments.pod.as_deref(), since: arguments.since };
    let chosen = contents::choose(known, &wanted, made.as_microsecond());
    progress(&format_args!(
        "{}: {} incidents, {} facts",
        super::explain::plain(&chosen.agent.node),
        chosen.incidents.len(),
        chosen.facts.len()
    ));
    let windows = lines::windows(&chosen.incidents);
    if !windows.is_empty() {
        progress(&format_args!("reading the journal around them: {} pieces", windows.len()));
    }
    let journal = lines::read(&agent.loaded.config.journal, &windows);
    progress(&format_args!("{} lines of the journal", journal.count));
    let members = contents::members(&chosen, &journal, &agent.loaded.config, made);
    let written = if to_stdout {
        archive::write(std::io::stdout().lock(), &stem, &members, made)
            .map_err(|error| format!("cannot write the archive: {error}"))?
    } else {
        archive::create(&path, arguments.force, &stem, &members, made)?
    };
    let name = if to_stdout { "standard output".to_owned() } else { path.display().to_string() };
    progress(&format_args!("{name}: {written} bytes; podwhy explain reads it anywhere"));
    Ok(())
}

/// Standard output may be the archive.
fn progress(what: &std::fmt::Arguments<'_>) {
    complain(what);
}
