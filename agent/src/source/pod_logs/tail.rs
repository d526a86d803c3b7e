//! The whole log of one attempt of a chosen container: pieces joined, and of its lines those that
//! tell of trouble. Owns what is not told twice. Keeps nothing else of what an application says.

use std::{collections::VecDeque, sync::Arc};

use podwhy_parser::cri_log::Stream;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::place::PodPlace;
use crate::{
    limits,
    observation::{matters, pod_line::Piece, text::plain},
    redact,
    source::{
        Micros,
        follow::{First, Follow, Lost, LostKind, Saved},
        text::readable,
    },
};

/// One log that is followed.
#[derive(Debug)]
pub(super) struct Tail {
    /// Which log, in words.
    pub(super) shown: Arc<str>,
    pub(super) follow: Follow,
    state: State,
    /// Texts that were told lately, without their figures.
    told: VecDeque<(Instant, String)>,
    /// How many were told since then, and how many more there were.
    told_since: Option<Instant>,
    told_lines: u32,
    untold_lines: u64,
    pub(super) is_moved: bool,
    /// The attempt is over: read to its end, and then no more.
    pub(super) is_ending: bool,
}

/// Where a tail stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    saved: Saved,
    /// Pieces of lines that are not whole yet, by stream.
    stdout: Joined,
    stderr: Joined,
    pub(super) at: Micros,
}

/// A line in the making.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Joined(String);

/// A line that tells of trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) at: Option<Micros>,
    pub(super) text: String,
}

impl Tail {
    pub(super) fn begin(
        place: PodPlace,
        shown: Arc<str>,
        state: Option<State>,
        first: First,
    ) -> Self {
        let saved = state.as_ref().map(|state| &state.saved);
        let follow = Follow::begin(Box::new(place), limits::POD_LINE_BYTES, saved, first);
        Self {
            shown,
            follow,
            state: state.unwrap_or_default(),
            told: VecDeque::new(),
            told_since: None,
            told_lines: 0,
            untold_lines: 0,
            is_moved: true,
            is_ending: false,
        }
    }

    pub(super) fn state(&self) -> State {
        State { saved: self.follow.saved(), ..self.state.clone() }
    }

    /// Of its newest line.
    pub(super) const fn at(&self) -> Micros {
        self.state.at
    }

    /// Reads the next line; `false` where there is none. What tells of trouble goes to `sink`.
    pub(super) fn next(&mut self, now: Instant, sink: &mut dyn FnMut(Trouble)) -> bool {
        let Some(raw) = self.follow.peek() else { return false };
        let mut buffer = String::new();
        let line = readable(raw.bytes, &mut buffer);
        let (at, text) = match Piece::of(line) {
            Some(piece) => {
                let joined = match piece.stream {
                    Stream::Stdout => &mut self.state.stdout,
                    Stream::Stderr => &mut self.state.stderr,
                };
                joined.append(&piece.content);
                let text = if piece.is_partial { None } else { Some(joined.take()) };
                (piece.at, text)
            }
            // A copy without frames, or a driver that we do not know.
            None => (None, Some(line.to_owned())),
        };
        self.follow.take();
        self.is_moved = true;
        self.state.at = at.unwrap_or(self.state.at).max(self.state.at);
        if let Some(text) = text
            && let Some(text) = trouble(&text)
            && self.is_news(now, &text)
        {
            sink(Trouble { at, text });
        }
        true
    }

    /// The attempt is over: what its process wrote last may lack its end.
    pub(super) fn end(&mut self, now: Instant, sink: &mut dyn FnMut(Trouble)) {
        for rest in [self.state.stdout.take(), self.state.stderr.take()] {
            if let Some(text) = trouble(&rest)
                && self.is_news(now, &text)
            {
                sink(Trouble { at: Some(self.state.at).filter(|at| *at > 0), text });
            }
        }
    }

    /// What of it was not told, since the last call.
    pub(super) fn take_lost(&mut self) -> Vec<Lost> {
        let mut lost = self.follow.take_lost();
        let lines = std::mem::take(&mut self.untold_lines);
        if lines > 0 {
            let most = limits::SAID_A_WHILE;
            let seconds = limits::SAID_AGAIN.as_secs();
            let why = format!("more than {most} different lines of trouble in {seconds} seconds");
            lost.push(Lost { kind: LostKind::TooMany, lines: Some(lines), bytes: 0, why });
        }
        lost
    }

    /// Whether it was not told lately, and can be.
    fn is_news(&mut self, now: Instant, text: &str) -> bool {
        let shape: String = text.chars().filter(|c| !c.is_ascii_digit()).take(160).collect();
        self.told.retain(|(at, _)| now.duration_since(*at) < limits::SAID_AGAIN);
        if self.told.iter().any(|(_, told)| *told == shape) {
            return false;
        }
        self.told.push_back((now, shape));
        if self.told.len() > limits::SAID_KNOWN {
            self.told.pop_front();
        }
        let since = *self.told_since.get_or_insert(now);
        if now.duration_since(since) >= limits::SAID_AGAIN {
            (self.told_since, self.told_lines) = (Some(now), 0);
        }
        if self.told_lines >= limits::SAID_A_WHILE {
            self.untold_lines += 1;
            return false;
        }
        self.told_lines += 1;
        true
    }
}

impl Joined {
    fn append(&mut self, content: &str) {
        let room = limits::POD_JOINED_BYTES.saturating_sub(self.0.len());
        self.0.push_str(limits::cut(content, room).0);
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// The line, fit to be shown, where it tells an error of the one who wrote it.
fn trouble(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || !matters::is_error(line) {
        return None;
    }
    let shown = plain(line).replace('\n', " ");
    let text = redact::scrub(&shown, &mut redact::Counts::default());
    let (text, _) = limits::cut(&text, limits::LAST_WORDS_LINE_BYTES);
    Some(text.to_owned())
}
