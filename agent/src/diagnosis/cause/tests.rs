//! Judgements over recordings of a real node, held against what truly went wrong, and over single
//! failures.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read as _},
};

use flate2::read::GzDecoder;

use super::*;
use crate::{
    catalogue,
    diagnosis::{
        collapse::Collapse,
        identities::Identities,
        tests::{recordings, replay, scenarios},
        world::Moment,
    },
    fact::{self, Dated, Fact, LastWords, State, Want, from_api},
    observation::{Kind, Observation, time::Times},
    source::Micros,
};

/// An engine reduced to knowing and judging.
#[derive(Default)]
pub(crate) struct Bench {
    pub(crate) world: World,
    identities: Identities,
    collapse: Collapse,
    times: Times,
    facts: Vec<Dated>,
    /// Last words by pod uid, container and attempt.
    words: BTreeMap<(String, String, u32), Vec<String>>,
    pub(crate) judged: Vec<(Case, Judgement)>,
}

impl Bench {
    fn moments(&mut self, moments: Vec<Moment>) {
        for want in self.world.take_wants() {
            let Want::LastWords(instance) = want else { continue };
            let uid = instance.pod.uid.clone().unwrap_or_default();
            let key = (uid, instance.container.clone(), instance.attempt.unwrap_or_default());
            let Some(lines) = self.words.get(&key) else { continue };
            let words = LastWords {
                instance: instance.clone(),
                lines: lines.clone(),
                ..LastWords::default()
            };
            let at = instance.ended.unwrap_or_default();
            let fact = Fact::LastWords(Box::new(words));
            self.world.fact(at, &Dated { at, fact });
        }
        for moment in moments {
            if let Some(case) = Case::of_moment(&self.world, &moment) {
                self.judge(case);
            }
        }
    }

    fn judge(&mut self, case: Case) {
        let judgement = judge(catalogue::builtin(), &self.world, &case);
        self.judged.push((case, judgement));
    }

    fn facts_until(&mut self, at: Micros) {
        while self.facts.first().is_some_and(|fact| fact.at <= at) {
            let fact = self.facts.remove(0);
            let moments = self.world.fact(fact.at, &fact);
            self.moments(moments);
        }
    }

    fn seen(&mut self, at: Micros, mut seen: Observation) {
        self.facts_until(at);
        self.identities.complete(&mut seen);
        self.identities.learn(&seen);
        let moments = self.world.observe(at, &seen);
        self.moments(moments);
        let attempts = match seen.kind {
            Kind::SyncFailure => self.collapse.conclude(at, &seen, &self.identities),
            Kind::Related => self.collapse.hold(at, seen, &self.identities),
            _ => Vec::new(),
        };
        for attempt in attempts {
            let case = Case::of_attempt(&self.world, &attempt);
            self.judge(case);
        }
    }

    pub(crate) fn of_recording(scenario: &str) -> Self {
        Self::of_facts(scenario, facts(scenario))
    }

    fn of_facts(scenario: &str, facts: Vec<Dated>) -> Self {
        let mut bench = Self { facts, words: words(scenario), ..Self::default() };
        replay(scenario, |message, line| {
            if let Some(seen) = Observation::from_message(message, line, &mut bench.times) {
                bench.seen(line.at, seen);
            }
        });
        bench.facts_until(Micros::MAX);
        bench.again();
        bench
    }

    /// What facts told later changes the newest judgement of each container.
    fn again(&mut self) {
        let mut newest: BTreeMap<_, Case> = BTreeMap::new();
        for (case, told) in &self.judged {
            newest.insert((case.pod.uid.clone(), told.container.clone()), case.clone());
        }
        for case in newest.into_values() {
            self.judge(case);
        }
    }

    /// What was judged of a container of a pod, in order.
    pub(crate) fn of(&self, uid: &str, container: &str) -> Vec<&Judgement> {
        self.judged
            .iter()
            .filter(|(case, told)| {
                case.pod.uid.as_deref().unwrap_or("-") == uid
                    && (container == "-" || told.container.as_deref() == Some(container))
            })
            .map(|(_, told)| told)
            .collect()
    }
}

/// Versions of pods have no time of their own: each is as old as the newest time in it.
fn facts(scenario: &str) -> Vec<Dated> {
    let folder = recordings().join(scenario);
    let mut facts: Vec<Dated> = Vec::new();
    if let Ok(file) = std::fs::File::open(folder.join("pods.watch.json.gz")) {
        let stream = serde_json::Deserializer::from_reader(BufReader::new(GzDecoder::new(file)));
        for pod in stream.into_iter::<k8s_openapi::api::core::v1::Pod>() {
            let pod = from_api::pod(&pod.unwrap(), &[]);
            let at = newest(&pod) + 900_000;
            facts.push(Dated { at, fact: Fact::Pod(Box::new(pod)) });
        }
    }
    for line in std::fs::read_to_string(folder.join("facts.jsonl")).unwrap_or_default().lines() {
        facts.push(serde_json::from_str(line).unwrap());
    }
    facts.sort_by_key(|fact| fact.at);
    facts
}

