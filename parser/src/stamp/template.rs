//! Digits at fixed places, looked at eight bytes at a time.
//!
//! Owns the comparison; which numbers the digits make is the caller's.

/// The number that up to seven digits make, and how many they are; `None` where eight bytes do not
/// show its end.
#[inline]
pub(crate) fn short_number(bytes: [u8; 8]) -> Option<(u32, usize)> {
    let digits = u64::from_le_bytes(bytes) ^ u64::from_le_bytes([b'0'; 8]);
    let over = (((digits & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | digits)
        & 0x8080_8080_8080_8080;
    let length = over.trailing_zeros() as usize / 8;
    if length == 0 || length == 8 {
        return None;
    }
    // Zeros in front; then neighbours make pairs, pairs make fours, and fours the number.
    let digits = digits << (64 - 8 * length);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let number = (fours & 0xffff) * 10_000 + (fours >> 32);
    Some((u32::try_from(number).ok()?, length))
}

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

    /// At each place the number that its digit makes with the next one. What differs from a template
    /// of zeros is the digit itself; 99 is the most, so that no place carries into another.
    #[inline]
    pub(crate) const fn pairs(&self, bytes: [u8; 8]) -> Option<[u8; 8]> {
        let digits = (u64::from_le_bytes(bytes) ^ self.bytes) & self.known;
        let over = ((digits & 0x7f7f_7f7f_7f7f_7f7f) + self.room) | digits;
        if over & 0x8080_8080_8080_8080 != 0 {
            return None;
        }
        Some((digits * 10 + (digits >> 8)).to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_are_what_the_library_reads() {
        for text in ["0]x.....", "7 ......", "12:.....", "1324] \"E", "0002148 ", "9999999]"] {
            let end = text.find(|character: char| !character.is_ascii_digit()).unwrap();
            let bytes = text.as_bytes().first_chunk().unwrap();
            assert_eq!(
                short_number(*bytes),
                Some((text.split_at(end).0.parse().unwrap(), end)),
                "{text}"
            );
        }
        for text in ["12345678", "x1234567", ":1234567", "/0000000"] {
            assert_eq!(short_number(*text.as_bytes().first_chunk().unwrap()), None, "{text}");
        }
    }
}
