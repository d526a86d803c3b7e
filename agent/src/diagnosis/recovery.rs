//! The recovery ladders (diagnosis.md 4.2) as data: which proof each rung of a class needs. Only
//! what was seen since the last failure proves anything; silence proves nothing.

use std::collections::BTreeMap;

use super::{key::Family, world::moment::Moment};
pub use crate::config::Recovery;
use crate::{incident::Evidence, limits, observation::time, source::Micros};

/// A ladder of diagnosis.md 4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Ladder {
    Image,
    Config,
    Volume,
    Sandbox,
    NodeSandbox,
    Runtime,
    CrashLoop,
    Oom,
    ProbeKill,
    Readiness,
    Termination,
    Eviction,
    Admission,
    NodeDisk,
    NodeRuntime,
    Api,
    /// A fault of the node that only its members show.
    NodeMembers,
    NodeOther,
    /// A process was killed for memory, its container was not.
    OomInside,
}

/// Something seen that can prove a rung.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub(super) enum Sign {
    /// The image is there.
    Pulled,
    /// The volume is mounted.
    Mounted,
    /// A fresh sandbox.
    Sandbox,
    /// The container was created.
    Created,
    /// The container was started, and runs.
    Started,
    /// The container ended with 0, and was to end.
    Completed,
    /// All containers of the pod run, or the pod ran in full.
    AllStarted,
    /// Ready, since then without a break.
    Ready,
    /// What was to end ended.
    Ended,
    /// The sandbox was removed.
    SandboxRemoved,
    /// Nothing of the pod is left.
    Gone,
    /// The node's network is ready.
    NetworkReady,
    /// The runtime answers, pods are synced.
    RuntimeReady,
    /// There is no pressure any more.
    PressureGone,
    /// The API answers.
    ApiReachable,
    /// A container of any pod was started.
    AnyStarted,
    /// Any pod got a fresh sandbox with a network of its own.
    AnySandbox,
    /// One of the members passed.
    MemberPassed,
    /// No member fails any more.
    MembersPassed,
    /// Who asks shows a status: it runs and is ready since then.
    ShownReady,
}

/// When a sign was seen, and the line or fact that shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Proven {
    pub(super) at: Micros,
    pub(super) text: String,
}

impl Proven {
    /// What a moment shows. From the moment itself on: no rung is proven before.
    pub(super) fn by(now: Micros, moment: &Moment) -> Self {
        Self { at: now.saturating_add(moment.ahead), text: quote(&moment.evidence) }
    }
}

/// What was seen since the last failure.
pub(super) type Signs = BTreeMap<Sign, Proven>;

/// What a rung needs. One of its list is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// This was seen.
    Seen(Sign),
    /// It runs longer than any instance before it did.
    Outlives,
    /// It runs longer than any before, and its memory stays below nine tenths of its limit.
    OutlivesWithRoom,
    /// It runs for `settles_for`.
    Settles,
    /// It runs three times as long as any before, at least `settles_for`, at most `runs_for`.
    RunsThrice,
    /// It runs for `runs_for`.
    Runs,
    /// It is ready for as long as its probe takes to fail.
    StaysReady,
    /// The sign holds for `pressure_gone_for`.
    Holds(Sign),
    /// The sign holds for half of `quiet_for`.
    Briefly(Sign),
    /// Nothing failed for `quiet_for` since the sign.
    Quiet(Sign),
    /// The sign holds for `runs_for`.
    Stays(Sign),
}

use Need::{
    Briefly, Holds, Outlives, OutlivesWithRoom, Quiet, Runs, RunsThrice, Seen, Settles, Stays,
    StaysReady,
};

/// What the evaluation of one member's ladder must know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat<'a> {
    pub(super) signs: &'a Signs,
    /// The longest that an instance ran before it failed.
    pub(super) longest_life: Option<Micros>,
    /// How long its readiness probe takes to say no.
    pub(super) probe_takes: Option<Micros>,
    /// Share of the memory limit at its peak, where known.
    pub(super) memory_share: Option<f64>,
    /// Newest failure, by engine time.
    pub(super) failed_at: Micros,
}

