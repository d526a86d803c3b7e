//! A diary of everything that the engine of a running agent was told, in its order, so that what was
//! watched on a real node can be played again without one. Only in builds with the feature
//! `test-faults`, and only where `PODWHY_TEST_DIARY` names a file. Owns the form of that file.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufWriter, Write},
};

use podwhy_parser::Origin;

use crate::{
    diagnosis::Input,
    fact::Dated,
    node::View,
    source::{Line, Loss, Micros},
};

/// Names the file.
const VARIABLE: &str = "PODWHY_TEST_DIARY";

/// One thing that the engine was told, or that its agent did.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// An agent began: it knows what was committed.
    Start,
    /// A physical line.
    Line(Box<Written>),
    /// Time has come this far.
    Tick(Micros),
    /// A fact beside the lines.
    Fact(Box<Dated>),
    /// The node, as it looked at this time.
    View(Micros, Box<View>),
    /// Something was lost, at this time.
    Lost(Micros, Loss),
    /// What was concluded became durable.
    Commit,
}

/// A line without its borrows.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names are those of a line")]
pub struct Written {
    pub text: String,
    pub origin: String,
    pub unit: String,
    pub stream: u64,
    pub pid: Option<u32>,
    pub at: Micros,
    pub dated: bool,
    pub boot: u64,
    pub cut: bool,
}

const ORIGINS: [Origin; 8] = [
    Origin::Any,
    Origin::Kubelet,
    Origin::Containerd,
    Origin::Crio,
    Origin::Docker,
    Origin::Kernel,
    Origin::Journald,
    Origin::Systemd,
];

impl Written {
    fn of(line: &Line<'_>) -> Self {
        Self {
            text: line.text.to_owned(),
            origin: format!("{:?}", line.origin),
            unit: line.unit.to_owned(),
            stream: line.stream,
            pid: line.pid,
            at: line.at,
            dated: line.dated,
            boot: line.boot,
            cut: line.cut,
        }
    }

    /// The line again.
    #[must_use]
    pub fn line(&self) -> Line<'_> {
        let origin = ORIGINS.into_iter().find(|origin| format!("{origin:?}") == self.origin);
        Line {
            text: &self.text,
            origin: origin.unwrap_or_default(),
            unit: &self.unit,
            stream: self.stream,
            pid: self.pid,
            at: self.at,
            dated: self.dated,
            boot: self.boot,
            cut: self.cut,
            number: 0,
        }
    }
}

/// Writes, where somebody asked for it.
#[derive(Debug)]
pub(super) struct Diary(Option<BufWriter<File>>);

impl Diary {
    /// Goes on in the file that the environment names.
    pub(super) fn open() -> Self {
        let file = std::env::var_os(VARIABLE)
            .and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
        let mut diary = Self(file.map(BufWriter::new));
        diary.write(&Entry::Start);
        diary
    }

    pub(super) fn line(&mut self, line: &Line<'_>) {
        if self.0.is_some() {
            self.write(&Entry::Line(Box::new(Written::of(line))));
        }
    }

    /// What comes from beside the lines, at the time at which the engine was told.
    pub(super) fn note(&mut self, at: Micros, input: &Input) {
        if self.0.is_none() {
            return;
        }
        match input {
            Input::Node(view) => self.write(&Entry::View(at, Box::new(view.clone()))),
            Input::Lost(loss) => self.write(&Entry::Lost(at, loss.clone())),
            // A check changes nothing that the engine knows.
            _ => {}
        }
    }

    /// Durable with what it stands for: nothing is kept back at a commit.
    pub(super) fn write(&mut self, entry: &Entry) {
        let Some(file) = &mut self.0 else { return };
        let text = serde_json::to_string(entry).unwrap_or_default();
        let written = writeln!(file, "{text}");
        let is_commit = matches!(entry, Entry::Commit);
        if written.is_err() || (is_commit && file.flush().is_err()) {
            self.0 = None;
        }
    }
}

/// The entries of a diary; a last line that was cut off is none.
///
/// # Errors
/// What the read says.
pub fn read(diary: impl BufRead) -> io::Result<Vec<Entry>> {
    let lines: Vec<String> = diary.lines().collect::<Result<_, _>>()?;
    let entries = lines.iter().map(|line| serde_json::from_str(line)).collect::<Vec<_>>();
    let count = entries.len();
    let mut read = Vec::with_capacity(count);
    for (index, entry) in entries.into_iter().enumerate() {
        match entry {
            Ok(entry) => read.push(entry),
            Err(_) if index + 1 == count => {}
            Err(error) => return Err(io::Error::other(format!("line {}: {error}", index + 1))),
        }
    }
    Ok(read)
}
