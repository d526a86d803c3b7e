//! What a gRPC status holds beside its number: the delay that the server asks for.
//! Field numbers of `google.rpc` (googleapis `google/rpc/{status,error_details}.proto`).

use std::time::Duration;

use prost::{Message, bytes::Bytes};
use tonic::Status;

use crate::export::retry::Answer;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Details {
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Detail>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Detail {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Delay {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// The server's word.
pub(super) fn answer(said: &Status, body: Option<Vec<u8>>) -> Answer {
    Answer::Grpc {
        code: i32::from(said.code()),
        retry: retry(said.details()),
        body,
        text: said.message().to_owned(),
    }
}

/// What an answer without a gRPC status means (`grpc/doc/http-grpc-status-mapping.md`); with the
/// delay of HTTP where it is one of those that pass.
pub(super) fn of_gateway(status: u16, retry_after: Option<String>) -> Answer {
    match status {
        401 | 403 | 404 | 429 | 502 | 503 | 504 => {
            Answer::Http { status, retry_after, body: Some(Vec::new()) }
        }
        _ => {
            let code = if status == 400 { 13 } else { 2 };
            let text = format!("HTTP {status}");
            Answer::Grpc { code, retry: None, body: Some(Vec::new()), text }
        }
    }
}

/// `RetryInfo.retry_delay`. A negative one is none at all.
fn retry(details: &[u8]) -> Option<Duration> {
    let details = Details::decode(details).ok()?.details;
    let info = details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.clone()).ok()?.retry_delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(seconds, nanos))
}
