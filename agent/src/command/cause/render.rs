//! Causes, questions and trials as text for people, or as one JSON object a line.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::trial::Trial;
use crate::catalogue::{Cause, Class, Role, faq::Question};

/// Text is folded here: readable, and narrower than most terminals.
const WIDTH: usize = 92;

/// All causes, class by class.
pub(super) fn table<'c>(causes: impl Iterator<Item = (Class, &'c Cause)>) -> String {
    let (mut text, mut last, mut count) = (String::new(), None, 0_usize);
    for (class, cause) in causes {
        if last != Some(class) {
            let gap = if last.is_some() { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{}", class.word());
            last = Some(class);
        }
        count += 1;
        let _ = writeln!(text, "  {:<38} {}", cause.id, named(&cause.title));
    }
    let _ = writeln!(text, "\n{count} causes. One in full: podwhy cause ID");
    text
}

/// One cause in full.
pub(super) fn page(class: Class, cause: &Cause) -> String {
    let mut text = format!("{}\n\n", named(&cause.title));
    fold(&mut text, "", &cause.about);
    let role = match cause.role {
        Role::Cause => "",
        Role::Symptom => ", a symptom: told only while nothing else is known",
        Role::Benign => ", benign: explained when asked, never notified",
        Role::Wrapper => ", a wrapper: hides a cause and is never told as one",
    };
    let _ = writeln!(text, "\nid       {}\nclass    {}{role}", cause.id, class.word());
    text += "\nHow it is told\n";
    let _ = writeln!(text, "  step   {}", cause.steps.join(", "));
    for alternative in &cause.matches {
        let _ = writeln!(text, "  text   {}", alternative.replace(" && ", "  and  "));
    }
    list(&mut text, "  certain when one of these agrees", &cause.raised_by);
    list(&mut text, "  ruled out when one of these holds", &cause.lowered_by);
    text += "\nWhat to do\n";
    for step in &cause.next {
        fold(&mut text, "  - ", &named(&step.what));
        if let Some(command) = &step.command {
            let _ = writeln!(text, "      {}", named(command));
        }
        if let Some(risk) = &step.risk {
            fold(&mut text, "      costs: ", risk);
        }
    }
    text += "\nIt is over when\n";
    fold(&mut text, "  ", &cause.clears);
    if !cause.confused_with.is_empty() {
        text += "\nConfused with\n";
        for (id, difference) in &cause.confused_with {
            let _ = writeln!(text, "  {id}");
            fold(&mut text, "      ", difference);
        }
    }
    if let Some(runbook) = &cause.runbook {
        let _ = writeln!(text, "\nRunbook  {runbook}");
    }
    if let Some(reference) = &cause.reference {
        let _ = writeln!(text, "\nFrom     {reference}");
    }
    text
}

fn list(text: &mut String, title: &str, items: &[String]) {
    if !items.is_empty() {
        let _ = writeln!(text, "{title}: {}", items.join(", "));
    }
}

/// One cause as an object on a line.
pub(super) fn json(class: Class, cause: &Cause) -> String {
    let next: Vec<serde_json::Value> = cause
        .next
        .iter()
        .map(|step| json!({"do": step.what, "command": step.command, "risk": step.risk}))
        .collect();
    json_line(&json!({
        "id": cause.id,
        "class": class.word(),
        "role": cause.role,
        "title": cause.title,
        "about": cause.about,
        "steps": cause.steps,
        "match": cause.matches,
        "confidence": (f64::from(cause.confidence) * 100.0).round() / 100.0,
        "raised_by": cause.raised_by,
        "lowered_by": cause.lowered_by,
        "next": next,
        "clears_when": cause.clears,
        "confused_with": cause.confused_with,
        "reference": cause.reference,
        "runbook": cause.runbook,
    }))
}

pub(super) fn json_line<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).map(|line| line + "\n").unwrap_or_default()
}

/// The list of questions, or answers in full.
pub(super) fn questions(questions: &[&Question], is_list: bool) -> String {
    let mut text = String::new();
    for question in questions {
        if is_list {
            let _ = writeln!(
                text,
                "{}\n    podwhy cause faq {}",
                question.ask,
                question.words.join(" ")
            );
            continue;
        }
        let _ = writeln!(text, "{}\n", question.ask);
        fold(&mut text, "  ", &question.answer);
        let _ = writeln!(text, "\n  Causes: {}\n", question.see.join(", "));
    }
    text
}

/// How each example went.
pub(super) fn trials(trials: &[(String, Trial)]) -> String {
    let mut text = String::new();
    let mut wrong = 0_usize;
    for (file, trial) in trials {
        let kind = if trial.is_counter { "counter-example" } else { "example" };
        let mark = if trial.is_right { "ok  " } else { "FAIL" };
        wrong += usize::from(!trial.is_right);
        let _ = writeln!(
            text,
            "{mark} {file} {} {kind} {}: {}",
            trial.cause,
            trial.number,
            trial.told()
        );
        for won in trial.won.iter().filter(|_| !trial.is_right) {
            if let Some(evidence) = &won.evidence {
                let _ = writeln!(text, "       {} because of: {evidence}", won.id);
            }
        }
    }
    let _ = writeln!(text, "{} tried, {wrong} wrong", trials.len());
    text
}

/// `{image}` as a person would write what is to be filled in.
fn named(text: &str) -> String {
    let mut out = text.to_owned();
    for name in crate::catalogue::check::placeholders(text) {
        out = out.replace(&format!("{{{name}}}"), &format!("<{name}>"));
    }
    out
}

/// Folds at blanks; further lines stand under the first one's text.
fn fold(text: &mut String, lead: &str, words: &str) {
    let indent = lead.chars().count();
    text.push_str(lead);
    let mut column = indent;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}
