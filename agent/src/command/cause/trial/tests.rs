//! Rules ask for signals: each must be collected somewhere, and the examples of its causes show it.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::{catalogue::Signal, diagnosis::ANSWERED};

/// Our causes with their examples.
fn causes() -> Vec<Cause> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("causes");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.ends_with("faq.yaml"));
    paths.sort();
    let of = |path| catalogue::parse("ours", &fs::read_to_string(path).unwrap()).unwrap().causes;
    paths.iter().flat_map(of).collect()
}

/// What the rule asks for, beside where a text stands, which the matcher sees for itself.
fn signals(cause: &Cause) -> BTreeSet<Signal> {
    let parts = cause.matches.iter().flat_map(|rule| rule.split(" && "));
    let parts = parts.chain(cause.raised_by.iter().chain(&cause.lowered_by).map(String::as_str));
    let is_place = |part: &&str| matches!(*part, "@log.last" | "@log.only");
    parts.filter(|part| !is_place(part)).filter_map(Signal::parse).collect()
}

/// A signal that nobody collects would make its causes "possible" for ever.
#[test]
fn every_signal_that_a_rule_asks_for_is_answered_in_an_example_of_its_causes() {
    let causes = causes();
    let mut open: BTreeSet<Signal> = causes.iter().flat_map(signals).collect();
    assert!(open.len() > 50, "{}", open.len());
    for cause in &causes {
        let asked = signals(cause);
        for example in cause.examples.iter().chain(&cause.counter_examples) {
            if asked.is_disjoint(&open) {
                break;
            }
            ANSWERED.with_borrow_mut(BTreeSet::clear);
            let _ = run(cause, example, false, catalogue::builtin());
            ANSWERED.with_borrow(|answered| {
                for (signal, _) in answered.iter().filter(|(signal, _)| asked.contains(signal)) {
                    open.remove(signal);
                }
            });
        }
    }
    let open: Vec<String> = open.iter().map(ToString::to_string).collect();
    assert!(open.is_empty(), "nobody answers, not in one example: {open:?}");
}
