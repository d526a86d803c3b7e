//! Names of pods and containers in every form that a line can write them (§9).
//!
//! Owns `name_ns(uid)`, `ns/name`, objects and id dumps; maps nothing to anything.

use crate::{PodRef, Text, cursor::Cursor, find, quoted};

mod cgroup;
mod metadata;
mod pods;
mod reserved;
#[cfg(test)]
mod runtime_tests;

pub(crate) use cgroup::{Cgroup, cgroup};
pub(crate) use metadata::{metadata, proto_field};
pub use pods::Pods;
pub(crate) use reserved::{Reserved, reserved};

/// A pod name has up to 253 characters, a namespace 63; a `_` stands between.
const LONGEST_NAME: usize = 253 + 1 + 63;

/// A UUID, or the 32-hex manifest hash of a static pod (G46).
pub(crate) fn is_uid(raw: &str) -> bool {
    // Counting looks at many bytes at a time.
    let hex_digits = || raw.bytes().filter(u8::is_ascii_hexdigit).count();
    let is_dash = |at: usize| raw.as_bytes().get(at) == Some(&b'-');
    match raw.len() {
        36 => [8, 13, 18, 23].into_iter().all(is_dash) && hex_digits() == 32,
        32 => hex_digits() == 32,
        _ => false,
    }
}

