//! Who is believed: trust by class, from the fields that journald itself vouches for (design 7).
//! Owns: the kept fields of one entry and the judgement on them. Does not: read entries.

use std::collections::HashMap;

use podwhy_parser::Origin;

use super::units::{self, Unit};

/// The place of a unit in the configured list; `NO_UNIT` is none.
pub(super) type UnitIndex = u16;
/// See [`UnitIndex`].
pub(super) const NO_UNIT: UnitIndex = UnitIndex::MAX;

/// What an entry is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Believed.
    Of(Origin, UnitIndex),
    /// Claims to be one of ours, but lacks what journald vouches for.
    Untrusted,
    /// Not ours.
    Other,
}

/// Names of the configured units and identifiers, for look-up by bytes.
#[derive(Debug)]
pub(super) struct Table {
    units: HashMap<Box<[u8]>, UnitIndex>,
    origins: Vec<Origin>,
    identifiers: Vec<Box<[u8]>>,
}

impl Table {
    pub(super) fn new(units: &[Unit]) -> Self {
        let identifiers = units::identifiers(units);
        let mut table = Self {
            units: HashMap::new(),
            origins: vec![],
            identifiers: identifiers.iter().map(|name| name.as_bytes().into()).collect(),
        };
        for (index, unit) in (0..NO_UNIT).zip(units) {
            table.units.insert(unit.name.as_bytes().into(), index);
            table.origins.push(unit.component.origin());
        }
        table
    }

    fn unit(&self, name: &[u8]) -> UnitIndex {
        self.units.get(name).copied().unwrap_or(NO_UNIT)
    }

    fn has_identifier(&self, name: &[u8]) -> bool {
        self.identifiers.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }

    /// The matches for libsystemd, as alternatives: everything that can be ours or claims to be.
    pub(super) fn matches(&self) -> Vec<Vec<Vec<u8>>> {
        let fields = |name: &str, values: &mut dyn Iterator<Item = &[u8]>| -> Vec<Vec<u8>> {
            values.map(|value| [name.as_bytes(), b"=", value].concat()).collect()
        };
        vec![
            fields("_SYSTEMD_UNIT", &mut self.units.keys().map(|name| &**name)),
            fields("SYSLOG_IDENTIFIER", &mut self.identifiers.iter().map(|name| &**name)),
            // Kernel lines, and journald's own ("driver").
            fields("_TRANSPORT", &mut [b"kernel".as_slice(), b"driver"].into_iter()),
            // systemd's words about a unit: few enough to take all of pid 1.
            fields("_PID", &mut [b"1".as_slice()].into_iter()),
        ]
    }
}

/// What is kept of an entry besides its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    unit: UnitIndex,
    /// `UNIT=`: the unit that the entry is about.
    about: UnitIndex,
    /// It is about one, be it ours or another.
    pub(super) names_a_unit: bool,
    uid_zero: bool,
    transport: Transport,
    identified: bool,
    /// `_PID`, 0 where unknown.
    pub(super) pid: u32,
    stream: u64,
    /// Hash of `_BOOT_ID`, 0 where unknown.
    pub(super) boot: u64,
    /// journald itself cut the line.
    pub(super) cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Kernel,
    Driver,
    Other,
}

impl Fields {
    /// Of an entry of which nothing is known yet.
    pub(super) const UNKNOWN: Self = Self {
        unit: NO_UNIT,
        about: NO_UNIT,
        names_a_unit: false,
        uid_zero: false,
        transport: Transport::Other,
        identified: false,
        pid: 0,
        stream: 0,
        boot: 0,
        cut: false,
    };

