//! Asks `cause` what an entry comes from, and keeps the first evidence of a cause that stays.

use super::{
    case::{Around, Case},
    cause,
    incident::Entry,
    incidents::Ground,
    judgement::Judgement,
    world::MomentKind,
};
use crate::{
    catalogue::Role,
    incident::{Cause, Confidence},
    limits,
};

pub(super) use cause::UNCLASSIFIED;

/// Before anything was judged.
pub(super) fn unknown() -> Judgement {
    Judgement {
        cause: Cause {
            id: UNCLASSIFIED.to_owned(),
            class: UNCLASSIFIED.to_owned(),
            confidence: Confidence::Possible,
            ..Cause::default()
        },
        ..Judgement::default()
    }
}

/// Judges what the entry was last told. A newer word that says less changes no cause.
pub(super) fn judge(entry: &mut Entry, around: Around, ground: Ground<'_>) {
    let attempt = entry.trigger.attempt.as_ref();
    let moment = entry.trigger.moment.as_ref();
    let is_moment_newer = match (attempt, moment) {
        (Some(attempt), Some(moment)) => moment.at > attempt.at,
        (None, Some(_)) => true,
        _ => false,
    };
    let of_attempt = attempt.map(|attempt| Case::of_attempt(ground.world, attempt));
    let of_moment = || moment.and_then(|moment| Case::of_moment(ground.world, moment));
    let case = if is_moment_newer { of_moment().or(of_attempt) } else { of_attempt };
    let Some(mut case) = case else { return };
    let is_incomplete = (!entry.loss.is_empty()).then_some(true);
    case.around = Around { is_incomplete, ..around };
    let judged = cause::judge(ground.catalogue, ground.world, &case);
    // That nothing happened says more than that nothing is known of why.
    let is_silence = moment.is_some_and(|moment| moment.what == MomentKind::NoProgress);
    if is_silence && judged.cause.id == UNCLASSIFIED {
        return;
    }
    // What the node's fault does to its pods is not what the fault comes from.
    let is_effect = |cause: &Cause| {
        let known = ground.catalogue.get(&cause.id);
        entry.node_key.is_some()
            && known.is_some_and(|(class, known)| cause::is_felt_by_a_pod(class, known))
    };
    if is_effect(&judged.cause) && entry.judgement.cause.class == "node" {
        return;
    }
    take(entry, judged);
}

/// The newer judgement, with the evidence that the cause was first known by.
fn take(entry: &mut Entry, mut judged: Judgement) {
    let before = &entry.judgement;
    let weight = |judged: &Judgement| {
        let is_known = judged.cause.id != UNCLASSIFIED;
        (is_known, is_known && judged.rank == Role::Cause)
    };
    if weight(&judged) < weight(before) || is_wordless_repeat(before, &judged) {
        // The newest word still tells the newest times, and what speaks against the cause; not
        // against one that was proven when it failed: the disk that has room now was full then.
        let entry = &mut entry.judgement;
        let is_proven = entry.cause.confidence == Confidence::Certain;
        if !is_proven && judged.ruled_out.contains(&entry.cause.id) {
            entry.cause.confidence = Confidence::Possible;
            entry.contradictions = judged.contradictions;
        }
        entry.next_retry = judged.next_retry.or(entry.next_retry.take());
        entry.exit_code = judged.exit_code.or(entry.exit_code);
        if judged.step.is_some() {
            entry.step = judged.step;
            entry.reason = judged.reason;
        }
        return;
    }
    if before.cause.id == judged.cause.id {
        if let Some(first) = before.evidence.first()
            && !judged.evidence.contains(first)
        {
            judged.evidence.push(first.clone());
        }
        if !before.changed.is_empty() {
            judged.changed.clone_from(&before.changed);
        }
        judged.exit_code = judged.exit_code.or(before.exit_code);
        if judged.killed_by.is_none() {
            judged.killed_by.clone_from(&before.killed_by);
        }
    }
    judged.evidence.truncate(limits::INCIDENT_LIST);
    entry.judgement = judged;
}

/// The next instance ended alike, and its own last words are not read yet, or never will be: what
/// the words of the one before told stays.
fn is_wordless_repeat(before: &Judgement, judged: &Judgement) -> bool {
    let has_words =
        |judged: &Judgement| judged.evidence.iter().any(|evidence| evidence.source == "last_words");
    has_words(before)
        && !has_words(judged)
        && before.exit_code == judged.exit_code
        && before.killed_by == judged.killed_by
}
