//! One request to an OTLP/gRPC destination: a unary call, put together and read here so that the
//! bytes of a resend are identical and the server's status is never mistaken for a broken
//! connection. The connection itself is tonic's. Judges no answer.

mod dial;
mod message;

use http_body_util::{BodyExt as _, Full};
use prost::bytes::{BufMut as _, BytesMut};
use tonic::{
    Status,
    body::Body as Stream,
    codegen::http::{
        Method, Request, Response, Uri, Version,
        header::{
            CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, TE, USER_AGENT,
        },
        uri::PathAndQuery,
    },
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tower::{Service as _, ServiceExt as _};

use super::{
    config::{Config, ConfigError},
    credentials::{self, Watch, file_error, pem},
    retry::Answer,
    transport::{Body, Reached, Said, Transport, chain, inflated},
};
use crate::{limits, record::Signal};

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What stands before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A destination that speaks OTLP/gRPC.
#[derive(Debug)]
pub struct OtlpGrpc {
    config: Config,
    endpoint: Uri,
    channel: Channel,
    headers: HeaderMap,
    watch: Watch,
}

impl OtlpGrpc {
    /// Checks the settings and reads the files they name. To be called inside an async runtime.
    ///
    /// # Errors
    /// What cannot work.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        super::otlp_http::install_tls_provider();
        let error =
            |why: &str| ConfigError::Endpoint { endpoint: String::new(), why: why.to_owned() };
        let url = config.url()?.ok_or_else(|| error("none is set"))?;
        // Without user information and path, neither of which gRPC has.
        let endpoint = url.origin().ascii_serialization();
        let endpoint: Uri = endpoint.parse().map_err(|_| error("is no address"))?;
        let watch = Watch::new(&config);
        let (channel, headers) = made(&config, &endpoint)?;
        Ok(Self { config, endpoint, channel, headers, watch })
    }

    /// Asks with an export of nothing, which the specification takes and nothing is stored of.
    pub(super) async fn reach(&mut self) -> Result<Reached, String> {
        let body = self.pack(Vec::new());
        let (answer, date) = self.within(body).await?;
        match answer {
            Answer::Grpc { code, .. } => Ok(Reached { answer: Said::Grpc(code), date }),
            Answer::Http { status, .. } => Ok(Reached { answer: Said::Http(status), date }),
            Answer::None(why) => Err(why),
        }
    }

    /// One exchange within the time that a request may take.
    async fn within(&mut self, body: Body) -> Result<(Answer, Option<String>), String> {
        let exchange = exchange(self.channel.clone(), self.request(body));
        let answer = match self.config.timeout {
            None => exchange.await,
            Some(timeout) => match tokio::time::timeout(timeout, exchange).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {} s", timeout.as_secs_f64())),
            },
        };
        // The connection may be dead at its other end, and the next call would go the same way: a
        // new one.
        if answer.is_err()
            && let Ok(channel) = channel(&self.config, &self.endpoint)
        {
            self.channel = channel;
        }
        answer
    }

    fn request(&self, body: Body) -> Request<Stream> {
        let mut frame = BytesMut::with_capacity(PREFIX + body.bytes.len());
        frame.put_u8(u8::from(body.is_gzip));
        // A batch is bounded far below.
        frame.put_u32(u32::try_from(body.bytes.len()).unwrap_or(u32::MAX));
        frame.extend_from_slice(&body.bytes);
        let mut request = Request::new(Stream::new(Full::new(frame.freeze())));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from(path(self.config.signal));
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("gzip,identity"));
        if body.is_gzip {
            headers.insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
        }
        // At most eight digits.
        let millis = self.config.timeout.map(|timeout| timeout.as_millis().min(99_999_999));
        if let Some(value) = millis.and_then(|ms| HeaderValue::from_str(&format!("{ms}m")).ok()) {
            headers.insert(GRPC_TIMEOUT, value);
        }
        request
    }
}

impl Transport for OtlpGrpc {
    async fn send(&mut self, body: Body) -> Answer {
        match self.within(body).await {
            Ok((answer, _)) => answer,
            Err(why) => Answer::None(why),
        }
    }

    fn pack(&self, request: Vec<u8>) -> Body {
        Body::packed(request, self.config.compression)
    }

    fn refresh(&mut self) -> bool {
        let Some(changed) = self.watch.changed(&self.config) else { return false };
        let made = self.watch.settle(&self.config, changed, made(&self.config, &self.endpoint));
        let Some((channel, headers)) = made else { return false };
        (self.channel, self.headers) = (channel, headers);
        true
    }
}

