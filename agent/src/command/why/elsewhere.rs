//! A pod that is not on this node: where it is, or how to find out.

use super::{Agent, plain};
use crate::app::door::Knowledge;

/// What is said of it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) sentence: String,
}

/// Says where the pod is, as far as that can be known from here.
pub(super) fn find(
    _agent: &Agent,
    known: &Knowledge,
    namespace: Option<&str>,
    name: &str,
) -> Told {
    Told { sentence: how(&known.agent.node, namespace, name) }
}

/// Without Kubernetes access.
fn how(node: &str, namespace: Option<&str>, name: &str) -> String {
    let name = plain(name);
    let (get, asked) = match namespace.map(plain) {
        Some(namespace) => (
            format!("kubectl -n {namespace} get pod {name} -o wide"),
            format!("{namespace}/{name}"),
        ),
        None => (format!("kubectl get pods -A -o wide | grep -F {name}"), name.clone()),
    };
    format!(
        "{asked}: the agent of {} knows no such pod. Its node: {get}. The agent of that node: kubectl \
         get pods -A -l app.kubernetes.io/name=podwhy -o wide. Then ask there: kubectl -n NAMESPACE \
         exec AGENT-POD -- podwhy why {asked}",
        plain(node)
    )
}
