//! The few messages of `runtime.v1` (k8s.io/cri-api) that are needed, with its field numbers.

use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct VersionRequest {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct VersionResponse {
    #[prost(string, tag = "2")]
    pub(in crate::node::runtime) runtime_name: String,
    #[prost(string, tag = "3")]
    pub(in crate::node::runtime) runtime_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct StatusRequest {
    #[prost(bool, tag = "1")]
    pub(in crate::node::runtime) verbose: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in crate::node::runtime) status: Option<Status>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct Status {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::node::runtime) conditions: Vec<Condition>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct Condition {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) kind: String,
    #[prost(bool, tag = "2")]
    pub(in crate::node::runtime) status: bool,
    #[prost(string, tag = "3")]
    pub(in crate::node::runtime) reason: String,
    #[prost(string, tag = "4")]
    pub(in crate::node::runtime) message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct ListContainersRequest {
    #[prost(message, optional, tag = "1")]
    pub(in crate::node::runtime) filter: Option<ContainerFilter>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct ContainerFilter {
    #[prost(btree_map = "string, string", tag = "4")]
    pub(in crate::node::runtime) labels: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct ListContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::node::runtime) containers: Vec<Listed>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct Listed {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) id: String,
    #[prost(message, optional, tag = "3")]
    pub(in crate::node::runtime) metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct Metadata {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) name: String,
    #[prost(uint32, tag = "2")]
    pub(in crate::node::runtime) attempt: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct ContainerStatusRequest {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct ContainerStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in crate::node::runtime) status: Option<ContainerStatus>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct ContainerStatus {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) id: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::node::runtime) metadata: Option<Metadata>,
    /// 0 created, 1 running, 2 exited, 3 unknown.
    #[prost(int32, tag = "3")]
    pub(in crate::node::runtime) state: i32,
    /// Nanoseconds, as the next one.
    #[prost(int64, tag = "5")]
    pub(in crate::node::runtime) started_at: i64,
    #[prost(int64, tag = "6")]
    pub(in crate::node::runtime) finished_at: i64,
    #[prost(int32, tag = "7")]
    pub(in crate::node::runtime) exit_code: i32,
    #[prost(message, optional, tag = "8")]
    pub(in crate::node::runtime) image: Option<Image>,
    #[prost(string, tag = "10")]
    pub(in crate::node::runtime) reason: String,
    #[prost(string, tag = "11")]
    pub(in crate::node::runtime) message: String,
    #[prost(message, repeated, tag = "14")]
    pub(in crate::node::runtime) mounts: Vec<Mount>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct Image {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) image: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::node::runtime) struct Mount {
    #[prost(string, tag = "1")]
    pub(in crate::node::runtime) container_path: String,
    #[prost(string, tag = "2")]
    pub(in crate::node::runtime) host_path: String,
    #[prost(bool, tag = "3")]
    pub(in crate::node::runtime) read_only: bool,
}
