//! The sources of lines beside each other: each with its own joiner, because its times are its own,
//! and which of them is behind the others. Owns no order among them.

use crate::{
    diagnosis::StateChange,
    outbox::Outbox,
    source::{
        Line, Micros, Position, file,
        join::{Join, Joined},
        journal,
    },
};

/// Whose an entry of the durable state is: the first byte of its key.
const JOURNAL: u8 = b'j';
const FILES: u8 = b'f';

/// Lines of one source come out of order by this much; a larger step back is a clock that was set.
const DISORDER: Micros = 10_000_000;

/// The journal, or whatever stands in for it, and the log files.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    journal: Lane,
    files: Lane,
}

/// One source of lines.
#[derive(Debug, Default)]
struct Lane {
    join: Join,
    /// Of its newest line.
    newest: Micros,
    /// The other one is ahead: what comes here comes late, and moves no timer.
    is_behind: bool,
}

/// Who takes messages, and whether they come late.
type Sink<'s> = &'s mut dyn FnMut(Joined<'_>, bool);

impl Lanes {
    /// Goes on where the outbox ended. Also the keys of what could not be read back.
    pub(super) fn restore(outbox: &Outbox, state: &[(Vec<u8>, Vec<u8>)]) -> (Self, Vec<Vec<u8>>) {
        let mut refused = Vec::new();
        let mut lane = |owner, source| {
            let (join, left_out) = Join::restore(super::core::entries_of(owner, state));
            refused.extend(left_out.into_iter().map(|key| super::core::owned_by(owner, key)));
            let newest = outbox.position(source).map_or(0, |position| position.at);
            Lane { join, newest, is_behind: false }
        };
        let journal = lane(JOURNAL, journal::SOURCE);
        let files = lane(FILES, file::SOURCE);
        (Self { journal, files }, refused)
    }

    /// Takes a line of the source that `position` names. Whether it is late.
    pub(super) fn push(&mut self, is_of_files: bool, line: Line<'_>, sink: Sink<'_>) -> bool {
        let (lane, other) = match is_of_files {
            true => (&mut self.files, &mut self.journal),
            false => (&mut self.journal, &mut self.files),
        };
        if line.at.saturating_add(DISORDER) < lane.newest {
            // The node's clock was set back, for all of its sources.
            lane.newest = line.at;
            other.newest = other.newest.min(line.at);
        }
        lane.newest = lane.newest.max(line.at);
        lane.is_behind = line.at.saturating_add(DISORDER) < other.newest;
        let is_late = lane.is_behind;
        lane.join.push(line, &mut |joined| sink(joined, is_late));
        is_late
    }

    /// Time has come this far in all of them.
    pub(super) fn advance(&mut self, at: Micros, sink: Sink<'_>) {
        for lane in [&mut self.journal, &mut self.files] {
            let is_late = lane.is_behind;
            lane.join.advance(at, &mut |joined| sink(joined, is_late));
        }
    }

    /// The input is over.
    pub(super) fn end(&mut self, sink: Sink<'_>) {
        for lane in [&mut self.journal, &mut self.files] {
            let is_late = lane.is_behind;
            lane.join.end(&mut |joined| sink(joined, is_late));
        }
    }

    /// What changed in the durable state since the last call, with its owner.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = (u8, StateChange)> {
        let journal = self.journal.join.changes().into_iter().map(|change| (JOURNAL, change));
        let files = self.files.join.changes().into_iter().map(|change| (FILES, change));
        journal.chain(files)
    }
}

/// Whether the lines before this position are those of log files.
pub(super) fn is_of_files(position: Option<&Position>) -> bool {
    position.is_some_and(|position| position.source == file::SOURCE)
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
        let mut push = |files, at| lanes.push(files, line(at), &mut |_, _| {});
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
        let mut push = |files, at| lanes.push(files, line(at), &mut |_, _| {});
        assert!(!push(false, 10_000 * SECOND));
        assert!(!push(true, 10_000 * SECOND));
        assert!(!push(false, 5_000 * SECOND));
        assert!(!push(true, 5_001 * SECOND));
        assert!(!push(false, 5_002 * SECOND));
    }
}
