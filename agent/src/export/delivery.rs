//! The delivery loop of one destination: oldest batch first, one request in flight, until it is
//! taken, split to the record that is refused, or the destination paused. Waits; never gives up.

use std::{sync::Arc, time::Duration};

use tokio::time::{self, Instant};

use super::{
    Closed, Config, ConfigError, Pending, Port, Refused, Request, Shutdown, Stats,
    encode::{self, Envelope, Identity},
    retry::{self, Answer, Backoff, Random, Verdict},
    stats::BatchResult,
    transport::{Body, Transport, Way},
};
use crate::{limits, record::Signal, source::Micros, wall_clock};

/// Delivers to one destination.
#[derive(Debug)]
pub struct Exporter<T = Way> {
    name: String,
    signal: Signal,
    transport: T,
    envelope: Envelope,
    is_loki: bool,
    start_jitter: Duration,
    pace: Pace,
    haste: u32,
    stats: Arc<Stats>,
    backoff: Backoff,
    /// Records refused one after the other, with nothing taken in between.
    refused_in_a_row: u32,
    /// The batch of which every record was refused, by its oldest record, and how often.
    suspect: Option<(u64, u32)>,
    /// It was told that nothing gets through at present.
    has_told_trouble: bool,
    /// The last look found nothing to deliver.
    has_delivered_all: bool,
}

impl Exporter {
    /// Checks the settings; sends nothing yet.
    pub fn new(
        config: Config,
        identity: &Identity,
        stats: Arc<Stats>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::with_transport(&config, Way::new(config.clone())?, identity, stats))
    }
}

/// How a batch came out.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It has left the outbox.
    Taken,
    /// Its content was refused, with this answer.
    Refused(String),
}

/// The loop ends: the core has ended, or the time to drain is over.
#[derive(Debug)]
struct Ended;

impl From<Closed> for Ended {
    fn from(_: Closed) -> Self {
        Self
    }
}

