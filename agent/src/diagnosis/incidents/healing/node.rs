//! What happens to the node as a whole: words that something is wrong with it, and signs that it is
//! well again.

use super::super::{Ground, Incidents, failing::node_key};
use crate::{
    diagnosis::{
        Output,
        incident::Entry,
        key::{self, Family},
        recovery::{Proven, Sign},
        world::moment::{Moment, MomentKind},
    },
    source::Micros,
};

impl Incidents {
    pub(super) fn of_node(
        &mut self,
        now: Micros,
        moment: &Moment,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        if let Some(node_key) = node_key(&moment.what) {
            let (sign, _) = sign_of(&moment.what);
            if let Some(sign) = sign {
                for number in &self.of_node {
                    let Some(entry) = self.entries.get_mut(number) else { continue };
                    if entry.is_about(&node_key, moment.host.as_deref()) {
                        entry.unsign(None, sign);
                    }
                }
            }
            self.node_word(now, moment, &node_key, ground, out);
            return;
        }
        if moment.what == MomentKind::NodeSaid {
            let text = &moment.evidence.text;
            let known = self.pressure_of(text);
            let node_key = known.unwrap_or_else(|| format!("trouble/{}", without_counts(text)));
            self.node_word(now, moment, &node_key, ground, out);
            return;
        }
        // What was awaited is back; what was not has ended unseen.
        if moment.what == MomentKind::RuntimeStarted && !self.is_runtime_awaited() {
            self.node_word(now, moment, "restart/runtime", ground, out);
            return;
        }
        let (sign, keys) = sign_of(&moment.what);
        let proven = Proven::by(now, moment);
        if let MomentKind::ImagePulled { image: Some(image) } = &moment.what {
            for (number, entry) in &mut self.entries {
                if entry.image.as_ref() == Some(image) && moment.at >= entry.last_seen {
                    entry.sign(None, Sign::Pulled, &proven);
                    self.changed.insert(*number);
                }
            }
            self.resettle_all(now, ground, out, |entry| entry.family == Family::Image);
            return;
        }
        let Some(sign) = sign else { return };
        for number in &self.of_node {
            let Some(entry) = self.entries.get_mut(number) else { continue };
            let is_about = entry
                .node_key
                .as_deref()
                .is_some_and(|key| keys.iter().any(|prefix| key.starts_with(prefix)));
            let is_evicted = sign == Sign::PressureGone && entry.family == Family::Eviction;
            let is_here = entry.host == moment.host;
            if is_here && (is_about || is_evicted) && moment.at >= entry.last_seen {
                entry.sign(None, sign, &proven);
            }
        }
        self.resettle_node(now, ground, out);
    }

    fn is_runtime_awaited(&self) -> bool {
        let is_it = |entry: &Entry| entry.node_key.as_deref() == Some("runtime") && entry.is_live();
        self.of_node.iter().filter_map(|number| self.entries.get(number)).any(is_it)
    }

    /// What else the eviction manager says of evicting belongs to the pressure that it fights. That
    /// it has no figures, as after each start, says nothing of pressure.
    fn pressure_of(&self, text: &str) -> Option<String> {
        let said = text.strip_prefix("Eviction manager: ")?;
        let clause = said.split(": ").next().unwrap_or(said);
        let of_node = self.of_node.iter().filter_map(|number| self.entries.get(number));
        let keys = of_node.filter(|entry| entry.is_live());
        let mut keys = keys.filter_map(|entry| entry.node_key.clone());
        clause.contains("evict").then(|| keys.find(|it| it.starts_with("pressure/")))?
    }
}

/// How often and how long is not what.
fn without_counts(text: &str) -> String {
    let norm = key::norm::norm(text);
    let words = norm.split(' ').map(|word| {
        let is_count = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if is_count { "<n>" } else { word }
    });
    words.collect::<Vec<&str>>().join(" ")
}

/// The sign that a switch of the node gives or takes, and the keys of the entries it is about.
fn sign_of(what: &MomentKind) -> (Option<Sign>, &'static [&'static str]) {
    match what {
        MomentKind::NetworkReady(_) => (Some(Sign::NetworkReady), &["network"]),
        // A node is ready only while its runtime is.
        MomentKind::NodeReady(_) => (Some(Sign::RuntimeReady), &["ready"]),
        MomentKind::RuntimeReady(_) | MomentKind::Paused(_) | MomentKind::PlegHealthy(_) => {
            (Some(Sign::RuntimeReady), &["runtime", "paused", "pleg", "trouble"])
        }
        MomentKind::RuntimeStarted => (Some(Sign::RuntimeReady), &["runtime"]),
        MomentKind::Pressure { .. } => (Some(Sign::PressureGone), &["pressure"]),
        MomentKind::ApiReachable(_) => (Some(Sign::ApiReachable), &["api"]),
        _ => (None, &[]),
    }
}
