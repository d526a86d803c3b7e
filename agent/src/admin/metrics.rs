//! The metrics as OpenMetrics text: one place that names them all (docs/metrics.md is the same list,
//! held equal by a test). Owns names, help texts and labels. Does not: count.

mod node;

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::figures::{DURATIONS, Figures, Present, SEVERITIES, SOURCES};
use super::process::Process;
use crate::{node::View, redact, source::Micros};

/// OpenMetrics 1.0.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that one scrape tells.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// Counted by the core.
    pub figures: Figures,
    /// Incidents that are not over.
    pub present: Vec<Present>,
    /// Steps, and whose error lines, that have or had a spike: how unlikely it is, if there is one.
    pub spikes: BTreeMap<&'static str, Option<f64>>,
    /// Those that told something.
    pub observations: u64,
    /// What was redacted.
    pub redacted: redact::Counts,
    /// Time of the last position that is durable, by source.
    pub positions: Vec<(String, Micros)>,
    /// The node.
    pub view: Option<View>,
    /// What waits, by destination.
    pub queues: Vec<Queue>,
    /// Size of the state file.
    pub state_file_bytes: u64,
    /// Whether what is concluded becomes durable.
    pub is_durable: bool,
    /// How delivery goes, by destination.
    pub destinations: Vec<Destination>,
    /// How journals are read, by source.
    pub journals: Vec<Journal>,
}

/// What waits for one destination.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// `logs` or `traces`.
    pub signal: &'static str,
    /// Records or spans.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Time of the oldest.
    pub oldest: Option<Micros>,
}

/// How delivery to one destination goes.
#[derive(Clone, Debug, Default)]
pub struct Destination {
    /// As configured.
    pub name: String,
    /// Batches by result.
    pub batches: Vec<(&'static str, u64)>,
    /// Records that it has.
    pub delivered: u64,
    /// Records that it refused for good.
    pub refused: u64,
    /// When a batch was last taken.
    pub last_success: Option<Micros>,
    /// Nothing is sent until something changes.
    pub is_paused: bool,
}

/// How one journal is read.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Its source.
    pub source: String,
    /// Entries that claimed to be ours and were not believed.
    pub untrusted: u64,
    /// Entries that could not be decoded.
    pub unreadable: u64,
    /// Times that the reader was started anew.
    pub restarts: u64,
    /// Time of the last entry that was read.
    pub last: Option<Micros>,
}

/// The text of a scrape; `node` is a label of every series.
///
/// # Errors
/// Never: text is written into memory.
pub fn render(node: &str, scrape: Scrape) -> Result<String, fmt::Error> {
    let labels = vec![("node".into(), node.to_owned().into())];
    let mut registry = Registry::with_labels(labels.into_iter());
    registry.register_collector(Box::new(Told { scrape, process: Process::own() }));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Told {
    scrape: Scrape,
    process: Process,
}

impl Collector for Told {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut out = Out { encoder };
        let scrape = &self.scrape;
        failures(&mut out, scrape)?;
        incidents(&mut out, scrape)?;
        spikes(&mut out, &scrape.spikes)?;
        reading(&mut out, scrape)?;
        node::gauges(&mut out, scrape.view.as_ref())?;
        delivery(&mut out, scrape)?;
        own(&mut out, scrape, &self.process)
    }
}

/// Killers that rules name (deploy/helm/podwhy/files/rules).
const KILLERS_IN_RULES: [&str; 3] = ["container_limit", "pod_limit", "node_oom"];

/// Labels of one series.
type Labels<'l> = Vec<(&'static str, &'l str)>;

struct Out<'e> {
    encoder: DescriptorEncoder<'e>,
}

impl Out<'_> {
    fn counter<'l>(
        &mut self,
        (name, help): (&str, &str),
        series: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        series.into_iter().try_for_each(|(labels, value)| {
            ConstCounter::new(value).encode(family.encode_family(&labels)?)
        })
    }

    fn gauge<'l>(
        &mut self,
        (name, help): (&str, &str),
        series: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        series.into_iter().try_for_each(|(labels, value)| {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)
        })
    }
}

