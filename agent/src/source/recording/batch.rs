//! Lines of a recording that are kept in memory, to be fed at a pace of their own.

use std::io;

use podwhy_parser::Origin;

use crate::source::input::Input;
use crate::source::{Line, Lines, Micros};

/// Some lines, in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    lines: Vec<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    text: String,
    origin: Origin,
    unit: String,
    stream: u64,
    pid: Option<u32>,
    at: Micros,
    dated: bool,
    boot: u64,
    cut: bool,
    number: u64,
}

impl Kept {
    fn of(line: &Line<'_>) -> Self {
        let Line { text, origin, unit, stream, pid, at, dated, boot, cut, number } = *line;
        let (text, unit) = (text.to_owned(), unit.to_owned());
        Self { text, origin, unit, stream, pid, at, dated, boot, cut, number }
    }

    fn line(&self) -> Line<'_> {
        let Self { text, origin, unit, stream, pid, at, dated, boot, cut, number } = self;
        let (origin, stream, pid, at) = (*origin, *stream, *pid, *at);
        let (dated, boot, cut, number) = (*dated, *boot, *cut, *number);
        Line { text, origin, unit, stream, pid, at, dated, boot, cut, number }
    }
}

impl Batch {
    /// All lines of a small recording.
    ///
    /// # Errors
    ///
    /// Those of reading it.
    pub fn all(mut input: Input) -> io::Result<Self> {
        let mut all = Self::default();
        while input.next(&mut |line| all.lines.push(Kept::of(&line)))? {}
        Ok(all)
    }

    /// One batch for each instant at which lines were received, with that instant.
    #[must_use]
    pub fn by_time(self) -> Vec<(Micros, Self)> {
        let mut batches: Vec<(Micros, Self)> = Vec::new();
        for line in self.lines {
            match batches.last_mut() {
                Some((at, batch)) if *at >= line.at => batch.lines.push(line),
                _ => batches.push((line.at, Self { lines: vec![line] })),
            }
        }
        batches
    }

    /// When the first line was received.
    #[must_use]
    pub fn first_at(&self) -> Option<Micros> {
        self.lines.first().map(|line| line.at)
    }

    /// Whether a line of it is understood as what `is_wanted` wants.
    pub fn any(&self, mut is_wanted: impl FnMut(Line<'_>) -> bool) -> bool {
        self.lines.iter().any(|kept| is_wanted(kept.line()))
    }
}

impl Lines for Batch {
    fn each(&mut self, sink: &mut dyn FnMut(Line<'_>)) {
        self.lines.iter().for_each(|kept| sink(kept.line()));
    }
}
