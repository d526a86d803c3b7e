//! The JSON of `podwhy parse`. Names and order of the fields are a contract (design 5.2).

use podwhy_parser::{Component, Facts, Format, Frame, Kind, Severity, SyncFailure, Text};

use crate::export::terminal::escaped;
use crate::observation::time::Resolved;
use crate::redact;
use crate::source::join::Joined;
use crate::source::{Line, Micros};

/// Appends the lines of one message; tells how many failures it has.
pub(super) fn message(
    joined: &Joined<'_>,
    time: &Resolved,
    file: Option<&str>,
    out: &mut Vec<u8>,
) -> u64 {
    let message = &joined.message;
    let facts = message.facts();
    let envelope = Envelope::of(joined, time);
    if message.kind() != Kind::SyncFailure {
        append(out, &other(joined, &facts, &envelope, file));
        return 0;
    }
    let mut count = 0;
    for failure in message.failures() {
        append(out, &sync_failure(joined, &facts, &failure, &envelope, file));
        count += 1;
    }
    if count == 0 {
        // It failed, and that is all it says (G43).
        let message = facts.error.unwrap_or(message.text);
        append(out, &Failure { message: plain(message), ..bare(joined, &facts, &envelope, file) });
        count = 1;
    }
    count
}

fn append(out: &mut Vec<u8>, object: &impl serde::Serialize) {
    // Writing strings and numbers into memory cannot fail.
    if let Ok(line) = serde_json::to_string(object) {
        out.extend_from_slice(escaped(&line).as_bytes());
        out.push(b'\n');
    }
}

/// When and where it was written.
struct Envelope<'a> {
    time: Option<String>,
    local_time: Option<String>,
    severity: Option<&'static str>,
    source: Source<'a>,
}

#[derive(Clone, Copy, serde::Serialize)]
struct Source<'a> {
    component: &'static str,
    file: Option<&'a str>,
    line: Option<u32>,
}

#[derive(serde::Serialize)]
struct Failure<'a> {
    kind: &'static str,
    line: u64,
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_time: Option<&'a str>,
    severity: Option<&'static str>,
    source: Source<'a>,
    form: &'static str,
    step: Option<String>,
    reason: Option<String>,
    target: Option<String>,
    index: u16,
    of: u16,
    pod: Pod,
    container: Option<String>,
    message: String,
    truncated: bool,
    exit_code: Option<i32>,
    backoff_seconds: Option<f64>,
    image: Option<String>,
    sandbox_id: Option<String>,
    container_id: Option<String>,
    file: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct Other<'a> {
    kind: &'static str,
    line: u64,
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_time: Option<&'a str>,
    severity: Option<&'static str>,
    source: SourceWithProcess<'a>,
    pod: Pod,
    container: Option<String>,
    message: String,
    error: Option<String>,
    truncated: bool,
    exit_code: Option<i32>,
    backoff_seconds: Option<f64>,
    image: Option<String>,
    sandbox_id: Option<String>,
    container_id: Option<String>,
    file: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct SourceWithProcess<'a> {
    #[serde(flatten)]
    source: Source<'a>,
    pid: Option<u32>,
}

#[derive(serde::Serialize)]
struct Pod {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

fn sync_failure<'a>(
    joined: &Joined<'a>,
    facts: &Facts<'_>,
    failure: &SyncFailure<'_>,
    envelope: &'a Envelope<'a>,
    file: Option<&'a str>,
) -> Failure<'a> {
    // What the line says holds for each of its failures only where there is but one.
    let own = failure.facts();
    let shared = if failure.of == 1 { *facts } else { Facts::default() };
    Failure {
        step: filled(Some(failure.step)),
        reason: filled(failure.reason),
        target: failure.target.map(plain),
        index: failure.index,
        of: failure.of,
        container: filled(own.container.or(shared.container)),
        message: plain(failure.message),
        truncated: failure.truncated || joined.message.truncated,
        exit_code: own.exit_code.or(shared.exit_code),
        backoff_seconds: own.backoff_seconds.or(shared.backoff_seconds),
        image: filled(own.image.or(shared.image)),
        sandbox_id: filled(own.sandbox_id.or(shared.sandbox_id)),
        container_id: filled(own.container_id.or(shared.container_id)),
        ..bare(joined, facts, envelope, file)
    }
}

