//! Where records and spans go: the section of the file. Secrets have no field here.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{section::Validity, units};
use crate::limits;

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Export {
    /// What losses and metrics call the destination; never its URL.
    pub name: String,
    /// Base URL of an OTLP receiver; nothing: records are printed.
    pub endpoint: Option<String>,
    /// URL for logs that is used as it is; beats `endpoint`.
    pub logs_endpoint: Option<String>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// A file of `name: value` lines sent with every request: secrets live there, not here.
    pub headers_file: Option<PathBuf>,
    /// A file that holds a bearer token and nothing else.
    pub token_file: Option<PathBuf>,
    /// Of the request's body.
    pub compression: Compression,
    /// For one request, answer included.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// PEM file: the CA to trust instead of the system's.
    pub certificate: Option<PathBuf>,
    /// PEM file: who we are.
    pub client_certificate: Option<PathBuf>,
    /// PEM file: its key.
    pub client_key: Option<PathBuf>,
    /// The first request waits a random part of this, so that 3,000 agents do not start as one.
    #[serde(with = "units::duration")]
    pub start_jitter: Duration,
    /// Bytes a second at which what piled up during an outage is sent; 0 sets no bound.
    #[serde(with = "units::size")]
    pub drain_rate: u64,
    /// Whether the receiver is Loki, whose 400 may mean "mostly stored"; else as the path tells.
    pub loki: Option<bool>,
    /// `key=value` pairs that name where this node belongs, such as `cloud.region=eu-1`.
    pub resource: Vec<String>,
    /// Spans of incidents.
    pub traces: Traces,
}

/// One span for each incident, sent at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Off: no span is made, and no record carries the id of one.
    pub enabled: bool,
    /// What losses and metrics call the destination; never its URL.
    pub name: String,
    /// URL that is used as it is; nothing: `export.endpoint`, with its credentials.
    pub endpoint: Option<String>,
    /// Nothing: as the records' one.
    pub protocol: Option<Protocol>,
    /// As above, for an endpoint of its own.
    pub headers_file: Option<PathBuf>,
    /// As above.
    pub token_file: Option<PathBuf>,
    /// As above.
    pub certificate: Option<PathBuf>,
    /// As above.
    pub client_certificate: Option<PathBuf>,
    /// As above.
    pub client_key: Option<PathBuf>,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            enabled: false,
            name: "otlp_traces".to_owned(),
            endpoint: None,
            protocol: None,
            headers_file: None,
            token_file: None,
            certificate: None,
            client_certificate: None,
            client_key: None,
        }
    }
}

/// How a receiver is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// OTLP/HTTP with protobuf.
    #[default]
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// OTLP/gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

impl Protocol {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }
}

/// Of the request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Every receiver takes it.
    #[default]
    Gzip,
    /// For looking at the wire.
    None,
}

impl Default for Export {
    fn default() -> Self {
        Self {
            name: "otlp".to_owned(),
            endpoint: None,
            logs_endpoint: None,
            protocol: Protocol::HttpProtobuf,
            headers_file: None,
            token_file: None,
            compression: Compression::Gzip,
            timeout: Duration::from_secs(10),
            certificate: None,
            client_certificate: None,
            client_key: None,
            start_jitter: Duration::from_secs(10),
            drain_rate: limits::DRAIN_RATE_BYTES,
            loki: None,
            resource: Vec::new(),
            traces: Traces::default(),
        }
    }
}

impl Export {
    pub(super) fn validate(&self) -> Validity {
        url("export.endpoint", self.endpoint.as_deref())?;
        url("export.logs_endpoint", self.logs_endpoint.as_deref())?;
        if self.resource.iter().any(|pair| !pair.contains('=') || pair.starts_with('=')) {
            return Err(("export.resource", "must hold key=value pairs".into()));
        }
        url("export.traces.endpoint", self.traces.endpoint.as_deref())?;
        if self.client_certificate.is_some() != self.client_key.is_some() {
            let why = "needs export.client_certificate and export.client_key together";
            return Err(("export.client_key", why.into()));
        }
        if self.traces.client_certificate.is_some() != self.traces.client_key.is_some() {
            let why =
                "needs export.traces.client_certificate and export.traces.client_key together";
            return Err(("export.traces.client_key", why.into()));
        }
        for (field, name) in
            [("export.name", &self.name), ("export.traces.name", &self.traces.name)]
        {
            if name.is_empty() {
                return Err((field, "must not be empty: losses name the destination".into()));
            }
        }
        if self.traces.name == self.name {
            return Err(("export.traces.name", "must differ from export.name".into()));
        }
        Ok(())
    }
}

/// A URL that can be sent to and holds no credentials: files are read by more eyes than headers.
fn url(field: &'static str, url: Option<&str>) -> Validity {
    let Some(url) = url else { return Ok(()) };
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return Err((field, "must begin with http:// or https://".into()));
    };
    if rest.split('/').next().unwrap_or_default().contains('@') {
        let why = "holds credentials: put them into the file that export.headers_file names";
        return Err((field, why.into()));
    }
    Ok(())
}

/// A URL as it may be shown: without user information and without a query.
pub(super) fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let (host, path) =
        rest.split_once('/').map_or((rest, String::new()), |(h, p)| (h, format!("/{p}")));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("…@{host}"));
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{host}{path}{query}")
}
