//! Failures beyond the bound of incidents: folded into one incident of the node that says how many
//! there are and what causes most of them, and that is over when none is left. Bounded itself. Owns
//! no rule of a single failure.

mod fold;

use std::collections::{BTreeMap, BTreeSet};

pub(in crate::diagnosis) use self::fold::{Counts, Fold, Folded};
use super::{Ground, Incidents};
use crate::{
    diagnosis::{
        case::Around,
        identity,
        incident::{Entry, Member, Trigger},
        judging,
        key::{self, Family},
        recovery::{Ladder, Proven, Sign, quote as quoted},
        world::{
            PodKey,
            moment::{Moment, MomentKind},
            quote,
        },
    },
    incident::{Evidence, Next},
    limits, observation,
    observation::time,
    source::Micros,
};

/// What its incident is found by.
pub(in crate::diagnosis) const OVERFLOW: &str = "overflow";

/// What its trigger says: the same always, so that its fingerprint is.
const TEXT: &str = "more failures than are told apart";

/// Causes and pods of each that the evidence names.
const CAUSES: usize = 5;
const PODS: usize = 3;

impl Incidents {
    /// A failure for which there is no incident of its own.
    pub(in crate::diagnosis) fn fold(&mut self, now: Micros, mut entry: Entry, ground: Ground<'_>) {
        let (name, at) = (seat_name(&entry), entry.last_seen);
        let has_room = self.fold.seats.len() < limits::FOLDED;
        if let Some(seat) = self.fold.seats.get_mut(&name) {
            seat.failed_at = seat.failed_at.max(at);
            seat.runs = None;
            self.fold.set_due(&name, None);
        } else if has_room {
            judging::judge(&mut entry, Around::default(), ground);
            let pod = entry.members.first().map(|member| member.pod.clone()).unwrap_or_default();
            let seat = Folded {
                pod,
                family: entry.family,
                cause: entry.judgement.cause.id.clone(),
                title: entry.judgement.cause.title.clone(),
                failed_at: at,
                runs: None,
                due: None,
            };
            self.fold.seats.insert(name.clone(), seat);
            self.fold.changed.insert(name);
            self.fold.counts.beyond = 0;
        } else {
            self.fold.counts.beyond = self.fold.counts.beyond.saturating_add(1);
        }
        let (number, is_new) = match self.overflow() {
            Some(number) => (number, false),
            None => (self.open_overflow(now, at, ground), true),
        };
        let Some(node) = self.entries.get_mut(&number) else { return };
        let nobody = (&PodKey::default(), &observation::Pod::default());
        node.fail((now, at), nobody, None, &ground.settings.recovery);
        node.lines += 1;
        self.say_soon(number, now, is_new);
    }

    /// What is folded changed: its incident says so at once, or a little later with what comes then.
    /// To count thousands anew for each of thousands would be what the node's CPU goes to.
    fn say_soon(&mut self, number: u64, now: Micros, is_urgent: bool) {
        self.fold.is_unsaid = true;
        let soon = now.saturating_add(if is_urgent { 0 } else { limits::FOLD_SAID_EVERY });
        let due = self.entries.get(&number).and_then(|entry| entry.due);
        self.set_due(number, Some(due.map_or(soon, |due| due.min(soon))));
    }

    /// Brings what the incident of the fold says up to date, if `number` is it.
    pub(super) fn say_fold(&mut self, number: u64) {
        if self.fold.is_unsaid && self.overflow() == Some(number) {
            self.fold.is_unsaid = false;
            self.describe_overflow(number);
        }
    }

    /// The id of the incident that tells of what is folded.
    pub(super) fn overflow_id(&self) -> Option<[u8; 16]> {
        self.entries.get(&self.overflow()?).map(|entry| entry.id)
    }

    /// What was folded has an incident of its own now.
    pub(super) fn unfold(&mut self, now: Micros, number: u64) {
        if self.fold.seats.is_empty() {
            return;
        }
        let Some(name) = self.entries.get(&number).map(seat_name) else { return };
        if self.fold.take(&name).is_some() {
            let text = "there is room again for an incident of its own".to_owned();
            self.fold_shrank(now, Proven { at: now, text });
        }
    }

