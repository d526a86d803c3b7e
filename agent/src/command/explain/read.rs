//! Any number of pastes → one answer. The library entry of `explain`: the agent's own parser, joiner
//! and engine over what is given, and nothing else. Looks at no clock, no disk and no node but the
//! copy of pod logs that it is told of; the newest time in the input is "now".

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Explained, NamedInput, Options};
use super::order::{Item, Order};
use podwhy_parser::Component;

use super::naming::{NO_NAMESPACE, NO_POD, name_of, named, placed, pod_ref, undated, unnamed};
use super::nodes::Nodes;
use super::words::Words;
use crate::diagnosis::{self, Diagnosis, Input, Output};
use crate::fact::{self, Dated, Fact};
use crate::incident::Incident;
use crate::limits::{EXPLAIN_INCIDENTS, EXPLAIN_MANIFESTS};
use crate::observation::{Kind, Observation, time::Times};
use crate::source::Micros;
use crate::source::join::{Join, Joined};
use crate::source::paste::{Image, LISTED, Manifest, Part, Paste, Quota};

/// Lines that say no year are dated before this, where nothing else dates them. Such times are
/// never told, they only order.
const UNDATED: Micros = 1_767_225_600_000_000;

/// The engine learns of whereabouts anew when there is this part more of them: all of an input
/// together cost no more than a few times their number.
const PLACED_PARTS: usize = 8;

/// Reads everything and concludes.
#[must_use]
pub fn explain(inputs: Vec<NamedInput>, options: &Options) -> Explained {
    let names = inputs.iter().map(|input| input.name.clone()).collect();
    let mut run = Run::new(options, names);
    let mut readings = Vec::new();
    for (place, input) in (0_u64..).zip(inputs) {
        let written = input.written.or(options.at).unwrap_or(UNDATED);
        match Paste::new(input.bytes, written, options.at) {
            Ok(paste) => readings.push(Reading::new(paste, place, written)),
            Err(error) => {
                let name = name_of(&run.names, place).unwrap_or("FILE").to_owned();
                let why = crate::source::paste::complaint(&error, &name, "explain");
                run.unread(place, &why);
            }
        }
    }
    // The one that lags goes on: inputs of the same time meet.
    while let Some(reading) =
        readings.iter_mut().filter(|reading| !reading.is_over).min_by_key(|reading| reading.at)
    {
        if let Err(error) = reading.step(&mut run) {
            run.unread(reading.place, &error);
        }
    }
    for reading in &readings {
        run.explained.lines += reading.paste.lines();
        let places = reading.paste.unread();
        if places > 0 {
            let error = format!("{places} places are damaged and were left out");
            run.unread(reading.place, &error);
        }
    }
    run.finish()
}

/// One input on its way.
#[derive(Debug)]
struct Reading {
    paste: Paste,
    join: Join,
    times: Times,
    place: u64,
    /// What dates a line that nothing else dates.
    written: Micros,
    /// Time of the newest line so far.
    at: Micros,
    /// Something in it was understood.
    is_known: bool,
    /// Its machine is known.
    named: String,
    is_over: bool,
}

impl Reading {
    fn new(paste: Paste, place: u64, written: Micros) -> Self {
        let (join, times) = (Join::new(), Times::default());
        Self {
            paste,
            join,
            times,
            place,
            written,
            at: Micros::MIN,
            is_known: false,
            named: String::new(),
            is_over: false,
        }
    }

    fn step(&mut self, run: &mut Run<'_>) -> io::Result<()> {
        let Self { paste, join, times, place, written, at, is_known, named, .. } = self;
        let before = run.understood();
        let next = paste.next(&mut |part| match part {
            Part::Line(line) => {
                // A prompt or a word between has the time of the file, which is nobody's.
                if line.at != *written {
                    *at = line.at.max(*at);
                    run.is_clocked = true;
                }
                if !*is_known {
                    run.said((*place, false), line.dated.then_some(line.at), line.text);
                }
                join.push(line, &mut |joined| run.message(&joined, times, *place));
            }
            Part::Fact(fact) => run.fact(fact, *place),
            Part::Reported(seen) => run.reported(seen, *place, *at),
            Part::Manifest(manifest) => run.manifest(manifest),
            Part::Image(image) => run.image(*image),
            Part::Quota(quota) => run.quota(*quota),
            Part::Listed(pod, node) => run.listed(&pod, node.as_deref()),
        });
        if let Some(host) = paste.host().filter(|host| named.as_str() != *host) {
            run.nodes.host(host);
            named.clear();
            named.push_str(host);
        }
        if !*is_known && run.understood() > before {
            *is_known = true;
            run.words.unsaid(*place);
        }
        if let Ok(true) = next {
            return Ok(());
        }
        self.is_over = true;
        let (times, place) = (&mut self.times, self.place);
        self.join.end(&mut |joined| run.message(&joined, times, place));
        next.map(|_| ())
    }
}

