//! What `explain` makes of logs that begin in the middle, and of a status that is shown.

use super::*;
use crate::incident::{Confidence, Incident, State, Who};

const UID: &str = "8c1c0c9e-1111-2222-3333-444455556666";
const ID: &str = "5bda6a317873a59e01b29a0a9a4d296e948c5a0b1e5bb93e6d63111541f7a139";

fn told(text: &str) -> Vec<Incident> {
    explain(vec![NamedInput::text("paste", text)], &Options::default()).incidents
}

fn only(text: &str) -> Incident {
    let mut told = told(text);
    assert_eq!(told.len(), 1, "{told:#?}");
    told.remove(0)
}

/// A log that begins when the kernel kills: nothing before it names the container.
fn kill(oom_memcg: &str) -> String {
    let pod = format!("/kubepods.slice/kubepods-pod{}.slice", UID.replace('-', "_"));
    let oom_memcg = oom_memcg.replace("POD", &pod).replace("ID", ID);
    format!(
        r#"Nov 22 13:00:00 n1 kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=cri-containerd-{ID}.scope,mems_allowed=0,oom_memcg={oom_memcg},task_memcg={pod}/cri-containerd-{ID}.scope,task=java,pid=4711,uid=0
Nov 22 13:00:00 n1 kernel: Memory cgroup out of memory: Killed process 4711 (java) total-vm:80000kB, anon-rss:40000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:90kB oom_score_adj:999
Nov 22 13:00:01 n1 kubelet[1234]: I1122 13:00:01.123456    1234 generic.go:334] "Generic (PLEG): container finished" podID="{UID}" containerID="{ID}" exitCode=137
Nov 22 13:00:02 n1 kubelet[1234]: E1122 13:00:02.123456    1234 pod_workers.go:1301] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"app\" with CrashLoopBackOff: \"back-off 10s restarting failed container=app pod=web-0_shop({UID})\"" pod="shop/web-0" podUID="{UID}"
"#
    )
}

#[test]
fn a_kill_for_memory_is_known_where_the_log_begins_with_it() {
    let incident = only(&kill("POD/cri-containerd-ID.scope"));
    assert_eq!(incident.cause.id, "oom_container", "{incident:#?}");
    assert_eq!(incident.killed_by.unwrap().who, Who::ContainerLimit);
}

#[test]
fn whose_limit_the_pods_cgroup_had_is_left_open_while_its_containers_are_not_known() {
    let incident = only(&kill("POD"));
    assert_eq!(incident.cause.id, "oom_container", "{incident:#?}");
    assert_eq!(incident.cause.confidence, Confidence::Likely, "{incident:#?}");
    let killer = incident.killed_by.unwrap();
    assert!(killer.text.contains("where the pod has no other container"), "{}", killer.text);
    assert!(incident.alternatives.iter().any(|it| it.id == "oom_pod_cgroup"));
}

/// A pod whose container ended at 12:59:02, as `kubectl get -o yaml` shows it.
fn pod(state: &str, restarts: u32, is_ready: bool, now: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  uid: {UID}
  creationTimestamp: '2026-11-22T12:00:00Z'
spec:
  nodeName: n1
  restartPolicy: Always
  containers:
  - name: app
    image: shop/web:1
status:
  phase: Running
  startTime: '2026-11-22T12:00:00Z'
  conditions:
  - type: Ready
    status: '{}'
    lastTransitionTime: '{now}'
  containerStatuses:
  - name: app
    image: shop/web:1
    ready: {is_ready}
    restartCount: {restarts}
    containerID: containerd://{}
    state:
      {state}
    lastState:
      terminated:
        exitCode: 137
        reason: OOMKilled
        startedAt: '2026-11-22T12:58:32Z'
        finishedAt: '2026-11-22T12:59:02Z'
        containerID: containerd://{ID}
",
        if is_ready { "True" } else { "False" },
        if is_ready { ID.replace("5bda", "77aa") } else { ID.to_owned() },
    )
}

