//! The last 24 hours as a drawing and as a table, and small drawings of what was free of a disk.
//! Owns coordinates. Colours come from the style, which knows dark and light.

use maud::{Markup, html};

use super::{Snapshot, words};
use crate::admin::history::{QUARTER, Quarter};
use crate::limits;
use crate::node::DiskRole;
use crate::source::Micros;

const WIDTH: u32 = 10;
/// Of the part above the line, for what failed, and of the part below, for what went well.
const UP: u32 = 90;
const DOWN: u32 = 40;
/// Above the highest bar, for both marks.
const MARKS: u32 = 26;

/// All quarters of the day that ends now, oldest first; those in which nothing happened are empty.
fn day(known: &Snapshot) -> Vec<(Micros, Quarter)> {
    let end = known.now.div_euclid(QUARTER);
    let count = Micros::try_from(limits::HISTORY_QUARTERS).unwrap_or(97);
    let mut all: Vec<_> =
        (0..count).map(|back| ((end - back) * QUARTER, Quarter::default())).rev().collect();
    for (at, quarter) in known.scrape.figures.day.until(known.now) {
        if let Some((_, place)) = all.iter_mut().find(|(begin, _)| *begin == at) {
            *place = quarter.clone();
        }
    }
    all
}

/// Of a height, as the square root: one failure is seen beside a thousand.
fn height(count: u32, most: u32, full: u32) -> u32 {
    if count == 0 {
        return 0;
    }
    let (count, most) = (u64::from(count), u64::from(most.max(1)));
    let height = (count * u64::from(full) * u64::from(full) / most).isqrt();
    u32::try_from(height).unwrap_or(full).clamp(4, full)
}

pub(super) fn section(known: &Snapshot) -> Markup {
    let day = day(known);
    let sum = |of: fn(&Quarter) -> u32| day.iter().map(|(_, it)| u64::from(of(it))).sum::<u64>();
    let (failed, worked) = (sum(|it| it.failed), sum(|it| it.worked));
    let (opened, resolved) = (sum(|it| it.opened), sum(|it| it.resolved));
    let told = format!(
        "In 24 hours {} failed and {} went well; {} began and {} proven fixed.",
        words::counted(failed, "attempt"),
        words::count(worked),
        words::counted(opened, "incident"),
        if resolved == 1 { "1 was".to_owned() } else { format!("{} were", words::count(resolved)) }
    );
    let is_quiet = failed + worked + opened + resolved == 0;
    html! {
        section #day {
            h2 { "The last 24 hours" }
            p.quiet-text { (told) }
            @if !is_quiet {
                figure.day {
                    (drawing(&day, &told))
                    (hours(known.now))
                    ul.legend {
                        li { span.key.bad aria-hidden="true" {} "failed attempts" }
                        li { span.key.good aria-hidden="true" {} "attempts that went well" }
                        li { span.mark.bad aria-hidden="true" { "▲" } "an incident began" }
                        li { span.mark.good aria-hidden="true" { "●" } "proven fixed" }
                    }
                }
                (table(&day))
            }
        }
    }
}

fn drawing(day: &[(Micros, Quarter)], told: &str) -> Markup {
    let most = |of: fn(&Quarter) -> u32| day.iter().map(|(_, it)| of(it)).max().unwrap_or(0);
    let (failed, worked) = (most(|it| it.failed), most(|it| it.worked));
    let width = u32::try_from(day.len()).unwrap_or(97) * WIDTH;
    let (line, full) = (UP + MARKS, UP + DOWN + MARKS);
    let columns = (0_u32..).zip(day);
    html! {
        svg.bars viewBox=(format!("0 0 {width} {full}")) preserveAspectRatio="none" role="img" aria-label=(told) {
            @for six in 1..4 {
                @let x = (width - WIDTH) / 4 * six;
                line.grid x1=(x) x2=(x) y1="0" y2=(full) {}
            }
            @for (place, (at, quarter)) in columns {
                @let up = height(quarter.failed, failed, UP);
                @let down = height(quarter.worked, worked, DOWN);
                @let x = place * WIDTH + 1;
                @if *quarter != Quarter::default() {
                    g {
                        title { (sentence(*at, quarter)) }
                        rect.hit x=(x - 1) y="0" width=(WIDTH) height=(full) {}
                        rect.bad x=(x) y=(line - up) width=(WIDTH - 2) height=(up) {}
                        rect.good x=(x) y=(line + 2) width=(WIDTH - 2) height=(down) {}
                        @if quarter.opened > 0 {
                            path.bad d=(format!("M{} {} l5 -9 l5 9 z", x - 1, line - up - 2)) {}
                        }
                        @if quarter.resolved > 0 {
                            ellipse.good cx=(x + 4) cy=(line - up - if quarter.opened > 0 { 16 } else { 7 }) rx="4.5" ry="4.5" {}
                        }
                    }
                }
            }
            line.base x1="0" x2=(width) y1=(line + 1) y2=(line + 1) {}
        }
    }
}

