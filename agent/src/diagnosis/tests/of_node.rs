//! Lines about the node that name no pod: which open an incident, after how many tellings, and what
//! proves it over.

use super::*;
use crate::incident::{Incident, Scope, State};

const MINUTE: i64 = 60_000;

/// A line with a header of its own unit; what the parser does not know fails the test.
fn says(engine: &mut Engine, millis: i64, origin: Origin, unit: &str, text: &str) {
    engine.line(&line(origin, unit, text, START + millis * 1000));
}

fn systemd(engine: &mut Engine, millis: i64, text: &str) {
    says(engine, millis, Origin::Systemd, "init.scope", text);
}

fn journald(engine: &mut Engine, millis: i64, text: &str) {
    says(engine, millis, Origin::Journald, "systemd-journald.service", text);
}

fn new() -> Engine {
    Engine::new(Repeats::Summary)
}

fn open(engine: &Engine) -> Vec<Incident> {
    engine.diagnosis.incidents().collect()
}

fn causes(engine: &Engine) -> Vec<String> {
    open(engine).into_iter().map(|incident| incident.cause.id).collect()
}

/// Any pod's container starts: the runtime and the kubelet work.
fn container_starts(engine: &mut Engine, millis: i64) {
    let mut story = super::root::Story(std::mem::replace(engine, new()));
    story.sandbox(millis, "shop/web-0", 7);
    story.starts(millis + 500, 7, "app");
    *engine = story.0;
}

const BAD_CONFIGURATION: &str = r#"run.go:72] "command failed" err="failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: no such file or directory""#;

#[test]
fn a_runtime_that_was_started_opens_nothing_unless_it_happens_again_and_again() {
    let mut engine = new();
    for (minute, is_open) in [(0, false), (3, false), (6, true)] {
        let text = "msg=\"starting containerd\" revision=1 version=2.1.4";
        engine.containerd(minute * MINUTE, "info", text);
        systemd(&mut engine, minute * MINUTE + 300, "Started containerd container runtime.");
        container_starts(&mut engine, minute * MINUTE + 5_000);
        assert_eq!(!open(&engine).is_empty(), is_open, "after minute {minute}");
    }
    assert_eq!(causes(&engine), ["node_containerd_restarted"]);
    assert_eq!(open(&engine)[0].scope, Scope::Node);
    assert_eq!(open(&engine)[0].attempts, 3, "systemd's word is the same start");
}

#[test]
fn starts_of_the_runtime_that_lie_far_apart_open_nothing() {
    let mut engine = new();
    for hour in 0..6 {
        let text = "msg=\"starting containerd\" revision=1 version=2.1.4";
        engine.containerd(hour * 60 * MINUTE, "info", text);
        container_starts(&mut engine, hour * 60 * MINUTE + 5_000);
        engine.tick(hour * 60 * MINUTE + 30 * MINUTE);
    }
    assert_eq!(causes(&engine), Vec::<String>::new());
}

#[test]
fn a_kubelet_that_fails_at_each_start_is_one_incident_with_its_own_words() {
    let mut engine = new();
    for turn in 0..3 {
        let at = turn * 11_000;
        engine.kubelet(at, 'E', BAD_CONFIGURATION);
        let unit = "kubelet.service: ";
        let ended = format!("{unit}Main process exited, code=exited, status=1/FAILURE");
        systemd(&mut engine, at + 20, &ended);
        systemd(&mut engine, at + 21, &format!("{unit}Failed with result 'exit-code'."));
        let again = format!("{unit}Scheduled restart job, restart counter is at {turn}.");
        systemd(&mut engine, at + 10_000, &again);
        assert_eq!(open(&engine).len(), usize::from(turn > 0), "once means nothing yet");
    }
    assert_eq!(causes(&engine), ["node_kubelet_config"]);
    assert_eq!(open(&engine)[0].attempts, 3, "four lines tell one end");
    assert_eq!(open(&engine)[0].state, State::Open, "its last words are no sign of life");

    engine.kubelet(MINUTE, 'I', "kubelet.go:2386] \"Starting kubelet main sync loop\"");
    assert_eq!(open(&engine)[0].state, State::Recovering);
    engine.tick(3 * MINUTE);
    container_starts(&mut engine, 3 * MINUTE);
    assert_eq!(open(&engine)[0].state, State::Resolved, "it stays up and starts containers");
}

