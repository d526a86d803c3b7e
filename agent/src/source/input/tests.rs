//! What is recognised as what, by its content.

use std::io::Write;

use super::*;

fn form(text: &str) -> Form {
    Form::of(text.as_bytes())
}

#[test]
fn an_inputs_form_is_told_by_its_first_line() {
    assert_eq!(form("\n__CURSOR=s=1;i=2\nMESSAGE=x\n"), Form::Export);
    assert_eq!(form("{\"_GID\":\"0\",\"__CURSOR\":\"s\"}\n"), Form::Json);
    assert_eq!(form("{\"__REALTIME_TIMESTAMP\" : \"1\", \"MESSAGE\" : \"x\"}\n"), Form::Json);
    for text in [
        "",
        "E0317 08:42:15.306118    2148 a.go:1] x",
        "{\"ts\":1931503335306.118,\"caller\":\"a/b.go:1\",\"msg\":\"\\\"MESSAGE\\\"\"}",
        "FOO=bar\n",
        "Mar 17 08:42:15 n kubelet[1]: MESSAGE=x",
    ] {
        assert_eq!(form(text), Form::Text, "{text}");
    }
}

/// Hands out one byte at a time, as a slow pipe may.
struct Slow(std::io::Cursor<Vec<u8>>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

fn texts(mut input: Input) -> Vec<String> {
    let mut texts = Vec::new();
    while input.next(&mut |line| texts.push(line.text.to_owned())).unwrap() {}
    texts
}

#[test]
fn gzip_is_told_by_its_first_bytes_and_pieces_of_it_follow_each_other() {
    let mut bytes = Vec::new();
    for part in ["__CURSOR=s\n_UID=0\nMESSAGE=one\n", "\n__CURSOR=t\n_UID=0\nMESSAGE=two\n\n"] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(part.as_bytes()).unwrap();
        bytes.extend(gzip.finish().unwrap());
    }
    let whole = Input::new(std::io::Cursor::new(bytes.clone()), 0).unwrap();
    assert_eq!(texts(whole), ["one", "two"]);
    let slow = Input::new(Slow(std::io::Cursor::new(bytes.clone())), 0).unwrap();
    assert_eq!(texts(slow), ["one", "two"]);

    bytes.truncate(bytes.len() - 12);
    let mut cut = Input::new(std::io::Cursor::new(bytes), 0).unwrap();
    let mut seen = 0;
    let end = loop {
        match cut.next(&mut |_| seen += 1) {
            Ok(true) => {}
            other => break other,
        }
    };
    assert!(end.is_err() && seen >= 1, "what was there is told before the damage is");
}

#[test]
fn short_and_empty_inputs_are_read() {
    for (bytes, expected) in [("", vec![]), ("x", vec!["x"]), ("x\n", vec!["x"])] {
        let input = Input::new(Slow(std::io::Cursor::new(bytes.into())), 0).unwrap();
        assert_eq!(texts(input), expected);
    }
}

#[test]
fn what_is_no_text_is_told_with_the_command_that_makes_it_text() {
    for (head, command) in [
        (&b"LPKSHHRH\0\0"[..], "journalctl --file"),
        (b"\xfd7zXZ\0\0\x04", "xz -dc"),
        (b"\x28\xb5\x2f\xfd\x04\0\0\0", "zstd -dc"),
        (b"BZh91AY&", "bzip2 -dc"),
    ] {
        let error = Input::new(head, 0).unwrap_err();
        assert!(error.to_string().contains(command), "{error}");
    }
}
