//! From a borrowed message to an owned observation. A line that does not matter costs a look at its
//! kind and nothing else.

use podwhy_parser::{self as parser, Component, Facts, Format, Message, What};

use super::{
    Details, Failure, Form, Happening, Kind, Level, Observation, Pod, Writer, WriterComponent,
    text::Copier, time::Times,
};
use crate::{
    limits,
    source::{Line, Micros},
};

impl Observation {
    /// What `message`, read from `line`, tells the engine; `None` for the many lines that tell it
    /// nothing.
    #[must_use]
    pub fn from_message(message: &Message<'_>, line: &Line<'_>, times: &mut Times) -> Option<Self> {
        let happening = Happening::of(message.what);
        if message.kind() == parser::Kind::Line && happening.is_none() {
            return None;
        }
        let facts = message.facts();
        let happening = match message.what {
            What::NodeEvent => {
                let reason = facts.reason.and_then(|reason| Copier::default().word(reason));
                Happening::of_node_event(reason.as_deref().unwrap_or_default())
            }
            _ => happening,
        };
        let kind = kind_of(message, &facts, happening)?;
        let mut copier = Copier::default();
        let failures = failures(message, &mut copier);
        let time = times.resolve(message.frame.stamp, line);
        let received: Micros = line.at;
        let mut seen = Self {
            kind,
            at: time.at,
            written: time.written,
            dated: time.dated,
            received,
            writer: writer(message, line, &mut copier),
            form: form(message),
            pod: Pod {
                namespace: facts.pod.namespace.and_then(|text| copier.word(text)),
                name: facts.pod.name.and_then(|text| copier.word(text)),
                uid: facts.pod.uid.and_then(|text| copier.word(text)),
            },
            named_uid: None,
            container: facts.container.and_then(|text| copier.word(text)),
            details: details(&facts, &mut copier),
            failures,
            error: facts.error.map(|text| copier.prose(text)).filter(|text| !text.is_empty()),
            count: facts.count.or_else(|| grace_seconds(message)),
            about_unit: facts.unit.and_then(|text| copier.word(text)),
            happening,
            text: (kind == Kind::Node || happening.is_some())
                .then(|| copier.prose(message.text))
                .filter(|text| !text.is_empty()),
            reason: facts.reason.and_then(|text| copier.word(text)),
            detail: facts.detail.map(|text| copier.prose(text)).filter(|text| !text.is_empty()),
            pods: pods(message, &mut copier),
            attempt: facts.attempt,
            signal: facts.signal,
            truncated: message.truncated || line.cut,
            redacted: copier.redacted,
        };
        if message.what == What::NodeEvent && happening == Some(Happening::EvictionPressure) {
            let resource = seen.detail.as_deref().and_then(|text| text.rsplit(' ').next());
            seen.reason = resource.map(str::to_owned);
        }
        seen.named_uid.clone_from(&seen.pod.uid);
        seen.truncated |= copier.cut;
        Some(seen)
    }
}

/// `None`: nothing in it for the engine.
fn kind_of(message: &Message<'_>, facts: &Facts<'_>, happening: Option<Happening>) -> Option<Kind> {
    match message.kind() {
        parser::Kind::SyncFailure => Some(Kind::SyncFailure),
        parser::Kind::Related => Some(Kind::Related),
        parser::Kind::Node => Some(Kind::Node),
        parser::Kind::Loss => Some(Kind::Loss),
        _ if happening.is_some() || tells_identity(facts) => Some(Kind::Event),
        _ => None,
    }
}

/// An id with something that it belongs to, or how a container ended.
fn tells_identity(facts: &Facts<'_>) -> bool {
    let has_id = facts.container_id.is_some() || facts.sandbox_id.is_some();
    let has_pod = facts.pod.uid.is_some() || facts.pod.name.is_some();
    let pairs_ids = facts.container_id.is_some() && facts.sandbox_id.is_some();
    let pairs_names = facts.pod.uid.is_some() && facts.pod.name.is_some();
    (has_id && (has_pod || facts.exit_code.is_some())) || pairs_ids || pairs_names
}

