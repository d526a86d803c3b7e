//! The page of one incident: what, why, what proves it, what to do, how it is seen to heal.

use maud::{Markup, html};

use super::{
    Snapshot, node,
    words::{self, Form, badge, confidence, lines, plain, time},
};
use crate::fact::{Fact, LastWords};
use crate::incident::{Incident, Pod, State};
use crate::limits;
use crate::source::Micros;

/// Rungs of every ladder.
const RUNGS: u8 = 3;

/// Where there is none of that id.
pub(super) fn unknown() -> Markup {
    html! {
        section.verdict.quiet {
            h1 { "This incident is not known any more" }
            p { "It ended a while ago, or it is of another node. " a href="/" { "What fails now" } }
        }
    }
}

pub(super) fn main(known: &Snapshot, incident: &Incident) -> Markup {
    html! {
        nav aria-label="Breadcrumb" { a href="/" { "← " (plain(&known.node)) } }
        (head(known, incident))
        @if !words::is_present(incident) { (ladder(incident)) (steps(incident)) }
        @else { (steps(incident)) (ladder(incident)) }
        (evidence(known, incident))
        (moments(known, incident))
        (around(known, incident))
        p { a href=(format!("{}.json", words::address(incident))) { "this incident as JSON" } }
    }
}

fn head(known: &Snapshot, incident: &Incident) -> Markup {
    let (_, shade) = words::state(incident);
    let is_over = !words::is_present(incident);
    let fact = |name: &str, value: Markup| html! { div { dt { (name) } dd { (value) } } };
    html! {
        section #head .verdict.(shade) {
            h1 { (badge(incident)) " " span data-verdict { (plain(&incident.cause.title)) } }
            p.meta {
                strong { (words::scope(incident)) } " on " (plain(&known.node)) " · "
                code { (plain(&incident.cause.id)) } " (" (plain(&incident.cause.class)) "), "
                (confidence(incident.cause.confidence))
            }
            @if let Some(note) = &incident.note { p { (plain(note)) } }
            dl.facts {
                @if let Some(step) = &incident.step {
                    (fact("step", html! { code { (plain(step)) } @if let Some(reason) = &incident.reason { " " code { (plain(reason)) } } }))
                }
                @if let Some(first) = incident.first_seen {
                    (fact("began", html! { (time(first, Form::Ago)) }))
                    @let until = incident.resolved_at.or(incident.last_seen);
                    @if is_over {
                        @if let Some(until) = until { (fact("ended", html! { (time(until, Form::Ago)) })) }
                    }
                }
                @if let Some(last) = incident.last_seen { (fact("last failed", html! { (time(last, Form::Ago)) })) }
                (fact("attempts", html! { (words::count(incident.attempts)) }))
                (fact("pods hit", html! { (words::count(incident.pod_count)) }))
                @if let Some(code) = incident.exit_code { (fact("exit code", html! { (code) })) }
                @if let Some(retry) = incident.next_retry.filter(|_| !is_over) {
                    (fact("next try", html! {
                        (time(retry, Form::Until))
                        @if let Some(why) = &incident.next_retry_why { br; span.quiet-text { (plain(why)) } }
                    }))
                }
                @if let Some(share) = incident.coverage.filter(|share| *share < 0.995) {
                    (fact("seen", html! { (format!("{:.0} %", share * 100.0)) " of that time" }))
                }
            }
            @if let Some(killer) = &incident.killed_by { p { strong { "Killed: " } (plain(&killer.text)) } }
        }
    }
}

fn steps(incident: &Incident) -> Markup {
    let is_over = !words::is_present(incident);
    html! {
        section #next {
            h2 { @if is_over { "What was to be done" } @else { "What to do now" } }
            @if incident.next.is_empty() { p.quiet-text { "Nothing is known to help: see the evidence." } }
            ol.steps { @for next in &incident.next { li { (node::step(next)) } } }
            @if let Some(runbook) = &incident.cause.runbook {
                p { "Runbook: " (link(runbook)) }
            }
        }
    }
}

