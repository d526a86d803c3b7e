//! Incidents for people and for programs. Owns layout; every text in it is made harmless here once
//! more, whoever wrote it.

use std::fmt::Write as _;

use super::{Advice, Explained};
use crate::incident::{Confidence, Evidence, Incident, Scope, State};
use crate::limits::VALUE_BYTES;
use crate::source::{Micros, paste::tidy};

mod wrap;

use wrap::Page;

/// How it is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::command) struct Look {
    pub(super) colour: bool,
    /// Columns of the terminal, where there is one.
    pub(super) width: Option<usize>,
}

/// One object a line (design 5.3), advice behind the incidents.
pub(super) fn json(explained: &Explained, advice: &[Advice]) -> String {
    let mut out = String::new();
    let mut line = |object: serde_json::Result<String>| {
        let _ = writeln!(out, "{}", crate::export::terminal::escaped(&object.unwrap_or_default()));
    };
    for incident in &explained.incidents {
        if explained.is_dated {
            line(serde_json::to_string(incident));
        } else {
            line(serde_json::to_string(&undated(incident.clone())));
        }
    }
    advice.iter().for_each(|advice| line(serde_json::to_string(advice)));
    out
}

/// No time of the input says its year and zone: nothing may be stated in UTC.
fn undated(mut incident: Incident) -> Incident {
    (incident.first_seen, incident.last_seen) = (None, None);
    (incident.next_retry, incident.resolved_at) = (None, None);
    for evidence in &mut incident.evidence {
        evidence.at = None;
    }
    incident
}

/// One line, harmless.
pub(in crate::command) fn plain(text: &str) -> String {
    tidy(text, VALUE_BYTES).replace(['\n', '\t'], " ")
}

/// What a tired person needs, worst first.
pub(super) fn text(explained: &Explained, advice: &[Advice], look: Look) -> String {
    let mut page = Page::new(look);
    let mut incidents: Vec<&Incident> =
        explained.incidents.iter().filter(|incident| incident.parent.is_none()).collect();
    incidents.sort_by_key(|incident| (rank(incident), incident.first_seen));
    let clock = Clock { now: explained.end, is_dated: explained.is_dated };
    for incident in &incidents {
        one(&mut page, incident, clock);
    }
    for advice in advice {
        page.headline(("ADVICE", "36"), &plain(&about(advice)), &plain(&advice.text), "");
        page.field("do", &plain(&advice.what));
        if let Some(command) = &advice.command {
            page.command(&plain(command));
        }
        page.blank();
    }
    if !incidents.is_empty() {
        summary(&mut page, explained, &incidents, clock);
    } else if !explained.filtered.is_empty() {
        let told = |(option, count): &(String, usize)| format!("{} ({count})", plain(option));
        let options: Vec<String> = explained.filtered.iter().map(told).collect();
        page.line(&format!("nothing to show: incidents are left out by {}", options.join(", ")));
    } else if explained.failures > 0 {
        page.line(&format!(
            "nothing to show: {} failed {} in {} lines healed by itself or ended with its pod",
            explained.failures,
            if explained.failures == 1 { "attempt" } else { "attempts" },
            explained.lines
        ));
    } else if advice.is_empty() && explained.judged() > 0 {
        let count = explained.judged();
        let what = if count == 1 { "manifest" } else { "manifests" };
        page.line(&format!("no advice: nothing in {count} {what} is known to fail or to hurt"));
    }
    page.finish()
}

/// Incidents of a live agent, worst first.
pub(in crate::command) fn standing(incidents: &[&Incident], now: Micros, look: Look) -> String {
    let mut page = Page::new(look);
    let mut incidents = incidents.to_vec();
    incidents.sort_by_key(|incident| (rank(incident), incident.first_seen));
    for incident in incidents {
        one(&mut page, incident, Clock { now: Some(now), is_dated: true });
    }
    page.finish()
}

fn about(advice: &Advice) -> String {
    let mut text = advice.about.clone();
    if let Some(container) = &advice.container {
        let _ = write!(text, " container {container}");
    }
    if let Some(line) = advice.line {
        let _ = write!(text, " [line {line}]");
    }
    text
}

/// What is broken now comes before what was, the node before its pods.
const fn rank(incident: &Incident) -> (u8, u8) {
    let state = match incident.state {
        _ if incident.harmless => 3,
        State::Open | State::Flapping => 0,
        State::Recovering => 1,
        State::Stale => 2,
        State::Resolved | State::Superseded => 3,
    };
    let scope = match incident.scope {
        Scope::Node => 0,
        Scope::Workload => 1,
        Scope::Pod => 2,
    };
    (state, scope)
}

