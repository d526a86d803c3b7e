//! Points in time and durations as kubelet, runtimes, kernel and transports write them (§11.1).
//!
//! Owns their forms and ranges. Guesses no year and no zone: a `Stamp` holds what was written.

use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{map_opt, opt};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

use crate::Stamp;

mod duration;
mod month;
pub(crate) mod template;
#[cfg(test)]
mod tests;

pub(crate) use duration::seconds;
use template::Template;

/// A stamp with a full date, and how it was spelled: that tells the writers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) stamp: Stamp,
    /// Between date and time: `T` or a blank.
    pub(crate) separator: char,
    /// 0 if there is no fraction.
    pub(crate) fraction_digits: usize,
    pub(crate) has_zone: bool,
}

impl Stamp {
    /// Microseconds since 1970 in UTC, where the stamp says year and zone.
    ///
    /// ```
    /// let line = podwhy_parser::cri_log::Line::parse("1970-01-02T01:00:00.5+01:00 stdout F hi");
    /// assert_eq!(line.unwrap().stamp.epoch_micros(), Some(86_400_500_000));
    /// ```
    #[must_use]
    pub fn epoch_micros(self) -> Option<i64> {
        match self {
            Self::EpochMicros(micros) => Some(micros),
            Self::Civil { year, month, day, hour, minute, second, nanos, offset_seconds } => {
                let seconds = days_since_epoch(year, month, day) * 86_400
                    + i64::from(hour) * 3_600
                    + i64::from(minute) * 60
                    + i64::from(second)
                    - i64::from(offset_seconds?);
                Some(seconds * 1_000_000 + i64::from(nanos / 1_000))
            }
            Self::Klog { .. } | Self::SinceBootMicros(_) => None,
        }
    }

    /// Reads a full date and time at the start of `input`, and gives what follows.
    ///
    /// ```
    /// let (stamp, rest) = podwhy_parser::Stamp::read_civil("1970-01-01T00:00:01Z node").unwrap();
    /// assert_eq!((stamp.epoch_micros(), rest), (Some(1_000_000), " node"));
    /// ```
    #[must_use]
    pub fn read_civil(input: &str) -> Option<(Self, &str)> {
        civil(input).ok().map(|(rest, civil)| (civil.stamp, rest))
    }

    /// Reads the date and time of syslog and of `journalctl` short: `Mar 17 08:42:15`.
    ///
    /// ```
    /// assert!(podwhy_parser::Stamp::read_syslog("Mar  7 08:42:15.5 node kubelet: x").is_some());
    /// ```
    #[must_use]
    pub fn read_syslog(input: &str) -> Option<(Self, &str)> {
        syslog(input).ok().map(|(rest, stamp)| (stamp, rest))
    }

    /// Reads what Go prints of a `time.Time`, as in `No retries permitted until …`.
    ///
    /// ```
    /// let until = "1970-01-01 01:00:02.5 +0100 CET m=+5124.770215661 (durationBeforeRetry 2s)";
    /// let (stamp, rest) = podwhy_parser::Stamp::read_go(until).unwrap();
    /// assert_eq!(stamp.epoch_micros(), Some(2_500_000));
    /// assert_eq!(rest, " (durationBeforeRetry 2s)");
    /// ```
    #[must_use]
    pub fn read_go(input: &str) -> Option<(Self, &str)> {
        go(input).ok().map(|(rest, stamp)| (stamp, rest))
    }

    /// Reads the date and time behind a klog header's severity letter: `0317 08:42:15.306118`.
    ///
    /// ```
    /// assert!(podwhy_parser::Stamp::read_klog("0317 08:42:15.306118    2148 x.go:1] y").is_some());
    /// ```
    #[must_use]
    pub fn read_klog(input: &str) -> Option<(Self, &str)> {
        klog(input).ok().map(|(rest, stamp)| (stamp, rest))
    }
}

