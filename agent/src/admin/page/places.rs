//! The lower half of the node's page: its checks with what they were, what is read, what is sent.

use maud::{Markup, html};

use super::{
    Snapshot, timeline, verdict,
    words::{self, Form, bytes, count, plain, time},
};
use crate::admin::figures::{SEVERITIES, SOURCES};
use crate::admin::history::{status_word, thousandths};
use crate::admin::metrics::{Destination, Journal};
use crate::diagnosis::CheckStatus;
use crate::node::{Cni, Disk, DiskRole};

pub(super) fn checks(known: &Snapshot) -> Markup {
    let view = known.scrape.view.as_ref();
    html! {
        section #checks {
            h2 { "The node" }
            @match view {
                Some(view) => {
                    ul.cards {
                        @if let Some(cni) = &view.cni { (network(known, cni)) }
                        @for disk in &view.disks { (filesystem(known, disk)) }
                    }
                    @for stuck in &view.stuck {
                        p.note.warn { "A look at " code { (plain(stuck)) } " does not come back: what is shown of it is old." }
                    }
                }
                None => p.quiet-text { "Nobody has looked at the node yet." }
            }
            (turned(known))
        }
    }
}

fn network(known: &Snapshot, cni: &Cni) -> Markup {
    let shade = if cni.ready { "good" } else { "bad" };
    html! {
        li.card {
            h3 { "Pod network " span.badge.(shade) { (if cni.ready { "ready" } else { "not ready" }) } }
            @if let Some(detail) = &cni.detail { p { (plain(detail)) } }
            @if let Some(free) = cni.leases_free {
                p { (words::count(free)) " addresses free" @if let Some(used) = cni.leases_used { ", " (words::count(used)) " used" } }
            }
            (timeline::network(known))
            p.quiet-text { "looked at " (time(cni.at, Form::Ago)) }
        }
    }
}

const fn purpose(role: DiskRole) -> &'static str {
    match role {
        DiskRole::Kubelet => "the kubelet's filesystem",
        DiskRole::Runtime => "images and containers",
        DiskRole::RuntimeState => "the runtime's state",
        DiskRole::Log => "logs",
        DiskRole::Root => "the root filesystem",
    }
}

fn percent(thousandths: u16) -> String {
    if thousandths < 100 {
        format!("{}.{} %", thousandths / 10, thousandths % 10)
    } else {
        format!("{} %", thousandths / 10)
    }
}

fn filesystem(known: &Snapshot, disk: &Disk) -> Markup {
    let free = thousandths(disk.free_bytes, disk.total_bytes);
    let inodes = disk.inodes_free.zip(disk.inodes_total);
    let inodes = inodes.and_then(|(free, total)| thousandths(free, total));
    let is_short = verdict::is_short(disk);
    let shade = if disk.read_only == Some(true) {
        "bad"
    } else if is_short {
        "warn"
    } else {
        "good"
    };
    html! {
        li.card {
            h3 {
                code { (disk.role.name()) } " "
                @if disk.read_only == Some(true) { span.badge.bad { "read-only" } }
                @else if is_short { span.badge.warn { "short of room" } }
            }
            p { (purpose(disk.role)) ": " (bytes(disk.free_bytes)) " of " (bytes(disk.total_bytes)) " free" }
            @if let Some(free) = free {
                svg.gauge.(shade) viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(format!("{} free", percent(free))) {
                    rect.all x="0" y="0" width="1000" height="10" {}
                    rect.used x="0" y="0" width=(1000 - u32::from(free)) height="10" {}
                }
                p { (percent(free)) " free" @if let Some(inodes) = inodes { ", inodes " (percent(inodes)) " free" } }
            }
            (timeline::free(known, disk.role))
            p.quiet-text { "looked at " (time(disk.at, Form::Ago)) }
        }
    }
}

