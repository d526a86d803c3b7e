//! Engine time: never goes back, whatever the node's clock does.
//!
//! Inputs carry their source's time. Small steps back are lines out of order. A larger one is a
//! clock that was set back: from there on engine time goes on from where it was, shifted, until the
//! source's clock has caught up by itself.

use crate::source::Micros;

/// Lines of one node come out of order by fractions of a second; two merged units by a few.
const DISORDER: Micros = 10_000_000;

/// The engine's own time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Clock {
    now: Micros,
    shift: Micros,
}

impl Clock {
    /// The newest moment.
    pub(super) const fn now(self) -> Micros {
        self.now
    }

    /// The source's time at which an engine time is reached.
    pub(super) const fn source_time(self, engine: Micros) -> Micros {
        engine.saturating_sub(self.shift)
    }

    /// Moves to the time of a line. Returns the engine's time of it, which for a line out of order
    /// lies a little before now: what follows from a line depends on its own time alone, not on
    /// what else had been read when it came.
    pub(super) fn advance(&mut self, at: Micros) -> Micros {
        if at >= self.now {
            *self = Self { now: at, shift: 0 };
            return at;
        }
        let shifted = at.saturating_add(self.shift);
        if shifted >= self.now {
            self.now = shifted;
        } else if self.now - shifted > DISORDER {
            self.shift = self.now.saturating_sub(at);
            return self.now;
        }
        shifted
    }

    /// The engine's time of a moment at which nothing was written. Moves nothing: the lines of that
    /// moment may still be on their way.
    pub(super) const fn engine_time(self, at: Micros) -> Micros {
        if at >= self.now { at } else { at.saturating_add(self.shift) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Micros = 1_000_000;

    #[test]
    fn lines_out_of_order_keep_their_time_and_move_nothing() {
        let mut clock = Clock::default();
        assert_eq!(clock.advance(100 * S), 100 * S);
        assert_eq!(clock.advance(99 * S), 99 * S);
        assert_eq!(clock.now, 100 * S);
        assert_eq!(clock.advance(101 * S), 101 * S);
    }

    #[test]
    fn a_clock_set_back_goes_on_from_where_it_was() {
        let mut clock = Clock::default();
        clock.advance(10_000 * S);
        assert_eq!(clock.advance(5_000 * S), 10_000 * S);
        assert_eq!(clock.advance(5_003 * S), 10_003 * S);
        assert_eq!(clock.source_time(10_005 * S), 5_005 * S);
        // … until it has caught up.
        assert_eq!(clock.advance(10_004 * S), 10_004 * S);
        assert_eq!(clock.advance(10_005 * S), 10_005 * S);
    }
}
