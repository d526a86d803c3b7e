//! Taking one entry: a single enumeration (J4), the judgement, the message's place in the batch.

use std::time::Duration;

use rustix::io::Errno;

use super::super::frame::{Note, Unreadable};
use super::super::sd;
use super::super::trust::{Fields, Verdict};
use super::{Failure, Place, Reader};
use crate::limits;
use crate::source::{Loss, LossKind, Micros};
use crate::wall_clock;

/// An entry can be seen before all of its fields can (J7); older ones never get more of them.
const FRESH: Micros = 5_000_000;
const LOOKS_AGAIN: u32 = 5;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How often entries were waited for within this second.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    second: Micros,
    waits: u32,
}

impl Doubts {
    fn may_wait(&mut self, now: Micros) -> bool {
        let second = now / 1_000_000;
        if std::mem::replace(&mut self.second, second) != second {
            self.waits = 0;
        }
        self.waits += 1;
        self.waits <= limits::DOUBTFUL_WAITS
    }
}

impl Reader<'_> {
    /// Takes the entry on which the journal stands.
    pub(super) fn take_entry(&mut self) -> Result<(), Failure> {
        let at = Micros::try_from(self.journal.realtime()?).unwrap_or(Micros::MAX);
        self.batch.trailer.at = at;
        self.scanned += 1;
        if self.steps_left > 0 {
            return self.single_step(at);
        }
        self.read_entry(at)
    }

    /// After a death: announces the entry, so that the parent knows which one kills, and skips the
    /// one that did so too often.
    fn single_step(&mut self, at: Micros) -> Result<(), Failure> {
        self.steps_left -= 1;
        let place = Place::here(&mut self.journal, at)?;
        if self.request.skip.as_deref() == Some(place.cursor.as_str()) {
            let loss = Loss {
                kind: LossKind::Corrupt,
                component: "journal".to_owned(),
                unit: None,
                lines: Some(1),
                from: Some(at),
                to: Some(at),
                destination: None,
                why: "the journal reader died time and again at this entry; it is skipped"
                    .to_owned(),
            };
            let after = Some(place.cursor.clone());
            self.talk.note(&Note::Lost { loss, after })?;
            return self.send();
        }
        self.talk.wait_for_room()?;
        self.talk.note(&Note::Trying { cursor: place.cursor })?;
        self.read_entry(at)?;
        self.talk.note(&Note::Survived)?;
        self.send()
    }

    fn read_entry(&mut self, at: Micros) -> Result<(), Failure> {
        let (mut fields, mut failure) = self.read_fields();
        let mut looks = LOOKS_AGAIN;
        while self.is_doubtful(&fields) && self.is_whole_soon(at, &mut looks)? {
            (fields, failure) = self.read_fields();
        }
        #[cfg(feature = "test-faults")]
        super::fault::strike(self.batch.message_so_far());
        let verdict = fields.judge(&self.table);
        self.filter.count(verdict != Verdict::Other);
        match verdict {
            Verdict::Of(origin, unit) => {
                if !self.batch.has_message() && !self.find_message(at, &fields, failure.as_ref())? {
                    return Ok(());
                }
                let said = (at, &fields, self.batch.message_so_far());
                if !self.moment.is_copy(said, &mut self.journal)? {
                    self.batch.keep(at, origin, unit, &fields);
                }
            }
            // What it lacks, or which unit it was of, may be what could not be read.
            Verdict::Untrusted | Verdict::Other => match failure {
                Some(error) => self.note_unreadable(at, &error),
                None if verdict == Verdict::Untrusted => self.batch.trailer.untrusted += 1,
                None => {}
            },
        }
        Ok(())
    }

    /// All that the entry holds: what is kept of it, its message in the batch, and what stopped the
    /// reading.
    fn read_fields(&mut self) -> (Fields, Option<sd::Error>) {
        self.batch.begin();
        let mut fields = Fields::UNKNOWN;
        self.journal.restart_fields();
        loop {
            match self.journal.next_field() {
                Ok(None) => return (fields, None),
                Ok(Some(field)) => match field.strip_prefix(b"MESSAGE=") {
                    Some(message) => self.batch.message(message),
                    None => fields.take(&self.table, field),
                },
                Err(error) => return (fields, Some(error)),
            }
        }
    }

    /// What it lacks may be a field that journald has not linked yet: libsystemd passes over such a
    /// one in silence.
    fn is_doubtful(&self, fields: &Fields) -> bool {
        match fields.judge(&self.table) {
            Verdict::Of(..) => false,
            Verdict::Untrusted => true,
            Verdict::Other => fields.is_of_init() && !fields.names_a_unit,
        }
    }

    /// Waits a little, where the entry is so young that another look can show more of it. Forged
    /// lines must not hold up the others: so many waits a second, and no more.
    fn is_whole_soon(&mut self, at: Micros, looks: &mut u32) -> Result<bool, Failure> {
        let now = wall_clock::now();
        if *looks == 0 || now.saturating_sub(at) >= FRESH || !self.doubts.may_wait(now) {
            return Ok(false);
        }
        *looks -= 1;
        self.transient += 1;
        self.talk.pause(LOOK_AGAIN_AFTER)?;
        Ok(true)
    }

    /// The enumeration passes over a field that it cannot give: asked for by name, libsystemd says
    /// why. Whether there is a message after all.
    fn find_message(
        &mut self,
        at: Micros,
        fields: &Fields,
        failure: Option<&sd::Error>,
    ) -> Result<bool, Failure> {
        let mut looks = LOOKS_AGAIN;
        loop {
            match self.journal.data(c"MESSAGE") {
                Ok(field) => {
                    self.batch.message(field.strip_prefix(b"MESSAGE=").unwrap_or(field));
                    return Ok(true);
                }
                // Not there yet, or the file is being rotated: both pass (J6, J7).
                Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::BADMSG)) => {
                    let is_fresh = wall_clock::now().saturating_sub(at) < FRESH;
                    if is_fresh && looks > 0 {
                        looks -= 1;
                        self.transient += 1;
                        self.talk.pause(LOOK_AGAIN_AFTER)?;
                        continue;
                    }
                    match (error.errno(), failure) {
                        // libsystemd answers the same for a damaged field as for none.
                        (Some(Errno::NOENT), None) if !fields.has_always_message() => {
                            self.batch.trailer.without_message += 1;
                        }
                        (_, failure) => self.note_unreadable(at, failure.unwrap_or(&error)),
                    }
                    return Ok(false);
                }
                Err(error) => {
                    self.note_unreadable(at, &error);
                    return Ok(false);
                }
            }
        }
    }

    fn note_unreadable(&mut self, at: Micros, error: &sd::Error) {
        let why = || match error.errno() {
            // crates.md 9: from systemd 256 on the decompressors are loaded only when needed.
            Some(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT) => format!(
                "{error}: libsystemd cannot decompress it; the image lacks libzstd.so.1, \
                 liblz4.so.1 or liblzma.so.5"
            ),
            _ => format!("entries could not be decoded: {error}"),
        };
        let fresh = || Unreadable { count: 0, from: at, to: at, why: why() };
        let unreadable = self.batch.trailer.unreadable.get_or_insert_with(fresh);
        unreadable.count += 1;
        unreadable.to = at;
    }
}
