//! Pastes as people make them, and what they hold.

use std::io::Cursor;

use super::*;
use crate::fact::{Fact, Role, State, VolumeKind};

/// Everything in a paste, in its order, in words.
#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    facts: Vec<Dated>,
    /// step, reason, container, message
    reported: Vec<String>,
    observed: Vec<Observation>,
    manifests: Vec<Manifest>,
    /// Pod and node.
    listed: Vec<(String, String)>,
    images: Vec<Image>,
    quotas: Vec<Quota>,
    unread: u64,
}

fn seen(text: &[u8]) -> Seen {
    let mut all = Seen::default();
    let mut paste = Paste::new(Cursor::new(text.to_vec()), 1_795_000_000_000_000, None).unwrap();
    while paste
        .next(&mut |part| match part {
            Part::Line(line) => all.lines.push(line.text.to_owned()),
            Part::Fact(fact) => all.facts.push(*fact),
            Part::Reported(seen) => {
                for failure in &seen.failures {
                    all.reported.push(format!(
                        "{}/{} {}: {}",
                        failure.step,
                        failure.reason.as_deref().unwrap_or("-"),
                        seen.container.as_deref().unwrap_or("-"),
                        failure.message
                    ));
                }
                all.observed.push(*seen);
            }
            Part::Manifest(manifest) => all.manifests.push(*manifest),
            Part::Listed(pod, node) => {
                all.listed.push((pod.name.unwrap_or_default(), node.unwrap_or_default()));
            }
            Part::Image(image) => all.images.push(*image),
            Part::Quota(quota) => all.quotas.push(*quota),
        })
        .unwrap()
    {}
    all.unread = paste.unread();
    all
}

fn pods(seen: &Seen) -> Vec<&crate::fact::Pod> {
    let pod = |dated: &'_ Dated| matches!(dated.fact, Fact::Pod(_));
    seen.facts
        .iter()
        .filter(|dated| pod(dated))
        .map(|dated| match &dated.fact {
            Fact::Pod(pod) => pod.as_ref(),
            other => panic!("{other:?}"),
        })
        .collect()
}

const KLOG: &str = r#"E1122 22:52:35.604216    1234 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"app\" with CreateContainerConfigError: \"configmap \\\"web\\\" not found\"" pod="shop/web-0" podUID="0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11""#;

const DESCRIBE: &str = "\
Name:             web-0
Namespace:        shop
Priority:         0
Service Account:  default
Node:             node-1/10.0.0.1
Start Time:       Sun, 22 Nov 2026 22:52:21 +0000
Labels:           app=web
                  pod-template-hash=5d9
Annotations:      <none>
Status:           Running
IP:               10.244.0.5
IPs:
  IP:           10.244.0.5
Controlled By:  ReplicaSet/web-5d9
Init Containers:
  init:
    Container ID:  containerd://aaaa
    Image:         registry.test/init:1
    State:          Terminated
      Reason:       Completed
      Exit Code:    0
      Started:      Sun, 22 Nov 2026 22:52:22 +0000
      Finished:     Sun, 22 Nov 2026 22:52:23 +0000
    Ready:          True
    Restart Count:  0
Containers:
  app:
    Container ID:  containerd://bbbb
    Image:         registry.test/web:1
    Port:          <none>
    Command:
      /bin/web
      --config=/etc/app/web.conf
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Started:      Sun, 22 Nov 2026 22:53:22 +0000
      Finished:     Sun, 22 Nov 2026 22:53:23 +0000
    Ready:          False
    Restart Count:  3
    Limits:
      memory:  64Mi
    Requests:
      cpu:     100m
    Liveness:   http-get http://:8080/healthz delay=5s timeout=1s period=10s #success=1 #failure=3
    Environment:
      TOKEN:  <set to the key 'token' in secret 'web'>  Optional: false
    Mounts:
      /etc/app from config (ro)
      /var/run/secrets/kubernetes.io/serviceaccount from kube-api-access-x (ro)
Conditions:
  Type              Status
  Initialized       True
  Ready             False
Volumes:
  config:
    Type:      ConfigMap (a volume populated by a ConfigMap)
    Name:      web
    Optional:  false
QoS Class:                   Burstable
Node-Selectors:              <none>
Tolerations:                 node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
Events:
  Type     Reason     Age                  From               Message
  ----     ------     ----                 ----               -------
  Normal   Scheduled  5m3s                 default-scheduler  Successfully assigned shop/web-0 to node-1
  Warning  BackOff    10s (x9 over 4m50s)  kubelet            Back-off restarting failed container app in pod web-0_shop(0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11)
  Warning  Unhealthy  1m (x2 over 2m)      kubelet            Liveness probe failed: Get \"http://10.244.0.5:8080/healthz\": context deadline exceeded
