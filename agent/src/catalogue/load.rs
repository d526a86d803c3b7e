//! Reads files of causes: ours, which are part of the program, and the users', which are handed in
//! as text. Refuses what is wrong with the file, the line, the id and what to do. Opens no file.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde::Deserialize;

use super::{Catalogue, Cause, Class, Entry, check, matcher::Needles, rule::Rule};
use crate::limits;

macro_rules! without_examples {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!(env!("OUT_DIR"), "/", $name)))),+]
    };
}

/// Our own files, in the order in which classes are told. `build.rs` took their examples out: they
/// are three quarters of the text, and nobody reads them at a start.
const FILES: [(&str, &str); 13] = without_examples![
    "image.yaml",
    "config.yaml",
    "volume.yaml",
    "sandbox.yaml",
    "runtime.yaml",
    "exit.yaml",
    "probe.yaml",
    "sidecar.yaml",
    "terminate.yaml",
    "admission.yaml",
    "eviction.yaml",
    "node.yaml",
    "wrapper.yaml",
];

/// Why a file of causes is refused. Not retryable: somebody has to change the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}{}: {why}", line.map(|line| format!(", line {line}")).unwrap_or_default(),
    id.as_ref().map(|id| format!(", cause {id}")).unwrap_or_default())]
pub struct LoadError {
    /// Which file.
    pub file: String,
    /// 1-based, where it can be told.
    pub line: Option<u64>,
    /// The cause that it is about.
    pub id: Option<String>,
    /// What is wrong and what to do.
    pub why: String,
}

/// One file's text with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// As the user wrote it.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Causes {
    /// All of them are of this class.
    pub class: Class,
    /// In the order of the file.
    pub causes: Vec<Cause>,
}

/// Our own causes. A fault in a file of ours leaves that cause out: `faults` names it, and a test
/// fails on it.
#[must_use]
pub fn builtin() -> &'static Arc<Catalogue> {
    static BUILTIN: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(built().0));
    &BUILTIN
}

/// What is wrong with our own files.
#[must_use]
pub fn faults() -> Vec<LoadError> {
    built().1
}

fn built() -> (Catalogue, Vec<LoadError>) {
    loaded(FILES, Kind::Stripped)
}

/// A catalogue of whole files in the place of ours, and what is wrong with them.
#[must_use]
pub fn in_place_of_ours(files: &[File]) -> (Catalogue, Vec<LoadError>) {
    let files = files.iter().map(|file| (file.name.as_str(), file.text.as_str()));
    loaded(files, Kind::Ours)
}

fn loaded<'f>(
    files: impl IntoIterator<Item = (&'f str, &'f str)>,
    kind: Kind,
) -> (Catalogue, Vec<LoadError>) {
    let (mut loading, mut faults) = (Loading::default(), Vec::new());
    for (name, text) in files {
        match parse(name, text) {
            Ok(causes) => faults.extend(loading.add(name, text, causes, kind)),
            Err(error) => faults.push(error),
        }
    }
    let catalogue = loading.finish().unwrap_or_else(|error| {
        faults.push(error);
        Catalogue::default()
    });
    (catalogue, faults)
}

/// Reads one file's text: the form only, no rule.
///
/// # Errors
/// Names line and field where the reader tells them.
pub fn parse(name: &str, text: &str) -> Result<Causes, LoadError> {
    let refuse = |line, why| LoadError { file: name.to_owned(), line, id: None, why };
    if text.len() > limits::CAUSES_FILE_BYTES {
        let max = limits::CAUSES_FILE_BYTES >> 20;
        return Err(refuse(None, format!("is larger than {max} MiB: split it")));
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        let why: Vec<String> = error.to_string().lines().map(|l| l.trim().to_owned()).collect();
        refuse(line, why.join(" "))
    })
}