/// Counts by 400-year eras that begin in March, so that the leap day is an era's last.
fn days_since_epoch(year: i16, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// ```text
/// klog := mmdd " " hh:mm:ss "." uuuuuu
/// ```
pub(crate) fn klog(input: &str) -> IResult<&str, Stamp> {
    let (rest, (month, day)) = month_day(input)?;
    let (rest, (hour, minute, second)) = preceded(char(' '), clock).parse(rest)?;
    let (rest, micros) = preceded(char('.'), digits::<6>).parse(rest)?;
    Ok((rest, Stamp::Klog { month, day, hour, minute, second, micros }))
}

/// containerd, CRI-O, k0s, pod logs, journalctl: one shape with parts left out.
///
/// ```text
/// civil := yyyy-mm-dd ("T" | " ") hh:mm:ss ("." digit{1,9})? ("Z" | ("+" | "-") hh ":"? mm)?
/// ```
pub(crate) fn civil(input: &str) -> IResult<&str, Civil> {
    let Some((date, separator, clock, rest)) = date_and_clock(input) else {
        return mismatch(input);
    };
    let ((year, month, day), (hour, minute, second)) = (date, clock);
    let (rest, (nanos, fraction_digits)) = fraction(rest)?;
    let (rest, offset_seconds) = match rest.as_bytes() {
        [b'Z', ..] => (rest.get(1..).unwrap_or_default(), Some(0)),
        _ => opt(zone).parse(rest)?,
    };
    let stamp = Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds };
    let has_zone = offset_seconds.is_some();
    Ok((rest, Civil { stamp, separator, fraction_digits, has_zone }))
}

type Date = (i16, u8, u8);
type Clock = (u8, u8, u8);

/// The first 19 bytes of a civil time stand at fixed places.
#[inline]
fn date_and_clock(input: &str) -> Option<(Date, char, Clock, &str)> {
    const DATE: Template = Template::of(*b"0000-00-");
    const DAY: Template = Template::of(*b"-00_00:0");
    const CLOCK: Template = Template::of(*b"00:00:00");

    let (fixed, _) = input.as_bytes().split_first_chunk::<19>()?;
    let (first, behind) = fixed.split_first_chunk::<8>()?;
    let [century, _, year, _, _, month, ..] = DATE.pairs(*first)?;
    let (_, middle) = fixed.split_first_chunk::<7>()?;
    let [_, day, ..] = DAY.pairs(*middle.first_chunk::<8>()?)?;
    let [hour, _, _, minute, _, _, second, _] = CLOCK.pairs(*fixed.last_chunk::<8>()?)?;
    let separator = match behind {
        [_, _, b'T', ..] => 'T',
        [_, _, b' ', ..] => ' ',
        _ => return None,
    };
    let year = i16::from(century) * 100 + i16::from(year);
    let is_day = (1..=12).contains(&month) && day >= 1 && day <= last_day(month, Some(year));
    // 60 is a leap second.
    let is_time = hour <= 23 && minute <= 59 && second <= 60;
    let rest = input.get(fixed.len()..)?;
    (is_day && is_time).then_some(((year, month, day), separator, (hour, minute, second), rest))
}

/// Go's `Time.String`, with the monotonic reading that `time.Now` leaves in it.
///
/// ```text
/// go := yyyy-mm-dd " " hh:mm:ss ("." digit{1,9})? " " ("+" | "-") hhmm " " name (" m=" ("+" | "-") number)?
/// ```
pub(crate) fn go(input: &str) -> IResult<&str, Stamp> {
    let (rest, (year, month, day)) = date(input)?;
    let (rest, (hour, minute, second)) = preceded(char(' '), clock).parse(rest)?;
    let (rest, (nanos, _)) = fraction(rest)?;
    let (rest, offset) = preceded(char(' '), zone).parse(rest)?;
    let name = take_while1(|c: char| c.is_ascii_alphanumeric() || c == '+' || c == '-');
    let (rest, _) = preceded(char(' '), name).parse(rest)?;
    let number = take_while1(|c: char| c.is_ascii_digit() || c == '.');
    let (rest, _) = opt((tag(" m="), one_of("+-"), number)).parse(rest)?;
    let offset_seconds = Some(offset);
    Ok((rest, Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds }))
}

