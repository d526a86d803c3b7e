//! `podwhy agent`: the node agent in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{BAD_CONFIGURATION, DONE, FAILED};
use crate::{app, config, telemetry};

/// Follow this node's journal and ship every sync failure.
///
/// Sends OTLP logs to OTEL_EXPORTER_OTLP_ENDPOINT (or export.endpoint of the configuration); without
/// one it prints: text on a terminal, JSON lines otherwise. Ends on SIGTERM or SIGINT, after what was
/// read has been delivered or ten seconds have passed; what is left waits in the state folder.
#[derive(Debug, Args)]
pub(super) struct Agent {
    /// Configuration file [default: $PODWHY_CONFIG, else /etc/podwhy/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set one field over file and environment, such as state.folder=/tmp/podwhy; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = super::setting)]
    set: Vec<(String, String)>,

    /// Read what the journal holds now, deliver it, and end
    #[arg(long)]
    once: bool,
}

/// What glibc's allocator is told: one arena for all threads, large blocks by themselves, and freed
/// pages back to the node. It halves what the agent holds.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// glibc reads its settings only when a program starts, so the agent becomes itself once more, under
/// the same process id, with those that nobody set. Where that fails it only holds more memory.
fn hold_memory_tight() {
    use std::os::unix::process::CommandExt;
    let is_unset = |name: &str| std::env::var_os(name).is_none();
    if !ALLOCATOR.iter().any(|(name, _)| is_unset(name)) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let missing = ALLOCATOR.into_iter().filter(|(name, _)| is_unset(name));
    let mut again = std::process::Command::new(program);
    let _failed = again.args(std::env::args_os().skip(1)).envs(missing).exec();
}

/// Runs the agent to its end.
pub(super) fn run(arguments: &Agent) -> ExitCode {
    hold_memory_tight();
    let life = match app::Life::begin() {
        Ok(life) => life,
        Err(error) => {
            super::complain(&error);
            return FAILED.into();
        }
    };
    let environment = config::environment();
    let loaded = match config::load(arguments.config.as_deref(), &environment, &arguments.set) {
        Ok(loaded) => loaded,
        Err(error) => {
            super::complain(&error);
            return BAD_CONFIGURATION.into();
        }
    };
    telemetry::start(loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if let Err(error) = super::destination(&loaded) {
        super::complain(&error);
        return BAD_CONFIGURATION.into();
    }
    let causes = match super::cause::of(&loaded.config.diagnosis.causes) {
        Ok(causes) => causes,
        Err(error) => {
            super::complain(&error);
            return BAD_CONFIGURATION.into();
        }
    };
    let until = if arguments.once { app::Until::CaughtUp } else { app::Until::Signalled };
    match life.run(&loaded.config, &loaded.environment, causes, until) {
        Ok(()) => DONE.into(),
        Err(error) => {
            super::complain(&format!("{error:#}"));
            FAILED.into()
        }
    }
}
