//! Month names as `journalctl` and syslog print them: English, and the locales seen on nodes.

use nom::IResult;
use nom::error::{Error, ErrorKind};

const ENGLISH: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// Abbreviations that are not English: de, fr, es, pt, it, ru, as glibc's `%b` gives them. Longer
/// words stand before their own beginnings.
const OTHERS: [(&str, u8); 36] = [
    ("janv.", 1),
    ("ene", 1),
    ("gen", 1),
    ("янв", 1),
    ("févr.", 2),
    ("fev", 2),
    ("фев", 2),
    ("mars", 3),
    ("Mär", 3),
    ("мар", 3),
    ("avril", 4),
    ("abr", 4),
    ("апр", 4),
    ("Mai", 5),
    ("mai", 5),
    ("mag", 5),
    ("мая", 5),
    ("juin", 6),
    ("giu", 6),
    ("июн", 6),
    ("juil.", 7),
    ("lug", 7),
    ("июл", 7),
    ("août", 8),
    ("ago", 8),
    ("авг", 8),
    ("sept.", 9),
    ("set", 9),
    ("сен", 9),
    ("Okt", 10),
    ("out", 10),
    ("ott", 10),
    ("окт", 10),
    ("ноя", 11),
    ("déc.", 12),
    ("дек", 12),
];

/// ```text
/// month := "Jan" … "Dec" | digit{1,2} ("月" | "월") | a name of another locale
/// ```
pub(super) fn name(input: &str) -> IResult<&str, u8> {
    english(input)
        .or_else(|| numbered(input))
        .or_else(|| other(input))
        .ok_or_else(|| nom::Err::Error(Error::new(input, ErrorKind::Verify)))
}

/// Without regard to case: other locales share many of these three letters.
fn english(input: &str) -> Option<(&str, u8)> {
    let (word, rest) = input.split_at_checked(3)?;
    if !rest.starts_with(' ') {
        return None;
    }
    let place = ENGLISH.chunks_exact(3).position(|name| name.eq_ignore_ascii_case(word.as_bytes()));
    Some((rest, u8::try_from(place? + 1).ok()?))
}

fn numbered(input: &str) -> Option<(&str, u8)> {
    let (rest, number) = super::short_number(input).ok()?;
    let rest = rest.strip_prefix('月').or_else(|| rest.strip_prefix('월'))?;
    (1..=12).contains(&number).then_some((rest, number))
}

fn other(input: &str) -> Option<(&str, u8)> {
    // A log line in ASCII, which is nearly every one, ends here.
    if !input.starts_with(|c: char| c.is_alphabetic()) {
        return None;
    }
    let (name, month) = OTHERS.iter().find(|(name, _)| input.starts_with(name))?;
    let rest = input.strip_prefix(name)?;
    Some((rest.strip_prefix('.').unwrap_or(rest), *month))
}
