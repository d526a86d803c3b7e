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
    operations: u64,
    /// Changing operations from this one on fail; reads too when `is_dead`.
    fails_at: Option<u64>,
    is_dead: bool,
    error: Option<io::ErrorKind>,
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
        });
    }

    /// From the n-th operation after now on, writes fail so; reads go on.
    pub(super) fn fail_in(&self, operations: u64, error: io::ErrorKind) {
        self.with(|inner| {
            inner.fails_at = Some(inner.operations + operations);
            inner.is_dead = false;
            inner.error = Some(error);
        });
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

    fn change(&self, work: impl FnOnce(&mut Inner)) -> io::Result<()> {
        self.with(|inner| {
            inner.operations += 1;
            if inner.fails_at.is_some_and(|at| inner.operations > at) {
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
        self.change(|inner| inner.content.resize(usize::try_from(len).unwrap(), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|inner| inner.synced = inner.content.clone())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|inner| {
            let start = usize::try_from(offset).unwrap();
            inner.content[start..start + data.len()].copy_from_slice(data);
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
