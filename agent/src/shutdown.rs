//! The order to end, and the deadline by which everybody is to be done. It decides nothing about what
//! is drained.

use std::time::Duration;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

/// The order to end, heard from the moment this exists. As process 1 of a container the agent would
/// not be ended by a signal that nobody handles yet.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Within a runtime.
    ///
    /// # Errors
    /// When no handler can be installed.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for SIGTERM or SIGINT and gives its name.
    pub async fn told(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The time by which everything is to be done, shared by the steps of a drain.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// From now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// What is left; zero when it is over.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The step's result, or `None` when the time is up first.
    pub async fn within<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.0, step).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Deadline;

    #[tokio::test]
    async fn steps_share_one_deadline() {
        let deadline = Deadline::after(Duration::from_millis(20));
        assert_eq!(deadline.within(async { 7 }).await, Some(7));
        assert_eq!(deadline.within(std::future::pending::<()>()).await, None);
        assert_eq!(deadline.left(), Duration::ZERO);
        assert_eq!(deadline.within(std::future::pending::<()>()).await, None);
    }
}