/// syslog and `journalctl` short: no year, no zone, the month by name.
///
/// ```text
/// syslog := month " "+ d{1,2} " " hh:mm:ss ("." digit{1,9})?
/// ```
pub(crate) fn syslog(input: &str) -> IResult<&str, Stamp> {
    let (rest, month) = terminated(month::name, take_while1(|c| c == ' ')).parse(input)?;
    let (rest, day) = short_number(rest)?;
    if day == 0 || day > last_day(month, None) {
        return mismatch(input);
    }
    let (rest, (hour, minute, second)) = preceded(char(' '), clock).parse(rest)?;
    let (rest, (nanos, _)) = fraction(rest)?;
    Ok((rest, Stamp::Klog { month, day, hour, minute, second, micros: nanos / 1_000 }))
}

/// The kernel's own stamp, and what `dmesg -T` makes of it.
///
/// ```text
/// kernel := "[" " "* digits "." digit{6} "] "
///         | "[" weekday " " month " "+ d{1,2} " " hh:mm:ss " " yyyy "] "
/// ```
pub(crate) fn kernel(input: &str) -> IResult<&str, Stamp> {
    let (rest, _) = char('[').parse(input)?;
    let (inside, rest) = match rest.split_once("] ") {
        // Only a stamp stands within so few bytes: nothing longer is looked through.
        Some((inside, rest)) if inside.len() <= 32 => (inside, rest),
        _ => return mismatch(input),
    };
    match since_boot(inside).or_else(|| dmesg_date(inside)) {
        Some(stamp) => Ok((rest, stamp)),
        None => mismatch(input),
    }
}

fn since_boot(inside: &str) -> Option<Stamp> {
    let (seconds, micros) = inside.trim_start_matches(' ').split_once('.')?;
    let (rest, micros) = digits::<6>(micros).ok()?;
    let seconds = unsigned(seconds)?.checked_mul(1_000_000)?;
    rest.is_empty().then_some(Stamp::SinceBootMicros(seconds.checked_add(u64::from(micros))?))
}

fn dmesg_date(inside: &str) -> Option<Stamp> {
    let (_weekday, rest) = inside.split_once(' ')?;
    let (rest, Stamp::Klog { month, day, hour, minute, second, .. }) = syslog(rest).ok()? else {
        return None;
    };
    let (rest, year) = preceded(char(' '), digits::<4>).parse(rest).ok()?;
    let year = i16::try_from(year).ok().filter(|_| rest.is_empty())?;
    let (nanos, offset_seconds) = (0, None);
    Some(Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds })
}

