//! Undoes what terminals and editors do to a copied line: colours, byte order marks, carriage
//! returns, and line breaks where the window was too narrow.

use std::cmp::Ordering;

use memchr::{memchr, memmem};
use podwhy_parser::{Origin, starts_message};

use crate::limits::{JOIN_BYTES, WRAPPED_LINES};
use crate::source::input::Piece;
use crate::source::text::{Beginning, beginning};

/// Without what Windows and editors put around a line.
pub(super) fn bytes(line: &[u8], number: u64) -> &[u8] {
    let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Without a terminal's commands. `buffer` is used only where there are some.
pub(super) fn line<'a>(line: &'a str, buffer: &'a mut String) -> &'a str {
    if memchr(0x1b, line.as_bytes()).is_none() {
        return line;
    }
    buffer.clear();
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            buffer.push(character);
            continue;
        }
        match rest.next() {
            // A control sequence ends at its letter.
            Some('[') => {
                let _letter = rest.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            // An operating system command (a hyperlink, a title) ends at BEL or ESC \.
            Some(']') => {
                let end = rest.by_ref().find(|c| matches!(c, '\u{7}' | '\u{1b}'));
                if end == Some('\u{1b}') {
                    let _backslash = rest.next();
                }
            }
            _ => {}
        }
    }
    buffer
}

/// Puts the pieces of a wrapped line together: a message whose quote is still open goes on in the
/// next line, unless that one is a message of its own.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    held: String,
    number: u64,
    lines: u32,
    /// Columns of the line that was cut by the window.
    width: usize,
    /// Columns of the longest line so far: where several end there, a window ended them.
    longest: usize,
    /// How many have been that long.
    times: u32,
}

/// Windows that a line may end at by chance of its quotes.
const WIDTHS: [usize; 7] = [80, 100, 120, 132, 160, 180, 200];

type Sink<'s> = &'s mut dyn FnMut(Piece<'_>);

impl Unwrap {
    /// Takes the next line; hands on what is complete.
    pub(super) fn take(&mut self, piece: Piece<'_>, sink: Sink<'_>) {
        let text = str::from_utf8(piece.bytes).unwrap_or_default();
        if self.lines > 0 {
            if self.continues(text) {
                self.held.push_str(text);
                self.lines += 1;
                if !is_open(&self.held) && text.chars().count() < self.width {
                    self.flush(sink);
                }
                return;
            }
            self.flush(sink);
        }
        let (open, full) = (is_open(text), self.is_full(text));
        // Nearly every line: with all its quotes closed and its header whole.
        let is_plain = !open && !full && memmem::find(piece.bytes, b"] ").is_some();
        let may_go_on = !piece.cut
            && !is_plain
            && match beginning(text) {
                Beginning::Broken => true,
                Beginning::Whole => open || full,
                Beginning::None => open && starts_message(Origin::Any, text),
            };
        if may_go_on {
            self.held.push_str(text);
            (self.number, self.lines) = (piece.number, 1);
            self.width = text.chars().count();
            return;
        }
        sink(piece);
    }

    /// Whether the line is the rest of the one before.
    fn continues(&self, text: &str) -> bool {
        let is_wrapped = !text.is_empty()
            && text.chars().count() <= self.width
            && !text.starts_with(['\t', '{'])
            && !text.starts_with("        ")
            && self.lines < WRAPPED_LINES
            && self.held.len() + text.len() < JOIN_BYTES;
        is_wrapped && beginning(text) == Beginning::None && !starts_message(Origin::Any, text)
    }

    /// It ends where a window may have ended it.
    fn is_full(&mut self, text: &str) -> bool {
        let columns = text.chars().count();
        match columns.cmp(&self.longest) {
            Ordering::Less => {}
            Ordering::Equal => self.times += 1,
            Ordering::Greater => (self.longest, self.times) = (columns, 1),
        }
        // Messages repeat, and so do their lengths: three equal ones, and none that is longer.
        let is_window = columns == self.longest && self.times >= 3 && columns >= 40;
        columns == self.width || is_window || WIDTHS.contains(&columns)
    }

    /// Hands on what is held.
    pub(super) fn flush(&mut self, sink: Sink<'_>) {
        if self.lines > 0 {
            sink(Piece { bytes: self.held.as_bytes(), cut: false, number: self.number });
            self.held.clear();
            self.lines = 0;
        }
    }
}

/// An odd number of quotes that are not escaped.
fn is_open(text: &str) -> bool {
    let mut is_open = false;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'\\') {
            at += 2;
        } else {
            is_open = !is_open;
            at += 1;
        }
    }
    is_open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str]) -> Vec<String> {
        let (mut unwrap, mut seen) = (Unwrap::default(), Vec::new());
        let mut sink =
            |piece: Piece<'_>| seen.push(String::from_utf8(piece.bytes.to_vec()).unwrap());
        for (number, line) in (1..).zip(lines) {
            unwrap.take(Piece { bytes: line.as_bytes(), cut: false, number }, &mut sink);
        }
        unwrap.flush(&mut sink);
        seen
    }

    #[test]
    fn r13_a_line_that_a_window_broke_is_one_line_again() {
        let whole = r#"E1122 22:52:35.604216    1234 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"app\" with ErrImagePull: \"x\"" pod="shop/web-0" podUID="0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11""#;
        for width in [45, 60, 80, 97, 120, 160] {
            let chars: Vec<char> = whole.chars().collect();
            let pieces: Vec<String> = chars.chunks(width).map(|c| c.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let next = "I1122 22:52:36.000000    1234 a.go:1] \"x\"";
            let lines = [pieces.as_slice(), &[next]].concat();
            assert_eq!(joined(&lines), [whole, next], "{width}");
        }
    }

    #[test]
    fn r13_colours_and_links_of_a_terminal_are_gone() {
        let mut buffer = String::new();
        let coloured = "\u{1b}[1;31mE1122\u{1b}[0m \u{1b}]8;;http://x\u{1b}\\link\u{1b}[K";
        assert_eq!(line(coloured, &mut buffer), "E1122 link");
    }
}
