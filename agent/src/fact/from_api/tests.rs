//! What is kept of API objects, and what is not.

use super::*;
use crate::fact::pod::State;

fn of(yaml: &str) -> Pod {
    pod(&serde_json::from_str(yaml).unwrap(), &["team".to_owned()])
}

const POD: &str = r#"{"metadata":{"name":"web-0","namespace":"shop","uid":"0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11",
  "labels":{"team":"cart","app":"web","pod-template-hash":"7d9f"},
  "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"password\":\"hunter2\"}"},
  "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"u","controller":true}]},
 "spec":{"restartPolicy":"Always","initContainers":[
   {"name":"proxy","restartPolicy":"Always","image":"p:1"},{"name":"setup","image":"s:1"}],
  "containers":[{"name":"app","image":"web:2","command":["run"],
   "env":[{"name":"TOKEN","value":"hunter2"}],
   "resources":{"limits":{"memory":"128Mi","cpu":"1500m"},"requests":{"cpu":"0.1"}},
   "livenessProbe":{"httpGet":{"port":8080,"path":"/live"},"periodSeconds":5},
   "volumeMounts":[{"name":"config","mountPath":"/etc/app","readOnly":true}]}],
  "volumes":[{"name":"config","configMap":{"name":"web","items":[{"key":"a","path":"app.conf"}]}}]},
 "status":{"phase":"Running","containerStatuses":[{"name":"app","ready":false,"restartCount":3,
   "image":"web:2","imageID":"sha256:1","containerID":"containerd://abc",
   "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","startedAt":"2031-03-17T09:20:11Z","finishedAt":"2031-03-17T09:20:12Z"}},
   "state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 40s"}}}]}}"#;

#[test]
fn r47_roles_come_from_the_specification() {
    let roles: Vec<_> = of(POD).containers.into_iter().map(|one| (one.name, one.role)).collect();
    assert_eq!(
        roles,
        [
            ("proxy".to_owned(), Role::NativeSidecar),
            ("setup".to_owned(), Role::Init),
            ("app".to_owned(), Role::Main),
        ]
    );
}

#[test]
fn limits_probes_mounts_and_states_are_kept() {
    let pod = of(POD);
    let app = pod.container("app").unwrap();
    assert_eq!(app.memory_limit_bytes, Some(134_217_728));
    assert_eq!((app.cpu_limit_millicores, app.cpu_request_millicores), (Some(1500), Some(100)));
    let liveness = app.liveness.clone().unwrap();
    assert_eq!((liveness.action.as_str(), liveness.port.as_deref()), ("http", Some("8080")));
    assert_eq!((liveness.period_seconds, liveness.failure_threshold), (5, 3));
    assert_eq!(app.container_id.as_deref(), Some("abc"));
    assert!(matches!(&app.last_state, Some(State::Terminated { exit_code: 137, .. })));
    assert_eq!(pod.volumes[0].items, ["app.conf"]);
    assert_eq!(pod.owner.unwrap().kind, "ReplicaSet");
}

#[test]
fn values_of_the_environment_and_annotations_stay_behind() {
    let kept = serde_json::to_string(&of(POD)).unwrap();
    assert!(kept.contains("TOKEN") && kept.contains("cart"));
    assert!(!kept.contains("hunter2") && !kept.contains("last-applied"), "{kept}");
    assert!(!of(POD).labels.contains_key("app"));
}

#[test]
fn a_mirror_pod_has_the_uid_that_the_kubelet_logs() {
    let text = POD.replace(
        "\"annotations\":{",
        "\"annotations\":{\"kubernetes.io/config.hash\":\"9f434526306a431f85c9ba8b1161528a\",",
    );
    let pod = of(&text);
    assert_eq!(pod.uid.as_deref(), Some("9f434526306a431f85c9ba8b1161528a"));
    assert_eq!(pod.api_uid.as_deref(), Some("0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11"));
}

#[test]
fn quantities_are_read_as_the_api_reads_them() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("1500m", Some(2)),
        ("1Ki", Some(1024)),
        ("1.5Gi", Some(1_610_612_736)),
        ("2e3", Some(2000)),
        ("1E", None),
        ("many", None),
        ("", None),
    ] {
        assert_eq!(quantity::read(text), bytes, "{text}");
    }
}

#[test]
fn the_same_specification_on_another_node_has_the_same_hash() {
    let hash = |text: &str| of(text).spec_hash.unwrap();
    let placed = POD.replace("\"spec\":{", "\"spec\":{\"nodeName\":\"node-7\",");
    assert_eq!(hash(POD), hash(&placed));
    assert_ne!(hash(POD), hash(&POD.replace("128Mi", "256Mi")));
}
