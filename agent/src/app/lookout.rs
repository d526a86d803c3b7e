//! Says when a source cannot work for a while, and when it can again: in the agent's log and as a
//! `podwhy.node_check` record. Owns what was said. Asks nothing of a source itself.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::{
    diagnosis::{Check, CheckStatus},
    limits,
    observation::text::plain,
};

/// What cannot work at the moment, and why: which part of the source, by a name of its own.
type Troubles = Box<dyn Fn() -> Vec<(String, String)> + Send>;

/// The sources, and what is known of each.
#[derive(Debug, Default)]
pub(super) struct Lookout(Vec<Watched>);

struct Watched {
    /// Of its check: from a closed list.
    name: &'static str,
    troubles: Troubles,
    /// What cannot work, by its name: so many as the source has parts at most.
    known: BTreeMap<String, Known>,
}

/// One trouble.
struct Known {
    since: Instant,
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
        self.add_each(name, move || {
            trouble().map(|why| (String::new(), why)).into_iter().collect()
        });
    }

    /// Looks after one more of several parts, each of which can fail alone.
    pub(super) fn add_each(
        &mut self,
        name: &'static str,
        troubles: impl Fn() -> Vec<(String, String)> + Send + 'static,
    ) {
        self.0.push(Watched { name, troubles: Box::new(troubles), known: BTreeMap::new() });
    }

    /// What is to be said now.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Check> {
        self.0.iter_mut().flat_map(|watched| watched.look(now)).collect()
    }
}

impl Watched {
    fn look(&mut self, now: Instant) -> Vec<Check> {
        let name = self.name;
        let check = |status, text: &str| Check {
            name: name.to_owned(),
            status,
            value: None,
            threshold: None,
            text: limits::cut(&plain(text), limits::WORD_BYTES).0.to_owned(),
        };
        let mut said = Vec::new();
        let troubles = (self.troubles)();
        self.known.retain(|part, known| {
            if troubles.iter().any(|(other, _)| other == part) {
                return true;
            }
            if known.is_told {
                let after = now.duration_since(known.since).as_secs();
                tracing::info!(source = name, part, after_seconds = after, "it is read again");
                let which = if part.is_empty() { "it" } else { part };
                said.push(check(
                    CheckStatus::Ok,
                    &format!("{which} is read again, after {after} s"),
                ));
            }
            false
        });
        for (part, trouble) in troubles {
            let known = self.known.entry(part).or_insert(Known { since: now, is_told: false });
            if !known.is_told && now.duration_since(known.since) >= limits::SOURCE_TROUBLE {
                known.is_told = true;
                let told = check(CheckStatus::Degraded, &trouble);
                tracing::error!(source = name, trouble = %told.text, "it cannot be read; the others go on");
                said.push(told);
            }
        }
        said
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

    #[test]
    fn of_several_each_one_is_told_and_each_ones_end() {
        let troubles: Arc<Mutex<Vec<&str>>> = Arc::default();
        let mut lookout = Lookout::default();
        let now_and_then = Arc::clone(&troubles);
        lookout.add_each("source_other_journals", move || {
            let why = |part: &&str| ((*part).to_owned(), format!("{part} is gone"));
            now_and_then.lock().unwrap().iter().map(why).collect()
        });
        let begun = Instant::now();
        let mut told = |seconds: u64, parts: &[&'static str]| -> Vec<String> {
            *troubles.lock().unwrap() = parts.to_vec();
            let checks = lookout.look(begun + std::time::Duration::from_secs(seconds));
            checks.into_iter().map(|check| check.text).collect()
        };
        assert!(told(0, &["a"]).is_empty());
        assert_eq!(told(40, &["a", "b"]), ["a is gone"]);
        assert_eq!(told(80, &["a", "b"]), ["b is gone"]);
        assert_eq!(told(90, &["b"]), ["a is read again, after 90 s"]);
        assert_eq!(told(100, &[]), ["b is read again, after 60 s"]);
    }
}
