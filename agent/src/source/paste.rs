//! What people paste: log lines of any form, and between them what kubectl prints. Owns telling the
//! two apart, line by line, and handing on lines, facts and what only such a text reports. Constant
//! memory, but for one bounded document.

use std::io;

use podwhy_parser::{Origin, continues_block};

use super::input::{Bytes, Physical, Piece as Read};
use super::recording::{self, Entries, Export, Objects};
use super::{Line, Micros, text};
use crate::fact::{Dated, PodRef};
use crate::limits::{DOCUMENT_BYTES, LINE_BYTES};
use crate::observation::Observation;

mod bare;
mod clean;
mod describe;
mod document;
mod event;
mod image;
mod object;
mod pod;
mod pods_table;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use image::{Image, Quota};
pub use object::Manifest;
pub use pods_table::LISTED;
pub use value::{age, tidy};

use clean::Unwrap;
use document::{Document, Going};

pub(crate) use super::input::{complaint, text_only};

/// Bytes, decompressed by what they are.
///
/// # Errors
/// What the first read says.
pub fn unpacked(bytes: impl io::Read + Send + 'static) -> io::Result<impl io::Read + Send> {
    super::input::decompressed(Box::new(bytes))
}

/// A part of a paste.
#[derive(Debug)]
pub enum Part<'a> {
    /// A line of a log.
    Line(Line<'a>),
    /// Something that is true at a time.
    Fact(Box<Dated>),
    /// What a text that is no log reports: counts where no log reports it as well.
    Reported(Box<Observation>),
    /// A specification, to be read for what will fail or hurt.
    Manifest(Box<Manifest>),
    /// What an image says of itself.
    Image(Box<Image>),
    /// The bounds of a namespace.
    Quota(Box<Quota>),
    /// A pod that a table names, and its node where the table has it.
    Listed(PodRef, Option<String>),
}

/// Takes the parts.
pub type Sink<'s> = &'s mut dyn FnMut(Part<'_>);

/// Reads one input.
#[derive(Debug)]
pub struct Paste {
    reader: Reader,
    now: Option<Micros>,
}

#[derive(Debug)]
enum Reader {
    Mixed(Box<Mixed>),
    /// The export format, and what goes on behind it.
    Export(Box<Export<Bytes>>, Box<Mixed>),
    Ended {
        lines: u64,
        unread: u64,
    },
}

impl Paste {
    /// Reads `bytes`, compressed or not. `written` dates lines that do not say their year, `now`
    /// is when ages in it were printed, where that is known.
    ///
    /// # Errors
    /// What the first read says.
    pub fn new(
        bytes: impl io::Read + Send + 'static,
        written: Micros,
        now: Option<Micros>,
    ) -> io::Result<Self> {
        let lines = Physical::new(super::input::decompressed(Box::new(bytes))?);
        let mixed = Mixed {
            lines: Some(lines),
            reading: text::Reading::before(written),
            unwrap: Unwrap::default(),
            objects: Objects::default(),
            entries: Entries::default(),
            open: None,
            is_in_block: false,
            cleaned: String::new(),
            count: 0,
            unread: 0,
        };
        Ok(Self { reader: Reader::Mixed(Box::new(mixed)), now })
    }

    /// Reads on. `false` at the end of the input.
    ///
    /// # Errors
    /// What the read or the decompression says; reading on is of no use then.
    pub fn next(&mut self, sink: Sink<'_>) -> io::Result<bool> {
        let step = match &mut self.reader {
            Reader::Export(export, _) => {
                match export.next_among_others(&mut |line| sink(Part::Line(line)))? {
                    recording::Next::Entry => return Ok(true),
                    recording::Next::Other(other) => Step::Back(other),
                    recording::Next::Ends => Step::Ends,
                }
            }
            Reader::Ended { .. } => return Ok(false),
            Reader::Mixed(mixed) => mixed.next(self.now, sink)?,
        };
        let (lines, unread) = (self.lines(), self.unread());
        let over = Reader::Ended { lines, unread };
        self.reader = match (step, std::mem::replace(&mut self.reader, over)) {
            (Step::On, reader) => reader,
            (Step::Exported(rest), Reader::Mixed(mixed)) => {
                Reader::Export(Box::new(Export::new(rest)), mixed)
            }
            (Step::Back(other), Reader::Export(export, mut mixed)) => {
                mixed.go_on(*export, &other, self.now, sink)?;
                Reader::Mixed(mixed)
            }
            _ => return Ok(false),
        };
        Ok(true)
    }

    /// The machine that the lines are of, where they say it.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.reader {
            Reader::Mixed(mixed) => mixed.host(),
            Reader::Export(export, mixed) => export.host().or_else(|| mixed.host()),
            Reader::Ended { .. } => None,
        }
    }

    /// Physical lines read so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        match &self.reader {
            Reader::Mixed(mixed) => mixed.count,
            Reader::Export(export, _) => export.lines(),
            Reader::Ended { lines, .. } => *lines,
        }
    }

    /// Places that could not be read and were left out.
    #[must_use]
    pub fn unread(&self) -> u64 {
        match &self.reader {
            Reader::Mixed(mixed) => mixed.unread(),
            Reader::Export(export, mixed) => mixed.unread() + export.skipped().undecodable,
            Reader::Ended { unread, .. } => *unread,
        }
    }
}

