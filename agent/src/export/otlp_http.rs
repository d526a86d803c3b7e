//! One request to an OTLP/HTTP destination: TLS, headers, compression, a bounded response.
//! Owns the connection and its credentials, which are read again when their files change. Judges
//! no answer.

use reqwest::{
    Certificate, Client, Identity, Response, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};

use super::{
    config::{Config, ConfigError},
    credentials::{self, Watch, file_error, pem},
    retry::Answer,
    transport::{Body, Reached, Said, Transport, chain, inflated},
};
use crate::limits;

/// A destination that speaks OTLP/HTTP with protobuf.
#[derive(Debug)]
pub struct OtlpHttp {
    config: Config,
    url: Url,
    client: Client,
    headers: HeaderMap,
    watch: Watch,
}

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
        let watch = Watch::new(&config);
        let (client, headers) = made(&config)?;
        Ok(Self { client, headers, url, watch, config })
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
        Ok(Reached { answer: Said::Http(response.status().as_u16()), date })
    }
}

impl Transport for OtlpHttp {
    async fn send(&mut self, body: Body) -> Answer {
        match self.exchange(body).await {
            Ok(answer) => answer,
            Err(error) => {
                // A connection that nobody answers on may be dead at its other end: over HTTP/2 the
                // next request would go the same way.
                if error.is_timeout()
                    && let Ok(client) = client(&self.config)
                {
                    self.client = client;
                }
                Answer::None(chain(&error.without_url()))
            }
        }
    }

    fn pack(&self, request: Vec<u8>) -> Body {
        Body::packed(request, self.config.compression)
    }

    fn refresh(&mut self) -> bool {
        let Some(changed) = self.watch.changed(&self.config) else { return false };
        let made = self.watch.settle(&self.config, changed, made(&self.config));
        let Some((client, headers)) = made else { return false };
        (self.client, self.headers) = (client, headers);
        true
    }
}

/// What the files make.
fn made(config: &Config) -> Result<(Client, HeaderMap), ConfigError> {
    Ok((client(config)?, credentials::headers(config)?))
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
    Ok(inflated(&body))
}

fn client(config: &Config) -> Result<Client, ConfigError> {
    let mut builder = Client::builder()
        .user_agent(super::USER_AGENT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .http2_keep_alive_interval(limits::KEEP_ALIVE)
        .http2_keep_alive_timeout(limits::KEEP_ALIVE)
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

#[cfg(test)]
mod tests;