    /// Takes one field as `NAME=value`. A field may repeat (J4): the last of its name counts, which
    /// journald writes only once for those it vouches for.
    pub(super) fn take(&mut self, table: &Table, field: &[u8]) {
        match field {
            [b'_', b'S', b'Y', b'S', ..] => {
                if let Some(value) = field.strip_prefix(b"_SYSTEMD_UNIT=") {
                    self.unit = table.unit(value);
                }
            }
            [b'_', b'S', b'T', ..] => {
                if let Some(value) = field.strip_prefix(b"_STREAM_ID=") {
                    self.stream = hash(value);
                }
            }
            [b'_', b'U', ..] => {
                if let Some(value) = field.strip_prefix(b"_UID=") {
                    self.uid_zero = value == b"0";
                }
            }
            [b'_', b'P', ..] => {
                if let Some(value) = field.strip_prefix(b"_PID=") {
                    self.pid = number(value);
                }
            }
            [b'_', b'B', ..] => {
                if let Some(value) = field.strip_prefix(b"_BOOT_ID=") {
                    self.boot = hash(value);
                }
            }
            [b'_', b'T', ..] => {
                if let Some(value) = field.strip_prefix(b"_TRANSPORT=") {
                    self.transport = match value {
                        b"kernel" => Transport::Kernel,
                        b"driver" => Transport::Driver,
                        _ => Transport::Other,
                    };
                }
            }
            [b'_', b'L', ..] => {
                if let Some(value) = field.strip_prefix(b"_LINE_BREAK=") {
                    // The others, nul and eof, end a line where its writer ended it.
                    self.cut = value == b"line-max";
                }
            }
            [b'S', ..] => {
                if let Some(value) = field.strip_prefix(b"SYSLOG_IDENTIFIER=") {
                    self.identified = table.has_identifier(value);
                }
            }
            [b'U', ..] => {
                if let Some(value) = field.strip_prefix(b"UNIT=") {
                    self.about = table.unit(value);
                    self.names_a_unit = true;
                }
            }
            _ => {}
        }
    }

    /// Trust by class.
    pub(super) fn judge(&self, table: &Table) -> Verdict {
        match self.transport {
            Transport::Kernel => return Verdict::Of(Origin::Kernel, NO_UNIT),
            Transport::Driver => return Verdict::Of(Origin::Journald, NO_UNIT),
            Transport::Other => {}
        }
        if self.uid_zero
            && let Some(origin) = table.origins.get(usize::from(self.unit))
        {
            return Verdict::Of(*origin, self.unit);
        }
        if self.is_of_init() {
            return match self.about {
                NO_UNIT => Verdict::Other,
                unit => Verdict::Of(Origin::Systemd, unit),
            };
        }
        let claims = self.identified || self.unit != NO_UNIT || self.about != NO_UNIT;
        if claims { Verdict::Untrusted } else { Verdict::Other }
    }

    /// Whether it is a word of pid 1, about whatever unit.
    pub(super) const fn is_of_init(&self) -> bool {
        self.pid == 1 && self.uid_zero
    }

    /// Whether it is a line of a stream: journald stores none without its message.
    pub(super) fn has_always_message(&self) -> bool {
        self.stream != 0
    }

    /// Which lines continue each other (G8): `_STREAM_ID`, else unit and pid.
    pub(super) fn stream(&self) -> u64 {
        match self.stream {
            0 => (u64::from(self.unit) << 32) | u64::from(self.pid),
            stream => stream,
        }
    }
}

/// Eight bytes at a time, since it runs twice per entry: ids are random hexadecimal, no attacker
/// gains by a collision, and the result is the same in every process.
pub(super) fn hash(value: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(PRIME);
    let (words, rest) = value.as_chunks::<8>();
    let hash = words.iter().fold(PRIME, |hash, word| step(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)))
}

