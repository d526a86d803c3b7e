//! The story of a node whose pod network never came, whole; and who belongs to whom in it (M1).

use super::*;
use crate::{
    fact::{self, Fact},
    incident::{Incident, Scope, State},
};

const NO_NETWORK: &str = "network is not ready: container runtime network not ready: \
     NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni \
     plugin not initialized";

/// The uid of the pod of that number.
pub(super) fn uid(number: u32) -> String {
    format!("0b7c7a43-5f0e-4a8c-9a0f-{number:012x}")
}

pub(super) fn id_of(number: u32) -> String {
    format!("{number:064x}")
}

pub(super) struct Story(pub(super) Engine);

impl Story {
    pub(super) fn new() -> Self {
        Self(Engine::new(Repeats::Summary))
    }

    /// A sync failure of a pod of its own namespace.
    pub(super) fn fails(&mut self, millis: i64, pod: &str, number: u32, error: &str) {
        let uid = uid(number);
        let text = format!(
            "pod_workers.go:1324] \"Error syncing pod, skipping\" err={error:?} pod=\"{pod}\" podUID=\"{uid}\""
        );
        self.0.kubelet(millis, 'E', &text);
    }

    fn cannot_pull(&mut self, millis: i64, pod: &str, number: u32, container: &str) {
        let message = "failed to pull and unpack image \"registry.example/net/cni:1.2\": failed to \
             resolve reference \"registry.example/net/cni:1.2\": failed to do request: Head \
             \"https://registry.example/v2/net/cni/manifests/1.2\": dial tcp: lookup \
             registry.example on 10.0.0.10:53: no such host";
        let error = format!(
            "failed to \"StartContainer\" for {container:?} with ErrImagePull: {message:?}"
        );
        self.fails(millis, pod, number, &error);
    }

    pub(super) fn sandbox(&mut self, millis: i64, pod: &str, number: u32) {
        let (space, name) = pod.split_once('/').unwrap();
        let (uid, id) = (uid(number), id_of(0x5000 + number));
        let text = format!(
            "msg=\"RunPodSandbox for &PodSandboxMetadata{{Name:{name},Uid:{uid},Namespace:{space},Attempt:0,}} returns sandbox id \\\"{id}\\\"\""
        );
        self.0.containerd(millis, "info", &text);
    }

    pub(super) fn starts(&mut self, millis: i64, number: u32, container: &str) {
        let (sandbox, id) = (id_of(0x5000 + number), id_of(0xc000 + number));
        let text = format!(
            "msg=\"CreateContainer within sandbox \\\"{sandbox}\\\" for &ContainerMetadata{{Name:{container},Attempt:0,}} returns container id \\\"{id}\\\"\""
        );
        self.0.containerd(millis, "info", &text);
        let text = format!("msg=\"StartContainer for \\\"{id}\\\" returns successfully\"");
        self.0.containerd(millis + 1, "info", &text);
    }

    /// A pod as the API has it, whose container runs since then.
    pub(super) fn runs(&mut self, pod: &str, number: u32, since: Micros, host_network: bool) {
        let (space, name) = pod.split_once('/').unwrap();
        let container = fact::Container {
            name: "app".to_owned(),
            container_id: Some(id_of(0xc000 + number)),
            state: Some(fact::State::Running { since: Some(since) }),
            ..fact::Container::default()
        };
        let fact = fact::Pod {
            namespace: space.to_owned(),
            name: name.to_owned(),
            uid: Some(uid(number)),
            node: Some("node-1".to_owned()),
            host_network,
            containers: vec![container],
            ..fact::Pod::default()
        };
        let fact = fact::Dated { at: since, fact: Fact::Pod(Box::new(fact)) };
        self.0.apply(since, Input::Fact(Box::new(fact)));
    }

    pub(super) fn network_is_ready(&mut self, millis: i64) {
        let text = "kubelet_node_status.go:645] \"Recording event message for node\" node=\"node-1\" event=\"NodeReady\"";
        self.0.kubelet(millis, 'I', text);
    }

