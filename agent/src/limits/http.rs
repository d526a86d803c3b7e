//! Limits of the agent's own door for metrics and health.

use std::time::Duration;

/// Connections at once: a few Prometheus servers, the kubelet's probes, a person.
pub const HTTP_CONNECTIONS: usize = 32;

/// From a connection to its request's last header: who only connects gives up his seat.
pub const HTTP_HEADER: Duration = Duration::from_secs(5);

/// A connection's life: longer than most scrape intervals, so that one serves many scrapes.
pub const HTTP_CONNECTION: Duration = Duration::from_secs(600);

/// Headers of a request: what hyper wants at least. A probe sends some hundred bytes.
pub const HTTP_REQUEST_BYTES: usize = 8192;

/// Pause after a connection that could not be taken, as where no descriptor is left.
pub const HTTP_ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What the core may take for an answer: a scrape waits for no longer than a commit does.
pub const SCRAPE: Duration = Duration::from_secs(5);

/// Scrapes that wait for the core.
pub const SCRAPES: usize = 4;
