//! Reads a text from its start, whatever quoting it is under.
//!
//! Owns literals, quoted strings and words at one level; knows no message.

use nom::{IResult, Parser};

use crate::{Text, find, quoted};

/// A place in a text. Literals hold neither quotes nor backslashes, so they look the same at every
/// level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    text: Text<'a>,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn of(text: Text<'a>) -> Self {
        Self { text }
    }

    /// What is not read yet.
    pub(crate) const fn rest(&self) -> Text<'a> {
        self.text
    }

    pub(crate) const fn raw(&self) -> &'a str {
        self.text.raw()
    }

    fn go(&mut self, raw: &'a str) {
        self.text = self.text.with_raw(raw);
    }

    /// Takes `literal`, if it stands here.
    #[inline]
    pub(crate) fn eat(&mut self, literal: &str) -> bool {
        match self.raw().strip_prefix(literal) {
            Some(rest) => {
                self.go(rest);
                true
            }
            None => false,
        }
    }

    /// The same, as a step of a chain.
    pub(crate) fn take(&mut self, literal: &str) -> Option<()> {
        self.eat(literal).then_some(())
    }

    /// A quoted string; unterminated ones reach to the end.
    pub(crate) fn quoted(&mut self) -> Option<Text<'a>> {
        let quoted = quoted::read(self.text)?;
        self.go(quoted.rest);
        Some(quoted.inside)
    }

    /// The text up to `literal`, which is taken too.
    pub(crate) fn until(&mut self, literal: &str) -> Option<Text<'a>> {
        let (before, rest) = find::split(self.raw(), literal)?;
        self.go(rest);
        Some(self.text.with_raw(before))
    }

    /// Takes everything up to and with `literal`.
    pub(crate) fn skip_past(&mut self, literal: &str) -> Option<()> {
        self.until(literal).map(|_| ())
    }

    /// The longest run of characters that `wanted` accepts; may be empty.
    pub(crate) fn run(&mut self, wanted: impl Fn(char) -> bool) -> Text<'a> {
        let raw = self.raw();
        let end = raw.find(|character| !wanted(character)).unwrap_or(raw.len());
        let (taken, rest) = raw.split_at_checked(end).unwrap_or((raw, ""));
        self.go(rest);
        self.text.with_raw(taken)
    }

    /// Runs a nom production here.
    pub(crate) fn nom<P>(&mut self, mut production: P) -> Option<P::Output>
    where
        P: Parser<&'a str, Error = ()>,
    {
        let (rest, output) = production.parse(self.raw()).ok()?;
        self.go(rest);
        Some(output)
    }
}

/// A quoted string of `around`'s level, as a nom production.
pub(crate) fn quoted_in<'a>(
    around: Text<'a>,
) -> impl Fn(&'a str) -> IResult<&'a str, quoted::Quoted<'a>, ()> {
    move |raw| match quoted::read(around.with_raw(raw)) {
        Some(quoted) => Ok((quoted.rest, quoted)),
        None => Err(nom::Err::Error(())),
    }
}
