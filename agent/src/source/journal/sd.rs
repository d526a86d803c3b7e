//! libsystemd's journal, loaded at run time. The only unsafe code of podwhy.
//! Owns: the library, one open journal, errors with their names. Does not: decide what to read.
#![expect(unsafe_code, reason = "libsystemd is a C library; each block says why it holds")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use rustix::io::Errno;

/// The name under which every distribution installs it.
pub(super) const LIBRARY: &str = "libsystemd.so.0";

/// `SD_JOURNAL_OS_ROOT`: the path is a root that holds `run/log/journal` and `var/log/journal`.
const OS_ROOT: c_int = 1 << 4;

/// Why libsystemd could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The library or one of its own libraries is not there. Not retryable within one image.
    #[error("cannot load {library}: {why}; install libsystemd0 (the image ships it)")]
    Load { library: String, why: String },
    /// A static program has no dynamic loader: calling it would crash (crates.md 9).
    #[error("this build is static and cannot load {LIBRARY}; use the dynamically linked build")]
    Static,
    /// A call failed. Retryable as its errno says.
    #[error("{call}: {errno}")]
    Call { call: &'static str, errno: Errno },
}

impl Error {
    /// The errno of a failed call.
    pub(super) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Call { errno, .. } => Some(*errno),
            Self::Load { .. } | Self::Static => None,
        }
    }
}

type Handle = *mut c_void;
type Plain = unsafe extern "C" fn(Handle) -> c_int;
type Text = unsafe extern "C" fn(Handle, *const c_char) -> c_int;
type Fields = unsafe extern "C" fn(Handle, *mut *const c_void, *mut usize) -> c_int;

/// The functions used, as they are in every libsystemd since 209 unless marked.
struct Functions {
    open_directory: unsafe extern "C" fn(*mut Handle, *const c_char, c_int) -> c_int,
    close: unsafe extern "C" fn(Handle),
    add_match: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    add_disjunction: Plain,
    flush_matches: unsafe extern "C" fn(Handle),
    seek_head: Plain,
    seek_tail: Plain,
    seek_realtime_usec: unsafe extern "C" fn(Handle, u64) -> c_int,
    seek_cursor: Text,
    next: Plain,
    previous_skip: unsafe extern "C" fn(Handle, u64) -> c_int,
    get_realtime_usec: unsafe extern "C" fn(Handle, *mut u64) -> c_int,
    get_cutoff_realtime_usec: unsafe extern "C" fn(Handle, *mut u64, *mut u64) -> c_int,
    get_cursor: unsafe extern "C" fn(Handle, *mut *mut c_char) -> c_int,
    test_cursor: Text,
    restart_data: unsafe extern "C" fn(Handle),
    /// `enumerate_available_data` since 246: one unreadable field does not end the entry (J4).
    enumerate_data: Fields,
    get_data: unsafe extern "C" fn(Handle, *const c_char, *mut *const c_void, *mut usize) -> c_int,
    set_data_threshold: unsafe extern "C" fn(Handle, usize) -> c_int,
    get_fd: Plain,
    process: Plain,
    free: unsafe extern "C" fn(*mut c_void),
}

/// The loaded library.
pub(super) struct Library {
    functions: Functions,
    enumerates_available: bool,
    /// The function pointers live as long as this.
    _library: libloading::Library,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("enumerates_available", &self.enumerates_available).finish()
    }
}

impl Library {
    /// Loads libsystemd and looks up every function.
    pub(super) fn load(name: &str) -> Result<Self, Error> {
        if cfg!(target_feature = "crt-static") {
            return Err(Error::Static);
        }
        // SAFETY: loading runs the library's initialisers. libsystemd has none that touch this
        // process beyond its own state; the name is the documented soname or the operator's own.
        let library =
            unsafe { libloading::Library::new(name) }.map_err(|e| load_error(name, &e))?;
        let (functions, enumerates_available) =
            functions(&library).map_err(|e| load_error(name, &e))?;
        Ok(Self { functions, enumerates_available, _library: library })
    }

