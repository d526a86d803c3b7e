//! Cuts pieces off a text that is still quoted, without decoding it.
//!
//! Owns nothing but the cutting, for readers that pass texts on; a `Cursor` is for those that walk.

use crate::{Text, find, quoted};

/// A Go string that stood at the beginning of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a> {
    pub(crate) inside: Text<'a>,
    /// Behind the closing quote; empty if there is none.
    pub(crate) rest: Text<'a>,
    pub(crate) is_closed: bool,
}

impl<'a> Text<'a> {
    /// What follows `tag`, if the text begins with it.
    pub(crate) fn behind(self, tag: &str) -> Option<Self> {
        self.raw().strip_prefix(tag).map(|rest| self.with_raw(rest))
    }

    /// What stands before and behind the first `delimiter`.
    pub(crate) fn cut(self, delimiter: &str) -> Option<(Self, Self)> {
        let (before, rest) = find::split(self.raw(), delimiter)?;
        Some((self.with_raw(before), self.with_raw(rest)))
    }

    /// What stands before and behind the last `delimiter`.
    pub(crate) fn cut_last(self, delimiter: &str) -> Option<(Self, Self)> {
        let at = find::find_last(self.raw(), delimiter)?;
        let (before, rest) = self.raw().split_at_checked(at)?;
        Some((self.with_raw(before), self.with_raw(rest.strip_prefix(delimiter)?)))
    }

    /// The leading bytes that `belongs` accepts, and what follows them.
    pub(crate) fn take(self, belongs: impl Fn(u8) -> bool) -> (Self, Self) {
        let raw = self.raw();
        let end = raw.bytes().position(|byte| !belongs(byte)).unwrap_or(raw.len());
        // Only ASCII is ever asked for, so the cut lies between characters.
        let (taken, rest) = raw.split_at_checked(end).unwrap_or((raw, ""));
        (self.with_raw(taken), self.with_raw(rest))
    }

    /// The Go string at the beginning of the text. One whose end was cut off reaches to the end.
    pub(crate) fn quoted(self) -> Option<Quoted<'a>> {
        let quoted::Quoted { inside, rest, is_closed } = quoted::read(self)?;
        Some(Quoted { inside, rest: self.with_raw(rest), is_closed })
    }

    /// What stands in the Go string at the beginning, if it is whole and not empty.
    pub(crate) fn name(self) -> Option<Self> {
        let quoted = self.quoted()?;
        (quoted.is_closed && !quoted.inside.is_empty()).then_some(quoted.inside)
    }

    /// A number without a sign that is the whole text.
    pub(crate) fn unsigned(self) -> Option<u64> {
        crate::stamp::unsigned(self.raw())
    }
}