#[test]
fn a_kubelet_that_fails_once_and_stays_away_is_told_with_its_own_words() {
    let mut engine = new();
    engine.kubelet(0, 'E', BAD_CONFIGURATION);
    assert_eq!(causes(&engine), Vec::<String>::new());
    for second in [30, 61, 90] {
        let pulled =
            "msg=\"PullImage \\\"shop/web:1\\\" returns image reference \\\"sha256:1\\\"\"";
        engine.containerd(second * 1000, "info", pulled);
        engine.tick(second * 1000 + 500);
    }
    assert_eq!(causes(&engine), ["node_kubelet_config"]);
}

#[test]
fn a_kubelet_that_is_stopped_on_purpose_fails_nothing() {
    let mut engine = new();
    systemd(&mut engine, 0, "Stopping kubelet.service - kubelet: The Kubernetes Node Agent...");
    systemd(&mut engine, 200, "Stopped kubelet.service - kubelet: The Kubernetes Node Agent.");
    systemd(&mut engine, 400, "Started kubelet.service - kubelet: The Kubernetes Node Agent.");
    engine.kubelet(900, 'I', "kubelet.go:2386] \"Starting kubelet main sync loop\"");
    engine.tick(10 * MINUTE);
    assert_eq!(causes(&engine), Vec::<String>::new());
}

#[test]
fn a_kubelet_that_has_not_listed_its_containers_yet_is_no_fault() {
    const STARTING: &str = "kubelet.go:2419] \"Skipping pod synchronization\" err=\"[container runtime status check may not have completed yet, PLEG is not healthy: pleg has yet to be successful]\"";
    let mut engine = new();
    engine.kubelet(0, 'I', "kubelet.go:2386] \"Starting kubelet main sync loop\"");
    for second in 0..5 {
        engine.kubelet(second * 1000 + 100, 'E', STARTING);
    }
    engine.tick(MINUTE);
    assert_eq!(causes(&engine), Vec::<String>::new());
    let at = engine.last;
    engine.apply(at, Input::Asked);
    assert_eq!(causes(&engine), Vec::<String>::new(), "nor for somebody who asks");

    let mut old = new();
    let lost = "kubelet.go:2419] \"Skipping pod synchronization\" err=\"PLEG is not healthy: pleg was last seen active 4m12.5s ago; threshold is 3m0s\"";
    old.kubelet(0, 'E', lost);
    old.kubelet(5_000, 'E', lost);
    old.tick(MINUTE);
    assert!(causes(&old).contains(&"node_pleg_unhealthy".to_owned()), "{:?}", causes(&old));
}

#[test]
fn lines_that_journald_threw_away_are_told_for_kubelet_and_runtime_when_it_goes_on() {
    let mut engine = new();
    journald(&mut engine, 0, "Suppressed 1204 messages from kubelet.service");
    assert_eq!(causes(&engine), Vec::<String>::new());
    journald(&mut engine, 30_000, "Suppressed 977 messages from kubelet.service");
    assert_eq!(causes(&engine), ["node_journal_suppressed"]);

    let mut other = new();
    for turn in 0..4 {
        let text = "Suppressed 1204 messages from node-exporter.service";
        journald(&mut other, turn * 30_000, text);
    }
    assert_eq!(causes(&other), Vec::<String>::new());
}

#[test]
fn what_may_not_be_evicted_tells_more_than_the_pressure_before_it() {
    let mut engine = new();
    let manager = |engine: &mut Engine, millis, letter, text: &str| {
        let text = format!("eviction_manager.go:376] \"Eviction manager: {text}");
        engine.kubelet(millis, letter, &text);
    };
    let disk = "resourceName=\"ephemeral-storage\"";
    manager(&mut engine, 0, 'I', &format!("attempting to reclaim\" {disk}"));
    assert_eq!(causes(&engine), ["node_disk_pressure"]);
    manager(&mut engine, 10, 'I', &format!("must evict pod(s) to reclaim\" {disk}"));
    manager(&mut engine, 20, 'E', "cannot evict a critical pod\" pod=\"kube-system/etcd-cp-1\"");
    assert_eq!(causes(&engine), ["evict_critical_refused"], "the same incident");
    manager(&mut engine, 30, 'I', "pod is evicted successfully\" pod=\"shop/web-0\"");
    let told = causes(&engine);
    assert!(
        told.contains(&"evict_critical_refused".to_owned()),
        "what pods feel is not it: {told:?}"
    );
}

