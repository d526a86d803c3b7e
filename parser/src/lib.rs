//! Zero-copy grammar of kubelet, container-runtime and kernel log lines.
//!
//! `&str` in, borrowed values out: no IO, no clock, no allocation, no panic on any input, linear
//! time. A line that is not understood is `None`, never an error.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod containerd;
pub mod cri_log;
mod crio;
mod cursor;
pub mod docker;
mod journald;
mod json;
mod kernel;
mod klog;
mod kubelet;
mod logrus;
pub mod message;
mod object;
mod piece;
pub mod pod_path;
mod quoted;
mod runtime;
mod stamp;
pub mod sync_error;
pub mod text;

pub use klog::pairs::{Pairs, Value};
pub use message::{
    Component, Ends, Facts, Format, Frame, Kind, Message, Origin, PodRef, Severity, Stamp, What,
};
pub use sync_error::{Failures, SyncFailure};
pub use text::Text;

/// Parses one message whose writer is not known, such as a pasted line.
#[must_use]
pub fn parse(line: &str) -> Option<Message<'_>> {
    parse_from(Origin::Any, line)
}

/// Parses one message of a known writer. `text` is one logical message: physical lines that belong
/// together (blocks, dumps) are joined by `\n` beforehand.
#[must_use]
pub fn parse_from(origin: Origin, text: &str) -> Option<Message<'_>> {
    if matches!(origin, Origin::Any | Origin::Kubelet)
        && let Some(message) = klog::parse(Text::plain(text), Component::Kubelet)
    {
        return Some(message);
    }
    runtime::parse_from(origin, text)
}