impl<T: Transport> Exporter<T> {
    /// The same over any transport.
    pub fn with_transport(
        config: &Config,
        transport: T,
        identity: &Identity,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            name: config.name.clone(),
            signal: config.signal,
            transport,
            envelope: Envelope::new(identity, config),
            is_loki: config.is_loki(),
            start_jitter: config.start_jitter,
            pace: Pace { rate: config.drain_rate, free_at: Instant::now() },
            haste: config.haste.max(1),
            stats,
            backoff: Backoff::default(),
            refused_in_a_row: 0,
            suspect: None,
            has_told_trouble: false,
            has_delivered_all: false,
        }
    }

    /// Delivers until the core ends or, once `shutdown` names a time, until the outbox is empty or
    /// that time has come. Tells whether all of it was delivered.
    pub async fn run(mut self, port: Port, shutdown: Shutdown) -> bool {
        let mut line = Line { port, shutdown };
        let jitter = self.start_jitter.mul_f64(Random::default().share());
        let _ended_or_closed = async {
            // Told to end meanwhile: what can be drained still is.
            let _waited = line.wait(jitter, false).await;
            loop {
                self.step(&mut line).await?;
            }
            #[expect(unreachable_code, reason = "gives the block its type")]
            Ok::<(), Ended>(())
        }
        .await;
        self.has_delivered_all
    }

    async fn step(&mut self, line: &mut Line) -> Result<(), Ended> {
        let room = limits::BATCH_REQUEST_BYTES.saturating_sub(self.envelope.overhead());
        let found = line.port.fetch(0, limits::BATCH_RECORDS, room).await?;
        self.has_delivered_all = found.is_empty();
        if found.is_empty() {
            return line.idle().await;
        }
        self.transport.refresh();
        let batch = oldest(found);
        let bytes = batch.iter().map(|record| record.bytes.len()).sum();
        if !line.is_ending() {
            // Told to end meanwhile: what can be drained still is.
            let _waited = line.wait(self.pace.wait(bytes, Instant::now()), false).await;
        }
        self.deliver(line, batch).await
    }

    /// Brings a batch to its end: delivered, or its refused records parked.
    async fn deliver(&mut self, line: &mut Line, batch: Vec<Pending>) -> Result<(), Ended> {
        let first = batch.first().map_or(0, |record| record.seq);
        let mut parts = vec![batch];
        let mut parked = Vec::new();
        let mut why = String::new();
        let mut any_taken = false;
        while let Some(mut part) = parts.pop() {
            match self.send(line, &part).await? {
                Outcome::Taken => any_taken = true,
                Outcome::Refused(answer) => {
                    self.stats.batch(BatchResult::Refused);
                    if self.is_still_suspect(first) {
                        return self.pause(line, &answer).await;
                    }
                    why = answer;
                    if part.len() > 1 {
                        let second = part.split_off(part.len() / 2);
                        parts.push(second);
                        parts.push(part);
                    } else {
                        parked.append(&mut part);
                    }
                }
            }
        }
        if any_taken {
            self.refused_in_a_row = 0;
            self.suspect = None;
        }
        if parked.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(parked.len()).unwrap_or(u32::MAX);
        let in_a_row = self.refused_in_a_row.saturating_add(count);
        let is_proven = self
            .suspect
            .is_some_and(|(seq, times)| seq == first && times >= limits::PAUSE_EQUAL_ANSWERS);
        if !any_taken && !is_proven && (count > 1 || in_a_row > limits::REFUSED_IN_A_ROW) {
            // If every record is refused, the fault is not in a record.
            self.suspect = Some((first, 1));
            return self.pause(line, &format!("{why} for every record")).await;
        }
        self.refused_in_a_row = if any_taken { 0 } else { in_a_row };
        self.suspect = None;
        self.stats.set_paused(None);
        self.park(line, &parked, Some(u64::from(count)), &why).await
    }

    /// Whether this batch was refused as a whole before and is not yet proven to be at fault.
    fn is_still_suspect(&mut self, first: u64) -> bool {
        match &mut self.suspect {
            Some((seq, times)) if *seq == first => {
                *times += 1;
                *times < limits::PAUSE_EQUAL_ANSWERS
            }
            _ => false,
        }
    }

    /// Sends the same bytes until there is a final answer.
    async fn send(&mut self, line: &mut Line, part: &[Pending]) -> Result<Outcome, Ended> {
        let Some(request) = self.envelope.batch(part) else { return Ok(Outcome::Taken) };
        let body = self.transport.pack(request);
        let mut equal: Option<(String, u32)> = None;
        loop {
            let answer = self.exchange(line, &body).await?;
            let told = describe(&answer);
            match retry::judge(&answer, self.is_loki, wall_clock::now()) {
                Verdict::Delivered { rejected, message } => {
                    self.taken(line, part, rejected, message.as_deref(), &told).await?;
                    return Ok(Outcome::Taken);
                }
                Verdict::PartlyStored { lost } => {
                    self.settled();
                    self.stats.batch(BatchResult::Partial);
                    let why = format!("{told}: the valid records were stored");
                    self.park(line, part, lost, &why).await?;
                    return Ok(Outcome::Taken);
                }
                Verdict::Refused => {
                    self.debug_text(&answer);
                    return Ok(Outcome::Refused(told));
                }
                Verdict::Retry { after } => {
                    self.stats.batch(BatchResult::Retried);
                    let wait = self.backoff.next(after) / self.haste;
                    self.tell_trouble(&told, wait);
                    line.wait(wait, true).await?;
                    self.transport.refresh();
                }
                Verdict::Pause { lasting } => {
                    self.debug_text(&answer);
                    let times = match equal.take() {
                        Some((known, times)) if known == told => times + 1,
                        _ => 1,
                    };
                    if !lasting && times >= limits::PAUSE_EQUAL_ANSWERS {
                        return Ok(Outcome::Refused(told));
                    }
                    self.pause(line, &told).await?;
                    equal = Some((told, times));
                }
            }
        }
    }

    async fn exchange(&mut self, line: &mut Line, body: &Body) -> Result<Answer, Ended> {
        self.stats.sent(body.bytes.len());
        line.before_the_end(self.transport.send(body.clone())).await
    }

    async fn taken(
        &mut self,
        line: &mut Line,
        part: &[Pending],
        rejected: u64,
        message: Option<&str>,
        told: &str,
    ) -> Result<(), Ended> {
        self.settled();
        if let Some(message) = message {
            tracing::debug!(
                destination = self.name,
                text = shown(message),
                "the destination remarks"
            );
        }
        let all = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let rejected = rejected.min(all);
        self.stats.delivered(all - rejected, wall_clock::now());
        if rejected == 0 {
            self.stats.batch(BatchResult::Delivered);
            let seqs = part.iter().map(|record| record.seq).collect();
            return Ok(line.port.send(Request::Delivered(seqs)).await?);
        }
        self.stats.batch(BatchResult::Partial);
        let why = format!("{told}: taken but for {rejected} of {all} records");
        self.park(line, part, Some(rejected), &why).await
    }

    /// Once for each time that nothing gets through, whatever the answers in between.
    fn tell_trouble(&mut self, answer: &str, wait: Duration) {
        self.stats.set_trouble(Some(shown(answer).to_owned()));
        if std::mem::replace(&mut self.has_told_trouble, true) {
            let wait_ms = wait.as_millis();
            tracing::debug!(destination = self.name, answer, wait_ms, "tried again later");
            return;
        }
        tracing::warn!(
            destination = self.name,
            answer,
            "nothing gets through to the destination; its records are kept and tried again. If it \
             lasts, look at its address, the network and the certificate: podwhy check"
        );
    }

    /// The destination works.
    fn settled(&mut self) {
        self.backoff.reset();
        self.stats.set_trouble(None);
        let was_in_trouble = std::mem::take(&mut self.has_told_trouble);
        if was_in_trouble || self.stats.paused().is_some() {
            self.stats.set_paused(None);
            tracing::info!(destination = self.name, "the destination takes records again");
        }
    }

    /// Takes records out of the way: refused for good, counted, named.
    async fn park(
        &mut self,
        line: &mut Line,
        records: &[Pending],
        lost: Option<u64>,
        why: &str,
    ) -> Result<(), Ended> {
        let known = lost.unwrap_or(1);
        self.stats.refused(known);
        let mut why = why.to_owned();
        if lost == u64::try_from(records.len()).ok() {
            let names: Vec<String> = records
                .iter()
                .take(4)
                .map(|record| encode::name_of(self.signal, &record.bytes))
                .collect();
            why = format!("{why}: {}", names.join(", "));
        }
        tracing::warn!(destination = self.name, why, "records were refused for good");
        let refused = Refused {
            destination: self.name.clone(),
            seqs: records.iter().map(|record| record.seq).collect(),
            lost,
            from: records.iter().map(|record| record.time).min().unwrap_or_default(),
            to: records.iter().map(|record| record.time).max().unwrap_or_default(),
            tells: !records.iter().all(|record| encode::is_loss(self.signal, &record.bytes)),
            why,
        };
        Ok(line.port.send(Request::Refused(refused)).await?)
    }

    /// Keeps the data and looks again once a minute, at once when a credential changes.
    async fn pause(&mut self, line: &mut Line, why: &str) -> Result<(), Ended> {
        self.stats.batch(BatchResult::Paused);
        if self.stats.paused().as_deref() != Some(why) {
            tracing::warn!(
                destination = self.name,
                answer = why,
                "the destination refuses; its records are kept and it is asked once a minute. Look \
                 at its path and the credentials: podwhy check"
            );
            self.stats.set_paused(Some(why.to_owned()));
        }
        if line.is_ending() {
            return Err(Ended);
        }
        let wait = limits::PAUSE_PROBE.mul_f64(0.9 + 0.2 * Random::default().share());
        let until = Instant::now() + wait / self.haste;
        while Instant::now() < until {
            let left = until - Instant::now();
            line.wait(left.min(limits::CREDENTIALS_LOOK), false).await?;
            if self.transport.refresh() {
                break;
            }
        }
        Ok(())
    }

    /// The server's own words can hold credentials: debug only, and only the beginning.
    fn debug_text(&self, answer: &Answer) {
        let text = match answer {
            Answer::Http { body: Some(body), .. } => String::from_utf8_lossy(body),
            Answer::Grpc { text, .. } => text.into(),
            _ => return,
        };
        tracing::debug!(destination = self.name, text = shown(&text), "the answer's text");
    }
}

