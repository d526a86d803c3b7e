//! One request to an OTLP/HTTP destination: TLS, headers, compression, a bounded response.
//! Owns the connection and its credentials, which are read again when their files change. Judges
//! no answer.

use std::{
    error::Error,
    fs,
    future::Future,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use flate2::{Compression as Level, read::GzDecoder, write::GzEncoder};
use prost::bytes::Bytes;
use reqwest::{
    Certificate, Client, Identity, Response, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};
use tokio::time::Instant;

use super::{
    config::{Compression, Config, ConfigError, Headers, header_lines},
    retry::Answer,
};
use crate::limits;

/// The way to a destination. The delivery loop is tested with a scripted one.
pub trait Transport {
    /// Sends one request body and reads the answer to its end.
    fn send(&mut self, body: Body) -> impl Future<Output = Answer>;

    /// The body of a request as it goes over the wire.
    fn pack(&self, request: Vec<u8>) -> Body {
        Body { bytes: request.into(), is_gzip: false }
    }

    /// Takes over changed credentials; whether there were any.
    fn refresh(&mut self) -> bool {
        false
    }
}

/// A request body, kept for resends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As it goes over the wire.
    pub bytes: Bytes,
    is_gzip: bool,
}

/// A destination that speaks OTLP/HTTP with protobuf.
#[derive(Debug)]
pub struct OtlpHttp {
    config: Config,
    url: Url,
    client: Client,
    headers: HeaderMap,
    stamps: Vec<Stamp>,
    looked: Instant,
}

type Stamp = Option<(SystemTime, u64, u64)>;

/// Makes ring the provider of TLS. Must come before the first client; a second call changes
/// nothing.
pub fn install_tls_provider() {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}

impl OtlpHttp {
    /// Checks the settings and reads the files they name.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        install_tls_provider();
        let url = config.url()?.ok_or_else(|| ConfigError::Endpoint {
            endpoint: String::new(),
            why: "none is set".to_owned(),
        })?;
        let stamps = stamps(&config);
        Ok(Self {
            client: client(&config)?,
            headers: headers(&config)?,
            url,
            stamps,
            config,
            looked: Instant::now(),
        })
    }

    async fn exchange(&self, body: Body) -> Result<Answer, reqwest::Error> {
        let mut request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        if body.is_gzip {
            request = request.header(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let response = request.body(body.bytes).send().await?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = read(response).await?;
        Ok(Answer::Http { status, retry_after, body })
    }
}

/// What a destination answered to a question that stores nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// HTTP status. 405 is the usual one: receivers take POST only.
    pub status: u16,
    /// The destination's clock, as it wrote it.
    pub date: Option<String>,
}

impl OtlpHttp {
    /// Asks with OPTIONS: name, connection, TLS and credentials are tried as a delivery tries them,
    /// and nothing can be stored. An empty POST would not do: the specification takes it, Loki
    /// answers 400 or 422.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn reach(&self) -> Result<Reached, String> {
        let request = self.client.request(reqwest::Method::OPTIONS, self.url.clone());
        let answer = request.headers(self.headers.clone()).send().await;
        let response = answer.map_err(|error| chain(&error.without_url()))?;
        let date = response.headers().get(reqwest::header::DATE);
        let date = date.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Reached { status: response.status().as_u16(), date })
    }
}

impl Transport for OtlpHttp {
    async fn send(&mut self, body: Body) -> Answer {
        self.exchange(body).await.unwrap_or_else(|error| Answer::None(chain(&error.without_url())))
    }

    fn pack(&self, request: Vec<u8>) -> Body {
        match self.config.compression {
            Compression::None => Body { bytes: request.into(), is_gzip: false },
            Compression::Gzip => {
                let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
                match gzip.write_all(&request).and_then(|()| gzip.finish()) {
                    Ok(packed) => Body { bytes: packed.into(), is_gzip: true },
                    Err(_) => Body { bytes: request.into(), is_gzip: false },
                }
            }
        }
    }

