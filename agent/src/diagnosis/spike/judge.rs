//! What is a spike, and when it is over (otlp.md 5.4 is the idea): pods that begin to fail, failed
//! attempts, error lines, each against what is usual. Owns the thresholds; no counting, no words.

use super::{
    series::{BUCKET, SECOND, Series, WINDOW, bits},
    tail::{float, score},
};
use crate::source::Micros;

/// `-log10` of how unlikely it must be: one in a hundred thousand. A fleet of thousands of nodes asks
/// millions of times a week, and two pods that break by chance must not be a spike each day.
const SCORE: f64 = 5.0;

/// Failed attempts of the pods in question: fewer may pass by themselves.
const ATTEMPTS: u64 = 10;

/// So many times the usual: counts of failures scatter more than Poisson's.
const TIMES: f64 = 4.0;

/// As many pods need no further proof by their attempts.
const MANY_PODS: u64 = 4;

/// What fails once and for all (a refused pod, an evicted one) is told apart by number alone.
const ONCE_PODS: u64 = 10;

/// Pods per window that may begin to fail anywhere: one in four days.
const USUAL_PODS: f64 = 0.001;

/// Failed attempts per window that are nothing anywhere.
const USUAL_ATTEMPTS: f64 = 1.0;

/// What back-off alone makes of one broken pod in a window: five a minute up to a kubelet of 1.33,
/// and one more.
const BACK_OFF: f64 = 30.0;

/// Error lines per window that are nothing anywhere: one in three seconds.
const USUAL_LINES: f64 = 100.0;

/// A spike is over after so long at half of what it was.
const CALM: Micros = 300 * SECOND;

/// A spike is a jump: what lasts longer is a state, which its incidents tell.
const LASTS: Micros = 86_400 * SECOND;

/// A spike that is on.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(in crate::diagnosis) struct Active {
    pub(in crate::diagnosis) measure: Measure,
    /// By engine time.
    pub(super) since: Micros,
    /// By the clock of what showed it.
    pub(in crate::diagnosis) at: Micros,
    pub(in crate::diagnosis) observed: u64,
    #[serde(with = "bits")]
    pub(in crate::diagnosis) expected: f64,
    #[serde(with = "bits")]
    pub(in crate::diagnosis) score: f64,
    /// Of lines: the one with which it began.
    pub(in crate::diagnosis) sample: Option<String>,
    /// What it must fall to half of: of pods, the most that failed at a time.
    pub(super) level: u64,
    low_since: Option<Micros>,
    /// When it is looked at next.
    pub(super) due: Micros,
    pub(super) is_told: bool,
}

/// What jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::diagnosis) enum Measure {
    /// Pods that began to fail.
    Pods,
    /// Failed attempts.
    Attempts,
    /// Error lines.
    Lines,
}

/// What is known of the pods of a series at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pods {
    /// Failed within the window.
    pub(super) failing: u64,
    /// Failed attempts of those that began within it.
    pub(super) new_attempts: u64,
}

/// One failure as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Engine time, and the failure's own.
    pub(super) now: Micros,
    pub(super) at: Micros,
    /// Its incident is one of the node, or part of one.
    pub(super) is_of_node: bool,
    /// It is not tried again.
    pub(super) is_once: bool,
}

impl Series {
    /// After a failed attempt: whether this is a spike. `pods` is asked only where the counts alone
    /// could make one.
    pub(super) fn judge(&self, moment: Moment, pods: impl FnOnce() -> Pods) -> Option<Active> {
        let (begun, attempts) = (self.pods(), self.events());
        let usual = self.usual_events().max(USUAL_ATTEMPTS);
        let least = if moment.is_of_node { 1 } else { 2 };
        let may_be_hot = float(attempts) >= TIMES * usual.max(BACK_OFF);
        if begun < least && !may_be_hot {
            return None;
        }
        let pods = pods();
        let begins = |observed, expected, score| {
            Some(Active::new(moment, Measure::Pods, (observed, expected, score), begun))
        };
        let expected = self.usual_pods().max(USUAL_PODS);
        let unlikely = score(begun, expected);
        let enough = if moment.is_once {
            begun >= ONCE_PODS
        } else {
            begun >= MANY_PODS || pods.new_attempts >= ATTEMPTS
        };
        if begun >= 2 && enough && unlikely >= SCORE {
            return begins(begun, expected, unlikely);
        }
        // One pod is enough where something shows that the node is to blame.
        let unlikely = score(pods.new_attempts, usual);
        if moment.is_of_node
            && begun >= 1
            && pods.new_attempts >= ATTEMPTS
            && float(pods.new_attempts) >= TIMES * usual
            && unlikely >= SCORE
        {
            return begins(begun, expected, unlikely);
        }
        let expected = usual.max(BACK_OFF * float(pods.failing));
        let unlikely = score(attempts, expected);
        (pods.failing >= least && float(attempts) >= TIMES * expected && unlikely >= SCORE).then(
            || Active::new(moment, Measure::Attempts, (attempts, expected, unlikely), attempts),
        )
    }

    /// After an error line that belongs to no pod's failure. What comes within half a minute alone
    /// is a burst.
    pub(super) fn judge_lines(
        &self,
        now: Micros,
        at: Micros,
        sample: impl FnOnce() -> String,
    ) -> Option<Active> {
        let lines = self.events();
        let expected = self.usual_events().max(USUAL_LINES);
        let least = TIMES * expected;
        if float(lines) < least {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let half = (least / 2.0).ceil() as u64;
        let unlikely = score(lines, expected);
        let lasts = float(self.events_at_most(half)) >= least;
        let moment = Moment { now, at, is_of_node: true, is_once: false };
        (lasts && unlikely >= SCORE).then(|| {
            let level = half.saturating_mul(2);
            let active = Active::new(moment, Measure::Lines, (lines, expected, unlikely), level);
            Active { sample: Some(sample()), ..active }
        })
    }
}

impl Active {
    fn new(
        moment: Moment,
        measure: Measure,
        (observed, expected, score): (u64, f64, f64),
        level: u64,
    ) -> Self {
        Self {
            measure,
            since: moment.now,
            at: moment.at,
            observed,
            expected,
            score,
            sample: None,
            level,
            low_since: None,
            // At once: lines have no other moment at which they are told.
            due: moment.now,
            is_told: false,
        }
    }

    /// Since when who began to fail is one of its pods.
    pub(super) const fn pods_since(&self) -> Micros {
        self.since.saturating_sub(WINDOW)
    }

    /// Looks at it when it is due. `failing` is how many of its pods failed lately, `events` the
    /// attempts or lines of the window. Returns whether it is over.
    pub(super) fn look(&mut self, failing: u64, events: u64) -> bool {
        let now = self.due;
        self.due = now.saturating_add(BUCKET);
        let value = if self.measure == Measure::Pods { failing } else { events };
        if self.measure == Measure::Pods {
            self.level = self.level.max(value);
        }
        if value > self.level / 2 {
            self.low_since = None;
        } else if now - *self.low_since.get_or_insert(now) >= CALM {
            return true;
        }
        now - self.since >= LASTS
    }
}
