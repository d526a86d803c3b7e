//! What can be wrong with a configuration, said so that one look mends it: file, line, field, and
//! the nearest known name.

use std::{io, path::PathBuf};

/// Why there is no configuration. Not retryable: somebody has to change something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file says something wrong.
    #[error("{}{}{why}", place(file, *line), field.as_ref().map(|f| format!("{f}: ")).unwrap_or_default())]
    File {
        /// Which.
        file: String,
        /// 1-based; 0 where it cannot be told.
        line: u64,
        /// The field's whole path.
        field: Option<String>,
        /// What is wrong and what to do.
        why: String,
    },
    /// A variable or `--set` says something wrong.
    #[error("{name}: {field}: {why}")]
    Setting {
        /// The variable, or `--set`.
        name: String,
        /// The field's whole path.
        field: String,
        /// What is wrong and what to do.
        why: String,
    },
}

fn place(file: &str, line: u64) -> String {
    match (file, line) {
        ("", 0) => String::new(),
        ("", line) => format!("line {line}: "),
        (file, 0) => format!("{file}: "),
        (file, line) => format!("{file}, line {line}: "),
    }
}

impl Error {
    /// From the YAML reader's.
    pub(super) fn from_yaml(file: &str, text: &str, error: &serde_saphyr::Error) -> Self {
        use serde_saphyr::Error as Yaml;
        let error = error.without_snippet();
        let line = error.location().map_or(0, |location| location.line());
        let field = path_at(text, line);
        let why = match error {
            Yaml::SerdeUnknownField { field: unknown, expected, .. } => {
                format!("unknown field{}", suggestion(unknown, expected))
            }
            Yaml::SerdeUnknownVariant { variant, expected, .. } => {
                format!("`{variant}` is none of {}", expected.join(", "))
            }
            Yaml::SerdeInvalidType { unexpected, expected, .. }
            | Yaml::SerdeInvalidValue { unexpected, expected, .. } => {
                format!("found {unexpected}, expected {expected}")
            }
            Yaml::DuplicateMappingKey { .. } => "given twice".to_owned(),
            other => one_line(&other.to_string()),
        };
        Self::File { file: file.to_owned(), line, field, why }
    }

    /// A value of the file that is well-formed and wrong.
    pub(super) fn value(file: &str, text: &str, field: &str, why: String) -> Self {
        let lines = 1..=text.lines().count() as u64;
        let line = lines.into_iter().find(|line| path_at(text, *line).as_deref() == Some(field));
        let line = line.unwrap_or(0);
        Self::File { file: file.to_owned(), line, field: Some(field.to_owned()), why }
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `, did you mean `x`?`, or what there is.
pub(super) fn suggestion(unknown: &str, known: &[impl AsRef<str>]) -> String {
    let nearest = known
        .iter()
        .map(AsRef::as_ref)
        .map(|name| (distance(unknown, name).min(distance(unknown, last(name))), name))
        .min_by_key(|(distance, name)| (*distance, name.len()));
    let elsewhere = super::fields().into_iter().find(|path| last(path) == unknown);
    match (nearest, elsewhere) {
        (_, Some(path)) => format!(": `{unknown}` is known as `{path}`"),
        // More than half of the letters wrong is no longer a typing error; two swapped are two.
        (Some((distance, name)), _) if distance * 2 <= unknown.len() => {
            format!(", did you mean `{name}`?")
        }
        _ => {
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!(", known here: {}", known.join(", "))
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// How many letters to change, add or drop (Levenshtein, one row).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, pair) in b.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// The dotted path of the field on a line of block-style YAML, told by indentation. YAML in other
/// styles is read as well, only without the path in its errors.
fn path_at(text: &str, line: u64) -> Option<String> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    let lines: Vec<&str> = text.lines().take(index + 1).collect();
    let mut path: Vec<&str> = Vec::new();
    let mut indent = usize::MAX;
    for line in lines.iter().rev() {
        let content = line.trim_start();
        let depth = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') || content.starts_with('-') {
            continue;
        }
        let Some((key, _)) = content.split_once(':') else { continue };
        if depth < indent && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
            path.push(key);
            indent = depth;
        }
    }
    path.reverse();
    (!path.is_empty()).then(|| path.join("."))
}
