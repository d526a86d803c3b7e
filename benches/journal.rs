//! A journal of a million entries, with the fields and proportions of a recorded node: made once by
//! systemd-journal-remote, kept under `target/`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";
const MACHINE: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";
const BOOT: &str = "6c7c6013a8b94e7ba5d1e2c4a1f0d9b3";
/// Half an hour ago, a line every millisecond and a bit: within what the first read takes.
const SPACING_MICROS: i64 = 1_500;

/// Where a journal of `entries` entries lies; makes it if it is not there yet.
///
/// # Panics
/// When it cannot be made: there is nothing to measure then.
#[must_use]
pub fn of(entries: usize) -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"))
        .join(format!("journal-{entries}"));
    let done = root.join("done");
    if done.exists() {
        return root;
    }
    let folder = root.join("var/log/journal").join(MACHINE);
    std::fs::create_dir_all(&folder).expect("a folder for the journal");
    make(&folder.join("system.journal"), entries);
    std::fs::write(done, "").expect("a mark that it is whole");
    root
}

fn make(path: &Path, entries: usize) {
    let mut remote = Command::new(REMOTE)
        .args(["-o", &path.display().to_string(), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("systemd-journal-remote is installed");
    let pattern = pattern();
    let start = jiff::Timestamp::now().as_microsecond()
        - i64::try_from(entries).unwrap_or(i64::MAX) * SPACING_MICROS;
    {
        let mut input = std::io::BufWriter::new(remote.stdin.take().expect("its input"));
        for (number, fields) in (0..entries).zip(pattern.iter().cycle()) {
            let micros = start + i64::try_from(number).unwrap_or(0) * SPACING_MICROS;
            input.write_all(entry(fields, micros, number).as_bytes()).expect("it reads");
        }
    }
    assert!(remote.wait().expect("its status").success(), "systemd-journal-remote failed");
}

/// The text fields of every recorded entry but the cursor and the stamps.
fn pattern() -> Vec<Vec<String>> {
    let texts = crate::recordings();
    let text = texts.iter().map(|bytes| String::from_utf8_lossy(bytes));
    let entries = text.flat_map(|text| text.split("\n\n").map(str::to_owned).collect::<Vec<_>>());
    let wanted = |line: &&str| line.contains('=') && !line.starts_with("__");
    entries
        .filter(|entry| entry.contains("\nMESSAGE="))
        .map(|entry| entry.lines().filter(wanted).map(str::to_owned).collect())
        .collect()
}

/// One entry with a time of its own, in the envelope and in the line: equal lines would be stored
/// once, which no real journal could do.
fn entry(fields: &[String], micros: i64, number: usize) -> String {
    let mut text = format!("__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={number}\n");
    for field in fields {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        // Writing to a String cannot fail.
        let _ = match name {
            "MESSAGE" => writeln!(text, "MESSAGE={}", restamped(value, micros)),
            "_BOOT_ID" => writeln!(text, "_BOOT_ID={BOOT}"),
            "_MACHINE_ID" => writeln!(text, "_MACHINE_ID={MACHINE}"),
            _ => writeln!(text, "{field}"),
        };
    }
    text.push('\n');
    text
}

fn restamped(line: &str, micros: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    let is_klog = line.starts_with(['I', 'W', 'E']) && line.as_bytes().get(5) == Some(&b' ');
    if is_klog {
        // `Lmmdd hh:mm:ss.uuuuuu`
        let (letter, rest) =
            (line.get(..1).unwrap_or_default(), line.get(21..).unwrap_or_default());
        return format!("{letter}{}{rest}", time.strftime("%m%d %H:%M:%S.%6f"));
    }
    match line.strip_prefix("time=\"").and_then(|rest| rest.split_once('"')) {
        Some((_, rest)) => format!("time=\"{}\"{rest}", time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ")),
        None => format!("{line} {micros}"),
    }
}
