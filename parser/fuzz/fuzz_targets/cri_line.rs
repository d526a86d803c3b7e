//! Any bytes as a line of `/var/log/pods`, behind a good header and without one.
#![no_main]

#[path = "../../../tests/checks.rs"]
mod checks;

use podwhy_parser::Origin;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::any_bytes(Origin::Any, bytes);
    let text = String::from_utf8_lossy(bytes);
    for tag in ["P", "F", "F:x"] {
        let line = format!("2031-03-17T10:12:00.1Z stdout {tag} {text}");
        checks::any_text(Origin::Any, &line);
    }
});
