//! Waiting for a condition with a deadline: the only way in which these tests wait.

use std::time::Duration;

use crate::soak;

/// Returns once `condition` holds; fails with `what` after `limit`.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    assert!(reached(limit, &mut condition), "gave up after {limit:?} waiting until {what}");
}

/// Whether `condition` came to hold within `limit`.
pub fn reached(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    // A soak writes more; only what is a deadline grows with it, not a pause.
    let limit = if limit < Duration::from_secs(10) { limit } else { limit * soak::factor() };
    let start = std::time::SystemTime::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed().is_ok_and(|elapsed| elapsed > limit) {
            return false;
        }
        // A short pause between two looks, not a guess at how long something takes.
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