/// A link only where it leads to a web page; else its text.
fn link(address: &str) -> Markup {
    let is_web = ["https://", "http://"].iter().any(|scheme| address.starts_with(scheme));
    html! {
        @if is_web { a href=(plain(address)) rel="noreferrer noopener" { (plain(address)) } }
        @else { (plain(address)) }
    }
}

fn ladder(incident: &Incident) -> Markup {
    let is_over = !words::is_present(incident);
    let is_proven = incident.state == State::Resolved;
    html! {
        section #ladder {
            h2 { "Recovery" }
            @if !incident.clears_when.is_empty() {
                p { strong { "Proven fixed when: " } (plain(&incident.clears_when)) }
            }
            ol.ladder {
                @for rung in 1..=RUNGS {
                    @let proof = incident.proof.get(usize::from(rung) - 1);
                    @let is_done = is_proven || rung <= incident.rung;
                    li.(if is_done { "good" } else if is_over { "quiet" } else { "warn" }) {
                        span.sign aria-hidden="true" { (if is_done { "✓" } else { "○" }) }
                        div {
                            strong { "Rung " (rung) } " "
                            span.quiet-text { @if is_done { "proven" } @else if is_over { "not proven" } @else if rung == incident.rung + 1 { "waited for" } @else { "not yet" } }
                            @if let Some(proof) = proof.filter(|_| is_done) { blockquote { (plain(proof)) } }
                        }
                    }
                }
            }
            @if let Some(retry) = incident.next_retry.filter(|_| !is_over) {
                p { "Next try of the kubelet: " strong { (time(retry, Form::Until)) } }
            }
            @for text in &incident.fixed_by { p { strong { "What differs since: " } (plain(text)) } }
        }
    }
}

fn evidence(known: &Snapshot, incident: &Incident) -> Markup {
    html! {
        section #evidence {
            h2 { "Evidence" }
            @if incident.chain.len() > 1 {
                ol.chain aria-label="From the root to what is seen" { @for link in &incident.chain { li { (plain(link)) } } }
            }
            ul.evidence {
                @for evidence in &incident.evidence {
                    li {
                        p.meta {
                            strong { (plain(&evidence.source)) }
                            @if let Some(at) = evidence.at { " · " (time(at, Form::Clock)) }
                            @if let Some(file) = &evidence.file { " · " (plain(file)) @if let Some(line) = evidence.line { ":" (line) } }
                        }
                        pre tabindex="0" { (lines(&evidence.text)) }
                    }
                }
            }
            @for text in &incident.contradictions { p.note.warn { strong { "But: " } (plain(text)) } }
            @for (whose, words) in said(known, incident) { (last_words(&whose, words)) }
        }
    }
}

/// What the containers of this incident said before they ended, newest first, of each one.
fn said<'k>(known: &'k Snapshot, incident: &Incident) -> Vec<(String, &'k LastWords)> {
    let is_of = |pod: &Pod, words: &LastWords| {
        let instance = &words.instance;
        let of = &instance.pod;
        let is_same = match (&pod.uid, &of.uid) {
            (Some(one), Some(other)) => one == other,
            _ => pod.name.is_some() && (&pod.namespace, &pod.name) == (&of.namespace, &of.name),
        };
        is_same && pod.container.as_ref().is_none_or(|container| *container == instance.container)
    };
    let mut told: Vec<(String, &LastWords)> = Vec::new();
    for fact in known.words.iter().rev() {
        let Fact::LastWords(words) = &fact.fact else { continue };
        let Some(pod) = incident.pods.iter().find(|pod| is_of(pod, words)) else { continue };
        let container = Some(words.instance.container.clone()).filter(|name| !name.is_empty());
        let whose = words::pod(&Pod { container, ..pod.clone() });
        if !words.lines.is_empty() && told.iter().all(|(other, _)| *other != whose) {
            told.push((whose, words));
        }
    }
    told.truncate(limits::PAGE_PODS);
    told
}

