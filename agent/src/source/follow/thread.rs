//! The thread of a source that follows files: ended with it, and left alone where it hangs in a file
//! system that never answers. Owns no file.

use std::{fmt, io, sync::mpsc, thread};

use crate::limits;

/// One end of a pipe or channel: whoever holds the other learns that it is gone.
pub(crate) trait Stop: fmt::Debug + Send + 'static {}

impl<T: fmt::Debug + Send + 'static> Stop for T {}

/// A running thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Thread {
    name: &'static str,
    stop: Option<Box<dyn Stop>>,
    ended: mpsc::Receiver<()>,
}

impl Thread {
    /// Runs `work`, which ends soon after `stop` is dropped.
    pub(crate) fn spawn(
        name: &'static str,
        stop: impl Stop,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (ends, ended) = mpsc::channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped at the end, a panic's too.
            let _ends: mpsc::Sender<()> = ends;
            work();
        })?;
        Ok(Self { name, stop: Some(Box::new(stop)), ended })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop = None;
        if self.ended.recv_timeout(limits::FOLLOW_END) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(
                source = self.name,
                "what is followed does not answer: a dead network filesystem? What was read is kept"
            );
        }
    }
}
