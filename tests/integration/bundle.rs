//! `podwhy bundle` as a process, and what `podwhy explain` makes of its archive elsewhere.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::why::{Stage, objects, podwhy, text};

/// The files of an archive, by name.
pub fn members(archive: &Path) -> Vec<(String, String)> {
    let file = std::fs::File::open(archive).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut members = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        members.push((path.file_name().unwrap().to_str().unwrap().to_owned(), text));
    }
    members
}

/// What is the same on the node and elsewhere.
fn core(incidents: &[Value]) -> BTreeSet<String> {
    incidents
        .iter()
        .map(|it| format!("{} {} {} {}", it["id"], it["cause"]["id"], it["step"], it["first_seen"]))
        .collect()
}

#[test]
fn a_bundle_explains_elsewhere_what_the_node_said() {
    let name = "a_bundle_explains_elsewhere_what_the_node_said";
    let Some(mut stage) = Stage::set(name) else { return };
    let said = stage.fail();
    let path = stage.folder.path().join("b.tar.gz");
    let file = path.to_str().unwrap();
    let output = stage.ask(&["bundle", "-o", file]);
    let (stdout, stderr) = text(&output);
    assert!(output.status.success() && stdout.is_empty(), "{stderr}");
    assert!(stderr.contains("1 incidents") && stderr.contains("b.tar.gz"), "{stderr}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let again = stage.ask(&["bundle", "-o", file]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).1.contains("--force"));
    assert!(stage.ask(&["bundle", "-o", file, "--force"]).status.success());

    // Elsewhere: no agent, no journal.
    stage.agent.kill();
    let explained = podwhy(&["explain", file, "--output", "json"]).output().unwrap();
    assert!(explained.status.success(), "{:?}", text(&explained));
    assert_eq!(core(&objects(&explained)), core(&said));
    let (shown, _) = text(&podwhy(&["explain", file]).output().unwrap());
    assert!(shown.starts_with("OPEN shop/web-0"), "{shown}");

    // Unpacked it is the same, and without the node's own word its lines and facts tell it.
    let folder = stage.folder.path().join("unpacked");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in members(&path) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.contains("podwhy explain"), "{readme}");
    let folder_name = folder.to_str().unwrap();
    let explained = podwhy(&["explain", folder_name, "--output", "json"]).output().unwrap();
    assert_eq!(core(&objects(&explained)), core(&said));
    std::fs::write(folder.join("incidents.jsonl"), "").unwrap();
    let derived = podwhy(&["explain", folder_name, "--output", "json"]).output().unwrap();
    assert_eq!(core(&objects(&derived)), core(&said));
}

#[test]
fn a_bundle_goes_through_a_pipe() {
    let Some(mut stage) = Stage::set("a_bundle_goes_through_a_pipe") else { return };
    let said = stage.fail();
    let packed = stage.ask(&["bundle", "-o", "-"]);
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let path = stage.folder.path().join("piped");
    std::fs::write(&path, &packed.stdout).unwrap();
    let mut explain = podwhy(&["explain", "--output", "json"]);
    let explained = explain.stdin(std::fs::File::open(&path).unwrap()).output().unwrap();
    assert_eq!(core(&objects(&explained)), core(&said));
}
