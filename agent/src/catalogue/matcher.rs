//! Finds what texts and signals can come from: one pass over each text for all needles of all
//! causes, then the conditions, then the order of diagnosis.md 2.1. Owns the order and the
//! confidence; what becomes of a node's cause for its pods is the engine's.

use std::{cmp::Reverse, collections::BTreeMap};

use aho_corasick::{AhoCorasick, MatchKind};

use super::{
    Catalogue, Cause, Class, Role,
    rule::{Alternative, Fit, Rule},
    signal::{Condition, Signal, Signals},
};
use crate::incident::Confidence;

/// What is asked: a failure's step and reason, and everything that was said about it.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The kubelet's word, or ours; empty = not known.
    pub step: &'a str,
    /// The kubelet's word for why.
    pub reason: Option<&'a str>,
    /// Innermost first.
    pub texts: &'a [QueryText<'a>],
}

/// One text.
#[derive(Clone, Copy, Debug)]
pub struct QueryText<'a> {
    /// Unquoted, the values of its keys behind it.
    pub text: &'a str,
    /// Where it stood.
    pub from: TextFrom,
}

/// Where a text stood. Innermost and outer are one message; the last words are one log; each of
/// the others stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextFrom {
    /// The last quoted message.
    Innermost,
    /// The whole message around it.
    Outer,
    /// Another line of the same failure.
    Companion,
    /// A Kubernetes Event.
    Event,
    /// The kernel.
    Kernel,
    /// What the container wrote last: only for alternatives with `@log.last` or `@log.only`.
    LastWords,
}

/// A cause that can be it.
#[derive(Clone, Debug)]
pub struct Verdict<'c> {
    /// Its class.
    pub class: Class,
    /// The cause.
    pub cause: &'c Cause,
    /// 0–1, by diagnosis.md 2.2.
    pub confidence: f32,
    /// The alternative that was met, as its file has it.
    pub matched: &'c str,
    /// Where the text of that alternative stood; `None` = signals only.
    pub from: Option<TextFrom>,
    /// Index of that text in the query.
    pub text: Option<usize>,
    /// Signals that hold.
    pub agreed: Vec<Signal>,
    /// Signals that speak against it.
    pub disagreed: Vec<Signal>,
    /// Signals of the rule that nobody here knows.
    pub unknown: Vec<Signal>,
    /// Made for another step than the one that failed.
    pub is_of_other_step: bool,
}

impl Verdict<'_> {
    /// The word for its confidence.
    #[must_use]
    pub fn level(&self) -> Confidence {
        match self.confidence {
            sure if sure >= 0.85 => Confidence::Certain,
            sure if sure >= 0.55 => Confidence::Likely,
            _ => Confidence::Possible,
        }
    }

    /// Its text is there, but something speaks against it: to be told as "not this", with why.
    #[must_use]
    pub fn is_ruled_out(&self) -> bool {
        !self.disagreed.is_empty() && self.confidence <= RULED_OUT
    }
}

/// A signal disagrees.
const RULED_OUT: f32 = 0.2;
/// Text that several causes share; also where a condition of the rule is not known.
const SHARED: f32 = 0.4;
/// Made for another step.
const OTHER_STEP: f32 = 0.5;
/// From here on a text is its cause's own.
const UNIQUE: f32 = 0.6;
/// Text and an independent signal.
const CERTAIN: f32 = 0.9;

/// All needles of all causes in one automaton.
#[derive(Debug, Default)]
pub(super) struct Needles {
    /// `None`: no needle.
    automaton: Option<AhoCorasick>,
    /// Per needle, in the automaton's order: its length.
    lengths: Vec<usize>,
    /// Per cause and alternative: the needles of its texts.
    of: Vec<Vec<Vec<usize>>>,
}

impl Needles {
    pub(super) fn new<'a>(rules: impl Iterator<Item = &'a Rule>) -> Result<Self, String> {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut needles: Vec<String> = Vec::new();
        let mut number = |text: &str| {
            *numbers.entry(text.to_ascii_lowercase()).or_insert_with_key(|needle| {
                needles.push(needle.clone());
                needles.len() - 1
            })
        };
        let of = rules
            .map(|rule| {
                let texts = |alternative: &Alternative| {
                    alternative.texts.iter().map(|text| number(text)).collect()
                };
                rule.alternatives.iter().map(texts).collect()
            })
            .collect();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&needles)
            .map_err(|error| error.to_string())?;
        let automaton = Some(automaton);
        Ok(Self { automaton, lengths: needles.iter().map(String::len).collect(), of })
    }

    /// Per needle: the first text of the group that holds it, by its index in the query.
    fn look<'q>(&self, group: impl Iterator<Item = (usize, &'q str)>) -> Vec<Option<usize>> {
        let mut found = vec![None; self.lengths.len()];
        let Some(automaton) = &self.automaton else { return found };
        for (index, text) in group {
            for hit in automaton.find_overlapping_iter(text) {
                if let Some(first) = found.get_mut(hit.pattern().as_usize()) {
                    first.get_or_insert(index);
                }
            }
        }
        found
    }
}

