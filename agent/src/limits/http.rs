//! Limits of the agent's own door for metrics and health.

use std::time::Duration;

/// Connections at once: a few Prometheus servers, the kubelet's probes, a person.
pub const HTTP_CONNECTIONS: usize = 32;

/// From a connection to its request's last header: who only connects gives up his seat.
pub const HTTP_HEADER: Duration = Duration::from_secs(5);

/// A connection's life, however slowly its answer is read. One that asks for nothing more ends after
/// [`HTTP_HEADER`] already.
pub const HTTP_CONNECTION: Duration = Duration::from_secs(60);

/// Headers of a request: what hyper wants at least. A probe sends some hundred bytes.
pub const HTTP_REQUEST_BYTES: usize = 8192;

/// Pause after a connection that could not be taken, as where no descriptor is left.
pub const HTTP_ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Pause before an address is tried again that another process has.
pub const HTTP_LISTEN_AGAIN: Duration = Duration::from_secs(10);

/// What the core may take for an answer: a scrape waits for no longer than a commit does.
pub const SCRAPE: Duration = Duration::from_secs(5);

/// Scrapes that wait for the core.
pub const SCRAPES: usize = 4;
