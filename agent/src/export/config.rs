//! How to reach a destination: the file's settings, the `OTEL_…` variables over them, flags over
//! those. Owns the parsing rules of the variables; reads no file itself.

use std::{fmt, path::PathBuf, time::Duration};

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};

use super::encode::{Bounds, is_of_a_pod};
use crate::{config, limits};

/// Where the logs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A base: `v1/logs` is appended.
    Base(String),
    /// Used as it is.
    Exact(String),
}

/// Compression of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// What every receiver must take.
    #[default]
    Gzip,
    /// As it is.
    None,
}

/// Header names and values. The values are secrets: they are never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "…"))).finish()
    }
}

/// One destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What losses and metrics call it; never its URL.
    pub name: String,
    /// Absent: records go to the terminal.
    pub endpoint: Option<Endpoint>,
    /// Sent with each request.
    pub headers: Headers,
    /// A file with more headers, one `name: value` a line; read again when it changes.
    pub headers_file: Option<PathBuf>,
    /// Compression of requests.
    pub compression: Compression,
    /// For one request; `None` = no limit.
    pub timeout: Option<Duration>,
    /// PEM file: the only CAs to trust, instead of the system's.
    pub certificate: Option<PathBuf>,
    /// PEM file for mutual TLS.
    pub client_certificate: Option<PathBuf>,
    /// PEM file for mutual TLS.
    pub client_key: Option<PathBuf>,
    /// Whether the destination is Loki, whose 400 may mean "mostly stored"; `None`: as its path
    /// tells.
    pub loki: Option<bool>,
    /// Resource attributes of the user.
    pub resource: Vec<(String, String)>,
    /// `service.name`, when it is not `podwhy`.
    pub service_name: Option<String>,
    /// Waits up to this before the first request, so that thousands of agents do not come at once.
    pub start_jitter: Duration,
    /// Bounds of a record's attributes.
    pub bounds: Bounds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "otlp".to_owned(),
            endpoint: None,
            headers: Headers::default(),
            headers_file: None,
            compression: Compression::Gzip,
            timeout: Some(Duration::from_secs(10)),
            certificate: None,
            client_certificate: None,
            client_key: None,
            loki: None,
            resource: Vec::new(),
            service_name: None,
            start_jitter: Duration::ZERO,
            bounds: Bounds::default(),
        }
    }
}

