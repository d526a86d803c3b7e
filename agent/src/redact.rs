//! The scrubber of otlp.md 6.4: on by default, before anything is hashed or leaves.
//!
//! Owns the rules and their counts. Linear in its input, which the caller bounds; idempotent.

mod rules;
mod stream;

use std::{borrow::Cow, sync::LazyLock};

use aho_corasick::AhoCorasick;

pub use rules::Rule;
pub use stream::Stream;

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

/// Scrubs every text of a JSON value; where a member is named like a secret, its whole text.
pub fn value(given: &mut serde_json::Value) {
    use serde_json::Value;
    let tidy = |text: &mut String| {
        if let Cow::Owned(scrubbed) = scrub(text, &mut Counts::default()) {
            *text = scrubbed;
        }
    };
    match given {
        Value::String(text) => tidy(text),
        Value::Array(items) => {
            let words = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            let words: Option<Vec<String>> = words;
            items.iter_mut().for_each(value);
            if let Some(words) = words {
                for (item, word) in items.iter_mut().zip(list(words)) {
                    *item = Value::String(word);
                }
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) => {
                        let keyed = format!("{name}={text}");
                        let scrubbed = scrub(&keyed, &mut Counts::default());
                        match scrubbed
                            .strip_prefix(name.as_str())
                            .and_then(|it| it.strip_prefix('='))
                        {
                            Some(rest) if rest != text => *text = rest.to_owned(),
                            _ => tidy(text),
                        }
                    }
                    other => value(other),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Scrubs the words of a command, where a secret may follow its flag as a word of its own.
#[must_use]
pub fn list(words: Vec<String>) -> Vec<String> {
    let mut before: Option<String> = None;
    let mut scrubbed = |word: String| {
        let alone = scrub(&word, &mut Counts::default()).into_owned();
        match before.replace(word) {
            Some(flag) if flag.starts_with('-') && alone != rules::MARK => {
                let pair = format!("{flag} {alone}");
                let pair = scrub(&pair, &mut Counts::default());
                let is_secret = pair
                    .strip_prefix(flag.as_str())
                    .is_some_and(|rest| rest.strip_prefix(' ').is_some_and(|rest| rest != alone));
                if is_secret { rules::MARK.to_owned() } else { alone }
            }
            _ => alone,
        }
    };
    words.into_iter().map(&mut scrubbed).collect()
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
