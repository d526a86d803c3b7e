//! What is in two files at once. Owns: telling an entry from its copy, among entries of one moment.
//!
//! `journalctl --flush` copies the journal in memory into files of another sequence. libsystemd
//! knows copies by their place in time, but journald stamps all that it reads at once from a stream
//! with one time: within it, libsystemd orders entries of two sequences by their hash, and gives
//! those of the moment at which it stands once more (systemd 252, `compare_with_location`).

use super::super::sd;
use super::super::trust::{Fields, hash};
use super::place::Place;
use crate::limits;
use crate::source::Micros;

/// The entries of the moment that is being read.
#[derive(Debug, Default)]
pub(super) struct Moment {
    at: Micros,
    /// What they say and who said it, as hashes.
    seen: Vec<u64>,
    /// The sequence that they are of, known from the second one on.
    sequence: String,
}

impl Moment {
    /// Whether the entry on which the journal stands is the copy of one that was read already.
    pub(super) fn is_copy(
        &mut self,
        (at, fields, message): (Micros, &Fields, &[u8]),
        journal: &mut sd::Journal<'_>,
    ) -> Result<bool, sd::Error> {
        let said = hash(message) ^ fields.stream().rotate_left(17) ^ fields.boot.rotate_left(31);
        if self.at != at {
            self.at = at;
            self.seen.clear();
            self.sequence.clear();
            self.seen.push(said);
            return Ok(false);
        }
        // One cursor per moment that has several entries: it costs a third of reading one (J4).
        if self.sequence.is_empty() {
            self.sequence = sequence_here(at, journal)?;
        } else if self.seen.contains(&said) && sequence_here(at, journal)? != self.sequence {
            return Ok(true);
        }
        if self.seen.len() < limits::MOMENT_ENTRIES {
            self.seen.push(said);
        }
        Ok(false)
    }
}

fn sequence_here(at: Micros, journal: &mut sd::Journal<'_>) -> Result<String, sd::Error> {
    let place = Place::here(journal, at)?;
    Ok(part(&place.cursor, "s=").unwrap_or_default().to_owned())
}

/// One part of a cursor: `s=<sequence>;i=<number>;b=<boot>;m=<monotonic>;t=<time>;x=<hash>`.
pub(super) fn part<'c>(cursor: &'c str, name: &str) -> Option<&'c str> {
    cursor.split(';').find_map(|part| part.strip_prefix(name))
}

/// Two cursors are of one moment.
pub(super) fn is_same_moment(one: &str, other: &str) -> bool {
    let moment = |cursor| (part(cursor, "b="), part(cursor, "t="));
    part(one, "t=").is_some() && moment(one) == moment(other)
}

/// Two cursors are of one entry and its copy in another sequence.
pub(super) fn is_copy_of(one: &str, other: &str) -> bool {
    is_same_moment(one, other)
        && part(one, "x=").is_some()
        && part(one, "x=") == part(other, "x=")
        && part(one, "s=") != part(other, "s=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_time_and_hash_of_its_entry_and_another_sequence() {
        let entry = "s=ab;i=10;b=c;m=1;t=2;x=3";
        for (other, of_moment, is_copy) in [
            ("s=cd;i=1;b=c;m=1;t=2;x=3", true, true),
            ("s=cd;i=1;b=c;m=1;t=2;x=4", true, false),
            ("s=ab;i=11;b=c;m=1;t=2;x=3", true, false),
            ("s=cd;i=1;b=c;m=1;t=5;x=3", false, false),
            ("s=cd;i=1;b=e;m=1;t=2;x=3", false, false),
            ("nonsense", false, false),
        ] {
            assert_eq!(is_same_moment(entry, other), of_moment, "{other}");
            assert_eq!(is_copy_of(entry, other), is_copy, "{other}");
        }
    }
}
