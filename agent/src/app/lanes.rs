//! The sources of lines beside each other: each with its own joiner, because its times are its own,
//! and which of them is behind the others. Owns no order among them.

use std::collections::BTreeMap;

use crate::{
    diagnosis::StateChange,
    outbox::Outbox,
    source::{
        Line, Micros, Position, file,
        join::{Join, Joined},
        journal::others,
        stream_id,
    },
};

/// Whose an entry of the durable state is: the first byte of its key.
const JOURNAL: u8 = b'j';
const FILES: u8 = b'f';
/// A journal beside the host's: its number follows.
const OTHER: u8 = b'n';

/// Lines of one source come out of order by this much; a larger step back is a clock that was set.
const DISORDER: Micros = 10_000_000;

/// The journal, or whatever stands in for it, the log files, and the journals beside.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<Owner, Lane>,
}

/// Whose a lane is. Part of the durable state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The host's, a recording, a paste.
    Journal,
    Files,
    /// By the hash of its source's name.
    Other(u64),
}

/// One source of lines.
#[derive(Debug, Default)]
struct Lane {
    join: Join,
    /// Of its newest line.
    newest: Micros,
    /// Another one is ahead: what comes here comes late, and moves no timer.
    is_behind: bool,
}

/// Keys and values of a lane's state.
type Entries<'s> = Vec<(&'s [u8], &'s [u8])>;

/// Who takes messages, and whether they come late.
type Sink<'s> = &'s mut dyn FnMut(Joined<'_>, bool);

impl Owner {
    /// Whose the lines before this position are.
    pub(super) fn of(position: Option<&Position>) -> Self {
        match position.map(|position| position.source.as_str()) {
            Some(file::SOURCE) => Self::Files,
            Some(source) if others::folder_of(source).is_some() => {
                Self::Other(stream_id(&[source.as_bytes()]))
            }
            _ => Self::Journal,
        }
    }

    /// What the keys of its state begin with.
    pub(super) fn key(self, key: &[u8]) -> Vec<u8> {
        match self {
            Self::Journal => super::core::owned_by(JOURNAL, key.to_vec()),
            Self::Files => super::core::owned_by(FILES, key.to_vec()),
            Self::Other(number) => {
                let key = number.to_be_bytes().into_iter().chain(key.iter().copied());
                super::core::owned_by(OTHER, key.collect())
            }
        }
    }
}

impl Lanes {
    /// Goes on where the outbox ended. Also the keys of what could not be read back.
    pub(super) fn restore(outbox: &Outbox, state: &[(Vec<u8>, Vec<u8>)]) -> (Self, Vec<Vec<u8>>) {
        let mut of_others: BTreeMap<u64, Entries<'_>> = BTreeMap::new();
        for (key, value) in super::core::entries_of(OTHER, state) {
            let Some((number, key)) = key.split_first_chunk() else { continue };
            of_others.entry(u64::from_be_bytes(*number)).or_default().push((key, value));
        }
        let mut positions: BTreeMap<Owner, Micros> = BTreeMap::new();
        for position in outbox.positions() {
            positions.insert(Owner::of(Some(&position)), position.at);
        }
        let mut refused = Vec::new();
        let mut lanes = BTreeMap::new();
        let mut lane = |owner: Owner, entries: Entries<'_>| {
            let (join, left_out) = Join::restore(entries);
            refused.extend(left_out.into_iter().map(|key| owner.key(&key)));
            let newest = positions.get(&owner).copied().unwrap_or(0);
            lanes.insert(owner, Lane { join, newest, is_behind: false });
        };
        lane(Owner::Journal, super::core::entries_of(JOURNAL, state).collect());
        lane(Owner::Files, super::core::entries_of(FILES, state).collect());
        // Also one that left nothing but its position: what comes of it late is late again.
        for owner in positions.keys() {
            if let Owner::Other(number) = owner {
                of_others.entry(*number).or_default();
            }
        }
        for (number, entries) in of_others {
            lane(Owner::Other(number), entries);
        }
        (Self { lanes }, refused)
    }

    /// Takes a line of this source. Whether it is late.
    pub(super) fn push(&mut self, owner: Owner, line: Line<'_>, sink: Sink<'_>) -> bool {
        let own = self.lanes.get(&owner).map_or(0, |lane| lane.newest);
        if line.at.saturating_add(DISORDER) < own {
            // The node's clock was set back, for all of its sources.
            for lane in self.lanes.values_mut() {
                lane.newest = lane.newest.min(line.at);
            }
        }
        let others = self.lanes.iter().filter(|(other, _)| **other != owner);
        let ahead = others.map(|(_, lane)| lane.newest).max().unwrap_or(0);
        let is_late = line.at.saturating_add(DISORDER) < ahead;
        let lane = self.lanes.entry(owner).or_default();
        lane.newest = lane.newest.max(line.at);
        lane.is_behind = is_late;
        lane.join.push(line, &mut |joined| sink(joined, is_late));
        is_late
    }

    /// Time has come this far in all of them.
    pub(super) fn advance(&mut self, at: Micros, sink: Sink<'_>) {
        for lane in self.lanes.values_mut() {
            let is_late = lane.is_behind;
            lane.join.advance(at, &mut |joined| sink(joined, is_late));
        }
    }

    /// The input is over.
    pub(super) fn end(&mut self, sink: Sink<'_>) {
        for lane in self.lanes.values_mut() {
            let is_late = lane.is_behind;
            lane.join.end(&mut |joined| sink(joined, is_late));
        }
    }

    /// What changed in the durable state since the last call, under the keys of its owners.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = StateChange> {
        self.lanes.iter_mut().flat_map(|(owner, lane)| {
            let owner = *owner;
            lane.join.changes().into_iter().map(move |(key, value)| (owner.key(&key), value))
        })
    }
}

#[cfg(test)]
mod tests {
    use podwhy_parser::Origin;

    use super::*;

    const SECOND: Micros = 1_000_000;

    fn line(at: Micros) -> Line<'static> {
        Line {
            text: "E0317 10:02:07.412377    2148 kubelet.go:1] \"x\"",
            origin: Origin::Kubelet,
            unit: "",
            stream: 1,
            pid: None,
            at,
            dated: true,
            boot: 0,
            cut: false,
            number: 0,
        }
    }

    #[test]
    fn a_source_that_is_behind_the_other_is_late_until_it_has_caught_up() {
        let mut lanes = Lanes::default();
        let mut push = |files, at| {
            lanes.push(if files { Owner::Files } else { Owner::Journal }, line(at), &mut |_, _| {})
        };
        assert!(!push(false, 100 * SECOND));
        assert!(!push(false, 200 * SECOND), "alone it is never behind");
        assert!(push(true, 100 * SECOND));
        assert!(push(true, 189 * SECOND));
        assert!(!push(true, 191 * SECOND));
        assert!(!push(true, 300 * SECOND));
        assert!(push(false, 201 * SECOND), "now the other one is");
    }

    #[test]
    fn a_clock_that_is_set_back_is_set_back_for_both() {
        let mut lanes = Lanes::default();
        let mut push = |files, at| {
            lanes.push(if files { Owner::Files } else { Owner::Journal }, line(at), &mut |_, _| {})
        };
        assert!(!push(false, 10_000 * SECOND));
        assert!(!push(true, 10_000 * SECOND));
        assert!(!push(false, 5_000 * SECOND));
        assert!(!push(true, 5_001 * SECOND));
        assert!(!push(false, 5_002 * SECOND));
    }
}
