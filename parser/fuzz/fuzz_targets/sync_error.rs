//! Any text as the kubelet's sync error, in each wording of the line.
#![no_main]

#[path = "../../../tests/checks.rs"]
mod checks;

use podwhy_parser::Origin;

const HEADER: &str = "E0317 08:42:15.306118    2148 pod_workers.go:1017] ";
const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let error = String::from_utf8_lossy(bytes);
    let lines = [
        format!("{HEADER}Error syncing pod {UID} (\"a_b({UID})\"), skipping: {error}"),
        format!("{HEADER}\"Error syncing pod, skipping\" err=\"{error}\" pod=\"b/a\" podUID={UID}"),
        format!("{HEADER}\"Error syncing pod, skipping\" err=<\n\t{error}\n > pod=\"b/a\""),
        format!("{HEADER}{error}"),
    ];
    for line in lines {
        checks::any_text(Origin::Kubelet, &line);
    }
});
