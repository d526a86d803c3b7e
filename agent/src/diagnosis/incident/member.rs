//! One pod of an incident, and what is known of it for its ladder. Owns no life cycle.

use crate::{
    diagnosis::{
        key::Family,
        recovery::{Seat, Signs},
        world::{PodKey, World},
    },
    observation,
    source::Micros,
};

/// A pod that a fault of the node hits.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Hit {
    pub(in crate::diagnosis) key: String,
    pub(in crate::diagnosis) pod: observation::Pod,
    pub(in crate::diagnosis) container: Option<String>,
    pub(in crate::diagnosis) family: Family,
}

/// One pod, or one of its containers, that is hit.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::diagnosis) struct Member {
    /// Empty for the node itself.
    pub(in crate::diagnosis) key: String,
    pub(in crate::diagnosis) pod: observation::Pod,
    pub(in crate::diagnosis) container: Option<String>,
    /// Newest failure, by engine time and by the lines' own.
    pub(in crate::diagnosis) failed: Micros,
    pub(in crate::diagnosis) last_seen: Micros,
    pub(in crate::diagnosis) signs: Signs,
    /// The longest that an instance ran before it failed.
    pub(in crate::diagnosis) longest_life: Option<Micros>,
    /// To end: what ends now is no failure.
    pub(in crate::diagnosis) ending: bool,
    pub(in crate::diagnosis) gone: bool,
    pub(in crate::diagnosis) rung: u8,
}

impl Member {
    pub(in crate::diagnosis) fn pod_key(&self) -> PodKey {
        PodKey(self.key.clone())
    }

    /// It is this pod and, where both name one, this container.
    pub(in crate::diagnosis) fn is(&self, key: &PodKey, container: Option<&str>) -> bool {
        self.key == key.0
            && (container.is_none()
                || self.container.is_none()
                || self.container.as_deref() == container)
    }

    pub(super) fn seat<'a>(&'a self, world: &World, failed: Micros) -> Seat<'a> {
        let key = self.pod_key();
        let container = self.container.as_deref();
        let spec = world.spec(&key).zip(container).and_then(|(spec, name)| spec.container(name));
        let known = world.pod(&key).zip(container).and_then(|(pod, name)| pod.container(name));
        let probe_takes = spec.and_then(|spec| spec.readiness.as_ref()).map(|probe| {
            let seconds = probe.period_seconds.max(1) * probe.failure_threshold.max(1);
            Micros::from(seconds).saturating_mul(1_000_000)
        });
        let limit = spec.and_then(|spec| spec.memory_limit_bytes).filter(|limit| *limit > 0);
        let peak = known
            .and_then(|known| known.newest())
            .and_then(|newest| newest.cgroup_before.as_ref())
            .and_then(|cgroup| cgroup.container.memory_peak_bytes);
        #[expect(clippy::cast_precision_loss, reason = "a share of some GiB in percent")]
        let memory_share = limit.zip(peak).map(|(limit, peak)| peak as f64 / limit as f64);
        let lives = [self.longest_life, known.and_then(|known| known.longest_life)];
        let ended = known.into_iter().flat_map(|known| known.instances.iter());
        let lives = lives.into_iter().flatten().chain(ended.filter_map(|instance| instance.ran()));
        Seat {
            signs: &self.signs,
            longest_life: lives.max(),
            probe_takes,
            memory_share,
            failed_at: failed,
        }
    }
}
