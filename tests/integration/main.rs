//! The built program against real parts: a journald, a Collector. One module per part or story.
#![expect(unreachable_pub, reason = "the modules are shared by all tests of this binary")]
#![expect(dead_code, reason = "the parts offer more than the tests so far ask for")]

// The parts.
mod agent;
mod collector;
mod gate;
mod journald;
mod load;
mod wait;

// The stories.
mod commands;
mod faults;
mod journal;
mod main_path;
mod recordings;
