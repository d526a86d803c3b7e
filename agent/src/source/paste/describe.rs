//! `kubectl describe` of a pod or a node: its fields as facts, its Events as Events. Of other
//! objects only the Events are read. Owns that print form.

use serde_json::{Map, Value, json};

use super::value::{age, instant, mail_date, word};
use super::{Part, Sink, event, object, pod, table};
use crate::fact::{Container, Dated, Event, Fact, PodRef};
use crate::source::Micros;

/// A line with what is indented below it.
#[derive(Debug, Default)]
struct Node<'t> {
    key: &'t str,
    value: &'t str,
    /// The line as it is, without its indent.
    text: &'t str,
    inside: Vec<Node<'t>>,
}

/// Reads a description.
pub(super) fn read(text: &str, number: u64, now: Option<Micros>, sink: Sink<'_>) -> bool {
    let (body, table) = split(text);
    let lines: Vec<&str> = body.lines().filter(|line| !line.trim().is_empty()).collect();
    let nodes = tree(&mut lines.as_slice(), 0);
    let field = |key: &str| nodes.iter().find(|node| node.key == key);
    let value_of = |key: &str| field(key).map(|node| node.value).filter(|value| is_told(value));

    let is_node = field("Roles").is_some() || field("System Info").is_some();
    let is_pod = field("Containers").is_some() && field("Replicas").is_none() && !is_node;
    let rows = rows(&table, number + body.matches('\n').count() as u64);
    let started = value_of("Start Time").and_then(mail_date);
    let now = now.or_else(|| printed_at(started, &rows));

    let kind = match (is_pod, is_node) {
        (true, _) => "Pod",
        (_, true) => "Node",
        _ if body.is_empty() => "Pod",
        _ => "",
    };
    let name = value_of("Name").unwrap_or_default();
    let namespace = value_of("Namespace");
    let mut containers = Vec::new();
    if is_pod {
        let object = pod_object(&nodes);
        let pod = pod::of(&object);
        containers.clone_from(&pod.containers);
        let newest = super::value::newest(&object).max(started);
        for reported in pod::reports(&pod, newest, number) {
            sink(Part::Reported(Box::new(reported)));
        }
        let at = newest.unwrap_or_default();
        sink(Part::Fact(Box::new(Dated { at, fact: Fact::Pod(Box::new(pod)) })));
    }
    if is_node {
        object::read(&node_object(&nodes), number, "", sink);
    }
    for row in rows {
        let (last, first, count) = table::ages(row.age, now);
        let pod = PodRef {
            namespace: namespace.map(word),
            name: Some(word(name)).filter(|name| !name.is_empty()),
            uid: None,
        };
        let told = table::made(
            (kind, name, namespace),
            [row.kind, row.reason, row.message.as_str()],
            row.number,
        );
        let component = Some(word(row.from)).filter(|from| !from.is_empty());
        let pod = if kind == "Pod" { pod } else { PodRef::default() };
        let container = probed(&containers, row.reason, &row.message)
            .or_else(|| only(&containers, row.reason, &row.message));
        event::hand_on(Event { pod, last, first, count, component, container, ..told }, sink);
    }
    true
}

/// The table names no container; where only one has such a probe, it is that one.
fn probed(containers: &[Container], reason: &str, message: &str) -> Option<String> {
    let has = |container: &&Container| match message.split(' ').next() {
        Some("Liveness") => container.liveness.is_some(),
        Some("Readiness") => container.readiness.is_some(),
        Some("Startup") => container.startup.is_some(),
        _ => false,
    };
    let mut probed = containers.iter().filter(has);
    let only = probed.next().filter(|_| reason == "Unhealthy" && probed.next().is_none())?;
    Some(only.name.clone())
}

