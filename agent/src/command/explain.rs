//! `podwhy explain`: any paste → what fails, why, what shows it, and what to do. The command: its
//! arguments, its exit codes and its choice of form; reading, rendering and advice are its parts.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use super::{BAD_ARGUMENTS, BAD_CONFIGURATION, DONE, FAILED, NOTHING_FOUND, complain, say};
use crate::catalogue::{Catalogue, STEPS, check};
use crate::diagnosis::UNCLASSIFIED;
use crate::incident::Incident;
use crate::source::Micros;

mod advice;
mod answer;
mod bundled;
mod naming;
mod nodes;
mod order;
mod pod_logs;
mod read;
mod render;
mod words;

pub use advice::{Advice, Peaks, Seen};
pub use answer::{Explained, NamedInput, Options};
pub use read::explain;
pub(super) use render::{Look, plain, standing};

/// Explain pasted logs: what fails, why, what shows it, and what to do next.
///
/// Takes whatever you have, mixed as it comes: journal text in any of journalctl's forms, syslog
/// files, raw kubelet or containerd logs, `kubectl describe`, Events as table, JSON or YAML, pods
/// and workloads as JSON or YAML, or one error message alone. Several files join into one answer.
/// Needs no cluster and no node, and looks at neither.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Files to read; `-` or none is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How to answer: text for people, or one JSON object a line for programs.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    output: Form,

    /// When to use colours; `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    color: Colour,

    /// A copy of /var/log/pods, or a must-gather: a folder, or a tar archive, compressed or not.
    ///
    /// What a container wrote last is read from it, as the agent on the node would have.
    #[arg(long, value_name = "PATH")]
    pod_logs: Option<PathBuf>,

    /// Your own causes beside ours: files as the configuration names under diagnosis.causes.
    #[arg(long, value_name = "FILE")]
    causes: Vec<PathBuf>,

    /// Explain what was known at this time (RFC 3339, such as 2026-11-22T13:22:41Z).
    ///
    /// It is also the time from which printed ages count.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Micros>,

    /// Only incidents of pods with this in their name.
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,

    #[command(flatten)]
    filter: Filter,
}

/// Which incidents, beside whose.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only incidents of this namespace.
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,

    /// Only incidents of this step, such as StartContainer.
    #[arg(long, value_name = "STEP")]
    step: Option<String>,

    /// Only incidents of this cause or class of causes.
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,

    /// Only incidents seen within this time before the end, such as 10m or 2h.
    #[arg(long, value_name = "AGE", value_parser = age)]
    since: Option<Micros>,
}

const AFTER_HELP: &str = "\
Examples:
  journalctl -u kubelet -u containerd --since -1h | podwhy explain
  podwhy explain kubelet.log messages-20261115.gz
  kubectl describe pod web-0 | podwhy explain
  podwhy explain journal.txt describe.txt pod.json --pod-logs pods.tar.gz
  kubectl get events -A -o json | podwhy explain --output json | jq .cause.id
  podwhy explain deployment.yaml                 advice, before anything fails
  pbpaste | podwhy explain                       one message out of a chat is enough

Exit codes: 0 something was explained or advised, 1 an input could not be read, 2 bad arguments,
3 no failure found and nothing to advise, 64 a file of causes is wrong.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colour {
    Auto,
    Always,
    Never,
}

fn time(text: &str) -> Result<Micros, String> {
    text.parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_microsecond)
        .map_err(|_| "write it as 2026-11-22T13:22:41Z".to_owned())
}

pub(super) fn age(text: &str) -> Result<Micros, String> {
    crate::source::paste::age(text).ok_or_else(|| "write it as 30s, 10m, 2h or 1d".to_owned())
}

/// Reads, answers, and tells the exit code.
#[must_use]
pub(super) fn run(arguments: &Args) -> ExitCode {
    let catalogue = match super::cause::of(&arguments.causes) {
        Ok(catalogue) => Some(catalogue),
        Err(error) => {
            complain(&error);
            return BAD_CONFIGURATION.into();
        }
    };
    if let Some(error) = catalogue.as_deref().and_then(|it| arguments.filter.fault(it)) {
        complain(&error);
        return BAD_ARGUMENTS.into();
    }
    let Given { inputs, bundles, unread } = opened(&arguments.files);
    let options = Options {
        at: arguments.at,
        pod_logs: arguments.pod_logs.clone(),
        node: bundles.iter().find_map(|bundle| bundle.node.clone()),
        catalogue,
    };
    let mut explained = explain(inputs, &options);
    for bundle in bundles {
        bundle.tell(&mut explained, arguments.at.is_some());
    }
    let advice = explained.advice();
    let has_found = !explained.incidents.is_empty() || explained.failures > 0 || !advice.is_empty();
    arguments.keep(&mut explained);
    explained.unread.splice(0..0, unread);
    for sentence in &explained.unread {
        complain(&render::plain(sentence));
    }
    let is_unread = !explained.unread.is_empty();
    let text = match arguments.output {
        Form::Json => render::json(&explained, &advice),
        Form::Text => render::text(&explained, &advice, look(arguments.color)),
    };
    let code = match (has_found, is_unread) {
        (true, _) => DONE,
        (false, true) => FAILED,
        (false, false) => {
            nothing(&explained, arguments.output);
            NOTHING_FOUND
        }
    };
    say(&text, code).into()
}

