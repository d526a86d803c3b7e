//! What a failure comes from: asks the catalogue with everything that was said and is known, and
//! tells the answer with names, evidence and next steps. A wrapper is never the answer.

mod answers;

use super::{
    backoff,
    case::{Case, Said, Seat, deepest, is_waiting, names::Names, telling},
    changes, exit_code,
    judgement::Judgement,
    killer::{self, Attribution},
    mounts::{self, Finding},
    neighbours,
    world::{ContainerState, World, quote},
};
use crate::{
    catalogue::{self, Catalogue, Class, Condition, Query, QueryText, Signal, TextFrom, Verdict},
    incident::{Cause, Confidence, Evidence, Next, Who, argument},
    limits,
};
use answers::Answers;

#[cfg(test)]
pub(crate) use answers::ANSWERED;

/// The cause that is none: counted, so that the catalogue grows.
pub const UNCLASSIFIED: &str = "unclassified";

/// What a case comes from.
pub(super) fn judge(catalogue: &Catalogue, world: &World, case: &Case) -> Judgement {
    let evicted = case.evicted(world);
    let case = evicted.as_ref().unwrap_or(case);
    let seat = Seat::new(world, case);
    let said = seat.texts();
    let killer = killer::attribute(&seat);
    let mounts = mounts::look(&seat);
    let path = said.iter().find_map(|it| answers::path_of(&it.text));
    let answers = Answers { seat, killer: &killer, mounts: &mounts, path };
    let texts: Vec<QueryText<'_>> =
        said.iter().map(|it| QueryText { text: &it.text, from: it.from }).collect();
    let (step, reason) = seat.step();
    let verdicts = catalogue.find(&Query { step, reason, texts: &texts }, &answers);
    let possible = || verdicts.iter().filter(|verdict| !verdict.is_ruled_out());
    // What the node says of itself is its own cause first; that it evicts a pod is what that feels.
    let of_the_node = || possible().find(|verdict| !is_felt_by_a_pod(verdict.class, verdict.cause));
    let best = match case.key {
        None => of_the_node().or_else(|| possible().next()),
        Some(_) => possible().next(),
    };
    let names = names(&seat, &said, best);
    let mut told = Judgement {
        exit_code: seat.instance.and_then(|it| it.exit_code),
        killed_by: killer.killer.clone(),
        container: seat.container.map(str::to_owned),
        role: seat.role(),
        next_retry: backoff::next_retry(&seat),
        changed: changes::before(&seat),
        contradictions: killer.contradictions.clone(),
        ..Judgement::default()
    };
    (told.step, told.reason) = shown_step(&seat, &killer);
    match best {
        Some(best) => known(best, &names, &mut told),
        None => unclassified(&seat, &mut told),
    }
    let ruled_out = verdicts.iter().filter(|verdict| verdict.is_ruled_out());
    told.ruled_out = ruled_out.map(|verdict| verdict.cause.id.clone()).collect();
    told.of_node = is_of_node(&seat, best);
    told.object = object(best, &names, &answers);
    told.alternatives = alternatives(best, &verdicts, &names, &answers);
    contradict(best, &verdicts, &seat, &answers, &mut told.contradictions);
    told.evidence = evidence(&seat, best, &said, (&killer, &mounts, &answers));
    told
}

/// An eviction as its pod sees it: each of its steps has the pod's own reason.
pub(super) fn is_felt_by_a_pod(class: Class, cause: &catalogue::Cause) -> bool {
    class == Class::Eviction && cause.steps.iter().all(|step| step.contains('/'))
}

/// Names from the texts that matter most: the one that matched, then the failure's own.
fn names(seat: &Seat<'_>, said: &[Said], best: Option<&Verdict<'_>>) -> Names {
    let matched = best.and_then(|best| said.get(best.text?)).map(|it| it.text.as_str());
    let own = said.iter().filter(|it| matches!(it.from, TextFrom::Innermost | TextFrom::Outer));
    let companions = said.iter().filter(|it| it.from == TextFrom::Companion);
    let texts: Vec<&str> =
        matched.into_iter().chain(own.chain(companions).map(|it| it.text.as_str())).collect();
    Names::of(seat, &texts)
}

