//! Every ladder: without proof nothing moves, each proof moves one rung, only the last resolves.

use super::*;

const S: Micros = 1_000_000;

fn climb(ladder: Ladder, signs: &[(Sign, Micros)], life: Option<Micros>, now: Micros) -> Climb {
    let signs: Signs = signs
        .iter()
        .map(|(sign, at)| (*sign, Proven { at: *at, text: format!("{sign:?}") }))
        .collect();
    let seat = Seat {
        signs: &signs,
        longest_life: life,
        probe_takes: Some(30 * S),
        memory_share: None,
        failed_at: 0,
    };
    ladder.climb(seat, &Recovery::default(), now)
}

#[test]
fn m2_each_ladder_is_climbed_by_its_own_proofs_alone() {
    use Sign::*;
    let cases: &[(Ladder, &[(Sign, Micros)], Option<Micros>, Micros, u8)] = &[
        (Ladder::Image, &[(Pulled, S)], None, S, 1),
        (Ladder::Image, &[(Pulled, S), (Created, S)], None, S, 2),
        (Ladder::Image, &[(Started, S)], None, S, 3),
        (Ladder::Config, &[(Created, S)], None, S, 2),
        (Ladder::Config, &[(Created, S), (Started, S)], None, S, 3),
        (Ladder::Volume, &[(Mounted, S)], None, S, 1),
        (Ladder::Volume, &[(Mounted, S), (Sandbox, S)], None, S, 2),
        (Ladder::Volume, &[(Started, S)], None, S, 3),
        (Ladder::Sandbox, &[(Sandbox, S)], None, S, 1),
        (Ladder::Sandbox, &[(Sandbox, S), (Started, S)], None, S, 2),
        (Ladder::Sandbox, &[(AllStarted, S)], None, S, 3),
        (Ladder::NodeSandbox, &[(NetworkReady, S)], None, 999 * S, 1),
        (Ladder::NodeSandbox, &[(NetworkReady, S), (AnySandbox, S)], None, 2 * S, 2),
        (Ladder::NodeSandbox, &[(NetworkReady, S), (AnySandbox, S)], None, 121 * S, 3),
        (Ladder::Runtime, &[(Started, S)], None, S, 1),
        (Ladder::Runtime, &[(Started, S)], None, 61 * S, 3),
        (Ladder::CrashLoop, &[(Started, S)], Some(5 * S), 5 * S, 0),
        (Ladder::CrashLoop, &[(Started, S)], Some(5 * S), 9 * S, 2),
        (Ladder::CrashLoop, &[(Started, S), (Ready, S)], Some(5 * S), 8 * S, 0),
        (Ladder::CrashLoop, &[(Started, S), (Ready, S)], Some(5 * S), 9 * S, 3),
        (Ladder::CrashLoop, &[(Started, S)], Some(5 * S), 601 * S, 3),
        (Ladder::CrashLoop, &[(Completed, S)], Some(5 * S), S, 3),
        (Ladder::Oom, &[(Started, S), (Ready, S)], Some(5 * S), 9 * S, 2),
        (Ladder::Oom, &[(Started, S)], Some(5 * S), 601 * S, 3),
        (Ladder::ProbeKill, &[(Started, S)], Some(S), 5 * S, 1),
        (Ladder::ProbeKill, &[(Started, S), (Ready, S)], Some(S), 5 * S, 2),
        (Ladder::ProbeKill, &[(Started, S), (Ready, S)], Some(S), 31 * S, 3),
        (Ladder::Readiness, &[(Ready, S)], None, S, 2),
        (Ladder::Readiness, &[(Ready, S)], None, 31 * S, 3),
        (Ladder::Termination, &[(Ended, S)], None, S, 1),
        (Ladder::Termination, &[(Ended, S), (SandboxRemoved, S)], None, S, 2),
        (Ladder::Termination, &[(Gone, S)], None, S, 3),
        (Ladder::Eviction, &[(PressureGone, S), (AnyStarted, S)], None, S, 1),
        (Ladder::Eviction, &[(PressureGone, S), (AnyStarted, S)], None, 301 * S, 3),
        (Ladder::Admission, &[(Started, S), (Ready, S), (Gone, S)], None, 9_999 * S, 0),
        (Ladder::NodeDisk, &[(PressureGone, S)], None, 301 * S, 2),
        (Ladder::NodeDisk, &[(PressureGone, S), (AnyStarted, S)], None, 301 * S, 3),
        (Ladder::NodeRuntime, &[(RuntimeReady, S)], None, 61 * S, 2),
        (Ladder::NodeRuntime, &[(RuntimeReady, S), (AnyStarted, S)], None, S, 3),
        (Ladder::Api, &[(ApiReachable, S)], None, S, 1),
        (Ladder::Api, &[(ApiReachable, S)], None, 61 * S, 2),
        (Ladder::Api, &[(ApiReachable, S)], None, 121 * S, 3),
    ];
    for (ladder, signs, life, now, rung) in cases {
        let climbed = climb(*ladder, signs, *life, *now);
        assert_eq!(climbed.rung, *rung, "{ladder:?} {signs:?} at {now}");
        assert_eq!(climbed.proof.len(), usize::from(*rung), "each rung names its proof");
        let silent = climb(*ladder, &[], *life, Micros::MAX / 2);
        assert_eq!((silent.rung, silent.due), (0, None), "{ladder:?}: silence proves nothing");
    }
}
