//! Hands feeds on from a thread of its own: waits for room, and ends when the agent does. Owns the
//! joining of losses that could come with every look.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Lost, LostKind, wake::Wake};
use crate::{
    limits,
    source::{Feed, Loss, LossKind, Micros, Outlet, Refusal},
};

/// While the core is behind, this often a place in the channel is looked for.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// The agent ends, or nobody listens any more.
#[derive(Debug)]
pub(crate) struct Over;

/// Where a source's feeds go.
#[derive(Debug)]
pub(crate) struct Pump {
    pub(crate) wake: Wake,
    outlet: Box<dyn Outlet>,
    losses: BTreeMap<(LostKind, String), Pending>,
}

/// Losses of one kind in one log that are not told yet.
#[derive(Debug, Default)]
struct Pending {
    lines: Option<u64>,
    bytes: u64,
    from: Micros,
    to: Micros,
    why: String,
    is_untold: bool,
    told_at: Option<Instant>,
}

impl Pump {
    pub(crate) fn new(wake: Wake, outlet: Box<dyn Outlet>) -> Self {
        Self { wake, outlet, losses: BTreeMap::new() }
    }

    /// A full channel stops the reading.
    pub(crate) fn deliver(&self, feed: Feed) -> Result<(), Over> {
        let mut feed = feed;
        loop {
            match self.outlet.offer(feed) {
                Ok(()) => return Ok(()),
                Err(Refusal::Closed) => return Err(Over),
                Err(Refusal::Full(back)) => feed = *back,
            }
            if self.wake.pause(FULL_PAUSE) {
                return Err(Over);
            }
        }
    }

    /// Something of a log is lost: between its last line and now.
    pub(crate) fn lost(&mut self, log: &str, lost: Lost, from: Micros, to: Micros) {
        let most = limits::FOLLOWED_LOGS * 4;
        if self.losses.len() >= most {
            self.losses.retain(|_, pending| pending.is_untold);
        }
        let pending = self.losses.entry((lost.kind, log.to_owned())).or_default();
        if !std::mem::replace(&mut pending.is_untold, true) {
            (pending.lines, pending.bytes) = (Some(0), 0);
            (pending.from, pending.to) = (from, to);
            pending.why = lost.why;
        }
        pending.lines = pending.lines.zip(lost.lines).map(|(one, more)| one + more);
        pending.bytes += lost.bytes;
        pending.from = pending.from.min(from);
        pending.to = pending.to.max(to);
    }

    /// Tells what is due: the first loss of a kind at once, the next ones together.
    pub(crate) fn tell_losses(&mut self, now: Instant, component: &str) -> Result<(), Over> {
        let mut due = Vec::new();
        for ((kind, log), pending) in &mut self.losses {
            let is_due =
                pending.told_at.is_none_or(|at| now.duration_since(at) >= limits::LOSS_WINDOW);
            if pending.is_untold && is_due {
                pending.is_untold = false;
                pending.told_at = Some(now);
                due.push(Loss {
                    kind: match kind {
                        LostKind::Rotated => LossKind::Rotated,
                        LostKind::TooMany => LossKind::Suppressed,
                        LostKind::Unreadable | LostKind::TooLong => LossKind::Corrupt,
                    },
                    component: component.to_owned(),
                    unit: Some(log.clone()),
                    lines: pending.lines,
                    from: Some(pending.from).filter(|from| *from > 0),
                    to: Some(pending.to),
                    destination: None,
                    why: match pending.bytes {
                        0 => pending.why.clone(),
                        bytes => format!("{} ({bytes} bytes at least)", pending.why),
                    },
                });
            }
        }
        due.into_iter().try_for_each(|loss| self.deliver(Feed::Lost(loss, None)))
    }
}
