//! What can go wrong with the state file, as far as it decides what to do.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What went wrong, as far as it decides what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("no space left")]
    Full,
    #[error("open in another process")]
    InUse,
    #[error("damaged: {0}")]
    Damaged(String),
    #[error(
        "it was written by another release: its form is number {found}, this release reads {ours}"
    )]
    Foreign { found: u64, ours: u64 },
    #[error("{0}")]
    Unavailable(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl<E: Into<redb::Error>> From<RedbError<E>> for Trouble {
    fn from(RedbError(error): RedbError<E>) -> Self {
        match error.into() {
            redb::Error::Io(error) => error.into(),
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            error @ (redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }) => Self::Damaged(error.to_string()),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// Tells redb's errors from others in `From`.
struct RedbError<E>(E);

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for Trouble {
            fn from(error: redb::$error) -> Self {
                RedbError(error).into()
            }
        }
    )*};
}
from_redb!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    CompactionError,
    SetDurabilityError
);

/// A page damaged while the file is open can make redb panic: that is a damaged file, not the end
/// of the agent.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Trouble::Damaged("its pages contradict each other".to_owned())))
}
