//! One open file, read line by line. Owns its buffer, and telling that the file was emptied or
//! written anew behind our back. Knows nothing of names.

use std::{
    fs::File,
    io::{self, Read as _},
    ops::Range,
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use flate2::read::MultiGzDecoder;
use memchr::memchr;
use tokio::time::Instant;

use super::mark::{HEAD, Id, Mark, TAIL, digest};
use crate::limits;

/// An open file.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) id: Id,
    input: Input,
    /// Bytes of the file from `offset` on: those before `begin` are handed on.
    buffer: Vec<u8>,
    begin: usize,
    /// Up to here there is no line feed behind `begin`.
    seen: usize,
    offset: u64,
    /// The first bytes, as they were when they were read.
    head: Vec<u8>,
    is_skipping: bool,
    /// The line that cannot be kept whole goes on: passed over so far.
    passed_bytes: u64,
    pub(super) is_at_end: bool,
    /// Nothing more is expected: what is left without a line feed is a line.
    pub(super) is_closing: bool,
    pub(super) links: u64,
    /// When it was last written to, in nanoseconds.
    pub(super) modified: i64,
    /// Since when it has not grown.
    pub(super) quiet_since: Option<Instant>,
}

#[derive(Debug)]
enum Input {
    Plain(File),
    Packed(Box<MultiGzDecoder<File>>),
    /// What is left of a file that was emptied.
    Gone,
}

/// A line in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    range: Range<usize>,
    next: usize,
    /// It is longer than this.
    pub(super) is_cut: bool,
    /// Its end is not read yet.
    goes_on: bool,
}

/// What came of reading on.
#[derive(Debug)]
pub(super) enum Filled {
    More,
    End,
    /// It is not the file that was read so far: emptied, and perhaps written to since.
    Replaced,
}