/// The kubelet's words that say most: what waits says less than what failed.
fn shown_step(seat: &Seat<'_>, killer: &Attribution) -> (Option<String>, Option<String>) {
    let by_probe =
        killer.killer.as_ref().is_some_and(|it| matches!(it.who, Who::Liveness | Who::Startup));
    if by_probe {
        return (Some("Probe".to_owned()), Some("Unhealthy".to_owned()));
    }
    let case = seat.case;
    if let Some(beneath) = seat.beneath
        && case.reason.as_deref() != Some("ImagePullBackOff")
    {
        return (Some(beneath.step.clone()), beneath.reason.clone());
    }
    if !case.step.is_empty() {
        return (Some(case.step.clone()), case.reason.clone());
    }
    // The end of an instance: the kubelet may have told already that it waits.
    let waits = seat.pod.and_then(|pod| {
        pod.failures.iter().rev().find(|it| {
            it.container.as_deref() == seat.container && is_waiting(it.reason.as_deref())
        })
    });
    match waits {
        Some(waits) => (Some(waits.step.clone()), waits.reason.clone()),
        None => (None, None),
    }
}

fn known(best: &Verdict<'_>, names: &Names, told: &mut Judgement) {
    told.cause = cause(best, names, None);
    told.rank = best.cause.role;
    told.tellings = best.cause.tellings;
    told.clears_when = names.sentence(&best.cause.clears);
    told.next = best
        .cause
        .next
        .iter()
        .map(|step| Next {
            what: names.sentence(&step.what),
            command: step.command.as_deref().map(|command| names.command(command)),
            risk: step.risk.clone(),
        })
        .collect();
}

fn cause(verdict: &Verdict<'_>, names: &Names, separator: Option<String>) -> Cause {
    let title = names.sentence(&verdict.cause.title);
    Cause {
        id: verdict.cause.id.clone(),
        class: verdict.class.word().to_owned(),
        title: limits::cut(&title, limits::TITLE_BYTES).0.to_owned(),
        confidence: verdict.level(),
        separator,
        runbook: verdict.cause.runbook.clone(),
    }
}

/// Nothing is known: the failure's innermost words are its headline.
fn unclassified(seat: &Seat<'_>, told: &mut Judgement) {
    let case = seat.case;
    let message = seat.beneath.map_or(case.message.as_str(), |beneath| &beneath.message);
    let words = quote::one_line(deepest(message));
    let code = told.exit_code.map(|code| format!("ended with exit code {code}"));
    let what = if words.is_empty() { code.unwrap_or_else(|| "failed".to_owned()) } else { words };
    let whose = seat.container.map_or_else(|| "the container".to_owned(), quote::one_line);
    let title = match (&told.step, &told.reason) {
        // A wait is no reason (R7): that the reason is not known is what there is to say.
        (_, Some(reason)) if reason == "CrashLoopBackOff" => {
            format!("{whose} ends again and again; nothing here says why")
        }
        (_, Some(reason)) if reason == "ImagePullBackOff" => {
            format!("the image of {whose} cannot be pulled; nothing here says why")
        }
        (Some(step), Some(reason)) => format!("{step} failed, {reason}: {what}"),
        (Some(step), None) => format!("{step} failed: {what}"),
        _ => what,
    };
    told.cause = Cause {
        id: UNCLASSIFIED.to_owned(),
        class: UNCLASSIFIED.to_owned(),
        title: limits::cut(&title, limits::TITLE_BYTES).0.to_owned(),
        confidence: Confidence::Possible,
        ..Cause::default()
    };
    let pod = seat.pod.map_or(&case.pod, |pod| &pod.pod);
    if let (Some(namespace), Some(name)) = (&pod.namespace, &pod.name) {
        let (namespace, name) = (argument(namespace, "<namespace>"), argument(name, "<pod>"));
        let next = |what: &str, command: String| Next {
            what: what.to_owned(),
            command: Some(command),
            risk: None,
        };
        if matches!(told.reason.as_deref(), Some("CrashLoopBackOff" | "Error" | "OOMKilled")) {
            let which = seat.container.map_or_else(
                || "--all-containers".to_owned(),
                |container| format!("-c {}", argument(container, "<container>")),
            );
            told.next.push(next(
                "Read what it wrote before it ended",
                format!("kubectl -n {namespace} logs {name} {which} --previous --tail=50"),
            ));
        }
        told.next.push(next(
            "Read what Kubernetes itself says of the pod",
            format!("kubectl -n {namespace} describe pod {name}"),
        ));
    }
    told.clears_when = "the step that failed succeeds for this pod".to_owned();
}

