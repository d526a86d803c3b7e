//! What `podwhy check` asks of the journal: library, folders, units, compression. Owns: the look and
//! the advice. Does not: follow anything.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::reader::place;
use super::trust::{Fields, Table, Verdict};
use super::{Config, sd};
use crate::limits;

/// Entries that are looked at: enough to see every unit that is alive, quick on any node.
const LOOKED_AT: u32 = 50_000;

/// How a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdicts {
    /// It is met.
    Met,
    /// Something will be missing.
    Degraded,
    /// Without it there is no journal.
    Missing,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// What is needed.
    pub name: String,
    /// Whether it is there.
    pub verdict: Verdicts,
    /// What was found.
    pub found: String,
    /// What to do, where there is something to do.
    pub fix: Option<String>,
}

/// What was found, in the order in which things build on each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One per requirement.
    pub requirements: Vec<Requirement>,
}
