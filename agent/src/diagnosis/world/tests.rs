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

/// Through the durable form and back.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

#[test]
fn what_is_known_survives_a_restart_entry_by_entry() {
    for scenario in ["liveness-kills", "oom-killed", "containerd-stopped", "disk-pressure"] {
        let mut watcher = Watcher::of_recording(scenario);
        let mut restored = World::default();
        let (mut pods, mut specs, mut node) = (Vec::new(), Vec::new(), None);
        watcher.world.changes(&mut |kept| match kept {
            Kept::Pod(key, Some(state)) => pods.push((key.to_owned(), again(state))),
            Kept::Specs(key, Some(known)) => specs.push((key.to_owned(), again(known))),
            Kept::Node(state) => node = Some(again(state)),
            Kept::Unowned(number, Some(line)) => restored.restore_unowned(number, again(line)),
            Kept::Pod(_, None)
            | Kept::Specs(_, None)
            | Kept::Listing(..)
            | Kept::Unowned(_, None) => {}
        });
        for (key, state) in pods {
            restored.restore_pod(key, state);
        }
        for (key, known) in specs {
            restored.restore_specs(key, known);
        }
        restored.restore_node(node.unwrap());
        assert_eq!(restored.pods, watcher.world.pods, "{scenario}");
        assert_eq!(restored.names, watcher.world.names, "{scenario}");
        assert_eq!(restored.node, watcher.world.node, "{scenario}");
        let mut is_quiet = true;
        watcher.world.changes(&mut |_| is_quiet = false);
        assert!(is_quiet, "{scenario}: nothing changed since");
    }
}

#[test]
fn a_pod_that_comes_again_under_its_name_is_another_one() {
    let mut world = World::default();
    let pod = |uid: Option<&str>| observation::Pod {
        namespace: Some("shop".to_owned()),
        name: Some("web-0".to_owned()),
        uid: uid.map(str::to_owned),
    };
    let seen = |happening, pod: observation::Pod, at| Observation {
        happening: Some(happening),
        pod: pod.clone(),
        pods: vec![pod],
        at,
        ..Observation::default()
    };
    use crate::observation::Happening as H;
    world.observe(1, &seen(H::PodsAdded, pod(None), 1));
    world.observe(2, &seen(H::SandboxCreated, pod(Some("a")), 2));
    assert_eq!(world.key_of(&pod(None)), Some(PodKey("a".to_owned())), "the uid came later");
    assert_eq!(world.pod(&PodKey("a".to_owned())).unwrap().added, Some(1));
    world.observe(3, &seen(H::PodsDeleted, pod(None), 3));
    world.observe(4, &seen(H::PodsRemoved, pod(None), 4));
    let told = world.observe(5, &seen(H::PodsAdded, pod(None), 5));
    assert!(told.iter().any(|it| it.what == MomentKind::PodAdded), "{told:?}");
    world.observe(6, &seen(H::SandboxCreated, pod(Some("b")), 6));
    world.observe(7, &seen(H::SandboxRemoved, pod(Some("a")), 7));
    assert_eq!(world.key_of(&pod(None)), Some(PodKey("b".to_owned())), "late lines change nothing");
    assert!(world.pod(&PodKey("a".to_owned())).unwrap().is_ending());
    assert!(!world.pod(&PodKey("b".to_owned())).unwrap().is_ending());
}

#[test]
fn what_was_told_of_a_name_is_known_of_the_uid_that_turns_out_to_be_it() {
    let mut world = World::default();
    let full = observation::Pod {
        namespace: Some("shop".to_owned()),
        name: Some("web-0".to_owned()),
        uid: Some("a".to_owned()),
    };
    let named = observation::Pod { uid: None, ..full.clone() };
    let unnamed = observation::Pod { uid: full.uid.clone(), ..Default::default() };
    world.entry(&unnamed, 1).unwrap().1.ran = Some(1);
    let (_, state) = world.entry(&named, 2).unwrap();
    state.evicted = Some(Evidence { text: "evicted".to_owned(), ..Evidence::default() });
    let (key, state) = world.entry(&full, 3).unwrap();
    assert_eq!((key.0.as_str(), state.ran), ("a", Some(1)));
    assert!(state.is_ending(), "it was evicted by its name: {state:?}");
}

#[test]
fn a_static_pod_that_was_refused_and_taken_later_is_not_ending() {
    use crate::observation::{Details, Happening as H};
    let pod = observation::Pod { uid: Some("a".to_owned()), ..Default::default() };
    let seen = |happening, at| Observation {
        happening: Some(happening),
        pod: pod.clone(),
        details: Details { container_id: Some("c".to_owned()), ..Details::default() },
        container: Some("app".to_owned()),
        at,
        ..Observation::default()
    };
    for happening in [H::SandboxCreated, H::ContainerStarted] {
        let mut world = World::default();
        let refused = Evidence { at: Some(5), ..Evidence::default() };
        world.entry(&pod, 5).unwrap().1.refused = Some(refused);
        world.observe(4, &seen(happening, 4));
        assert!(world.pod(&PodKey("a".to_owned())).unwrap().is_ending(), "that was before");
        let again = if happening == H::SandboxCreated { happening } else { H::SandboxCreated };
        world.observe(6, &seen(again, 6));
        assert!(!world.pod(&PodKey("a".to_owned())).unwrap().is_ending());
    }
}

#[test]
fn pods_beyond_the_bound_go_those_that_are_gone_first() {
    let mut world = World::default();
    for number in 0..limits::WORLD_PODS + 5 {
        let pod = observation::Pod { uid: Some(format!("uid-{number}")), ..Default::default() };
        let is_gone = number == 7;
        let (_, state) = world.entry(&pod, 1).unwrap();
        state.gone = is_gone.then_some(1);
    }
    assert_eq!(world.pods.len(), limits::WORLD_PODS);
    assert!(!world.pods.contains_key("uid-7"), "gone goes first");
    assert!(!world.pods.contains_key("uid-0"), "then what was not mentioned for longest");
    assert!(world.pods.contains_key(&format!("uid-{}", limits::WORLD_PODS + 4)));
}
