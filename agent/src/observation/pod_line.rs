//! A line of a container's log as any runtime frames it. Owns telling the forms apart.

use std::borrow::Cow;

use podwhy_parser::{
    cri_log::{self, Stream},
    docker,
};

use crate::source::Micros;

/// What a process wrote, or a part of one of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) at: Option<Micros>,
    pub(crate) stream: Stream,
    /// The line goes on in the next piece of this stream.
    pub(crate) is_partial: bool,
    pub(crate) content: Cow<'a, str>,
}

impl<'a> Piece<'a> {
    /// `None` for a line without a frame.
    pub(crate) fn of(line: &'a str) -> Option<Self> {
        if let Some(line) = cri_log::Line::parse(line) {
            return Some(Self {
                at: line.stamp.epoch_micros(),
                stream: line.stream,
                is_partial: line.is_partial,
                content: Cow::Borrowed(line.content),
            });
        }
        let line = docker::Line::parse(line)?;
        Some(Self {
            at: line.stamp.epoch_micros(),
            stream: line.stream,
            is_partial: line.is_partial,
            content: Cow::Owned(line.content.chars().collect()),
        })
    }
}
