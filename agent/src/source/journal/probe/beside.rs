//! What `podwhy check` says of journals beside the host's. Owns the words; the looks are those at
//! the host's own.

use super::{Census, Report, Requirement, Status, folders, take_census};
use crate::config;
use crate::source::journal::others::{self, Other};
use crate::source::journal::reader::place;
use crate::source::journal::trust::Table;
use crate::source::journal::{Config, sd};

const NAME: &str = "journal beside";

/// Everything the journal source needs, in all journals that are followed.
#[must_use]
pub fn probe_all(section: &config::Journal) -> Report {
    let mut report = super::probe(&Config::from(section));
    let Ok(library) = sd::Library::load(&section.library.to_string_lossy()) else { return report };
    let found = others::find(section);
    let mut kubelet = 0;
    for other in &found.followed {
        let (requirement, lines) = look(&library, section, other);
        report.requirements.push(requirement);
        kubelet += lines;
    }
    for (other, why) in &found.passed_over {
        report.requirements.push(Requirement {
            name: NAME,
            status: Status::Met,
            found: format!("{other}: not followed, {why}"),
            fix: None,
        });
    }
    let units = report.requirements.iter_mut().find(|it| it.name == "journal units");
    if let Some(units) = units.filter(|it| it.status == Status::Degraded && kubelet > 0) {
        units.status = Status::Met;
        units.fix = None;
        units.found.push_str(", whose lines are in another journal");
    }
    report
}

/// One of them, and how many lines of a kubelet it holds.
fn look(library: &sd::Library, section: &config::Journal, other: &Other) -> (Requirement, u32) {
    let config = other.config(section);
    let files = folders(&config);
    let mut census = Census::default();
    let table = Table::new(&config.units);
    let looked = place::open(library, &config)
        .ok()
        .map(|mut journal| take_census(&mut journal, &table, &config, &mut census));
    let lines = match &looked {
        Some(Ok(())) => census.told(),
        Some(Err(error)) => format!("{error}; journalctl --verify tells whether it is damaged"),
        None => "it cannot be opened".to_owned(),
    };
    let status = match (files.status, &looked) {
        (Status::Met, Some(Ok(()))) => Status::Met,
        _ => Status::Degraded,
    };
    let (found, fix) = match status {
        Status::Met => (format!("{other}: followed; {lines}"), None),
        _ => (format!("{other}: {}; {lines}", files.found), files.fix),
    };
    (Requirement { name: NAME, status, found, fix }, census.kubelet)
}
