//! Recorded nodes through the engine, held against the truth by `judge.py`, which shares no code
//! with it; and the same on copies that were renamed, shifted, mixed, cut, batched and restarted.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod change;
#[cfg(feature = "test-faults")]
mod diary;
mod golden;
mod play;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use change::Truth;
use play::{Way, play};
use podwhy::app::replay::recorded::Pieces;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings")
}

fn scenarios() -> Vec<String> {
    let text = fs::read_to_string(recordings().join("index.tsv")).unwrap();
    let names = text.lines().skip(1).filter_map(|row| row.split('\t').next());
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() >= 24);
    names
}

fn pieces(scenario: &str) -> (Pieces, Truth) {
    let folder = recordings().join(scenario);
    let truth = fs::read_to_string(folder.join("truth.tsv")).unwrap();
    (Pieces::open(&folder).unwrap(), Truth(truth))
}

/// Plays, and lets the judge speak: what is wrong, one line each.
fn judged(name: &str, pieces: Pieces, truth: &Truth, is_cut: bool) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let timeline = play(pieces, Way::default());
    let (told, held) = (folder.path().join("timeline.jsonl"), folder.path().join("truth.tsv"));
    fs::write(&told, timeline.json_lines()).unwrap();
    fs::write(&held, &truth.0).unwrap();
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay");
    fs::create_dir_all(&keep).unwrap();
    fs::copy(&told, keep.join(format!("{name}.jsonl"))).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/replay/judge.py");
    let mut judge = Command::new("python3");
    judge.arg(script).arg(&told).arg(&held);
    if is_cut {
        judge.arg("--cut");
    }
    let output = judge.output().expect("python3 runs the judge");
    let mut wrong: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| format!("{name}: {line}"))
        .collect();
    if !output.status.success() && wrong.is_empty() {
        wrong.push(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    wrong
}

fn none_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_recorded_node_is_told_as_it_was() {
    let wrong: Vec<String> = scenarios()
        .iter()
        .flat_map(|scenario| {
            let (pieces, truth) = pieces(scenario);
            judged(scenario, pieces, &truth, false)
        })
        .collect();
    none_wrong(&wrong);
}

#[test]
fn just_before_the_fix_nothing_has_recovered() {
    let mut wrong = Vec::new();
    let mut cut = 0;
    for scenario in scenarios() {
        let (pieces, truth) = pieces(&scenario);
        let Some(fixed) = truth.first_time("fixed") else { continue };
        cut += 1;
        let name = format!("{scenario}, cut before the fix");
        wrong.extend(judged(&name, change::cut(pieces, fixed - 1), &truth.unfixed(), true));
    }
    assert!(cut > 5);
    none_wrong(&wrong);
}

#[test]
fn names_are_only_names() {
    let mut wrong = Vec::new();
    for scenario in scenarios() {
        let (pieces, truth) = pieces(&scenario);
        let (pieces, truth) = change::rename(pieces, truth);
        wrong.extend(judged(&format!("{scenario}, renamed"), pieces, &truth, false));
    }
    none_wrong(&wrong);
}

#[test]
fn times_are_only_times() {
    let mut wrong = Vec::new();
    // Over the new year, and by an odd number of seconds.
    let seconds = 42 * 86_400 + 4_321;
    for scenario in scenarios() {
        let (pieces, truth) = pieces(&scenario);
        let (pieces, truth) = change::shift(pieces, truth, seconds);
        wrong.extend(judged(&format!("{scenario}, shifted"), pieces, &truth, false));
    }
    none_wrong(&wrong);
}

#[test]
fn two_stories_at_once_are_two_stories() {
    let mut wrong = Vec::new();
    for (one, other) in [
        ("crash-exit-1", "image-not-found"),
        ("oom-killed", "config-missing-configmap"),
        ("init-fails", "command-not-found"),
    ] {
        let (pieces, truth) = change::interleave(pieces(one), pieces(other));
        wrong.extend(judged(&format!("{one} and {other}"), pieces, &truth, false));
    }
    none_wrong(&wrong);
}

#[test]
fn neither_batches_nor_restarts_change_a_byte() {
    for scenario in scenarios() {
        let (pieces, _) = pieces(&scenario);
        let plain = play(pieces.clone(), Way::default());
        for way in [
            Way { ticks: true, ..Way::default() },
            Way { restart_every: Some(7), ..Way::default() },
            Way { restart_every: Some(101), ..Way::default() },
        ] {
            // A restart re-reads everything that is kept: at every 7th line only where that is quick.
            if way.restart_every == Some(7) && pieces.journal.len() > 400_000 {
                continue;
            }
            let other = play(pieces.clone(), way);
            let first = plain.records.iter().zip(&other.records).find(|(one, other)| one != other);
            assert_eq!(first, None, "{scenario}, {way:?}");
            assert_eq!(plain.records.len(), other.records.len(), "{scenario}, {way:?}");
        }
    }
}

#[test]
fn what_is_told_reads_as_written_down() {
    let mut changed = Vec::new();
    for scenario in scenarios() {
        let (pieces, _) = pieces(&scenario);
        changed.extend(golden::compare(&scenario, &play(pieces, Way::default())));
    }
    assert!(
        changed.is_empty(),
        "read the difference; if it is better, run again with PODWHY_GOLDEN=write:\n{}",
        changed.join("\n")
    );
}

/// Kept by `tests/live/run`; `PODWHY_DIARY=FILE` tells of another one.
#[cfg(feature = "test-faults")]
#[test]
fn what_was_watched_on_a_real_node_is_told_as_written_down() {
    if let Some(file) = std::env::var_os("PODWHY_DIARY") {
        let timeline = diary::play(Path::new(&file));
        fs::write(Path::new(&file).with_extension("timeline"), timeline.json_lines()).unwrap();
        fs::write(Path::new(&file).with_extension("txt"), golden::text(&timeline)).unwrap();
        return;
    }
    let mut changed = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/replay/live");
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let name = name.trim_end_matches(".jsonl.gz");
        changed.extend(golden::compare(&format!("live-{name}"), &diary::play(&file)));
    }
    assert!(
        changed.is_empty(),
        "read the difference; if it is better, run again with PODWHY_GOLDEN=write:\n{}",
        changed.join("\n")
    );
}
