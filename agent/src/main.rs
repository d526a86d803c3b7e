//! `podwhy`: arguments → command → exit code.

use std::process::ExitCode;

use clap::Parser;
use podwhy::command::{self, Cli};

fn main() -> ExitCode {
    command::run(Cli::parse())
}