    /// What happens to a pod shows that what was folded of it is over, or begins to.
    pub(super) fn heal_folded(
        &mut self,
        now: Micros,
        key: &PodKey,
        moment: &Moment,
        ground: Ground<'_>,
    ) {
        if self.fold.seats.is_empty() {
            return;
        }
        let proven = Proven { at: now, text: quoted(&moment.evidence) };
        let runs_for = time::micros(ground.settings.recovery.runs_for);
        let mut is_smaller = false;
        for name in self.fold.of_pod(key) {
            let Some(seat) = self.fold.seats.get_mut(&name) else { continue };
            let container = name.split('|').nth(1).filter(|name| !name.is_empty());
            let other = moment.container.as_deref();
            let is_it = container.is_none() || other.is_none() || container == other;
            let is_past = moment.at < seat.failed_at && moment.what != MomentKind::PodGone;
            if !is_it || is_past {
                continue;
            }
            match heals(seat.family, &moment.what) {
                Heals::AtOnce => {
                    self.fold.take(&name);
                    is_smaller = true;
                }
                Heals::IfItRuns => {
                    seat.runs = Some(proven.clone());
                    self.fold.set_due(&name, Some(now.saturating_add(runs_for)));
                }
                Heals::NoMore => {
                    seat.runs = None;
                    self.fold.set_due(&name, None);
                }
                Heals::Nothing => {}
            }
        }
        if is_smaller {
            self.fold_shrank(now, proven);
        }
    }

    /// One of them has run for long enough.
    pub(super) fn fire_fold(&mut self, now: Micros) {
        let Some((due, name)) = self.fold.dues.first().filter(|(due, _)| *due <= now).cloned()
        else {
            return;
        };
        let proven = self.fold.take(&name).and_then(|seat| seat.runs);
        if let Some(proven) = proven {
            self.fold_shrank(due, proven);
        }
    }

    /// Its incident was forgotten: what nobody tells of any more is not kept.
    pub(super) fn forget_fold(&mut self) {
        self.fold.clear();
    }

    fn overflow(&self) -> Option<u64> {
        let is_it = |number: &&u64| {
            let entry = self.entries.get(*number);
            entry.is_some_and(|it| it.node_key.as_deref() == Some(OVERFLOW) && it.can_fail())
        };
        self.of_node.iter().rev().find(is_it).copied()
    }

    fn open_overflow(&mut self, now: Micros, at: Micros, ground: Ground<'_>) -> u64 {
        let evidence = quote::told("overflow", TEXT, at);
        let moment = Moment { at, evidence, ..Moment::default() };
        let trigger = Trigger { attempt: None, moment: Some(moment) };
        let mut entry = Entry {
            id: identity::incident(&ground.settings.node, "node|overflow", &time::utc(at)),
            family: Family::Node,
            node_key: Some(OVERFLOW.to_owned()),
            members: vec![Member { failed: now, last_seen: at, ..Member::default() }],
            first_seen: at,
            last_seen: at,
            began: now,
            failed: now,
            announced: now,
            loss: self.blind.texts(at),
            ..Entry::new(Ladder::NodeMembers, trigger)
        };
        entry.judgement.of_node = true;
        entry.judgement.clears_when =
            "none of the failures in it is left: each passed, ended or has an incident of its own"
                .to_owned();
        entry.judgement.next = vec![Next {
            what: "See which pods of this node fail, and begin with the cause that most have"
                .to_owned(),
            command: Some(format!(
                "kubectl get pods -A --field-selector spec.nodeName={}",
                ground.settings.node
            )),
            risk: None,
        }];
        entry.fingerprint = key::fingerprint(&entry.judgement, entry.family, TEXT);
        self.insert(entry)
    }

    /// How many, and what most of them come from.
    fn describe_overflow(&mut self, number: u64) {
        let mut causes: BTreeMap<&str, (u64, Vec<&Folded>)> = BTreeMap::new();
        let mut pods: BTreeSet<&str> = BTreeSet::new();
        for (name, seat) in &self.fold.seats {
            let (count, some) = causes.entry(&seat.cause).or_default();
            *count += 1;
            if some.len() < PODS {
                some.push(seat);
            }
            pods.extend(name.split('|').next().filter(|key| !key.is_empty()));
        }
        let mut causes: Vec<(&str, (u64, Vec<&Folded>))> = causes.into_iter().collect();
        causes.sort_by_key(|(cause, (count, _))| (std::cmp::Reverse(*count), *cause));
        let failures = self.fold.seats.len() as u64;
        let (count, bound) = (pods.len() as u64, limits::INCIDENTS);
        let most: Vec<String> = causes
            .iter()
            .take(CAUSES)
            .map(|(cause, (count, _))| format!("{cause} {count}"))
            .collect();
        let whose = if count == 0 { "the node".to_owned() } else { counted(count, "pod") };
        let title = format!(
            "{} of {whose} beyond the {bound} that are told apart; most: {}",
            counted(failures, "failure"),
            most.join(", ")
        );
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let at = entry.last_seen;
        let mut evidence: Vec<Evidence> = causes
            .iter()
            .take(CAUSES)
            .map(|(cause, (count, some))| {
                let names: Vec<String> = some.iter().map(|seat| shown(&seat.pod)).collect();
                let title = some.first().map_or("", |seat| seat.title.as_str());
                let names = names.join(", ");
                let count = counted(*count, "failure");
                quote::told("overflow", &format!("{cause}: {count} ({names}): {title}"), at)
            })
            .collect();
        if self.fold.counts.beyond > 0 {
            let beyond = self.fold.counts.beyond;
            let text =
                format!("{beyond} attempts more were only counted: no room was left for them");
            evidence.push(quote::told("overflow", &text, at));
        }
        entry.judgement.cause.title = limits::cut(&title, limits::TITLE_BYTES).0.to_owned();
        entry.judgement.evidence = evidence;
        entry.more_pods = count;
        self.changed.insert(number);
    }