impl Args {
    /// Leaves only what is asked for, and notes which option left out what.
    fn keep(&self, explained: &mut Explained) {
        let now = explained.now;
        let count = |is_out: &dyn Fn(&Incident) -> bool| {
            explained.incidents.iter().filter(|incident| is_out(incident)).count()
        };
        let filters = self.filter.each().into_iter();
        let mut options: Vec<_> = filters.map(|(option, alone)| (option, alone, None)).collect();
        if let Some(pod) = self.pod.as_deref() {
            options.push((format!("--pod {pod}"), Filter::default(), Some(pod)));
        }
        let left_out: Vec<(String, usize)> = options
            .into_iter()
            .map(|(option, alone, pod)| {
                let is_out =
                    |incident: &Incident| !is_of_pod(incident, pod) || !alone.wants(incident, now);
                let count = count(&is_out);
                (option, count)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        explained.filtered = left_out;
        let pod = self.pod.as_deref();
        let wants = |it: &Incident| is_of_pod(it, pod) && self.filter.wants(it, now);
        explained.incidents.retain(wants);
    }
}

fn is_of_pod(incident: &Incident, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        let name = wanted.rsplit('/').next().unwrap_or(wanted);
        let is_it = |it: &String| it.contains(name);
        incident.pods.iter().any(|pod| pod.name.as_ref().is_some_and(is_it))
    })
}

/// How the terminal wants it.
pub(super) fn look(colour: Colour) -> Look {
    let is_terminal = io::stdout().is_terminal();
    let no_color = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    let colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => is_terminal && !no_color,
    };
    let told = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured =
        || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let width = told().or_else(|| measured().filter(|_| is_terminal));
    Look { colour, width: width.filter(|width| *width > 0) }
}

fn meant(name: &str) -> String {
    format!("did you mean {name}?")
}

impl Filter {
    /// Whether anything is left out at all.
    pub(super) const fn is_set(&self) -> bool {
        self.namespace.is_some()
            || self.step.is_some()
            || self.cause.is_some()
            || self.since.is_some()
    }

    /// A step or a cause that there is not: nothing would ever match.
    fn fault(&self, catalogue: &Catalogue) -> Option<String> {
        let is_step = |wanted: &String| STEPS.iter().any(|it| it.eq_ignore_ascii_case(wanted));
        if let Some(step) = self.step.as_ref().filter(|step| !is_step(step)) {
            let near = check::nearest(step, STEPS.iter().copied());
            let hint = near.map_or_else(|| format!("known are {}", STEPS.join(", ")), meant);
            return Some(format!("--step {step}: there is no such step; {hint}"));
        }
        let words = || {
            let causes = catalogue.causes();
            causes
                .flat_map(|(class, cause)| [class.word(), cause.id.as_str()])
                .chain([UNCLASSIFIED])
        };
        let cause = self.cause.as_deref().filter(|wanted| words().all(|word| word != *wanted))?;
        let near = check::nearest(cause, words());
        let hint = near.map_or_else(|| "`podwhy cause` lists them".to_owned(), meant);
        Some(format!("--cause {cause}: there is no such cause or class; {hint}"))
    }

    /// Each option that is given, as it was typed, and what it asks for alone.
    fn each(&self) -> Vec<(String, Self)> {
        let Self { namespace, step, cause, since } = self.clone();
        let none = Self::default;
        let mut all = Vec::new();
        if let Some(name) = &namespace {
            all.push((format!("-n {name}"), Self { namespace, ..none() }));
        }
        if let Some(name) = &step {
            all.push((format!("--step {name}"), Self { step, ..none() }));
        }
        if let Some(name) = &cause {
            all.push((format!("--cause {name}"), Self { cause, ..none() }));
        }
        if since.is_some() {
            all.push(("--since".to_owned(), Self { since, ..none() }));
        }
        all
    }

