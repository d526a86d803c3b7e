//! Digits at fixed places, looked at eight bytes at a time.
//!
//! Owns the comparison; which numbers the digits make is the caller's.

/// Eight bytes: `0` stands for any digit, `_` for a byte that the caller knows.
pub(crate) struct Template {
    bytes: u64,
    /// Ones where the byte counts.
    known: u64,
    /// How far each byte may be from the template's, as what is missing to 128: a digit up to 9,
    /// anything else not at all.
    room: u64,
}

impl Template {
    #[expect(clippy::indexing_slicing, reason = "runs at compile time, where a panic is an error")]
    pub(crate) const fn of(template: [u8; 8]) -> Self {
        let (mut known, mut room) = ([0xff; 8], [0x7f; 8]);
        let mut at = 0;
        while at < 8 {
            match template[at] {
                b'_' => known[at] = 0,
                b'0' => room[at] = 0x76,
                _ => {}
            }
            at += 1;
        }
        Self {
            bytes: u64::from_le_bytes(template),
            known: u64::from_le_bytes(known),
            room: u64::from_le_bytes(room),
        }
    }

    /// The digits at their places; what differs from a template of zeros is the digit itself.
    #[inline]
    pub(crate) const fn digits(&self, bytes: [u8; 8]) -> Option<[u8; 8]> {
        let digits = (u64::from_le_bytes(bytes) ^ self.bytes) & self.known;
        let over = ((digits & 0x7f7f_7f7f_7f7f_7f7f) + self.room) | digits;
        if over & 0x8080_8080_8080_8080 == 0 { Some(digits.to_le_bytes()) } else { None }
    }
}

/// A number of two digits.
pub(crate) const fn two(tens: u8, ones: u8) -> u8 {
    tens * 10 + ones
}