/// How fast what piled up is sent. A batch is free when as much time has passed as the one before
/// it takes at this rate, so that what comes one by one is never held.
#[derive(Debug)]
struct Pace {
    rate: Option<u64>,
    free_at: Instant,
}

impl Pace {
    /// How long to wait before these bytes are sent, which then count.
    fn wait(&mut self, bytes: usize, now: Instant) -> Duration {
        let Some(rate) = self.rate.filter(|rate| *rate > 0) else { return Duration::ZERO };
        let begins = self.free_at.max(now);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let rate = u32::try_from(rate).unwrap_or(u32::MAX);
        self.free_at = begins + Duration::from_secs_f64(f64::from(bytes) / f64::from(rate));
        begins - now
    }
}

/// The channel to the core and the end of it all.
#[derive(Debug)]
struct Line {
    port: Port,
    shutdown: Shutdown,
}

impl Line {
    fn is_ending(&self) -> bool {
        self.shutdown.borrow().is_some()
    }

    /// Nothing to send: until something is committed or the agent ends.
    async fn idle(&mut self) -> Result<(), Ended> {
        if self.is_ending() {
            return Err(Ended);
        }
        tokio::select! {
            () = self.port.committed() => {
                time::sleep(limits::BATCH_LINGER).await;
                Ok(())
            }
            changed = self.shutdown.changed() => changed.map_err(|_| Ended),
        }
    }