#[test]
fn an_event_of_the_node_in_the_kubelets_log_is_about_the_node() {
    let mut engine = new();
    engine.kubelet(0, 'I', "event.go:389] \"Event occurred\" object=\"node-1\" fieldPath=\"\" kind=\"Node\" apiVersion=\"\" type=\"Warning\" reason=\"Rebooted\" message=\"Node node-1 has been rebooted, boot id: 4c1f3f0e-8f0b-4a59-9f44-6f0c8c2c7b51\"");
    assert_eq!(causes(&engine), ["node_rebooted"]);
    assert_eq!(open(&engine)[0].scope, Scope::Node);
    assert!(open(&engine)[0].pods.is_empty());
}

#[test]
fn what_is_harmless_is_never_told_by_itself() {
    let mut engine = new();
    for turn in 0..5 {
        engine.kubelet(turn * MINUTE, 'E', "dns.go:153] \"Nameserver limits exceeded\" err=\"Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 10.20.0.2 10.20.0.3 10.20.0.4\"");
        engine.kubelet(turn * MINUTE + 10, 'E', "kubelet_volumes.go:263] \"There were many similar errors. Turn up verbosity to see them.\" err=\"orphaned pod \\\"e4cb6511-ce72-4157-96ed-4f4df152066f\\\" found, but volume paths are still present on disk\" numErrs=2");
    }
    engine.tick(10 * MINUTE);
    assert_eq!(causes(&engine), Vec::<String>::new());
    let at = engine.last;
    engine.apply(at, Input::Asked);
    let mut told = causes(&engine);
    told.sort();
    assert_eq!(told, ["dns_nameserver_limits", "orphaned_pod_dir"]);
    assert!(open(&engine).iter().all(|incident| incident.note.is_some()), "it says so");
}

#[test]
fn tellings_survive_a_restart_of_the_agent() {
    let mut engine = new();
    let mut kept = BTreeMap::new();
    for turn in 0..3 {
        let text = "msg=\"starting containerd\" revision=1 version=2.1.4";
        engine.containerd(turn * MINUTE, "info", text);
        restart(&mut engine, &mut kept, Repeats::Summary);
        let expected =
            if turn == 2 { vec!["node_containerd_restarted".to_owned()] } else { vec![] };
        assert_eq!(causes(&engine), expected, "turn {turn}");
    }
}

#[test]
fn an_api_that_is_reached_again_is_proven_by_what_only_a_kubelet_writes_there() {
    const LEASE: &str = "controller.go:145] \"Failed to ensure lease exists, will retry\" err=\"Get \\\"https://10.0.0.10:6443/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1?timeout=10s\\\": dial tcp 10.0.0.10:6443: connect: connection refused\" interval=\"200ms\"";
    let mut engine = new();
    engine.kubelet(0, 'E', LEASE);
    assert_eq!(causes(&engine), Vec::<String>::new(), "one renewal fails now and then");
    engine.kubelet(7_000, 'E', LEASE);
    assert_eq!(causes(&engine), ["node_api_unreachable"]);
    engine.tick(5 * MINUTE);
    assert_eq!(open(&engine)[0].state, State::Open, "silence proves nothing");
    let ran = "pod_startup_latency_tracker.go:104] \"Observed pod startup duration\" pod=\"shop/web-0\" podStartSLOduration=1.2";
    engine.kubelet(5 * MINUTE, 'I', ran);
    assert_eq!(open(&engine)[0].state, State::Recovering);
    engine.tick(8 * MINUTE);
    assert_eq!(open(&engine)[0].state, State::Resolved);
}

#[test]
fn what_healed_before_it_was_told_is_the_root_of_nothing() {
    let mut engine = new();
    // A kubelet that begins does not find its node yet, and then registers it.
    engine.kubelet(0, 'E', "kubelet_node_status.go:486] \"Error updating node status, will retry\" err=\"error getting node \\\"node-1\\\": node \\\"node-1\\\" not found\"");
    engine.kubelet(
        1_000,
        'I',
        "kubelet_node_status.go:78] \"Successfully registered node\" node=\"node-1\"",
    );
    container_starts(&mut engine, 3_000);
    engine.tick(20_000);
    assert_eq!(causes(&engine), Vec::<String>::new());
    engine.containerd(2 * MINUTE, "error", "msg=\"failed to reload cni configuration after receiving fs change event(REMOVE \\\"/etc/cni/net.d/10-bridge.conflist\\\")\" error=\"cni config load failed: no network config found in /etc/cni/net.d: cni plugin not initialized: failed to load cni config\"");
    engine.tick(3 * MINUTE);
    let told = open(&engine);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].cause.id.as_str(), &told[0].parent), ("cni_not_initialized", &None));
}
