//! The engine's durable state as keys and values: what is held, counted and known, and the clocks.
//!
//! key := tag, then what names the entry; value := version, then JSON, so that the releases before
//! and after can read it: they pass over fields they do not know and fill in those that are absent
//! (`#[serde(default)]`). What cannot be read is left out, named, and told as a loss.

use super::{
    Diagnosis, StateChange,
    clock::Clock,
    collapse::{Held, Told, Waiting},
    coverage::Blind,
    identities::Known,
    incident::Entry,
    incidents::{Counts, Folded},
    repeats::Series,
    silence::Heard,
    spike,
    world::{self, Kept},
};
use crate::{
    fact,
    observation::{
        Observation,
        time::{self, Zone},
    },
    source::Micros,
};

/// Raised only when the form of a value changes so that another release would misread it; then the
/// form before it must still be read here, and `tests/upgrades` gets a file of it.
const VERSION: u8 = 2;

/// First byte of a key.
mod tag {
    pub(super) const META: u8 = b'm';
    pub(super) const WAITING: u8 = b'w';
    pub(super) const TOLD: u8 = b't';
    pub(super) const SERIES: u8 = b's';
    pub(super) const IDENTITY: u8 = b'i';
    pub(super) const ZONE: u8 = b'z';
    pub(super) const INCIDENT: u8 = b'I';
    pub(super) const POD: u8 = b'P';
    pub(super) const SPECS: u8 = b'S';
    pub(super) const LISTING: u8 = b'L';
    pub(super) const NODE: u8 = b'N';
    pub(super) const BLIND: u8 = b'B';
    pub(super) const FOLDED: u8 = b'F';
    pub(super) const UNOWNED: u8 = b'U';
    pub(super) const SPIKE: u8 = b'K';
    pub(super) const SPIKE_POD: u8 = b'k';
}

/// What is one value and not many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    pub(super) clock: Clock,
    pub(super) last_held: u64,
    pub(super) network_down_at: Option<Micros>,
    pub(super) last_incident: u64,
    pub(super) kubelet_heard: Micros,
    pub(super) folded: Counts,
    pub(super) heard: Heard,
    pub(super) spikes_seen: Micros,
}

impl Diagnosis {
    /// Hands on every entry of the durable state that changed since the last call.
    pub fn changes(&mut self, sink: &mut dyn FnMut(StateChange)) {
        if std::mem::take(&mut self.meta_changed) {
            sink((vec![tag::META], Some(encode(&self.meta()))));
        }
        self.collapse.changes(&mut |number, held| {
            // A number is only ever one of the two.
            let (waiting, told) = match held {
                Some(Held::Waiting(waiting)) => (Some(encode(waiting)), None),
                Some(Held::Told(told)) => (None, Some(encode(told))),
                None => (None, None),
            };
            let both = waiting.is_none() && told.is_none();
            if waiting.is_some() || both {
                sink((key(tag::WAITING, &number.to_be_bytes()), waiting));
            }
            if told.is_some() || both {
                sink((key(tag::TOLD, &number.to_be_bytes()), told));
            }
        });
        self.counting.changes(&mut |name, series| {
            sink((key(tag::SERIES, name), series.map(encode)));
        });
        self.identities.changes(&mut |name, known| {
            sink((key(tag::IDENTITY, name.as_bytes()), known.map(encode)));
        });
        self.incidents.changes(&mut |number, entry| {
            sink((key(tag::INCIDENT, &number.to_be_bytes()), entry.map(encode)));
        });
        self.incidents.fold.changes(&mut |name, seat| {
            sink((key(tag::FOLDED, name.as_bytes()), seat.map(encode)));
        });
        if std::mem::take(&mut self.incidents.blind_changed) {
            sink((vec![tag::BLIND], Some(encode(&self.incidents.blind))));
        }
        self.world.changes(&mut |kept| match kept {
            Kept::Pod(name, pod) => sink((key(tag::POD, name.as_bytes()), pod.map(encode))),
            Kept::Specs(name, specs) => {
                sink((key(tag::SPECS, name.as_bytes()), specs.map(encode)));
            }
            Kept::Listing(name, listing) => {
                sink((key(tag::LISTING, name.as_bytes()), listing.map(encode)));
            }
            Kept::Node(node) => sink((key(tag::NODE, &[]), Some(encode(node)))),
            Kept::Unowned(number, line) => {
                sink((key(tag::UNOWNED, &number.to_be_bytes()), line.map(encode)));
            }
        });
        self.spikes.changes(&mut |kept| match kept {
            spike::Kept::Series(name, series) => {
                sink((key(tag::SPIKE, name.as_bytes()), series.map(encode)));
            }
            spike::Kept::Pod(name, pod, failing) => {
                let name = [name, pod].join("\0");
                sink((key(tag::SPIKE_POD, name.as_bytes()), failing.map(encode)));
            }
        });
        self.times.changes(&mut |clock, zone| {
            let name = serde_json::to_vec(clock).unwrap_or_default();
            sink((key(tag::ZONE, &name), zone.map(encode)));
        });
    }

