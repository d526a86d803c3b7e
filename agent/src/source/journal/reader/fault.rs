//! Faults that tests order by environment. Only in builds with the feature `test-faults`.

/// Dies or hangs when the message holds what the test named.
pub(super) fn strike(message: &[u8]) {
    let ordered = |name| {
        std::env::var(name).is_ok_and(|text| {
            !text.is_empty() && memchr::memmem::find(message, text.as_bytes()).is_some()
        })
    };
    if ordered("PODWHY_TEST_FAULT_DIE_AT") {
        std::process::abort();
    }
    while ordered("PODWHY_TEST_FAULT_HANG_AT") {
        std::thread::park();
    }
}