impl Catalogue {
    /// Ours and the users': theirs may not have the id of another cause, unless they say
    /// `replaces`.
    ///
    /// # Errors
    /// The first fault of the first file that has one.
    pub fn with_users(files: &[File]) -> Result<Arc<Self>, LoadError> {
        if files.is_empty() {
            return Ok(Arc::clone(builtin()));
        }
        let entries = builtin().entries.clone();
        let file_of = |entry: &Entry| format!("{}.yaml", entry.class.word());
        let ids = entries.iter().map(|entry| (entry.cause.id.clone(), file_of(entry))).collect();
        let mut loading = Loading { entries, ids };
        for file in files {
            let causes = parse(&file.name, &file.text)?;
            if let Some(fault) =
                loading.add(&file.name, &file.text, causes, Kind::Users).into_iter().next()
            {
                return Err(fault);
            }
        }
        loading.finish().map(Arc::new)
    }
}

/// A catalogue of one file alone, as ours or as a user's.
#[cfg(test)]
pub(super) fn alone(text: &str) -> Result<Catalogue, LoadError> {
    let mut loading = Loading::default();
    let faults = loading.add("own.yaml", text, parse("own.yaml", text)?, Kind::Ours);
    match faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => loading.finish(),
    }
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Ours without its examples.
    Stripped,
    /// Ours.
    Ours,
    /// A user's.
    Users,
}

/// A catalogue on its way.
#[derive(Default)]
struct Loading {
    entries: Vec<Entry>,
    /// Id to the file that has it.
    ids: BTreeMap<String, String>,
}

impl Loading {
    /// Adds what is right and says what is wrong.
    fn add(&mut self, file: &str, text: &str, causes: Causes, kind: Kind) -> Vec<LoadError> {
        let mut faults = Vec::new();
        for mut cause in causes.causes {
            let is_users = kind == Kind::Users;
            let mut wrong = check::faults(&cause);
            if kind != Kind::Stripped {
                wrong.extend(check::examples(&cause));
            }
            wrong.extend(self.clash(&cause, is_users));
            let rule = Rule::read(&cause).map_err(|why| wrong.push(why)).ok();
            faults.extend(wrong.into_iter().map(|why| LoadError {
                file: file.to_owned(),
                line: line_of(text, &cause.id),
                id: Some(cause.id.clone()),
                why,
            }));
            let is_told = faults.last().is_some_and(|fault| fault.id.as_ref() == Some(&cause.id));
            let (Some(rule), false) = (rule, is_told) else { continue };
            if let Some(replaced) = &cause.replaces {
                self.entries.retain(|entry| entry.cause.id != *replaced);
            }
            self.ids.insert(cause.id.clone(), file.to_owned());
            // Only tests and people read them; a node's agent has better use for the memory.
            cause.examples = Vec::new();
            cause.counter_examples = Vec::new();
            self.entries.push(Entry { class: causes.class, cause, rule, is_users });
        }
        faults
    }

    fn clash(&self, cause: &Cause, is_users: bool) -> Option<String> {
        if let Some(replaced) = &cause.replaces
            && (!is_users || !self.ids.contains_key(replaced))
        {
            let nearest = check::suggestion(replaced, self.ids.keys().map(String::as_str));
            return Some(format!("replaces `{replaced}`, which does not exist{nearest}"));
        }
        let other = self.ids.get(&cause.id)?;
        let is_meant = cause.replaces.as_ref() == Some(&cause.id);
        (!is_meant).then(|| {
            format!("the id is taken by {other}: choose another, or say `replaces: {}`", cause.id)
        })
    }

    fn finish(self) -> Result<Catalogue, LoadError> {
        let needles = Needles::new(self.entries.iter().map(|entry| &entry.rule));
        let needles = needles.map_err(|why| LoadError {
            file: "causes".to_owned(),
            line: None,
            id: None,
            why,
        })?;
        Ok(Catalogue { entries: self.entries, needles })
    }
}

/// The line on which a cause says its id.
fn line_of(text: &str, id: &str) -> Option<u64> {
    let is_it = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix("id:").is_some_and(|rest| rest.trim().trim_matches(['"', '\'']) == id)
    };
    (1u64..).zip(text.lines()).find(|(_, line)| is_it(line)).map(|(number, _)| number)
}
