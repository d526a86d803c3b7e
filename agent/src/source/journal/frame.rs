//! The pipe between the reader child and the agent: length-prefixed frames on the child's output.
//! Owns: their encoding and its bounds. Does not: read the pipe or judge entries.
//!
//! ```text
//! frame  = kind:u8 length:u32 payload         (little-endian)
//! batch  = entry* trailer length-of-trailer:u32     entry = head(36) message
//! note   = postcard
//! ```

use std::io::Write;

use podwhy_parser::Origin;
use serde::{Deserialize, Serialize};

use super::trust::{Fields, UnitIndex};
use crate::limits;
use crate::source::{Loss, Micros};

const HEAD_BYTES: usize = 5;
const KIND_NOTE: u8 = 1;
const KIND_BATCH: u8 = 2;

/// at 8, boot 8, stream 8, pid 4, length 4, unit 2, origin 1, flags 1.
const ENTRY_BYTES: usize = 36;
const FLAG_CUT: u8 = 1;

/// Origins by their number in a frame.
const ORIGINS: [Origin; 8] = [
    Origin::Any,
    Origin::Kubelet,
    Origin::Containerd,
    Origin::Crio,
    Origin::Docker,
    Origin::Kernel,
    Origin::Journald,
    Origin::Systemd,
];

/// The number of an origin, in frames and counters.
pub(super) fn origin_index(origin: Origin) -> u8 {
    let place = ORIGINS.iter().position(|known| *known == origin);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
}

/// What the child says besides batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Note {
    /// The journal is open.
    Open,
    /// At least once a second. With `caught_up`, everything that existed at this time was handed on.
    Alive { at: Micros, caught_up: bool },
    /// Something is missing; with a cursor, reading goes on after that entry.
    Lost { loss: Loss, after: Option<String> },
    /// Single steps: this entry is now read.
    Trying { cursor: String },
    /// Single steps: it was read.
    Survived,
    /// The child gives up; `why` tells what to do.
    Fatal { why: String },
}

/// What a batch tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trailer {
    /// Cursor of the last entry that was looked at.
    pub(super) cursor: String,
    /// Its time.
    pub(super) at: Micros,
    /// Entries that claimed to be ours and were not believed.
    pub(super) untrusted: u32,
    /// Entries of ours that have no message, and never will.
    pub(super) without_message: u32,
    /// Calls that failed for a while and then went on (J6, J7).
    pub(super) transient: u32,
    /// Entries of ours whose message could not be read.
    pub(super) unreadable: Option<Unreadable>,
}

/// Entries that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unreadable {
    pub(super) count: u32,
    pub(super) from: Micros,
    pub(super) to: Micros,
    pub(super) why: String,
}

/// A note as a frame.
pub(super) fn note(note: &Note) -> Vec<u8> {
    let payload = postcard::to_stdvec(note).unwrap_or_default();
    let mut frame = head(KIND_NOTE, payload.len()).to_vec();
    frame.extend_from_slice(&payload);
    frame
}

fn head(kind: u8, length: usize) -> [u8; HEAD_BYTES] {
    // A frame beyond u32 cannot be built: every part is bounded. The peer refuses it anyway.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind, a, b, c, d]
}

/// Builds one batch after the other in one buffer. Of each entry the message goes straight from
/// libsystemd's memory to its place.
#[derive(Debug, Default)]
pub(super) struct Builder {
    /// Frame head, then finished entries, then the entry under way.
    bytes: Vec<u8>,
    /// Where the entry under way begins.
    entry_at: usize,
    has_message: bool,
    cut: bool,
    /// When the last entry that is kept was received.
    last_at: Option<Micros>,
    /// Entries that are kept.
    pub(super) entries: u32,
    /// What the batch will tell about itself.
    pub(super) trailer: Trailer,
}

