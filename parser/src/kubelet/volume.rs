//! Volume lines: nestedpendingoperations, the reconciler and their detail grammar (§8.3).
//!
//! Owns who is meant by a volume line (G47); which step it is follows from the operation.

use crate::cursor::Cursor;
use crate::message::What;
use crate::{Facts, PodRef, SyncFailure, Text, find, object, stamp};

/// Words that a volume line's text begins with, beside `Operation for "`.
const OPERATIONS: [&str; 15] = [
    "operationExecutor.",
    "MountVolume.",
    "MapVolume.",
    "MountDevice.",
    "AttachVolume.",
    "DetachVolume.",
    "UnmountVolume.",
    "UnmountDevice",
    "UnmapVolume",
    "UnmapDevice",
    "ExpandVolume.",
    "VerifyControllerAttachedVolume",
    "Controller attach succeeded",
    "Volume detached for volume ",
    "Verified volume is safe to detach",
];

/// The kubelet gives every file of a volume to the pod's group, and this takes long.
const OWNERSHIP: &str = "Setting volume ownership for ";

/// Most lines differ in their first letter already.
fn is_operation(raw: &str) -> bool {
    let first = raw.as_bytes().first();
    OPERATIONS.iter().any(|word| word.as_bytes().first() == first && raw.starts_with(word))
}

/// The production of a volume line, printf or the message of a structured one.
pub(super) fn classify(text: Text<'_>) -> Option<What> {
    let raw = text.raw();
    match raw.as_bytes().first()? {
        b'O' => Operation::of(text).map(|operation| match operation.names_a_pod() {
            true => What::VolumeOperationFailed,
            false => What::DeviceOperationFailed,
        }),
        b'o' | b'M' | b'A' | b'D' | b'U' | b'E' | b'V' | b'C' | b'k' => {
            if is_operation(raw) {
                return Some(of_operation(text));
            }
            related(text)
        }
        b'S' => related(text),
        _ => None,
    }
}

/// ```text
/// line := operation " started" … | operation " succeeded" … | operation " failed" …
/// ```
///
/// The name of a volume can hold any word: only what stands before it counts.
fn of_operation(text: Text<'_>) -> What {
    let raw = text.raw();
    let is_undone = raw.starts_with("Unm") || raw.starts_with("Detach");
    let verb = raw
        .as_bytes()
        .split(|byte| *byte == b' ')
        .skip(1)
        .take_while(|word| *word != b"for")
        .find(|word| matches!(*word, b"failed" | b"succeeded" | b"started" | b"detached"));
    match verb {
        Some(b"failed") => {}
        Some(b"detached") => return What::UnmountSucceeded,
        Some(b"succeeded") if is_undone => return What::UnmountSucceeded,
        Some(b"succeeded") => return What::MountSucceeded,
        _ => return What::VolumeOperationStarted,
    }
    let names_a_pod = Detail::of(text).is_some_and(|detail| detail.pod() != PodRef::default());
    match (raw.starts_with("operationExecutor."), names_a_pod) {
        (true, true) => What::ReconcilerOperationFailed,
        (true, false) => What::DeviceOperationFailed,
        (false, _) => What::VolumeOperationRepeated,
    }
}

/// Lines that go with a volume failure; each names something else.
fn related(text: Text<'_>) -> Option<What> {
    let raw = text.raw();
    Some(match () {
        () if raw.starts_with("Couldn't get ") => What::VolumeObjectMissing,
        () if raw.starts_with("Error preparing data for projected volume ") => {
            What::ProjectedVolumeFailed
        }
        () if raw.starts_with("Error creating atomic writer: ") => What::AtomicWriterFailed,
        () if raw.starts_with("kubernetes.io/csi: ") => What::CsiFailed,
        () if raw.starts_with(OWNERSHIP) => What::VolumeOwnershipSlow,
        () => return None,
    })
}

