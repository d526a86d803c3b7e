//! One step's failures, or one writer's error lines: what the newest minutes brought, and what is
//! usual on this node. Owns counting and learning; `judge` says what is a spike, `spike` owns the set.

use std::collections::VecDeque;

use super::{judge::Active, tail::float};
use crate::source::Micros;

pub(super) const SECOND: Micros = 1_000_000;

/// What is counted together: the kubelet's back-off brings each failing pod several times.
pub(super) const WINDOW: Micros = 300 * SECOND;

/// The window moves in steps of this.
pub(super) const BUCKET: Micros = 30 * SECOND;

const BUCKETS: usize = 10;

/// What is usual is forgotten with this time constant: a day, so that each hour of it counts.
const MEMORY: Micros = 86_400 * SECOND;

/// Half a failure is put down to every series beforehand: who watched for an hour and saw none
/// does not know that there is none.
const PRIOR: f64 = 0.5;

/// One series.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Series {
    /// Number of the newest half minute by engine time; 0 before the first.
    newest: i64,
    /// Oldest first; the last one is the newest.
    ring: VecDeque<Bucket>,
    usual: Usual,
    /// What came before is not learned: it was a spike, or the node had just booted.
    pub(super) frozen_until: Micros,
    pub(super) active: Option<Active>,
    /// It had a spike: what was told of it is told to be over, too.
    pub(super) had_one: bool,
}

/// Half a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Bucket {
    /// Failed attempts, or lines.
    events: u32,
    /// Pods whose failing turned out to last.
    pods: u32,
}

/// What is usual, as sums that fade.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Usual {
    #[serde(with = "bits")]
    events: f64,
    #[serde(with = "bits")]
    pods: f64,
    /// Over how many windows.
    #[serde(with = "bits")]
    windows: f64,
    /// How much of the time that was seen is learned.
    learned: Micros,
}

/// Doubles as their bits: what is read back must be the same number, or a restart would change what
/// is concluded.
pub(super) mod bits {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::diagnosis::spike) fn serialize<S: Serializer>(
        value: &f64,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }

    pub(in crate::diagnosis::spike) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<f64, D::Error> {
        let value = f64::from_bits(u64::deserialize(from)?);
        Ok(if value.is_finite() { value } else { 0.0 })
    }
}

impl Series {
    /// Moves the window to this time. `seen` is how long the node was watched so far: only that
    /// time counts as quiet, however far a clock jumps.
    pub(super) fn roll(&mut self, at: Micros, seen: Micros) {
        let number = at.div_euclid(BUCKET);
        if number <= self.newest && !self.ring.is_empty() {
            return;
        }
        let steps = number.saturating_sub(self.newest);
        let is_frozen =
            self.active.is_some() || self.newest.saturating_mul(BUCKET) < self.frozen_until;
        let mut left = Bucket::default();
        if self.ring.is_empty() || steps >= BUCKETS as i64 {
            for bucket in self.ring.drain(..) {
                left.add(bucket);
            }
            self.ring.push_back(Bucket::default());
        } else {
            for _ in 0..steps {
                self.ring.push_back(Bucket::default());
                if self.ring.len() > BUCKETS {
                    left.add(self.ring.pop_front().unwrap_or_default());
                }
            }
        }
        self.newest = number;
        self.usual.learn(if is_frozen { None } else { Some(left) }, seen);
    }

    fn bucket(&mut self, at: Micros) -> Option<&mut Bucket> {
        let back = self.newest.saturating_sub(at.div_euclid(BUCKET)).max(0);
        let back = usize::try_from(back).ok()?;
        let place = self.ring.len().checked_sub(back + 1)?;
        self.ring.get_mut(place)
    }

    /// Counts one failed attempt or line. What is older than the window is not counted.
    pub(super) fn event(&mut self, at: Micros) {
        if let Some(bucket) = self.bucket(at) {
            bucket.events = bucket.events.saturating_add(1);
        }
    }

    /// Counts one pod whose failing lasts.
    pub(super) fn pod(&mut self, at: Micros) {
        if let Some(bucket) = self.bucket(at) {
            bucket.pods = bucket.pods.saturating_add(1);
        }
    }

    /// Failed attempts or lines of the window.
    pub(super) fn events(&self) -> u64 {
        self.ring.iter().map(|bucket| u64::from(bucket.events)).sum()
    }

    /// The same, where no half minute counts for more than `most`: a burst is no rate.
    pub(super) fn events_at_most(&self, most: u64) -> u64 {
        self.ring.iter().map(|bucket| u64::from(bucket.events).min(most)).sum()
    }

    /// Pods that began to fail within the window.
    pub(super) fn pods(&self) -> u64 {
        self.ring.iter().map(|bucket| u64::from(bucket.pods)).sum()
    }

    /// Failed attempts or lines that a window usually has.
    pub(super) fn usual_events(&self) -> f64 {
        self.usual.events / self.usual.windows.max(1.0)
    }

    /// Pods that usually begin to fail within a window.
    pub(super) fn usual_pods(&self) -> f64 {
        (self.usual.pods + PRIOR) / self.usual.windows.max(1.0)
    }

    /// The spike is over: what it brought is neither counted again nor learned.
    pub(super) fn end(&mut self, at: Micros) -> Option<Active> {
        self.ring.iter_mut().for_each(|bucket| *bucket = Bucket::default());
        self.frozen_until = self.frozen_until.max(at);
        self.had_one = true;
        self.active.take()
    }
}

impl Bucket {
    const fn add(&mut self, other: Self) {
        self.events = self.events.saturating_add(other.events);
        self.pods = self.pods.saturating_add(other.pods);
    }
}

impl Usual {
    /// Takes over what left the window, and lets what was before fade. `None`: that time teaches
    /// nothing.
    fn learn(&mut self, left: Option<Bucket>, seen: Micros) {
        let passed = seen.saturating_sub(self.learned).max(0);
        self.learned = self.learned.max(seen);
        let Some(left) = left else { return };
        let fade = (-(micros(passed) / micros(MEMORY))).exp();
        self.events = self.events * fade + float(u64::from(left.events));
        self.pods = self.pods * fade + float(u64::from(left.pods));
        // As if each moment of it had faded for itself.
        let whole = micros(MEMORY) / micros(WINDOW);
        self.windows = self.windows * fade + whole * (1.0 - fade);
    }
}

#[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 microseconds")]
const fn micros(time: Micros) -> f64 {
    time as f64
}
