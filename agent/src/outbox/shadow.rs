//! A storage that reads a file and keeps writes to itself: redb repairs before it reads, and on a
//! full or read-only disk that is the only way to what the file holds.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

use redb::StorageBackend;

const PAGE: usize = 4096;

/// What is read from.
pub(super) trait Source: std::fmt::Debug + Send + Sync + 'static {
    fn len(&self) -> io::Result<u64>;
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

impl Source for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }
}

/// Written pages over a source. A repair writes the header and the free lists: a few dozen pages.
#[derive(Debug)]
pub(super) struct Shadow<S> {
    source: S,
    source_len: u64,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl<S: Source> Shadow<S> {
    pub(super) fn over(source: S) -> io::Result<Self> {
        let len = source.len()?;
        let written = Mutex::new(Written { len, pages: BTreeMap::new() });
        Ok(Self { source, source_len: len, written })
    }

    /// A page as the source has it, zeros behind its end.
    fn page(&self, number: u64) -> io::Result<Box<[u8; PAGE]>> {
        let mut page = Box::new([0; PAGE]);
        let start = number * PAGE as u64;
        let there = usize::try_from(self.source_len.saturating_sub(start)).unwrap_or(PAGE);
        if let Some(part) = page.get_mut(..there.min(PAGE))
            && !part.is_empty()
        {
            self.source.read(start, part)?;
        }
        Ok(page)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Written) -> io::Result<R>) -> io::Result<R> {
        work(&mut self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The pages that a range touches: number, and the part of the page and of the range.
fn parts(
    offset: u64,
    len: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = usize::try_from(at % PAGE as u64).unwrap_or(0);
        let size = (PAGE - within).min(len - done);
        let part = (at / PAGE as u64, within..within + size, done..done + size);
        done += size;
        Some(part)
    })
}

impl<S: Source> StorageBackend for Shadow<S> {
    fn len(&self) -> io::Result<u64> {
        self.with(|written| Ok(written.len))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|written| {
            for (number, within, part) in parts(offset, out.len()) {
                let Some(out) = out.get_mut(part) else { continue };
                let read;
                let page = match written.pages.get(&number) {
                    Some(page) => page,
                    None => {
                        read = self.page(number)?;
                        &read
                    }
                };
                out.copy_from_slice(page.get(within).unwrap_or_default());
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|written| {
            written.len = len;
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|written| {
            for (number, within, part) in parts(offset, data.len()) {
                let page = match written.pages.entry(number) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(self.page(number)?)
                    }
                };
                if let (Some(page), Some(data)) = (page.get_mut(within), data.get(part)) {
                    page.copy_from_slice(data);
                }
            }
            Ok(())
        })
    }
}
