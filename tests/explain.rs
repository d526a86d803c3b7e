//! `podwhy explain` as a command: every form of paste, several files as one answer, the text for
//! people and the objects for programs, and what it says when there is nothing to say.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this is a test: what is not there fails it"
)]

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");

fn podwhy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podwhy"));
    command.arg("explain").current_dir(TESTS).env_remove("NO_COLOR").env_remove("COLUMNS");
    command
}

fn run(arguments: &[&str]) -> Output {
    podwhy().args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn piped(text: &[u8], arguments: &[&str]) -> Output {
    let mut child = podwhy()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What an incident comes to, in a line.
fn told(incident: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {} {}",
        text(&incident["cause"]["id"]),
        text(&incident["step"]),
        text(&incident["pods"][0]["name"]),
        text(&incident["pods"][0]["container"]),
    )
}

#[test]
fn r13_each_form_of_paste_is_explained_alone() {
    for (file, expected) in [
        ("describe-image-pull.txt", "image_not_found StartContainer web-0 app"),
        ("describe-crash-loop.txt", "oom_container StartContainer web-0 app"),
        ("describe-not-ready.txt", "probe_http_status Probe db-0 db"),
        ("events-table.txt", "volume_configmap_object_missing MountVolume web-0 -"),
        ("events.json", "config_secret_missing StartContainer mail-0 mailer"),
        ("pod-status.yaml", "config_configmap_missing StartContainer web-0 app"),
        ("fragment.txt", "image_not_found StartContainer - app"),
        ("terminal-copy.txt", "config_configmap_missing StartContainer web-0 app"),
    ] {
        let output = run(&["--output", "json", &format!("explain/cases/{file}")]);
        assert_eq!(output.status.code(), Some(0), "{file}: {}", complaint(&output));
        let incidents: Vec<String> =
            objects(&output).iter().filter(|object| object["kind"] != "advice").map(told).collect();
        assert_eq!(incidents, [expected], "{file}");
    }
}

#[test]
fn r13_a_table_of_pods_is_explained_as_far_as_it_goes_and_less_than_what_tells_more() {
    let ids = |output: &Output| -> Vec<String> { objects(output).iter().map(told).collect() };
    let table = "explain/cases/pods-table.txt";
    let alone = run(&["--output", "json", table]);
    let expected = ["unclassified StartContainer web-0 -", "not_scheduled OffNode big -"];
    assert_eq!(ids(&alone), expected);
    let told = &objects(&alone)[0];
    assert_eq!(told["cause"]["title"], "the container ends again and again; nothing here says why");
    assert_eq!(
        told["next"][0]["command"],
        "kubectl -n shop logs web-0 --all-containers --previous --tail=50"
    );
    let more = run(&["--output", "json", table, "explain/cases/describe-image-pull.txt"]);
    let ids = ids(&more);
    assert!(ids.contains(&"image_not_found StartContainer web-0 app".to_owned()), "{ids:?}");
    assert!(!ids.iter().any(|id| id.starts_with("unclassified")), "{ids:?}");
}

#[test]
fn r13_what_powershell_wrote_is_explained_and_a_program_is_refused() {
    let text = fs::read_to_string(format!("{TESTS}/explain/cases/pod-status.yaml")).unwrap();
    let wide: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.replace('\n', "\r\n").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let output = piped(&wide, &["--output", "json"]);
    assert_eq!(told(&objects(&output)[0]), "config_configmap_missing StartContainer web-0 app");
    let program = fs::read(env!("CARGO_BIN_EXE_podwhy")).unwrap();
    let output = piped(&program[..65_536], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("standard input: it is no text"), "{}", complaint(&output));
}

#[test]
fn what_is_copied_out_of_a_chat_is_explained() {
    for (text, expected) in [
        (
            "> Warning  FailedMount  8s (x8 over 90s)  kubelet  MountVolume.SetUp failed for volume \
             \"tls\" : secret \"tls-cert\" not found",
            "volume_secret_object_missing MountVolume - -",
        ),
        (
            "toomanyrequests: You have reached your pull rate limit.",
            "image_rate_limited StartContainer - -",
        ),
        ("exec /docker-entrypoint.sh: exec format error", "exec_format_error StartContainer - -"),
        (
            "standard_init_linux.go:228: exec user process caused: no such file or directory",
            "exec_interpreter_missing StartContainer - -",
        ),
    ] {
        let output = piped(text.as_bytes(), &["--output", "json"]);
        let ids: Vec<String> = objects(&output).iter().map(told).collect();
        assert_eq!(ids, [expected], "{}", complaint(&output));
    }
}

#[test]
fn a_line_that_was_cut_before_its_pod_still_says_what_failed() {
    let line = "Nov 22 13:00:01 n1 kubelet[1234]: E1122 13:00:01.123456    1234 \
                pod_workers.go:1301] \"Error syncing pod, skipping\" err=\"failed to \
                \\\"StartContainer\\\" for \\\"app\\\" with ErrImagePull: \\\"rpc error: code = \
                NotFound desc = failed to pull\n";
    let output = piped(line.as_bytes(), &["--output", "json"]);
    let incidents = objects(&output);
    assert_eq!(incidents.len(), 1, "{}", complaint(&output));
    assert_eq!(incidents[0]["reason"], "ErrImagePull");
    assert_eq!(incidents[0]["pods"][0]["container"], "app");
}

#[test]
fn a_filter_that_leaves_nothing_says_so_and_one_that_names_nothing_is_refused() {
    let file = "explain/cases/describe-image-pull.txt";
    let output = run(&["-n", "elsewhere", "--cause", "image", file]);
    let told = out(&output);
    assert!(told.contains("left out by -n elsewhere (1)"), "{told}");
    assert!(!told.contains("healed") && !told.contains("--cause"), "{told}");
    for (option, value, near) in [
        ("--step", "StartContaner", "did you mean StartContainer?"),
        ("--cause", "image_not_fund", "did you mean image_not_found?"),
    ] {
        let output = run(&[option, value, file]);
        assert_eq!(output.status.code(), Some(2), "{option}");
        assert!(complaint(&output).contains(near), "{}", complaint(&output));
    }
}

#[test]
fn the_liveness_probe_kills_after_its_delay_and_its_periods() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: \
               app\n    image: registry.test/web:1\n    resources: {limits: {memory: 64Mi}}\n    \
               livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 1, failureThreshold: 1, \
               timeoutSeconds: 5}\n";
    let told = out(&piped(pod.as_bytes(), &[]));
    assert!(told.contains("kills after 1 s"), "{told}");
}