/// klog JSON: milliseconds, whose fraction is microseconds; further digits are float noise.
///
/// ```text
/// epoch := digits ("." digits)?
/// ```
pub(crate) fn epoch_millis(input: &str) -> Option<Stamp> {
    let (millis, fraction) = input.split_once('.').unwrap_or((input, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = scaled(fraction.get(..3).unwrap_or(fraction), 3);
    let millis = i64::try_from(unsigned(millis)?).ok()?;
    Some(Stamp::EpochMicros(millis.checked_mul(1_000)?.checked_add(micros)?))
}

fn month_day(input: &str) -> IResult<&str, (u8, u8)> {
    let (rest, (month, day)) = (two::<1, 12>, two::<1, 31>).parse(input)?;
    if day > last_day(month, None) {
        return mismatch(input);
    }
    Ok((rest, (month, day)))
}

fn date(input: &str) -> IResult<&str, (i16, u8, u8)> {
    let (rest, year) = map_opt(digits::<4>, |year| i16::try_from(year).ok()).parse(input)?;
    let (rest, month) = preceded(char('-'), two::<1, 12>).parse(rest)?;
    let (rest, day) = preceded(char('-'), two::<1, 31>).parse(rest)?;
    if day > last_day(month, Some(year)) {
        return mismatch(input);
    }
    Ok((rest, (year, month, day)))
}

/// `hh:mm:ss`; 60 is a leap second.
fn clock(input: &str) -> IResult<&str, (u8, u8, u8)> {
    let (rest, hour) = two::<0, 23>(input)?;
    let (rest, minute) = preceded(char(':'), two::<0, 59>).parse(rest)?;
    let (rest, second) = preceded(char(':'), two::<0, 60>).parse(rest)?;
    Ok((rest, (hour, minute, second)))
}

/// Nanoseconds and how many digits said so; no fraction is 0 of 0.
fn fraction(input: &str) -> IResult<&str, (u32, usize)> {
    let Some(rest) = input.strip_prefix('.') else { return Ok((input, (0, 0))) };
    let (rest, text) = number_text(rest)?;
    if text.len() > 9 {
        return mismatch(input);
    }
    match u32::try_from(scaled(text, 9)) {
        Ok(nanos) => Ok((rest, (nanos, text.len()))),
        Err(_) => mismatch(input),
    }
}

/// Seconds east of UTC.
fn zone(input: &str) -> IResult<&str, i32> {
    if let Some(rest) = input.strip_prefix('Z') {
        return Ok((rest, 0));
    }
    let (rest, sign) = one_of("+-").parse(input)?;
    let (rest, hours) = two::<0, 23>(rest)?;
    let (rest, minutes) = preceded(opt(char(':')), two::<0, 59>).parse(rest)?;
    let seconds = i32::from(hours) * 3_600 + i32::from(minutes) * 60;
    Ok((rest, if sign == '-' { -seconds } else { seconds }))
}

/// A month's last day; February has 29 where the year is not known.
const fn last_day(month: u8, year: Option<i16>) -> u8 {
    match (month, year) {
        (4 | 6 | 9 | 11, _) => 30,
        (2, Some(year)) if year % 4 != 0 || (year % 100 == 0 && year % 400 != 0) => 28,
        (2, _) => 29,
        _ => 31,
    }
}

/// Exactly `N` ASCII digits, at most 9.
fn digits<const N: usize>(input: &str) -> IResult<&str, u32> {
    const { assert!(N <= 9, "fits a u32") };
    let Some((text, rest)) = input.split_at_checked(N) else { return mismatch(input) };
    let mut number = 0;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return mismatch(input);
        }
        number = number * 10 + u32::from(byte - b'0');
    }
    Ok((rest, number))
}

/// Two digits within a range.
fn two<const MIN: u8, const MAX: u8>(input: &str) -> IResult<&str, u8> {
    match input.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => {
            let number = (tens - b'0') * 10 + (ones - b'0');
            match input.get(2..) {
                Some(rest) if (MIN..=MAX).contains(&number) => Ok((rest, number)),
                _ => mismatch(input),
            }
        }
        _ => mismatch(input),
    }
}

/// One or two digits.
fn short_number(input: &str) -> IResult<&str, u8> {
    two::<0, 99>(input)
        .or_else(|_| map_opt(digits::<1>, |number| u8::try_from(number).ok()).parse(input))
}

fn number_text(input: &str) -> IResult<&str, &str> {
    let length = input.bytes().take_while(u8::is_ascii_digit).count();
    match input.split_at_checked(length).filter(|_| length > 0) {
        Some((text, rest)) => Ok((rest, text)),
        None => mismatch(input),
    }
}

/// A decimal number without a sign; `u64::from_str` alone would take a `+`.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The digits of a fraction as a whole number of `10^-width`.
fn scaled(digits: &str, width: usize) -> i64 {
    let read = digits.bytes().fold(0, |number, byte| number * 10 + i64::from(byte & 0x0f));
    (digits.len()..width).fold(read, |number, _| number * 10)
}

fn mismatch<T>(input: &str) -> IResult<&str, T> {
    Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Verify)))
}
