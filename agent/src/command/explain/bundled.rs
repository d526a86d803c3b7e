//! A bundle of `podwhy bundle` as an input, packed or unpacked: what the node itself concluded, and
//! what it concluded it from. The node saw more than it packed: its word counts before ours.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::super::bundle::{ABOUT, FACTS, INCIDENTS, JOURNAL};
use super::{Explained, NamedInput, plain};
use crate::incident::{Incident, Scope};
use crate::limits::{BUNDLE_MEMBER_BYTES, EXPLAIN_INCIDENTS};
use crate::redact;
use crate::source::{
    Micros,
    paste::{text_only, unpacked},
};

/// An input, looked into.
#[derive(Debug)]
pub(super) enum Opened {
    /// A paste as any other.
    Paste(NamedInput),
    /// A bundle, and its lines and facts.
    Bundle(Box<Bundle>, Vec<NamedInput>),
}

/// What the node said.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    name: String,
    incidents: Vec<Incident>,
    /// The node's name, part of ids.
    pub(super) node: Option<String>,
    made: Option<Micros>,
    missing: Vec<String>,
}

/// A tar's first block says what it is here.
const MAGIC: std::ops::Range<usize> = 257..262;
const BLOCK: usize = 512;

/// Looks at the beginning of an input.
///
/// # Errors
/// What the read says.
pub(super) fn open(input: NamedInput) -> io::Result<Opened> {
    let NamedInput { name, bytes, written } = input;
    let mut bytes = unpacked(bytes)?;
    let mut head = Vec::with_capacity(BLOCK);
    // Not more than is there: a paste may be a single word.
    bytes.by_ref().take(BLOCK as u64).read_to_end(&mut head)?;
    let is_archive = head.get(MAGIC).is_some_and(|magic| magic == b"ustar");
    if !is_archive {
        text_only(&head)?;
    }
    let bytes = io::Cursor::new(head).chain(bytes);
    if !is_archive {
        return Ok(Opened::Paste(NamedInput { name, bytes: Box::new(bytes), written }));
    }
    let mut files = Files::default();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        if entry.header().entry_type().is_file() {
            files.take(&path, entry)?;
        }
    }
    files.opened(name.unwrap_or_else(|| "the bundle".to_owned()))
}

/// An unpacked one; `None` where the folder is something else.
///
/// # Errors
/// What the file system says.
pub(super) fn folder(path: &Path) -> io::Result<Option<Opened>> {
    if !path.join(INCIDENTS).is_file() {
        return Ok(None);
    }
    let mut files = Files::default();
    for name in [ABOUT, INCIDENTS, FACTS, JOURNAL] {
        match fs::File::open(path.join(name)) {
            Ok(file) => files.take(Path::new(name), file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.opened(path.display().to_string()).map(Some)
}

/// The files that count.
#[derive(Debug, Default)]
struct Files {
    about: Option<Vec<u8>>,
    incidents: Option<Vec<u8>>,
    facts: Option<Vec<u8>>,
    journal: Option<Vec<u8>>,
}

impl Files {
    fn take(&mut self, path: &Path, bytes: impl Read) -> io::Result<()> {
        let place = match path.file_name().and_then(|name| name.to_str()) {
            Some(ABOUT) => &mut self.about,
            Some(INCIDENTS) => &mut self.incidents,
            Some(FACTS) => &mut self.facts,
            Some(JOURNAL) => &mut self.journal,
            _ => return Ok(()),
        };
        let mut kept = Vec::new();
        bytes.take(BUNDLE_MEMBER_BYTES as u64 + 1).read_to_end(&mut kept)?;
        if kept.len() > BUNDLE_MEMBER_BYTES {
            return Err(io::Error::other(format!("{} is too large", path.display())));
        }
        *place = Some(kept);
        Ok(())
    }

    fn opened(self, name: String) -> io::Result<Opened> {
        let Some(incidents) = self.incidents else {
            return Err(io::Error::other(
                "an archive, and none of `podwhy bundle`; a copy of /var/log/pods goes behind \
                 --pod-logs",
            ));
        };
        let mut bundle = Bundle { name, ..Bundle::default() };
        bundle.about(&self.about.unwrap_or_default());
        for line in incidents.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // Whoever packed it: nothing that looks like a secret is told.
            let told = serde_json::from_slice(line).map(|mut value| {
                redact::value(&mut value);
                value
            });
            match told.and_then(serde_json::from_value::<Incident>) {
                Ok(incident) if bundle.incidents.len() < EXPLAIN_INCIDENTS => {
                    bundle.incidents.push(incident);
                }
                Ok(_) => {}
                Err(error) => bundle.missing.push(format!("{INCIDENTS} is damaged: {error}")),
            }
        }
        let input = |(file, bytes): (&str, Option<Vec<u8>>)| {
            let name = Some(format!("{}/{file}", bundle.name));
            bytes.map(|bytes| NamedInput {
                name,
                bytes: Box::new(io::Cursor::new(bytes)),
                written: None,
            })
        };
        // Facts first: at equal times a pod is known before what happens to it.
        let inputs = [(FACTS, self.facts), (JOURNAL, self.journal)];
        let inputs = inputs.into_iter().filter_map(input).collect();
        Ok(Opened::Bundle(Box::new(bundle), inputs))
    }
}

impl Bundle {
    fn about(&mut self, bytes: &[u8]) {
        let Ok(about) = serde_json::from_slice::<serde_json::Value>(bytes) else {
            self.missing.push(format!("{ABOUT} is missing or damaged"));
            return;
        };
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let micros = |value: &serde_json::Value| {
            let at = value.as_str()?.parse::<jiff::Timestamp>().ok()?;
            Some(at.as_microsecond())
        };
        self.node = about.pointer("/agent/node").and_then(text);
        self.made = about.get("made").and_then(micros);
        for path in ["/agent/blind", "/journal/missing"] {
            let told = about.pointer(path).and_then(serde_json::Value::as_array);
            self.missing.extend(told.into_iter().flatten().filter_map(text));
        }
    }

    /// Puts the node's word before what its lines alone would tell.
    pub(super) fn tell(self, explained: &mut Explained, is_past: bool) {
        let name = &self.name;
        let missing =
            self.missing.iter().map(|why| format!("{name}: not complete: {}", plain(why)));
        explained.unread.extend(missing);
        // What stood at an earlier time, the lines tell; and where the node told nothing, too.
        if is_past || self.incidents.is_empty() {
            return;
        }
        let inside = format!("{name}/");
        explained.incidents.retain(|derived| {
            let mut files = derived.evidence.iter().filter_map(|it| it.file.as_deref());
            let is_from_elsewhere = files.any(|file| !file.starts_with(&inside));
            is_from_elsewhere && !self.incidents.iter().any(|told| is_same(told, derived))
        });
        explained.end = explained.end.max(self.made);
        explained.now = explained.now.max(self.made);
        explained.is_dated = true;
        explained.incidents.extend(self.incidents);
    }
}

/// One of the two says the other's.
fn is_same(told: &Incident, derived: &Incident) -> bool {
    let shares_pod = || {
        told.pods.iter().any(|pod| {
            derived.pods.iter().any(|it| it.name == pod.name && it.namespace == pod.namespace)
        })
    };
    told.id == derived.id
        || (told.cause.id == derived.cause.id
            && (told.scope == Scope::Node || derived.scope == Scope::Node || shares_pod()))
}
