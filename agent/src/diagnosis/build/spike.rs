//! A spike as a record: what jumped, how far above the usual, which pods, reasons and causes.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    incident::{confidence, list},
    one_line,
};
use crate::{
    diagnosis::{
        identity,
        incident::hex,
        spike::{Active, Measure, WINDOW_SECONDS},
    },
    incident::Cause,
    limits,
    observation::time::utc,
    record::{EventName, Record, Severity, Worth, attributes::Attributes, names},
    source::Micros,
};

/// One spike at its beginning or end.
#[derive(Debug)]
pub(in crate::diagnosis) struct Spike<'a> {
    /// The step, or who writes the lines.
    pub(in crate::diagnosis) step: Option<&'a str>,
    pub(in crate::diagnosis) writer: Option<&'a str>,
    pub(in crate::diagnosis) measure: Measure,
    pub(in crate::diagnosis) active: &'a Active,
    pub(in crate::diagnosis) time: Micros,
    pub(in crate::diagnosis) is_over: bool,
    /// Its pods with the newest reason of each, newest failure first.
    pub(in crate::diagnosis) pods: Vec<(&'a str, &'a str)>,
    /// What they come from, most pods first.
    pub(in crate::diagnosis) causes: Vec<SpikeCause<'a>>,
}

/// An incident behind a spike.
#[derive(Debug)]
pub(in crate::diagnosis) struct SpikeCause<'a> {
    pub(in crate::diagnosis) incident: [u8; 16],
    pub(in crate::diagnosis) cause: &'a Cause,
    pub(in crate::diagnosis) pods: u64,
}

/// The record.
pub(in crate::diagnosis) fn spike(node: &str, told: &Spike<'_>) -> Record {
    let active = told.active;
    let since = utc(active.at);
    let name = told
        .step
        .map_or_else(|| format!("{}_lines", told.writer.unwrap_or_default()), str::to_owned);
    let state = if told.is_over { "end" } else { "start" };
    let mut out = Attributes::default();
    out.bool(names::SPIKE_ACTIVE, Some(!told.is_over));
    out.text(names::SYNC_STEP, told.step);
    out.text(names::SOURCE_COMPONENT, told.writer);
    out.text(names::SPIKE_MEASURE, Some(measure(told.measure)));
    #[expect(clippy::cast_precision_loss, reason = "a count of some minutes")]
    out.double(names::SPIKE_OBSERVED, Some(active.observed as f64));
    out.double(names::SPIKE_EXPECTED, Some(rounded(active.expected)));
    out.double(names::SPIKE_SCORE, Some(rounded(active.score)));
    out.int(names::SPIKE_WINDOW_SECONDS, Some(WINDOW_SECONDS));
    out.text(names::SPIKE_SINCE, Some(&since));
    if told.step.is_some() {
        out.int(names::SPIKE_POD_COUNT, Some(told.pods.len()));
        out.double(names::SPIKE_NAMESPACE_SHARE, namespace(&told.pods).map(|(_, share)| share));
    }
    if let Some(first) = told.causes.first() {
        out.text(names::INCIDENT_ID, Some(&hex(first.incident)));
        out.text(names::CAUSE_ID, Some(&first.cause.id));
        out.text(names::CAUSE_CLASS, Some(&first.cause.class));
        out.text(names::CAUSE_TITLE, Some(&first.cause.title));
        out.text(names::CAUSE_CONFIDENCE, Some(confidence(first.cause.confidence)));
    }
    list_attributes(told, &mut out);
    Record {
        event: EventName::Spike,
        uid: identity::spike(node, &name, &since, state),
        time: told.time,
        severity: if told.is_over { Severity::Info } else { Severity::Error },
        body: one_line(&sentence(told)),
        attributes: out.finish(),
        worth: Worth::Incident,
    }
}

