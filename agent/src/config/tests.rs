//! What a user may write, and what they are told when it is wrong.

use std::{collections::BTreeSet, time::Duration};

use super::*;

mod reference;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads from a file named `podwhy.yaml` with this text.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podwhy.yaml");
    std::fs::write(&path, text).unwrap();
    load(Some(&path), &environment(variables), &[])
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "podwhy.yaml"))
}

#[test]
fn the_printed_default_is_the_default_and_shows_every_field() {
    assert_eq!(parse("default.yaml", DEFAULT_YAML).unwrap(), Config::default());
    let printed: serde_json::Value = serde_saphyr::from_str(DEFAULT_YAML).unwrap();
    let printed: BTreeSet<String> =
        overlay::leaves(&printed).into_iter().map(|(path, _)| path).collect();
    assert_eq!(printed, fields().into_iter().collect());
}

#[test]
fn no_two_fields_share_a_variable() {
    let variables: BTreeSet<String> = fields().iter().map(|field| variable(field)).collect();
    assert_eq!(variables.len(), fields().len());
}

#[test]
fn an_empty_file_and_one_of_comments_are_the_default() {
    for text in ["", "\n\n", "# nothing\n", "log:\n  level: info\n"] {
        assert_eq!(load_text(text, &[]).unwrap().config, Config::default(), "{text:?}");
    }
}

#[test]
fn every_field_can_be_set_by_its_variable() {
    let tree = overlay::tree(&Config::default());
    for (field, value) in overlay::leaves(&tree) {
        let name = variable(&field);
        let text = match value {
            serde_json::Value::Array(_) => "/a=1,/b=2".to_owned(),
            serde_json::Value::Null if field == "export.loki" => "true".to_owned(),
            serde_json::Value::Null if field == "export.traces.protocol" => "grpc".to_owned(),
            serde_json::Value::Null => "/a".to_owned(),
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let applied =
            overlay::apply(&Config::default(), &environment(&[(&name, &text)]), &[]).unwrap();
        assert_eq!(applied.from.get(&field), Some(&name), "{name}={text}");
        assert!(applied.warnings.is_empty(), "{name}: {:?}", applied.warnings);
    }
}

#[test]
fn environment_goes_over_the_file_and_settings_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, "node_name: file\ncluster_name: file\njournal:\n  enabled: false\n")
        .unwrap();
    let variables = environment(&[
        ("PODWHY_CONFIG", path.to_str().unwrap()),
        ("PODWHY_NODE_NAME", "variable"),
        ("PODWHY_CLUSTER_NAME", ""),
        ("PODWHY_JOURNAL_UNITS", "kubelet.service, my.service=crio"),
        ("PODWHY_JOURNAL_FIRST_READ_MAX_AGE", "1h"),
        ("PODWHY_JOURNAL_FIRST_READ_MAX_ENTRIES", "7"),
        ("PODWHY_STATE_FOLDER", "/elsewhere"),
    ]);
    let settings = [("state.folder".to_owned(), "/flag".to_owned())];
    let config = load(None, &variables, &settings).unwrap().config;
    assert_eq!(config.node_name.as_deref(), Some("variable"));
    assert_eq!(config.cluster_name.as_deref(), Some("file"), "empty is unset");
    assert!(!config.journal.enabled);
    assert_eq!(config.journal.units, ["kubelet.service", "my.service=crio"]);
    assert_eq!(config.journal.first_read.max_age, Duration::from_secs(3600));
    assert_eq!(config.journal.first_read.max_entries, 7);
    assert_eq!(config.state.folder, Path::new("/flag"));
}

#[test]
fn a_node_whose_name_is_a_number_keeps_it() {
    let config = load_text("", &[("PODWHY_NODE_NAME", "17")]).unwrap().config;
    assert_eq!(config.node_name.as_deref(), Some("17"));
}

#[test]
fn variables_that_set_nothing_are_warned_of_but_not_those_of_a_service_called_podwhy() {
    let loaded = load_text(
        "",
        &[
            ("PODWHY_NODE_NAMES", "a"),
            ("PODWHY_SERVICE_HOST", "10.0.0.1"),
            ("PODWHY_PORT_9102_TCP_ADDR", "10.0.0.1"),
            ("PODWHY_TEST_OTELCOL", "/x"),
        ],
    )
    .unwrap();
    assert_eq!(
        loaded.warnings,
        ["PODWHY_NODE_NAMES sets nothing, did you mean `PODWHY_NODE_NAME`?"]
    );
}

