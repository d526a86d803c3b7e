//! `podwhy parse`: each sync failure of the input as one JSON object a line, in input order
//! (design 5.2). Judges message by message and collapses nothing.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use podwhy_parser::Kind;

use super::{DONE, FAILED, NOTHING_FOUND, complain};
use crate::limits::PARSE_WAITING;
use crate::observation::time::Times;
use crate::source::input::Input;
use crate::source::join::{Join, Joined};

mod render;

/// Read log text and print each sync failure as one line of JSON.
///
/// Takes journal exports, journal JSON, journalctl's text forms, /var/log/messages, raw kubelet and
/// containerd logs, compressed with gzip or not; which one it is, is seen from the content.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Files to read; `-` or none is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print every recognised line, not only sync failures.
    ///
    /// `kind` is then one of: sync_failure (one failed attempt of one step), related (belongs to a
    /// failure that another line reports), node (about the node as a whole), progress (proves that
    /// something went on), kill (something ended or is about to), probe (a probe failed), loss
    /// (lines were lost before anyone could read them), line (a readable frame, nothing more).
    #[arg(long)]
    all: bool,
}

const AFTER_HELP: &str = "\
Examples:
  journalctl -u kubelet -o export | podwhy parse | jq .
  podwhy parse /var/log/messages messages-20261115.gz
  podwhy parse --all kubelet.log

Exit codes: 0 failures found, 1 an input could not be read, 2 bad arguments, 3 no failure found.";

/// Reads all inputs, prints, and tells the exit code.
#[must_use]
pub(super) fn run(args: &Args) -> ExitCode {
    let out = io::stdout();
    let code = match Printing::new(out.lock(), args).files(&args.files) {
        Ok(code) => code,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(error) => {
            complain(&format!("cannot write the output: {error}"));
            FAILED
        }
    };
    ExitCode::from(code)
}

/// One run over all inputs.
struct Printing<W: Write> {
    out: BufWriter<W>,
    all: bool,
    /// Somebody watches standard error while the output goes elsewhere.
    shows_progress: bool,
    failures: u64,
    lines: u64,
    recognised: u64,
}

/// How often progress is shown: a few times a second.
const PROGRESS_LINES: u64 = 1 << 18;

impl<W: Write> Printing<W> {
    fn new(out: W, args: &Args) -> Self {
        let shows_progress = io::stderr().is_terminal() && !io::stdout().is_terminal();
        let out = BufWriter::with_capacity(64 * 1024, out);
        Self { out, all: args.all, shows_progress, failures: 0, lines: 0, recognised: 0 }
    }

    /// # Errors
    ///
    /// Those of the output; an input that cannot be read is told and the others are read.
    fn files(&mut self, files: &[PathBuf]) -> io::Result<u8> {
        let standard_input = [PathBuf::from("-")];
        let files = if files.is_empty() { &standard_input[..] } else { files };
        let mut unread = 0;
        for file in files {
            let name = (file != Path::new("-")).then(|| file.display().to_string());
            let input = match &name {
                Some(_) => Input::open(file),
                None => Input::standard(),
            };
            let read = match input {
                Ok(input) => self.input(input, name.as_deref())?,
                Err(error) => Err(error),
            };
            if let Err(error) = read {
                unread += 1;
                let file = name.as_deref().unwrap_or("FILE");
                let why = crate::source::input::complaint(&error, file, "parse");
                let name = name.as_deref().unwrap_or("standard input");
                complain(&format!("cannot read {name}: {why}"));
            }
        }
        self.out.flush()?;
        if self.shows_progress && self.lines >= PROGRESS_LINES {
            let _ = writeln!(io::stderr());
        }
        Ok(self.verdict(unread))
    }

    fn verdict(&self, unread: usize) -> u8 {
        if unread > 0 {
            return FAILED;
        }
        if self.failures > 0 {
            return DONE;
        }
        let lines = self.lines;
        match self.recognised {
            _ if lines == 0 => complain(&"the input is empty"),
            0 => complain(&format!(
                "nothing recognised in {lines} lines: this reads what the kubelet and the container \
                 runtime write, as in `journalctl -u kubelet -u containerd -o export`"
            )),
            recognised if self.all => {
                complain(&format!("no sync failure in {recognised} messages of {lines} lines"));
            }
            recognised => complain(&format!(
                "no sync failure in {recognised} messages of {lines} lines; --all shows them"
            )),
        }
        NOTHING_FOUND
    }

    /// The outer error is the output's, the inner one the input's.
    fn input(&mut self, mut input: Input, name: Option<&str>) -> io::Result<io::Result<()>> {
        let (mut join, mut times) = (Join::new(), Times::default());
        let mut waiting = Waiting::default();
        let is_live = name.is_none();
        let ended = loop {
            let mut messages = |joined: Joined<'_>| {
                self.recognised += 1;
                self.failures += waiting.take(&joined, &mut times, name, self.all);
            };
            match input.next(&mut |line| join.push(line, &mut messages)) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
            if waiting.print_before(join.oldest_number(), &mut self.out)? && is_live {
                self.out.flush()?;
            }
            if self.shows_progress && input.lines().is_multiple_of(PROGRESS_LINES) {
                self.progress(self.lines + input.lines());
            }
        };
        join.end(&mut |joined| {
            self.recognised += 1;
            self.failures += waiting.take(&joined, &mut times, name, self.all);
        });
        waiting.print_before(None, &mut self.out)?;
        self.lines += input.lines();
        let skipped = input.skipped();
        if skipped.undecodable > 0 {
            let name = name.unwrap_or("standard input");
            complain(&format!(
                "{name}: {} places are damaged and were left out",
                skipped.undecodable
            ));
        }
        Ok(ended)
    }

    fn progress(&self, lines: u64) {
        let failures = self.failures;
        // Nothing depends on its being seen.
        let _ = write!(io::stderr(), "\rpodwhy: {lines} lines, {failures} failures");
    }
}

/// Rendered messages that a message which began earlier, and is not complete yet, holds up.
#[derive(Debug, Default)]
struct Waiting {
    rendered: BTreeMap<(u64, u64), Vec<u8>>,
    taken: u64,
}

impl Waiting {
    /// Renders what is to be printed of a message; tells how many failures it has.
    fn take(
        &mut self,
        joined: &Joined<'_>,
        times: &mut Times,
        name: Option<&str>,
        all: bool,
    ) -> u64 {
        let is_failure = joined.message.kind() == Kind::SyncFailure;
        // Each line teaches the zone of its clock, printed or not.
        let time = times.resolve(joined.message.frame.stamp, &joined.line);
        if !is_failure && !all {
            return 0;
        }
        let mut text = Vec::new();
        let failures = render::message(joined, &time, name, &mut text);
        self.taken += 1;
        self.rendered.insert((joined.line.number, self.taken), text);
        failures
    }

    /// Prints what stands before the line `oldest`; tells whether there was anything.
    fn print_before(&mut self, oldest: Option<u64>, out: &mut impl Write) -> io::Result<bool> {
        let mut printed = false;
        while let Some(first) = self.rendered.first_entry() {
            let holds_up = oldest.is_some_and(|oldest| oldest < first.key().0);
            if holds_up && self.rendered.len() <= PARSE_WAITING {
                break;
            }
            if let Some((_, text)) = self.rendered.pop_first() {
                out.write_all(&text)?;
                printed = true;
            }
        }
        Ok(printed)
    }
}
