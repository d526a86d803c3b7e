//! The command line: one file per subcommand, and the exit codes that all share (design 5.1).

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{config as config_file, export};

mod agent;
mod bundle;
pub mod cause;
mod check;
mod config;
mod demo;
pub mod explain;
mod open;
mod parse;
pub mod plugin;
mod reach;
mod temporary;
mod why;

/// Done; for `parse` and `explain`, something was found.
pub const DONE: u8 = 0;
/// Something failed.
pub const FAILED: u8 = 1;
/// An argument names something that there is not, as clap has it.
pub const BAD_ARGUMENTS: u8 = 2;
/// `parse` or `explain` found no failure in its input, and `explain` nothing to advise either.
pub const NOTHING_FOUND: u8 = 3;
/// The configuration is wrong (`EX_USAGE` of sysexits.h).
pub const BAD_CONFIGURATION: u8 = 64;

/// Why does this pod not start?
///
/// podwhy reads what the kubelet and the container runtime write on a node, turns it into
/// structured sync failures, and ships them as OTLP logs.
#[derive(Debug, Parser)]
#[command(name = "podwhy", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  podwhy demo                          a recorded node, broken on purpose, in half a minute
  journalctl -u kubelet | podwhy explain
                                       what fails on this node, why, and what to do
  kubectl describe pod X | podwhy explain
                                       the same from whatever you can copy
  journalctl -u kubelet | podwhy parse every sync failure of this node as one JSON line
  podwhy cause                         every cause it knows, what each means and what to do
  podwhy check                         what the agent could read on this machine
  podwhy why                           what the agent of this node knows: what fails, and why
  podwhy open                          the address of that agent's page
  podwhy bundle                        all of that in one redacted file, for explain elsewhere
  podwhy agent                         the node agent: prints, or sends to an OTLP endpoint

Exit codes: 0 done, 1 failed, 2 bad arguments, 3 no failure found in the input, 64 bad configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    Agent(agent::Agent),
    Bundle(bundle::Args),
    Cause(cause::Arguments),
    Check(check::Check),
    Config(config::Config),
    Demo(demo::Args),
    Explain(explain::Args),
    Open(open::Args),
    Parse(parse::Args),
    Why(why::Args),
}

/// Runs one command to its end.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Agent(arguments) => agent::run(&arguments),
        Command::Bundle(arguments) => bundle::run(&arguments),
        Command::Cause(arguments) => cause::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Open(arguments) => open::run(&arguments),
        Command::Parse(arguments) => parse::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
    }
}

/// `field=value`, as `--set` takes it.
fn setting(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("write it as field=value")?;
    Ok((field.trim().to_owned(), value.to_owned()))
}

/// What types and the file's own rules cannot say: whether the destination can work, with the
/// standard variables over it, and what is odd about those.
fn destination(loaded: &config_file::Loaded) -> Result<Vec<String>, export::ConfigError> {
    let (destinations, odd) = export::Destinations::of(&loaded.config.export, &loaded.environment);
    for destination in destinations.each() {
        destination.url()?;
    }
    Ok(odd)
}

/// Says what went wrong.
#[expect(clippy::print_stderr, reason = "commands talk to people; what went wrong goes here")]
fn complain(what: &impl std::fmt::Display) {
    eprintln!("podwhy: {what}");
}

/// Writes a result and gives its exit code. A reader that has seen enough (`| head`) is no failure.
fn say(text: &str, code: u8) -> u8 {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format_args!("cannot write the output: {error}"));
            FAILED
        }
        _ => code,
    }
}
