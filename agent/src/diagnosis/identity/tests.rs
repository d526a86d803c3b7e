//! The published vectors, and what must and must not change an id.

use super::*;

const PUBLISHED: &str = include_str!("../../../../docs/identity.md");

fn absent(field: &str) -> Option<&str> {
    (field != "-").then_some(field)
}

fn hex(uid: [u8; 16]) -> String {
    uid.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> [u8; 16] {
    std::array::from_fn(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2).unwrap(), 16).unwrap())
}

fn compute(fields: &[&str]) -> [u8; 16] {
    match fields {
        ["sync_failure", node, written, pod_uid, step, target, container, index, message] => {
            SyncFailureId {
                node,
                written,
                pod_uid: absent(pod_uid),
                step,
                target: absent(target),
                container: absent(container),
                index: index.parse().unwrap(),
                message,
            }
            .uid()
        }
        ["summary", first, start] => summary(unhex(first), start),
        ["loss", node, kind, component, unit, destination, from, to, lines] => loss(
            node,
            kind,
            [component, unit, destination].map(|field| absent(field)),
            [from, to].map(|field| absent(field)),
            absent(lines).map(|lines| lines.parse().unwrap()),
        ),
        ["node_check", node, name, at] => node_check(node, name, at),
        ["spike", node, name, began, state] => spike(node, name, began, state),
        ["incident", node, key, first_seen] => incident(node, key, first_seen),
        ["incident_record", id, state, turn] => {
            incident_record(unhex(id), state, turn.parse().unwrap())
        }
        ["span", id, turn] => {
            // Eight bytes are enough for a span; the vector shows them with as many zeros.
            let mut whole = [0; 16];
            whole[..8].copy_from_slice(&span(unhex(id), turn.parse().unwrap()));
            whole
        }
        ["fingerprint", cause, family, norm, exit_code] => {
            let exit_code = absent(exit_code).map(|code| code.parse().unwrap());
            fingerprint(cause, family, absent(norm), exit_code)
        }
        _ => panic!("unknown vector {fields:?}"),
    }
}

#[test]
fn the_published_vectors_are_what_this_release_computes() {
    let block = PUBLISHED.split_once("```tsv\n").unwrap().1.split_once("```").unwrap().0;
    let mut kinds = std::collections::BTreeSet::new();
    for row in block.lines() {
        let fields: Vec<&str> = row.split('\t').collect();
        let (expected, fields) = fields.split_last().unwrap();
        assert_eq!(hex(compute(fields)), *expected, "{row}");
        kinds.insert(fields[0]);
    }
    assert_eq!(kinds.len(), 9, "every kind has a vector");
}

#[test]
fn every_field_counts_and_no_two_run_into_each_other() {
    let base = SyncFailureId {
        node: "n",
        written: "t",
        pod_uid: Some("u"),
        step: "s",
        target: Some("a"),
        container: Some("b"),
        index: 0,
        message: "m",
    };
    let others = [
        SyncFailureId { node: "n2", ..base },
        SyncFailureId { written: "t2", ..base },
        SyncFailureId { pod_uid: None, ..base },
        SyncFailureId { pod_uid: Some(""), ..base },
        SyncFailureId { step: "s2", ..base },
        SyncFailureId { target: Some("ab"), container: Some(""), ..base },
        SyncFailureId { target: None, ..base },
        SyncFailureId { container: None, ..base },
        SyncFailureId { index: 1, ..base },
        SyncFailureId { message: "m2", ..base },
    ];
    let mut uids: Vec<_> = others.iter().map(SyncFailureId::uid).collect();
    uids.push(base.uid());
    uids.sort_unstable();
    uids.dedup();
    assert_eq!(uids.len(), others.len() + 1);
}
