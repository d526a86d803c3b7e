//! The end of a log: bytes of the current file and, where that holds too little, of those rotated
//! away before it; then lines, with the pieces of one line joined. Owns no choice of lines.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use flate2::read::MultiGzDecoder;
use podwhy_parser::{
    cri_log::{self, Stream},
    docker,
};

use crate::{limits, observation::pod_line::Piece, source::Micros};

/// The end of one file.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// Nothing of the file lies before it.
    pub(super) is_whole: bool,
}

/// The last `most` bytes of a file.
pub(super) fn plain(mut file: File, most: usize) -> io::Result<Chunk> {
    let length = file.metadata()?.len();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let from = length.saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Chunk { bytes, is_whole: from == 0 })
}

/// The last `most` bytes of what a compressed file holds. There is no seeking in it.
pub(super) fn compressed(file: File, most: usize) -> io::Result<Chunk> {
    let mut decoder = MultiGzDecoder::new(file).take(limits::LAST_WORDS_INFLATED_BYTES);
    let mut kept = VecDeque::new();
    let mut is_whole = true;
    let mut buffer = vec![0; 16 * 1024];
    let mut total = 0;
    loop {
        let read = decoder.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        total += u64::try_from(read).unwrap_or(u64::MAX);
        kept.extend(buffer.iter().take(read));
        if kept.len() > most {
            kept.drain(..kept.len() - most);
            is_whole = false;
        }
    }
    if total >= limits::LAST_WORDS_INFLATED_BYTES {
        return Err(io::Error::other("it holds more than is unpacked"));
    }
    Ok(Chunk { bytes: kept.into(), is_whole })
}

/// Time of the first line of a file.
pub(super) fn begins(mut file: File, is_compressed: bool) -> Option<Micros> {
    let mut head = Vec::new();
    if is_compressed {
        MultiGzDecoder::new(file)
            .take(limits::LAST_WORDS_HEAD_BYTES)
            .read_to_end(&mut head)
            .ok()?;
    } else {
        file.seek(SeekFrom::Start(0)).ok()?;
        file.take(limits::LAST_WORDS_HEAD_BYTES).read_to_end(&mut head).ok()?;
    }
    let line = head.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    if let Some(line) = cri_log::Line::parse(&line) {
        return line.stamp.epoch_micros();
    }
    // The head of a long line of docker's is no whole JSON: its time stands at its end.
    docker::Line::parse(&line)?.stamp.epoch_micros()
}

/// What a process said, in its order.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) lines: Vec<String>,
    /// When the newest of it was written.
    pub(super) last_at: Option<Micros>,
}

/// Reads chunks, oldest first, as one text.
pub(super) fn said(chunks: &[Chunk]) -> Said {
    let mut said = Said::default();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut is_framed = false;
    for chunk in chunks {
        let text = String::from_utf8_lossy(&chunk.bytes);
        let lines = text.split_inclusive('\n').skip(usize::from(!chunk.is_whole));
        for line in lines {
            let (line, is_torn) = match line.strip_suffix('\n') {
                Some(line) => (line, false),
                None => (line, true),
            };
            let Some(piece) = Piece::of(line) else {
                // A copy without frames, or a driver that we do not know; but half of a frame is one
                // that is being written.
                let is_half = is_torn && is_framed;
                if !line.is_empty() && !is_half {
                    said.lines.push(line.to_owned());
                }
                continue;
            };
            is_framed = true;
            said.last_at = piece.at.or(said.last_at);
            let pending = match piece.stream {
                Stream::Stdout => &mut stdout,
                Stream::Stderr => &mut stderr,
            };
            pending.push_str(&piece.content);
            if !piece.is_partial {
                said.lines.push(std::mem::take(pending));
            }
        }
    }
    // It died in the middle of a line.
    said.lines.extend([stdout, stderr].into_iter().filter(|rest| !rest.is_empty()));
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &str, is_whole: bool) -> Chunk {
        Chunk { bytes: text.as_bytes().to_vec(), is_whole }
    }

    #[test]
    fn half_of_a_line_that_is_being_written_is_nothing_that_was_said() {
        let line = "2026-03-17T10:02:07.412377Z stderr F bad flag\n";
        let said = |chunks: &[Chunk]| said(chunks).lines;
        assert_eq!(said(&[chunk(line, true), chunk("2026-03-17T10:0", true)]), ["bad flag"]);
        let halved = format!("10:02:07Z stderr F cut\n{line}");
        assert_eq!(said(&[chunk(line, true), chunk(&halved, false)]), ["bad flag", "bad flag"]);
        assert_eq!(said(&[chunk("no frame\nat all", true)]), ["no frame", "at all"]);
    }
}
