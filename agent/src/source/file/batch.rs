//! A run of lines of several files, in the order of their times. Owns its buffer.

use podwhy_parser::Origin;

use crate::{
    limits,
    source::{Line, Lines, Micros},
};

/// Lines in one buffer.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: String,
    lines: Vec<Held>,
}

/// A line without its text.
#[derive(Debug)]
struct Held {
    end: usize,
    origin: Origin,
    /// Which file, in words.
    unit: std::sync::Arc<str>,
    stream: u64,
    pid: Option<u32>,
    at: Micros,
    dated: bool,
    cut: bool,
}

impl Batch {
    pub(super) fn push(&mut self, line: Line<'_>, unit: &std::sync::Arc<str>) {
        self.text.push_str(line.text);
        self.lines.push(Held {
            end: self.text.len(),
            origin: line.origin,
            unit: std::sync::Arc::clone(unit),
            stream: line.stream,
            pid: line.pid,
            at: line.at,
            dated: line.dated,
            cut: line.cut,
        });
    }

    /// Takes over the lines of another one.
    pub(super) fn append(&mut self, other: &mut Self) {
        let before = self.text.len();
        self.text.push_str(&other.text);
        let moved = other.lines.drain(..).map(|line| Held { end: line.end + before, ..line });
        self.lines.extend(moved);
        other.clear();
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        if self.text.capacity() > limits::JOIN_SPARE_BYTES {
            self.text = String::new();
        }
        self.lines.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= limits::BATCH_BYTES
            || self.lines.len() >= usize::try_from(limits::BATCH_ENTRIES).unwrap_or(usize::MAX)
    }
}

impl Lines for Batch {
    fn each(&mut self, sink: &mut dyn FnMut(Line<'_>)) {
        let mut begin = 0;
        for line in &self.lines {
            sink(Line {
                text: self.text.get(begin..line.end).unwrap_or_default(),
                origin: line.origin,
                unit: &line.unit,
                stream: line.stream,
                pid: line.pid,
                at: line.at,
                dated: line.dated,
                boot: 0,
                cut: line.cut,
                number: 0,
            });
            begin = line.end;
        }
    }

    fn first_at(&self) -> Option<Micros> {
        self.lines.first().map(|line| line.at)
    }
}