";

#[test]
fn r13_a_description_is_a_pod_with_its_states_and_events() {
    let seen = seen(DESCRIBE.as_bytes());
    let pod = pods(&seen)[0];
    assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("shop", "web-0"));
    assert_eq!(pod.node.as_deref(), Some("node-1"));
    assert_eq!(pod.owner.as_ref().map(|owner| owner.name.as_str()), Some("web-5d9"));
    let roles: Vec<_> = pod.containers.iter().map(|it| (it.name.as_str(), it.role)).collect();
    assert_eq!(roles, [("init", Role::Init), ("app", Role::Main)]);
    let app = pod.container("app").unwrap();
    assert_eq!(app.memory_limit_bytes, Some(64 << 20));
    assert_eq!(app.cpu_request_millicores, Some(100));
    assert_eq!(app.env, ["TOKEN"]);
    assert_eq!(app.command, ["/bin/web", "--config=/etc/app/web.conf"]);
    assert_eq!((app.mounts[0].path.as_str(), app.mounts[0].read_only), ("/etc/app", true));
    let liveness = app.liveness.as_ref().unwrap();
    assert_eq!((liveness.initial_delay_seconds, liveness.port.as_deref()), (5, Some("8080")));
    assert_eq!(pod.volumes[0].kind, VolumeKind::ConfigMap);
    let Some(State::Terminated { exit_code, reason, .. }) = &app.last_state else {
        panic!("{:?}", app.last_state)
    };
    assert_eq!((*exit_code, reason.as_deref()), (137, Some("OOMKilled")));
    assert_eq!(seen.reported.iter().filter(|it| it.contains("CrashLoopBackOff app")).count(), 3);
    assert!(seen.manifests.is_empty(), "a description is no manifest");
}

#[test]
fn r13_ages_count_from_the_pods_own_start_where_nothing_else_says_when() {
    let seen = seen(DESCRIBE.as_bytes());
    let started = 1_795_387_941_000_000;
    let last = seen
        .facts
        .iter()
        .find_map(|dated| match &dated.fact {
            Fact::Event(event) if event.reason == "BackOff" => Some((dated.at, event.count)),
            _ => None,
        })
        .unwrap();
    assert_eq!(last, (started + (303 - 10) * 1_000_000, 9));
}

#[test]
fn r13_a_table_of_events_is_read_by_its_columns() {
    let table = "\
NAMESPACE   LAST SEEN   TYPE      REASON                   OBJECT        MESSAGE
shop        2m          Normal    Scheduled                pod/web-0     Successfully assigned
shop        90s         Warning   FailedCreatePodSandBox   pod/web-0     Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"a\": plugin type=\"bridge\" failed (add): no IP addresses available
shop        60s         Warning   FailedMount              pod/web-1     MountVolume.SetUp failed for volume \"config\" : configmap \"web\" not found
shop        60s         Warning   Failed                   pod/web-2     Error: secret \"mail\" not found
";
    let seen = seen(table.as_bytes());
    let steps: Vec<&str> = seen.reported.iter().map(|it| it.split(' ').next().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "CreatePodSandbox/CreatePodSandboxError",
            "MountVolume/FailedMount",
            "StartContainer/CreateContainerConfigError"
        ]
    );
    let named: Vec<_> = seen.observed.iter().map(|it| it.pod.name.clone().unwrap()).collect();
    assert_eq!(named, ["web-0", "web-1", "web-2"]);
    assert_eq!(seen.observed[0].pod.namespace.as_deref(), Some("shop"));
    assert_eq!(seen.observed.iter().map(|it| it.writer.number).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn r13_events_as_json_and_yaml_say_the_same() {
    let json = r#"{"apiVersion":"v1","kind":"List","items":[{"kind":"Event","involvedObject":{"kind":"Pod","namespace":"shop","name":"web-0","uid":"0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11","fieldPath":"spec.containers{app}"},"type":"Warning","reason":"Failed","message":"Failed to pull image \"registry.test/web:1\": not found","count":2,"firstTimestamp":"2026-11-22T22:52:23Z","lastTimestamp":"2026-11-22T22:53:23Z"}]}"#;
    let yaml = "\
apiVersion: v1
items:
- kind: Event
  involvedObject:
    {kind: Pod, namespace: shop, name: web-0, uid: 0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11, fieldPath: 'spec.containers{app}'}
  type: Warning
  reason: Failed
  message: 'Failed to pull image \"registry.test/web:1\": not found'
  count: 2
  firstTimestamp: '2026-11-22T22:52:23Z'
  lastTimestamp: '2026-11-22T22:53:23Z'
kind: List
";
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json).unwrap())
            .unwrap();
    for text in [json, yaml, &pretty] {
        let seen = seen(text.as_bytes());
        let told = "StartContainer/ErrImagePull app: not found";
        assert_eq!(seen.reported, [told, told], "its first and its last time: {text}");
        let times: Vec<_> = seen.observed.iter().map(|it| it.at).collect();
        assert_eq!(times, [1_795_387_943_000_000, 1_795_388_003_000_000]);
        assert_eq!(seen.facts.len(), 1);
    }
}