    pub(super) fn wants(&self, incident: &Incident, now: Option<Micros>) -> bool {
        let is_namespace = self.namespace.as_ref().is_none_or(|wanted| {
            incident.pods.iter().any(|pod| pod.namespace.as_ref() == Some(wanted))
        });
        let is_step = self.step.as_ref().is_none_or(|wanted| {
            incident.step.as_ref().is_some_and(|step| step.eq_ignore_ascii_case(wanted))
        });
        let is_cause = self
            .cause
            .as_ref()
            .is_none_or(|wanted| incident.cause.id == *wanted || incident.cause.class == *wanted);
        let is_since = match (self.since, incident.last_seen, now) {
            (Some(since), Some(last), Some(now)) => last >= now.saturating_sub(since),
            _ => true,
        };
        is_namespace && is_step && is_cause && is_since
    }
}

/// What is there to explain.
#[derive(Debug, Default)]
struct Given {
    inputs: Vec<NamedInput>,
    bundles: Vec<bundled::Bundle>,
    /// What is wrong with the others, one sentence each.
    unread: Vec<String>,
}

/// The inputs that can be opened, and what is wrong with the others.
fn opened(files: &[PathBuf]) -> Given {
    let standard_input = [PathBuf::from("-")];
    let files = if files.is_empty() { &standard_input[..] } else { files };
    let mut given = Given::default();
    for file in files {
        let opened = if file == Path::new("-") {
            invite();
            bundled::open(NamedInput { name: None, bytes: Box::new(io::stdin()), written: None })
        } else {
            open(file)
        };
        match opened {
            Ok(bundled::Opened::Paste(input)) => given.inputs.push(input),
            Ok(bundled::Opened::Bundle(bundle, inputs)) => {
                given.bundles.push(*bundle);
                given.inputs.extend(inputs);
            }
            Err(error) => {
                let path = Some(file.display().to_string()).filter(|path| path != "-");
                let file = path.as_deref().unwrap_or("FILE");
                let why = crate::source::paste::complaint(&error, file, "explain");
                let name = path.as_deref().unwrap_or("standard input");
                given.unread.push(format!("cannot read {name}: {why}"));
            }
        }
    }
    given
}

fn open(path: &Path) -> io::Result<bundled::Opened> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        let no_bundle = || io::Error::other("it is a folder; pod logs go behind --pod-logs");
        return bundled::folder(path)?.ok_or_else(no_bundle);
    }
    let since = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).ok();
    let written = metadata.modified().ok().filter(|_| metadata.is_file()).and_then(since);
    let written = written.and_then(|since| Micros::try_from(since.as_micros()).ok());
    let name = Some(path.display().to_string());
    bundled::open(NamedInput { name, bytes: Box::new(file), written })
}

/// Somebody sits before an empty terminal.
#[expect(clippy::print_stderr, reason = "speaks to who types, not to who reads the answer")]
fn invite() {
    if io::stdin().is_terminal() {
        eprintln!(
            "Paste what you have: kubelet or containerd log lines, `kubectl describe pod`, Events, a \
             pod as YAML, or one error message. End with Ctrl-D."
        );
    }
}

/// Says what was read and what would help.
#[expect(clippy::print_stderr, reason = "design 5.3: the object goes to standard error")]
fn nothing(explained: &Explained, form: Form) {
    let lines = explained.lines;
    let judged = explained.judged();
    let hint = if lines == 0 {
        "the input is empty".to_owned()
    } else if judged > 0 && explained.messages == 0 {
        let manifests = if judged == 1 { "manifest" } else { "manifests" };
        format!("nothing in {judged} {manifests} is known to fail or to hurt")
    } else if explained.messages == 0 && explained.facts > 0 {
        format!(
            "{} objects were understood, and nothing fails in them; Events and the node's log say \
             more: kubectl describe pod NAME, kubectl get events -A",
            explained.facts
        )
    } else if explained.messages > 0 {
        format!(
            "{} messages and {} objects were understood, and nothing fails in them; try a longer \
             time: journalctl -u kubelet -u containerd --since -2h | podwhy explain",
            explained.messages, explained.facts
        )
    } else {
        "nothing of it is known here; what helps: journalctl -u kubelet -u containerd, kubectl \
         describe pod NAME, kubectl get events, kubectl get pod NAME -o yaml"
            .to_owned()
    };
    match form {
        Form::Json => {
            let hint = serde_json::Value::from(hint);
            eprintln!("{{\"kind\":\"nothing\",\"lines\":{lines},\"hint\":{hint}}}");
        }
        // The page says it.
        Form::Text if judged > 0 => {}
        Form::Text => complain(&format_args!("nothing to explain in {lines} lines: {hint}")),
    }
}

#[cfg(test)]
mod tests;
