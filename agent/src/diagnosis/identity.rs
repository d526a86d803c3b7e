//! `log.record.uid`: the same evidence gives the same id on every run, release and reader.
//! The layout and its test vectors are published in docs/identity.md; a change is a new version.

use sha2::{Digest as _, Sha256};

/// Stands for the layout below; part of every hash.
const VERSION: &[u8] = b"podwhy.uid.v1";

/// What a sync failure's id is made of (design 5.4): never a cursor, an observed time, a fact of
/// the node or the cluster's name.
#[derive(Clone, Copy, Debug)]
pub struct SyncFailureId<'a> {
    /// The node's name.
    pub node: &'a str,
    /// The source's time as written, with its year.
    pub written: &'a str,
    /// The pod's uid, where known.
    pub pod_uid: Option<&'a str>,
    /// Step.
    pub step: &'a str,
    /// Target, where the failure has one.
    pub target: Option<&'a str>,
    /// Container, where the failure has one.
    pub container: Option<&'a str>,
    /// Place in the aggregate.
    pub index: u16,
    /// The message, redacted.
    pub message: &'a str,
}

impl SyncFailureId<'_> {
    /// The id.
    #[must_use]
    pub fn uid(&self) -> [u8; 16] {
        let message = Sha256::digest(self.message.as_bytes());
        Fields::new("sync_failure")
            .text(Some(self.node))
            .text(Some(self.written))
            .text(self.pod_uid)
            .text(Some(self.step))
            .text(self.target)
            .text(self.container)
            .number(Some(u64::from(self.index)))
            .bytes(Some(&message))
            .finish()
    }
}

/// A summary is named by the first failure that it counts and the start of its window.
#[must_use]
pub fn summary(first: [u8; 16], window_start: &str) -> [u8; 16] {
    Fields::new("summary").bytes(Some(&first)).text(Some(window_start)).finish()
}

/// A loss is named by what is missing and between which times.
#[must_use]
pub fn loss(
    node: &str,
    kind: &str,
    [component, unit, destination]: [Option<&str>; 3],
    [from, to]: [Option<&str>; 2],
    lines: Option<u64>,
) -> [u8; 16] {
    Fields::new("loss")
        .text(Some(node))
        .text(Some(kind))
        .text(component)
        .text(unit)
        .text(destination)
        .text(from)
        .text(to)
        .number(lines)
        .finish()
}

/// A check is named by its name and the time at which it was made.
#[must_use]
pub fn node_check(node: &str, name: &str, at: &str) -> [u8; 16] {
    Fields::new("node_check").text(Some(node)).text(Some(name)).text(Some(at)).finish()
}

/// A word about a spike is named by the step (or whose lines), its beginning, and whether it is over.
#[must_use]
pub fn spike(node: &str, name: &str, began: &str, state: &str) -> [u8; 16] {
    Fields::new("spike")
        .text(Some(node))
        .text(Some(name))
        .text(Some(began))
        .text(Some(state))
        .finish()
}

/// An incident is named by its key and the time of its first failure.
#[must_use]
pub fn incident(node: &str, key: &str, first_seen: &str) -> [u8; 16] {
    Fields::new("incident").text(Some(node)).text(Some(key)).text(Some(first_seen)).finish()
}

/// A word about an incident is named by the incident, its state, and how many words came before.
#[must_use]
pub fn incident_record(id: [u8; 16], state: &str, turn: u64) -> [u8; 16] {
    Fields::new("incident_record").bytes(Some(&id)).text(Some(state)).number(Some(turn)).finish()
}

/// A span is named by its incident, whose id is the trace's, and by how many ended before it.
#[must_use]
pub fn span(id: [u8; 16], turn: u64) -> [u8; 8] {
    let uid = Fields::new("span").bytes(Some(&id)).number(Some(turn)).finish();
    std::array::from_fn(|index| uid.get(index).copied().unwrap_or_default())
}

/// The same fault has the same fingerprint on every node: cause, family of the step, and the
/// normalised message or, for what an application did, the exit code.
#[must_use]
pub fn fingerprint(
    cause: &str,
    family: &str,
    norm: Option<&str>,
    exit_code: Option<i32>,
) -> [u8; 16] {
    Fields::new("fingerprint")
        .text(Some(cause))
        .text(Some(family))
        .text(norm)
        .text(exit_code.map(|code| code.to_string()).as_deref())
        .finish()
}

/// field := 0x00 (absent) | 0x01 length:u32be bytes; numbers are 8 bytes, big-endian
struct Fields(Sha256);

impl Fields {
    fn new(kind: &str) -> Self {
        Self(Sha256::new()).bytes(Some(VERSION)).text(Some(kind))
    }

    fn bytes(mut self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => self.0.update([0]),
            Some(bytes) => {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                self.0.update([1]);
                self.0.update(length.to_be_bytes());
                self.0.update(bytes);
            }
        }
        self
    }

    fn text(self, text: Option<&str>) -> Self {
        self.bytes(text.map(str::as_bytes))
    }

    fn number(self, number: Option<u64>) -> Self {
        self.bytes(number.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    fn finish(self) -> [u8; 16] {
        let hash = self.0.finalize();
        std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
