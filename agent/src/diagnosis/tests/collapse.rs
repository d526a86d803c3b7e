//! Collapse as data: which lines become which failures (log-grammar §7, G50–G58).

use super::*;

/// What containerd and the kubelet say of a sandbox that cannot be made.
fn cni_error(sandbox: &str) -> String {
    format!(
        "failed to setup network for sandbox \"{sandbox}\": plugin type=\"bridge\" failed (add): no IP addresses available"
    )
}

fn sandbox_lines(engine: &mut Engine, millis: i64, name: &str, uid: &str, sandbox: &str) {
    let error = cni_error(sandbox);
    let rpc = format!("rpc error: code = Unknown desc = {error}");
    engine.containerd(
        millis,
        "error",
        &format!("msg=\"RunPodSandbox for &PodSandboxMetadata{{Name:{name},Uid:{uid},Namespace:shop,Attempt:0,}} failed, error\" error={error:?}"),
    );
    engine.kubelet(
        millis + 1,
        'E',
        &format!("log.go:32] \"RunPodSandbox from runtime service failed\" err={rpc:?}"),
    );
    for message in ["Failed to create sandbox for pod", "CreatePodSandbox for pod failed"] {
        engine.kubelet(
            millis + 1,
            'E',
            &format!("kuberuntime_sandbox.go:71] {message:?} err={rpc:?} pod=\"shop/{name}\""),
        );
    }
}

fn sandbox_failure(name: &str, uid: &str, sandbox: &str) -> String {
    let message = format!(
        "Failed to create sandbox for pod \"{name}_shop({uid})\": rpc error: code = Unknown desc = {}",
        cni_error(sandbox)
    );
    let error = format!(
        "failed to \"CreatePodSandbox\" for \"{name}_shop({uid})\" with CreatePodSandboxError: {message:?}"
    );
    error_syncing(&error, name, uid)
}

/// Step, reason, uid, sandbox id of each record.
fn summary(records: &[Record]) -> Vec<[&str; 4]> {
    let names = [names::SYNC_STEP, names::SYNC_REASON, names::K8S_POD_UID, names::SYNC_SANDBOX_ID];
    records.iter().map(|record| names.map(|name| text(record, name))).collect()
}

#[test]
fn g51_five_lines_of_a_sandbox_are_one_failure_told_at_once() {
    let mut engine = Engine::new(Repeats::Every);
    sandbox_lines(&mut engine, 0, "web", UID_A, SANDBOX_A);
    assert_eq!(engine.out.records, [], "nothing before the line that counts");
    engine.kubelet(2, 'E', &sandbox_failure("web", UID_A, SANDBOX_A));
    assert_eq!(engine.out.records.len(), 1, "at once");
    assert_eq!(engine.diagnosis.counters().companions.joined, 4);
    let records = engine.end();
    let expected = ["CreatePodSandbox", "CreatePodSandboxError", UID_A, SANDBOX_A];
    assert_eq!(summary(&records), [expected]);
    assert_eq!(text(&records[0], names::CODE_FILE_PATH), "pod_workers.go", "its own words");
    assert_eq!(records[0].time, START + 2000, "its own time");
}

#[test]
fn g51_a_runtime_line_that_comes_late_joins_what_was_told() {
    let mut engine = Engine::new(Repeats::Every);
    engine.kubelet(2, 'E', &sandbox_failure("web", UID_A, SANDBOX_A));
    let error = cni_error(SANDBOX_A);
    let metadata = format!("&PodSandboxMetadata{{Name:web,Uid:{UID_A},Namespace:shop,Attempt:0,}}");
    engine.containerd(
        1,
        "error",
        &format!("msg=\"RunPodSandbox for {metadata} failed, error\" error={error:?}"),
    );
    assert_eq!(engine.diagnosis.counters().companions.joined, 1);
    assert_eq!(engine.end().len(), 1);
}

#[test]
fn g51_two_pods_at_once_do_not_swap_their_ids() {
    let mut engine = Engine::new(Repeats::Every);
    sandbox_lines(&mut engine, 0, "web", UID_A, SANDBOX_A);
    sandbox_lines(&mut engine, 1, "cart", UID_B, SANDBOX_B);
    engine.kubelet(3, 'E', &sandbox_failure("cart", UID_B, SANDBOX_B));
    engine.kubelet(4, 'E', &sandbox_failure("web", UID_A, SANDBOX_A));
    let step = ["CreatePodSandbox", "CreatePodSandboxError"];
    let expected = [[step[0], step[1], UID_B, SANDBOX_B], [step[0], step[1], UID_A, SANDBOX_A]];
    assert_eq!(summary(&engine.end()), expected);
}

