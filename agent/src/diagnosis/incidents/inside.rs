//! A process of a container was killed for memory, and the container runs on (R59). Owns when that
//! is a failure of its own: not where the main process went with it, which its end tells.

use super::{Ground, Incidents};
use crate::{
    diagnosis::{
        Output,
        key::Family,
        recovery::{Proven, Sign, quote},
        world::{PodKey, moment::Moment},
    },
    incident::State,
    source::Micros,
};

impl Incidents {
    /// Something in the container was killed for memory. Until its end is told, it runs.
    pub(super) fn killed_inside(
        &mut self,
        now: Micros,
        key: &PodKey,
        moment: &Moment,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        let container = moment.container.as_deref();
        let pod = ground.world.pod(key).filter(|pod| !pod.is_ending());
        let known = pod.zip(container).and_then(|(pod, name)| pod.container(name));
        if !known.is_some_and(|known| known.is_running()) {
            return;
        }
        self.word(now, (key, moment), Family::Inside, ["Running", ""], ground, out);
        let proven = Proven { at: now, text: quote(&moment.evidence) };
        for number in self.inside(key, container) {
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.sign(Some((key, container)), Sign::Started, &proven);
            }
            self.settle(number, now, ground, out);
        }
    }

    /// The container itself ended, or was to be started again: that is what is told.
    pub(super) fn main_failed(
        &mut self,
        now: Micros,
        key: &PodKey,
        container: Option<&str>,
        ground: Ground<'_>,
        out: &mut Output,
    ) {
        for number in self.inside(key, container) {
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            if entry.opened.is_none() {
                self.remove(number);
                continue;
            }
            entry.end(State::Superseded, now);
            entry.note = Some("the container itself ended".to_owned());
            self.settle(number, now, ground, out);
        }
    }

    fn inside(&self, key: &PodKey, container: Option<&str>) -> Vec<u64> {
        let numbers = self.by_pod.get(&key.0).into_iter().flatten().copied();
        let is_it = |number: &u64| {
            self.entries.get(number).is_some_and(|entry| {
                entry.family == Family::Inside
                    && entry.is_live()
                    && entry.members.iter().any(|member| member.is(key, container))
            })
        };
        numbers.filter(is_it).collect()
    }
}