impl Builder {
    /// Begins an entry; whatever is still under way is forgotten.
    pub(super) fn begin(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEAD_BYTES, 0);
            self.entry_at = HEAD_BYTES;
        }
        self.bytes.truncate(self.entry_at);
        self.bytes.resize(self.entry_at + ENTRY_BYTES, 0);
        self.has_message = false;
        self.cut = false;
    }

    /// The entry's message. A field may repeat (J4): the first counts, as in `journalctl`.
    pub(super) fn message(&mut self, message: &[u8]) {
        if self.has_message {
            return;
        }
        let kept = message.get(..limits::LINE_BYTES).unwrap_or(message);
        self.bytes.extend_from_slice(kept);
        self.cut = kept.len() < message.len();
        self.has_message = true;
    }

    pub(super) fn has_message(&self) -> bool {
        self.has_message
    }

    /// The message of the entry under way, as far as it is kept.
    pub(super) fn message_so_far(&self) -> &[u8] {
        self.bytes.get(self.entry_at + ENTRY_BYTES..).unwrap_or_default()
    }

    /// Keeps the entry under way.
    pub(super) fn keep(&mut self, at: Micros, origin: Origin, unit: UnitIndex, fields: &Fields) {
        let message_bytes = self.bytes.len().saturating_sub(self.entry_at + ENTRY_BYTES);
        let message_bytes = u32::try_from(message_bytes).unwrap_or(0);
        let flags = if fields.cut || self.cut { FLAG_CUT } else { 0 };
        if let Some(mut head) = self.bytes.get_mut(self.entry_at..) {
            // Writing into a slice that is long enough cannot fail: `begin` made the room.
            let _ = head.write_all(&at.to_le_bytes());
            let _ = head.write_all(&fields.boot.to_le_bytes());
            let _ = head.write_all(&fields.stream().to_le_bytes());
            let _ = head.write_all(&fields.pid.to_le_bytes());
            let _ = head.write_all(&message_bytes.to_le_bytes());
            let _ = head.write_all(&unit.to_le_bytes());
            let _ = head.write_all(&[origin_index(origin), flags]);
        }
        self.entry_at = self.bytes.len();
        self.last_at = Some(at);
        self.entries += 1;
    }

    /// When the first entry that is kept was received.
    pub(super) fn first_at(&self) -> Option<Micros> {
        let mut entries = self.bytes.get(HEAD_BYTES..self.entry_at)?;
        next_entry(&mut entries).map(|entry| entry.at)
    }

    /// When the last one was.
    pub(super) fn last_at(&self) -> Option<Micros> {
        self.last_at.filter(|_| self.entries > 0)
    }

    /// Whether it is time to send.
    pub(super) fn is_full(&self) -> bool {
        self.entry_at >= limits::BATCH_BYTES || self.entries >= limits::BATCH_ENTRIES
    }

    /// The finished frame. `clear` before the next batch.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.begin();
        self.bytes.truncate(self.entry_at);
        let trailer = postcard::to_stdvec(&self.trailer).unwrap_or_default();
        self.bytes.extend_from_slice(&trailer);
        let length = u32::try_from(trailer.len()).unwrap_or(0);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        let head = head(KIND_BATCH, self.bytes.len() - HEAD_BYTES);
        if let Some(place) = self.bytes.get_mut(..HEAD_BYTES) {
            place.copy_from_slice(&head);
        }
        &self.bytes
    }

    /// Forgets everything but the buffer.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entry_at = 0;
        self.entries = 0;
        self.trailer = Trailer::default();
        if self.bytes.capacity() > 2 * limits::BATCH_BYTES {
            // One line of a megabyte must not be paid for ever after.
            self.bytes = Vec::with_capacity(limits::BATCH_BYTES);
        }
    }
}

/// A frame as it came out of the pipe.
#[derive(Debug)]
pub(super) enum Frame {
    Note(Note),
    /// The payload; `open_batch` reads it.
    Batch(Vec<u8>),
}

