//! What `utilruntime.HandleError` writes: twins of sync failures, printf up to 1.30, behind
//! `"Unhandled Error" err=` since (§3.11, §6.7).
//!
//! Owns the tail of a `&Container{…}` dump; the dump itself is never given out (G54).

use memchr::memmem;

use crate::cursor::Cursor;
use crate::message::What;
use crate::{Facts, Failures, SyncFailure, Text, object};

/// What can start and fail. Only these words tell the kind of a container (§6.5).
const KINDS: [&str; 3] = ["container ", "init container ", "ephemeral container "];

const FAILED_IN_POD: &str = " start failed in pod ";

/// The production of an error text.
pub(super) fn classify(text: Text<'_>) -> Option<What> {
    let raw = text.raw();
    if raw.starts_with("failed to remove pod init container ") {
        return Some(What::InitContainerRemoveFailed);
    }
    // Of 1.31 and later; before, it stands alone.
    if raw.starts_with("part of the existing bootstrap client certificate") {
        return Some(What::ClientCertificateExpired);
    }
    let error = raw.strip_prefix("error killing pod: ").unwrap_or(raw);
    let item = error.strip_prefix('[').unwrap_or(error);
    if let Some(rest) = item.strip_prefix("failed to ")
        && crate::quoted::open(rest, text.level()).is_some()
    {
        return Some(What::SyncErrorRepeated);
    }
    StartFailed::of(text).map(|_| What::StartFailed)
}

/// The longest `name_ns(uid)` and the colon behind it: 253 + 1 + 63 + 38, with room. Without a bound
/// a line full of false tails would be searched to its end from each of them.
const LONGEST_POD_BYTES: usize = 512;

fn pod_before_colon<'a>(tail: &mut Cursor<'a>) -> Option<Text<'a>> {
    let bytes = tail.raw().as_bytes();
    let near = bytes.get(..LONGEST_POD_BYTES).unwrap_or(bytes);
    memmem::find(near, b": ")?;
    tail.until(": ").filter(|pod| object::pod_format(*pod).is_some())
}

/// The twin of a StartContainer item.
///
/// ```text
/// twin := kind ( "start failed: "                                          (≤ 1.18)
///              | ( "&Container{" dump "}" | name ) " start failed in pod " pod ": " )
///         reason ": " message
/// ```
pub(super) struct StartFailed<'a> {
    container: Option<Text<'a>>,
    pod: Option<Text<'a>>,
    reason: Option<Text<'a>>,
    message: Text<'a>,
    /// All of it that may be shown: of a dump, from `start failed` on.
    pub(super) shown: Text<'a>,
    /// The tail is not there: the dump goes on, or was cut.
    pub(super) is_cut: bool,
}

impl<'a> StartFailed<'a> {
    pub(super) fn of(text: Text<'a>) -> Option<Self> {
        let mut cursor = Cursor::of(text);
        KINDS.into_iter().find(|kind| cursor.eat(kind))?;
        if cursor.eat("start failed: ") {
            return Some(Self::behind(cursor, None, None, text));
        }
        if cursor.raw().starts_with("&Container{") {
            return Some(Self::of_dump(cursor));
        }
        let container = cursor.run(|character| character != ' ');
        cursor.take(FAILED_IN_POD)?;
        let pod = cursor.until(": ")?;
        Some(Self::behind(cursor, Some(container), Some(pod), text))
    }

    /// The identity stands at the very end (G53). What a pod puts into its own spec or what a
    /// registry answers may look like it, so the dump's closing brace must come first.
    fn of_dump(cursor: Cursor<'a>) -> Self {
        let text = cursor.rest();
        let raw = text.raw();
        let name = object::field(text.with_raw(head_of_dump(raw)), "Name");
        let container = name.filter(|name| !name.is_empty());
        let mut searched = raw.len();
        while let Some(at) =
            raw.get(..searched).and_then(|r| memmem::rfind(r.as_bytes(), FAILED_IN_POD.as_bytes()))
        {
            let is_behind_dump = raw.get(..at).is_some_and(|dump| dump.ends_with('}'));
            let shown = raw.get(at + 1..).unwrap_or_default();
            let mut tail = Cursor::of(text.with_raw(raw.get(at..).unwrap_or_default()));
            if is_behind_dump
                && tail.eat(FAILED_IN_POD)
                && let Some(pod) = pod_before_colon(&mut tail)
            {
                return Self::behind(tail, container, Some(pod), text.with_raw(shown));
            }
            searched = at;
        }
        let nothing = text.with_raw("");
        Self { container, pod: None, reason: None, message: nothing, shown: nothing, is_cut: true }
    }

    fn behind(
        mut cursor: Cursor<'a>,
        container: Option<Text<'a>>,
        pod: Option<Text<'a>>,
        shown: Text<'a>,
    ) -> Self {
        let reason = cursor.until(": ");
        let message = cursor.rest().trim_newlines();
        Self {
            container,
            pod,
            reason,
            message,
            shown: shown.trim_newlines(),
            is_cut: reason.is_none(),
        }
    }

    pub(super) fn fill(&self, facts: &mut Facts<'a>) {
        facts.container = self.container;
        if let Some(pod) = self.pod {
            facts.pod = object::pod_format(pod).unwrap_or_default();
        }
        facts.reason = self.reason;
        facts.error = Some(self.message).filter(|message| !message.is_empty());
        super::facts::adopt(facts, self.failure().facts());
    }

    pub(super) fn failure(&self) -> SyncFailure<'a> {
        SyncFailure {
            target: self.container,
            reason: self.reason,
            truncated: self.is_cut,
            ..SyncFailure::alone("StartContainer", None, self.message)
        }
    }
}

/// `Name:` is the first member of a dump; a name has no more than 63 characters.
fn head_of_dump(raw: &str) -> &str {
    let behind = raw.strip_prefix("&Container").unwrap_or(raw);
    behind.split_once(',').map_or(behind, |(head, _)| head)
}

/// ```text
/// line := "failed to remove pod init container " Q(container) ": " error "; Skipping pod " Q(pod)
/// ```
pub(super) fn init_container<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let mut cursor = Cursor::of(text);
    cursor.take("failed to remove pod init container ")?;
    facts.container = cursor.quoted();
    cursor.take(": ")?;
    let rest = cursor.rest();
    let Some((error, pod)) = rest.raw().rsplit_once("; Skipping pod ") else {
        facts.error = Some(rest);
        return Some(());
    };
    facts.error = Some(text.with_raw(error));
    let pod = Cursor::of(text.with_raw(pod)).quoted()?;
    facts.pod = object::pod_format(pod).unwrap_or_default();
    Some(())
}

/// The failures that an error text repeats.
pub(super) fn failures<'a>(what: What, text: Text<'a>) -> Failures<'a> {
    match what {
        What::StartFailed => match StartFailed::of(text) {
            Some(twin) => Failures::single(twin.failure()),
            None => Failures::none(),
        },
        What::SyncErrorRepeated => Failures::of(text),
        What::InitContainerRemoveFailed => {
            let mut facts = Facts::default();
            let _ = init_container(text, &mut facts);
            let message = facts.error.unwrap_or(text);
            let failure = SyncFailure::alone("RemoveContainer", None, message);
            Failures::single(SyncFailure { target: facts.container, ..failure })
        }
        _ => Failures::none(),
    }
}