impl Growing {
    /// From its beginning.
    pub(super) fn plain(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self::new(Id::of(&metadata), Input::Plain(file), metadata.mtime_nsec_total()))
    }

    /// From the beginning of what is packed in it.
    pub(super) fn packed(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let decoder = Box::new(MultiGzDecoder::new(file));
        Ok(Self::new(Id::of(&metadata), Input::Packed(decoder), metadata.mtime_nsec_total()))
    }

    fn new(id: Id, input: Input, modified: i64) -> Self {
        Self {
            id,
            input,
            buffer: Vec::new(),
            begin: 0,
            seen: 0,
            offset: 0,
            head: Vec::new(),
            is_skipping: false,
            passed_bytes: 0,
            is_at_end: false,
            is_closing: false,
            links: 1,
            modified,
            quiet_since: None,
        }
    }

    /// What is left of this one, which begins anew.
    pub(super) fn split_off_rest(&mut self) -> Self {
        let mut rest = Self::new(self.id, Input::Gone, self.modified);
        let held = self.buffer.get(self.begin..).unwrap_or_default();
        rest.buffer = if self.is_skipping { Vec::new() } else { held.to_vec() };
        rest.is_closing = true;
        rest.links = 0;
        self.buffer.clear();
        (self.begin, self.seen, self.offset) = (0, 0, 0);
        (self.is_skipping, self.passed_bytes) = (false, 0);
        self.head.clear();
        self.is_at_end = false;
        rest
    }

    /// Goes to the place that the mark names, where this is its file.
    pub(super) fn go_to(mut self, mark: &Mark) -> io::Result<Option<Self>> {
        if mark.offset == 0 && matches!(self.input, Input::Packed(_)) {
            while self.head.len() < usize::from(mark.head.0) {
                if !matches!(self.fill_packed()?, Filled::More) {
                    break;
                }
            }
            return Ok(mark.is_head(&self.head).then_some(self));
        }
        let tail = match &self.input {
            Input::Plain(file) => {
                if file.metadata()?.len() < mark.offset {
                    return Ok(None);
                }
                let head = read_at(file, 0, usize::from(mark.head.0))?;
                let tail = read_at(file, mark.tail_from(), usize::from(mark.tail.0))?;
                if !mark.is_head(&head) {
                    return Ok(None);
                }
                let begins = usize::try_from(mark.offset).unwrap_or(HEAD).min(HEAD);
                self.head = read_at(file, 0, begins)?;
                tail
            }
            Input::Packed(_) => match self.unpack_to(mark)? {
                Some(tail) => tail,
                None => return Ok(None),
            },
            Input::Gone => return Ok(None),
        };
        if !mark.is_tail(&tail) {
            return Ok(None);
        }
        self.offset = mark.tail_from();
        (self.begin, self.seen) = (tail.len(), tail.len());
        self.buffer = tail;
        self.is_skipping = mark.is_skipping;
        Ok(Some(self))
    }

    /// Reads up to the mark; gives the bytes before it.
    fn unpack_to(&mut self, mark: &Mark) -> io::Result<Option<Vec<u8>>> {
        let Input::Packed(decoder) = &mut self.input else { return Ok(None) };
        let mut at = 0;
        let mut kept: Vec<u8> = Vec::new();
        let mut chunk = vec![0; limits::FOLLOW_CHUNK_BYTES];
        while at < mark.offset {
            let wanted = usize::try_from(mark.offset - at).unwrap_or(usize::MAX).min(chunk.len());
            let Some(room) = chunk.get_mut(..wanted) else { break };
            let read = decoder.read(room)?;
            if read == 0 {
                return Ok(None);
            }
            at += u64::try_from(read).unwrap_or_default();
            let bytes = chunk.get(..read).unwrap_or_default();
            grow_head(&mut self.head, bytes);
            if self.head.len() >= usize::from(mark.head.0) && !mark.is_head(&self.head) {
                return Ok(None);
            }
            kept.extend_from_slice(bytes);
            let superfluous = kept.len().saturating_sub(TAIL);
            kept.drain(..superfluous);
        }
        let superfluous = kept.len().saturating_sub(usize::from(mark.tail.0));
        kept.drain(..superfluous);
        Ok(mark.is_head(&self.head).then_some(kept))
    }

    /// The last `most` bytes alone count, from the first whole line in them on.
    pub(super) fn go_near_end(mut self, most: u64) -> io::Result<Self> {
        let from = self.size_of_all()?.saturating_sub(most);
        if from == 0 {
            return Ok(self);
        }
        let tail = TAIL.min(usize::try_from(from).unwrap_or(TAIL));
        let before = from - u64::try_from(tail).unwrap_or_default();
        self.buffer = match &self.input {
            Input::Plain(file) => {
                let begins = usize::try_from(from).unwrap_or(HEAD).min(HEAD);
                self.head = read_at(file, 0, begins)?;
                read_at(file, before, tail)?
            }
            Input::Packed(_) => self.unpack_before(from, tail)?,
            Input::Gone => return Ok(self),
        };
        self.offset = before;
        (self.begin, self.seen) = (self.buffer.len(), self.buffer.len());
        self.is_skipping = true;
        Ok(self)
    }

    /// What it holds behind the place, unpacked, as far as can be told without unpacking.
    pub(super) fn size(&self) -> u64 {
        self.size_of_all().unwrap_or(u64::MAX).saturating_sub(self.position())
    }

    fn size_of_all(&self) -> io::Result<u64> {
        match &self.input {
            Input::Plain(file) => Ok(file.metadata()?.len()),
            Input::Packed(decoder) => {
                // The last four bytes tell it, for the last of several members at least.
                let file = decoder.get_ref();
                let end = file.metadata()?.len();
                let size = read_at(file, end.saturating_sub(4), 4)?;
                let size: [u8; 4] = size.try_into().map_err(|_| io::ErrorKind::UnexpectedEof)?;
                Ok(u64::from(u32::from_le_bytes(size)))
            }
            Input::Gone => Ok(0),
        }
    }

    /// Passes over the bytes before this place; gives the last `kept` of them.
    fn unpack_before(&mut self, from: u64, kept: usize) -> io::Result<Vec<u8>> {
        let Input::Packed(decoder) = &mut self.input else { return Ok(Vec::new()) };
        let mut passed = decoder.by_ref().take(from);
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; limits::FOLLOW_CHUNK_BYTES]);
        loop {
            let read = passed.read(&mut chunk)?;
            if read == 0 {
                return Ok(bytes);
            }
            let new = chunk.get(..read).unwrap_or_default();
            grow_head(&mut self.head, new);
            bytes.extend_from_slice(new);
            let superfluous = bytes.len().saturating_sub(kept);
            bytes.drain(..superfluous);
        }
    }

    /// How far it was handed on.
    pub(super) fn mark(&self) -> Mark {
        let handed_on = self.buffer.get(..self.begin).unwrap_or_default();
        let tail = handed_on.get(handed_on.len().saturating_sub(TAIL)..).unwrap_or_default();
        let offset = self.position();
        if offset == 0
            && let Some(whole) = self.whole_mark()
        {
            // Nothing else would tell it from another that is not begun.
            return Mark { offset: 0, tail: digest(&[]), is_at_end: self.is_at_end, ..whole };
        }
        let length = usize::try_from(offset).unwrap_or(HEAD).min(HEAD);
        Mark {
            id: self.id,
            offset,
            head: digest(self.head.get(..length).unwrap_or(&self.head)),
            tail: digest(tail),
            is_skipping: self.is_skipping,
            is_at_end: self.is_at_end,
        }
    }

    /// The mark of all that a plain file holds now, read or not.
    pub(super) fn whole_mark(&self) -> Option<Mark> {
        let file = self.file()?;
        let offset = file.metadata().ok()?.len();
        let length = |most: usize| usize::try_from(offset).unwrap_or(most).min(most);
        let before = offset - u64::try_from(length(TAIL)).ok()?;
        Some(Mark {
            id: self.id,
            offset,
            head: digest(&read_at(file, 0, length(HEAD)).ok()?),
            tail: digest(&read_at(file, before, length(TAIL)).ok()?),
            is_skipping: false,
            is_at_end: true,
        })
    }

    /// Bytes that are handed on.
    pub(super) fn position(&self) -> u64 {
        self.offset + u64::try_from(self.begin).unwrap_or_default()
    }

    /// Nothing is left in it.
    pub(super) fn is_spent(&self) -> bool {
        self.begin >= self.buffer.len() || self.is_skipping
    }

    /// There is more behind what is handed on. `true` where that cannot be told.
    pub(super) fn has_more(&self) -> bool {
        let end = self.file().and_then(|file| file.metadata().ok()).map(|it| it.len());
        end.is_none_or(|end| end > self.position())
    }

    pub(super) const fn is_packed(&self) -> bool {
        !matches!(self.input, Input::Plain(_))
    }

    pub(super) const fn file(&self) -> Option<&File> {
        match &self.input {
            Input::Plain(file) => Some(file),
            _ => None,
        }
    }

    /// The next line of the buffer, with at most `bound` bytes of it.
    pub(super) fn find(&mut self, bound: usize) -> Option<Found> {
        loop {
            let end = memchr(b'\n', self.buffer.get(self.seen..)?).map(|at| self.seen + at);
            if let Some(end) = end {
                if std::mem::replace(&mut self.is_skipping, false) {
                    self.pass(end - self.begin);
                    self.move_to(end + 1);
                    continue;
                }
                let kept = (end - self.begin).min(bound);
                let range = self.begin..self.begin + kept;
                let is_cut = range.end < end;
                return Some(Found { range, next: end + 1, is_cut, goes_on: false });
            }
            let end = self.buffer.len();
            if self.is_skipping {
                self.pass(end - self.begin);
                self.move_to(end);
                return None;
            }
            self.seen = end;
            let length = end - self.begin;
            if length > bound {
                let range = self.begin..self.begin + bound;
                let next = range.end;
                return Some(Found { range, next, is_cut: true, goes_on: true });
            }
            if self.is_closing && self.is_at_end && length > 0 {
                return Some(Found {
                    range: self.begin..end,
                    next: end,
                    is_cut: false,
                    goes_on: false,
                });
            }
            return None;
        }
    }

    pub(super) fn bytes(&self, found: &Found) -> &[u8] {
        self.buffer.get(found.range.clone()).unwrap_or_default()
    }

    /// The line is handed on.
    pub(super) fn take(&mut self, found: &Found) {
        if found.is_cut && !found.goes_on {
            self.pass((found.next - found.range.end).saturating_sub(1));
        }
        self.is_skipping = found.goes_on;
        self.move_to(found.next);
    }

    fn pass(&mut self, bytes: usize) {
        self.passed_bytes += u64::try_from(bytes).unwrap_or_default();
    }

    /// Bytes of lines that were too long, since the last call; only once such a line is over.
    pub(super) fn passed_over(&mut self) -> u64 {
        if self.is_skipping { 0 } else { std::mem::take(&mut self.passed_bytes) }
    }

    fn move_to(&mut self, next: usize) {
        (self.begin, self.seen) = (next, next);
    }

    /// Reads on.
    pub(super) fn fill(&mut self) -> io::Result<Filled> {
        let superfluous = self.begin.saturating_sub(TAIL);
        if superfluous > 0 {
            self.buffer.drain(..superfluous);
            self.offset += u64::try_from(superfluous).unwrap_or_default();
            self.begin -= superfluous;
            self.seen -= superfluous;
        }
        let filled = match &self.input {
            Input::Plain(_) => self.fill_plain()?,
            Input::Packed(_) => self.fill_packed()?,
            Input::Gone => Filled::End,
        };
        self.is_at_end = matches!(filled, Filled::End);
        match filled {
            Filled::End if self.buffer.capacity() > 2 * (self.buffer.len() + TAIL) => {
                self.buffer.shrink_to_fit();
            }
            Filled::More => self.quiet_since = None,
            Filled::End | Filled::Replaced => {}
        }
        Ok(filled)
    }

    fn fill_plain(&mut self) -> io::Result<Filled> {
        let Input::Plain(file) = &self.input else { return Ok(Filled::End) };
        let metadata = file.metadata()?;
        self.links = metadata.nlink();
        let modified = metadata.mtime_nsec_total();
        let has_changed = std::mem::replace(&mut self.modified, modified) != modified;
        let end = self.offset + u64::try_from(self.buffer.len()).unwrap_or_default();
        if metadata.len() < end {
            return Ok(Filled::Replaced);
        }
        let is_new = metadata.len() > end;
        if !is_new && !has_changed {
            return Ok(Filled::End);
        }
        let held = self.buffer.len();
        let known = held.saturating_sub(TAIL);
        let tail = held - known;
        let more = usize::try_from(metadata.len() - end).unwrap_or(usize::MAX);
        let wanted = tail + more.min(limits::FOLLOW_CHUNK_BYTES);
        let from = end - u64::try_from(tail).unwrap_or_default();
        let read = read_at(file, from, wanted)?;
        if read.get(..tail) != self.buffer.get(known..) {
            return Ok(Filled::Replaced);
        }
        let bytes = read.get(tail..).unwrap_or_default();
        if u64::try_from(self.head.len()).unwrap_or_default() == end {
            grow_head(&mut self.head, bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(if self.buffer.len() > held { Filled::More } else { Filled::End })
    }

    fn fill_packed(&mut self) -> io::Result<Filled> {
        let Input::Packed(decoder) = &mut self.input else { return Ok(Filled::End) };
        let mut chunk = vec![0; limits::FOLLOW_CHUNK_BYTES];
        let read = decoder.read(&mut chunk)?;
        let bytes = chunk.get(..read).unwrap_or_default();
        grow_head(&mut self.head, bytes);
        self.buffer.extend_from_slice(bytes);
        Ok(if read == 0 { Filled::End } else { Filled::More })
    }
}

fn grow_head(head: &mut Vec<u8>, bytes: &[u8]) {
    let room = HEAD.saturating_sub(head.len()).min(bytes.len());
    head.extend_from_slice(bytes.get(..room).unwrap_or_default());
}

/// At most `length` bytes from here on; fewer at the end.
pub(super) fn read_at(file: &File, from: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut read = 0;
    while let Some(room) = bytes.get_mut(read..).filter(|room| !room.is_empty()) {
        match file.read_at(room, from + u64::try_from(read).unwrap_or_default()) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// The time of the last change as one number.
trait Nanoseconds {
    fn mtime_nsec_total(&self) -> i64;
}

impl Nanoseconds for std::fs::Metadata {
    fn mtime_nsec_total(&self) -> i64 {
        self.mtime().saturating_mul(1_000_000_000).saturating_add(self.mtime_nsec())
    }
}
