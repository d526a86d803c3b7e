//! `podwhy config`: the documented default, or what is in force here, or whether a file is right.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::{BAD_CONFIGURATION, DONE, FAILED, complain, say};
use crate::config;

/// Print or check the configuration.
#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print every field with its default and what it does.
    Print {
        /// Print what is in force here instead: file, environment and flags together.
        #[arg(long)]
        effective: bool,
        #[command(flatten)]
        sources: Sources,
    },
    /// Check a file (and this environment); names the file, the line and the field.
    Check {
        #[command(flatten)]
        sources: Sources,
    },
}

#[derive(Debug, Args)]
struct Sources {
    /// Configuration file [default: $PODWHY_CONFIG, else /etc/podwhy/config.yaml if it exists]
    file: Option<PathBuf>,

    /// Set one field over file and environment, such as node.interval=30s; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = super::setting)]
    set: Vec<(String, String)>,
}

pub(super) fn run(arguments: &Config) -> ExitCode {
    match &arguments.what {
        What::Print { effective: false, sources } if sources.file.is_none() => {
            say(config::DEFAULT_YAML);
            DONE.into()
        }
        What::Print { sources, .. } => with(sources, |loaded| {
            let effective = config::effective(&loaded.config)?;
            say(&effective);
            Ok(())
        }),
        What::Check { sources } => with(sources, |loaded| {
            let file = match &loaded.path {
                Some(path) => path.display().to_string(),
                None => "no file, the defaults".to_owned(),
            };
            say(&format!("{file}: ok\n"));
            Ok(())
        }),
    }
}

fn with(sources: &Sources, show: impl Fn(&config::Loaded) -> anyhow::Result<()>) -> ExitCode {
    match config::load(sources.file.as_deref(), &config::environment(), &sources.set) {
        Err(error) => {
            complain(&error);
            BAD_CONFIGURATION.into()
        }
        Ok(loaded) => {
            for warning in &loaded.warnings {
                complain(&format_args!("warning: {warning}"));
            }
            match show(&loaded) {
                Ok(()) => DONE.into(),
                Err(error) => {
                    complain(&format_args!("{error:#}"));
                    FAILED.into()
                }
            }
        }
    }
}
