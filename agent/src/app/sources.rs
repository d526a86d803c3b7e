//! Starts what is followed, the journal, log files and the API's view of the pods, and says what of it
//! cannot be seen at the moment. Owns no source.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::sync::mpsc;

use super::{chorus::Chorus, door, journals::Journals, lookout::Lookout};
use crate::{
    config::{self, Config},
    export,
    fact::Dated,
    limits, node,
    outbox::Outbox,
    source::{Feed, Position, file, journal, pod_logs},
};

/// Chosen, and no trouble by itself.
pub(super) const JOURNAL_OFF: &str = "the journal is not read: journal.enabled is false";

/// How far each source was read.
#[derive(Debug)]
pub(super) struct Positions {
    journal: Option<Position>,
    journals: Vec<Position>,
    files: Option<Position>,
    logs: Option<Position>,
}

impl Positions {
    pub(super) fn of(outbox: &Outbox) -> Self {
        Self {
            journal: outbox.position(journal::SOURCE),
            journals: outbox.positions(),
            files: outbox.position(file::SOURCE),
            logs: outbox.position(pod_logs::SOURCE),
        }
    }
}

/// All that is read on this node. Dropped, each source ends.
#[derive(Debug)]
pub(super) struct Sources {
    logs: Option<pod_logs::Handle>,
    files: Option<file::Handle>,
    journals: Journals,
    pub(super) journal: Option<journal::Handle>,
}

impl Sources {
    pub(super) fn start(
        config: &Config,
        from: Positions,
        feeds: mpsc::Sender<Feed>,
    ) -> anyhow::Result<Self> {
        let chorus = Chorus::default();
        let feeds = &feeds;
        let journals = Journals::start(&config.journal, from.journals, feeds, &chorus)?;
        let turns = config.journal.enabled || journals.has_some();
        let span = |takes_turns: bool| takes_turns.then_some(limits::CATCH_UP_SPAN);
        let files = follow_files(config, from.files, span(turns), feeds, &chorus)?;
        let is_alone = !journals.has_some() && !files.as_ref().is_some_and(file::Handle::has_some);
        let journal = follow_journal(config, from.journal, span(!is_alone), feeds, &chorus)?;
        chorus.begin();
        Ok(Self { logs: follow_pod_logs(config, from.logs, feeds)?, files, journals, journal })
    }

    /// Whether there is anything to read beside the journal.
    pub(super) fn has_more(&self) -> bool {
        self.journals.has_some() || self.files.as_ref().is_some_and(file::Handle::has_some)
    }

    /// Who says when one of them cannot work.
    pub(super) fn lookout(&self) -> Lookout {
        let mut lookout = Lookout::default();
        if let Some(journal) = &self.journal {
            let state = journal.sight();
            lookout.add("source_journal", move || match state() {
                journal::State::Unavailable(why) | journal::State::Restarting(why) => Some(why),
                _ => None,
            });
        }
        lookout.add_each("source_other_journals", self.journals.troubles());
        if let Some(files) = &self.files {
            lookout.add("source_files", files.hang());
        }
        if let Some(logs) = &self.logs {
            lookout.add("source_pod_logs", logs.hang());
        }
        lookout
    }

    /// Whether a log file is read, and answers.
    pub(super) fn files_are_read(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let files = self.files.as_ref().map(|files| (files.is_reading(), files.hang()));
        move || files.as_ref().is_some_and(|(is_reading, hang)| is_reading() && hang().is_none())
    }

    /// Of the journals beside the host's: figures and state by source.
    pub(super) fn journal_figures(
        &self,
    ) -> impl Fn() -> Vec<(String, Arc<journal::Counters>, journal::State)> + Send + Sync + use<>
    {
        self.journals.figures()
    }

    /// Who wants to know the labels of pods.
    pub(super) fn learner(&self) -> Box<dyn Fn(&Dated) + Send> {
        match &self.logs {
            Some(logs) => Box::new(logs.learner()),
            None => Box::new(|_| {}),
        }
    }
}

