//! Whether libsystemd or the reader leaves out what is not ours. Owns: the choice, by measure.
//! Does not: judge entries.
//!
//! A match costs a look-up per alternative at every step (about 0.1 µs each), reading an entry that
//! is not ours about 2 µs. On a node whose journal is mostly kubelet and runtime it is cheaper to
//! read all; on a noisy one libsystemd skips the rest by its index.

use super::super::sd;

/// Entries from which the share of ours is judged.
const SAMPLE: u32 = 2048;
/// Below this share, in percent, the matches pay.
const SHARE_PERCENT: u32 = 25;
/// Entries of ours that are read with matches until the share is looked at again.
const MATCHED: u32 = 32 * SAMPLE;

pub(in crate::source::journal) struct Filter {
    matches: Vec<Vec<Vec<u8>>>,
    is_matching: bool,
    seen: u32,
    ours: u32,
}

impl Filter {
    pub(in crate::source::journal) fn new(matches: Vec<Vec<Vec<u8>>>) -> Self {
        Self { matches, is_matching: false, seen: 0, ours: 0 }
    }

    /// Takes note of one entry.
    pub(in crate::source::journal) fn count(&mut self, is_ours: bool) {
        self.seen += 1;
        self.ours += u32::from(is_ours);
    }

    /// The journal was opened anew: it has no matches.
    pub(in crate::source::journal) fn reset(&mut self) {
        (self.is_matching, self.seen, self.ours) = (false, 0, 0);
    }

    /// Pushes the matches into libsystemd, or takes them back, as the last sample says.
    pub(in crate::source::journal) fn adapt(
        &mut self,
        journal: &mut sd::Journal<'_>,
    ) -> Result<(), sd::Error> {
        let until = if self.is_matching { MATCHED } else { SAMPLE };
        if self.seen < until {
            return Ok(());
        }
        let pays = self.ours.saturating_mul(100) < self.seen.saturating_mul(SHARE_PERCENT);
        (self.seen, self.ours) = (0, 0);
        if self.is_matching {
            self.is_matching = false;
            journal.flush_matches();
        } else if pays {
            self.apply(journal)?;
            self.is_matching = true;
        }
        Ok(())
    }

    /// Pushes the matches: unit OR identifier OR transport OR pid 1.
    pub(in crate::source::journal) fn apply(
        &self,
        journal: &mut sd::Journal<'_>,
    ) -> Result<(), sd::Error> {
        for (place, alternatives) in self.matches.iter().enumerate() {
            if place > 0 {
                journal.or()?;
            }
            for field in alternatives {
                journal.add_match(field)?;
            }
        }
        Ok(())
    }
}