/// What one step of reading came upon.
enum Step {
    On,
    Ends,
    /// The export format begins: its binary fields are no lines.
    Exported(Physical<Bytes>),
    /// The export is over, and this is the first line behind it.
    Back(recording::Other),
}

/// Text with documents in it.
#[derive(Debug)]
struct Mixed {
    lines: Option<Physical<Bytes>>,
    reading: text::Reading,
    unwrap: Unwrap,
    objects: Objects,
    entries: Entries,
    open: Option<Open>,
    /// A line ended in `key=<`: what follows is its value.
    is_in_block: bool,
    cleaned: String,
    count: u64,
    unread: u64,
}

/// A document that is being read.
#[derive(Debug)]
struct Open {
    document: Document,
    text: String,
    number: u64,
    is_cut: bool,
}

impl Mixed {
    fn host(&self) -> Option<&str> {
        self.reading.host().or_else(|| self.objects.host()).or_else(|| self.entries.host())
    }

    const fn unread(&self) -> u64 {
        self.unread + self.objects.skipped().undecodable
    }

    fn next(&mut self, now: Option<Micros>, sink: Sink<'_>) -> io::Result<Step> {
        let Some(mut lines) = self.lines.take() else { return Ok(Step::Ends) };
        let Some(piece) = lines.next(LINE_BYTES)? else {
            self.close(now, sink);
            self.flush(sink);
            return Ok(Step::Ends);
        };
        self.count = piece.number;
        if recording::is_export(piece.bytes) {
            self.close(now, sink);
            self.flush(sink);
            return Ok(Step::Exported(lines));
        }
        let mut cleaned = std::mem::take(&mut self.cleaned);
        self.piece(piece, &mut cleaned, now, sink)?;
        self.cleaned = cleaned;
        self.lines = Some(lines);
        Ok(Step::On)
    }

    /// What follows an export.
    fn go_on(
        &mut self,
        export: Export<Bytes>,
        other: &recording::Other,
        now: Option<Micros>,
        sink: Sink<'_>,
    ) -> io::Result<()> {
        self.unread += export.skipped().undecodable;
        self.count = other.number;
        self.lines = Some(export.into_lines());
        let mut cleaned = std::mem::take(&mut self.cleaned);
        let piece = Read { bytes: &other.line, cut: other.cut, number: other.number };
        self.piece(piece, &mut cleaned, now, sink)?;
        self.cleaned = cleaned;
        Ok(())
    }

    fn piece(
        &mut self,
        piece: Read<'_>,
        cleaned: &mut String,
        now: Option<Micros>,
        sink: Sink<'_>,
    ) -> io::Result<()> {
        let mut readable = String::new();
        let text = text::readable(clean::bytes(piece.bytes, piece.number), &mut readable);
        let text = clean::line(text, cleaned);
        let (number, cut) = (piece.number, piece.cut);
        if let Some(open) = &mut self.open {
            match open.document.goes_on(text) {
                Going::On => {
                    open.append(text);
                    return Ok(());
                }
                Going::Last => {
                    open.append(text);
                    self.close(now, sink);
                    return Ok(());
                }
                Going::Over => self.close(now, sink),
            }
        }
        if let Some(fact) = document::fact(text) {
            sink(Part::Fact(Box::new(fact)));
            return Ok(());
        }
        // What `journalctl` puts before an entry in its forms json-sse and json-seq.
        let text = ["data: ", "\u{1e}"]
            .into_iter()
            .find_map(|lead| text.strip_prefix(lead).filter(|rest| rest.starts_with('{')))
            .unwrap_or(text);
        if recording::is_json_entry(text.as_bytes()) && text.trim_end().ends_with('}') {
            self.flush(sink);
            return self.objects.take(text.as_bytes(), number, &mut |line| sink(Part::Line(line)));
        }
        match Document::begins(text) {
            Some((document, Going::Last)) => {
                self.flush(sink);
                self.open = Some(Open::new(document, text, number));
                self.close(now, sink);
            }
            Some((document, _)) => {
                self.flush(sink);
                self.open = Some(Open::new(document, text, number));
            }
            None => self.line(Read { bytes: text.as_bytes(), cut, number }, sink),
        }
        Ok(())
    }