/// What cannot be a frame: the child is broken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFrame {
    #[error("a frame of {0} bytes")]
    TooLarge(usize),
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
    #[error("a note that cannot be read")]
    Note,
}

/// Puts frames together from whatever pieces the pipe gives.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    head: [u8; HEAD_BYTES],
    /// `Some` once the head is complete. Its length is the payload's.
    payload: Option<Vec<u8>>,
    filled: usize,
}

impl Assembler {
    /// Where the next bytes go.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let part = match &mut self.payload {
            Some(payload) => payload.as_mut_slice(),
            None => self.head.as_mut_slice(),
        };
        part.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes note of `bytes` more; `buffer` gives the room for a payload.
    pub(super) fn advance(
        &mut self,
        bytes: usize,
        buffer: impl FnOnce() -> Vec<u8>,
    ) -> Result<Option<Frame>, BadFrame> {
        self.filled += bytes;
        let [kind, length @ ..] = self.head;
        if self.payload.is_none() && self.filled == HEAD_BYTES {
            let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
            if length > limits::FRAME_BYTES {
                return Err(BadFrame::TooLarge(length));
            }
            let mut payload = buffer();
            payload.resize(length, 0);
            self.payload = Some(payload);
            self.filled = 0;
        }
        match self.payload.take_if(|payload| payload.len() == self.filled) {
            None => Ok(None),
            Some(payload) => {
                self.filled = 0;
                match kind {
                    KIND_BATCH => Ok(Some(Frame::Batch(payload))),
                    KIND_NOTE => postcard::from_bytes(&payload)
                        .map(|note| Some(Frame::Note(note)))
                        .map_err(|_| BadFrame::Note),
                    other => Err(BadFrame::Kind(other)),
                }
            }
        }
    }
}

/// A batch's trailer, and how many bytes of entries come before it.
pub(super) fn open_batch(payload: &[u8]) -> Option<(Trailer, usize)> {
    let (rest, length) = payload.split_last_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let entries_bytes = rest.len().checked_sub(length)?;
    let trailer = postcard::from_bytes(rest.get(entries_bytes..)?).ok()?;
    Some((trailer, entries_bytes))
}

/// One entry of a batch, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) at: Micros,
    pub(super) boot: u64,
    pub(super) stream: u64,
    pub(super) pid: u32,
    pub(super) unit: UnitIndex,
    pub(super) origin: Origin,
    pub(super) cut: bool,
    pub(super) message: &'a [u8],
}

