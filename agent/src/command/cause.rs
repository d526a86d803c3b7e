//! `podwhy cause`: the catalogue for people. What a cause means, how it is told, what to do, what
//! it is confused with; frequent questions; and a trial of users' own causes. Judges nothing.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, ValueEnum};

use super::{BAD_CONFIGURATION, DONE, FAILED, complain, say};
use crate::{
    catalogue::{self, Catalogue, Cause, Class, check, faq},
    config,
};

mod render;
pub mod trial;

/// What a cause means, how it is told, what to do about it.
///
/// Without a name: all causes, class by class. A class, such as `image`: those of that class.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// A cause's id, a class, a question in your words, `faq`, or `test FILE…`
    #[arg(value_name = "ID")]
    what: Vec<String>,

    /// Text for people, or one JSON object a line
    #[arg(long, value_enum, default_value_t = Form::Text)]
    output: Form,

    /// Configuration file, whose diagnosis.causes are added [default: $PODWHY_CONFIG, else
    /// /etc/podwhy/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  podwhy cause                        all causes, by class
  podwhy cause volume                 those of one class
  podwhy cause image_not_found        one cause in full
  podwhy cause faq                    questions that people ask
  podwhy cause clean log in a crash loop    the answer to one of them
  podwhy cause test my-causes.yaml    whether your own causes are right, and win where they should

Exit codes: 0 done, 1 no such cause or a trial failed, 2 bad arguments, 64 bad configuration.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let words: Vec<&str> = arguments.what.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["test", files @ ..] => test(files, arguments.output),
        ["faq", ..] => questions(arguments.what.get(1..).unwrap_or_default(), arguments.output),
        [] => known(arguments, |causes| say(&list(causes, None, arguments.output), DONE)),
        [name] => known(arguments, |causes| one(causes, name, arguments.output)),
        // Several words are a question, whether or not somebody knows our word for that.
        [..] => known(arguments, |causes| asked(causes, &arguments.what, arguments.output)),
    };
    code.into()
}

/// Ours and those of the configuration.
fn known(arguments: &Arguments, answer: impl FnOnce(&Catalogue) -> u8) -> u8 {
    let environment = config::environment();
    let loaded = config::load(arguments.config.as_deref(), &environment, &[])
        .map_err(|error| error.to_string())
        .and_then(|loaded| of(&loaded.config.diagnosis.causes).map_err(|why| why.to_string()));
    match loaded {
        Ok(causes) => answer(&causes),
        Err(why) => {
            complain(&why);
            BAD_CONFIGURATION
        }
    }
}

/// The catalogue with the users' files in it.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn of(paths: &[PathBuf]) -> Result<Arc<Catalogue>, catalogue::LoadError> {
    let files = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    Catalogue::with_users(&files)
}

fn read(path: &std::path::Path) -> Result<catalogue::File, catalogue::LoadError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(catalogue::File { name, text }),
        Err(error) => Err(catalogue::LoadError {
            file: name,
            line: None,
            id: None,
            why: format!("cannot be read: {error}"),
        }),
    }
}

fn list(causes: &Catalogue, class: Option<&str>, form: Form) -> String {
    let wanted = causes.causes().filter(|(own, _)| class.is_none_or(|class| own.word() == class));
    match form {
        Form::Json => wanted.map(|(class, cause)| render::json(class, cause)).collect(),
        Form::Text => render::table(wanted),
    }
}

/// A cause, or a class, or what is near to neither.
fn one(causes: &Catalogue, name: &str, form: Form) -> u8 {
    if let Some((class, cause)) = causes.get(name) {
        return match form {
            Form::Json => say(&render::json(class, cause), DONE),
            Form::Text => say(&render::page(class, cause), DONE),
        };
    }
    if causes.causes().any(|(class, _)| class.word() == name) {
        let mut text = list(causes, Some(name), form);
        if name == "wrapper" && form == Form::Text {
            text += "\nQuestions about them: podwhy cause faq\n";
        }
        return say(&text, DONE);
    }
    let asked = [name.to_owned()];
    if faq::questions().is_ok_and(|all| !faq::find(&all, &asked).is_empty()) {
        return questions(&asked, form);
    }
    let found = of_word(causes, name);
    if !found.is_empty() {
        return say(&shown(found, form), DONE);
    }
    let ids: Vec<&str> = causes.causes().map(|(_, cause)| cause.id.as_str()).collect();
    let parts: Vec<&str> = ids.iter().copied().filter(|id| id.contains(name)).take(8).collect();
    let hint = match (check::nearest(name, ids.iter().copied()), parts.as_slice()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, []) => "`podwhy cause` lists them".to_owned(),
        (None, parts) => format!("these have it in their name: {}", parts.join(", ")),
    };
    complain(&format_args!("no cause is called `{name}`: {hint}"));
    FAILED
}