#[test]
fn g51_equal_words_of_unknown_pods_give_no_ids() {
    let mut engine = Engine::new(Repeats::Every);
    let error = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
    for sandbox in [SANDBOX_A, SANDBOX_B] {
        engine.kubelet(0, 'E', &format!("log.go:32] \"StopPodSandbox from runtime service failed\" err={error:?} podSandboxID={sandbox:?}"));
    }
    let failure =
        format!("failed to \"KillPodSandbox\" for {UID_A:?} with KillPodSandboxError: {error:?}");
    engine.kubelet(1, 'E', &error_syncing(&failure, "web", UID_A));
    assert_eq!(summary(&engine.end()), [["KillPodSandbox", "KillPodSandboxError", UID_A, ""]]);
}

#[test]
fn g55_a_failure_whose_line_never_comes_is_told_after_two_seconds() {
    let mut engine = Engine::new(Repeats::Every);
    sandbox_lines(&mut engine, 0, "web", UID_A, SANDBOX_A);
    engine.tick(1_999);
    assert_eq!(engine.out.records, []);
    assert!(engine.diagnosis.next_due().is_some());
    engine.tick(2_002);
    let expected = ["CreatePodSandbox", "CreatePodSandboxError", UID_A, SANDBOX_A];
    assert_eq!(summary(&engine.out.records), [expected], "all four lines are one");
    assert_eq!(engine.diagnosis.counters().companions.told, 1);
    assert_eq!(engine.end().len(), 1);
}

#[test]
fn g55_lines_without_error_syncing_pod_are_failures() {
    let mut engine = Engine::new(Repeats::Every);
    engine.kubelet(0, 'I', "kubelet_pods.go:911] \"Unable to retrieve pull secret, the image pull may not succeed.\" pod=\"shop/web\" secret=\"\" err=\"secret \\\"mail-registry\\\" not found\"");
    engine.kubelet(1, 'I', &format!("kubelet.go:2361] \"Pod admission denied\" podUID={UID_A:?} pod=\"shop/web\" reason=\"OutOfcpu\" message=\"Node didn't have enough resource: cpu\""));
    engine.kubelet(2, 'E', "kuberuntime_manager.go:900] \"Failed to prepare dynamic resources\" err=\"no driver\" pod=\"shop/web\"");
    let records = engine.end();
    let steps: Vec<_> = records.iter().map(|record| text(record, names::SYNC_STEP)).collect();
    assert_eq!(steps, ["GetPullSecret", "Admission", "PrepareDynamicResources"]);
    assert_eq!(text(&records[1], names::ERROR_TYPE), "OutOfcpu");
}

#[test]
fn a_companion_that_names_no_pod_vanishes_counted() {
    let mut engine = Engine::new(Repeats::Every);
    engine.kubelet(0, 'E', "log.go:32] \"RunPodSandbox from runtime service failed\" err=\"rpc error: code = Unavailable desc = connection error\"");
    engine.tick(3_000);
    assert_eq!(engine.diagnosis.counters().companions.vanished, 1);
    assert_eq!(engine.end(), []);
}

#[test]
fn g52_a_twin_is_never_counted_again() {
    for twin in [
        format!("kuberuntime_manager.go:1449] \"Unhandled Error\" err=\"container app start failed in pod web_shop({UID_A}): ErrImagePull: not found here\" logger=\"UnhandledError\""),
        format!("kuberuntime_manager.go:1259] container &Container{{Name:app,Image:x,Env:[]EnvVar{{EnvVar{{Name:DB_PASSWORD,Value:not-a-real-one,}},}},}} start failed in pod web_shop({UID_A}): ErrImagePull: not found here"),
        "kubelet.go:2051] failed to \"StartContainer\" for \"app\" with ErrImagePull: \"not found here\"".to_owned(),
    ] {
        let mut engine = Engine::new(Repeats::Every);
        engine.kubelet(0, 'E', &twin);
        let failure = "failed to \"StartContainer\" for \"app\" with ErrImagePull: \"not found here\"";
        engine.kubelet(1, 'E', &error_syncing(failure, "web", UID_A));
        engine.tick(5_000);
        assert_eq!(engine.diagnosis.counters().companions.joined, 1, "{twin}");
        let records = engine.end();
        assert_eq!(records.len(), 1, "{twin}");
        let whole = crate::record::to_json(&records[0]).to_string();
        assert!(!whole.contains("not-a-real-one"), "g54: {whole}");
    }
}

#[test]
fn g53_g54_a_dump_alone_gives_identity_and_words_and_no_secret() {
    let mut engine = Engine::new(Repeats::Every);
    engine.kubelet(0, 'E', &format!("kuberuntime_manager.go:1259] container &Container{{Name:app,Image:x,Args:[-c set -e\n\t\t\texec /app],Env:[]EnvVar{{EnvVar{{Name:DB_PASSWORD,Value:not-a-real-one,}},}},}} start failed in pod web_shop({UID_A}): CreateContainerConfigError: secret \"mail\" not found"));
    let records = engine.end();
    let expected = ["StartContainer", "CreateContainerConfigError", UID_A, ""];
    assert_eq!(summary(&records), [expected]);
    let whole = format!("{records:?}");
    assert!(whole.contains("secret \\\"mail\\\" not found") && !whole.contains("not-a-real-one"));
}

