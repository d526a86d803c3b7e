//! The world, fed with the lines of real nodes: what happened is told once, whichever line told it.

use podwhy_parser::Message;

use super::*;
use crate::{
    diagnosis::{identities::Identities, tests::replay},
    observation::time::Times,
    source::Line,
};

/// A world that learns from lines as the engine does.
#[derive(Default)]
pub(crate) struct Watcher {
    pub(crate) world: World,
    identities: Identities,
    times: Times,
    pub(crate) moments: Vec<Moment>,
}

impl Watcher {
    pub(crate) fn message(&mut self, message: &Message<'_>, line: &Line<'_>) {
        let Some(mut seen) = Observation::from_message(message, line, &mut self.times) else {
            return;
        };
        self.identities.complete(&mut seen);
        self.identities.learn(&seen);
        self.moments.extend(self.world.observe(line.at, &seen));
    }

    pub(crate) fn of_recording(scenario: &str) -> Self {
        let mut watcher = Self::default();
        replay(scenario, |message, line| watcher.message(message, line));
        watcher
    }

    /// What happened to a pod of this name, in order.
    fn of(&self, name: &str) -> Vec<&MomentKind> {
        self.moments.iter().filter(|it| self.is_of(it, name)).map(|it| &it.what).collect()
    }

    fn is_of(&self, moment: &Moment, name: &str) -> bool {
        let pod = moment.pod.as_ref().and_then(|key| self.world.pod(key));
        pod.is_some_and(|pod| pod.pod.name.as_deref() == Some(name))
    }

    fn exit_codes(&self, name: &str) -> Vec<Option<i32>> {
        self.of(name)
            .into_iter()
            .filter_map(|what| match what {
                MomentKind::ContainerEnded { exit_code, .. } => Some(*exit_code),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn each_end_of_a_container_is_told_once_with_its_code() {
    for (scenario, pod, codes) in [
        ("crash-exit-1", "web", vec![1; 4]),
        ("oom-killed", "cache", vec![137; 3]),
        ("liveness-kills", "web", vec![137; 4]),
        ("command-not-found", "web", vec![128; 3]),
        ("exit-0-early", "batch", vec![0; 3]),
    ] {
        let watcher = Watcher::of_recording(scenario);
        let told = watcher.exit_codes(pod);
        let codes: Vec<Option<i32>> = codes.into_iter().map(Some).collect();
        assert!(told.starts_with(&codes), "{scenario}: {told:?}");
        let ids: BTreeSet<_> = watcher
            .moments
            .iter()
            .filter_map(|moment| match &moment.what {
                MomentKind::ContainerEnded { id, .. } if watcher.is_of(moment, pod) => Some(id),
                _ => None,
            })
            .collect();
        assert_eq!(ids.len(), told.len(), "{scenario}: an instance ends once");
    }
}