fn path(signal: Signal) -> PathAndQuery {
    PathAndQuery::from_static(match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    })
}

/// What the files make.
fn made(config: &Config, endpoint: &Uri) -> Result<(Channel, HeaderMap), ConfigError> {
    Ok((channel(config, endpoint)?, credentials::headers(config)?))
}

/// A connection that is made with the first call.
fn channel(config: &Config, endpoint: &Uri) -> Result<Channel, ConfigError> {
    let client = |error: tonic::transport::Error| ConfigError::Client(chain(&error));
    let mut builder = Endpoint::from(endpoint.clone())
        .tcp_nodelay(true)
        .http2_keep_alive_interval(limits::KEEP_ALIVE)
        .keep_alive_timeout(limits::KEEP_ALIVE);
    if let Some(timeout) = config.timeout {
        builder = builder.connect_timeout(timeout);
    }
    if endpoint.scheme_str() == Some("https") {
        builder = builder.tls_config(tls(config)?).map_err(client)?;
    }
    Ok(builder.connect_with_connector_lazy(dial::Dial::new()))
}

fn tls(config: &Config) -> Result<ClientTlsConfig, ConfigError> {
    let mut tls = ClientTlsConfig::new();
    match &config.certificate {
        None => tls = tls.with_native_roots(),
        Some(path) => {
            let what = "CA certificate";
            let pem = pem(what, path)?;
            if !pem.windows(CERTIFICATE.len()).any(|part| part == CERTIFICATE) {
                return Err(file_error(what, path, "holds no certificate in PEM form"));
            }
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
    }
    match (&config.client_certificate, &config.client_key) {
        (None, None) => {}
        (Some(certificate), Some(key)) => {
            let certificate = pem("client certificate", certificate)?;
            tls = tls.identity(Identity::from_pem(certificate, pem("client key", key)?));
        }
        _ => return Err(ConfigError::HalfIdentity),
    }
    Ok(tls)
}

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Sends the call and reads the answer to its end: what breaks before is no answer.
async fn exchange(
    mut channel: Channel,
    request: Request<Stream>,
) -> Result<(Answer, Option<String>), String> {
    let told = |error: tonic::transport::Error| chain(&error);
    let response = channel.ready().await.map_err(told)?.call(request).await.map_err(told)?;
    let (head, stream) = response.into_parts();
    let date = text(&head.headers, &DATE);
    let status = head.status.as_u16();
    // A refusal may be all in the head.
    if let Some(said) = Status::from_header_map(&head.headers) {
        return Ok((message::answer(&said, Some(Vec::new())), date));
    }
    if status != 200 {
        // No gRPC server: a gateway before it, and its answer is of the gateway.
        let retry_after = text(&head.headers, &RETRY_AFTER);
        return Ok((message::of_gateway(status, retry_after), date));
    }
    let (body, trailers) = read(Response::from_parts(head, stream)).await?;
    let Some(body) = body else {
        // It goes on and on, and was taken as a success so far.
        return Ok((Answer::Grpc { code: 0, retry: None, body: None, text: String::new() }, date));
    };
    let said = trailers.as_ref().and_then(Status::from_header_map);
    let said = said.ok_or("the answer ended without a status")?;
    Ok((message::answer(&said, unframed(&body)), date))
}

/// The body, `None` when it is larger than is read; and what came behind it.
async fn read(response: Response<Stream>) -> Result<(Option<Vec<u8>>, Option<HeaderMap>), String> {
    let (mut body, mut trailers) = (Vec::new(), None);
    let mut stream = response.into_body();
    while let Some(frame) = stream.frame().await {
        let frame = frame.map_err(|error| format!("the answer broke off: {}", chain(&error)))?;
        match frame.into_data() {
            Ok(data) if body.len() + data.len() > limits::RESPONSE_BYTES => {
                return Ok((None, None));
            }
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok().or(trailers),
        }
    }
    Ok((Some(body), trailers))
}

/// The message in its frame; empty where there is none. `None` when it is larger than is read.
fn unframed(body: &[u8]) -> Option<Vec<u8>> {
    let Some((prefix, message)) = body.split_at_checked(PREFIX) else { return Some(Vec::new()) };
    match prefix.first() {
        Some(1) => inflated(message),
        _ => Some(message.to_vec()),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
