//! What the engine told, as a person reads it: one file for each recording.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use podwhy::incident::Incident;

use crate::play::Timeline;

/// What differs from the file, if anything does.
pub(crate) fn compare(scenario: &str, timeline: &Timeline) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/replay/golden");
    let file = folder.join(format!("{scenario}.txt"));
    let told = text(timeline);
    if std::env::var("PODWHY_GOLDEN").is_ok_and(|word| word == "write") {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&file, &told).unwrap();
        return None;
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let differing = written
        .lines()
        .zip(told.lines())
        .position(|(one, other)| one != other)
        .unwrap_or_else(|| written.lines().count().min(told.lines().count()));
    (written != told).then(|| {
        let line = |text: &str| text.lines().nth(differing).unwrap_or("(ends)").to_owned();
        format!(
            "{scenario}, line {}:\n  written: {}\n  told:    {}",
            differing + 1,
            line(&written),
            line(&told)
        )
    })
}

pub(crate) fn text(timeline: &Timeline) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut out = String::new();
    for (at, incident) in &timeline.incidents {
        let next = names.len() + 1;
        let number = *names.entry(&incident.id).or_insert(next);
        version(&mut out, number, &clock(*at), incident);
    }
    if out.is_empty() {
        out.push_str("No incident.\n");
    }
    out
}

fn version(out: &mut String, number: usize, at: &str, incident: &Incident) {
    let state = serde_json::to_value(incident.state).unwrap();
    let scope = serde_json::to_value(incident.scope).unwrap();
    let sure = serde_json::to_value(incident.cause.confidence).unwrap();
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(
        "{at} #{number} {} {}: {} ({} {})",
        state.as_str().unwrap(),
        scope.as_str().unwrap(),
        incident.cause.title,
        incident.cause.id,
        sure.as_str().unwrap(),
    ));
    line(format!(
        "    {} {} attempts={} exit={} killed_by={}",
        word(&incident.step),
        word(&incident.reason),
        incident.attempts,
        incident.exit_code.map_or("-".to_owned(), |code| code.to_string()),
        incident.killed_by.as_ref().map_or("-".to_owned(), |killer| killer.text.clone()),
    ));
    for pod in &incident.pods {
        line(format!(
            "    pod {}/{} {}",
            word(&pod.namespace),
            word(&pod.name),
            word(&pod.container)
        ));
    }
    let texts = [
        ("alternative", incident.alternatives.iter().map(|cause| cause.id.clone()).collect()),
        (
            "evidence",
            incident
                .evidence
                .iter()
                .map(|evidence| format!("[{}] {}", evidence.source, evidence.text))
                .collect(),
        ),
        ("contradiction", incident.contradictions.clone()),
        ("control", incident.controls.clone()),
        ("chain", incident.chain.clone()),
        ("changed", incident.changed.clone()),
        ("next", incident.next.iter().map(|next| next.what.clone()).collect()),
        ("proof", incident.proof.clone()),
        ("fixed by", incident.fixed_by.clone()),
        ("note", incident.note.iter().cloned().collect::<Vec<_>>()),
    ];
    for (what, list) in texts {
        for text in list {
            line(format!("    {what}: {}", text.replace('\n', "\n        ")));
        }
    }
    line(format!("    clears: {}", incident.clears_when));
    let _ = writeln!(out);
}

fn clock(at: i64) -> String {
    jiff::Timestamp::from_microsecond(at).unwrap().strftime("%H:%M:%S.%3f").to_string()
}
