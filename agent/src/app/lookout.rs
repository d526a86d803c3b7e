//! Says when a source cannot work for a while, and when it can again: in the agent's log and as a
//! `podwhy.node_check` record. Owns what was said. Asks nothing of a source itself.

use tokio::time::Instant;

use crate::{
    diagnosis::{Check, CheckStatus},
    limits,
    observation::text::plain,
};

/// Why a source cannot work at the moment.
type Trouble = Box<dyn Fn() -> Option<String> + Send>;

/// The sources, and what is known of each.
#[derive(Debug, Default)]
pub(super) struct Lookout(Vec<Watched>);

struct Watched {
    /// Of its check: from a closed list.
    name: &'static str,
    trouble: Trouble,
    since: Option<Instant>,
    is_told: bool,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Lookout {
    /// Looks after one more.
    pub(super) fn add(
        &mut self,
        name: &'static str,
        trouble: impl Fn() -> Option<String> + Send + 'static,
    ) {
        let trouble = Box::new(trouble);
        self.0.push(Watched { name, trouble, since: None, is_told: false });
    }

    /// What is to be said now.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Check> {
        self.0.iter_mut().filter_map(|watched| watched.look(now)).collect()
    }
}

impl Watched {
    fn look(&mut self, now: Instant) -> Option<Check> {
        let check = |status, text: String| Check {
            name: self.name.to_owned(),
            status,
            value: None,
            threshold: None,
            text,
        };
        let Some(trouble) = (self.trouble)() else {
            let since = self.since.take()?;
            if !std::mem::take(&mut self.is_told) {
                return None;
            }
            let after = now.duration_since(since).as_secs();
            tracing::info!(source = self.name, after_seconds = after, "it is read again");
            return Some(check(CheckStatus::Ok, format!("it is read again, after {after} s")));
        };
        let since = *self.since.get_or_insert(now);
        if self.is_told || now.duration_since(since) < limits::SOURCE_TROUBLE {
            return None;
        }
        let trouble = limits::cut(&plain(&trouble), limits::WORD_BYTES).0.to_owned();
        tracing::error!(source = self.name, %trouble, "it cannot be read; the others go on");
        let said = check(CheckStatus::Degraded, trouble);
        self.is_told = true;
        Some(said)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn trouble_that_lasts_is_told_once_and_its_end_too() {
        let trouble: Arc<Mutex<Option<String>>> = Arc::default();
        let mut lookout = Lookout::default();
        let now_and_then = Arc::clone(&trouble);
        lookout.add("source_files", move || now_and_then.lock().unwrap().clone());
        let begun = Instant::now();
        let mut told = |seconds: u64| -> Vec<(CheckStatus, String)> {
            let checks = lookout.look(begun + std::time::Duration::from_secs(seconds));
            checks.into_iter().map(|check| (check.status, check.text)).collect()
        };
        assert!(told(0).is_empty());
        *trouble.lock().unwrap() = Some("\u{1b}[31mno answer".to_owned());
        assert!(told(10).is_empty(), "it may pass");
        *trouble.lock().unwrap() = None;
        assert!(told(11).is_empty(), "it passed");
        *trouble.lock().unwrap() = Some("no\u{7} answer".to_owned());
        assert!(told(20).is_empty());
        assert_eq!(told(60), [(CheckStatus::Degraded, "no answer".to_owned())]);
        assert!(told(70).is_empty(), "once");
        *trouble.lock().unwrap() = None;
        let again = "it is read again, after 60 s".to_owned();
        assert_eq!(told(80), [(CheckStatus::Ok, again)]);
        assert!(told(90).is_empty());
    }
}