fn waiting(restarts: u32, message: &str) -> Incident {
    let state = format!("waiting: {{reason: CrashLoopBackOff, message: '{message}'}}");
    only(&pod(&state, restarts, false, "2026-11-22T12:59:03Z"))
}

fn running(restarts: u32, since: &str, now: &str) -> Incident {
    only(&pod(&format!("running: {{startedAt: '{since}'}}"), restarts, true, now))
}

#[test]
fn m8_a_container_that_waits_is_started_when_its_status_says() {
    let told = "back-off 5m0s restarting failed container=app pod=web-0_shop(x)";
    for (restarts, message, seconds) in
        [(1, "", 10), (2, "", 20), (3, "", 40), (5, "", 160), (5, told, 300)]
    {
        let incident = waiting(restarts, message);
        let wait = incident.next_retry.unwrap() - incident.first_seen.unwrap();
        assert_eq!(wait, seconds * 1_000_000, "{restarts} restarts, {message}: {incident:#?}");
    }
}

#[test]
fn m8_a_container_that_runs_waits_for_no_retry() {
    let incident = running(3, "2026-11-22T12:59:20Z", "2026-11-22T12:59:25Z");
    assert_eq!((incident.state, incident.next_retry), (State::Open, None), "{incident:#?}");
}

#[test]
fn a_container_that_ran_long_enough_and_is_ready_is_not_open() {
    for (restarts, since, now, expected) in [
        // Its last life was half a minute.
        (5, "12:59:20", "12:59:25", State::Open),
        (5, "12:59:20", "13:00:00", State::Recovering),
        (1, "12:59:20", "12:59:25", State::Recovering),
        (1, "12:59:20", "13:09:30", State::Resolved),
    ] {
        let at = |time: &str| format!("2026-11-22T{time}Z");
        let incident = running(restarts, &at(since), &at(now));
        assert_eq!(incident.state, expected, "{restarts} restarts, {since}, {now}: {incident:#?}");
    }
}

#[test]
fn the_restarts_of_a_status_are_its_ends() {
    assert_eq!(waiting(4, "").attempts, 5);
    assert_eq!(running(4, "2026-11-22T12:59:20Z", "2026-11-22T12:59:25Z").attempts, 4);
}

const EVENT: &str = "apiVersion: v1
kind: Event
metadata: {name: NAME, namespace: shop}
involvedObject: {kind: Pod, name: web-0, namespace: shop, uid: 8c1c0c9e-1111-2222-3333-444455556666, fieldPath: 'spec.containers{app}'}
reason: REASON
message: 'MESSAGE'
type: Warning
count: 1
firstTimestamp: 'AT'
lastTimestamp: 'AT'
source: {component: kubelet, host: n1}
---
";

fn event(reason: &str, message: &str, at: &str) -> String {
    EVENT
        .replace("NAME", &reason.to_lowercase())
        .replace("REASON", reason)
        .replace("MESSAGE", message)
        .replace("AT", &format!("2026-11-22T{at}Z"))
}

#[test]
fn an_event_of_a_start_proves_that_the_configuration_was_mended() {
    let missing = event("Failed", "Error: configmap \"cfg\" not found", "13:05:00");
    assert_eq!(only(&missing).state, State::Open);
    let started = event("Started", "Started container app", "13:05:15");
    let healed = told(&format!("{missing}{started}"));
    assert!(healed.iter().all(|it| it.state == State::Resolved), "{healed:#?}");
}

#[test]
fn a_missing_pull_secret_is_over_where_the_containers_run_without_it() {
    let message = "Unable to retrieve some image pull secrets (regcred); attempting to pull the \
                   image may not succeed.";
    let missing = event("FailedToRetrieveImagePullSecret", message, "13:05:00")
        .replace("count: 1", "count: 8")
        .replace("firstTimestamp: '2026-11-22T13:05", "firstTimestamp: '2026-11-22T13:00");
    assert_eq!(only(&missing).state, State::Open);
    let pod = "apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, uid: 8c1c0c9e-1111-2222-3333-444455556666}
spec: {nodeName: n1, containers: [{name: app, image: 'shop/web:1'}]}
status:
  phase: Running
  containerStatuses:
  - {name: app, ready: true, restartCount: 0, containerID: 'containerd://5bda', state: {running: {startedAt: '2026-11-22T13:03:00Z'}}}
";
    let healed = told(&format!("{missing}{pod}"));
    assert!(healed.iter().all(|it| it.state == State::Resolved), "{healed:#?}");
}