/// A failure of which nothing but its line is known.
fn bare<'a>(
    joined: &Joined<'a>,
    facts: &Facts<'_>,
    envelope: &'a Envelope<'a>,
    file: Option<&'a str>,
) -> Failure<'a> {
    Failure {
        kind: word(Kind::SyncFailure),
        line: joined.line.number,
        time: envelope.time.as_deref(),
        local_time: envelope.local_time.as_deref(),
        severity: envelope.severity,
        source: envelope.source,
        form: form(&joined.message.frame),
        step: None,
        reason: None,
        target: None,
        index: 0,
        of: 1,
        pod: pod(facts),
        container: None,
        message: String::new(),
        truncated: joined.message.truncated,
        exit_code: None,
        backoff_seconds: None,
        image: None,
        sandbox_id: None,
        container_id: None,
        file,
    }
}

fn other<'a>(
    joined: &Joined<'a>,
    facts: &Facts<'_>,
    envelope: &'a Envelope<'a>,
    file: Option<&'a str>,
) -> Other<'a> {
    let message = &joined.message;
    Other {
        kind: word(message.kind()),
        line: joined.line.number,
        time: envelope.time.as_deref(),
        local_time: envelope.local_time.as_deref(),
        severity: envelope.severity,
        source: SourceWithProcess {
            source: envelope.source,
            pid: message.frame.pid.or(joined.line.pid),
        },
        pod: pod(facts),
        container: filled(facts.container),
        message: plain(message.text),
        error: filled(facts.error),
        truncated: message.truncated,
        exit_code: facts.exit_code,
        backoff_seconds: facts.backoff_seconds,
        image: filled(facts.image),
        sandbox_id: filled(facts.sandbox_id),
        container_id: filled(facts.container_id),
        file,
    }
}

fn pod(facts: &Facts<'_>) -> Pod {
    Pod {
        namespace: filled(facts.pod.namespace),
        name: filled(facts.pod.name),
        uid: filled(facts.pod.uid),
    }
}

impl<'a> Envelope<'a> {
    fn of(joined: &Joined<'a>, time: &Resolved) -> Self {
        let frame = &joined.message.frame;
        let (time, local_time) = times(frame, &joined.line, time);
        let source =
            Source { component: component(frame.component), file: frame.file, line: frame.line };
        Self { time, local_time, severity: frame.severity.map(severity), source }
    }
}

/// UTC where year and zone are known, else as it is written, else nothing.
fn times(frame: &Frame<'_>, line: &Line<'_>, time: &Resolved) -> (Option<String>, Option<String>) {
    if time.dated {
        return (utc(time.at), None);
    }
    if frame.stamp.is_some() {
        return (None, Some(time.written.clone()));
    }
    // Only a prefix tells the identifier by which the origin is known, and it has a time.
    let has_prefix = line.origin != podwhy_parser::Origin::Any || line.pid.is_some();
    let written = utc(line.at).filter(|_| has_prefix);
    // Its year is a guess, and so is its zone.
    let local = written.and_then(|utc| Some(utc.get(5..)?.strip_suffix('Z')?.to_owned()));
    (None, local)
}

fn utc(at: Micros) -> Option<String> {
    Some(format!("{:.6}", jiff::Timestamp::from_microsecond(at).ok()?))
}

/// The closed list of kinds; `Args` documents it.
const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::SyncFailure => "sync_failure",
        Kind::Related => "related",
        Kind::Node => "node",
        Kind::Progress => "progress",
        Kind::Kill => "kill",
        Kind::Probe => "probe",
        Kind::Loss => "loss",
        Kind::Line => "line",
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Trace => "trace",
        Severity::Debug => "debug",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

const fn component(component: Component) -> &'static str {
    match component {
        Component::Kubelet => "kubelet",
        Component::Containerd => "containerd",
        Component::Crio => "crio",
        Component::Docker => "docker",
        Component::Kernel => "kernel",
        Component::Journald => "journald",
        Component::Systemd => "systemd",
        Component::PodLog => "pod_log",
        Component::Other => "other",
    }
}

const fn form(frame: &Frame<'_>) -> &'static str {
    match (frame.format, frame.component) {
        (Format::KlogStructured, _) => "structured",
        (Format::KlogJson, _) => "json",
        (Format::Logrus, Component::Crio) => "crio",
        (Format::Logrus, _) => "containerd",
        (Format::KlogPrintf | Format::Embedded | Format::Bare | Format::Cri, _) => "legacy",
    }
}

fn filled(text: Option<Text<'_>>) -> Option<String> {
    text.map(plain).filter(|text| !text.is_empty())
}

fn plain(text: Text<'_>) -> String {
    let mut plain = String::new();
    // A string takes everything.
    let _ = text.write_to(&mut plain);
    match redact::scrub(&plain, &mut redact::Counts::default()) {
        std::borrow::Cow::Owned(scrubbed) => scrubbed,
        std::borrow::Cow::Borrowed(_) => plain,
    }
}