/// Texts in which the parts of one alternative may stand apart.
struct Group {
    is_last_words: bool,
    /// They are one line only.
    is_only_line: bool,
    found: Vec<Option<usize>>,
}

/// An alternative that is met, and how well.
struct Candidate<'c> {
    verdict: Verdict<'c>,
    fit: Fit,
    chars: usize,
    conditions: usize,
    is_users: bool,
}

/// How an alternative stands to what is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Held,
    /// Some condition is not known here.
    Open,
    /// A signal speaks against it.
    RuledOut,
}

impl Catalogue {
    /// What it can come from, best first. Wrappers never; each cause once.
    #[must_use]
    pub fn find(&self, query: &Query<'_>, signals: &dyn Signals) -> Vec<Verdict<'_>> {
        let groups = self.groups(query);
        let mut candidates: Vec<Candidate<'_>> = (0..self.entries.len())
            .filter_map(|number| self.candidate(number, query, &groups, signals))
            .collect();
        let is_any_held =
            candidates.iter().any(|found| found.fit != Fit::Other && grade(found) == Grade::Held);
        candidates.retain(|found| {
            found.fit != Fit::Other || (!is_any_held && grade(found) == Grade::Held)
        });
        candidates.sort_by_cached_key(order);
        candidates.into_iter().map(|found| found.verdict).collect()
    }

    fn groups(&self, query: &Query<'_>) -> Vec<Group> {
        let texts = || query.texts.iter().enumerate();
        let of = |wanted: &dyn Fn(TextFrom) -> bool| {
            texts().filter(|(_, text)| wanted(text.from)).map(|(i, text)| (i, text.text)).collect()
        };
        let message: Vec<(usize, &str)> =
            of(&|from| matches!(from, TextFrom::Innermost | TextFrom::Outer));
        let words: Vec<(usize, &str)> = of(&|from| from == TextFrom::LastWords);
        let lines = words.iter().flat_map(|(_, text)| text.lines());
        let is_only_line = lines.filter(|line| !line.trim().is_empty()).count() == 1;
        let mut groups = vec![
            Group {
                is_last_words: false,
                is_only_line: false,
                found: self.needles.look(message.into_iter()),
            },
            Group {
                is_last_words: true,
                is_only_line,
                found: self.needles.look(words.into_iter()),
            },
        ];
        let alone = |from| matches!(from, TextFrom::Companion | TextFrom::Event | TextFrom::Kernel);
        groups.extend(texts().filter(|(_, text)| alone(text.from)).map(|(index, text)| Group {
            is_last_words: false,
            is_only_line: false,
            found: self.needles.look(std::iter::once((index, text.text))),
        }));
        groups
    }

    /// The best alternative of one cause.
    fn candidate<'c>(
        &'c self,
        number: usize,
        query: &Query<'_>,
        groups: &[Group],
        signals: &dyn Signals,
    ) -> Option<Candidate<'c>> {
        let entry = self.entries.get(number)?;
        if entry.cause.role == Role::Wrapper {
            return None;
        }
        let needles = self.needles.of.get(number)?;
        // Most causes have no needle in what was said: they cost no more than this.
        let is_said = |needle: &usize| {
            groups.iter().any(|group| group.found.get(*needle).is_some_and(Option::is_some))
        };
        if !needles.iter().any(|needles| needles.first().is_none_or(is_said)) {
            return None;
        }
        let fit = entry.rule.fit(query.step, query.reason);
        entry
            .rule
            .alternatives
            .iter()
            .zip(needles)
            .filter_map(|(alternative, needles)| {
                let met = self.met(alternative, needles, groups, signals)?;
                let from = met.text.and_then(|index| query.texts.get(index)).map(|text| text.from);
                let mut verdict = Verdict {
                    class: entry.class,
                    cause: &entry.cause,
                    confidence: entry.cause.confidence,
                    matched: &alternative.source,
                    from,
                    text: met.text,
                    agreed: met.agreed,
                    disagreed: met.disagreed,
                    unknown: met.unknown,
                    is_of_other_step: fit == Fit::Other,
                };
                let conditions = verdict.agreed.len();
                weigh(&mut verdict, &entry.rule, signals);
                let is_users = entry.is_users;
                Some(Candidate { verdict, fit, chars: met.chars, conditions, is_users })
            })
            .min_by_key(order)
    }

    /// Whether an alternative is met: all its texts in one group, and no signal-only rule without
    /// its signals.
    fn met(
        &self,
        alternative: &Alternative,
        needles: &[usize],
        groups: &[Group],
        signals: &dyn Signals,
    ) -> Option<Met> {
        let mut met = Met::default();
        let is_of_last_words = alternative.is_of_last_words();
        let mut is_only_line = false;
        if !needles.is_empty() {
            let found = groups.iter().find_map(|group| {
                if group.is_last_words != is_of_last_words {
                    return None;
                }
                let places = needles.iter().map(|needle| *group.found.get(*needle)?);
                // Innermost come first: the deepest text decides.
                Some((group, places.collect::<Option<Vec<usize>>>()?.into_iter().min()))
            });
            let (group, text) = found?;
            is_only_line = group.is_only_line;
            met.text = text;
            met.chars = needles.iter().filter_map(|needle| self.needles.lengths.get(*needle)).sum();
        }
        for signal in &alternative.signals {
            let holds = match signal {
                Signal::Is(Condition::LogLast) => continue,
                Signal::Is(Condition::LogOnly) => signals.holds(signal).or(Some(is_only_line)),
                other => signals.holds(other),
            };
            match holds {
                Some(true) => met.agreed.push(signal.clone()),
                Some(false) => met.disagreed.push(signal.clone()),
                None => met.unknown.push(signal.clone()),
            }
        }
        // Without a text there is nothing to be shown but what is known to hold.
        let is_silent = met.text.is_none();
        (!is_silent || (met.disagreed.is_empty() && met.unknown.is_empty())).then_some(met)
    }
}

