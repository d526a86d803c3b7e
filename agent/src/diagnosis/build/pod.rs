//! Whose failure it is, as attributes: only what has the form of an identity, only reasons of the
//! closed table.

use crate::{
    diagnosis::{Counters, attempt::Attempt},
    record::{attributes::Attributes, names},
};

/// Reasons that are also those of a container's status (otlp.md 2.1).
const STATUS_REASONS: [&str; 4] =
    ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"];

/// The closed table of `error.type` (log-grammar §6.3, §6.4); all else is `_OTHER`.
const ERROR_TYPES: &[&str] = &[
    "AppArmor",
    "ConfigPodSandboxError",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "CreatePodSandboxError",
    "DeadlineExceeded",
    "ErrImageNeverPull",
    "ErrImagePull",
    "Evicted",
    "FailedAttachVolume",
    "FailedCreatePodContainer",
    "FailedKillPod",
    "FailedMapVolume",
    "FailedMount",
    "FailedPrepareDynamicResources",
    "FailedToRetrieveImagePullSecret",
    "FreeDiskSpaceFailed",
    "ImageGCFailed",
    "ImageInspectError",
    "ImagePullBackOff",
    "ImageVolumeMountFailed",
    "InitContainerRestartPolicyForbidden",
    "InvalidDiskCapacity",
    "InvalidImageName",
    "InvalidNodeInfo",
    "KillContainerError",
    "KillPodSandboxError",
    "NetworkNotReady",
    "NodeAffinity",
    "NodeName",
    "NodePorts",
    "NodeShutdown",
    "NodeUnschedulable",
    "OutOfcpu",
    "OutOfephemeral-storage",
    "OutOfmemory",
    "OutOfpods",
    "PodFeatureUnsupported",
    "PodLevelResourcesNotSupported",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "PostStartHookError",
    "PreCreateHookError",
    "PreStartHookError",
    "Preempting",
    "RROUnsupported",
    "RegistryUnavailable",
    "RemoveContainerError",
    "ResizePodInPlaceError",
    "RunContainerError",
    "SMTAlignmentError",
    "SetupNetworkError",
    "Shutdown",
    "SignatureValidationFailed",
    "SupplementalGroupsPolicyNotSupported",
    "SysctlForbidden",
    "TaintToleration",
    "TeardownNetworkError",
    "Terminated",
    "TopologyAffinityError",
    "UnexpectedAdmissionError",
    "UnexpectedPredicateFailureType",
    "Unhealthy",
    "UnknownReason",
    "VolumeAttachmentLimitExceeded",
];

/// Text of others becomes identity only where it has identity's form (O25).
pub(super) fn attributes(attempt: &Attempt, out: &mut Attributes, counters: &mut Counters) {
    let mut put = |name, value: Option<&str>, is_valid: fn(&str) -> bool| {
        if value.is_some_and(|value| !is_valid(value)) {
            counters.invalid_identities += 1;
            return;
        }
        out.text(name, value);
    };
    put(names::K8S_NAMESPACE_NAME, attempt.pod.namespace.as_deref(), is_label);
    put(names::K8S_POD_NAME, attempt.pod.name.as_deref(), is_subdomain);
    put(names::K8S_POD_UID, attempt.pod.uid.as_deref(), is_uid);
    put(names::K8S_CONTAINER_NAME, attempt.container.as_deref(), is_label);
}

/// The waiting state, where the kubelet's reason is one of a container's status.
pub(super) fn status_attributes(reason: Option<&str>, out: &mut Attributes) {
    if let Some(status) = reason.filter(|reason| STATUS_REASONS.contains(reason)) {
        out.text(names::K8S_CONTAINER_STATUS_STATE, Some("waiting"));
        out.text(names::K8S_CONTAINER_STATUS_REASON, Some(status));
    }
}

/// The reason, if it is of the closed table.
pub(super) fn error_type(reason: Option<&str>) -> &'static str {
    reason
        .and_then(|reason| ERROR_TYPES.iter().find(|known| **known == reason))
        .map_or("_OTHER", |known| known)
}

/// A name, if it has the form of one.
pub(super) fn name(text: Option<&str>) -> Option<&str> {
    text.filter(|text| is_subdomain(text))
}

/// A namespace or container, if it has the form of one.
pub(super) fn label(text: Option<&str>) -> Option<&str> {
    text.filter(|text| is_label(text))
}

/// A uid, if it has the form of one.
pub(super) fn uid(text: Option<&str>) -> Option<&str> {
    text.filter(|text| is_uid(text))
}

/// A UUID in lower case, or the 32 hex digits of a static pod (G46).
fn is_uid(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let lengths = text.split('-').map(str::len);
    text.split('-').all(is_hex) && (lengths.eq([8, 4, 4, 4, 12]) || text.len() == 32)
}

/// DNS-1123 label.
fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| is_inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(is_inner)
        && text.bytes().next_back().is_some_and(is_inner)
}

/// DNS-1123 subdomain.
fn is_subdomain(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 253
        && text.split('.').all(|part| {
            part.bytes().all(|byte| is_inner(byte) || byte == b'-')
                && part.bytes().next().is_some_and(is_inner)
                && part.bytes().next_back().is_some_and(is_inner)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o25_only_identities_pass() {
        for uid in ["0b7c7a43-5f0e-4a8c-9a0f-0d8a3f0f6c11", "3f9a1c5e7b2d48060a9e4c1f8d573b62"] {
            assert!(is_uid(uid), "g46: {uid}");
        }
        for uid in ["", "x", "0B7C7A43-5F0E-4A8C-9A0F-0D8A3F0F6C11", "0b7c7a43-5f0e-4a8c-9a0f", "-"]
        {
            assert!(!is_uid(uid), "{uid}");
        }
        assert!(is_subdomain("web-0.shop") && is_subdomain("1") && is_label("42"));
        for name in ["", "Web", "-a", "a-", "a..b", "a/b", "a b", "a\u{202e}b"] {
            assert!(!is_subdomain(name), "{name}");
        }
        assert!(!is_label("a.b") && !is_label(&"a".repeat(64)));
    }

    #[test]
    fn error_types_are_a_closed_sorted_table() {
        assert!(ERROR_TYPES.is_sorted());
        assert_eq!(error_type(Some("CrashLoopBackOff")), "CrashLoopBackOff");
        assert_eq!(error_type(Some("no runtime for \"x\"")), "_OTHER");
        assert_eq!(error_type(None), "_OTHER");
    }
}
