//! What an answer means and how long to wait: the table of otlp.md 1.2 and design 7 as pure
//! functions. Sends nothing and looks at no clock.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;

use crate::{limits, source::Micros};

/// What came back for one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An HTTP response, read to its end.
    Http {
        /// Its status.
        status: u16,
        /// The header, if there was one.
        retry_after: Option<String>,
        /// The body, decompressed; `None` when it was larger than we read (O8).
        body: Option<Vec<u8>>,
    },
    /// A gRPC status.
    Grpc {
        /// Its number.
        code: i32,
        /// `RetryInfo.retry_delay`, if there was one.
        retry: Option<Duration>,
        /// The message of a success; `None` when it was larger than we read (O8).
        body: Option<Vec<u8>>,
        /// The server's words, which can hold credentials.
        text: String,
    },
    /// No answer: connection refused, broken, timed out. What failed, without URL or secrets.
    None(String),
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The destination has the batch, but for `rejected` records of it. `message` is the server's.
    Delivered {
        /// Never resent.
        rejected: u64,
        /// For a debug line, truncated.
        message: Option<String>,
    },
    /// Loki's 400: the valid records are stored; never resent. How many were not, if it says so.
    PartlyStored {
        /// As far as the text tells.
        lost: Option<u64>,
    },
    /// Try again, not before `after` where it is given.
    Retry {
        /// What the destination asked for.
        after: Option<Duration>,
    },
    /// The content was refused: split.
    Refused,
    /// The destination refuses, whatever the content. `lasting`: never a matter of content.
    Pause {
        /// Only the credentials, the path or an operator can change it.
        lasting: bool,
    },
}

/// Judges an answer at wall time `now`.
pub fn judge(answer: &Answer, is_loki: bool, now: Micros) -> Verdict {
    match answer {
        Answer::Http { status, retry_after, body } => {
            judge_http(*status, retry_after.as_deref(), body.as_deref(), is_loki, now)
        }
        Answer::Grpc { code, retry, body, .. } => judge_grpc(*code, *retry, body.as_deref()),
        Answer::None(_) => Verdict::Retry { after: None },
    }
}

fn judge_http(
    status: u16,
    retry_after: Option<&str>,
    body: Option<&[u8]>,
    is_loki: bool,
    now: Micros,
) -> Verdict {
    match status {
        // Loki answers so for a blocked tenant: nothing was stored, and an operator wants it so.
        260 => Verdict::Pause { lasting: true },
        200..=299 => delivered(body),
        429 | 502 | 503 | 504 => {
            Verdict::Retry { after: retry_after.and_then(|text| delay(text, now)) }
        }
        400 if is_loki => Verdict::PartlyStored { lost: ignored(body.unwrap_or_default()) },
        400 | 413 => Verdict::Refused,
        401 | 403 | 404 => Verdict::Pause { lasting: true },
        _ => Verdict::Pause { lasting: false },
    }
}

/// The codes by their numbers: `grpc/doc/statuscodes.md`.
fn judge_grpc(code: i32, retry: Option<Duration>, body: Option<&[u8]>) -> Verdict {
    let after = retry.map(|asked| asked.min(limits::RETRY_AFTER_LONGEST));
    match code {
        0 => delivered(body),
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
        1 | 4 | 10 | 11 | 14 | 15 => Verdict::Retry { after },
        // RESOURCE_EXHAUSTED: with a delay the server recovers, without one it does not.
        8 if after.is_some() => Verdict::Retry { after },
        // INVALID_ARGUMENT
        3 => Verdict::Refused,
        // NOT_FOUND, PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED: as 404, 403, 404, 401
        5 | 7 | 12 | 16 => Verdict::Pause { lasting: true },
        _ => Verdict::Pause { lasting: false },
    }
}

/// The name of a gRPC status, as everybody writes it.
#[must_use]
pub const fn grpc_name(code: i32) -> &'static str {
    match code {
        0 => "OK",
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    }
}

/// A success may have an empty, an undecodable or a telling body.
fn delivered(body: Option<&[u8]>) -> Verdict {
    let Some(body) = body else {
        let message = Some("the response was larger than is read".to_owned());
        return Verdict::Delivered { rejected: 0, message };
    };
    let partial =
        ExportLogsServiceResponse::decode(body).ok().and_then(|response| response.partial_success);
    let Some(partial) = partial else {
        return Verdict::Delivered { rejected: 0, message: None };
    };
    Verdict::Delivered {
        rejected: u64::try_from(partial.rejected_log_records).unwrap_or(0),
        message: (!partial.error_message.is_empty()).then_some(partial.error_message),
    }
}