#[test]
fn a_status_without_ids_is_no_silence() {
    let pod = |state: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: web-0, namespace: shop, uid: {UID}, creationTimestamp: '2026-11-22T12:00:00Z'}}
spec: {{nodeName: n1, containers: [{{name: app, image: 'shop/web:1'}}]}}
status:
  phase: Running
  startTime: '2026-11-22T12:00:00Z'
  containerStatuses: [{{name: app, ready: true, restartCount: 0{state}}}]
"
        )
    };
    let at = event("Pulled", "Image already present", "13:05:00");
    let running = pod(", state: {running: {startedAt: '2026-11-22T12:00:05Z'}}");
    assert_eq!(told(&format!("{running}---\n{at}")), []);
    assert_eq!(told(&format!("{}---\n{at}", pod(""))).len(), 1);
}

/// A pod that ended for good, of whose container the runtime knows nothing any more.
fn ended(reason: &str, message: &str, code: i32, of_container: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: web-0, namespace: shop, uid: {UID}}}
spec: {{nodeName: n1, containers: [{{name: app, image: 'shop/web:1'}}]}}
status:
  phase: Failed
  reason: {reason}
  message: '{message}'
  startTime: '2026-11-22T13:00:00Z'
  containerStatuses:
  - name: app
    ready: false
    restartCount: 0
    state:
      terminated: {{exitCode: {code}, reason: {of_container}, containerID: 'containerd://{ID}', startedAt: '2026-11-22T13:05:00Z', finishedAt: '2026-11-22T13:06:00Z'}}
---
"
    )
}

#[test]
fn a_pod_that_is_evicted_or_past_its_deadline_is_told_once() {
    let why = "The node was low on resource: memory.";
    let evicted = ended("Evicted", why, 137, "ContainerStatusUnknown");
    let event_of_it =
        event("Evicted", why, "13:06:00").replace(", fieldPath: 'spec.containers{app}'", "");
    let incident = only(&format!("{evicted}{event_of_it}"));
    assert_eq!(incident.cause.id, "evict_memory", "{incident:#?}");
    let why = "Pod was active on the node longer than the specified deadline";
    let incident = only(&ended("DeadlineExceeded", why, 137, "Error"));
    assert_eq!(incident.cause.id, "active_deadline", "{incident:#?}");
}

#[test]
fn that_nothing_was_heard_is_not_told_beside_what_was_heard_later() {
    let added = format!(
        r#"Nov 22 13:00:00 n1 kubelet[1]: I1122 13:00:00.000000    1 kubelet.go:2407] "SyncLoop ADD" source="api" pods=["shop/web-0"]
Nov 22 13:30:00 n1 kubelet[1]: E1122 13:30:00.000000    1 pod_workers.go:1301] "Error syncing pod, skipping" err="unmounted volumes=[data], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition" pod="shop/web-0" podUID="{UID}"
"#
    );
    let incident = only(&added);
    assert_ne!(incident.state, State::Superseded, "{incident:#?}");
}

#[test]
fn what_is_harmless_is_told_as_that() {
    let line = r#"Nov 22 13:00:00 n1 kubelet[1234]: E1122 13:00:00.123456    1234 dns.go:153] "Nameserver limits exceeded" err="Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 10.0.0.2 10.0.0.3 10.0.0.4"
"#;
    let explained = explain(vec![NamedInput::text("paste", line)], &Options::default());
    assert!(explained.incidents.iter().all(|it| it.harmless) && !explained.incidents.is_empty());
    let page = render::text(&explained, &[], Look { colour: false, width: None });
    assert!(page.contains("HARMLESS node"), "{page}");
    assert!(page.contains("0 unsolved, 0 over, 1 harmless"), "{page}");
    assert!(!only(&kill("POD")).harmless);
}