    /// A kubelet that goes on writes something now and then.
    pub(super) fn goes_on(&mut self, from: i64, to: i64) {
        for millis in (from..to).step_by(40_000) {
            self.network_is_ready(millis);
            self.0.tick(millis + 39_000);
        }
    }

    pub(super) fn now(&self) -> Vec<Incident> {
        self.0.diagnosis.incidents().collect()
    }

    pub(super) fn node(&self) -> Vec<Incident> {
        self.now().into_iter().filter(|it| it.scope == Scope::Node).collect()
    }

    pub(super) fn only_node(&self) -> Incident {
        let mut all = self.node();
        all.retain(|it| it.parent.is_none());
        assert_eq!(all.len(), 1, "one root: {all:#?}");
        all.remove(0)
    }

    pub(super) fn of_pod(&self, name: &str) -> Vec<Incident> {
        let is_it = |it: &Incident| {
            it.scope != Scope::Node && it.pods.iter().any(|pod| pod.name.as_deref() == Some(name))
        };
        self.now().into_iter().filter(is_it).collect()
    }

    /// Which pods and nodes woke somebody, by the incident's id.
    pub(super) fn notified(&self) -> Vec<String> {
        let records = self.0.of_incidents.iter();
        records
            .filter(|record| record.attribute(names::INCIDENT_NOTIFY) == Some(&Value::Bool(true)))
            .map(|record| text(record, names::INCIDENT_ID).to_owned())
            .collect()
    }
}

/// Fourteen pods of six owners, two of them with a replica more than the rest.
fn hit() -> Vec<(String, u32)> {
    (0..14).map(|number| (format!("shop/app-{}-{number}", number % 6), 100 + number)).collect()
}

/// Registry DNS fails, so the network's agent cannot pull its image, so no pod has a network.
pub(super) fn broken() -> Story {
    let mut story = Story::new();
    for number in 0..3 {
        story.runs(&format!("shop/old-{number}"), 10 + number, START - 3_600_000_000, false);
    }
    for turn in 0..3 {
        let at = turn * 15_000;
        story.cannot_pull(at, "kube-system/cni-agent-x7k2p", 1, "agent");
        if turn == 0 {
            continue;
        }
        for (index, (pod, number)) in hit().into_iter().enumerate() {
            let at = at + 2_000 + i64::try_from(index).unwrap() * 10;
            story.fails(at, &pod, number, NO_NETWORK);
        }
    }
    story.runs("kube-system/proxy-1", 30, START + 20_000_000, true);
    story
}

#[test]
fn m1_a_dead_registry_dns_is_one_incident_with_its_links_and_controls() {
    let story = broken();
    let root = story.only_node();
    assert_eq!(root.cause.id, "cni_not_initialized");
    assert_eq!(root.pod_count, 14);
    assert_eq!(root.members.len(), story.now().len() - 2, "all but itself and the agent");
    let links: Vec<&str> = root.chain.iter().map(String::as_str).collect();
    assert_eq!(links.len(), 4, "{links:?}");
    assert!(links[0].contains("DNS fails on this node"), "{links:?}");
    assert_eq!(links[1], "cni-agent-x7k2p cannot pull its image");
    assert!(links[2].contains("pod network"), "{links:?}");
    assert_eq!(links[3], "14 pods have no sandbox");
    assert!(
        root.controls.iter().any(|it| it.starts_with("3 pods") && it.contains("still run")),
        "{:?}",
        root.controls
    );
    assert!(
        root.controls.iter().any(|it| it.starts_with("1 hostNetwork pod")),
        "{:?}",
        root.controls
    );
    assert!(root.evidence.iter().any(|it| it.text.contains("no such host")), "{root:#?}");
}

