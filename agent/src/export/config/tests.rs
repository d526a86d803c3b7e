//! Where the logs go, by file, variables and flags (O1, O12).

use std::collections::BTreeMap;

use super::*;

fn env(pairs: &[(&str, &str)]) -> (Config, Vec<String>) {
    let map: BTreeMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut config = Config::default();
    let odd = config.apply_env(|name| map.get(name).cloned());
    (config, odd)
}

fn url(config: &Config) -> String {
    config.url().unwrap().unwrap().to_string()
}

#[test]
fn o1_a_base_url_gets_the_path_and_a_signals_url_is_used_as_it_is() {
    for (base, expected) in [
        ("http://localhost:4318", "http://localhost:4318/v1/logs"),
        ("http://localhost:4318/", "http://localhost:4318/v1/logs"),
        ("https://host", "https://host/v1/logs"),
        ("http://loki:3100/otlp", "http://loki:3100/otlp/v1/logs"),
        ("http://loki:3100/otlp/", "http://loki:3100/otlp/v1/logs"),
        ("http://host/a?tenant=b", "http://host/a/v1/logs?tenant=b"),
    ] {
        assert_eq!(url(&env(&[("OTEL_EXPORTER_OTLP_ENDPOINT", base)]).0), expected);
    }
    for (exact, expected) in [
        ("http://host:4318", "http://host:4318/"),
        ("http://host:4318/x/y", "http://host:4318/x/y"),
        ("https://host/v1/logs/", "https://host/v1/logs/"),
    ] {
        let both = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", exact),
        ];
        assert_eq!(url(&env(&both).0), expected);
    }
}