/// What an alternative found.
#[derive(Default)]
struct Met {
    text: Option<usize>,
    chars: usize,
    agreed: Vec<Signal>,
    disagreed: Vec<Signal>,
    unknown: Vec<Signal>,
}

/// The confidence of diagnosis.md 2.2, and the signals that speak for and against.
fn weigh(verdict: &mut Verdict<'_>, rule: &Rule, signals: &dyn Signals) {
    let holds = |condition| signals.holds(&Signal::Is(condition)) == Some(true);
    let telling = |list: &[Signal]| -> Vec<Signal> {
        list.iter().filter(|signal| signals.holds(signal) == Some(true)).cloned().collect()
    };
    let (raised, lowered) = (telling(&rule.raised_by), telling(&rule.lowered_by));
    let is_proof = |signal: &Signal| !signal.is_place() && !signal.is_guess();
    let has_second = verdict.agreed.iter().any(is_proof);
    let is_proven = verdict.text.is_some() && has_second && verdict.confidence >= UNIQUE;
    if !verdict.unknown.is_empty() {
        verdict.confidence = verdict.confidence.min(SHARED);
    } else if verdict.is_of_other_step {
        verdict.confidence = verdict.confidence.min(OTHER_STEP);
    }
    let is_open = !verdict.unknown.is_empty() || verdict.is_of_other_step;
    if holds(Condition::SameCauseOnOtherOwner) {
        verdict.confidence += 0.1;
    }
    if holds(Condition::StepPassedElsewhere) {
        verdict.confidence -= 0.2;
    }
    if holds(Condition::EvidenceIsOlder) {
        verdict.confidence -= 0.3;
    }
    match (!raised.is_empty() || is_proven, !lowered.is_empty()) {
        (true, false) if !is_open => verdict.confidence = verdict.confidence.max(CERTAIN),
        (false, true) => verdict.confidence = verdict.confidence.min(RULED_OUT),
        _ => {}
    }
    if holds(Condition::TelemetryIncomplete) {
        verdict.confidence = verdict.confidence.min(0.5);
    }
    if !verdict.disagreed.is_empty() {
        verdict.confidence = verdict.confidence.min(RULED_OUT);
    }
    verdict.confidence = verdict.confidence.clamp(0.0, 1.0);
    let new = |signal: &Signal, old: &[Signal]| !old.contains(signal);
    let raised: Vec<Signal> =
        raised.into_iter().filter(|signal| new(signal, &verdict.agreed)).collect();
    verdict.agreed.extend(raised);
    verdict.disagreed.extend(lowered);
}

fn grade(found: &Candidate<'_>) -> Grade {
    if found.verdict.is_ruled_out() {
        Grade::RuledOut
    } else if found.verdict.unknown.is_empty() {
        Grade::Held
    } else {
        Grade::Open
    }
}

/// Where it stands between others of its kind: a kill from outside counts more than what its victim
/// said, and that more than a bare exit code.
fn place(found: &Candidate<'_>) -> u8 {
    match found.verdict.from {
        Some(TextFrom::Innermost) => 0,
        Some(TextFrom::Outer) => 1,
        Some(TextFrom::Companion | TextFrom::Event | TextFrom::Kernel) => 2,
        None if found.verdict.agreed.iter().any(Signal::is_kill) => 3,
        Some(TextFrom::LastWords) => 4,
        None if !found.verdict.agreed.iter().all(Signal::is_bare_exit) => 5,
        None => 6,
    }
}

type Order = (
    (Grade, Fit, bool, bool),
    (u8, bool, Reverse<usize>),
    (Reverse<usize>, Reverse<bool>, Reverse<u32>),
);

/// Smaller is better.
fn order(found: &Candidate<'_>) -> Order {
    let cause = found.verdict.cause;
    let has_text = found.verdict.text.is_some();
    let is_shared = has_text && cause.confidence <= SHARED;
    let agrees = found.conditions > 0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a confidence is between 0 and 1"
    )]
    let confidence = (cause.confidence * 1000.0) as u32;
    (
        (grade(found), found.fit, cause.role == Role::Symptom, is_shared),
        (place(found), has_text && !agrees, Reverse(found.chars)),
        (Reverse(found.conditions), Reverse(found.is_users), Reverse(confidence)),
    )
}