/// What only a container can do is done by the pod's only one, or by the only one of its image.
fn only(containers: &[Container], reason: &str, message: &str) -> Option<String> {
    const OF_A_CONTAINER: [&str; 8] = [
        "Failed",
        "BackOff",
        "InspectFailed",
        "ErrImageNeverPull",
        "FailedPostStartHook",
        "FailedPreStopHook",
        "Unhealthy",
        "Killing",
    ];
    let is_of_image = |container: &&Container| {
        let image = container.image.as_deref().unwrap_or_default();
        containers.len() == 1 || (!image.is_empty() && message.contains(&format!("\"{image}\"")))
    };
    let mut found = containers.iter().filter(is_of_image);
    let first = found.next().filter(|_| OF_A_CONTAINER.contains(&reason))?;
    found.next().is_none().then(|| first.name.clone())
}

fn is_told(value: &str) -> bool {
    !value.is_empty() && value != "<none>" && value != "<unset>"
}

/// The fields, and the lines of the table of Events.
fn split(text: &str) -> (&str, String) {
    let begin =
        if text.starts_with("Events:") { Some(0) } else { text.find("\nEvents:").map(|at| at + 1) };
    match begin {
        Some(at) => {
            let (body, table) = text.split_at_checked(at).unwrap_or((text, ""));
            (body, table.to_owned())
        }
        // The table alone.
        None if text.trim_start().starts_with("Type ") => ("", format!("Events:\n{text}")),
        None => (text, String::new()),
    }
}

/// One line of the table.
#[derive(Debug)]
struct Row<'t> {
    kind: &'t str,
    reason: &'t str,
    age: &'t str,
    from: &'t str,
    message: String,
    number: u64,
}

/// ```text
/// row := "  " type "  "+ reason "  "+ age "  "+ from "  "+ message
/// ```
fn rows(table: &str, number: u64) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (at, line) in (0..).zip(table.lines()) {
        let is_row = line.starts_with("  Normal") || line.starts_with("  Warning");
        if let Some(row) = row(line, number + at).filter(|_| is_row) {
            rows.push(row);
        } else if let Some(last) = rows.last_mut()
            && !line.trim().is_empty()
        {
            // A message that a window broke, or that has several lines.
            last.message.push_str(line.strip_prefix("  ").unwrap_or(line));
        }
    }
    rows
}

fn row(line: &str, number: u64) -> Option<Row<'_>> {
    let mut rest = line.trim_start();
    let mut next = || {
        let (cell, behind) = rest.split_once("  ")?;
        rest = behind.trim_start();
        Some(cell.trim())
    };
    let (kind, reason, age, from) = (next()?, next()?, next()?, next()?);
    let is_row = matches!(kind, "Normal" | "Warning") && !reason.is_empty();
    is_row.then(|| Row { kind, reason, age, from, message: rest.to_owned(), number })
}

/// The Event that is alone on a line, copied out of its table.
pub(super) fn single(line: &str, number: u64) -> Option<Event> {
    let row = row(line, number)?;
    let told = table::made(("Pod", "", None), [row.kind, row.reason, &row.message], number);
    let component = Some(word(row.from));
    Some(Event { pod: PodRef::default(), component, count: table::ages(row.age, None).2, ..told })
}

/// When it was printed: a pod's first Event is as old as its start.
fn printed_at(started: Option<Micros>, rows: &[Row<'_>]) -> Option<Micros> {
    let oldest = rows
        .iter()
        .filter_map(|row| {
            let first = row.age.split(" over ").nth(1).unwrap_or(row.age);
            age(first.trim_end_matches(')'))
        })
        .max()?;
    started?.checked_add(oldest)
}

/// Lines by their indent.
fn tree<'t>(lines: &mut &[&'t str], indent: usize) -> Vec<Node<'t>> {
    let mut nodes: Vec<Node<'t>> = Vec::new();
    while let Some((line, rest)) = lines.split_first() {
        let depth = line.len() - line.trim_start().len();
        if depth < indent {
            break;
        }
        if depth > indent
            && let Some(last) = nodes.last_mut()
        {
            last.inside.extend(tree(lines, depth));
            continue;
        }
        *lines = rest;
        let text = line.trim();
        let (key, value) = text.split_once(':').unwrap_or((text, ""));
        nodes.push(Node { key: key.trim(), value: value.trim(), text, inside: Vec::new() });
    }
    nodes
}

