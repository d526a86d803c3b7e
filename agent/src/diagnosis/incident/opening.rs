//! When a failure becomes an incident, and when nothing is heard of one any more. Owns these times;
//! its life between them is `incident`'s.

use super::Entry;
use crate::{
    diagnosis::{
        incidents::OVERFLOW,
        key::Family,
        recovery::{Recovery, TOP},
        world::World,
    },
    limits,
    observation::time,
    source::Micros,
};

/// `nodeReadyGracePeriod` of the kubelet (diagnosis.md 4.5).
const START_GRACE: Micros = 120_000_000;

impl Entry {
    /// Nothing was heard of it, nor of the kubelet, for too long to know anything. Faults that say
    /// nothing after their first word are silent only with the kubelet.
    pub(super) fn is_silent(
        &self,
        now: Micros,
        settings: &Recovery,
        kubelet_heard: Micros,
    ) -> bool {
        self.silent_at(settings, kubelet_heard) <= now
    }

    pub(in crate::diagnosis) fn silent_at(
        &self,
        settings: &Recovery,
        kubelet_heard: Micros,
    ) -> Micros {
        let repeats = matches!(
            self.family,
            Family::Image
                | Family::Config
                | Family::Run
                | Family::Volume
                | Family::Sandbox
                | Family::Terminate
        );
        let sign = self.members.iter().flat_map(|member| member.signs.values());
        let newest = sign.map(|sign| sign.at).max().unwrap_or(0).max(self.failed);
        // What is folded is told by failures alone.
        let repeats = repeats || self.node_key.as_deref() == Some(OVERFLOW);
        let word = if repeats { newest } else { newest.max(kubelet_heard) };
        word.saturating_add(time::micros(settings.stale_after))
    }

    /// Of the failures that heal before they open, these are never told.
    pub(in crate::diagnosis) fn is_healed(&self) -> bool {
        match self.family {
            // That a container died is worth a word, although it runs again.
            Family::Run if self.deaths > 0 => false,
            Family::Run | Family::Admission | Family::Eviction | Family::Inside => self.rung >= TOP,
            _ => self.rung > 0,
        }
    }

    /// When it opens, if nothing more happens (diagnosis.md 4.3).
    pub(in crate::diagnosis) fn opens_at(&self, settings: &Recovery, world: &World) -> Micros {
        let after = time::micros(settings.opens_after);
        match self.family {
            // The first probes of a slow application say no, too.
            Family::Ready => self.began.saturating_add(time::micros(settings.settles_for)),
            Family::Admission | Family::Eviction => self.began,
            Family::Silent => self.began,
            // Whether the main process lived shows in that its end is not told, where ends are.
            Family::Inside if !world.node.sees_ends => Micros::MAX,
            // A mount is tried again after 0.5 s, 1 s, 2 s: two attempts mean nothing yet.
            Family::Volume => self.began.saturating_add(after),
            Family::Node if self.is_starting() => self.began.saturating_add(START_GRACE),
            Family::Sandbox | Family::Node if self.is_of_start() => {
                let started = world.node.kubelet_started.as_ref().and_then(|start| start.at);
                let grace = started.map_or(Micros::MIN, |at| at.saturating_add(START_GRACE));
                let second = if self.attempts() > 1 { self.failed } else { Micros::MAX };
                let usual = second.min(self.began.saturating_add(after));
                if self.began <= grace { usual.max(grace) } else { usual }
            }
            // Told once, it is normal.
            _ if !self.is_told_enough() => Micros::MAX,
            _ if self.judgement.of_node => self.began,
            _ if self.attempts() > 1 => self.failed,
            _ => self.began.saturating_add(after),
        }
    }

    /// As often as its cause asks for.
    pub(in crate::diagnosis) fn is_told_enough(&self) -> bool {
        self.attempts() >= u64::from(self.judgement.tellings)
    }

    /// Until when a telling of the node's counts with the next one, where one alone opens nothing.
    pub(in crate::diagnosis) fn counts_until(&self) -> Option<Micros> {
        let counts = self.node_key.is_some() && self.judgement.tellings > 1;
        counts.then(|| self.failed.saturating_add(limits::WORLD_WINDOW))
    }

    /// Told as every kubelet does that has just begun to look at its containers.
    pub(in crate::diagnosis) fn is_starting(&self) -> bool {
        let text = self.trigger.message();
        let is_start = text.contains("pleg has yet to be successful")
            || text.contains("status check may not have completed yet");
        is_start && self.failed.saturating_sub(self.began) < START_GRACE
    }

    /// "Runtime or network not ready" is normal while a kubelet starts.
    fn is_of_start(&self) -> bool {
        self.step.as_deref() == Some("WaitForNetwork")
            || matches!(self.node_key.as_deref(), Some("network" | "runtime" | "paused" | "pleg"))
    }
}