#[test]
fn r13_one_stream_may_hold_everything() {
    let json = r#"{"__REALTIME_TIMESTAMP":"1795387941823257","_UID":"0","_SYSTEMD_UNIT":"kubelet.service","MESSAGE":"from json"}"#;
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-0\n  namespace: shop\nspec:\n  containers:\n  - name: app\n    image: registry.test/web:1\n";
    let fact = r#"{"fact":"pods_listed","at":1,"uids":[]}"#;
    let text = format!(
        "$ journalctl -u kubelet\r\n{KLOG}\r\n{json}\n{pod}---\n{DESCRIBE}\n{KLOG}\n{fact}\nLAST SEEN   TYPE      REASON   OBJECT      MESSAGE\n5s          Warning   BackOff  pod/web-3   Back-off restarting failed container\n\n{KLOG}\n"
    );
    let seen = seen(text.as_bytes());
    let logs: Vec<_> = seen.lines.iter().filter(|line| line.as_str() == KLOG).collect();
    assert_eq!(logs.len(), 3, "{:#?}", seen.lines);
    assert!(seen.lines.contains(&"from json".to_owned()));
    assert_eq!(pods(&seen).len(), 2);
    assert_eq!(seen.manifests.len(), 1);
    assert!(seen.facts.iter().any(|it| matches!(it.fact, Fact::PodsListed(_))));
    assert!(seen.observed.iter().any(|it| it.pod.name.as_deref() == Some("web-3")));
    assert_eq!(seen.unread, 0);
}