/// Certain and about the node: every pod there shares it.
fn is_of_node(seat: &Seat<'_>, best: Option<&Verdict<'_>>) -> bool {
    let Some(best) = best else { return seat.case.key.is_none() };
    let is_certain = best.level() == Confidence::Certain;
    let by_node = best.agreed.iter().any(|signal| {
        matches!(
            signal,
            Signal::Is(
                Condition::CniConfigMissing
                    | Condition::CniConfigInvalid
                    | Condition::CniPluginMissing
                    | Condition::CniLeasesFreeZero
                    | Condition::NetworkNotReady
                    | Condition::RuntimeNotReady
                    | Condition::InodesFreeZero
                    | Condition::DiskBytesFreeZero
                    | Condition::DiskReadOnly
            )
        )
    });
    seat.case.key.is_none() || (is_certain && (best.class == Class::Node || by_node))
}

/// What tells two causes of the same kind on one node apart.
fn object(best: Option<&Verdict<'_>>, names: &Names, answers: &Answers<'_>) -> Option<String> {
    let best = best?;
    match best.class {
        Class::Image => names.get("registry").map(str::to_owned),
        Class::Sandbox => names.get("plugin").map(str::to_owned),
        Class::Volume => names.get("driver").map(str::to_owned),
        Class::Node => {
            let by_disk = best.agreed.iter().any(|signal| {
                matches!(
                    signal,
                    Signal::Is(
                        Condition::InodesFreeZero
                            | Condition::DiskBytesFreeZero
                            | Condition::DiskReadOnly
                    )
                )
            });
            let disks = answers.disks();
            let disk = disks.iter().min_by_key(|disk| disk.inodes_free.unwrap_or(disk.free_bytes));
            disk.filter(|_| by_disk).map(|disk| disk.role.name().to_owned())
        }
        _ => None,
    }
}

