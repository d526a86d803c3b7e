//! Tables of Events: `kubectl get events` in its widths, `kubectl events`, and the table at the end
//! of a description. Owns columns and ages.

use super::value::{age, prose, word};
use super::{Sink, event};
use crate::fact::{Event, PodRef};
use crate::source::Micros;

/// Reads a table with its head.
pub(super) fn read(text: &str, number: u64, now: Option<Micros>, sink: Sink<'_>) -> bool {
    let mut lines = text.lines();
    let Some(head) = lines.next() else { return false };
    let columns = Columns::of(head);
    let mut any = false;
    for (at, line) in (1..).zip(lines) {
        if let Some(event) = columns.event(line, number + at, now) {
            event::hand_on(event, sink);
            any = true;
        }
    }
    any
}

/// Where each column begins, in characters.
struct Columns<'h> {
    begins: Vec<(usize, &'h str)>,
}

impl<'h> Columns<'h> {
    fn of(head: &'h str) -> Self {
        let mut begins = Vec::new();
        let mut at = 0;
        for cell in head.split("  ") {
            let name = cell.trim();
            if !name.is_empty() {
                let lead = cell.chars().take_while(|c| c.is_whitespace()).count();
                begins.push((at + lead, name));
            }
            at += cell.chars().count() + 2;
        }
        Self { begins }
    }

    /// The cells by place, as kubectl aligns them; by gaps where the copy is not aligned.
    fn cells(&self, line: &str) -> Vec<(&'h str, String)> {
        let characters: Vec<char> = line.chars().collect();
        let is_aligned = self.begins.iter().skip(1).all(|(begin, _)| {
            begin
                .checked_sub(1)
                .and_then(|before| characters.get(before))
                .is_none_or(|c| c.is_whitespace())
        });
        if !is_aligned {
            let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
            let mut cells = cells.map(str::to_owned);
            let last = self.begins.len().saturating_sub(1);
            let mut found: Vec<(&str, String)> = Vec::new();
            for (_, name) in self.begins.iter().take(last) {
                found.push((name, cells.next().unwrap_or_default()));
            }
            if let Some((_, name)) = self.begins.last() {
                found.push((name, cells.collect::<Vec<_>>().join("  ")));
            }
            return found;
        }
        let ends = self.begins.iter().skip(1).map(|(begin, _)| *begin).chain([usize::MAX]);
        self.begins
            .iter()
            .zip(ends)
            .map(|((begin, name), end)| {
                let cell = characters.iter().skip(*begin).take(end.saturating_sub(*begin));
                (*name, cell.collect::<String>().trim().to_owned())
            })
            .collect()
    }

    fn event(&self, line: &str, number: u64, now: Option<Micros>) -> Option<Event> {
        let cells = self.cells(line);
        let of = |name: &str| {
            let cell =
                cells.iter().find(|(column, _)| *column == name).map(|(_, cell)| cell.trim());
            cell.filter(|cell| !cell.is_empty() && *cell != "<none>")
        };
        let (last, first, count) = ages(of("LAST SEEN").unwrap_or_default(), now);
        let (kind, name) = of("OBJECT")
            .and_then(|object| object.split_once('/'))
            .or_else(|| Some((of("KIND")?, of("NAME")?)))?;
        Some(Event {
            first: of("FIRST SEEN").and_then(|text| before(now, text)).or(first),
            last,
            count: of("COUNT").and_then(|count| count.parse().ok()).unwrap_or(count),
            container: of("SUBOBJECT").and_then(event::container_of),
            component: of("SOURCE").map(|source| word(source.split(',').next().unwrap_or(source))),
            host: of("SOURCE").and_then(|source| source.split(',').nth(1)).map(word),
            ..made(
                (kind, name, of("NAMESPACE")),
                [of("TYPE")?, of("REASON")?, of("MESSAGE").unwrap_or_default()],
                number,
            )
        })
    }
}

/// An Event about an object: kind, name, namespace; then type, reason, message.
pub(super) fn made(
    (kind, name, namespace): (&str, &str, Option<&str>),
    [severity, reason, message]: [&str; 3],
    number: u64,
) -> Event {
    let is_pod = kind.eq_ignore_ascii_case("pod");
    let pod = PodRef {
        namespace: namespace.map(word),
        name: Some(word(name)).filter(|name| !name.is_empty()),
        uid: None,
    };
    Event {
        object_kind: if is_pod { "Pod".to_owned() } else { word(kind) },
        object_name: word(name),
        pod: if is_pod { pod } else { PodRef::default() },
        kind: word(severity),
        reason: word(reason),
        message: prose(message),
        count: 1,
        line: number,
        ..Event::default()
    }
}

/// `3m (x4 over 5m)`: last, first, count.
pub(super) fn ages(text: &str, now: Option<Micros>) -> (Option<Micros>, Option<Micros>, u32) {
    let (last, times) = text.split_once(" (x").unwrap_or((text, ""));
    let (count, first) = times.split_once(" over ").unwrap_or((times, ""));
    let last = before(now, last);
    let first = before(now, first.trim_end_matches(')')).or(last);
    (last, first, count.trim_end_matches(')').parse().unwrap_or(1))
}

fn before(now: Option<Micros>, text: &str) -> Option<Micros> {
    now?.checked_sub(age(text)?)
}
