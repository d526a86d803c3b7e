//! What goes into a bundle, and that explain reads it back.

use std::os::unix::fs::PermissionsExt as _;

use super::archive::Member;
use super::lines::{Journal, Window, windows};
use super::*;
use crate::app::door::{About, Knowledge};
use crate::incident::{Incident, Pod};

const MINUTE: Micros = 60_000_000;
const T: Micros = 1_795_341_845_000_000;

fn incident(id: &str, first: Micros, last: Micros) -> Incident {
    let pod =
        Pod { namespace: Some("shop".to_owned()), name: Some(format!("{id}-0")), ..Pod::default() };
    Incident {
        id: id.to_owned(),
        pods: vec![pod],
        first_seen: Some(first),
        last_seen: Some(last),
        ..Incident::default()
    }
}

#[test]
fn the_journal_is_read_where_incidents_began_and_where_they_stand() {
    let long = incident("a", T, T + 300 * MINUTE);
    assert_eq!(
        windows(std::slice::from_ref(&long)),
        [
            Window { from: T - 2 * MINUTE, to: T + 10 * MINUTE },
            Window { from: T + 290 * MINUTE, to: T + 302 * MINUTE },
        ]
    );
    let short = incident("b", T + 5 * MINUTE, T + 6 * MINUTE);
    assert_eq!(windows(&[long, short]).len(), 2, "what touches is read once");
    let many: Vec<Incident> =
        (0..100).map(|at| incident("c", T + at * 60 * MINUTE, T + at * 60 * MINUTE)).collect();
    assert_eq!(windows(&many).len(), crate::limits::BUNDLE_WINDOWS);
    assert_eq!(windows(&many).last().map(|it| it.from), Some(T + (99 * 60 - 2) * MINUTE));
}

#[test]
fn a_pod_and_an_age_choose_with_the_root_of_what_they_choose() {
    let mut member = incident("web", T, T);
    member.parent = Some("root".to_owned());
    let known = Knowledge {
        agent: About::of("node-a", T),
        incidents: vec![incident("root", T, T), member, incident("cart", T, T - 60 * MINUTE)],
        facts: Vec::new(),
    };
    let ids = |pod, since| -> Vec<String> {
        let wanted = contents::Wanted { pod, since };
        let chosen = contents::choose(known.clone(), &wanted, T);
        chosen.incidents.into_iter().map(|incident| incident.id).collect()
    };
    assert_eq!(ids(Some("shop/web-0"), None), ["root", "web"]);
    assert_eq!(ids(None, Some(10 * MINUTE)), ["root", "web"]);
    assert_eq!(ids(None, None).len(), 3);
    assert_eq!(ids(Some("other/web-0"), None), [""; 0]);
}

#[test]
fn names_of_files_hold_nothing_that_a_node_name_could_smuggle_in() {
    let made: jiff::Timestamp = "2026-11-22T13:22:41Z".parse().unwrap();
    assert_eq!(contents::stem("node-7.a", made), "podwhy-node-7.a-20261122T132241Z");
    assert_eq!(contents::stem("../../etc", made), "podwhy-etc-20261122T132241Z");
}

#[test]
fn an_archive_is_its_owners_alone_and_never_over_a_file_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.tar.gz");
    let members = [Member { name: INCIDENTS, bytes: b"{}\n".to_vec() }];
    let made = jiff::Timestamp::from_second(1_795_341_845).unwrap();
    let written = archive::create(&path, false, "b", &members, made).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (written, 0o600));
    let why = archive::create(&path, false, "b", &members, made).unwrap_err();
    assert!(why.contains("--force"), "{why}");
    archive::create(&path, true, "b", &members, made).unwrap();
    // A link is taken away, not followed.
    let (kept, link) = (folder.path().join("kept"), folder.path().join("link"));
    std::fs::write(&kept, "mine").unwrap();
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    archive::create(&link, false, "b", &members, made).unwrap_err();
    archive::create(&link, true, "b", &members, made).unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
}

#[test]
fn no_member_holds_what_looks_like_a_secret() {
    let mut leaky = incident("a", T, T);
    leaky.note = Some("Authorization: Bearer abc123def456".to_owned());
    let known =
        Knowledge { agent: About::of("node-a", T), incidents: vec![leaky], facts: Vec::new() };
    let config =
        crate::config::parse("c", "export: { resource: [\"db.password=hunter2\"] }").unwrap();
    let made = jiff::Timestamp::from_microsecond(T).unwrap();
    let members = contents::members(&known, &Journal::default(), &config, made);
    let all: String =
        members.iter().map(|member| String::from_utf8_lossy(&member.bytes).into_owned()).collect();
    assert!(all.contains("Bearer REDACTED") && !all.contains("abc123def456"), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
}
