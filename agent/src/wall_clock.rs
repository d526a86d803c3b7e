//! The time of day, for what happens beside the lines. The engine never reads it: lines carry their
//! own time.

/// Microseconds since the epoch, UTC.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