    /// Whether one unreadable field leaves the others readable (systemd ≥ 246).
    pub(super) fn enumerates_available(&self) -> bool {
        self.enumerates_available
    }
}

/// Whether a library, such as a decompressor that libsystemd loads on demand, can be loaded.
pub(super) fn can_load(name: &str) -> bool {
    // SAFETY: used with the sonames of libzstd, liblz4 and liblzma only, whose initialisers do
    // nothing but set up their own tables; the handle is closed before any of them is called.
    !cfg!(target_feature = "crt-static") && unsafe { libloading::Library::new(name) }.is_ok()
}

/// libloading's own text says only "dlopen failed"; the cause is in its source (crates.md 9).
fn load_error(library: &str, error: &libloading::Error) -> Error {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        why = format!("{why}: {inner}");
        cause = inner.source();
    }
    Error::Load { library: library.to_owned(), why }
}

fn functions(library: &libloading::Library) -> Result<(Functions, bool), libloading::Error> {
    /// Looks up a function; its type is that of the field it goes to.
    macro_rules! function {
        ($name:literal) => {{
            // SAFETY: the field's type is the C prototype of sd-journal.h (free: stdlib.h), which
            // is stable ABI under a versioned symbol; `Library` keeps the library loaded.
            *unsafe { library.get(concat!($name, "\0").as_bytes()) }?
        }};
    }
    // SAFETY: as above.
    let available =
        unsafe { library.get::<Fields>(b"sd_journal_enumerate_available_data\0") }.map(|f| *f);
    let functions = Functions {
        open_directory: function!("sd_journal_open_directory"),
        close: function!("sd_journal_close"),
        add_match: function!("sd_journal_add_match"),
        add_disjunction: function!("sd_journal_add_disjunction"),
        flush_matches: function!("sd_journal_flush_matches"),
        seek_head: function!("sd_journal_seek_head"),
        seek_tail: function!("sd_journal_seek_tail"),
        seek_realtime_usec: function!("sd_journal_seek_realtime_usec"),
        seek_cursor: function!("sd_journal_seek_cursor"),
        next: function!("sd_journal_next"),
        previous_skip: function!("sd_journal_previous_skip"),
        get_realtime_usec: function!("sd_journal_get_realtime_usec"),
        get_cutoff_realtime_usec: function!("sd_journal_get_cutoff_realtime_usec"),
        get_cursor: function!("sd_journal_get_cursor"),
        test_cursor: function!("sd_journal_test_cursor"),
        restart_data: function!("sd_journal_restart_data"),
        enumerate_data: match available {
            Ok(function) => function,
            Err(_) => function!("sd_journal_enumerate_data"),
        },
        get_data: function!("sd_journal_get_data"),
        set_data_threshold: function!("sd_journal_set_data_threshold"),
        get_fd: function!("sd_journal_get_fd"),
        process: function!("sd_journal_process"),
        free: function!("free"),
    };
    Ok((functions, available.is_ok()))
}

/// What happened to the journal's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    Nothing,
    /// Entries were added.
    Appended,
    /// Files were added or removed.
    Files,
}

/// One open journal. Bound to the thread that opened it (J5), hence the raw pointer inside: not
/// `Send`.
#[derive(Debug)]
pub(super) struct Journal<'l> {
    library: &'l Library,
    handle: NonNull<c_void>,
    bound_to_thread: PhantomData<*mut ()>,
}

impl<'l> Journal<'l> {
    /// Opens `run/log/journal` and `var/log/journal` below `root`. Never single files: those stop
    /// at the first rotation (J10).
    pub(super) fn open_root(library: &'l Library, root: &Path) -> Result<Self, Error> {
        Self::open(library, root, OS_ROOT)
    }

