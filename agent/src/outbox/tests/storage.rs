//! Storage that fails when it is told to, and shows what a power loss would leave.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use redb::StorageBackend;

/// One storage, shared by the backend in the database and the test.
#[derive(Clone, Debug, Default)]
pub(super) struct Storage(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    content: Vec<u8>,
    /// As of the last sync.
    synced: Vec<u8>,
    /// Changes since then, which a power loss may leave in any part.
    unsynced: Vec<Change>,
    operations: u64,
    /// Changing operations from this one on fail; reads too when `is_dead`.
    fails_at: Option<u64>,
    is_dead: bool,
    error: Option<io::ErrorKind>,
    /// How many there were when failing was ordered.
    ordered_at: u64,
    /// Only operations of this kind fail.
    only: Option<Kind>,
    /// Only so many fail, then all works again.
    failures_left: Option<u64>,
    /// How many were made to fail, and the first of them.
    failed: u64,
    first_failed: u64,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SetLen,
    Sync,
    Write,
}

#[derive(Clone, Debug)]
enum Change {
    SetLen(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn make(&self, content: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => content.resize(*len, 0),
            Self::Write(start, data) => {
                // A length that was lost with the power: the file ends where it did.
                let end = (start + data.len()).min(content.len());
                if let Some(place) = content.get_mut(*start..end) {
                    place.copy_from_slice(&data[..end - start]);
                }
            }
        }
    }
}

impl Storage {
    pub(super) fn holding(content: Vec<u8>) -> Self {
        let inner = Inner { synced: content.clone(), content, ..Inner::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// From the n-th operation after now on nothing works: the process was killed there.
    pub(super) fn die_in(&self, operations: u64) {
        self.with(|inner| {
            inner.fails_at = Some(inner.operations + operations);
            inner.is_dead = true;
            inner.only = None;
            inner.failures_left = None;
        });
    }

    /// From the n-th operation after now on, writes fail so; reads go on.
    pub(super) fn fail_in(&self, operations: u64, error: io::ErrorKind) {
        self.with(|inner| {
            inner.fails_at = Some(inner.operations + operations);
            inner.is_dead = false;
            inner.error = Some(error);
            inner.only = None;
            inner.failures_left = None;
        });
    }

    /// From the n-th operation after now on, the next `count` operations of this kind fail so.
    pub(super) fn fail_some(
        &self,
        operations: u64,
        only: Option<Kind>,
        count: u64,
        error: io::ErrorKind,
    ) {
        self.fail_in(operations, error);
        self.with(|inner| {
            inner.only = only;
            inner.failures_left = Some(count);
            inner.ordered_at = inner.operations;
        });
    }

    /// How many operations were made to fail so far.
    pub(super) fn failed(&self) -> u64 {
        self.with(|inner| inner.failed)
    }

    /// The first operation that was made to fail, counted from the order to fail, from 1.
    pub(super) fn first_failed(&self) -> u64 {
        self.with(|inner| inner.first_failed - inner.ordered_at)
    }

    /// What a power loss may leave: of what was not synced each change or not, as `keeps` says, and
    /// of each write whole sectors only.
    pub(super) fn after_torn_power_loss(&self, mut keeps: impl FnMut() -> bool) -> Vec<u8> {
        const SECTOR: usize = 512;
        self.with(|inner| {
            let mut content = inner.synced.clone();
            for change in &inner.unsynced {
                match change {
                    Change::SetLen(_) if keeps() => change.make(&mut content),
                    Change::SetLen(_) => {}
                    Change::Write(start, data) => {
                        for (number, sector) in data.chunks(SECTOR).enumerate() {
                            if keeps() {
                                Change::Write(start + number * SECTOR, sector.to_vec())
                                    .make(&mut content);
                            }
                        }
                    }
                }
            }
            content
        })
    }

    pub(super) fn work_again(&self) {
        self.with(|inner| inner.fails_at = None);
    }

    /// What a kill leaves: all that was written.
    pub(super) fn after_kill(&self) -> Vec<u8> {
        self.with(|inner| inner.content.clone())
    }

    /// What a power loss leaves at least: all that was synced.
    pub(super) fn after_power_loss(&self) -> Vec<u8> {
        self.with(|inner| inner.synced.clone())
    }

    pub(super) fn operations(&self) -> u64 {
        self.with(|inner| inner.operations)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, kind: Kind, work: impl FnOnce(&mut Inner)) -> io::Result<()> {
        self.with(|inner| {
            inner.operations += 1;
            let is_due = inner.fails_at.is_some_and(|at| inner.operations > at)
                && inner.only.is_none_or(|only| only == kind)
                && inner.failures_left.is_none_or(|left| left > 0);
            if is_due {
                inner.failures_left = inner.failures_left.map(|left| left - 1);
                inner.first_failed =
                    if inner.failed == 0 { inner.operations } else { inner.first_failed };
                inner.failed += 1;
                return Err(inner.error.unwrap_or(io::ErrorKind::Other).into());
            }
            work(inner);
            Ok(())
        })
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|inner| inner.content.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|inner| {
            if inner.is_dead && inner.fails_at.is_some_and(|at| inner.operations > at) {
                return Err(io::ErrorKind::Other.into());
            }
            let start = usize::try_from(offset).unwrap();
            let found = inner.content.get(start..start + out.len());
            out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Kind::SetLen, |inner| {
            let change = Change::SetLen(usize::try_from(len).unwrap());
            change.make(&mut inner.content);
            inner.unsynced.push(change);
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Kind::Sync, |inner| {
            let Inner { synced, unsynced, .. } = inner;
            unsynced.drain(..).for_each(|change| change.make(synced));
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Kind::Write, |inner| {
            let start = usize::try_from(offset).unwrap();
            assert!(start + data.len() <= inner.content.len(), "a write behind the end");
            let change = Change::Write(start, data.to_vec());
            change.make(&mut inner.content);
            inner.unsynced.push(change);
        })
    }
}

impl crate::outbox::shadow::Source for Storage {
    fn len(&self) -> io::Result<u64> {
        StorageBackend::len(self)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        StorageBackend::read(self, offset, out)
    }
}
