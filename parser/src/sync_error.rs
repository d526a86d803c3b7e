//! The kubelet's sync error: `failed to "Step" for "target" with Reason: "message"`, aggregates of
//! it, and the errors that carry no such clause.
//!
//! Owns §5 and the closed sets of §6; which line carries such an error is the kubelet's.

mod clauseless;
mod details;
mod items;
mod mentions;

pub use details::{VolumeWait, backoff_seconds, innermost, rpc_code};

use crate::{Text, json};
use items::Items;

/// One failed attempt of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncFailure<'a> {
    /// The kubelet's `SyncAction`, verbatim, or the name of log-grammar §6.2.
    pub step: Text<'a>,
    /// What the step was for; `None` for an error without a clause.
    pub target: Option<Text<'a>>,
    /// The kubelet's own word, or the one that §6.2 gives for the step.
    pub reason: Option<Text<'a>>,
    /// The text of the failure; may be empty.
    pub message: Text<'a>,
    /// Place in the aggregate, from 0.
    pub index: u16,
    /// Length of the aggregate, at least 1.
    pub of: u16,
    /// The line ended inside this item.
    pub truncated: bool,
}

impl<'a> SyncFailure<'a> {
    /// A failure that stands alone.
    pub(crate) const fn alone(
        step: &'static str,
        reason: Option<&'static str>,
        message: Text<'a>,
    ) -> Self {
        Self {
            step: Text::plain(step),
            target: None,
            reason: match reason {
                Some(reason) => Some(Text::plain(reason)),
                None => None,
            },
            message,
            index: 0,
            of: 1,
            truncated: false,
        }
    }
}

/// Iterates the sync failures of one error text.
///
/// ```
/// use podwhy_parser::{Failures, Text};
///
/// let error = Text::plain(
///     r#"[failed to "KillContainer" for "web" with KillContainerError: "no, not \"now\"", failed to "KillPodSandbox" for "7c1e5f3a" with KillPodSandboxError: ""]"#,
/// );
/// let failures: Vec<_> = Failures::of(error).collect();
/// assert_eq!(failures.len(), 2);
/// assert_eq!(failures[0].message, "no, not \"now\"");
/// assert_eq!((failures[1].index, failures[1].of), (1, 2));
/// assert_eq!(failures[1].reason.unwrap(), "KillPodSandboxError");
/// ```
#[derive(Clone, Debug)]
pub struct Failures<'a> {
    state: State<'a>,
    index: u16,
    of: u16,
    /// The line itself was cut: its last failure may be too.
    is_cut: bool,
}

#[derive(Clone, Debug)]
enum State<'a> {
    Single(Option<SyncFailure<'a>>),
    Items(Items<'a>),
    /// `errCauses` of a JSON line, split by the writer (G28).
    Causes(Items<'a>, Causes<'a>),
}

impl<'a> Failures<'a> {
    /// The failures that an error text reports: §5.2, at least one.
    #[must_use]
    pub fn of(error: Text<'a>) -> Self {
        let items = Items::of(error);
        let of = if items.is_one() { 1 } else { saturated(items.clone().count()) };
        Self { state: State::Items(items), index: 0, of, is_cut: false }
    }

    pub(crate) const fn none() -> Self {
        Self { state: State::Single(None), index: 0, of: 0, is_cut: false }
    }

    pub(crate) const fn single(failure: SyncFailure<'a>) -> Self {
        Self { state: State::Single(Some(failure)), index: 0, of: 1, is_cut: false }
    }

    /// `errCauses` of a JSON line: `[{"error":"…"},…]`; `None` if it lists nothing.
    pub(crate) fn of_causes(list: &'a str) -> Option<Self> {
        let mut causes = Causes { rest: list.trim_start().strip_prefix('[')? };
        let all = causes.clone().map(|cause| Items::of(cause).count()).sum::<usize>();
        let first = Items::of(causes.next()?);
        let state = State::Causes(first, causes);
        Some(Self { state, index: 0, of: saturated(all), is_cut: false })
    }

    /// Of a line that was cut.
    pub(crate) const fn cut(self, is_cut: bool) -> Self {
        Self { is_cut, ..self }
    }

    /// Some item ended before its time.
    pub(crate) fn any_is_cut(self) -> bool {
        match self.state {
            State::Items(items) => items.any_is_cut(),
            State::Single(_) | State::Causes(..) => false,
        }
    }
}

fn saturated(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

impl<'a> Iterator for Failures<'a> {
    type Item = SyncFailure<'a>;

    fn next(&mut self) -> Option<SyncFailure<'a>> {
        let failure = match &mut self.state {
            State::Single(failure) => failure.take()?,
            State::Items(items) => items.next()?,
            State::Causes(items, causes) => loop {
                if let Some(failure) = items.next() {
                    break failure;
                }
                *items = Items::of(causes.next()?);
            },
        };
        let index = self.index;
        self.index = index.saturating_add(1);
        let is_last = self.index >= self.of;
        let truncated = failure.truncated || (self.is_cut && is_last);
        Some(SyncFailure { index, of: self.of.max(1), truncated, ..failure })
    }
}

/// The error texts of `errCauses`.
#[derive(Clone, Debug)]
struct Causes<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Causes<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        let object = self.rest.trim_start_matches([' ', ',']);
        let mut members = json::Members::of(object)?;
        let mut error = None;
        for (key, value) in members.by_ref() {
            if key == "error" {
                error = value.string();
            }
        }
        self.rest = members.rest();
        error
    }
}
