//! What is folded, by pod, container and family of the step: bounded and durable. Owns no rule of
//! what folds or heals.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diagnosis::{key::Family, recovery::Proven, world::PodKey},
    observation,
    source::Micros,
};

/// Everything that was folded and is not over.
#[derive(Debug, Default)]
pub(in crate::diagnosis) struct Fold {
    pub(super) seats: BTreeMap<String, Folded>,
    pub(super) dues: BTreeSet<(Micros, String)>,
    pub(super) changed: BTreeSet<String>,
    pub(in crate::diagnosis) counts: Counts,
    /// Its incident does not say yet what changed last. Not durable: after a start it is said anew.
    pub(super) is_unsaid: bool,
}

/// What is counted, whatever is told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::diagnosis) struct Counts {
    /// Attempts for which the fold had no room either, since it last had some: which of them are the
    /// same failure again, and which are over, nothing can tell.
    pub(super) beyond: u64,
}

/// One pod or container that fails, with what must be known to see that it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::diagnosis) struct Folded {
    pub(super) pod: observation::Pod,
    pub(super) family: Family,
    pub(super) cause: String,
    pub(super) title: String,
    /// The newest failure by the lines' clock.
    pub(super) failed_at: Micros,
    /// Since when it runs, by engine time, and what shows it.
    pub(super) runs: Option<Proven>,
    pub(super) due: Option<Micros>,
}

impl Fold {
    /// When the next one has run for long enough.
    pub(in crate::diagnosis) fn next_due(&self) -> Option<Micros> {
        self.dues.first().map(|(due, _)| *due)
    }

    pub(super) fn set_due(&mut self, name: &str, due: Option<Micros>) {
        let Some(seat) = self.seats.get_mut(name) else { return };
        let before = std::mem::replace(&mut seat.due, due);
        if let Some(before) = before {
            self.dues.remove(&(before, name.to_owned()));
        }
        if let Some(due) = due {
            self.dues.insert((due, name.to_owned()));
        }
        self.changed.insert(name.to_owned());
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Folded> {
        let seat = self.seats.remove(name)?;
        if let Some(due) = seat.due {
            self.dues.remove(&(due, name.to_owned()));
        }
        self.changed.insert(name.to_owned());
        Some(seat)
    }

    /// The seats of a pod.
    pub(super) fn of_pod(&self, key: &PodKey) -> Vec<String> {
        let from = format!("{}|", key.0);
        let names = self.seats.range(from.clone()..).map(|(name, _)| name);
        names.take_while(|name| name.starts_with(&from)).cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.changed.extend(self.seats.keys().cloned());
        self.seats.clear();
        self.dues.clear();
        self.counts.beyond = 0;
    }

    /// The uid of a pod became known.
    pub(in crate::diagnosis) fn rename(&mut self, before: &str, key: &PodKey) {
        for name in self.of_pod(&PodKey(before.to_owned())) {
            let Some(mut seat) = self.take(&name) else { continue };
            let rest = name.get(before.len()..).unwrap_or_default();
            let name = format!("{}{rest}", key.0);
            // Both were spoken of: the newer failure counts.
            if let Some(twin) = self.take(&name).filter(|twin| twin.failed_at > seat.failed_at) {
                seat = twin;
            }
            let due = seat.due.take();
            seat.pod.uid = Some(key.0.clone());
            self.seats.insert(name.clone(), seat);
            self.set_due(&name, due);
        }
    }

    /// Hands on what changed since the last call; `None` means gone.
    pub(in crate::diagnosis) fn changes(&mut self, sink: &mut dyn FnMut(&str, Option<&Folded>)) {
        for name in std::mem::take(&mut self.changed) {
            sink(&name, self.seats.get(&name));
        }
    }

    pub(in crate::diagnosis) fn restore(&mut self, name: String, seat: Folded) {
        if let Some(due) = seat.due {
            self.dues.insert((due, name.clone()));
        }
        self.seats.insert(name, seat);
        self.is_unsaid = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(seats: &[(&str, Micros, Option<Micros>)]) -> Fold {
        let mut fold = Fold::default();
        for (name, failed_at, due) in seats {
            let seat = Folded { failed_at: *failed_at, due: *due, ..Folded::default() };
            fold.restore((*name).to_owned(), seat);
        }
        fold
    }

    #[test]
    fn what_runs_is_proven_in_time_whatever_its_pod_is_called_by_then() {
        let mut fold = fold(&[("shop/web-0|app|run", 1, Some(9))]);
        fold.rename("shop/web-0", &PodKey("0b7c".to_owned()));
        assert_eq!(fold.next_due(), Some(9));
        assert!(fold.take("0b7c|app|run").is_some());
        assert_eq!((fold.next_due(), fold.seats.len()), (None, 0));
    }

    #[test]
    fn a_pod_that_was_folded_under_both_its_names_is_one_and_leaves_no_timer_behind() {
        let both = [("shop/web-0|app|run", 2, None), ("0b7c|app|run", 1, Some(9))];
        let mut newer = fold(&both);
        newer.rename("shop/web-0", &PodKey("0b7c".to_owned()));
        assert_eq!((newer.seats.len(), newer.next_due()), (1, None), "it failed again since");
        let both = [("shop/web-0|app|run", 1, None), ("0b7c|app|run", 2, Some(9))];
        let mut older = fold(&both);
        older.rename("shop/web-0", &PodKey("0b7c".to_owned()));
        assert_eq!((older.seats.len(), older.next_due()), (1, Some(9)));
    }
}
