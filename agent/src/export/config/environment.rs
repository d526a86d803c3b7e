//! The specification's variables, laid over what the file says: empty is unset, a signal's own
//! form wins over the plain one, what is odd is told and ignored, never fatal.

use std::time::Duration;

use super::{
    Compression, Config, Endpoint,
    text::{header_list, pairs},
};
use crate::{
    config::{Environment, Protocol},
    export::encode::is_of_a_pod,
    limits,
    record::Signal,
};

const PREFIX: &str = "OTEL_EXPORTER_OTLP_";

/// What the environment says about spans, if anything.
pub(super) fn traces_wanted(environment: &Environment, odd: &mut Vec<String>) -> Option<bool> {
    let name = "OTEL_TRACES_EXPORTER";
    let value = environment.get(name)?.trim().to_ascii_lowercase();
    match value.as_str() {
        "" => None,
        "otlp" => Some(true),
        "none" => Some(false),
        _ => {
            odd.push(format!("{name}: neither otlp nor none; ignored"));
            None
        }
    }
}

/// Whether the environment sends spans to an address of their own.
pub(super) fn has_own_address(environment: &Environment) -> bool {
    let own = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    own.is_some_and(|url| !url.trim().is_empty())
}

impl Config {
    /// Lays the standard variables over what is set; returns what was odd about them, for one
    /// warning each. `get` is the environment, given so that tests need none.
    pub fn apply_env(&mut self, get: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut env = Env { get: &get, signal: self.signal, odd: Vec::new() };
        if let Some((_, url)) = env.get(&env.own("ENDPOINT")) {
            self.endpoint = Some(Endpoint::Exact(url));
        } else if let Some((_, url)) = env.get(&format!("{PREFIX}ENDPOINT")) {
            self.endpoint = Some(Endpoint::Base(url));
        }
        if env.boolean("OTEL_SDK_DISABLED") {
            self.endpoint = None;
        }
        if let Some((name, value)) = env.signal("PROTOCOL") {
            match value.to_ascii_lowercase().as_str() {
                "grpc" => self.protocol = Protocol::Grpc,
                "http/protobuf" => self.protocol = Protocol::HttpProtobuf,
                _ => {
                    let used = self.protocol.name();
                    env.odd(&name, &format!("neither grpc nor http/protobuf; {used} is used"));
                }
            }
        }
        if let Some((name, _)) = env.signal("INSECURE") {
            self.is_insecure = env.boolean(&name);
        }
        if let Some((name, value)) = env.signal("HEADERS") {
            let (headers, odd) = header_list(&value);
            self.headers = headers;
            env.odd.extend(odd.into_iter().map(|why| format!("{name}: {why}")));
        }
        if let Some((name, value)) = env.signal("COMPRESSION") {
            match value.to_ascii_lowercase().as_str() {
                "gzip" => self.compression = Compression::Gzip,
                "none" => self.compression = Compression::None,
                _ => env.odd(&name, "neither gzip nor none; ignored"),
            }
        }
        if let Some((name, value)) = env.signal("TIMEOUT") {
            match value.parse::<u64>() {
                Ok(0) => self.timeout = None,
                Ok(millis) => self.timeout = Some(Duration::from_millis(millis)),
                Err(_) => env.odd(&name, "not a whole number of milliseconds; ignored"),
            }
        }
        for (suffix, path) in [
            ("CERTIFICATE", &mut self.certificate),
            ("CLIENT_CERTIFICATE", &mut self.client_certificate),
            ("CLIENT_KEY", &mut self.client_key),
        ] {
            if let Some((_, value)) = env.signal(suffix) {
                *path = Some(value.into());
            }
        }
        #[cfg(feature = "test-faults")]
        if let Some((_, value)) = env.get("PODWHY_TEST_HASTE") {
            self.haste = value.parse().unwrap_or(1);
        }
        self.apply_resource(&mut env);
        env.odd
    }

    fn apply_resource(&mut self, env: &mut Env<'_>) {
        if let Some((name, value)) = env.get("OTEL_RESOURCE_ATTRIBUTES") {
            match pairs(&value) {
                Some(pairs) => {
                    for (key, value) in pairs {
                        if is_of_a_pod(&key) {
                            env.odd(&name, &format!("{key} is of the agent's own pod; left out"));
                            continue;
                        }
                        self.resource.retain(|(known, _)| *known != key);
                        self.resource.push((key, value));
                    }
                }
                None => env.odd(&name, "cannot be decoded; ignored as a whole"),
            }
        }
        if let Some((_, value)) = env.get("OTEL_SERVICE_NAME") {
            self.service_name = Some(value);
        }
        for (name, bound, most) in [
            (
                "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                &mut self.bounds.text,
                limits::VALUE_BYTES,
            ),
            (
                "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
                &mut self.bounds.attributes,
                limits::ATTRIBUTES,
            ),
        ] {
            let Some((name, value)) = env.get(name) else { continue };
            match value.parse::<usize>() {
                // Ours is the upper bound: what is larger, no store takes.
                Ok(number) => *bound = number.min(most),
                Err(_) => env.odd(&name, "not a whole number; ignored"),
            }
        }
    }
}

struct Env<'g> {
    get: &'g dyn Fn(&str) -> Option<String>,
    signal: Signal,
    odd: Vec<String>,
}

impl Env<'_> {
    /// The signal's own form of a variable.
    fn own(&self, suffix: &str) -> String {
        format!("{PREFIX}{}_{suffix}", self.signal.name().to_ascii_uppercase())
    }

    /// Empty is unset.
    fn get(&self, name: &str) -> Option<(String, String)> {
        let value = (self.get)(name)?.trim().to_owned();
        (!value.is_empty()).then(|| (name.to_owned(), value))
    }

    /// The form for the signal wins over the plain one.
    fn signal(&self, suffix: &str) -> Option<(String, String)> {
        self.get(&self.own(suffix)).or_else(|| self.get(&format!("{PREFIX}{suffix}")))
    }

    fn boolean(&mut self, name: &str) -> bool {
        let Some((name, value)) = self.get(name) else { return false };
        let is_true = value.eq_ignore_ascii_case("true");
        if !is_true && !value.eq_ignore_ascii_case("false") {
            self.odd(&name, "neither true nor false; taken as false");
        }
        is_true
    }

    fn odd(&mut self, name: &str, why: &str) {
        self.odd.push(format!("{name}: {why}"));
    }
}