fn shown(found: Vec<(Class, &Cause)>, form: Form) -> String {
    match form {
        Form::Json => found.into_iter().map(|(class, cause)| render::json(class, cause)).collect(),
        Form::Text => render::table(found.into_iter()),
    }
}

/// A question in several words: one about an exit code is answered with its causes.
fn asked(causes: &Catalogue, words: &[String], form: Form) -> u8 {
    let found = of_exit_code(causes, words);
    if found.is_empty() { questions(words, form) } else { say(&shown(found, form), DONE) }
}

/// Causes that are told by the exit code in a question such as `exit code 137`.
fn of_exit_code<'c>(causes: &'c Catalogue, words: &[String]) -> Vec<(Class, &'c Cause)> {
    let words: Vec<String> = words
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .collect();
    let is_asked = words.iter().any(|word| matches!(word.as_str(), "exit" | "code" | "exitcode"));
    let code = words.iter().find_map(|word| word.parse::<u8>().ok()).filter(|_| is_asked);
    let Some(code) = code else { return Vec::new() };
    let signal = format!("@exit={code}");
    let is_told = |cause: &Cause| {
        cause.matches.iter().any(|rule| rule.split(" && ").any(|part| part == signal))
    };
    causes.causes().filter(|(_, cause)| is_told(cause)).collect()
}

/// Causes with that word in their id, or that a reason of that name tells: `OOM`, `OOMKilled`,
/// `ImagePullBackOff`.
fn of_word<'c>(causes: &'c Catalogue, word: &str) -> Vec<(Class, &'c Cause)> {
    let is_it = |other: &str| other.eq_ignore_ascii_case(word);
    let is_told = |cause: &Cause| {
        let reasons = cause.steps.iter().filter_map(|step| step.split_once('/'));
        cause.id.split('_').any(is_it)
            || reasons.flat_map(|(_, reasons)| reasons.split(',')).any(is_it)
            || cause
                .matches
                .iter()
                .flat_map(|rule| rule.split(" && "))
                .any(|part| is_it(part.trim_start_matches("@reason=")))
    };
    causes.causes().filter(|(_, cause)| is_told(cause)).collect()
}

fn questions(asked: &[String], form: Form) -> u8 {
    let questions = match faq::questions() {
        Ok(questions) => questions,
        Err(error) => {
            complain(&error);
            return FAILED;
        }
    };
    let found = faq::find(&questions, asked);
    if !asked.is_empty() && found.is_empty() {
        complain(&"no question has these words: `podwhy cause faq` lists all");
        return FAILED;
    }
    let is_list = asked.is_empty();
    let shown: Vec<&faq::Question> = if is_list { questions.iter().collect() } else { found };
    let text = match form {
        Form::Json => shown.iter().map(render::json_line).collect(),
        Form::Text => render::questions(&shown, is_list),
    };
    say(&text, DONE)
}

/// Tries users' files: form, rules, and every example of theirs against all other causes.
fn test(files: &[&str], form: Form) -> u8 {
    if files.is_empty() {
        complain(&"name the files to try: podwhy cause test FILE…");
        return 2;
    }
    let paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let read = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>();
    let tried = read.and_then(|files| trial::of_files(&files));
    match tried {
        Ok(trials) => {
            let is_right = trials.iter().all(|(_, trial)| trial.is_right);
            let text = match form {
                Form::Json => trials.iter().map(|(_, trial)| render::json_line(trial)).collect(),
                Form::Text => render::trials(&trials),
            };
            say(&text, if is_right { DONE } else { FAILED })
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

#[cfg(test)]
mod tests;