#[test]
fn one_fault_on_several_nodes_is_none_of_one_node() {
    let why = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup \
               network for sandbox \"0a1b\": plugin type=\"calico\" failed (add): stat \
               /var/lib/calico/nodename: no such file or directory: check that the calico/node \
               container is running and has mounted /var/lib/calico/";
    let on = |host: &str, pod: &str, uid: &str| {
        let event = event("FailedCreatePodSandBox", &why.replace('"', "_"), "13:05:00");
        event
            .replace("web-0", pod)
            .replace(UID, &UID.replace("6666", uid))
            .replace("host: n1", host)
    };
    let nodes = |hosts: [&str; 2]| {
        let text = on(hosts[0], "one-a", "6661") + &on(hosts[1], "two-b", "6662");
        let told = told(&text);
        told.iter().filter(|it| it.scope == crate::incident::Scope::Node).count()
    };
    assert_eq!(nodes(["host: n1", "host: n1"]), 1);
    assert_eq!(nodes(["host: n1", "host: n2"]), 0);
    assert_eq!(nodes(["x: y", "x: y"]), 0, "nothing says which node it is");
}

/// A pod that makes no progress from 13:00 on, and is deleted at 13:30.
fn stuck_and_deleted(until: &str) -> String {
    let line = |at: &str, text: &str| {
        format!("Nov 22 {at} n1 kubelet[1234]: I1122 {at}.123456    1234 {text}\n")
    };
    let goes_on = "kubelet_node_status.go:645] \"Recording event message for node\" node=\"n1\" event=\"NodeReady\"";
    let pods = "source=\"api\" pods=[\"shop/quiet-0\"]";
    let mut text = line("13:00:00", &format!("kubelet.go:2515] \"SyncLoop ADD\" {pods}"));
    for minute in 1..30 {
        text.push_str(&line(&format!("13:{minute:02}:00"), goes_on));
    }
    if until == "deleted" {
        text.push_str(&line("13:30:00", &format!("kubelet.go:2531] \"SyncLoop DELETE\" {pods}")));
        text.push_str(&line("13:30:01", &format!("kubelet.go:2525] \"SyncLoop REMOVE\" {pods}")));
    } else {
        let error = "pod_workers.go:1301] \"Error syncing pod, skipping\" err=\"failed to \\\"CreatePodSandbox\\\" for \\\"quiet-0_shop(8c1c0c9e-1111-2222-3333-444455556666)\\\" with CreatePodSandboxError: \\\"Failed to create sandbox for pod: mkdir /x: no space left on device\\\"\" pod=\"shop/quiet-0\" podUID=\"8c1c0c9e-1111-2222-3333-444455556666\"";
        text.push_str(&line("13:30:00", error));
    }
    text
}

#[test]
fn a_silence_that_ended_with_its_pod_is_shown_as_over() {
    let incident = only(&stuck_and_deleted("deleted"));
    assert_eq!(incident.state, State::Superseded, "{incident:#?}");
    assert_eq!(incident.note.as_deref(), Some("its pod is gone"), "{incident:#?}");
}

#[test]
fn a_silence_that_ended_with_an_error_is_told_by_that_alone() {
    let incident = only(&stuck_and_deleted("failed"));
    assert_eq!(incident.step.as_deref(), Some("CreatePodSandbox"), "{incident:#?}");
}

/// A node as the API has it, with one condition.
fn node(name: &str, condition: &str, since: &str, heartbeat: &str) -> String {
    let at = |time: &str| format!("\"2026-11-22T{time}Z\"");
    format!(
        "apiVersion: v1
kind: Node
metadata: {{name: {name}}}
status:
  conditions:
  - {{lastHeartbeatTime: {}, lastTransitionTime: {}, {condition}}}
---
",
        at(heartbeat),
        at(since)
    )
}

const FULL: &str = "type: DiskPressure, status: \"True\", reason: KubeletHasDiskPressure, message: kubelet has disk pressure";
const ROOMY: &str = "type: DiskPressure, status: \"False\", reason: KubeletHasNoDiskPressure, message: kubelet has no disk pressure";

