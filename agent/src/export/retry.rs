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
    let Answer::Http { status, retry_after, body } = answer else {
        return Verdict::Retry { after: None };
    };
    let body = body.as_deref();
    match status {
        // Loki answers so for a blocked tenant: nothing was stored, and an operator wants it so.
        260 => Verdict::Pause { lasting: true },
        200..=299 => delivered(body),
        429 | 502 | 503 | 504 => {
            Verdict::Retry { after: retry_after.as_deref().and_then(|text| delay(text, now)) }
        }
        400 if is_loki => Verdict::PartlyStored { lost: ignored(body.unwrap_or_default()) },
        400 | 413 => Verdict::Refused,
        401 | 403 | 404 => Verdict::Pause { lasting: true },
        _ => Verdict::Pause { lasting: false },
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
