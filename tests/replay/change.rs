//! Copies of a recording that are the same story: other names, other times, two at once, cut short.

use std::collections::BTreeMap;

use podwhy::app::replay::recorded::Pieces;
use regex::{Captures, Regex};

/// The rows of `truth.tsv` as text.
#[derive(Clone, Debug)]
pub(crate) struct Truth(pub(crate) String);

type Micros = i64;

fn parse(text: &str) -> Option<Micros> {
    text.parse::<jiff::Timestamp>().ok().map(|at| at.as_microsecond())
}

impl Truth {
    fn cells(&self, column: &str) -> Vec<String> {
        let mut rows = self.0.lines().map(|row| row.split('\t').collect::<Vec<_>>());
        let index = rows.next().unwrap().iter().position(|name| *name == column).unwrap();
        rows.map(|row| row[index].to_owned()).collect()
    }

    /// The earliest time of a column.
    pub(crate) fn first_time(&self, column: &str) -> Option<Micros> {
        self.cells(column).iter().filter_map(|cell| parse(cell)).min()
    }

    /// As if nothing had been put right, without what only began after that.
    pub(crate) fn unfixed(&self) -> Self {
        let fixed = self.first_time("fixed").unwrap();
        let header: Vec<&str> = self.0.lines().next().unwrap().split('\t').collect();
        let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
        let mut rows = vec![header.join("\t")];
        for row in self.0.lines().skip(1) {
            let mut cells: Vec<&str> = row.split('\t').collect();
            if parse(cells[place("began")]).is_some_and(|began| began >= fixed) {
                continue;
            }
            cells[place("fixed")] = "-";
            cells[place("recovered")] = "-";
            rows.push(cells.join("\t"));
        }
        Self(rows.join("\n") + "\n")
    }
}

/// Everything up to a time.
pub(crate) fn cut(pieces: Pieces, until: Micros) -> Pieces {
    let entries = entries(&pieces.journal);
    let kept = entries.into_iter().filter(|(at, _)| *at <= until).flat_map(|(_, entry)| entry);
    let pods = versions(&pieces.pods);
    let pods = pods.into_iter().filter(|(at, _)| *at <= until).map(|(_, text)| text);
    // A log as it was after the time is cut line by line.
    let logs = pieces.logs.into_iter().map(|(path, content)| {
        let text = String::from_utf8_lossy(&content).into_owned();
        let kept: String = text
            .split_inclusive('\n')
            .take_while(|line| line.split(' ').next().and_then(parse).is_none_or(|at| at <= until))
            .collect();
        (path, kept.into_bytes())
    });
    Pieces { journal: kept.collect(), pods: pods.collect(), logs: logs.collect(), ..pieces }
}

/// Entries of an export, with their time.
fn entries(journal: &[u8]) -> Vec<(Micros, Vec<u8>)> {
    let text = String::from_utf8_lossy(journal).into_owned();
    let mut entries = Vec::new();
    for entry in text.split_inclusive("\n\n") {
        let at = entry
            .lines()
            .find_map(|line| line.strip_prefix("__REALTIME_TIMESTAMP="))
            .and_then(|at| at.parse().ok());
        let Some(at) = at else { continue };
        entries.push((at, entry.trim_end().to_owned().into_bytes()));
    }
    entries.into_iter().map(|(at, entry)| (at, [entry, b"\n\n".to_vec()].concat())).collect()
}

/// Versions of pods, with the newest time in each.
fn versions(pods: &str) -> Vec<(Micros, String)> {
    let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    serde_json::Deserializer::from_str(pods)
        .into_iter::<serde_json::Value>()
        .map(|version| {
            let text = version.unwrap().to_string();
            let newest = time.find_iter(&text).filter_map(|found| parse(found.as_str())).max();
            (newest.unwrap_or_default().saturating_add(999_999), text + "\n")
        })
        .collect()
}

/// Every text of a recording and its truth, through one function.
fn each_text(pieces: Pieces, truth: Truth, change: impl Fn(&str) -> String) -> (Pieces, Truth) {
    let text = |bytes: Vec<u8>| change(&String::from_utf8_lossy(&bytes)).into_bytes();
    let pieces = Pieces {
        journal: text(pieces.journal),
        pods: change(&pieces.pods),
        node: change(&pieces.node),
        logs: pieces.logs.into_iter().map(|(path, bytes)| (change(&path), text(bytes))).collect(),
        facts: change(&pieces.facts),
    };
    (pieces, Truth(change(&truth.0)))
}

