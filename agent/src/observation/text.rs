//! Copies a borrowed text: decoded, bounded, freed of control characters, redacted, in this order.

use std::fmt;

use podwhy_parser::Text;

use crate::{limits, redact};

/// Copies the texts of one line and remembers what it had to do to them.
#[derive(Debug, Default)]
pub struct Copier {
    /// What was redacted.
    pub redacted: redact::Counts,
    /// A value was cut.
    pub cut: bool,
}

impl Copier {
    /// A short value: a name, an id, a word. Longer ones are cut.
    pub fn word(&mut self, text: Text<'_>) -> Option<String> {
        self.copy(text, limits::WORD_BYTES).filter(|word| !word.is_empty())
    }

    /// A text for humans. Empty stays empty.
    pub fn prose(&mut self, text: Text<'_>) -> String {
        self.copy(text, limits::VALUE_BYTES).unwrap_or_default()
    }

    fn copy(&mut self, text: Text<'_>, bound: usize) -> Option<String> {
        // Redaction needs more than is kept: a secret across the bound must not lose its shape.
        let mut decoded = Bounded { text: String::new(), room: bound.saturating_mul(2) };
        if text.write_to(&mut decoded).is_err() {
            self.cut = true;
        }
        let scrubbed = redact::scrub(&decoded.text, &mut self.redacted);
        let (kept, is_cut) = limits::cut(&scrubbed, bound);
        self.cut |= is_cut;
        Some(kept.to_owned())
    }
}

/// Takes what fits and drops what no terminal, page or label may see.
struct Bounded {
    text: String,
    room: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        piece.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        if !is_allowed(character) {
            return Ok(());
        }
        self.room = self.room.checked_sub(character.len_utf8()).ok_or(fmt::Error)?;
        self.text.push(character);
        Ok(())
    }
}

/// Without control characters (a newline and a tab excepted) and without what reorders text.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().filter(|&character| is_allowed(character)).collect()
}

fn is_allowed(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        '\u{2028}' | '\u{2029}' => false,
        _ => !character.is_control(),
    }
}