    /// A line of a log, or of nothing.
    fn line(&mut self, piece: Read<'_>, sink: Sink<'_>) {
        let Self { reading, unwrap, is_in_block, .. } = self;
        unwrap.take(piece, &mut |piece| take(reading, is_in_block, piece, sink));
    }

    fn flush(&mut self, sink: Sink<'_>) {
        let Self { reading, unwrap, is_in_block, .. } = self;
        unwrap.flush(&mut |piece| take(reading, is_in_block, piece, sink));
    }

    /// Reads the document that is over.
    fn close(&mut self, now: Option<Micros>, sink: Sink<'_>) {
        let Some(Open { document, text, number, is_cut }) = self.open.take() else { return };
        let is_read = !is_cut
            && match document {
                Document::Json(_) => self.json(&text, number, sink),
                Document::Yaml => object::yaml(&text, number, sink),
                Document::Describe(_) => describe::read(&text, number, now, sink),
                Document::Table => table::read(&text, number, now, sink),
                Document::Pods => pods_table::read(&text, number, now, sink),
                Document::Verbose => self.verbose(&text, number, sink),
            };
        self.unread += u64::from(!is_read);
    }

    /// An object of the API, or a journal entry over several lines.
    fn json(&mut self, text: &str, number: u64, sink: Sink<'_>) -> bool {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return false };
        if value.get("__REALTIME_TIMESTAMP").is_some() || value.get("MESSAGE").is_some() {
            let mut hand_on = |line: Line<'_>| sink(Part::Line(line));
            return self.objects.take(text.as_bytes(), number, &mut hand_on).is_ok();
        }
        object::read(&value, number, text, sink);
        true
    }

    /// `journalctl -o verbose`.
    fn verbose(&mut self, text: &str, number: u64, sink: Sink<'_>) -> bool {
        let mut lines = text.lines();
        let _head = lines.next();
        for (at, line) in (1..).zip(lines) {
            let field = line.trim_start();
            if let Some((name, value)) = field.split_once('=') {
                self.entries.set(name.as_bytes(), value.as_bytes(), number + at);
            }
        }
        if let Some(at) = document::verbose_time(text) {
            self.entries.set(b"__REALTIME_TIMESTAMP", at.to_string().as_bytes(), number);
        }
        self.entries.hand_on(&mut |line| sink(Part::Line(line))).is_ok()
    }
}

impl Open {
    fn new(document: Document, text: &str, number: u64) -> Self {
        Self { document, text: text.to_owned(), number, is_cut: false }
    }

    fn append(&mut self, line: &str) {
        if self.text.len() + line.len() >= DOCUMENT_BYTES {
            self.is_cut = true;
            self.text.clear();
        }
        if !self.is_cut {
            self.text.push('\n');
            self.text.push_str(line);
        }
    }
}

/// A line that is no message may be a fragment of one.
fn take(reading: &mut text::Reading, is_in_block: &mut bool, piece: Read<'_>, sink: Sink<'_>) {
    let number = piece.number;
    reading.take(piece, &mut |line| {
        let is_value = *is_in_block && continues_block(line.text);
        *is_in_block = is_value || line.text.ends_with("=<");
        let may_be_bare = !is_value && line.origin == Origin::Any && !bare::is_framed(line.text);
        if let Some(reported) = may_be_bare.then(|| bare::fragment(line.text, number)).flatten() {
            sink(Part::Reported(Box::new(reported)));
        } else {
            sink(Part::Line(line));
        }
    });
}
