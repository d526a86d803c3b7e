//! Counts allocations: parsing, facts, failures, pairs and decoding make none, on any corpus line.
//! One test only: the counter is the process's.

#[path = "cases.rs"]
mod cases;

use std::alloc::System;
use std::fmt::{self, Write};

use podwhy_parser::{Message, Origin, parse_from};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;

/// Lines that are no message, or begin like one.
const MISSES: [&str; 6] =
    ["", "no frame at all", "I0101", "{\"ts\":", "\"quoted\" a=b", "goroutine 1 [running]:"];

/// Takes text without keeping it, like a socket buffer that never grows.
struct Fixed {
    buffer: [u8; 256],
    used: usize,
}

impl Write for Fixed {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for (place, byte) in self.buffer.iter_mut().zip(piece.bytes()) {
            *place = byte;
        }
        self.used += piece.len();
        Ok(())
    }
}

#[test]
fn nothing_is_allocated_on_hits_and_misses() {
    let cases = cases::cases();
    let mut out = Fixed { buffer: [0; 256], used: 0 };
    let (mut hits, mut failures) = (0, 0);

    // The counter is the process's: the test harness may allocate beside us, once. What parsing
    // allocated, it would allocate in each round.
    let mut least = (usize::MAX, usize::MAX);
    for _ in 0..ROUNDS {
        let region = Region::new(ALLOCATOR);
        let (some_hits, some_failures) = one_round(&cases, &mut out);
        let change = region.change();
        least = least.min((change.allocations, change.reallocations));
        hits += some_hits;
        failures += some_failures;
    }

    assert_eq!(least, (0, 0), "allocations and reallocations in the best of {ROUNDS} rounds");
    assert!(hits > 40 && failures > 40, "{hits} messages, {failures} failures: nothing was tested");
    assert!(out.used > 10_000, "{} bytes decoded: nothing was tested", out.used);
}

/// Reads every corpus message, and lines that are none. Gives the number of messages and failures.
fn one_round(cases: &[(std::path::PathBuf, cases::Case)], out: &mut Fixed) -> (usize, usize) {
    let (mut hits, mut failures) = (0, 0);
    for (_, case) in cases {
        for text in &case.messages {
            for origin in [case.origin, Origin::Any] {
                if let Some(message) = parse_from(origin, text) {
                    hits += 1;
                    failures += read_everything(&message, out);
                }
            }
        }
    }
    for text in MISSES {
        for (_, case) in cases {
            if let Some(message) = parse_from(case.origin, text) {
                read_everything(&message, out);
            }
        }
    }
    (hits, failures)
}

/// Asks for all that a message can say; gives the number of its failures.
fn read_everything(message: &Message<'_>, out: &mut Fixed) -> usize {
    let facts = message.facts();
    let texts = [
        facts.pod.namespace,
        facts.pod.name,
        facts.pod.uid,
        facts.container,
        facts.error,
        facts.detail,
    ];
    for text in texts.into_iter().flatten().chain([message.text]) {
        write!(out, "{text}").expect("it takes everything");
    }
    for (_, value) in message.pairs() {
        write!(out, "{}", value.text()).expect("it takes everything");
    }
    let mut count = 0;
    for failure in message.failures() {
        count += 1;
        write!(out, "{} {}", failure.step, failure.message).expect("it takes everything");
    }
    count
}
