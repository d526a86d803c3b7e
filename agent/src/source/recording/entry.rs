//! The kept fields of one journal entry, in reused buffers, and the line they make.

use std::io;

use podwhy_parser::Origin;

use super::Skipped;
use crate::limits::LINE_BYTES;
use crate::source::{Line, Micros, origin, stream_id, text};

/// The fields that are kept; `Other` is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Message,
    RealtimeTimestamp,
    BootId,
    SystemdUnit,
    AboutUnit,
    Identifier,
    Uid,
    Pid,
    Transport,
    StreamId,
    LineBreak,
    Hostname,
    Other,
}

impl Field {
    pub(crate) fn of(name: &[u8]) -> Self {
        match name {
            b"MESSAGE" => Self::Message,
            b"__REALTIME_TIMESTAMP" => Self::RealtimeTimestamp,
            b"_BOOT_ID" => Self::BootId,
            b"_SYSTEMD_UNIT" => Self::SystemdUnit,
            b"UNIT" => Self::AboutUnit,
            b"SYSLOG_IDENTIFIER" => Self::Identifier,
            b"_UID" => Self::Uid,
            b"_PID" => Self::Pid,
            b"_TRANSPORT" => Self::Transport,
            b"_STREAM_ID" => Self::StreamId,
            b"_LINE_BREAK" => Self::LineBreak,
            b"_HOSTNAME" => Self::Hostname,
            _ => Self::Other,
        }
    }
}

/// Entries whose fields are handed in one by one.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    entry: Entry,
    skipped: Skipped,
}

impl Entries {
    /// Takes a field.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8], number: u64) {
        self.entry.set(Field::of(name), value, number);
    }

    /// The machine that the entries are of.
    pub(crate) fn host(&self) -> Option<&str> {
        self.entry.host()
    }

    /// The entry is complete: hands on the line that it is.
    pub(crate) fn hand_on(&mut self, sink: &mut dyn FnMut(Line<'_>)) -> io::Result<()> {
        let handed = self.entry.hand_on(&mut self.skipped, sink);
        self.entry.clear();
        handed
    }
}

/// One entry.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    message: Vec<u8>,
    has_message: bool,
    is_cut: bool,
    number: u64,
    at: Option<Micros>,
    boot: u64,
    unit: String,
    about_unit: String,
    identifier: String,
    uid: Option<u32>,
    pid: Option<u32>,
    transport: Transport,
    stream: Option<u64>,
    has_fields: bool,
    /// Time of the entry before, for one that does not say its own.
    last_at: Micros,
    /// The machine of the first entry that says it: kept from entry to entry.
    host: String,
    text: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Transport {
    Kernel,
    Driver,
    #[default]
    Other,
}

impl Entry {
    /// Forgets the entry, keeps the buffers.
    pub(crate) fn clear(&mut self) {
        let Self { message, unit, about_unit, identifier, host, text, last_at, .. } =
            std::mem::take(self);
        *self =
            Self { message, unit, about_unit, identifier, host, text, last_at, ..Self::default() };
        self.message.clear();
        self.unit.clear();
        self.about_unit.clear();
        self.identifier.clear();
    }

    pub(crate) const fn is_empty(&self) -> bool {
        !self.has_fields
    }

    pub(crate) fn host(&self) -> Option<&str> {
        Some(self.host.as_str()).filter(|host| !host.is_empty())
    }

    /// Takes a field's value. Of a repeated field the first one counts.
    pub(crate) fn set(&mut self, field: Field, value: &[u8], number: u64) {
        self.has_fields = true;
        match field {
            Field::Message if !self.has_message => {
                let kept = value.get(..LINE_BYTES).unwrap_or(value);
                self.message.extend_from_slice(kept);
                self.is_cut |= kept.len() < value.len();
                self.has_message = true;
                self.number = number;
            }
            Field::RealtimeTimestamp => self.at = self.at.or_else(|| number_of(value)),
            Field::BootId => self.boot = stream_id(&[value]),
            Field::SystemdUnit => keep_first(&mut self.unit, value),
            Field::AboutUnit => keep_first(&mut self.about_unit, value),
            Field::Identifier => keep_first(&mut self.identifier, value),
            Field::Uid => self.uid = self.uid.or_else(|| number_of(value)),
            Field::Pid => self.pid = self.pid.or_else(|| number_of(value)),
            Field::Transport => {
                self.transport = match value {
                    b"kernel" => Transport::Kernel,
                    b"driver" => Transport::Driver,
                    _ => Transport::Other,
                }
            }
            Field::StreamId => self.stream = Some(stream_id(&[value])),
            Field::Hostname => keep_first(&mut self.host, value),
            Field::LineBreak => self.is_cut |= value == b"line-max",
            Field::Message | Field::Other => {}
        }
    }

    /// Marks the message as longer than what `set` was given.
    pub(crate) const fn mark_cut(&mut self) {
        self.is_cut = true;
    }

    /// Hands on the entry's line, or counts why not.
    pub(crate) fn hand_on(
        &mut self,
        skipped: &mut Skipped,
        sink: &mut dyn FnMut(Line<'_>),
    ) -> io::Result<()> {
        let at = self.at.unwrap_or(self.last_at);
        self.last_at = at;
        if !self.has_message {
            skipped.without_message += 1;
            return Ok(());
        }
        let Some(origin) = self.origin() else {
            skipped.foreign += 1;
            return Ok(());
        };
        let unit = if origin == Origin::Systemd { &self.about_unit } else { &self.unit };
        let pid = self.pid.map_or([0; 4], u32::to_le_bytes);
        sink(Line {
            text: text::readable(&self.message, &mut self.text),
            origin,
            unit,
            stream: self.stream.unwrap_or_else(|| stream_id(&[self.unit.as_bytes(), &pid])),
            pid: self.pid,
            at,
            dated: self.at.is_some(),
            boot: self.boot,
            cut: self.is_cut,
            number: self.number,
        });
        Ok(())
    }

    /// Trust by class: what journald itself vouches for. A unit that is not known may still be a
    /// kubelet's under a name of its owner's, so root's own units are read as a paste is.
    fn origin(&self) -> Option<Origin> {
        const ROOT: Option<u32> = Some(0);
        if self.transport == Transport::Kernel {
            return Some(Origin::Kernel);
        }
        if self.transport == Transport::Driver {
            return Some(Origin::Journald);
        }
        if self.pid == Some(1) && self.uid.is_none_or(|uid| uid == 0) {
            return (!self.about_unit.is_empty()).then_some(Origin::Systemd);
        }
        if self.unit.is_empty() && self.uid.is_none() {
            // Exported with few fields: the identifier is all there is.
            return Some(origin::of_identifier(&self.identifier).unwrap_or(Origin::Any));
        }
        if self.uid.is_some() && self.uid != ROOT {
            return None;
        }
        Some(origin::of_unit(&self.unit).unwrap_or(Origin::Any))
    }
}

fn keep_first(kept: &mut String, value: &[u8]) {
    if kept.is_empty()
        && let Ok(value) = str::from_utf8(value)
    {
        kept.push_str(value);
    }
}

fn number_of<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    str::from_utf8(value).ok()?.parse().ok()
}
