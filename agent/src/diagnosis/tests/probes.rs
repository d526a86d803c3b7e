//! Probes and starts: what the startup gate holds up (R50), how long a probe gives a start (R51,
//! R52), readiness that fails alone, processes that die inside (R59), and what somebody who asks is
//! told of what only waits for time.

use super::*;
use crate::{
    fact::{self, Fact, Probe, Role, State as Ran},
    incident::{Confidence, Incident, State, Who},
};

const POD: &str = "shop/web-0";

/// A node with one pod, told of in milliseconds from the start.
struct Node(Engine);

impl Node {
    fn new() -> Self {
        Self(Engine::new(Repeats::Summary))
    }

    fn sandbox(&mut self, millis: i64) {
        let text = format!(
            "msg=\"RunPodSandbox for &PodSandboxMetadata{{Name:web-0,Uid:{UID_A},Namespace:shop,Attempt:0,}} returns sandbox id \\\"{SANDBOX_A}\\\"\""
        );
        self.0.containerd(millis, "info", &text);
    }

    fn creates(&mut self, millis: i64, container: &str, id: u8, attempt: u32) {
        let id = id_of(id);
        let text = format!(
            "msg=\"CreateContainer within sandbox \\\"{SANDBOX_A}\\\" for &ContainerMetadata{{Name:{container},Attempt:{attempt},}} returns container id \\\"{id}\\\"\""
        );
        self.0.containerd(millis, "info", &text);
    }

    fn starts(&mut self, millis: i64, container: &str, id: u8, attempt: u32) {
        self.creates(millis - 50, container, id, attempt);
        let text = format!("msg=\"StartContainer for \\\"{}\\\" returns successfully\"", id_of(id));
        self.0.containerd(millis, "info", &text);
    }

    fn probe_fails(&mut self, millis: i64, kind: &str, container: &str, output: &str) {
        let text = format!(
            "prober.go:120] \"Probe failed\" probeType=\"{kind}\" pod=\"{POD}\" podUID=\"{UID_A}\" containerName=\"{container}\" probeResult=\"failure\" output={output:?}"
        );
        self.0.kubelet(millis, 'I', &text);
    }

    fn probe_turns(&mut self, millis: i64, probe: &str, status: &str) {
        let text = format!(
            "kubelet.go:2634] \"SyncLoop (probe)\" probe=\"{probe}\" status=\"{status}\" pod=\"{POD}\""
        );
        self.0.kubelet(millis, 'I', &text);
    }

    fn kills(&mut self, millis: i64, container: &str, id: u8) {
        let text = format!(
            "kuberuntime_container.go:866] \"Killing container with a grace period\" pod=\"{POD}\" podUID=\"{UID_A}\" containerName=\"{container}\" containerID=\"containerd://{}\" gracePeriod=2",
            id_of(id)
        );
        self.0.kubelet(millis, 'I', &text);
    }

    fn restart_told(&mut self, millis: i64, probe: &str, container: &str, id: u8) {
        let text = format!(
            "kuberuntime_manager.go:1182] \"Message for Container of pod\" containerName=\"{container}\" containerStatusID={{\"Type\":\"containerd\",\"ID\":\"{}\"}} pod=\"{POD}\" containerMessage=\"Container {container} failed {probe} probe, will be restarted\"",
            id_of(id)
        );
        self.0.kubelet(millis, 'I', &text);
    }

    fn finishes(&mut self, millis: i64, id: u8, code: i32) {
        let text = format!(
            "generic.go:358] \"Generic (PLEG): container finished\" podID=\"{UID_A}\" containerID=\"{}\" exitCode={code}",
            id_of(id)
        );
        self.0.kubelet(millis, 'I', &text);
    }

    fn oom(&mut self, millis: i64, id: u8) {
        let text = format!("msg=\"TaskOOM event container_id:\\\"{}\\\"\"", id_of(id));
        self.0.containerd(millis, "info", &text);
    }

    /// Another pod's container ended: ends are told on this node.
    fn ends_are_told(&mut self, millis: i64) {
        let text = format!(
            "generic.go:358] \"Generic (PLEG): container finished\" podID=\"{UID_B}\" containerID=\"{CONTAINER_A}\" exitCode=0"
        );
        self.0.kubelet(millis, 'I', &text);
    }

    fn waits(&mut self, millis: i64, container: &str) {
        let message =
            format!("back-off 10s restarting failed container={container} pod=web-0_shop({UID_A})");
        let error = format!(
            "failed to \"StartContainer\" for {container:?} with CrashLoopBackOff: {message:?}"
        );
        self.0.kubelet(millis, 'E', &error_syncing(&error, "web-0", UID_A));
    }

