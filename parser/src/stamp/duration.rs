//! Durations as Go prints them: back-offs, retry delays, ages.
//!
//! Owns their units; what a duration is for is the line's grammar.

use nom::character::complete::char;
use nom::combinator::{map_opt, opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::{mismatch, number_text, scaled, unsigned};

pub(super) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Go's `Duration.String`, in nanoseconds: `1m20s`, `500ms`, `-1h0m0.5s`.
///
/// ```text
/// duration := "-"? (digits ("." digits)? unit)+     unit := h m s ms us µs ns
/// ```
pub(super) fn duration(input: &str) -> IResult<&str, i64> {
    let (mut rest, sign) = opt(char('-')).parse(input)?;
    let (mut total, mut terms) = (0_i64, 0);
    while let Ok((behind, nanos)) = duration_term(rest) {
        let Some(sum) = total.checked_add(nanos) else { return mismatch(input) };
        (rest, total, terms) = (behind, sum, terms + 1);
    }
    if terms == 0 {
        return mismatch(input);
    }
    Ok((rest, if sign.is_some() { -total } else { total }))
}

/// A duration in seconds, if `input` begins with one.
pub(crate) fn seconds(input: &str) -> Option<f64> {
    duration(input).ok().map(|(_, nanos)| nanos as f64 / NANOS_PER_SECOND as f64)
}

fn duration_term(input: &str) -> IResult<&str, i64> {
    let (rest, whole) = map_opt(number_text, unsigned).parse(input)?;
    let (rest, part) = opt(preceded(char('.'), number_text)).parse(rest)?;
    let (rest, unit) = duration_unit(rest)?;
    let whole = i64::try_from(whole).ok().and_then(|whole| whole.checked_mul(unit));
    // Nine digits are exact for every unit up to the second; for a minute Go writes no fraction.
    let part = scaled(part.map_or("", |part| part.get(..9).unwrap_or(part)), 9);
    let part = part.checked_mul(unit).map(|part| part / NANOS_PER_SECOND);
    match whole.zip(part).and_then(|(whole, part)| whole.checked_add(part)) {
        Some(nanos) => Ok((rest, nanos)),
        None => mismatch(input),
    }
}

fn duration_unit(input: &str) -> IResult<&str, i64> {
    let units = [
        ("s", NANOS_PER_SECOND),
        ("ms", 1_000_000),
        ("m", 60 * NANOS_PER_SECOND),
        ("h", 3_600 * NANOS_PER_SECOND),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ns", 1),
    ];
    let found = units.iter().find_map(|(name, nanos)| Some((input.strip_prefix(name)?, *nanos)));
    found.map_or_else(|| mismatch(input), Ok)
}