fn one(page: &mut Page, incident: &Incident, clock: Clock) {
    headline(page, incident, clock);
    let step = [incident.step.as_deref(), incident.reason.as_deref()];
    let step = step.into_iter().flatten().map(plain).collect::<Vec<_>>().join(": ");
    let mut parts: Vec<String> = Some(step).filter(|step| !step.is_empty()).into_iter().collect();
    parts.extend(incident.exit_code.map(|code| format!("exit code {code}")));
    if incident.attempts > 1 {
        parts.push(format!("{} attempts", incident.attempts));
    }
    page.field("step", &parts.join(", "));
    page.field("pods", &pods(incident));
    // A chain of one link is the headline again.
    for (place, link) in incident.chain.iter().enumerate().filter(|_| incident.chain.len() > 1) {
        let arrow = if place == 0 { "" } else { "→ " };
        page.field("chain", &format!("{arrow}{}", plain(link)));
    }
    for (at, evidence) in incident.evidence.iter().enumerate() {
        // A report and its Event are one line of the paste.
        let is_told = incident.evidence.iter().take(at).any(|other| {
            other.line.is_some() && (other.line, &other.file) == (evidence.line, &evidence.file)
        });
        // Lines of one failure repeat each other's text; the one that says most stands for them.
        let is_part = incident.evidence.iter().enumerate().any(|(place, other)| {
            let is_longer = other.text.len() > evidence.text.len() || place < at;
            place != at && is_longer && other.text.contains(&evidence.text)
        });
        if !is_told && !is_part {
            page.field("proof", &quoted(evidence));
        }
    }
    for text in &incident.contradictions {
        page.field("but", &plain(text));
    }
    if let Some(killer) = &incident.killed_by {
        page.field("killed", &plain(&killer.text));
    }
    for text in &incident.changed {
        page.field("changed", &plain(text));
    }
    for text in &incident.controls {
        page.field("not hit", &plain(text));
    }
    for other in &incident.alternatives {
        let separator = other.separator.as_deref().map(|it| format!(" — {}", plain(it)));
        page.field("or", &format!("{}{}", plain(&other.title), separator.unwrap_or_default()));
    }
    end(page, incident, clock);
    page.blank();
}

/// Nothing is left to be done about it.
const fn is_over(incident: &Incident) -> bool {
    matches!(incident.state, State::Resolved | State::Superseded)
}

/// What to do, and how it ends.
fn end(page: &mut Page, incident: &Incident, clock: Clock) {
    if !is_over(incident) {
        for next in &incident.next {
            page.field("next", &plain(&next.what));
            if let Some(command) = &next.command {
                page.command(&plain(command));
                if let Some(inner) = on_the_node(command) {
                    page.more(&format!("on the node itself: {}", plain(inner)));
                }
            }
            if let Some(risk) = &next.risk {
                page.more(&format!("risk: {}", plain(risk)));
            }
        }
        if let Some(runbook) = &incident.cause.runbook {
            page.field("runbook", &plain(runbook));
        }
    }
    if let Some(retry) = incident.next_retry.filter(|_| clock.now.is_some() && !is_over(incident)) {
        let why = incident.next_retry_why.as_deref().map(|why| format!(" ({})", plain(why)));
        let due = if clock.now.is_some_and(|now| now > retry) { "was due " } else { "" };
        page.field("retry", &format!("{due}{}{}", clock.of(retry), why.unwrap_or_default()));
    }
    if let Some(runbook) = incident.note.as_deref() {
        page.field("note", &plain(runbook));
    }
    // One sign can prove two rungs.
    let mut proofs = incident.proof.clone();
    proofs.dedup();
    for proof in &proofs {
        page.field("proven", &plain(proof));
    }
    for text in &incident.fixed_by {
        page.field("fixed by", &plain(text));
    }
    if !is_over(incident) && !incident.clears_when.is_empty() {
        page.field("clears", &plain(&incident.clears_when));
    }
    if let Some(coverage) = incident.coverage.filter(|coverage| *coverage < 0.995) {
        page.field("seen", &format!("{:.0} % of that time", coverage * 100.0));
    }
    for loss in &incident.loss {
        page.field("missing", &plain(loss));
    }
    match incident.members.len() {
        0 => {}
        1 => page.field("members", "1 incident belongs to this one"),
        several => page.field("members", &format!("{several} incidents belong to this one")),
    }
}

/// What a command runs behind `kubectl debug node/…`: somebody who is there types that alone.
fn on_the_node(command: &str) -> Option<&str> {
    let inner = command
        .starts_with("kubectl debug node/")
        .then(|| command.split_once(" chroot /host "))??
        .1;
    // Behind another command of the shell it would not be the whole.
    Some(inner.trim()).filter(|inner| !inner.is_empty())
}