    /// Takes back what [`Diagnosis::changes`] handed on, before the first input. Returns the keys of
    /// the entries that could not be read and were left out.
    pub fn restore(
        &mut self,
        entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Vec<Vec<u8>> {
        let mut lost = Vec::new();
        for (key, value) in entries {
            if self.restore_one(&key, &value).is_none() {
                lost.push(key);
            }
        }
        self.incidents.watch_all(self.clock.now(), &self.world);
        lost
    }

    fn restore_one(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let (tag, name) = key.split_first()?;
        match *tag {
            tag::META => {
                let meta: Meta = decode(value)?;
                self.clock = meta.clock;
                self.collapse.last = self.collapse.last.max(meta.last_held);
                self.network_down_at = meta.network_down_at;
                self.incidents.last = self.incidents.last.max(meta.last_incident);
                self.incidents.kubelet_heard = meta.kubelet_heard;
                self.incidents.fold.counts = meta.folded;
                self.incidents.silence.heard = meta.heard;
                self.spikes.seen = meta.spikes_seen;
            }
            tag::WAITING => {
                let number = u64::from_be_bytes(name.try_into().ok()?);
                self.collapse.restore_waiting(number, decode::<Waiting>(value)?);
            }
            tag::TOLD => {
                let number = u64::from_be_bytes(name.try_into().ok()?);
                self.collapse.restore_told(number, decode::<Told>(value)?);
            }
            tag::SERIES => self.counting.restore(name.try_into().ok()?, decode::<Series>(value)?),
            tag::IDENTITY => {
                let name = String::from_utf8(name.to_vec()).ok()?;
                self.identities.restore(name, decode::<Known>(value)?);
            }
            tag::ZONE => {
                let clock: time::Clock = serde_json::from_slice(name).ok()?;
                self.times.restore(clock, decode::<Zone>(value)?);
            }
            tag::INCIDENT => {
                let number = u64::from_be_bytes(name.try_into().ok()?);
                self.incidents.restore(number, decode::<Entry>(value)?);
            }
            tag::POD => {
                let name = String::from_utf8(name.to_vec()).ok()?;
                self.world.restore_pod(name, decode::<world::PodState>(value)?);
            }
            tag::SPECS => {
                let name = String::from_utf8(name.to_vec()).ok()?;
                self.world.restore_specs(name, decode::<world::Specs>(value)?);
            }
            tag::FOLDED => {
                let name = String::from_utf8(name.to_vec()).ok()?;
                self.incidents.fold.restore(name, decode::<Folded>(value)?);
            }
            tag::BLIND => self.incidents.blind = decode::<Blind>(value)?,
            tag::LISTING => {
                let name = String::from_utf8(name.to_vec()).ok()?;
                self.world.restore_listing(name, decode::<fact::Listing>(value)?);
            }
            tag::UNOWNED => {
                let number = u64::from_be_bytes(name.try_into().ok()?);
                self.world.restore_unowned(number, decode::<Observation>(value)?);
            }
            tag::SPIKE => {
                let name = String::from_utf8(name.to_vec()).ok()?;
                self.spikes.restore_series(name, decode::<spike::Series>(value)?);
            }
            tag::SPIKE_POD => {
                let name = std::str::from_utf8(name).ok()?;
                let (name, pod) = name.split_once('\0')?;
                let failing = decode::<spike::Failing>(value)?;
                self.spikes.restore_pod(name.to_owned(), pod.to_owned(), failing);
            }
            tag::NODE => self.world.restore_node(decode::<world::NodeState>(value)?),
            _ => return None,
        }
        Some(())
    }

    fn meta(&self) -> Meta {
        Meta {
            clock: self.clock,
            last_held: self.collapse.last,
            network_down_at: self.network_down_at,
            last_incident: self.incidents.last,
            kubelet_heard: self.incidents.kubelet_heard,
            folded: self.incidents.fold.counts,
            heard: self.incidents.silence.heard,
            spikes_seen: self.spikes.seen,
        }
    }
}

fn key(tag: u8, name: &[u8]) -> Vec<u8> {
    [&[tag], name].concat()
}

fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut encoded = vec![VERSION];
    match serde_json::to_writer(&mut encoded, value) {
        Ok(()) => encoded,
        // Plain structs into memory have no way to fail; if one ever did, it would be left out at
        // the next start, as any unreadable one.
        Err(_) => Vec::new(),
    }
}

fn decode<T: serde::de::DeserializeOwned>(value: &[u8]) -> Option<T> {
    let (version, value) = value.split_first()?;
    (*version == VERSION).then(|| serde_json::from_slice(value).ok()).flatten()
}
