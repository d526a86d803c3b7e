//! Year and zone of times that lines write without them (G5, G6), and how a time goes into an id.
//!
//! A klog time is node-local and has no year. The journal saw the line at or after that time, so
//! `klog − journal = zone − lag` with a lag that is never negative beyond a clock step. The zone is
//! therefore the quarter of an hour at or *above* the difference; the highest seen is kept for the
//! boot and unit, so one prompt line puts right what a starved node's late lines said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use podwhy_parser::Stamp;

use crate::{
    limits,
    source::{Line, Micros},
};

const SECOND: Micros = 1_000_000;
const QUARTER: Micros = 15 * 60 * SECOND;

/// The journal may date a line this much before the line dates itself: clock steps.
const AHEAD: Micros = 60 * SECOND;

/// A zone may fall only by this much at once (daylight saving), and only on a line with next to no
/// lag; smaller falls are lag.
const FALL: Micros = 2 * QUARTER;
const PROMPT: Micros = 5 * SECOND;

/// Zones reach from −12 to +14 hours; what lies beyond is no zone but another clock.
const WEST: Micros = -12 * 4 * QUARTER;
const EAST: Micros = 14 * 4 * QUARTER;

/// What is known about the clocks of the writers.
#[derive(Debug, Default)]
pub struct Times {
    zones: BTreeMap<Clock, Zone>,
    changed: BTreeSet<Clock>,
    uses: u64,
}

/// Who keeps a zone: it changes with the boot, and each unit has its own environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Clock {
    boot: u64,
    unit: String,
}

/// The offset that is kept for a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Zone {
    /// Klog minus journal time, a multiple of 15 minutes.
    offset: Micros,
    /// Order of learning, for eviction.
    learned: u64,
}

/// A resolved time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// UTC.
    pub at: Micros,
    /// As written, with the year: `2026-11-22T22:54:03.754378`, with its zone only where the line
    /// gives one.
    pub written: String,
    /// `at` is an instant; else year or zone were guessed, and it serves for order only.
    pub dated: bool,
}

impl Times {
    /// Resolves the time of a line; without a stamp of its own the source's time serves.
    pub fn resolve(&mut self, stamp: Option<Stamp>, line: &Line<'_>) -> Resolved {
        let resolved = match stamp {
            Some(Stamp::Klog { month, day, hour, minute, second, micros }) => {
                self.klog([month, day, hour, minute, second], micros, line)
            }
            Some(Stamp::Civil {
                year,
                month,
                day,
                hour,
                minute,
                second,
                nanos,
                offset_seconds,
            }) => {
                let fields = [month, day, hour, minute, second];
                self.civil(year, fields, nanos, offset_seconds, line)
            }
            Some(Stamp::EpochMicros(at)) => Some(Resolved { at, written: utc(at), dated: true }),
            // A kernel time counts from the boot; only the journal knows when that was.
            Some(Stamp::SinceBootMicros(since)) => Some(Resolved {
                at: line.at,
                written: format!("boot {:016x} +{since}us", line.boot),
                dated: line.dated,
            }),
            None => None,
        };
        resolved.unwrap_or_else(|| Resolved {
            at: line.at,
            written: utc(line.at),
            dated: line.dated,
        })
    }

    /// `mmdd hh:mm:ss.uuuuuu`: neither year nor zone.
    fn klog(&mut self, fields: [u8; 5], micros: u32, line: &Line<'_>) -> Option<Resolved> {
        let nanos = micros.checked_mul(1000)?;
        if !line.dated {
            // Nothing vouches for a year.
            let [month, day, hour, minute, second] = fields;
            let written =
                format!("{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}");
            return Some(Resolved { at: line.at, written, dated: false });
        }
        let (written, as_utc) = nearest_year(fields, nanos, line.at)?;
        let offset = self.zone(line, as_utc.checked_sub(line.at)?);
        let at = offset.map_or(line.at, |offset| as_utc - offset);
        Some(Resolved { at, written: format!("{written:.6}"), dated: true })
    }