#[test]
fn o1_a_url_that_cannot_be_sent_to_says_how_to_write_it_and_shows_no_secret() {
    for text in ["localhost:4318", "ftp://host", "host", "http://", "http://u:hunter2@ho st"] {
        let (config, _) = env(&[("OTEL_EXPORTER_OTLP_ENDPOINT", text)]);
        let error = config.url().unwrap_err().to_string();
        assert!(error.contains("write it as http://"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn o7_loki_is_known_by_its_path_or_by_setting() {
    let (mut config, _) = env(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://loki:3100/otlp")]);
    assert!(config.is_loki());
    config.loki = Some(false);
    assert!(!config.is_loki());
    let (mut config, _) = env(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://gateway")]);
    assert!(!config.is_loki());
    config.loki = Some(true);
    assert!(config.is_loki());
}

#[test]
fn o12_the_signals_variable_wins_over_the_plain_one() {
    let (config, odd) = env(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/Protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "X-Scope-OrgID=team-a, Authorization=Basic%20abc%3D"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "NONE"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", "/c.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k.pem"),
    ]);
    assert_eq!(odd, Vec::<String>::new());
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        config.headers.0,
        [header("x-scope-orgid", "team-a"), header("authorization", "Basic abc=")]
    );
    assert_eq!(config.compression, Compression::None);
    assert_eq!(config.timeout, Some(Duration::from_millis(2500)));
    assert_eq!(config.certificate, Some("/ca.pem".into()));
    assert_eq!(config.client_certificate, Some("/c.pem".into()));
    assert_eq!(config.client_key, Some("/k.pem".into()));
}

#[test]
fn o12_empty_is_unset_and_odd_values_are_told_and_ignored() {
    let names = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SERVICE_NAME",
        "OTEL_SDK_DISABLED",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    ];
    let empty: Vec<(&str, &str)> = names.iter().map(|name| (*name, " ")).collect();
    assert_eq!(env(&empty), (Config::default(), Vec::new()));

    let (config, odd) = env(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "good=1,s3cret,bad name=s3cret,x=%zz,y=s3cret%0a"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b"),
        ("OTEL_SDK_DISABLED", "yes"),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1000000"),
    ]);
    assert_eq!(odd.len(), 10, "{odd:#?}");
    assert!(!odd.concat().contains("s3cret"), "{odd:#?}");
    assert_eq!(config.headers.0.len(), 1);
    assert!(!format!("{config:?}").contains("\"1\""), "values are never shown");
    config.headers.0.into_iter().for_each(|header| assert_eq!(header.0, "good"));
    assert_eq!(config.timeout, Config::default().timeout);
    assert_eq!(config.bounds, Bounds::default(), "ours is the upper bound");
    assert_eq!(env(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]).0.timeout, None);
}

#[test]
fn o12_the_resource_is_decoded_as_a_whole_or_not_at_all() {
    let (config, odd) = env(&[
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod, team=a%2Cb%3Dc"),
        ("OTEL_SERVICE_NAME", "mine"),
    ]);
    assert!(odd.is_empty());
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(config.service_name.as_deref(), Some("mine"));
    // A raw `=` in a value would have to be encoded; decoded it is one.
    assert_eq!(
        config.resource,
        [pair("deployment.environment.name", "prod"), pair("team", "a,b=c")]
    );
    for bad in ["a=1,b", "a=%f", "a=%ff%fe", "=1", "a=1=2"] {
        let (config, odd) = env(&[("OTEL_RESOURCE_ATTRIBUTES", bad)]);
        assert_eq!((config.resource.len(), odd.len()), (0, 1), "{bad}");
    }
    let (config, odd) = env(&[(
        "OTEL_RESOURCE_ATTRIBUTES",
        "k8s.pod.name=podwhy-x,k8s.namespace.name=kube-system",
    )]);
    assert_eq!((config.resource.len(), odd.len()), (0, 2), "O15: nothing of the agent's own pod");
}

#[test]
fn o12_the_sdk_switch_turns_the_export_off() {
    let (config, _) =
        env(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host"), ("OTEL_SDK_DISABLED", "True")]);
    assert_eq!(config.url(), Ok(None));
}

#[test]
fn o12_a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let config_file = tempfile::NamedTempFile::new().unwrap();
    let file = config::Export {
        endpoint: Some("http://file".into()),
        timeout: Duration::from_secs(3),
        ..config::Export::default()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = config::Environment::from([
        pair("OTEL_EXPORTER_OTLP_ENDPOINT", "http://plain"),
        pair("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://signal/x"),
        pair("OTEL_EXPORTER_OTLP_TIMEOUT", "5"),
        pair("PODWHY_CONFIG", config_file.path().to_str().unwrap()),
    ]);
    let (config, _) = Config::of(&file, &config::Environment::new());
    assert_eq!(url(&config), "http://file/v1/logs");
    assert_eq!(config.timeout, Some(Duration::from_secs(3)));
    let (config, _) = Config::of(&file, &environment);
    assert_eq!(url(&config), "http://signal/x");
    assert_eq!(config.timeout, Some(Duration::from_millis(5)));
    let flag = [pair("export.endpoint", "http://flag")];
    let loaded = config::load(None, &environment, &flag).unwrap();
    let (config, _) = Config::of(&loaded.config.export, &loaded.environment);
    assert_eq!(url(&config), "http://flag/v1/logs");
    assert_eq!(config.timeout, Some(Duration::from_millis(5)));
}

#[test]
fn a_header_file_has_a_header_a_line() {
    let (headers, odd) =
        header_lines("# token\nAuthorization: Bearer a:b=c%20\n\nx-y:z\nnonsense\n");
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(headers.0, [header("authorization", "Bearer a:b=c%20"), header("x-y", "z")]);
    assert_eq!(odd.len(), 1);
}

#[test]
fn a_header_file_may_be_written_as_the_variable_is() {
    let (headers, odd) = header_lines("X-Scope-OrgID=team-a\nauthorization = Basic%20YTpi%3D\n");
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        headers.0,
        [header("x-scope-orgid", "team-a"), header("authorization", "Basic YTpi=")]
    );
    assert_eq!(odd, Vec::<String>::new());
}

fn both(section: &config::Export, pairs: &[(&str, &str)]) -> (Destinations, Vec<String>) {
    let map = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Destinations::of(section, &map.collect())
}

#[test]
fn o12_grpc_is_chosen_for_each_signal_and_its_address_has_no_path() {
    let on = config::Export {
        traces: config::Traces { enabled: true, ..config::Traces::default() },
        ..config::Export::default()
    };
    let (found, odd) = both(
        &on,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317/ignored"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "gRPC"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://loki:3100/otlp/v1/logs"),
        ],
    );
    assert_eq!(odd, Vec::<String>::new());
    assert_eq!(found.logs.protocol, Protocol::HttpProtobuf);
    assert_eq!(found.logs.place().unwrap(), "http://loki:3100/otlp/v1/logs");
    let traces = found.traces.unwrap();
    assert_eq!((traces.protocol, traces.signal), (Protocol::Grpc, Signal::Traces));
    assert_eq!(traces.place().unwrap(), "http://collector:4317");
    assert!(!traces.is_loki());

    for (insecure, expected) in [("true", "http://host:4317"), ("false", "https://host:4317")] {
        let (found, odd) = both(
            &config::Export::default(),
            &[
                ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "host:4317"),
                ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
            ],
        );
        assert_eq!((odd.len(), found.logs.place().as_deref()), (0, Some(expected)));
    }
}

