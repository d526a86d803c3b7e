//! Journal entries kept in a file: `journalctl -o export` and `-o json`.
//!
//! Owns both forms and what is believed of an entry. What cannot be read or is not believed is
//! counted and passed over; the next entry is read as if nothing had been.

mod batch;
mod entry;
mod export;
mod json;
#[cfg(test)]
mod tests;

pub use batch::Batch;
pub(crate) use entry::Entries;
pub(crate) use export::{Export, Next, Other, is_export};
pub(crate) use json::{Json, Objects, is_json_entry};

/// Entries that were read and not handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Neither an entry nor a part of one.
    pub undecodable: u64,
    /// Entries whose message is null or absent (G12).
    pub without_message: u64,
    /// Entries of other units, written by an unprivileged user.
    pub foreign: u64,
}
