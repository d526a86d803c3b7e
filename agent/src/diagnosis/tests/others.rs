//! What other pods say about a cause: the same one on pods of another owner speaks for it, a pod that
//! passes meanwhile against it (diagnosis.md 2.2), and controls show it (M1).

use super::{
    root::{Story, id_of, uid},
    *,
};
use crate::{
    fact::{self, Fact},
    incident::{Confidence, Incident},
};

fn no_driver(story: &mut Story, millis: i64, pod: &str, number: u32) {
    let (name, uid) = (pod.split_once('/').unwrap().1, uid(number));
    let text = format!(
        "nestedpendingoperations.go:348] Operation for \"{{volumeName:kubernetes.io/csi/{uid}-store podName:{uid} nodeName:}}\" failed. No retries permitted until 2026-11-22 22:03:00 +0000 UTC m=+1.0 (durationBeforeRetry 2m2s). Error: MountVolume.SetUp failed for volume \"store\" (UniqueName: \"kubernetes.io/csi/{uid}-store\") pod \"{name}\" (UID: \"{uid}\") : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name store.csi.example not found in the list of registered CSI drivers"
    );
    story.0.kubelet(millis, 'E', &text);
}

#[test]
fn the_same_cause_on_pods_of_another_owner_speaks_for_it() {
    let mut story = Story::new();
    no_driver(&mut story, 0, "shop/web-6f7d9c5b8-x7k2p", 1);
    no_driver(&mut story, 100, "shop/web-6f7d9c5b8-q2w4z", 2);
    story.0.tick(20_000);
    for alone in story.now() {
        assert_eq!(alone.cause.id, "volume_csi_driver_missing");
        assert_eq!(alone.cause.confidence, Confidence::Likely, "replicas share their fault");
    }
    no_driver(&mut story, 30_000, "shop/api-5d8f7c6b9-b2c4d", 3);
    story.0.tick(60_000);
    let all = story.now();
    assert!(all.len() > 1, "{all:#?}");
    for shared in all {
        assert_eq!(shared.cause.confidence, Confidence::Certain, "{shared:#?}");
    }
}

fn no_plugin(story: &mut Story, millis: i64) {
    let error = "failed to \"CreatePodSandbox\" for \"web-0_shop\" with CreatePodSandboxError: \
         \"rpc error: code = Unknown desc = failed to setup network for sandbox: plugin \
         type=\\\"bridge\\\" failed (add): failed to find plugin \\\"bridge\\\" in path [/opt/cni/bin]\"";
    story.fails(millis, "shop/web-0", 1, error);
}

/// The newest word about a pod that fails on while `between` happens.
fn after(between: impl Fn(&mut Story)) -> Incident {
    let mut story = Story::new();
    no_plugin(&mut story, 0);
    no_plugin(&mut story, 15_000);
    between(&mut story);
    no_plugin(&mut story, 30_000);
    story.of_pod("web-0").remove(0)
}

#[test]
fn a_pod_that_passes_between_two_failures_speaks_against_a_cause_of_the_node() {
    let alone = after(|_| {});
    assert_eq!(alone.cause.id, "cni_binary_missing");
    assert_eq!((alone.cause.confidence, alone.contradictions), (Confidence::Likely, vec![]));
    let contradicted = after(|story| {
        story.runs("shop/lucky-0", 7, START + 20_000_000, false);
        story.sandbox(20_000, "shop/lucky-0", 7);
    });
    assert_eq!(contradicted.cause.confidence, Confidence::Possible);
    let against =
        "against cni_binary_missing: another pod passed this step between its two newest failures";
    assert_eq!(contradicted.contradictions, [against]);
}

#[test]
fn a_pod_that_needs_no_pod_network_speaks_against_nothing() {
    let of_host = after(|story| {
        story.runs("kube-system/proxy-1", 7, START + 20_000_000, true);
        story.sandbox(20_000, "kube-system/proxy-1", 7);
    });
    assert_eq!(of_host.cause.confidence, Confidence::Likely);
    let unknown = after(|story| story.sandbox(20_000, "shop/nobody-knows-0", 7));
    assert_eq!(unknown.cause.confidence, Confidence::Likely, "nobody can tell without its spec");
}

#[test]
fn m1_a_replica_that_runs_is_a_control() {
    let mut story = Story::new();
    let at = START - 60_000_000;
    let container = fact::Container {
        name: "app".into(),
        container_id: Some(id_of(0xc002)),
        state: Some(fact::State::Running { since: Some(at) }),
        ..fact::Container::default()
    };
    let owner = fact::Owner {
        kind: "ReplicaSet".into(),
        name: "web-6f7d9c5b8".into(),
        ..fact::Owner::default()
    };
    let pod = fact::Pod {
        namespace: "shop".into(),
        name: "web-6f7d9c5b8-q2w4z".into(),
        uid: Some(uid(2)),
        node: Some("node-1".into()),
        owner: Some(owner),
        containers: vec![container],
        ..fact::Pod::default()
    };
    let fact = fact::Dated { at, fact: Fact::Pod(Box::new(pod)) };
    story.0.apply(at, Input::Fact(Box::new(fact)));
    let error = "failed to \"StartContainer\" for \"app\" with CreateContainerConfigError: \
         \"secret \\\"mail\\\" not found\"";
    story.fails(0, "shop/web-6f7d9c5b8-x7k2p", 1, error);
    story.fails(12_000, "shop/web-6f7d9c5b8-x7k2p", 1, error);
    let all = story.of_pod("web-6f7d9c5b8-x7k2p");
    assert_eq!(
        all[0].controls,
        ["1 other pod (shop/web-6f7d9c5b8-q2w4z) of the same owner runs on this node"]
    );
}
