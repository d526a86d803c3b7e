//! The lines of one OOM kill, new wording and old (G70, G71).
//!
//! Owns the victim, never the process that asked for memory. A process chooses its own name of up
//! to 15 bytes, so numbers are read from the side that the name cannot reach.

use crate::object;
use crate::{Facts, Text, What};

use super::belongs_to;

pub(super) fn what(text: &str) -> Option<What> {
    if let Some(rest) = text.strip_prefix("oom-kill:constraint=") {
        // The constraint says NONE for a cgroup on older kernels: it decides nothing.
        let is_memcg =
            rest.split_once(",task_memcg=").unwrap_or((rest, "")).0.contains(",oom_memcg=");
        return Some(if is_memcg { What::KernelOomMemcg } else { What::KernelOomGlobal });
    }
    if let Some(rest) = text.strip_prefix("Memory cgroup out of memory: ") {
        return is_kill(rest).then_some(What::KernelKilledMemcg);
    }
    if let Some(rest) = text.strip_prefix("Out of memory") {
        // "Out of memory (oom_kill_allocating_task): Killed process …"
        let (_, rest) = rest.split_once(": ")?;
        return is_kill(rest).then_some(What::KernelKilledGlobal);
    }
    if text.starts_with("Killed process ") {
        return Some(What::KernelKilled);
    }
    if text.starts_with("Tasks in ") {
        let is_group = text.contains(" are going to be killed due to memory.oom.group");
        return is_group.then_some(What::KernelOomGroup);
    }
    let is_limit =
        text.starts_with("Task in ") && text.contains(" killed as a result of limit of ");
    is_limit.then_some(What::KernelTaskOverLimit)
}

fn is_kill(rest: &str) -> bool {
    rest.starts_with("Killed process ") || rest.starts_with("Kill process ")
}

pub(super) fn facts<'a>(what: What, text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    match what {
        What::KernelOomMemcg | What::KernelOomGlobal => summary(text, facts),
        What::KernelKilledMemcg | What::KernelKilledGlobal | What::KernelKilled => {
            facts.signal = Some(SIGKILL);
            let rest = text.behind("Killed process ").or_else(|| {
                let (_, rest) = text.cut(": ")?;
                rest.behind("Killed process ").or_else(|| rest.behind("Kill process "))
            })?;
            process(rest, facts)
        }
        What::KernelOomReaped => process(text.behind("oom_reaper: reaped process ")?, facts),
        What::KernelOomGroup => {
            let (path, _) = text.behind("Tasks in ")?.cut(" are going to be killed ")?;
            facts.unit = object::filled(Some(path));
            belongs_to(path, facts);
            Some(())
        }
        What::KernelTaskOverLimit => {
            let (path, limit) = text.behind("Task in ")?.cut(" killed as a result of limit of ")?;
            facts.unit = object::filled(Some(limit));
            belongs_to(path, facts);
            Some(())
        }
        What::KernelOomInvoked => {
            facts.detail = object::filled(Some(text.cut(" invoked oom-killer: ")?.0));
            Some(())
        }
        _ => None,
    }
}

const SIGKILL: i32 = 9;

/// `unit` is the limit that was hit: the same cgroup as the victim's, or an ancestor.
///
/// ```text
/// "oom-kill:constraint=" word "," … ("oom_memcg=" path | "global_oom") ",task_memcg=" path
///     ",task=" comm ",pid=" digits ",uid=" digits
/// ```
fn summary<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (constraint, rest) = text.behind("oom-kill:constraint=")?.cut(",")?;
    facts.reason = object::filled(Some(constraint));
    let (limits, rest) = rest.cut(",task_memcg=")?;
    facts.unit = limits.cut(",oom_memcg=").and_then(|(_, path)| object::filled(Some(path)));
    let (path, rest) = rest.cut(",task=")?;
    belongs_to(path, facts);
    let (comm, pid) = rest.cut_last(",pid=")?;
    facts.detail = object::filled(Some(comm));
    facts.victim_pid = pid.take(|it| it.is_ascii_digit()).0.unsigned()?.try_into().ok();
    Some(())
}

/// ```text
/// process := digits " (" comm ")" ("," | " total-vm:" | " score ") …
/// ```
fn process<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    let (pid, rest) = text.take(|it| it.is_ascii_digit());
    facts.victim_pid = pid.unsigned()?.try_into().ok();
    let rest = rest.behind(" (").or_else(|| rest.behind(", UID ")?.cut(" (").map(|it| it.1))?;
    // The last one that fits: the name before it may hold all of these words.
    let ends = [") total-vm:", "), UID ", ") score ", "), now ", "), "];
    let (comm, _) = ends.iter().find_map(|end| rest.cut_last(end))?;
    facts.detail = object::filled(Some(comm));
    Some(())
}