#[test]
fn m1_members_are_recorded_and_wake_nobody() {
    let story = broken();
    let root = story.only_node();
    let members = story.of_pod("app-0-0");
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].parent.as_ref(), Some(&root.id));
    let agent = &story.of_pod("cni-agent-x7k2p")[0];
    assert_eq!(agent.parent, None, "a link, not a member");
    assert!(!root.members.contains(&agent.id));
    let mut notified = story.notified();
    notified.sort_unstable();
    notified.dedup();
    let mut expected = vec![root.id, agent.id.clone()];
    expected.sort_unstable();
    assert_eq!(notified, expected, "the agent failed before anybody knew what it led to");
}

#[test]
fn m1_late_members_join_silently_and_raise_the_count() {
    let mut story = broken();
    let told = story.notified().len();
    story.fails(40_000, "shop/late-0", 200, NO_NETWORK);
    story.fails(42_000, "shop/late-0", 200, NO_NETWORK);
    let root = story.only_node();
    assert_eq!(root.pod_count, 15);
    assert_eq!(root.chain.last().unwrap(), "15 pods have no sandbox");
    assert_eq!(story.of_pod("late-0")[0].parent, Some(root.id));
    assert_eq!(story.notified().len(), told);
}

#[test]
fn m1_a_pod_with_a_cause_of_its_own_is_no_member() {
    let mut story = broken();
    let error = "failed to \"StartContainer\" for \"app\" with ErrImagePull: \"rpc error: code = \
         NotFound desc = failed to pull and unpack image \\\"localhost:5000/shop/web:2.0\\\": \
         failed to resolve reference \\\"localhost:5000/shop/web:2.0\\\": \
         localhost:5000/shop/web:2.0: not found\"";
    story.fails(40_000, "shop/typo-0", 201, error);
    story.fails(52_000, "shop/typo-0", 201, error);
    let own = &story.of_pod("typo-0")[0];
    assert_eq!((own.parent.as_ref(), own.cause.id.as_str()), (None, "image_not_found"));
    assert_eq!(story.only_node().pod_count, 14);
    assert!(story.notified().contains(&own.id));
}

#[test]
fn m1_a_member_whose_cause_is_another_now_leaves() {
    let mut story = broken();
    let (pod, number) = hit().remove(0);
    assert!(story.of_pod("app-0-0")[0].parent.is_some());
    let error = "failed to \"CreatePodSandbox\" for \"app-0-0_shop\" with CreatePodSandboxError: \
         \"rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \\\"gvisor\\\" is configured\"";
    story.fails(40_000, &pod, number, error);
    story.fails(55_000, &pod, number, error);
    let own = &story.of_pod("app-0-0")[0];
    assert_eq!(own.parent, None, "{own:#?}");
    assert!(story.notified().contains(&own.id), "it is told by itself now");
    let root = story.only_node();
    assert_eq!(
        (root.pod_count, root.chain.last().unwrap().as_str()),
        (13, "13 pods have no sandbox")
    );
}

#[test]
fn m2_the_network_is_fixed_only_when_every_member_passed() {
    let mut story = broken();
    story.network_is_ready(60_000);
    let (last, others) =
        hit().split_last().map(|(last, rest)| (last.clone(), rest.to_vec())).unwrap();
    for (pod, number) in &others {
        story.sandbox(61_000, pod, *number);
        story.starts(62_000, *number, "app");
    }
    story.goes_on(63_000, 400_000);
    let root = story.only_node();
    assert_eq!((root.state, root.rung), (State::Recovering, 2), "one has not passed: {root:#?}");
    story.sandbox(431_000, &last.0, last.1);
    story.starts(432_000, last.1, "app");
    story.goes_on(433_000, 700_000);
    let root = story.only_node();
    assert_eq!((root.state, root.rung, root.proof.len()), (State::Resolved, 3, 3));
    assert_eq!(story.of_pod("app-0-0")[0].state, State::Resolved);
}

