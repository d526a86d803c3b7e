//! The end as a value: one watch that everybody can wait for, and the deadline by which they are to
//! be done. It decides nothing about what is drained.

use std::time::Duration;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::Instant,
};

/// Says that the end has come. Dropped without a word, it is the end as well: a part that died must
/// not keep the others.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Waits for the end. Clone one for every loop.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A trigger and what waits for it.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// The end has come. Twice is once.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns when the end has come, at once if it already has.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone.
        let _ = self.0.wait_for(|ended| *ended).await;
    }

    /// For loops that do not wait.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

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

    use super::{Deadline, channel};

    #[tokio::test]
    async fn everybody_hears_of_the_end_however_late_they_listen() {
        let (trigger, shutdown) = channel();
        let mut early = shutdown.clone();
        assert!(!shutdown.is_ending());
        let waiting = tokio::spawn(async move { early.wait().await });
        trigger.pull();
        trigger.pull();
        waiting.await.unwrap();
        let mut late = shutdown.clone();
        late.wait().await;
        assert!(late.is_ending());
    }

    #[tokio::test]
    async fn a_dropped_trigger_is_the_end() {
        let (trigger, mut shutdown) = channel();
        drop(trigger);
        shutdown.wait().await;
        assert!(shutdown.is_ending());
    }

    #[tokio::test]
    async fn steps_share_one_deadline() {
        let deadline = Deadline::after(Duration::from_millis(20));
        assert_eq!(deadline.within(async { 7 }).await, Some(7));
        assert_eq!(deadline.within(std::future::pending::<()>()).await, None);
        assert_eq!(deadline.left(), Duration::ZERO);
        assert_eq!(deadline.within(std::future::pending::<()>()).await, None);
    }
}
