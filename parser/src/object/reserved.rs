//! Names that runtimes reserve for sandboxes and containers: the whole identity stands in them.
//!
//! Owns where they are split (G49).

use crate::{PodRef, Text};

use super::{filled, is_uid};

/// A name that a runtime reserves for a sandbox or a container: everything stands in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reserved<'a> {
    pub(crate) container: Option<Text<'a>>,
    pub(crate) pod: PodRef<'a>,
    pub(crate) attempt: Option<u32>,
}

/// Read from the right: what stands before the pod differs between runtimes.
///
/// ```text
/// reserved := ("k8s_")? (container "_")? name "_" namespace "_" uid "_" attempt ("_" random)?
/// ```
pub(crate) fn reserved<'a>(text: Text<'a>) -> Option<Reserved<'a>> {
    reserved_exactly(text).or_else(|| {
        // dockershim appends a random number when the name is taken.
        let (text, random) = text.cut_last("_")?;
        random.raw().bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        reserved_exactly(text)
    })
}

fn reserved_exactly<'a>(text: Text<'a>) -> Option<Reserved<'a>> {
    let (rest, attempt) = text.cut_last("_")?;
    let (rest, uid) = rest.cut_last("_")?;
    if !is_uid(uid.raw()) {
        return None;
    }
    let (rest, namespace) = rest.cut_last("_")?;
    let (front, name) = match rest.cut_last("_") {
        Some((front, name)) => (front, name),
        None => (rest.with_raw(""), rest),
    };
    // `POD` is what docker and CRI-O call the sandbox's own container.
    let container = front.behind("k8s_").unwrap_or(front);
    let container = filled(Some(container)).filter(|it| !matches!(it.raw(), "k8s" | "POD"));
    let pod =
        PodRef { namespace: filled(Some(namespace)), name: filled(Some(name)), uid: Some(uid) };
    let attempt = u32::try_from(attempt.unsigned()?).ok();
    Some(Reserved { container, pod, attempt })
}
