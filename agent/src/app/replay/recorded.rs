//! A recorded node: its journal, and beside it what the API and the pods' own logs said. Only what
//! was recorded; what was not is absent. Never looks at the machine that it runs on.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use k8s_openapi::api::core::v1 as api;

use crate::{
    fact::{self, Dated, Fact, Instance, LastWords, Want, from_api},
    limits, node,
    source::{Micros, input::Input, recording::Batch},
};

/// The pieces of a recording, as they lie in its folder.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// `journalctl -o export`
    pub journal: Vec<u8>,
    /// Every version of every pod, as JSON objects one after the other.
    pub pods: String,
    /// The Node object as JSON; empty where there is none.
    pub node: String,
    /// Files of `/var/log/pods`: path below it, and content. A path may come more than once, as it
    /// was at different times.
    pub logs: Vec<(String, Vec<u8>)>,
    /// What was looked at beside that: facts as JSON lines.
    pub facts: String,
}

/// A recording as it lies in a program.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// `journal.export.gz`
    pub journal: &'a [u8],
    /// `pods.watch.json.gz`
    pub pods: &'a [u8],
    /// `node.json`
    pub node: &'a str,
    /// `pod-logs.tar.gz`
    pub logs: &'a [u8],
    /// `facts.jsonl`
    pub facts: &'a str,
}

/// A recording, ready to be played.
#[derive(Debug)]
pub struct Recorded {
    /// Its lines, in order.
    pub lines: Batch,
    /// Its facts, in order of time.
    pub facts: Vec<Dated>,
    /// What can be asked of it.
    pub answers: Answers,
}

/// What was recorded of what the engine may want to know.
#[derive(Debug, Default)]
pub struct Answers {
    logs: PodLogs,
    looked_at: Vec<Dated>,
}

impl Pieces {
    /// Reads what lies in `folder`: `journal.export`, `pods.watch.json`, `node.json` and
    /// `pod-logs.*.tar`, each compressed with gzip or not; all but the first may be missing.
    ///
    /// # Errors
    /// When there is no journal, or a piece cannot be read.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let journal = piece(folder, "journal.export")?
            .with_context(|| format!("no journal.export in {}", folder.display()))?;
        let text = |name: &str| -> anyhow::Result<String> {
            Ok(String::from_utf8_lossy(&piece(folder, name)?.unwrap_or_default()).into_owned())
        };
        let mut logs = Vec::new();
        for name in ["pod-logs.tar", "pod-logs.failing.tar", "pod-logs.end.tar"] {
            if let Some(tar) = piece(folder, name)? {
                unpack(&tar, &mut logs).with_context(|| format!("{name} cannot be read"))?;
            }
        }
        Ok(Self {
            journal,
            pods: text("pods.watch.json")?,
            node: text("node.json")?,
            logs,
            facts: text("facts.jsonl")?,
        })
    }

    /// The same from memory, all but `node` and `facts` compressed with gzip.
    ///
    /// # Errors
    /// When a piece is not what it should be.
    pub fn packed(pieces: &Packed<'_>) -> anyhow::Result<Self> {
        let text = |packed: &[u8]| -> anyhow::Result<String> {
            Ok(String::from_utf8_lossy(&unzip(packed)?).into_owned())
        };
        let mut logs = Vec::new();
        unpack(&unzip(pieces.logs)?, &mut logs)?;
        Ok(Self {
            journal: unzip(pieces.journal)?,
            pods: text(pieces.pods)?,
            node: pieces.node.to_owned(),
            logs,
            facts: pieces.facts.to_owned(),
        })
    }

    /// Makes it ready to be played; logs are laid out below `folder`, which must be empty.
    ///
    /// # Errors
    /// When a piece is not what its name says, or `folder` cannot be written.
    pub fn ready(self, folder: &Path) -> anyhow::Result<Recorded> {
        let lines = Batch::all(Input::new(Cursor::new(self.journal), 0)?)?;
        let mut facts = pods(&self.pods)?;
        if !self.node.trim().is_empty() {
            let node: api::Node = serde_json::from_str(&self.node).context("the Node object")?;
            // It was read when the recording ended, and says what does not change: at the start.
            let at = lines.first_at().unwrap_or_default();
            let mut node = from_api::node(&node, &[]);
            node.conditions.clear();
            facts.insert(0, Dated { at, fact: Fact::NodeObject(Box::new(node)) });
        }
        let looked_at = self.facts.lines().filter(|line| !line.trim().is_empty());
        let looked_at: Result<Vec<Dated>, _> = looked_at.map(serde_json::from_str).collect();
        let looked_at = looked_at.context("a recorded fact")?;
        let answers = Answers { logs: PodLogs::lay_out(self.logs, folder)?, looked_at };
        Ok(Recorded { lines, facts, answers })
    }
}