#[test]
fn m2_a_sandbox_while_the_kubelet_has_no_network_is_the_hosts_and_proves_nothing() {
    let mut story = broken();
    let text = "kubelet.go:3012] \"Container runtime network not ready\" networkReady=\"NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized\"";
    story.0.kubelet(50_000, 'E', text);
    // The agent's own, whose specification nobody has told yet.
    story.sandbox(51_000, "podwhy/podwhy-j5bnk", 77);
    story.0.tick(59_000);
    let root = story.only_node();
    assert_eq!((root.state, root.rung), (State::Open, 0), "{root:#?}");
    story.network_is_ready(60_000);
    let (pod, number) = hit().remove(0);
    story.sandbox(61_000, &pod, number);
    story.0.tick(62_000);
    let root = story.only_node();
    assert_eq!((root.state, root.rung), (State::Recovering, 2), "{root:#?}");
}

#[test]
fn m2_while_only_a_plugin_is_missing_an_unknown_pods_sandbox_proves_nothing() {
    let mut story = Story::new();
    let error = "failed to \"CreatePodSandbox\" for \"it\" with CreatePodSandboxError: \"rpc error: \
         code = Unknown desc = failed to setup network for sandbox: plugin type=\\\"bridge\\\" failed \
         (add): failed to find plugin \\\"bridge\\\" in path [/opt/cni/bin]\"";
    for millis in [0, 15_000] {
        for (pod, number) in hit() {
            story.fails(millis + i64::from(number), &pod, number, error);
        }
    }
    story.0.tick(20_000);
    assert_eq!(story.only_node().cause.id, "cni_binary_missing");
    // The kubelet calls the network ready all the while; this pod may be of the host's.
    story.sandbox(21_000, "podwhy/podwhy-j5bnk", 77);
    story.0.tick(22_000);
    let root = story.only_node();
    assert_eq!((root.state, root.rung), (State::Open, 0), "{root:#?}");
    let (pod, number) = hit().remove(0);
    story.sandbox(23_000, &pod, number);
    story.0.tick(24_000);
    let root = story.only_node();
    assert_eq!((root.state, root.rung), (State::Recovering, 2), "{root:#?}");
}

#[test]
fn m1_a_member_that_fails_on_after_the_fix_goes_on_alone() {
    let mut story = broken();
    story.network_is_ready(60_000);
    for (pod, number) in hit() {
        story.sandbox(61_000, &pod, number);
        story.starts(62_000, number, "app");
    }
    story.goes_on(63_000, 400_000);
    assert_eq!(story.only_node().state, State::Resolved);
    let (pod, number) = hit().remove(0);
    let error = "failed to \"CreatePodSandbox\" for \"app-0-0_shop\" with CreatePodSandboxError: \
         \"rpc error: code = Unknown desc = failed to setup network for sandbox: plugin \
         type=\\\"bridge\\\" failed (add): failed to find plugin \\\"bridge\\\" in path [/opt/cni/bin]\"";
    story.fails(500_000, &pod, number, error);
    story.fails(515_000, &pod, number, error);
    let own = story.of_pod("app-0-0");
    let own = own.iter().find(|it| it.state == State::Open).unwrap();
    assert_eq!(own.parent, None);
    assert!(story.notified().contains(&own.id));
}

#[test]
fn m1_one_owner_alone_is_no_fault_of_the_node() {
    let mut story = Story::new();
    for turn in 0..3 {
        story.cannot_pull(turn * 15_000, "shop/web-6f7d9c5b8-x7k2p", 1, "app");
        story.cannot_pull(turn * 15_000 + 5, "shop/web-6f7d9c5b8-q2w4z", 2, "app");
    }
    assert_eq!(story.node(), []);
    story.cannot_pull(50_000, "shop/api-5d8f7c6b9-b2c4d", 3, "app");
    let root = story.only_node();
    assert_eq!((root.cause.id.as_str(), root.pod_count), ("image_registry_dns", 3));
    assert_eq!(root.chain.last().unwrap(), "3 pods cannot pull their images");
}