/// Takes the first entry off `bytes`.
pub(super) fn next_entry<'a>(bytes: &mut &'a [u8]) -> Option<Entry<'a>> {
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    let (boot, rest) = rest.split_first_chunk::<8>()?;
    let (stream, rest) = rest.split_first_chunk::<8>()?;
    let (pid, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (unit, rest) = rest.split_first_chunk::<2>()?;
    let ([origin, flags], rest) = rest.split_first_chunk::<2>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (message, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Entry {
        at: i64::from_le_bytes(*at),
        boot: u64::from_le_bytes(*boot),
        stream: u64::from_le_bytes(*stream),
        pid: u32::from_le_bytes(*pid),
        unit: u16::from_le_bytes(*unit),
        origin: *ORIGINS.get(usize::from(*origin))?,
        cut: flags & FLAG_CUT != 0,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::journal::trust::NO_UNIT;

    fn assemble(mut bytes: &[u8], piece: usize) -> Result<Vec<Frame>, BadFrame> {
        let (mut assembler, mut frames) = (Assembler::default(), vec![]);
        while !bytes.is_empty() {
            let room = assembler.room();
            let n = room.len().min(piece).min(bytes.len());
            room[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            frames.extend(assembler.advance(n, Vec::new)?);
        }
        Ok(frames)
    }

    fn three_entries() -> Builder {
        let mut builder = Builder::default();
        for (number, message) in [(1, &b"one"[..]), (2, b""), (3, b"\xff\0three")] {
            builder.begin();
            builder.message(message);
            builder.message(b"a second MESSAGE");
            let mut fields = Fields::UNKNOWN;
            (fields.pid, fields.boot, fields.cut) = (7, 9, number == 2);
            builder.keep(number, Origin::Kubelet, 5, &fields);
        }
        builder.begin();
        builder.message(b"not kept");
        builder
    }

    #[test]
    fn a_batch_comes_out_as_it_went_in_whatever_the_pieces() {
        let mut builder = three_entries();
        builder.trailer.cursor = "s=1;i=2".to_owned();
        let bytes = builder.finish().to_vec();
        for piece in [1, 2, 7, 4096] {
            let frames = assemble(&bytes, piece).unwrap();
            let [Frame::Batch(payload)] = frames.as_slice() else { panic!("{frames:?}") };
            let (trailer, entries_bytes) = open_batch(payload).unwrap();
            assert_eq!(trailer.cursor, "s=1;i=2");
            let mut entries = &payload[..entries_bytes];
            let seen: Vec<_> = std::iter::from_fn(|| next_entry(&mut entries)).collect();
            assert!(entries.is_empty());
            let told: Vec<_> = seen.iter().map(|e| (e.at, e.message, e.cut)).collect();
            let expected: [(i64, &[u8], bool); 3] =
                [(1, b"one", false), (2, b"", true), (3, b"\xff\0three", false)];
            assert_eq!(told, expected);
            assert!(seen.iter().all(|e| (e.pid, e.boot, e.unit) == (7, 9, 5)));
            assert!(seen.iter().all(|e| e.origin == Origin::Kubelet));
        }
    }

    #[test]
    fn a_line_beyond_the_bound_is_cut_and_says_so() {
        let mut builder = Builder::default();
        for extra in [0, 1] {
            builder.begin();
            builder.message(&vec![b'x'; limits::LINE_BYTES + extra]);
            builder.keep(0, Origin::Kernel, NO_UNIT, &Fields::UNKNOWN);
        }
        let payload = builder.finish()[HEAD_BYTES..].to_vec();
        let mut entries = payload.as_slice();
        let first = next_entry(&mut entries).unwrap();
        let second = next_entry(&mut entries).unwrap();
        assert_eq!((first.message.len(), first.cut), (limits::LINE_BYTES, false));
        assert_eq!((second.message.len(), second.cut), (limits::LINE_BYTES, true));
        assert!(builder.is_full());
        builder.clear();
        assert!(!builder.is_full());
    }

    #[test]
    fn notes_and_batches_follow_each_other() {
        let alive = Note::Alive { at: 5, caught_up: true };
        let mut bytes = note(&alive);
        bytes.extend_from_slice(three_entries().finish());
        bytes.extend(note(&Note::Survived));
        let frames = assemble(&bytes, 3).unwrap();
        assert_eq!(frames.len(), 3);
        assert!(matches!(&frames[0], Frame::Note(seen) if *seen == alive), "{frames:?}");
    }

    #[test]
    fn a_broken_child_is_an_error_and_takes_no_memory() {
        assert_eq!(assemble(&[9, 1, 0, 0, 0, 7], 6).unwrap_err(), BadFrame::Kind(9));
        let large = assemble(&[KIND_BATCH, 255, 255, 255, 255], 5).unwrap_err();
        assert_eq!(large, BadFrame::TooLarge(0xffff_ffff));
        assert_eq!(assemble(&[KIND_NOTE, 1, 0, 0, 0, 99], 6).unwrap_err(), BadFrame::Note);
        assert_eq!(open_batch(&[]), None);
        assert_eq!(open_batch(&[255, 255, 255, 255]), None);
    }

    #[test]
    fn any_bytes_as_entries_end() {
        let payload = three_entries().finish().to_vec();
        for end in 0..payload.len() {
            for start in 0..end {
                let mut entries = &payload[start..end];
                while next_entry(&mut entries).is_some() {}
            }
        }
    }
}