/// Starts to read behind `from`. `None` where the journal is switched off.
fn follow_journal(
    config: &Config,
    from: Option<Position>,
    span: Option<Duration>,
    feeds: &mpsc::Sender<Feed>,
    chorus: &Chorus,
) -> anyhow::Result<Option<journal::Handle>> {
    if !config.journal.enabled {
        return Ok(None);
    }
    let journal = journal::Config { span, ..journal::Config::from(&config.journal) };
    let voice = chorus.voice(feeds);
    let number = voice.number();
    let handle = journal::spawn(journal, from, voice);
    let handle = handle.context("the journal's thread cannot be made")?;
    let state = handle.sight();
    chorus.excuse(number, move || {
        matches!(state(), journal::State::Unavailable(_) | journal::State::Stopped)
    });
    Ok(Some(handle))
}

/// Follows the log files behind `from`. `None` where none is to be followed.
fn follow_files(
    config: &Config,
    from: Option<Position>,
    span: Option<Duration>,
    feeds: &mpsc::Sender<Feed>,
    chorus: &Chorus,
) -> anyhow::Result<Option<file::Handle>> {
    let followed = file::Config { span, ..files_config(config) };
    if followed.logs.is_empty() {
        return Ok(None);
    }
    let voice = chorus.voice(feeds);
    let number = voice.number();
    let handle = file::spawn(followed, from, voice);
    let handle = handle.context("the thread that follows log files cannot be made")?;
    let hang = handle.hang();
    chorus.excuse(number, move || hang().is_some());
    Ok(Some(handle))
}

/// What of the configuration concerns log files.
#[must_use]
pub fn files_config(config: &Config) -> file::Config {
    let journal = &config.journal;
    let journals = match (&journal.folder, journal.enabled) {
        (_, false) => Vec::new(),
        (Some(folder), true) => vec![folder.clone()],
        (None, true) => {
            ["run/log/journal", "var/log/journal"].map(|it| journal.root.join(it)).to_vec()
        }
    };
    let paths = config.files.paths.iter().filter(|_| config.files.enabled);
    file::Config {
        logs: paths.filter_map(|text| file::parse(text)).collect(),
        journals,
        max_age: journal.first_read.max_age,
        span: None,
    }
}

/// Follows the folder of container logs; the logs of chosen pods behind `from`.
fn follow_pod_logs(
    config: &Config,
    from: Option<Position>,
    feeds: &mpsc::Sender<Feed>,
) -> anyhow::Result<Option<pod_logs::Handle>> {
    if !config.pod_logs.enabled {
        return Ok(None);
    }
    let handle = pod_logs::spawn(pod_logs_config(config), from, feeds.clone());
    handle.context("the thread that follows the logs of pods cannot be made").map(Some)
}

/// What of the configuration concerns container logs.
#[must_use]
pub fn pod_logs_config(config: &Config) -> pod_logs::Config {
    let evidence = &config.evidence;
    // What may not be read of the dead may not be read of the living.
    let may_read = evidence.last_words != config::LastWords::None;
    let chosen = |list: &[String]| if may_read { list.to_vec() } else { Vec::new() };
    pod_logs::Config {
        root: evidence.pod_logs.clone(),
        links: evidence.log_links.clone(),
        follow: chosen(&config.pod_logs.follow),
        follow_labels: chosen(&config.pod_logs.follow_labels),
        denied_namespaces: evidence.denied_namespaces.clone(),
        max_age: config.journal.first_read.max_age,
    }
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
pub(super) fn sight(sources: &Sources, pods: Option<&node::pods::Handle>) -> door::Sight {
    let files = sources.files.as_ref().map(file::Handle::sight);
    let logs = sources.logs.as_ref().map(pod_logs::Handle::sight);
    let journal = sources.journal.as_ref().map(journal::Handle::sight);
    let journals = sources.journals.troubles();
    let pods = pods.map(node::pods::Handle::sight);
    Arc::new(move || {
        let journal = match journal.as_ref().map(|state| state()) {
            None => Some(JOURNAL_OFF.to_owned()),
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
        let others = journals().into_iter().map(|(_, why)| why);
        let files = files.as_ref().map(|troubles| troubles()).unwrap_or_default();
        let logs = logs.as_ref().and_then(|trouble| trouble());
        journal.into_iter().chain(others).chain(files).chain(logs).chain(pods).collect()
    })
}