#[test]
fn g50_ids_resolve_through_the_lines_that_made_them() {
    let mut engine = Engine::new(Repeats::Every);
    let metadata = format!("&PodSandboxMetadata{{Name:web,Uid:{UID_A},Namespace:shop,Attempt:0,}}");
    engine.containerd(
        0,
        "info",
        &format!("msg=\"RunPodSandbox for {metadata} returns sandbox id \\\"{SANDBOX_A}\\\"\""),
    );
    engine.containerd(1, "info", &format!("msg=\"CreateContainer within sandbox \\\"{SANDBOX_A}\\\" for &ContainerMetadata{{Name:app,Attempt:0,}} returns container id \\\"{CONTAINER_A}\\\"\""));
    // Minutes later, with nothing but the container's id.
    engine.containerd(600_000, "error", &format!("msg=\"StartContainer for \\\"{CONTAINER_A}\\\" failed\" error=\"failed to create containerd task: no such file\""));
    engine.tick(603_000);
    let records = engine.end();
    assert_eq!(summary(&records), [["StartContainer", "RunContainerError", UID_A, SANDBOX_A]]);
    assert_eq!(text(&records[0], names::K8S_POD_NAME), "web");
    assert_eq!(text(&records[0], names::K8S_CONTAINER_NAME), "app");
    assert_eq!(text(&records[0], names::CONTAINER_ID), CONTAINER_A);
}

#[test]
fn g50_the_map_is_bounded_and_forgets_the_oldest() {
    let mut engine = Engine::new(Repeats::Every);
    for number in 0..crate::limits::IDENTITIES as i64 {
        let metadata = format!(
            "&PodSandboxMetadata{{Name:web-{number},Uid:{UID_A},Namespace:shop,Attempt:0,}}"
        );
        engine.containerd(
            number,
            "info",
            &format!(
                "msg=\"RunPodSandbox for {metadata} returns sandbox id \\\"{number:064x}\\\"\""
            ),
        );
    }
    assert!(engine.diagnosis.counters().evicted_identities > 0);
    let mut entries = 0;
    engine.diagnosis.changes(&mut |(key, value)| {
        entries += usize::from(key[0] == b'i' && value.is_some());
    });
    assert_eq!(entries, crate::limits::IDENTITIES);
}

#[test]
fn g30_an_aggregate_is_one_failure_for_each_item_with_its_place() {
    let mut engine = Engine::new(Repeats::Every);
    let error = format!(
        "[failed to \"KillContainer\" for \"ledger\" with KillContainerError: \"rpc error: code = Canceled desc = canceled\", failed to \"KillPodSandbox\" for {UID_A:?} with KillPodSandboxError: \"rpc error: code = Unknown desc = no, really] \\\"not\\\"\"]"
    );
    engine.kubelet(0, 'E', &error_syncing(&error, "web", UID_A));
    let records = engine.end();
    assert_eq!(records.len(), 2);
    for (place, record) in records.iter().enumerate() {
        let place = i64::try_from(place).unwrap();
        assert_eq!(record.attribute(names::SYNC_INDEX), Some(&Value::Int(place)));
        assert_eq!(record.attribute(names::SYNC_OF), Some(&Value::Int(2)));
    }
    assert_eq!(text(&records[0], names::K8S_CONTAINER_NAME), "ledger");
    assert_eq!(records[1].attribute(names::K8S_CONTAINER_NAME), None, "of the pod");
    assert_ne!(records[0].uid, records[1].uid);
}

#[test]
fn g58_node_wide_lines_are_no_failure_of_a_pod() {
    let mut engine = Engine::new(Repeats::Every);
    engine.kubelet(0, 'E', "kubelet.go:3126] \"Container runtime network not ready\" networkReady=\"NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized\"");
    engine.kubelet(
        1,
        'E',
        "kubelet.go:2419] \"Skipping pod synchronization\" err=\"PLEG is not healthy\"",
    );
    engine.out.records.retain(|record| record.event != EventName::Incident);
    assert_eq!(engine.out.records, []);
    engine.kubelet(1_000, 'E', &crash_loop("10s", "web", UID_A));
    let record = &engine.out.records[0];
    assert_eq!(record.attribute(names::NODE_CNI_READY), Some(&Value::Bool(false)));
    assert_eq!(text(record, names::NODE_CNI_REASON), "kubelet_says_not_ready");
}

#[test]
fn pending_lines_are_bounded_and_none_is_lost() {
    let mut engine = Engine::new(Repeats::Every);
    let pods = crate::limits::PENDING as i64 + 100;
    for number in 0..pods {
        let uid = format!("{number:032x}");
        engine.kubelet(0, 'E', &format!("kuberuntime_container.go:909] \"Kill container failed\" err=\"no {number} answer\" pod=\"shop/web-{number}\" podUID={uid:?} containerName=\"app\" containerID={{\"Type\":\"containerd\",\"ID\":\"{number:064x}\"}}"));
    }
    assert_eq!(engine.diagnosis.counters().companions.hurried, 100);
    assert_eq!(engine.end().len() as i64, pods);
}