/// Everything between reading and the answer.
struct Run<'o> {
    options: &'o Options,
    names: Vec<Option<String>>,
    order: Order,
    engine: Option<Diagnosis>,
    words: Words,
    nodes: Nodes,
    /// Names of pods and nodes that the engine knows of.
    placed: usize,
    /// Uids by namespace and name.
    uids: BTreeMap<(String, String), String>,
    /// Pods of which lines tell failures; an unnamed one under empty names.
    told: BTreeSet<(String, String)>,
    /// Pods of which something tells more than that they fail.
    detailed: BTreeSet<(String, String)>,
    incidents: BTreeMap<String, Incident>,
    sequence: Vec<String>,
    out: Output,
    clock: Option<Micros>,
    /// Something in the input has a time.
    is_clocked: bool,
    explained: Explained,
}

impl<'o> Run<'o> {
    fn new(options: &'o Options, names: Vec<Option<String>>) -> Self {
        let (words, trouble) = Words::open(options.pod_logs.as_deref());
        let explained = Explained { unread: trouble.into_iter().collect(), ..Explained::default() };
        Self {
            options,
            names,
            order: Order::default(),
            engine: None,
            words,
            nodes: Nodes::given(options.node.clone()),
            placed: 0,
            uids: BTreeMap::new(),
            told: BTreeSet::new(),
            detailed: BTreeSet::new(),
            incidents: BTreeMap::new(),
            sequence: Vec::new(),
            out: Output::default(),
            clock: None,
            is_clocked: false,
            explained,
        }
    }

    fn unread(&mut self, place: u64, error: &dyn std::fmt::Display) {
        let name = name_of(&self.names, place).unwrap_or("standard input");
        self.explained.unread.push(format!("cannot read {name}: {error}"));
    }

    /// Messages and objects so far.
    const fn understood(&self) -> u64 {
        self.explained.messages + self.explained.facts
    }

    /// A line of an application's own log.
    fn said(&mut self, place: (u64, bool), at: Option<Micros>, text: &str) {
        let name = name_of(&self.names, place.0);
        self.words.said(place, name, at, text);
    }

    /// A message of a log.
    fn message(&mut self, joined: &Joined<'_>, times: &mut Times, place: u64) {
        let line = &joined.line;
        self.explained.is_dated |= line.dated;
        if joined.message.frame.component == Component::PodLog {
            let text = joined.message.text.to_string();
            return self.said((place, true), line.dated.then_some(line.at), &text);
        }
        self.explained.messages += 1;
        let Some(mut seen) = Observation::from_message(&joined.message, line, times) else {
            return;
        };
        if seen.kind == Kind::SyncFailure && self.told.len() < crate::limits::IDENTITIES {
            // Reports may name less than lines do: the pod alone, or nothing.
            let (namespace, name) = key_of(&seen);
            self.told.insert((String::new(), String::new()));
            self.told.insert((String::new(), name.clone()));
            self.told.insert((namespace, name));
        }
        if let Some(uid) = &seen.pod.uid {
            self.learn(seen.pod.namespace.as_deref(), seen.pod.name.as_deref(), uid.clone());
        }
        // A line that was cut lost its pod, and still says what failed.
        let is_cut = seen.failures.iter().any(|failure| failure.truncated);
        if is_cut && seen.pod.name.is_none() && seen.pod.uid.is_none() {
            seen.pod.name = Some(NO_POD.to_owned());
            seen.pod.namespace = Some(NO_NAMESPACE.to_owned());
        }
        seen.writer.number = placed(seen.writer.number, place);
        self.push(seen.received, Item::Seen(Box::new(seen)));
    }