fn failures(out: &mut Out<'_>, scrape: &Scrape) -> fmt::Result {
    let figures = &scrape.figures;
    out.counter(
        ("podwhy_sync_failures", "Failed attempts to bring a pod further, repeats included"),
        figures
            .failures
            .iter()
            .map(|((step, reason), count)| (vec![("step", *step), ("reason", *reason)], *count)),
    )?;
    let failed = |step: &str, reasons: &[&str]| -> u64 {
        let of = figures.failures.iter().filter(|((own, reason), _)| {
            *own == step && (reasons.is_empty() || reasons.contains(reason))
        });
        of.map(|(_, count)| *count).sum()
    };
    let succeeded = |step: &str| figures.successes.get(step).copied().unwrap_or(0);
    let pulls = ["ErrImagePull", "ImagePullBackOff"];
    let attempts = [
        ("CreatePodSandbox", succeeded("CreatePodSandbox"), failed("CreatePodSandbox", &[])),
        ("MountVolume", succeeded("MountVolume"), failed("MountVolume", &[])),
        ("PullImage", succeeded("PullImage"), failed("StartContainer", &pulls)),
        (
            "StartContainer",
            succeeded("StartContainer"),
            failed("StartContainer", &[]) - failed("StartContainer", &pulls),
        ),
    ];
    out.counter(
        ("podwhy_attempts", "Attempts of sandboxes, volumes, pulls and starts that the lines tell"),
        attempts.into_iter().flat_map(|(step, ok, failed)| {
            [("ok", ok), ("failed", failed)]
                .map(|(result, count)| (vec![("step", step), ("result", result)], count))
        }),
    )?;
    out.counter(
        ("podwhy_container_restarts", "Containers that were created again"),
        [(vec![], figures.restarts)],
    )?;
    // What rules ask for is there from the beginning: its first one is to be seen, too.
    let mut kills: BTreeMap<&str, u64> = KILLERS_IN_RULES.map(|killer| (killer, 0)).into();
    kills.extend(figures.kills.iter().map(|(killer, count)| (*killer, *count)));
    out.counter(
        ("podwhy_kills", "Containers that were killed, by who did it"),
        kills.iter().map(|(killer, count)| (vec![("killer", *killer)], *count)),
    )
}

fn incidents(out: &mut Out<'_>, scrape: &Scrape) -> fmt::Result {
    let (figures, present) = (&scrape.figures, &scrape.present);
    let counted = |key: &dyn Fn(&Present) -> (&'static str, &'static str)| {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        present.iter().for_each(|it| *counts.entry(key(it)).or_default() += 1);
        counts
    };
    let by_class = counted(&|it| (it.class, it.scope));
    // What was opened once is told as none, so that its end is seen.
    let zeros =
        figures.opened.keys().filter(|key| !by_class.contains_key(*key)).map(|key| (key, &0));
    out.gauge(
        ("podwhy_incidents_open", "Incidents that are not over, by class of cause and scope"),
        by_class.iter().chain(zeros).map(|((class, scope), count)| {
            (vec![("class", *class), ("scope", *scope)], float(*count))
        }),
    )?;
    let by_cause = counted(&|it| (it.cause, it.scope));
    out.gauge(
        (
            "podwhy_incident_open",
            "Incidents that are not over, by cause; absent while there is none",
        ),
        by_cause.iter().map(|((cause, scope), count)| {
            (vec![("cause", *cause), ("scope", *scope)], float(*count))
        }),
    )?;
    let mut pods: BTreeMap<&str, u64> = BTreeMap::new();
    for it in present.iter().filter(|it| !it.is_member) {
        *pods.entry(it.step).or_default() += it.pods;
    }
    for (step, _) in figures.failures.keys() {
        pods.entry(step).or_default();
    }
    out.gauge(
        ("podwhy_pods_failing", "Pods of incidents that are not over, by the step that fails"),
        pods.iter().map(|(step, count)| (vec![("step", *step)], float(*count))),
    )?;
    out.counter(
        ("podwhy_incidents_opened", "Incidents that were opened"),
        figures
            .opened
            .iter()
            .map(|((class, scope), count)| (vec![("class", *class), ("scope", *scope)], *count)),
    )?;
    out.counter(
        ("podwhy_incidents_ended", "Incidents that ended, and how"),
        figures.ended.iter().map(|((class, scope, outcome), count)| {
            (vec![("class", *class), ("scope", *scope), ("outcome", *outcome)], *count)
        }),
    )?;
    durations(out, figures)
}

