//! Secrets over several lines: the body of a key looks like nothing in particular once its lines are
//! apart. Owns what of a stream is still inside one.

use std::collections::BTreeMap;

use super::{Counts, scrub};

/// Streams that are inside a block: more than a handful at a time is nobody's log.
const STREAMS: usize = 64;

/// The longest key that people have: RSA with 16,384 bits, with room.
const LINES: u32 = 400;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Scrubs lines of several streams, in their order.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Lines inside a block so far, by stream.
    inside: BTreeMap<u64, u32>,
}

impl Stream {
    /// The line without its secrets.
    #[must_use]
    pub fn line(&mut self, stream: u64, text: &str) -> String {
        let mut counts = Counts::default();
        if let Some(lines) = self.inside.get_mut(&stream) {
            *lines += 1;
            let is_over = text.contains(END) || text.contains(BEGIN);
            let is_lost = *lines > LINES;
            if is_over || is_lost {
                self.inside.remove(&stream);
            }
            if !is_lost && !text.contains(BEGIN) {
                let rest = text.split_once(END).and_then(|(_, rest)| rest.split_once("-----"));
                let rest = rest.map(|(_, rest)| scrub(rest, &mut counts).into_owned());
                return format!("{}{}", super::rules::MARK, rest.unwrap_or_default());
            }
        }
        let behind = text.rsplit_once(BEGIN).map(|(_, behind)| behind);
        if behind.is_some_and(|behind| !behind.contains(END)) && self.inside.len() < STREAMS {
            self.inside.insert(stream, 0);
        }
        scrub(text, &mut counts).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_over_many_lines_is_gone_with_every_line_and_nothing_else_is() {
        let mut stream = Stream::default();
        let mut told = |line| stream.line(1, line);
        assert_eq!(told("loading -----BEGIN EC PRIVATE KEY-----"), "loading REDACTED");
        assert_eq!(told("MHcCAQEEIA=="), "REDACTED");
        assert_eq!(told("-----END EC PRIVATE KEY----- done"), "REDACTED done");
        assert_eq!(told("it goes on"), "it goes on");
    }

    #[test]
    fn streams_do_not_hide_each_others_lines_and_a_block_without_end_ends() {
        let mut stream = Stream::default();
        assert_eq!(stream.line(1, "-----BEGIN RSA PRIVATE KEY-----"), "REDACTED");
        assert_eq!(stream.line(2, "another"), "another");
        for _ in 0..LINES {
            assert_eq!(stream.line(1, "x"), "REDACTED");
        }
        assert_eq!(stream.line(1, "at last"), "at last");
    }
}