/// Fills in what a volume line says. `None` if it is not one.
pub(super) fn read<'a>(text: Text<'a>, facts: &mut Facts<'a>) -> Option<()> {
    if let Some(operation) = Operation::of(text) {
        facts.pod.uid = operation.uid;
        facts.backoff_seconds = operation.backoff_seconds;
        facts.error = Some(operation.detail);
        if let Some(detail) = Detail::of(operation.detail) {
            detail.fill(facts);
        }
        return Some(());
    }
    let mut cursor = Cursor::of(text);
    if cursor.eat("Couldn't get ") {
        // `configMap ns/name: err`, `secret ns/name: err`: the object's name is no pod's.
        cursor.skip_past(" ")?;
        let object = cursor.until(": ")?;
        facts.pod.namespace = object::pod_value(object).namespace;
        facts.error = Some(cursor.rest().trim_newlines());
        return Some(());
    }
    if cursor.eat("Error preparing data for projected volume ") {
        facts.volume = cursor.until(" for pod ");
        facts.pod = object::pod_value(cursor.until(": ")?);
        facts.error = Some(cursor.rest().trim_newlines());
        return Some(());
    }
    if cursor.eat(OWNERSHIP) {
        facts.pod.uid = uid_of_path(cursor.rest());
        facts.error = Some(text.trim_newlines());
        return Some(());
    }
    for head in ["Error creating atomic writer: ", "kubernetes.io/csi: "] {
        if cursor.eat(head) {
            facts.error = Some(cursor.rest().trim_newlines());
            return Some(());
        }
    }
    Detail::of(text)?.fill(facts);
    Some(())
}

/// The failure of a volume line: its step follows from the operation.
pub(super) fn failure<'a>(text: Text<'a>, error: Option<Text<'a>>) -> SyncFailure<'a> {
    let named = Operation::of(text).map_or(text, |operation| operation.detail);
    let (step, reason) = step(named.raw());
    // The reconciler's text ends with the error too, but may be cut there.
    let message = if Detail::of(named).is_some() { named } else { error.unwrap_or(named) };
    SyncFailure::alone(step, reason, message.trim_newlines())
}

/// §6.2: which step an operation belongs to.
fn step(operation: &str) -> (&'static str, Option<&'static str>) {
    let name = operation.strip_prefix("operationExecutor.").unwrap_or(operation);
    let starts = |word: &str| name.starts_with(word);
    if starts("Unm") || starts("Detach") {
        ("UnmountVolume", None)
    } else if starts("AttachVolume") || starts("VerifyController") || starts("Multi-Attach") {
        ("AttachVolume", Some("FailedAttachVolume"))
    } else if starts("MapVolume") {
        ("MountVolume", Some("FailedMapVolume"))
    } else {
        ("MountVolume", Some("FailedMount"))
    }
}

/// A line of nestedpendingoperations.
struct Operation<'a> {
    /// The pod UID in the key (`podName:` holds it, G47).
    uid: Option<Text<'a>>,
    backoff_seconds: Option<f64>,
    detail: Text<'a>,
}

impl<'a> Operation<'a> {
    /// ```text
    /// line := "Operation for " Q(key) " failed. No retries permitted until " time
    ///         " (durationBeforeRetry " duration "). Error: " ( Q(detail) | detail )
    /// ```
    fn of(text: Text<'a>) -> Option<Self> {
        let mut cursor = Cursor::of(text);
        cursor.take("Operation for ")?;
        let key = cursor.quoted()?;
        cursor.take(" failed. No retries permitted until ")?;
        cursor.skip_past(" (durationBeforeRetry ")?;
        let backoff_seconds = stamp::seconds(cursor.until(")")?.raw());
        cursor.take(". Error: ")?;
        // ≤ 1.21 quotes the detail as a whole; later ones write it as it is.
        let mut quoted = cursor;
        let detail = match quoted.quoted() {
            Some(detail) if quoted.raw().trim_end().is_empty() => detail,
            _ => cursor.rest(),
        };
        Some(Self { uid: uid_of_key(key), backoff_seconds, detail: detail.trim_newlines() })
    }

    fn names_a_pod(&self) -> bool {
        self.uid.is_some()
            || Detail::of(self.detail).is_some_and(|detail| detail.pod() != PodRef::default())
    }
}

