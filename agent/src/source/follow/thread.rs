//! The thread of a source that follows files: ended with it, and left alone where it hangs in a file
//! system that never answers. Owns no file.

use std::{io, os::fd::OwnedFd, sync::mpsc, thread};

use crate::limits;

/// A running thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Thread {
    name: &'static str,
    stop: Option<OwnedFd>,
    ended: mpsc::Receiver<()>,
}

impl Thread {
    /// Runs `work`, which ends soon after the other end of `stop` is told.
    pub(crate) fn spawn(
        name: &'static str,
        stop: OwnedFd,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (ends, ended) = mpsc::channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped at the end, a panic's too.
            let _ends: mpsc::Sender<()> = ends;
            work();
        })?;
        Ok(Self { name, stop: Some(stop), ended })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop = None;
        if self.ended.recv_timeout(limits::FOLLOW_END) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(
                source = self.name,
                "a followed file does not answer: a dead network filesystem? What was read is kept"
            );
        }
    }
}
