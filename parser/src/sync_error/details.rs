//! What a failure's own words say: pod, container, ids, image, times, and the innermost message.
//!
//! Owns the texts of §6.3 and §6.8 that carry such facts; decides no cause.

use super::{SyncFailure, mentions};
use crate::cursor::Cursor;
use crate::{Facts, PodRef, Text, kubelet, object, stamp};

impl<'a> SyncFailure<'a> {
    /// What this failure says about its pod, container, ids and times. What stands only in the
    /// line's keys is not here but in [`crate::Message::facts`].
    ///
    /// ```
    /// use podwhy_parser::{Failures, Text};
    ///
    /// let error = Text::plain(
    ///     r#"failed to "StartContainer" for "web" with CrashLoopBackOff: "back-off 1m20s restarting failed container=web pod=web-0_shop(7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21)""#,
    /// );
    /// let facts = Failures::of(error).next().unwrap().facts();
    /// assert_eq!(facts.backoff_seconds, Some(80.0));
    /// assert_eq!(facts.container.unwrap(), "web");
    /// assert_eq!(facts.pod.namespace.unwrap(), "shop");
    /// ```
    #[must_use]
    pub fn facts(&self) -> Facts<'a> {
        let mut facts = Facts {
            reason: self.reason,
            error: Some(self.message).filter(|message| !message.is_empty()),
            ..Facts::default()
        };
        self.read_target(&mut facts);
        self.read_message(&mut facts);
        facts
    }

    /// G36: what the target is depends on the step.
    fn read_target(&self, facts: &mut Facts<'a>) {
        let Some(target) = self.target.filter(|target| !target.is_empty()) else { return };
        match self.step.as_plain().unwrap_or_default() {
            "StartContainer" | "KillContainer" | "RemoveContainer" | "InitContainer" => {
                facts.container = Some(target);
            }
            "KillPodSandbox" => facts.pod.uid = Some(target),
            "ConfigPodSandbox" => facts.sandbox_id = Some(target),
            _ => {
                if let Some(pod) = object::pod_format(target) {
                    facts.pod = pod;
                }
            }
        }
    }

    fn read_message(&self, facts: &mut Facts<'a>) {
        let message = self.message;
        if let Some(pod) = object::find_pod(message) {
            facts.pod = PodRef {
                namespace: facts.pod.namespace.or(pod.namespace),
                name: facts.pod.name.or(pod.name),
                uid: facts.pod.uid.or(pod.uid),
            };
        }
        facts.backoff_seconds = backoff_seconds(message);
        if facts.container.is_none() && facts.backoff_seconds.is_some() {
            facts.container = container_in_backoff(message);
        }
        mentions::read(message, facts);
        // The exit status of a mount or a tool is not a container's.
        if facts.container.is_some() {
            facts.exit_code = mentions::exit_code(message);
        }
        facts.volume = VolumeWait::of(message).and_then(|wait| wait.only_unmounted());
    }

    /// The message without everything that the kubelet wrapped around it: the same words that the
    /// runtime and its client log. See [`innermost`].
    #[must_use]
    pub fn innermost(&self) -> Text<'a> {
        innermost(self.message)
    }
}

