//! Losses that can come with every batch, told as one per window. Owns: their sums. Does not: know
//! why.

use tokio::time::Instant;

use super::frame::Unreadable;
use crate::limits;
use crate::source::{Loss, LossKind, Micros};

/// What is not told yet, by kind.
#[derive(Debug)]
pub(super) struct Losses {
    untrusted: Pending,
    corrupt: Pending,
}

#[derive(Debug)]
struct Pending {
    kind: LossKind,
    lines: u64,
    from: Micros,
    to: Micros,
    why: String,
    told_at: Option<Instant>,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self {
            untrusted: Pending::of(LossKind::Untrusted),
            corrupt: Pending::of(LossKind::Corrupt),
        }
    }

    /// Entries up to `at` that were not believed.
    pub(super) fn untrusted(&mut self, lines: u32, at: Micros) {
        if lines > 0 {
            let why = "entries name a unit or identifier that is read, but journald does not vouch \
                       for them";
            self.untrusted.add(lines, at, at, why);
        }
    }

    /// Entries that could not be decoded.
    pub(super) fn unreadable(&mut self, unreadable: &Unreadable) {
        self.corrupt.add(unreadable.count, unreadable.from, unreadable.to, &unreadable.why);
    }

    /// What is due: the first at once, the next when the window is over, or all at the end.
    pub(super) fn due(&mut self, now: Instant, is_end: bool) -> Vec<Loss> {
        let pending = [&mut self.corrupt, &mut self.untrusted];
        pending.into_iter().filter_map(|pending| pending.take(now, is_end)).collect()
    }
}

impl Pending {
    fn of(kind: LossKind) -> Self {
        Self { kind, lines: 0, from: 0, to: 0, why: String::new(), told_at: None }
    }

    fn add(&mut self, lines: u32, from: Micros, to: Micros, why: &str) {
        if self.lines == 0 {
            self.from = from;
            self.to = to;
            why.clone_into(&mut self.why);
        }
        self.lines += u64::from(lines);
        self.from = self.from.min(from);
        self.to = self.to.max(to);
    }

    fn take(&mut self, now: Instant, is_end: bool) -> Option<Loss> {
        let is_due = self.told_at.is_none_or(|at| now.duration_since(at) >= limits::LOSS_WINDOW);
        if self.lines == 0 || !(is_due || is_end) {
            return None;
        }
        self.told_at = Some(now);
        Some(Loss {
            kind: self.kind,
            component: "journal".to_owned(),
            unit: None,
            lines: Some(std::mem::take(&mut self.lines)),
            from: Some(self.from),
            to: Some(self.to),
            destination: None,
            why: self.why.clone(),
        })
    }
}

/// Something could not be read in this time.
pub(super) fn corrupt(from: Micros, to: Micros, why: String) -> Loss {
    Loss {
        kind: LossKind::Corrupt,
        component: "journal".to_owned(),
        unit: None,
        lines: None,
        from: Some(from),
        to: Some(to),
        destination: None,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_is_told_at_once_and_the_next_ones_together() {
        let (mut losses, start) = (Losses::new(), Instant::now());
        losses.untrusted(2, 10);
        assert_eq!(losses.due(start, false)[0].lines, Some(2));
        losses.untrusted(3, 20);
        losses.untrusted(4, 30);
        assert!(losses.due(start, false).is_empty());
        let later = start + limits::LOSS_WINDOW;
        let told = losses.due(later, false);
        assert_eq!((told[0].lines, told[0].from, told[0].to), (Some(7), Some(20), Some(30)));
        losses.untrusted(1, 40);
        assert_eq!(losses.due(later, true)[0].lines, Some(1), "the end tells what is left");
        assert!(losses.due(later, true).is_empty());
    }
}
