//! `podwhy check`: what the agent could read here, one line per requirement, with its fix. Starts
//! nothing, stores nothing, and needs neither root nor a cluster nor libsystemd to say what is missing.

use std::{borrow::Cow, path::PathBuf, process::ExitCode, sync::mpsc};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{BAD_CONFIGURATION, DONE, FAILED, complain, say};
use crate::{config, limits, node, source::journal, telemetry};

mod destination;
mod evidence;
mod files;
mod folder;
mod here;
mod kind;
mod pod_logs;

/// What the agent could read here, one line per requirement with its fix.
///
/// Exit code 0: it would work. 1: something has to be mended first.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file [default: $PODWHY_CONFIG, else /etc/podwhy/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set one field over file and environment, such as journal.root=/host; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = super::setting)]
    set: Vec<(String, String)>,

    /// How to say it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    name: Cow<'static, str>,
    status: Status,
    /// What was found.
    what: String,
    /// What to do about it.
    fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    /// Works with less.
    Degraded,
    /// Has to be mended.
    Failed,
    /// Cannot be told from here.
    Unknown,
}

impl Finding {
    fn new(name: impl Into<Cow<'static, str>>, status: Status, what: impl Into<String>) -> Self {
        Self { name: name.into(), status, what: what.into(), fix: None }
    }

    fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, what)
    }

    fn degraded(name: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(name, Status::Degraded, what) }
    }

    fn failed(name: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(name, Status::Failed, what) }
    }
}

pub(super) fn run(arguments: &Check) -> ExitCode {
    let environment = config::environment();
    let loaded = match config::load(arguments.config.as_deref(), &environment, &arguments.set) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error);
            return BAD_CONFIGURATION.into();
        }
    };
    // What the parts log while they are looked at would only say the same twice.
    let quiet = telemetry::Config { level: telemetry::LogLevel::Error, ..loaded.config.log };
    telemetry::start(quiet);
    for warning in &loaded.warnings {
        complain(&format_args!("warning: {warning}"));
    }
    let findings = findings(&loaded);
    let is_failed = findings.iter().any(|finding| finding.status == Status::Failed);
    let shown = match arguments.output {
        Output::Text => text(&findings),
        Output::Json => json(&findings),
    };
    say(&shown, if is_failed { FAILED } else { DONE }).into()
}

fn findings(loaded: &config::Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(kind::look(&loaded.config));
    findings.extend(in_time("log files", &loaded.config, files::look));
    findings.extend(in_time("pod logs", &loaded.config, pod_logs::look));
    findings.push(folder::look(&loaded.config.state));
    if loaded.config.journal.enabled {
        let report = journal::probe::probe_all(&loaded.config.journal);
        findings.extend(report.requirements.into_iter().map(of_journal));
    }
    match node::look_once(&loaded.config.node) {
        Ok((_, states)) => {
            findings.extend(states.iter().map(|(subject, state)| here::of(*subject, state)))
        }
        Err(error) => findings.push(Finding::failed(
            "node",
            format!("no thread can be made: {error}"),
            "raise the limit of processes (ulimit -u, pids.max of the cgroup)",
        )),
    }
    findings.extend(evidence::look(&loaded.config));
    findings.extend(destination::look(&loaded.config.export, &loaded.environment));
    findings
}

/// A look that asks file systems: a dead one never answers, and must not hold the others.
fn in_time(
    name: &'static str,
    config: &config::Config,
    look: fn(&config::Config) -> Vec<Finding>,
) -> Vec<Finding> {
    let (tell, told) = mpsc::channel();
    let config = config.clone();
    let thread = std::thread::Builder::new().name(name.to_owned());
    // Who no longer waits needs no answer.
    let made = thread.spawn(move || drop(tell.send(look(&config))));
    let answer = made.map(|_| told.recv_timeout(limits::FOLLOW_HANGS));
    answer.ok().and_then(Result::ok).unwrap_or_else(|| {
        let within = limits::FOLLOW_HANGS.as_secs();
        vec![Finding::degraded(
            name,
            format!("does not answer within {within} s"),
            "look for a dead filesystem under it (findmnt -t nfs,nfs4,cifs,fuse); the others go on",
        )]
    })
}

fn of_journal(requirement: journal::probe::Requirement) -> Finding {
    let status = match requirement.status {
        journal::probe::Status::Met => Status::Ok,
        journal::probe::Status::Degraded => Status::Degraded,
        journal::probe::Status::Failed => Status::Failed,
    };
    let fix = requirement.fix;
    Finding { fix, ..Finding::new(requirement.name, status, requirement.found) }
}

/// Name and status in columns, the fix below what it mends.
fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or_default();
    let lines = findings.iter().map(|finding| {
        let status = match finding.status {
            Status::Ok => "ok",
            Status::Degraded => "degraded",
            Status::Failed => "FAILED",
            Status::Unknown => "unknown",
        };
        let fix = finding.fix.as_ref().map(|fix| format!("{:width$}            → {fix}\n", ""));
        let (name, what) = (&finding.name, &finding.what);
        format!("{name:width$}  {status:8}  {what}\n{}", fix.unwrap_or_default())
    });
    lines.collect()
}

fn json(findings: &[Finding]) -> String {
    let is_ok = findings.iter().all(|finding| finding.status != Status::Failed);
    let value = serde_json::json!({ "ok": is_ok, "checks": findings });
    format!("{value}\n")
}

#[cfg(test)]
mod tests;
