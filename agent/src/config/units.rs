//! Durations as `30s`, `10m`, `1h30m` and sizes as `8MiB`, for serde's `with`. Numbers without a
//! unit are refused: nobody remembers whether they meant seconds or milliseconds.

/// For `#[serde(with = "config::units::duration")]` on a [`std::time::Duration`].
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    /// ```text
    /// duration ::= "0" | ( number unit )+      unit ::= "d" | "h" | "m" | "s" | "ms"
    /// ```
    /// Numbers are whole.
    ///
    /// # Errors
    /// Says what a duration looks like.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let wrong = || format!("`{text}` is not a duration: write it as 500ms, 30s, 10m or 1h30m");
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Duration::ZERO);
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (number, after) =
                rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let milliseconds = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, ms)| *ms)
                .ok_or_else(wrong)?;
            total = number
                .parse::<u64>()
                .ok()
                .and_then(|number| number.checked_mul(milliseconds))
                .and_then(|part| total.checked_add(part))
                .ok_or_else(wrong)?;
            rest = after;
        }
        if text.trim().is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
    }

    /// The shortest text that [`parse`] reads back. Below a millisecond is cut.
    #[must_use]
    pub fn format(duration: Duration) -> String {
        let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return "0s".to_owned();
        }
        let mut text = String::new();
        for (name, milliseconds) in UNITS {
            if rest >= milliseconds {
                text.push_str(&format!("{}{name}", rest / milliseconds));
                rest %= milliseconds;
            }
        }
        text
    }

    /// Writes it as people do.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format(*value))
    }

    /// Reads it as people write it.
    ///
    /// # Errors
    /// Says what a duration looks like.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// For `#[serde(with = "config::units::size")]` on a number of bytes.
pub mod size {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    const UNITS: [(&str, u64); 7] = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("kB", 1_000),
        ("B", 1),
    ];

    /// ```text
    /// size ::= "0" | number ( "GiB" | "MiB" | "KiB" | "GB" | "MB" | "kB" | "B" )
    /// ```
    /// The case of the unit does not matter.
    ///
    /// # Errors
    /// Says what a size looks like.
    pub fn parse(text: &str) -> Result<u64, String> {
        let wrong = || format!("`{text}` is not a size: write it as 512KiB, 8MiB or 1GiB");
        let text = text.trim();
        if text == "0" {
            return Ok(0);
        }
        let (number, unit) =
            text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
        let unit = unit.trim();
        let bytes = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, bytes)| *bytes)
            .ok_or_else(wrong)?;
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes)).ok_or_else(wrong)
    }

    /// The shortest text that [`parse`] reads back.
    #[must_use]
    pub fn format(bytes: u64) -> String {
        UNITS
            .iter()
            .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit))
            .map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
    }

    /// Writes it as people do.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format(*value))
    }

    /// Reads it as people write it.
    ///
    /// # Errors
    /// Says what a size looks like.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, size};

    #[test]
    fn durations_are_read_and_written_as_people_do() {
        for (text, milliseconds) in
            [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("0s", 0)]
        {
            assert_eq!(duration::parse(text), Ok(Duration::from_millis(milliseconds)));
            assert_eq!(duration::format(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(duration::parse("0"), Ok(Duration::ZERO));
        for text in ["", "30", "s", "30 s", "-1s", "1.5s", "3y", "99999999999999999999s", "٣s"] {
            assert!(duration::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_and_written_as_people_do() {
        for (text, bytes) in
            [("8MiB", 8 << 20), ("512KiB", 512 << 10), ("1GB", 1_000_000_000), ("7B", 7)]
        {
            assert_eq!(size::parse(text), Ok(bytes));
            assert_eq!(size::format(bytes), text);
        }
        assert_eq!(size::parse("8 mib"), Ok(8 << 20));
        for text in ["", "8", "MiB", "8M", "-1B", "99999999999GiB"] {
            assert!(size::parse(text).is_err(), "{text:?}");
        }
    }
}