    fn civil(
        &mut self,
        year: i16,
        fields: [u8; 5],
        nanos: u32,
        offset_seconds: Option<i32>,
        line: &Line<'_>,
    ) -> Option<Resolved> {
        let written = date_time(year, fields, nanos)?;
        let as_utc = micros_of(written)?;
        if let Some(seconds) = offset_seconds {
            let at = as_utc.checked_sub(i64::from(seconds).checked_mul(SECOND)?)?;
            let written = format!("{written:.9}{}", zone_text(seconds));
            return Some(Resolved { at, written, dated: true });
        }
        let at = if line.dated {
            let offset = self.zone(line, as_utc.checked_sub(line.at)?);
            offset.map_or(line.at, |offset| as_utc - offset)
        } else {
            as_utc
        };
        Some(Resolved { at, written: format!("{written:.9}"), dated: line.dated })
    }

    /// The offset of the line's clock after this line was heard; `None` where the difference is no
    /// zone at all.
    fn zone(&mut self, line: &Line<'_>, difference: Micros) -> Option<Micros> {
        let candidate =
            (difference - AHEAD).div_euclid(QUARTER).checked_add(1)?.checked_mul(QUARTER)?;
        if !(WEST..=EAST).contains(&candidate) {
            return None;
        }
        let clock = Clock { boot: line.boot, unit: line.unit.to_owned() };
        if let Some(zone) = self.zones.get(&clock) {
            let lag = candidate - difference;
            let falls = zone.offset - candidate >= FALL && lag.abs() <= PROMPT;
            if candidate <= zone.offset && !falls {
                return Some(zone.offset);
            }
        }
        self.learn(clock, candidate);
        Some(candidate)
    }

    fn learn(&mut self, clock: Clock, offset: Micros) {
        self.uses += 1;
        self.zones.insert(clock.clone(), Zone { offset, learned: self.uses });
        self.changed.insert(clock);
        if self.zones.len() > limits::CLOCKS
            && let Some(oldest) = self
                .zones
                .iter()
                .min_by_key(|(_, zone)| zone.learned)
                .map(|(clock, _)| clock.clone())
        {
            self.zones.remove(&oldest);
            self.changed.insert(oldest);
        }
    }

    /// Hands on what changed since the last call; `None` means forgotten.
    pub fn changes(&mut self, sink: &mut dyn FnMut(&Clock, Option<&Zone>)) {
        for clock in std::mem::take(&mut self.changed) {
            sink(&clock, self.zones.get(&clock));
        }
    }

    /// Takes back what [`Times::changes`] handed on.
    pub fn restore(&mut self, clock: Clock, zone: Zone) {
        self.uses = self.uses.max(zone.learned);
        self.zones.insert(clock, zone);
    }
}

/// The reading of a yearless time that lies nearest to `near`; 29 February exists only in leap
/// years, so the last one of them is in reach.
fn nearest_year(fields: [u8; 5], nanos: u32, near: Micros) -> Option<(civil::DateTime, Micros)> {
    let year = Timestamp::from_microsecond(near).ok()?.to_zoned(TimeZone::UTC).year();
    (year.checked_sub(4)?..=year.checked_add(1)?)
        .filter_map(|year| {
            let written = date_time(year, fields, nanos)?;
            Some((written, micros_of(written)?))
        })
        .min_by_key(|(_, at)| at.abs_diff(near))
}

fn date_time(year: i16, fields: [u8; 5], nanos: u32) -> Option<civil::DateTime> {
    let [month, day, hour, minute, second] = fields.map(u8::cast_signed);
    // Go's clock has no leap second; one from elsewhere counts as the second before.
    let second = second.min(59);
    civil::DateTime::new(year, month, day, hour, minute, second, i32::try_from(nanos).ok()?).ok()
}

fn micros_of(written: civil::DateTime) -> Option<Micros> {
    Some(written.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn zone_text(seconds: i32) -> String {
    if seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// RFC 3339 in UTC with microseconds.
#[must_use]
pub fn utc(at: Micros) -> String {
    let at = Timestamp::from_microsecond(at).unwrap_or(if at < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    format!("{at:.6}")
}

/// Whole seconds as the engine counts time.
#[must_use]
pub fn micros(duration: std::time::Duration) -> Micros {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| Micros::try_from(duration.as_micros()).ok())
        .unwrap_or(Micros::MAX)
}

#[cfg(test)]
mod tests;