#[test]
fn o12_spans_are_made_only_where_they_are_asked_for() {
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:4318");
    let off = config::Export::default();
    assert_eq!(both(&off, &[base]).0.traces, None, "off by default");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://tempo/x");
    assert_eq!(both(&off, &[base, own]).0.traces, None, "an address is no wish");
    let wish = ("OTEL_TRACES_EXPORTER", "otlp");
    let traces = both(&off, &[base, wish]).0.traces.unwrap();
    assert_eq!(url(&traces), "http://host:4318/v1/traces");
    assert_eq!(url(&both(&off, &[base, wish, own]).0.traces.unwrap()), "http://tempo/x");
    let (found, odd) = both(&off, &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://loki/x"), wish]);
    assert_eq!((found.traces, odd.len()), (None, 1), "nowhere to send them, said once");
    let on = config::Export {
        traces: config::Traces { enabled: true, ..config::Traces::default() },
        ..config::Export::default()
    };
    assert_eq!(both(&on, &[base, ("OTEL_TRACES_EXPORTER", "none")]).0.traces, None);
    assert_eq!(both(&on, &[base, ("OTEL_TRACES_EXPORTER", "zipkin")]).1.len(), 1);
}

#[test]
fn credentials_of_the_log_store_go_to_no_trace_store_of_another_address() {
    let with = |endpoint: Option<&str>, env: &[(&str, &str)]| {
        let section = config::Export {
            endpoint: Some("https://gateway".into()),
            token_file: Some("/token".into()),
            headers_file: Some("/headers".into()),
            certificate: Some("/ca".into()),
            traces: config::Traces {
                enabled: true,
                endpoint: endpoint.map(str::to_owned),
                client_certificate: Some("/mine".into()),
                ..config::Traces::default()
            },
            ..config::Export::default()
        };
        both(&section, env).0.traces.unwrap()
    };
    let shared = with(None, &[]);
    assert_eq!(shared.token_file, Some("/token".into()));
    assert_eq!(shared.headers_file, Some("/headers".into()));
    assert_eq!(shared.certificate, Some("/ca".into()));
    let variable = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://tempo/v1/traces");
    for own in [with(Some("https://tempo/v1/traces"), &[]), with(None, &[variable])] {
        assert_eq!((own.token_file, own.headers_file, own.certificate), (None, None, None));
        assert_eq!(own.client_certificate, Some("/mine".into()));
        assert_eq!(own.name, "otlp_traces");
    }
}
