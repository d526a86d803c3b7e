//! The same failure again: told at once the first time, then counted per window (design 5.4).
//!
//! Equal means: same pod, step, target, container and reason, and the same message once times,
//! durations and ids are masked. Bounded; what was longest silent is concluded first.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;
use sha2::{Digest as _, Sha256};

use super::attempt::Attempt;
use crate::{limits, source::Micros};

/// Names a series: a hash, so that hostile names cost nothing.
pub(super) type Key = [u8; 16];

/// Failures that are the same.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Series {
    /// Engine time at which the window ends.
    due: Micros,
    /// The window's start by the failures' own clock; goes into a summary's id.
    start: Micros,
    /// Failures of this window that no record stands for yet.
    count: u64,
    /// Id and time of the first of them.
    first: Option<([u8; 16], Micros)>,
    /// The newest failure.
    last: Attempt,
    /// Order of mention.
    mentioned: u64,
}

/// A number of equal failures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) first_uid: [u8; 16],
    pub(super) first_seen: Micros,
    pub(super) start: Micros,
    pub(super) last: Attempt,
}

/// Whether a failure was told before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    /// Not in this series' memory.
    First,
    /// It was.
    Again,
}

/// Everything that is being counted.
#[derive(Debug, Default)]
pub(super) struct Counting {
    series: BTreeMap<Key, Series>,
    dues: BTreeSet<(Micros, Key)>,
    ages: BTreeMap<u64, Key>,
    mentions: u64,
    changed: BTreeSet<Key>,
    /// Series concluded early to keep the bound.
    pub(super) evicted: u64,
}

impl Counting {
    /// Counts a failure. `Again` with `tell` false is in the count of its series' next summary.
    /// Also returns the summary of a series that had to make room.
    pub(super) fn take(
        &mut self,
        now: Micros,
        window: Micros,
        attempt: &Attempt,
        (uid, is_told): ([u8; 16], bool),
    ) -> (Novelty, Option<Summary>) {
        let key = key(attempt);
        self.mentions += 1;
        self.changed.insert(key);
        if let Some(series) = self.series.get_mut(&key) {
            self.ages.remove(&series.mentioned);
            self.ages.insert(self.mentions, key);
            series.mentioned = self.mentions;
            series.last = attempt.clone();
            if !is_told {
                series.count += 1;
                series.first.get_or_insert((uid, attempt.at));
            }
            return (Novelty::Again, None);
        }
        let due = now.saturating_add(window);
        let (last, mentioned) = (attempt.clone(), self.mentions);
        let series = Series { due, start: attempt.at, count: 0, first: None, last, mentioned };
        self.insert(key, series);
        (Novelty::First, self.make_room())
    }

    /// When the next window ends.
    pub(super) fn next_due(&self) -> Option<Micros> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// Ends the first window that is due at or before `now`; a silent series is forgotten.
    pub(super) fn fire(&mut self, now: Micros, window: Micros) -> Option<Summary> {
        let key = self.dues.first().filter(|(due, _)| *due <= now)?.1;
        let mut series = self.remove(&key)?;
        let summary = series.summary()?;
        series.due = series.due.saturating_add(window);
        series.start = series.start.saturating_add(window);
        series.count = 0;
        series.first = None;
        self.insert(key, series);
        Some(summary)
    }

    /// Ends every window, in order of time.
    pub(super) fn finish(&mut self) -> Vec<Summary> {
        let keys: Vec<Key> = self.dues.iter().map(|(_, key)| *key).collect();
        keys.iter()
            .filter_map(|key| self.remove(key))
            .filter_map(|series| series.summary())
            .collect()
    }

    fn make_room(&mut self) -> Option<Summary> {
        if self.series.len() <= limits::SERIES {
            return None;
        }
        let key = *self.ages.first_key_value()?.1;
        self.evicted += 1;
        self.remove(&key)?.summary()
    }

    fn insert(&mut self, key: Key, series: Series) {
        self.dues.insert((series.due, key));
        self.ages.insert(series.mentioned, key);
        self.series.insert(key, series);
        self.changed.insert(key);
    }

    fn remove(&mut self, key: &Key) -> Option<Series> {
        let series = self.series.remove(key)?;
        self.dues.remove(&(series.due, *key));
        self.ages.remove(&series.mentioned);
        self.changed.insert(*key);
        Some(series)
    }

    pub(super) fn changes(&mut self, sink: &mut dyn FnMut(&Key, Option<&Series>)) {
        for key in std::mem::take(&mut self.changed) {
            sink(&key, self.series.get(&key));
        }
    }

    pub(super) fn restore(&mut self, key: Key, series: Series) {
        self.mentions = self.mentions.max(series.mentioned);
        self.insert(key, series);
        self.changed.remove(&key);
    }
}

impl Series {
    /// `None` where there is nothing that was not told.
    fn summary(&self) -> Option<Summary> {
        let (first_uid, first_seen) = self.first?;
        let (count, start, last) = (self.count, self.start, self.last.clone());
        Some(Summary { count, first_uid, first_seen, start, last })
    }
}

fn key(attempt: &Attempt) -> Key {
    let failure = &attempt.failure;
    let mut hash = Sha256::new();
    let pod = &attempt.pod;
    // The uid alone where it is known: some lines of a pod lack its name.
    let names = if pod.uid.is_some() { (&None, &None) } else { (&pod.namespace, &pod.name) };
    for field in [
        pod.uid.as_deref(),
        names.0.as_deref(),
        names.1.as_deref(),
        Some(failure.step.as_str()),
        failure.target.as_deref(),
        attempt.container.as_deref(),
        failure.reason.as_deref(),
        Some(&*mask(&failure.message)),
    ] {
        hash.update(field.map_or(0, |field| field.len() as u64 + 1).to_be_bytes());
        hash.update(field.unwrap_or_default());
    }
    let hash = hash.finalize();
    std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default())
}

/// What changes from one attempt to the next although nothing changed: ids, times, durations,
/// attempt numbers, ephemeral ports. Names and image tags stay: a new one is news.
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{12,}",
        r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?|\d\d:\d\d:\d\d(?:\.\d+)?",
        r"|\b(?:\d+(?:\.\d+)?(?:h|ms|m|s|µs|us|ns))+\b|m=[+-][\d.]+",
        r#"|_\d+"|:\d{4,5}->|\b\d{5,}\b"#,
    ))
    .expect("the pattern is fixed")
});

fn mask(message: &str) -> Cow<'_, str> {
    VARYING.replace_all(message, "#")
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn what_changes_from_attempt_to_attempt_is_masked() {
        let same: &[(&str, &str)] = &[
            (
                "back-off 10s restarting failed container=app",
                "back-off 2m40s restarting failed container=app",
            ),
            ("sandbox \"305b02beed3b865e\": exists", "sandbox \"e49e34754c1b583b\": exists"),
            ("name \"web_0_4\" is reserved", "name \"web_0_5\" is reserved"),
            (
                "read tcp 10.0.0.7:43512->10.0.0.1:443: reset",
                "read tcp 10.0.0.7:51077->10.0.0.1:443: reset",
            ),
            ("at 2031-03-17T09:20:11Z level=error", "at 2031-03-17T09:24:19Z level=error"),
        ];
        for (one, other) in same {
            assert_eq!(mask(one), mask(other));
        }
        assert_ne!(
            mask("image \"shop/web:2.0\" not found"),
            mask("image \"shop/web:2.1\" not found")
        );
        assert_ne!(mask("secret \"mail\" not found"), mask("secret \"cart\" not found"));
    }
}
