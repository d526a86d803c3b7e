//! State files of releases: this one goes on with what the releases of the same and the earlier form
//! left, to the last open incident. `tests/upgrades` has one file for each release and form;
//! `PODWHY_UPGRADES=write` writes this release's anew, before a release or when the form has changed.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use podwhy::app::core::{Core, Pace};
use podwhy::diagnosis::{Repeats, Settings};
use podwhy::outbox::{Limits, Outbox, Start};
use podwhy::source::{Feed, Line, Lines, Position};
use serde_json::{Value, json};

const FILE: &str = "podwhy.redb";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/upgrades")
}

fn settings() -> Settings {
    Settings {
        node: "node-a".to_owned(),
        repeats: Repeats::Summary,
        repeats_window: std::time::Duration::from_secs(600),
        recovery: podwhy::diagnosis::Recovery::default(),
    }
}

/// Lines as a source hands them on.
#[derive(Debug)]
struct Written(Vec<String>);

impl Lines for Written {
    fn each(&mut self, sink: &mut dyn FnMut(Line<'_>)) {
        for (number, text) in (0..).zip(&self.0) {
            let (unit, origin, stream) = match text.starts_with("time=") {
                true => ("containerd.service", podwhy_parser::Origin::Containerd, 2),
                false => ("kubelet.service", podwhy_parser::Origin::Kubelet, 1),
            };
            sink(Line {
                text,
                origin,
                unit,
                stream,
                pid: Some(4711),
                at: AT + number * 700_000,
                dated: true,
                boot: 7,
                cut: false,
                number: 0,
            });
        }
    }
}

/// 2026-11-22T10:00:00Z.
const AT: i64 = 1_795_341_600_000_000;

/// A node of which much is known and not all concluded: open incidents of several kinds, counts, a
/// sandbox with its ids, and at the end a block that is not complete.
fn lines() -> Vec<String> {
    let text = include_str!("../upgrades/lines.log");
    text.lines().map(str::to_owned).collect()
}

/// A state file as a run leaves it that was killed.
fn write(folder: &Path) -> Value {
    let opened = Outbox::open(folder, Limits::default()).unwrap();
    let mut core = Core::new(opened.outbox, settings(), Arc::default());
    let position = Position { source: "journal".to_owned(), value: b"s=ab;i=1f".to_vec(), at: AT };
    core.feed(Feed::Batch { lines: Box::new(Written(lines())), position: Some(position) });
    core.tick(AT + 30_000_000);
    core.commit(tokio::time::Instant::now(), Pace::Now);
    told(&core)
}

/// What must be the same after the next release has opened it.
fn told(core: &Core) -> Value {
    let knowledge = core.knowledge();
    let mut incidents: Vec<Value> = knowledge
        .incidents
        .iter()
        .map(|incident| {
            let all = serde_json::to_value(incident).unwrap();
            let kept = ["id", "scope", "state", "step", "reason", "first_seen", "attempts", "pods"];
            let mut told: Value = kept.iter().map(|name| (*name, all[*name].clone())).collect();
            told["cause"] = all["cause"]["id"].clone();
            told
        })
        .collect();
    incidents.sort_by_key(|incident| incident["id"].to_string());
    let outbox = core.outbox();
    let position = outbox.position("journal").map(|position| position.value);
    json!({
        "incidents": incidents,
        "entries": outbox.state().len(),
        "records": outbox.stats().records,
        "position": position,
    })
}

#[test]
fn the_state_of_every_release_of_this_form_and_the_one_before_is_gone_on_with() {
    let name = format!("{}.redb.gz", env!("CARGO_PKG_VERSION"));
    if std::env::var("PODWHY_UPGRADES").as_deref() == Ok("write") {
        let state = tempfile::tempdir().unwrap();
        let told = write(state.path());
        let file = std::fs::File::create(folder().join(&name)).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        packed.write_all(&std::fs::read(state.path().join(FILE)).unwrap()).unwrap();
        packed.finish().unwrap();
        let told = serde_json::to_string_pretty(&told).unwrap() + "\n";
        std::fs::write(folder().join(name.replace(".redb.gz", ".json")), told).unwrap();
    }
    let mut releases: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    releases.sort();
    assert!(releases.iter().any(|path| path.ends_with(&name)), "{name} is missing: {releases:?}");
    for release in releases {
        let text = std::fs::read_to_string(release.to_str().unwrap().replace("redb.gz", "json"));
        let expected: Value = serde_json::from_str(&text.unwrap()).unwrap();
        goes_on(&release, &expected);
    }
}

fn goes_on(release: &Path, expected: &Value) {
    let what = release.display();
    let state = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(release).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    std::fs::write(state.path().join(FILE), bytes).unwrap();
    let opened = Outbox::open(state.path(), Limits::default()).unwrap();
    assert_eq!(opened.start, Start::Resumed, "{what}");
    let mut core = Core::new(opened.outbox, settings(), Arc::default());
    assert_eq!(
        core.counts().unreadable_state,
        0,
        "{what}: the form of the durable state has changed so that it cannot be read. A new field \
         needs #[serde(default)], a name that changed #[serde(alias)]; for anything else raise \
         VERSION in diagnosis/state.rs and read the old form too. Only the file of a release that \
         is not out yet may be written anew (PODWHY_UPGRADES=write)"
    );
    assert_eq!(told(&core), *expected, "{what}");
    // The block that was not complete is, now that its end comes.
    let before = core.outbox().stats().records;
    let end = vec![" > pod=\"shop/web-2\"".to_owned()];
    core.feed(Feed::Batch { lines: Box::new(Written(end)), position: None });
    core.end();
    core.commit(tokio::time::Instant::now(), Pace::Now);
    assert!(core.outbox().stats().records > before, "{what}: it goes on");
}

/// Entries that this release cannot read are told as a loss and leave; the rest is gone on with.
#[test]
fn what_a_later_release_left_unreadable_is_told_as_a_loss_once_and_the_rest_goes_on() {
    let state = tempfile::tempdir().unwrap();
    write(state.path());
    let mut outbox = Outbox::open(state.path(), Limits::default()).unwrap().outbox;
    let all = outbox.state();
    let (mut foreign, mut entries) = (0_usize, all.len());
    let mut changes = Vec::new();
    for (key, mut value) in all {
        // Counted series of a form that is yet to come.
        if key.starts_with(b"ds") {
            value[0] = u8::MAX;
            foreign += 1;
            changes.push((key, Some(value)));
        }
    }
    changes.push((b"d\xffwhat nobody knows".to_vec(), Some(b"\x02{}".to_vec())));
    (foreign, entries) = (foreign + 1, entries + 1);
    assert!(foreign > 1, "there are counted series");
    outbox.commit(podwhy::outbox::Commit { state_changes: changes, ..Default::default() });
    let before = outbox.stats().records;
    drop(outbox);
    for turn in 0..2 {
        let outbox = Outbox::open(state.path(), Limits::default()).unwrap().outbox;
        let mut core = Core::new(outbox, settings(), Arc::default());
        let unreadable = core.counts().unreadable_state;
        assert_eq!(unreadable, if turn == 0 { foreign as u64 } else { 0 }, "told once");
        core.commit(tokio::time::Instant::now(), Pace::Now);
        assert_eq!(core.outbox().stats().records, before + 1, "one loss record");
        // One more: the engine remembers that something was not seen.
        assert_eq!(core.outbox().state().len(), entries - foreign + 1, "the rest stays");
        assert!(!core.knowledge().incidents.is_empty(), "and is known");
        let newest = core.outbox().fetch(0, usize::MAX, usize::MAX).pop().unwrap();
        let text = String::from_utf8_lossy(&newest.bytes).into_owned();
        let told = format!("{foreign} of {entries} entries of the agent's state cannot be read");
        assert!(text.contains("podwhy.loss") && text.contains(&told), "{text}");
    }
}