fn newest(pod: &fact::Pod) -> Micros {
    let of_state = |state: &State| match state {
        State::Running { since } => *since,
        State::Terminated { finished, .. } => *finished,
        State::Waiting { .. } => None,
    };
    let states = pod.containers.iter().flat_map(|it| [&it.state, &it.last_state]);
    let conditions = pod.conditions.iter().filter_map(|it| it.since);
    let times = states.flatten().filter_map(of_state).chain(conditions).chain(pod.created);
    times.max().unwrap_or_default()
}

fn words(scenario: &str) -> BTreeMap<(String, String, u32), Vec<String>> {
    let mut words = BTreeMap::new();
    for name in ["pod-logs.failing.tar.gz", "pod-logs.end.tar.gz"] {
        let Ok(file) = std::fs::File::open(recordings().join(scenario).join(name)) else {
            continue;
        };
        let mut archive = tar::Archive::new(GzDecoder::new(file));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let parts: Vec<&str> = path.split('/').collect();
            let [pod, container, file] = parts[..] else { continue };
            let Some(attempt) = file.strip_suffix(".log").and_then(|it| it.parse().ok()) else {
                continue;
            };
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let lines = text.lines().filter_map(|line| line.splitn(4, ' ').nth(3));
            let uid = pod.rsplit('_').next().unwrap().to_owned();
            let key = (uid, container.to_owned(), attempt);
            words.insert(key, lines.map(str::to_owned).collect());
        }
    }
    words
}

fn truth(scenario: &str) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(recordings().join(scenario).join("truth.tsv")).unwrap();
    let mut rows = text.lines().map(|row| row.split('\t').map(str::to_owned));
    let columns: Vec<String> = rows.next().unwrap().collect();
    rows.map(|row| columns.iter().cloned().zip(row).collect()).collect()
}

#[test]
fn what_truly_went_wrong_on_a_real_node_is_what_is_judged() {
    let mut checked = 0;
    for scenario in scenarios() {
        let bench = Bench::of_recording(&scenario);
        for row in truth(&scenario).iter().filter(|row| row["cause"] != "-") {
            let told = bench.of(&row["uid"], &row["container"]);
            let or_none = |word: Option<&str>| word.unwrap_or("-").to_owned();
            let is_right = told.iter().any(|told| {
                let id = told.cause.id.as_str();
                (id == row["cause"] || row["also"].split('|').any(|also| also == id))
                    && or_none(told.step.as_deref()) == row["step"]
                    && or_none(told.reason.as_deref()) == row["reason"]
                    && told.exit_code.map_or("-".to_owned(), |code| code.to_string())
                        == row["exit_code"]
            });
            let causes: Vec<_> =
                told.iter().map(|it| (&it.cause.id, &it.step, &it.reason, it.exit_code)).collect();
            assert!(is_right, "{scenario}: {row:?}\nwas judged {causes:#?}");
            checked += 1;
        }
    }
    assert!(checked >= 55, "only {checked} rows were checked");
}

#[test]
fn m4_mounts_alone_make_it_likely_and_the_file_seen_elsewhere_certain() {
    let judged = |change: &dyn Fn(&mut Fact)| {
        let mut known = facts("path-mismatch");
        known.iter_mut().for_each(|dated| change(&mut dated.fact));
        let bench = Bench::of_facts("path-mismatch", known);
        let told = bench.judged.iter().rev().find(|(_, told)| {
            told.container.as_deref() == Some("fluentd") && told.exit_code == Some(1)
        });
        let cause = told.unwrap().1.cause.clone();
        (cause.id, cause.confidence)
    };
    let nothing = |fact: &mut Fact| {
        if matches!(fact, Fact::Listing(_)) {
            *fact = Fact::Absent(fact::Absent { want: Want::Runtime, why: String::new() });
        }
    };
    let empty = |fact: &mut Fact| {
        if let Fact::Listing(listing) = fact {
            listing.volumes.iter_mut().for_each(|volume| volume.files.clear());
        }
    };
    let mismatch = "mount_path_mismatch".to_owned();
    assert_eq!(judged(&|_| {}), (mismatch.clone(), Confidence::Certain));
    assert_eq!(judged(&nothing), (mismatch, Confidence::Likely));
    assert_eq!(judged(&empty).0, "app_missing_file", "the file is nowhere");
}
