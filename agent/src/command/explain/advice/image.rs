//! Images and what is started in them (R41, R53, R54, R85).

use super::{Said, said};
use crate::fact::{Container, Pod, State};
use crate::source::paste::{Image, Manifest};

pub(super) fn judge(manifest: &Manifest, images: &[Image], all: &mut Vec<Said>) {
    for container in &manifest.pod.containers {
        if let Some(config) = config_of(container, images) {
            entrypoint(container, config, all);
            user(&manifest.pod, container, config, all);
            processor(manifest, container, config, all);
        }
        let Some(image) = container.image.as_deref().filter(|image| !image.is_empty()) else {
            continue;
        };
        tag(container, image, all);
        // What has run has found its program.
        if !has_run(container) {
            shell(container, image, all);
            form(container, image, all);
        }
    }
}

/// Whether an instance of it got beyond its start, as far as its status says.
fn has_run(container: &Container) -> bool {
    [&container.state, &container.last_state].into_iter().flatten().any(|state| match state {
        State::Running { .. } => true,
        State::Terminated { exit_code, reason, .. } => {
            !matches!(exit_code, 126..=128)
                && !matches!(reason.as_deref(), Some("StartError" | "ContainerCannotRun"))
        }
        State::Waiting { .. } => false,
    })
}

/// How a start failed, in the runtime's words.
fn start_error(container: &Container) -> Option<&str> {
    [&container.state, &container.last_state].into_iter().flatten().find_map(|state| match state {
        State::Terminated { message, .. } | State::Waiting { message, .. } => {
            message.as_deref().filter(|it| it.contains("exec") || it.contains("no command"))
        }
        State::Running { .. } => None,
    })
}

/// What the status adds to a suspicion.
fn proof(container: &Container) -> String {
    start_error(container).map(|error| format!("; its start says: {error}")).unwrap_or_default()
}

/// The configuration of a container's image: the one of its name or digest; where a single one was
/// given without a name, that is what was meant.
pub(super) fn config_of<'i>(container: &Container, images: &'i [Image]) -> Option<&'i Image> {
    let short = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name).to_owned();
        let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        if has_tag { name } else { name + ":latest" }
    };
    let wanted: Vec<String> =
        [&container.image, &container.image_id].into_iter().flatten().map(|it| short(it)).collect();
    images
        .iter()
        .find(|image| image.names.iter().any(|name| wanted.contains(&short(name))))
        .or_else(|| images.first().filter(|image| images.len() == 1 && image.names.is_empty()))
}

/// R41, R57: what the image starts, against what the specification says.
fn entrypoint(container: &Container, image: &Image, all: &mut Vec<Said>) {
    let (has_command, has_args) = (!container.command.is_empty(), !container.args.is_empty());
    let words = |words: &[String]| words.join(" ");
    if image.entrypoint.is_empty() && !has_command && !has_args && image.command.is_empty() {
        let text =
            "the image has neither ENTRYPOINT nor CMD, and the specification has no command: \
                    there is nothing to start (`no command specified`)"
                .to_owned();
        all.push(said("no_command", Some(container), text, "set command to the program"));
    } else if image.entrypoint.is_empty() && !has_command && has_args {
        let text = format!(
            "the image has no ENTRYPOINT, so args replace its CMD `{}` and `{}` itself is started as \
             the program",
            words(&image.command),
            container.args.first().map_or("", String::as_str)
        );
        let what = "put the program into command and leave only its arguments in args";
        all.push(said("args_as_program", Some(container), text, what));
    } else if has_command && !has_args && !image.command.is_empty() && !is_line_of_shell(container)
    {
        let text = format!(
            "command replaces the image's ENTRYPOINT, and with it the CMD `{}` is not used any more: \
             `{}` is started without it",
            words(&image.command),
            words(&container.command)
        );
        let what = "repeat in args what the program needs of it";
        all.push(said("image_command_dropped", Some(container), text, what));
    } else if let [shell, flag, line, ..] = image.entrypoint.as_slice()
        && has_args
        && !has_command
        && (shell.ends_with("/sh") || shell.ends_with("/bash"))
        && flag == "-c"
        && !line.contains(['@', '*'])
    {
        let text = format!(
            "the image's ENTRYPOINT is a line of a shell, `{line}`: args become $0, $1 of that shell, \
             and the program never sees them"
        );
        let what = "set command to the program itself beside args";
        all.push(said("args_to_shell", Some(container), text, what));
    }
}

