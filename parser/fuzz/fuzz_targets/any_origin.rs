//! Any bytes from every writer; the first byte chooses one.
#![no_main]

#[path = "../../../tests/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let origin = checks::ORIGINS[usize::from(*first) % checks::ORIGINS.len()];
    checks::any_bytes(origin, rest);
});
