//! Structured messages whose text is always the same, found by one look into a table.
//!
//! Owns the table and its hash; what varies inside a message is not here.

mod entries;

use crate::message::What;
use entries::ENTRIES;

/// Places in the table: a power of two, four times the entries, so that a message that is not in
/// it nearly always meets an empty place.
const PLACES: usize = 1024;

/// Entry numbers plus one; 0 is an empty place.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "runs at compile time, where a panic is an error; there are fewer entries than places"
)]
static TABLE: [u16; PLACES] = {
    let entries = ENTRIES;
    assert!(entries.len() * 4 <= PLACES, "the table is too small");
    let mut table = [0_u16; PLACES];
    let mut number = 0;
    while number < entries.len() {
        let mut place = place(entries[number].0.as_bytes());
        while table[place] != 0 {
            place = (place + 1) % PLACES;
        }
        table[place] = number as u16 + 1;
        number += 1;
    }
    table
};

/// A place from the length, the first and the last eight bytes.
const fn place(message: &[u8]) -> usize {
    let first = match message.first_chunk::<8>() {
        Some(first) => u64::from_le_bytes(*first),
        None => 0,
    };
    let last = match message.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => 0,
    };
    let mixed =
        (first ^ last.rotate_left(23) ^ message.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 54) as usize % PLACES
}

/// The production of exactly this message.
#[inline]
pub(super) fn lookup(message: &str) -> Option<What> {
    let mut at = place(message.as_bytes());
    loop {
        let number = usize::from(*TABLE.get(at)?).checked_sub(1)?;
        let (text, what) = ENTRIES.get(number)?;
        if *text == message {
            return Some(*what);
        }
        at = (at + 1) % PLACES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_found_and_stands_once() {
        for (text, what) in ENTRIES {
            assert_eq!(lookup(text), Some(*what), "{text}");
        }
        for wrong in ["", "x", "Error syncing pod, skippinG", "Error syncing pod"] {
            assert_eq!(lookup(wrong), None);
        }
    }
}
