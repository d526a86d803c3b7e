//! Zero-copy grammar of kubelet, container-runtime and kernel log lines.
//!
//! `&str` in, borrowed values out: no IO, no clock, no allocation, no panic on any input, linear
//! time. A line that is not understood is `None`, never an error.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod containerd;
mod continuation;
pub mod cri_log;
mod crio;
mod cursor;
pub mod docker;
mod find;
mod journald;
mod json;
mod kernel;
mod klog;
mod klog_json;
mod kubelet;
mod logrus;
pub mod message;
mod object;
mod piece;
pub mod pod_path;
mod prefix;
mod quoted;
mod runtime;
mod stamp;
pub mod sync_error;
pub mod text;

pub use continuation::{breaks_message, closes_block, continues_block, starts_message};
pub use klog::pairs::{Pairs, Value};
pub use klog::wrapped::unwrap_k0s;
pub use message::{
    Component, Ends, Facts, Format, Frame, Kind, Message, Origin, PodRef, Severity, Stamp, What,
};
pub use object::Pods;
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
    match origin {
        Origin::Kubelet => klog::of_kubelet(text),
        Origin::Any => any(text),
        _ => runtime::parse_from(origin, text),
    }
}

/// Every form, without and behind a transport prefix. A prefix that names the writer comes first:
/// no word of its line may pass for another's.
fn any(text: &str) -> Option<Message<'_>> {
    let prefixed = prefix::strip(text);
    let named = prefixed.filter(|(prefix, _)| prefix.origin() != Origin::Any);
    let message = named
        .and_then(|(prefix, rest)| behind(prefix, rest))
        .or_else(|| bare(text))
        .or_else(|| prefixed.and_then(|(prefix, rest)| behind(prefix, rest)))?;
    Some(message.without_pager_mark())
}

fn behind<'a>(prefix: prefix::Prefix<'a>, rest: &'a str) -> Option<Message<'a>> {
    let mut message = match prefix.origin() {
        Origin::Any => bare(rest),
        origin => runtime::parse_from(origin, rest).or_else(|| bare(rest)),
    }?;
    message.frame.prefix_stamp = prefix.stamp.or(message.frame.prefix_stamp);
    message.frame.host = prefix.host;
    message.frame.pid = message.frame.pid.or(prefix.pid);
    Some(message)
}

fn bare(text: &str) -> Option<Message<'_>> {
    // A Go panic in a paste may be anyone's.
    klog::of_kubelet(text)
        .filter(|message| message.what != What::KubeletPanic || message.frame.stamp.is_some())
        .or_else(|| klog::wrapped::embedded(text))
        .or_else(|| runtime::parse_from(Origin::Any, text))
}
