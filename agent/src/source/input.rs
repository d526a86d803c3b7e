//! One input of a command: a file or standard input, compressed or not, of any form.
//!
//! Owns opening, decompression and the choice of the reader, all by content. Constant memory on
//! any bytes.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;

use super::recording::{Export, Json, Skipped};
use super::text::Text;
use super::{Line, Micros};
use crate::limits::SNIFF_BYTES;

mod physical;
#[cfg(test)]
mod tests;
mod wide;

pub(crate) use physical::{Physical, Piece};

/// Bytes in flight between the file and the line.
const BUFFER_BYTES: usize = 64 * 1024;

/// What all readers read from.
pub(crate) type Bytes = BufReader<Raw>;

/// The bytes of an input, decompressed.
pub(crate) struct Raw(Box<dyn Read + Send>);

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Raw")
    }
}

/// An input that hands on its lines one after the other.
#[derive(Debug)]
pub struct Input {
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Text(Text<Bytes>),
    Export(Export<Bytes>),
    Json(Json<Bytes>),
}

impl Input {
    /// Opens a file. Its modification time dates lines that do not say their year.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let written = metadata.modified().ok().filter(|_| metadata.is_file());
        Self::new(file, micros(written.unwrap_or_else(SystemTime::now)))
    }

    /// Reads standard input, as if it had been written just now.
    ///
    /// # Errors
    ///
    /// What the first read says.
    pub fn standard() -> io::Result<Self> {
        Self::new(io::stdin(), micros(SystemTime::now()))
    }

    /// Reads from anything; `written` dates lines that do not say their year.
    ///
    /// # Errors
    ///
    /// What the first read says.
    pub fn new(input: impl Read + Send + 'static, written: Micros) -> io::Result<Self> {
        let mut bytes = decompressed(Box::new(input))?;
        let head = bytes.fill_buf()?;
        let form = Form::of(head);
        let lines = Physical::new(bytes);
        let reader = match form {
            Form::Export => Reader::Export(Export::new(lines)),
            Form::Json => Reader::Json(Json::new(lines)),
            Form::Text => Reader::Text(Text::new(lines, written)),
        };
        Ok(Self { reader })
    }

    /// Hands on the next line, if the next piece of the input holds one. `false` at the end.
    ///
    /// # Errors
    ///
    /// What the read or the decompression says; reading on is of no use then.
    pub fn next(&mut self, sink: &mut dyn FnMut(Line<'_>)) -> io::Result<bool> {
        match &mut self.reader {
            Reader::Text(text) => text.next(sink),
            Reader::Export(export) => export.next(sink),
            Reader::Json(json) => json.next(sink),
        }
    }

    /// Physical lines read so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        match &self.reader {
            Reader::Text(text) => text.lines(),
            Reader::Export(export) => export.lines(),
            Reader::Json(json) => json.lines(),
        }
    }

    /// What was read and not handed on.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        match &self.reader {
            Reader::Text(_) => Skipped::default(),
            Reader::Export(export) => export.skipped(),
            Reader::Json(json) => json.skipped(),
        }
    }
}

/// The three families of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Export,
    Json,
    Text,
}

impl Form {
    /// Tells by the first line that is not blank.
    fn of(head: &[u8]) -> Self {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let head = head.trim_ascii_start();
        let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if super::recording::is_export(first) {
            Self::Export
        } else if super::recording::is_json_entry(first) {
            Self::Json
        } else {
            Self::Text
        }
    }
}

/// What files that are no text begin with, and what to do with them.
const FOREIGN: [(&[u8], &str); 4] = [
    (b"LPKSHHRH", "it is a journal file; pipe it: journalctl --file FILE -o export | podwhy …"),
    (b"\xfd7zXZ\0", "it is compressed with xz; pipe it: xz -dc FILE | podwhy …"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; pipe it: zstd -dc FILE | podwhy …"),
    (b"BZh", "it is compressed with bzip2; pipe it: bzip2 -dc FILE | podwhy …"),
];

/// Looks at the magic number, so that a rotated `.gz` is read under any name.
pub(crate) fn decompressed(mut input: Box<dyn Read + Send>) -> io::Result<Bytes> {
    let head = head_of(&mut input, 8)?;
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, *what));
    }
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    let whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(input));
    let mut whole = if is_gzip { Box::new(MultiGzDecoder::new(whole)) } else { whole };
    let head = head_of(&mut whole, 2)?;
    let order = wide::order_of(&head);
    let whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(whole));
    sniffable(match order {
        Some(order) => Box::new(wide::Wide::new(whole, order)),
        None => whole,
    })
}

/// Makes sure that the beginning of an input is text: a program or a picture tells no failure.
pub(crate) fn text_only(head: &[u8]) -> io::Result<()> {
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_control = |byte: &&u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
    let controls = head.iter().filter(is_control).count();
    // Journal fields may hold anything; an odd byte in a log is none of our business.
    let is_binary = head.len() >= 64 && controls * 20 > head.len();
    if is_binary && !super::recording::is_export(first) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no text"));
    }
    Ok(())
}

/// What is wrong with an input, for who gave it: the command in it is one to paste.
pub(crate) fn complaint(error: &io::Error, file: &str, command: &str) -> String {
    let text = error.to_string();
    if error.kind() == io::ErrorKind::InvalidData {
        text.replace(" FILE ", &format!(" {file} "))
            .replace("podwhy …", &format!("podwhy {command}"))
    } else {
        text
    }
}

/// Makes sure that the first line, up to a bound, is in the buffer's first piece: a pipe may hand
/// out a few bytes at a time.
fn sniffable(mut input: Box<dyn Read + Send>) -> io::Result<Bytes> {
    let mut head = Vec::new();
    while head.len() < SNIFF_BYTES && !head.trim_ascii_start().contains(&b'\n') {
        let piece = head_of(&mut input, 4 * 1024)?;
        if piece.is_empty() {
            break;
        }
        head.extend(piece);
    }
    // A chain hands out its first half alone, so the buffer must be able to take it whole.
    let whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(input));
    Ok(BufReader::with_capacity(BUFFER_BYTES + 4 * 1024, Raw(whole)))
}

/// Up to `length` bytes; fewer only where the input pauses or ends, none only at its end.
fn head_of(input: &mut dyn Read, length: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; length];
    let mut filled = 0;
    while filled < length.min(2) {
        let Some(rest) = head.get_mut(filled..) else { break };
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}

fn micros(time: SystemTime) -> Micros {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| Micros::try_from(since.as_micros()).ok())
        .unwrap_or_default()
}
