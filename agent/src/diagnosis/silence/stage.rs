//! How far a pod came by itself, and how long it may stay there without a word (diagnosis.md 4.5).

use super::legal;
use crate::{
    diagnosis::world::{PodKey, PodState, World},
    fact::{self, Role},
    observation::time,
    source::Micros,
};

/// How far a pod came, and how long that may take.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) since: Micros,
    pub(super) legal: Micros,
    pub(super) container: Option<String>,
    pub(super) text: String,
}

/// How far the pod came; `None` where nothing is expected of it.
pub(super) fn stage(
    world: &World,
    key: &PodKey,
    pod: &PodState,
    first: Option<Micros>,
) -> Option<Stage> {
    let is_over = pod.is_ending() || pod.succeeded || pod.ran.is_some();
    // What failed once is told by its failures.
    if is_over || !pod.failures.is_empty() {
        return None;
    }
    let added = pod.added?;
    let spec = world.spec(key);
    // A status without ids names no instance, and still says that the pod came further.
    let tells_itself = |it: &fact::Container| {
        it.container_id.is_none()
            && matches!(
                it.state,
                Some(fact::State::Running { .. } | fact::State::Terminated { .. })
            )
    };
    if spec.is_some_and(|spec| spec.containers.iter().any(tells_itself)) {
        return None;
    }
    let heard = |at: Micros| at.max(first.unwrap_or(at));
    let mut running = pod.containers.iter().filter(|(_, container)| container.is_running());
    if let Some((name, container)) = running.next() {
        let role = spec.and_then(|spec| spec.container(name)).map(|known| known.role);
        let started = container.newest().and_then(|newest| newest.started)?;
        let is_init = role == Some(Role::Init) && running.next().is_none();
        return is_init.then(|| Stage {
            since: heard(started),
            legal: legal::INIT,
            container: Some(name.clone()),
            text: format!(
                "init container {name} runs since {}; nothing after it starts before it ends",
                time::utc(started)
            ),
        });
    }
    let newest = pod
        .containers
        .values()
        .filter_map(|container| container.newest())
        .flat_map(|it| [it.created, it.ended])
        .flatten()
        .max();
    let sandbox = pod.sandbox().and_then(|sandbox| sandbox.created);
    let since = [Some(added), sandbox, newest].into_iter().flatten().max()?;
    if let Some((image, began)) = pull(world, spec, pod) {
        return Some(Stage {
            since: heard(began.max(since)),
            legal: legal::PULL,
            container: None,
            text: format!("the pull of {image} runs since {}", time::utc(began)),
        });
    }
    let since_text = time::utc(heard(since));
    let (legal, text) = if newest.is_some() {
        (legal::NO_CONTAINER, format!("no container runs, and nothing says why since {since_text}"))
    } else if sandbox.is_some() {
        (legal::NO_CONTAINER, format!("it has a sandbox, and no container since {since_text}"))
    } else {
        let text = format!("assigned to this node, and no sandbox and no error since {since_text}");
        (legal::NO_SANDBOX, text)
    };
    Some(Stage { since: heard(since), legal, container: None, text })
}

/// A pull of one of its images that runs.
fn pull<'a>(
    world: &'a World,
    spec: Option<&'a fact::Pod>,
    pod: &PodState,
) -> Option<(&'a str, Micros)> {
    let waiting = spec?.containers.iter().filter(|it| pod.container(&it.name).is_none());
    let mut images = waiting.filter_map(|container| container.image.as_deref());
    images.find_map(|image| {
        let began = world.node.pulls.iter().find(|(name, _)| is_same_image(name, image))?.1;
        Some((image, *began))
    })
}

/// `nginx` is `docker.io/library/nginx:latest`.
fn is_same_image(full: &str, named: &str) -> bool {
    let bare = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        name.strip_suffix(":latest").unwrap_or(name).to_owned()
    };
    full == named || bare(full) == bare(named)
}