fn spikes(out: &mut Out<'_>, spikes: &BTreeMap<&'static str, Option<f64>>) -> fmt::Result {
    let of = |step: &'static str| vec![("step", step)];
    out.gauge(
        (
            "podwhy_spike_active",
            "1 while a step, or who writes lines, has far more errors than usual",
        ),
        spikes.iter().map(|(step, score)| (of(step), switch(score.is_some()))),
    )?;
    out.gauge(
        ("podwhy_spike_score", "How unlikely the spike is, as -log10; absent while there is none"),
        spikes.iter().filter_map(|(step, score)| Some((of(step), (*score)?))),
    )
}

fn durations(out: &mut Out<'_>, figures: &Figures) -> fmt::Result {
    let (name, help) =
        ("podwhy_incident_duration_seconds", "How long incidents lasted that are over");
    let mut family = out.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (scope, (counts, sum)) in &figures.durations {
        let bounds = DURATIONS.into_iter().chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
        let labels = [("scope", *scope)];
        let mut histogram = family.encode_family(&labels)?;
        histogram.encode_histogram::<[(&str, &str); 0]>(
            *sum,
            counts.iter().sum(),
            &buckets,
            None,
        )?;
    }
    Ok(())
}

fn reading(out: &mut Out<'_>, scrape: &Scrape) -> fmt::Result {
    let figures = &scrape.figures;
    let lines = figures.lines.iter().zip(SOURCES).flat_map(|(levels, source)| {
        // What rules ask for is there from the beginning.
        let is_wanted =
            move |severity: &str| matches!((source, severity), ("kubelet", "info" | "error"));
        levels
            .iter()
            .zip(SEVERITIES)
            .filter(move |(count, severity)| **count > 0 || is_wanted(severity))
            .map(move |(count, severity)| {
                (vec![("source", source), ("severity", severity)], *count)
            })
    });
    out.counter(("podwhy_lines_read", "Lines that were understood, by who wrote them"), lines)?;
    let last = figures.last_line.iter().zip(SOURCES).filter(|(at, _)| **at > 0);
    out.gauge(
        ("podwhy_last_line_timestamp_seconds", "Time of the newest line"),
        last.map(|(at, source)| (vec![("source", source)], seconds(*at))),
    )?;
    out.gauge(
        ("podwhy_position_timestamp_seconds", "Up to when a source is read for good"),
        scrape
            .positions
            .iter()
            .map(|(source, at)| (vec![("source", source.as_str())], seconds(*at))),
    )?;
    let losses = || {
        figures
            .losses
            .iter()
            .map(|((source, why), counts)| (vec![("source", *source), ("why", *why)], *counts))
    };
    out.counter(
        ("podwhy_losses", "Losses that were told, each with a record"),
        losses().map(|(labels, (times, _))| (labels, times)),
    )?;
    out.counter(
        ("podwhy_lines_lost", "Lines and records that are known to be missing"),
        losses().map(|(labels, (_, lines))| (labels, lines)),
    )?;
    out.counter(
        ("podwhy_journal_entries_skipped", "Entries that were not used, and why"),
        scrape.journals.iter().flat_map(|it| {
            [("untrusted", it.untrusted), ("unreadable", it.unreadable)]
                .map(|(why, count)| (vec![("source", it.source.as_str()), ("why", why)], count))
        }),
    )?;
    out.counter(
        ("podwhy_journal_reader_restarts", "Times that the process which reads a journal ended"),
        scrape.journals.iter().map(|it| (vec![("source", it.source.as_str())], it.restarts)),
    )?;
    out.counter(
        ("podwhy_observations", "Lines that told something of a pod or the node"),
        [(vec![], scrape.observations)],
    )?;
    let found = redact::Rule::ALL.iter().map(|rule| (rule, scrape.redacted.of(*rule)));
    out.counter(
        ("podwhy_redactions", "Secrets that were taken out of texts"),
        found
            .filter(|(_, count)| *count > 0)
            .map(|(rule, count)| (vec![("rule", rule.label())], u64::from(count))),
    )
}