/// ```text
/// key := "{volumeName:" unique " podName:" [uid] " nodeName:" [node] "}"        (1.18+)
///      | Q(unique) " (" Q(uid) ")" | Q(unique)                                  (≤ 1.17)
/// ```
///
/// A volume handle may hold almost anything: the last ` podName:` is the kubelet's.
fn uid_of_key(key: Text<'_>) -> Option<Text<'_>> {
    let mut cursor = Cursor::of(key);
    let uid = match cursor.quoted() {
        Some(_) => {
            cursor.take(" (")?;
            cursor.quoted()?
        }
        None => {
            let (_, rest) = find::split_last(key.raw(), " podName:")?;
            key.with_raw(rest.split_once(' ').map_or(rest, |(uid, _)| uid).trim_end_matches('}'))
        }
    };
    Some(uid).filter(|uid| !uid.is_empty())
}

/// The pod of a path below `…/pods/<uid>/`, or of one that begins with the uid.
fn uid_of_path(path: Text<'_>) -> Option<Text<'_>> {
    let below = path.raw().split_once("/pods/").map_or(path.raw(), |(_, below)| below);
    let (uid, _) = below.split_once('/')?;
    object::is_uid(uid).then(|| path.with_raw(uid))
}

/// What `GenerateErrorDetailed` and `GenerateMsgDetailed` write.
struct Detail<'a> {
    volume: Text<'a>,
    name: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    error: Option<Text<'a>>,
}

impl<'a> Detail<'a> {
    /// ```text
    /// detail := op " for volume " volume object " " [": " error]
    /// volume := Q(volume) " (UniqueName: " Q(unique) ")" | Q(unique) " (OuterVolumeSpecName: " Q(volume) ")"
    /// object := " pod " Q(name) " (UID: " Q(uid) ")" | (" on" | " from") " node " Q(node)
    /// ```
    fn of(text: Text<'a>) -> Option<Self> {
        let mut cursor = Cursor::of(text);
        cursor.skip_past(" for volume ")?;
        let first = cursor.quoted()?;
        let volume = match cursor.eat(" (OuterVolumeSpecName: ") {
            true => cursor.quoted()?,
            false => {
                cursor.take(" (UniqueName: ")?;
                cursor.quoted()?;
                first
            }
        };
        cursor.take(")")?;
        let (mut name, mut uid) = (None, None);
        if cursor.eat(" pod ") {
            name = cursor.quoted();
            cursor.take(" (UID: ")?;
            uid = cursor.quoted().filter(|uid| !uid.is_empty());
            let _ = cursor.eat(")");
        } else if cursor.eat(" on node ") || cursor.eat(" from node ") {
            cursor.quoted()?;
        }
        let error = (cursor.eat(" : ") || cursor.eat(": ")).then(|| cursor.rest().trim_newlines());
        Some(Self { volume, name, uid, error })
    }

    /// In details of an unmount both slots hold the UID (G47). No detail holds a namespace.
    fn pod(&self) -> PodRef<'a> {
        let is_uid = |name: &Text<'a>| {
            object::is_uid(name.raw()) || self.uid.is_some_and(|uid| uid.raw() == name.raw())
        };
        let uid = self.uid.or(self.name.filter(is_uid));
        let name = self.name.filter(|name| !name.is_empty() && !is_uid(name));
        PodRef { namespace: None, name, uid }
    }

    fn fill(&self, facts: &mut Facts<'a>) {
        let pod = self.pod();
        facts.volume = Some(self.volume).filter(|volume| !volume.is_empty());
        facts.pod = PodRef {
            namespace: facts.pod.namespace,
            name: facts.pod.name.or(pod.name),
            uid: facts.pod.uid.or(pod.uid),
        };
        if let Some(error) = self.error {
            facts.error = Some(error);
        }
    }
}

/// The error inside a detail, for whoever looks for the innermost words.
pub(crate) fn error_of_detail(text: Text<'_>) -> Option<Text<'_>> {
    // Cheap refusal: every detail names an operation first.
    is_operation(text.raw()).then(|| Detail::of(text)).flatten()?.error
}