fn number(value: &[u8]) -> u32 {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn judge(fields: &[&str]) -> Verdict {
        let table = Table::new(&Config::default().units);
        let mut seen = Fields::UNKNOWN;
        for field in fields {
            seen.take(&table, field.as_bytes());
        }
        seen.judge(&table)
    }

    fn origin(fields: &[&str]) -> Option<Origin> {
        match judge(fields) {
            Verdict::Of(origin, _) => Some(origin),
            Verdict::Untrusted | Verdict::Other => None,
        }
    }

    #[test]
    fn a_unit_is_believed_by_its_unit_and_uid_zero() {
        let kubelet = ["_SYSTEMD_UNIT=kubelet.service", "_UID=0", "_TRANSPORT=stdout", "_PID=7"];
        assert_eq!(origin(&kubelet), Some(Origin::Kubelet));
        assert_eq!(origin(&["_SYSTEMD_UNIT=crio.service", "_UID=0"]), Some(Origin::Crio));
        assert_eq!(origin(&["_SYSTEMD_UNIT=k3s-agent.service", "_UID=0"]), Some(Origin::Kubelet));
        assert_eq!(origin(&["_SYSTEMD_UNIT=docker.service", "_UID=0"]), Some(Origin::Docker));
        let snap = origin(&["_SYSTEMD_UNIT=snap.k8s.containerd.service", "_UID=0"]);
        assert_eq!(snap, Some(Origin::Containerd));
    }

    #[test]
    fn a_name_that_anyone_can_write_is_not_believed_but_counted() {
        let forged = ["SYSLOG_IDENTIFIER=kubelet", "_UID=1000", "_SYSTEMD_UNIT=evil.service"];
        assert_eq!(judge(&forged), Verdict::Untrusted);
        let by_root = ["SYSLOG_IDENTIFIER=kubelet", "_UID=0", "_SYSTEMD_UNIT=cron.service"];
        assert_eq!(judge(&by_root), Verdict::Untrusted);
        let no_root = ["_SYSTEMD_UNIT=kubelet.service", "_UID=1000"];
        assert_eq!(judge(&no_root), Verdict::Untrusted);
        let about = ["UNIT=kubelet.service", "_UID=0", "_PID=4711"];
        assert_eq!(judge(&about), Verdict::Untrusted);
        let suppressed = ["MESSAGE=Suppressed 9 messages", "SYSLOG_IDENTIFIER=systemd-journald"];
        assert_eq!(judge(&suppressed), Verdict::Other);
    }

    #[test]
    fn kernel_journald_and_systemd_are_believed_by_their_own_marks() {
        assert_eq!(origin(&["_TRANSPORT=kernel"]), Some(Origin::Kernel));
        assert_eq!(origin(&["_TRANSPORT=driver", "_UID=0"]), Some(Origin::Journald));
        let systemd = ["_PID=1", "_UID=0", "UNIT=containerd.service"];
        assert_eq!(origin(&systemd), Some(Origin::Systemd));
        assert_eq!(judge(&["_PID=1", "_UID=0", "UNIT=cron.service"]), Verdict::Other);
        assert_eq!(judge(&["_TRANSPORT=stdout", "SYSLOG_IDENTIFIER=sshd"]), Verdict::Other);
    }

    #[test]
    fn only_line_max_marks_a_line_that_goes_on() {
        let table = Table::new(&Config::default().units);
        for (field, cut) in [("_LINE_BREAK=line-max", true), ("_LINE_BREAK=eof", false)] {
            let mut fields = Fields::UNKNOWN;
            fields.take(&table, field.as_bytes());
            assert_eq!(fields.cut, cut, "{field}");
        }
    }

    #[test]
    fn ids_that_differ_in_one_place_are_told_apart() {
        let id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
        let mut seen = std::collections::HashSet::from([hash(id.as_bytes()), hash(b"")]);
        for place in 0..id.len() {
            let mut other = id.as_bytes().to_vec();
            other[place] ^= 1;
            assert!(seen.insert(hash(&other)), "{place}");
        }
    }

    #[test]
    fn any_bytes_as_a_field_are_taken() {
        let table = Table::new(&Config::default().units);
        let mut fields = Fields::UNKNOWN;
        for field in [&b""[..], b"_", b"=", b"_PID=", b"_PID=99999999999", b"_UID=\xff", b"S\0="] {
            fields.take(&table, field);
        }
        assert_eq!(fields.pid, 0);
    }
}
