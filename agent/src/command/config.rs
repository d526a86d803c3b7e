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
    let code = match &arguments.what {
        What::Print { effective: false, sources } if sources.file.is_none() => {
            say(config::DEFAULT_YAML, DONE)
        }
        What::Print { sources, .. } => with(sources, |loaded| {
            let effective = config::effective(&loaded.config)?;
            Ok(say(&format!("{effective}{}", standard(loaded)), DONE))
        }),
        What::Check { sources } => with(sources, check),
    };
    code.into()
}

/// The standard variables have no field: named, as their values may be secret.
fn standard(loaded: &config::Loaded) -> String {
    let names = loaded.environment.keys().filter(|name| name.starts_with("OTEL_"));
    let names: Vec<_> = names.map(String::as_str).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("# Over these go, from the environment: {}\n", names.join(", ")),
    }
}

fn check(loaded: &config::Loaded) -> anyhow::Result<u8> {
    match super::destination(loaded) {
        Err(error) => {
            complain(&error);
            return Ok(BAD_CONFIGURATION);
        }
        Ok(odd) => odd.iter().for_each(|odd| complain(&format_args!("warning: {odd}"))),
    }
    if let Err(error) = super::cause::of(&loaded.config.diagnosis.causes) {
        complain(&error);
        return Ok(BAD_CONFIGURATION);
    }
    let file = match &loaded.path {
        Some(path) => path.display().to_string(),
        None => "no file, the defaults".to_owned(),
    };
    Ok(say(&format!("{file}: ok\n"), DONE))
}

fn with(sources: &Sources, show: impl Fn(&config::Loaded) -> anyhow::Result<u8>) -> u8 {
    match config::load(sources.file.as_deref(), &config::environment(), &sources.set) {
        Err(error) => {
            complain(&error);
            BAD_CONFIGURATION
        }
        Ok(loaded) => {
            for warning in &loaded.warnings {
                complain(&format_args!("warning: {warning}"));
            }
            show(&loaded).unwrap_or_else(|error| {
                complain(&format_args!("{error:#}"));
                FAILED
            })
        }
    }
}
