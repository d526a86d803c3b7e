//! One record for each change of an incident, and what differs once it is fixed. Owns when a change
//! is told and when it is news; what a record holds is `build`'s.

use super::Ground;
use crate::{
    diagnosis::{
        Output, build, changes,
        incident::{Entry, Member, Told},
        recovery::Recovery,
    },
    incident::State,
    observation::time,
    source::Micros,
};

/// One record for each change, one an hour while it lasts, a reminder now and then; the view with
/// each.
pub(super) fn tell(entry: &mut Entry, now: Micros, ground: Ground<'_>, out: &mut Output) {
    let settings = &ground.settings.recovery;
    let is_flapping = entry.state == State::Flapping;
    let said = Told {
        state: entry.state,
        // While it flaps, no rung and no cause is news.
        rung: if is_flapping { 0 } else { entry.rung },
        cause: if is_flapping { String::new() } else { entry.judgement.cause.id.clone() },
        parent: entry.part_of(),
        root: entry.chain.first().cloned(),
        successor: entry.successor.clone(),
    };
    let every = time::micros(settings.announce_every);
    let is_due = entry.is_live()
        && entry.state != State::Stale
        && now.saturating_sub(entry.announced) >= every;
    let is_reminder = entry.reminder_at(settings).is_some_and(|at| at <= now);
    if entry.told.as_ref() == Some(&said) && !is_due && !is_reminder {
        return;
    }
    let is_news = entry.told.as_ref().is_none_or(|told| {
        told.state != said.state && said.state != State::Recovering
            || (told.cause != said.cause && !is_flapping)
            // Its parent was proven fixed, and it fails on.
            || (told.parent.is_some() && said.parent.is_none() && entry.is_live())
    });
    // Members are recorded; their parent is what wakes somebody.
    let is_news = is_news && said.parent.is_none();
    let view = entry.view(ground.world);
    let expires = entry.is_live().then(|| now.saturating_add(every.saturating_mul(2)));
    let first = entry.members.first();
    let record = build::incident(&build::Telling {
        view: &view,
        id: entry.id,
        turn: entry.records,
        at: now,
        notify: is_news || is_reminder,
        expires,
        message: entry.trigger.message(),
        attempt: entry.trigger.attempt.as_ref(),
        spec: first.and_then(|member| ground.world.spec(&member.pod_key())),
        world: ground.world,
        around: ground.around,
    });
    out.records.push(record);
    out.incidents.push(view);
    if is_news {
        entry.alarmed = now;
        entry.reminders = 0;
    } else if is_reminder {
        entry.reminders = entry.reminders.saturating_add(1);
    }
    entry.told = Some(said);
    entry.records += 1;
    entry.announced = now;
}

impl Entry {
    /// When somebody is to be reminded of it (diagnosis.md 4.3), counted from the newest news; `None`
    /// for what is not open, or is part of something else that is told.
    pub(super) fn reminder_at(&self, settings: &Recovery) -> Option<Micros> {
        if self.state != State::Open || self.part_of().is_some() || self.told.is_none() {
            return None;
        }
        let after = match self.reminders {
            0 => time::micros(settings.remind_first),
            1 => time::micros(settings.remind_second),
            more => {
                let every = time::micros(settings.remind_every);
                let second = time::micros(settings.remind_second);
                second.saturating_add(every.saturating_mul(Micros::from(more) - 1))
            }
        };
        Some(self.alarmed.saturating_add(after))
    }
}

/// What differs between the last failing and the first good attempt.
pub(super) fn fixed_by(entry: &Entry, ground: Ground<'_>) -> Vec<String> {
    let member = entry.members.iter().max_by_key(|member| member.last_seen);
    let good = member.into_iter().flat_map(|member| member.signs.values()).map(|sign| sign.at);
    let good = good.max().unwrap_or(entry.last_seen);
    let key = member.map(Member::pod_key).filter(|key| !key.0.is_empty());
    let container = member.and_then(|member| member.container.as_deref());
    changes::fixed_by(ground.world, key.as_ref(), container, entry.last_seen, good)
}
