//! Journal exports and journal JSON, whole and damaged.

use podwhy_parser::Origin;

use super::*;
use crate::limits::LINE_BYTES;
use crate::source::input::Physical;
use crate::source::{Line, Micros};

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    text: String,
    origin: Origin,
    unit: String,
    pid: Option<u32>,
    at: Micros,
    dated: bool,
    cut: bool,
    number: u64,
}

fn seen(line: Line<'_>) -> Seen {
    let Line { text, origin, unit, pid, at, dated, cut, number, .. } = line;
    let (text, unit) = (text.to_owned(), unit.to_owned());
    Seen { text, origin, unit, pid, at, dated, cut, number }
}

fn export(bytes: &[u8]) -> (Vec<Seen>, Skipped) {
    let mut reader = Export::new(Physical::new(bytes));
    let mut lines = Vec::new();
    while reader.next(&mut |line| lines.push(seen(line))).unwrap() {}
    (lines, reader.skipped())
}

fn json(bytes: &[u8]) -> (Vec<Seen>, Skipped) {
    let mut reader = Json::new(Physical::new(bytes));
    let mut lines = Vec::new();
    while reader.next(&mut |line| lines.push(seen(line))).unwrap() {}
    (lines, reader.skipped())
}

const KUBELET: &str = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795387941823257\n_BOOT_ID=5f0c\n_UID=0\n\
    _TRANSPORT=stdout\n_SYSTEMD_UNIT=kubelet.service\n_PID=14958\n";

fn binary(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
}

#[test]
fn an_exported_entry_is_a_line_with_what_journald_vouches_for() {
    let (lines, skipped) = export(format!("{KUBELET}MESSAGE=a=b\n\n").as_bytes());
    let expected = Seen {
        text: "a=b".to_owned(),
        origin: Origin::Kubelet,
        unit: "kubelet.service".to_owned(),
        pid: Some(14958),
        at: 1_795_387_941_823_257,
        dated: true,
        cut: false,
        number: 8,
    };
    assert_eq!((lines, skipped), (vec![expected], Skipped::default()));
}

#[test]
fn g12_a_binary_field_holds_newlines_and_any_bytes() {
    let message = binary("MESSAGE", b"one\ntwo\xff\n\nthree");
    let bytes =
        [KUBELET.as_bytes(), &message, b"\n", KUBELET.as_bytes(), b"MESSAGE=next\n\n"].concat();
    let (lines, _) = export(&bytes);
    assert_eq!(lines[0].text, "one\ntwo\u{fffd}\n\nthree");
    assert_eq!(lines[1].text, "next");
}

#[test]
fn g12_a_message_that_is_null_or_absent_costs_nothing_but_itself() {
    let (lines, skipped) = export(format!("{KUBELET}\n{KUBELET}MESSAGE=next\n\n").as_bytes());
    assert_eq!((lines.len(), skipped.without_message), (1, 1));

    let (lines, skipped) = json(
        b"{\"__CURSOR\":\"s\",\"_UID\":\"0\",\"_SYSTEMD_UNIT\":\"kubelet.service\",\"MESSAGE\":null}\n\
          {\"_UID\":\"0\",\"_SYSTEMD_UNIT\":\"kubelet.service\",\"MESSAGE\":\"next\"}\n",
    );
    assert_eq!((lines.len(), skipped.without_message), (1, 1));
    assert_eq!(lines[0].text, "next");
}

#[test]
fn g12_a_json_message_may_be_a_list_of_bytes_or_of_repeats() {
    for (message, expected) in [
        ("\"plain \\u00e9 \\\"q\\\"\"", "plain é \"q\""),
        ("[104,105,255,10]", "hi\u{fffd}\n"),
        ("[\"first\",\"second\"]", "first"),
        ("[\"f\",\"s\"]", "f"),
        ("[[104,105],\"second\"]", "hi"),
        ("[\"\",\"second\"]", ""),
    ] {
        let line = format!(
            "{{\"_UID\":\"0\",\"MESSAGE\":{message},\"_SYSTEMD_UNIT\":\"kubelet.service\",\
              \"other\":{{\"a\":[1]}}}}\n"
        );
        let (lines, skipped) = json(line.as_bytes());
        assert_eq!(skipped, Skipped::default(), "{message}");
        assert_eq!(lines[0].text, expected, "{message}");
    }
}

