//! Instants for stamps that leave out year or zone, guessed from what is around them.

use podwhy_parser::Stamp;

use crate::source::Micros;

const DAY: Micros = 86_400 * 1_000_000;

/// Keeps the time of the last line, which dates the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calendar {
    last: Micros,
    /// Nothing was dated yet: `last` is the end of the input, not a time in it.
    is_end: bool,
}

impl Calendar {
    /// For an input that was last written to at `written`.
    pub(crate) const fn before(written: Micros) -> Self {
        Self { last: written, is_end: true }
    }

    /// The input says when it begins.
    pub(crate) fn settle(&mut self, stamp: Stamp) {
        if let Some((at, _)) = civil(stamp) {
            (self.last, self.is_end) = (at, false);
        }
    }

    /// The instant, and whether year and zone were told. Without a stamp: the line before.
    pub(crate) fn resolve(&mut self, stamp: Option<Stamp>) -> (Micros, bool) {
        let resolved = stamp.and_then(|stamp| civil(stamp).or_else(|| self.nearest(stamp)));
        let Some((at, dated)) = resolved else { return (self.last, false) };
        (self.last, self.is_end) = (at, false);
        (at, dated)
    }

    /// The year that puts the stamp nearest to the line before; for the first line the newest one
    /// that is not in the input's future, but for a day that zones may make up (G5).
    fn nearest(self, stamp: Stamp) -> Option<(Micros, bool)> {
        let Stamp::Klog { month, day, hour, minute, second, micros } = stamp else { return None };
        let this_year = 1970 + i16::try_from(self.last.div_euclid(DAY * 1461 / 4)).ok()?;
        // Eight years hold a 29 February, whichever they are.
        let candidates = (this_year - 8..=this_year + 8).filter_map(|year| {
            if (month, day) == (2, 29) && !is_leap(year) {
                return None;
            }
            let nanos = micros * 1_000;
            let offset_seconds = Some(0);
            Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds }
                .epoch_micros()
        });
        let at = if self.is_end {
            candidates.filter(|at| *at <= self.last + DAY).max()
        } else {
            candidates.min_by_key(|at| at.abs_diff(self.last))
        };
        at.map(|at| (at, false))
    }
}

/// A full date; without a zone it is read as UTC and said to be a guess.
fn civil(stamp: Stamp) -> Option<(Micros, bool)> {
    if let Some(at) = stamp.epoch_micros() {
        return Some((at, true));
    }
    let Stamp::Civil { year, month, day, hour, minute, second, nanos, .. } = stamp else {
        return None;
    };
    let offset_seconds = Some(0);
    Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds }
        .epoch_micros()
        .map(|at| (at, false))
}

const fn is_leap(year: i16) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}