#[test]
fn what_is_wrong_is_said_with_file_line_field_and_the_nearest_name() {
    for (text, message) in [
        (
            "journal:\n  enabled: true\n  unit: [a]\n",
            "podwhy.yaml, line 3: journal.unit: unknown field, did you mean `units`?",
        ),
        ("first_read:\n  max_age: 1h\n", "podwhy.yaml, line 1: first_read: unknown field"),
        (
            "max_age: 1h\n",
            "podwhy.yaml, line 1: max_age: unknown field: `max_age` is known as \
             `journal.first_read.max_age`",
        ),
        (
            "log:\n  level: loud\n",
            "podwhy.yaml, line 2: log.level: `loud` is none of error, warn, info, debug, trace",
        ),
        (
            "node:\n  # how often\n  interval: 30\n",
            "podwhy.yaml, line 3: node.interval: `30` is not a duration: write it as 500ms, 30s, \
             10m or 1h30m",
        ),
        (
            "state:\n  size_max: 8M\n",
            "podwhy.yaml, line 2: state.size_max: `8M` is not a size: write it as 512KiB, 8MiB or \
             1GiB",
        ),
        ("journal:\n  enabled: maybe\n", "podwhy.yaml, line 2: journal.enabled: "),
        ("node_name: a\nnode_name: b\n", "podwhy.yaml, line 2: node_name: given twice"),
        (
            "export:\n  endpoint: https://me:secret@store\n",
            "podwhy.yaml, line 2: export.endpoint: holds credentials: put them into the file that \
             export.headers_file names",
        ),
        ("state:\n  folder: here\n", "podwhy.yaml, line 2: state.folder: must be an absolute path"),
        ("a: [\n", "podwhy.yaml, line "),
    ] {
        let error = load_text(text, &[]).unwrap_err();
        assert!(error.starts_with(message), "{text:?} says {error:?}");
        assert!(!error.contains('\n'), "{error:?}");
    }
}

#[test]
fn a_wrong_variable_is_named_with_its_field() {
    for (name, value, message) in [
        (
            "PODWHY_NODE_INTERVAL",
            "soon",
            "PODWHY_NODE_INTERVAL: node.interval: `soon` is not a duration: write it as 500ms, 30s, \
             10m or 1h30m",
        ),
        (
            "PODWHY_STATE_FOLDER",
            "here",
            "PODWHY_STATE_FOLDER: state.folder: must be an absolute path",
        ),
        ("PODWHY_LOG_LEVEL", "loud", "PODWHY_LOG_LEVEL: log.level: unknown variant `loud`"),
    ] {
        let error = load_text("", &[(name, value)]).unwrap_err();
        assert!(error.starts_with(message), "{error:?}");
    }
    let settings = [("node.intervall".to_owned(), "1s".to_owned())];
    let error = load(None, &Environment::new(), &settings).unwrap_err().to_string();
    assert_eq!(error, "--set: node.intervall: unknown field, did you mean `node.interval`?");
}

#[test]
fn a_variable_of_ours_beats_the_specifications() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://theirs:4318");
    let for_logs = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://theirs:4318/x");
    let others = [("OTEL_EXPORTER_OTLP_TIMEOUT", "7"), ("PATH", "/bin")];
    let given = [&[endpoint, for_logs], &others[..]].concat();
    assert_eq!(load_text("", &given).unwrap().environment, environment(&given));
    let ours = ("PODWHY_EXPORT_ENDPOINT", "http://ours:4318");
    let given = [&given[..], &[ours]].concat();
    let left = load_text("", &given).unwrap().environment;
    assert_eq!(left, environment(&[&others[..], &[ours]].concat()));
}

#[test]
fn a_file_that_is_named_must_exist() {
    let error =
        load(Some(Path::new("/nowhere/podwhy.yaml")), &Environment::new(), &[]).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/podwhy.yaml: No such file"), "{error}");
}

#[test]
fn the_effective_configuration_reads_back_and_shows_no_secret() {
    let mut config = Config::default();
    config.export.endpoint = Some("https://u:secret@store:4318/x?token=secret".into());
    let shown = effective(&config).unwrap();
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("https://…@store:4318/x?…"), "{shown}");
    config.export.endpoint = None;
    assert_eq!(parse("", &effective(&config).unwrap()).unwrap(), config);
}

#[test]
fn how_often_failures_and_incidents_are_told_can_be_chosen() {
    let default = Config::default().diagnosis;
    assert_eq!((default.repeats, default.window), (Repeats::Summary, Duration::from_secs(600)));
    let text =
        "diagnosis:\n  repeats: every\n  recovery:\n    remind_first: 30m\n    remind_every: 12h\n";
    let chosen = load_text(text, &[]).unwrap().config.diagnosis;
    assert_eq!(chosen.repeats, Repeats::Every);
    assert_eq!(chosen.recovery.remind_first, Duration::from_secs(1800));
    assert_eq!(chosen.recovery.remind_second, default.recovery.remind_second);
    assert_eq!(chosen.recovery.remind_every, Duration::from_secs(12 * 3600));
    let wrong = load_text("diagnosis:\n  recovery:\n    remind_second: 1m\n", &[]).unwrap_err();
    assert!(wrong.contains("diagnosis.recovery.remind_second"), "{wrong}");
    assert!(load_text("diagnosis:\n  repeats: never\n", &[]).is_err());
}