/// How far a ladder was climbed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Climb {
    pub(super) rung: u8,
    /// What proved each rung.
    pub(super) proof: Vec<String>,
    /// When the next rung is proven if nothing else happens.
    pub(super) due: Option<Micros>,
}

/// Every ladder has three rungs.
pub(super) const TOP: u8 = 3;

impl Ladder {
    /// The ladder of a cause (diagnosis.md 2.6).
    pub(super) fn of(family: Family, class: &str, cause: &str, reason: Option<&str>) -> Self {
        match family {
            Family::Image => Self::Image,
            Family::Config => Self::Config,
            Family::Volume => Self::Volume,
            Family::Sandbox => Self::Sandbox,
            Family::Terminate => Self::Termination,
            Family::Admission => Self::Admission,
            Family::Eviction => Self::Eviction,
            Family::Ready => Self::Readiness,
            Family::Silent => Self::Sandbox,
            Family::Inside => Self::OomInside,
            Family::Node => Self::of_node(class, cause),
            Family::Run => Self::of_run(class, cause, reason),
        }
    }

    fn of_run(class: &str, cause: &str, reason: Option<&str>) -> Self {
        let is_kill = ["liveness", "startup", "probe"].iter().any(|word| cause.contains(word));
        let is_hook = cause.contains("hook");
        match class {
            "exit" | "sidecar" if cause.contains("oom") => Self::Oom,
            "probe" if is_hook => Self::Runtime,
            "probe" => Self::ProbeKill,
            "sidecar" if is_kill => Self::ProbeKill,
            "runtime" | "sandbox" | "image" | "config" | "volume" => Self::Runtime,
            "exit" | "sidecar" => Self::CrashLoop,
            _ if reason.is_some_and(|reason| reason != "CrashLoopBackOff") => Self::Runtime,
            _ => Self::CrashLoop,
        }
    }