    /// Opens one folder of journal files or of machines' folders.
    pub(super) fn open_directory(library: &'l Library, folder: &Path) -> Result<Self, Error> {
        Self::open(library, folder, 0)
    }

    fn open(library: &'l Library, path: &Path, flags: c_int) -> Result<Self, Error> {
        const CALL: &str = "sd_journal_open_directory";
        let path = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| Error::Call { call: CALL, errno: Errno::INVAL })?;
        let mut handle = ptr::null_mut();
        // SAFETY: `handle` is a valid place for the result and `path` a C string that outlives the
        // call, which copies it.
        let result =
            unsafe { (library.functions.open_directory)(&raw mut handle, path.as_ptr(), flags) };
        checked(CALL, result)?;
        let handle = NonNull::new(handle).ok_or(Error::Call { call: CALL, errno: Errno::INVAL })?;
        Ok(Self { library, handle, bound_to_thread: PhantomData })
    }

    /// Calls a function that takes nothing but the journal.
    fn call(&mut self, call: &'static str, function: Plain) -> Result<c_int, Error> {
        // SAFETY: the handle came from open_directory and is closed only in `drop`; `&mut self`
        // and `!Send` keep calls on it one at a time and on one thread. No slice handed out by
        // `next_field` or `data` is alive, since those borrow `self`.
        checked(call, unsafe { function(self.handle.as_ptr()) })
    }

    /// Only entries that have this field (`NAME=value`) from now on; several of one name are
    /// alternatives, of several names conditions.
    pub(super) fn add_match(&mut self, field: &[u8]) -> Result<(), Error> {
        let add = self.library.functions.add_match;
        // SAFETY: handle as in `call`; the bytes are valid for their length and copied.
        let result = unsafe { add(self.handle.as_ptr(), field.as_ptr().cast(), field.len()) };
        checked("sd_journal_add_match", result).map(drop)
    }

    /// What was matched so far OR what follows.
    pub(super) fn or(&mut self) -> Result<(), Error> {
        self.call("sd_journal_add_disjunction", self.library.functions.add_disjunction).map(drop)
    }

    /// Every entry again. The place in the journal stays.
    pub(super) fn flush_matches(&mut self) {
        // SAFETY: handle as in `call`.
        unsafe { (self.library.functions.flush_matches)(self.handle.as_ptr()) }
    }

    /// The next `next` is the first entry.
    pub(super) fn seek_head(&mut self) -> Result<(), Error> {
        self.call("sd_journal_seek_head", self.library.functions.seek_head).map(drop)
    }

    /// The next `previous_skip` counts from the last entry.
    pub(super) fn seek_tail(&mut self) -> Result<(), Error> {
        self.call("sd_journal_seek_tail", self.library.functions.seek_tail).map(drop)
    }

    /// The next `next` is the first entry at or after this time.
    pub(super) fn seek_realtime(&mut self, micros: u64) -> Result<(), Error> {
        let seek = self.library.functions.seek_realtime_usec;
        // SAFETY: handle as in `call`; the rest is a number.
        let result = unsafe { seek(self.handle.as_ptr(), micros) };
        checked("sd_journal_seek_realtime_usec", result).map(drop)
    }

    /// The next `next` is the cursor's entry, or where that is gone the next one that is left:
    /// `is_at` tells (J2).
    pub(super) fn seek_cursor(&mut self, cursor: &CStr) -> Result<(), Error> {
        let seek = self.library.functions.seek_cursor;
        // SAFETY: handle as in `call`; the C string outlives the call, which keeps nothing of it.
        let result = unsafe { seek(self.handle.as_ptr(), cursor.as_ptr()) };
        checked("sd_journal_seek_cursor", result).map(drop)
    }

    /// Goes on to the next entry; false when there is none yet.
    pub(super) fn next(&mut self) -> Result<bool, Error> {
        self.call("sd_journal_next", self.library.functions.next).map(|moved| moved > 0)
    }

    /// Goes back by up to `entries`; how many it were.
    pub(super) fn previous_skip(&mut self, entries: u32) -> Result<u32, Error> {
        let skip = self.library.functions.previous_skip;
        // SAFETY: handle as in `call`; the rest is a number.
        let result = unsafe { skip(self.handle.as_ptr(), u64::from(entries)) };
        let moved = checked("sd_journal_previous_skip", result)?;
        Ok(u32::try_from(moved).unwrap_or(0))
    }

    /// When journald received the entry.
    pub(super) fn realtime(&mut self) -> Result<u64, Error> {
        let mut micros = 0;
        let get = self.library.functions.get_realtime_usec;
        // SAFETY: handle as in `call`; `micros` is a valid place for the result.
        let result = unsafe { get(self.handle.as_ptr(), &raw mut micros) };
        checked("sd_journal_get_realtime_usec", result).map(|_| micros)
    }

    /// The time of the oldest entry that is left. Does not move.
    pub(super) fn oldest(&mut self) -> Result<Option<u64>, Error> {
        let (mut from, mut to) = (0, 0);
        let get = self.library.functions.get_cutoff_realtime_usec;
        // SAFETY: handle as in `call`; both are valid places for the results.
        let result = unsafe { get(self.handle.as_ptr(), &raw mut from, &raw mut to) };
        let found = checked("sd_journal_get_cutoff_realtime_usec", result)?;
        Ok((found > 0).then_some(from))
    }

    /// The entry's cursor, into a buffer that is reused.
    pub(super) fn cursor_into(&mut self, cursor: &mut Vec<u8>) -> Result<(), Error> {
        let mut text: *mut c_char = ptr::null_mut();
        let get = self.library.functions.get_cursor;
        // SAFETY: handle as in `call`; `text` is a valid place for the result.
        let result = unsafe { get(self.handle.as_ptr(), &raw mut text) };
        checked("sd_journal_get_cursor", result)?;
        cursor.clear();
        if !text.is_null() {
            // SAFETY: on success it is a C string that was allocated for us; it is copied before
            // it is freed, exactly once, by the allocator that libsystemd itself uses.
            unsafe {
                cursor.extend_from_slice(CStr::from_ptr(text).to_bytes());
                (self.library.functions.free)(text.cast());
            }
        }
        Ok(())
    }

    /// Whether the entry is the cursor's own.
    pub(super) fn is_at(&mut self, cursor: &CStr) -> Result<bool, Error> {
        let test = self.library.functions.test_cursor;
        // SAFETY: handle as in `call`; the C string outlives the call, which keeps nothing of it.
        let result = unsafe { test(self.handle.as_ptr(), cursor.as_ptr()) };
        checked("sd_journal_test_cursor", result).map(|same| same > 0)
    }

    /// The next `next_field` is the entry's first.
    pub(super) fn restart_fields(&mut self) {
        // SAFETY: handle as in `call`.
        unsafe { (self.library.functions.restart_data)(self.handle.as_ptr()) }
    }

    /// The entry's next field as `NAME=value`, lent until the next call.
    pub(super) fn next_field(&mut self) -> Result<Option<&[u8]>, Error> {
        let (mut data, mut length) = (ptr::null(), 0);
        let enumerate = self.library.functions.enumerate_data;
        // SAFETY: handle as in `call`; both are valid places for the results.
        let result = unsafe { enumerate(self.handle.as_ptr(), &raw mut data, &raw mut length) };
        let found = checked("sd_journal_enumerate_data", result)?;
        // SAFETY: see `lent`; the borrow of `self` ends before any further call.
        Ok((found > 0).then(|| unsafe { lent(data, length) }))
    }

    /// One field of the entry as `NAME=value`, lent until the next call. Dear: it walks the entry
    /// again (J4). For what the enumeration did not give, since it names the error.
    pub(super) fn data(&mut self, name: &CStr) -> Result<&[u8], Error> {
        let (mut data, mut length) = (ptr::null(), 0);
        let get = self.library.functions.get_data;
        let handle = self.handle.as_ptr();
        // SAFETY: handle as in `call`; the C string outlives the call; both are valid places for
        // the results.
        let result = unsafe { get(handle, name.as_ptr(), &raw mut data, &raw mut length) };
        checked("sd_journal_get_data", result)?;
        // SAFETY: see `lent`; the borrow of `self` ends before any further call.
        Ok(unsafe { lent(data, length) })
    }

    /// How many bytes of a compressed field are wanted at least (J9).
    pub(super) fn set_data_threshold(&mut self, bytes: usize) -> Result<(), Error> {
        let set = self.library.functions.set_data_threshold;
        // SAFETY: handle as in `call`; the rest is a number.
        let result = unsafe { set(self.handle.as_ptr(), bytes) };
        checked("sd_journal_set_data_threshold", result).map(drop)
    }

    /// Begins to watch the folders; without it new files are never learnt of (J3, J8). The
    /// descriptor stays the journal's own.
    pub(super) fn watch(&mut self) -> Result<RawFd, Error> {
        self.call("sd_journal_get_fd", self.library.functions.get_fd)
    }

    /// Takes in what changed since the last call (J3).
    pub(super) fn process(&mut self) -> Result<Change, Error> {
        let change = self.call("sd_journal_process", self.library.functions.process)?;
        Ok(match change {
            0 => Change::Nothing,
            1 => Change::Appended,
            _ => Change::Files,
        })
    }
}

