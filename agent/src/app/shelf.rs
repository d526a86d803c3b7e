//! The newest facts, for who asks the agent: pods, the node, what dead containers said. Bounded;
//! what is oldest goes first. Not durable: a watch and the next failure bring it again.

use std::collections::BTreeMap;

use crate::{
    fact::{Dated, Fact, Instance, LastWords, PodRef},
    limits,
    source::Micros,
};

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// By uid, or by namespace and name where nobody told one.
    pods: BTreeMap<String, Dated>,
    /// Of the node as a whole, the newest of each kind.
    node: BTreeMap<&'static str, Dated>,
    /// Of instances: by kind and instance.
    moments: BTreeMap<(&'static str, Instance), Dated>,
}

impl Shelf {
    /// Keeps a fact, where it is one to keep.
    pub(super) fn keep(&mut self, dated: &Dated) {
        match &dated.fact {
            Fact::Pod(pod) => {
                let key = key(pod.uid.as_deref(), &pod.namespace, &pod.name);
                if self.pods.len() < limits::SHELF_PODS || self.pods.contains_key(&key) {
                    self.pods.insert(key, dated.clone());
                }
            }
            Fact::PodGone(pod) => self.gone(pod),
            Fact::PodsListed(listed) => self.pods.retain(|uid, _| listed.uids.contains(uid)),
            Fact::NodeObject(_) => self.of_node("node", dated),
            Fact::Runtime(_) => self.of_node("runtime", dated),
            Fact::View(_) => self.of_node("view", dated),
            Fact::LastWords(words) => self.moment(("words", &words.instance), quotable(dated)),
            Fact::Cgroup(counted) => self.moment(("cgroup", &counted.instance), dated.clone()),
            Fact::Listing(listing) => {
                let whose = Instance { pod: listing.pod.clone(), ..Instance::default() };
                self.moment(("listing", &whose), dated.clone());
            }
            Fact::Containers(told) => {
                let whose = Instance { pod: told.pod.clone(), ..Instance::default() };
                self.moment(("containers", &whose), dated.clone());
            }
            // Live, Kubernetes Events are not read, and what is absent is no fact to tell.
            Fact::Event(_) | Fact::Absent(_) | Fact::LogFolder(_) | Fact::Said(_) => {}
        }
    }

    /// What the node looks like.
    pub(super) fn view(&self) -> Option<crate::node::View> {
        match &self.node.get("view")?.fact {
            Fact::View(view) => Some((**view).clone()),
            _ => None,
        }
    }

    /// What dead containers said, oldest first.
    pub(super) fn words(&self) -> Vec<Dated> {
        let all = self.moments.iter().filter(|((kind, _), _)| *kind == "words");
        let mut all: Vec<Dated> = all.map(|(_, dated)| dated.clone()).collect();
        all.sort_by_key(|dated| dated.at);
        all
    }

    /// All of them, oldest first.
    pub(super) fn facts(&self) -> Vec<Dated> {
        let all = self.node.values().chain(self.pods.values()).chain(self.moments.values());
        let mut all: Vec<Dated> = all.cloned().collect();
        all.sort_by_key(|dated| dated.at);
        all
    }

    fn gone(&mut self, pod: &PodRef) {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        self.pods.remove(&key(pod.uid.as_deref(), &of(&pod.namespace), &of(&pod.name)));
    }

    fn of_node(&mut self, kind: &'static str, dated: &Dated) {
        self.node.insert(kind, dated.clone());
    }

    fn moment(&mut self, (kind, whose): (&'static str, &Instance), dated: Dated) {
        self.moments.insert((kind, whose.clone()), dated);
        if self.moments.len() > limits::SHELF_MOMENTS {
            let oldest = self.moments.iter().min_by_key(|(_, dated)| dated.at);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.moments.remove(&key);
            }
        }
    }
}

/// The time of a fact that has none of its own.
pub(super) const fn dated(at: Micros, fact: Fact) -> Dated {
    Dated { at, fact }
}

fn key(uid: Option<&str>, namespace: &str, name: &str) -> String {
    uid.map_or_else(|| format!("{namespace}/{name}"), str::to_owned)
}

/// Only what may leave the node is kept for those who ask.
fn quotable(given: &Dated) -> Dated {
    let Fact::LastWords(words) = &given.fact else { return given.clone() };
    let lines = words.quotable().to_vec();
    let matters = match words.quote {
        crate::fact::Quote::Tail => words.matters,
        _ => words.matters.filter(|_| !lines.is_empty()).map(|_| 0),
    };
    dated(given.at, Fact::LastWords(Box::new(LastWords { lines, matters, ..(**words).clone() })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Pod, PodsListed, Quote};

    fn pod(uid: &str) -> Dated {
        let pod = Pod { uid: Some(uid.to_owned()), ..Pod::default() };
        dated(1, Fact::Pod(Box::new(pod)))
    }

    fn words(number: usize, quote: Quote) -> Dated {
        let instance = Instance { container: format!("c{number}"), ..Instance::default() };
        let lines = ["first", "why", "last"].map(str::to_owned).to_vec();
        let words = LastWords { instance, lines, matters: Some(1), quote, ..LastWords::default() };
        dated(Micros::try_from(number).unwrap(), Fact::LastWords(Box::new(words)))
    }

    #[test]
    fn a_pod_that_is_gone_is_not_told_any_more() {
        let mut shelf = Shelf::default();
        ["a", "b", "c"].iter().for_each(|uid| shelf.keep(&pod(uid)));
        let gone = PodRef { uid: Some("a".to_owned()), ..PodRef::default() };
        shelf.keep(&dated(2, Fact::PodGone(gone)));
        assert_eq!(shelf.facts().len(), 2);
        let listed = PodsListed { uids: vec!["c".to_owned()] };
        shelf.keep(&dated(3, Fact::PodsListed(listed)));
        assert_eq!(shelf.facts(), [pod("c")]);
    }

    #[test]
    fn every_kind_that_is_kept_is_read_back_from_its_line() {
        let view = Box::new(crate::node::View { at: 7, ..crate::node::View::default() });
        for dated in [dated(9, Fact::View(view)), pod("a"), words(3, Quote::Tail)] {
            let line = serde_json::to_string(&dated).unwrap();
            assert_eq!(serde_json::from_str::<Dated>(&line).expect(&line), dated);
        }
    }

    #[test]
    fn the_newest_words_of_instances_are_kept_within_bounds_and_only_what_may_be_quoted() {
        let mut shelf = Shelf::default();
        (0..limits::SHELF_MOMENTS + 5).for_each(|at| shelf.keep(&words(at, Quote::Line)));
        let facts = shelf.facts();
        assert_eq!(facts.len(), limits::SHELF_MOMENTS);
        assert_eq!(facts[0].at, 5);
        let Fact::LastWords(kept) = &facts[0].fact else { panic!("{facts:?}") };
        assert_eq!((kept.lines.as_slice(), kept.matters), (&["why".to_owned()][..], Some(0)));
    }
}
