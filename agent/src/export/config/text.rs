//! The small languages of variables and files: header lists, header lines, resource attributes.
//! What is odd is told without its value, which may be a secret.

use reqwest::header::{HeaderName, HeaderValue};

use super::Headers;

/// Reads the variable's header list: `name=value`, separated by commas, values percent-encoded.
/// What is odd is told without its value, which is a secret.
pub fn header_list(list: &str) -> (Headers, Vec<String>) {
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    collect_headers(items, |item| {
        let (name, value) = item.split_once('=')?;
        Some((name, percent_decode(value.trim())?))
    })
}

/// Reads a header file: one `name: value` a line, values as they are; or `name=value` as the
/// variable has it. `#` begins a comment line.
pub fn header_lines(text: &str) -> (Headers, Vec<String>) {
    let items =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    collect_headers(items, |line| {
        let (name, rest) = line.split_at_checked(line.find([':', '='])?)?;
        match rest.strip_prefix('=') {
            Some(value) => Some((name, percent_decode(value.trim())?)),
            None => Some((name, rest.strip_prefix(':')?.trim().to_owned())),
        }
    })
}

fn collect_headers<'t>(
    items: impl Iterator<Item = &'t str>,
    read: impl Fn(&'t str) -> Option<(&'t str, String)>,
) -> (Headers, Vec<String>) {
    let mut headers = Vec::new();
    let mut odd = Vec::new();
    for (index, item) in items.enumerate() {
        let header = read(item).and_then(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            HeaderName::from_bytes(name.as_bytes()).ok()?;
            HeaderValue::from_str(&value).ok()?;
            Some((name, value))
        });
        match header {
            Some(header) => headers.push(header),
            None => odd.push(format!("header {} cannot be read; left out", index + 1)),
        }
    }
    (Headers(headers), odd)
}

/// `k=v,k=v` with percent-encoding; nothing when any of it cannot be decoded.
pub(super) fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (key, value) = item.split_once('=')?;
        if value.contains('=') {
            return None;
        }
        let (key, value) = (percent_decode(key.trim())?, percent_decode(value.trim())?);
        if key.is_empty() {
            return None;
        }
        all.push((key, value));
    }
    Some(all)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}