#[test]
fn r13_a_fragment_is_enough_however_it_is_quoted() {
    let clause = r#"failed to "StartContainer" for "app" with ErrImagePull: "rpc error: code = NotFound desc = no such \"image\"""#;
    let once = clause.replace('\\', "\\\\").replace('"', "\\\"");
    let twice = once.replace('\\', "\\\\").replace('"', "\\\"");
    for text in [clause, &once, &twice, &format!("> {clause}"), &format!("`{clause}`")] {
        let seen = seen(text.as_bytes());
        assert_eq!(
            seen.reported,
            [
                r#"StartContainer/ErrImagePull app: rpc error: code = NotFound desc = no such "image""#
            ],
            "{text}"
        );
    }
    for (text, expected) in [
        (
            r#"Error: configmap "web" not found"#,
            r#"StartContainer/CreateContainerConfigError -: configmap "web" not found"#,
        ),
        (
            r#"Failed to pull image "registry.test/web:1": rpc error: code = Unknown desc = x"#,
            "StartContainer/ErrImagePull -: rpc error: code = Unknown desc = x",
        ),
        (
            "network is not ready: container runtime network not ready: NetworkReady=false",
            "WaitForNetwork/NetworkNotReady -: network is not ready: container runtime network not \
             ready: NetworkReady=false",
        ),
        (
            "pull access denied for shop/web, repository does not exist",
            "StartContainer/ErrImagePull -: pull access denied for shop/web, repository does not \
             exist",
        ),
        (
            "0/3 nodes are available: 3 Insufficient cpu.",
            "OffNode/FailedScheduling -: 0/3 nodes are available: 3 Insufficient cpu.",
        ),
        (
            r#"  Warning  Failed     3m (x4 over 5m)  kubelet  Error: secret "mail" not found"#,
            r#"StartContainer/CreateContainerConfigError -: secret "mail" not found"#,
        ),
    ] {
        assert_eq!(seen(text.as_bytes()).reported, [expected]);
    }
    for text in ["hello", "I failed to start the car", "no back off here", "error: exit 1"] {
        assert_eq!(seen(text.as_bytes()).reported, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn r13_every_form_of_journalctl_gives_the_same_line() {
    let pretty = "{\n\t\"__REALTIME_TIMESTAMP\" : \"1795387941823257\",\n\t\"_UID\" : \"0\",\n\t\"_SYSTEMD_UNIT\" : \"kubelet.service\",\n\t\"MESSAGE\" : \"the line\"\n}\n";
    let sse = "data: {\"__REALTIME_TIMESTAMP\":\"1795387941823257\",\"_UID\":\"0\",\"_SYSTEMD_UNIT\":\"kubelet.service\",\"MESSAGE\":\"the line\"}\n\n";
    let seq = "\u{1e}{\"__REALTIME_TIMESTAMP\":\"1795387941823257\",\"_UID\":\"0\",\"_SYSTEMD_UNIT\":\"kubelet.service\",\"MESSAGE\":\"the line\"}\n";
    let verbose = "Sun 2026-11-22 22:52:21.823257 UTC [s=ab;i=1;b=cd;m=1;t=2;x=3]\n    _UID=0\n    _SYSTEMD_UNIT=kubelet.service\n    _PID=12\n    MESSAGE=the line\n";
    let export = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795387941823257\n_UID=0\n_SYSTEMD_UNIT=kubelet.service\nMESSAGE=the line\n\n";
    let short = "Nov 22 22:52:21 node-1 kubelet[12]: the line\n";
    let unit = "Sun 2026-11-22 22:52:21 UTC node-1 kubelet.service[12]: the line\n";
    let unix = "1795387941.823257 node-1 kubelet[12]: the line\n";
    for text in [pretty, sse, seq, verbose, export, short, unit, unix] {
        let mut lines = Vec::new();
        let mut paste =
            Paste::new(Cursor::new(text.to_owned()), 1_795_400_000_000_000, None).unwrap();
        while paste
            .next(&mut |part| match part {
                Part::Line(line) if !line.text.is_empty() => {
                    lines.push((line.text.to_owned(), line.origin, line.at / 1_000_000));
                }
                _ => {}
            })
            .unwrap()
        {}
        let expected = ("the line".to_owned(), podwhy_parser::Origin::Kubelet, 1_795_387_941);
        assert_eq!(lines, [expected], "{text}");
    }
}

#[test]
fn a_secret_in_a_paste_reaches_no_fact() {
    let text = DESCRIBE.replace(
        "Back-off restarting failed container app",
        "Failed to pull image from https://user:hunter2@registry.test/v2 with Bearer abcdefghijklmnopqrstuvwxyz0123456789",
    );
    let seen = seen(text.as_bytes());
    let told = format!("{:?}{:?}", seen.facts, seen.observed);
    assert!(!told.contains("hunter2") && !told.contains("abcdefghijklmnopqrstuvwxyz"), "{told}");
}

#[test]
fn what_is_no_document_is_counted_and_costs_nothing_else() {
    let seen =
        seen(format!("apiVersion: v1\nkind: [\n{KLOG}\n{{\n  \"kind\": \"Pod\",\n").as_bytes());
    assert_eq!(seen.lines, [KLOG]);
    assert_eq!(seen.unread, 2);
}

proptest::proptest! {
    #[test]
    fn g72_any_paste_is_read_to_its_end(
        pieces in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::collection::vec(proptest::num::u8::ANY, 0..60),
                proptest::prelude::Just(KLOG.as_bytes().to_vec()),
                proptest::prelude::Just(DESCRIBE.as_bytes().to_vec()),
                proptest::prelude::Just(b"\n".to_vec()),
                proptest::prelude::Just(b"\n{\n".to_vec()),
                proptest::prelude::Just(b"\napiVersion: v1\nkind: Pod\n".to_vec()),
                proptest::prelude::Just(b"\nName:     x\n".to_vec()),
                proptest::prelude::Just(b"\nEvents:\n".to_vec()),
                proptest::prelude::Just(b"\nLAST SEEN   TYPE   REASON   OBJECT   MESSAGE\n".to_vec()),
                proptest::prelude::Just("\nfailed to \\\"é".as_bytes().to_vec()),
            ],
            0..16,
        ),
    ) {
        let _ = seen(&pieces.concat());
    }
}

/// Two entries of `journalctl -o export`, the first with a binary field.
fn export() -> Vec<u8> {
    let mut bytes = b"__CURSOR=s=1;i=1\n__REALTIME_TIMESTAMP=1795387955604216\n_HOSTNAME=node-7\n\
        _UID=0\n_SYSTEMD_UNIT=kubelet.service\nMESSAGE\n"
        .to_vec();
    bytes.extend((KLOG.len() as u64).to_le_bytes());
    bytes.extend(KLOG.as_bytes());
    bytes.extend(
        b"\n\n__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795387956604216\n_UID=0\n\
        _SYSTEMD_UNIT=kubelet.service\nMESSAGE=second\n\n",
    );
    bytes
}

#[test]
fn r13_an_exported_journal_stands_anywhere_between_what_kubectl_prints() {
    let description = include_str!("../../../../tests/explain/cases/describe-image-pull.txt");
    let table = include_str!("../../../../tests/explain/cases/events-table.txt");
    let whole =
        [description.as_bytes(), b"\n", &export(), table.as_bytes(), &export(), KLOG.as_bytes()];
    let seen = seen(&whole.concat());
    assert_eq!(seen.lines, [KLOG, "second", KLOG, "second", KLOG]);
    assert_eq!(pods(&seen).len(), 1);
    assert!(seen.reported.iter().any(|it| it.starts_with("MountVolume")), "{:?}", seen.reported);
    assert_eq!(seen.unread, 0);
}

#[test]
fn r13_an_exported_journal_that_came_through_windows_is_the_same() {
    let text = "__CURSOR=s=1;i=1\r\n__REALTIME_TIMESTAMP=1795387955604216\r\n_UID=0\r\n_PID=7\r\n\
        _SYSTEMD_UNIT=kubelet.service\r\nMESSAGE=first\r\n\r\n__CURSOR=s=1;i=2\r\n_UID=0\r\n\
        _SYSTEMD_UNIT=kubelet.service\r\nMESSAGE=second\r\n\r\n";
    let seen = seen(text.as_bytes());
    assert_eq!(seen.lines, ["first", "second"]);
    assert_eq!(seen.unread, 0);
}

#[test]
fn r13_a_table_of_pods_tells_which_fail_and_where_they_are() {
    let table = "NAMESPACE   NAME     READY   STATUS             RESTARTS        AGE   IP           NODE     NOMINATED NODE   READINESS GATES\n\
        shop        web-0    0/1     CrashLoopBackOff   37 (2m4s ago)   3h    10.244.1.7   node-3   <none>           <none>\n\
        shop        web-1    1/1     Running            0               3h    10.244.1.8   node-4   <none>           <none>\n\
        $ uptime\n";
    let seen = seen(table.as_bytes());
    assert_eq!(
        seen.reported,
        [
            "StartContainer/CrashLoopBackOff -: `kubectl get pods` says CrashLoopBackOff, restarted 37 \
          times, the last 2m4s ago, and not why"
        ]
    );
    let pair = |pod: &str, node: &str| (pod.to_owned(), node.to_owned());
    assert_eq!(seen.listed, [pair("web-0", "node-3"), pair("web-1", "node-4")]);
    assert_eq!(seen.lines, ["$ uptime"]);
}

#[test]
fn r41_r88_images_and_quotas_are_read_where_they_stand() {
    let text = r#"[
  {"Id": "sha256:1", "RepoTags": ["shop/web:2"], "Architecture": "amd64",
   "Config": {"User": "", "Entrypoint": ["/entry"], "Cmd": null}}
]
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: shop}
spec: {hard: {limits.memory: 8Gi, pods: 10}}
"#;
    let seen = seen(text.as_bytes());
    assert_eq!(seen.images.len(), 1);
    assert_eq!(seen.images[0].entrypoint, ["/entry"]);
    assert_eq!(seen.quotas[0].bounds, ["limits.memory", "pods"]);
}

#[test]
fn a_program_is_no_text() {
    let bytes: Vec<u8> =
        (0_u32..8192).map(|it| (it.wrapping_mul(7919) >> 3).to_le_bytes()[0]).collect();
    let error = text_only(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "it is no text");
    for text in [KLOG.as_bytes().to_vec(), export(), vec![14]] {
        text_only(&text).unwrap();
    }
}

#[test]
fn the_pod_inside_a_bare_message_is_its_pod() {
    let text = r#"back-off 5m0s restarting failed container=app pod=web-0_shop(0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11)"#;
    let line =
        format!("failed to \"StartContainer\" for \"app\" with CrashLoopBackOff: \"{text}\"\n");
    let seen = seen(line.as_bytes());
    let pod = &seen.observed[0].pod;
    assert_eq!((pod.namespace.as_deref(), pod.name.as_deref()), (Some("shop"), Some("web-0")));
}
