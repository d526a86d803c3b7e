//! Starts what is followed, the journal and the API's view of the pods, and says what of it cannot be
//! seen at the moment. Owns no source.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;

use super::door;
use crate::{
    config::{self, Config},
    export,
    fact::Dated,
    node,
    source::{Feed, Position, journal},
};

/// Starts to read behind `from`. `None` where the journal is switched off.
pub(super) fn follow_journal(
    config: &Config,
    from: Option<Position>,
    feeds: mpsc::Sender<Feed>,
) -> anyhow::Result<Option<journal::Handle>> {
    if !config.journal.enabled {
        return Ok(None);
    }
    let journal = journal::Config::from(&config.journal);
    let handle = journal::spawn(journal, from, feeds);
    handle.context("the journal's thread cannot be made").map(Some)
}

/// Watches the node's pods, where the API server may be asked.
pub(super) fn follow_pods(
    config: &Config,
    node: &str,
    facts: mpsc::Sender<Dated>,
) -> Option<node::pods::Handle> {
    let section = &config.kubernetes;
    let jitter = export::retry::Random::default().share();
    section.enabled.then(|| {
        let watched = node::pods::Config {
            start_after: section.start_jitter.mul_f64(jitter),
            ..pods_config(section, node)
        };
        node::pods::spawn(watched, facts)
    })
}

/// What of the configuration the watch needs.
#[must_use]
pub fn pods_config(section: &config::Kubernetes, node: &str) -> node::pods::Config {
    node::pods::Config {
        node: node.to_owned(),
        kubeconfig: section.kubeconfig.clone(),
        pod_labels: section.pod_labels.clone(),
        node_labels: section.node_labels.clone(),
        start_after: std::time::Duration::ZERO,
    }
}

/// What the sources cannot see at the moment, for who asks.
pub(super) fn sight(
    journal: Option<&journal::Handle>,
    pods: Option<&node::pods::Handle>,
) -> door::Sight {
    let journal = journal.map(journal::Handle::sight);
    let pods = pods.map(node::pods::Handle::sight);
    Arc::new(move || {
        let journal = match journal.as_ref().map(|state| state()) {
            None => Some("the journal is not read: journal.enabled is false".to_owned()),
            Some(journal::State::Unavailable(why) | journal::State::Restarting(why)) => {
                Some(format!("the journal cannot be read: {why}"))
            }
            Some(journal::State::Starting | journal::State::CatchingUp) => {
                Some("what the journal holds is still being read".to_owned())
            }
            Some(journal::State::Following | journal::State::Stopped) => None,
        };
        let pods = match pods.as_ref().map(|state| state()) {
            Some(node::pods::State::Away { since, why }) => {
                let age = since.map_or_else(
                    || "pods were never listed".to_owned(),
                    |since| format!("pods are {} s old", since.elapsed().as_secs()),
                );
                Some(format!("the API server is away, {age}: {why}"))
            }
            _ => None,
        };
        journal.into_iter().chain(pods).collect()
    })
}
