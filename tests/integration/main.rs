//! The built program against real parts: a journald, a Collector. One module per part or story.
#![expect(unreachable_pub, reason = "the modules are shared by all tests of this binary")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "all of this is a test: what is not there fails it"
)]
#![expect(clippy::print_stdout, reason = "a test that cannot run says so by name")]
#![expect(dead_code, reason = "the parts offer more than the tests so far ask for")]

// The parts.
mod agent;
mod collector;
mod gate;
mod journald;
mod load;
mod soak;
mod wait;

// The stories.
mod all_sources;
#[cfg(feature = "test-backends")]
mod backends;
mod bundle;
mod clock;
mod commands;
mod delivery;
mod faults;
mod files;
mod flood;
mod forgery;
mod hangs;
mod journal;
mod journals;
mod main_path;
mod metrics;
mod order;
mod outage;
mod page;
mod plugin;
mod recordings;
mod redaction;
mod scarce;
mod storm;
mod upgrades;
mod why;
