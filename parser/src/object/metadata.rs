//! Sandbox and container metadata as containerd prints protobuf messages: gogo and google (§11.2).
//!
//! Owns the two spellings of a field list; which fields matter is the caller's business.

use crate::{PodRef, Text};

use super::filled;

/// What a metadata message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata<'a> {
    pub(crate) name: Option<Text<'a>>,
    pub(crate) uid: Option<Text<'a>>,
    pub(crate) namespace: Option<Text<'a>>,
    pub(crate) attempt: Option<u32>,
}

impl<'a> Metadata<'a> {
    /// Of a sandbox: its name is the pod's.
    pub(crate) const fn pod(&self) -> PodRef<'a> {
        PodRef { namespace: self.namespace, name: self.name, uid: self.uid }
    }
}

/// The metadata at the beginning of `text`, and what follows it. Of a text that `is_cut` nothing is
/// taken that may be half.
///
/// ```text
/// metadata := "&"? ("PodSandboxMetadata" | "ContainerMetadata") "{" (Key ":" value ",")* "}"     gogo
///           | (key ":" (Go string | number)) (" " " "? …)*                                       google
/// ```
pub(crate) fn metadata<'a>(text: Text<'a>, is_cut: bool) -> Option<(Metadata<'a>, Text<'a>)> {
    // A JSON encoder escapes the ampersand.
    let bare = text.behind("&").or_else(|| text.behind("\\u0026")).unwrap_or(text);
    let gogo = bare.behind("PodSandboxMetadata{").or_else(|| bare.behind("ContainerMetadata{"));
    let Some(mut rest) = gogo else { return google(text, is_cut) };
    let mut found = Metadata::default();
    loop {
        if let Some(rest) = rest.behind("}") {
            return Some((found, rest));
        }
        let (key, behind) = rest.cut(":")?;
        let (value, behind) = behind.cut(",")?;
        found.set(key.raw(), value);
        rest = behind;
    }
}

fn google<'a>(text: Text<'a>, is_cut: bool) -> Option<(Metadata<'a>, Text<'a>)> {
    // google leaves out what is zero.
    let mut found = Metadata { attempt: Some(0), ..Metadata::default() };
    let mut rest = text;
    let mut count = 0;
    while let Some((key, value, behind)) = proto_field(rest) {
        let is_half = is_cut && behind.is_empty();
        if is_half {
            found.attempt = None;
            break;
        }
        found.set(key, value);
        (rest, count) = (behind, count + 1);
    }
    (count > 0).then_some((found, rest))
}

impl<'a> Metadata<'a> {
    fn set(&mut self, key: &str, value: Text<'a>) {
        match key {
            "Name" | "name" => self.name = filled(Some(value)),
            "Uid" | "uid" => self.uid = filled(Some(value)),
            "Namespace" | "namespace" => self.namespace = filled(Some(value)),
            "Attempt" | "attempt" => {
                self.attempt = value.unsigned().and_then(|it| u32::try_from(it).ok());
            }
            _ => {}
        }
    }
}

/// One field of a google protobuf text, with the one or two blanks in front of it (G60).
///
/// ```text
/// field := " "? " "? key ":" (Go string | number | "{" … "}")
/// ```
pub(crate) fn proto_field<'a>(text: Text<'a>) -> Option<(&'a str, Text<'a>, Text<'a>)> {
    let (_, rest) = text.take(|byte| byte == b' ');
    let (key, rest) = rest.take(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let rest = rest.behind(":").filter(|_| !key.raw().is_empty())?;
    if let Some(quoted) = rest.quoted() {
        return Some((key.raw(), quoted.inside, quoted.rest));
    }
    if let Some(inside) = rest.behind("{") {
        let (inside, rest) = inside.cut("}")?;
        return Some((key.raw(), inside, rest));
    }
    let (value, rest) = rest.take(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    Some((key.raw(), value, rest))
}