fn list_attributes(told: &Spike<'_>, out: &mut Attributes) {
    let reasons: Vec<_> = reasons(&told.pods)
        .into_iter()
        .map(|(reason, pods)| serde_json::json!({"reason": reason, "pods": pods}))
        .collect();
    out.text(names::SPIKE_REASONS, list(&reasons).as_deref());
    let causes: Vec<_> = told
        .causes
        .iter()
        .map(|it| {
            serde_json::json!({
                "cause": it.cause.id, "title": it.cause.title, "pods": it.pods,
                "incident": hex(it.incident),
            })
        })
        .collect();
    out.text(names::SPIKE_CAUSES, list(&causes).as_deref());
    let pods: Vec<_> = told.pods.iter().take(limits::SPIKE_SHOWN).map(|(name, _)| *name).collect();
    out.text(names::SPIKE_PODS, list(&pods).as_deref());
    out.text(names::SPIKE_SAMPLE, told.active.sample.as_deref());
}

/// Reasons by how many pods have them, most first.
fn reasons<'a>(pods: &[(&'a str, &'a str)]) -> Vec<(&'a str, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, reason) in pods.iter().filter(|(_, reason)| !reason.is_empty()) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    counts.truncate(limits::SPIKE_SHOWN);
    counts
}

/// The namespace with most of the pods, and its share of them: one tenant can make a spike.
fn namespace<'a>(pods: &[(&'a str, &'a str)]) -> Option<(&'a str, f64)> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, _) in pods {
        *counts.entry(name.split_once('/').map_or("", |(space, _)| space)).or_default() += 1;
    }
    let all: u32 = counts.values().sum();
    let (name, most) = counts.into_iter().max_by_key(|(name, count)| (*count, *name))?;
    Some((name, rounded(f64::from(most) / f64::from(all))))
}

/// `6 pods began to fail at CreatePodSandbox within 5 minutes, where 0.01 is usual on this node; …`
fn sentence(told: &Spike<'_>) -> String {
    let active = told.active;
    let (observed, minutes) = (active.observed, WINDOW_SECONDS / 60);
    let step = told.step.unwrap_or_default();
    let what = match told.measure {
        Measure::Pods if observed == 1 => format!("1 pod began to fail at {step}"),
        Measure::Pods => format!("{observed} pods began to fail at {step}"),
        Measure::Attempts => format!("{step} failed {observed} times"),
        Measure::Lines => {
            format!("{} wrote {observed} error lines", told.writer.unwrap_or_default())
        }
    };
    let mut body = format!(
        "{what} within {minutes} minutes, where {} {} usual on this node",
        rounded(active.expected),
        if active.expected > 1.0 { "are" } else { "is" },
    );
    if told.is_over {
        let lasted = told.time.saturating_sub(active.at) / 60_000_000;
        let _ = write!(body, "; over after {lasted} minutes");
        if told.step.is_some() && !told.pods.is_empty() {
            let _ = write!(body, ", {} of its pods still fail", told.pods.len());
        }
    }
    if let Some((name, share)) = namespace(&told.pods).filter(|(name, _)| !name.is_empty()) {
        if share >= 1.0 && told.pods.len() > 1 {
            let _ = write!(body, "; all of them in namespace {name}");
        } else if share >= 0.5 && told.pods.len() > 1 {
            let _ = write!(body, "; most of them in namespace {name}");
        }
    }
    if let Some(first) = told.causes.first() {
        let _ = write!(body, ". Behind it: {} ({})", first.cause.title, first.cause.id);
    } else if let Some((reason, _)) = reasons(&told.pods).first() {
        let _ = write!(body, ". Most often: {reason}");
    }
    if let Some(sample) = active.sample.as_deref().filter(|_| !told.is_over) {
        let _ = write!(body, ". The newest line: {sample}");
    }
    body
}

const fn measure(measure: Measure) -> &'static str {
    match measure {
        Measure::Pods => "pods",
        Measure::Attempts => "attempts",
        Measure::Lines => "lines",
    }
}

/// Three digits behind the point say enough.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
