//! Physical lines of any byte stream, each cut at a bound; the bytes behind it are passed over.

use std::io::{self, BufRead};

use memchr::{memchr, memchr_iter};

/// Reads lines into one reused buffer.
#[derive(Debug)]
pub(crate) struct Physical<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

/// One line without its newline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) bytes: &'a [u8],
    /// There was more than the bound allows.
    pub(crate) cut: bool,
    /// 1-based.
    pub(crate) number: u64,
}

impl<R: BufRead> Physical<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// Lines begun so far.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The line that was read last.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The next line, at most `bound` bytes of it; `None` at the end.
    pub(crate) fn next(&mut self, bound: usize) -> io::Result<Option<Piece<'_>>> {
        self.line.clear();
        let mut cut = false;
        let mut begun = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() && !begun {
                return Ok(None);
            }
            begun = true;
            let end = memchr(b'\n', chunk);
            let length = end.unwrap_or(chunk.len());
            let kept = length.min(bound.saturating_sub(self.line.len()));
            cut |= kept < length;
            self.line.extend_from_slice(chunk.get(..kept).unwrap_or_default());
            let is_last = end.is_some() || chunk.is_empty();
            self.input.consume(length + usize::from(end.is_some()));
            if is_last {
                break;
            }
        }
        self.number += 1;
        Ok(Some(Piece { bytes: &self.line, cut, number: self.number }))
    }

    /// Appends the next `length` bytes to `kept`, at most `bound` of them, and passes over the
    /// rest. `false` where the input ends before.
    pub(crate) fn take(
        &mut self,
        mut length: u64,
        bound: usize,
        kept: &mut Vec<u8>,
    ) -> io::Result<bool> {
        while length > 0 {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(chunk.len());
            let Some(piece) = chunk.get(..wanted).filter(|piece| !piece.is_empty()) else {
                return Ok(false);
            };
            let room = bound.saturating_sub(kept.len()).min(wanted);
            kept.extend_from_slice(piece.get(..room).unwrap_or_default());
            self.number += memchr_iter(b'\n', piece).count() as u64;
            self.input.consume(wanted);
            length -= wanted as u64;
        }
        Ok(true)
    }
}
