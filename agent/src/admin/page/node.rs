//! The node at a glance: well or not and why, what fails, roots first with their members folded.

use maud::{Markup, html};

use super::{
    Snapshot, places, timeline, verdict,
    verdict::{Level, Verdict},
    words::{self, Form, badge, confidence, count, plain, time},
};
use crate::incident::{Incident, Next};
use crate::limits;

pub(super) fn main(known: &Snapshot) -> Markup {
    let verdict = verdict::of(known);
    html! {
        (told(known, &verdict))
        (incidents(known))
        (timeline::section(known))
        (places::checks(known))
        (places::sources(known))
        (places::delivery(known))
    }
}

fn told(known: &Snapshot, verdict: &Verdict) -> Markup {
    let sign = match verdict.level {
        Level::Good => "✓",
        Level::Warn => "!",
        Level::Bad => "✕",
        Level::Unknown => "?",
    };
    let roots = known.incidents.iter().filter(|it| words::is_root(&known.incidents, it));
    let pods: u64 = roots.clone().map(|it| it.pod_count).sum();
    let figures = [
        (count(u64::try_from(roots.count()).unwrap_or(0)), "open incidents"),
        (count(pods), "pods hit, at most"),
        (
            count(
                known.scrape.figures.day.until(known.now).map(|(_, it)| u64::from(it.failed)).sum(),
            ),
            "failed in 24 h",
        ),
        (
            count(
                known
                    .scrape
                    .figures
                    .day
                    .until(known.now)
                    .map(|(_, it)| u64::from(it.resolved))
                    .sum(),
            ),
            "fixed in 24 h",
        ),
    ];
    html! {
        section #verdict .verdict.(verdict.level.shade()) {
            h1 {
                span.sign aria-hidden="true" { (sign) }
                span { (plain(&known.node)) ": " span data-verdict { (verdict.headline) } }
            }
            @if verdict.why.is_empty() {
                p { "Nothing fails here that is known of"
                    @if let Some(from) = known.read_from { "; read since " (time(from, Form::Clock)) } "." }
            } @else {
                ul.why { @for why in &verdict.why {
                    li { @if let Some(address) = &why.address { a href=(address) { (why.text) } } @else { (why.text) } }
                } }
            }
            dl.figures {
                @for (figure, what) in figures { div { dt { (what) } dd { (figure) } } }
            }
            @if let Some(at) = known.read_up_to {
                p.quiet-text { "newest line read: " (time(at, Form::Ago)) }
            }
        }
    }
}

fn incidents(known: &Snapshot) -> Markup {
    let is_root = |it: &&Incident| words::is_root(&known.incidents, it);
    let mut roots: Vec<&Incident> = known.incidents.iter().filter(is_root).collect();
    roots.sort_by_key(|it| (words::rank(it), it.first_seen));
    let left_out = roots.len().saturating_sub(limits::PAGE_INCIDENTS);
    let mut ended: Vec<&Incident> = known
        .incidents
        .iter()
        .filter(|it| !words::is_present(it) && !it.told_elsewhere && !it.harmless)
        .collect();
    ended.sort_by_key(|it| std::cmp::Reverse(it.resolved_at.or(it.last_seen)));
    html! {
        section #incidents {
            h2 { "What fails" }
            @if roots.is_empty() { p.quiet-text { "No incident is open." } }
            ul.incidents {
                @for incident in roots.iter().take(limits::PAGE_INCIDENTS) { (card(known, incident)) }
            }
            @if left_out > 0 {
                p { (words::counted(u64::try_from(left_out).unwrap_or(0), "more incident")) ": " a href="/node.json" { "all of them as JSON" } }
            }
            @if !ended.is_empty() {
                details data-key="ended" {
                    summary { "Ended a short while ago: " (ended.len()) }
                    ul.links { @for incident in ended.iter().take(limits::PAGE_INCIDENTS) { (line(incident)) } }
                }
            }
        }
    }
}

/// One line that leads to an incident.
pub(super) fn line(incident: &Incident) -> Markup {
    html! {
        li {
            (badge(incident)) " "
            a href=(words::address(incident)) { (plain(&incident.cause.title)) }
            " " span.quiet-text { (words::scope(incident)) }
            @if let Some(at) = incident.resolved_at { " " (time(at, Form::Ago)) }
        }
    }
}

fn card(known: &Snapshot, incident: &Incident) -> Markup {
    let is_member = |it: &&Incident| it.parent.as_ref() == Some(&incident.id);
    let members: Vec<&Incident> = known.incidents.iter().filter(is_member).collect();
    let (_, shade) = words::state(incident);
    html! {
        li.incident.(shade) {
            h3 {
                (badge(incident)) " "
                a href=(words::address(incident)) { (plain(&incident.cause.title)) }
            }
            p.meta {
                strong { (words::scope(incident)) }
                @if let Some(step) = &incident.step {
                    " · " code { (plain(step)) } @if let Some(reason) = &incident.reason { " " code { (plain(reason)) } }
                }
                " · " (confidence(incident.cause.confidence))
                @if let Some(first) = incident.first_seen { " · open for " (time(first, Form::Lasting)) }
                @if incident.attempts > 1 { " · " (words::counted(incident.attempts, "attempt")) }
                @if incident.pod_count > 1 { " · " (words::counted(incident.pod_count, "pod")) }
            }
            @if let Some(evidence) = incident.evidence.first() {
                blockquote { (plain(&evidence.text)) }
            }
            @if let Some(next) = incident.next.first() { (step(next)) }
            p.meta {
                @if let Some(retry) = incident.next_retry { "next try " (time(retry, Form::Until)) " · " }
                "rung " (incident.rung) " of 3 proven · "
                a href=(words::address(incident)) { "evidence, history and all steps" span.sr { " of: " (plain(&incident.cause.title)) } }
            }
            @if !members.is_empty() {
                details data-key=(format!("members-{}", words::address(incident))) {
                    summary { (words::counted(u64::try_from(members.len()).unwrap_or(0), "incident")) " because of this one" }
                    ul.links { @for member in members.iter().take(limits::PAGE_MEMBERS) { (line(member)) } }
                    @if members.len() > limits::PAGE_MEMBERS { p { "and " (members.len() - limits::PAGE_MEMBERS) " more" } }
                }
            }
        }
    }
}

/// What to do, and its command to copy.
pub(super) fn step(next: &Next) -> Markup {
    html! {
        div.step {
            p { (plain(&next.what)) }
            @if let Some(command) = &next.command {
                div.command {
                    pre tabindex="0" { code { (plain(command)) } }
                    button type="button" data-copy { "Copy" span.sr { " the command" } }
                }
            }
            @if let Some(risk) = &next.risk { p.quiet-text { "Risk: " (plain(risk)) } }
        }
    }
}
