//! How to reach a destination: the file's settings with the `OTEL_…` variables over them.
//! Owns the rules of addresses and of whose credentials go where; reads no file itself.

mod environment;
mod text;

use std::{fmt, path::PathBuf, time::Duration};

use reqwest::Url;

pub use self::text::{header_lines, header_list};
use super::encode::Bounds;
use crate::{
    config::{self, Environment, Protocol},
    record::Signal,
};

/// Where a signal goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A base: over HTTP, `v1/logs` or `v1/traces` is appended.
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
    /// What goes there.
    pub signal: Signal,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Absent: records go to the terminal.
    pub endpoint: Option<Endpoint>,
    /// Sent with each request.
    pub headers: Headers,
    /// Whether an address without a scheme, as gRPC has them, means one without TLS.
    pub is_insecure: bool,
    /// A file with more headers, one `name: value` a line; read again when it changes.
    pub headers_file: Option<PathBuf>,
    /// A file that holds a token and nothing else, sent as `Authorization: Bearer …`; read again
    /// when it changes.
    pub token_file: Option<PathBuf>,
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
    /// Bytes a second, before compression, at which what piled up is sent; `None` = as fast as the
    /// destination takes them.
    pub drain_rate: Option<u64>,
    /// Waits are divided by this: 1, but where tests let an hour pass in seconds.
    pub haste: u32,
    /// Bounds of a record's attributes.
    pub bounds: Bounds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "otlp".to_owned(),
            signal: Signal::Logs,
            protocol: Protocol::HttpProtobuf,
            endpoint: None,
            is_insecure: false,
            headers: Headers::default(),
            headers_file: None,
            token_file: None,
            compression: Compression::Gzip,
            timeout: Some(Duration::from_secs(10)),
            certificate: None,
            client_certificate: None,
            client_key: None,
            loki: None,
            resource: Vec::new(),
            service_name: None,
            start_jitter: Duration::ZERO,
            drain_rate: None,
            haste: 1,
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
            protocol: section.protocol,
            endpoint: section.logs_endpoint.clone().map(Endpoint::Exact).or(base),
            headers_file: section.headers_file.clone(),
            token_file: section.token_file.clone(),
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
            drain_rate: Some(section.drain_rate).filter(|rate| *rate > 0),
            ..Self::default()
        }
    }
}

/// Where everything goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Destinations {
    /// Records; printed where there is no endpoint.
    pub logs: Config,
    /// Spans of incidents; absent where they are not asked for.
    pub traces: Option<Config>,
}

impl Destinations {
    /// From the file's section, with the standard variables over it; and what was odd about those,
    /// for one warning each.
    #[must_use]
    pub fn of(section: &config::Export, environment: &Environment) -> (Self, Vec<String>) {
        let (logs, mut odd) = Config::of(section, environment);
        let is_asked_for =
            environment::traces_wanted(environment, &mut odd).unwrap_or(section.traces.enabled);
        let mut traces = is_asked_for.then(|| Config::of_traces(section, environment));
        if let Some((config, odd_traces)) = &mut traces {
            odd_traces.retain(|why| !odd.contains(why));
            odd.append(odd_traces);
            if config.endpoint.is_none() && logs.endpoint.is_some() {
                odd.push(
                    "spans are asked for, and there is no endpoint for them: set \
                     export.traces.endpoint; none are made"
                        .to_owned(),
                );
            }
        }
        let traces = traces.map(|(config, _)| config).filter(|config| config.endpoint.is_some());
        (Self { logs, traces }, odd)
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = &Config> {
        std::iter::once(&self.logs).chain(&self.traces)
    }
}

impl Config {
    /// Where records go: the file's section with the standard variables over it; and what was odd
    /// about those.
    #[must_use]
    pub fn of(section: &config::Export, environment: &Environment) -> (Self, Vec<String>) {
        let mut config = Self::from(section);
        let odd = config.apply_env(|name| environment.get(name).cloned());
        (config, odd)
    }

    /// The same for spans. Files with credentials go along only to the endpoint that serves both:
    /// with an address of their own, spans have their own credentials or none.
    fn of_traces(section: &config::Export, environment: &Environment) -> (Self, Vec<String>) {
        let own = &section.traces;
        let base = section.endpoint.clone().map(Endpoint::Base);
        let mut config = Self {
            name: own.name.clone(),
            signal: Signal::Traces,
            protocol: own.protocol.unwrap_or(section.protocol),
            endpoint: own.endpoint.clone().map(Endpoint::Exact).or(base),
            loki: Some(false),
            ..Self::from(section)
        };
        let is_elsewhere = own.endpoint.is_some() || environment::has_own_address(environment);
        if is_elsewhere {
            config.headers_file = None;
            config.token_file = None;
            config.certificate = None;
            config.client_certificate = None;
            config.client_key = None;
        }
        for (own, shared) in [
            (&own.headers_file, &mut config.headers_file),
            (&own.token_file, &mut config.token_file),
            (&own.certificate, &mut config.certificate),
            (&own.client_certificate, &mut config.client_certificate),
            (&own.client_key, &mut config.client_key),
        ] {
            if own.is_some() {
                shared.clone_from(own);
            }
        }
        let odd = config.apply_env(|name| environment.get(name).cloned());
        (config, odd)
    }

    /// The URL (O1); `None` when there is no endpoint. Over gRPC its path means nothing.
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
        let text = text.trim();
        let is_grpc = self.protocol == Protocol::Grpc;
        let completed = match (is_grpc && !text.contains("://"), self.is_insecure) {
            (false, _) => text.to_owned(),
            (true, true) => format!("http://{text}"),
            (true, false) => format!("https://{text}"),
        };
        let mut url = Url::parse(&completed).map_err(|why| error(&why.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(error("its scheme is neither http nor https"));
        }
        if is_grpc {
            url.set_path("");
        } else if is_base {
            let path = url.path().trim_end_matches('/');
            url.set_path(&format!("{path}/v1/{}", self.signal.name()));
        }
        Ok(Some(url))
    }

    /// Whether a 400 of this destination may mean that the valid records were stored.
    pub fn is_loki(&self) -> bool {
        self.loki.unwrap_or_else(|| {
            self.url().ok().flatten().is_some_and(|url| url.path().ends_with("/otlp/v1/logs"))
        })
    }

    /// What may be shown of the address: no user information, no query. `None` without one that
    /// can be sent to.
    pub fn place(&self) -> Option<String> {
        let url = self.url().ok().flatten()?;
        let path = if self.protocol == Protocol::Grpc { "" } else { url.path() };
        Some(format!("{}{path}", url.origin().ascii_serialization()))
    }
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