    fn fact(&mut self, millis: i64, containers: Vec<fact::Container>) {
        let at = START + millis * 1000;
        let pod = fact::Pod {
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
            uid: Some(UID_A.to_owned()),
            node: Some("node-1".to_owned()),
            created: Some(START),
            phase: Some("Pending".to_owned()),
            restart_policy: Some("Always".to_owned()),
            containers,
            ..fact::Pod::default()
        };
        let dated = fact::Dated { at, fact: Fact::Pod(Box::new(pod)) };
        self.0.apply(at, Input::Fact(Box::new(dated)));
    }

    fn now(&self) -> Vec<Incident> {
        self.0.diagnosis.incidents().collect()
    }

    /// What is open, by cause.
    fn causes(&self) -> Vec<String> {
        self.now().into_iter().map(|it| it.cause.id).collect()
    }

    /// What somebody is told who asks when the log is over.
    fn asked(mut self) -> Vec<Incident> {
        let at = self.0.last;
        self.0.apply(at, Input::Asked);
        self.now()
    }
}

fn id_of(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

fn container(name: &str, role: Role) -> fact::Container {
    let restart_policy = (role == Role::NativeSidecar).then(|| "Always".to_owned());
    fact::Container { name: name.to_owned(), role, restart_policy, ..fact::Container::default() }
}

fn probe(initial_delay_seconds: u32, period_seconds: u32, failure_threshold: u32) -> Probe {
    Probe {
        action: "http".to_owned(),
        initial_delay_seconds,
        period_seconds,
        timeout_seconds: 1,
        failure_threshold,
        ..Probe::default()
    }
}

const REFUSED: &str =
    "Get \"http://10.4.4.4:8080/live\": dial tcp 10.4.4.4:8080: connect: connection refused";

/// A native sidecar with a startup probe, and the application that waits for it.
fn gated(started: Option<bool>) -> Vec<fact::Container> {
    let running = Ran::Running { since: Some(START + 1_000_000) };
    let proxy = fact::Container {
        startup: Some(probe(0, 2, 4)),
        container_id: Some(id_of(1)),
        state: Some(running),
        started,
        ready: Some(false),
        ..container("proxy", Role::NativeSidecar)
    };
    let waiting = Ran::Waiting { reason: Some("PodInitializing".to_owned()), message: None };
    let app = fact::Container { state: Some(waiting), ..container("app", Role::Main) };
    vec![proxy, app]
}

#[test]
fn r50_the_native_sidecar_that_never_passes_its_startup_probe_is_what_blocks() {
    let mut node = Node::new();
    node.sandbox(500);
    node.starts(1_000, "proxy", 1, 0);
    node.fact(1_200, gated(Some(false)));
    for millis in [3_000, 5_000, 7_000, 9_000] {
        node.probe_fails(millis, "Startup", "proxy", "no /tmp/ready");
    }
    assert_eq!(node.causes(), Vec::<String>::new(), "a start may take its time");
    node.probe_turns(9_001, "startup", "unhealthy");
    node.kills(9_002, "proxy", 1);
    node.finishes(11_100, 1, 137);
    node.0.tick(40_000);
    let told = node.now();
    assert_eq!(node.causes(), ["native_sidecar_startup_blocks"], "{told:#?}");
    assert_eq!(told[0].pods[0].container.as_deref(), Some("proxy"));
    assert_eq!(told[0].pods[0].role, Some(Role::NativeSidecar));
    assert_eq!(told[0].killed_by.as_ref().map(|it| it.who), Some(Who::Startup));
    assert_eq!(told[0].exit_code, Some(137));
}

#[test]
fn r50_a_native_sidecar_that_started_gates_nothing_although_it_is_not_ready() {
    let mut node = Node::new();
    node.sandbox(500);
    node.starts(1_000, "proxy", 1, 0);
    node.fact(1_200, gated(Some(true)));
    node.starts(2_000, "app", 2, 0);
    node.finishes(4_000, 2, 3);
    node.waits(4_100, "app");
    node.0.tick(40_000);
    let told = node.now();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].pods[0].container.as_deref(), Some("app"));
    assert_ne!(told[0].cause.id, "native_sidecar_startup_blocks");
}

/// A container with these probes is started, restarted, and killed by its liveness probe.
fn killed_after(liveness: Probe, startup: Option<Probe>, [started, killed]: [i64; 2]) -> Incident {
    let mut node = Node::new();
    let app = fact::Container { liveness: Some(liveness), startup, ..container("app", Role::Main) };
    node.fact(100, vec![app]);
    node.sandbox(500);
    node.starts(1_000, "app", 1, 0);
    node.finishes(started - 3_000, 1, 1);
    node.starts(started, "app", 2, 1);
    node.probe_fails(killed - 1, "Liveness", "app", REFUSED);
    node.restart_told(killed, "liveness", "app", 2);
    node.kills(killed + 1, "app", 2);
    node.finishes(killed + 2_000, 2, 143);
    let mut told = node.asked();
    assert_eq!(told.len(), 1, "{told:#?}");
    told.remove(0)
}

