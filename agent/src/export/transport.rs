//! The way to a destination, whichever protocol it speaks: one request, one answer. Owns what a
//! request's body is; judges no answer.

use std::{
    error::Error,
    future::Future,
    io::{Read, Write},
};

use flate2::{Compression as Level, read::GzDecoder, write::GzEncoder};
use prost::bytes::Bytes;

use super::{
    config::{Compression, Config, ConfigError},
    otlp_grpc::OtlpGrpc,
    otlp_http::OtlpHttp,
    retry::Answer,
};
use crate::{config::Protocol, limits};

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
    pub(super) is_gzip: bool,
}

impl Body {
    pub(super) fn packed(request: Vec<u8>, compression: Compression) -> Self {
        if compression == Compression::Gzip {
            let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
            if let Ok(packed) = gzip.write_all(&request).and_then(|()| gzip.finish()) {
                return Self { bytes: packed.into(), is_gzip: true };
            }
        }
        Self { bytes: request.into(), is_gzip: false }
    }
}

/// What an answer holds; `None` when that is more than is read. Undecodable is as good as empty.
pub(super) fn inflated(packed: &[u8]) -> Option<Vec<u8>> {
    let most = u64::try_from(limits::RESPONSE_BYTES).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    let outcome = GzDecoder::new(packed).take(most + 1).read_to_end(&mut plain);
    if plain.len() > limits::RESPONSE_BYTES {
        return None;
    }
    Some(if outcome.is_ok() { plain } else { Vec::new() })
}

/// The two protocols.
#[derive(Debug)]
pub enum Way {
    /// OTLP/HTTP.
    Http(OtlpHttp),
    /// OTLP/gRPC.
    Grpc(OtlpGrpc),
}

impl Way {
    /// Checks the settings and reads the files they name; opens no connection yet. To be called
    /// inside an async runtime.
    ///
    /// # Errors
    /// What cannot work.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(match config.protocol {
            Protocol::HttpProtobuf => Self::Http(OtlpHttp::new(config)?),
            Protocol::Grpc => Self::Grpc(OtlpGrpc::new(config)?),
        })
    }

    /// Asks in a way that stores nothing: name, connection, TLS and credentials are tried as a
    /// delivery tries them.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn reach(&mut self) -> Result<Reached, String> {
        match self {
            Self::Http(http) => http.reach().await,
            Self::Grpc(grpc) => grpc.reach().await,
        }
    }
}

impl Transport for Way {
    async fn send(&mut self, body: Body) -> Answer {
        match self {
            Self::Http(http) => http.send(body).await,
            Self::Grpc(grpc) => grpc.send(body).await,
        }
    }

    fn pack(&self, request: Vec<u8>) -> Body {
        match self {
            Self::Http(http) => http.pack(request),
            Self::Grpc(grpc) => grpc.pack(request),
        }
    }

    fn refresh(&mut self) -> bool {
        match self {
            Self::Http(http) => http.refresh(),
            Self::Grpc(grpc) => grpc.refresh(),
        }
    }
}

/// What a destination answered to a question that stores nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its word.
    pub answer: Said,
    /// The destination's clock, as it wrote it.
    pub date: Option<String>,
}

/// A status of either protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// To OPTIONS. 405 is the usual one: receivers take POST only.
    Http(u16),
    /// To an export of nothing, which the specification takes.
    Grpc(i32),
}

/// An error with what caused it: the clients' own texts stop before the interesting part.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        // Some repeat what caused them.
        if !text.ends_with(&next_text) {
            text.push_str(": ");
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    text
}