/// Checks that turned out otherwise than before.
fn turned(known: &Snapshot) -> Markup {
    let shade = |status| match status {
        CheckStatus::Ok => "good",
        CheckStatus::Degraded => "warn",
        CheckStatus::Failed => "bad",
        CheckStatus::Unknown => "quiet",
    };
    let all: Vec<_> = known.past.checks().collect();
    html! {
        @if !all.is_empty() {
            details data-key="checks-turned" open[all.iter().any(|it| it.check.status != CheckStatus::Ok)] {
                summary { "What changed since podwhy began: " (words::counted(u64::try_from(all.len()).unwrap_or(0), "check")) }
                ol.moments {
                    @for it in all {
                        li {
                            (time(it.at, Form::Ago)) " "
                            span.badge.(shade(it.check.status)) { (status_word(it.check.status)) } " "
                            code { (plain(&it.check.name)) } " " (plain(&it.check.text))
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn sources(known: &Snapshot) -> Markup {
    let figures = &known.scrape.figures;
    html! {
        section #sources {
            h2 { "What is read" }
            @for blind in &known.blind { p.note.warn { (plain(blind)) } }
            div.scroll tabindex="0" role="region" aria-label="Sources" {
                table {
                    thead { tr {
                        th scope="col" { "Source" } th scope="col" { "Newest entry" }
                        th scope="col" { "Read for good up to" }
                        th scope="col" { "Not believed" } th scope="col" { "Not readable" }
                    } }
                    tbody { @for journal in &known.scrape.journals { (source(known, journal)) }
                        @for (name, at) in known.scrape.positions.iter().filter(|(name, _)| known.scrape.journals.iter().all(|it| it.source != *name)) {
                            tr { th scope="row" { (plain(name)) } td { "–" } td { (time(*at, Form::Ago)) } td { "–" } td { "–" } }
                        }
                    }
                }
            }
            div.scroll tabindex="0" role="region" aria-label="Writers" {
                table {
                    thead { tr {
                        th scope="col" { "Who writes" } th scope="col" { "Lines" }
                        th scope="col" { "Errors" } th scope="col" { "Newest line" }
                    } }
                    tbody {
                        @for (place, name) in SOURCES.iter().enumerate() {
                            @let lines = figures.lines.get(place).copied().unwrap_or([0; SEVERITIES.len()]);
                            @let all: u64 = lines.iter().sum();
                            @if all > 0 {
                                @let errors: u64 = lines.iter().skip(2).take(2).sum();
                                tr {
                                    th scope="row" { (name) }
                                    td { (count(all)) } td { (count(errors)) }
                                    td { @if let Some(at) = figures.last_line.get(place) { (time(*at, Form::Ago)) } }
                                }
                            }
                        }
                    }
                }
            }
            (losses(known))
        }
    }
}

fn source(known: &Snapshot, journal: &Journal) -> Markup {
    let position = known.scrape.positions.iter().find(|(name, _)| *name == journal.source);
    html! {
        tr {
            th scope="row" {
                (plain(&journal.source))
                @if journal.restarts > 0 { " " span.badge.warn { "reader restarted " (count(journal.restarts)) "×" } }
            }
            td { @if let Some(at) = journal.last { (time(at, Form::Ago)) } @else { "none yet" } }
            td { @if let Some((_, at)) = position { (time(*at, Form::Ago)) } @else { "nothing yet" } }
            td { (count(journal.untrusted)) }
            td { (count(journal.unreadable)) }
        }
    }
}

fn losses(known: &Snapshot) -> Markup {
    let losses = &known.scrape.figures.losses;
    html! {
        @if losses.is_empty() {
            p.quiet-text { "Nothing that was written is known to be missing." }
        } @else {
            h3 { "Losses since podwhy began" }
            ul {
                @for ((source, kind), (times, lines)) in losses {
                    li {
                        strong { (source) } ", " (kind.replace('_', " ")) ": " (words::counted(*times, "time"))
                        @if *lines > 0 { ", " (words::counted(*lines, "line")) " missing" }
                    }
                }
            }
        }
    }
}

pub(super) fn delivery(known: &Snapshot) -> Markup {
    let scrape = &known.scrape;
    html! {
        section #delivery {
            h2 { "What is sent" }
            @if let Some(trouble) = &known.state_trouble {
                p.note.warn { "Nothing becomes durable: " (plain(trouble)) }
            }
            div.scroll tabindex="0" role="region" aria-label="Destinations" {
                table {
                    thead { tr {
                        th scope="col" { "Destination" } th scope="col" { "State" }
                        th scope="col" { "Sent" } th scope="col" { "Refused" }
                        th scope="col" { "Last taken" }
                    } }
                    tbody { @for it in &scrape.destinations { (destination(known, it)) } }
                }
            }
            ul {
                @for queue in scrape.queues.iter().filter(|it| it.records > 0 || it.signal == "logs") {
                    li {
                        strong { (queue.signal) } ": "
                        @if queue.records == 0 { "nothing waits" } @else {
                            (words::count(queue.records)) " wait, " (bytes(queue.bytes))
                            @if let Some(oldest) = queue.oldest { ", the oldest of " (time(oldest, Form::Ago)) }
                        }
                    }
                }
                li { "state file: " (bytes(scrape.state_file_bytes)) }
            }
        }
    }
}

fn destination(known: &Snapshot, it: &Destination) -> Markup {
    let of = |all: &'_ [(String, String)]| {
        all.iter().find(|(name, _)| *name == it.name).map(|(_, why)| plain(why))
    };
    let (why, trouble) = (of(&known.paused), of(&known.troubled));
    let retried = it.batches.iter().find(|(word, _)| *word == "retried").map_or(0, |(_, n)| *n);
    html! {
        tr {
            th scope="row" { (plain(&it.name)) }
            td {
                @if let Some(why) = why { span.badge.bad { "paused" } " " (why) }
                @else if let Some(why) = trouble { span.badge.warn { "not reached" } " " (why) }
                @else if it.last_success.is_some() { span.badge.good { "taken" } }
                @else if retried > 0 { span.badge.warn { "not reached yet" } }
                @else { span.badge.quiet { "nothing sent yet" } }
            }
            td { (count(it.delivered)) }
            td { (count(it.refused)) }
            td { @if let Some(at) = it.last_success { (time(at, Form::Ago)) } @else { "never" } }
        }
    }
}
