//! What the node's own agents said in their logs just before a failure that may come from them: lines
//! of trouble of the network's agents beside a failure of the network, of a storage driver's beside a
//! failure of a volume. Evidence, never a cause.

use super::{
    root::{self, fault::Layer},
    world::{World, quote},
};
use crate::{incident::Evidence, source::Micros};

/// So long before a failure such a line may have to do with it.
const BEFORE: Micros = 600_000_000;

/// Lines are read a moment after they are written, and logs of one moment come in any order.
const AFTER: Micros = 60_000_000;

/// Of the newest lines so many: one says what is wrong, the other that it is not by chance.
const SHOWN: usize = 2;

/// The newest lines beside a failure of this cause at this time.
pub(super) fn said(world: &World, cause: &str, at: Micros) -> Vec<Evidence> {
    let Some(layer) = layer(cause) else { return Vec::new() };
    let is_near =
        |when: Micros| at.saturating_sub(BEFORE) <= when && when <= at.saturating_add(AFTER);
    let mut lines: Vec<_> = world
        .node
        .said
        .iter()
        .filter(|(when, said)| is_near(*when) && root::is_agent(world, &said.instance.pod, layer))
        .collect();
    lines.sort_by_key(|(when, _)| std::cmp::Reverse(*when));
    let shown = lines.into_iter().take(SHOWN).map(|(when, said)| {
        let pod = said.instance.pod.name.as_deref().unwrap_or("a pod");
        quote::told("pod_log", &format!("{pod} says: {}", said.text), *when)
    });
    shown.collect()
}

/// Whose agents a cause concerns.
fn layer(cause: &str) -> Option<Layer> {
    let begins = |words: &[&str]| words.iter().any(|word| cause.starts_with(word));
    if begins(&["cni_", "ipam_", "netns_", "node_network", "node_ready_but_wedged"])
        || begins(&["kill_sandbox_network", "kill_sandbox_cni"])
    {
        Some(Layer::Network)
    } else if begins(&["volume_", "csi_"]) {
        Some(Layer::Storage)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Dated, Fact, Instance, PodRef, Said};

    const AT: Micros = 1_931_508_127_000_000;
    const MINUTE: Micros = 60_000_000;

    fn say(world: &mut World, name: &str, at: Micros, text: &str) {
        let pod = PodRef {
            namespace: Some("kube-system".into()),
            name: Some(name.into()),
            uid: Some(format!("uid-{name}")),
        };
        let instance = Instance { pod, container: "agent".into(), ..Instance::default() };
        let said = Fact::Said(Box::new(Said { instance, text: text.into() }));
        drop(world.fact(at, &Dated { at, fact: said }));
    }

    #[test]
    fn the_newest_words_of_the_agents_concerned_stand_beside_a_failure() {
        let mut world = World::default();
        say(&mut world, "calico-node-x", AT - 20 * MINUTE, "long ago");
        say(&mut world, "calico-node-x", AT - 3 * MINUTE, "first");
        say(&mut world, "calico-node-x", AT - 2 * MINUTE, "second");
        say(&mut world, "csi-node-x", AT - MINUTE, "of a volume");
        say(&mut world, "calico-node-x", AT - MINUTE, "third");
        say(&mut world, "web-0", AT, "of nobody");
        let texts = |cause: &str| -> Vec<String> {
            said(&world, cause, AT).into_iter().map(|it| it.text).collect()
        };
        let network = ["calico-node-x says: third", "calico-node-x says: second"];
        assert_eq!(texts("cni_not_initialized"), network);
        assert_eq!(texts("volume_csi_socket_down"), ["csi-node-x says: of a volume"]);
        assert_eq!(texts("image_not_found"), [""; 0]);
    }
}