    fn of_node(class: &str, cause: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| cause.contains(word));
        if class == "eviction" || has(&["pressure"]) {
            Self::Eviction
        } else if has(&["cni", "network", "ipam"]) {
            Self::NodeSandbox
        } else if has(&["inode", "disk", "read_only", "readonly", "filesystem"]) {
            Self::NodeDisk
        } else if has(&["api", "lease", "x509", "unauthorized", "certificate", "auth"]) {
            Self::Api
        } else if has(&["runtime", "pleg", "containerd", "cri", "sync", "kubelet", "shim"]) {
            Self::NodeRuntime
        } else {
            Self::NodeOther
        }
    }

    #[expect(clippy::too_many_lines, reason = "one table, a row for each ladder")]
    const fn rungs(self) -> [&'static [Need]; TOP as usize] {
        const STARTED: &[Need] = &[Seen(Sign::Started), Seen(Sign::Completed)];
        const PASSED: &[Need] = &[Outlives, Seen(Sign::Completed), Seen(Sign::ShownReady)];
        match self {
            Self::Image => [
                &[Seen(Sign::Pulled), Seen(Sign::Created), Seen(Sign::Started)],
                &[Seen(Sign::Created), Seen(Sign::Started)],
                STARTED,
            ],
            Self::Config => [
                &[Seen(Sign::Created), Seen(Sign::Started)],
                &[Seen(Sign::Created), Seen(Sign::Started)],
                STARTED,
            ],
            Self::Volume => [
                &[Seen(Sign::Mounted), Seen(Sign::Sandbox), Seen(Sign::Started)],
                &[Seen(Sign::Sandbox), Seen(Sign::Created), Seen(Sign::Started)],
                STARTED,
            ],
            Self::Sandbox => [
                &[Seen(Sign::Sandbox), Seen(Sign::Started), Seen(Sign::AllStarted)],
                &[Seen(Sign::Started), Seen(Sign::AllStarted)],
                &[Seen(Sign::AllStarted)],
            ],
            Self::NodeSandbox => [
                &[Seen(Sign::NetworkReady), Seen(Sign::AnySandbox)],
                &[Seen(Sign::AnySandbox)],
                &[Quiet(Sign::AnySandbox)],
            ],
            Self::Runtime => [
                PASSED,
                &[Settles, Seen(Sign::Completed), Stays(Sign::ShownReady)],
                &[RunsThrice, Seen(Sign::Completed), Stays(Sign::ShownReady)],
            ],
            Self::CrashLoop => [
                PASSED,
                &[Outlives, Seen(Sign::Completed), Stays(Sign::ShownReady)],
                &[Seen(Sign::Ready), Runs, Seen(Sign::Completed), Stays(Sign::ShownReady)],
            ],
            Self::Oom => [
                PASSED,
                &[OutlivesWithRoom, Seen(Sign::Completed), Stays(Sign::ShownReady)],
                &[Runs, Seen(Sign::Completed), Stays(Sign::ShownReady)],
            ],
            Self::ProbeKill => [
                &[Outlives, Seen(Sign::Ready), Seen(Sign::ShownReady)],
                &[Seen(Sign::Ready), Runs, Stays(Sign::ShownReady)],
                &[StaysReady, Runs, Stays(Sign::ShownReady)],
            ],
            Self::Readiness => [&[Seen(Sign::Ready)], &[Seen(Sign::Ready)], &[StaysReady]],
            Self::Termination => [
                &[
                    Seen(Sign::Ended),
                    Seen(Sign::SandboxRemoved),
                    Seen(Sign::Gone),
                    Seen(Sign::Sandbox),
                ],
                &[Seen(Sign::SandboxRemoved), Seen(Sign::Gone), Seen(Sign::Sandbox)],
                &[Seen(Sign::Gone), Seen(Sign::AllStarted)],
            ],
            Self::Eviction => [
                &[Seen(Sign::PressureGone)],
                &[Holds(Sign::PressureGone)],
                &[Seen(Sign::AnyStarted)],
            ],
            Self::Admission => [&[], &[], &[]],
            Self::NodeDisk => [
                &[Seen(Sign::PressureGone), Seen(Sign::AnyStarted)],
                &[Holds(Sign::PressureGone), Holds(Sign::AnyStarted)],
                &[Seen(Sign::AnyStarted)],
            ],
            Self::NodeRuntime => [
                &[Seen(Sign::RuntimeReady), Seen(Sign::AnyStarted)],
                &[Briefly(Sign::RuntimeReady), Seen(Sign::AnyStarted)],
                &[Seen(Sign::AnyStarted)],
            ],
            Self::Api => [
                &[Seen(Sign::ApiReachable)],
                &[Briefly(Sign::ApiReachable)],
                &[Quiet(Sign::ApiReachable)],
            ],
            Self::NodeMembers => [
                &[Seen(Sign::MemberPassed)],
                &[Seen(Sign::MembersPassed)],
                &[Quiet(Sign::MembersPassed)],
            ],
            Self::OomInside => {
                [&[Quiet(Sign::Started)], &[Holds(Sign::Started)], &[Stays(Sign::Started)]]
            }
            Self::NodeOther => [
                &[Seen(Sign::AnyStarted)],
                &[Holds(Sign::AnyStarted)],
                &[Runs, Quiet(Sign::AnyStarted)],
            ],
        }
    }

    /// How far the member got by now. Rungs are climbed one after the other.
    pub(super) fn climb(self, seat: Seat<'_>, settings: &Recovery, now: Micros) -> Climb {
        let mut climb = Climb::default();
        for needs in self.rungs() {
            let mut due: Option<Micros> = None;
            let mut proof = None;
            for need in needs {
                match need.of(seat, settings) {
                    Some((at, text)) if at <= now => {
                        proof = Some(text);
                        break;
                    }
                    Some((at, _)) => due = Some(due.map_or(at, |due| due.min(at))),
                    None => {}
                }
            }
            let Some(proof) = proof else {
                climb.due = due;
                break;
            };
            climb.rung += 1;
            climb.proof.push(proof);
        }
        climb
    }
}