#[test]
fn r51_the_time_to_kill_stands_beside_the_start_that_was_observed() {
    let table = [
        // initial delay, period, threshold; started, killed (ms) → allows, gave up (s)
        ((5, 10, 3), [20_000, 55_000], "allows 35 s", "gave up 35 s after the start"),
        ((0, 2, 3), [20_000, 26_400], "allows 6 s", "gave up 6 s after the start"),
        // It ran for a while before: that is no slow start.
        ((0, 2, 3), [20_000, 920_000], "allows 6 s", "gave up 900 s after the start"),
    ];
    for ((delay, period, threshold), times, allows, lived) in table {
        let told = killed_after(probe(delay, period, threshold), None, times);
        assert_eq!(told.cause.id, "liveness_kill");
        let texts: Vec<&str> = told.evidence.iter().map(|it| it.text.as_str()).collect();
        let text = texts.iter().find(|text| text.contains("the liveness probe allows"));
        let text = text.unwrap_or_else(|| panic!("{texts:#?}"));
        assert!(text.contains(allows) && text.contains(lived), "{text}");
        assert!(text.contains("there is no startup probe"), "{text}");
    }
}

#[test]
fn r52_a_start_that_a_startup_probe_protects_is_not_called_unprotected() {
    let told = killed_after(probe(0, 2, 3), Some(probe(0, 10, 30)), [20_000, 80_000]);
    let texts: Vec<&str> = told.evidence.iter().map(|it| it.text.as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("the liveness probe allows 6 s")), "{texts:#?}");
    assert!(!texts.iter().any(|text| text.contains("no startup probe")), "{texts:#?}");
}

/// A container that runs and says no to its readiness probe (period 10 s, threshold 3).
fn not_ready() -> Node {
    let mut node = Node::new();
    let app = fact::Container { readiness: Some(probe(0, 10, 3)), ..container("app", Role::Main) };
    node.fact(100, vec![app]);
    node.sandbox(500);
    node.starts(1_000, "app", 1, 0);
    node.probe_fails(11_000, "Readiness", "app", "waiting for leader election");
    node
}

#[test]
fn readiness_that_fails_alone_opens_after_its_time_and_heals_by_proof() {
    let mut node = not_ready();
    for millis in (21_000..=71_000).step_by(10_000) {
        node.probe_fails(millis, "Readiness", "app", "waiting for leader election");
        let opens = millis >= 71_000;
        assert_eq!(!node.now().is_empty(), opens, "{millis}");
    }
    let told = node.now();
    assert_eq!((told[0].cause.id.as_str(), told[0].state), ("readiness_only", State::Open));
    // No more words are no proof.
    node.0.tick(600_000);
    assert_eq!(node.now()[0].state, State::Open);
    node.probe_turns(601_000, "readiness", "ready");
    let told = node.now();
    assert_eq!((told[0].state, told[0].rung), (State::Recovering, 2), "{told:#?}");
    // Ready for as long as the probe takes to say no: 3 × 10 s.
    node.0.tick(630_900);
    assert_eq!(node.now()[0].state, State::Recovering);
    node.0.tick(631_100);
    let told = node.now();
    assert_eq!((told[0].state, told[0].rung), (State::Resolved, 3), "{told:#?}");
    assert!(told[0].proof[2].contains("status=\"ready\"") || told[0].proof[2].contains("ready"));
}

#[test]
fn a_slow_start_that_becomes_ready_in_time_opens_nothing_even_for_who_asks() {
    let mut node = not_ready();
    node.probe_fails(21_000, "Readiness", "app", "waiting for leader election");
    node.probe_turns(31_000, "readiness", "ready");
    node.0.tick(300_000);
    assert_eq!(node.now(), []);
    assert_eq!(node.asked(), []);
}

#[test]
fn a_log_that_ends_in_a_failing_probe_is_told_as_possible_and_only_to_who_asks() {
    for (kind, cause) in [
        ("Readiness", "probe_refused"),
        ("Liveness", "probe_refused"),
        ("Startup", "probe_refused"),
    ] {
        let run = || {
            let mut node = Node::new();
            node.sandbox(500);
            node.starts(1_000, "app", 1, 0);
            node.probe_fails(11_000, kind, "app", REFUSED);
            node
        };
        let mut ended = run();
        ended.0.apply(START + 11_001_000, Input::End);
        assert_eq!(ended.now(), [], "{kind}: the agent keeps its guard");
        let told = run().asked();
        assert_eq!(told.len(), 1, "{kind}: {told:#?}");
        assert_eq!(told[0].cause.id, cause, "{kind}");
        assert_eq!(told[0].cause.confidence, Confidence::Possible, "{kind}");
        let note = told[0].note.as_deref().unwrap_or_default();
        assert!(note.starts_with("the log ends") && note.contains("probe failed"), "{note}");
        // Had it failed on, it would have said so by then.
        let mut later = run();
        later.ends_are_told(90_000);
        let told = later.asked();
        let is_open = |it: &Incident| it.cause.confidence == Confidence::Possible;
        assert!(!told.iter().any(is_open), "{kind}: {told:#?}");
    }
}

