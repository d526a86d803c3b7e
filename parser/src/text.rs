//! A borrowed piece of a line with the quoting that still surrounds it; decoded lazily.

/// A slice of the input and how often it is still escaped. Nothing is decoded until asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl<'a> Text<'a> {
    /// A text with nothing to decode.
    #[must_use]
    pub const fn plain(raw: &'a str) -> Self {
        Self { raw, base: Base::Plain, depth: 0 }
    }

    /// A text inside `depth` levels of Go quoting, within `base`.
    #[must_use]
    pub const fn new(raw: &'a str, base: Base, depth: u8) -> Self {
        Self { raw, base, depth }
    }

    /// The slice as it stands in the input.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// Another slice of the same input under the same quoting.
    pub(crate) const fn with_raw(self, raw: &'a str) -> Self {
        Self { raw, ..self }
    }

    /// The inside of a Go string that stands in this text: one level deeper.
    pub(crate) const fn quoted_inside(self, raw: &'a str) -> Self {
        Self { raw, depth: self.depth.saturating_add(1), ..self }
    }

    /// `2ⁿ − 1` backslashes stand before a quote that delimits a Go string in this text (§5.3).
    pub(crate) const fn level(self) -> u32 {
        self.depth as u32 + matches!(self.base, Base::Json) as u32
    }
}