/// What stands behind the wrappers of §6.3 and §6.8: `Failed to create sandbox for pod "…": `,
/// `Back-off pulling image "…": ErrImagePull: ` (G42), `rpc error: code = X desc = ` (G40).
#[must_use]
pub fn innermost(message: Text<'_>) -> Text<'_> {
    let mut cursor = Cursor::of(message);
    loop {
        let before = cursor;
        if let Some(error) = kubelet::error_of_detail(cursor.rest()) {
            cursor = Cursor::of(error);
        } else if unwrap_once(&mut cursor).is_none() {
            return before.rest();
        }
        if cursor.raw().is_empty() {
            return before.rest();
        }
    }
}

/// ```text
/// wrapper := "rpc error: code = " word " desc = "
///          | ("Failed to create sandbox for pod " | …) Q ": "
///          | ("CreatePodSandbox" | "createPodSandbox") " for pod " Q " failed: "
///          | "Back-off pulling image " Q ": "
///          | "ErrImagePull: " | "error killing pod: " | "failed to SyncPod: "
/// ```
fn unwrap_once(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.eat("rpc error: code = ") {
        cursor.run(|character| character != ' ');
        return cursor.take(" desc = ");
    }
    for head in ["Failed to create sandbox for pod ", "Back-off pulling image "] {
        if cursor.eat(head) {
            cursor.quoted()?;
            return cursor.take(": ");
        }
    }
    for head in ["CreatePodSandbox for pod ", "createPodSandbox for pod "] {
        if cursor.eat(head) {
            cursor.quoted()?;
            return cursor.take(" failed: ");
        }
    }
    let words = ["ErrImagePull: ", "error killing pod: ", "failed to SyncPod: "];
    words.into_iter().find_map(|word| cursor.take(word))
}

/// The code of the first `rpc error: code = X desc = ` of a message: a word, or in very old
/// kubelets a number.
#[must_use]
pub fn rpc_code(message: Text<'_>) -> Option<Text<'_>> {
    let mut cursor = Cursor::of(message);
    cursor.skip_past("rpc error: code = ")?;
    Some(cursor.run(|character| character != ' ')).filter(|code| !code.is_empty())
}

/// `Back-off` and `back-off` are the same (G41).
///
/// ```text
/// back_off := ("B" | "b") "ack-off " duration " restarting failed container"
/// ```
///
/// ```
/// use podwhy_parser::{Text, sync_error::backoff_seconds};
/// let message = "back-off 1m20s restarting failed container=app pod=web-0_shop(0b7c)";
/// assert_eq!(backoff_seconds(Text::plain(message)), Some(80.0));
/// ```
#[must_use]
pub fn backoff_seconds(message: Text<'_>) -> Option<f64> {
    let mut cursor = Cursor::of(message);
    if !cursor.eat("back-off ") && !cursor.eat("Back-off ") {
        return None;
    }
    let duration = cursor.run(|character| character != ' ');
    cursor.take(" restarting")?;
    stamp::seconds(duration.raw())
}

/// `… restarting failed container=name pod=…`.
fn container_in_backoff(message: Text<'_>) -> Option<Text<'_>> {
    let mut cursor = Cursor::of(message);
    cursor.skip_past(" failed container=")?;
    Some(cursor.run(|character| character != ' ')).filter(|name| !name.is_empty())
}

/// The lists of a volume time-out. Each is blank-separated and may be empty (G39).
///
/// ```text
/// wait := "unmounted volumes=[" names "], unattached volumes=[" names "]"
///         [ ", failed to process volumes=[" names "]" ] ": " cause
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeWait<'a> {
    /// Volumes that are not mounted.
    pub unmounted: Text<'a>,
    /// Volumes that are not attached.
    pub unattached: Text<'a>,
    /// Volumes that could not be processed (1.27+).
    pub unprocessed: Option<Text<'a>>,
}

impl<'a> VolumeWait<'a> {
    /// Reads the lists of a message.
    #[must_use]
    pub fn of(message: Text<'a>) -> Option<Self> {
        let mut cursor = Cursor::of(message);
        cursor.take("unmounted volumes=[")?;
        let unmounted = cursor.until("]")?;
        let unattached = match cursor.eat(", unattached volumes=[") {
            true => cursor.until("]")?,
            false => message.with_raw(""),
        };
        let unprocessed = match cursor.eat(", failed to process volumes=[") {
            true => cursor.until("]"),
            false => None,
        };
        Some(Self { unmounted, unattached, unprocessed })
    }

    /// The names of one list.
    pub fn names(list: Text<'a>) -> impl Iterator<Item = Text<'a>> {
        list.raw().split_ascii_whitespace().map(move |name| list.with_raw(name))
    }

    /// The unmounted volume, where there is just one.
    #[must_use]
    pub fn only_unmounted(&self) -> Option<Text<'a>> {
        let mut names = Self::names(self.unmounted);
        let first = names.next()?;
        names.next().is_none().then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g42_the_innermost_message_is_the_runtimes_own() {
        let message = r#"Back-off pulling image "x": ErrImagePull: rpc error: code = NotFound desc = gone: not found"#;
        assert_eq!(innermost(Text::plain(message)), "gone: not found");
        assert_eq!(rpc_code(Text::plain(message)).unwrap(), "NotFound");
        let bare = Text::plain(r#"Back-off pulling image "x""#);
        assert_eq!(innermost(bare), bare);
    }
}
