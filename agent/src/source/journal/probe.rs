//! What `podwhy check` asks of the journal: library, folders, units, compression. Owns: the look and
//! the advice. Does not: follow anything; meant for a command that ends, since it reads in-process.

mod beside;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use podwhy_parser::Origin;
use rustix::io::Errno;

use super::reader::filter::Filter;
use super::reader::place;
use super::trust::{Fields, Table, Verdict};
use super::{Config, others, sd};

pub use self::beside::probe_all;

/// Entries that are looked at: enough to see every unit that is alive, quick on any node.
const LOOKED_AT: u32 = 20_000;
/// `incompatible_flags` of a journal file's header that name a compression, and who decompresses.
const COMPRESSIONS: [(u32, &str, &str); 3] =
    [(1, "xz", "liblzma.so.5"), (2, "lz4", "liblz4.so.1"), (8, "zstd", "libzstd.so.1")];

/// How a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Met,
    /// Something will be missing.
    Degraded,
    /// Without it there is no journal.
    Failed,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// What is needed.
    pub name: &'static str,
    /// Whether it is there.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do, where there is something to do.
    pub fix: Option<String>,
}

/// One requirement after the other, in the order in which they build on each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was looked at; after a failure the later ones cannot be.
    pub requirements: Vec<Requirement>,
}

impl Report {
    /// Whether the journal can be read at all.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.requirements.iter().all(|requirement| requirement.status != Status::Failed)
    }

    fn add(&mut self, name: &'static str, status: Status, found: String, fix: Option<&str>) {
        let fix = fix.map(str::to_owned);
        self.requirements.push(Requirement { name, status, found, fix });
    }
}

/// Looks at everything the journal source needs.
#[must_use]
pub fn probe(config: &Config) -> Report {
    let mut report = Report::default();
    let library = match sd::Library::load(&config.library) {
        Ok(library) => library,
        Err(error) => {
            let fix = "install libsystemd0, or set journal.library to its path";
            report.add("journal library", Status::Failed, error.to_string(), Some(fix));
            return report;
        }
    };
    library_found(&mut report, &library, config);
    report.requirements.push(folders(config));
    compression(&mut report, &readable_files(config));
    match place::open(&library, config) {
        Ok(mut journal) => units(&mut report, &mut journal, config),
        Err(_) => report.add(
            "journal",
            Status::Failed,
            format!("{} cannot be opened as a journal", config.root.display()),
            Some("set journal.root to where the host's / is mounted"),
        ),
    }
    report
}

fn library_found(report: &mut Report, library: &sd::Library, config: &Config) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut files = maps.lines().filter_map(|line| line.split_whitespace().last());
    let file = files.find(|path| path.contains("libsystemd.so"));
    let real = file.map(std::fs::canonicalize).and_then(Result::ok);
    let found = real.map_or(config.library.clone(), |path| path.display().to_string());
    if library.enumerates_available() {
        report.add("journal library", Status::Met, found, None);
    } else {
        // J11: older ones also pass over compact files in silence.
        let fix = "use libsystemd of systemd 252 or newer";
        report.add("journal library", Status::Degraded, format!("{found}: too old"), Some(fix));
    }
}

/// Whether there are journal files, and whether they can be read. Opens no journal.
pub(super) fn folders(config: &Config) -> Requirement {
    let (mut readable, mut found, mut denied) = (0, vec![], false);
    for folder in place::folder_paths(config) {
        match journal_files(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                found.push(format!("{}: not there", folder.display()));
            }
            Err(error) => {
                denied |= error.kind() == ErrorKind::PermissionDenied;
                found.push(format!("{}: {error}", folder.display()));
            }
            Ok(files) => {
                let here = files.iter().filter(|file| File::open(file).is_ok()).count();
                let unreadable = files.len() - here;
                readable += here;
                denied |= unreadable > 0;
                let not = match unreadable {
                    0 => String::new(),
                    unreadable => format!(", {unreadable} unreadable"),
                };
                found.push(format!("{}: {here} files{not}", folder.display()));
            }
        }
    }
    let fix = match denied {
        true => "run as root or with CAP_DAC_READ_SEARCH, or join the group systemd-journal",
        false => {
            "mount the host's /var/log and /run/log/journal; if the node has no journald, \
             set journal.enabled to false and read log files"
        }
    };
    let status = match (readable, denied) {
        (0, _) => Status::Failed,
        (_, true) => Status::Degraded,
        (_, false) => Status::Met,
    };
    Requirement {
        name: "journal folders",
        status,
        found: found.join("; "),
        fix: (status != Status::Met).then(|| fix.to_owned()),
    }
}

fn readable_files(config: &Config) -> Vec<PathBuf> {
    let folders = place::folder_paths(config);
    let files = folders.iter().filter_map(|folder| journal_files(folder).ok()).flatten();
    files.filter(|file| File::open(file).is_ok()).collect()
}