    /// A fact that stands in the input.
    fn fact(&mut self, mut dated: Box<Dated>, place: u64) {
        self.explained.facts += 1;
        self.explained.is_dated |= dated.at > 0;
        match &mut dated.fact {
            Fact::Pod(pod) => {
                if let Some(node) = &pod.node {
                    self.nodes.of_pod(&pod_ref(pod), node);
                }
                if let Some(uid) = pod.uid.clone() {
                    self.learn(Some(&pod.namespace), Some(&pod.name), uid);
                }
                if let Some(begin) = self.words.first_version(pod) {
                    self.push(pod.created.unwrap_or_default(), Item::Fact(begin));
                }
            }
            Fact::NodeObject(node) => {
                self.nodes.named(&node.name);
            }
            Fact::Event(event) => {
                event.line = placed(event.line, place);
                match (&event.host, event.object_kind.as_str()) {
                    (Some(node), _) => self.nodes.of_pod(&event.pod, node),
                    (None, "Node") => self.nodes.named(&event.object_name),
                    (None, _) => {}
                }
            }
            Fact::LastWords(words) => self.words.given(words),
            Fact::Cgroup(cgroup) => self.peak(cgroup),
            _ => {}
        }
        self.push(dated.at, Item::Fact(dated));
    }

    /// A failure that no log line tells, or not this one.
    fn reported(&mut self, mut seen: Box<Observation>, place: u64, at: Micros) {
        self.explained.messages += 1;
        self.explained.is_dated |= seen.dated;
        seen.writer.number = placed(seen.writer.number, place);
        if !is_bare(&seen) && self.detailed.len() < crate::limits::IDENTITIES {
            let (namespace, name) = key_of(&seen);
            self.detailed.insert((String::new(), name.clone()));
            self.detailed.insert(if namespace.is_empty() {
                (ANY_NAMESPACE.to_owned(), name)
            } else {
                (namespace, name)
            });
        }
        if !seen.dated && at > Micros::MIN {
            (seen.at, seen.received) = (at, at);
        }
        self.push(seen.received, Item::Reported(seen));
    }

    fn image(&mut self, image: Image) {
        self.explained.facts += 1;
        if self.explained.seen.images.len() < EXPLAIN_MANIFESTS {
            self.explained.seen.images.push(image);
        }
    }

    fn quota(&mut self, quota: Quota) {
        self.explained.facts += 1;
        if self.explained.seen.quotas.len() < EXPLAIN_MANIFESTS {
            self.explained.seen.quotas.push(quota);
        }
    }

    /// A row of a table of pods.
    fn listed(&mut self, pod: &fact::PodRef, node: Option<&str>) {
        self.explained.facts += 1;
        if let Some(node) = node {
            self.nodes.of_pod(pod, node);
        }
    }

    fn manifest(&mut self, manifest: Box<Manifest>) {
        if self.explained.manifests.len() < EXPLAIN_MANIFESTS {
            self.explained.manifests.push(*manifest);
        }
    }

    fn peak(&mut self, cgroup: &fact::Cgroup) {
        let (Some(peak), Some(pod)) =
            (cgroup.container.memory_peak_bytes, cgroup.instance.pod.name.clone())
        else {
            return;
        };
        let peaks = &mut self.explained.seen.peaks;
        let key = (pod, cgroup.instance.container.clone());
        if peaks.len() < crate::limits::SERIES || peaks.contains_key(&key) {
            let known = peaks.entry(key).or_default();
            *known = peak.max(*known);
        }
    }

    fn learn(&mut self, namespace: Option<&str>, name: Option<&str>, uid: String) {
        if let (Some(namespace), Some(name)) = (namespace, name)
            && self.uids.len() < crate::limits::IDENTITIES
        {
            self.uids.insert((namespace.to_owned(), name.to_owned()), uid);
        }
    }

    fn push(&mut self, at: Micros, item: Item) {
        if let Some((at, item)) = self.order.push(at, item) {
            self.apply(at, item);
        }
    }