impl Answers {
    /// The answer, or that there is none.
    #[must_use]
    pub fn answer(&self, want: Want, at: Micros) -> Dated {
        let found = match &want {
            Want::LastWords(instance) => {
                self.logs.last_words(instance).map(|words| Fact::LastWords(Box::new(words)))
            }
            Want::Listing { pod, .. } => {
                self.looked_at.iter().find_map(|dated| match &dated.fact {
                    Fact::Listing(listing) if listing.pod.uid == pod.uid => {
                        Some(dated.fact.clone())
                    }
                    _ => None,
                })
            }
            _ => None,
        };
        let fact = match found {
            Some(fact) => fact,
            None => Fact::Absent(fact::Absent { want, why: "it was not recorded".to_owned() }),
        };
        Dated { at, fact }
    }
}

/// Versions by their number, each at the newest time in it: it was not there before. Kubernetes
/// writes whole seconds, so that is their end.
fn pods(text: &str) -> anyhow::Result<Vec<Dated>> {
    let mut versions = Vec::new();
    for version in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>() {
        let version = version.context("a version of a pod")?;
        let mut newest = None;
        newest_time(&version, &mut newest);
        let pod: api::Pod = serde_json::from_value(version).context("a version of a pod")?;
        let number = pod.metadata.resource_version.as_deref().unwrap_or_default();
        let number: u64 = number.parse().context("a resourceVersion is a number")?;
        versions.push((number, newest.unwrap_or_default(), pod));
    }
    versions.sort_by_key(|(number, ..)| *number);
    let mut now = Micros::MIN;
    Ok(versions
        .into_iter()
        .map(|(_, at, pod)| {
            now = now.max(at.saturating_add(999_999));
            Dated { at: now, fact: Fact::Pod(Box::new(from_api::pod(&pod, &[]))) }
        })
        .collect())
}

fn newest_time(value: &serde_json::Value, newest: &mut Option<Micros>) {
    match value {
        serde_json::Value::String(text) => {
            // Only what is a time as a whole: an annotation may hold anything.
            if text.len() <= 30
                && let Ok(at) = text.parse::<jiff::Timestamp>()
            {
                *newest = (*newest).max(Some(at.as_microsecond()));
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| newest_time(item, newest));
        }
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|field| newest_time(field, newest));
        }
        _ => {}
    }
}

/// The recorded states of `/var/log/pods`, each a folder of its own.
#[derive(Debug, Default)]
struct PodLogs {
    roots: Vec<PathBuf>,
}

impl PodLogs {
    fn lay_out(files: Vec<(String, Vec<u8>)>, folder: &Path) -> anyhow::Result<Self> {
        let mut roots: Vec<PathBuf> = Vec::new();
        for (path, content) in files {
            let place = (0..).find_map(|index: usize| {
                let root = folder.join(format!("pod-logs-{index}"));
                (!root.join(&path).exists()).then_some(root)
            });
            let Some(root) = place else { continue };
            let file = root.join(&path);
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&file, content)
                .with_context(|| format!("cannot write {}", file.display()))?;
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        Ok(Self { roots })
    }

    /// Of the instance that is asked for, or nothing: another one's words would be a lie.
    fn last_words(&self, instance: &Instance) -> Option<LastWords> {
        let is_its = |words: &LastWords| match (instance.ended, words.last_at) {
            (Some(ended), Some(last)) => (ended - SLACK..=ended + SLACK).contains(&last),
            _ => words.instance.attempt.is_some() && words.instance.attempt == instance.attempt,
        };
        self.roots
            .iter()
            .filter_map(|root| {
                node::last_words::read(root, instance, &node::last_words::Bounds::default()).ok()
            })
            .find(|words| !words.lines.is_empty() && is_its(words))
    }
}

/// Between a dead instance's last line and its end.
const SLACK: Micros = 3_000_000;

fn piece(folder: &Path, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let (plain, packed) = (folder.join(name), folder.join(format!("{name}.gz")));
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
    };
    if plain.exists() {
        return read(&plain).map(Some);
    }
    if !packed.exists() {
        return Ok(None);
    }
    unzip(&read(&packed)?).with_context(|| format!("{} is not gzip", packed.display())).map(Some)
}

fn unzip(packed: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed).take(limits::RECORDING_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unpack(tar: &[u8], logs: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let is_below = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
        if !entry.header().entry_type().is_file() || !is_below {
            continue;
        }
        let mut content = Vec::new();
        entry.by_ref().take(limits::RECORDING_BYTES).read_to_end(&mut content)?;
        logs.push((path, content));
    }
    Ok(())
}
