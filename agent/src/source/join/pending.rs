//! One message that is not complete yet, and how it is kept across a restart.

use podwhy_parser::{Origin, closes_block};

use super::{Line, Micros, Part};
use crate::limits::{JOIN_IDLE, JOIN_SPAN};

/// Lines of one process on one stream continue each other; a child may share its parent's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    stream: u64,
    pid: u32,
}

impl Key {
    pub(super) fn of(line: &Line<'_>) -> Self {
        // No process has id 0.
        Self { stream: line.stream, pid: line.pid.unwrap_or(0) }
    }

    pub(super) fn bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let parts = self.stream.to_be_bytes().into_iter().chain(self.pid.to_be_bytes());
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (stream, pid) = bytes.split_first_chunk::<8>()?;
        let pid = u32::from_be_bytes(pid.try_into().ok()?);
        Some(Self { stream: u64::from_be_bytes(*stream), pid })
    }
}

/// What the message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Mode {
    /// The rest of its first line.
    FirstLine,
    /// The ` >` of its block.
    Block,
    /// The next message.
    Open,
    /// The rest of a line that was given truncated: it is passed over.
    Refused,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Pending {
    #[serde(skip, default = "no_key")]
    pub(super) key: Key,
    pub(super) order: u64,
    pub(super) mode: Mode,
    /// The last line's rest is missing.
    pub(super) is_cut: bool,
    /// k0s wraps each physical line; `text` is what is inside.
    pub(super) is_wrapped: bool,
    pub(super) text: String,
    /// Where the last physical line begins in `text`.
    last_line: usize,
    pub(super) lines: u32,
    origin: u8,
    unit: String,
    has_pid: bool,
    at: Micros,
    last_at: Micros,
    dated: bool,
    boot: u64,
    pub(super) number: u64,
    #[serde(skip)]
    pub(super) is_changed: bool,
    #[serde(skip)]
    pub(super) is_stored: bool,
}

const fn no_key() -> Key {
    Key { stream: 0, pid: 0 }
}

impl Pending {
    pub(super) fn begin(
        line: &Line<'_>,
        mode: Mode,
        text: String,
        is_wrapped: bool,
        order: u64,
    ) -> Self {
        Self {
            key: Key::of(line),
            order,
            mode,
            is_cut: line.cut,
            is_wrapped,
            text,
            last_line: 0,
            lines: 1,
            origin: code_of(line.origin),
            unit: line.unit.to_owned(),
            has_pid: line.pid.is_some(),
            at: line.at,
            last_at: line.at,
            dated: line.dated,
            boot: line.boot,
            number: line.number,
            is_changed: true,
            is_stored: false,
        }
    }

    /// Tells by how much the text grew.
    pub(super) fn append(&mut self, line: &Line<'_>, part: Part) -> usize {
        let before = self.text.len();
        if self.mode != Mode::Refused {
            if part == Part::Line {
                self.text.push('\n');
                self.last_line = self.text.len();
            }
            self.text.push_str(line.text);
        }
        self.lines = self.lines.saturating_add(1);
        self.last_at = self.last_at.max(line.at);
        self.is_changed = true;
        self.text.len() - before
    }

    /// The last line ends the block and opens no other one.
    pub(super) fn is_closed(&self) -> bool {
        let last = self.text.get(self.last_line..).unwrap_or_default();
        closes_block(last) && !last.ends_with("=<")
    }

    /// It may be whole as it stands.
    pub(super) fn may_end(&self) -> bool {
        self.mode == Mode::Open && !self.is_cut && !self.is_too_long()
    }

    /// When nothing more is waited for.
    pub(super) fn due(&self) -> Micros {
        if self.is_too_long() { self.span_ends() } else { self.last_at.saturating_add(idle()) }
    }

    fn is_too_long(&self) -> bool {
        self.span_ends() < self.last_at.saturating_add(idle())
    }

    const fn span_ends(&self) -> Micros {
        self.at.saturating_add(micros(JOIN_SPAN))
    }

    pub(super) fn origin(&self) -> Origin {
        origin_of(self.origin)
    }

    /// The first line, with the text of all.
    pub(super) fn line(&self) -> Line<'_> {
        Line {
            text: &self.text,
            origin: self.origin(),
            unit: &self.unit,
            stream: self.key.stream,
            pid: self.has_pid.then_some(self.key.pid),
            at: self.at,
            dated: self.dated,
            boot: self.boot,
            cut: self.is_cut,
            number: self.number,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let pending: Self = serde_json::from_slice(value).ok()?;
        Some(Self { key: Key::from_bytes(key)?, is_stored: true, ..pending })
    }
}

const fn idle() -> Micros {
    micros(JOIN_IDLE)
}

const fn micros(duration: std::time::Duration) -> Micros {
    duration.as_secs() as Micros * 1_000_000 + duration.subsec_micros() as Micros
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

/// Places in `ORIGINS` are part of the durable state.
fn code_of(origin: Origin) -> u8 {
    ORIGINS
        .iter()
        .position(|known| *known == origin)
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(0)
}

fn origin_of(code: u8) -> Origin {
    ORIGINS.get(usize::from(code)).copied().unwrap_or_default()
}
