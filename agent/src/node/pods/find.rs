//! Where a pod is that is not on this node, and which agent can be asked there. Two questions to the
//! API server, when somebody asks; the agent itself never does.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::ListParams};

use super::{Config, clause, client};
use crate::limits;

/// A pod somewhere in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it was assigned to; `None`: not yet to any node.
    pub node: Option<String>,
    /// Namespace and name of the agent's pod there.
    pub agent: Option<(String, String)>,
}

/// The agent's pods carry it, whatever the release is called.
const LABEL: &str = "app.kubernetes.io/name=podwhy";

/// Looks for a pod by name. Of several namespaces' the first.
///
/// # Errors
/// One clause for humans: why the API server could not be asked.
pub async fn find(
    config: &Config,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Found>, String> {
    let asked = async {
        let client = client(config).await?;
        look(client, namespace, name).await.map_err(|error| clause(&error))
    };
    let in_time = tokio::time::timeout(limits::API_ASK, asked).await;
    in_time.map_err(|_| "the API server does not answer in time".to_owned())?
}

async fn look(
    client: Client,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Found>, kube::Error> {
    let by_name = ListParams::default().fields(&format!("metadata.name={name}")).limit(1);
    let pods: Api<Pod> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let Some(pod) = pods.list(&by_name).await?.items.into_iter().next() else { return Ok(None) };
    let node = pod.spec.and_then(|spec| spec.node_name);
    let agent = match &node {
        Some(node) => {
            let there = format!("spec.nodeName={node}");
            let there = ListParams::default().labels(LABEL).fields(&there).limit(1);
            let agents = Api::<Pod>::all(client).list(&there).await?.items;
            agents
                .into_iter()
                .next()
                .and_then(|agent| Some((agent.metadata.namespace?, agent.metadata.name?)))
        }
        None => None,
    };
    Ok(Some(Found {
        namespace: pod.metadata.namespace.unwrap_or_default(),
        name: pod.metadata.name.unwrap_or_default(),
        node,
        agent,
    }))
}