#[test]
fn r48_an_init_container_that_runs_long_is_told_to_who_asks_before_the_agent_tells() {
    let run = |until: i64| {
        let mut node = Node::new();
        let init = fact::Container {
            container_id: Some(id_of(1)),
            state: Some(Ran::Running { since: Some(START + 1_000_000) }),
            ..container("wait-for-db", Role::Init)
        };
        node.sandbox(500);
        node.starts(1_000, "wait-for-db", 1, 0);
        node.fact(1_200, vec![init, container("app", Role::Main)]);
        node.ends_are_told(until);
        node
    };
    assert_eq!(run(500_000).asked(), [], "that can take its time");
    let told = run(900_000).asked();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].cause.id, "init_never_completes");
    assert_eq!(told[0].pods[0].container.as_deref(), Some("wait-for-db"));
    assert!(told[0].note.as_deref().is_some_and(|note| note.contains("where the log ends")));
    let mut agent = run(900_000);
    agent.0.tick(1_700_000);
    assert_eq!(agent.causes(), Vec::<String>::new());
    agent.0.tick(1_900_000);
    assert_eq!(agent.causes(), ["init_never_completes"]);
}

/// A container in which a process is killed for memory at 60 s.
fn killed_inside() -> Node {
    let mut node = Node::new();
    node.ends_are_told(100);
    node.sandbox(500);
    node.starts(1_000, "app", 1, 0);
    node.oom(60_000, 1);
    node
}

#[test]
fn r59_a_process_that_dies_for_memory_inside_is_told_once_its_container_outlived_it() {
    let mut node = killed_inside();
    node.0.tick(74_000);
    assert_eq!(node.causes(), Vec::<String>::new(), "its end may be about to be told");
    node.0.tick(76_000);
    let told = node.now();
    assert_eq!(node.causes(), ["oom_child_process"], "{told:#?}");
    assert_eq!((told[0].state, told[0].attempts), (State::Open, 1));
    // Another one: what was quiet so far proves nothing.
    node.0.tick(500_000);
    assert_eq!(node.now()[0].state, State::Recovering);
    node.oom(501_000, 1);
    assert_eq!((node.now()[0].state, node.now()[0].rung), (State::Open, 0));
    node.0.tick(1_090_000);
    assert_eq!(node.now()[0].state, State::Recovering);
    node.0.tick(1_102_000);
    assert_eq!(node.now()[0].state, State::Resolved);
}

#[test]
fn r59_a_main_process_that_dies_for_memory_is_told_by_its_end_alone() {
    let mut node = killed_inside();
    node.finishes(61_000, 1, 137);
    node.waits(61_100, "app");
    node.0.tick(100_000);
    let told = node.now();
    assert_eq!(node.causes(), ["oom_container"], "{told:#?}");
    assert_eq!(told[0].exit_code, Some(137));
    // One that outlived its process first, and ends later.
    let mut node = killed_inside();
    node.0.tick(100_000);
    node.finishes(200_000, 1, 1);
    node.waits(200_100, "app");
    node.0.tick(230_000);
    let told = node.now();
    let inside = told.iter().find(|it| it.cause.id == "oom_child_process").unwrap();
    assert_eq!(inside.state, State::Superseded, "{told:#?}");
    assert_eq!(told.iter().filter(|it| it.state == State::Open).count(), 1, "{told:#?}");
}

#[test]
fn an_end_that_names_no_container_belongs_to_the_one_that_waits_if_it_is_the_only_one() {
    let mut node = Node::new();
    node.finishes(1_000, 1, 7);
    node.waits(1_100, "app");
    let told = node.asked();
    assert_eq!(told[0].exit_code, Some(7), "{told:#?}");

    let mut node = Node::new();
    node.finishes(1_000, 1, 7);
    node.finishes(1_010, 2, 9);
    node.waits(1_100, "app");
    let told = node.asked();
    assert_eq!(told[0].exit_code, None, "which of the two is not known: {told:#?}");
}

#[test]
fn what_was_told_of_an_instance_before_its_pod_is_known_counts() {
    let mut node = Node::new();
    // Who reads from the middle saw no sandbox: only the later end names the pod.
    node.starts(1_000, "app", 1, 2);
    node.oom(60_000, 1);
    node.finishes(61_000, 1, 137);
    node.waits(61_100, "app");
    let told = node.asked();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].cause.id.as_str(), told[0].exit_code), ("oom_container", Some(137)));
}
