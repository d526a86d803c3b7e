//! A borrowed piece of a line with the quoting that still surrounds it; decoded lazily.
//!
//! Owns what a text is and how it compares and prints; `decode` owns the escapes.

pub(crate) mod decode;

use core::fmt;

pub use decode::Chars;

/// How many levels of Go quoting are taken off at most. Four have been seen, a wrapper adds one,
/// and each level doubles the backslashes: twelve are 4,095 before one quote.
pub const MAX_DEPTH: u8 = 12;

/// A slice of the input and how often it is still escaped. Nothing is decoded until asked for.
///
/// `==` on two `Text`s compares slices and quoting; [`Text::eq_text`] compares what they say.
///
/// ```
/// use podwhy_parser::text::{Base, Text};
///
/// let text = Text::new(r#"secret \\\"mail\\\" not found"#, Base::Plain, 2);
/// assert_eq!(text.to_string(), r#"secret "mail" not found"#);
/// assert!(text.starts_with_str("secret \"mail"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    base: Base,
    depth: u8,
}

/// What surrounds the Go quoting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    #[default]
    Plain,
    /// A klog block: each line after the first carries one indent (TAB, 8 blanks or `#011`).
    Block,
    /// Inside a JSON string: one JSON unescape before any Go unquote.
    Json,
    /// A cgroup of the systemd driver: `_` stands for `-`.
    Cgroup,
}

impl<'a> Text<'a> {
    /// A text with nothing to decode.
    #[must_use]
    pub const fn plain(raw: &'a str) -> Self {
        Self { raw, base: Base::Plain, depth: 0 }
    }

    /// A text inside `depth` levels of Go quoting, within `base`. More than [`MAX_DEPTH`] levels
    /// count as that many.
    #[must_use]
    pub const fn new(raw: &'a str, base: Base, depth: u8) -> Self {
        Self { raw, base, depth: if depth > MAX_DEPTH { MAX_DEPTH } else { depth } }
    }

    /// The slice as it stands in the input.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// What surrounds the Go quoting.
    #[must_use]
    pub const fn base(&self) -> Base {
        self.base
    }

    /// How many levels of Go quoting are still on.
    #[must_use]
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// Bytes of the slice in the input, not of what it says.
    #[must_use]
    pub const fn len_raw(&self) -> usize {
        self.raw.len()
    }

    /// Says nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The decoded characters, one by one. Invalid bytes and broken escapes are U+FFFD; time is
    /// O(length × depth).
    #[must_use]
    pub fn chars(&self) -> Chars<'a> {
        Chars::of(*self)
    }

    /// The text itself, where it holds nothing to decode.
    #[must_use]
    pub fn as_plain(&self) -> Option<&'a str> {
        let bytes = self.raw.as_bytes();
        let escaped = self.level() > 0 && memchr::memchr(b'\\', bytes).is_some();
        let folded = self.base == Base::Block && memchr::memchr(b'\n', bytes).is_some();
        let renamed = self.base == Base::Cgroup && memchr::memchr(b'_', bytes).is_some();
        (!escaped && !folded && !renamed).then_some(self.raw)
    }

    /// Says exactly `other`.
    #[must_use]
    pub fn eq_str(&self, other: &str) -> bool {
        match self.as_plain() {
            Some(plain) => plain == other,
            None => self.chars().eq(other.chars()),
        }
    }

    /// Says exactly what `other` says, however either is quoted.
    #[must_use]
    pub fn eq_text(&self, other: Text<'_>) -> bool {
        match other.as_plain() {
            Some(plain) => self.eq_str(plain),
            None => self.chars().eq(other.chars()),
        }
    }

    /// Begins with `prefix`.
    #[must_use]
    pub fn starts_with_str(&self, prefix: &str) -> bool {
        let mut chars = self.chars();
        prefix.chars().all(|wanted| chars.next() == Some(wanted))
    }

    /// Holds `needle` somewhere. Time is O(length × needle).
    #[must_use]
    pub fn contains_str(&self, needle: &str) -> bool {
        if let Some(plain) = self.as_plain() {
            return memchr::memmem::find(plain.as_bytes(), needle.as_bytes()).is_some();
        }
        let mut from = self.chars();
        loop {
            let mut here = from.clone();
            if needle.chars().all(|wanted| here.next() == Some(wanted)) {
                return true;
            }
            if from.next().is_none() {
                return false;
            }
        }
    }

    /// Writes the decoded text.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_to(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self.as_plain() {
            Some(plain) => out.write_str(plain),
            None => self.chars().write_to(out),
        }
    }

    /// Another slice of the same input under the same quoting.
    pub(crate) const fn with_raw(self, raw: &'a str) -> Self {
        Self { raw, ..self }
    }

    /// The inside of a Go string that stands in this text: one level deeper.
    pub(crate) const fn quoted_inside(self, raw: &'a str) -> Self {
        Self::new(raw, self.base, self.depth.saturating_add(1))
    }

    /// `2ⁿ − 1` backslashes stand before a quote that delimits a Go string in this text (§5.3).
    pub(crate) const fn level(self) -> u32 {
        self.depth as u32 + matches!(self.base, Base::Json) as u32
    }

    /// The slice without the newlines at its end; blanks are the writer's.
    pub(crate) fn trim_newlines(self) -> Self {
        self.with_raw(self.raw.trim_end_matches(['\n', '\r']))
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?}, {:?}+{})", self.raw, self.base, self.depth)
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.eq_str(other)
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.eq_str(other)
    }
}
