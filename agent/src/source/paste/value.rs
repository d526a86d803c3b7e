//! Values of pasted objects and tables: made harmless, and understood where they are times, ages
//! or quantities.

use jiff::{Timestamp, Zoned};
use serde_json::Value;

use crate::limits::{VALUE_BYTES, WORD_BYTES, cut};
use crate::source::Micros;
use crate::{observation::text::plain, redact};

/// Redacted, freed of control characters, bounded.
#[must_use]
pub fn tidy(text: &str, bound: usize) -> String {
    let (head, _) = cut(text, bound.saturating_mul(2));
    let plain = plain(head);
    let scrubbed = redact::scrub(&plain, &mut redact::Counts::default());
    cut(&scrubbed, bound).0.to_owned()
}

/// A word: a name, an id.
pub(super) fn word(text: &str) -> String {
    tidy(text.trim(), WORD_BYTES)
}

/// A text for people.
pub(super) fn prose(text: &str) -> String {
    tidy(text.trim(), VALUE_BYTES)
}

/// The member behind a path of keys.
pub(super) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

pub(super) fn text(value: &Value, path: &[&str]) -> Option<String> {
    match at(value, path)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(word(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

pub(super) fn long(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path)?.as_str().map(prose).filter(|text| !text.is_empty())
}

pub(super) fn flag(value: &Value, path: &[&str]) -> Option<bool> {
    at(value, path)?.as_bool()
}

pub(super) fn number(value: &Value, path: &[&str]) -> Option<i64> {
    let found = at(value, path)?;
    found.as_i64().or_else(|| found.as_str()?.trim().parse().ok())
}

pub(super) fn small(value: &Value, path: &[&str]) -> Option<u32> {
    number(value, path).and_then(|number| u32::try_from(number).ok())
}

pub(super) fn list<'v>(value: &'v Value, path: &[&str]) -> impl Iterator<Item = &'v Value> {
    at(value, path).and_then(Value::as_array).into_iter().flatten()
}

/// Texts of a list.
pub(super) fn words(value: &Value, path: &[&str], most: usize) -> Vec<String> {
    list(value, path).take(most).filter_map(Value::as_str).map(prose).collect()
}

pub(super) fn time(value: &Value, path: &[&str]) -> Option<Micros> {
    instant(at(value, path)?.as_str()?)
}

/// RFC 3339.
pub(super) fn instant(text: &str) -> Option<Micros> {
    let is_date = text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T');
    is_date.then(|| text.parse::<Timestamp>().ok()).flatten().map(Timestamp::as_microsecond)
}

/// `Sun, 22 Nov 2026 22:52:21 +0000`, as `kubectl describe` prints it.
pub(super) fn mail_date(text: &str) -> Option<Micros> {
    let parsed: Zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(parsed.timestamp().as_microsecond())
}

/// `5m3s`, `3h`, `2d4h`: an age as kubectl prints it.
#[must_use]
pub fn age(text: &str) -> Option<Micros> {
    let (mut total, mut digits, mut any) = (0_i64, 0_i64, false);
    for character in text.trim().chars() {
        if let Some(digit) = character.to_digit(10) {
            digits = digits.checked_mul(10)?.checked_add(i64::from(digit))?;
            any = true;
            continue;
        }
        let unit_seconds: i64 = match character {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'y' => 365 * 86_400,
            _ => return None,
        };
        if !std::mem::take(&mut any) {
            return None;
        }
        total = total.checked_add(std::mem::take(&mut digits).checked_mul(unit_seconds)?)?;
    }
    let is_whole = !any && !text.trim().is_empty();
    is_whole.then(|| total.checked_mul(1_000_000)).flatten()
}

/// A quantity in thousandths: `128Mi`, `500m`, `1e3`.
fn milli(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .filter(|end| *end > 0)
        .unwrap_or(text.len());
    let (figure, suffix) = text.split_at_checked(end)?;
    let figure: f64 = figure.parse().ok()?;
    let factor = match suffix {
        "" => 1e3,
        "m" => 1.0,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "P" => 1e18,
        "Ki" => 1024e3,
        "Mi" => 1024.0 * 1024e3,
        "Gi" => 1024.0 * 1024.0 * 1024e3,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024e3,
        "Pi" => 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024e3,
        _ => 1e3 * 10_f64.powi(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let value = figure * factor;
    if !(0.0..1e19).contains(&value) {
        return None;
    }
    // Through text: a cast would hide what does not fit.
    format!("{value:.0}").parse().ok()
}

fn quantity(value: &Value, path: &[&str]) -> Option<u64> {
    match at(value, path)? {
        Value::String(text) => milli(text),
        Value::Number(number) => milli(&number.to_string()),
        _ => None,
    }
}

pub(super) fn bytes(value: &Value, path: &[&str]) -> Option<u64> {
    quantity(value, path).map(|milli| milli / 1000)
}

pub(super) fn millicores(value: &Value, path: &[&str]) -> Option<u64> {
    quantity(value, path)
}

/// The newest time inside an object: it was so at that time or later.
pub(super) fn newest(value: &Value) -> Option<Micros> {
    match value {
        Value::String(text) => instant(text),
        Value::Array(items) => items.iter().filter_map(newest).max(),
        Value::Object(members) => members
            .iter()
            // Deletion is announced for a time to come; annotations are the users' own.
            .filter(|(key, _)| !matches!(key.as_str(), "deletionTimestamp" | "annotations" | "env"))
            .filter_map(|(_, value)| newest(value))
            .max(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_and_ages_are_read_as_kubernetes_writes_them() {
        let memory =
            json!({"a": "128Mi", "b": "1G", "c": "1e3", "d": 5, "e": "1.5Gi", "f": "100m"});
        let of = |key| bytes(&memory, &[key]);
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(of),
            [134_217_728, 1_000_000_000, 1000, 5, 1_610_612_736, 0].map(Some)
        );
        assert_eq!(millicores(&json!({"cpu": "250m"}), &["cpu"]), Some(250));
        assert_eq!(millicores(&json!({"cpu": 2}), &["cpu"]), Some(2000));
        assert_eq!(age("5m3s"), Some(303_000_000));
        assert_eq!(age("2d4h"), Some(187_200_000_000));
        assert_eq!([age("<unknown>"), age("5"), age("m"), age("")], [None; 4]);
    }
}