#[test]
fn trust_is_by_class_and_what_is_not_believed_is_counted() {
    let cases: [(&str, Option<Origin>); 9] = [
        ("_TRANSPORT=kernel\n", Some(Origin::Kernel)),
        ("_TRANSPORT=driver\n_UID=0\n_PID=77\n", Some(Origin::Journald)),
        ("_PID=1\n_UID=0\nUNIT=kubelet.service\n", Some(Origin::Systemd)),
        ("_PID=9\n_UID=1000\nUNIT=kubelet.service\nSYSLOG_IDENTIFIER=systemd\n", None),
        ("_UID=0\n_SYSTEMD_UNIT=containerd.service\n", Some(Origin::Containerd)),
        ("_UID=1000\n_SYSTEMD_UNIT=kubelet.service\n", None),
        ("_UID=1000\n_SYSTEMD_UNIT=user@1000.service\nSYSLOG_IDENTIFIER=kubelet\n", None),
        ("_UID=0\n_SYSTEMD_UNIT=my-kube.service\n", Some(Origin::Any)),
        ("SYSLOG_IDENTIFIER=crio\n", Some(Origin::Crio)),
    ];
    for (fields, expected) in cases {
        let (lines, skipped) = export(format!("__CURSOR=s\n{fields}MESSAGE=x\n\n").as_bytes());
        assert_eq!(lines.first().map(|line| line.origin), expected, "{fields}");
        assert_eq!(skipped.foreign, u64::from(expected.is_none()), "{fields}");
    }
}

#[test]
fn g11_lines_that_journald_cut_say_so() {
    let (lines, _) = export(format!("{KUBELET}_LINE_BREAK=line-max\nMESSAGE=x\n\n").as_bytes());
    assert!(lines[0].cut);
    let (lines, _) = export(format!("{KUBELET}_LINE_BREAK=eof\nMESSAGE=x\n\n").as_bytes());
    assert!(!lines[0].cut);
}

#[test]
fn a_message_over_the_bound_is_cut_in_every_form() {
    let long = vec![b'x'; LINE_BYTES + 5];
    let text = [KUBELET.as_bytes(), b"MESSAGE=", &long, b"\n\n"].concat();
    let field = [KUBELET.as_bytes(), &binary("MESSAGE", &long), b"\n"].concat();
    for bytes in [text, field] {
        let (lines, _) = export(&bytes);
        assert_eq!((lines[0].text.len(), lines[0].cut), (LINE_BYTES, true));
    }
    let list = vec!["120"; LINE_BYTES + 5].join(",");
    for message in [format!("[{list}]"), format!("\"{}\"", "x".repeat(LINE_BYTES + 5))] {
        let (lines, _) = json(format!("{{\"_UID\":\"0\",\"MESSAGE\":{message}}}").as_bytes());
        assert_eq!((lines[0].text.len(), lines[0].cut), (LINE_BYTES, true));
    }
}

#[test]
fn damage_is_counted_and_the_next_entry_is_read() {
    let huge = [b"MESSAGE\n".as_slice(), &u64::MAX.to_le_bytes(), b"junk\n\n"].concat();
    let bytes =
        [b"not a field\n".as_slice(), &huge, KUBELET.as_bytes(), b"MESSAGE=next\n"].concat();
    let (lines, skipped) = export(&bytes);
    assert_eq!(lines.last().map(|line| line.text.as_str()), Some("next"));
    assert!(skipped.undecodable >= 2);

    let (lines, skipped) = json(b"{\"MESSAGE\":\n[]\n{\"_UID\":\"0\",\"MESSAGE\":\"next\"}");
    assert_eq!((lines.len(), skipped.undecodable), (1, 2));
}

proptest::proptest! {
    #[test]
    fn g72_any_bytes_are_read_to_their_end(
        pieces in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::collection::vec(proptest::num::u8::ANY, 0..40),
                proptest::prelude::Just(KUBELET.as_bytes().to_vec()),
                proptest::prelude::Just(b"MESSAGE\n".to_vec()),
                proptest::prelude::Just(b"MESSAGE=x\n\n".to_vec()),
                proptest::prelude::Just(b"{\"MESSAGE\":[".to_vec()),
            ],
            0..20,
        ),
    ) {
        let bytes = pieces.concat();
        let _ = (export(&bytes), json(&bytes));
    }
}
