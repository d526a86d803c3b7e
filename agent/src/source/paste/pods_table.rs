//! `kubectl get pods`, in its widths: what its STATUS column reports of failures. Owns that column's
//! words. The table names no container and no message, so whatever else tells of a pod tells more.

use super::value::{age, word};
use super::{Part, Sink, event};
use crate::fact::PodRef;
use crate::observation::{Failure, Form};
use crate::source::Micros;

/// How the message of a failure begins that is known from such a table alone.
pub const LISTED: &str = "`kubectl get pods` says ";

/// The columns that stand in every width, in their order.
const HEAD: [&str; 5] = ["NAME", "READY", "STATUS", "RESTARTS", "AGE"];

/// Whether a line is the head of such a table.
pub(super) fn is_head(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| *word == "NAMESPACE");
    HEAD.iter().all(|column| words.next() == Some(column))
}

/// Whether a line is a row, or the rest of one that a window broke.
pub(super) fn goes_on(line: &str) -> bool {
    let is_rest = || {
        let mut words = line.split_whitespace();
        (1..=4).contains(&words.by_ref().count()) && !line.contains([':', '"', '='])
    };
    Row::of(line, false, false).is_some() || Row::of(line, true, false).is_some() || is_rest()
}

/// Reads a table with its head.
pub(super) fn read(text: &str, number: u64, now: Option<Micros>, sink: Sink<'_>) -> bool {
    let mut lines = text.lines();
    let Some(head) = lines.next() else { return false };
    let has_namespace = head.trim_start().starts_with("NAMESPACE");
    let is_wide = head.split_whitespace().any(|column| column == "NODE");
    let mut any = false;
    for (at, line) in (1..).zip(lines) {
        let Some(row) = Row::of(line, has_namespace, is_wide) else { continue };
        any = true;
        row.hand_on(number + at, now, sink);
    }
    any
}

/// One pod.
#[derive(Debug, PartialEq, Eq)]
struct Row<'t> {
    namespace: Option<&'t str>,
    name: &'t str,
    status: &'t str,
    restarts: &'t str,
    /// `2m`, of the last restart.
    restarted: Option<&'t str>,
    age: &'t str,
    /// Absent in the narrow table; `<none>` before it is scheduled.
    node: Option<&'t str>,
}

impl<'t> Row<'t> {
    /// ```text
    /// row := namespace? name ready status restarts ("(" age " ago)")? age (ip node …)?
    /// ```
    ///
    /// No cell has a blank but that of the restarts, so a copy that lost its alignment is read too.
    fn of(line: &'t str, has_namespace: bool, is_wide: bool) -> Option<Self> {
        let mut words = line.split_whitespace().peekable();
        let namespace = if has_namespace { Some(words.next()?) } else { None };
        let (name, ready, status) = (words.next()?, words.next()?, words.next()?);
        let (passed, of) = ready.split_once('/')?;
        let is_count = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let restarts = words.next()?;
        let is_row = is_count(passed) && is_count(of) && is_count(restarts);
        let restarted = words.next_if(|word| word.starts_with('(')).map(|it| it.trim_matches('('));
        if restarted.is_some() {
            let _ago = words.next_if(|word| *word == "ago)")?;
        }
        let age = words.next()?;
        let node = if is_wide { words.nth(1) } else { None };
        is_row.then_some(Self { namespace, name, status, restarts, restarted, age, node })
    }

    fn hand_on(&self, number: u64, now: Option<Micros>, sink: Sink<'_>) {
        let node = self.node.filter(|node| *node != "<none>").map(word);
        let pod =
            PodRef { namespace: self.namespace.map(word), name: Some(word(self.name)), uid: None };
        sink(Part::Listed(pod.clone(), node));
        let before = |text: &str| now?.checked_sub(age(text)?);
        let at =
            self.restarted.and_then(before).or_else(|| now.filter(|_| before(self.age).is_some()));
        for mut failure in self.failures() {
            failure.message = self.message();
            let mut seen = event::reported(failure, &pod, None, at, number);
            seen.form = Form::Describe;
            sink(Part::Reported(Box::new(seen)));
        }
    }

    /// The row in words.
    fn message(&self) -> String {
        let restarts = match (self.restarts, self.restarted) {
            ("0", _) => String::new(),
            (count, None) => format!(", restarted {count} times"),
            (count, Some(ago)) => format!(", restarted {count} times, the last {} ago", word(ago)),
        };
        format!("{LISTED}{}{restarts}, and not why", word(self.status))
    }

    /// What the status says of failures: nothing of a pod that only waits, runs or ends.
    fn failures(&self) -> Vec<Failure> {
        let status = self.status.strip_prefix("Init:").unwrap_or(self.status);
        if status == "Pending" && self.node == Some("<none>") {
            return event::failures("FailedScheduling", "");
        }
        let of_pod = event::failures(status, "");
        if !of_pod.is_empty() {
            return of_pod;
        }
        let waits_for_more = ["BackOff", "Err", "Error", "InvalidImageName", "StartError"]
            .iter()
            .any(|word| status.contains(word))
            || matches!(status, "OOMKilled" | "ContainerCannotRun" | "DeadlineExceeded");
        let ended = ["ExitCode:", "Signal:"].iter().any(|lead| status.starts_with(lead));
        match (waits_for_more, ended) {
            (true, _) => event::of_waiting(status, "").into_iter().collect(),
            (false, true) => {
                event::of_waiting("Error", &status.replace(':', " ")).into_iter().collect()
            }
            (false, false) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_in_every_width_and_without_their_alignment() {
        let row = |line, has_namespace, is_wide| Row::of(line, has_namespace, is_wide).unwrap();
        let narrow = row("web-0   0/1     CrashLoopBackOff   5 (2m4s ago)   9m", false, false);
        assert_eq!(
            (narrow.name, narrow.status, narrow.restarted),
            ("web-0", "CrashLoopBackOff", Some("2m4s"))
        );
        let wide = row("shop web-0 1/2 Init:Error 0 9m 10.0.0.7 node-3 <none> <none>", true, true);
        assert_eq!((wide.namespace, wide.node, wide.age), (Some("shop"), Some("node-3"), "9m"));
        assert_eq!(Row::of("web-0 is broken since 5 minutes", false, false), None);
    }

    #[test]
    fn only_what_fails_is_a_failure() {
        let reasons = |status: &str, node: Option<&str>| -> Vec<(String, Option<String>)> {
            let line = format!("web-0 0/1 {status} 0 9m 10.0.0.7 {}", node.unwrap_or("n"));
            let row = Row::of(&line, false, node.is_some()).unwrap();
            row.failures().into_iter().map(|it| (it.step, it.reason)).collect()
        };
        let one = |step: &str, reason: &str| vec![(step.to_owned(), Some(reason.to_owned()))];
        assert_eq!(reasons("CrashLoopBackOff", None), one("StartContainer", "CrashLoopBackOff"));
        assert_eq!(
            reasons("Init:ImagePullBackOff", None),
            one("StartContainer", "ImagePullBackOff")
        );
        assert_eq!(reasons("Evicted", None), one("Eviction", "Evicted"));
        assert_eq!(reasons("OutOfcpu", None), one("Admission", "OutOfcpu"));
        assert_eq!(reasons("Pending", Some("<none>")), one("OffNode", "FailedScheduling"));
        assert_eq!(reasons("Init:ExitCode:3", None), one("StartContainer", "Error"));
        for fine in
            ["Running", "Completed", "Terminating", "ContainerCreating", "Init:0/2", "Pending"]
        {
            assert_eq!(reasons(fine, Some("node-3")), [], "{fine}");
        }
    }
}