fn find<'n, 't>(nodes: &'n [Node<'t>], key: &str) -> Option<&'n Node<'t>> {
    nodes.iter().find(|node| node.key == key)
}

fn told<'t>(nodes: &[Node<'t>], key: &str) -> Option<&'t str> {
    find(nodes, key).map(|node| node.value).filter(|value| is_told(value))
}

/// RFC 3339 of a date that was printed for people.
fn date(nodes: &[Node<'_>], key: &str) -> Value {
    let at = told(nodes, key).and_then(|text| mail_date(text).or_else(|| instant(text)));
    at.and_then(|at| jiff::Timestamp::from_microsecond(at).ok())
        .map_or(Value::Null, |at| json!(at.to_string()))
}

/// The pod as the API would have it, as far as the print form says.
fn pod_object(nodes: &[Node<'_>]) -> Value {
    let status = told(nodes, "Status").unwrap_or_default();
    let phase = status.split(' ').next().filter(|phase| *phase != "Terminating");
    let (mut init, mut init_status) = (Vec::new(), Vec::new());
    let (mut main, mut main_status) = (Vec::new(), Vec::new());
    for (key, specs, statuses) in [
        ("Init Containers", &mut init, &mut init_status),
        ("Containers", &mut main, &mut main_status),
    ] {
        for node in find(nodes, key).map(|node| node.inside.as_slice()).unwrap_or_default() {
            let (spec, status) = container(node);
            specs.push(spec);
            statuses.push(status);
        }
    }
    let owner = told(nodes, "Controlled By").and_then(|owner| owner.split_once('/'));
    let owners =
        owner.map(|(kind, name)| json!([{"kind": kind, "name": name, "controller": true}]));
    let node = told(nodes, "Node").map(|node| node.split('/').next().unwrap_or(node));
    let volumes: Vec<Value> = find(nodes, "Volumes")
        .map(|node| node.inside.iter().map(volume).collect())
        .unwrap_or_default();
    json!({
        "kind": "Pod",
        "metadata": {
            "name": told(nodes, "Name"),
            "namespace": told(nodes, "Namespace"),
            "ownerReferences": owners,
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": told(nodes, "Service Account"),
            "priorityClassName": told(nodes, "Priority Class Name"),
            "initContainers": init,
            "containers": main,
            "volumes": volumes,
        },
        "status": {
            "phase": phase,
            "reason": told(nodes, "Reason"),
            "message": told(nodes, "Message"),
            "startTime": date(nodes, "Start Time"),
            "conditions": pod_conditions(nodes),
            "initContainerStatuses": init_status,
            "containerStatuses": main_status,
        },
    })
}

/// `Ready             False`
fn pod_conditions(nodes: &[Node<'_>]) -> Vec<Value> {
    let rows = find(nodes, "Conditions").map(|node| node.inside.as_slice()).unwrap_or_default();
    rows.iter()
        .filter_map(|row| {
            let mut words = row.text.split_whitespace();
            let (kind, status) = (words.next()?, words.next()?);
            matches!(status, "True" | "False" | "Unknown")
                .then(|| json!({"type": kind, "status": status}))
        })
        .collect()
}

fn container(node: &Node<'_>) -> (Value, Value) {
    let inside = node.inside.as_slice();
    let lines = |key: &str| -> Vec<&str> {
        find(inside, key)
            .map(|node| node.inside.iter().map(|line| line.text).collect())
            .unwrap_or_default()
    };
    let amounts = |key: &str| -> Value {
        let rows = find(inside, key).map(|node| node.inside.as_slice()).unwrap_or_default();
        rows.iter().map(|row| (row.key.to_owned(), json!(row.value))).collect::<Map<_, _>>().into()
    };
    let env: Vec<Value> = find(inside, "Environment")
        .map(|node| node.inside.iter().map(|line| json!({"name": line.key})).collect())
        .unwrap_or_default();
    let mounts: Vec<Value> = lines("Mounts").iter().filter_map(|line| mount(line)).collect();
    let mut spec = json!({
        "name": node.key,
        "image": told(inside, "Image"),
        "command": lines("Command"),
        "args": lines("Args"),
        "restartPolicy": told(inside, "Restart Policy"),
        "env": env,
        "volumeMounts": mounts,
        "resources": {"limits": amounts("Limits"), "requests": amounts("Requests")},
    });
    for (key, name) in [
        ("Liveness", "livenessProbe"),
        ("Readiness", "readinessProbe"),
        ("Startup", "startupProbe"),
    ] {
        if let (Some(text), Some(members)) = (told(inside, key), spec.as_object_mut()) {
            members.insert(name.to_owned(), probe(text));
        }
    }
    let flag = |key: &str| told(inside, key).map(|value| value == "True");
    let restarts = told(inside, "Restart Count").and_then(|count| count.parse::<u32>().ok());
    // One id is printed: the newest instance's. What waits has none that is newer than its last.
    let id = told(inside, "Container ID").unwrap_or(node.key);
    let now = find(inside, "State");
    let is_last = now.is_some_and(|node| node.value == "Waiting");
    let last_id = if is_last { id.to_owned() } else { format!("{id}-before") };
    let status = json!({
        "name": node.key,
        "containerID": told(inside, "Container ID"),
        "imageID": told(inside, "Image ID"),
        "state": now.map(|node| state(node, id)),
        "lastState": find(inside, "Last State").map(|node| state(node, &last_id)),
        "ready": flag("Ready"),
        "restartCount": restarts,
    });
    (spec, status)
}

/// `id` is the instance that it is of.
fn state(node: &Node<'_>, id: &str) -> Value {
    let inside = node.inside.as_slice();
    let (reason, message) = (told(inside, "Reason"), told(inside, "Message"));
    match node.value {
        "Waiting" => json!({"waiting": {"reason": reason, "message": message}}),
        "Running" => json!({"running": {"startedAt": date(inside, "Started")}}),
        "Terminated" => json!({"terminated": {
            "containerID": id,
            "reason": reason,
            "message": message,
            "exitCode": told(inside, "Exit Code").and_then(|code| code.parse::<i32>().ok()),
            "signal": told(inside, "Signal").and_then(|signal| signal.parse::<i32>().ok()),
            "startedAt": date(inside, "Started"),
            "finishedAt": date(inside, "Finished"),
        }}),
        _ => Value::Null,
    }
}

/// `/etc/app from config (ro,path="app.conf")`
fn mount(line: &str) -> Option<Value> {
    let (path, rest) = line.split_once(" from ")?;
    let (volume, flags) = rest.split_once(" (").unwrap_or((rest, ""));
    let flags = flags.trim_end_matches(')');
    let sub_path = flags
        .split_once("path=\"")
        .and_then(|(_, path)| path.split('"').next())
        .filter(|path| !path.is_empty());
    let read_only = flags.split(',').any(|flag| flag == "ro");
    Some(json!({"name": volume, "mountPath": path, "subPath": sub_path, "readOnly": read_only}))
}

/// `http-get http://:8080/healthz delay=0s timeout=1s period=10s #success=1 #failure=3`
fn probe(text: &str) -> Value {
    let figure = |key: &str| {
        let (_, rest) = text.split_once(key)?;
        let word = rest.split_whitespace().next()?;
        word.trim_end_matches('s').parse::<u32>().ok()
    };
    let mut made = json!({
        "initialDelaySeconds": figure("delay="),
        "timeoutSeconds": figure("timeout="),
        "periodSeconds": figure("period="),
        "failureThreshold": figure("#failure="),
    });
    let target = text.split_whitespace().nth(1).unwrap_or_default();
    let (key, action) = if text.starts_with("http-get") {
        let address = target.split_once("://").map_or(target, |(_, address)| address);
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        let port = host.rsplit(':').next();
        ("httpGet", json!({"port": port, "path": format!("/{path}")}))
    } else if text.starts_with("tcp-socket") {
        ("tcpSocket", json!({"port": target.rsplit(':').next()}))
    } else if text.starts_with("grpc") {
        ("grpc", json!({"port": target.rsplit(':').next()}))
    } else {
        ("exec", json!({}))
    };
    if let Some(members) = made.as_object_mut() {
        members.insert(key.to_owned(), action);
    }
    made
}

fn volume(node: &Node<'_>) -> Value {
    let inside = node.inside.as_slice();
    let kind = told(inside, "Type").unwrap_or_default();
    let kind = kind.split(" (").next().unwrap_or(kind);
    let (key, of): (&str, Value) = match kind {
        "ConfigMap" => ("configMap", json!({"name": told(inside, "Name")})),
        "Secret" => ("secret", json!({"secretName": told(inside, "SecretName")})),
        "PersistentVolumeClaim" => {
            ("persistentVolumeClaim", json!({"claimName": told(inside, "ClaimName")}))
        }
        "HostPath" => ("hostPath", json!({"path": told(inside, "Path")})),
        "Projected" => ("projected", json!({})),
        "DownwardAPI" => ("downwardAPI", json!({})),
        "CSI" => ("csi", json!({"driver": told(inside, "Driver")})),
        "EmptyDir" => ("emptyDir", json!({"medium": told(inside, "Medium")})),
        _ => ("", Value::Null),
    };
    let mut of = of;
    if let Some(members) = of.as_object_mut() {
        let optional = told(inside, "Optional").map(|value| value == "true");
        members.insert("optional".to_owned(), json!(optional));
        members.insert("sizeLimit".to_owned(), json!(told(inside, "SizeLimit")));
    }
    let mut made = Map::from_iter([("name".to_owned(), json!(node.key))]);
    if !key.is_empty() {
        made.insert(key.to_owned(), of);
    }
    made.into()
}

/// The node as the API would have it.
fn node_object(nodes: &[Node<'_>]) -> Value {
    let info = find(nodes, "System Info").map(|node| node.inside.as_slice()).unwrap_or_default();
    let conditions: Vec<Value> = find(nodes, "Conditions")
        .map(|node| node.inside.iter().filter_map(node_condition).collect())
        .unwrap_or_default();
    json!({
        "kind": "Node",
        "metadata": {"name": told(nodes, "Name")},
        "spec": {"unschedulable": told(nodes, "Unschedulable") == Some("true")},
        "status": {
            "conditions": conditions,
            "nodeInfo": {
                "kubeletVersion": told(info, "Kubelet Version"),
                "containerRuntimeVersion": told(info, "Container Runtime Version"),
                "kernelVersion": told(info, "Kernel Version"),
                "osImage": told(info, "OS Image"),
                "bootID": told(info, "Boot ID"),
            },
        },
    })
}

/// `Ready  False  <heartbeat>  <since>  KubeletNotReady  container runtime network not ready: …`
fn node_condition(row: &Node<'_>) -> Option<Value> {
    let mut cells = row.text.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let (kind, status) = (cells.next()?, cells.next()?);
    if !matches!(status, "True" | "False" | "Unknown") {
        return None;
    }
    let dates = [cells.next(), cells.next()].map(|cell| {
        cell.and_then(mail_date).and_then(|at| jiff::Timestamp::from_microsecond(at).ok())
    });
    let [heartbeat, since] = dates.map(|at| at.map(|at| at.to_string()));
    Some(json!({
        "type": kind,
        "status": status,
        "lastHeartbeatTime": heartbeat,
        "lastTransitionTime": since,
        "reason": cells.next(),
        "message": cells.collect::<Vec<_>>().join("  "),
    }))
}
