//! A kubelet that stops writing while the rest of the node goes on. It is silent only where others
//! are not; why it is, nobody knows from its silence.

use super::{KUBELET, SECOND, known, legal, trigger};
use crate::{
    diagnosis::{
        Output, identity,
        incident::{Entry, Member},
        incidents::{Ground, Incidents},
        key::Family,
        recovery::{Ladder, Proven, Sign, quote},
        world::{MomentKind, PodKey, quote},
    },
    incident::{Evidence, Next},
    limits,
    observation::{self, Happening, Kind, WriterComponent, time},
    source::Micros,
};

impl Incidents {
    /// The kubelet wrote something: what is open because it did not is on its way back.
    pub(in crate::diagnosis) fn spoke(
        &mut self,
        now: Micros,
        seen: &observation::Observation,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        if seen.writer.component != WriterComponent::Kubelet {
            return;
        }
        let is_silent = |number: &&u64| {
            self.entries
                .get(*number)
                .is_some_and(|it| it.node_key.as_deref() == Some(KUBELET) && it.is_live())
        };
        let Some(&number) = self.of_node.iter().find(is_silent) else { return };
        let text = quote(&quote::line(seen));
        let Some(entry) = self.entries.get_mut(&number) else { return };
        // One that failed writes before it fails again, too: only its work shows that it runs.
        let works = seen.kind != Kind::Node || seen.happening == Some(Happening::KubeletStarted);
        let failed = entry.trigger.moment.as_ref();
        if failed.is_some_and(|it| it.what == MomentKind::KubeletFailed) && !works {
            return;
        }
        let is_first = entry.members.iter().all(|it| !it.signs.contains_key(&Sign::RuntimeReady));
        if is_first {
            entry.sign(None, Sign::RuntimeReady, &Proven { at: now, text });
            self.blind.kubelet_spoke(seen.at);
            self.blind_changed = true;
            self.settle(number, now, ground, out);
        }
    }

    /// The kubelet should have written by now. It is silent only where others are not.
    pub(super) fn kubelet_is_due(&mut self, now: Micros, ground: Ground<'_>, out: &mut Output) {
        let node = &ground.world.node;
        let at = |it: Option<&Evidence>| it.and_then(|it| it.at);
        let ended = at(node.kubelet_ended.as_ref());
        let ended = ended.filter(|ended| at(node.kubelet_started.as_ref()) < Some(*ended));
        // Of one whose end is the first that is heard of it, it is silent since then.
        let heard = match self.kubelet_heard {
            0 => ended.unwrap_or_default(),
            heard => heard,
        };
        let quiet = self.entries.values().filter_map(talks_every).min();
        let quiet = if ended.is_some() { Some(legal::STOPPED) } else { quiet };
        let Some(quiet) = quiet else {
            self.silence.heard.kubelet_due = None;
            return;
        };
        let due = heard.saturating_add(quiet);
        let is_open = self.entries.values().any(|entry| {
            let is_told = entry.opened.is_some() && entry.is_live() && entry.rung == 0;
            entry.node_key.as_deref() == Some(KUBELET) && is_told
        });
        // Where nobody writes, the journal may be what is silent: look again.
        let others = self.silence.heard.others > heard.saturating_add(SECOND);
        if due > now || is_open || !(others || ended.is_some()) {
            // Whoever writes next asks again.
            self.silence.heard.kubelet_due = (due > now).then_some(due);
            return;
        }
        self.silence.heard.kubelet_due = None;
        // It failed once, which opens nothing, and does not come back.
        let failed = self.entries.iter().find(|(_, entry)| {
            entry.node_key.as_deref() == Some(KUBELET) && entry.is_live() && entry.rung == 0
        });
        if let Some(number) = failed.map(|(&number, _)| number) {
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.lines = entry.lines.max(u64::from(entry.judgement.tellings));
            }
            self.settle(number, now, ground, out);
            return;
        }
        self.kubelet_is_silent(now, heard, ended, ground, out);
    }

    fn kubelet_is_silent(
        &mut self,
        now: Micros,
        heard: Micros,
        ended: Option<Micros>,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let since = time::utc(heard);
        let text = match ended {
            Some(ended) => format!(
                "the kubelet ended at {} and did not come back: no line from it since {since}",
                time::utc(ended)
            ),
            None => format!(
                "no line from the kubelet since {since}, although it should try failed pods \
                 again; the container runtime goes on"
            ),
        };
        let loss = self.blind.kubelet_silent(heard);
        self.blind_changed = true;
        let mut loss_texts = self.blind.texts(heard);
        loss_texts.retain(|known| *known != loss);
        for (number, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.is_live()) {
            if entry.loss.len() < limits::INCIDENT_LIST {
                entry.loss.push(loss.clone());
                self.changed.insert(*number);
                self.pending.insert(*number);
            }
        }
        let evidence = quote::told("silence", &text, heard);
        let mut entry = Entry {
            id: identity::incident(&ground.settings.node, "node|kubelet", &since),
            family: Family::Node,
            node_key: Some(KUBELET.to_owned()),
            members: vec![Member { failed: now, last_seen: heard, ..Member::default() }],
            first_seen: heard,
            last_seen: heard,
            began: now,
            failed: now,
            lines: 1,
            announced: now,
            loss: loss_texts,
            ..Entry::new(Ladder::NodeRuntime, trigger((PodKey::default(), None), heard, &evidence))
        };
        known(&mut entry, &text, evidence, "the kubelet writes again and starts a container");
        entry.judgement.of_node = true;
        entry.judgement.next = vec![Next {
            what: "See whether the kubelet runs and what it waits for".to_owned(),
            command: Some("systemctl status kubelet --no-pager".to_owned()),
            risk: None,
        }];
        if let Ok(number) = self.add(entry) {
            self.settle(number, now, ground, out);
        }
    }
}

/// How long the kubelet may stay silent while this fails (about twice what 4.5 allows).
pub(super) fn talks_every(entry: &Entry) -> Option<Micros> {
    let is_told = entry.opened.is_some() && entry.is_live() && entry.rung == 0;
    let is_failing = entry.members.iter().any(|member| {
        !member.gone && !member.ending && member.signs.is_empty() && !member.key.is_empty()
    });
    if !is_told || !is_failing {
        return None;
    }
    let seconds = match entry.family {
        Family::Image | Family::Config | Family::Run => 180,
        Family::Volume => 280,
        Family::Sandbox if entry.step.as_deref() == Some("WaitForNetwork") => 60,
        Family::Sandbox => 510,
        Family::Terminate => 480,
        Family::Admission
        | Family::Eviction
        | Family::Ready
        | Family::Silent
        | Family::Node
        | Family::Inside => {
            return None;
        }
    };
    Some(seconds * SECOND)
}
