//! What of a pod's last words may leave the node: the configuration's word, the namespaces it
//! denies, and what the pod itself asks for. The least of them counts.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    config,
    fact::{Fact, PodRef, Quote},
    limits,
};

#[derive(Debug)]
pub(super) struct Policy {
    most: Quote,
    denied: Vec<String>,
    /// Pods that ask for less, by uid and by name.
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    by_uid: BTreeMap<String, Quote>,
    by_name: BTreeMap<(String, String), Quote>,
}

impl Policy {
    pub(super) fn new(config: &config::Evidence) -> Self {
        let most = match config.last_words {
            config::LastWords::None => Quote::None,
            config::LastWords::Line => Quote::Line,
            config::LastWords::Tail => Quote::Tail,
        };
        Self { most, denied: config.denied_namespaces.clone(), asked: Mutex::default() }
    }

    /// Takes note of what pods ask for.
    pub(super) fn learn(&self, fact: &Fact) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match fact {
            Fact::Pod(pod) => {
                let name = (pod.namespace.clone(), pod.name.clone());
                match pod.last_words {
                    // Beyond the bound nothing is forgotten that was asked: a full node has fewer.
                    Some(quote) if asked.by_name.len() < limits::PODS_THAT_ASK => {
                        asked.by_name.insert(name, quote);
                        asked.by_uid.extend(pod.uid.clone().map(|uid| (uid, quote)));
                    }
                    Some(_) => {}
                    None => {
                        asked.by_name.remove(&name);
                        if let Some(uid) = &pod.uid {
                            asked.by_uid.remove(uid);
                        }
                    }
                }
            }
            Fact::PodsListed(listed) => {
                // Containers of a pod that is gone may still be asked about for a while, by name.
                asked.by_uid.retain(|uid, _| listed.uids.contains(uid));
            }
            _ => {}
        }
    }

    /// What may leave of this pod's last words.
    pub(super) fn of(&self, pod: &PodRef) -> Quote {
        let namespace = pod.namespace.as_deref();
        if self.denied.iter().any(|denied| Some(denied.as_str()) == namespace) {
            return Quote::None;
        }
        // Whose namespace is not known cannot be told apart from one that is denied.
        if namespace.is_none() && !self.denied.is_empty() {
            return Quote::None;
        }
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let by_uid = pod.uid.as_ref().and_then(|uid| asked.by_uid.get(uid));
        let by_name = || {
            let name = (pod.namespace.clone()?, pod.name.clone()?);
            asked.by_name.get(&name)
        };
        by_uid.or_else(by_name).map_or(self.most, |asked| self.most.min(*asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Pod;

    fn pod(name: &str) -> PodRef {
        PodRef {
            namespace: Some("shop".into()),
            name: Some(name.into()),
            uid: Some(format!("uid-{name}")),
        }
    }

    fn asks(name: &str, last_words: Option<Quote>) -> Fact {
        Fact::Pod(Box::new(Pod {
            namespace: "shop".into(),
            name: name.into(),
            uid: Some(format!("uid-{name}")),
            last_words,
            ..Pod::default()
        }))
    }

    #[test]
    fn the_least_of_configuration_namespace_and_pod_counts() {
        let config = config::Evidence {
            denied_namespaces: vec!["bank".into()],
            ..config::Evidence::default()
        };
        let policy = Policy::new(&config);
        assert_eq!(policy.of(&pod("web")), Quote::Line, "the default");
        let denied = PodRef { namespace: Some("bank".into()), ..pod("web") };
        assert_eq!(policy.of(&denied), Quote::None);
        let unknown = PodRef { namespace: None, ..pod("web") };
        assert_eq!(policy.of(&unknown), Quote::None, "it might be of a denied one");

        policy.learn(&asks("web", Some(Quote::None)));
        policy.learn(&asks("db", Some(Quote::Tail)));
        assert_eq!(policy.of(&pod("web")), Quote::None);
        assert_eq!(policy.of(&pod("db")), Quote::Line, "a pod cannot ask for more");
        policy.learn(&asks("web", None));
        assert_eq!(policy.of(&pod("web")), Quote::Line, "the annotation was taken away");
    }

    #[test]
    fn tail_and_none_are_what_they_say() {
        let of = |last_words| {
            let config = config::Evidence { last_words, ..config::Evidence::default() };
            Policy::new(&config).of(&PodRef::default())
        };
        assert_eq!(of(config::LastWords::Tail), Quote::Tail);
        assert_eq!(of(config::LastWords::None), Quote::None);
    }
}
