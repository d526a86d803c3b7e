//! What each moment of a pod proves for an entry that it is about. Data and small questions; what
//! follows from signs is the ladder's.

use super::super::Ground;
use crate::diagnosis::{
    incident::Entry,
    key::Family,
    recovery::{Proven, Sign},
    world::{
        PodKey,
        moment::{Moment, MomentKind},
    },
};

/// What brings a pod or container further.
pub(super) fn progress(entry: &mut Entry, key: &PodKey, moment: &Moment, proven: &Proven) {
    let me = Some((key, moment.container.as_deref()));
    let whole = Some((key, None));
    match &moment.what {
        MomentKind::ImagePulled { image } if agree(entry.image.as_ref(), image.as_ref()) => {
            entry.sign(whole, Sign::Pulled, proven);
        }
        MomentKind::Mounted { volume } if agree(entry.volume.as_ref(), volume.as_ref()) => {
            entry.sign(whole, Sign::Mounted, proven);
        }
        MomentKind::SandboxCreated => {
            entry.sign(whole, Sign::Sandbox, proven);
        }
        MomentKind::ContainerCreated { .. } => {
            entry.sign(me, Sign::Created, proven);
        }
        MomentKind::ContainerStarted { .. } => {
            entry.unsign(me, Sign::Completed);
            let of_container = entry.family.is_of_container();
            entry.sign(if of_container { me } else { whole }, Sign::Started, proven);
        }
        MomentKind::Ready(true) | MomentKind::Started(true) => {
            entry.sign(me, Sign::Ready, proven);
        }
        MomentKind::Ready(false) => entry.unsign(me, Sign::Ready),
        _ => {}
    }
}

/// What ends a pod, or what is left of one.
pub(super) fn passing(entry: &mut Entry, key: &PodKey, moment: &Moment, proven: &Proven) {
    let whole = Some((key, None));
    let is_of_end = entry.family == Family::Terminate;
    match &moment.what {
        MomentKind::SandboxStopped => {
            entry.unsign(whole, Sign::Sandbox);
            if is_of_end {
                entry.sign(whole, Sign::Ended, proven);
            }
        }
        MomentKind::SandboxRemoved if is_of_end => {
            entry.sign(whole, Sign::SandboxRemoved, proven);
        }
        MomentKind::Cleaned | MomentKind::PodGone if is_of_end => {
            entry.sign(whole, Sign::Gone, proven);
        }
        MomentKind::PodDeleting => {
            for member in entry.members.iter_mut().filter(|m| m.key == key.0) {
                member.ending = true;
            }
        }
        // The eviction lasts: only its pod's end in the API, or its own ladder, ends it.
        MomentKind::EvictedAndCleared if entry.family == Family::Eviction => {}
        MomentKind::PodGone | MomentKind::EvictedAndCleared => {
            for member in entry.members.iter_mut().filter(|m| m.key == key.0) {
                member.gone = true;
            }
        }
        _ => {}
    }
}

/// All containers of the pod run, as far as its specification or, without one, its own past tells.
pub(super) fn all_started(key: &PodKey, moment: &Moment, ground: Ground<'_>) -> bool {
    match moment.what {
        MomentKind::PodRan => return true,
        MomentKind::ContainerStarted { .. } | MomentKind::ContainerSeenRunning { .. } => {}
        _ => return false,
    }
    let Some(pod) = ground.world.pod(key) else { return false };
    let runs = |name: &str| {
        pod.container(name).is_some_and(|container| {
            container.is_running()
                || container.newest().is_some_and(|newest| newest.exit_code == Some(0))
        })
    };
    match ground.world.spec(key) {
        Some(spec) => spec
            .containers
            .iter()
            .filter(|container| container.role != crate::fact::Role::Ephemeral)
            .all(|container| runs(&container.name)),
        None => pod.containers.keys().all(|name| runs(name)),
    }
}

/// Neither is known to be another.
fn agree(mine: Option<&String>, theirs: Option<&String>) -> bool {
    mine.is_none() || theirs.is_none() || mine == theirs
}
