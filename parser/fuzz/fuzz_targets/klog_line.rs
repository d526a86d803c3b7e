//! Any bytes as one message of the kubelet's unit.
#![no_main]

#[path = "../../../tests/checks.rs"]
mod checks;

use podwhy_parser::Origin;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::any_bytes(Origin::Kubelet, bytes));