/// Other namespaces, pod names and uids. A pod's name is a word like any other, so only where it
/// stands as one.
pub(crate) fn rename(pieces: Pieces, truth: Truth) -> (Pieces, Truth) {
    let uid = Regex::new(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}").unwrap();
    let mut rules: Vec<(Regex, String)> = Vec::new();
    let mut spaces: BTreeMap<String, String> = BTreeMap::new();
    for (space, pod) in truth.cells("namespace").into_iter().zip(truth.cells("pod")) {
        let number = spaces.len();
        let other = spaces.entry(space.clone()).or_insert(format!("payments-{number}"));
        if pod == "-" {
            continue;
        }
        let (space, other) = (regex::escape(&space), other.clone());
        let (pod, new) = (regex::escape(&pod), format!("renamed-{pod}"));
        for (pattern, with) in [
            (format!(r"\b{space}([/_]){pod}\b"), format!("{other}${{1}}{new}")),
            (format!(r"\b{pod}_{space}\b"), format!("{new}_{other}")),
            (format!(r"Name:{pod},Uid"), format!("Name:{new},Uid")),
            (format!(r#"pod (\\?"){pod}(\\?") \(UID"#), format!("pod ${{1}}{new}${{2}} (UID")),
            (format!(r#""name": "{pod}""#), format!(r#""name": "{new}""#)),
            (format!(r"\t{space}\t{pod}\t"), format!("\t{other}\t{new}\t")),
        ] {
            rules.push((Regex::new(&pattern).unwrap(), with));
        }
    }
    each_text(pieces, truth, |text| {
        let turn = |found: &Captures<'_>| found[0].chars().map(turned).collect::<String>();
        let mut text = uid.replace_all(text, turn).into_owned();
        for (rule, with) in &rules {
            text = rule.replace_all(&text, with).into_owned();
        }
        for (space, other) in &spaces {
            text = text.replace(space, other);
        }
        text
    })
}

/// Another hexadecimal digit for each.
fn turned(digit: char) -> char {
    match digit.to_digit(16) {
        Some(value) => char::from_digit((value + 5) % 16, 16).unwrap(),
        None => digit,
    }
}

/// The same at another time: in every form in which a time stands in a recording.
pub(crate) fn shift(pieces: Pieces, truth: Truth, seconds: i64) -> (Pieces, Truth) {
    let civil = Regex::new(r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)").unwrap();
    let klog = Regex::new(r"(?m)((?:^|MESSAGE=)[IWEF])(\d\d)(\d\d) (\d\d:\d\d:\d\d)").unwrap();
    let epoch = Regex::new(r"(REALTIME_TIMESTAMP=|seconds:)(\d{10})").unwrap();
    let moved = |text: &str| -> String {
        let at: jiff::Timestamp = text.parse().unwrap();
        let at = at.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
        at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    };
    each_text(pieces, truth, |text| {
        let text = civil.replace_all(text, |found: &Captures<'_>| {
            let at = moved(&format!("{}T{}Z", &found[1], &found[3]));
            at.replacen('T', &found[2], 1)
        });
        let text = klog.replace_all(&text, |found: &Captures<'_>| {
            // The recordings are all of one year.
            let at = moved(&format!("2026-{}-{}T{}Z", &found[2], &found[3], &found[4]));
            format!("{}{}{} {}", &found[1], &at[5..7], &at[8..10], &at[11..19])
        });
        let text = epoch.replace_all(&text, |found: &Captures<'_>| {
            let at: i64 = found[2].parse().unwrap();
            format!("{}{}", &found[1], at + seconds)
        });
        text.into_owned()
    })
}

/// The second story as if it had begun with the first.
pub(crate) fn interleave(
    (one, one_truth): (Pieces, Truth),
    (other, other_truth): (Pieces, Truth),
) -> (Pieces, Truth) {
    let start = |pieces: &Pieces| entries(&pieces.journal).first().map(|(at, _)| *at).unwrap();
    let seconds = (start(&one) - start(&other)) / 1_000_000;
    let (other, other_truth) = shift(other, other_truth, seconds);
    let mut all = entries(&one.journal);
    all.extend(entries(&other.journal));
    all.sort_by_key(|(at, _)| *at);
    let rows = other_truth.0.lines().skip(1).map(|row| format!("{row}\n"));
    let truth = Truth(one_truth.0.clone() + &rows.collect::<String>());
    let mut logs = one.logs;
    logs.extend(other.logs);
    let pieces = Pieces {
        journal: all.into_iter().flat_map(|(_, entry)| entry).collect(),
        pods: one.pods + &renumbered(&other.pods),
        node: one.node,
        logs,
        facts: one.facts + &other.facts,
    };
    (pieces, truth)
}

/// Versions are in the order of their numbers, and those of two stories are not one order: the
/// second one's are moved behind their time's neighbours by the time itself.
fn renumbered(pods: &str) -> String {
    versions(pods).into_iter().map(|(_, text)| text).collect()
}