impl Need {
    /// When it is met, if nothing else happens, and what shows it. `None`: something is missing.
    fn of(self, seat: Seat<'_>, settings: &Recovery) -> Option<(Micros, String)> {
        let seen = |sign: Sign| seat.signs.get(&sign);
        let life = seat.longest_life.unwrap_or(0);
        let runs = |for_micros: Micros, than: &str| {
            let started = seen(Sign::Started)?;
            let length = length(for_micros);
            let text = format!("{}; runs for {length} since then{than}", started.text);
            Some((started.at.saturating_add(for_micros), text))
        };
        let lasts = |sign: Sign, for_micros: Micros| {
            let seen = seen(sign)?;
            let text = format!("{}; holds for {} since then", seen.text, length(for_micros));
            Some((seen.at.saturating_add(for_micros), text))
        };
        let outlived = || match seat.longest_life {
            None => seen(Sign::Started).map(|started| (started.at, started.text.clone())),
            Some(life) => {
                let margin = time::micros(settings.outlives_by);
                let than = format!(", longer than its longest life before ({})", length(life));
                runs(life.saturating_add(margin), &than)
            }
        };
        match self {
            Self::Seen(sign) => seen(sign).map(|seen| (seen.at, seen.text.clone())),
            Self::Outlives => outlived(),
            Self::OutlivesWithRoom => {
                let (at, mut text) = outlived()?;
                match seat.memory_share {
                    Some(share) if share >= 0.9 => return None,
                    Some(share) => text.push_str(&format!(
                        "; memory at its peak {:.0} % of the limit",
                        share * 100.0
                    )),
                    None => {}
                }
                Some((at, text))
            }
            Self::Settles => runs(time::micros(settings.settles_for).max(life), ""),
            Self::RunsThrice => {
                let thrice = life.saturating_mul(3).max(time::micros(settings.settles_for));
                runs(thrice.min(time::micros(settings.runs_for)).max(life), "")
            }
            Self::Runs => runs(time::micros(settings.runs_for).max(life), ""),
            Self::StaysReady => {
                let probe = seat.probe_takes.unwrap_or_else(|| time::micros(settings.settles_for));
                lasts(Sign::Ready, probe)
            }
            Self::Holds(sign) => lasts(sign, time::micros(settings.pressure_gone_for)),
            Self::Stays(sign) => lasts(sign, time::micros(settings.runs_for)),
            Self::Briefly(sign) => lasts(sign, time::micros(settings.quiet_for) / 2),
            Self::Quiet(sign) => {
                let seen = seen(sign)?;
                let quiet = time::micros(settings.quiet_for);
                let from = seen.at.max(seat.failed_at);
                let text = format!("{}; no failure for {} since then", seen.text, length(quiet));
                Some((from.saturating_add(quiet), text))
            }
        }
    }
}

/// A line or fact as the proof of a rung.
pub(super) fn quote(evidence: &Evidence) -> String {
    let mut text = match evidence.line {
        Some(line) => format!("{} line {line}: {}", evidence.source, evidence.text),
        None => format!("{}: {}", evidence.source, evidence.text),
    };
    if let Some(at) = evidence.at {
        text = format!("{} {text}", time::utc(at));
    }
    limits::cut(&text, limits::INCIDENT_TEXT_BYTES).0.to_owned()
}

/// `12s`, `3m5s`, `1h2m`
pub(super) fn length(micros: Micros) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0 => format!("{} ms", micros / 1000),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
    }
}