/// A text that is not empty.
pub(crate) fn filled(text: Option<Text<'_>>) -> Option<Text<'_>> {
    text.filter(|text| !text.is_empty())
}

/// A container or sandbox id: 64 hex.
pub(crate) fn is_long_id(raw: &str) -> bool {
    raw.len() == 64 && raw.bytes().filter(u8::is_ascii_hexdigit).count() == 64
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

/// A byte of `name_ns`, looked up: messages are searched for it byte by byte.
fn is_of_pod(byte: u8) -> bool {
    #[expect(clippy::indexing_slicing, reason = "runs at compile time, where a panic is an error")]
    static OF_POD: [bool; 256] = {
        let mut of_pod = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            of_pod[byte as usize] = is_of_name(byte) || byte == b'_';
            byte += 1;
        }
        of_pod
    };
    OF_POD.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The whole text is a pod.
///
/// ```text
/// pod := name "_" namespace [ "(" uid ")" ]
/// ```
pub(crate) fn pod_format(text: Text<'_>) -> Option<PodRef<'_>> {
    let raw = text.raw();
    let (head, uid) = match raw.split_once('(') {
        Some((head, rest)) => {
            let uid = rest.strip_suffix(')')?;
            (head, Some(Some(uid).filter(|uid| uid.bytes().all(is_of_name))?))
        }
        None => (raw, None),
    };
    let (name, namespace) = head.rsplit_once('_')?;
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().filter(|byte| is_of_name(*byte)).count() == part.len()
    };
    if !is_name(name) || !is_name(namespace) {
        return None;
    }
    Some(PodRef {
        namespace: Some(text.with_raw(namespace)),
        name: Some(text.with_raw(name)),
        uid: uid.filter(|uid| !uid.is_empty()).map(|uid| text.with_raw(uid)),
    })
}

/// The value of a `pod` key, whatever wrote it: `ns/name`, `name`, `name_ns(uid)`, or an object
/// with `name` and `namespace` (G45).
pub(crate) fn pod_value(text: Text<'_>) -> PodRef<'_> {
    let raw = text.raw();
    if raw.starts_with(['{', '&']) {
        let part = |name| field(text, name).filter(|value: &Text<'_>| !value.is_empty());
        return PodRef {
            namespace: part("namespace").or_else(|| part("Namespace")),
            name: part("name").or_else(|| part("Name")),
            uid: part("uid").or_else(|| part("UID")),
        };
    }
    if raw.contains('(')
        && let Some(pod) = pod_format(text)
    {
        return pod;
    }
    if let Some((namespace, name)) = raw.split_once('/') {
        let part = |part: &'_ str| !part.is_empty();
        return PodRef {
            namespace: Some(namespace).filter(|p| part(p)).map(|p| text.with_raw(p)),
            name: Some(name).filter(|p| part(p)).map(|p| text.with_raw(p)),
            uid: None,
        };
    }
    if raw.is_empty() || matches!(raw, "<nil>" | "null" | "nil") {
        return PodRef::default();
    }
    PodRef { name: Some(text), ..PodRef::default() }
}

/// The first `name_ns(uid)` inside a text. Looks back from each `(` by a name's length at most.
pub(crate) fn find_pod(text: Text<'_>) -> Option<PodRef<'_>> {
    let raw = text.raw();
    memchr::memchr_iter(b'(', raw.as_bytes()).find_map(|at| {
        let inside = raw.get(at + 1..)?;
        let uid = [36, 32].into_iter().find_map(|length| {
            let (uid, rest) = inside.split_at_checked(length)?;
            (rest.starts_with(')') && is_uid(uid)).then_some(uid)
        })?;
        let before = raw.as_bytes().get(..at)?;
        let longest = before.get(at.saturating_sub(LONGEST_NAME)..)?;
        let length = longest.iter().rev().take_while(|byte| is_of_pod(**byte)).count();
        let (name, namespace) = raw.get(at - length..at)?.rsplit_once('_')?;
        let is_pod = !name.is_empty() && !namespace.is_empty() && !name.contains('_');
        is_pod.then(|| PodRef {
            namespace: Some(text.with_raw(namespace)),
            name: Some(text.with_raw(name)),
            uid: Some(text.with_raw(uid)),
        })
    })
}

/// A member of a dumped value: `{ID:x Type:y}`, `&T{ID:"x", Type:"y"}`, `{"ID":"x"}` (G22).
///
/// ```text
/// member := ( "{" | " " | "," ) ( name | Q(name) ) ":" ( Q(value) | value )
/// ```
pub(crate) fn field<'a>(text: Text<'a>, name: &str) -> Option<Text<'a>> {
    let raw = text.raw();
    find::each(raw, name).find_map(|at| {
        let before = raw.as_bytes().get(..at)?.last()?;
        if !matches!(before, b'{' | b' ' | b',' | b'"') {
            return None;
        }
        let mut rest = raw.get(at + name.len()..)?;
        if *before == b'"' {
            rest = quoted::open(rest, text.level())?;
        }
        let mut value = Cursor::of(text.with_raw(rest.strip_prefix(':')?));
        let _ = value.eat(" ");
        value
            .quoted()
            .or_else(|| Some(value.run(|character| !matches!(character, ' ' | ',' | '}' | ']'))))
    })
}

/// The UID in a cgroup's name, `[kubepods burstable pod<uid>]`.
pub(crate) fn uid_of_cgroup(name: Text<'_>) -> Option<Text<'_>> {
    let mut cursor = Cursor::of(name);
    while cursor.skip_past("pod").is_some() {
        let uid = cursor.raw();
        let length =
            uid.bytes().take_while(|byte| byte.is_ascii_hexdigit() || *byte == b'-').count();
        if let Some(uid) = uid.get(..length).filter(|uid| is_uid(uid)) {
            return Some(name.with_raw(uid));
        }
    }
    None
}

/// The value of a `containerID` key: bare, with a scheme, or a dumped struct.
pub(crate) fn container_id(text: Text<'_>) -> Option<Text<'_>> {
    let raw = text.raw();
    if raw.starts_with(['{', '&']) {
        return field(text, "ID").filter(|id| !id.is_empty());
    }
    let id = find::split(raw, "://").map_or(raw, |(_, id)| id);
    (!id.is_empty() && !matches!(id, "<nil>" | "null")).then(|| text.with_raw(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";

    fn parts(pod: PodRef<'_>) -> (String, String, String) {
        let part = |text: Option<Text<'_>>| text.map(|t| t.to_string()).unwrap_or_default();
        (part(pod.namespace), part(pod.name), part(pod.uid))
    }

    #[test]
    fn g45_pods_are_read_in_each_form() {
        let full = ("shop".into(), "a.b-1".into(), UID.into());
        let text = format!("x pod=a.b-1_shop({UID})");
        assert_eq!(parts(find_pod(Text::plain(&text)).unwrap()), full);
        let none = ("shop".into(), "web-0".into(), String::new());
        for form in ["shop/web-0", r#"{"name":"web-0","namespace":"shop"}"#] {
            assert_eq!(parts(pod_value(Text::plain(form))), none);
        }
        assert_eq!(pod_value(Text::plain("")), PodRef::default());
    }

    #[test]
    fn g46_a_uid_is_a_uuid_or_a_hash() {
        assert!(is_uid(UID) && is_uid("3f9a1c5e7b2d48060a9e4c1f8d573b62"));
        assert!(!is_uid("7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f2") && !is_uid(""));
    }

    #[test]
    fn g22_members_are_found_in_each_dump() {
        for dump in
            [r#"{"ID":"a","Data":"b"}"#, "&{ID:a Data:b}", r#"&p.E{ID:"a", Data:"b"}"#, "{ID:a}"]
        {
            assert_eq!(field(Text::plain(dump), "ID").unwrap(), "a");
        }
    }
}