/// A destination that cannot work as it is configured.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The endpoint is no URL that can be sent to.
    #[error("endpoint {endpoint}: {why}: write it as http://host:4318 or https://host:4318")]
    Endpoint {
        /// Without its userinfo.
        endpoint: String,
        /// What is wrong.
        why: String,
    },
    /// A file that is named does not help.
    #[error("{what} {path}: {why}")]
    File {
        /// Which setting.
        what: &'static str,
        /// Its value.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// One of the two is missing.
    #[error("mutual TLS needs both a client certificate and its key: set the one that is missing")]
    HalfIdentity,
    /// A header that HTTP does not allow.
    #[error("header {0:?}: not a valid HTTP header")]
    Header(String),
    /// TLS could not be set up.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

impl From<&config::Export> for Config {
    fn from(section: &config::Export) -> Self {
        let base = section.endpoint.clone().map(Endpoint::Base);
        let pairs = section.resource.iter().filter_map(|pair| pair.split_once('='));
        Self {
            name: section.name.clone(),
            endpoint: section.logs_endpoint.clone().map(Endpoint::Exact).or(base),
            headers_file: section.headers_file.clone(),
            compression: match section.compression {
                config::Compression::Gzip => Compression::Gzip,
                config::Compression::None => Compression::None,
            },
            timeout: Some(section.timeout).filter(|timeout| !timeout.is_zero()),
            certificate: section.certificate.clone(),
            client_certificate: section.client_certificate.clone(),
            client_key: section.client_key.clone(),
            loki: section.loki,
            resource: pairs.map(|(key, value)| (key.trim().into(), value.trim().into())).collect(),
            start_jitter: section.start_jitter,
            ..Self::default()
        }
    }
}

/// The variables that a field set by a flag silences.
const SET_BY_FLAG: [(&str, &str); 9] = [
    ("export.endpoint", "ENDPOINT"),
    ("export.logs_endpoint", "ENDPOINT"),
    ("export.protocol", "PROTOCOL"),
    ("export.headers_file", "HEADERS"),
    ("export.compression", "COMPRESSION"),
    ("export.timeout", "TIMEOUT"),
    ("export.certificate", "CERTIFICATE"),
    ("export.client_certificate", "CLIENT_CERTIFICATE"),
    ("export.client_key", "CLIENT_KEY"),
];

impl Config {
    /// From the file's section, with the standard variables over it; and what was odd about those,
    /// for one warning each.
    #[must_use]
    pub fn of(section: &config::Export, environment: &config::Environment) -> (Self, Vec<String>) {
        Self::load(section, environment, &[])
    }

    /// The same with flags over the variables: `section` has them in it already, so the variables
    /// of the fields in `flags` do not count.
    #[must_use]
    pub fn load(
        section: &config::Export,
        environment: &config::Environment,
        flags: &[(String, String)],
    ) -> (Self, Vec<String>) {
        let silenced = |name: &str| {
            SET_BY_FLAG.iter().any(|(field, suffix)| {
                let rest = name.strip_prefix("OTEL_EXPORTER_OTLP_").unwrap_or_default();
                rest.strip_prefix("LOGS_").unwrap_or(rest) == *suffix
                    && flags.iter().any(|(flag, _)| flag == field)
            })
        };
        let get = |name: &str| environment.get(name).filter(|_| !silenced(name)).cloned();
        let mut config = Self::from(section);
        let odd = config.apply_env(get);
        (config, odd)
    }

    /// The URL for logs (O1); `None` when there is no endpoint.
    pub fn url(&self) -> Result<Option<Url>, ConfigError> {
        let (text, is_base) = match &self.endpoint {
            None => return Ok(None),
            Some(Endpoint::Base(text)) => (text, true),
            Some(Endpoint::Exact(text)) => (text, false),
        };
        let error = |why: &str| ConfigError::Endpoint {
            endpoint: without_userinfo(text),
            why: why.to_owned(),
        };
        let mut url = Url::parse(text.trim()).map_err(|why| error(&why.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(error("its scheme is neither http nor https"));
        }
        if is_base {
            let path = format!("{}/v1/logs", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Ok(Some(url))
    }

    /// Whether a 400 of this destination may mean that the valid records were stored.
    pub fn is_loki(&self) -> bool {
        self.loki.unwrap_or_else(|| {
            self.url().ok().flatten().is_some_and(|url| url.path().ends_with("/otlp/v1/logs"))
        })
    }

    /// Lays the standard variables over what is set; returns what was odd about them, for one
    /// warning each. `get` is the environment, given so that tests need none.
    pub fn apply_env(&mut self, get: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut env = Env { get: &get, odd: Vec::new() };
        if let Some((_, url)) = env.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") {
            self.endpoint = Some(Endpoint::Exact(url));
        } else if let Some((_, url)) = env.get("OTEL_EXPORTER_OTLP_ENDPOINT") {
            self.endpoint = Some(Endpoint::Base(url));
        }
        if env.boolean("OTEL_SDK_DISABLED") {
            self.endpoint = None;
        }
        if let Some((name, value)) = env.signal("PROTOCOL")
            && !value.eq_ignore_ascii_case("http/protobuf")
        {
            env.odd(name, "only http/protobuf is known; it is used");
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
                _ => env.odd(name, "neither gzip nor none; ignored"),
            }
        }
        if let Some((name, value)) = env.signal("TIMEOUT") {
            match value.parse::<u64>() {
                Ok(0) => self.timeout = None,
                Ok(millis) => self.timeout = Some(Duration::from_millis(millis)),
                Err(_) => env.odd(name, "not a whole number of milliseconds; ignored"),
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
        self.apply_resource(&mut env);
        env.odd
    }

    fn apply_resource(&mut self, env: &mut Env<'_>) {
        if let Some((name, value)) = env.get("OTEL_RESOURCE_ATTRIBUTES") {
            match pairs(&value) {
                Some(pairs) => {
                    for (key, value) in pairs {
                        if is_of_a_pod(&key) {
                            env.odd(name, &format!("{key} is of the agent's own pod; left out"));
                            continue;
                        }
                        self.resource.retain(|(known, _)| *known != key);
                        self.resource.push((key, value));
                    }
                }
                None => env.odd(name, "cannot be decoded; ignored as a whole"),
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
                Err(_) => env.odd(name, "not a whole number; ignored"),
            }
        }
    }
}

struct Env<'g> {
    get: &'g dyn Fn(&str) -> Option<String>,
    odd: Vec<String>,
}

impl Env<'_> {
    /// Empty is unset.
    fn get(&self, name: &'static str) -> Option<(&'static str, String)> {
        let value = (self.get)(name)?.trim().to_owned();
        (!value.is_empty()).then_some((name, value))
    }

    /// The form for logs wins over the plain one.
    fn signal(&self, suffix: &str) -> Option<(&'static str, String)> {
        let (logs, plain) = match suffix {
            "PROTOCOL" => ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
            "HEADERS" => ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
            "COMPRESSION" => {
                ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
            }
            "TIMEOUT" => ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
            "CERTIFICATE" => {
                ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE")
            }
            "CLIENT_CERTIFICATE" => (
                "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            ),
            "CLIENT_KEY" => ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
            _ => return None,
        };
        self.get(logs).or_else(|| self.get(plain))
    }

    fn boolean(&mut self, name: &'static str) -> bool {
        let Some((name, value)) = self.get(name) else { return false };
        let is_true = value.eq_ignore_ascii_case("true");
        if !is_true && !value.eq_ignore_ascii_case("false") {
            self.odd(name, "neither true nor false; taken as false");
        }
        is_true
    }

    fn odd(&mut self, name: &str, why: &str) {
        self.odd.push(format!("{name}: {why}"));
    }
}

/// Reads the variable's header list: `name=value`, separated by commas, values percent-encoded.
/// What is odd is told without its value, which is a secret.
pub fn header_list(list: &str) -> (Headers, Vec<String>) {
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    collect_headers(items, |item| {
        let (name, value) = item.split_once('=')?;
        Some((name, percent_decode(value.trim())?))
    })
}

/// Reads a header file: one `name: value` a line, values as they are, `#` begins a comment line.
pub fn header_lines(text: &str) -> (Headers, Vec<String>) {
    let items =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    collect_headers(items, |line| {
        let (name, value) = line.split_once(':')?;
        Some((name, value.trim().to_owned()))
    })
}

fn collect_headers<'t>(
    items: impl Iterator<Item = &'t str>,
    read: impl Fn(&'t str) -> Option<(&'t str, String)>,
) -> (Headers, Vec<String>) {
    let mut headers = Vec::new();
    let mut odd = Vec::new();
    for (index, item) in items.enumerate() {
        let header = read(item).and_then(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            HeaderName::from_bytes(name.as_bytes()).ok()?;
            HeaderValue::from_str(&value).ok()?;
            Some((name, value))
        });
        match header {
            Some(header) => headers.push(header),
            None => odd.push(format!("header {} cannot be read; left out", index + 1)),
        }
    }
    (Headers(headers), odd)
}

/// `k=v,k=v` with percent-encoding; nothing when any of it cannot be decoded.
fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (key, value) = item.split_once('=')?;
        if value.contains('=') {
            return None;
        }
        let (key, value) = (percent_decode(key.trim())?, percent_decode(value.trim())?);
        if key.is_empty() {
            return None;
        }
        all.push((key, value));
    }
    Some(all)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn without_userinfo(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let scheme = url.get(..scheme + 3).unwrap_or_default();
            format!("{scheme}…{}", url.get(at..).unwrap_or_default())
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