/// A command that is a line for a shell says all that is to be run.
fn is_line_of_shell(container: &Container) -> bool {
    let [shell, flag, ..] = container.command.as_slice() else { return false };
    let name = shell.rsplit('/').next().unwrap_or(shell);
    matches!(name, "sh" | "bash" | "ash" | "dash") && flag.starts_with('-') && flag.ends_with('c')
}

/// Who runs it where the specification names nobody.
fn user(pod: &Pod, container: &Container, image: &Image, all: &mut Vec<Said>) {
    let is_named = container.run_as_user.or(pod.run_as_user).is_some();
    if container.run_as_non_root == Some(true) && !is_named && is_root(&image.user) {
        let text =
            "runAsNonRoot, and the image's user is root: the container is never created".to_owned();
        all.push(said("image_user_is_root", Some(container), text, "set runAsUser"));
    }
}

/// An image's user: nobody named is root.
pub(super) fn is_root(user: &str) -> bool {
    let id = user.split(':').next().unwrap_or_default();
    id.is_empty() || id == "root" || id.parse::<u32>().is_ok_and(|id| id == 0)
}

/// R55: built for another processor than the one that is asked for.
fn processor(manifest: &Manifest, container: &Container, image: &Image, all: &mut Vec<Said>) {
    let (Some(built), Some(asked)) = (image.architecture.as_deref(), selected(&manifest.text))
    else {
        return;
    };
    if built != asked {
        let text = format!(
            "the image is built for {built}, and the pod selects nodes of {asked}: its program ends \
             with `exec format error`"
        );
        let what = "build the image for both, or select the nodes that it is built for";
        all.push(said("image_architecture", Some(container), text, what));
    }
}

/// The processor that a node selector names, or a required affinity that allows no other.
fn selected(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("kubernetes.io/arch")?;
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let first = |text: &'_ str| text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let value = rest.trim_start_matches(['"', '\'', ':', ' ']);
    if let Some(value) = value.get(..first(value)).filter(|value| !value.is_empty()) {
        return Some(value);
    }
    let mut words = rest.split(|c: char| !is_part(c)).filter(|word| !word.is_empty());
    let only = ["operator", "In", "values"];
    if text.contains("preferredDuring") || !only.iter().all(|word| words.next() == Some(word)) {
        return None;
    }
    let value = words.next()?;
    let (_, behind) = rest.split_once("values")?.1.split_once(value)?;
    let is_alone = !behind.trim_start_matches(['"', '\'', ' ', '\n', '\r']).starts_with([',', '-']);
    is_alone.then_some(value)
}

/// R85: a tag that means another image tomorrow.
fn tag(container: &Container, image: &str, all: &mut Vec<Said>) {
    if image.contains('@') {
        return;
    }
    // A colon before the last slash is a port.
    let name = image.rsplit('/').next().unwrap_or(image);
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let (id, text) = match tag {
        None => (
            "image_without_tag",
            format!("image {image} names no tag: it is whatever `latest` is at the next pull"),
        ),
        Some("latest") => (
            "image_latest",
            format!("image {image} is another one after the next pull, on this node or the next"),
        ),
        Some(_) => return,
    };
    all.push(said(id, Some(container), text, "name a version, or better the digest (@sha256:…)"));
}

/// R54: a shell that the image does not have.
fn shell(container: &Container, image: &str, all: &mut Vec<Said>) {
    let program = container.command.first().or(container.args.first()).map(String::as_str);
    let Some(program) = program else { return };
    let is_bash = program == "bash" || program.ends_with("/bash");
    let is_shell = is_bash || program == "sh" || program.ends_with("/sh");
    let has = |word: &str| image.contains(word);
    let (lacks, shell) = if has("distroless") && !has("debug") || has("/scratch") {
        (is_shell, "no shell at all")
    } else if has("alpine") || has("busybox") {
        (is_bash, "sh, but no bash")
    } else {
        (false, "")
    };
    if lacks {
        let text = format!("{program} is to be started, but images like {image} hold {shell}");
        let what = "start the program itself, or a shell that the image has";
        let text = text + &proof(container);
        all.push(said("shell_not_in_image", Some(container), text, what));
    }
}

/// R41, R57: one word that holds a whole command line.
fn form(container: &Container, _image: &str, all: &mut Vec<Said>) {
    let Some(first) = container.command.first() else { return };
    let is_line = container.command.len() == 1
        && first.trim().contains(' ')
        && !first.contains('\n')
        && first.starts_with('/');
    if is_line {
        let text = format!(
            "command is one word, `{first}`: the runtime looks for a program of that whole name and \
             finds none"
        );
        let what = "write each argument as an item of its own, or command: [sh, -c, \"…\"]";
        let text = text + &proof(container);
        all.push(said("command_in_one_word", Some(container), text, what));
    }
}