    fn refresh(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.looked) < limits::CREDENTIALS_LOOK {
            return false;
        }
        self.looked = now;
        let stamps = stamps(&self.config);
        if stamps == self.stamps {
            return false;
        }
        match (client(&self.config), headers(&self.config)) {
            (Ok(client), Ok(headers)) => {
                (self.client, self.headers, self.stamps) = (client, headers, stamps);
                tracing::info!(destination = self.config.name, "changed credentials taken over");
                true
            }
            (Err(error), _) | (_, Err(error)) => {
                // Half a rotation: certificate written, key not yet. Looked at again.
                tracing::warn!(
                    destination = self.config.name,
                    %error,
                    "changed credentials cannot be used; the old ones stay until they can"
                );
                false
            }
        }
    }
}

/// The body, decompressed where it says so; `None` when it is larger than is read.
async fn read(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let is_gzip = response
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limits::RESPONSE_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    if !is_gzip {
        return Ok(Some(body));
    }
    let most = u64::try_from(limits::RESPONSE_BYTES).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    let outcome = GzDecoder::new(body.as_slice()).take(most + 1).read_to_end(&mut plain);
    if plain.len() > limits::RESPONSE_BYTES {
        return Ok(None);
    }
    // Undecodable is as good as empty.
    Ok(Some(if outcome.is_ok() { plain } else { Vec::new() }))
}

fn client(config: &Config) -> Result<Client, ConfigError> {
    let version = env!("CARGO_PKG_VERSION");
    let mut builder = Client::builder()
        .user_agent(format!("podwhy/{version} OTel-OTLP-Exporter-Rust/{version}"))
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        // One request in flight needs one connection.
        .pool_max_idle_per_host(1);
    if let Some(timeout) = config.timeout {
        builder = builder.timeout(timeout);
    }
    if let Some(path) = &config.certificate {
        let what = "CA certificate";
        let pem = pem(what, path)?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .map_err(|error| file_error(what, path, &chain(&error)))?;
        if certificates.is_empty() {
            return Err(file_error(what, path, "holds no certificate in PEM form"));
        }
        builder = builder.tls_certs_only(certificates);
    }
    match (&config.client_certificate, &config.client_key) {
        (None, None) => {}
        (Some(certificate), Some(key)) => {
            let mut both = pem("client certificate", certificate)?;
            both.push(b'\n');
            both.extend(pem("client key", key)?);
            let identity = Identity::from_pem(&both).map_err(|error| {
                file_error("client certificate and key", certificate, &chain(&error))
            })?;
            builder = builder.identity(identity);
        }
        _ => return Err(ConfigError::HalfIdentity),
    }
    builder.build().map_err(|error| ConfigError::Client(chain(&error)))
}

fn headers(config: &Config) -> Result<HeaderMap, ConfigError> {
    let mut all = HeaderMap::new();
    let mut put = |headers: &Headers| {
        for (name, value) in &headers.0 {
            let error = || ConfigError::Header(name.clone());
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| error())?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        Ok(())
    };
    if let Some(path) = &config.headers_file {
        let text = fs::read_to_string(path)
            .map_err(|error| file_error("headers file", path, &error.to_string()))?;
        let (headers, odd) = header_lines(&text);
        if let Some(odd) = odd.first() {
            return Err(file_error("headers file", path, odd));
        }
        put(&headers)?;
    }
    put(&config.headers)?;
    Ok(all)
}

fn pem(what: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| file_error(what, path, &error.to_string()))
}

fn file_error(what: &'static str, path: &Path, why: &str) -> ConfigError {
    ConfigError::File { what, path: path.display().to_string(), why: why.to_owned() }
}

/// What tells a changed file from an unchanged one.
fn stamps(config: &Config) -> Vec<Stamp> {
    let files: [&Option<PathBuf>; 4] =
        [&config.certificate, &config.client_certificate, &config.client_key, &config.headers_file];
    files
        .into_iter()
        .map(|path| {
            let meta = fs::metadata(path.as_ref()?).ok()?;
            let inode = std::os::unix::fs::MetadataExt::ino(&meta);
            Some((meta.modified().ok()?, meta.len(), inode))
        })
        .collect()
}

/// An error with what caused it: reqwest's own text stops before the interesting part.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests;
