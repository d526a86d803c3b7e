//! What a message mentions by the way: images, sandboxes and containers in quotes, exit codes.
//!
//! Owns the words before them. One pass over the quotes, one over the letter x.

use crate::{Facts, Text, find, object, quoted};

/// ```text
/// mention := … ("image " | "image tag " | "resolve reference ") Q(image)
///          | … "sandbox " Q(id) | … "container " Q(id)
/// ```
pub(super) fn read<'a>(message: Text<'a>, facts: &mut Facts<'a>) {
    let raw = message.raw();
    let mut from = 0;
    while let Some(string) = quoted::next_in(message, from) {
        from = string.end;
        let head = raw.get(..string.start).unwrap_or_default();
        let inside = string.inside;
        // Half a name is another name.
        if !string.is_closed || inside.is_empty() || !head.ends_with(' ') {
            continue;
        }
        if facts.image.is_none() && IMAGE.iter().any(|words| head.ends_with(words)) {
            facts.image = Some(inside);
        } else if object::is_long_id(inside.raw()) {
            if facts.sandbox_id.is_none() && head.ends_with("sandbox ") {
                facts.sandbox_id = Some(inside);
            } else if facts.container_id.is_none() && head.ends_with("container ") {
                facts.container_id = Some(inside);
            }
        }
    }
    if facts.image.is_none() && find::holds(raw, "image pull failed for ") {
        facts.image = image_of_failed_pull(message);
    }
}

const IMAGE: [&str; 3] = ["image ", "image tag ", "resolve reference "];

/// ```text
/// message := "image pull failed for " image " because the " …
/// ```
fn image_of_failed_pull(message: Text<'_>) -> Option<Text<'_>> {
    let inner = super::innermost(message);
    let rest = inner.raw().strip_prefix("image pull failed for ")?;
    let (image, _) = rest.split_once(" because the ")?;
    Some(message.with_raw(image)).filter(|image| !image.is_empty())
}

/// ```text
/// exit := ("exited with " ["code "] | "exit status " | "exit code" [":"] " " | "exitCode=") digits
/// ```
pub(super) fn exit_code(message: Text<'_>) -> Option<i32> {
    let raw = message.raw();
    memchr::memchr_iter(b'x', raw.as_bytes()).find_map(|at| {
        let words = raw.get(at.checked_sub(1)?..)?.strip_prefix("exit")?;
        let code = HEADS.iter().find_map(|head| words.strip_prefix(head))?;
        let digits = code.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'-').count();
        code.get(..digits)?.parse().ok()
    })
}

const HEADS: [&str; 6] = ["ed with code ", "ed with ", " status ", " code: ", " code ", "Code="];
