//! What was read, in the order of time as far as a bound allows: several inputs, and documents
//! whose times lie anywhere, become one run.

use std::collections::BTreeMap;

use crate::fact::Dated;
use crate::limits::EXPLAIN_WINDOW;
use crate::observation::Observation;
use crate::source::Micros;

/// Something for the engine.
#[derive(Debug)]
pub(super) enum Item {
    /// A line of a log.
    Seen(Box<Observation>),
    /// What a text that is no log reports.
    Reported(Box<Observation>),
    Fact(Box<Dated>),
}

/// At equal times facts come before what happened, and reports behind it; else as they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Micros,
    rank: u8,
    number: u64,
}

/// Holds back a window.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: BTreeMap<Place, Item>,
    taken: u64,
}

impl Order {
    /// Takes one in; gives back the oldest once the window is full.
    pub(super) fn push(&mut self, at: Micros, item: Item) -> Option<(Micros, Item)> {
        self.taken += 1;
        let rank = match item {
            Item::Fact(_) => 0,
            Item::Seen(_) => 1,
            Item::Reported(_) => 2,
        };
        self.waiting.insert(Place { at, rank, number: self.taken }, item);
        (self.waiting.len() > EXPLAIN_WINDOW).then(|| self.pop()).flatten()
    }

    pub(super) fn pop(&mut self) -> Option<(Micros, Item)> {
        self.waiting.pop_first().map(|(place, item)| (place.at, item))
    }

    /// The oldest time that is known.
    pub(super) fn next(&self) -> Option<Micros> {
        self.waiting.keys().map(|place| place.at).find(|at| *at > 0)
    }
}