fn last_words(whose: &str, words: &LastWords) -> Markup {
    html! {
        h3 { "Last words of " (whose) }
        @if let Some(at) = words.last_at { p.meta { (time(at, Form::Clock)) } }
        pre.words tabindex="0" {
            @for (place, line) in words.lines.iter().enumerate() {
                @if words.matters == Some(place) { mark { (lines(line)) } } @else { (lines(line)) }
                "\n"
            }
        }
    }
}

/// What happened when, oldest first.
fn moments(known: &Snapshot, incident: &Incident) -> Markup {
    let mut all: Vec<(Micros, Markup)> = Vec::new();
    let mut add = |at: Option<Micros>, what: Markup| all.extend(at.map(|at| (at, what)));
    add(incident.first_seen, html! { "first failure" });
    for evidence in &incident.evidence {
        let what = html! { strong { (plain(&evidence.source)) } " " (short(&evidence.text)) };
        add(evidence.at, what);
    }
    for turn in known.past.turns(&incident.id) {
        let as_then = Incident { state: turn.state, harmless: false, ..Incident::default() };
        let at = incident.resolved_at.filter(|_| turn.state == State::Resolved).unwrap_or(turn.at);
        let what = html! {
            (badge(&as_then)) " after " (words::counted(turn.attempts, "failed attempt"))
            @if turn.rung > 0 { ", rung " (turn.rung) " proven" }
        };
        add(Some(at), what);
    }
    let is_told = known.past.turns(&incident.id).any(|turn| turn.state == State::Resolved);
    add(incident.resolved_at.filter(|_| !is_told), html! { "proven fixed" });
    add(incident.last_seen.filter(|_| incident.attempts > 1), html! { "newest failure" });
    all.sort_by_key(|(at, _)| *at);
    html! {
        section #moments {
            h2 { "History" }
            @for text in &incident.changed { p { strong { "Changed just before: " } (plain(text)) } }
            ol.moments {
                @for (at, what) in &all { li { (time(*at, Form::Clock)) " " (what) } }
                @if let Some(retry) = incident.next_retry.filter(|_| words::is_present(incident)) {
                    li.due { (time(retry, Form::Clock)) " next try of the kubelet, " (time(retry, Form::Until)) }
                }
            }
            @if incident.turns > 0 { p { "Recovered and failed again " (words::counted(u64::from(incident.turns), "time")) "." } }
        }
    }
}

/// The beginning of a text: the whole stands among the evidence.
fn short(text: &str) -> String {
    const SHOWN: usize = 160;
    let text = plain(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn around(known: &Snapshot, incident: &Incident) -> Markup {
    let find = |id: &String| known.incidents.iter().find(|other| other.id == *id);
    let members: Vec<&Incident> = incident.members.iter().filter_map(find).collect();
    html! {
        section #around {
            h2 { "Whom it hits" }
            @if let Some(parent) = incident.parent.as_ref().and_then(find) {
                p { "It is part of:" }
                ul.links { (node::line(parent)) }
            }
            @if !incident.pods.is_empty() {
                ul { @for pod in incident.pods.iter().take(limits::PAGE_PODS) { li { (words::pod(pod)) } } }
            }
            @let shown = u64::try_from(incident.pods.len().min(limits::PAGE_PODS)).unwrap_or(0);
            @if incident.pod_count > shown { p { "and " (words::count(incident.pod_count - shown)) " more" } }
            @if !members.is_empty() {
                h3 { "Because of this one" }
                ul.links { @for member in members.iter().take(limits::PAGE_MEMBERS) { (node::line(member)) } }
                @if members.len() > limits::PAGE_MEMBERS { p { "and " (members.len() - limits::PAGE_MEMBERS) " more" } }
            }
            @for text in &incident.controls { p { strong { "Not hit: " } (plain(text)) } }
            @if !incident.alternatives.is_empty() {
                h3 { "What else it could be" }
                ul { @for other in &incident.alternatives {
                    li { (plain(&other.title)) @if let Some(why) = &other.separator { " — " (plain(why)) } }
                } }
            }
            @for text in &incident.loss { p.note.warn { "May be missing: " (plain(text)) } }
        }
    }
}
