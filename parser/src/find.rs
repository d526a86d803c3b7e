//! Finds fixed words in a text: `memmem` prepares itself for long needles and haystacks, which costs
//! more than the search in a log line.
//!
//! Owns nothing but the search. Needles are short literals, so time is linear in the text.

/// Where `needle` first stands: at its rarest byte, then by comparing.
#[inline]
pub(crate) fn find(text: &str, needle: &str) -> Option<usize> {
    let (offset, rare) = rarest(needle);
    let (bytes, needle) = (text.as_bytes(), needle.as_bytes());
    let searched = bytes.get(offset..(bytes.len() + offset + 1).checked_sub(needle.len())?)?;
    memchr::memchr_iter(rare, searched).find(|at| stands_at(bytes, *at, needle))
}

/// Where `needle` last stands.
#[inline]
pub(crate) fn find_last(text: &str, needle: &str) -> Option<usize> {
    let (offset, rare) = rarest(needle);
    let (bytes, needle) = (text.as_bytes(), needle.as_bytes());
    let searched = bytes.get(offset..(bytes.len() + offset + 1).checked_sub(needle.len())?)?;
    memchr::memrchr_iter(rare, searched).find(|at| stands_at(bytes, *at, needle))
}

/// Each place where `needle` stands.
pub(crate) fn each(text: &str, needle: &str) -> impl Iterator<Item = usize> {
    let (offset, rare) = rarest(needle);
    let searched = text.as_bytes().get(offset..).unwrap_or_default();
    memchr::memchr_iter(rare, searched)
        .filter(move |at| stands_at(text.as_bytes(), *at, needle.as_bytes()))
}

/// What stands before and behind the first `needle`.
#[inline]
pub(crate) fn split<'a>(text: &'a str, needle: &str) -> Option<(&'a str, &'a str)> {
    let (before, rest) = text.split_at_checked(find(text, needle)?)?;
    Some((before, rest.get(needle.len()..)?))
}

/// What stands before and behind the last `needle`.
#[inline]
pub(crate) fn split_last<'a>(text: &'a str, needle: &str) -> Option<(&'a str, &'a str)> {
    let (before, rest) = text.split_at_checked(find_last(text, needle)?)?;
    Some((before, rest.get(needle.len()..)?))
}

/// `needle` stands somewhere.
#[inline]
pub(crate) fn holds(text: &str, needle: &str) -> bool {
    find(text, needle).is_some()
}

#[inline]
fn stands_at(bytes: &[u8], at: usize, needle: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(needle))
}

/// The place and the value of the byte that log lines hold least often.
#[inline]
fn rarest(needle: &str) -> (usize, u8) {
    let mut best = (0, 0, u8::MAX);
    for (at, byte) in needle.bytes().enumerate() {
        let common = COMMON.get(usize::from(byte)).copied().unwrap_or_default();
        if common < best.2 {
            best = (at, byte, common);
        }
    }
    (best.0, best.1)
}

/// How common each byte is in log lines; what is not listed is rare.
#[expect(clippy::indexing_slicing, reason = "runs at compile time, where a panic is an error")]
static COMMON: [u8; 256] = {
    // From the rarest on.
    let order = b"ZJQXzYqHVKGWBUOj(){}xMARTNDLFPIwE,SC'[]kvyg_mbuhp<>\n.=/:\\cdlf-sotirnea\" ";
    let mut common = [0; 256];
    let (mut at, mut rank) = (0, 0);
    while at < order.len() {
        rank += 1;
        common[order[at] as usize] = rank;
        at += 1;
    }
    // Ids are full of digits.
    at = b'0' as usize;
    while at <= b'9' as usize {
        common[at] = 60;
        at += 1;
    }
    common
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_the_library_finds_them() {
        let text =
            "a rpc error: code = NotFound desc = é: é \"x\": \\\"y\\\" exit code 1, exitCode=2";
        for needle in
            [": ", "code = ", "exit code ", "exitCode=", "é", "\": ", "2", "a", "a rpc", "zz", " "]
        {
            assert_eq!(find(text, needle), text.find(needle), "{needle}");
            assert_eq!(find_last(text, needle), text.rfind(needle), "{needle}");
            assert_eq!(split(text, needle), text.split_once(needle), "{needle}");
            assert_eq!(find("", needle), None);
            assert_eq!(find(needle, needle), Some(0));
            assert_eq!(find(needle.get(..needle.len() - 1).unwrap_or(""), needle), None);
        }
    }
}