    /// Waits; when the agent ends meanwhile, no longer than it has left (`goes_on`) or not at all.
    async fn wait(&mut self, wait: Duration, goes_on: bool) -> Result<(), Ended> {
        let until = Instant::now() + wait;
        loop {
            let deadline = *self.shutdown.borrow_and_update();
            match deadline {
                Some(_) if !goes_on => return Err(Ended),
                Some(deadline) if deadline <= until => return Err(Ended),
                _ => {}
            }
            tokio::select! {
                () = time::sleep_until(until) => return Ok(()),
                changed = self.shutdown.changed() => changed.map_err(|_| Ended)?,
            }
        }
    }

    /// Lets the work finish, but not after the agent's end.
    async fn before_the_end<R>(&mut self, work: impl Future<Output = R>) -> Result<R, Ended> {
        tokio::pin!(work);
        loop {
            let deadline = *self.shutdown.borrow_and_update();
            let end = async {
                match deadline {
                    Some(deadline) => time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = &mut work => return Ok(done),
                () = end => return Err(Ended),
                changed = self.shutdown.changed() => changed.map_err(|_| Ended)?,
            }
        }
    }
}

/// Sorted by time; of what spans more than an hour, the oldest hour.
fn oldest(mut found: Vec<Pending>) -> Vec<Pending> {
    found.sort_by_key(|record| (record.time, record.seq));
    let span = Micros::try_from(limits::BATCH_SPAN.as_micros()).unwrap_or(Micros::MAX);
    let until = found.first().map_or(0, |record| record.time.saturating_add(span));
    found.retain(|record| record.time <= until);
    found
}

fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Http { status, .. } => format!("HTTP {status}"),
        Answer::Grpc { code, .. } => format!("gRPC {}", retry::grpc_name(*code)),
        Answer::None(why) => why.clone(),
    }
}

fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(limits::SERVER_TEXT_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
