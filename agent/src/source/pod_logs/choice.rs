//! Which pods' logs are read as they grow: by namespace and name, or by a label. Owns the patterns,
//! and what was told of labels.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use podwhy_parser::pod_path::Directory;

use crate::{
    fact::{Dated, Fact},
    limits,
};

/// What is chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// Of namespace and of name.
    patterns: Vec<(String, String)>,
    /// Key and value.
    labels: Vec<(String, String)>,
    /// Never.
    denied: Vec<String>,
    /// Pods that have one of the labels, by uid.
    labelled: Arc<Mutex<BTreeSet<String>>>,
    /// How often that has changed.
    version: Arc<AtomicU64>,
}

impl Choice {
    pub(super) fn new(patterns: &[String], labels: &[String], denied: &[String]) -> Self {
        let pair =
            |text: &String, mark| text.split_once(mark).map(|(a, b)| (a.to_owned(), b.to_owned()));
        Self {
            patterns: patterns.iter().filter_map(|text| pair(text, '/')).collect(),
            labels: labels.iter().filter_map(|text| pair(text, '=')).collect(),
            denied: denied.to_vec(),
            labelled: Arc::default(),
            version: Arc::default(),
        }
    }

    /// Whether any pod can be chosen.
    pub(super) const fn is_none(&self) -> bool {
        self.patterns.is_empty() && self.labels.is_empty()
    }

    /// Another one than before: other pods may be chosen.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// Learns the labels of pods.
    pub(super) fn learn(&self, dated: &Dated) {
        if self.labels.is_empty() {
            return;
        }
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        match &dated.fact {
            Fact::Pod(pod) => {
                let Some(uid) = &pod.uid else { return };
                let has = |(key, value): &(String, String)| has_label(&pod.labels, key, value);
                let has_changed = if !self.labels.iter().any(has) {
                    labelled.remove(uid)
                } else if labelled.len() < limits::PODS_THAT_ASK {
                    labelled.insert(uid.clone())
                } else {
                    false
                };
                if has_changed {
                    self.version.fetch_add(1, Relaxed);
                }
            }
            Fact::PodsListed(listed) => labelled.retain(|uid| listed.uids.contains(uid)),
            _ => {}
        }
    }

    /// Whether the pod of this folder is chosen.
    pub(super) fn takes(&self, folder: &str) -> bool {
        let Some(directory) = Directory::parse(folder) else { return false };
        let (Some(namespace), Some(name)) = (directory.namespace, directory.pod) else {
            return false;
        };
        if self.denied.iter().any(|denied| denied == namespace) {
            return false;
        }
        let fits = |(of_namespace, of_name): &(String, String)| {
            matches(of_namespace, namespace) && matches(of_name, name)
        };
        self.patterns.iter().any(fits) || {
            let labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
            labelled.contains(directory.uid)
        }
    }
}

fn has_label(labels: &BTreeMap<String, String>, key: &str, value: &str) -> bool {
    labels.get(key).is_some_and(|it| it == value)
}

/// `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(begin) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, behind)) = text.split_once(part) else { return false };
        text = behind;
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Pod, PodsListed};

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("*", "anything", true),
            ("kube-proxy-*", "kube-proxy-x7", true),
            ("kube-proxy-*", "kube-proxy", false),
            ("*csi*node*", "ebs-csi-node-4fg", true),
            ("*csi*node*", "node-csi", false),
            ("a*a", "a", false),
            ("a*b*a", "abba", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn pods_are_chosen_by_name_and_by_labels_and_denied_namespaces_never() {
        const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";
        let words = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let choice = Choice::new(
            &words(&["kube-system/*", "*/calico-node-*"]),
            &words(&["app=csi"]),
            &words(&["bank"]),
        );
        let takes =
            |namespace: &str, name: &str| choice.takes(&format!("{namespace}_{name}_{UID}"));
        assert!(takes("kube-system", "kube-proxy-1"));
        assert!(takes("net", "calico-node-1"));
        assert!(!takes("bank", "calico-node-1"));
        assert!(!takes("shop", "web-0"));
        assert!(!choice.takes("lost+found"));
        let told = |fact| choice.learn(&Dated { at: 1, fact });
        let labels = [("app".to_owned(), "csi".to_owned())].into();
        let pod = Pod { uid: Some(UID.to_owned()), labels, ..Pod::default() };
        told(Fact::Pod(Box::new(pod.clone())));
        assert!(takes("shop", "web-0"));
        told(Fact::PodsListed(PodsListed::default()));
        assert!(!takes("shop", "web-0"));
    }
}