/// `Retry-After`: seconds or an HTTP date. A date in the past is no delay. Bounded, so that one bad
/// answer cannot stop the delivery for good.
fn delay(text: &str, now: Micros) -> Option<Duration> {
    let text = text.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_microsecond();
        Duration::from_micros(u64::try_from(date.saturating_sub(now)).unwrap_or(0))
    };
    Some(asked.min(limits::RETRY_AFTER_LONGEST))
}

/// Loki's text ends in `total ignored: 1 out of 2`.
fn ignored(body: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(body);
    let (_, after) = text.split_once("total ignored: ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Growing waits with jitter. It never gives up: the outbox's size is the bound.
#[derive(Debug)]
pub struct Backoff {
    wait: Duration,
    random: Random,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { wait: limits::RETRY_FIRST, random: Random::default() }
    }
}

impl Backoff {
    /// The next wait: what the destination asked for, else ours; a little more by chance, so that
    /// thousands of agents do not return at once.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let base = asked.unwrap_or(self.wait).max(limits::RETRY_SHORTEST);
        // From 1.0 to 1.2 times what was asked for, 0.8 to 1.2 of our own.
        let factor = match asked {
            Some(_) => 1.0 + 0.2 * self.random.share(),
            None => 0.8 + 0.4 * self.random.share(),
        };
        self.wait = self.wait.mul_f64(1.5).min(limits::RETRY_LAST);
        base.mul_f64(factor)
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.wait = limits::RETRY_FIRST;
    }
}

/// Chance enough for jitter, from the seed of std's hash maps.
#[derive(Debug, Default)]
pub struct Random {
    state: RandomState,
    drawn: u64,
}

