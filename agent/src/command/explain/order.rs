//! What was read, in the order of time as far as a bound allows: several inputs, and documents
//! whose times lie anywhere, become one run. Years that lines do not say go by what says one.

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

const HALF_YEAR: Micros = 183 * 86_400 * 1_000_000;

impl Item {
    /// Its time is one that somebody vouches for.
    fn is_instant(&self, at: Micros) -> bool {
        match self {
            Self::Seen(seen) | Self::Reported(seen) => seen.dated && at > 0,
            Self::Fact(_) => at > 0,
        }
    }

    /// The time of a line that says no year, in the year in which it is nearest to `known`.
    fn near(&mut self, at: Micros, known: Micros) -> Micros {
        let (Self::Seen(seen) | Self::Reported(seen)) = self else { return at };
        let says_year = seen.written.as_bytes().get(4) == Some(&b'-');
        if seen.dated || says_year || at <= 0 {
            return at;
        }
        let Some(shift) = nearest_year(at, known).map(|near| near.saturating_sub(at)) else {
            return at;
        };
        seen.at = seen.at.saturating_add(shift);
        seen.received = seen.received.saturating_add(shift);
        at.saturating_add(shift)
    }
}

fn nearest_year(at: Micros, known: Micros) -> Option<Micros> {
    let civil = |at: Micros| {
        let at = jiff::Timestamp::from_microsecond(at).ok()?;
        Some(at.to_zoned(jiff::tz::TimeZone::UTC).datetime())
    };
    let (guessed, known_year) = (civil(at)?, civil(known)?.year());
    let years = [known_year.checked_sub(1)?, known_year, known_year.checked_add(1)?];
    let candidates = years.into_iter().filter_map(|year| {
        let there = guessed.with().year(year).build().ok()?;
        Some(there.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
    });
    candidates.min_by_key(|candidate| candidate.abs_diff(known))
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
    /// The newest instant of the input, of those that came while nothing was given back yet.
    known: Option<Micros>,
    is_begun: bool,
}

impl Order {
    /// Takes one in; gives back the oldest once the window is full.
    pub(super) fn push(&mut self, at: Micros, item: Item) -> Option<(Micros, Item)> {
        // A pod may be years older than what is told of it: the newest counts.
        let is_newer = self.known.is_none_or(|known| at > known.saturating_add(HALF_YEAR));
        if is_newer && !self.is_begun && item.is_instant(at) {
            self.known = Some(at);
            for (place, item) in std::mem::take(&mut self.waiting) {
                self.put(place.at, item, place.number);
            }
        }
        self.taken += 1;
        self.put(at, item, self.taken);
        (self.waiting.len() > EXPLAIN_WINDOW).then(|| self.pop()).flatten()
    }

    fn put(&mut self, mut at: Micros, mut item: Item, number: u64) {
        if let Some(known) = self.known {
            at = item.near(at, known);
        }
        let rank = match item {
            Item::Fact(_) => 0,
            Item::Seen(_) => 1,
            Item::Reported(_) => 2,
        };
        self.waiting.insert(Place { at, rank, number }, item);
    }

    pub(super) fn pop(&mut self) -> Option<(Micros, Item)> {
        self.is_begun = true;
        self.waiting.pop_first().map(|(place, item)| (place.at, item))
    }

    /// The oldest time that is known.
    pub(super) fn next(&self) -> Option<Micros> {
        self.waiting.keys().map(|place| place.at).find(|at| *at > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Fact, PodsListed};

    const NOVEMBER_2025: Micros = 1_762_774_824_000_000;
    const NOVEMBER_2026: Micros = 1_794_310_824_000_000;

    fn line(written: &str, at: Micros) -> Item {
        let written = written.to_owned();
        Item::Seen(Box::new(Observation { at, received: at, written, ..Observation::default() }))
    }

    fn fact(at: Micros) -> Item {
        Item::Fact(Box::new(Dated { at, fact: Fact::PodsListed(PodsListed::default()) }))
    }

    fn order(items: Vec<(Micros, Item)>) -> Vec<Micros> {
        let mut order = Order::default();
        for (at, item) in items {
            assert!(order.push(at, item).is_none());
        }
        std::iter::from_fn(|| order.pop()).map(|(at, _)| at).collect()
    }

    #[test]
    fn a_line_without_a_year_stands_in_the_year_of_what_has_one() {
        let early = || (NOVEMBER_2025, line("11-10T11:40:24.000000", NOVEMBER_2025));
        let known = || (NOVEMBER_2026 + 1, fact(NOVEMBER_2026 + 1));
        let right = vec![NOVEMBER_2026, NOVEMBER_2026 + 1];
        assert_eq!(order(vec![early(), known()]), right, "it came before");
        assert_eq!(order(vec![known(), early()]), right, "it came behind");
    }

    #[test]
    fn a_line_with_a_year_stays_where_it_is() {
        let dated = line("2025-11-10T11:40:24.000000", NOVEMBER_2025);
        let items = vec![(NOVEMBER_2025, dated), (NOVEMBER_2026, fact(NOVEMBER_2026))];
        assert_eq!(order(items), vec![NOVEMBER_2025, NOVEMBER_2026]);
    }

    #[test]
    fn around_new_year_the_nearest_year_counts() {
        let december = 1_767_139_200_000_000; // 2025-12-31
        let january = 1_798_761_600_000_000; // 2027-01-01
        let items =
            vec![(december, line("12-31T00:00:00.000000", december)), (january, fact(january))];
        assert_eq!(order(items), vec![january - 86_400_000_000, january]);
    }
}
