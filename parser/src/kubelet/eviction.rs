//! Eviction manager and preemption lines of 1.20 and older (§8.6, §8.7).
//!
//! Owns their texts; the structured ones stand in the table and have keys.

use crate::cursor::Cursor;
use crate::message::What;
use crate::{Facts, Text, object};

/// The production of an `eviction manager: …` or `preemption: …` line.
pub(super) fn classify(text: Text<'_>) -> Option<What> {
    read(text, &mut Facts::default())
}

/// ```text
/// line := "eviction manager: " ( "attempting to reclaim " resource | … )
///       | "preemption: pod " pod ( " evicted successfully" | " failed to evict " error )
/// ```
pub(super) fn read<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<What> {
    let mut cursor = Cursor::of(text);
    if cursor.eat("preemption: pod ") {
        return pod_line(&mut cursor, facts, What::PodPreempted, What::PreemptionFailed);
    }
    cursor.take("eviction manager: ")?;
    for (words, what) in [
        ("attempting to reclaim ", What::EvictionReclaiming),
        ("must evict pod(s) to reclaim ", What::EvictionMustEvict),
    ] {
        if cursor.eat(words) {
            facts.reason = Some(cursor.rest().trim_newlines()).filter(|word| !word.is_empty());
            return Some(what);
        }
    }
    if cursor.eat("able to reduce ") {
        facts.reason = cursor.until(" pressure");
        return Some(What::EvictionRelieved);
    }
    if cursor.eat("pod ") {
        return pod_line(&mut cursor, facts, What::PodEvicted, What::EvictionFailed);
    }
    if cursor.eat("cannot evict a critical ") {
        cursor.skip_past("pod ")?;
        facts.pod = object::pod_value(cursor.rest());
        return Some(What::EvictionFailed);
    }
    if cursor.eat("failed to get summary stats") || cursor.eat("unexpected error when ") {
        cursor.skip_past(": ")?;
        facts.error = Some(cursor.rest());
        return Some(What::EvictionUnable);
    }
    PLAIN.iter().find(|(words, _)| cursor.eat(words)).map(|(_, what)| *what)
}

/// Lines whose text says no more than what they are.
const PLAIN: [(&str, What); 5] = [
    ("pods ranked for eviction: ", What::EvictionRanked),
    ("eviction thresholds have been met", What::EvictionNoPods),
    ("unable to evict any pods", What::EvictionNoPods),
    ("pods ", What::EvictionCleaning),
    ("timed out waiting for pods ", What::EvictionCleaning),
];

fn pod_line<'a>(
    cursor: &mut Cursor<'a>,
    facts: &mut Facts<'a>,
    done: What,
    failed: What,
) -> Option<What> {
    let pod = cursor.run(|character| character != ' ');
    facts.pod = object::pod_value(pod);
    if cursor.raw().ends_with("evicted successfully") {
        return Some(done);
    }
    cursor.take(" failed to evict ")?;
    facts.error = Some(cursor.rest());
    Some(failed)
}