#[test]
fn a_command_names_the_node_that_the_input_names_and_what_to_type_there() {
    let line = "E1117 10:31:46.882140    2148 kubelet.go:2419] \"Skipping pod synchronization\" \
                err=\"[container runtime is down, PLEG is not healthy: pleg was last seen active \
                4m12.5s ago; threshold is 3m0s]\"";
    let bare = out(&piped(line.as_bytes(), &[]));
    assert!(bare.contains("node/<node>"), "{bare}");
    let logged = format!("Nov 17 10:31:46 node-9 kubelet[2148]: {line}\n");
    let told = out(&piped(logged.as_bytes(), &[]));
    assert!(told.contains("node/node-9") && !told.contains("<node>"), "{told}");
    assert!(told.contains("on the node itself: "), "{told}");
}

#[test]
fn nothing_recognised_says_what_helps_and_ends_with_3() {
    let output = piped(b"hello\nworld\n", &["--output", "json"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(3), ""));
    let said: Value = serde_json::from_str(&complaint(&output)).unwrap();
    assert_eq!((&said["kind"], &said["lines"]), (&Value::from("nothing"), &Value::from(2)));
    assert!(said["hint"].as_str().unwrap().contains("kubectl describe pod"));

    let output = piped(b"", &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(complaint(&output).contains("the input is empty"), "{}", complaint(&output));
}

const FINE: &[u8] = b"apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: registry.test/web:1
    resources: {requests: {memory: 64Mi}, limits: {memory: 64Mi}}
";

#[test]
fn a_manifest_without_fault_ends_with_3_and_says_so_in_either_form() {
    let output = piped(FINE, &["--output", "json"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(3), ""));
    let said: Value = serde_json::from_str(&complaint(&output)).unwrap();
    assert_eq!(said["kind"], "nothing");
    assert_eq!(said["hint"], "nothing in 1 manifest is known to fail or to hurt");

    let output = piped(FINE, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", complaint(&output));
    assert!(out(&output).contains("no advice: nothing in 1 manifest"), "{}", out(&output));
    assert_eq!(complaint(&output), "");

    let hurts = String::from_utf8_lossy(FINE).replace("web:1", "Web:1");
    let output = piped(hurts.as_bytes(), &["--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
}

#[test]
fn an_input_that_cannot_be_read_is_named_and_the_others_are_explained() {
    let output = run(&["no-such-file", "explain/cases/events.json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(complaint(&output).contains("cannot read no-such-file"), "{}", complaint(&output));
    assert_eq!(run(&["no-such-file"]).status.code(), Some(1));
    assert_eq!(run(&["--output", "xml"]).status.code(), Some(2));
}

#[test]
fn what_nothing_dates_is_said_to_be_of_no_time_and_moves_no_clock() {
    let tables = ["explain/cases/events-table.txt", "explain/cases/pods-table.txt"];
    for table in tables {
        for form in ["json", "text"] {
            let output = run(&["--output", form, table, "explain/cases/describe-crash-loop.txt"]);
            let text = out(&output);
            assert!(!text.contains("1970"), "{table}: {text}");
            assert!(!text.to_lowercase().contains("stale"), "{table}: {text}");
        }
    }
}

#[test]
fn several_files_are_one_answer_and_evidence_says_which() {
    let files = ["explain/cases/terminal-copy.txt", "explain/cases/pod-status.yaml"];
    let output = run(&["--output", "json", files[0], files[1]]);
    let incidents: Vec<Value> =
        objects(&output).into_iter().filter(|object| object["kind"] != "advice").collect();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let evidence = incidents[0]["evidence"].as_array().unwrap();
    let line = evidence.iter().find(|it| it["file"] == files[0]).unwrap();
    assert_eq!(line["line"], 1);
    assert!(!out(&output).contains("hunter2"), "no value of a variable is shown");
}

#[test]
fn r85_a_manifest_gets_advice_and_no_incident() {
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - \
                    name: app\n    image: registry.test/web:latest\n";
    let output = piped(manifest.as_bytes(), &["--output", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let ids: Vec<Value> = objects(&output)
        .iter()
        .map(|object| {
            assert_eq!(object["kind"], "advice");
            object["id"].clone()
        })
        .collect();
    assert_eq!(ids, ["image_latest", "no_memory_limit"]);
    let text = out(&piped(manifest.as_bytes(), &[]));
    assert!(text.starts_with("ADVICE Pod/web container app [line 6]"), "{text}");
}

#[test]
fn colours_are_for_terminals_or_on_request_and_say_nothing_alone() {
    let file = "explain/cases/events.json";
    let plain = out(&run(&[file]));
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(plain.starts_with("OPEN shop/mail-0  "), "{plain}");
    let coloured = out(&run(&["--color", "always", file]));
    assert!(coloured.contains("\u{1b}[31mOPEN\u{1b}[0m"), "{coloured}");
    let mut stripped = String::new();
    for (at, piece) in coloured.split("\u{1b}[").enumerate() {
        stripped += if at == 0 { piece } else { piece.split_once('m').unwrap().1 };
    }
    assert_eq!(stripped, plain);
}

#[test]
fn the_text_folds_at_the_terminals_width_but_commands_stay_whole() {
    let file = "explain/cases/events.json";
    let output = podwhy().arg(file).env("COLUMNS", "60").stdin(Stdio::null()).output().unwrap();
    let text = out(&output);
    for line in text.lines().filter(|line| !line.contains("kubectl")) {
        let is_one_word = !line.trim().contains(' ');
        assert!(line.chars().count() <= 60 || is_one_word, "{line}");
    }
    assert!(text.lines().any(|line| line.contains("kubectl")), "{text}");
}

#[test]
fn o25_what_a_pod_wrote_moves_no_cursor_and_gives_no_secret_away() {
    let hostile = "E1122 22:52:35.604216    1234 pod_workers.go:1324] \"Error syncing pod, skipping\" \
        err=\"failed to \\\"StartContainer\\\" for \\\"app\\\" with RunContainerError: \\\"boom \\\\x1b[2J \
        \u{9b}31m \u{202e}abc https://u:hunter2@h/ Bearer abcdefghijklmnopqrstuvwxyz012345\\\"\" \
        pod=\"shop/web-0\" podUID=\"0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11\"\n";
    for form in ["text", "json"] {
        let output = piped(hostile.as_bytes(), &["--output", form]);
        let text = out(&output);
        assert_eq!(output.status.code(), Some(0));
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.chars().any(steers), "{text:?}");
        assert!(
            !text.contains("hunter2") && !text.contains("abcdefghijklmnopqrstuvwxyz"),
            "{text}"
        );
        assert!(text.contains("boom"), "{text}");
    }
}

#[test]
fn filters_choose_among_what_was_found() {
    let files = ["explain/cases/events.json", "explain/cases/pod-status.yaml"];
    let names = |filter: &[&str]| -> Vec<String> {
        let output = run(&[&["--output", "json"], &files[..], filter].concat());
        assert_eq!(output.status.code(), Some(0), "what was left out was explained all the same");
        objects(&output)
            .iter()
            .filter(|object| object["kind"] != "advice")
            .map(|incident| incident["pods"][0]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&["--pod", "mail"]), ["mail-0"]);
    assert_eq!(names(&["--pod", "shop/web-0"]), ["web-0"]);
    assert_eq!(names(&["--namespace", "other"]), Vec::<String>::new());
    assert_eq!(names(&["--step", "startcontainer"]).len(), 2);
    assert_eq!(names(&["--cause", "config_configmap_missing"]), ["web-0"]);
    assert_eq!(names(&["--since", "1m"]), ["mail-0"]);
}

#[test]
fn help_teaches_with_examples() {
    let text = out(&run(&["--help"]));
    for needle in ["journalctl -u kubelet", "kubectl describe pod", "--pod-logs", "Exit codes"] {
        assert!(text.contains(needle), "{needle} in {text}");
    }
}

#[test]
fn the_same_recording_in_other_forms_gives_the_same_incidents() {
    let folder = format!("{TESTS}/recordings/config-missing-configmap");
    let export = fs::read(format!("{folder}/journal.export")).unwrap();
    let of = |bytes: &[u8]| -> Vec<String> {
        let output = piped(bytes, &["--output", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        objects(&output).iter().map(told).collect()
    };
    let whole = of(&export);
    assert!(!whole.is_empty());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&export).unwrap();
    assert_eq!(of(&packed.finish().unwrap()), whole, "compressed");
}

/// As somebody writes it who knows more of one image than we do.
const OWN_CAUSE: &str = r#"class: image
causes:
  - id: acme_mirror_not_filled
    title: The mirror has not copied {image} yet
    about: Images reach the mirror an hour after their release.
    steps: [StartContainer]
    match:
      - "failed to resolve reference && registry.test/web:1: not found"
    confidence: 0.7
    next:
      - do: Wait for the copy, or start it.
    clears: The image is pulled.
    runbook: https://wiki.example.net/mirror
    examples:
      - lines: |
          E1122 22:52:35.604216    1234 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"app\" with ErrImagePull: \"failed to resolve reference \\\"registry.test/web:1\\\": registry.test/web:1: not found\"" pod="shop/web-0" podUID="0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11"
"#;

#[test]
fn a_users_cause_that_says_more_outranks_ours_and_brings_its_runbook() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.yaml");
    fs::write(&file, OWN_CAUSE).unwrap();
    let file = file.to_str().unwrap();
    let input = "explain/cases/describe-image-pull.txt";
    let output = run(&["--output", "json", "--causes", file, input]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let incident = &objects(&output)[0];
    assert_eq!(incident["cause"]["id"], "acme_mirror_not_filled");
    assert_eq!(incident["cause"]["runbook"], "https://wiki.example.net/mirror");
    assert_eq!(incident["alternatives"][0]["id"], "image_not_found");

    fs::write(file, OWN_CAUSE.replace("StartContainer]", "StartContianer]")).unwrap();
    let output = run(&["--causes", file, input]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(64), ""));
    let complaint = complaint(&output);
    assert!(complaint.contains("line 3, cause acme_mirror_not_filled"), "{complaint}");
    assert!(complaint.contains("did you mean `StartContainer`?"), "{complaint}");
}

/// A shipper that misses its configuration: lines, last words, and where they are kept, a listing.
fn shipper(pod: &str, facts: &[&str]) -> String {
    let uid = "d03df7fe-ad9e-4628-90d0-99620104577c";
    let lines = [
        r#"Nov 03 12:31:20.410000 node-1 containerd[902]: time="2026-11-03T12:31:20.410000418Z" level=info msg="CreateContainer within sandbox \"1f50f3546d3c25bfed360e9218802318a7bf0fc31eb2c981bd529e11f4050f16\" for &ContainerMetadata{Name:fluentd,Attempt:3,} returns container id \"1af00ff85113bf9cd3d1b4b4eafb9563e6ca5c50f302a7b7276a497a5768576e\"""#,
        &format!(
            r#"Nov 03 12:31:22.961347 node-1 kubelet[1873]: I1103 12:31:22.961286    1873 generic.go:356] "Generic (PLEG): container finished" podID="{uid}" containerID="1af00ff85113bf9cd3d1b4b4eafb9563e6ca5c50f302a7b7276a497a5768576e" exitCode=1"#
        ),
        &format!(
            r#"Nov 03 12:31:22.962694 node-1 kubelet[1873]: E1103 12:31:22.962633    1873 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"fluentd\" with CrashLoopBackOff: \"back-off 40s restarting failed container=fluentd pod=shop-0_web({uid})\"" pod="web/shop-0" podUID="{uid}""#
        ),
    ];
    let words = format!(
        r#"{{"fact":"last_words","at":1793709083000000,"instance":{{"pod":{pod},"container":"fluentd","container_id":"1af00ff85113bf9cd3d1b4b4eafb9563e6ca5c50f302a7b7276a497a5768576e","attempt":3}},"lines":["open /fluentd/etc/fluent.conf: no such file or directory"]}}"#
    );
    let mut all: Vec<&str> = lines.to_vec();
    all.push(&words);
    all.extend(facts);
    all.join("\n") + "\n"
}

#[test]
fn m4_the_listing_of_a_bundles_fact_line_decides_wherever_it_stands() {
    let by_uid = r#"{"uid":"d03df7fe-ad9e-4628-90d0-99620104577c"}"#;
    let by_name = r#"{"namespace":"web","name":"shop-0"}"#;
    let listing = |pod: &str, file: &str, at: i64| {
        format!(
            r#"{{"fact":"listing","at":{at},"pod":{pod},"volumes":[{{"volume":"config","files":[{{"path":"{file}","kind":"file","mode":420,"uid":0,"gid":0}}],"truncated":false}}]}}"#
        )
    };
    let told = |facts: &[&str]| {
        let output = piped(shipper(by_uid, facts).as_bytes(), &["--output", "json"]);
        let incidents = objects(&output);
        assert_eq!(incidents.len(), 1, "{incidents:?}");
        let cause = &incidents[0]["cause"];
        format!("{} {}", cause["id"].as_str().unwrap(), cause["confidence"].as_str().unwrap())
    };
    assert_eq!(told(&[]), "app_missing_file possible");
    // Long before, and after everything else; by uid, and by name alone.
    for (pod, at) in [
        (by_uid, 1_793_709_000_000_000),
        (by_uid, 1_793_709_084_000_000),
        (by_name, 1_793_709_000_000_000),
        (by_name, 1_793_709_084_000_000),
    ] {
        let there = listing(pod, "fluent.conf", at);
        assert_eq!(told(&[&there]), "mount_path_mismatch certain", "{there}");
        let absent = listing(pod, "other.conf", at);
        assert_eq!(told(&[&absent]), "app_missing_file possible", "{absent}");
    }
}
