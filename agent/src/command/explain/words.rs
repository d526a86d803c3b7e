//! Answers what the engine wants to know from what was given: a copy of the pods' logs, and logs of
//! applications among the inputs. Looks nowhere else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::naming::is_of;
use super::pod_logs::{self, Layout, PodLogs};
use crate::fact::{Absent, Dated, Fact, Instance, LastWords, Pod, Want};
use crate::limits;
use crate::node::last_words;
use crate::source::Micros;

/// What can be answered.
#[derive(Debug, Default)]
pub(super) struct Words {
    logs: Option<PodLogs>,
    layout: Option<Layout>,
    /// Pods of which a first version was handed in.
    versions: BTreeSet<(String, String)>,
    /// Instances whose last words are facts of the input.
    given: Vec<Instance>,
    /// The last lines of an application's log, by the input's place, and whether they have the
    /// frame of `/var/log/pods`: then other lines may stand beside them.
    said: BTreeMap<(u64, bool), Said>,
    /// Containers whose last words were asked for.
    asked: BTreeSet<(String, String)>,
}

/// The end of an application's log.
#[derive(Debug, Default)]
struct Said {
    lines: VecDeque<(Option<Micros>, String)>,
    /// `<pod>/<container>` of its path, where it has such a one.
    whose: Option<(String, String)>,
}

impl Words {
    /// Opens the copy. What is wrong with it is one sentence.
    pub(super) fn open(pod_logs: Option<&Path>) -> (Self, Option<String>) {
        let Some(path) = pod_logs else { return (Self::default(), None) };
        match PodLogs::open(path) {
            Ok(logs) => (Self { logs: Some(logs), ..Self::default() }, None),
            Err(error) => {
                (Self::default(), Some(format!("cannot read {}: {error}", path.display())))
            }
        }
    }

    /// Last words that the input itself holds.
    pub(super) fn given(&mut self, words: &LastWords) {
        if self.given.len() < limits::SERIES {
            self.given.push(words.instance.clone());
        }
    }

    /// A line of an application's own log.
    pub(super) fn said(
        &mut self,
        place: (u64, bool),
        name: Option<&str>,
        at: Option<Micros>,
        line: &str,
    ) {
        let said = self
            .said
            .entry(place)
            .or_insert_with(|| Said { whose: name.and_then(whose), ..Said::default() });
        if said.lines.len() >= limits::LAST_WORDS_LINES {
            said.lines.pop_front();
        }
        said.lines.push_back((at, limits::cut(line, limits::VALUE_BYTES).0.to_owned()));
    }

    /// Its bare lines were no application's log after all.
    pub(super) fn unsaid(&mut self, place: u64) {
        self.said.remove(&(place, false));
    }

    /// A pod's specification holds from its creation on: known before what happened to it, without
    /// the status that came later.
    pub(super) fn first_version(&mut self, pod: &Pod) -> Option<Box<Dated>> {
        if !self.versions.insert((pod.namespace.clone(), pod.name.clone())) {
            return None;
        }
        let mut first = pod.clone();
        (first.phase, first.reason, first.message) = (None, None, None);
        (first.deleting, first.resource_version) = (None, None);
        first.conditions.clear();
        for container in &mut first.containers {
            (container.state, container.last_state) = (None, None);
            (container.ready, container.started, container.restarts) = (None, None, None);
            (container.image_id, container.container_id) = (None, None);
        }
        let at = pod.created.unwrap_or_default();
        Some(Box::new(Dated { at, fact: Fact::Pod(Box::new(first)) }))
    }

    /// The answer, or that there is none. `None`: it comes, or came, by itself.
    pub(super) fn answer(&mut self, want: Want, now: Micros) -> Option<Fact> {
        let Want::LastWords(instance) = &want else {
            let why = "the input does not hold it".to_owned();
            return Some(Fact::Absent(Absent { want, why }));
        };
        if self.given.iter().any(|given| is_same(given, instance)) {
            return None;
        }
        let answer = self.last_words(instance, now);
        Some(match answer {
            Ok(words) => Fact::LastWords(Box::new(words)),
            Err(why) => Fact::Absent(Absent { want, why }),
        })
    }