    /// The engine takes what is next in time.
    fn apply(&mut self, at: Micros, item: Item) {
        if at > 0 && self.options.at.is_some_and(|end| at > end) {
            return;
        }
        // What has no time of its own was so when its neighbours were.
        let at = if at > 0 { at } else { self.clock.or_else(|| self.order.next()).unwrap_or(1) };
        self.clock = Some(self.clock.map_or(at, |clock| clock.max(at)));
        let input = match item {
            Item::Seen(seen) => Input::Observed(seen),
            Item::Reported(mut seen) => {
                let key = key_of(&seen);
                let is_told_better = || {
                    let anywhere = (ANY_NAMESPACE.to_owned(), key.1.clone());
                    self.detailed.contains(&key) || self.detailed.contains(&anywhere)
                };
                if self.told.contains(&key) || (is_bare(&seen) && is_told_better()) {
                    return;
                }
                seen.pod.uid = seen.pod.uid.or_else(|| self.uids.get(&key).cloned());
                if seen.pod.name.is_none() && seen.pod.uid.is_none() {
                    seen.pod.name = Some(NO_POD.to_owned());
                }
                if seen.pod.namespace.is_none() {
                    seen.pod.namespace = Some(NO_NAMESPACE.to_owned());
                }
                (seen.at, seen.received) = (seen.at.max(1), at);
                Input::Observed(seen)
            }
            Item::Fact(mut dated) => {
                dated.at = at;
                if let Fact::Pod(pod) = &mut dated.fact
                    && pod.uid.is_none()
                {
                    let key = (pod.namespace.clone(), pod.name.clone());
                    pod.uid = self.uids.get(&key).cloned();
                }
                Input::Fact(dated)
            }
        };
        self.feed(at, input);
    }

    fn feed(&mut self, at: Micros, input: Input) {
        let (nodes, told) = (&self.nodes, &self.told);
        let catalogue = &self.options.catalogue;
        let known = nodes.known() + told.len();
        let is_first = self.engine.is_none();
        let engine = self.engine.get_or_insert_with(|| {
            let mut engine = Diagnosis::new(settings(nodes.name()));
            if let Some(catalogue) = catalogue {
                engine.set_catalogue(Arc::clone(catalogue));
            }
            engine
        });
        // Nodes and pods are named as the input goes on. Each time all of them are handed over.
        let is_asked = matches!(input, Input::Asked);
        if is_first || known > self.placed + self.placed / PLACED_PARTS || is_asked {
            engine.set_whereabouts(nodes.whereabouts(told));
            self.placed = known;
        }
        engine.apply(at, input, &mut self.out);
        self.collect();
        while let Some(want) = self.out.wants.pop() {
            let Some(fact) = self.words.answer(want, at) else { continue };
            let Some(engine) = &mut self.engine else { break };
            let dated = Box::new(Dated { at, fact });
            engine.apply(at, Input::Fact(dated), &mut self.out);
            self.collect();
        }
    }

    /// Keeps the newest view of each incident; what else leaves the engine nobody asks for here.
    fn collect(&mut self) {
        self.out.records.clear();
        self.out.attempts.clear();
        for incident in self.out.incidents.drain(..) {
            if incident.told_elsewhere {
                self.incidents.remove(&incident.id);
            } else if let Some(known) = self.incidents.get_mut(&incident.id) {
                *known = incident;
            } else if self.incidents.len() < EXPLAIN_INCIDENTS {
                self.sequence.push(incident.id.clone());
                self.incidents.insert(incident.id.clone(), incident);
            } else {
                self.explained.left_out += 1;
            }
        }
    }

    fn finish(mut self) -> Explained {
        while let Some((at, item)) = self.order.pop() {
            self.apply(at, item);
        }
        let end = self.options.at.or(self.clock);
        if let Some(end) = end {
            self.feed(end, Input::Asked);
        }
        self.is_clocked |= self.explained.is_dated;
        let mut explained = self.explained;
        explained.end = end.filter(|_| self.is_clocked);
        explained.now = end.filter(|_| explained.is_dated);
        explained.failures = self.engine.map_or(0, |engine| engine.counters().failures);
        for id in self.sequence {
            if let Some(incident) = self.incidents.remove(&id) {
                let mut incident = unnamed(incident);
                named(&mut incident, &self.names);
                undated(&mut incident);
                self.nodes.fill(&mut incident);
                explained.incidents.push(incident);
            }
        }
        explained
    }
}

fn settings(node: String) -> diagnosis::Settings {
    diagnosis::Settings {
        node,
        repeats: diagnosis::Repeats::Summary,
        repeats_window: Duration::from_secs(300),
        recovery: diagnosis::Recovery::default(),
    }
}

fn key_of(seen: &Observation) -> (String, String) {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    (of(&seen.pod.namespace), of(&seen.pod.name))
}

/// A row of a table: it fails, and no more.
fn is_bare(seen: &Observation) -> bool {
    seen.kind == Kind::SyncFailure
        && seen.error.as_deref().is_some_and(|error| error.starts_with(LISTED))
}

/// Stands for the namespace where a report says none. No namespace has such a name.
const ANY_NAMESPACE: &str = "*";

#[cfg(test)]
mod tests;
