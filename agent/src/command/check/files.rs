//! Which log files would be followed, and which of them cannot be read.

use std::{fs::File, io::ErrorKind};

use super::{Finding, Status};
use crate::{app, config};

const NAME: &str = "log files";

pub(super) fn look(config: &config::Config) -> Vec<Finding> {
    if !config.files.enabled {
        return vec![Finding::new(NAME, Status::Ok, "not read: files.enabled is false")];
    }
    let files = app::files_config(config);
    let mut findings = Vec::new();
    for log in &files.logs {
        let path = log.path.display();
        let finding = match File::open(&log.path) {
            Ok(_) if files.reads(log) => Finding::ok(NAME, format!("{path}: is followed")),
            Ok(_) => Finding::ok(NAME, format!("{path}: not read, the journal holds the same")),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => Finding::degraded(
                NAME,
                format!("{path}: {error}"),
                "mount it read-only and add DAC_READ_SEARCH, or take it out of files.paths",
            ),
        };
        findings.push(finding);
    }
    if findings.is_empty() {
        findings.push(Finding::ok(NAME, "none of files.paths is here"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_there_are_told_and_syslog_gives_way_to_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("kubelet.log"), "").unwrap();
        std::fs::write(path("syslog"), "").unwrap();
        let mut config = config::Config::default();
        config.journal.root = folder.path().to_owned();
        config.files.paths = ["kubelet.log=kubelet", "syslog=syslog", "gone=crio"]
            .map(|name| path(name).display().to_string())
            .to_vec();
        let told = |config: &config::Config| -> Vec<String> {
            look(config)
                .into_iter()
                .map(|it| it.what.replace(&path("").display().to_string(), ""))
                .collect()
        };
        assert_eq!(told(&config), ["kubelet.log: is followed", "syslog: is followed"]);
        let machine = path("var/log/journal/0123");
        std::fs::create_dir_all(&machine).unwrap();
        std::fs::write(machine.join("system.journal"), "").unwrap();
        assert_eq!(
            told(&config),
            ["kubelet.log: is followed", "syslog: not read, the journal holds the same"]
        );
        config.files.paths.clear();
        assert_eq!(told(&config), ["none of files.paths is here"]);
    }
}
