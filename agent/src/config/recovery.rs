//! `diagnosis.recovery`: how failures open incidents, and how long things must stay well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// How long things must stay well (diagnosis.md 4.2, 4.3). A live test shortens them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recovery {
    /// A container that runs this long has recovered: the kubelet's own reset of its back-off.
    #[serde(with = "units::duration")]
    pub runs_for: Duration,
    /// A container that was created or started stays for this long.
    #[serde(with = "units::duration")]
    pub settles_for: Duration,
    /// No failure of any member in this time, for faults of the node.
    #[serde(with = "units::duration")]
    pub quiet_for: Duration,
    /// A container runs longer than any before by this much: what PLEG may be late with an end.
    #[serde(with = "units::duration")]
    pub outlives_by: Duration,
    /// Turns within this time are counted together.
    #[serde(with = "units::duration")]
    pub flap_window: Duration,
    /// So many turns are one state.
    pub flap_turns: u32,
    /// Pressure is gone for so long: the kubelet's `eviction-pressure-transition-period`.
    #[serde(with = "units::duration")]
    pub pressure_gone_for: Duration,
    /// Nothing heard of an open incident for this long: not known any more.
    #[serde(with = "units::duration")]
    pub stale_after: Duration,
    /// A failure opens an incident at the second attempt, or after this long.
    #[serde(with = "units::duration")]
    pub opens_after: Duration,
    /// While open, it is told again this often, waking nobody: else it expires.
    #[serde(with = "units::duration")]
    pub announce_every: Duration,
    /// While open, somebody is reminded after this long …
    #[serde(with = "units::duration")]
    pub remind_first: Duration,
    /// … after this long again …
    #[serde(with = "units::duration")]
    pub remind_second: Duration,
    /// … and from then on this often.
    #[serde(with = "units::duration")]
    pub remind_every: Duration,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            runs_for: Duration::from_secs(600),
            settles_for: Duration::from_secs(60),
            quiet_for: Duration::from_secs(120),
            outlives_by: Duration::from_secs(3),
            flap_window: Duration::from_secs(1800),
            flap_turns: 3,
            pressure_gone_for: Duration::from_secs(300),
            stale_after: Duration::from_secs(3600),
            opens_after: Duration::from_secs(15),
            announce_every: Duration::from_secs(3600),
            remind_first: Duration::from_secs(3600),
            remind_second: Duration::from_secs(4 * 3600),
            remind_every: Duration::from_secs(24 * 3600),
        }
    }
}
