//! Limits of the page for people, of the past that it tells, and of the plugin that leads there.

use std::time::Duration;

/// Connections at once: browsers open up to six each, and one or two people look at a node.
pub const PAGE_CONNECTIONS: usize = 12;

/// For so long one look at the core serves all who look: many open pages cost no more than one.
pub const PAGE_SNAPSHOT: Duration = Duration::from_secs(1);

/// Questions that wait for the core: only one is asked at a time.
pub const PAGE_ASKS: usize = 2;

/// Incidents on one page, roots first; the rest is in its JSON.
pub const PAGE_INCIDENTS: usize = 100;

/// Incidents below another one, on one page: a dead pod network hits every pod.
pub const PAGE_MEMBERS: usize = 50;

/// Pods of one incident on one page: those that an incident holds at most are more than one reads.
pub const PAGE_PODS: usize = 50;

/// Quarters of an hour: a day, and the one that has just begun.
pub const HISTORY_QUARTERS: usize = 97;

/// Incidents whose turns are remembered: those that the engine holds.
pub const HISTORY_INCIDENTS: usize = super::INCIDENTS;

/// Turns of one incident: three rungs up and down again a few times.
pub const HISTORY_TURNS: usize = 12;

/// Turns of checks: some of each.
pub const HISTORY_CHECKS: usize = 64;

/// What kubectl may take for one answer: an agent's own bound, and the way to it and back.
pub const PLUGIN_ANSWER: Duration = Duration::from_secs(15);

/// Nodes that are asked at once: more would be a burst for the API server, which every answer passes.
pub const PLUGIN_AT_ONCE: usize = 8;

/// All nodes together: longer than that nobody waits for a table.
pub const PLUGIN_ALL: Duration = Duration::from_secs(120);

/// Of one answer: an agent's own bound.
pub const PLUGIN_ANSWER_BYTES: u64 = super::DOOR_ANSWER_BYTES;

/// How often it is looked whether kubectl still forwards: nobody waits for its end.
pub const PLUGIN_LOOK: Duration = Duration::from_millis(250);

/// One line of an agent's answer that is made harmless at once; a longer one in pieces.
pub const PLUGIN_LINE_BYTES: u64 = 64 * 1024;
