//! The kubelet's sync error: `failed to "Step" for "target" with Reason: "message"`, aggregates of
//! it, and the errors that carry no such clause.

use crate::Text;

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

/// Iterates the sync failures of one error text.
#[derive(Clone, Debug)]
pub struct Failures<'a> {
    _text: Option<Text<'a>>,
    /// A failure that needs no parsing: the line itself is the failure.
    single: Option<SyncFailure<'a>>,
}

impl<'a> Failures<'a> {
    pub(crate) const fn none() -> Self {
        Self { _text: None, single: None }
    }

    pub(crate) const fn single(failure: SyncFailure<'a>) -> Self {
        Self { _text: None, single: Some(failure) }
    }
}

impl<'a> Iterator for Failures<'a> {
    type Item = SyncFailure<'a>;
    fn next(&mut self) -> Option<SyncFailure<'a>> {
        self.single.take()
    }
}