pub(super) fn journal_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        // A namespace is a journal of its own.
        let is_other = others::namespace_of(&entry.file_name().to_string_lossy()).is_some();
        // With `~`: journald found it damaged or not closed; libsystemd reads it all the same.
        let is_journal = |path: &PathBuf| {
            path.extension().is_some_and(|ext| ext == "journal" || ext == "journal~")
        };
        if path.is_dir() && !is_other {
            // The folder of one machine.
            let inner = std::fs::read_dir(&path)?.flatten().map(|entry| entry.path());
            files.extend(inner.filter(is_journal));
        } else if !is_other && is_journal(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Whether what the files are compressed with can be decompressed (crates.md 9).
fn compression(report: &mut Report, files: &[PathBuf]) {
    let flags = files.iter().filter_map(|file| incompatible_flags(file)).fold(0, |all, f| all | f);
    let (mut used, mut lacking) = (vec![], vec![]);
    for (flag, name, library) in COMPRESSIONS {
        if flags & flag != 0 {
            used.push(name);
            if !sd::can_load(library) {
                lacking.push(library);
            }
        }
    }
    let found = if used.is_empty() { "none used".to_owned() } else { used.join(", ") };
    if lacking.is_empty() {
        report.add("journal compression", Status::Met, found, None);
    } else {
        let found = format!("{found}; cannot be loaded: {}", lacking.join(", "));
        let fix = "install the libraries: without them lines over 512 bytes are lost";
        report.add("journal compression", Status::Degraded, found, Some(fix));
    }
}

/// signature:8 compatible_flags:u32 incompatible_flags:u32 …, little-endian.
fn incompatible_flags(file: &Path) -> Option<u32> {
    let mut head = [0; 16];
    File::open(file).ok()?.read_exact(&mut head).ok()?;
    let (_, flags) = head.split_last_chunk::<4>()?;
    Some(u32::from_le_bytes(*flags))
}

/// What of ours is among the newest entries.
#[derive(Debug, Default)]
struct Census {
    by_name: BTreeMap<String, u32>,
    untrusted: u32,
    unreadable: u32,
    kubelet: u32,
}

impl Census {
    /// For people.
    fn told(&self) -> String {
        let mut found: Vec<_> =
            self.by_name.iter().map(|(name, count)| format!("{name} {count}")).collect();
        if self.untrusted > 0 {
            found.push(format!("not believed {}", self.untrusted));
        }
        match found.is_empty() {
            true => "no entry of any unit that is read".to_owned(),
            false => format!("entries: {}", found.join(", ")),
        }
    }
}

fn units(report: &mut Report, journal: &mut sd::Journal<'_>, config: &Config) {
    let table = Table::new(&config.units);
    let mut census = Census::default();
    if let Err(error) = take_census(journal, &table, config, &mut census) {
        let fix = "the journal files may be damaged: journalctl --verify";
        report.add("journal units", Status::Degraded, error.to_string(), Some(fix));
        return;
    }
    let found = census.told();
    match census.kubelet {
        0 => {
            let fix = "if the kubelet's unit has a name of its own, add it to journal.units; if it \
                       logs to a file (RKE2), the journal is not its place";
            let found = format!("{found}; none of a kubelet");
            report.add("journal units", Status::Degraded, found, Some(fix));
        }
        _ => report.add("journal units", Status::Met, found, None),
    }
    if census.unreadable > 0 {
        let found = format!("{} of these could not be decoded", census.unreadable);
        let fix = "install libzstd1, liblz4-1 and liblzma5 beside libsystemd";
        report.add("journal entries", Status::Degraded, found, Some(fix));
    }
}

fn take_census(
    journal: &mut sd::Journal<'_>,
    table: &Table,
    config: &Config,
    census: &mut Census,
) -> Result<(), sd::Error> {
    Filter::new(table.matches()).apply(journal)?;
    journal.seek_tail()?;
    let mut is_on_entry = journal.previous_skip(LOOKED_AT)? > 0;
    while is_on_entry {
        let (mut fields, mut has_message) = (Fields::UNKNOWN, false);
        journal.restart_fields();
        while let Some(field) = journal.next_field()? {
            has_message |= field.starts_with(b"MESSAGE=");
            fields.take(table, field);
        }
        match fields.judge(table) {
            Verdict::Of(origin, unit) => {
                let unit = config.units.get(usize::from(unit)).map(|unit| unit.name.clone());
                let name = match (origin, unit) {
                    (Origin::Kernel, _) => "kernel".to_owned(),
                    (Origin::Journald, _) => "journald".to_owned(),
                    (Origin::Systemd, _) => "systemd".to_owned(),
                    (_, unit) => unit.unwrap_or_default(),
                };
                *census.by_name.entry(name).or_default() += 1;
                census.kubelet += u32::from(origin == Origin::Kubelet);
                let error = match has_message {
                    true => None,
                    false => journal.data(c"MESSAGE").err().and_then(|error| error.errno()),
                };
                let lost = error.is_some_and(|errno| errno != Errno::NOENT);
                census.unreadable += u32::from(lost);
            }
            Verdict::Untrusted => census.untrusted += 1,
            Verdict::Other => {}
        }
        is_on_entry = journal.next()?;
    }
    Ok(())
}