#[test]
fn m1_with_two_owners_hit_the_registry_itself_is_the_root_of_the_network() {
    let mut story = Story::new();
    for turn in 0..2 {
        let at = turn * 15_000;
        story.cannot_pull(at, "kube-system/cni-agent-x7k2p", 1, "agent");
        story.cannot_pull(at + 5, "shop/web-6f7d9c5b8-x7k2p", 2, "app");
        for (pod, number) in hit() {
            story.fails(at + 100, &pod, number, NO_NETWORK);
        }
    }
    let root = story.only_node();
    assert_eq!(root.cause.id, "image_registry_dns");
    assert_eq!(root.chain.len(), 4, "{:?}", root.chain);
    assert_eq!(root.chain[1], "cni-agent-x7k2p cannot pull its image");
    assert_eq!(root.chain[3], "14 pods have no sandbox");
    let network = story.node().into_iter().find(|it| it.parent.is_some()).unwrap();
    assert_eq!(
        (network.parent.as_ref(), network.cause.id.as_str()),
        (Some(&root.id), "cni_not_initialized")
    );
    assert!(!story.notified().contains(&network.id));
}

#[test]
fn m1_of_two_faults_of_a_node_the_lower_layer_is_the_root() {
    let mut story = Story::new();
    for (pod, number) in hit().into_iter().take(3) {
        story.fails(1_000, &pod, number, NO_NETWORK);
        story.fails(3_000, &pod, number, NO_NETWORK);
    }
    let pressure = "eviction_manager.go:376] \"Eviction manager: attempting to reclaim\" resourceName=\"ephemeral-storage\"";
    story.0.kubelet(20_000, 'I', pressure);
    story.0.kubelet(20_100, 'I', "kubelet_node_status.go:645] \"Recording event message for node\" node=\"node-1\" event=\"NodeHasDiskPressure\"");
    for (pod, number) in hit().into_iter().take(3) {
        story.fails(30_000, &pod, number, NO_NETWORK);
    }
    story.0.tick(60_000);
    let root = story.only_node();
    assert_eq!(root.cause.id, "node_disk_pressure", "{:#?}", story.node());
    let network = story.node().into_iter().find(|it| it.parent.is_some()).unwrap();
    assert_eq!(network.parent, Some(root.id));
    assert_eq!(root.chain.len(), 3, "{:?}", root.chain);
}

#[test]
fn m1_the_story_survives_a_restart_after_every_line() {
    let mut plain = broken();
    let mut story = Story::new();
    let mut kept = BTreeMap::new();
    for turn in 0..3 {
        let at = turn * 15_000;
        story.cannot_pull(at, "kube-system/cni-agent-x7k2p", 1, "agent");
        restart(&mut story.0, &mut kept, Repeats::Summary);
        for (index, (pod, number)) in hit().into_iter().enumerate().filter(|_| turn > 0) {
            let at = at + 2_000 + i64::try_from(index).unwrap() * 10;
            story.fails(at, &pod, number, NO_NETWORK);
            restart(&mut story.0, &mut kept, Repeats::Summary);
        }
    }
    plain.0.tick(60_000);
    story.0.tick(60_000);
    let (one, other) = (plain.only_node(), story.only_node());
    assert_eq!((one.id, one.chain, one.members), (other.id, other.chain, other.members));
}

#[test]
fn m10_suppressed_lines_cap_what_is_said_and_are_told() {
    let mut story = broken();
    let before = story.only_node();
    assert_eq!(before.coverage, Some(1.0));
    let at = START + 34_000_000;
    let loss = Loss {
        kind: LossKind::Suppressed,
        component: "kubelet".to_owned(),
        unit: None,
        lines: Some(1234),
        from: Some(at - 10_000_000),
        to: Some(at),
        destination: None,
        why: String::new(),
    };
    story.0.apply(at, Input::Lost(loss));
    let (pod, number) = hit().remove(0);
    story.fails(40_000, &pod, number, NO_NETWORK);
    let after = story.only_node();
    assert!(after.coverage.is_some_and(|share| share > 0.3 && share < 0.8), "{:?}", after.coverage);
    assert!(after.loss.iter().any(|it| it.contains("1234 lines of kubelet")), "{:?}", after.loss);
    assert_eq!(after.cause.confidence, crate::incident::Confidence::Possible);
}
