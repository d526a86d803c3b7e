//! The scrubber of otlp.md 6.4: on by default, before anything is hashed or leaves.
//!
//! Owns the rules and their counts. Linear in its input, which the caller bounds; idempotent.

mod rules;

use std::{borrow::Cow, sync::LazyLock};

use aho_corasick::AhoCorasick;

pub use rules::Rule;

/// How often each rule found something, in the order of [`Rule::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts([u32; Rule::ALL.len()]);

impl Counts {
    /// How often `rule` found something.
    #[must_use]
    pub fn of(&self, rule: Rule) -> u32 {
        self.0.get(rule as usize).copied().unwrap_or_default()
    }

    /// Adds those of another text.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    fn count(&mut self, rule: Rule) {
        if let Some(count) = self.0.get_mut(rule as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// Every literal without which no rule can match, beside long base64: nearly all texts hold none
/// and are handed back as they are.
static PREFILTER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(rules::LITERALS.iter().map(|(literal, _)| *literal))
        .expect("the literals are a fixed list")
});

/// What one rule leaves may be the key of another's secret; more rounds than this never were needed.
const ROUNDS: usize = 8;

/// Removes secrets; borrows the text where there is none. `counts` grows by what was found.
#[must_use]
pub fn scrub<'a>(text: &'a str, counts: &mut Counts) -> Cow<'a, str> {
    let mut out = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        let mut has_changed = false;
        for rule in wanted(&out) {
            if let Cow::Owned(replaced) = rule.apply(&out, counts) {
                out = Cow::Owned(replaced);
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
    }
    out
}

/// The rules that can match at all, in their order.
fn wanted(text: &str) -> impl Iterator<Item = Rule> + use<> {
    let mut wanted = [false; Rule::ALL.len()];
    for found in PREFILTER.find_overlapping_iter(text) {
        if let Some((_, rule)) = rules::LITERALS.get(found.pattern().as_usize())
            && let Some(flag) = wanted.get_mut(*rule as usize)
        {
            *flag = true;
        }
    }
    if let Some(flag) = wanted.get_mut(Rule::LongBase64 as usize) {
        *flag = rules::has_long_run(text);
    }
    Rule::ALL.into_iter().zip(wanted).filter_map(|(rule, wanted)| wanted.then_some(rule))
}

#[cfg(test)]
mod tests;
