//! podwhy: from the node's own log lines to why a pod does not start.
//!
//! ```text
//! source → Line → podwhy_parser → Observation → diagnosis → Record → outbox → export
//! ```
//!
//! Modules in reading order: what is read, what it told us, what is concluded, what leaves.

pub mod diagnosis;
pub mod export;
pub mod limits;
pub mod node;

pub mod admin;
pub mod app;
pub mod catalogue;
pub mod command;
pub mod config;
pub mod fact;
pub(crate) mod folder;
pub mod incident;
pub mod observation;
pub mod outbox;
pub mod record;
pub mod redact;
pub mod shutdown;
pub mod source;
pub mod telemetry;
pub mod wall_clock;