fn headline(page: &mut Page, incident: &Incident, clock: Clock) {
    let scope = match incident.scope {
        Scope::Node => "node".to_owned(),
        Scope::Workload => {
            incident.workload.as_deref().map_or_else(|| "workload".to_owned(), plain)
        }
        Scope::Pod => incident.pods.first().map_or_else(
            || "pod".to_owned(),
            |pod| {
                let names = [pod.namespace.as_deref(), pod.name.as_deref()];
                let name = names.into_iter().flatten().map(plain).collect::<Vec<_>>().join("/");
                if name.is_empty() { "pod".to_owned() } else { name }
            },
        ),
    };
    let (state, shade) = match incident.state {
        _ if incident.harmless => ("HARMLESS", "2"),
        State::Open => ("OPEN", "31"),
        State::Flapping => ("FLAPPING", "31"),
        State::Recovering => ("RECOVERING", "33"),
        State::Resolved => ("RESOLVED", "32"),
        State::Superseded => ("SUPERSEDED", "2"),
        State::Stale => ("STALE", "33"),
    };
    let confidence = match incident.cause.confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    };
    page.headline((state, shade), &scope, &plain(&incident.cause.title), confidence);
    let mut told = format!("{} ({})", incident.cause.id, incident.cause.class);
    if let Some(first) = incident.first_seen.filter(|_| clock.now.is_some()) {
        let is_over = is_over(incident);
        // Of one that ended unproven only its newest failure is known.
        let ended = incident.resolved_at.or(incident.last_seen).filter(|_| is_over);
        let open = ended.or(clock.now).map(|until| lasting(until.saturating_sub(first)));
        let word = if is_over { "lasted" } else { "open for" };
        let open = open.map(|open| format!("{word} {open}, ")).unwrap_or_default();
        let _ = write!(told, ", {open}since {}", clock.of(first));
    }
    page.more(&told);
}

fn pods(incident: &Incident) -> String {
    const SHOWN: usize = 5;
    let one = |pod: &crate::incident::Pod| {
        let names = [pod.namespace.as_deref(), pod.name.as_deref()];
        let mut name = names.into_iter().flatten().map(plain).collect::<Vec<_>>().join("/");
        if let Some(container) = &pod.container {
            let role = pod.role.map(role).unwrap_or("container");
            let of = format!("{role} {}", plain(container));
            name = if name.is_empty() { of } else { format!("{name} ({of})") };
        }
        name
    };
    let mut text = incident.pods.iter().take(SHOWN).map(one).collect::<Vec<_>>().join(", ");
    let more = usize::try_from(incident.pod_count)
        .unwrap_or(usize::MAX)
        .max(incident.pods.len())
        .saturating_sub(SHOWN);
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

const fn role(role: crate::fact::Role) -> &'static str {
    use crate::fact::Role;
    match role {
        Role::Init => "init container",
        Role::NativeSidecar => "native sidecar",
        Role::Sidecar => "sidecar",
        Role::Main => "container",
        Role::Ephemeral => "ephemeral container",
    }
}

/// `kubelet: the line    journal.txt:12`
fn quoted(evidence: &Evidence) -> String {
    let mut text = format!("{}: {}", plain(&evidence.source), plain(&evidence.text));
    match (&evidence.file, evidence.line) {
        (Some(file), Some(line)) => {
            let _ = write!(text, "  [{}:{line}]", plain(file));
        }
        (None, Some(line)) => {
            let _ = write!(text, "  [line {line}]");
        }
        _ => {}
    }
    text
}

fn summary(page: &mut Page, explained: &Explained, incidents: &[&Incident], clock: Clock) {
    let unsolved = incidents.iter().filter(|incident| rank(incident).0 < 3).count();
    let harmless = incidents.iter().filter(|incident| incident.harmless).count();
    let solved = incidents.len() - unsolved - harmless;
    let mut text = format!("{unsolved} unsolved, {solved} over");
    if harmless > 0 {
        let _ = write!(text, ", {harmless} harmless");
    }
    let _ = write!(text, "; {} lines", explained.lines);
    if let Some(now) = clock.now {
        let _ = write!(text, ", as of {}", clock.of(now));
    }
    if explained.left_out > 0 {
        let _ = write!(text, "; {} more are not shown", explained.left_out);
    }
    page.line(&text);
}

/// How times are told.
#[derive(Clone, Copy, Debug)]
struct Clock {
    now: Option<Micros>,
    is_dated: bool,
}

impl Clock {
    /// `2026-11-22 13:22:41 UTC`; without year and zone where the log does not tell them.
    fn of(self, at: Micros) -> String {
        let form = if self.is_dated { "%Y-%m-%d %H:%M:%S UTC" } else { "%m-%d %H:%M:%S" };
        jiff::Timestamp::from_microsecond(at)
            .map(|at| at.strftime(form).to_string())
            .unwrap_or_default()
    }
}

/// `6m12s`
fn lasting(micros: Micros) -> String {
    let seconds = micros.max(0) / 1_000_000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{seconds}s"),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}