#[test]
fn a_nodes_condition_is_one_incident_that_lasts_and_heals() {
    let full = node("n1", FULL, "12:00:00", "13:00:00");
    let incident = only(&full);
    assert_eq!((incident.cause.id.as_str(), incident.state), ("node_disk_pressure", State::Open));
    let at = |incident: &Incident| (incident.first_seen.unwrap(), incident.last_seen.unwrap());
    assert_eq!(at(&incident).1 - at(&incident).0, 3_600_000_000, "{incident:#?}");

    let healed = format!("{full}{}", node("n1", ROOMY, "13:05:00", "13:06:00"));
    assert_eq!(only(&healed).state, State::Recovering, "{:#?}", only(&healed));
}

#[test]
fn why_a_node_is_not_ready_is_one_incident_that_heals() {
    let ready = |status: &str, message: &str| {
        format!("type: Ready, status: \"{status}\", reason: KubeletNotReady, message: {message:?}")
    };
    for (message, cause) in [
        (
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
             message:Network plugin returns error: cni plugin not initialized",
            "cni_not_initialized",
        ),
        (
            "PLEG is not healthy: pleg was last seen active 4m12s ago; threshold is 3m0s",
            "node_pleg_unhealthy",
        ),
        ("container runtime is down", "node_runtime_down"),
    ] {
        let down = node("n1", &ready("False", message), "12:00:00", "13:00:00");
        let incident = only(&down);
        assert_eq!((incident.cause.id.as_str(), incident.state), (cause, State::Open));
        let up =
            node("n1", &ready("True", "kubelet is posting ready status"), "13:05:00", "13:05:30");
        let healed = only(&format!("{down}{up}"));
        assert_eq!(healed.state, State::Recovering, "{healed:#?}");
    }
    let begins = "[container runtime status check may not have completed yet, PLEG is not healthy: \
                  pleg has yet to be successful]";
    let told = told(&node("n1", &ready("False", begins), "12:59:50", "13:00:00"));
    assert_eq!(told, [], "a kubelet that begins");
}

#[test]
fn the_pressure_of_one_node_is_no_root_of_an_eviction_on_another() {
    let evicted = |name: &str, node: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, uid: 8c1c0c9e-{node}, creationTimestamp: '2026-11-22T12:00:00Z'}}
spec: {{nodeName: {node}, containers: [{{name: app, image: 'shop/web:1'}}]}}
status:
  phase: Failed
  reason: Evicted
  message: 'The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 10Mi.'
  containerStatuses:
  - {{name: app, ready: false, restartCount: 0, containerID: 'containerd://5bda{node}', state: {{terminated: {{exitCode: 137, finishedAt: '2026-11-22T12:59:30Z', startedAt: '2026-11-22T12:10:00Z', containerID: 'containerd://5bda{node}'}}}}}}
---
"
        )
    };
    let text = [
        node("n1", FULL, "12:55:00", "13:00:00"),
        node("n2", ROOMY, "11:00:00", "13:00:00"),
        evicted("web-1", "n1"),
        evicted("cart-2", "n2"),
    ]
    .concat();
    let told = told(&text);
    let of_node: Vec<&Incident> =
        told.iter().filter(|it| it.cause.id == "node_disk_pressure").collect();
    assert_eq!(of_node.len(), 1, "{told:#?}");
    assert_eq!(of_node[0].state, State::Open, "the other node's room heals nothing: {told:#?}");
    let commands = of_node[0].next.iter().filter_map(|next| next.command.as_deref());
    assert!(commands.into_iter().any(|it| it.contains("node/n1 ")), "{told:#?}");
    let parent = |name: &str| {
        let is_it = |it: &&Incident| {
            it.cause.id != "node_disk_pressure"
                && it.pods.iter().any(|pod| pod.name.as_deref() == Some(name))
        };
        told.iter().find(is_it).map(|it| it.parent.clone())
    };
    assert_eq!(parent("web-1"), Some(Some(of_node[0].id.clone())), "{told:#?}");
    assert_eq!(parent("cart-2"), Some(None), "{told:#?}");
}
