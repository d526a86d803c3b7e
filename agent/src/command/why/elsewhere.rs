//! A pod that is not on this node: where it is and whom to ask, or how to find out.

use std::path::PathBuf;

use super::{Agent, plain};
use crate::app::{self, door::Knowledge};
use crate::export::otlp_http::install_tls_provider;
use crate::node::pods::{self, Found};

/// Says where the pod is, as far as that can be known from here.
pub(super) fn tell(
    agent: &Agent,
    known: &Knowledge,
    namespace: Option<&str>,
    name: &str,
) -> String {
    let node = plain(&known.agent.node);
    match find(agent, namespace, name) {
        Ok(Some(found)) => there(&found, &node),
        Ok(None) => {
            let asked = asked(namespace, name);
            format!(
                "{asked}: the API server knows no such pod. Look for its name: kubectl get pods -A | \
                 grep -F {}",
                plain(name)
            )
        }
        Err(why) => how(&node, namespace, name, &why),
    }
}

/// Another node's agent is asked there.
pub(super) fn other_node(here: &str, name: &str) -> String {
    let (here, name) = (plain(here), plain(name));
    format!(
        "this is the agent of {here}. Which one is on {name}: kubectl get pods -A -l \
         app.kubernetes.io/name=podwhy --field-selector spec.nodeName={name}. Then: kubectl -n \
         NAMESPACE exec AGENT-POD -- podwhy why node"
    )
}

/// Asks the API server, where there is access to one.
fn find(agent: &Agent, namespace: Option<&str>, name: &str) -> Result<Option<Found>, String> {
    let config = &agent.loaded.config;
    let named = agent.loaded.environment.get("KUBECONFIG");
    let named = named.and_then(|paths| paths.split(':').find(|path| !path.is_empty()));
    let section = crate::config::Kubernetes {
        kubeconfig: config.kubernetes.kubeconfig.clone().or_else(|| named.map(PathBuf::from)),
        ..config.kubernetes.clone()
    };
    let reached = app::pods_config(&section, &app::node_name(config));
    install_tls_provider();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?
        .block_on(pods::find(&reached, namespace, name))
}

fn asked(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| plain(name), |space| format!("{}/{}", plain(space), plain(name)))
}

/// The API server knows it.
fn there(found: &Found, here: &str) -> String {
    let (space, name) = (plain(&found.namespace), plain(&found.name));
    let Some(node) = found.node.as_deref().map(plain) else {
        return format!(
            "{space}/{name} is not on any node yet: why, says the scheduler: kubectl -n {space} \
             describe pod {name}"
        );
    };
    if node == here {
        return format!(
            "{space}/{name} is on this node ({node}), and its agent has not heard of it yet: ask again \
             in a moment"
        );
    }
    match &found.agent {
        Some((agent_space, agent)) => format!(
            "{space}/{name} is on node {node}, not on {here}. Ask there: kubectl -n {} exec {} -- \
             podwhy why {space}/{name}",
            plain(agent_space),
            plain(agent)
        ),
        None => format!(
            "{space}/{name} is on node {node}, not on {here}, and no agent runs there (no pod with \
             app.kubernetes.io/name=podwhy). Ask its log: kubectl -n {space} describe pod {name} | \
             podwhy explain"
        ),
    }
}

/// Without Kubernetes access.
fn how(node: &str, namespace: Option<&str>, name: &str, why: &str) -> String {
    let asked = asked(namespace, name);
    let name = plain(name);
    let get = match namespace.map(plain) {
        Some(space) => format!("kubectl -n {space} get pod {name} -o wide"),
        None => format!("kubectl get pods -A -o wide | grep -F {name}"),
    };
    format!(
        "{asked}: the agent of {node} knows no such pod, and the API server cannot be asked from here \
         ({}). Which node has it: {get}. Which agent is there: kubectl get pods -A -l \
         app.kubernetes.io/name=podwhy -o wide. Then: kubectl -n NAMESPACE exec AGENT-POD -- podwhy \
         why {asked}",
        plain(why)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_of_another_node_names_that_node_and_the_command() {
        let found = Found {
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
            node: Some("node-b".to_owned()),
            agent: Some(("podwhy".to_owned(), "podwhy-x7k2p".to_owned())),
        };
        assert_eq!(
            there(&found, "node-a"),
            "shop/web-0 is on node node-b, not on node-a. Ask there: kubectl -n podwhy exec \
             podwhy-x7k2p -- podwhy why shop/web-0"
        );
        let pending = Found { node: None, ..found };
        assert!(there(&pending, "node-a").contains("kubectl -n shop describe pod web-0"));
    }

    #[test]
    fn without_access_it_says_how_to_find_out() {
        let told = how("node-a", Some("shop"), "web-0", "no file");
        assert!(told.contains("kubectl -n shop get pod web-0 -o wide"), "{told}");
        assert!(told.contains("podwhy why shop/web-0"), "{told}");
    }
}