/// What else it could be, and what tells them apart (diagnosis.md 2.4).
fn alternatives(
    best: Option<&Verdict<'_>>,
    verdicts: &[Verdict<'_>],
    names: &Names,
    answers: &Answers<'_>,
) -> Vec<Cause> {
    let Some(best) = best else { return Vec::new() };
    let others = verdicts.iter().filter(|it| it.cause.id != best.cause.id);
    others
        .take(limits::SHOWN_ALTERNATIVES)
        .map(|other| {
            let ruled_out = other.is_ruled_out().then(|| {
                let why = other.disagreed.iter().find_map(|signal| {
                    let told = answers.evidence(signal).map(|it| it.text);
                    let told = told.or_else(|| answers.against(signal).map(str::to_owned));
                    told.or_else(|| Some(signal.to_string()))
                });
                format!("not this: {}", why.unwrap_or_default())
            });
            let separator = ruled_out
                .or_else(|| best.cause.confused_with.get(&other.cause.id).cloned())
                .or_else(|| other.cause.confused_with.get(&best.cause.id).cloned());
            cause(other, names, separator.map(|text| names.sentence(&text)))
        })
        .collect()
}

/// R75: what speaks against what is said, not hidden.
fn contradict(
    best: Option<&Verdict<'_>>,
    verdicts: &[Verdict<'_>],
    seat: &Seat<'_>,
    answers: &Answers<'_>,
    told: &mut Vec<String>,
) {
    let is_oom = |verdict: &Verdict<'_>| verdict.cause.id.starts_with("oom_");
    let own_word = verdicts.iter().find(|it| it.from == Some(TextFrom::LastWords));
    let words = seat.instance.and_then(|it| it.last_words.as_ref()).map(telling);
    if best.is_some_and(is_oom)
        && let (Some(own), Some(words)) = (own_word, words)
    {
        told.push(format!(
            "killed for memory, yet its last words speak of something else ({}): {}",
            own.cause.id,
            quote::one_line(words)
        ));
    }
    for verdict in verdicts.iter().filter(|it| it.is_ruled_out()) {
        let passed = Signal::Is(Condition::StepPassedElsewhere);
        if verdict.disagreed.contains(&passed)
            && let Some(evidence) = answers.evidence(&passed)
        {
            told.push(format!("against {}: {}", verdict.cause.id, evidence.text));
        }
        let plenty = Signal::Is(Condition::DiskFreePlenty);
        if verdict.disagreed.contains(&plenty)
            && let Some(evidence) = answers.evidence(&plenty)
        {
            let text = format!("not the disk: {}", evidence.text);
            if !told.contains(&text) {
                told.push(text);
            }
        }
    }
}

/// Facts with their sources, most telling first.
fn evidence(
    seat: &Seat<'_>,
    best: Option<&Verdict<'_>>,
    said: &[Said],
    (killer, mounts, answers): (&Attribution, &Finding, &Answers<'_>),
) -> Vec<Evidence> {
    let case = seat.case;
    let at = seat.instance.and_then(|it| it.ended).unwrap_or(case.at);
    let mut shown = Vec::new();
    let matched = best.and_then(|best| said.get(best.text?));
    shown.extend(matched.map(|it| it.evidence.clone()));
    shown.extend(seat.beneath.map(|beneath| beneath.evidence.clone()));
    let of_failure = !case.evidence.text.is_empty() && !is_waiting(case.reason.as_deref());
    shown.extend(of_failure.then(|| case.evidence.clone()));
    shown.extend(killer.evidence.iter().cloned());
    shown.extend(mounts.told.iter().map(|text| quote::told("volumes", text, at)));
    let signals = best.map(|best| best.agreed.as_slice()).unwrap_or_default();
    shown.extend(signals.iter().filter_map(|signal| answers.evidence(signal)));
    if let Some(instance) = seat.instance.filter(|it| it.ended.is_some()) {
        shown.extend(instance.end.clone());
        let meaning = instance
            .exit_code
            .and_then(|code| Some((code, exit_code::meaning(code, instance.reason.as_deref())?)));
        if let Some((code, meaning)) = meaning {
            let mut text = format!("exit code {code}: {}; ask: {}", meaning.means, meaning.ask);
            if let Some(not) = meaning.not {
                text.push_str(&format!(" It does not prove {not}."));
            }
            shown.push(quote::told("exit_code", &text, at));
        }
        if let Some(words) = &instance.last_words
            && matched.is_none_or(|it| it.from != TextFrom::LastWords)
        {
            shown.push(quote::told("last_words", telling(words), words.last_at.unwrap_or(at)));
        }
    }
    shown.extend(probe_evidence(seat));
    if let Some(best) = best {
        shown.extend(neighbours::said(seat.world, &best.cause.id, case.at));
    }
    shown.push(case.evidence.clone());
    let mut seen = std::collections::BTreeSet::new();
    shown.retain(|it| !it.text.is_empty() && seen.insert((it.source.clone(), it.text.clone())));
    shown.truncate(limits::EVIDENCE);
    shown
}

/// R51: how long the probes give a start, against how long it took.
fn probe_evidence(seat: &Seat<'_>) -> Option<Evidence> {
    let instance = seat.instance?;
    let kill = instance
        .kills
        .iter()
        .find(|kill| kill.why.as_deref().is_some_and(|why| why.contains("probe")))?;
    let is_startup = kill.why.as_deref().is_some_and(|why| why.contains("startup probe"));
    let spec = seat.container_spec()?;
    let probe = if is_startup { spec.startup.as_ref()? } else { spec.liveness.as_ref()? };
    let gives = u64::from(probe.initial_delay_seconds)
        + u64::from(probe.period_seconds) * u64::from(probe.failure_threshold.max(1));
    let lived = instance.started.map(|started| kill.at.saturating_sub(started) / 1_000_000);
    let mut text = format!(
        "the {} probe allows {gives} s (initialDelaySeconds {} + periodSeconds {} × \
         failureThreshold {})",
        if is_startup { "startup" } else { "liveness" },
        probe.initial_delay_seconds,
        probe.period_seconds,
        probe.failure_threshold
    );
    if let Some(lived) = lived {
        text.push_str(&format!("; the kubelet gave up {lived} s after the start"));
    }
    if !is_startup && spec.startup.is_none() {
        text.push_str("; there is no startup probe to protect a slow start");
    }
    Some(quote::told("pod", &text, kill.at))
}

#[cfg(test)]
pub(super) mod tests;