    fn last_words(&mut self, instance: &Instance, now: Micros) -> Result<LastWords, String> {
        let bounds = last_words::Bounds::default();
        let pod = instance.pod.name.clone().unwrap_or_default();
        self.asked.insert((pod, instance.container.clone()));
        let mut why = "the input does not hold the container's log".to_owned();
        if let Some(logs) = &self.logs {
            if let Some(path) = logs.gathered(instance) {
                let lines = pod_logs::as_logged(&path).map_err(|error| error.to_string())?;
                return self.laid_out(instance, &lines, &path.display().to_string());
            }
            match last_words::read(logs.root(), instance, &bounds) {
                Ok(words) => return Ok(words),
                Err(error) => why = error,
            }
        }
        let lines = self.pasted(instance, now);
        if lines.is_empty() { Err(why) } else { self.laid_out(instance, &lines, "the input") }
    }

    /// The lines of an application's log that can be this instance's.
    fn pasted(&self, instance: &Instance, now: Micros) -> Vec<String> {
        let key = (instance.pod.name.clone().unwrap_or_default(), instance.container.clone());
        let of_it = |said: &&Said| said.whose.as_ref() == Some(&key);
        let unnamed: Vec<&Said> = self.said.values().filter(|said| said.whose.is_none()).collect();
        let said = self.said.values().find(of_it).or_else(|| {
            // Nobody says whose it is: only where there is but one container it can be of.
            let is_only = self.asked.len() == 1 && unnamed.len() == 1;
            unnamed.first().copied().filter(|_| is_only)
        });
        let end = instance.ended.unwrap_or(now);
        let stamp = |at: Micros| {
            jiff::Timestamp::from_microsecond(at).map(|at| at.to_string()).unwrap_or_default()
        };
        let before = end.saturating_sub(1_000_000);
        said.map(|said| {
            said.lines
                .iter()
                .filter(|(at, _)| at.is_none_or(|at| at <= end.saturating_add(2_000_000)))
                .filter_map(|(at, line)| pod_logs::framed(line, Some(&stamp(at.unwrap_or(before)))))
                .collect()
        })
        .unwrap_or_default()
    }

    /// Through the same reader as the node's own files.
    fn laid_out(
        &mut self,
        instance: &Instance,
        lines: &[String],
        path: &str,
    ) -> Result<LastWords, String> {
        if self.layout.is_none() {
            self.layout = Some(Layout::new().map_err(|error| error.to_string())?);
        }
        let layout = self.layout.as_ref().ok_or("no folder")?;
        let root = layout.write(instance, lines).map_err(|error| error.to_string())?;
        let mut words = last_words::read(root, instance, &last_words::Bounds::default())?;
        words.path = Some(crate::source::paste::tidy(path, limits::WORD_BYTES));
        Ok(words)
    }
}

/// `…/<namespace>_<pod>_<uid>/<container>/3.log`, or `…/pods/<pod>/<container>/…/logs/…` of a
/// must-gather.
fn whose(path: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = path.split('/').collect();
    for (pod, container) in parts.iter().zip(parts.iter().skip(1)) {
        if let Some(name) = podwhy_parser::pod_path::Directory::parse(pod).and_then(|it| it.pod) {
            return Some((name.to_owned(), (*container).to_owned()));
        }
    }
    let at = parts.iter().rposition(|part| *part == "pods")?;
    let (pod, container) = (parts.get(at + 1)?, parts.get(at + 2)?);
    Some(((*pod).to_owned(), (*container).to_owned()))
}

fn is_same(given: &Instance, wanted: &Instance) -> bool {
    let name = wanted.pod.name.as_deref().unwrap_or_default();
    let space = wanted.pod.namespace.as_deref().unwrap_or_default();
    given.container == wanted.container && is_of(&given.pod, space, name, wanted.pod.uid.as_deref())
}