impl Drop for Journal<'_> {
    fn drop(&mut self) {
        // SAFETY: handle as in `call`; nothing uses it afterwards.
        unsafe { (self.library.functions.close)(self.handle.as_ptr()) }
    }
}

/// libsystemd answers a negative errno, or what the call says.
fn checked(call: &'static str, result: c_int) -> Result<c_int, Error> {
    match result {
        0.. => Ok(result),
        _ => Err(Error::Call { call, errno: Errno::from_raw_os_error(result.saturating_neg()) }),
    }
}

/// # Safety
///
/// `data` and `length` are what libsystemd gave on success: memory that is valid until the next
/// call on the same journal, which the caller's borrow of the journal rules out. journald only
/// appends to its files and never changes a data object that an entry links to. A file that is
/// truncated under us is a SIGBUS, not undefined behaviour in the program: the process dies, which
/// is why the journal is read by a child.
unsafe fn lent<'a>(data: *const c_void, length: usize) -> &'a [u8] {
    if data.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: by the contract above; a mapped object is below isize::MAX.
    unsafe { std::slice::from_raw_parts(data.cast(), length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_that_names_it_and_the_cause() {
        let error = Library::load("libsystemd-of-nowhere.so.0").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("libsystemd-of-nowhere.so.0"), "{text}");
        assert!(text.contains("cannot open shared object file"), "the cause is missing: {text}");
    }

    /// Ambiguous, so that this does not compile, as soon as the type is `Send` or `Sync`.
    trait StaysOnItsThread<Marker> {
        fn holds() {}
    }
    impl<T: ?Sized> StaysOnItsThread<()> for T {}
    impl<T: ?Sized + Send> StaysOnItsThread<u8> for T {}
    impl<T: ?Sized + Sync> StaysOnItsThread<u16> for T {}

    #[test]
    fn j5_a_journal_can_neither_be_sent_to_another_thread_nor_be_shared_with_it() {
        <Journal<'static> as StaysOnItsThread<_>>::holds();
    }

    #[test]
    fn a_failed_call_tells_its_name_and_errno() {
        let error = checked("sd_journal_next", -74).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::BADMSG));
        assert!(error.to_string().starts_with("sd_journal_next: "), "{error}");
        assert_eq!(checked("sd_journal_next", 1).unwrap(), 1);
    }
}