impl Random {
    /// From 0 to below 1.
    pub fn share(&mut self) -> f64 {
        self.drawn += 1;
        let bits = u32::try_from(self.state.hash_one(self.drawn) >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

    use super::*;

    fn http(status: u16) -> Answer {
        Answer::Http { status, retry_after: None, body: Some(Vec::new()) }
    }

    fn with_body(status: u16, body: &[u8]) -> Answer {
        Answer::Http { status, retry_after: None, body: Some(body.to_vec()) }
    }

    fn judged(answer: &Answer) -> Verdict {
        judge(answer, false, 0)
    }

    fn asked(status: u16, text: &str, now: Micros) -> Verdict {
        let answer =
            Answer::Http { status, retry_after: Some(text.to_owned()), body: Some(Vec::new()) };
        judge(&answer, false, now)
    }

    #[test]
    fn o3_every_status_leads_to_the_action_of_its_row() {
        for status in 100..600 {
            let expected = match status {
                260 | 401 | 403 | 404 => Verdict::Pause { lasting: true },
                200..=299 => Verdict::Delivered { rejected: 0, message: None },
                429 | 502 | 503 | 504 => Verdict::Retry { after: None },
                400 | 413 => Verdict::Refused,
                _ => Verdict::Pause { lasting: false },
            };
            assert_eq!(judged(&http(status)), expected, "{status}");
        }
        let none = Answer::None("connection refused".to_owned());
        assert_eq!(judged(&none), Verdict::Retry { after: None });
    }

    #[test]
    fn o3_every_grpc_status_leads_to_the_action_of_its_row() {
        let judged = |code, retry| {
            let answer = Answer::Grpc { code, retry, body: Some(Vec::new()), text: String::new() };
            judge(&answer, false, 0)
        };
        let asked = Some(Duration::from_secs(7));
        for code in -1..20 {
            let (without, with) = match code {
                0 => {
                    let delivered = Verdict::Delivered { rejected: 0, message: None };
                    (delivered.clone(), delivered)
                }
                1 | 4 | 10 | 11 | 14 | 15 => {
                    (Verdict::Retry { after: None }, Verdict::Retry { after: asked })
                }
                8 => (Verdict::Pause { lasting: false }, Verdict::Retry { after: asked }),
                3 => (Verdict::Refused, Verdict::Refused),
                5 | 7 | 12 | 16 => {
                    (Verdict::Pause { lasting: true }, Verdict::Pause { lasting: true })
                }
                _ => (Verdict::Pause { lasting: false }, Verdict::Pause { lasting: false }),
            };
            assert_eq!(judged(code, None), without, "{code}");
            assert_eq!(judged(code, asked), with, "{code} with RetryInfo");
        }
        let zero = Some(Duration::ZERO);
        assert_eq!(judged(8, zero), Verdict::Retry { after: zero }, "no delay is a delay too");
        let forever = Some(Duration::from_secs(1 << 40));
        assert_eq!(
            judged(14, forever),
            Verdict::Retry { after: Some(limits::RETRY_AFTER_LONGEST) }
        );
    }

    #[test]
    fn o4_a_delay_is_seconds_or_a_date_and_is_bounded() {
        let now = 784_111_777_000_000; // Sun, 06 Nov 1994 08:49:37 GMT
        let retry = |seconds| Verdict::Retry { after: Some(Duration::from_secs(seconds)) };
        for status in [429, 502, 503, 504] {
            assert_eq!(asked(status, "7", now), retry(7));
        }
        assert_eq!(asked(503, " 0 ", now), retry(0));
        assert_eq!(asked(503, "Sun, 06 Nov 1994 08:49:47 GMT", now), retry(10));
        assert_eq!(asked(503, "Sun, 06 Nov 1994 08:49:07 GMT", now), retry(0));
        assert_eq!(asked(503, "99999999", now), retry(3600));
        for odd in ["soon", "-1", "1.5", "", "Sun, 99 Nov 1994 08:49:07 GMT"] {
            assert_eq!(asked(503, odd, now), Verdict::Retry { after: None }, "{odd}");
        }
        assert_eq!(asked(500, "7", now), Verdict::Pause { lasting: false });
    }

    #[test]
    fn o4_waits_grow_with_jitter_up_to_a_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let mut waits: Vec<Duration> = (0..40).map(|_| backoff.next(None)).collect();
        assert!(waits[0] >= Duration::from_secs(4) && waits[0] <= Duration::from_secs(6));
        assert!(waits[6] > waits[0]);
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(36)));
        waits.drain(..10);
        waits.dedup();
        assert!(waits.len() > 20, "each wait is another");
        let wait = backoff.next(Some(Duration::from_secs(100)));
        assert!(wait >= Duration::from_secs(100) && wait <= Duration::from_secs(120));
        assert!(backoff.next(Some(Duration::ZERO)) >= limits::RETRY_SHORTEST);
        backoff.reset();
        assert!(backoff.next(None) <= Duration::from_secs(6));
    }

    #[test]
    fn o5_an_empty_or_undecodable_success_is_delivered_and_a_blocked_tenant_is_not() {
        let delivered = Verdict::Delivered { rejected: 0, message: None };
        assert_eq!(judged(&http(200)), delivered);
        assert_eq!(judged(&http(204)), delivered);
        assert_eq!(judged(&with_body(200, b"<html>fine</html>")), delivered);
        assert_eq!(judged(&with_body(260, b"blocked")), Verdict::Pause { lasting: true });
    }

    #[test]
    fn o6_a_partial_success_tells_how_many_and_an_empty_one_is_none() {
        let partial = |rejected_log_records, message: &str| {
            let partial_success = Some(ExportLogsPartialSuccess {
                rejected_log_records,
                error_message: message.to_owned(),
            });
            let response = ExportLogsServiceResponse { partial_success };
            judged(&with_body(200, &response.encode_to_vec()))
        };
        let message = Some("too old".to_owned());
        assert_eq!(
            partial(3, "too old"),
            Verdict::Delivered { rejected: 3, message: message.clone() }
        );
        assert_eq!(partial(0, "too old"), Verdict::Delivered { rejected: 0, message });
        assert_eq!(partial(0, ""), Verdict::Delivered { rejected: 0, message: None });
        assert_eq!(partial(-5, ""), Verdict::Delivered { rejected: 0, message: None });
    }

    #[test]
    fn o7_lokis_400_may_be_mostly_stored_but_its_413_is_refused() {
        let text = b"entry has timestamp too old, total ignored: 1 out of 2";
        let judged = |status, body| judge(&with_body(status, body), true, 0);
        assert_eq!(judged(400, text.as_slice()), Verdict::PartlyStored { lost: Some(1) });
        assert_eq!(judged(400, b"broken"), Verdict::PartlyStored { lost: None });
        assert_eq!(judged(413, b""), Verdict::Refused);
    }

    #[test]
    fn o8_a_success_too_large_to_read_is_not_sent_again() {
        let answer = Answer::Http { status: 200, retry_after: None, body: None };
        assert!(matches!(judged(&answer), Verdict::Delivered { rejected: 0, .. }));
    }
}