fn sentence(at: Micros, quarter: &Quarter) -> String {
    let mut text = format!("{}–{} UTC: ", words::hour(at), words::hour(at + QUARTER));
    let parts = [
        (quarter.failed, "failed"),
        (quarter.worked, "went well"),
        (quarter.opened, "began"),
        (quarter.resolved, "fixed"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
    text.push_str(if parts.is_empty() { "looks only" } else { "" });
    text.push_str(&parts.join(", "));
    text
}

fn hours(now: Micros) -> Markup {
    html! {
        div.hours aria-hidden="true" {
            @for back in (0..=4).rev() {
                span { @if back == 0 { "now" } @else { (words::hour(now - back * 24 * QUARTER)) } }
            }
        }
    }
}

/// The same by the hour, for who does not see the drawing.
fn table(day: &[(Micros, Quarter)]) -> Markup {
    let mut hours: Vec<(Micros, Quarter)> = Vec::new();
    for (at, quarter) in day {
        let hour = at.div_euclid(4 * QUARTER) * 4 * QUARTER;
        match hours.last_mut().filter(|(begin, _)| *begin == hour) {
            Some((_, sum)) => {
                sum.failed += quarter.failed;
                sum.worked += quarter.worked;
                sum.opened += quarter.opened;
                sum.resolved += quarter.resolved;
            }
            None => hours.push((hour, quarter.clone())),
        }
    }
    let is_told = |it: &Quarter| it.failed + it.worked + it.opened + it.resolved > 0;
    html! {
        details data-key="day-table" {
            summary { "As a table" }
            div.scroll tabindex="0" role="region" aria-label="The last 24 hours as a table" {
                table {
                    thead { tr {
                        th scope="col" { "Hour (UTC)" }
                        th scope="col" { "Failed" } th scope="col" { "Went well" }
                        th scope="col" { "Incidents began" } th scope="col" { "Proven fixed" }
                    } }
                    tbody {
                        @for (at, sum) in hours.iter().filter(|(_, it)| is_told(it)) {
                            tr {
                                th scope="row" { (words::hour(*at)) }
                                td { (sum.failed) } td { (sum.worked) }
                                td { (sum.opened) } td { (sum.resolved) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What was free of a filesystem at worst, over the day.
pub(super) fn free(known: &Snapshot, role: DiskRole) -> Markup {
    let points: Vec<(u32, u32)> = (0_u32..)
        .zip(day(known))
        .filter_map(|(place, (_, quarter))| {
            let (_, free) = quarter.free.iter().find(|(its, _)| *its == role)?;
            Some((place * WIDTH + WIDTH / 2, 100 - u32::from(free.bytes.min(1000)) / 10))
        })
        .collect();
    let path: String = points.iter().map(|(x, y)| format!(" {x},{y}")).collect();
    let width = u32::try_from(limits::HISTORY_QUARTERS).unwrap_or(97) * WIDTH;
    html! {
        @if points.len() > 1 {
            svg.spark viewBox=(format!("0 0 {width} 100")) preserveAspectRatio="none" role="img" aria-label="free over the last 24 hours" {
                polyline points=(path.trim()) {}
            }
        }
    }
}

/// Whether the pod network was ready, over the day.
pub(super) fn network(known: &Snapshot) -> Markup {
    let day = day(known);
    let width = u32::try_from(day.len()).unwrap_or(97) * WIDTH;
    let ill: u32 = day.iter().filter(|(_, it)| it.network.1 > 0).map(|_| 15).sum();
    let told = match ill {
        0 => "ready at every look of the last 24 hours".to_owned(),
        minutes => format!("not ready within {minutes} minutes of the last 24 hours"),
    };
    html! {
        svg.strip viewBox=(format!("0 0 {width} 10")) preserveAspectRatio="none" role="img" aria-label=(told) {
            @for (place, (at, quarter)) in (0_u32..).zip(&day) {
                @let (ready, not_ready) = quarter.network;
                @if ready + not_ready > 0 {
                    rect.(if not_ready > 0 { "bad" } else { "good" }) x=(place * WIDTH) y="0" width=(WIDTH - 1) height="10" {
                        title { (words::hour(*at)) " UTC: " (if not_ready > 0 { "not ready" } else { "ready" }) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_seen_beside_a_thousand_and_none_is_not() {
        assert_eq!(height(0, 1000, UP), 0);
        assert_eq!(height(1, 1000, UP), 4);
        assert_eq!(height(1000, 1000, UP), UP);
        assert_eq!(height(u32::MAX, u32::MAX, UP), UP);
    }

    #[test]
    fn a_quarter_with_everything_at_most_fits_the_drawing() {
        let now = 1_800_000_000_000_000;
        let mut known = Snapshot { now, ..Snapshot::default() };
        let day = &mut known.scrape.figures.day;
        (0..1_000).for_each(|_| day.failed(now));
        day.worked(now);
        day.opened(now);
        day.resolved(now);
        let told = section(&known).into_string();
        assert!(told.contains("<path class=\"bad\"") && told.contains("<ellipse"), "{told}");
        assert!(told.contains("cy=\"10\""), "within the drawing: {told}");
    }

    #[test]
    fn a_day_is_drawn_whole_wherever_it_begins() {
        let now = 1_800_000_000_000_000;
        let mut known = Snapshot { now, ..Snapshot::default() };
        known.scrape.figures.day.failed(now);
        known.scrape.figures.day.failed(now - 24 * 3_600_000_000);
        known.scrape.figures.day.failed(now - 26 * 3_600_000_000);
        let day = day(&known);
        assert_eq!(day.len(), limits::HISTORY_QUARTERS);
        assert_eq!((day[0].1.failed, day[96].1.failed), (1, 1));
        let told = section(&known).into_string();
        assert!(told.contains("2 attempts failed"), "{told}");
        assert_eq!(told.matches("rect class=\"hit\"").count(), 2);
    }
}
