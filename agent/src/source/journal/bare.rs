//! The yardstick of the catch-up benchmark: a bare libsystemd loop over the entries that the agent
//! reads. Owns: next, and one enumeration of every field. Does not: keep anything.

use std::path::Path;

use super::reader::filter::Filter;
use super::trust::Table;
use super::{Config, sd};

/// What the loop saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Entries.
    pub entries: u64,
    /// Bytes of all fields.
    pub bytes: u64,
}

/// Enumerates every field of every entry under `root` from the oldest on; with `matched`, through
/// libsystemd's matches for the default units.
///
/// # Errors
/// Those of libsystemd, as text.
pub fn enumerate(root: &Path, matched: bool) -> Result<Seen, String> {
    let config = Config { root: root.to_owned(), ..Config::default() };
    let library = sd::Library::load(&config.library).map_err(|error| error.to_string())?;
    walk(&library, &config, matched).map_err(|error| error.to_string())
}

fn walk(library: &sd::Library, config: &Config, matched: bool) -> Result<Seen, sd::Error> {
    let mut journal = sd::Journal::open_root(library, &config.root)?;
    if matched {
        Filter::new(Table::new(&config.units).matches()).apply(&mut journal)?;
    }
    journal.seek_head()?;
    let mut seen = Seen::default();
    while journal.next()? {
        seen.entries += 1;
        journal.restart_fields();
        while let Some(field) = journal.next_field()? {
            seen.bytes += u64::try_from(field.len()).unwrap_or(0);
        }
    }
    Ok(seen)
}
