//! The child's two pipes: frames out, orders in. Owns: writing, waiting, noticing that the parent
//! is gone. Does not: know what the frames mean.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::super::Request;
use super::super::frame::{self, Note};
use crate::limits;

/// Why the child ends.
pub(in crate::source::journal) enum Stop {
    /// Its pipe is closed: nobody reads.
    ParentGone,
    /// It cannot do its work; the text says what to do.
    Fatal(String),
}

pub(super) struct Talk {
    out: File,
    orders: OwnedFd,
    last_word_at: Instant,
    /// Processor time at the end of the last rest.
    rested_at: Duration,
}

impl Talk {
    /// Takes the standard streams and reads the order.
    pub(super) fn begin() -> std::io::Result<(Self, Request)> {
        let out = std::io::stdout().as_fd().try_clone_to_owned()?;
        let mut orders = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut length = [0; 4];
        orders.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length)).min(limits::FRAME_BYTES as u64);
        let mut bytes = Vec::new();
        Read::by_ref(&mut orders).take(length).read_to_end(&mut bytes)?;
        let request = postcard::from_bytes(&bytes)
            .map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))?;
        let talk = Self {
            out: File::from(out),
            orders: orders.into(),
            last_word_at: Instant::now(),
            rested_at: Duration::ZERO,
        };
        Ok((talk, request))
    }

    /// Writes a frame; waits while the parent does not read.
    pub(super) fn send(&mut self, frame: &[u8]) -> Result<(), Stop> {
        self.out.write_all(frame).map_err(|_| Stop::ParentGone)?;
        self.last_word_at = Instant::now();
        Ok(())
    }

    pub(super) fn note(&mut self, note: &Note) -> Result<(), Stop> {
        self.send(&frame::note(note))
    }

    /// Whether nothing was said for so long.
    pub(super) fn is_quiet_for(&self, time: Duration) -> bool {
        self.last_word_at.elapsed() >= time
    }

    /// Waits until a small frame can be written without waiting: a pipe is writable when it takes a
    /// whole page, and announcement and answer of a single step are far smaller.
    pub(super) fn wait_for_room(&self) -> Result<(), Stop> {
        let mut out = [PollFd::new(&self.out, PollFlags::OUT)];
        while let Err(error) = poll(&mut out, None) {
            if error != rustix::io::Errno::INTR {
                return Err(Stop::ParentGone);
            }
        }
        Ok(())
    }

    /// Waits, unless the parent goes away.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Stop> {
        let limit = Timespec::try_from(time).ok();
        let mut orders = [PollFd::new(&self.orders, PollFlags::IN)];
        match poll(&mut orders, limit.as_ref()) {
            // Nothing more is ever ordered: anything on this pipe is its end.
            Ok(1..) => Err(Stop::ParentGone),
            Ok(0) | Err(_) => Ok(()),
        }
    }

    /// Rests so long that work took no more than `share` of the time since the last rest.
    pub(super) fn rest(&mut self, share: f64) -> Result<(), Stop> {
        let used = clock_gettime(ClockId::ThreadCPUTime);
        let used = Duration::try_from(used).unwrap_or_default();
        let worked = used.saturating_sub(self.rested_at);
        self.rested_at = used;
        if !(share > 0.0 && share < 1.0) {
            return Ok(());
        }
        self.pause(worked.mul_f64((1.0 / share - 1.0).min(100.0)))
    }
}