    /// The fold became smaller. Empty, it is over.
    fn fold_shrank(&mut self, now: Micros, proven: Proven) {
        let Some(number) = self.overflow() else { return };
        // Those that were only counted find a seat with their next attempt, now that there are some.
        if self.fold.seats.len() < limits::FOLDED {
            self.fold.counts.beyond = 0;
        }
        let is_empty = self.fold.seats.is_empty();
        if let Some(entry) = self.entries.get_mut(&number).filter(|_| is_empty) {
            let text = format!("{}; nothing is folded any more", proven.text);
            entry.sign(None, Sign::MemberPassed, &proven);
            entry.sign(None, Sign::MembersPassed, &Proven { at: now, text });
        }
        if is_empty {
            self.set_due(number, Some(now));
        } else {
            self.say_soon(number, now, false);
        }
    }
}

/// What a moment means for something that failed.
enum Heals {
    AtOnce,
    IfItRuns,
    NoMore,
    Nothing,
}

fn heals(family: Family, what: &MomentKind) -> Heals {
    match (family, what) {
        (_, MomentKind::PodGone | MomentKind::Cleaned) => Heals::AtOnce,
        (Family::Terminate, _) => Heals::Nothing,
        (_, MomentKind::PodRan | MomentKind::Ready(true)) => Heals::AtOnce,
        (Family::Image | Family::Config, MomentKind::ContainerStarted { .. }) => Heals::AtOnce,
        // In a crash loop every turn starts: only to run on proves something.
        (_, MomentKind::ContainerStarted { .. }) => Heals::IfItRuns,
        (_, MomentKind::ContainerEnded { .. }) => Heals::NoMore,
        _ => Heals::Nothing,
    }
}

/// `pod key|container|family`; for a fault of the node, `|its key|node`: what it is told apart by.
fn seat_name(entry: &Entry) -> String {
    if let Some(fault) = &entry.node_key {
        let fault = limits::cut(fault, limits::FOLDED_NAME_BYTES).0.replace('|', "/");
        return format!("|{fault}|{}", entry.family.word());
    }
    let member = entry.members.first();
    let key = member.map_or("", |member| member.key.as_str());
    let container = member.and_then(|member| member.container.as_deref()).unwrap_or_default();
    format!("{key}|{container}|{}", entry.family.word())
}

/// `1 pod`, `3 pods`
fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn shown(pod: &observation::Pod) -> String {
    let name = pod.name.as_deref().or(pod.uid.as_deref()).unwrap_or("the node");
    match &pod.namespace {
        Some(space) => format!("{space}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(node_key: Option<&str>) -> Entry {
        let trigger = Trigger { attempt: None, moment: None };
        Entry {
            family: Family::Node,
            node_key: node_key.map(str::to_owned),
            members: vec![Member::default()],
            ..Entry::new(Ladder::NodeMembers, trigger)
        }
    }

    #[test]
    fn faults_of_the_node_have_seats_of_their_own() {
        let long = format!("trouble/a|b{}", "x".repeat(4096));
        let keys = [None, Some("disk/nodefs"), Some("disk/imagefs"), Some("api"), Some(&long)];
        let names: BTreeSet<String> = keys.iter().map(|key| seat_name(&entry(*key))).collect();
        assert_eq!(names.len(), keys.len(), "{names:?}");
        for name in names {
            assert_eq!(name.split('|').count(), 3, "{name}");
            assert!(name.len() < 200 && name.starts_with('|'), "of no pod: {name}");
        }
    }
}
