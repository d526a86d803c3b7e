//! Failures in any number, as a kubelet and a containerd would write them: up to four lines of the
//! kubelet and one of the runtime for each, blocks and printf continuations among them, each pod
//! with a UID of its own, so that every failure can be told from every other.

use crate::journald::{Journald, Stream};

/// The two writers.
#[derive(Debug)]
pub struct Node {
    kubelet: Stream,
    containerd: Stream,
}

/// What kind of failure number `n` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One structured line.
    CrashLoop,
    /// containerd's line, three kubelet lines with the error as a block, then the sync error.
    Sandbox,
    /// A printf line with a raw multi-line error: complete only at the next header.
    Volume,
    /// The ≤ 1.20 wording, printf too.
    Legacy,
}

impl Shape {
    pub const fn of(number: usize) -> Self {
        match number % 8 {
            1 => Self::Sandbox,
            3 => Self::Volume,
            6 => Self::Legacy,
            _ => Self::CrashLoop,
        }
    }
}

/// The UID of failure number `n`.
pub fn uid(number: usize) -> String {
    format!("{number:08x}-5f0e-4a8c-9a0f-0d8a3f0f6c11")
}

impl Node {
    pub fn new(journald: &Journald) -> Self {
        Self {
            kubelet: journald.stream("kubelet", "kubelet.service"),
            containerd: journald.stream("containerd", "containerd.service"),
        }
    }

    /// Writes everything that the node says about failure number `n`.
    pub fn fail(&mut self, number: usize) {
        let (uid, name) = (uid(number), format!("web-{number}"));
        match Shape::of(number) {
            Shape::CrashLoop => self.error(&format!(
                r#""Error syncing pod, skipping" err="failed to \"StartContainer\" for \"app\" with CrashLoopBackOff: \"back-off 5m0s restarting failed container=app pod={name}_shop({uid})\"" pod="shop/{name}" podUID="{uid}""#
            )),
            Shape::Sandbox => self.sandbox(&uid, &name),
            Shape::Volume => self.error(&format!(
                "Operation for \"{{volumeName:kubernetes.io/nfs/{uid}-data podName:{uid} nodeName:}}\" failed. No retries permitted until 2031-03-17 10:09:55.801742003 +0000 UTC m=+5471.159698 (durationBeforeRetry 2m2s). Error: MountVolume.SetUp failed for volume \"data\" (UniqueName: \"kubernetes.io/nfs/{uid}-data\") pod \"{name}\" (UID: \"{uid}\") : mount failed: exit status 32\nMounting command: mount\nOutput: mount.nfs: access denied by server"
            )),
            Shape::Legacy => self.error(&format!(
                r#"Error syncing pod {uid} ("{name}_shop({uid})"), skipping: failed to "StartContainer" for "app" with ImagePullBackOff: "Back-off pulling image \"registry.example.net/shop/app:{number}\"""#
            )),
        }
    }

    /// The end of the container of failure number `n`, after which its last words are looked for.
    pub fn die(&mut self, number: usize) {
        let (uid, name) = (uid(number), format!("web-{number}"));
        let id = uid.replace('-', "").repeat(2);
        self.kubelet.line(&header('I', &format!(
            "\"SyncLoop (PLEG): event for pod\" pod=\"shop/{name}\" event={{\"ID\":\"{uid}\",\"Type\":\"ContainerDied\",\"Data\":\"{id}\"}}"
        )));
    }

    /// One line of about so many bytes; the pod is named before what makes it long.
    pub fn fail_at_length(&mut self, number: usize, bytes: usize) {
        let (uid, name) = (uid(number), format!("web-{number}"));
        let long = "long ".repeat(bytes / 5);
        self.error(&format!(
            r#""Error syncing pod, skipping" pod="shop/{name}" podUID="{uid}" err="failed to \"StartContainer\" for \"app\" with RunContainerError: \"{long}\"""#
        ));
    }

    fn sandbox(&mut self, uid: &str, name: &str) {
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ");
        // A sandbox has an id of its own; the text has a second line, so that a block is needed.
        let sandbox = uid.replace('-', "").repeat(2);
        let why = format!(
            "failed to setup network for sandbox \"{sandbox}\": plugin type=\"bridge\" name=\"podnet\" failed (add): no IP addresses available\nIs the network agent up?"
        );
        self.containerd.line(&format!(
            r#"time="{time}" level=error msg="RunPodSandbox for &PodSandboxMetadata{{Name:{name},Uid:{uid},Namespace:shop,Attempt:0,}} failed, error" error={why:?}"#
        ));
        let rpc = format!("rpc error: code = Unknown desc = {why}");
        let block = rpc.replace('\n', "\n\t");
        self.error(&format!("\"RunPodSandbox from runtime service failed\" err=<\n\t{block}\n >"));
        self.error(&format!(
            "\"Failed to create sandbox for pod\" err=<\n\t{block}\n > pod=\"shop/{name}\""
        ));
        let message = format!("Failed to create sandbox for pod \"{name}_shop({uid})\": {rpc}");
        let item = format!(
            "failed to \"CreatePodSandbox\" for \"{name}_shop({uid})\" with CreatePodSandboxError: {message:?}"
        );
        self.error(&format!(
            r#""Error syncing pod, skipping" err={item:?} pod="shop/{name}" podUID="{uid}""#
        ));
    }

    /// The pod of failure number `n` is deleted, and gone.
    pub fn remove(&mut self, number: usize) {
        for what in ["DELETE", "REMOVE"] {
            let text = format!("\"SyncLoop {what}\" source=\"api\" pods=[\"shop/web-{number}\"]");
            self.kubelet.line(&header('I', &text));
        }
    }

    /// Returns when everything so far is on its way to journald.
    pub fn flush(&mut self) {
        self.kubelet.flush();
        self.containerd.flush();
    }

    /// A line that is no failure, as most lines are.
    pub fn chat(&mut self, number: usize) {
        let pod = format!("shop/web-{number}");
        self.kubelet
            .line(&header('I', &format!("\"SyncLoop UPDATE\" source=\"api\" pods=[\"{pod}\"]")));
    }

    fn error(&mut self, message: &str) {
        for line in header('E', message).split('\n') {
            self.kubelet.line(line);
        }
    }
}

fn header(severity: char, message: &str) -> String {
    let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
    format!("{severity}{now}    2148 pod_workers.go:1324] {message}")
}
