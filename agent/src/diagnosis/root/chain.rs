//! Links from the root to the pods, in words: `registry DNS fails → the agent cannot pull its image
//! → the pod network is not configured → 14 pods have no sandbox`. Owns no rule.

use std::collections::BTreeMap;

use crate::{
    diagnosis::{
        incident::{Entry, Hit},
        key::Family,
    },
    limits,
};

/// The link of a fault of the node: what its cause is called.
pub(super) fn fault(entry: &Entry) -> String {
    limits::cut(&entry.judgement.cause.title, limits::TITLE_BYTES).0.to_owned()
}

/// The link of the node's own pod whose failure is why.
pub(super) fn agent(entry: &Entry) -> String {
    let pod = entry.members.first().map(|member| &member.pod);
    let name = pod.and_then(|pod| pod.name.as_deref().or(pod.uid.as_deref())).unwrap_or("a pod");
    format!("{name} {}", felt(entry.family, 1))
}

/// The last link: whom it hits, and how; most of them first.
pub(super) fn pods(hits: &[Hit]) -> String {
    let mut counts: BTreeMap<Family, usize> = BTreeMap::new();
    for hit in hits {
        *counts.entry(hit.family).or_default() += 1;
    }
    let mut counts: Vec<(Family, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(family, count)| (std::cmp::Reverse(*count), *family));
    let texts: Vec<String> = counts
        .into_iter()
        .map(|(family, count)| {
            let word = if count == 1 { "pod" } else { "pods" };
            format!("{count} {word} {}", felt(family, count))
        })
        .collect();
    texts.join(", ")
}

/// How pods feel it.
const fn felt(family: Family, count: usize) -> &'static str {
    let is_one = count == 1;
    match family {
        Family::Image if is_one => "cannot pull its image",
        Family::Image => "cannot pull their images",
        Family::Config if is_one => "lacks what its configuration names",
        Family::Config => "lack what their configurations name",
        Family::Run | Family::Node if is_one => "does not keep running",
        Family::Run | Family::Node => "do not keep running",
        Family::Volume if is_one => "waits for its volumes",
        Family::Volume => "wait for their volumes",
        Family::Sandbox if is_one => "has no sandbox",
        Family::Sandbox => "have no sandbox",
        Family::Terminate => "cannot end",
        Family::Admission if is_one => "was refused",
        Family::Admission => "were refused",
        Family::Eviction if is_one => "was evicted",
        Family::Eviction => "were evicted",
        Family::Ready if is_one => "is not ready",
        Family::Ready => "are not ready",
        Family::Silent if is_one => "makes no progress",
        Family::Silent => "make no progress",
        Family::Inside if is_one => "loses processes for memory",
        Family::Inside => "lose processes for memory",
    }
}