/// The pods of a line that lists some.
fn pods(message: &Message<'_>, copier: &mut Copier) -> Vec<Pod> {
    message
        .pods()
        .take(limits::LISTED_PODS)
        .map(|pod| Pod {
            namespace: pod.namespace.and_then(|text| copier.word(text)),
            name: pod.name.and_then(|text| copier.word(text)),
            uid: pod.uid.and_then(|text| copier.word(text)),
        })
        .collect()
}

/// `gracePeriod=30` of the kubelet's order to stop a container
/// (pkg/kubelet/kuberuntime/kuberuntime_container.go).
fn grace_seconds(message: &Message<'_>) -> Option<u64> {
    if message.what != What::KillingContainer {
        return None;
    }
    let (_, value) = message.pairs().find(|(key, _)| *key == "gracePeriod")?;
    value.text().raw().parse().ok()
}

/// The failed steps of a line.
fn failures(message: &Message<'_>, copier: &mut Copier) -> Vec<Failure> {
    // The container is killed first, which takes up to its grace period; only then comes the line
    // that counts. This one never stands alone.
    if message.what == What::PostStartHookFailed {
        return Vec::new();
    }
    message
        .failures()
        .take(limits::FAILURES)
        .map(|failure| Failure {
            step: copier.word(failure.step).unwrap_or_default(),
            target: failure.target.and_then(|text| copier.word(text)),
            reason: failure.reason.and_then(|text| copier.word(text)),
            message: copier.prose(failure.message),
            index: failure.index,
            of: failure.of,
            truncated: failure.truncated,
        })
        .collect()
}

fn details(facts: &Facts<'_>, copier: &mut Copier) -> Details {
    Details {
        container_id: facts.container_id.and_then(|text| copier.word(text)),
        sandbox_id: facts.sandbox_id.and_then(|text| copier.word(text)),
        image: facts.image.and_then(|text| copier.word(text)),
        volume: facts.volume.and_then(|text| copier.word(text)),
        exit_code: facts.exit_code,
        backoff_seconds: facts.backoff_seconds,
        request: facts.request.and_then(|text| copier.word(text)),
    }
}

fn writer(message: &Message<'_>, line: &Line<'_>, copier: &mut Copier) -> Writer {
    let frame = &message.frame;
    let mut short = |text: &str| copier.word(parser::Text::plain(text));
    Writer {
        component: component(frame.component),
        unit: short(line.unit),
        severity: frame.severity.map(level),
        severity_text: frame.severity_text.and_then(&mut short),
        file: frame.file.and_then(&mut short),
        line: frame.line,
        pid: frame.pid.or(line.pid),
        number: line.number,
    }
}

fn component(component: Component) -> WriterComponent {
    match component {
        Component::Kubelet => WriterComponent::Kubelet,
        Component::Containerd => WriterComponent::Containerd,
        Component::Crio => WriterComponent::Crio,
        Component::Docker => WriterComponent::Docker,
        Component::Kernel => WriterComponent::Kernel,
        Component::Journald => WriterComponent::Journald,
        Component::Systemd => WriterComponent::Systemd,
        Component::PodLog => WriterComponent::PodLog,
        Component::Other => WriterComponent::Other,
    }
}

fn level(severity: parser::Severity) -> Level {
    match severity {
        parser::Severity::Trace | parser::Severity::Debug | parser::Severity::Info => Level::Info,
        parser::Severity::Warning => Level::Warn,
        parser::Severity::Error => Level::Error,
        parser::Severity::Fatal => Level::Fatal,
    }
}

fn form(message: &Message<'_>) -> Form {
    match (message.frame.format, message.frame.component) {
        (Format::KlogJson, _) => Form::Json,
        (Format::Logrus, Component::Crio) => Form::Crio,
        (Format::Logrus, _) => Form::Containerd,
        (Format::KlogPrintf | Format::Embedded | Format::Bare | Format::Cri, _) => Form::Legacy,
        (Format::KlogStructured, _) => Form::Structured,
    }
}
