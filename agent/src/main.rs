//! `podwhy`: arguments → command → exit code.

use std::process::ExitCode;

use clap::Parser;
use podwhy::command::{self, Cli};
use podwhy::source::journal::reader;

fn main() -> ExitCode {
    // The agent's own child, no command of the user's.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == reader::COMMAND) {
        return reader::main();
    }
    if command::plugin::is_called() {
        return command::plugin::run();
    }
    command::run(Cli::parse())
}