fn delivery(out: &mut Out<'_>, scrape: &Scrape) -> fmt::Result {
    let of = |it: &'static str| vec![("signal", it)];
    let queues = &scrape.queues;
    out.gauge(
        ("podwhy_export_queue_records", "Records that are not delivered yet"),
        queues.iter().map(|it| (of(it.signal), float(it.records))),
    )?;
    out.gauge(
        ("podwhy_export_queue_bytes", "Their size"),
        queues.iter().map(|it| (of(it.signal), float(it.bytes))),
    )?;
    out.gauge(
        (
            "podwhy_export_queue_oldest_timestamp_seconds",
            "Time of the oldest; absent while none waits",
        ),
        queues.iter().filter_map(|it| Some((of(it.signal), seconds(it.oldest?)))),
    )?;
    let destinations = &scrape.destinations;
    let mut batches = Vec::new();
    let mut records = Vec::new();
    for it in destinations {
        for (result, count) in &it.batches {
            batches.push((vec![("destination", it.name.as_str()), ("result", *result)], *count));
        }
        for (result, count) in [("sent", it.delivered), ("rejected", it.refused)] {
            records.push((vec![("destination", it.name.as_str()), ("result", result)], count));
        }
    }
    out.counter(("podwhy_export_batches", "Batches, and how they ended"), batches)?;
    out.counter(("podwhy_export_records", "Records that a destination took or refused"), records)?;
    out.gauge(
        ("podwhy_export_last_success_timestamp_seconds", "When a destination last took a batch"),
        destinations.iter().filter_map(|it| {
            Some((vec![("destination", it.name.as_str())], seconds(it.last_success?)))
        }),
    )?;
    out.gauge(
        ("podwhy_export_paused", "1 while nothing is sent because of settings or credentials"),
        destinations
            .iter()
            .map(|it| (vec![("destination", it.name.as_str())], switch(it.is_paused))),
    )
}

fn own(out: &mut Out<'_>, scrape: &Scrape, process: &Process) -> fmt::Result {
    out.gauge(
        ("podwhy_state_durable", "1 while what is concluded is written to the state folder"),
        [(vec![], switch(scrape.is_durable))],
    )?;
    out.gauge(
        ("podwhy_state_file_bytes", "Size of the state file"),
        [(vec![], float(scrape.state_file_bytes))],
    )?;
    out.gauge(
        ("podwhy_build_info", "1; the release as a label"),
        [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    )?;
    let each: [(&str, &str, Option<f64>); 5] = [
        ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
        ("process_virtual_memory_bytes", "Virtual memory", process.virtual_bytes),
        ("process_open_fds", "Open file descriptors", process.open_files),
        ("process_max_fds", "How many may be open", process.files_max),
        ("process_start_time_seconds", "When the process began", process.started_seconds),
    ];
    for (name, help, value) in each {
        out.gauge((name, help), value.map(|value| (vec![], value)))?;
    }
    let (name, help) =
        ("process_cpu_seconds", "Time on a processor, that of children that ended included");
    let mut family = out.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    match process.cpu_seconds {
        Some(seconds) => ConstCounter::new(seconds).encode(family.encode_family(&Labels::new())?),
        None => Ok(()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 microseconds")]
const fn seconds(at: Micros) -> f64 {
    at as f64 / 1e6
}

const fn switch(is_on: bool) -> f64 {
    if is_on { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests;
